//! Who is told of an alert, when, and why not: route, group, inhibit, silence, time windows, dedup, repeat,
//! resolve, and the record of each decision.
//!
//! A decider: `(state, event, now) -> decisions`. It performs no I/O, reads no clock, spawns nothing, and does
//! not know how a page is sent. What must outlive the process leaves as [`Change`] values, which the caller
//! commits before it lets a page out.
//!
//! Invariants: one page at a time is under way per group and integration, so that a resolve never overtakes the
//! page it ends; whoever was told of a problem is told of its end; nothing goes silent without a decision.

mod change;
mod config;
mod escalate;
mod group;
mod incident;
mod inhibit;
mod interval;
mod known;
mod lookup;
mod matchers;
mod notice;
pub mod on_call;
mod recent;
mod route;
mod router;
mod severity;
mod silence;
mod silences;
mod view;
pub mod why;
mod window;

pub use change::{Change, InstantKey, RowError, Table, Wait, WaitingGroup};
pub use config::{
    AlertsConfig, Config, EscalationConfig, InhibitRuleConfig, Integration, LayerConfig, OnCallConfig,
    OverrideConfig, RawConfig, ReceiverShape, RouteConfig, StepConfig, TimeIntervalConfig, TimeRangeConfig,
    TimesConfig,
};
pub use escalate::{Escalating, Policies, Policy, Step, Tell, ready_made};
pub use group::{GroupRow, Ledger, Sent};
pub use incident::{Act, ActError, Entry, Incident, IncidentState, What};
pub use inhibit::InhibitRule;
pub use interval::{Intervals, TimeInterval};
pub use matchers::{Parsed, SyntaxError, parse_classic, parse_matchers, parse_one, parse_utf8};
pub use notice::Notice;
pub use route::{GroupBy, Resolve, Route, RouteNode};
pub use router::{Alerts, Received, Tried};
pub use severity::Severity;
pub use silence::{Guard, NewSilence, Reach, Silence, SilenceError, SilenceState, Terms};
pub use view::{AlertState, AlertView, Filter, GroupView, IncidentView};
pub use window::{Window, WindowText};

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod tests;

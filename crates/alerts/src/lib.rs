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
mod group;
mod inhibit;
mod interval;
mod matchers;
mod route;
mod router;
mod silence;
mod view;

pub use change::{Change, RowError, Table};
pub use config::{
    Config, InhibitRuleConfig, Integration, RawConfig, ReceiverShape, RouteConfig, TimeIntervalConfig,
    TimeRangeConfig, TimesConfig,
};
pub use group::{GroupRow, Ledger, Sent};
pub use inhibit::InhibitRule;
pub use interval::{Intervals, TimeInterval};
pub use matchers::{Parsed, SyntaxError, parse_classic, parse_matchers, parse_one, parse_utf8};
pub use route::{GroupBy, Route, RouteNode};
pub use router::Alerts;
pub use silence::{NewSilence, Silence, SilenceError, SilenceState};
pub use view::{AlertState, AlertView, Filter, GroupView, Reason};

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod tests;

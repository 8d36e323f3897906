//! Recording and alerting rules as `(state, result vector, now) -> decisions`.
//!
//! A decider: no I/O, no clock, nothing spawned. It says which rules are due ([`Rules::due`] at ticks,
//! [`Rules::woken`] when samples arrive), somebody evaluates their expressions, and [`Rules::decide`] turns
//! the result into alerts for the router, samples for the store and rows for the journal. It does not know
//! who is told about an alert, nor how a series is stored.
//!
//! Invariants: an arrival starts and fires alerts, only a tick resolves them; a failed evaluation changes no
//! alert; whatever a restart must not lose is in a [`Change`].

mod file;
mod row;
mod rules;
mod spec;
pub mod threshold;
mod unittest;
mod view;
mod wake;

pub use file::{Names, parse_file, read_file};
pub use row::{ActiveRow, AlertState, Change, Error};
pub use rules::{Decided, Due, Figures, GroupId, RuleId, Rules, Settings, Trigger, Vector, result_of};
pub use spec::{GroupSpec, RuleKind, RuleSpec};
pub use unittest::{LoadRules, Outcome, TestProblem, run_tests};
pub use view::{AlertView, GroupView, Health, RuleKindView, RuleView};

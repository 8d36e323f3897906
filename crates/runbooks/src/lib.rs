//! Runbook files: match an alert, expand to diagnose steps, conclude from what they found.
//!
//! A decider: no I/O, no clock, nothing spawned. A runbook says which steps to run ([`Runbook::diagnose`]);
//! others run them as child runs of a page; [`finding`] makes each result readable and
//! [`Runbook::conclude`] names the cause. It does not know how a step's kind works, nor who reads the page.
//!
//! Invariants: what leaves as a finding is bounded and has its secrets removed; values from an alert fill
//! arguments whole or as parts of text, they never name a kind of work.

mod condition;
mod file;
mod fill;
mod finding;
mod matchers;
mod redact;
mod runbook;

pub use file::parse;
pub use finding::{Outcome, finding};
pub use redact::redact;
pub use runbook::{Book, PlannedStep, RemedySpec, Runbook, Step, Verify};

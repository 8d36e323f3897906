//! Everything a client reaches over HTTP: the API of tasks, of Prometheus and of Alertmanager, the worker
//! protocol, health, and the screens.
//!
//! It reads through [`Reads`] and changes through [`Desk`], both filled by `tocsin`; it knows no SQL, opens no
//! socket to a target and decides nothing that a decider could be asked. Invariants: every route is in one
//! table with the role it needs; every body has a bound; a text from outside is escaped for where it is shown;
//! only this crate turns a failure into a status code.

mod api;
mod app;
pub mod auth;
mod closing;
mod cors;
mod edge;
#[cfg(test)]
mod fixture;
mod lenient;
pub mod limits;
mod links;
mod metrics;
#[cfg(test)]
mod no_thresholds;
#[cfg(test)]
mod no_workers;
mod screens;
mod seam;
mod serve;
#[cfg(test)]
mod stand_in;
mod state;
#[cfg(test)]
mod tests;
pub mod views;

pub use api::{answer_acted, answer_submitted};
pub use app::{app, table};
pub use cors::{Cors, USUAL_ORIGINS};
pub use links::{IncidentLinks, Links, Told};
pub use metrics::{FAMILIES, HttpMetrics, Sink};
pub use seam::Schedules;
pub use seam::Thresholds;
pub use seam::{
    Agents, Answer, ApprovalAct, Approvals, Asked, By, Desk, Events, Failure, Grammar, Incidents, Keep,
    KnownAgent, Listener, Listeners, Monitoring, Published, QueryFailure, Queues, Reads, Series, Tasks,
    TokenAct, Topic, Vitals,
};
pub use seam::{KnownWorker, LogLine, NewLogLine, PushWorker, ToolView, Workers};
pub use serve::serve;
pub use state::{Gate, Limits, State};

//! The screens: server-rendered, without script (but for the two pages of the API's description), without anything from outside; light and dark, phone first.
//!
//! Every text from outside goes through maud, which escapes it; every link from outside through `words::link`.

mod acts;
mod alerts;
mod approvals;
mod chart;
mod docs;
mod graph;
mod incidents;
mod layout;
mod on_call;
mod overview;
mod own;
mod queue;
mod silences;
mod spark;
mod watch;
mod words;

pub(crate) use acts::{open_incident_link, use_incident_link};
pub(crate) use approvals::{approval, approvals, open_link, use_link};
pub(crate) use docs::{asset, docs, redoc};
pub(crate) use graph::graph;
pub(crate) use incidents::{incident, incidents};
pub(crate) use on_call::{act as act_on_call, on_call};
pub(crate) use overview::overview;
pub(crate) use silences::{act as act_on_silences, silences};

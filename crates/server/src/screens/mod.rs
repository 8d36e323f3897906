//! The screens: server-rendered, without script (but for the two pages of the API's description), without anything from outside; light and dark, phone first.
//!
//! Every text from outside goes through maud, which escapes it; every link from outside through `words::link`.

mod alerts;
mod approvals;
mod chart;
mod docs;
mod graph;
mod layout;
mod overview;
mod queue;
mod spark;
mod watch;
mod words;

pub(crate) use approvals::{approval, approvals, open_link, use_link};
pub(crate) use docs::{asset, docs, redoc};
pub(crate) use graph::graph;
pub(crate) use overview::overview;

//! Probes: does a service answer, and how fast.
//!
//! Not here: what follows from it (rules) and how a connection is made ([`reach`]).
//! Each probe writes `probe_success`, `probe_duration_seconds{phase}`, and by its kind `redis_up`, `pg_up` or
//! `probe_http_status_code`, labelled `job="probe"`, `probe`, `instance` and its own labels, which win.

mod ask;
mod config;
mod run;
#[cfg(test)]
mod tests;

pub use config::{Probe, ProbeConfig, Question};

pub(crate) use run::{Prober, probe_loop};

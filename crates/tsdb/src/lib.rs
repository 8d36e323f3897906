//! Series on disk: a hot head in plain columns, a log in front of it, immutable segments behind it.
//!
//! A batch is checked, written to the log with one `write`, then shown whole ([`Db`] is [`model::Ingest`] and
//! [`model::Querier`]). [`Db::maintain`] moves what is older than the hot window into compressed, memory-mapped
//! segments, merges those, and drops what is past the retention. Drawings: `docs/formats/wal.md` and
//! `docs/formats/segment.md`.
//!
//! Not here: PromQL, scraping, rules; this crate does not know what an alert is. It starts no thread: its owner
//! calls `maintain` every few seconds.
//!
//! Invariants:
//! - what a commit returned `Ok` for survives the death of the process; the death of the machine costs at most
//!   what came after the last `maintain`;
//! - a query sees whole batches only, and each sample once, wherever it lies;
//! - segments cover disjoint spans of time, and the head takes nothing older than the newest of them;
//! - locks are taken in this order: maintenance, log, head. No lock is held while a segment is read.

mod append;
mod db;
mod error;
mod head;
mod log;
mod maintain;
mod options;
mod query;
mod segment;
mod stats;
mod terms;

#[cfg(test)]
mod tests;

pub use db::Db;
pub use error::Error;
pub use maintain::Maintained;
pub use options::Options;
pub use stats::{Census, METRICS, Stats, TakeMetric};

//! Durable state: one [`Journal`] over the change values that the deciders define.
//!
//! What one decision changed is one transaction: a page's run is there if and only if the alert state that
//! caused it is. Decides nothing: a change is written as it comes. After a failed commit the journal refuses
//! everything; the process must stop and start from disk.

mod changes;
mod figures;
mod reader;
mod rows;
mod settle;
pub mod sqlite;

pub use changes::{Changes, Loaded, Receipt};
pub use figures::{DeadRun, Span};
pub use reader::{DeliveredPage, Page, Reader, RunFilter, RunRow, RunStats, TaskFilter, TaskRow};
#[cfg(feature = "broken-commit")]
pub use settle::broken;
pub use settle::commit_then;
pub use sqlite::Sqlite;

use model::Timestamp;
use std::path::PathBuf;

/// Keeps changes. One writer; a commit returns when a power cut can no longer take it back.
pub trait Journal: Send {
    /// Writes all of `changes` or none. After an error every further commit fails with
    /// [`Error::Refusing`].
    fn commit(&mut self, changes: &Changes) -> Result<Receipt, Error>;

    /// Everything that deciders start from. Called once, before the first commit.
    fn load(&mut self) -> Result<Loaded, Error>;

    /// Removes history that is older than its class is kept, at most `limit` rows of each table, and looks at no
    /// more than a bounded number: what is left goes with a later call. Says how many runs went.
    fn prune(&mut self, cuts: &CutOffs, limit: usize) -> Result<usize, Error>;
}

/// Where history ends, class by class: what is from before may be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CutOffs {
    /// Runs of schedules, pages and diagnosis, by their end; and schedules that fire no more and have no runs left.
    pub runs: Timestamp,
    /// Users' tasks that run once, by their end.
    pub tasks: Timestamp,
    /// Decisions on whom an alert was told to.
    pub alerts: Timestamp,
    /// Lines of the audit log.
    pub audit: Timestamp,
}

/// What can go wrong with a store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be made or opened.
    #[error("cannot open the store {path}")]
    Open {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: Cause,
    },
    /// The file was written by a newer release.
    #[error("the store {path} has layout {found}, this release knows up to {known}; use a newer release")]
    Newer {
        /// Where.
        path: PathBuf,
        /// Its layout.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// A layout could not be brought up to date.
    #[error("cannot bring the store to layout {to}")]
    Migrate {
        /// The layout that could not be reached.
        to: i64,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// A commit failed. Final: the store refuses everything after it.
    #[error("cannot commit {rows} changes")]
    Commit {
        /// How many there were.
        rows: usize,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// Somebody else fired a schedule. Final, as [`Error::Commit`].
    #[error("the schedule of task {task} was fired by somebody else")]
    FiredElsewhere {
        /// Whose schedule.
        task: String,
    },
    /// An earlier commit failed.
    #[error("the store refuses writes since an earlier commit failed; restart from disk")]
    Refusing,
    /// A copy could not be made.
    #[error("cannot back the store up to {path}")]
    Backup {
        /// Where the copy should be.
        path: PathBuf,
        /// Why.
        #[source]
        source: Cause,
    },
    /// Rows cannot be read.
    #[error("cannot read {what} from the store")]
    Read {
        /// What was asked for.
        what: &'static str,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// A row says what no release wrote.
    #[error("cannot read {table} row {key:?}: {what}")]
    Row {
        /// The table.
        table: &'static str,
        /// The row.
        key: String,
        /// What is wrong with it.
        what: String,
    },
}

/// Why a file could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// The file system.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// SQLite.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
}

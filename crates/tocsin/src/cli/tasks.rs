//! What is typed about tasks and approvals.

use super::Remote;
use clap::{Args, Subcommand};

/// `tocsin approve`
#[derive(Debug, Args)]
pub struct Approve {
    /// The approval, or its task
    pub id: Option<String>,
    /// Say no: the task is cancelled
    #[arg(long)]
    pub reject: bool,
    /// Why
    #[arg(long)]
    pub reason: Option<String>,
    /// What waits for an approval
    #[arg(long, conflicts_with_all = ["id", "reject", "reason"])]
    pub list: bool,
    /// Which server, as whom.
    #[command(flatten)]
    pub remote: Remote,
}

/// `tocsin tasks`
#[derive(Debug, Args)]
pub struct Tasks {
    /// What to do [default: list]
    #[command(subcommand)]
    pub verb: Option<TasksVerb>,
    /// Which server, as whom.
    #[command(flatten)]
    pub remote: Remote,
}

/// What to do about tasks.
#[derive(Debug, Clone, Subcommand)]
pub enum TasksVerb {
    /// The newest ones
    List {
        /// Of this status or state
        #[arg(long)]
        status: Option<String>,
        /// At most this many
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=200))]
        limit: u64,
    },
    /// One of them, as JSON
    Show {
        /// Its id
        id: String,
    },
    /// All that keeps one from running
    Why {
        /// Its id
        id: String,
    },
    /// Run one now, besides its schedule
    Run {
        /// Its id
        id: String,
    },
    /// Stop one for good
    Cancel {
        /// Its id
        id: String,
    },
    /// Hold one until it is resumed
    Pause {
        /// Its id
        id: String,
    },
    /// Let a held one go on
    Resume {
        /// Its id
        id: String,
    },
    /// Put off what waits of one
    Snooze {
        /// Its id
        id: String,
        /// By how many seconds
        seconds: u64,
        /// Why
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// The queues
    Queues,
    /// Let nothing of a queue begin
    PauseQueue {
        /// Its name
        name: String,
    },
    /// Let a queue go on
    ResumeQueue {
        /// Its name
        name: String,
    },
    /// Runs that were given up
    Dead {
        /// At most this many
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=200))]
        limit: u64,
    },
    /// Do a run again that was given up
    Replay {
        /// Its id
        run: String,
    },
}

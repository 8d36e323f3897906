//! What is typed about who is on call.

use super::Remote;
use clap::{Args, Subcommand};

/// `tocsin on-call`
#[derive(Debug, Args)]
pub struct OnCall {
    /// What to do [default: list]
    #[command(subcommand)]
    pub verb: Option<OnCallVerb>,
    /// Which server, as whom.
    #[command(flatten)]
    pub remote: Remote,
}

/// What to do about who is on call.
#[derive(Debug, Clone, Subcommand)]
pub enum OnCallVerb {
    /// Who is on call now, who comes next, and who stands in
    List,
    /// Have somebody stand in for whoever it would be
    Override {
        /// The schedule's name
        schedule: String,
        /// Who: the name of a receiver
        who: String,
        /// For how long, such as 8h
        #[arg(long = "for", value_name = "SPAN", required_unless_present = "until")]
        how_long: Option<String>,
        /// Until when, such as 2027-01-31T08:00:00Z
        #[arg(long, value_name = "INSTANT", conflicts_with = "how_long")]
        until: Option<String>,
        /// From when [default: now]
        #[arg(long, value_name = "INSTANT")]
        from: Option<String>,
        /// Who asks for it, where several people share a key; the key's own name stands beside it
        #[arg(long, value_name = "NAME", env = "TOCSIN_BY")]
        by: Option<String>,
    },
    /// Take back that somebody stands in
    Remove {
        /// The schedule's name
        schedule: String,
        /// The override's id
        id: String,
    },
}

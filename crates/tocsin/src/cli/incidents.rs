//! What is typed about incidents, silences and alerts.

use super::Remote;
use clap::{Args, Subcommand};

/// `tocsin incidents`
#[derive(Debug, Args)]
pub struct Incidents {
    /// What to do [default: list]
    #[command(subcommand)]
    pub verb: Option<IncidentsVerb>,
    /// Who does it, where several people share a key; the key's own name stands beside it
    #[arg(long, global = true, value_name = "NAME", env = "TOCSIN_BY")]
    pub by: Option<String>,
    /// Which server, as whom.
    #[command(flatten)]
    pub remote: Remote,
}

/// What to do about incidents.
#[derive(Debug, Clone, Subcommand)]
pub enum IncidentsVerb {
    /// Those that are not over
    List {
        /// In this state: open, acknowledged or resolved
        #[arg(long)]
        state: Option<String>,
        /// Those that are over as well
        #[arg(long)]
        all: bool,
        /// At most this many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=200))]
        limit: u64,
    },
    /// One with its alerts and its timeline
    Show {
        /// Its id
        id: String,
    },
    /// Take one on: no repeats, no further steps
    #[command(alias = "acknowledge")]
    Ack {
        /// Its id
        id: String,
    },
    /// Put one off
    Snooze {
        /// Its id
        id: String,
        /// For how long, such as 2h, or until when, such as 2027-01-31T08:00:00Z
        how_long: String,
    },
    /// Make one somebody's
    Assign {
        /// Its id
        id: String,
        /// Whose
        to: String,
    },
    /// Write something down on one
    Note {
        /// Its id
        id: String,
        /// What
        #[arg(required = true)]
        text: Vec<String>,
    },
    /// Make one part of another
    Merge {
        /// Its id
        id: String,
        /// The other's
        into: String,
    },
    /// End one by hand
    Resolve {
        /// Its id
        id: String,
    },
}

/// `tocsin why`
#[derive(Debug, Args)]
pub struct Why {
    /// An alert's name, its labels as NAME=VALUE, or an incident's id
    #[arg(required = true, value_name = "ALERT|LABELS|ID")]
    pub what: Vec<String>,
    /// When: an instant, or how long ago, such as 10m [default: now]
    #[arg(long)]
    pub at: Option<String>,
    /// Which server, as whom.
    #[command(flatten)]
    pub remote: Remote,
}

/// `tocsin alerts`
#[derive(Debug, Args)]
pub struct Alerts {
    /// Only those whose labels match, such as severity=critical; may be given several times
    #[arg(long, value_name = "MATCHER")]
    pub filter: Vec<String>,
    /// Which server, as whom.
    #[command(flatten)]
    pub remote: Remote,
}

/// `tocsin silence`
#[derive(Debug, Args)]
pub struct Silence {
    /// What to do [default: list]
    #[command(subcommand)]
    pub verb: Option<SilenceVerb>,
    /// Which server, as whom.
    #[command(flatten)]
    pub remote: Remote,
}

/// What to do about silences.
#[derive(Debug, Clone, Subcommand)]
pub enum SilenceVerb {
    /// Those that are not over
    List {
        /// Those that are over as well
        #[arg(long)]
        expired: bool,
    },
    /// Make one
    Add(NewSilence),
    /// End some
    Expire {
        /// Their ids
        #[arg(required = true)]
        ids: Vec<String>,
    },
}

/// `tocsin silence add`
#[derive(Debug, Clone, Args)]
pub struct NewSilence {
    /// Matchers such as alertname=DiskAlmostFull; all must accept
    #[arg(required = true, value_name = "MATCHER")]
    pub matchers: Vec<String>,
    /// For how long
    #[arg(long = "for", default_value = "1h", value_name = "SPAN")]
    pub how_long: String,
    /// From when, an instant [default: now]
    #[arg(long)]
    pub start: Option<String>,
    /// Why
    #[arg(long, short)]
    pub comment: String,
    /// Whose it is [default: who asks]
    #[arg(long)]
    pub owner: Option<String>,
    /// Only inside this time of each week, such as 'monday:friday 22:00-06:00 Europe/Berlin'; may be given several times
    #[arg(long = "window", value_name = "WINDOW")]
    pub windows: Vec<String>,
    /// It ends when all that it silenced has ended
    #[arg(long)]
    pub until_resolved: bool,
    /// It is planned work: others are told when it begins and ends
    #[arg(long)]
    pub maintenance: bool,
    /// Even if it mutes very much
    #[arg(long)]
    pub confirm: bool,
}

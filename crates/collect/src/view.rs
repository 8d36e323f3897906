//! What a person or an API is shown of collecting: copies, taken at one moment.

use crate::scrape::Tally;
use model::{Labels, Timestamp};
use std::time::Duration;

/// How a target or a probe fares.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Health {
    /// Not tried yet.
    #[default]
    Unknown,
    /// The last try was good.
    Up,
    /// The last try failed.
    Down,
}

impl Health {
    /// As Prometheus's API says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Health::Unknown => "unknown",
            Health::Up => "up",
            Health::Down => "down",
        }
    }
}

/// One target.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetView {
    /// Its job (`scrapePool`).
    pub job: String,
    /// What is scraped.
    pub url: String,
    /// On each of its series.
    pub labels: Labels,
    /// Before relabelling.
    pub discovered: Labels,
    /// How it fares.
    pub health: Health,
    /// Why its last scrape failed; empty if it did not.
    pub last_error: String,
    /// When it was last scraped.
    pub last_scrape: Option<Timestamp>,
    /// How long that took.
    pub last_duration: Duration,
    /// How often.
    pub interval: Duration,
    /// How long at most.
    pub timeout: Duration,
    /// The last scrape's counts, with why samples were refused.
    pub tally: Tally,
    /// Samples refused since it began.
    pub refused: u64,
    /// Memory its cache holds.
    pub cache_bytes: usize,
}

/// A discovered address that is not scraped.
#[derive(Debug, Clone, PartialEq)]
pub struct DroppedView {
    /// Its job.
    pub job: String,
    /// Its labels.
    pub discovered: Labels,
    /// Why it cannot be scraped; empty if relabelling dropped it.
    pub error: String,
}

/// One probe.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbeView {
    /// Its name.
    pub name: String,
    /// `http`, `tcp`, `redis`, `postgres`.
    pub kind: &'static str,
    /// Whom it asks, without credentials.
    pub target: String,
    /// On each of its series.
    pub labels: Labels,
    /// How it fares.
    pub health: Health,
    /// Why it failed; empty if it did not.
    pub last_error: String,
    /// When it last asked.
    pub last_at: Option<Timestamp>,
    /// How long that took.
    pub last_duration: Duration,
    /// Since when it has been as it is.
    pub since: Option<Timestamp>,
    /// How often it asks.
    pub interval: Duration,
}

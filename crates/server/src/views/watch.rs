//! Targets, probes and rules.

use model::{Labels, Timestamp};
use std::time::Duration;

/// Whether a target answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TargetHealth {
    /// Not asked yet.
    Unknown,
    /// It answers.
    Up,
    /// It does not.
    Down,
}

impl TargetHealth {
    /// `unknown`, `up` or `down`.
    pub fn as_str(self) -> &'static str {
        match self {
            TargetHealth::Unknown => "unknown",
            TargetHealth::Up => "up",
            TargetHealth::Down => "down",
        }
    }
}

/// A target that is scraped.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetView {
    /// Its labels as its series carry them.
    pub labels: Labels,
    /// Its labels as discovery gave them.
    pub discovered: Labels,
    /// The scrape configuration it belongs to.
    pub scrape_pool: String,
    /// What is fetched.
    pub scrape_url: String,
    /// The same with our host's name for a loopback address.
    pub global_url: String,
    /// Whether it answers.
    pub health: TargetHealth,
    /// Why it does not; empty if it does.
    pub last_error: String,
    /// When it was last asked.
    pub last_scrape: Option<Timestamp>,
    /// How long that took.
    pub last_duration: Duration,
    /// How often it is asked.
    pub interval: Duration,
    /// How long it may take.
    pub timeout: Duration,
    /// How many samples it gave last.
    pub samples: u64,
}

/// What a target says of one of its metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricMetadata {
    /// `counter`, `gauge`, ...
    pub kind: String,
    /// What it is about.
    pub help: String,
    /// In which unit it counts; empty if the target does not say.
    pub unit: String,
}

/// A probe.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbeView {
    /// Its name.
    pub name: String,
    /// `http`, `tcp`, `redis` or `postgres`.
    pub kind: String,
    /// What it asks, secrets masked.
    pub target: String,
    /// Whether it answers.
    pub health: TargetHealth,
    /// Why it does not; empty if it does.
    pub last_error: String,
    /// When it was last asked.
    pub last_probe: Option<Timestamp>,
    /// How long that took.
    pub last_duration: Duration,
    /// How often it is asked.
    pub interval: Duration,
}

/// Whether a rule could be evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RuleHealth {
    /// Not evaluated yet.
    Unknown,
    /// Yes.
    Ok,
    /// No.
    Error,
}

impl RuleHealth {
    /// `unknown`, `ok` or `err`.
    pub fn as_str(self) -> &'static str {
        match self {
            RuleHealth::Unknown => "unknown",
            RuleHealth::Ok => "ok",
            RuleHealth::Error => "err",
        }
    }
}

/// How far an alert of a rule is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ActiveState {
    /// True, not yet for long enough.
    Pending,
    /// Firing.
    Firing,
}

impl ActiveState {
    /// `pending` or `firing`.
    pub fn as_str(self) -> &'static str {
        match self {
            ActiveState::Pending => "pending",
            ActiveState::Firing => "firing",
        }
    }
}

/// An alert of a rule.
#[derive(Debug, Clone, PartialEq)]
pub struct ActiveAlertView {
    /// Its labels.
    pub labels: Labels,
    /// What explains it.
    pub annotations: Labels,
    /// How far it is.
    pub state: ActiveState,
    /// Since when it is true.
    pub active_at: Timestamp,
    /// The value when it was last true.
    pub value: f64,
    /// Since when it is kept firing though no longer true.
    pub keep_firing_since: Option<Timestamp>,
}

/// What a rule does.
#[derive(Debug, Clone, PartialEq)]
pub enum RuleKind {
    /// It records a series.
    Recording,
    /// It raises alerts.
    Alerting {
        /// How long it must be true.
        hold: Duration,
        /// How long it fires on after it was true.
        keep_firing: Duration,
        /// What explains it, templates as written.
        annotations: Labels,
        /// What it found.
        alerts: Vec<ActiveAlertView>,
    },
}

/// A rule.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleView {
    /// The series or the alert.
    pub name: String,
    /// Its expression, in canonical form.
    pub query: String,
    /// Its labels, templates as written.
    pub labels: Labels,
    /// Whether it could be evaluated.
    pub health: RuleHealth,
    /// Why not; empty if it could.
    pub last_error: String,
    /// When it was last evaluated.
    pub last_evaluation: Option<Timestamp>,
    /// How long that took.
    pub evaluation_time: Duration,
    /// What it does.
    pub kind: RuleKind,
}

/// A group of rules.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleGroupView {
    /// Its name.
    pub name: String,
    /// The file it is in.
    pub file: String,
    /// How often it is evaluated.
    pub interval: Duration,
    /// The most alerts or series a rule may give; 0: no limit.
    pub limit: u64,
    /// When it was last evaluated.
    pub last_evaluation: Option<Timestamp>,
    /// How long that took.
    pub evaluation_time: Duration,
    /// Its rules, in order.
    pub rules: Vec<RuleView>,
}

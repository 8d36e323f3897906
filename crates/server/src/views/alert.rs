//! Alerts as the router holds them, and silences.

use model::{Alert, Finding, Labels, Matcher, Remedy, Timestamp};
use std::sync::Arc;

/// What the router makes of an alert now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AlertState {
    /// Not yet routed.
    Unprocessed,
    /// It pages.
    Active,
    /// Silenced, inhibited or muted.
    Suppressed,
}

impl AlertState {
    /// `unprocessed`, `active` or `suppressed`.
    pub fn as_str(self) -> &'static str {
        match self {
            AlertState::Unprocessed => "unprocessed",
            AlertState::Active => "active",
            AlertState::Suppressed => "suppressed",
        }
    }
}

/// One alert that has not ended.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertView {
    /// The alert.
    pub alert: Alert,
    /// What the router makes of it.
    pub state: AlertState,
    /// Ids of silences that match.
    pub silenced_by: Vec<String>,
    /// Fingerprints of alerts that inhibit it.
    pub inhibited_by: Vec<String>,
    /// Names of time intervals that mute its routes.
    pub muted_by: Vec<String>,
    /// The receivers its routes name; alerts of one place share them.
    pub receivers: Arc<[String]>,
    /// What the last page about it said, if one was sent.
    pub diagnosis: Option<Diagnosis>,
}

/// What a page said beyond the alert itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnosis {
    /// When the page was decided.
    pub at: Timestamp,
    /// The receivers that took it.
    pub told: Vec<String>,
    /// What the runbook concludes; empty if it concludes nothing.
    pub cause: String,
    /// What the diagnose steps found, in the runbook's order.
    pub findings: Vec<Finding>,
    /// What could be done.
    pub remedies: Vec<Remedy>,
}

/// An alert that fires and that another configuration would send elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedAlert {
    /// Which.
    pub labels: Labels,
    /// The receivers that it goes to now, in the order of the route tree.
    pub from: Vec<String>,
    /// Those that it would go to.
    pub to: Vec<String>,
}

/// The alerts of one group of one route.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertGroup {
    /// The labels the group was made by.
    pub labels: Labels,
    /// The labels of its route.
    pub route_labels: Labels,
    /// The receiver of its route.
    pub receiver: String,
    /// Its alerts.
    pub alerts: Vec<AlertView>,
}

/// A silence, asked for or kept.
#[derive(Debug, Clone, PartialEq)]
pub struct SilenceView {
    /// Its id; empty in one that is asked for.
    pub id: String,
    /// All must match; never empty.
    pub matchers: Vec<Matcher>,
    /// From when.
    pub starts_at: Timestamp,
    /// Until when.
    pub ends_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Who asked for it.
    pub created_by: String,
    /// Why.
    pub comment: String,
    /// Further words.
    pub annotations: Labels,
    /// What Alertmanager's silences do not have; `None` in one that is asked for: as it was.
    pub terms: Option<SilenceTerms>,
    /// Whether it silences at this moment; means nothing in one that is asked for.
    pub acts: bool,
}

/// What Alertmanager's silences do not have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SilenceTerms {
    /// It silences only inside these; none: all the time.
    pub windows: Vec<SilenceWindow>,
    /// It expires when all that it silenced has ended.
    pub until_resolved: bool,
    /// It is planned work: others are told when it begins and ends.
    pub maintenance: bool,
    /// Who asks for it has seen how much it silences.
    pub confirmed: bool,
}

/// A window that comes back each week, as people write it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SilenceWindow {
    /// `monday`, `monday:friday`; none: every day.
    pub weekdays: Vec<String>,
    /// `22:00`.
    pub start: String,
    /// `06:00`; not after `start` means: on the next day.
    pub end: String,
    /// A tz database name; empty: UTC.
    pub zone: String,
}

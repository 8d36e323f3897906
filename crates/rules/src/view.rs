//! What a reader may see of the rules: plain values, taken at one instant.

use crate::row::AlertState;
use model::{Labels, Timestamp};
use std::time::Duration;

/// How a rule's last evaluation went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Health {
    /// Not evaluated yet.
    Unknown,
    /// Well.
    Ok,
    /// It failed; see the rule's last error.
    Err,
}

impl Health {
    /// `unknown`, `ok` or `err`.
    pub fn as_str(self) -> &'static str {
        match self {
            Health::Unknown => "unknown",
            Health::Ok => "ok",
            Health::Err => "err",
        }
    }
}

/// A group.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupView {
    /// Its name.
    pub name: String,
    /// Its file.
    pub file: String,
    /// How often it is evaluated.
    pub interval: Duration,
    /// How far back its expressions look.
    pub query_offset: Duration,
    /// Its limit; 0 is none.
    pub limit: usize,
    /// How long the last evaluation of all its rules took.
    pub evaluation_time: Duration,
    /// The last tick.
    pub last_evaluation: Option<Timestamp>,
    /// Ticks that were passed over because the one before took too long.
    pub missed: u64,
    /// Its rules, in order.
    pub rules: Vec<RuleView>,
}

/// A rule.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleView {
    /// Its name.
    pub name: String,
    /// Its expression, in canonical form.
    pub query: String,
    /// Its labels, templates unexpanded.
    pub labels: Labels,
    /// How its last evaluation went.
    pub health: Health,
    /// What went wrong; empty if nothing did.
    pub last_error: String,
    /// How long its last evaluation took.
    pub evaluation_time: Duration,
    /// When it was last evaluated.
    pub last_evaluation: Option<Timestamp>,
    /// What kind it is.
    pub kind: RuleKindView,
}

/// What a kind of rule has of its own.
#[derive(Debug, Clone, PartialEq)]
pub enum RuleKindView {
    /// It records series.
    Recording,
    /// It alerts.
    Alerting {
        /// Its `for`.
        hold: Duration,
        /// Its `keep_firing_for`.
        keep_firing: Duration,
        /// Its annotations, templates unexpanded.
        annotations: Labels,
        /// Its alerts that are pending or firing, by labels.
        alerts: Vec<AlertView>,
    },
}

/// A pending or firing alert.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertView {
    /// Its labels.
    pub labels: Labels,
    /// Its annotations.
    pub annotations: Labels,
    /// How far it has come.
    pub state: AlertState,
    /// Since when its expression is true.
    pub active_at: Timestamp,
    /// When it fired.
    pub fired_at: Option<Timestamp>,
    /// The expression's value.
    pub value: f64,
    /// Since when only `keep_firing_for` keeps it.
    pub keep_firing_since: Option<Timestamp>,
}

impl RuleView {
    /// The state of an alerting rule: that of its alert that has come farthest; `None` for none at all.
    pub fn state(&self) -> Option<AlertState> {
        match &self.kind {
            RuleKindView::Recording => None,
            RuleKindView::Alerting { alerts, .. } => {
                let firing = alerts.iter().any(|alert| alert.state == AlertState::Firing);
                let worst = if firing { AlertState::Firing } else { AlertState::Pending };
                (!alerts.is_empty()).then_some(worst)
            }
        }
    }
}

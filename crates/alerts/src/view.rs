//! What readers see: alerts and groups with what holds them, and the filters of the alert API.

use model::{Alert, Decision, Labels, Matcher, Timestamp, Verdict};

/// Where an alert stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AlertState {
    /// Nobody has looked at it.
    Unprocessed,
    /// It pages.
    Active,
    /// Something keeps it quiet.
    Suppressed,
}

impl AlertState {
    /// As the API says it.
    pub fn as_str(self) -> &'static str {
        match self {
            AlertState::Unprocessed => "unprocessed",
            AlertState::Active => "active",
            AlertState::Suppressed => "suppressed",
        }
    }
}

/// An alert with what holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertView {
    /// The alert.
    pub alert: Alert,
    /// Where it stands.
    pub state: AlertState,
    /// Ids of silences.
    pub silenced_by: Vec<String>,
    /// Fingerprints of inhibiting alerts, 16 hexadecimal digits each.
    pub inhibited_by: Vec<String>,
    /// Names of time intervals that mute every route it takes (in a group: the group's route).
    pub muted_by: Vec<String>,
    /// Who is told of it, in the order of the route tree.
    pub receivers: Vec<String>,
}

/// A group with its alerts.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupView {
    /// Its key.
    pub key: String,
    /// The labels it was made by.
    pub labels: Labels,
    /// Labels of its route, as written.
    pub route_labels: Labels,
    /// Who is told.
    pub receiver: String,
    /// When it speaks next.
    pub next_flush: Timestamp,
    /// Its firing alerts.
    pub alerts: Vec<AlertView>,
}

/// Which alerts a reader wants; by default all.
#[derive(Debug, Clone)]
pub struct Filter {
    /// Those that page.
    pub active: bool,
    /// Those that are silenced.
    pub silenced: bool,
    /// Those that are inhibited.
    pub inhibited: bool,
    /// Those that a time interval mutes.
    pub muted: bool,
    /// Those nobody has looked at.
    pub unprocessed: bool,
    /// All must accept the labels.
    pub matchers: Vec<Matcher>,
    /// Must accept one of the receivers' names.
    pub receiver: Option<Matcher>,
}

impl Default for Filter {
    fn default() -> Filter {
        Filter {
            active: true,
            silenced: true,
            inhibited: true,
            muted: true,
            unprocessed: true,
            matchers: Vec::new(),
            receiver: None,
        }
    }
}

impl Filter {
    /// Whether it lets `view` through.
    pub fn accepts(&self, view: &AlertView) -> bool {
        (self.active || view.state != AlertState::Active)
            && (self.unprocessed || view.state != AlertState::Unprocessed)
            && (self.silenced || view.silenced_by.is_empty())
            && (self.inhibited || view.inhibited_by.is_empty())
            && (self.muted || view.muted_by.is_empty())
            && self.matchers.iter().all(|m| m.matches_labels(&view.alert.labels))
            && self.receiver.as_ref().is_none_or(|m| view.receivers.iter().any(|name| m.matches(name)))
    }
}

/// The answer to "why was I (not) paged?" for one alert on one of its routes.
#[derive(Debug, Clone, PartialEq)]
pub struct Reason {
    /// The alert, if it is known now.
    pub alert: Option<Alert>,
    /// The path of the route.
    pub route: String,
    /// Who would be told.
    pub receiver: String,
    /// The group.
    pub group_key: String,
    /// When the group speaks next, if it exists.
    pub next_flush: Option<Timestamp>,
    /// The last verdict at the instant asked for; `None` if none is on record.
    pub verdict: Option<Verdict>,
    /// What was decided about it, oldest first, as far as it is kept in memory.
    pub decisions: Vec<Decision>,
}

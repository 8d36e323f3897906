//! What readers see: alerts and groups with what holds them, and the filters of the alert API.

use crate::incident::Incident;
use model::{Alert, Labels, Matcher, Timestamp};
use std::sync::Arc;

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
    pub receivers: Arc<[String]>,
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

/// An incident with its alerts.
#[derive(Debug, Clone, PartialEq)]
pub struct IncidentView {
    /// The incident.
    pub incident: Incident,
    /// Its alerts: those that fire, and those that ended and whose end is still to be told.
    pub alerts: Vec<AlertView>,
    /// When its group speaks next, if it is not over.
    pub next_send: Option<Timestamp>,
}

//! A page: the message that wakes a person, before any receiver gives it its own shape.

use crate::{Alert, Labels, Timestamp};
use serde::{Deserialize, Serialize};

/// Whether a page speaks of something wrong or of its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PageStatus {
    /// At least one alert is firing.
    Firing,
    /// All have ended.
    Resolved,
}

impl PageStatus {
    /// `firing` or `resolved`.
    pub fn as_str(self) -> &'static str {
        match self {
            PageStatus::Firing => "firing",
            PageStatus::Resolved => "resolved",
        }
    }
}

/// Why a message leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PageReason {
    /// The first of its group.
    First,
    /// Alerts fire that the last one did not tell of.
    Added,
    /// Some of the alerts it told of have ended.
    SomeEnded,
    /// All of them have.
    AllEnded,
    /// Nothing is new; the interval for saying it again has passed.
    Repeat,
    /// Nothing is new, but nobody took it on in time.
    Escalated,
}

impl PageReason {
    /// All of them.
    pub const ALL: [PageReason; 6] = [
        PageReason::First,
        PageReason::Added,
        PageReason::SomeEnded,
        PageReason::AllEnded,
        PageReason::Repeat,
        PageReason::Escalated,
    ];

    /// In Alertmanager's words where it has one.
    pub fn as_str(self) -> &'static str {
        match self {
            PageReason::First => "first notification",
            PageReason::Added => "new alerts added",
            PageReason::SomeEnded => "some alerts resolved",
            PageReason::AllEnded => "all alerts resolved",
            PageReason::Repeat => "repeat interval elapsed",
            PageReason::Escalated => "not acknowledged in time",
        }
    }
}

/// How a diagnose step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FindingState {
    /// It has an output.
    Done,
    /// It went wrong; the output says how.
    Failed,
    /// It had not ended when the page had to leave.
    Late,
}

impl FindingState {
    /// `done`, `failed` or `late`.
    pub fn as_str(self) -> &'static str {
        match self {
            FindingState::Done => "done",
            FindingState::Failed => "failed",
            FindingState::Late => "late",
        }
    }
}

/// What one diagnose step found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The step's id.
    pub step: String,
    /// How it ended.
    pub state: FindingState,
    /// What it says, bounded and with secrets removed.
    pub output: String,
    /// How long it took.
    pub took_ms: u64,
}

/// What a remedy may do without asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Risk {
    /// May run by itself.
    Safe,
    /// Needs an approval.
    Caution,
    /// Only ever proposed.
    Never,
}

impl Risk {
    /// `safe`, `caution` or `never`.
    pub fn as_str(self) -> &'static str {
        match self {
            Risk::Safe => "safe",
            Risk::Caution => "caution",
            Risk::Never => "never",
        }
    }
}

/// A proposed remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remedy {
    /// The step's id.
    pub id: String,
    /// What it may do without asking.
    pub risk: Risk,
    /// What it would do, in words.
    pub text: String,
    /// Where to approve it; empty where nothing can be approved.
    pub approve_url: String,
}

/// Where a page points to. As JSON without the acts that there is nothing to do for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Links {
    /// The incident's screen.
    pub incident: String,
    /// Why this page was sent.
    pub why: String,
    /// A silence form filled in for it.
    pub silence: String,
    /// A screen on which the receiver takes the incident on; empty if there is nothing to take on.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub acknowledge: String,
    /// A screen on which the receiver puts it off.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub snooze: String,
    /// A screen on which the receiver ends it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub resolve: String,
}

/// What is new since the last message to the same integration, by the alerts' fingerprints, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct News {
    /// Alerts that fire and that it did not speak of as firing.
    pub fired: Vec<u64>,
    /// Alerts that have ended and whose end it did not tell.
    pub ended: Vec<u64>,
}

/// One message to one integration of one receiver.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The same on every retry and after a crash; another for every other message.
    pub key: String,
    /// Counts messages of one group to one integration, from 1.
    pub revision: u32,
    /// What it says.
    pub status: PageStatus,
    /// Why it leaves.
    pub reason: PageReason,
    /// The receiver's name.
    pub receiver: String,
    /// Which of the receiver's integrations: `webhook[0]`.
    pub integration: String,
    /// Alertmanager's group key: the route's path and the group labels.
    pub group_key: String,
    /// The labels the group was made by.
    pub group_labels: Labels,
    /// The labels that the route gives to templates.
    pub route_labels: Labels,
    /// The alerts, as Alertmanager sorts them: by job, instance, number of labels, labels.
    pub alerts: Vec<Alert>,
    /// What changed in the group.
    pub news: News,
    /// When it was decided.
    pub at: Timestamp,
    /// Our own address as users see it, no final slash.
    pub external_url: String,
    /// The incident's id.
    pub incident_id: String,
    /// What the runbook concludes; empty if it concludes nothing.
    pub cause: String,
    /// What the diagnose steps found, in the runbook's order.
    pub diagnosis: Vec<Finding>,
    /// What could be done.
    pub remedy: Vec<Remedy>,
    /// How often its incident had come back, if its receiver can do something about it: links that act hold for that
    /// time alone.
    pub reopened: Option<u32>,
    /// Where to look; made when it is sent.
    pub links: Links,
}

impl Page {
    /// The alerts that had not ended when it was decided.
    pub fn firing(&self) -> impl Iterator<Item = &Alert> {
        self.alerts.iter().filter(|alert| !alert.is_resolved(self.at))
    }

    /// The labels that all alerts share.
    pub fn common_labels(&self) -> Labels {
        common(self.alerts.iter().map(|alert| &alert.labels))
    }

    /// The annotations that all alerts share.
    pub fn common_annotations(&self) -> Labels {
        common(self.alerts.iter().map(|alert| &alert.annotations))
    }
}

fn common<'a>(mut sets: impl Iterator<Item = &'a Labels>) -> Labels {
    let Some(first) = sets.next() else { return Labels::empty() };
    let mut shared: Vec<(&str, &str)> = first.iter().collect();
    for set in sets {
        shared.retain(|(name, value)| set.get(name) == Some(value));
    }
    Labels::from_pairs(shared)
}

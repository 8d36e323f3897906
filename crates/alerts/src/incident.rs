//! An incident: what a group that paged somebody is to the people who deal with it.
//!
//! ```text
//!              first page                    acknowledge, snooze, merge
//!   (nothing) ------------> open ---------------------------------------> acknowledged
//!                           ^  | ^                                          |  |
//!                           |  | +---- the snooze ends, or it gets graver --+  |
//!                           |  |                                               |
//!    fires again within     |  +--> resolved <---------------------------------+
//!    the damping window     |          |        all alerts have ended, or `resolve`
//!                           +----------+
//! ```
//!
//! Invariants: the id is that of one life of a group, so it stays when the incident is reopened; an act that does not
//! apply changes nothing; the timeline is bounded, and what opened the incident stays on it.

use crate::escalate::Escalating;
use crate::severity::Severity;
use model::{Labels, Timestamp};

/// Entries of a timeline; beyond it the oldest ones go, but for the first [`TIMELINE_HEAD`].
const TIMELINE_MAX: usize = 200;
const TIMELINE_HEAD: usize = 20;
/// Failed tries of one page that have an entry each; further ones are counted in the last of them.
const TRIES_MAX: usize = 4;
/// Characters of an entry's detail.
const DETAIL_MAX: usize = 4_000;

/// Where an incident stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IncidentState {
    /// Nobody has taken it on.
    Open,
    /// Somebody has, or has put it off.
    Acknowledged,
    /// It is over.
    Resolved,
}

impl IncidentState {
    /// All of them.
    pub const ALL: [IncidentState; 3] =
        [IncidentState::Open, IncidentState::Acknowledged, IncidentState::Resolved];

    /// `open`, `acknowledged` or `resolved`.
    pub fn as_str(self) -> &'static str {
        match self {
            IncidentState::Open => "open",
            IncidentState::Acknowledged => "acknowledged",
            IncidentState::Resolved => "resolved",
        }
    }

    /// The state that [`IncidentState::as_str`] calls `word`.
    pub fn parse(word: &str) -> Option<IncidentState> {
        IncidentState::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// What a timeline's entry tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum What {
    /// An alert began.
    Fired,
    /// The way it took through the routes.
    Routed,
    /// The incident was opened.
    Opened,
    /// A message arrived.
    Delivered,
    /// A try to deliver a message failed.
    Failed,
    /// A step of the escalation was taken.
    Escalated,
    /// Somebody took it on.
    Acknowledged,
    /// Somebody put it off.
    Snoozed,
    /// The time for which it was put off is over.
    Awoke,
    /// It became somebody's.
    Assigned,
    /// Somebody wrote something down.
    Note,
    /// It was made part of another incident, or another one of it.
    Merged,
    /// It got graver.
    Graver,
    /// The diagnosis is in.
    Diagnosed,
    /// A remedy was proposed or done.
    Remedy,
    /// It is over.
    Resolved,
    /// It is back.
    Reopened,
}

impl What {
    /// All of them, each with the word that the API uses.
    pub const ALL: [(What, &'static str); 17] = [
        (What::Fired, "fired"),
        (What::Routed, "routed"),
        (What::Opened, "opened"),
        (What::Delivered, "delivered"),
        (What::Failed, "failed"),
        (What::Escalated, "escalated"),
        (What::Acknowledged, "acknowledged"),
        (What::Snoozed, "snoozed"),
        (What::Awoke, "awoke"),
        (What::Assigned, "assigned"),
        (What::Note, "note"),
        (What::Merged, "merged"),
        (What::Graver, "graver"),
        (What::Diagnosed, "diagnosed"),
        (What::Remedy, "remedy"),
        (What::Resolved, "resolved"),
        (What::Reopened, "reopened"),
    ];

    /// As the API says it.
    pub fn as_str(self) -> &'static str {
        What::ALL.into_iter().find(|(what, _)| *what == self).map_or("", |(_, word)| word)
    }

    /// The entry that [`What::as_str`] calls `word`.
    pub fn parse(word: &str) -> Option<What> {
        What::ALL.into_iter().find(|(_, known)| *known == word).map(|(what, _)| what)
    }
}

/// One line of a timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// What happened.
    pub what: What,
    /// Who did it or was told: a person, an alert, `RECEIVER/webhook[0]`; empty: ourselves.
    pub who: String,
    /// More of it, in words.
    pub detail: String,
    /// The message's key, if it is about a message.
    pub key: Option<String>,
    /// What came of a try to deliver: a status such as `200`, or the kind of error.
    pub code: Option<String>,
    /// How many tries it stands for.
    pub tries: u32,
}

/// An incident, as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Incident {
    /// Its number among all: the higher the later it was opened.
    pub number: u64,
    /// Its id.
    pub id: String,
    /// The group it is about.
    pub group_key: String,
    /// Who the group's route tells.
    pub receiver: String,
    /// The labels that all its alerts shared when it was opened.
    pub labels: Labels,
    /// How grave its gravest alert was.
    pub severity: Severity,
    /// Where it stands.
    pub state: IncidentState,
    /// When it was opened first.
    pub opened_at: Timestamp,
    /// When it was resolved, if it is.
    pub resolved_at: Option<Timestamp>,
    /// Who resolved it by hand, while its alerts may fire on.
    pub closed_by: Option<String>,
    /// Who took it on.
    pub acknowledged_by: Option<String>,
    /// Until when it was put off.
    pub snoozed_until: Option<Timestamp>,
    /// Whose it is.
    pub assigned_to: Option<String>,
    /// The incident it is part of.
    pub merged_into: Option<String>,
    /// How often it came back.
    pub reopened: u32,
    /// How far its escalation has come, if it has one.
    pub escalation: Option<Escalating>,
    /// What happened, oldest first.
    pub timeline: Vec<Entry>,
}

/// What somebody does to an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Takes it on: no repeats and no further steps of the escalation.
    Acknowledge,
    /// Puts it off: nothing but its end is told until then, unless it gets graver.
    Snooze {
        /// Until when.
        until: Timestamp,
    },
    /// Makes it somebody's.
    Assign {
        /// Whose.
        to: String,
    },
    /// Writes something down.
    Note {
        /// What.
        text: String,
    },
    /// Makes it part of another incident.
    Merge {
        /// Which.
        into: String,
    },
    /// Ends it by hand. Alerts that fire on are quiet until something is new.
    Resolve,
}

/// Why an act was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActError {
    /// There is no such incident.
    #[error("there is no incident {0}")]
    NotFound(String),
    /// It does not apply to an incident in this state.
    #[error("incident {id} is {state}: {why}")]
    NotApplicable {
        /// Which.
        id: String,
        /// Its state.
        state: &'static str,
        /// What stands in the way.
        why: &'static str,
    },
    /// What was given with it makes no sense.
    #[error("{field}: {what}")]
    Invalid {
        /// Which part.
        field: &'static str,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// What keeps messages about an incident back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Restraint {
    /// Who, in words.
    pub(crate) by: String,
    /// Whether news waits too, not only repeats.
    pub(crate) news: bool,
}

impl Incident {
    /// Whether its alerts are somebody's business.
    pub fn is_live(&self) -> bool {
        self.state != IncidentState::Resolved
    }

    /// What keeps its messages back at `now`.
    pub(crate) fn restraint(&self, now: Timestamp) -> Option<Restraint> {
        if let Some(until) = self.snoozed_until.filter(|until| now < *until) {
            let who = self.acknowledged_by.as_deref().unwrap_or("somebody");
            return Some(Restraint { by: format!("{who} until {}", until.rfc3339()), news: true });
        }
        let by = match self.state {
            IncidentState::Acknowledged => self.acknowledged_by.as_ref(),
            IncidentState::Resolved => self.closed_by.as_ref(),
            IncidentState::Open => None,
        }?;
        Some(Restraint { by: by.clone(), news: false })
    }

    /// When it wants to be looked at: a snooze ends, or a step of the escalation is due.
    pub(crate) fn timer(&self) -> Option<Timestamp> {
        let step = self.escalation.as_ref().and_then(|escalating| escalating.due);
        let step = step.filter(|_| self.state == IncidentState::Open);
        [self.snoozed_until, step].into_iter().flatten().min()
    }

    /// It is open (again): the escalation goes on where it was.
    pub(crate) fn open(&mut self, now: Timestamp) {
        self.state = IncidentState::Open;
        (self.resolved_at, self.closed_by) = (None, None);
        (self.acknowledged_by, self.snoozed_until, self.merged_into) = (None, None, None);
        if let Some(escalating) = &mut self.escalation {
            escalating.resume(now);
        }
    }

    /// Somebody has it, or it is over: no further step.
    pub(crate) fn rest(&mut self, state: IncidentState, now: Timestamp) {
        self.state = state;
        self.snoozed_until = None;
        if let Some(escalating) = &mut self.escalation {
            escalating.pause(now);
        }
    }

    /// Adds a line.
    pub(crate) fn add(&mut self, at: Timestamp, what: What, who: &str, detail: impl Into<String>) {
        let (who, detail) = (who.to_owned(), detail.into());
        self.push(Entry { at, what, who, detail, key: None, code: None, tries: 1 });
    }

    /// Adds a line about a message.
    pub(crate) fn add_message(
        &mut self,
        (at, what): (Timestamp, What),
        who: &str,
        key: &str,
        code: Option<&str>,
        detail: impl Into<String>,
    ) {
        let same = |entry: &&mut Entry| entry.what == What::Failed && entry.key.as_deref() == Some(key);
        let (who, detail, code) = (who.to_owned(), detail.into(), code.map(str::to_owned));
        if what == What::Failed && self.timeline.iter_mut().filter(same).count() >= TRIES_MAX {
            if let Some(last) = self.timeline.iter_mut().rev().find(same) {
                (last.at, last.detail, last.code) = (at, bounded(detail), code);
                last.tries += 1;
            }
            return;
        }
        self.push(Entry { at, what, who, detail, key: Some(key.to_owned()), code, tries: 1 });
    }

    /// Puts back a line that was kept on its own, unless it is from before the whole was kept again.
    pub(crate) fn put_line(&mut self, nth: u32, entry: &Entry) {
        if nth as usize >= self.timeline.len() {
            self.timeline.push(entry.clone());
        }
    }

    fn push(&mut self, entry: Entry) {
        if self.timeline.len() >= TIMELINE_MAX {
            self.timeline.remove(TIMELINE_HEAD);
        }
        let detail = bounded(entry.detail);
        self.timeline.push(Entry { detail, ..entry });
    }
}

fn bounded(text: String) -> String {
    if text.len() <= DETAIL_MAX { text } else { text.chars().take(DETAIL_MAX).collect() }
}

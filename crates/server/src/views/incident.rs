//! Incidents, why somebody was told or not, and who is on call.

use super::AlertView;
use model::{Labels, Timestamp};

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

/// Which incidents a reader wants: those that are not over first, then the latest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IncidentFilter {
    /// In this state; `None`: in any.
    pub state: Option<IncidentState>,
    /// At most so many.
    pub limit: u64,
    /// After so many.
    pub offset: u64,
}

/// A group that paged somebody, as the people who deal with it see it.
#[derive(Debug, Clone, PartialEq)]
pub struct IncidentView {
    /// Its id.
    pub id: String,
    /// Where it stands.
    pub state: IncidentState,
    /// `critical`, `error`, `warning` or `info`.
    pub severity: &'static str,
    /// The same as `sev0` to `sev3`.
    pub sev: &'static str,
    /// The group it is about.
    pub group_key: String,
    /// Who the group's route tells.
    pub receiver: String,
    /// The labels that all its alerts shared when it was opened.
    pub labels: Labels,
    /// Its alerts: those that fire, and those that ended and whose end is still to be told.
    pub alerts: Vec<AlertView>,
    /// What happened, oldest first.
    pub timeline: Vec<EntryView>,
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
    pub escalation: Option<EscalationView>,
}

/// One line of a timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryView {
    /// When.
    pub at: Timestamp,
    /// `fired`, `opened`, `delivered`, `acknowledged`, ...
    pub what: &'static str,
    /// Who did it or was told; empty: ourselves.
    pub who: String,
    /// More of it, in words.
    pub detail: String,
    /// The message's key, if it is about a message.
    pub key: Option<String>,
    /// What came of a try to deliver.
    pub code: Option<String>,
    /// How many tries it stands for.
    pub tries: u32,
}

/// How far an escalation has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EscalationView {
    /// The policy.
    pub policy: String,
    /// The step that comes next, from 1.
    pub step: u32,
    /// How often it began again.
    pub round: u32,
    /// When that step is due; `None`: it rests, or has come to its end.
    pub due: Option<Timestamp>,
}

/// What somebody does to an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IncidentAct {
    /// Takes it on.
    Acknowledge,
    /// Puts it off.
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
    /// Makes it part of another.
    Merge {
        /// Of which.
        into: String,
    },
    /// Ends it by hand.
    Resolve,
}

/// Why an alert was paged or not, in one of the groups it falls into.
#[derive(Debug, Clone, PartialEq)]
pub struct WhyView {
    /// The alert.
    pub alert: Labels,
    /// The instant asked about.
    pub at: Timestamp,
    /// Since when it fired, as far as it is on record.
    pub since: Option<Timestamp>,
    /// The rule it is of, if it is of one of ours.
    pub rule: Option<RuleWhy>,
    /// The keys of the routes it took, from the root.
    pub route: Vec<String>,
    /// The group.
    pub group_key: String,
    /// When the group speaks of it next, had nothing else happened.
    pub next_send: Option<Timestamp>,
    /// `deliver` or `hold`.
    pub verdict: &'static str,
    /// `none`, or what held it.
    pub reason: &'static str,
    /// Ids of silences, fingerprints of inhibitors, names of intervals, who took it on, what a receiver said.
    pub by: Vec<ByView>,
    /// Whether it had ended by then.
    pub over: bool,
    /// The incident that the group is, if it is or was one.
    pub incident_id: Option<String>,
    /// Who has taken that on, or resolved it by hand, by now.
    pub taken_by: Option<String>,
    /// Whether the last message about it is on its way: no try has come to anything yet.
    pub on_its_way: bool,
    /// When a page that did not arrive is tried again, or one behind others that did not is tried first, if that is known.
    pub next_try: Option<Timestamp>,
    /// Who was told, or should have been.
    pub receivers: Vec<ReceiverWhy>,
}

/// What held an alert or had it told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByView {
    /// An id or a name.
    pub what: String,
    /// The same for people: a silence's owner and comment, an inhibiting alert's labels. Empty: nothing more to say.
    pub says: String,
}

/// The rule behind an alert.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleWhy {
    /// Its name.
    pub name: String,
    /// Its expression.
    pub query: String,
    /// The number that the expression looks at, as far as it is known.
    pub value: Option<f64>,
    /// Since when the expression is true.
    pub since: Option<Timestamp>,
    /// Whether it is true and not yet for long enough.
    pub pending: bool,
}

/// A receiver that was told, or should have been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiverWhy {
    /// Its name.
    pub name: String,
    /// The tries to deliver messages, oldest first.
    pub attempts: Vec<AttemptWhy>,
}

/// One try, or several that came to the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptWhy {
    /// When; of several, the last.
    pub at: Timestamp,
    /// The message's key.
    pub key: String,
    /// `RECEIVER/webhook[0]`.
    pub integration: String,
    /// What came of it: `ok`, a status, or the kind of error.
    pub code: String,
    /// What went wrong; empty if it arrived.
    pub error: String,
    /// How many tries it stands for.
    pub tries: u32,
}

/// A schedule of who is on call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnCallView {
    /// Its name.
    pub name: String,
    /// The name of its time zone.
    pub zone: String,
    /// Shifts from the instant asked about on, in order; gaps are times at which nobody is on call.
    pub shifts: Vec<ShiftView>,
    /// Who stands in, beginning with the file's, of all times that are kept; a later one wins over an earlier one.
    pub overrides: Vec<OverrideView>,
}

/// Somebody stands in for whoever it would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverrideView {
    /// By this it is taken back; `None`: it is in the file.
    pub id: Option<String>,
    /// Who, and when.
    pub shift: ShiftView,
    /// Who asked for it, if it is not in the file.
    pub created_by: Option<String>,
}

/// An override that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOverride {
    /// The schedule's name.
    pub schedule: String,
    /// Who stands in, and when.
    pub shift: ShiftView,
}

/// Somebody's time on call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShiftView {
    /// Who.
    pub who: String,
    /// From.
    pub from: Timestamp,
    /// Until, exclusive.
    pub until: Timestamp,
}

impl OnCallView {
    /// Whose shift it is at `at`, if it is anybody's.
    pub fn at(&self, at: Timestamp) -> Option<&ShiftView> {
        self.shifts.iter().find(|shift| shift.from <= at && at < shift.until)
    }
}

/// What matchers would silence now.
#[derive(Debug, Clone, PartialEq)]
pub struct ReachView {
    /// The firing alerts that they accept.
    pub alerts: Vec<Labels>,
    /// How many fire in all.
    pub firing: usize,
    /// Whether that is so much that who asks should say so twice.
    pub broad: bool,
}

//! An approval: who may agree, how many must, until when, and to what exactly.
//!
//! Not here: runs. What a decision does to its run is in `queue::approval`.
//!
//! Invariants: it is decided once, and only by the methods below; a vote counts for the subject it was cast on, so
//! an edit leaves every earlier vote behind; a principal counts once; nothing is approved by votes at or after
//! `expires_at`.

mod diff;
mod row;
mod subject;
mod wish;

pub use diff::{Difference, diff};
pub use row::{from_json, to_json};
pub use subject::subject_hash;
pub use wish::{gate_reason, read_wish, wish_to_json};

use crate::{Refusal, RunId, TaskId};
use model::Timestamp;
use serde_json::Value;
use std::{sync::Arc, time::Duration};

pub use model::OnExpiry;

/// The most votes, edits and delegations of one approval; more are refused.
const ENTRIES_MAX: usize = 200;
/// The longest reason that is kept, in bytes.
pub(crate) const REASON_BYTES_MAX: usize = 2_000;

/// What holds for all approvals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalSettings {
    /// Whether who asks for a P0 task may approve it too.
    pub own: bool,
    /// What happens to a run whose approval ran out, unless it says itself.
    pub on_expiry: OnExpiry,
    /// For how long an approval waits, unless it says itself.
    pub lifetime: Duration,
    /// For how long a decided one is kept.
    pub history_ttl: Duration,
    /// How many decided ones are kept.
    pub history_max: usize,
}

impl Default for ApprovalSettings {
    fn default() -> ApprovalSettings {
        ApprovalSettings {
            own: false,
            on_expiry: OnExpiry::Reject,
            lifetime: Duration::from_secs(86_400),
            history_ttl: Duration::from_secs(2_592_000),
            history_max: 1_000,
        }
    }
}

/// Where an approval is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ApprovalStatus {
    /// Nobody has decided.
    Pending,
    /// As many as needed agreed.
    Approved,
    /// One said no, or the task was cancelled meanwhile.
    Rejected,
    /// Nobody decided in time.
    Timeout,
}

impl ApprovalStatus {
    /// `pending`, `approved`, `rejected` or `timeout`.
    pub fn as_str(self) -> &'static str {
        match self {
            ApprovalStatus::Pending => "pending",
            ApprovalStatus::Approved => "approved",
            ApprovalStatus::Rejected => "rejected",
            ApprovalStatus::Timeout => "timeout",
        }
    }
}

/// What a principal must be to decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rank {
    /// Decides agents' tasks.
    Agent,
    /// Decides everything, and may edit.
    Operator,
    /// Vouches for others besides: makes links in their names.
    Admin,
}

impl Rank {
    /// `agent`, `operator` or `admin`.
    pub fn as_str(self) -> &'static str {
        match self {
            Rank::Agent => "agent",
            Rank::Operator => "operator",
            Rank::Admin => "admin",
        }
    }
}

/// Who decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voter {
    /// The principal.
    pub name: String,
    /// What it is.
    pub rank: Rank,
    /// The signed link it came by: a number that is used once.
    pub link: Option<String>,
}

/// What somebody says to an approval.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Say {
    /// Why.
    pub reason: Option<String>,
    /// What was read when this was decided; refused if it is another by now.
    pub hash: Option<String>,
    /// Approve this instead.
    pub payload: Option<Value>,
}

/// A yes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vote {
    /// Who.
    pub by: String,
    /// For whom: oneself, or who named one as a delegate.
    pub seat: String,
    /// When.
    pub at: Timestamp,
    /// To what.
    pub hash: String,
    /// Why.
    pub reason: Option<String>,
    /// By which signed link.
    pub link: Option<String>,
}

/// A change of what is to be approved.
#[derive(Debug, Clone, PartialEq)]
pub struct Edit {
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// What differs.
    pub diff: Vec<Difference>,
}

/// One who may vote in another's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delegation {
    /// Whose place.
    pub from: String,
    /// Who may take it.
    pub to: String,
    /// Before when.
    pub until: Timestamp,
    /// Since when.
    pub at: Timestamp,
}

/// The pipeline step that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatedStep {
    /// Its place.
    pub index: u32,
    /// Its id.
    pub id: String,
    /// Which element of its list, if it is done for each of one.
    pub item: Option<u32>,
}

/// How it ended; made by [`Approval`]'s methods only.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Pending,
    Approved {
        at: Timestamp,
        by: Vec<String>,
        reason: Option<String>,
    },
    Rejected {
        at: Timestamp,
        by: String,
        reason: Option<String>,
        link: Option<String>,
    },
    Timeout {
        at: Timestamp,
    },
    /// The run ended otherwise.
    Withdrawn {
        at: Timestamp,
        reason: String,
    },
}

/// What an approval starts from.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// `approval_` and the task's id; with the run's id where a task runs often, and with a step's place.
    pub id: String,
    /// The task.
    pub task_id: TaskId,
    /// The run that waits.
    pub run_id: RunId,
    /// The step that waits, if it is one.
    pub step: Option<GatedStep>,
    /// The type or kind of work, for people.
    pub task_type: String,
    /// `P0` to `P3`, or `1` to `9`.
    pub priority: String,
    /// A name for people; may be empty.
    pub title: String,
    /// Why it must be approved.
    pub reason: String,
    /// Who asked for the task.
    pub requested_by: String,
    /// When.
    pub requested_at: Timestamp,
    /// What one must be to decide.
    pub needs: Rank,
    /// Two persons are needed, unless the settings say otherwise: who asked may not approve.
    pub critical: bool,
    /// Who may decide; empty: everybody of the rank.
    pub approvers: Vec<String>,
    /// How many must agree.
    pub quorum: u32,
    /// From then on it has run out.
    pub expires_at: Timestamp,
    /// What happens then.
    pub on_expiry: OnExpiry,
    /// What exactly would be done: the arguments as they would be handed out.
    pub payload: Arc<Value>,
    /// Known by [`subject_hash`].
    pub hash: String,
}

/// An approval.
#[derive(Debug, Clone, PartialEq)]
pub struct Approval {
    /// What was asked, as it stands after edits.
    pub asked: Request,
    /// What was asked first, if it was edited.
    pub original: Option<Arc<Value>>,
    /// Its edits, in order.
    pub edits: Vec<Edit>,
    /// Every yes, in order; those to something else than the present subject do not count.
    pub votes: Vec<Vote>,
    /// Who may vote for whom.
    pub delegations: Vec<Delegation>,
    outcome: Outcome,
}

impl Approval {
    /// Asks.
    pub fn new(asked: Request) -> Approval {
        Approval {
            asked,
            original: None,
            edits: Vec::new(),
            votes: Vec::new(),
            delegations: Vec::new(),
            outcome: Outcome::Pending,
        }
    }

    /// Where it is.
    pub fn status(&self) -> ApprovalStatus {
        match self.outcome {
            Outcome::Pending => ApprovalStatus::Pending,
            Outcome::Approved { .. } => ApprovalStatus::Approved,
            Outcome::Rejected { .. } | Outcome::Withdrawn { .. } => ApprovalStatus::Rejected,
            Outcome::Timeout { .. } => ApprovalStatus::Timeout,
        }
    }

    /// Whether nothing can happen to it any more.
    pub fn is_decided(&self) -> bool {
        self.outcome != Outcome::Pending
    }

    /// Whether its run may go on.
    pub fn lets_go(&self) -> bool {
        match self.outcome {
            Outcome::Approved { .. } => true,
            Outcome::Timeout { .. } => self.asked.on_expiry == OnExpiry::Approve,
            _ => false,
        }
    }

    /// Whether its run ended otherwise before anybody decided.
    pub fn is_withdrawn(&self) -> bool {
        matches!(self.outcome, Outcome::Withdrawn { .. })
    }

    /// When it was decided.
    pub fn decided_at(&self) -> Option<Timestamp> {
        match &self.outcome {
            Outcome::Pending => None,
            Outcome::Approved { at, .. }
            | Outcome::Rejected { at, .. }
            | Outcome::Timeout { at }
            | Outcome::Withdrawn { at, .. } => Some(*at),
        }
    }

    /// Who decided: all whose votes counted, or the one who said no.
    pub fn decided_by(&self) -> Vec<&str> {
        match &self.outcome {
            Outcome::Approved { by, .. } => by.iter().map(String::as_str).collect(),
            Outcome::Rejected { by, .. } => vec![by],
            _ => Vec::new(),
        }
    }

    /// What was said with the decision.
    pub fn decided_why(&self) -> Option<&str> {
        match &self.outcome {
            Outcome::Approved { reason, .. } | Outcome::Rejected { reason, .. } => reason.as_deref(),
            Outcome::Withdrawn { reason, .. } => Some(reason),
            Outcome::Pending | Outcome::Timeout { .. } => None,
        }
    }

    /// The votes that count: those to the present subject.
    pub fn counted(&self) -> impl Iterator<Item = &Vote> {
        self.votes.iter().filter(|vote| vote.hash == self.asked.hash)
    }

    /// Whether a signed link was used.
    pub fn is_used(&self, link: &str) -> bool {
        let rejected = matches!(&self.outcome, Outcome::Rejected { link: Some(used), .. } if used == link);
        rejected || self.votes.iter().any(|vote| vote.link.as_deref() == Some(link))
    }

    /// A yes. With another payload it is an edit first: `hash_of` names its outcome, by the number of edits and the
    /// payload. True if that decided it.
    pub fn approve(
        &mut self,
        voter: &Voter,
        say: Say,
        settings: &ApprovalSettings,
        now: Timestamp,
        hash_of: impl Fn(u32, &Value) -> String,
    ) -> Result<bool, Refusal> {
        self.check_open(now)?;
        self.check_rank(voter)?;
        let seat = self.seat(voter, now)?;
        if self.asked.critical && !settings.own {
            let asked_by = &self.asked.requested_by;
            // Another spelling of a name makes nobody another person.
            if voter.name.eq_ignore_ascii_case(asked_by) || seat.eq_ignore_ascii_case(asked_by) {
                return Err(Refusal::NotApplicable("requester cannot approve".to_owned()));
            }
        }
        self.check_seen(&say)?;
        let reason = say.reason.map(bounded);
        match say.payload {
            Some(payload) if payload != *self.asked.payload => self.edit(voter, payload, now, hash_of)?,
            _ => {
                let voted = |vote: &Vote| vote.by == voter.name || vote.seat == seat;
                if self.counted().any(voted) {
                    let id = &self.asked.id;
                    let what = format!("{} has approved {id} already; others must", voter.name);
                    return Err(Refusal::NotApplicable(what));
                }
            }
        }
        self.check_room(self.votes.len())?;
        self.votes.push(Vote {
            by: voter.name.clone(),
            seat,
            at: now,
            hash: self.asked.hash.clone(),
            reason: reason.clone(),
            link: voter.link.clone(),
        });
        let by: Vec<String> = self.counted().map(|vote| vote.by.clone()).collect();
        let decided = by.len() >= self.asked.quorum as usize;
        if decided {
            self.outcome = Outcome::Approved { at: now, by, reason };
        }
        Ok(decided)
    }

    /// A no: one is enough.
    pub fn reject(&mut self, voter: &Voter, say: Say, now: Timestamp) -> Result<(), Refusal> {
        self.check_open(now)?;
        self.check_rank(voter)?;
        self.seat(voter, now)?;
        self.check_seen(&say)?;
        let (by, link, reason) = (voter.name.clone(), voter.link.clone(), say.reason.map(bounded));
        self.outcome = Outcome::Rejected { at: now, by, reason, link };
        Ok(())
    }

    /// Names one who may vote in the voter's place.
    pub fn delegate(
        &mut self,
        voter: &Voter,
        to: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        self.check_open(now)?;
        self.check_rank(voter)?;
        if !self.asked.approvers.is_empty() && !self.asked.approvers.contains(&voter.name) {
            return Err(self.not_an_approver(&voter.name));
        }
        if to.is_empty() || to.len() > 100 || to == voter.name {
            return Err(Refusal::invalid("to", "must name somebody else, in 1 to 100 bytes"));
        }
        if until <= now {
            return Err(Refusal::invalid("until", "must lie ahead"));
        }
        self.check_room(self.delegations.len())?;
        let (from, to) = (voter.name.clone(), to.to_owned());
        self.delegations.push(Delegation { from, to, until, at: now });
        Ok(())
    }

    /// Whether a link for `recipient` may be made by `voter`: it will count as the recipient's own word. Who makes a
    /// link holds it, so for others it takes one who vouches for them.
    pub fn check_link(
        &self,
        voter: &Voter,
        recipient: &str,
        settings: &ApprovalSettings,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        self.check_open(now)?;
        if voter.rank < Rank::Operator {
            return Err(Refusal::Forbidden("role operator is needed to make a link".to_owned()));
        }
        if recipient.is_empty() || recipient.len() > 100 {
            return Err(Refusal::invalid("recipient", "must have 1 to 100 bytes"));
        }
        let asked_by = &self.asked.requested_by;
        if self.asked.critical
            && !settings.own
            && (voter.name.eq_ignore_ascii_case(asked_by) || recipient.eq_ignore_ascii_case(asked_by))
        {
            return Err(Refusal::NotApplicable("requester cannot approve".to_owned()));
        }
        if voter.rank < Rank::Admin && voter.name != recipient {
            let what =
                format!("role admin is needed to make a link for {recipient}, who would not be the maker");
            return Err(Refusal::Forbidden(what));
        }
        let recipient = Voter { name: recipient.to_owned(), rank: Rank::Operator, link: None };
        self.seat(&recipient, now).map(|_| ())
    }

    /// Its time is over. False if it was decided or has time left.
    pub fn expire(&mut self, now: Timestamp) -> bool {
        let due = self.outcome == Outcome::Pending && now >= self.asked.expires_at;
        if due {
            self.outcome = Outcome::Timeout { at: now };
        }
        due
    }

    /// Its run ended otherwise. False if it was decided.
    pub fn withdraw(&mut self, reason: &str, now: Timestamp) -> bool {
        let open = self.outcome == Outcome::Pending;
        if open {
            self.outcome = Outcome::Withdrawn { at: now, reason: bounded(reason.to_owned()) };
        }
        open
    }

    fn edit(
        &mut self,
        voter: &Voter,
        payload: Value,
        now: Timestamp,
        hash_of: impl Fn(u32, &Value) -> String,
    ) -> Result<(), Refusal> {
        if voter.rank < Rank::Operator {
            let what = format!("{} may not edit what is to be approved: role operator is needed", voter.name);
            return Err(Refusal::Forbidden(what));
        }
        if !payload.is_object() {
            return Err(Refusal::invalid("payload", "must be an object"));
        }
        self.check_room(self.edits.len())?;
        let diff = diff(&self.asked.payload, &payload);
        self.edits.push(Edit { by: voter.name.clone(), at: now, diff });
        self.asked.hash = hash_of(self.edits.len() as u32, &payload);
        let before = std::mem::replace(&mut self.asked.payload, Arc::new(payload));
        self.original.get_or_insert(before);
        Ok(())
    }

    fn check_open(&self, now: Timestamp) -> Result<(), Refusal> {
        let id = &self.asked.id;
        if self.is_decided() {
            let what = match self.status() {
                ApprovalStatus::Timeout => format!("{id} has run out"),
                status => format!("{id} is {} already", status.as_str()),
            };
            return Err(Refusal::NotApplicable(what));
        }
        match now >= self.asked.expires_at {
            true => Err(Refusal::NotApplicable(format!("{id} has run out"))),
            false => Ok(()),
        }
    }

    fn check_rank(&self, voter: &Voter) -> Result<(), Refusal> {
        match voter.rank >= self.asked.needs {
            true => Ok(()),
            false => Err(Refusal::Forbidden("role operator is needed to decide this".to_owned())),
        }
    }

    fn check_seen(&self, say: &Say) -> Result<(), Refusal> {
        match &say.hash {
            Some(seen) if *seen != self.asked.hash => {
                let what = format!("{} was changed meanwhile; look at it again", self.asked.id);
                Err(Refusal::NotApplicable(what))
            }
            _ => Ok(()),
        }
    }

    fn check_room(&self, entries: usize) -> Result<(), Refusal> {
        match entries < ENTRIES_MAX {
            true => Ok(()),
            false => Err(Refusal::NotApplicable(format!("{} was changed too often", self.asked.id))),
        }
    }

    /// In whose place one votes: one's own, else that of the first who delegated and whose place is free.
    fn seat(&self, voter: &Voter, now: Timestamp) -> Result<String, Refusal> {
        let approvers = &self.asked.approvers;
        if approvers.is_empty() || approvers.contains(&voter.name) {
            return Ok(voter.name.clone());
        }
        let mine = self.delegations.iter().filter(|one| one.to == voter.name && now < one.until);
        let mut seats = mine.map(|one| &one.from).peekable();
        let first = seats.peek().copied().cloned();
        let free = seats.find(|seat| !self.counted().any(|vote| vote.seat == **seat)).cloned();
        free.or(first).ok_or_else(|| self.not_an_approver(&voter.name))
    }

    fn not_an_approver(&self, name: &str) -> Refusal {
        let approvers = self.asked.approvers.join(", ");
        Refusal::Forbidden(format!("{name} is not among those who may decide this: {approvers}"))
    }
}

/// A text that is no longer than what is kept.
fn bounded(mut text: String) -> String {
    if text.len() > REASON_BYTES_MAX {
        let cut = (0..=REASON_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(cut);
    }
    text
}

#[cfg(test)]
mod tests;

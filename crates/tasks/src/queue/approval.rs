//! Runs that wait for persons: asking, what a decision does to the run, what time does, what is kept.
//!
//! A run that must be approved is `awaiting_approval`, which no index offers to workers; the approval's record is
//! written in the transaction of the run's own change, so that neither is ever there without the other. What was
//! approved is what runs: the arguments that a worker is handed are the approval's.

use super::{Live, Queue};
use crate::approval::{
    Approval, ApprovalSettings, GatedStep, Rank, Request, Say, Voter, from_json, gate_reason, subject_hash,
    to_json,
};
use crate::size::json_size;
use crate::{
    Audit, Change, Event, Form, Record, RecordKind, Refusal, RunEvent, RunId, RunState, Task, Typed, Urgency,
    pipeline,
};
use model::{ApprovalWish, Json, OnExpiry, Timestamp};
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Decided approvals looked at in one go when history is too long.
const PRUNE_MAX: usize = 16;

/// Everything known of approvals.
#[derive(Debug, Default)]
pub(super) struct Approvals {
    settings: ApprovalSettings,
    by_id: HashMap<String, Arc<Approval>>,
    /// The approval that a live run waits for, or whose payload its present step runs.
    by_run: HashMap<RunId, String>,
    /// Pending ones, by the time they run out.
    pending: BTreeSet<(Timestamp, String)>,
    /// Decided ones, by the time of the decision.
    decided: BTreeSet<(Timestamp, String)>,
    /// Decided ones in the order in which they are let go.
    kept: BTreeSet<(Timestamp, String)>,
    /// What happened where nobody could be told.
    events: Vec<Event>,
}

impl Approvals {
    pub(super) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    pub(super) fn next_wake(&self) -> Option<Timestamp> {
        self.pending.first().map(|(at, _)| *at)
    }

    fn put(&mut self, approval: Approval, out: &mut Vec<Change>) -> Arc<Approval> {
        let id = approval.asked.id.clone();
        let row = Some(to_json(&approval));
        out.push(Change::Record { kind: RecordKind::Approval, key: id.clone(), row });
        self.index(Arc::new(approval), id)
    }

    fn index(&mut self, approval: Arc<Approval>, id: String) -> Arc<Approval> {
        let due = (approval.asked.expires_at, id.clone());
        match approval.decided_at() {
            None => {
                self.pending.insert(due);
            }
            Some(at) => {
                self.pending.remove(&due);
                self.decided.insert((at, id.clone()));
                self.kept.insert((at, id.clone()));
            }
        }
        self.by_id.insert(id, approval.clone());
        approval
    }

    /// Forgets decided ones that are too old or too many, but not those whose payload is still to run.
    fn prune(&mut self, now: Timestamp, out: &mut Vec<Change>) {
        for _ in 0..PRUNE_MAX {
            let Some((at, id)) = self.kept.first().cloned() else { return };
            if self.kept.len() <= self.settings.history_max && now.since(at) < self.settings.history_ttl {
                return;
            }
            self.kept.remove(&(at, id.clone()));
            let Some(approval) = self.by_id.get(&id) else { continue };
            if self.by_run.get(&approval.asked.run_id) == Some(&id) {
                self.kept.insert((now, id));
                continue;
            }
            if let Some(at) = approval.decided_at() {
                self.decided.remove(&(at, id.clone()));
            }
            self.by_id.remove(&id);
            out.push(Change::Record { kind: RecordKind::Approval, key: id, row: None });
        }
    }
}

/// How approvals stand.
impl Queue {
    /// What holds for all approvals; those that wait keep the time they were given.
    pub fn set_approvals(&mut self, settings: ApprovalSettings) {
        self.approvals.settings = settings;
    }

    /// One approval.
    pub fn approval(&self, id: &str) -> Option<Arc<Approval>> {
        self.approvals.by_id.get(id).cloned()
    }

    /// The approval that a live run waits for.
    pub fn approval_of(&self, run: RunId) -> Option<Arc<Approval>> {
        let approval = self.approvals.by_id.get(self.approvals.by_run.get(&run)?)?;
        (!approval.is_decided()).then(|| approval.clone())
    }

    /// Pending ones, the one that runs out first before the others, and how many there are.
    pub fn approvals_pending(&self, limit: usize) -> (Vec<Arc<Approval>>, usize) {
        let all = &self.approvals.pending;
        let first = all.iter().take(limit).filter_map(|(_, id)| self.approval(id));
        (first.collect(), all.len())
    }

    /// Decided ones, newest first.
    pub fn approvals_history(&self, limit: usize) -> Vec<Arc<Approval>> {
        self.approvals.decided.iter().rev().take(limit).filter_map(|(_, id)| self.approval(id)).collect()
    }
}

/// What persons do.
impl Queue {
    /// A yes. The run goes on when as many as needed have said so.
    pub fn approve(
        &mut self,
        id: &str,
        voter: &Voter,
        say: Say,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) -> Result<(Arc<Approval>, Vec<Event>), Refusal> {
        let mut approval = self.open(id, now, out)?;
        if let Some(payload) = &say.payload {
            let (bytes, max) = (json_size(payload), self.settings.args_bytes_max);
            if bytes > max {
                return Err(Refusal::TooLarge { field: "payload".to_owned(), bytes, max });
            }
            let live = self.runs.get(&approval.asked.run_id);
            let kind = live.filter(|live| live.step().is_none() || approval.asked.step.is_some());
            if let Some(misfit) = kind.and_then(|live| self.misfit(&live.kind, payload)) {
                let field = format!("payload{}", misfit.path);
                return Err(Refusal::Misfit { field, what: misfit.what });
            }
        }
        let run_id = approval.asked.run_id;
        let settings = self.approvals.settings.clone();
        let live = self.runs.get(&run_id);
        let (edits, of_step) = (approval.edits.len(), approval.asked.step.is_some());
        let decided = approval.approve(voter, say, &settings, now, |edits, payload| {
            live.map_or_else(String::new, |live| hash_of(live, of_step, edits, payload))
        })?;
        let action = if decided { "approval.approved" } else { "approval.voted" };
        let details = json!({
            "approval_id": id,
            "hash": approval.asked.hash,
            "edited": approval.edits.len() > edits,
            "reason": approval.votes.last().and_then(|vote| vote.reason.as_deref()),
            "by_link": voter.link.is_some(),
        });
        self.audit_approval(&approval, &voter.name, action, details, now, out);
        let approval = self.approvals.put(approval, out);
        let mut events = Vec::new();
        if decided {
            events.push(Event::ApprovalDecided(approval.clone()));
            self.let_go(&approval, now, out, &mut events);
            self.approvals.prune(now, out);
        }
        self.announce(&mut events);
        Ok((approval, events))
    }

    /// A no: the run is cancelled.
    pub fn reject(
        &mut self,
        id: &str,
        voter: &Voter,
        say: Say,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) -> Result<(Arc<Approval>, Vec<Event>), Refusal> {
        let mut approval = self.open(id, now, out)?;
        approval.reject(voter, say, now)?;
        let reason = approval.decided_why().map(str::to_owned);
        let details = json!({"approval_id": id, "reason": reason, "by_link": voter.link.is_some()});
        self.audit_approval(&approval, &voter.name, "approval.rejected", details, now, out);
        let approval = self.approvals.put(approval, out);
        let mut events = vec![Event::ApprovalDecided(approval.clone())];
        let why = reason.map_or_else(String::new, |reason| format!(": {reason}"));
        self.stop_unapproved(&approval, format!("rejected by {}{why}", voter.name), now, out, &mut events);
        self.approvals.prune(now, out);
        self.announce(&mut events);
        Ok((approval, events))
    }

    /// Names one who may vote in the voter's place before `until`.
    pub fn delegate_approval(
        &mut self,
        id: &str,
        voter: &Voter,
        to: &str,
        until: Timestamp,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) -> Result<Arc<Approval>, Refusal> {
        let mut approval = self.open(id, now, out)?;
        approval.delegate(voter, to, until, now)?;
        let details = json!({"approval_id": id, "to": to, "until": until.rfc3339()});
        self.audit_approval(&approval, &voter.name, "approval.delegated", details, now, out);
        Ok(self.approvals.put(approval, out))
    }

    /// Whether `voter` may have a link made for `recipient`; on record if so.
    pub fn mint_link(
        &mut self,
        id: &str,
        voter: &Voter,
        recipient: &str,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) -> Result<Arc<Approval>, Refusal> {
        let approval = self.open(id, now, out)?;
        approval.check_link(voter, recipient, &self.approvals.settings, now)?;
        let details = json!({"approval_id": id, "recipient": recipient});
        self.audit_approval(&approval, &voter.name, "approval.link_made", details, now, out);
        Ok(Arc::new(approval))
    }

    /// A copy to change, if there is such an approval and it is open. One whose time is over ends here, whoever
    /// comes first: this call or the next tick.
    fn open(&mut self, id: &str, now: Timestamp, out: &mut Vec<Change>) -> Result<Approval, Refusal> {
        let mut events = Vec::new();
        self.expire_approvals(now, out, &mut events);
        self.approvals.events.append(&mut events);
        let approval = self.approvals.by_id.get(id);
        approval
            .map(|one| (**one).clone())
            .ok_or_else(|| Refusal::NotFound(format!("Approval {id} not found")))
    }

    fn audit_approval(
        &self,
        approval: &Approval,
        actor: &str,
        action: &'static str,
        details: Value,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) {
        let (actor, subject) = (actor.to_owned(), approval.asked.task_id);
        out.push(Change::Audit(Audit { at: now, actor, action, subject, details }));
    }
}

/// What happens to runs.
impl Queue {
    /// Whether a task's runs wait for persons first.
    pub fn is_gated(task: &Task) -> bool {
        Queue::gate(task).is_some()
    }

    /// Why a task's run must wait, if it must: what always needs an approval, and what was asked for.
    pub(super) fn gate(task: &Task) -> Option<(ApprovalWish, String)> {
        let wish = task.options.as_ref().and_then(|options| options.approval.clone());
        let must = match &task.form {
            Form::Typed(typed) => gate_reason(&task.kind, typed.urgency, &task.args.value(), &typed.metadata),
            Form::Plain | Form::Scheduled(_) => None,
        };
        if wish.is_none() && must.is_none() {
            return None;
        }
        let mut wish = wish.unwrap_or_default();
        if must.is_some() {
            // Nobody's silence lets through what always needs a person, unless the operator's settings say so.
            wish.on_expiry = wish.on_expiry.filter(|one| *one == OnExpiry::Reject);
        }
        let reason = [must, wish.reason.clone()].into_iter().flatten().collect::<Vec<_>>().join("; ");
        Some((wish, reason))
    }

    /// Asks for the approval of a run that `awaits`; `step` if it is for the step it is at, whose arguments are
    /// `payload`.
    pub(super) fn ask_approval(
        &mut self,
        id: RunId,
        step: Option<GatedStep>,
        (wish, reason): (ApprovalWish, String),
        payload: Arc<Value>,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) {
        let Some(live) = self.runs.get(&id) else { return };
        let task = &live.task;
        let approval_id = match &step {
            Some(GatedStep { index, item: Some(item), .. }) => format!("approval_{id}_{index}_{item}"),
            Some(GatedStep { index, .. }) => format!("approval_{id}_{index}"),
            // The run of a task that runs once has its task's id.
            None => format!("approval_{id}"),
        };
        let settings = &self.approvals.settings;
        let lifetime = wish.expires.unwrap_or(settings.lifetime);
        let (typed, of_step) = (typed(task), step.is_some());
        let issuer = task.options.as_ref().and_then(|options| options.issuer.clone());
        let request = Request {
            task_id: task.id,
            run_id: id,
            step,
            task_type: match (typed, live.kind.is_empty()) {
                (Some(typed), _) => typed.type_.clone(),
                (None, true) => "pipeline".to_owned(),
                (None, false) => live.kind.to_string(),
            },
            priority: typed.map_or_else(|| task.priority.to_string(), |one| one.urgency.as_str().to_owned()),
            title: task.title.clone(),
            reason: if reason.is_empty() { "an approval was asked for".to_owned() } else { reason },
            requested_by: issuer.unwrap_or_else(|| task.created_by.clone()),
            requested_at: now,
            needs: if typed.is_some() { Rank::Agent } else { Rank::Operator },
            critical: typed.is_some_and(|typed| typed.urgency == Urgency::P0),
            quorum: wish.quorum.unwrap_or(1),
            approvers: wish.approvers,
            expires_at: now.plus(lifetime),
            on_expiry: wish.on_expiry.unwrap_or(settings.on_expiry),
            hash: hash_of(live, of_step, 0, &payload),
            payload,
            id: approval_id.clone(),
        };
        let approval = self.approvals.put(Approval::new(request), out);
        self.approvals.by_run.insert(id, approval_id);
        self.approvals.events.push(Event::ApprovalRequested(approval));
    }

    /// A run of a task that fires waits before its first step, if its task says so. True if it does.
    pub(super) fn gate_run(&mut self, id: RunId, now: Timestamp, out: &mut Vec<Change>) -> bool {
        let Some(live) = self.runs.get(&id) else { return false };
        let Some(gate) = Queue::gate(&live.task) else { return false };
        let payload = Arc::new(live.task.args.value());
        self.shift(id, RunEvent::Ask, out, |_| {});
        self.ask_approval(id, None, gate, payload, now, out);
        true
    }

    /// The run has come to another step: it waits if the step says so, showing the arguments as the step would be
    /// handed them.
    pub(super) fn gate_step(
        &mut self,
        id: RunId,
        now: Timestamp,
        out: &mut Vec<Change>,
        events: &mut Vec<Event>,
    ) {
        self.approvals.by_run.remove(&id);
        let Some(live) = self.runs.get(&id) else { return };
        let Some((step, wish)) = live.step().and_then(|step| Some((step, step.approval.clone()?))) else {
            return;
        };
        let gated = GatedStep { index: live.run.at.step, id: step.id.clone(), item: item_of(live) };
        let args = pipeline::args(&live.task, &live.run, step, self.settings.args_bytes_max)
            .map_err(|why| super::settle::error("template", why.to_string()));
        // Nobody is asked about what could not be done anyway.
        let args = args.and_then(|args| match self.misfit(&step.uses, &args) {
            None => Ok(args),
            Some(misfit) => {
                Err(super::settle::error("bad_args", format!("args{}: {}", misfit.path, misfit.what)))
            }
        });
        match args {
            Ok(payload) => {
                let reason = wish.reason.clone().unwrap_or_else(|| format!("step {} asks for it", step.id));
                self.shift(id, RunEvent::Ask, out, |_| {});
                self.ask_approval(id, Some(gated), (wish, reason), Arc::new(payload), now, out);
            }
            Err(error) => self.give_up(id, error, now, out, events),
        }
    }

    /// The arguments that were approved for the step a run is at.
    pub(super) fn approved_args(&self, id: RunId) -> Option<Value> {
        let approval = self.approvals.by_id.get(self.approvals.by_run.get(&id)?)?;
        (approval.asked.step.is_some() && approval.lets_go()).then(|| (*approval.asked.payload).clone())
    }

    fn let_go(
        &mut self,
        approval: &Approval,
        now: Timestamp,
        out: &mut Vec<Change>,
        events: &mut Vec<Event>,
    ) {
        let id = approval.asked.run_id;
        let Some(live) = self.runs.get_mut(&id) else { return };
        if live.run.at.state != RunState::AwaitingApproval {
            return;
        }
        let (run_at, is_pipeline) = (live.run.at.run_at, live.task.pipeline.is_some());
        // Also unedited: a text that can be read in two ways (a key twice) becomes the one that was shown.
        if approval.asked.step.is_none() && (approval.original.is_some() || !is_pipeline) {
            let payload = &*approval.asked.payload;
            let event = live.run.args.as_ref().and_then(|args| pipeline::split_event(args.value()).1);
            let args = match event {
                Some(event) => pipeline::with_event(&event, Some(payload)),
                None => Json::from(payload),
            };
            live.run.args = Some(args.clone());
            out.push(Change::RunArgs(id, args));
        }
        self.shift(id, RunEvent::Approved, out, |_| {});
        if run_at > now {
            // Its own time has not come.
            self.shift(id, RunEvent::Hold, out, |_| {});
        } else if approval.asked.step.is_none() && is_pipeline {
            self.open_step(id, now, out, events);
        }
    }

    fn stop_unapproved(
        &mut self,
        approval: &Approval,
        why: String,
        now: Timestamp,
        out: &mut Vec<Change>,
        events: &mut Vec<Event>,
    ) {
        let error = super::settle::error("not_approved", why);
        self.end(approval.asked.run_id, RunEvent::Cancel, Some(error), None, now, out, events);
    }

    /// A run has ended, however: nobody need decide on it any more.
    pub(super) fn approval_run_ended(
        &mut self,
        id: RunId,
        now: Timestamp,
        out: &mut Vec<Change>,
        events: &mut Vec<Event>,
    ) {
        let Some(approval) = self.approvals.by_run.remove(&id).and_then(|id| self.approval(&id)) else {
            return;
        };
        let mut approval = (*approval).clone();
        if approval.withdraw("its task ended before anybody decided", now) {
            let approval = self.approvals.put(approval, out);
            events.push(Event::ApprovalDecided(approval));
            self.approvals.prune(now, out);
        }
    }

    /// Ends what nobody decided in time, each with what was to happen then.
    pub(super) fn expire_approvals(
        &mut self,
        now: Timestamp,
        out: &mut Vec<Change>,
        events: &mut Vec<Event>,
    ) {
        while let Some((at, id)) = self.approvals.pending.first().cloned().filter(|(at, _)| *at <= now) {
            self.approvals.pending.remove(&(at, id.clone()));
            let Some(mut approval) = self.approval(&id).map(|one| (*one).clone()) else { continue };
            if !approval.expire(now) {
                continue;
            }
            let details = json!({"approval_id": id, "on_expiry": approval.asked.on_expiry.as_str()});
            self.audit_approval(&approval, "system", "approval.timeout", details, now, out);
            let approval = self.approvals.put(approval, out);
            events.push(Event::ApprovalDecided(approval.clone()));
            match approval.lets_go() {
                true => self.let_go(&approval, now, out, events),
                false => {
                    let why = format!("nobody approved it before {}", approval.asked.expires_at.rfc3339());
                    self.stop_unapproved(&approval, why, now, out, events);
                }
            }
        }
        self.approvals.prune(now, out);
    }

    /// What the store kept, once the runs are back.
    pub(super) fn restore_approvals(&mut self, records: Vec<Record>) {
        for record in records {
            let Some(approval) = from_json(&record.row) else { continue };
            let (run_id, step) = (approval.asked.run_id, &approval.asked.step);
            let live = self.runs.get(&run_id);
            let is_at = |live: &Live| {
                step.as_ref().is_some_and(|step| live.run.at.step == step.index && item_of(live) == step.item)
            };
            let awaits = |live: &Live| live.run.at.state == RunState::AwaitingApproval;
            let waits = live.is_some_and(awaits) && !approval.is_decided();
            let runs = live.is_some_and(is_at) && approval.lets_go();
            if waits || runs {
                self.approvals.by_run.insert(run_id, record.key.clone());
            }
            self.approvals.index(Arc::new(approval), record.key);
        }
    }
}

fn typed(task: &Task) -> Option<&Typed> {
    match &task.form {
        Form::Typed(typed) => Some(typed),
        Form::Plain | Form::Scheduled(_) => None,
    }
}

/// Which element of its step's list a run is at.
fn item_of(live: &Live) -> Option<u32> {
    let step = live.step().filter(|step| step.foreach.is_some())?;
    let ended = live.run.steps.iter().rev().take_while(|one| one.item.is_some() && one.id == step.id);
    u32::try_from(ended.count()).ok()
}

/// The name of what a run would do: its step, if that alone waits, else all of it.
fn hash_of(live: &Live, of_step: bool, edits: u32, payload: &Value) -> String {
    let (task, agent) = (&live.task, live.task.agent.as_deref());
    let part = match (live.step(), &task.pipeline) {
        (Some(step), _) if of_step => Some(json!([step.id, item_of(live)]).to_string()),
        (_, Some(steps)) => {
            let steps: Vec<Value> =
                steps.iter().map(|one| json!([one.id, one.uses, one.with, one.condition])).collect();
            Some(Value::from(steps).to_string())
        }
        (_, None) => None,
    };
    subject_hash(task.id, live.run.id, &live.kind, agent, part.as_deref(), edits, payload)
}

#[cfg(test)]
mod tests;

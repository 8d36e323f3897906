//! One round trip of a worker: finished work and heartbeats in, new work out.

use super::index::{By, Lane};
use super::settle::error;
use super::workers::Met;
use super::{BUILTIN_WORKER, Queue};
use crate::{
    AttemptToken, Change, Claim, Directive, Event, Extension, RunError, RunEvent, RunId, TokenResult,
    WorkReply, WorkRequest, WorkerCard, pipeline, template,
};
use model::{Class, Json, Timestamp};
use std::collections::BTreeMap;

/// The most bytes of a checkpoint. Who lets workers in refuses larger ones, so that none is lost silently.
pub const CHECKPOINT_BYTES_MAX: usize = 256 << 10;

/// Steps of runbooks that our own worker does at once: each may be a process, on a machine that has trouble already.
const RUNBOOK_STEPS_MAX: u32 = 32;

/// The most runs handed out in one reply.
pub(super) const WANT_MAX: usize = 1_000;

impl Queue {
    /// Takes what a worker has to say and hands out what it may have. The reply may leave only after the commit
    /// of `out`. Pages that became ready here can be claimed from the next call on, so that their arguments
    /// can be amended before.
    pub fn work(
        &mut self,
        request: &WorkRequest,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) -> (WorkReply, Vec<Event>) {
        let (mut reply, mut events) = (WorkReply::default(), Vec::new());
        let card = &request.worker;
        self.gates.at(now);
        match self.meet(card, now, out, &mut events) {
            Met::Living => {}
            Met::Former => return (self.answer_former(request), events),
            Met::Unserved => {
                reply.directive = Directive::Quiet;
                reply.results.extend(request.complete.iter().map(|one| (one.token, TokenResult::Unknown)));
                reply.results.extend(request.extend.iter().map(|one| (one.token, TokenResult::Unknown)));
                return (reply, events);
            }
        }
        for completion in &request.complete {
            let result = self.complete(&card.id, completion.clone(), now, out, &mut events);
            reply.results.push((completion.token, result));
        }
        for extension in &request.extend {
            let result = self.extend(&card.id, extension, now, out);
            reply.results.push((extension.token, result));
        }
        reply.cancel = self.take_cancels(&card.id);
        reply.directive = self.take_directive(&card.id);
        if self.draining {
            reply.directive = Directive::Quiet;
        } else if !card.draining && reply.directive == Directive::None {
            self.unblock();
            reply.runs = self.claim(card, request.want, now, out, &mut events);
        }
        self.release_ready(now, out, &mut events);
        self.announce(&mut events);
        (reply, events)
    }

    /// Whether `work` would hand anything to this worker now: for waking parked requests.
    pub fn has_work_for(&self, card: &WorkerCard) -> bool {
        !self.draining
            && !card.draining
            && !self.is_former(card)
            && self.directive_of(&card.id) == Directive::None
            && card.slots_free > 0
            && self.index.has_ready(|lane| {
                takes(card, lane) && self.room(card, lane.class, 0) > 0 && self.lane_open(lane)
            })
    }

    fn extend(
        &mut self,
        worker: &str,
        extension: &Extension,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) -> TokenResult {
        let Some(id) = self.index.by_token(&extension.token) else {
            return self.said_before(&extension.token, None);
        };
        let usual = self.settings.lease;
        let Some(live) = self.runs.get_mut(&id) else { return TokenResult::Unknown };
        if live.run.at.worker_id.as_deref() != Some(worker) {
            return TokenResult::Stale;
        }
        let until = live.lives_until(usual, now);
        self.index.extend(live, until);
        if let Some(progress) = extension.progress.filter(|p| p.is_finite()) {
            live.run.at.progress = Some(progress.clamp(0.0, 1.0));
        }
        let checkpoint = extension.checkpoint.as_ref().map(Json::from);
        if let Some(checkpoint) = checkpoint.filter(|one| one.size() <= CHECKPOINT_BYTES_MAX) {
            live.run.at.checkpoint = Some(checkpoint);
            out.push(Change::RunMoved(id, Box::new(live.run.at.clone())));
        }
        TokenResult::Accepted
    }

    fn claim(
        &mut self,
        card: &WorkerCard,
        want: u32,
        now: Timestamp,
        out: &mut Vec<Change>,
        events: &mut Vec<Event>,
    ) -> Vec<Claim> {
        let want = (want.min(card.slots_free) as usize).min(WANT_MAX);
        let mut claims = Vec::new();
        for class in [Class::Page, Class::Runbook, Class::User] {
            let taken = u32::try_from(claims.len()).unwrap_or(u32::MAX);
            let room = (self.room(card, class, taken) as usize).min(want);
            while claims.len() < room {
                let mut best = self.index.best(room - claims.len(), |lane| {
                    lane.class == class && takes(card, lane) && self.lane_open(lane)
                });
                // Nobody is passed over: who sleeps should have been woken (`Queue::wanted`).
                if let Some(first) = best.iter().position(|id| self.sleeps(*id)) {
                    best.truncate(first);
                }
                if best.is_empty() {
                    break;
                }
                for id in best {
                    claims.extend(self.take(id, card, now, out, events));
                }
            }
        }
        claims
    }

    /// How many runs this worker may have in all from this request, of which it has `taken`, once it comes to `class`:
    /// users' work leaves room for pages, and runbook steps take no more than a machine in trouble bears.
    fn room(&self, card: &WorkerCard, class: Class, taken: u32) -> u32 {
        if class == Class::Page || !card.id.starts_with(BUILTIN_WORKER) {
            return card.slots_free;
        }
        let held = |wanted: fn(Class) -> bool| {
            let is_one = |id: &&RunId| self.runs.get(id).is_some_and(|live| wanted(live.run.class));
            let held = self.index.held(&card.id).map_or(0, |held| held.iter().filter(is_one).count());
            u32::try_from(held).unwrap_or(u32::MAX)
        };
        if class == Class::Runbook {
            let steps = RUNBOOK_STEPS_MAX.saturating_sub(held(|class| class == Class::Runbook));
            return card.slots_free.min(taken.saturating_add(steps));
        }
        let reserved = self.settings.page_slots.saturating_sub(held(|class| class != Class::User));
        card.slots_free.saturating_sub(reserved)
    }

    /// Hands one ready run to a worker, unless its concurrency key is taken or its arguments cannot be filled in;
    /// in any case it is not ready any more.
    fn take(
        &mut self,
        id: RunId,
        card: &WorkerCard,
        now: Timestamp,
        out: &mut Vec<Change>,
        events: &mut Vec<Event>,
    ) -> Option<Claim> {
        let live = self.runs.get(&id)?;
        if self.index.is_busy(live) {
            self.index.block(live);
            return None;
        }
        let (task, lease, timeout) = (live.task.clone(), live.lease(self.settings.lease), live.timeout());
        if self.hold_back(id, now) {
            return None;
        }
        let args = match self.args(id) {
            Ok(args) => args,
            Err(error) => {
                self.give_up(id, error, now, out, events);
                return None;
            }
        };
        let token = AttemptToken::new(&mut self.rng);
        #[cfg(feature = "broken-token")]
        super::broken::handed_out(token, id);
        let worker_id = self.workers.get_key_value(card.id.as_str())?.0.clone();
        self.gates.begin(&task, now, out);
        self.shift(id, RunEvent::Claimed, out, |at| {
            at.attempt += 1;
            at.token = Some(token);
            at.worker_id = Some(worker_id);
            at.claimed_at = Some(now);
            at.lease_until = Some(now.plus(lease).min(at.attempt_ends(timeout)));
            at.outcome = None;
            at.started_at = at.started_at.or(Some(now));
        });
        let live = self.runs.get(&id)?;
        Some(Claim {
            run_id: String::from(&*id.text()),
            task_id: String::from(&*live.run.task_id.text()),
            kind: live.kind.as_ref().to_owned(),
            token,
            attempt: live.run.at.attempt,
            args,
            lease,
            deadline: timeout,
            traceparent: id.traceparent(live.run.at.attempt),
            checkpoint: live.run.at.checkpoint.clone(),
        })
    }

    /// What the worker is given; made by a template, it may not be what the kind of work takes.
    fn args(&self, id: RunId) -> Result<Json, RunError> {
        let Some(live) = self.runs.get(&id) else { return Ok(Json::null()) };
        if let Some(approved) = self.approved_args(id) {
            return Ok(Json::from(approved));
        }
        let Some(step) = live.step() else {
            return Ok(live.run.args.as_ref().unwrap_or(&live.task.args).clone());
        };
        let args = pipeline::args(&live.task, &live.run, step, self.settings.args_bytes_max)
            .map_err(|why| error("template", why.to_string()))?;
        if !template::is_literal(&step.with) {
            let misfit = self.misfit(&step.uses, &args);
            misfit.map_or(Ok(()), |misfit| {
                Err(error("bad_args", format!("args{}: {}", misfit.path, misfit.what)))
            })?;
        }
        Ok(Json::from(args))
    }
}

/// As [`can`].
pub(super) fn takes(card: &WorkerCard, lane: &Lane) -> bool {
    can(&Card { id: &card.id, labels: &card.labels, kinds: &card.kinds }, lane)
}

/// What a worker is and can do.
pub(super) struct Card<'a> {
    pub(super) id: &'a str,
    pub(super) labels: &'a BTreeMap<String, String>,
    pub(super) kinds: &'a [String],
}

/// Whether a worker may take the runs of a lane. Ours alone takes pages and runbook steps.
pub(super) fn can(card: &Card<'_>, lane: &Lane) -> bool {
    let builtin = card.id.starts_with(BUILTIN_WORKER);
    if lane.labels.iter().any(|(name, value)| card.labels.get(name) != Some(value)) {
        return false;
    }
    match lane.by {
        By::Agent => !builtin && card.labels.get("agent").is_some_and(|agent| **agent == *lane.name),
        By::Kind => {
            (builtin || lane.class == Class::User)
                && card.kinds.iter().any(|kind| kind == "*" || **kind == *lane.name)
        }
    }
}

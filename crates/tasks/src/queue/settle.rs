//! What becomes of a run when an attempt ends: the next step, another try, or the end.

use super::{Live, Queue};
use crate::pipeline::{self, Broken, Next, Part, Verdict};
use crate::size::{json_depth, json_size, outcome_digest};
use crate::{
    AttemptToken, Change, Completion, Event, Finished, Outcome, RunError, RunEvent, RunId, StepEnded,
    TokenResult, retry,
};
use model::{Class, Json, Timestamp};
use serde_json::Value;
use std::{sync::Arc, time::Duration};

/// The longest text of an error that is kept.
const ERROR_BYTES_MAX: usize = 8 << 10;
/// The most levels of a step's result.
const DEPTH_MAX: usize = 100;
/// The longest a worker may put a run off.
const SNOOZE_MAX: Duration = Duration::from_secs(366 * 86_400);

impl Queue {
    /// Takes a completion if its token is that of a live attempt of this worker.
    pub(super) fn complete(
        &mut self,
        worker: &str,
        completion: Completion,
        now: Timestamp,
        out: &mut Vec<Change>,
        events: &mut Vec<Event>,
    ) -> TokenResult {
        let Completion { token, outcome } = completion;
        let digest = outcome_digest(worker, &outcome);
        let live = self.index.by_token(&token);
        #[cfg(feature = "broken-token")]
        let live = live.or_else(|| super::broken::run_of(&token));
        let Some(id) = live else { return self.said_before(&token, Some(digest)) };
        let holder = self.runs.get(&id).and_then(|live| live.run.at.worker_id.as_deref());
        #[cfg(feature = "broken-token")]
        let holder = super::broken::run_of(&token).map_or(holder, |_| Some(worker));
        if holder != Some(worker) {
            return TokenResult::Stale;
        }
        self.remember(token, Some(digest));
        if let Some(worker) = self.workers.get_mut(worker) {
            worker.row.processed += 1;
        }
        self.settle(id, outcome, digest, now, out, events);
        TokenResult::Accepted
    }

    /// What is answered about a token of no live attempt: said again with the same outcome, it was taken; a
    /// heartbeat (`None`) never is.
    pub(super) fn said_before(&self, token: &AttemptToken, digest: Option<u64>) -> TokenResult {
        match self.ended.get(token) {
            Some(ended) if digest.is_some() && *ended == digest => TokenResult::Accepted,
            Some(_) => TokenResult::Stale,
            None => TokenResult::Unknown,
        }
    }

    fn settle(
        &mut self,
        id: RunId,
        outcome: Outcome,
        digest: u64,
        now: Timestamp,
        out: &mut Vec<Change>,
        events: &mut Vec<Event>,
    ) {
        self.note_lease(id, now);
        let max = self.settings.result_bytes_max;
        let outcome = match outcome {
            Outcome::Done(result) if json_size(&result) > max => Outcome::Failed(RunError {
                kind: "result_too_large".to_owned(),
                message: format!("the result has more than the {max} bytes taken"),
            }),
            other => other,
        };
        if let Some(live) = self.runs.get_mut(&id) {
            live.run.at.outcome = Some(digest);
        }
        match outcome {
            Outcome::Done(result) => self.done(id, result, now, out, events),
            Outcome::Retry { error, after } => self.failed(id, bounded(error), after, now, out, events),
            Outcome::Snooze(wait) => {
                let run_at = now.plus(wait.min(SNOOZE_MAX));
                events.push(Event::PutOff { run_id: id, wait });
                self.shift(id, RunEvent::Snooze, out, |at| at.run_at = run_at);
            }
            Outcome::Failed(error) => self.give_up(id, bounded(error), now, out, events),
        }
    }

    fn done(
        &mut self,
        id: RunId,
        result: Value,
        now: Timestamp,
        out: &mut Vec<Change>,
        events: &mut Vec<Event>,
    ) {
        let Some(live) = self.runs.get_mut(&id) else { return };
        if live.step().is_none() {
            return self.end(id, RunEvent::Done, None, Some(Json::from(result)), now, out, events);
        }
        // It becomes part of the output, some levels down, which must still be read after a restart.
        if json_depth(&result) > DEPTH_MAX {
            let error = error("result_too_deep", format!("the result has more than {DEPTH_MAX} levels"));
            return self.give_up(id, error, now, out, events);
        }
        events.push(step_ended(live, None, now));
        let known = live.run.steps.len();
        pipeline::done(&live.task, &mut live.run, Json::from(result), now);
        out.extend(live.run.steps[known..].iter().map(|step| Change::StepDone(id, step.clone())));
        self.open_step(id, now, out, events);
    }

    /// The last try failed: a run ends, unless it is a pipeline whose present step says otherwise.
    pub(super) fn give_up(
        &mut self,
        id: RunId,
        error: RunError,
        now: Timestamp,
        out: &mut Vec<Change>,
        events: &mut Vec<Event>,
    ) {
        self.part_failed(id, Part::Attempt, error, now, out, events);
    }

    fn part_failed(
        &mut self,
        id: RunId,
        part: Part,
        error: RunError,
        now: Timestamp,
        out: &mut Vec<Change>,
        events: &mut Vec<Event>,
    ) {
        let Some(live) = self.runs.get_mut(&id) else { return };
        if live.step().is_none() {
            return self.end(id, RunEvent::GiveUp, Some(error), None, now, out, events);
        }
        events.push(step_ended(live, Some(&error), now));
        let known = live.run.steps.len();
        match pipeline::failed(&live.task, &mut live.run, part, error, now) {
            Verdict::End(error) => self.end(id, RunEvent::GiveUp, Some(error), None, now, out, events),
            Verdict::GoOn => {
                out.extend(live.run.steps[known..].iter().map(|step| Change::StepDone(id, step.clone())));
                self.open_step(id, now, out, events);
            }
        }
    }

    /// Goes on to the next step of a pipeline whose present one is done or that has just become due.
    pub(super) fn open_step(
        &mut self,
        id: RunId,
        now: Timestamp,
        out: &mut Vec<Change>,
        events: &mut Vec<Event>,
    ) {
        let Some(live) = self.runs.get_mut(&id) else { return };
        let known = live.run.steps.len();
        let next = pipeline::next(&live.task, &mut live.run, now);
        out.extend(live.run.steps[known..].iter().map(|step| Change::StepDone(id, step.clone())));
        let results = live.run.steps.iter().filter_map(|step| step.result.as_ref());
        let size: usize = results.map(Json::size).sum();
        if size > self.settings.result_bytes_max.saturating_mul(4) {
            let error = error("result_too_large", "the steps' results together are too large".to_owned());
            return self.end(id, RunEvent::GiveUp, Some(error), None, now, out, events);
        }
        match next {
            Ok(Next::Step(step)) => {
                let fresh = |at: &mut crate::Progress| {
                    (at.step, at.attempt, at.failures, at.rescues) = (step, 0, 0, 0);
                    (at.checkpoint, at.progress, at.run_at) = (None, None, at.run_at.min(now));
                };
                match live.run.at.state {
                    crate::RunState::Running => self.shift(id, RunEvent::StepDone, out, fresh),
                    _ if step != live.run.at.step => self.jump(id, out, fresh),
                    _ => {}
                }
                self.gate_step(id, now, out, events);
            }
            Ok(Next::End) => {
                let output = Json::from(pipeline::output(&live.task, &live.run, now, None));
                self.end(id, RunEvent::Done, None, Some(output), now, out, events);
            }
            Ok(Next::Failed(error)) => {
                self.end(id, RunEvent::GiveUp, Some(error), None, now, out, events);
            }
            Err(Broken { step, why }) => {
                let error = error("template", why.to_string());
                self.part_failed(id, Part::Whole(step), error, now, out, events);
            }
        }
    }

    /// An available run whose first steps are skipped goes to a later one.
    fn jump(&mut self, id: RunId, out: &mut Vec<Change>, edit: impl FnOnce(&mut crate::Progress)) {
        let Some(live) = self.runs.get_mut(&id) else { return };
        self.index.leave(live);
        edit(&mut live.run.at);
        live.name_kind();
        self.index.enter(live);
        out.push(Change::RunMoved(id, Box::new(live.run.at.clone())));
    }

    /// A try failed by its own fault.
    pub(super) fn failed(
        &mut self,
        id: RunId,
        error: RunError,
        after: Option<Duration>,
        now: Timestamp,
        out: &mut Vec<Change>,
        events: &mut Vec<Event>,
    ) {
        let Some(live) = self.runs.get_mut(&id) else { return };
        let failures = live.run.at.failures + 1;
        if failures > live.max_retries() || live.is_final(&error) {
            live.run.at.failures = failures;
            return self.give_up(id, error, now, out, events);
        }
        let run_at =
            now.plus(retry::wait(self.settings.waits, live.task.backoff, failures, after, &mut self.rng));
        let (kind, attempt) = (live.kind.clone(), live.run.at.attempt);
        events.push(Event::Retrying { run_id: id, kind, attempt, error: error.clone(), run_at });
        self.shift(id, RunEvent::Retry, out, |at| {
            (at.failures, at.error, at.run_at) = (failures, Some(error), run_at);
        });
    }

    /// An attempt was lost: its worker is silent or has started anew. Not the run's fault, so it goes on at once,
    /// but not for ever: it may be what kills the workers.
    pub(super) fn rescue(
        &mut self,
        id: RunId,
        now: Timestamp,
        out: &mut Vec<Change>,
        events: &mut Vec<Event>,
    ) {
        self.note_lease(id, now);
        let Some(live) = self.runs.get_mut(&id) else { return };
        let (kind, rescues) = (live.kind.clone(), live.run.at.rescues + 1);
        let worker_id = live.run.at.worker_id.clone().unwrap_or_else(|| Arc::from(""));
        let lost = live.run.at.token;
        live.run.at.rescues = rescues;
        let message = format!("worker {worker_id} fell silent or started anew while it had the run");
        let error = error("worker_lost", message);
        self.totals.rescued += 1;
        out.push(Change::Totals(self.totals));
        self.forget_token(lost);
        events.push(Event::Rescued { run_id: id, kind, worker_id });
        if rescues > self.settings.rescues_max {
            return self.give_up(id, error, now, out, events);
        }
        self.shift(id, RunEvent::Retry, out, |at| (at.error, at.run_at) = (Some(error), now));
        self.shift(id, RunEvent::Due, out, |_| {});
    }

    /// An attempt took longer than it may, whatever its worker says of it: a try failed, and the worker is told.
    pub(super) fn time_out(
        &mut self,
        id: RunId,
        now: Timestamp,
        out: &mut Vec<Change>,
        events: &mut Vec<Event>,
    ) {
        self.note_lease(id, now);
        let Some(live) = self.runs.get(&id) else { return };
        let message = format!("timed out: not done after {} s", live.timeout().as_secs_f64());
        self.detach(id);
        self.failed(id, error("timeout", message), None, now, out, events);
    }

    /// The present attempt of a run is over.
    fn note_lease(&mut self, id: RunId, now: Timestamp) {
        if let Some(from) = self.runs.get(&id).and_then(|live| live.run.at.claimed_at) {
            self.leases.add(now.since(from));
        }
    }

    /// Whoever comes with this token is too late.
    pub(super) fn forget_token(&mut self, token: Option<AttemptToken>) {
        if let Some(token) = token {
            self.remember(token, None);
        }
    }

    /// Ends a run, and everything that hangs on it.
    #[allow(clippy::too_many_arguments, reason = "one place where runs end, told everything")]
    pub(super) fn end(
        &mut self,
        id: RunId,
        event: RunEvent,
        error: Option<RunError>,
        output: Option<Json>,
        now: Timestamp,
        out: &mut Vec<Change>,
        events: &mut Vec<Event>,
    ) {
        let Some(live) = self.runs.get(&id) else { return };
        let partial = || {
            let message = error.as_ref().map(|error| error.message.as_str());
            let pipeline = live.task.pipeline.is_some();
            pipeline.then(|| Json::from(pipeline::output(&live.task, &live.run, now, message)))
        };
        let output = if error.is_some() { partial() } else { output };
        self.shift(id, event, out, |at| {
            (at.finished_at, at.output, at.progress, at.checkpoint) = (Some(now), output, None, None);
            if event == RunEvent::Done {
                at.error = None;
            } else if error.is_some() {
                at.error = error;
            }
        });
        if self.runs.get(&id).is_none_or(|live| !live.run.at.state.is_final()) {
            return;
        }
        let Some(mut live) = self.runs.remove(&id) else { return };
        Queue::touched(&mut self.sleepers, &mut live);
        self.users_live -= usize::from(live.run.class == Class::User);
        self.after_end(live, now, out, events);
    }

    fn after_end(&mut self, live: Live, now: Timestamp, out: &mut Vec<Change>, events: &mut Vec<Event>) {
        let Live { run, task, kind, .. } = live;
        if let Some(parent) = &run.parent {
            self.child_ended(&run, parent, now, events);
        }
        self.page_ended(run.id);
        self.end_deadlines(run.id, run.at.state, out);
        self.approval_run_ended(run.id, now, out, events);
        self.schedule_run_ended(&run, now, out);
        self.end_key(&task, Some(run.at.state), now, out);
        events.push(Event::Finished(Box::new(Finished {
            run_id: run.id,
            task_id: run.task_id,
            kind,
            form: task.form.as_str(),
            class: run.class,
            state: run.at.state,
            attempt: run.at.attempt,
            output: run.at.output,
            error: run.at.error,
            took: run.at.started_at.map(|from| now.since(from)).unwrap_or_default(),
            since_due: now.since(run.created_at.max(run.at.run_at.min(now))),
        })));
    }
}

fn step_ended(live: &Live, error: Option<&RunError>, now: Timestamp) -> Event {
    let took = live.run.at.claimed_at.map(|from| now.since(from)).unwrap_or_default();
    let error = error.map(|error| error.kind.clone());
    Event::StepEnded(Box::new(StepEnded { kind: live.kind.clone(), error, took }))
}

pub(super) fn error(kind: &str, message: String) -> RunError {
    RunError { kind: kind.to_owned(), message }
}

/// An error whose texts are no longer than what is kept.
fn bounded(mut error: RunError) -> RunError {
    for (text, max) in [(&mut error.kind, 100), (&mut error.message, ERROR_BYTES_MAX)] {
        if text.len() > max {
            let cut = (0..=max).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            text.truncate(cut);
        }
    }
    error
}

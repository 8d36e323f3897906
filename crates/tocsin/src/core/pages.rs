//! From a due page to runs in the queue, and from their results back to the router.
//!
//! A page and its diagnose steps are written in the transaction of the alert state that caused them. What a page
//! says is durable in its run's arguments; this keeps a copy while the run lives, and of the last ones after, so
//! that a late finding can still be sent and the screen can show what was found.

use super::{Core, batch::Batch};
use alerts::{Tried, What};
use model::{Backoff, Class, Finding, FindingState, Json, Labels, Page, PageStatus, TaskSpec, Timestamp};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};
use tasks::{Child, Event, Finished, RunError, RunId, RunState, Skip};

/// The page leaves after this, whatever the diagnosis has found by then.
const DIAGNOSIS_LIMIT: Duration = Duration::from_secs(5);
/// A step may go on after its page has left, up to this.
const STEP_MAX: Duration = Duration::from_secs(300);
/// Tries of a page after the first: with waits that grow by a second up to a minute, about an hour and a half.
const PAGE_RETRIES: u32 = 120;
/// The longest one try to deliver may take.
const PAGE_TIMEOUT: Duration = Duration::from_secs(30);
/// Delivered pages remembered for late findings; the oldest is forgotten.
pub const SENT_MAX: usize = 256;
/// Alerts whose last page is remembered for the screen; beyond it those told longest ago are forgotten.
const TOLD_MAX: usize = 10_000;

/// The pages that the core knows.
#[derive(Default)]
pub struct Pages {
    live: HashMap<RunId, Page>,
    /// What takes the place of a page of which a try is under way. Should that fail, the next try says it; should it get
    /// through, it is sent after it. It is durable as the arguments of the run.
    next: HashMap<RunId, Page>,
    /// The runs of pages that the router waits for, by key.
    runs: HashMap<String, RunId>,
    sent: VecDeque<(RunId, Page)>,
    /// Pages for which a step found something after they had left, and others still look.
    news: BTreeSet<RunId>,
    told: BTreeMap<Labels, Told>,
}

/// What the last page about an alert said, and to whom.
#[derive(Debug, Clone)]
pub struct Told {
    /// The page.
    pub page: Arc<Page>,
    /// The receivers that took it.
    pub receivers: Vec<String>,
    /// When it was delivered last.
    pub at: Timestamp,
}

impl Pages {
    /// Takes over pages whose runs were alive when the process ended.
    pub fn restore(loaded: &tasks::Loaded) -> Pages {
        let tasks: HashMap<_, _> = loaded.tasks.iter().map(|task| (task.id, task)).collect();
        let pages = loaded.runs.iter().filter(|run| run.class == Class::Page && !run.at.state.is_final());
        let live = pages.filter_map(|run| {
            let args = run.args.as_ref().or_else(|| tasks.get(&run.task_id).map(|task| &task.args))?;
            Some((run.id, notify::page_from_json(args)?))
        });
        let live: HashMap<RunId, Page> = live.collect();
        let runs = live.iter().map(|(run, page)| (page.key.clone(), *run)).collect();
        Pages { live, runs, ..Pages::default() }
    }

    /// Takes over pages that were delivered before the process ended, oldest first.
    pub fn remember(&mut self, delivered: Vec<store::DeliveredPage>) {
        for store::DeliveredPage { run_id, args, at } in delivered {
            if let Some(page) = notify::page_from_json(&args) {
                self.delivered(run_id, page, at);
            }
        }
    }

    /// What the last page about an alert said.
    pub fn told(&self, alert: &Labels) -> Option<&Told> {
        self.told.get(alert)
    }

    /// A page that was delivered is not sent again, whatever a step finds.
    fn outdated(&mut self, key: &str) {
        let Pages { sent, news, .. } = self;
        sent.retain(|(run_id, page)| {
            let is_other = page.key != key;
            if !is_other {
                news.remove(run_id);
            }
            is_other
        });
    }

    /// No try is under way any more: what took a page's place is what the next try says.
    fn try_is_over(&mut self, run_id: RunId) {
        if let Some(next) = self.next.remove(&run_id) {
            self.live.insert(run_id, next);
        }
    }

    /// Forgets what was told longest ago where there is too much, some more at once.
    fn forget_told(&mut self) {
        if self.told.len() <= TOLD_MAX {
            return;
        }
        let mut oldest: Vec<(Timestamp, Labels)> =
            self.told.iter().map(|(labels, told)| (told.at, labels.clone())).collect();
        oldest.sort_unstable();
        oldest.truncate(self.told.len() - TOLD_MAX + TOLD_MAX / 10);
        oldest.iter().for_each(|(_, labels)| drop(self.told.remove(labels)));
    }

    fn delivered(&mut self, run_id: RunId, page: Page, now: Timestamp) {
        let shared = Arc::new(page.clone());
        for alert in &page.alerts {
            if page.status == PageStatus::Resolved || alert.is_resolved(now) {
                self.told.remove(&alert.labels);
            } else if let Some(told) = self.told.get_mut(&alert.labels) {
                if !told.receivers.contains(&page.receiver) {
                    told.receivers.push(page.receiver.clone());
                }
                told.at = now;
                if !page.diagnosis.is_empty() {
                    told.page = shared.clone();
                }
            } else {
                let told = Told { page: shared.clone(), receivers: vec![page.receiver.clone()], at: now };
                self.told.insert(alert.labels.clone(), told);
            }
        }
        self.forget_told();
        self.sent.push_back((run_id, page));
        if self.sent.len() > SENT_MAX
            && let Some((forgotten, _)) = self.sent.pop_front()
        {
            self.news.remove(&forgotten);
        }
    }
}

/// At most this many pages of one integration are on their way at once, so that a receiver that hangs holds only
/// so many of the slots that all share. Pages of one group stay in their order.
const LANES: u64 = 4;
/// The same for webhooks: those are the team's own programs, which no vendor's limits protect from a burst.
const WEBHOOK_LANES: u64 = 64;

/// What pages of one lane share, longer than any key that a client can name.
fn lane(page: &Page) -> String {
    let lanes = if page.integration.starts_with("webhook[") { WEBHOOK_LANES } else { LANES };
    let lane = page.group_labels.fingerprint() % lanes;
    format!("{:>128}", format!("page {}/{} {lane}", page.receiver, page.integration))
}

pub(super) fn page_spec(page: &Page) -> TaskSpec {
    TaskSpec {
        concurrency_key: Some(lane(page)),
        class: Class::Page,
        priority: 1,
        max_retries: PAGE_RETRIES,
        // A receiver that comes back is told soon: after a minute of silence it waits eleven seconds at most.
        backoff: Backoff::Linear,
        timeout: PAGE_TIMEOUT,
        ..TaskSpec::new(notify::PAGE_KIND, Value::Null)
    }
}

impl Core {
    /// Queues every page that is due. One that says how things are takes the place of one that has not arrived.
    pub(super) fn due_pages(&mut self, batch: &mut Batch, now: Timestamp) {
        let due = self.alerts.tick(now, &mut batch.changes.alerts);
        let replaced = self.heed_notices(batch, now);
        for mut page in due {
            // Links that act are for somebody who can still do something.
            if page.status == PageStatus::Firing {
                page.reopened = self.alerts.incident(&page.incident_id).map(|incident| incident.reopened);
            }
            if replaced.get(&page.key).is_some_and(|old| self.replace_page(old, &page, batch)) {
                continue;
            }
            let steps = self.plan_diagnosis(&mut page);
            tracing::info!(
                event = "page_queued",
                receiver = page.receiver,
                group = page.group_key,
                key = page.key,
                steps = steps.len(),
                "Page {} for {} to {}",
                page.status.as_str(),
                page.group_labels,
                page.receiver
            );
            self.queue_page(page, steps, batch, now);
        }
    }

    /// When a page about an alert that has not arrived is tried next, unless that is now: after its pause, or that of its
    /// receiver's breaker.
    pub fn next_try(&self, group_key: &str, alert: &Labels) -> Option<Timestamp> {
        let about =
            |page: &Page| page.group_key == group_key && page.alerts.iter().any(|one| one.labels == *alert);
        let runs = self.pages.live.iter().filter(|(_, page)| about(page));
        let runs = runs.filter_map(|(run_id, _)| self.queue.single(tasks::TaskId::from_bits(run_id.bits())));
        let waits = runs.filter(|(_, at)| match at.state {
            RunState::Retryable => true,
            // Before that it waits for its diagnosis.
            RunState::Scheduled => at.attempt > 0,
            _ => false,
        });
        waits.map(|(_, at)| at.run_at).min()
    }

    /// The steps of the runbook that matches a firing page; its remedies go on the page.
    fn plan_diagnosis(&self, page: &mut Page) -> Vec<(String, TaskSpec)> {
        let Some(runbook) = self.book.for_alerts(page.firing()) else { return Vec::new() };
        let Some(alert) = page.firing().find(|alert| runbook.is_for(&alert.labels)) else {
            return Vec::new();
        };
        let alert = alert.clone();
        page.remedy = runbook.remedies(&alert.labels);
        let steps = runbook.diagnose(&alert.labels, &alert.annotations).into_iter();
        steps
            .map(|step| {
                let spec = TaskSpec {
                    class: Class::Runbook,
                    priority: 1,
                    max_retries: 0,
                    timeout: step.timeout.min(STEP_MAX),
                    ..TaskSpec::new(worker::operator_kind(&step.kind), step.args)
                };
                (step.step, spec)
            })
            .collect()
    }

    fn queue_page(&mut self, page: Page, steps: Vec<(String, TaskSpec)>, batch: &mut Batch, now: Timestamp) {
        let out = &mut batch.changes.tasks;
        let spec = TaskSpec { args: self.args(&page), ..page_spec(&page) };
        let run_id = self.queue.submit_page(spec, steps, DIAGNOSIS_LIMIT, now, out);
        self.pages.runs.insert(page.key.clone(), run_id);
        self.pages.live.insert(run_id, page);
    }

    /// A page as its run has it, with what the last one of its group left for it.
    pub(super) fn args(&self, page: &Page) -> Json {
        let kept = self.alerts.kept(&page.group_key, &format!("{}/{}", page.receiver, page.integration));
        notify::page_args(page, kept)
    }

    /// Puts a page in the place of one that has not arrived. False if that has ended.
    fn replace_page(&mut self, old: &str, page: &Page, batch: &mut Batch) -> bool {
        let Some(run_id) = self.pages.runs.get(old).copied() else { return false };
        let Some(known) = self.pages.live.get(&run_id) else { return false };
        let (cause, diagnosis, remedy) = (known.cause.clone(), known.diagnosis.clone(), known.remedy.clone());
        let known_key = known.key.clone();
        let page = Page { cause, diagnosis, remedy, ..page.clone() };
        let waits = self.queue.amend_args(run_id, self.args(&page), &mut batch.changes.tasks);
        tracing::info!(
            event = "page_replaced",
            key = page.key,
            old,
            "Page to {} is brought up to date",
            page.receiver
        );
        if waits || known_key != old {
            self.alerts.idle(old);
        }
        self.pages.runs.remove(old);
        self.pages.runs.insert(page.key.clone(), run_id);
        let pages = if waits { &mut self.pages.live } else { &mut self.pages.next };
        pages.insert(run_id, page);
        true
    }

    /// A page that has not arrived has nothing left to say, or nothing is said anew of one that has.
    pub(super) fn withdraw_page(&mut self, key: &str, batch: &mut Batch, now: Timestamp) {
        self.pages.outdated(key);
        let Some(run_id) = self.pages.runs.remove(key) else { return };
        tracing::info!(event = "page_withdrawn", key, "Page {key} has nothing left to say");
        self.pages.live.remove(&run_id);
        self.pages.next.remove(&run_id);
        self.pages.news.remove(&run_id);
        let task = tasks::TaskId::from_bits(run_id.bits());
        if let Ok((_, events)) = self.queue.cancel(task, "router", now, &mut batch.changes.tasks) {
            self.happened(events, batch, now);
        }
    }

    /// What the queue says happened.
    pub fn happened(&mut self, events: Vec<Event>, batch: &mut Batch, now: Timestamp) {
        for event in events {
            self.tell_of(&event, batch, now);
            match event {
                Event::PageReady { run_id, children } => self.diagnosed(run_id, &children, batch, now),
                Event::ChildLate { page, child } => self.found_late(page, &child, batch, now),
                Event::Finished(finished) => self.finished(&finished, batch, now),
                Event::ScheduleFired { skipped, missed, .. } => self.fired(skipped, missed),
                Event::Rescued { run_id, kind, worker_id } => {
                    tracing::warn!(
                        event = "run_rescued",
                        "Run {run_id} ({kind}) taken back from {worker_id}, which fell silent"
                    );
                    self.pages.try_is_over(run_id);
                }
                Event::Retrying { run_id, kind, attempt, error, .. } => {
                    tracing::info!(
                        event = "run_retrying",
                        attempt,
                        "Run {run_id} ({kind}) will be tried again: {}",
                        error.message
                    );
                    self.page_tried(run_id, &error, batch, now);
                }
                Event::PutOff { run_id, wait } => self.page_put_off(run_id, wait, batch, now),
                Event::Sla { task_id, kind, violated, .. } => self.sla(task_id, &kind, violated),
                Event::ApprovalRequested(approval) => self.approval_requested(&approval),
                Event::ApprovalDecided(approval) => self.approval_decided(&approval),
                Event::StepEnded(ended) => self.counts.steps.add(&ended),
                Event::Available { .. } => self.parked.note_available(),
            }
        }
    }

    fn sla(&mut self, task_id: tasks::TaskId, kind: &str, violated: bool) {
        if violated {
            *self.counts.sla_violations.entry(kind.to_owned()).or_default() += 1;
            tracing::warn!(event = "sla_violated", %task_id, "Task {task_id} ({kind}) has missed its deadline");
        } else {
            tracing::info!(event = "sla_warning", %task_id, "Task {task_id} ({kind}) comes close to its deadline");
        }
    }

    fn fired(&mut self, skipped: Option<Skip>, missed: u64) {
        self.counts.schedule_fires += 1;
        let reason = match skipped {
            Some(Skip::Overlap) => "overlap",
            Some(Skip::Misfire) => "misfire",
            Some(Skip::Full) => "full",
            None if missed > 0 => "coalesced",
            None => return,
        };
        *self.counts.schedule_skips.entry(reason).or_default() += missed + u64::from(skipped.is_some());
    }

    /// Writes what the diagnosis found on the page, which may leave now.
    fn diagnosed(&mut self, run_id: RunId, children: &[Child], batch: &mut Batch, now: Timestamp) {
        let Some(page) = self.pages.live.get_mut(&run_id) else { return };
        let Some(runbook) = self.book.for_alerts(page.firing()) else { return };
        page.diagnosis = children.iter().map(finding).collect();
        page.cause = runbook.conclude(&page.diagnosis);
        for finding in &page.diagnosis {
            *self.counts.diagnoses.entry(finding.state.as_str()).or_default() += 1;
        }
        let page = page.clone();
        self.queue.amend_args(run_id, self.args(&page), &mut batch.changes.tasks);
        let found =
            page.diagnosis.iter().map(|finding| format!("{} {}", finding.step, finding.state.as_str()));
        let found = [page.cause.clone()].into_iter().filter(|cause| !cause.is_empty()).chain(found);
        let (found, out) = (found.collect::<Vec<_>>().join("; "), &mut batch.changes.alerts);
        self.alerts.note(&page.incident_id, (What::Diagnosed, ""), &found, now, out);
        for remedy in &page.remedy {
            self.alerts.note(&page.incident_id, (What::Remedy, &remedy.id), &remedy.text, now, out);
        }
    }

    /// A try to deliver a page failed.
    fn page_tried(&mut self, run_id: RunId, error: &RunError, batch: &mut Batch, now: Timestamp) {
        self.pages.try_is_over(run_id);
        let Some(page) = self.pages.live.get(&run_id) else { return };
        let tried = Tried { code: &error.kind, error: &error.message, kept: None };
        self.alerts.attempted(&page.key, tried, now, &mut batch.changes.alerts);
    }

    /// A page was not tried: the breaker of its receiver is open, unless a worker that ends only gave it back.
    fn page_put_off(&mut self, run_id: RunId, wait: Duration, batch: &mut Batch, now: Timestamp) {
        self.pages.try_is_over(run_id);
        if let Some(page) = self.pages.live.get(&run_id).filter(|_| !wait.is_zero()) {
            self.alerts.put_off(&page.key, now, &mut batch.changes.alerts);
        }
    }

    /// A step that ended after its page left: once the last of them is in, what they found is put on the page if
    /// it still waits for its receiver, else the page is sent again with the same key and the next revision. Not
    /// if none of them found anything, nor if all is over meanwhile.
    fn found_late(&mut self, run_id: RunId, child: &Child, batch: &mut Batch, now: Timestamp) {
        let Pages { live, sent, news, next, .. } = &mut self.pages;
        let sent = sent.iter_mut().find(|(id, _)| *id == run_id).map(|(_, page)| page);
        let Some(page) = live.get_mut(&run_id).or(sent) else { return };
        let Some(runbook) = self.book.for_alerts(page.firing()) else { return };
        let Some(place) = place_of(page, &child.step) else { return };
        *place = finding(child);
        if let Some(place) = next.get_mut(&run_id).and_then(|next| place_of(next, &child.step)) {
            *place = finding(child);
        }
        if child.state == RunState::Completed {
            news.insert(run_id);
        }
        let all_in = page.diagnosis.iter().all(|finding| finding.state != FindingState::Late);
        if !all_in
            || !news.remove(&run_id)
            || !page.firing().any(|alert| self.alerts.fires(&alert.labels, now))
        {
            return;
        }
        page.cause = runbook.conclude(&page.diagnosis);
        page.revision += 1;
        let page = page.clone();
        if let Some(next) = self.pages.next.get_mut(&run_id) {
            (next.cause, next.diagnosis) = (page.cause, page.diagnosis);
            let next = next.clone();
            self.queue.amend_args(run_id, self.args(&next), &mut batch.changes.tasks);
            return;
        }
        if self.queue.amend_args(run_id, self.args(&page), &mut batch.changes.tasks) {
            return;
        }
        tracing::info!(event = "page_amended", key = page.key, "Page to {} is amended", page.receiver);
        if self.pages.live.contains_key(&run_id) {
            // A try is under way: the next one says it, or it is sent after this one.
            self.pages.next.insert(run_id, page);
        } else {
            self.queue_page(page, Vec::new(), batch, now);
        }
    }

    fn finished(&mut self, finished: &Finished, batch: &mut Batch, now: Timestamp) {
        match finished.class {
            Class::User => {
                let type_ = if finished.form == "typed" { &*finished.kind } else { finished.form };
                let ended = self.counts.runs.entry((type_.to_owned(), finished.state.as_str())).or_default();
                ended.add(finished.took);
                let (done, dead) = (finished.state == RunState::Completed, finished.state == RunState::Dead);
                self.counts.hours.ended(done, dead, finished.took, now);
                self.waiters.ended(finished.task_id, batch);
            }
            Class::Runbook => self.delivered(finished),
            Class::Page => self.page_finished(finished, batch, now),
        }
    }

    fn page_finished(&mut self, finished: &Finished, batch: &mut Batch, now: Timestamp) {
        if finished.state != RunState::Completed {
            self.pages.try_is_over(finished.run_id);
        }
        let next = self.pages.next.remove(&finished.run_id);
        let Some(page) = self.pages.live.remove(&finished.run_id) else { return };
        if self.pages.runs.get(&page.key) == Some(&finished.run_id) {
            self.pages.runs.remove(&page.key);
        }
        let result = match finished.state {
            RunState::Completed => Ok(()),
            _ => Err(finished.error.as_ref().map_or_else(String::new, |error| error.message.clone())),
        };
        let word = if result.is_ok() { "sent" } else { "failed" };
        let channel = page.integration.split('[').next().unwrap_or("").to_owned();
        *self.counts.notifications.entry((channel, word)).or_default() += 1;
        let (status, receiver) = (page.status.as_str(), &page.receiver);
        match &result {
            Ok(()) => {
                tracing::info!(event = "page_sent", key = page.key, "Page {status} delivered to {receiver}")
            }
            Err(why) => tracing::error!(
                event = "page_failed",
                key = page.key,
                "Page {status} could not be delivered to {receiver}: {why}"
            ),
        }
        let output = finished.output.as_ref().map(Json::value).unwrap_or_default();
        let kept = output.get(notify::KEPT).map(Json::from);
        let (code, error) = match &finished.error {
            None if result.is_ok() => ("ok", ""),
            None => (finished.state.as_str(), ""),
            Some(error) => (error.kind.as_str(), error.message.as_str()),
        };
        let tried = Tried { code, error, kept: kept.as_ref() };
        self.alerts.outcome(&page.key, tried, result.is_ok(), now, &mut batch.changes.alerts);
        let key = page.key.clone();
        if result.is_ok() {
            self.pages.delivered(finished.run_id, page, now);
        }
        if let Some(next) = next {
            if next.key != key {
                self.pages.outdated(&key);
            }
            self.queue_page(next, Vec::new(), batch, now);
        }
    }
}

/// Where a page says what a step found.
fn place_of<'a>(page: &'a mut Page, step: &str) -> Option<&'a mut Finding> {
    page.diagnosis.iter_mut().find(|finding| finding.step == step)
}

fn finding(child: &Child) -> Finding {
    let outcome = match (child.state, &child.output, &child.error) {
        (RunState::Completed, Some(output), _) => runbooks::Outcome::Done(output.value()),
        (RunState::Completed, None, _) => runbooks::Outcome::Done(Value::Null),
        (state, _, Some(error)) if state.is_final() => runbooks::Outcome::Failed(error.message.clone()),
        (state, _, None) if state.is_final() => runbooks::Outcome::Failed(state.as_str().to_owned()),
        _ => runbooks::Outcome::Late,
    };
    runbooks::finding(&child.step, &outcome, child.took_ms)
}

//! The core: one thread that owns every decider.
//!
//! It takes what is queued as one batch, lets the deciders decide, hands their changes to the writer as one
//! transaction, and releases replies and claims only after the commit. It performs no I/O but to read the clock
//! once a batch, and waits for nobody but the writer, whose queue is bounded.

mod approvals;
mod arrivals;
mod batch;
mod conditions;
mod evaluator;
mod events;
mod feed;
mod handle;
mod hours;
mod notices;
mod pages;
mod parked;
mod retention;
mod revision;
mod sleepers;
mod steps;
mod thresholds;
mod waiters;
mod writer;

pub use approvals::WAIT_BOUNDS;
pub use arrivals::Arrivals;
pub use batch::Batch;
pub use evaluator::{Evaluated, Evaluator, Job, queue as evaluation_queue};
pub use events::Events;
pub use feed::Feed;
pub use handle::{Event, Handle, QUEUE_MAX, Stopped};
pub use hours::{Ended, Hours};
pub use pages::{Pages, SENT_MAX, Told};
pub use retention::Retention;
pub use revision::Revision;
pub use sleepers::Disk;
pub use writer::{Counts as WriterCounts, start as start_writer};

use alerts::{Alerts, Received};
use arrivals::Arrived;
use model::{Alert, Clock, Labels, Timestamp};
use parked::Parked;
use promql::Expr;
use rules::{Due, GroupId, RuleId, Rules, threshold::Thresholds};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, mpsc},
    time::Duration,
};
use tasks::{Queue, agents::Agents};
use tokio::sync::mpsc as incoming;

/// Events taken into one batch at most, so that a flood does not hold the first reply back for long.
const BATCH_MAX: usize = 1024;
/// The core looks around at least this often, whatever the deciders say.
const IDLE_MAX: Duration = Duration::from_secs(5);

/// History is pruned this often, bounded each time.
const PRUNE_EVERY: Duration = Duration::from_secs(600);

/// Answers an expression in a rule's template.
pub type TemplateQuery = Arc<dyn Fn(&str, Timestamp) -> Result<Vec<(Labels, f64)>, String> + Send + Sync>;

/// The deciders, as they start.
pub struct Deciders {
    /// Which rules are due, pending, firing.
    pub rules: Rules,
    /// Who is told.
    pub alerts: Alerts,
    /// How a page is diagnosed.
    pub book: runbooks::Book,
    /// What is to be done.
    pub queue: Queue,
    /// Pages under way.
    pub pages: Pages,
    /// Who is told of events.
    pub events: Events,
    /// Who works for us, by name.
    pub agents: Agents,
    /// Which thresholds are crossed.
    pub thresholds: Thresholds,
}

/// The deciders and what they need to reach.
pub struct Core {
    /// Which rules are due, pending, firing.
    pub rules: Rules,
    /// Who is told.
    pub alerts: Alerts,
    /// How a page is diagnosed.
    pub book: runbooks::Book,
    /// What is to be done.
    pub queue: Queue,
    /// Pages under way and delivered.
    pub pages: Pages,
    /// Who is told of events.
    pub events: Events,
    /// Who works for us, by name.
    pub agents: Agents,
    /// Which thresholds are crossed.
    pub thresholds: Thresholds,
    /// Who waits for the end of a task.
    pub waiters: waiters::Waiters,
    /// What is counted.
    pub counts: Counts,
    /// Answers `query` in templates.
    pub template_query: TemplateQuery,
    revision: Arc<Revision>,
    arrivals: Arc<Arrivals>,
    evaluations: mpsc::Sender<Job>,
    exprs: BTreeMap<RuleId, Arc<Expr>>,
    groups_busy: BTreeSet<GroupId>,
    rules_busy: BTreeSet<RuleId>,
    /// Rules whose last evaluation failed.
    rules_failing: BTreeSet<RuleId>,
    parked: Parked,
    disk: Disk,
    retention: Retention,
    pruned_at: Timestamp,
}

/// What the core counts for `/metrics`.
#[derive(Debug, Default, Clone)]
pub struct Counts {
    /// Pages by receiver kind and result.
    pub notifications: BTreeMap<(String, &'static str), u64>,
    /// Diagnose steps by result.
    pub diagnoses: BTreeMap<&'static str, u64>,
    /// Users' runs that ended, by type and final state, and how long they took.
    pub runs: BTreeMap<(String, &'static str), Seconds>,
    /// Users' tasks accepted, by type, kind of schedule and priority.
    pub tasks_created: BTreeMap<(String, String, u8), u64>,
    /// Deadlines of users' runs that were missed, by type.
    pub sla_violations: BTreeMap<String, u64>,
    /// What approvals came to.
    pub approvals: approvals::Counts,
    /// What ended in the last hours.
    pub hours: Hours,
    /// What pipelines' steps came to.
    pub steps: steps::Steps,
    /// Events by type; those of types that clients name are bounded.
    pub events: BTreeMap<String, u64>,
    /// Deliveries of events to subscribers by result.
    pub deliveries: BTreeMap<&'static str, u64>,
    /// Fires of schedules.
    pub schedule_fires: u64,
    /// Fires that made no run of their own, by the reason.
    pub schedule_skips: BTreeMap<&'static str, u64>,
    /// Rule groups still busy at their next tick.
    pub groups_late: u64,
    /// Turns of the core.
    pub turns: u64,
    /// When the deciders last had a turn.
    pub last_turn: Timestamp,
}

/// Bounds of the histogram of run times, in seconds.
pub const RUN_BOUNDS: [f64; 10] = [0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0];

/// Times, as a histogram over [`RUN_BOUNDS`].
#[derive(Debug, Default, Clone)]
pub struct Seconds {
    /// How many were at most each bound, not cumulated.
    pub buckets: [u64; RUN_BOUNDS.len()],
    /// How many in all.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
}

impl Seconds {
    fn add(&mut self, took: Duration) {
        let took = took.as_secs_f64();
        if let Some(bucket) = RUN_BOUNDS.iter().position(|bound| took <= *bound) {
            self.buckets[bucket] += 1;
        }
        self.count += 1;
        self.sum += took;
    }
}

impl Core {
    /// A core over restored deciders.
    pub fn new(
        deciders: Deciders,
        template_query: TemplateQuery,
        arrivals: Arc<Arrivals>,
        revision: Arc<Revision>,
        evaluations: mpsc::Sender<Job>,
        disk: Disk,
    ) -> Core {
        let Deciders { rules, alerts, book, queue, pages, events, agents, thresholds } = deciders;
        Core {
            rules,
            alerts,
            book,
            queue,
            pages,
            events,
            agents,
            thresholds,
            waiters: waiters::Waiters::default(),
            counts: Counts::default(),
            template_query,
            revision,
            arrivals,
            evaluations,
            exprs: BTreeMap::new(),
            groups_busy: BTreeSet::new(),
            rules_busy: BTreeSet::new(),
            rules_failing: BTreeSet::new(),
            parked: Parked::default(),
            disk,
            retention: Retention::default(),
            pruned_at: Timestamp::default(),
        }
    }

    /// Takes turns until [`Event::Stop`] or until nobody can send any more.
    pub async fn run(
        mut self,
        clock: Arc<dyn Clock>,
        mut incoming: incoming::Receiver<Event>,
        writer: mpsc::SyncSender<Batch>,
    ) {
        let mut events = Vec::with_capacity(BATCH_MAX);
        loop {
            let wait = self.next_wake().since(clock.now()).min(IDLE_MAX);
            let more = tokio::time::timeout(wait, incoming.recv_many(&mut events, BATCH_MAX)).await;
            if more == Ok(0) {
                return;
            }
            let now = clock.now();
            let mut batch = Batch::default();
            let mut stop = false;
            self.note_stored();
            for event in events.drain(..) {
                stop |= matches!(event, Event::Stop);
                self.take(event, &mut batch, now);
            }
            self.turn(&mut batch, now);
            self.mark_stored(&mut batch);
            if !batch.changes.is_empty() {
                self.revision.rise();
            }
            if !batch.is_empty() && writer.send(batch).is_err() || stop {
                return;
            }
        }
    }

    /// One event.
    fn take(&mut self, event: Event, batch: &mut Batch, now: Timestamp) {
        match event {
            Event::Work(request, reply) => self.work(request, reply, batch, now),
            Event::Act(act) => act(self, batch, now),
            Event::Arrived | Event::Stop => {}
        }
    }

    /// What time brings: due rules, due pages, due runs, and workers who wait for them.
    fn turn(&mut self, batch: &mut Batch, now: Timestamp) {
        self.counts.turns += 1;
        self.counts.last_turn = now;
        self.counts.hours.begin(now);
        self.arrived(now);
        self.due_rules(now);
        self.due_pages(batch, now);
        self.wake_due(now);
        let happened = self.queue.tick(now, &mut batch.changes.tasks);
        self.happened(happened, batch, now);
        self.due_conditions(batch, now);
        self.tell_and_serve(batch, now);
        if now.since(self.pruned_at) >= PRUNE_EVERY {
            self.pruned_at = now;
            self.events.bus.bound(now, &mut batch.changes.tasks);
            batch.prune = Some(self.retention.cut_offs(now));
        }
    }

    /// How long history is kept from now on.
    pub fn set_retention(&mut self, retention: Retention) {
        self.retention = retention;
        self.events.bus.set_retention(retention.events);
        self.queue.set_history(retention.runs, retention.tasks.unwrap_or(retention.runs));
    }

    /// How long history is kept.
    pub fn retention(&self) -> Retention {
        self.retention
    }

    fn next_wake(&self) -> Timestamp {
        [self.rules.next_due(), self.alerts.next_wake(), self.queue.next_wake(), self.parked.next_end()]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(Timestamp::MAX)
    }

    fn arrived(&mut self, now: Timestamp) {
        let Arrived { touched, created } = self.arrivals.take();
        self.rules.born(created.iter().map(|(id, labels)| (*id, labels)));
        let woken = self.rules.woken(&touched, now);
        self.evaluate_woken(woken);
    }

    fn due_rules(&mut self, now: Timestamp) {
        let mut woken = Vec::new();
        for due in self.rules.due(now) {
            match due {
                Due::Tick { group, at, query_at, .. } if self.groups_busy.insert(group) => {
                    let rules = self.rules.rules_of(group);
                    let rules = rules.into_iter().filter_map(|rule| Some((rule, self.expr(rule)?))).collect();
                    self.send(Job::Group { group, at, query_at, rules });
                }
                Due::Tick { .. } => self.counts.groups_late += 1,
                Due::Arrival { rule } => woken.push(rule),
            }
        }
        self.evaluate_woken(woken);
    }

    fn evaluate_woken(&mut self, woken: Vec<RuleId>) {
        let mut fresh = Vec::new();
        for rule in woken {
            if let Some(expr) = self.expr(rule)
                && self.rules_busy.insert(rule)
            {
                fresh.push((rule, expr));
            }
        }
        if !fresh.is_empty() {
            self.send(Job::Woken(fresh));
        }
    }

    fn send(&self, job: Job) {
        // The evaluator ends only with the process: nothing is left to evaluate for.
        let _ = self.evaluations.send(job);
    }

    fn expr(&mut self, rule: RuleId) -> Option<Arc<Expr>> {
        if !self.exprs.contains_key(&rule) {
            let expr = Arc::new(self.rules.expr(rule)?.clone());
            self.exprs.insert(rule, expr);
        }
        self.exprs.get(&rule).cloned()
    }

    /// Takes a rule's result; answers the samples to append.
    pub fn decide_rule(
        &mut self,
        evaluated: Evaluated,
        batch: &mut Batch,
        now: Timestamp,
    ) -> Vec<(Labels, f64)> {
        let Evaluated { rule, at, result, trigger, took } = evaluated;
        let template_query = self.template_query.clone();
        let decided = self.rules.decide(rule, at, now, result, trigger, &mut |expr| template_query(expr, at));
        self.rules.took(rule, took);
        self.tell_health(rule, decided.error.as_deref());
        self.take_decided(decided, batch, now)
    }

    /// Logs that a rule begins or ceases to fail: it may be evaluated many times a second.
    fn tell_health(&mut self, rule: RuleId, error: Option<&str>) {
        let name = self.rules.name(rule);
        match error {
            Some(why) if self.rules_failing.insert(rule) => {
                tracing::warn!(event = "rule_evaluation_failed", rule = name, "Rule {name} failed: {why}");
            }
            None if self.rules_failing.remove(&rule) => {
                tracing::info!(
                    event = "rule_evaluation_recovered",
                    rule = name,
                    "Rule {name} is evaluated again"
                );
            }
            _ => {}
        }
    }

    /// Routes alerts and journals rows of a decision; answers its samples.
    pub fn take_decided(
        &mut self,
        decided: rules::Decided,
        batch: &mut Batch,
        now: Timestamp,
    ) -> Vec<(Labels, f64)> {
        batch.changes.rules.extend(decided.changes);
        if !decided.alerts.is_empty() {
            self.take_alerts(decided.alerts, batch, now);
        }
        decided.samples
    }

    /// Routes alerts of rules, and tells the log of each that begins or ends.
    pub fn take_alerts(&mut self, alerts: Vec<Alert>, batch: &mut Batch, now: Timestamp) {
        for alert in self.route_alerts(alerts, batch, now).turned {
            let severity = alert.labels.get("severity").unwrap_or("");
            if alert.is_resolved(now) {
                tracing::info!(
                    event = "alert_resolved",
                    alert_name = alert.name(),
                    severity,
                    labels = %alert.labels,
                    "Alert {} has ended",
                    alert.name()
                );
            } else {
                tracing::info!(
                    event = "alert_triggered",
                    alert_name = alert.name(),
                    severity,
                    labels = %alert.labels,
                    "Alert {} fires",
                    alert.name()
                );
            }
        }
    }

    /// Routes alerts that a client posted; the log gets one line for all that are new or have ended. Returns how many
    /// were refused because there are too many already.
    pub fn take_posted(&mut self, alerts: Vec<Alert>, batch: &mut Batch, now: Timestamp) -> usize {
        let received = self.route_alerts(alerts, batch, now);
        if let Some(Alert { labels: first, .. }) = received.turned.first() {
            let ended = received.turned.iter().filter(|alert| alert.is_resolved(now)).count();
            let began = received.turned.len() - ended;
            tracing::info!(
                event = "alerts_posted",
                began,
                ended,
                %first,
                "A client posted alerts: {began} began, {ended} ended"
            );
        }
        received.refused
    }

    /// Routes alerts, and tells of those that begin or end: the log is the caller's business.
    fn route_alerts(&mut self, alerts: Vec<Alert>, batch: &mut Batch, now: Timestamp) -> Received {
        let received = self.alerts.receive(alerts, now, &mut batch.changes.alerts);
        if received.refused > 0 {
            tracing::warn!(
                event = "alerts_refused",
                refused = received.refused,
                "{} alerts were not taken: as many as may be are active already",
                received.refused
            );
        }
        for alert in &received.turned {
            self.tell_alert(alert, batch, now);
        }
        received
    }

    /// Takes what rules decided by merely starting or being replaced, and what fires under them now.
    pub fn rules_replaced(&mut self, decided: rules::Decided, batch: &mut Batch, now: Timestamp) {
        self.take_decided(decided, batch, now);
        self.exprs.clear();
        self.rules_failing.clear();
        let firing = self.rules.firing(now).into_iter().chain(self.thresholds.firing(now)).collect();
        self.alerts.reconcile(firing, now, &mut batch.changes.alerts);
    }

    /// A group's evaluation is over.
    pub fn group_done(&mut self, group: GroupId) {
        self.groups_busy.remove(&group);
    }

    /// A woken rule's evaluation is over.
    pub fn woken_done(&mut self, rule: RuleId) {
        self.rules_busy.remove(&rule);
    }
}

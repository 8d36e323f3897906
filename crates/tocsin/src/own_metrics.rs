//! The figures of the core, under the names that the documents users know give them.

use crate::core::{Core, Handle, RUN_BOUNDS, WAIT_BOUNDS, WriterCounts};
use crate::metrics::Registry;
use crate::seams::Process;
use model::Timestamp;
use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
};

/// Name, type, help of what the core counts.
const FAMILIES: &[(&str, &str, &str)] = &[
    (
        "orchestrator_tasks_created_total",
        "counter",
        "Tasks accepted, by type, kind of schedule and priority.",
    ),
    ("orchestrator_tasks_total", "counter", "Tasks by what became of them."),
    ("orchestrator_tasks_completed_total", "counter", "Users' runs that ended, by type and result."),
    ("orchestrator_worker_last_seen_seconds", "gauge", "When a worker was last heard of."),
    ("orchestrator_worker_processed_total", "counter", "Attempts that a worker ended."),
    ("orchestrator_runs_total", "counter", "Users' runs that ended, by state."),
    ("orchestrator_task_duration_seconds", "histogram", "From the first claim to the end of a run."),
    ("orchestrator_queue_depth", "gauge", "Users' runs by state."),
    ("orchestrator_due_work_queue_depth", "gauge", "Users' runs that wait, by priority."),
    ("orchestrator_queue_oldest_age_seconds", "gauge", "How long the oldest due run has been waiting."),
    ("orchestrator_active_workers", "gauge", "Workers heard of lately."),
    ("orchestrator_scheduler_lag_seconds", "gauge", "How late the next timer is."),
    ("orchestrator_scheduler_last_tick_timestamp_seconds", "gauge", "When the deciders last had a turn."),
    ("orchestrator_scheduler_jobs_created_total", "counter", "Fires of schedules."),
    ("orchestrator_scheduler_skipped_total", "counter", "Fires of schedules that made no run of their own."),
    (
        "orchestrator_step_duration_seconds",
        "histogram",
        "Pipelines' steps: from the claim of the last try to its end.",
    ),
    ("orchestrator_step_success_total", "counter", "Pipelines' steps that ended well, by tool."),
    ("orchestrator_step_failure_total", "counter", "Pipelines' steps that were given up, by tool and error."),
    ("orchestrator_pipeline_executions_total", "counter", "Runs of pipelines that ended, by state."),
    ("orchestrator_lease_duration_seconds", "histogram", "From an attempt's claim to its end or its loss."),
    ("orchestrator_worker_heartbeat_total", "counter", "Requests of a worker."),
    ("orchestrator_events_total", "counter", "Events by type."),
    ("orchestrator_event_deliveries_total", "counter", "Deliveries of events to subscribers by result."),
    ("orchestrator_sla_violations_total", "counter", "Deadlines that users' runs missed, by type."),
    ("orchestrator_approvals_requested_total", "counter", "Approvals asked for."),
    ("orchestrator_approvals_total", "counter", "Approvals by decision."),
    ("orchestrator_approvals_pending", "gauge", "Approvals that wait for persons."),
    ("orchestrator_approval_rate", "gauge", "Approved, as a part of those approved, rejected and run out."),
    ("orchestrator_approval_wait_seconds", "histogram", "From the request of an approval to its decision."),
    ("orchestrator_db_up", "gauge", "Whether the store takes writes."),
    ("orchestrator_alerts_firing", "gauge", "Alerts the router holds."),
    ("orchestrator_notifications_total", "counter", "Pages by channel and result."),
    ("orchestrator_runbook_actions_total", "counter", "Diagnose steps by result."),
    ("orchestrator_rule_evaluations_total", "counter", "Rule evaluations."),
    ("orchestrator_rule_evaluation_failures_total", "counter", "Rule evaluations that failed."),
    ("orchestrator_rule_groups_late_total", "counter", "Ticks passed over because a group was still busy."),
    ("tocsin_journal_commits_total", "counter", "Transactions written."),
    ("tocsin_journal_batches_total", "counter", "Batches of decisions written."),
    ("tocsin_core_turns_total", "counter", "Turns of the deciders."),
    ("tocsin_build_info", "gauge", "The version, as a label."),
    ("prometheus_build_info", "gauge", "The Prometheus release whose surface this is."),
    ("alertmanager_build_info", "gauge", "The Alertmanager release whose surface this is."),
    ("prometheus_rule_evaluations_total", "counter", "Rule evaluations."),
    ("prometheus_rule_evaluation_failures_total", "counter", "Rule evaluations that failed."),
    ("prometheus_rule_group_rules", "gauge", "Rules in a group."),
    ("prometheus_rule_group_interval_seconds", "gauge", "How often a group is evaluated."),
    ("prometheus_rule_group_last_duration_seconds", "gauge", "How long the last evaluation of a group took."),
    (
        "prometheus_rule_group_iterations_missed_total",
        "counter",
        "Evaluations of a group that were passed over.",
    ),
    ("prometheus_rule_group_last_evaluation_timestamp_seconds", "gauge", "When a group was last evaluated."),
    ("tocsin_worker_claims_total", "counter", "Runs that the built-in worker claimed."),
    ("tocsin_worker_attempts_total", "counter", "Attempts of the built-in worker by outcome."),
    ("tocsin_worker_slots_busy", "gauge", "Runs that the built-in worker has in hand."),
];

/// Workers that have series of their own, so that their names cannot be without bound.
const WORKERS_MAX: usize = 100;

/// Registers the core's figures. The source asks the core and waits: not for the runtime's own threads.
pub fn register(registry: &Registry, core: Handle, writer: Arc<WriterCounts>) {
    registry.add(
        FAMILIES,
        Arc::new(move |out| {
            let version = env!("CARGO_PKG_VERSION");
            out("tocsin_build_info", &[("version", version)], 1.0);
            out("prometheus_build_info", &[("version", "3.14.0"), ("revision", "tocsin")], 1.0);
            out("alertmanager_build_info", &[("version", "0.34.0")], 1.0);
            let read = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed) as f64;
            out("tocsin_journal_commits_total", &[], read(&writer.commits));
            out("tocsin_journal_batches_total", &[], read(&writer.batches));
            let figures = core.decide(|core, _, now| figures(core, now));
            for (name, labels, value) in figures.iter().flatten() {
                let labels: Vec<(&str, &str)> = labels.iter().map(|(n, v)| (*n, v.as_str())).collect();
                out(name, &labels, *value);
            }
        }),
    );
}

/// Registers what the process knows of its own store, and of `REDIS_URL` if that is set.
pub fn register_process(registry: &Registry, process: Arc<Process>) {
    let families = [
        ("orchestrator_db_size_bytes", "gauge", "Bytes of the store on disk."),
        ("orchestrator_redis_up", "gauge", "Whether REDIS_URL answered the last PING."),
    ];
    registry.add(
        &families,
        Arc::new(move |out| {
            let sizes = ["tocsin.db", "tocsin.db-wal"]
                .map(|file| std::fs::metadata(process.data_dir.join(file)).map_or(0, |found| found.len()));
            out("orchestrator_db_size_bytes", &[], sizes.iter().sum::<u64>() as f64);
            if let Some(answers) = process.redis_answers() {
                out("orchestrator_redis_up", &[], f64::from(u8::from(answers)));
            }
        }),
    );
}

type Figure = (String, Vec<(&'static str, String)>, f64);

fn figures(core: &Core, now: Timestamp) -> Vec<Figure> {
    let mut all = Vec::new();
    let mut add = |name: &str, labels: &[(&'static str, &str)], value: f64| {
        let labels = labels.iter().map(|(n, v)| (*n, (*v).to_owned())).collect();
        all.push((name.to_owned(), labels, value));
    };
    let counts = core.queue.counts(now);
    for ((type_, kind, priority), created) in &core.counts.tasks_created {
        let priority = priority.to_string();
        let labels = [("type", type_.as_str()), ("schedule_kind", kind), ("priority", &priority)];
        add("orchestrator_tasks_created_total", &labels, *created as f64);
    }
    for (status, value) in [
        ("accepted", counts.totals.accepted),
        ("completed", counts.totals.completed),
        ("failed", counts.totals.dead),
        ("cancelled", counts.totals.cancelled),
    ] {
        add("orchestrator_tasks_total", &[("status", status)], value as f64);
    }
    let mut by_state: BTreeMap<&str, u64> = BTreeMap::new();
    for ((type_, state), ended) in &core.counts.runs {
        *by_state.entry(state).or_default() += ended.count;
        let labels = [("type", type_.as_str()), ("result", state)];
        add("orchestrator_tasks_completed_total", &labels, ended.count as f64);
        let success = if *state == "completed" { "true" } else { "false" };
        if type_ == "scheduled" {
            add("orchestrator_pipeline_executions_total", &[("status", state)], ended.count as f64);
        }
        histogram(ended, &[("type", type_), ("success", success), ("status", state)], &mut add);
    }
    for (state, value) in by_state {
        add("orchestrator_runs_total", &[("status", state)], value as f64);
    }
    for (state, value) in counts.users.iter().filter(|(state, _)| !state.is_final()) {
        add("orchestrator_queue_depth", &[("state", state.as_str())], *value as f64);
    }
    add("orchestrator_due_work_queue_depth", &[("priority", "all")], counts.pending as f64);
    for (priority, value) in (1..).zip(counts.by_priority).filter(|(_, value)| *value > 0) {
        let priority: i32 = priority;
        add("orchestrator_due_work_queue_depth", &[("priority", &priority.to_string())], value as f64);
    }
    add("orchestrator_queue_oldest_age_seconds", &[], counts.oldest_due.unwrap_or_default().as_secs_f64());
    let workers: Vec<_> = core.queue.workers(now).into_iter().filter(|worker| worker.alive).collect();
    add("orchestrator_active_workers", &[], workers.len() as f64);
    for worker in workers.iter().take(WORKERS_MAX) {
        let labels = [("worker_id", &*worker.id)];
        add("orchestrator_worker_last_seen_seconds", &labels, worker.last_seen.as_secs_f64());
        add("orchestrator_worker_processed_total", &labels, worker.processed as f64);
        add("orchestrator_worker_heartbeat_total", &labels, worker.heard as f64);
    }
    add("orchestrator_scheduler_lag_seconds", &[], counts.lag.as_secs_f64());
    add("orchestrator_scheduler_last_tick_timestamp_seconds", &[], core.counts.last_turn.as_secs_f64());
    add("orchestrator_scheduler_jobs_created_total", &[], core.counts.schedule_fires as f64);
    for (reason, count) in &core.counts.schedule_skips {
        add("orchestrator_scheduler_skipped_total", &[("reason", reason)], *count as f64);
    }
    for (type_, missed) in &core.counts.sla_violations {
        add("orchestrator_sla_violations_total", &[("type", type_.as_str())], *missed as f64);
    }
    steps(core, &mut add);
    spread("orchestrator_lease_duration_seconds", core.queue.leases(), &[], &mut add);
    for (type_, count) in &core.counts.events {
        add("orchestrator_events_total", &[("event_type", type_.as_str())], *count as f64);
    }
    for (result, count) in &core.counts.deliveries {
        add("orchestrator_event_deliveries_total", &[("result", result)], *count as f64);
    }
    approvals(core, &mut add);
    add("orchestrator_db_up", &[], 1.0);
    add("orchestrator_alerts_firing", &[], core.alerts.firing_count(now) as f64);
    for ((channel, result), value) in &core.counts.notifications {
        add("orchestrator_notifications_total", &[("channel", channel), ("result", result)], *value as f64);
    }
    for (result, value) in &core.counts.diagnoses {
        add("orchestrator_runbook_actions_total", &[("result", result)], *value as f64);
    }
    add("orchestrator_rule_groups_late_total", &[], core.counts.groups_late as f64);
    add("tocsin_core_turns_total", &[], core.counts.turns as f64);
    core.rules.metrics(&mut |name, labels, value| {
        let ours = match name {
            "prometheus_rule_evaluations_total" => Some("orchestrator_rule_evaluations_total"),
            "prometheus_rule_evaluation_failures_total" => {
                Some("orchestrator_rule_evaluation_failures_total")
            }
            _ => None,
        };
        let labels: Vec<_> = labels.iter().map(|(n, v)| (intern(n), (*v).to_owned())).collect();
        if let Some(ours) = ours {
            all.push((ours.to_owned(), Vec::new(), value));
        }
        all.push((name.to_owned(), labels, value));
    });
    all
}

fn steps(core: &Core, add: &mut Add<'_>) {
    for (address, tool) in core.counts.steps.tools() {
        let of = [("tool_addr", address)];
        add("orchestrator_step_success_total", &of, tool.done as f64);
        for (error, count) in &tool.failed {
            let of = [("tool_addr", address), ("error_type", error.as_str())];
            add("orchestrator_step_failure_total", &of, *count as f64);
        }
        spread("orchestrator_step_duration_seconds", &tool.took, &of, add);
    }
}

/// A histogram's samples.
fn spread<const N: usize>(
    name: &str,
    of: &tasks::Spread<N>,
    with: &[(&'static str, &str)],
    add: &mut Add<'_>,
) {
    let mut bucket = |bound: &str, count: u64| {
        let labels: Vec<_> = with.iter().copied().chain([("le", bound)]).collect();
        add(&format!("{name}_bucket"), &labels, count as f64);
    };
    let mut below = 0;
    for (bound, count) in of.bounds.iter().zip(of.buckets) {
        below += count;
        bucket(&bound.to_string(), below);
    }
    bucket("+Inf", of.count);
    add(&format!("{name}_sum"), with, of.sum);
    add(&format!("{name}_count"), with, of.count as f64);
}

fn approvals(core: &Core, add: &mut Add<'_>) {
    let counts = &core.counts.approvals;
    add("orchestrator_approvals_requested_total", &[], counts.requested as f64);
    for decision in ["approved", "rejected", "timeout", "withdrawn"] {
        let decided = counts.decided.get(decision).copied().unwrap_or(0);
        add("orchestrator_approvals_total", &[("decision", decision)], decided as f64);
    }
    add("orchestrator_approvals_pending", &[], core.queue.approvals_pending(0).1 as f64);
    if let Some(rate) = counts.rate() {
        add("orchestrator_approval_rate", &[], rate);
    }
    let waits = &counts.waits;
    let mut below = 0;
    for (bound, count) in WAIT_BOUNDS.iter().zip(waits.buckets) {
        below += count;
        add("orchestrator_approval_wait_seconds_bucket", &[("le", &bound.to_string())], below as f64);
    }
    add("orchestrator_approval_wait_seconds_bucket", &[("le", "+Inf")], waits.count as f64);
    add("orchestrator_approval_wait_seconds_sum", &[], waits.sum);
    add("orchestrator_approval_wait_seconds_count", &[], waits.count as f64);
}

/// The label names that rules use.
fn intern(name: &str) -> &'static str {
    if name == "rule_group" { "rule_group" } else { "label" }
}

type Add<'a> = dyn FnMut(&str, &[(&'static str, &str)], f64) + 'a;

fn histogram(seconds: &crate::core::Seconds, of: &[(&'static str, &str)], add: &mut Add<'_>) {
    let mut bucket = |bound: &str, count: u64| {
        let labels: Vec<_> = of.iter().copied().chain([("le", bound)]).collect();
        add("orchestrator_task_duration_seconds_bucket", &labels, count as f64);
    };
    let mut below = 0;
    for (bound, count) in RUN_BOUNDS.iter().zip(seconds.buckets) {
        below += count;
        bucket(&bound.to_string(), below);
    }
    bucket("+Inf", seconds.count);
    add("orchestrator_task_duration_seconds_sum", of, seconds.sum);
    add("orchestrator_task_duration_seconds_count", of, seconds.count as f64);
}

//! Why a task does not run, queues, and the queue in figures.

use super::Queues;
use crate::core;
use crate::seams::desk::refusal;
use crate::seams::tasks::ask;
use model::Timestamp;
use serde_json::{Map, Value, json};
use server::{
    Failure,
    views::{Cause, Ended, QueueAct, QueueDetail, QueueView, RunStats, Why},
};
use std::time::Duration;
use tasks::{Hold, LineView, RunState, TaskId};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

impl Queues {
    pub(super) async fn why(&self, task: String) -> Result<Option<Why>, Failure> {
        let Some(id) = TaskId::parse(&task) else { return Ok(None) };
        if let Some(why) = self
            .core
            .call(move |core, _, now| {
                core.rouse(id);
                core.queue.why(id, now)
            })
            .await?
        {
            return Ok(Some(Why {
                task_id: id.to_string(),
                run_id: why.run.map(|(id, _)| id.to_string()),
                state: why.run.map(|(_, state)| state),
                causes: why.holds.into_iter().map(cause).collect(),
            }));
        }
        let row = ask(&self.reader, move |reader| reader.task(id)).await?;
        Ok(row.map(|row| {
            let state = row.latest.as_ref().map(|run| run.at.state);
            let word = match (row.task.status, state) {
                (tasks::Status::Canceled, _) => "canceled",
                (_, state) => state.map_or("over", RunState::as_str),
            };
            let at = row.latest.as_ref().and_then(|run| run.at.finished_at);
            let error = row.latest.as_ref().and_then(|run| run.at.error.as_ref());
            let facts = [
                ("state", json!(word)),
                ("finished_at", json!(at.map(Timestamp::rfc3339))),
                ("error", json!(error.map(|error| &error.message))),
            ];
            let text = format!("it has ended: {word}");
            Why {
                task_id: id.to_string(),
                run_id: row.latest.as_ref().map(|run| run.id.to_string()),
                state,
                causes: vec![Cause { cause: "final", text, facts: map(facts) }],
            }
        }))
    }

    pub(super) async fn queues(&self) -> Result<Vec<QueueView>, Failure> {
        let lines = self.core.call(|core, _, _| core.queue.lines()).await?;
        Ok(lines.into_iter().map(view).collect())
    }

    pub(super) async fn set_queue(
        &self,
        name: String,
        act: QueueAct,
        by: String,
    ) -> Result<QueueView, Failure> {
        let done = self.core.call(move |core, batch, now| {
            let word = match &act {
                QueueAct::Pause => "queue.paused",
                QueueAct::Resume => "queue.resumed",
                QueueAct::Limit { .. } => "queue.limited",
            };
            let change = |line: &mut tasks::Line| match act {
                QueueAct::Pause => line.paused = line.paused.take().or(Some((by.clone(), now))),
                QueueAct::Resume => line.paused = None,
                QueueAct::Limit { running_max, rate_per_minute } => {
                    line.running_max = running_max.unwrap_or(line.running_max);
                    line.rate_per_minute = rate_per_minute.unwrap_or(line.rate_per_minute);
                }
            };
            let events = core.queue.set_line(&name, change, &by, now, &mut batch.changes.tasks)?;
            core.happened(events, batch, now);
            let told = serde_json::json!({"queue": name, "by": by});
            core.tell(tasks::events::New::told(word, told), batch, now);
            Ok::<_, tasks::Refusal>(core.queue.line(&name))
        });
        done.await?.map(view).map_err(refusal)
    }

    pub(super) async fn detail(&self, hours: u32) -> QueueDetail {
        self.remember_before().await;
        let asked = self.core.call(move |core, _, now| {
            let workers = core.queue.workers(now).iter().filter(|worker| worker.alive).count();
            let counts = core.queue.counts(now);
            let hours = core.counts.hours.last(hours as usize, now);
            (counts, workers, core.counts.hours.last_hour(now), hours)
        });
        let Ok((counts, workers, last_hour, hours)) = asked.await else { return QueueDetail::default() };
        let waiting = match counts.pending {
            0 => None,
            _ => ask(&self.reader, store::Reader::waiting_since).await.ok().flatten(),
        };
        let of = |wanted: RunState| {
            counts.users.iter().find(|(state, _)| *state == wanted).map_or(0, |(_, count)| *count as u64)
        };
        QueueDetail {
            total_pending: counts.pending as u64,
            ready_now: of(RunState::Available),
            currently_leased: counts.processing as u64,
            // The deciders take a run back in the turn in which its lease ends.
            expired_leases: 0,
            oldest_pending: waiting.map(|(oldest, _)| oldest),
            newest_pending: waiting.map(|(_, newest)| newest),
            last_hour: ended(&last_hour),
            active_workers: workers as u64,
            by_priority: counts.by_priority.map(|count| count as u64),
            hours: hours.iter().map(ended).collect(),
        }
    }

    /// The hours before this process began are read once, when they are asked for first.
    async fn remember_before(&self) {
        let now = self.clock.now();
        let asked = self.core.call(|core, _, _| core.counts.hours.take_start());
        let Ok(Some(start)) = asked.await else { return };
        let found = ask(&self.reader, move |reader| {
            let minutes = reader.spans(now.minus(HOUR), start, Duration::from_secs(60))?;
            Ok((minutes, reader.spans(now.minus(14 * DAY), start, HOUR)?))
        });
        let (minutes, hours) = found.await.unwrap_or_default();
        let counted = |spans: Vec<store::Span>| -> Vec<_> { spans.iter().map(counted).collect() };
        let (minutes, hours) = (counted(minutes), counted(hours));
        let _ = self.core.call(move |core, _, _| core.counts.hours.before(minutes, hours)).await;
    }

    pub(super) async fn run_stats(
        &self,
        task: Option<String>,
        days: u32,
    ) -> Result<Option<RunStats>, Failure> {
        let since = self.clock.now().minus(DAY * days);
        let id = match task.as_deref().map(TaskId::parse) {
            Some(None) => return Ok(None),
            Some(Some(id)) => Some(id),
            None => None,
        };
        let found = ask(&self.reader, move |reader| {
            if let Some(id) = id
                && reader.task(id)?.is_none()
            {
                return Ok(None);
            }
            let tasks = if id.is_none() { Some(reader.tasks_run(since)?) } else { None };
            Ok(Some((reader.run_stats(id, since)?, tasks)))
        });
        Ok(found.await?.map(|(stats, tasks)| RunStats {
            total: stats.total,
            successful: stats.successful,
            failed: stats.failed,
            seconds_avg: stats.seconds_avg,
            last_run: stats.last_run,
            last_success: stats.last_success,
            last_failure: stats.last_failure,
            tasks,
        }))
    }
}

fn counted(span: &store::Span) -> core::Ended {
    core::Ended {
        from: span.from,
        created: span.created,
        total: span.total,
        successful: span.successful,
        failed: span.failed,
        seconds: span.seconds,
        seconds_max: span.seconds_max,
    }
}

fn ended(span: &core::Ended) -> Ended {
    Ended {
        from: span.from,
        created: span.created,
        total: span.total,
        successful: span.successful,
        failed: span.failed,
        seconds: span.seconds,
        seconds_max: span.seconds_max,
    }
}

fn view(line: LineView) -> QueueView {
    QueueView {
        name: line.name,
        paused: line.line.paused.is_some(),
        paused_by: line.line.paused,
        running_max: line.line.running_max,
        rate_per_minute: line.line.rate_per_minute,
        waiting: line.waiting as u64,
        ready: line.ready as u64,
        running: line.running as u64,
    }
}

fn map<const N: usize>(facts: [(&str, Value); N]) -> Map<String, Value> {
    Map::from_iter(facts.map(|(name, value)| (name.to_owned(), value)))
}

/// A cause under its name, in words, with its facts.
fn cause(hold: Hold) -> Cause {
    let at = |at: Timestamp| json!(at.rfc3339());
    let (cause, text, facts) = match hold {
        Hold::Scheduled { until } => {
            let text = format!("its time comes at {}", until.rfc3339());
            ("scheduled", text, map([("until", at(until))]))
        }
        Hold::Blocked => ("blocked", "its status was set to blocked".to_owned(), Map::new()),
        Hold::AwaitingApproval { approval } => {
            let text = "persons must agree first".to_owned();
            ("awaiting_approval", text, map([("approval_id", json!(approval))]))
        }
        Hold::Paused { schedule: true } => {
            ("schedule_paused", "its schedule is paused".to_owned(), Map::new())
        }
        Hold::Paused { schedule: false } => ("task_paused", "it is paused".to_owned(), Map::new()),
        Hold::NextFire { at: next } => {
            let text = format!("it fires next at {}", next.rfc3339());
            ("next_fire", text, map([("until", at(next))]))
        }
        Hold::QueuePaused { queue, by, since } => {
            let text = format!("queue {queue} was paused by {by} at {}", since.rfc3339());
            ("queue_paused", text, map([("queue", json!(queue)), ("by", json!(by)), ("since", at(since))]))
        }
        Hold::QueueFull { queue, max } => {
            let text = format!("queue {queue} may run {max} at once, and does");
            ("queue_full", text, map([("queue", json!(queue)), ("running_max", json!(max))]))
        }
        Hold::QueueRate { queue, per_minute, until } => {
            let text =
                format!("queue {queue} may begin {per_minute} a minute; the next at {}", until.rfc3339());
            let facts =
                [("queue", json!(queue)), ("rate_per_minute", json!(per_minute)), ("until", at(until))];
            ("queue_rate_limit", text, map(facts))
        }
        Hold::Rate { key, per_minute, until } => {
            let text =
                format!("rate key {key} may begin {per_minute} a minute; the next at {}", until.rfc3339());
            let facts =
                [("rate_key", json!(key)), ("rate_per_minute", json!(per_minute)), ("until", at(until))];
            ("rate_limit", text, map(facts))
        }
        Hold::Key { key, held_by } => {
            let text = format!("concurrency key {key} is held by run {held_by}");
            let facts = [("concurrency_key", json!(key)), ("run_id", json!(held_by.to_string()))];
            ("concurrency_key", text, map(facts))
        }
        Hold::NoWorker { kind, agent, labels } => {
            let text = match &agent {
                Some(agent) => format!("no live worker has the label agent={agent}"),
                None if labels.is_empty() => format!("no live worker does work of kind {kind}"),
                None => format!("no live worker does work of kind {kind} and has the labels asked for"),
            };
            let facts = [("kind", json!(kind)), ("agent", json!(agent)), ("labels", json!(labels))];
            ("no_worker", text, map(facts))
        }
        Hold::WorkersBusy { capable } => {
            let text = format!("all {capable} workers that can do it are busy");
            ("workers_busy", text, map([("workers", json!(capable))]))
        }
        Hold::Backoff { until, failures, error } => {
            let text = format!("it failed {failures} times and is tried again at {}", until.rfc3339());
            let facts = [("until", at(until)), ("failures", json!(failures)), ("error", json!(error))];
            ("retry_backoff", text, map(facts))
        }
        Hold::Running { worker, since } => {
            let text = format!("it runs on {worker} since {}", since.rfc3339());
            ("running", text, map([("worker_id", json!(worker)), ("since", at(since))]))
        }
        Hold::Draining => ("draining", "the server is stopping".to_owned(), Map::new()),
    };
    Cause { cause, text, facts }
}

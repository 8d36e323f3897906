//! Why a task does not run: every cause at once, each from the predicate by which dispatch itself goes.

use super::claim::{Card, can};
use super::index::lane;
use super::lines::{Closed, line_of};
use super::{BUILTIN_WORKER, Live, Queue};
use crate::task::Status;
use crate::{Form, RunId, RunState, TaskId};
use model::{Class, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// One thing that keeps a task from running.
#[derive(Debug, Clone, PartialEq)]
pub enum Hold {
    /// Its time has not come.
    Scheduled {
        /// When it does.
        until: Timestamp,
    },
    /// Somebody set it aside by its status.
    Blocked,
    /// Persons must agree first.
    AwaitingApproval {
        /// On what.
        approval: Option<String>,
    },
    /// The task, or its schedule, is held.
    Paused {
        /// It is a schedule that does not fire.
        schedule: bool,
    },
    /// It fires later.
    NextFire {
        /// When.
        at: Timestamp,
    },
    /// Nothing of its queue begins.
    QueuePaused {
        /// Which queue.
        queue: String,
        /// Who paused it.
        by: String,
        /// When.
        since: Timestamp,
    },
    /// As many of its queue run as may.
    QueueFull {
        /// Which queue.
        queue: String,
        /// How many may.
        max: u32,
    },
    /// As many of its queue have begun lately as may.
    QueueRate {
        /// Which queue.
        queue: String,
        /// How many may in a minute.
        per_minute: u32,
        /// When the next may.
        until: Timestamp,
    },
    /// As many of its rate key have begun lately as may.
    Rate {
        /// Which key.
        key: String,
        /// How many may in a minute.
        per_minute: u32,
        /// When the next may.
        until: Timestamp,
    },
    /// Another run of its concurrency key has a worker.
    Key {
        /// Which key.
        key: String,
        /// Which run.
        held_by: RunId,
    },
    /// No live worker can do it.
    NoWorker {
        /// The kind of work.
        kind: String,
        /// The agent it is for.
        agent: Option<String>,
        /// The labels a worker must have.
        labels: BTreeMap<String, String>,
    },
    /// Those who can do it have no slot free.
    WorkersBusy {
        /// How many they are.
        capable: usize,
    },
    /// It failed and waits to be tried again.
    Backoff {
        /// When it is.
        until: Timestamp,
        /// Tries that failed.
        failures: u32,
        /// What went wrong.
        error: String,
    },
    /// Nothing keeps it: a worker has it.
    Running {
        /// Which worker.
        worker: String,
        /// Since when.
        since: Timestamp,
    },
    /// The process hands out nothing more.
    Draining,
}

/// Why a live task does not run.
#[derive(Debug, Clone, PartialEq)]
pub struct Why {
    /// Its live run.
    pub run: Option<(RunId, RunState)>,
    /// All causes; empty if a worker that asks now may take it.
    pub holds: Vec<Hold>,
}

impl Queue {
    /// Every cause that keeps a live task from running; `None`: it is not live.
    pub fn why(&self, task_id: TaskId, now: Timestamp) -> Option<Why> {
        let run = self.run_of(task_id)?;
        let Some(live) = run.and_then(|id| self.runs.get(&id)) else {
            return Some(Why { run: None, holds: self.why_no_run(task_id) });
        };
        let mut holds = self.why_state(live);
        if live.run.at.state != RunState::Running {
            holds.extend(self.why_gates(live, now));
            holds.extend(self.why_workers(live, now));
        }
        Some(Why { run: Some((live.run.id, live.run.at.state)), holds })
    }

    /// A schedule without a run.
    fn why_no_run(&self, task_id: TaskId) -> Vec<Hold> {
        let Some(scheduled) = self.schedules.get(&task_id) else { return Vec::new() };
        let mut holds = Vec::new();
        if scheduled.task.status == Status::Paused {
            holds.push(Hold::Paused { schedule: true });
        }
        holds.extend(scheduled.task.next_fire.map(|at| Hold::NextFire { at }));
        holds
    }

    fn why_state(&self, live: &Live) -> Vec<Hold> {
        let at = &live.run.at;
        match at.state {
            RunState::Scheduled if at.run_at == Timestamp::MAX => vec![Hold::Blocked],
            RunState::Scheduled => vec![Hold::Scheduled { until: at.run_at }],
            RunState::AwaitingApproval => {
                let approval = self.approval_of(live.run.id).map(|approval| approval.asked.id.clone());
                vec![Hold::AwaitingApproval { approval }]
            }
            RunState::Retryable => {
                let error = at.error.as_ref().map(|error| error.message.clone()).unwrap_or_default();
                vec![Hold::Backoff { until: at.run_at, failures: at.failures, error }]
            }
            RunState::Running => {
                let worker = at.worker_id.as_deref().unwrap_or_default().to_owned();
                vec![Hold::Running { worker, since: at.claimed_at.unwrap_or(at.run_at) }]
            }
            _ => Vec::new(),
        }
    }

    fn why_gates(&self, live: &Live, now: Timestamp) -> Vec<Hold> {
        let mut holds = Vec::new();
        if live.task.status == Status::Paused {
            holds.push(Hold::Paused { schedule: matches!(live.task.form, Form::Scheduled(_)) });
        }
        let queue = line_of(&live.task);
        holds.extend(self.line_closed(queue, now).into_iter().map(|why| {
            let queue = queue.to_owned();
            match why {
                Closed::Paused { by, since } => Hold::QueuePaused { queue, by, since },
                Closed::Full { max } => Hold::QueueFull { queue, max },
                Closed::Rate { per_minute, until } => Hold::QueueRate { queue, per_minute, until },
            }
        }));
        if let Some((key, per_minute, until)) = self.rate_closed(live, now) {
            holds.push(Hold::Rate { key: key.to_string(), per_minute, until });
        }
        if let Some((key, held_by)) = self.key_holder(live) {
            holds.push(Hold::Key { key: key.to_string(), held_by });
        }
        if self.draining {
            holds.push(Hold::Draining);
        }
        holds
    }

    fn why_workers(&self, live: &Live, now: Timestamp) -> Option<Hold> {
        let silence = Duration::from_secs(120).max(self.settings.lease * 2);
        let wanted = lane(live);
        let capable = |worker: &&super::workers::Worker| {
            let row = &worker.row;
            now.since(row.last_seen) <= silence
                && can(&Card { id: &row.id, labels: &row.labels, kinds: &row.kinds }, &wanted)
        };
        // Slots that are kept for pages take nothing of users.
        let reserved = |worker: &&super::workers::Worker| {
            let held = self.index.held(&worker.row.id).map_or(0, |held| held.len());
            let slots = held.saturating_add(worker.slots_free as usize);
            worker.row.id.starts_with(BUILTIN_WORKER)
                && live.run.class == Class::User
                && slots <= self.settings.page_slots as usize
        };
        let able: Vec<_> = self.workers.values().filter(capable).filter(|worker| !reserved(worker)).collect();
        if able.is_empty() {
            return Some(Hold::NoWorker {
                kind: live.kind.to_string(),
                agent: live.task.agent.as_deref().map(str::to_owned),
                labels: live.task.options.as_ref().map(|wishes| wishes.labels.clone()).unwrap_or_default(),
            });
        }
        let free = able.iter().any(|worker| worker.slots_free > 0);
        (!free).then_some(Hold::WorkersBusy { capable: able.len() })
    }

    /// The run that holds a run's concurrency key, if that is another one.
    fn key_holder<'a>(&self, live: &'a Live) -> Option<(&'a Arc<str>, RunId)> {
        let key = live.task.concurrency_key.as_ref()?;
        let holder = self.index.holder(key).filter(|holder| *holder != live.run.id)?;
        Some((key, holder))
    }
}

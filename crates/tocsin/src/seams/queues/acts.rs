//! Acts on one task, and waiting for its end.

use super::{Queues, fresh};
use crate::core::{Batch, Core};
use crate::seams::asked::language;
use crate::seams::desk::{refusal, sort_of, take};
use crate::seams::gone::gone_holders;
use crate::seams::once::{keep, recall};
use crate::seams::tasks::{ask, fresh_view, status_of, view_after_submit};
use model::Timestamp;
use serde_json::{Map, Value, json};
use server::{
    Failure,
    views::{Acted, Kept, NewTask, Once, Submitted, TaskAct, TaskUpdate},
};
use std::time::Duration;
use tasks::schedule::Firing;
use tasks::{Refusal, RunState, Status, TaskId};
use tokio::sync::oneshot;

impl Queues {
    pub(super) async fn submit_once(&self, task: NewTask, once: Once) -> Result<Kept, Failure> {
        let keyed = task.dedupe_key().is_some().then(|| task.clone());
        let mut done = self.take_once(task, once.clone(), Vec::new()).await?;
        if let (Some(task), (None, Some(submitted))) = (keyed, &done)
            && let gone @ [_] = &*gone_holders(&self.reader, [submitted]).await?
        {
            done = self.take_once(task, once.clone(), gone.to_vec()).await?;
        }
        let submitted = match done {
            (Some(kept), _) => return Ok(kept),
            (None, submitted) => submitted,
        };
        // A dedupe key was taken: nothing changed, and only the store knows what there is.
        let Some(submitted) = submitted else { return Err(Failure::Internal("no answer".to_owned())) };
        let view = view_after_submit(&self.reader, &submitted).await?;
        let kept = fresh(server::answer_submitted(&Submitted { task: view, duplicate: submitted.duplicate }));
        let answer = kept.clone();
        self.core
            .call(move |core, batch, now| {
                keep(core, Some(once), &answer, now, &mut batch.changes.tasks);
            })
            .await?;
        Ok(kept)
    }

    /// Takes a task and keeps the answer, unless its dedupe key is taken; the keys of tasks that are `gone` are free
    /// first.
    async fn take_once(
        &self,
        task: NewTask,
        once: Once,
        gone: Vec<TaskId>,
    ) -> Result<(Option<Kept>, Option<tasks::Submitted>), Failure> {
        let done = self.core.call(move |core, batch, now| -> Result<_, Failure> {
            if let Some(kept) = recall(core, Some(&once), now)? {
                return Ok((Some(kept), None));
            }
            let out = &mut batch.changes.tasks;
            gone.into_iter().for_each(|id| core.queue.free_key_of(id, out));
            let submitted = take(core, task, &once.by, now, out)?;
            let (false, Some(task)) = (submitted.duplicate, &submitted.task) else {
                return Ok((None, Some(submitted)));
            };
            *core.counts.tasks_created.entry(sort_of(task)).or_default() += 1;
            core.counts.hours.created(1, now);
            let view = Submitted { task: fresh_view(task, submitted.available), duplicate: false };
            let kept = fresh(server::answer_submitted(&view));
            keep(core, Some(once), &kept, now, out);
            Ok((Some(kept), None))
        });
        done.await?
    }

    pub(super) async fn act(
        &self,
        task: String,
        act: TaskAct,
        by: String,
        once: Option<Once>,
    ) -> Result<Kept, Failure> {
        let id = TaskId::parse(&task).ok_or_else(|| not_found(&task))?;
        let (first, second) = ((act.clone(), by.clone(), once.clone()), (act, by, once));
        let done = self.core.call(move |core, batch, now| {
            let (act, by, once) = first;
            if let Some(kept) = recall(core, once.as_ref(), now)? {
                return Ok(Ok(kept));
            }
            Ok::<_, Failure>(match do_act(core, id, &act, &by, batch, now) {
                Ok(acted) => {
                    let kept = fresh(server::answer_acted(&acted));
                    keep(core, once, &kept, now, &mut batch.changes.tasks);
                    Ok(kept)
                }
                Err(why) => Err(why),
            })
        });
        match done.await?? {
            Ok(kept) => Ok(kept),
            Err(Refusal::NotLive(_)) => self.act_on_stored(id, second).await,
            Err(why) => Err(refusal(why)),
        }
    }

    /// A task that has nothing under way and that only the store knows.
    async fn act_on_stored(
        &self,
        id: TaskId,
        (act, by, once): (TaskAct, String, Option<Once>),
    ) -> Result<Kept, Failure> {
        let row = ask(&self.reader, move |reader| reader.task(id)).await?;
        let Some(row) = row else { return Err(not_found(&id.to_string())) };
        let (task, latest) = (row.task, row.latest.map(|run| run.at.state));
        let done = self.core.call(move |core, batch, now| {
            let acted = stored(core, task, latest, &act, &by, batch, now)?;
            let kept = fresh(server::answer_acted(&acted));
            keep(core, once, &kept, now, &mut batch.changes.tasks);
            Ok::<_, Failure>(kept)
        });
        done.await?
    }

    pub(super) async fn update(&self, task: String, update: TaskUpdate, by: String) -> Result<(), Failure> {
        let id = TaskId::parse(&task).ok_or_else(|| not_found(&task))?;
        let mut update = tasks::TaskUpdate {
            title: update.title,
            description: update.description,
            schedule_kind: update.schedule_kind,
            schedule_expr: update.schedule_expr,
            timezone: update.timezone,
            payload: update.payload,
            priority: update.priority,
            status: update.status,
            max_retries: update.max_retries,
            backoff_strategy: update.backoff_strategy,
            concurrency_key: update.concurrency_key,
            firing: update.firing,
            options: update.wishes,
        };
        let done = self.core.call(move |core, batch, now| {
            core.rouse(id);
            if let Some(task) = core.queue.scheduled(id) {
                name_language(task, &mut update)?;
            }
            let done = core.queue.update(id, update, &by, now, &mut batch.changes.tasks);
            Ok::<_, Failure>(done.map(|events| core.happened(events, batch, now)))
        });
        match done.await?? {
            Err(Refusal::NotLive(_)) => {
                let known = ask(&self.reader, move |reader| reader.task(id)).await?.is_some();
                Err(if known {
                    Failure::Conflict(format!("Task {task} has ended; it stays as it is"))
                } else {
                    not_found(&task)
                })
            }
            done => done.map_err(refusal),
        }
    }

    pub(super) async fn ended(&self, task: String, wait: Duration) {
        let Some(id) = TaskId::parse(&task) else { return };
        let (tell, told) = oneshot::channel();
        let asked = self.core.call(move |core, _, _| {
            core.rouse(id);
            if core.queue.is_under_way(id) {
                core.waiters.add(id, tell);
            }
        });
        // Whether it ended, was never there, or the time is over: the caller looks what there is.
        let _ = tokio::time::timeout(wait, async {
            if asked.await.is_ok() {
                let _ = told.await;
            }
        })
        .await;
    }
}

/// A condition that becomes another is read in the language that it says, else in the one that it had.
fn name_language(task: &tasks::Task, update: &mut tasks::TaskUpdate) -> Result<(), Failure> {
    let tasks::Form::Scheduled(schedule) = &task.form else { return Ok(()) };
    let kind = update.schedule_kind.as_deref().unwrap_or(schedule.kind.as_str());
    let said = update.firing.get("dialect");
    let moves = update.schedule_kind.is_some() || update.schedule_expr.is_some() || said.is_some();
    if kind != "condition" || !moves {
        return Ok(());
    }
    let said = match said {
        None => task.firing().and_then(|firing| firing.language),
        Some(Value::Null) => None,
        Some(_) => match Firing::read(&update.firing) {
            Ok(Firing { language: Some(said), .. }) => Some(said),
            // It means nothing for a condition, and the queue says so.
            _ => return Ok(()),
        },
    };
    let expr = update.schedule_expr.as_deref().unwrap_or(&schedule.expr);
    let named = Firing { language: Some(language(expr, said)?), ..Firing::default() };
    update.firing.extend(named.to_json());
    Ok(())
}

fn not_found(task: &str) -> Failure {
    Failure::NotFound(format!("Task {task} not found"))
}

fn acted<const N: usize>(id: TaskId, message: String, details: [(&str, Value); N]) -> Acted {
    let details = Map::from_iter(details.map(|(name, value)| (name.to_owned(), value)));
    Acted { task_id: id.to_string(), message, details }
}

/// Does it to a task that is live.
fn do_act(
    core: &mut Core,
    id: TaskId,
    act: &TaskAct,
    by: &str,
    batch: &mut Batch,
    now: Timestamp,
) -> Result<Acted, Refusal> {
    core.rouse(id);
    let scheduled = core.queue.scheduled(id).is_some();
    // The word that reading the task shows; that of a schedule is known from the act.
    let status = |core: &Core, of_schedule: &'static str| match core.queue.single(id) {
        Some((task, at)) if !scheduled => status_of(task, Some(at)),
        _ => of_schedule,
    };
    let out = &mut batch.changes.tasks;
    Ok(match act {
        TaskAct::RunNow => {
            let (run_id, events) = core.queue.run_now(id, by, now, out)?;
            core.happened(events, batch, now);
            begun(id, run_id)
        }
        TaskAct::Snooze { delay, reason } => {
            let moved = core.queue.snooze(id, *delay, reason, by, now, out)?;
            let message = format!("Task {id} snoozed for {} seconds", delay.as_secs());
            let details = [
                ("affected_work_items", json!(moved)),
                ("delay_seconds", json!(delay.as_secs())),
                ("reason", json!(reason)),
            ];
            acted(id, message, details)
        }
        TaskAct::Pause => {
            let message = match core.queue.pause(id, by, now, out)? {
                tasks::Acted::Now => format!("Task {id} paused"),
                tasks::Acted::Already => format!("Task {id} is already paused"),
            };
            acted(id, message, [("status", json!(status(core, "paused")))])
        }
        TaskAct::Resume => {
            let (done, events) = core.queue.resume(id, by, now, out)?;
            core.happened(events, batch, now);
            let message = match done {
                tasks::Acted::Now => format!("Task {id} resumed"),
                tasks::Acted::Already => format!("Task {id} is already active"),
            };
            acted(id, message, [("status", json!(status(core, "active")))])
        }
        TaskAct::Cancel => {
            let (cancelled, events) = core.queue.cancel(id, by, now, out)?;
            core.happened(events, batch, now);
            stopped(id, &cancelled, scheduled)
        }
        TaskAct::Delete => {
            let (cancelled, events) = core.queue.cancel(id, by, now, out)?;
            core.happened(events, batch, now);
            core.queue.delete(id, by, now, &mut batch.changes.tasks);
            let mut acted = stopped(id, &cancelled, scheduled);
            acted.message = format!("Task {id} deleted");
            acted
        }
    })
}

fn begun(id: TaskId, run_id: tasks::RunId) -> Acted {
    let run = run_id.to_string();
    acted(id, format!("Task {id} runs now"), [("due_work_id", json!(run)), ("run_id", json!(run))])
}

/// What became of a task that was stopped, in the word of its form.
fn stopped_word(scheduled: bool) -> &'static str {
    if scheduled { Status::Canceled.as_str() } else { RunState::Cancelled.as_str() }
}

fn stopped(id: TaskId, cancelled: &tasks::Cancelled, scheduled: bool) -> Acted {
    let (removed, word) =
        (cancelled.waiting + usize::from(cancelled.next_fire.is_some()), stopped_word(scheduled));
    let details = [
        ("removed_work_items", json!(removed)),
        ("stopping", json!(cancelled.running)),
        ("status", json!(word)),
    ];
    acted(id, format!("Task {id} {word}"), details)
}

/// Does it to a task that has nothing under way.
fn stored(
    core: &mut Core,
    task: tasks::Task,
    latest: Option<RunState>,
    act: &TaskAct,
    by: &str,
    batch: &mut Batch,
    now: Timestamp,
) -> Result<Acted, Failure> {
    let id = task.id;
    let scheduled = matches!(task.form, tasks::Form::Scheduled(_));
    let is_canceled = task.status == Status::Canceled || latest == Some(RunState::Cancelled);
    let word = stopped_word(scheduled);
    let over =
        |verb: &str| Failure::Conflict(format!("Task {id} has nothing under way that could be {verb}"));
    match act {
        TaskAct::RunNow if scheduled => {
            let out = &mut batch.changes.tasks;
            let (run_id, events) = core.queue.run_again(task, by, now, out).map_err(refusal)?;
            core.happened(events, batch, now);
            Ok(begun(id, run_id))
        }
        TaskAct::RunNow => {
            let what = format!("Task {id} has ended and is not active");
            Err(Failure::Value { field: String::new(), what })
        }
        TaskAct::Cancel if is_canceled => {
            let details = [("removed_work_items", json!(0)), ("status", json!(word))];
            Ok(acted(id, format!("Task {id} is already {word}"), details))
        }
        TaskAct::Cancel if scheduled => {
            core.queue.cancel_stored(task, by, now, &mut batch.changes.tasks);
            let details = [("removed_work_items", json!(0)), ("status", json!(word))];
            Ok(acted(id, format!("Task {id} {word}"), details))
        }
        TaskAct::Delete => {
            core.queue.delete_stored(&task, by, now, &mut batch.changes.tasks);
            Ok(acted(id, format!("Task {id} deleted"), [("removed_work_items", json!(0))]))
        }
        TaskAct::Cancel => Err(over(word)),
        TaskAct::Snooze { .. } => Err(over("put off")),
        TaskAct::Pause => Err(over("paused")),
        TaskAct::Resume => Err(over("resumed")),
    }
}

//! What clients change, through the core.

use super::asked::asked;
use super::gone::gone_holders;
use super::once::once;
use crate::core::{Core, Handle};
use alerts::{Guard, NewSilence, SilenceError, Terms, Window, WindowText};
use futures_util::future::BoxFuture;
use model::{Alert, Labels, Timestamp};
use server::{
    Asked, Failure,
    views::{
        Kept, MovedAlert, NewTask, PageOf, ScheduledTask, SilenceTerms, SilenceView, SilenceWindow,
        Submitted, Taken,
    },
};
use std::sync::Arc;
use tasks::{BUILTIN_WORKER, Refusal, TaskId, WorkReply, WorkRequest};

/// An alert, whom it goes to, and whom it would go to.
pub type Moved = (Labels, Vec<String>, Vec<String>);

/// Reads the configuration again; the error is all that is wrong with it.
pub type Reload = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// Reads it, changes nothing, and gives whom each alert that would move goes to, and would.
pub type DryRun = Arc<dyn Fn() -> BoxFuture<'static, Result<Vec<Moved>, String>> + Send + Sync>;

/// The core as clients change it.
pub struct Desk {
    /// Who decides.
    pub core: Handle,
    /// What finished tasks were.
    pub reader: Arc<store::Reader>,
    /// How the configuration is read again.
    pub reload: Reload,
    /// How it is read without taking it.
    pub dry_run: DryRun,
    /// Told of what workers complete.
    pub called_back: Arc<worker::CalledBack>,
}

impl server::Desk for Desk {
    fn submit(&self, task: NewTask, by: String) -> BoxFuture<'_, Result<Submitted, Failure>> {
        Box::pin(async move {
            let again = task.dedupe_key().is_some().then(|| (task.clone(), by.clone()));
            let mut submitted = self.take_all(vec![task], by, Vec::new()).await?.remove(0)?;
            if let Some((task, by)) = again
                && let gone @ [_] = &*gone_holders(&self.reader, [&submitted]).await?
            {
                submitted = self.take_all(vec![task], by, gone.to_vec()).await?.remove(0)?;
            }
            let view = super::tasks::view_after_submit(&self.reader, &submitted).await?;
            Ok(Submitted { task: view, duplicate: submitted.duplicate })
        })
    }

    fn submit_many(
        &self,
        tasks: Vec<NewTask>,
        by: String,
    ) -> BoxFuture<'_, Result<Vec<Result<Taken, Failure>>, Failure>> {
        Box::pin(async move {
            let keyed = |task: &NewTask| task.dedupe_key().is_some().then(|| task.clone());
            let mut again: Vec<_> = tasks.iter().map(keyed).collect();
            let mut taken = self.take_all(tasks, by.clone(), Vec::new()).await?;
            let gone = gone_holders(&self.reader, taken.iter().flatten()).await?;
            if !gone.is_empty() {
                let freed = |one: &Result<tasks::Submitted, Failure>| {
                    one.as_ref().is_ok_and(|one| one.duplicate && gone.contains(&one.task_id))
                };
                let places: Vec<usize> = (0..taken.len()).filter(|at| freed(&taken[*at])).collect();
                let lines = places.iter().filter_map(|at| again[*at].take()).collect();
                let anew = self.take_all(lines, by, gone.clone()).await?;
                for (at, one) in places.into_iter().zip(anew) {
                    taken[at] = one;
                }
            }
            let short = |one: tasks::Submitted| Taken {
                id: one.task_id,
                typed: one.task.as_ref().is_some_and(|task| is_typed(task)),
            };
            Ok(taken.into_iter().map(|one| one.map(short)).collect())
        })
    }

    fn work(&self, request: WorkRequest) -> BoxFuture<'_, Result<WorkReply, Failure>> {
        Box::pin(async move {
            if request.worker.id.starts_with(BUILTIN_WORKER) {
                let what = format!("names that begin with {BUILTIN_WORKER:?} are ours; choose another");
                return Err(Failure::Value { field: "worker.id".to_owned(), what });
            }
            let completed: Vec<_> = request.complete.iter().map(|one| one.token).collect();
            let reply = self.core.work(request).await?;
            self.called_back.completed(completed);
            Ok(reply)
        })
    }

    fn patch_status(
        &self,
        task_id: String,
        status: String,
        error: Option<String>,
        by: String,
    ) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async move {
            let not_found = || Failure::NotFound(format!("Task {task_id} not found"));
            let id = TaskId::parse(&task_id).ok_or_else(not_found)?;
            let done = self.core.call(move |core, batch, now| {
                let out = &mut batch.changes.tasks;
                core.rouse(id);
                let events = core.queue.patch_status(id, &status, error.as_deref(), &by, now, out)?;
                core.happened(events, batch, now);
                Ok::<_, Refusal>(())
            });
            match done.await? {
                Err(Refusal::NotLive(_)) => {
                    let known =
                        super::tasks::ask(&self.reader, move |reader| reader.task(id)).await?.is_some();
                    Err(if known {
                        Failure::Conflict(format!("Task {task_id} has ended; its status stays"))
                    } else {
                        not_found()
                    })
                }
                done => done.map_err(refusal),
            }
        })
    }

    fn post_alerts(&self, alerts: Vec<Alert>) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async move {
            let refused =
                self.core.call(move |core, batch, now| core.take_posted(alerts, batch, now)).await?;
            if refused == 0 {
                return Ok(());
            }
            Err(Failure::Full(format!("{refused} alerts were not taken: too many are kept already")))
        })
    }

    fn put_silence(
        &self,
        silence: SilenceView,
        by: String,
        asked: Asked<String>,
    ) -> BoxFuture<'_, Result<Kept, Failure>> {
        let fresh_id = uuid();
        let created_by = if silence.created_by.is_empty() { by } else { silence.created_by };
        let new = NewSilence {
            id: (!silence.id.is_empty()).then_some(silence.id),
            matchers: silence.matchers,
            starts_at: silence.starts_at,
            ends_at: silence.ends_at,
            created_by,
            comment: silence.comment,
            terms: Terms::default(),
            guard: Guard::Upstream,
        };
        let terms = silence.terms;
        Box::pin(once(&self.core, asked, move |core, batch, now| {
            let new = with_terms(core, new, terms)?;
            let done = core.alerts.put_silence(new, &fresh_id, now, &mut batch.changes.alerts);
            done.map_err(silence_failure)
        }))
    }

    fn expire_silence(&self, id: String, _by: String) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async move {
            let done = self.core.call(move |core, batch, now| {
                core.alerts.expire_silence(&id, now, &mut batch.changes.alerts)
            });
            done.await?.map_err(silence_failure)
        })
    }

    fn reload(&self, by: String) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async move {
            tracing::info!(event = "reload_requested", by, "Reload asked for by {by}");
            (self.reload)().await.map_err(|what| Failure::Value { field: String::new(), what })
        })
    }

    fn would_move(&self, limit: usize, by: String) -> BoxFuture<'_, Result<PageOf<MovedAlert>, Failure>> {
        Box::pin(async move {
            tracing::info!(event = "dry_run_requested", by, "Dry run of a reload asked for by {by}");
            let moved = (self.dry_run)().await;
            let moved = moved.map_err(|what| Failure::Value { field: String::new(), what })?;
            let total = moved.len() as u64;
            let shown = moved.into_iter().take(limit);
            let items = shown.map(|(labels, from, to)| MovedAlert { labels, from, to }).collect();
            Ok(PageOf { items, total })
        })
    }
}

impl Desk {
    /// Takes tasks, each by itself; the keys that tasks hold which are `gone` are free first.
    async fn take_all(
        &self,
        tasks: Vec<NewTask>,
        by: String,
        gone: Vec<TaskId>,
    ) -> Result<Vec<Result<tasks::Submitted, Failure>>, Failure> {
        let done = self.core.call(move |core, batch, now| {
            let out = &mut batch.changes.tasks;
            gone.into_iter().for_each(|id| core.queue.free_key_of(id, out));
            let one = |task: NewTask| {
                let submitted = take(core, task, &by, now, out)?;
                if let (false, Some(task)) = (submitted.duplicate, &submitted.task) {
                    count(core, task, now);
                }
                Ok(submitted)
            };
            tasks.into_iter().map(one).collect()
        });
        Ok(done.await?)
    }
}

/// What is asked for beyond Alertmanager's fields; a change without any of it leaves what there is.
fn with_terms(core: &Core, new: NewSilence, terms: Option<SilenceTerms>) -> Result<NewSilence, Failure> {
    let Some(terms) = terms else {
        let known = new.id.as_ref().and_then(|id| core.alerts.silences().find(|known| known.id == *id));
        let terms = known.map_or_else(Terms::default, |known| known.terms.clone());
        return Ok(NewSilence { terms, ..new });
    };
    let windows = terms.windows.into_iter().map(|SilenceWindow { weekdays, start, end, zone }| {
        let read = Window::read(WindowText { weekdays, start, end, zone });
        read.map_err(|(field, what)| Failure::Value { field: format!("windows.{field}"), what })
    });
    Ok(NewSilence {
        terms: Terms {
            windows: windows.collect::<Result<_, _>>()?,
            until_resolved: terms.until_resolved,
            maintenance: terms.maintenance,
        },
        guard: if terms.confirmed { Guard::Confirmed } else { Guard::Careful },
        ..new
    })
}

fn silence_failure(why: SilenceError) -> Failure {
    let text = why.to_string();
    match why {
        SilenceError::NotFound(_) => Failure::NotFound(text),
        SilenceError::AlreadyExpired(_) | SilenceError::Broad { .. } => Failure::Conflict(text),
        _ => Failure::Value { field: String::new(), what: text },
    }
}

/// A random version 4 UUID, as silences carry.
pub(super) fn uuid() -> String {
    let bits = rand::random::<u128>() & !(0xf << 76) & !(0x3 << 62) | (4 << 76) | (2 << 62);
    let hex = format!("{bits:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// Counts a task that was taken.
fn count(core: &mut Core, task: &tasks::Task, now: Timestamp) {
    *core.counts.tasks_created.entry(sort_of(task)).or_default() += 1;
    core.counts.hours.created(1, now);
}

fn is_typed(task: &tasks::Task) -> bool {
    matches!(task.form, tasks::Form::Typed(_))
}

/// Under which type, kind of schedule and priority a task is counted.
pub(super) fn sort_of(task: &tasks::Task) -> (String, String, u8) {
    let (type_, schedule_kind) = match &task.form {
        tasks::Form::Plain => ("plain", "none"),
        tasks::Form::Typed(_) => (&*task.kind, "none"),
        tasks::Form::Scheduled(schedule) => ("scheduled", schedule.kind.as_str()),
    };
    (type_.to_owned(), schedule_kind.to_owned(), task.priority)
}

/// Takes a task, for whom it says that it is: an agent, or who asks.
pub(super) fn take(
    core: &mut Core,
    task: NewTask,
    by: &str,
    now: Timestamp,
    out: &mut Vec<tasks::Change>,
) -> Result<tasks::Submitted, Failure> {
    let owner = owner(core, &task, by)?;
    let (new, mut options) = asked(task, by, now)?;
    if owner.is_some() {
        // Where persons are told apart, it is the one who asks that counts.
        options.issuer.get_or_insert_with(|| by.to_owned());
    }
    let owner = owner.as_deref().unwrap_or(by);
    core.queue.submit_for(new, options, owner, by, now, out).map_err(refusal)
}

/// Whose task it becomes, if it says so and that is not who asks anyway.
fn owner(core: &Core, task: &NewTask, by: &str) -> Result<Option<String>, Failure> {
    let NewTask::Scheduled(ScheduledTask { created_by: Some(named), .. }) = task else { return Ok(None) };
    if named == by {
        return Ok(None);
    }
    match core.agents.get(named).or_else(|| core.agents.by_name(named)) {
        Some(_) => Ok(Some(named.clone())),
        None => Err(Failure::Value {
            field: "created_by".to_owned(),
            what: format!("{named:?} is no agent's id or name; without it the task is {by}'s"),
        }),
    }
}

pub(super) fn refusal(why: Refusal) -> Failure {
    let text = why.to_string();
    match why {
        Refusal::Invalid { field, what } => Failure::Value { field, what },
        Refusal::Misfit { field, what } => Failure::Shape { field, what },
        Refusal::UnknownKind { field, kind, known } => {
            let what = format!(
                "nobody can do work of kind {kind:?}; start a worker that names it, or declare it under `kinds:` in \
                 tocsin.yml; known: {known}"
            );
            Failure::Value { field, what }
        }
        Refusal::TooLarge { .. } => Failure::TooLarge(text),
        Refusal::Full { .. } => Failure::Full(text),
        Refusal::NotLive(_) | Refusal::NotFound(_) => Failure::NotFound(text),
        Refusal::Forbidden(_) => Failure::Forbidden(text),
        Refusal::NotApplicable(_) => Failure::Conflict(text),
    }
}

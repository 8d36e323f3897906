//! Tasks and runs: live ones and finished ones alike come from the store, where everything acknowledged is.

use super::progress::ask_progress;
use crate::core::Handle;
use futures_util::future::BoxFuture;
use model::{Clock, Step};
use serde_json::{Value, json};
use server::{
    Failure,
    views::{
        PageOf, PlainTask, QueueStats, RunFilter, RunView, ScheduledTask, Sla, TaskFilter, TaskForm,
        TaskView, TypedTask, WaitingKind, WaitingView, Wishes, WorkerView,
    },
};
use std::{sync::Arc, time::Duration};
use store::{Reader, RunRow, TaskRow};
use tasks::{Form, Progress, Run, RunId, RunState, Task, TaskId, backoff_str};

/// The queue's figures are left out after this long.
const ANSWER_MAX: Duration = Duration::from_secs(3);

/// Tasks as the server sees them.
pub struct Tasks {
    /// Counts and workers.
    pub core: Handle,
    /// Everything committed.
    pub reader: Arc<Reader>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

/// Asks the store on a thread that may block.
pub async fn ask<T: Send + 'static>(
    reader: &Arc<Reader>,
    question: impl FnOnce(&Reader) -> Result<T, store::Error> + Send + 'static,
) -> Result<T, Failure> {
    let reader = reader.clone();
    let answer = tokio::task::spawn_blocking(move || question(&reader)).await;
    answer
        .map_err(|why| Failure::Internal(why.to_string()))?
        .map_err(|why| Failure::Internal(format!("{:#}", anyhow::Error::from(why))))
}

/// A task right after it was taken: from the decision if that has it, else from the store.
pub async fn view_after_submit(
    reader: &Arc<Reader>,
    submitted: &tasks::Submitted,
) -> Result<TaskView, Failure> {
    let id = submitted.task_id;
    if let (false, Some(task)) = (submitted.duplicate, &submitted.task) {
        return Ok(fresh_view(task, submitted.available));
    }
    let row = ask(reader, move |reader| reader.task(id)).await?;
    row.map(task_view)
        .ok_or_else(|| Failure::Internal(format!("task {id} holds a dedupe key and is not stored")))
}

impl server::Tasks for Tasks {
    fn task(&self, id: String) -> BoxFuture<'_, Result<Option<TaskView>, Failure>> {
        Box::pin(async move {
            let Some(id) = TaskId::parse(&id) else { return Ok(None) };
            let Some(mut row) = ask(&self.reader, move |reader| reader.task(id)).await? else {
                return Ok(None);
            };
            ask_progress(&self.core, row.latest.iter_mut()).await;
            Ok(Some(task_view(row)))
        })
    }

    fn tasks(&self, filter: TaskFilter) -> BoxFuture<'_, Result<PageOf<TaskView>, Failure>> {
        Box::pin(async move {
            let filter = store::TaskFilter {
                status: filter.status,
                created_by: filter.created_by,
                schedule_kind: filter.schedule_kind,
                form: filter.form,
                limit: filter.limit,
                offset: filter.offset,
            };
            let page = ask(&self.reader, move |reader| reader.tasks(&filter)).await?;
            Ok(PageOf { items: page.items.into_iter().map(task_view).collect(), total: page.total })
        })
    }

    fn run(&self, id: String) -> BoxFuture<'_, Result<Option<RunView>, Failure>> {
        Box::pin(async move {
            let Some(id) = RunId::parse(&id) else { return Ok(None) };
            let Some(mut row) = ask(&self.reader, move |reader| reader.run(id)).await? else {
                return Ok(None);
            };
            ask_progress(&self.core, [&mut row.run]).await;
            Ok(Some(run_view(row)))
        })
    }

    fn runs(&self, filter: RunFilter) -> BoxFuture<'_, Result<PageOf<RunView>, Failure>> {
        Box::pin(async move {
            let task_id = match filter.task_id.as_deref().map(TaskId::parse) {
                Some(None) => return Ok(PageOf { items: Vec::new(), total: 0 }),
                Some(id) => id,
                None => None,
            };
            let filter = store::RunFilter {
                task_id,
                success: filter.success,
                from: filter.from,
                to: filter.to,
                limit: filter.limit,
                offset: filter.offset,
                ..store::RunFilter::default()
            };
            let mut page = ask(&self.reader, move |reader| reader.runs(&filter)).await?;
            ask_progress(&self.core, page.items.iter_mut().map(|row| &mut row.run)).await;
            Ok(PageOf { items: page.items.into_iter().map(run_view).collect(), total: page.total })
        })
    }

    fn queue(&self) -> BoxFuture<'_, QueueStats> {
        Box::pin(async {
            // Who asks for health must not wait for deciders that are stuck: that check is another's.
            let asked = self.core.call(|core, _, now| core.queue.counts(now));
            let Ok(Ok(counts)) = tokio::time::timeout(ANSWER_MAX, asked).await else {
                return QueueStats::default();
            };
            QueueStats {
                pending: counts.pending as u64,
                in_progress: counts.processing as u64,
                completed: counts.totals.completed,
                failed: counts.totals.dead,
                total: counts.totals.accepted,
                oldest_due: counts.oldest_due,
            }
        })
    }

    fn by_state(&self) -> BoxFuture<'_, Vec<(RunState, u64)>> {
        Box::pin(async {
            let Ok(counts) = self.core.call(|core, _, now| core.queue.counts(now)).await else {
                return Vec::new();
            };
            let live = counts.users.iter().filter(|(state, _)| !state.is_final());
            let ended = [
                (RunState::Completed, counts.totals.completed),
                (RunState::Cancelled, counts.totals.cancelled),
                (RunState::Dead, counts.totals.dead),
            ];
            let all = live.map(|(state, count)| (*state, *count as u64)).chain(ended);
            all.filter(|(_, count)| *count > 0).collect()
        })
    }

    fn workers(&self) -> BoxFuture<'_, Vec<WorkerView>> {
        Box::pin(async {
            let workers = self.core.call(|core, _, now| core.queue.workers(now)).await.unwrap_or_default();
            let view = |worker: tasks::WorkerView| WorkerView {
                id: worker.id.to_string(),
                labels: worker.labels,
                last_seen: worker.last_seen,
                alive: worker.alive,
                running: u32::try_from(worker.running).unwrap_or(u32::MAX),
                slots_free: worker.slots_free,
                processed: worker.processed,
            };
            workers.into_iter().map(view).collect()
        })
    }

    fn waiting(&self, limit: usize) -> BoxFuture<'_, Vec<WaitingView>> {
        Box::pin(async move {
            let since = self.clock.now().minus(Duration::from_secs(86_400));
            let dead = store::RunFilter {
                state: Some(RunState::Dead),
                from: Some(since),
                ours_too: true,
                limit: limit as u64,
                ..store::RunFilter::default()
            };
            let page = ask(&self.reader, move |reader| reader.runs(&dead)).await;
            let dead = page.map(|page| page.items).unwrap_or_default();
            let asked = self.core.call(move |core, _, _| core.queue.approvals_pending(limit).0).await;
            let approvals = asked.unwrap_or_default();
            let approvals = approvals.iter().map(|approval| to_approve(approval));
            approvals.chain(dead.into_iter().filter_map(waiting)).take(limit).collect()
        })
    }
}

/// What waits for an approval.
fn to_approve(approval: &tasks::Approval) -> WaitingView {
    let asked = &approval.asked;
    let title = [&*asked.priority, &asked.task_type, &asked.title].join(" ");
    WaitingView {
        kind: WaitingKind::Approval,
        title: title.trim_end().to_owned(),
        detail: asked.reason.clone(),
        since: asked.requested_at,
        href: format!("/ui/approvals/{}", asked.id),
    }
}

/// A run that was given up, if it is one that a person must look at.
fn waiting(row: RunRow) -> Option<WaitingView> {
    let (kind, title) = match row.run.class {
        model::Class::Page => (WaitingKind::Undelivered, "A page reached nobody".to_owned()),
        model::Class::Runbook => return None,
        model::Class::User if row.title.is_empty() => {
            (WaitingKind::Dead, format!("{} was given up", row.kind))
        }
        model::Class::User => (WaitingKind::Dead, format!("{} was given up", row.title)),
    };
    Some(WaitingView {
        kind,
        title,
        detail: row.run.at.error.map(|error| error.message).unwrap_or_default(),
        since: row.run.at.finished_at.unwrap_or(row.run.created_at),
        href: format!("/runs/{}", row.run.id),
    })
}

pub(super) fn fresh_view(task: &Task, available: bool) -> TaskView {
    let scheduled = matches!(task.form, Form::Scheduled(_));
    let state = match available {
        true => RunState::Available,
        false if tasks::Queue::is_gated(task) => RunState::AwaitingApproval,
        false => RunState::Scheduled,
    };
    let status = match &task.form {
        Form::Scheduled(_) => task.status.as_str(),
        Form::Typed(_) if available => "assigned",
        Form::Typed(_) | Form::Plain => "pending",
    };
    view(task, status.to_owned(), (!scheduled).then_some(state), None)
}

fn task_view(row: TaskRow) -> TaskView {
    let TaskRow { task, latest } = row;
    let status = status_of(&task, latest.as_ref().map(|run| &run.at));
    view(&task, status.to_owned(), latest.as_ref().map(|run| run.at.state), latest.as_ref())
}

/// The word that clients of a task's form know for where it stands. `store::TaskFilter` finds tasks by it.
pub(super) fn status_of(task: &Task, latest: Option<&Progress>) -> &'static str {
    let held = task.status == tasks::Status::Paused
        && latest.is_none_or(|at| !at.state.is_final() && at.state != RunState::Running);
    match (&task.form, latest) {
        (Form::Scheduled(_), _) => task.status.as_str(),
        (Form::Typed(_), _) if held => "blocked",
        (Form::Plain, _) if held => "paused",
        (Form::Typed(_), Some(at)) => tasks::status_word(at),
        (Form::Plain, Some(at)) => match tasks::status_word(at) {
            "assigned" => "pending",
            word => word,
        },
        (_, None) => "pending",
    }
}

fn view(task: &Task, status: String, state: Option<RunState>, latest: Option<&Run>) -> TaskView {
    TaskView {
        id: task.id.to_string(),
        form: form(task),
        status,
        state,
        created_by: task.created_by.clone(),
        created_at: task.created_at,
        started_at: latest.and_then(|run| run.at.started_at),
        completed_at: latest.and_then(|run| run.at.finished_at),
        error: latest.and_then(|run| run.at.error.as_ref().map(|error| error.message.clone())),
        retries: latest.map_or(0, |run| run.at.failures),
        max_retries: task.max_retries,
        output: latest.and_then(|run| run.at.output.as_ref().map(model::Json::value)),
        progress: latest.and_then(|run| run.at.progress),
        has_checkpoint: latest.is_some_and(|run| run.at.checkpoint.is_some()),
    }
}

fn form(task: &Task) -> TaskForm {
    match &task.form {
        Form::Plain => TaskForm::Plain(PlainTask {
            kind: task.kind.to_string(),
            args: task.args.clone(),
            priority: Some(task.priority),
            delay: None,
            dedupe_key: task.dedupe_key.clone(),
            dedupe_window: Some(task.dedupe_window),
            concurrency_key: task.concurrency_key.as_deref().map(str::to_owned),
            max_retries: Some(task.max_retries),
            timeout: Some(task.timeout),
            backoff: Some(backoff_str(task.backoff).to_owned()),
            wishes: wishes(task),
            approval: approval(task),
        }),
        Form::Typed(typed) => TaskForm::Typed {
            task: TypedTask {
                type_: typed.type_.clone(),
                payload: task.args.value(),
                priority: typed.urgency.as_str().to_owned(),
                source: typed.source.clone(),
                sla: typed.sla.as_ref().map(|sla| Sla {
                    target: sla.target.clone(),
                    deadline: sla.deadline,
                    alert_threshold: task.options.as_ref().and_then(|options| options.sla_alert_threshold),
                }),
                metadata: typed.metadata.clone(),
                // Its threshold stands beside its deadline.
                wishes: Wishes { sla_alert_threshold: None, ..wishes(task) },
                approval: approval(task),
                issuer: task.options.as_ref().and_then(|options| options.issuer.clone()),
            },
            agent: task.agent.as_deref().unwrap_or_default().to_owned(),
            trace_id: typed.trace_id.clone(),
            parent: None,
            children: Vec::new(),
        },
        Form::Scheduled(schedule) => TaskForm::Scheduled {
            task: ScheduledTask {
                title: task.title.clone(),
                description: task.description.clone(),
                schedule_kind: schedule.kind.as_str().to_owned(),
                schedule_expr: Some(schedule.expr.clone()),
                timezone: Some(schedule.timezone.clone()),
                payload: payload(task),
                priority: Some(task.priority),
                dedupe_key: task.dedupe_key.clone(),
                dedupe_window: Some(task.dedupe_window),
                max_retries: Some(task.max_retries),
                backoff_strategy: Some(backoff_str(task.backoff).to_owned()),
                concurrency_key: task.concurrency_key.as_deref().map(str::to_owned),
                created_by: Some(task.created_by.clone()),
                wishes: wishes(task),
                approval: approval(task),
                firing: task.firing().map(tasks::schedule::Firing::to_json).unwrap_or_default(),
            },
            next_run: task.next_fire,
        },
    }
}

/// What was said of approvals.
fn approval(task: &Task) -> Option<model::ApprovalWish> {
    task.options.as_ref().and_then(|options| options.approval.clone())
}

/// What few tasks ask for, as it was asked for.
fn wishes(task: &Task) -> Wishes {
    let Some(options) = &task.options else { return Wishes::default() };
    Wishes {
        queue: options.queue.as_deref().map(str::to_owned),
        labels: options.labels.clone(),
        rate_key: options.rate_key.as_deref().map(str::to_owned),
        rate_per_minute: options.rate_per_minute,
        queued_timeout: options.queued_timeout,
        total_timeout: options.total_timeout,
        heartbeat_timeout: options.heartbeat_timeout,
        expires_at: options.expires_at,
        expires_in: None,
        sla_deadline: options.sla_deadline,
        sla_alert_threshold: options.sla_alert_threshold,
        non_retryable: options.non_retryable.clone(),
    }
}

/// `{params, pipeline}` as it was asked for, defaults filled in.
fn payload(task: &Task) -> Value {
    let step = |step: &Step| {
        json!({
            "id": step.id, "uses": step.uses, "with": step.with, "save_as": step.save_as, "if": step.condition,
            "timeout_seconds": step.timeout.as_secs_f64(), "max_retries": step.max_retries,
            "approval": step.approval.as_ref().map(tasks::approval::wish_to_json), "foreach": step.foreach,
            "needs": step.needs, "on_failure": step.on_failure.to_json(),
        })
    };
    let pipeline: Vec<Value> = task.pipeline.iter().flat_map(|steps| steps.iter().map(step)).collect();
    json!({"params": task.args.value(), "pipeline": pipeline})
}

fn run_view(row: RunRow) -> RunView {
    let run = row.run;
    RunView {
        id: run.id.to_string(),
        task_id: run.task_id.to_string(),
        kind: row.kind,
        state: run.at.state,
        attempt: run.at.attempt,
        worker_id: run.at.worker_id.as_deref().map(str::to_owned),
        created_at: run.created_at,
        started_at: run.at.started_at,
        finished_at: run.at.finished_at,
        output: run.at.output.map(|output| output.value()),
        error: run.at.error.map(|error| error.message),
        progress: run.at.progress,
        has_checkpoint: run.at.checkpoint.is_some(),
    }
}

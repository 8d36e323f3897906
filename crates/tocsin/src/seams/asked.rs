//! Tasks as clients ask for them, as the queue takes them.

use model::{TaskSpec, Timestamp};
use server::{
    Failure,
    views::{NewTask, ScheduledTask, Wishes},
};
use std::sync::Arc;
use tasks::schedule::{Firing, Language};
use tasks::{NewScheduled, NewTyped, Urgency};

/// A task as the queue takes it, and its rarer wishes.
pub(super) fn asked(
    task: NewTask,
    by: &str,
    now: Timestamp,
) -> Result<(tasks::NewTask, tasks::Options), Failure> {
    let mut options = tasks::Options { approval: task.approval().cloned(), ..tasks::Options::default() };
    wishes(task.wishes(), now, &mut options);
    match &task {
        NewTask::Plain(_) => {}
        NewTask::Typed(typed) => {
            options.sla_alert_threshold = typed.sla.as_ref().and_then(|sla| sla.alert_threshold);
            options.issuer.clone_from(&typed.issuer);
        }
        NewTask::Scheduled(scheduled) => options.firing = firing(scheduled)?,
    }
    Ok((new_task(task, by, now)?, options))
}

/// In what a condition is written. One that does not say is PromQL if it can be read so.
pub(super) fn language(expr: &str, said: Option<Language>) -> Result<Language, Failure> {
    match (said, promql::parse(expr)) {
        (Some(Language::PromQl), Err(why)) => {
            Err(Failure::Value { field: "schedule_expr".to_owned(), what: why.to_string() })
        }
        (Some(said), _) => Ok(said),
        (None, Ok(_)) => Ok(Language::PromQl),
        (None, Err(_)) => Ok(Language::JmesPath),
    }
}

/// How a schedule fires.
fn firing(task: &ScheduledTask) -> Result<Option<Box<Firing>>, Failure> {
    let mut firing = Firing::read(&task.firing)
        .map_err(|(field, what)| Failure::Value { field: field.to_owned(), what })?;
    if task.schedule_kind == "condition" {
        let expr = task.schedule_expr.as_deref().unwrap_or_default();
        firing.language = Some(language(expr, firing.language)?);
    }
    Ok((firing != Firing::default()).then(|| Box::new(firing)))
}

fn wishes(wishes: &Wishes, now: Timestamp, options: &mut tasks::Options) {
    let expires_in = wishes.expires_in.map(|span| now.plus(span));
    options.queue = wishes.queue.as_deref().map(Arc::from);
    options.labels.clone_from(&wishes.labels);
    options.rate_key = wishes.rate_key.as_deref().map(Arc::from);
    options.rate_per_minute = wishes.rate_per_minute;
    options.queued_timeout = wishes.queued_timeout;
    options.total_timeout = wishes.total_timeout;
    options.heartbeat_timeout = wishes.heartbeat_timeout;
    options.expires_at = wishes.expires_at.into_iter().chain(expires_in).min();
    options.sla_deadline = wishes.sla_deadline;
    options.sla_alert_threshold = wishes.sla_alert_threshold;
    options.non_retryable.clone_from(&wishes.non_retryable);
}

fn new_task(task: NewTask, by: &str, now: Timestamp) -> Result<tasks::NewTask, Failure> {
    Ok(match task {
        NewTask::Plain(task) => {
            let window = task.dedupe_window.unwrap_or_default();
            let spec = TaskSpec::new(task.kind, task.args);
            let spec = TaskSpec {
                priority: task.priority.unwrap_or(spec.priority),
                run_at: task.delay.map(|delay| now.plus(delay)),
                dedupe_key: task.dedupe_key,
                concurrency_key: task.concurrency_key,
                max_retries: task.max_retries.unwrap_or(spec.max_retries),
                timeout: task.timeout.unwrap_or(spec.timeout),
                backoff: task.backoff.as_deref().and_then(tasks::parse_backoff).unwrap_or(spec.backoff),
                created_by: by.to_owned(),
                ..spec
            };
            tasks::NewTask::Plain(spec, window)
        }
        NewTask::Typed(task) => tasks::NewTask::Typed(NewTyped {
            urgency: Urgency::parse(&task.priority).ok_or_else(|| Failure::Value {
                field: "priority".to_owned(),
                what: format!("{:?} is not one of P0, P1, P2, P3", task.priority),
            })?,
            type_: task.type_,
            payload: task.payload.into(),
            source: task.source,
            sla: task.sla.map(|sla| tasks::Sla { target: sla.target, deadline: sla.deadline }),
            metadata: task.metadata,
        }),
        NewTask::Scheduled(task) => tasks::NewTask::Scheduled(NewScheduled {
            title: task.title,
            description: task.description,
            schedule_kind: task.schedule_kind,
            schedule_expr: task.schedule_expr,
            timezone: task.timezone,
            payload: task.payload,
            priority: task.priority,
            dedupe_key: task.dedupe_key,
            dedupe_window: task.dedupe_window,
            max_retries: task.max_retries,
            backoff_strategy: task.backoff_strategy,
            concurrency_key: task.concurrency_key,
        }),
    })
}

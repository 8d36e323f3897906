//! Rows of tasks and runs as values: the columns in their order, and back.

use crate::Error;
use model::{Json, OnFailure, Step, Timestamp};
use rusqlite::Row;
use serde_json::{Map, Value, json};
use std::{sync::Arc, time::Duration};
use tasks::{
    AttemptToken, Form, Options, Parent, Progress, Run, RunError, RunId, RunState, Schedule, ScheduleKind,
    Sla, Status, StepResult, Task, TaskId, Typed, Urgency, parse_backoff, parse_class,
};

/// The columns that [`task`] reads.
pub(crate) const TASK: &str = "task.id, task.form, task.kind, task.title, task.description, task.created_by, \
     task.schedule_kind, task.schedule_expr, task.timezone, task.payload, task.status, task.class, \
     task.priority, task.dedupe_key, task.dedupe_window_seconds, task.max_retries, task.backoff_strategy, \
     task.concurrency_key, task.timeout_ms, task.agent, task.typed, task.next_fire, task.created_at, task.options";

/// The columns that [`run`] reads.
pub(crate) const RUN: &str = "task_run.id, task_run.task_id, task_run.state, task_run.class, \
     task_run.parent_id, task_run.parent_step, task_run.args, task_run.attempt, task_run.failures, \
     task_run.rescues, task_run.token, task_run.lease_owner, task_run.leased_until, task_run.claimed_at, \
     task_run.run_at, task_run.step, task_run.progress, task_run.checkpoint, task_run.outcome, \
     task_run.output, task_run.error_kind, task_run.error, task_run.created_at, task_run.started_at, \
     task_run.finished_at";

/// How many they are.
pub(crate) const RUN_COLUMNS: usize = 25;

/// A failure while reading a row: SQLite's, or ours about what it holds.
#[derive(Debug)]
pub(crate) enum Bad {
    Sqlite(rusqlite::Error),
    Row(Error),
}

impl From<rusqlite::Error> for Bad {
    fn from(why: rusqlite::Error) -> Bad {
        Bad::Sqlite(why)
    }
}

impl Bad {
    pub(crate) fn reading(self, what: &'static str) -> Error {
        match self {
            Bad::Sqlite(source) => Error::Read { what, source },
            Bad::Row(error) => error,
        }
    }

    fn row(table: &'static str, key: &str, what: impl Into<String>) -> Bad {
        Bad::Row(Error::Row { table, key: key.to_owned(), what: what.into() })
    }
}

/// The task whose columns start at the first one.
pub(crate) fn task(row: &Row<'_>) -> Result<Task, Bad> {
    let id: String = row.get(0)?;
    let bad = |what: &str| Bad::row("task", &id, what);
    let payload = json(&id, "task", row.get(9)?)?;
    let form = match row.get_ref(1)?.as_str().unwrap_or_default() {
        "plain" => Form::Plain,
        "typed" => {
            let typed = json(&id, "task", row.get(20)?)?;
            Form::Typed(Box::new(read_typed(&typed).ok_or_else(|| bad("bad column typed"))?))
        }
        "scheduled" => {
            let kind: String = row.get(6)?;
            let kind = ScheduleKind::parse(&kind).ok_or_else(|| bad("bad column schedule_kind"))?;
            Form::Scheduled(Box::new(Schedule { kind, expr: row.get(7)?, timezone: row.get(8)? }))
        }
        _ => return Err(bad("bad column form")),
    };
    let (args, pipeline) = match form {
        Form::Scheduled(_) => {
            let steps = read_steps(&payload["pipeline"]).ok_or_else(|| bad("bad column payload"))?;
            (Json::from(&payload["params"]), Some(Arc::from(steps)))
        }
        _ => (Json::from(payload), None),
    };
    let text = |at: usize| row.get_ref(at).map(|value| value.as_str().unwrap_or_default());
    Ok(Task {
        id: TaskId::parse(&id).ok_or_else(|| bad("bad id"))?,
        form,
        kind: Arc::from(text(2)?),
        title: row.get(3)?,
        description: row.get(4)?,
        args,
        pipeline,
        class: parse_class(text(11)?).ok_or_else(|| bad("bad column class"))?,
        priority: row.get(12)?,
        dedupe_key: row.get(13)?,
        dedupe_window: Duration::from_secs(row.get::<_, i64>(14)?.unsigned_abs()),
        concurrency_key: row.get::<_, Option<String>>(17)?.map(Arc::from),
        max_retries: row.get(15)?,
        backoff: parse_backoff(text(16)?).ok_or_else(|| bad("bad column backoff_strategy"))?,
        timeout: Duration::from_millis(row.get::<_, i64>(18)?.unsigned_abs()),
        agent: row.get::<_, Option<String>>(19)?.map(Arc::from),
        status: Status::parse(text(10)?).ok_or_else(|| bad("bad column status"))?,
        next_fire: time(row, 21)?,
        created_by: row.get(5)?,
        created_at: Timestamp::from_millis(row.get(22)?),
        options: match row.get(23)? {
            None => None,
            Some(text) => Some(Box::new(Options::from_json(&json(&id, "task", text)?))),
        },
    })
}

/// The run whose columns start at `first`, without its steps.
pub(crate) fn run(row: &Row<'_>, first: usize) -> Result<Run, Bad> {
    let id: String = row.get(first)?;
    let bad = |what: &str| Bad::row("task_run", &id, what);
    let value = |at: usize| -> Result<Option<Json>, Bad> {
        let text: Option<String> = row.get(first + at)?;
        text.map(|text| stored(&id, "task_run", &text)).transpose()
    };
    let text = |at: usize| row.get_ref(first + at).map(|value| value.as_str().unwrap_or_default());
    let parent = match row.get::<_, Option<String>>(first + 4)? {
        None => None,
        Some(parent) => Some(Parent {
            run_id: RunId::parse(&parent).ok_or_else(|| bad("bad column parent_id"))?,
            step: row.get(first + 5)?,
        }),
    };
    let error = match row.get::<_, Option<String>>(first + 20)? {
        None => None,
        Some(kind) => {
            Some(RunError { kind, message: row.get::<_, Option<String>>(first + 21)?.unwrap_or_default() })
        }
    };
    Ok(Run {
        id: RunId::parse(&id).ok_or_else(|| bad("bad id"))?,
        task_id: TaskId::parse(text(1)?).ok_or_else(|| bad("bad column task_id"))?,
        class: parse_class(text(3)?).ok_or_else(|| bad("bad column class"))?,
        parent,
        args: value(6)?,
        created_at: Timestamp::from_millis(row.get(first + 22)?),
        steps: Vec::new(),
        at: Progress {
            state: RunState::parse(text(2)?).ok_or_else(|| bad("bad column state"))?,
            attempt: row.get(first + 7)?,
            failures: row.get(first + 8)?,
            rescues: row.get(first + 9)?,
            token: row.get::<_, Option<[u8; 16]>>(first + 10)?.map(AttemptToken::from_bytes),
            worker_id: row.get::<_, Option<String>>(first + 11)?.map(Arc::from),
            lease_until: time(row, first + 12)?,
            claimed_at: time(row, first + 13)?,
            run_at: Timestamp::from_millis(row.get(first + 14)?),
            step: row.get(first + 15)?,
            progress: row.get(first + 16)?,
            checkpoint: value(17)?,
            outcome: row.get::<_, Option<i64>>(first + 18)?.map(|bits| bits as u64),
            output: value(19)?,
            error,
            started_at: time(row, first + 23)?,
            finished_at: time(row, first + 24)?,
        },
    })
}

/// A row of `task_step`: `id, step, result, at, item, error_type, error` from `first` on.
pub(crate) fn step(row: &Row<'_>, first: usize) -> Result<StepResult, Bad> {
    let id: String = row.get(first)?;
    let result: Option<String> = row.get(first + 2)?;
    Ok(StepResult {
        index: row.get(first + 1)?,
        result: result.map(|text| stored(&id, "task_step", &text)).transpose()?,
        at: Timestamp::from_millis(row.get(first + 3)?),
        item: row.get(first + 4)?,
        error: match row.get::<_, Option<String>>(first + 5)? {
            Some(kind) => Some(RunError { kind, message: row.get(first + 6)? }),
            None => None,
        },
        id,
    })
}

fn time(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(at)?.map(Timestamp::from_millis))
}

pub(crate) fn json(key: &str, table: &'static str, text: String) -> Result<Value, Bad> {
    serde_json::from_str(&text).map_err(|why| Bad::row(table, key, format!("bad JSON: {why}")))
}

/// A text that was JSON when it was written.
fn stored(key: &str, table: &'static str, text: &str) -> Result<Json, Bad> {
    Json::parse(text).map_err(|why| Bad::row(table, key, format!("bad JSON: {why}")))
}

/// The column `payload`.
pub(crate) fn payload_json(task: &Task) -> String {
    match &task.pipeline {
        None => task.args.to_string(),
        Some(steps) => {
            let steps: Vec<Value> = steps.iter().map(step_json).collect();
            json!({"params": task.args.value(), "pipeline": steps}).to_string()
        }
    }
}

fn step_json(step: &Step) -> Value {
    let mut row = Map::new();
    row.insert("id".to_owned(), step.id.clone().into());
    row.insert("uses".to_owned(), step.uses.clone().into());
    row.insert("with".to_owned(), step.with.clone());
    if let Some(name) = &step.save_as {
        row.insert("save_as".to_owned(), name.clone().into());
    }
    if let Some(condition) = &step.condition {
        row.insert("if".to_owned(), condition.clone().into());
    }
    row.insert("timeout_seconds".to_owned(), step.timeout.as_secs_f64().into());
    row.insert("max_retries".to_owned(), step.max_retries.into());
    if let Some(wish) = &step.approval {
        row.insert("approval".to_owned(), tasks::approval::wish_to_json(wish));
    }
    if let Some(list) = &step.foreach {
        row.insert("foreach".to_owned(), list.clone().into());
    }
    if !step.needs.is_empty() {
        row.insert("needs".to_owned(), step.needs.clone().into());
    }
    if step.on_failure != OnFailure::Stop {
        row.insert("on_failure".to_owned(), step.on_failure.to_json());
    }
    Value::Object(row)
}

fn read_steps(steps: &Value) -> Option<Vec<Step>> {
    let text = |step: &Value, key: &str| step[key].as_str().map(str::to_owned);
    let read = |step: &Value| {
        Some(Step {
            id: text(step, "id")?,
            uses: text(step, "uses")?,
            with: step["with"].clone(),
            save_as: text(step, "save_as"),
            condition: text(step, "if"),
            timeout: Duration::try_from_secs_f64(step["timeout_seconds"].as_f64()?).ok()?,
            max_retries: u32::try_from(step["max_retries"].as_u64()?).ok()?,
            approval: tasks::approval::read_wish(&step["approval"], "approval").ok()?,
            foreach: text(step, "foreach"),
            needs: match &step["needs"] {
                Value::Null => Vec::new(),
                needs => needs.as_array()?.iter().filter_map(|id| id.as_str().map(str::to_owned)).collect(),
            },
            on_failure: OnFailure::from_json(&step["on_failure"])?,
        })
    };
    steps.as_array()?.iter().map(read).collect()
}

/// The column `typed`.
pub(crate) fn typed_json(typed: &Typed) -> String {
    let sla =
        typed.sla.as_ref().map(|sla| json!({"target": sla.target, "deadline": sla.deadline.as_millis()}));
    json!({
        "type": typed.type_,
        "source": typed.source,
        "priority": typed.urgency.as_str(),
        "trace_id": typed.trace_id,
        "sla": sla,
        "metadata": typed.metadata,
    })
    .to_string()
}

fn read_typed(row: &Value) -> Option<Typed> {
    let text = |key: &str| row[key].as_str().map(str::to_owned);
    let sla = match &row["sla"] {
        Value::Null => None,
        sla => Some(Sla {
            target: sla["target"].clone(),
            deadline: Timestamp::from_millis(sla["deadline"].as_i64()?),
        }),
    };
    Some(Typed {
        type_: text("type")?,
        source: text("source")?,
        urgency: Urgency::parse(row["priority"].as_str()?)?,
        trace_id: text("trace_id")?,
        sla,
        metadata: row["metadata"].clone(),
    })
}

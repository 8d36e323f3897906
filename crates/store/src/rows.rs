//! Rows of tasks and runs as values: the columns in their order, and back.

use crate::Error;
use model::{Backoff, Class, Json, OnFailure, Step, Timestamp};
use rusqlite::Row;
use serde_json::{Map, Value, json};
use std::{sync::Arc, time::Duration};
use tasks::{
    AttemptToken, Form, Options, Parent, Progress, Run, RunError, RunId, RunState, Schedule, ScheduleKind,
    Sla, Status, StepResult, Task, TaskId, Typed, Urgency,
};

/// Texts of more bytes than this are kept beside their row.
pub(crate) const BIG_OVER: usize = 32 << 10;

/// The texts that may be kept beside their row: each a bit of the column `big`, and its part in the table `big`.
pub(crate) mod part {
    pub(crate) const PAYLOAD: i64 = 1;
    pub(crate) const ARGS: i64 = 2;
    pub(crate) const CHECKPOINT: i64 = 4;
    pub(crate) const OUTPUT: i64 = 8;
}

/// A column's number of each state is its place here; never reordered.
pub(crate) const STATES: [RunState; 8] = [
    RunState::Scheduled,
    RunState::AwaitingApproval,
    RunState::Available,
    RunState::Running,
    RunState::Retryable,
    RunState::Completed,
    RunState::Cancelled,
    RunState::Dead,
];
/// As [`STATES`], of classes.
pub(crate) const CLASSES: [Class; 3] = [Class::Page, Class::Runbook, Class::User];
/// As [`STATES`], of the growth of waits.
pub(crate) const BACKOFFS: [Backoff; 3] = [Backoff::ExponentialJitter, Backoff::Linear, Backoff::Fixed];

pub(crate) fn state_number(state: RunState) -> i64 {
    match state {
        RunState::Scheduled => 0,
        RunState::AwaitingApproval => 1,
        RunState::Available => 2,
        RunState::Running => 3,
        RunState::Retryable => 4,
        RunState::Completed => 5,
        RunState::Cancelled => 6,
        RunState::Dead => 7,
    }
}

pub(crate) fn class_number(class: Class) -> i64 {
    match class {
        Class::Page => 0,
        Class::Runbook => 1,
        Class::User => 2,
    }
}

pub(crate) fn backoff_number(backoff: Backoff) -> i64 {
    match backoff {
        Backoff::ExponentialJitter => 0,
        Backoff::Linear => 1,
        Backoff::Fixed => 2,
    }
}

fn numbered<T: Copy>(list: &[T], number: i64) -> Option<T> {
    list.get(usize::try_from(number).ok()?).copied()
}

/// An id as its key (time of making and a counter, which is where its row is) and its random tail. `None` for
/// what was never made by a queue: no row has it.
pub(crate) fn key(bits: u128) -> Option<(i64, i64)> {
    let (high, low) = ((bits >> 64) as u64, bits as u64);
    let key = (high >> 16 << 12) | (high & 0xfff);
    (high >> 12 & 0xf == 7 && key <= i64::MAX as u64).then_some((key as i64, low as i64))
}

/// As [`key`], from an id's text.
pub(crate) fn key_of_text(text: &str) -> Option<(i64, i64)> {
    RunId::parse(text).and_then(|id| key(id.bits()))
}

/// From [`key`].
pub(crate) fn bits(key: i64, tail: i64) -> u128 {
    let key = key as u64;
    let high = (key >> 12 << 16) | 0x7000 | (key & 0xfff);
    (u128::from(high) << 64) | u128::from(tail as u64)
}

/// The text of the id of a row of `job`.
pub(crate) const ID: &str = "printf('%08x-%04x-7%03x-%04x-%012x', job.key >> 28, (job.key >> 12) & 65535, \
     job.key & 4095, (job.tail >> 48) & 65535, job.tail & 281474976710655)";

/// The first key of an instant: what was made before it has a smaller one.
pub(crate) fn key_at(at: Timestamp) -> i64 {
    at.as_millis().clamp(0, 0x7_ffff_ffff_ffff) << 12
}

/// The columns of the table `plan` that [`task`] reads.
pub(crate) const PLAN_TASK: &str = "plan.key, plan.tail, 2, plan.kind, plan.title, plan.description, \
     plan.created_by, plan.schedule_kind, plan.schedule_expr, plan.timezone, plan.payload, plan.status, plan.class, \
     plan.priority, plan.dedupe_key, plan.dedupe_window_seconds, plan.max_retries, plan.backoff, \
     plan.concurrency_key, plan.timeout_ms, plan.agent, NULL, plan.next_fire, plan.created_at, plan.options";

/// The columns of the table `job` that [`task`] reads.
pub(crate) const JOB_TASK: &str = "job.key, job.tail, job.form, job.kind, job.title, job.description, \
     job.created_by, NULL, NULL, NULL, CASE WHEN job.big & 1 THEN (SELECT text FROM big WHERE big.key = job.key \
     AND part = 1) ELSE job.payload END, job.status, job.class, job.priority, job.dedupe_key, \
     job.dedupe_window_seconds, job.max_retries, job.backoff, job.concurrency_key, job.timeout_ms, job.agent, \
     job.typed, NULL, job.created_at, job.options";

/// The columns of the table `job` that [`run`] reads.
pub(crate) const RUN: &str = "job.key, job.tail, job.form, job.state, job.class, job.owner, job.owner_tail, \
     job.owner_step, job.attempt, job.failures, job.rescues, job.token, job.worker, job.leased_until, \
     job.claimed_at, job.run_at, job.step, job.progress, job.outcome, job.error_kind, job.error, job.created_at, \
     job.started_at, job.finished_at, \
     CASE WHEN job.big & 2 THEN (SELECT text FROM big WHERE big.key = job.key AND part = 2) ELSE job.args END, \
     CASE WHEN job.big & 4 THEN (SELECT text FROM big WHERE big.key = job.key AND part = 4) ELSE job.checkpoint END, \
     CASE WHEN job.big & 8 THEN (SELECT text FROM big WHERE big.key = job.key AND part = 8) ELSE job.output END";

/// How many they are.
pub(crate) const RUN_COLUMNS: usize = 27;

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

    /// For where a commit fails by it.
    pub(crate) fn into_sqlite(self) -> rusqlite::Error {
        match self {
            Bad::Sqlite(why) => why,
            Bad::Row(why) => rusqlite::Error::ToSqlConversionFailure(why.into()),
        }
    }

    pub(crate) fn row(table: &'static str, key: &str, what: impl Into<String>) -> Bad {
        Bad::Row(Error::Row { table, key: key.to_owned(), what: what.into() })
    }
}

/// The task whose columns start at `first`.
pub(crate) fn task(row: &Row<'_>, first: usize) -> Result<Task, Bad> {
    let id = TaskId::from_bits(bits(row.get(first)?, row.get(first + 1)?));
    let bad = |what: &str| Bad::row("task", &id.text(), what);
    let text = |at: usize| row.get_ref(first + at).map(|value| value.as_str().unwrap_or_default());
    let payload = text(10)?;
    let form = match row.get::<_, i64>(first + 2)? {
        0 => Form::Plain,
        1 => {
            let typed = json(&id.text(), "task", row.get(first + 21)?)?;
            Form::Typed(Box::new(read_typed(&typed).ok_or_else(|| bad("bad column typed"))?))
        }
        _ => {
            let kind = ScheduleKind::parse(text(7)?).ok_or_else(|| bad("bad column schedule_kind"))?;
            Form::Scheduled(Box::new(Schedule {
                kind,
                expr: row.get(first + 8)?,
                timezone: row.get(first + 9)?,
            }))
        }
    };
    let (args, pipeline) = match form {
        Form::Scheduled(_) => {
            let payload = json(&id.text(), "task", payload.to_owned())?;
            let steps = read_steps(&payload["pipeline"]).ok_or_else(|| bad("bad column payload"))?;
            (Json::from(&payload["params"]), Some(Arc::from(steps)))
        }
        _ => (stored(&id.text(), "task", payload)?, None),
    };
    let status = match row.get_ref(first + 11)?.as_str_or_null().map_err(|_| bad("bad column status"))? {
        None => Status::Active,
        Some(word) => Status::parse(word).ok_or_else(|| bad("bad column status"))?,
    };
    Ok(Task {
        id,
        form,
        kind: Arc::from(text(3)?),
        title: text(4)?.to_owned(),
        description: text(5)?.to_owned(),
        args,
        pipeline,
        class: numbered(&CLASSES, row.get(first + 12)?).ok_or_else(|| bad("bad column class"))?,
        priority: row.get(first + 13)?,
        dedupe_key: row.get(first + 14)?,
        dedupe_window: Duration::from_secs(
            row.get::<_, Option<i64>>(first + 15)?.unwrap_or_default().unsigned_abs(),
        ),
        concurrency_key: row.get::<_, Option<String>>(first + 18)?.map(Arc::from),
        max_retries: row.get(first + 16)?,
        backoff: numbered(&BACKOFFS, row.get(first + 17)?).ok_or_else(|| bad("bad column backoff"))?,
        timeout: Duration::from_millis(row.get::<_, i64>(first + 19)?.unsigned_abs()),
        agent: row.get::<_, Option<String>>(first + 20)?.map(Arc::from),
        status,
        next_fire: time(row, first + 22)?,
        created_by: text(6)?.to_owned(),
        created_at: Timestamp::from_millis(row.get(first + 23)?),
        options: match row.get(first + 24)? {
            None => None,
            Some(text) => Some(Box::new(Options::from_json(&json(&id.text(), "task", text)?))),
        },
    })
}

/// The run whose columns start at `first`, without its steps.
pub(crate) fn run(row: &Row<'_>, first: usize) -> Result<Run, Bad> {
    let id = RunId::from_bits(bits(row.get(first)?, row.get(first + 1)?));
    let bad = |what: &str| Bad::row("task_run", &id.text(), what);
    let value = |at: usize| -> Result<Option<Json>, Bad> {
        let text = row.get_ref(first + at)?.as_str_or_null().map_err(|_| bad("a text was wanted"))?;
        text.map(|text| stored(&id.text(), "task_run", text)).transpose()
    };
    let owner = match (row.get::<_, Option<i64>>(first + 5)?, row.get::<_, Option<i64>>(first + 6)?) {
        (Some(key), Some(tail)) => Some(bits(key, tail)),
        _ => None,
    };
    let (task_id, parent) = match (row.get::<_, i64>(first + 2)?, owner) {
        (2, Some(plan)) => (TaskId::from_bits(plan), None),
        (2, None) => return Err(bad("bad column owner")),
        (_, Some(page)) => {
            let step = row.get::<_, Option<String>>(first + 7)?.unwrap_or_default();
            (TaskId::from_bits(id.bits()), Some(Parent { run_id: RunId::from_bits(page), step }))
        }
        (_, None) => (TaskId::from_bits(id.bits()), None),
    };
    let error = match row.get::<_, Option<String>>(first + 19)? {
        None => None,
        Some(kind) => {
            Some(RunError { kind, message: row.get::<_, Option<String>>(first + 20)?.unwrap_or_default() })
        }
    };
    let count = |at: usize| row.get::<_, Option<u32>>(first + at).map(Option::unwrap_or_default);
    Ok(Run {
        id,
        task_id,
        class: numbered(&CLASSES, row.get(first + 4)?).ok_or_else(|| bad("bad column class"))?,
        parent,
        args: value(24)?,
        created_at: Timestamp::from_millis(row.get(first + 21)?),
        steps: Vec::new(),
        at: Progress {
            state: numbered(&STATES, row.get(first + 3)?).ok_or_else(|| bad("bad column state"))?,
            attempt: row.get(first + 8)?,
            failures: count(9)?,
            rescues: count(10)?,
            token: row.get::<_, Option<[u8; 16]>>(first + 11)?.map(AttemptToken::from_bytes),
            worker_id: row.get::<_, Option<String>>(first + 12)?.map(Arc::from),
            lease_until: time(row, first + 13)?,
            claimed_at: time(row, first + 14)?,
            run_at: Timestamp::from_millis(row.get(first + 15)?),
            step: count(16)?,
            progress: row.get(first + 17)?,
            checkpoint: value(25)?,
            outcome: row.get::<_, Option<i64>>(first + 18)?.map(|bits| bits as u64),
            output: value(26)?,
            error,
            started_at: time(row, first + 22)?,
            finished_at: time(row, first + 23)?,
        },
    })
}

/// A row of `step`: `id, step, result, at, item, error_type, error` from `first` on.
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

/// The column `payload` of a pipeline.
pub(crate) fn payload_json(task: &Task) -> String {
    let steps: Vec<Value> = task.pipeline.iter().flat_map(|steps| steps.iter().map(step_json)).collect();
    json!({"params": task.args.value(), "pipeline": steps}).to_string()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_its_key_and_its_tail() {
        for text in ["0193561c-1c00-7abc-8123-456789abcdef", "00000000-0000-7000-8000-000000000000"] {
            let id = RunId::parse(text).unwrap();
            let (key, tail) = key(id.bits()).unwrap();
            assert_eq!(RunId::from_bits(bits(key, tail)), id);
            assert_eq!(key_at(Timestamp::from_millis((id.bits() >> 80) as i64)) >> 12, key >> 12);
        }
        assert_eq!(key(0), None, "no version 7");
        assert_eq!(key_of_text("x"), None);
        for (n, state) in STATES.into_iter().enumerate() {
            assert_eq!(state_number(state), n as i64);
        }
        for (n, class) in CLASSES.into_iter().enumerate() {
            assert_eq!(class_number(class), n as i64);
        }
        for (n, backoff) in BACKOFFS.into_iter().enumerate() {
            assert_eq!(backoff_number(backoff), n as i64);
        }
    }
}

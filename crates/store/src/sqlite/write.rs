//! Changes as statements. One transaction a commit; statements are prepared once.

use super::alert::Packs;
use super::job::{Jobs, Plan};
use super::router;
use crate::{Changes, Error, rows};
use model::{Json, Timestamp};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use serde_json::Value;
use tasks::{Audit, Change, Dedupe, Form, RunId, Schedule, StepResult, Task, TaskId, Totals, WorkerRow};

pub(super) fn commit(connection: &mut Connection, changes: &Changes, packs: &mut Packs) -> Result<(), Error> {
    let rows = changes.len();
    let fail = |source| Error::Commit { rows, source };
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
    let mut totals = None;
    let mut jobs = Jobs::new(&transaction, Plan::of(&changes.tasks));
    for (place, change) in changes.tasks.iter().enumerate() {
        match change {
            Change::Totals(last) => totals = Some(last),
            Change::Fired { task_id, from, to } => fire(&transaction, *task_id, *from, *to, rows)?,
            Change::RunPut(run) => jobs.put(run).map_err(fail)?,
            Change::RunMoved(id, _) => jobs.moved(*id, place).map_err(fail)?,
            Change::RunArgs(id, args) => jobs.set_args(*id, args).map_err(fail)?,
            Change::TaskPut(task) | Change::TaskReplaced(task) => match &task.form {
                Form::Scheduled(schedule) => put_plan(&transaction, task, schedule).map_err(fail)?,
                Form::Plain | Form::Typed(_) => jobs.put_task(task).map_err(fail)?,
            },
            other => write_task(&transaction, other).map_err(fail)?,
        }
    }
    drop(jobs);
    if let Some(totals) = totals {
        put_totals(&transaction, totals).map_err(fail)?;
    }
    router::put(&transaction, &changes.alerts, packs).map_err(fail)?;
    for change in &changes.rules {
        let row = match change {
            rules::Change::Active(row) => Some(row.to_json().to_string()),
            rules::Change::Gone { .. } => None,
        };
        put_row(&transaction, "rule_state", &change.key(), row).map_err(fail)?;
    }
    transaction.commit().map_err(fail)
}

fn write_task(transaction: &Transaction<'_>, change: &Change) -> rusqlite::Result<()> {
    match change {
        Change::TaskGone(id) => drop_task(transaction, *id),
        Change::StepDone(id, step) => put_step(transaction, *id, step),
        Change::DedupePut(dedupe) => put_dedupe(transaction, dedupe),
        Change::DedupeGone { key, by } => {
            let sql = "DELETE FROM dedupe WHERE key = ?1 AND by = ?2";
            transaction.prepare_cached(sql)?.execute(params![key, by]).map(drop)
        }
        Change::WorkerSeen(worker) => put_worker(transaction, worker),
        Change::WorkerGone(id) => {
            let sql = "DELETE FROM worker_heartbeat WHERE worker_id = ?1";
            transaction.prepare_cached(sql)?.execute(params![&**id]).map(drop)
        }
        Change::Audit(audit) => put_audit(transaction, audit),
        Change::Record { kind, key, row } => put_record(transaction, kind.as_str(), key, row.as_ref()),
        // Written by `commit`.
        Change::TaskPut(_)
        | Change::TaskReplaced(_)
        | Change::RunPut(_)
        | Change::RunMoved(..)
        | Change::RunArgs(..)
        | Change::Fired { .. }
        | Change::Totals(_) => Ok(()),
    }
}

pub(super) fn ms(at: Option<Timestamp>) -> Option<i64> {
    at.map(Timestamp::as_millis)
}

fn text(value: &Option<Json>) -> Option<&str> {
    value.as_ref().map(Json::as_str)
}

fn put_plan(transaction: &Transaction<'_>, task: &Task, schedule: &Schedule) -> rusqlite::Result<()> {
    let Some((key, tail)) = rows::key(task.id.bits()) else { return Ok(()) };
    let sql = "INSERT OR REPLACE INTO plan (key, tail, kind, title, description, created_by, schedule_kind, \
         schedule_expr, timezone, payload, status, class, priority, dedupe_key, dedupe_window_seconds, max_retries, \
         backoff, concurrency_key, timeout_ms, agent, options, next_fire, created_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, \
         ?22, ?23)";
    transaction
        .prepare_cached(sql)?
        .execute(params![
            key,
            tail,
            &*task.kind,
            task.title,
            task.description,
            task.created_by,
            schedule.kind.as_str(),
            schedule.expr,
            schedule.timezone,
            rows::payload_json(task),
            task.status.as_str(),
            rows::class_number(task.class),
            task.priority,
            task.dedupe_key,
            i64::try_from(task.dedupe_window.as_secs()).unwrap_or(i64::MAX),
            task.max_retries,
            rows::backoff_number(task.backoff),
            task.concurrency_key.as_deref(),
            i64::try_from(task.timeout.as_millis()).unwrap_or(i64::MAX),
            task.agent.as_deref(),
            task.options.as_ref().and_then(|options| options.to_json()).map(|row| row.to_string()),
            ms(task.next_fire),
            task.created_at.as_millis(),
        ])
        .map(drop)
}

/// A task and all its runs.
fn drop_task(transaction: &Transaction<'_>, id: TaskId) -> rusqlite::Result<()> {
    let Some((key, _)) = rows::key(id.bits()) else { return Ok(()) };
    let runs = "(SELECT ?1 UNION ALL SELECT key FROM job WHERE owner = ?1 AND form = 2)";
    for sql in [
        format!("DELETE FROM step WHERE run IN {runs}"),
        format!("DELETE FROM big WHERE key IN {runs}"),
        format!("DELETE FROM job WHERE key IN {runs}"),
        "DELETE FROM plan WHERE key = ?1".to_owned(),
    ] {
        transaction.prepare_cached(&sql)?.execute([key])?;
    }
    Ok(())
}

/// Compare and set: nobody fires a schedule twice.
fn fire(
    transaction: &Transaction<'_>,
    task: TaskId,
    from: Timestamp,
    to: Option<Timestamp>,
    rows: usize,
) -> Result<(), Error> {
    let fail = |source| Error::Commit { rows, source };
    let sql = "UPDATE plan SET next_fire = ?3 WHERE key = ?1 AND next_fire = ?2";
    let params = params![rows::key(task.bits()).map(|key| key.0), from.as_millis(), ms(to)];
    let changed = transaction.prepare_cached(sql).map_err(fail)?.execute(params).map_err(fail)?;
    if changed == 1 { Ok(()) } else { Err(Error::FiredElsewhere { task: task.to_string() }) }
}

pub(super) fn put_step(transaction: &Transaction<'_>, id: RunId, step: &StepResult) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO step (run, step, id, result, at, item, error_type, error) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let key = rows::key(id.bits()).map(|key| key.0);
    let params = params![
        key,
        step.index,
        step.id,
        text(&step.result),
        step.at.as_millis(),
        step.item,
        step.error.as_ref().map(|error| error.kind.as_str()),
        step.error.as_ref().map(|error| error.message.as_str()),
    ];
    transaction.prepare_cached(sql)?.execute(params).map(drop)
}

fn put_dedupe(transaction: &Transaction<'_>, dedupe: &Dedupe) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO dedupe (key, by, task_id, until) VALUES (?1, ?2, ?3, ?4)";
    let params = params![dedupe.key, dedupe.by, &*dedupe.task_id.text(), dedupe.until.as_millis()];
    transaction.prepare_cached(sql)?.execute(params).map(drop)
}

fn put_worker(transaction: &Transaction<'_>, worker: &WorkerRow) -> rusqlite::Result<()> {
    let labels: Value = worker.labels.iter().map(|(k, v)| (k.clone(), Value::from(v.as_str()))).collect();
    let kinds: Value = worker.kinds.iter().map(String::as_str).collect();
    let former: Value = worker.former_nonces.iter().map(String::as_str).collect();
    let sql = "INSERT OR REPLACE INTO worker_heartbeat (worker_id, boot_nonce, labels, kinds, last_seen, \
         processed_count, created_at, former_nonces) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    transaction
        .prepare_cached(sql)?
        .execute(params![
            &*worker.id,
            worker.boot_nonce,
            labels.to_string(),
            kinds.to_string(),
            worker.last_seen.as_millis(),
            worker.processed as i64,
            worker.created_at.as_millis(),
            former.to_string(),
        ])
        .map(drop)
}

fn put_audit(transaction: &Transaction<'_>, audit: &Audit) -> rusqlite::Result<()> {
    let sql = "INSERT INTO audit_log (actor, action, subject_id, details, at) VALUES (?1, ?2, ?3, ?4, ?5)";
    let (subject, details) = (audit.subject.text(), audit.details.to_string());
    let params = params![audit.actor, audit.action, &*subject, details, audit.at.as_millis()];
    transaction.prepare_cached(sql)?.execute(params).map(drop)
}

fn put_record(
    transaction: &Transaction<'_>,
    kind: &'static str,
    key: &str,
    row: Option<&Value>,
) -> rusqlite::Result<()> {
    match row {
        Some(row) => {
            let sql = "INSERT OR REPLACE INTO record (kind, key, row) VALUES (?1, ?2, ?3)";
            transaction.prepare_cached(sql)?.execute(params![kind, key, row.to_string()]).map(drop)
        }
        None => {
            let sql = "DELETE FROM record WHERE kind = ?1 AND key = ?2";
            transaction.prepare_cached(sql)?.execute(params![kind, key]).map(drop)
        }
    }
}

/// The names of the counters, with their values.
pub(super) fn totals(totals: &Totals) -> [(&'static str, u64); 5] {
    [
        ("accepted", totals.accepted),
        ("completed", totals.completed),
        ("dead", totals.dead),
        ("cancelled", totals.cancelled),
        ("rescued", totals.rescued),
    ]
}

fn put_totals(transaction: &Transaction<'_>, new: &Totals) -> rusqlite::Result<()> {
    let mut statement =
        transaction.prepare_cached("INSERT OR REPLACE INTO total (name, value) VALUES (?1, ?2)")?;
    totals(new)
        .into_iter()
        .try_for_each(|(name, value)| statement.execute(params![name, value as i64]).map(drop))
}

/// A row of a table of keys and JSON; `None` removes it.
pub(super) fn put_row(
    transaction: &Transaction<'_>,
    table: &'static str,
    key: &str,
    row: Option<String>,
) -> rusqlite::Result<()> {
    match row {
        Some(row) => {
            let sql = format!("INSERT OR REPLACE INTO {table} (key, row) VALUES (?1, ?2)");
            transaction.prepare_cached(&sql)?.execute(params![key, row]).map(drop)
        }
        None => {
            let sql = format!("DELETE FROM {table} WHERE key = ?1");
            transaction.prepare_cached(&sql)?.execute(params![key]).map(drop)
        }
    }
}

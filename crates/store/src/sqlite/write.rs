//! Changes as statements. One transaction a commit; statements are prepared once.

use crate::{Changes, Error, rows};
use alerts::Table;
use model::{Json, Timestamp};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use serde_json::Value;
use tasks::{
    Audit, Change, Dedupe, Form, Progress, Run, RunId, StepResult, Task, TaskId, Totals, WorkerRow,
    backoff_str, class_str,
};

pub(super) fn commit(connection: &mut Connection, changes: &Changes) -> Result<(), Error> {
    let rows = changes.len();
    let fail = |source| Error::Commit { rows, source };
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
    let mut totals = None;
    for change in &changes.tasks {
        match change {
            Change::Totals(last) => totals = Some(last),
            Change::Fired { task_id, from, to } => fire(&transaction, *task_id, *from, *to, rows)?,
            other => write_task(&transaction, other).map_err(fail)?,
        }
    }
    if let Some(totals) = totals {
        put_totals(&transaction, totals).map_err(fail)?;
    }
    for change in &changes.alerts {
        let table = alert_table(change.table());
        put_row(&transaction, table, &change.key(), change.to_json().as_ref()).map_err(fail)?;
    }
    for change in &changes.rules {
        let row = match change {
            rules::Change::Active(row) => Some(row.to_json()),
            rules::Change::Gone { .. } => None,
        };
        put_row(&transaction, "rule_state", &change.key(), row.as_ref()).map_err(fail)?;
    }
    transaction.commit().map_err(fail)
}

/// Where the router's rows are kept.
pub(super) fn alert_table(table: Table) -> &'static str {
    match table {
        Table::Alert => "alert_state",
        Table::Group => "alert_group",
        Table::Silence => "silence",
        Table::Decision => "decision",
    }
}

fn write_task(transaction: &Transaction<'_>, change: &Change) -> rusqlite::Result<()> {
    match change {
        Change::TaskPut(task) => put_task(transaction, task),
        Change::TaskReplaced(task) => replace_task(transaction, task),
        Change::TaskGone(id) => drop_task(transaction, *id),
        Change::RunPut(run) => put_run(transaction, run),
        Change::RunMoved(id, at) => move_run(transaction, *id, at),
        Change::RunArgs(id, args) => {
            let sql = "UPDATE task_run SET args = ?2 WHERE id = ?1";
            transaction.prepare_cached(sql)?.execute(params![&*id.text(), args.as_str()]).map(drop)
        }
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
        Change::Fired { .. } | Change::Totals(_) => Ok(()),
    }
}

fn ms(at: Option<Timestamp>) -> Option<i64> {
    at.map(Timestamp::as_millis)
}

fn text(value: &Option<Json>) -> Option<&str> {
    value.as_ref().map(Json::as_str)
}

fn put_task(transaction: &Transaction<'_>, task: &Task) -> rusqlite::Result<()> {
    let (schedule, typed) = match &task.form {
        Form::Plain => (None, None),
        Form::Typed(typed) => (None, Some(rows::typed_json(typed))),
        Form::Scheduled(schedule) => (Some(schedule), None),
    };
    let sql = "INSERT INTO task (id, form, kind, title, description, created_by, schedule_kind, schedule_expr, \
         timezone, payload, status, class, priority, dedupe_key, dedupe_window_seconds, max_retries, \
         backoff_strategy, concurrency_key, timeout_ms, agent, typed, next_fire, created_at, options) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, \
         ?22, ?23, ?24) \
         ON CONFLICT (id) DO UPDATE SET status = excluded.status, next_fire = excluded.next_fire";
    transaction
        .prepare_cached(sql)?
        .execute(params![
            &*task.id.text(),
            task.form.as_str(),
            &*task.kind,
            task.title,
            task.description,
            task.created_by,
            schedule.map(|schedule| schedule.kind.as_str()),
            schedule.map(|schedule| schedule.expr.as_str()),
            schedule.map(|schedule| schedule.timezone.as_str()),
            rows::payload_json(task),
            task.status.as_str(),
            class_str(task.class),
            task.priority,
            task.dedupe_key,
            i64::try_from(task.dedupe_window.as_secs()).unwrap_or(i64::MAX),
            task.max_retries,
            backoff_str(task.backoff),
            task.concurrency_key.as_deref(),
            i64::try_from(task.timeout.as_millis()).unwrap_or(i64::MAX),
            task.agent.as_deref(),
            typed,
            ms(task.next_fire),
            task.created_at.as_millis(),
            task.options.as_ref().and_then(|options| options.to_json()).map(|row| row.to_string()),
        ])
        .map(drop)
}

/// The row is written anew; its runs refer to it by its id only.
fn replace_task(transaction: &Transaction<'_>, task: &Task) -> rusqlite::Result<()> {
    transaction.prepare_cached("DELETE FROM task WHERE id = ?1")?.execute(params![&*task.id.text()])?;
    put_task(transaction, task)
}

fn drop_task(transaction: &Transaction<'_>, id: TaskId) -> rusqlite::Result<()> {
    let runs = "(SELECT ?1 UNION ALL SELECT id FROM task_run WHERE task_id = ?1 AND task_id <> id)";
    for sql in [
        format!("DELETE FROM task_step WHERE run_id IN {runs}"),
        format!("DELETE FROM task_run WHERE id IN {runs}"),
        "DELETE FROM task WHERE id = ?1".to_owned(),
    ] {
        transaction.prepare_cached(&sql)?.execute(params![&*id.text()])?;
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
    let sql = "UPDATE task SET next_fire = ?3 WHERE id = ?1 AND next_fire = ?2";
    let params = params![&*task.text(), from.as_millis(), ms(to)];
    let changed = transaction.prepare_cached(sql).map_err(fail)?.execute(params).map_err(fail)?;
    if changed == 1 { Ok(()) } else { Err(Error::FiredElsewhere { task: task.to_string() }) }
}

fn put_run(transaction: &Transaction<'_>, run: &Run) -> rusqlite::Result<()> {
    let at = &run.at;
    let sql = "INSERT OR REPLACE INTO task_run (id, task_id, state, class, parent_id, parent_step, args, attempt, \
         failures, rescues, token, lease_owner, leased_until, claimed_at, run_at, step, progress, checkpoint, \
         outcome, success, output, error_kind, error, created_at, started_at, finished_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, \
         ?22, ?23, ?24, ?25, ?26)";
    transaction.prepare_cached(sql)?.execute(params![
        &*run.id.text(),
        &*run.task_id.text(),
        at.state.as_str(),
        class_str(run.class),
        run.parent.as_ref().map(|parent| parent.run_id.to_string()),
        run.parent.as_ref().map(|parent| parent.step.as_str()),
        text(&run.args),
        at.attempt,
        at.failures,
        at.rescues,
        at.token.map(|token| token.to_bytes()),
        at.worker_id.as_deref(),
        ms(at.lease_until),
        ms(at.claimed_at),
        at.run_at.as_millis(),
        at.step,
        at.progress,
        text(&at.checkpoint),
        at.outcome.map(|bits| bits as i64),
        at.success(),
        text(&at.output),
        at.error.as_ref().map(|error| error.kind.as_str()),
        at.error.as_ref().map(|error| error.message.as_str()),
        run.created_at.as_millis(),
        ms(at.started_at),
        ms(at.finished_at),
    ])?;
    run.steps.iter().try_for_each(|step| put_step(transaction, run.id, step))
}

/// What moves while a run is live. `finished_at` is left alone, so that no index is touched.
const MOVE: &str = "UPDATE task_run SET state = ?2, attempt = ?3, failures = ?4, rescues = ?5, token = ?6, \
     lease_owner = ?7, leased_until = ?8, claimed_at = ?9, run_at = ?10, step = ?11, progress = ?12, \
     checkpoint = ?13, outcome = ?14, error_kind = ?15, error = ?16, started_at = ?17 WHERE id = ?1";

/// What its end adds.
const END: &str = "UPDATE task_run SET success = ?2, output = ?3, finished_at = ?4 WHERE id = ?1";

fn move_run(transaction: &Transaction<'_>, id: RunId, at: &Progress) -> rusqlite::Result<()> {
    let id = id.text();
    transaction.prepare_cached(MOVE)?.execute(params![
        &*id,
        at.state.as_str(),
        at.attempt,
        at.failures,
        at.rescues,
        at.token.map(|token| token.to_bytes()),
        at.worker_id.as_deref(),
        ms(at.lease_until),
        ms(at.claimed_at),
        at.run_at.as_millis(),
        at.step,
        at.progress,
        text(&at.checkpoint),
        at.outcome.map(|bits| bits as i64),
        at.error.as_ref().map(|error| error.kind.as_str()),
        at.error.as_ref().map(|error| error.message.as_str()),
        ms(at.started_at),
    ])?;
    if at.state.is_final() {
        let params = params![&*id, at.success(), text(&at.output), ms(at.finished_at)];
        transaction.prepare_cached(END)?.execute(params)?;
    }
    Ok(())
}

fn put_step(transaction: &Transaction<'_>, id: RunId, step: &StepResult) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO task_step (run_id, step, id, result, at, item, error_type, error) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let params = params![
        &*id.text(),
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
    let sql = "INSERT OR REPLACE INTO worker_heartbeat (worker_id, boot_nonce, labels, kinds, last_seen, \
         processed_count, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
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
fn put_row(
    transaction: &Transaction<'_>,
    table: &'static str,
    key: &str,
    row: Option<&Value>,
) -> rusqlite::Result<()> {
    match row {
        Some(row) => {
            let sql = format!("INSERT OR REPLACE INTO {table} (key, row) VALUES (?1, ?2)");
            transaction.prepare_cached(&sql)?.execute(params![key, row.to_string()]).map(drop)
        }
        None => {
            let sql = format!("DELETE FROM {table} WHERE key = ?1");
            transaction.prepare_cached(&sql)?.execute(params![key]).map(drop)
        }
    }
}

pub(super) fn prune(connection: &mut Connection, before: Timestamp, limit: usize) -> Result<usize, Error> {
    let fail = |source| Error::Commit { rows: 0, source };
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
    let runs = delete_old(&transaction, before, limit).map_err(fail)?;
    transaction.commit().map_err(fail)?;
    Ok(runs)
}

/// Ids begin with the time of their making, so the search looks at nothing younger and stops at the limit.
fn delete_old(transaction: &Transaction<'_>, before: Timestamp, limit: usize) -> rusqlite::Result<usize> {
    let (ms, limit) = (before.as_millis(), limit as i64);
    let mut old = transaction
        .prepare_cached("SELECT id FROM task_run WHERE id < ?3 AND finished_at < ?1 ORDER BY id LIMIT ?2")?;
    let hex = format!("{:012x}", ms.max(0));
    let id_before = format!("{}-{}", &hex[..8], &hex[8..]);
    let ids = old.query_map(params![ms, limit, id_before], |row| row.get(0))?;
    let ids: Vec<String> = ids.collect::<Result<_, _>>()?;
    for sql in [
        "DELETE FROM task_step WHERE run_id = ?1",
        "DELETE FROM task_run WHERE id = ?1",
        "DELETE FROM task WHERE id = ?1 AND form <> 'scheduled'",
    ] {
        let mut statement = transaction.prepare_cached(sql)?;
        ids.iter().try_for_each(|id| statement.execute([id]).map(drop))?;
    }
    let done = "DELETE FROM task WHERE id IN (SELECT id FROM task WHERE form = 'scheduled' AND created_at < ?1 \
         AND next_fire IS NULL AND NOT EXISTS (SELECT 1 FROM task_run WHERE task_run.task_id = task.id \
         AND task_run.task_id <> task_run.id) LIMIT ?2)";
    transaction.prepare_cached(done)?.execute([ms, limit])?;
    // A decision's key starts with its time.
    let decisions = "DELETE FROM decision WHERE key IN (SELECT key FROM decision WHERE key < ?1 LIMIT ?2)";
    transaction.prepare_cached(decisions)?.execute(params![format!("{ms:013}"), limit])?;
    let audit = "DELETE FROM audit_log WHERE id IN (SELECT id FROM audit_log WHERE at < ?1 LIMIT ?2)";
    transaction.prepare_cached(audit)?.execute([ms, limit])?;
    Ok(ids.len())
}

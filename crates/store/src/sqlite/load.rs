//! What deciders start from.

use super::write::{alert_table, totals};
use crate::rows::{self, Bad};
use crate::{Error, Loaded};
use alerts::Table;
use model::Timestamp;
use rusqlite::{Connection, Row};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use tasks::{AttemptToken, Dedupe, Record, RecordKind, Run, RunId, TaskId, Totals, WorkerRow};

/// How many ended attempts are given back.
const ENDED_MAX: i64 = 10_000;
/// How many decisions are.
const DECISIONS_MAX: i64 = 10_000;

pub(super) fn load(connection: &Connection) -> Result<Loaded, Error> {
    let tasks = tasks::Loaded {
        tasks: load_tasks(connection).map_err(|bad| bad.reading("tasks"))?,
        runs: load_runs(connection).map_err(|bad| bad.reading("runs"))?,
        ended: load_ended(connection).map_err(|bad| bad.reading("ended attempts"))?,
        dedupe: load_dedupe(connection).map_err(|bad| bad.reading("dedupe keys"))?,
        workers: load_workers(connection).map_err(|bad| bad.reading("workers"))?,
        totals: load_totals(connection).map_err(|bad| bad.reading("counters"))?,
        records: load_records(connection).map_err(|bad| bad.reading("records"))?,
    };
    Ok(Loaded { tasks, alerts: load_alerts(connection)?, rules: load_rules(connection)? })
}

fn collect<T>(
    connection: &Connection,
    sql: &str,
    read: impl Fn(&Row<'_>) -> Result<T, Bad>,
) -> Result<Vec<T>, Bad> {
    let mut statement = connection.prepare(sql)?;
    let (mut rows, mut found) = (statement.query([])?, Vec::new());
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

/// A task that fires when it is told to. Among scheduled ones, which an index knows, these are found fast.
const LISTENS: &str = "(schedule_kind IN ('event', 'condition') AND status <> 'canceled')";

fn load_tasks(connection: &Connection) -> Result<Vec<Arc<tasks::Task>>, Bad> {
    let columns = rows::TASK;
    let sql = format!(
        "SELECT {columns} FROM task WHERE next_fire IS NOT NULL UNION ALL \
         SELECT {columns} FROM task WHERE form = 'scheduled' AND next_fire IS NULL AND {LISTENS} UNION ALL \
         SELECT {columns} FROM task WHERE next_fire IS NULL AND NOT (form = 'scheduled' AND {LISTENS}) \
         AND id IN (SELECT task_id FROM task_run WHERE finished_at IS NULL) UNION ALL \
         SELECT {columns} FROM task WHERE id IN (SELECT child.task_id FROM task_run AS child \
         JOIN task_run AS page ON page.id = child.parent_id \
         WHERE page.finished_at IS NULL AND child.finished_at IS NOT NULL)"
    );
    collect(connection, &sql, |row| rows::task(row).map(Arc::new))
}

fn load_runs(connection: &Connection) -> Result<Vec<Run>, Bad> {
    let columns = rows::RUN;
    let sql = format!(
        "SELECT {columns} FROM task_run WHERE finished_at IS NULL UNION ALL \
         SELECT {columns} FROM task_run WHERE finished_at IS NOT NULL AND parent_id IN \
         (SELECT page.id FROM task_run AS page WHERE page.finished_at IS NULL)"
    );
    let mut runs = collect(connection, &sql, |row| rows::run(row, 0))?;
    let steps = collect(
        connection,
        "SELECT id, step, result, at, item, error_type, error, run_id FROM task_step WHERE run_id IN \
         (SELECT id FROM task_run WHERE finished_at IS NULL) ORDER BY run_id, step",
        |row| Ok((RunId::parse(&row.get::<_, String>(7)?), rows::step(row, 0)?)),
    )?;
    let places: HashMap<RunId, usize> = runs.iter().enumerate().map(|(place, run)| (run.id, place)).collect();
    for (id, step) in steps {
        if let Some(place) = id.and_then(|id| places.get(&id)) {
            runs[*place].steps.push(step);
        }
    }
    Ok(runs)
}

fn load_ended(connection: &Connection) -> Result<Vec<(AttemptToken, Option<u64>)>, Bad> {
    let sql = format!(
        "SELECT token, outcome FROM task_run WHERE finished_at IS NOT NULL AND token IS NOT NULL \
         ORDER BY id DESC LIMIT {ENDED_MAX}"
    );
    let mut ended = collect(connection, &sql, |row| {
        let outcome: Option<i64> = row.get(1)?;
        Ok((AttemptToken::from_bytes(row.get(0)?), outcome.map(|bits| bits as u64)))
    })?;
    ended.reverse();
    Ok(ended)
}

fn load_dedupe(connection: &Connection) -> Result<Vec<Dedupe>, Bad> {
    let found = collect(connection, "SELECT key, by, task_id, until FROM dedupe", |row| {
        let (key, by, task): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let until = Timestamp::from_millis(row.get(3)?);
        Ok(TaskId::parse(&task).map(|task_id| Dedupe { key, by, task_id, until }))
    })?;
    Ok(found.into_iter().flatten().collect())
}

fn load_workers(connection: &Connection) -> Result<Vec<WorkerRow>, Bad> {
    let sql = "SELECT worker_id, boot_nonce, labels, kinds, last_seen, processed_count, created_at \
         FROM worker_heartbeat";
    collect(connection, sql, |row| {
        let id: String = row.get(0)?;
        let labels = rows::json(&id, "worker_heartbeat", row.get(2)?)?;
        let kinds = rows::json(&id, "worker_heartbeat", row.get(3)?)?;
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let labels = labels.as_object().into_iter().flatten().map(|(k, v)| (k.clone(), word(v))).collect();
        Ok(WorkerRow {
            id: Arc::from(id),
            boot_nonce: row.get(1)?,
            labels,
            kinds: kinds.as_array().into_iter().flatten().map(word).collect(),
            last_seen: Timestamp::from_millis(row.get(4)?),
            processed: row.get::<_, i64>(5)? as u64,
            created_at: Timestamp::from_millis(row.get(6)?),
        })
    })
}

pub(crate) fn load_totals(connection: &Connection) -> Result<Totals, Bad> {
    let rows = collect(connection, "SELECT name, value FROM total", |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)? as u64))
    })?;
    let known: HashMap<String, u64> = rows.into_iter().collect();
    let of = |place: usize| known.get(totals(&Totals::default())[place].0).copied().unwrap_or_default();
    Ok(Totals { accepted: of(0), completed: of(1), dead: of(2), cancelled: of(3), rescued: of(4) })
}

fn load_records(connection: &Connection) -> Result<Vec<Record>, Bad> {
    let rows = collect(connection, "SELECT kind, key, row FROM record ORDER BY kind, key", |row| {
        let (kind, key): (String, String) = (row.get(0)?, row.get(1)?);
        let row = rows::json(&key, "record", row.get(2)?)?;
        Ok(RecordKind::parse(&kind).map(|kind| Record { kind, key, row }))
    })?;
    Ok(rows.into_iter().flatten().collect())
}

fn load_alerts(connection: &Connection) -> Result<Vec<alerts::Change>, Error> {
    let mut changes = Vec::new();
    for table in Table::ALL {
        let name = alert_table(table);
        let sql = match table {
            Table::Decision => {
                format!(
                    "SELECT key, row FROM (SELECT * FROM {name} ORDER BY key DESC LIMIT {DECISIONS_MAX}) ORDER BY key"
                )
            }
            _ => format!("SELECT key, row FROM {name} ORDER BY key"),
        };
        let rows = collect(connection, &sql, |row| {
            let key: String = row.get(0)?;
            let value = rows::json(&key, name, row.get(1)?)?;
            Ok((key, value))
        });
        for (key, row) in rows.map_err(|bad| bad.reading("the router's rows"))? {
            let change = alerts::Change::from_json(table, &key, &row);
            changes.push(change.map_err(|why| Error::Row { table: name, key, what: why.to_string() })?);
        }
    }
    Ok(changes)
}

fn load_rules(connection: &Connection) -> Result<Vec<rules::ActiveRow>, Error> {
    let rows = collect(connection, "SELECT key, row FROM rule_state ORDER BY key", |row| {
        let key: String = row.get(0)?;
        let value = rows::json(&key, "rule_state", row.get(1)?)?;
        Ok((key, value))
    });
    let read = |(key, row): (String, Value)| {
        rules::ActiveRow::from_json(&row).map_err(|why| Error::Row {
            table: "rule_state",
            key,
            what: why.to_string(),
        })
    };
    rows.map_err(|bad| bad.reading("the rules' rows"))?.into_iter().map(read).collect()
}

//! What deciders start from.

use super::router::load_alerts;
use super::write::totals;
use crate::rows::{self, Bad};
use crate::{Error, Loaded};
use model::Timestamp;
use rusqlite::{Connection, Row};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tasks::{
    AttemptToken, Dedupe, Record, RecordKind, Run, RunId, RunState, Sleeping, TaskId, Totals, WorkerRow,
};

/// How many ended attempts are given back.
const ENDED_MAX: i64 = 10_000;

pub(super) fn load(connection: &Connection) -> Result<Loaded, Error> {
    let (sleeping, light) = load_light(connection).map_err(|bad| bad.reading("waiting runs"))?;
    let known = load_tasks(connection, &light).map_err(|bad| bad.reading("tasks"))?;
    let tasks = tasks::Loaded {
        runs: load_runs(connection, &light).map_err(|bad| bad.reading("runs"))?,
        sleeping,
        newest: load_newest(connection).map_err(|bad| bad.reading("the newest id"))?,
        ended: load_ended(connection).map_err(|bad| bad.reading("ended attempts"))?,
        dedupe: load_dedupe(connection, &known).map_err(|bad| bad.reading("dedupe keys"))?,
        tasks: known,
        workers: load_workers(connection).map_err(|bad| bad.reading("workers"))?,
        totals: load_totals(connection).map_err(|bad| bad.reading("counters"))?,
        records: load_records(connection).map_err(|bad| bad.reading("records"))?,
    };
    Ok(Loaded { tasks, alerts: load_alerts(connection)?, rules: load_rules(connection)? })
}

pub(super) fn collect<T>(
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

/// Steps, which have ended, of pages that are live.
const CHILDREN: &str = "job.owner IN (SELECT page.key FROM job AS page WHERE page.live = 1 AND page.class = 0) \
     AND job.live IS NULL AND job.form < 2";

/// A task that fires when it is told to.
pub(super) const LISTENS: &str = "(schedule_kind IN ('event', 'condition') AND status <> 'canceled')";

/// The tasks of what is live and not left on disk, and those that fire.
fn load_tasks(connection: &Connection, light: &[i64]) -> Result<Vec<Arc<tasks::Task>>, Bad> {
    let (plan, job) = (rows::PLAN_TASK, rows::JOB_TASK);
    let sql = format!(
        "SELECT {plan} FROM plan WHERE next_fire IS NOT NULL UNION ALL \
         SELECT {plan} FROM plan WHERE next_fire IS NULL AND {LISTENS} UNION ALL \
         SELECT {plan} FROM plan WHERE next_fire IS NULL AND NOT {LISTENS} \
         AND key IN (SELECT owner FROM job WHERE live = 1 AND form = 2) UNION ALL \
         SELECT {job} FROM job WHERE live = 1 AND form < 2 UNION ALL SELECT {job} FROM job WHERE {CHILDREN}"
    );
    let mut tasks = collect(connection, &sql, |row| rows::task(row, 0).map(Arc::new))?;
    let one = format!("SELECT {job} FROM job WHERE key = ?1");
    each(connection, &one, light, |row| {
        tasks.push(Arc::new(rows::task(row, 0)?));
        Ok(())
    })?;
    Ok(tasks)
}

fn load_runs(connection: &Connection, light: &[i64]) -> Result<Vec<Run>, Bad> {
    let columns = rows::RUN;
    let sql = format!(
        "SELECT {columns} FROM job WHERE live = 1 UNION ALL SELECT {columns} FROM job WHERE {CHILDREN}"
    );
    let mut runs = collect(connection, &sql, |row| rows::run(row, 0))?;
    let one = format!("SELECT {columns} FROM job WHERE key = ?1");
    each(connection, &one, light, |row| {
        runs.push(rows::run(row, 0)?);
        Ok(())
    })?;
    let steps = collect(
        connection,
        "SELECT step.id, step.step, step.result, step.at, step.item, step.error_type, step.error, job.key, job.tail \
         FROM job JOIN step ON step.run = job.key \
         WHERE job.live = 1 ORDER BY step.run, step.step",
        |row| Ok((RunId::from_bits(rows::bits(row.get(7)?, row.get(8)?)), rows::step(row, 0)?)),
    )?;
    let places: HashMap<RunId, usize> = runs.iter().enumerate().map(|(place, run)| (run.id, place)).collect();
    for (id, step) in steps {
        if let Some(place) = places.get(&id) {
            runs[*place].steps.push(step);
        }
    }
    Ok(runs)
}

fn each(
    connection: &Connection,
    sql: &str,
    keys: &[i64],
    mut take: impl FnMut(&Row<'_>) -> Result<(), Bad>,
) -> Result<(), Bad> {
    let mut statement = connection.prepare(sql)?;
    for key in keys {
        let mut rows = statement.query([key])?;
        while let Some(row) = rows.next()? {
            take(row)?;
        }
    }
    Ok(())
}

/// Of users' runs that wait and that nobody has touched only where each stands in line; and the keys of those like
/// them that somebody has.
fn load_light(connection: &Connection) -> Result<(Vec<Sleeping>, Vec<i64>), Bad> {
    let mut statement = connection.prepare(
        "SELECT key, tail, state, attempt, status, priority, run_at, kind, agent FROM job WHERE live = 2",
    )?;
    let (mut rows, mut found, mut touched) = (statement.query([])?, Vec::<Sleeping>::new(), Vec::new());
    let mut at = 0;
    while let Some(row) = rows.next()? {
        let (key, state, run_at): (i64, i64, i64) = (row.get(0)?, row.get(2)?, row.get(6)?);
        let scheduled = state == rows::state_number(RunState::Scheduled);
        let waits = scheduled || state == rows::state_number(RunState::Available);
        let held = row.get_ref(4)?.as_str_or_null().is_ok_and(|status| status.is_some());
        if !waits || held || row.get::<_, i64>(3)? > 0 || run_at == i64::MAX {
            touched.push(key);
            continue;
        }
        let kind = row.get_ref(7)?.as_str().unwrap_or_default();
        let agent = row.get_ref(8)?.as_str_or_null().unwrap_or_default();
        let same = |line: &Sleeping| {
            *line.kind == *kind && line.agent.as_deref() == agent && line.scheduled == scheduled
        };
        if !found.get(at).is_some_and(same) {
            at = found.iter().position(same).unwrap_or_else(|| {
                let (kind, agent) = (Arc::from(kind), agent.map(Arc::from));
                found.push(Sleeping { kind, agent, scheduled, places: Vec::new() });
                found.len() - 1
            });
        }
        let id = RunId::from_bits(rows::bits(key, row.get(1)?));
        found[at].places.push((row.get(5)?, Timestamp::from_millis(run_at), id));
    }
    Ok((found, touched))
}

fn load_newest(connection: &Connection) -> Result<Option<RunId>, Bad> {
    let sql = "SELECT key, tail FROM (SELECT key, tail FROM (SELECT key, tail FROM job ORDER BY key DESC LIMIT 1) \
         UNION ALL SELECT key, tail FROM (SELECT key, tail FROM plan ORDER BY key DESC LIMIT 1)) \
         ORDER BY key DESC LIMIT 1";
    let found = collect(connection, sql, |row| Ok(RunId::from_bits(rows::bits(row.get(0)?, row.get(1)?))))?;
    Ok(found.into_iter().next())
}

fn load_ended(connection: &Connection) -> Result<Vec<(AttemptToken, Option<u64>)>, Bad> {
    let sql = format!(
        "SELECT token, outcome FROM job WHERE live IS NULL AND token IS NOT NULL \
         ORDER BY key DESC LIMIT {ENDED_MAX}"
    );
    let mut ended = collect(connection, &sql, |row| {
        let outcome: Option<i64> = row.get(1)?;
        Ok((AttemptToken::from_bytes(row.get(0)?), outcome.map(|bits| bits as u64)))
    })?;
    ended.reverse();
    Ok(ended)
}

/// The window of a key is over whose task is gone: the queue frees it.
fn load_dedupe(connection: &Connection, known: &[Arc<tasks::Task>]) -> Result<Vec<Dedupe>, Bad> {
    let known: HashSet<TaskId> = known.iter().map(|task| task.id).collect();
    let sql =
        "SELECT EXISTS (SELECT 1 FROM job WHERE key = ?1) OR EXISTS (SELECT 1 FROM plan WHERE key = ?1)";
    let mut stored = connection.prepare(sql)?;
    let sql = "SELECT key, by, task_id, until FROM dedupe";
    let found = collect(connection, sql, |row| {
        let (key, by, task): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let until = Timestamp::from_millis(row.get(3)?);
        Ok(TaskId::parse(&task).map(|task_id| Dedupe { key, by, task_id, until }))
    })?;
    let mut found: Vec<Dedupe> = found.into_iter().flatten().collect();
    for held in found.iter_mut().filter(|held| !known.contains(&held.task_id)) {
        let key = rows::key(held.task_id.bits()).map(|key| key.0);
        if !stored.query_row([key], |row| row.get::<_, bool>(0))? {
            held.until = Timestamp::MIN;
        }
    }
    Ok(found)
}

fn load_workers(connection: &Connection) -> Result<Vec<WorkerRow>, Bad> {
    let sql = "SELECT worker_id, boot_nonce, labels, kinds, last_seen, processed_count, created_at, \
         former_nonces FROM worker_heartbeat";
    collect(connection, sql, |row| {
        let id: String = row.get(0)?;
        let labels = rows::json(&id, "worker_heartbeat", row.get(2)?)?;
        let kinds = rows::json(&id, "worker_heartbeat", row.get(3)?)?;
        let former = rows::json(&id, "worker_heartbeat", row.get(7)?)?;
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let labels = labels.as_object().into_iter().flatten().map(|(k, v)| (k.clone(), word(v))).collect();
        Ok(WorkerRow {
            id: Arc::from(id),
            boot_nonce: row.get(1)?,
            labels,
            former_nonces: former.as_array().into_iter().flatten().map(word).collect(),
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

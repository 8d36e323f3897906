//! Reads for the API: tasks, runs, decisions. Sees what is committed; never waits for the writer, nor makes it
//! wait.

use crate::rows::{self, Bad, RUN, RUN_COLUMNS, TASK};
use crate::sqlite::load_totals;
use crate::{Cause, Error};
use model::{Decision, Timestamp};
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, params_from_iter};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use tasks::{Run, RunId, RunState, Task, TaskId, Totals};

/// Idle connections that are kept.
const IDLE_MAX: usize = 4;
/// Lists are counted up to here; `total` says no more than this.
const COUNT_MAX: u64 = 100_000;

/// A pool of read-only connections.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    /// Connections that nobody uses now.
    idle: Mutex<Vec<Connection>>,
}

/// A task with its latest run.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskRow {
    /// The task.
    pub task: Task,
    /// Its latest run; `None` before the first.
    pub latest: Option<Run>,
}

/// A run with the kind of work of its task; empty for a pipeline.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRow {
    /// The run, without its steps where many are listed.
    pub run: Run,
    /// The kind of work.
    pub kind: String,
    /// The task's title.
    pub title: String,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// How many there are in all, as far as was counted.
    pub total: u64,
}

/// Which tasks of users; newest first.
#[derive(Debug, Clone, Default)]
pub struct TaskFilter {
    /// Of this status: `active` or `canceled` for scheduled ones, the words of typed tasks, or a run's state.
    pub status: Option<String>,
    /// Asked for by this principal.
    pub created_by: Option<String>,
    /// On this kind of schedule.
    pub schedule_kind: Option<String>,
    /// In this form: `plain`, `typed` or `scheduled`.
    pub form: Option<String>,
    /// At most this many.
    pub limit: u64,
    /// After this many.
    pub offset: u64,
}

/// Which runs; newest first.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// Of this task.
    pub task_id: Option<TaskId>,
    /// That ended well, or badly.
    pub success: Option<bool>,
    /// In this state.
    pub state: Option<RunState>,
    /// Created not before this.
    pub from: Option<Timestamp>,
    /// Created not after this.
    pub to: Option<Timestamp>,
    /// Pages and runbook steps, too.
    pub ours_too: bool,
    /// At most this many.
    pub limit: u64,
    /// After this many.
    pub offset: u64,
}

/// A page that a receiver took.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliveredPage {
    /// Its run.
    pub run_id: RunId,
    /// What it said.
    pub args: serde_json::Value,
    /// When it was taken.
    pub at: Timestamp,
}

/// How the runs of a time went.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunStats {
    /// Runs that ended.
    pub total: u64,
    /// Of them, those that ended well.
    pub successful: u64,
    /// Of them, those that did not.
    pub failed: u64,
    /// From the first claim to the end, on average.
    pub seconds_avg: Option<f64>,
    /// When the last one was made.
    pub last_run: Option<Timestamp>,
    /// When the last one ended well.
    pub last_success: Option<Timestamp>,
    /// When the last one ended badly.
    pub last_failure: Option<Timestamp>,
}

impl Reader {
    /// Readers of a file that [`crate::Sqlite::open`] has made.
    pub fn open(path: &Path) -> Result<Reader, Error> {
        let reader = Reader { path: path.to_owned(), idle: Mutex::new(Vec::new()) };
        let first = reader.connect()?;
        reader.give_back(first);
        Ok(reader)
    }

    /// One task.
    pub fn task(&self, id: TaskId) -> Result<Option<TaskRow>, Error> {
        self.read("a task", |connection| {
            let sql = format!("SELECT {TASK} FROM task WHERE id = ?1");
            let found = one(connection, &sql, [Sql::from(id.to_string())], rows::task)?;
            found.map(|task| with_latest(connection, task)).transpose()
        })
    }

    /// Tasks of users.
    pub fn tasks(&self, filter: &TaskFilter) -> Result<Page<TaskRow>, Error> {
        let mut clauses = Clauses::new("task.class = 'user'");
        if let Some(by) = &filter.created_by {
            clauses.add("task.created_by = ?", by.clone());
        }
        if let Some(kind) = &filter.schedule_kind {
            clauses.add("task.schedule_kind = ?", kind.clone());
        }
        if let Some(form) = &filter.form {
            clauses.add("task.form = ?", form.clone());
        }
        if let Some(status) = &filter.status {
            clauses.add_status(status);
        }
        self.read("tasks", |connection| {
            let from =
                format!("FROM task LEFT JOIN task_run ON task_run.id = task.id WHERE {}", clauses.text);
            let total = count(connection, &from, &clauses.values)?;
            let sql = format!("SELECT {TASK} {from} ORDER BY task.id DESC LIMIT ? OFFSET ?");
            let tasks = many(connection, &sql, clauses.page(filter.limit, filter.offset), rows::task)?;
            let items: Result<_, Bad> = tasks.into_iter().map(|task| with_latest(connection, task)).collect();
            Ok(Page { items: items?, total })
        })
    }

    /// One run, with its steps.
    pub fn run(&self, id: RunId) -> Result<Option<RunRow>, Error> {
        self.read("a run", |connection| {
            let sql = format!("{} WHERE task_run.id = ?1", select_runs());
            let mut found = one(connection, &sql, [Sql::from(id.to_string())], run_row)?;
            if let Some(row) = &mut found {
                let sql = "SELECT id, step, result, at, item, error_type, error FROM task_step WHERE run_id = ?1 \
                           ORDER BY step";
                row.run.steps = many(connection, sql, [Sql::from(id.to_string())], |row| rows::step(row, 0))?;
            }
            Ok(found)
        })
    }

    /// Runs, without their steps.
    pub fn runs(&self, filter: &RunFilter) -> Result<Page<RunRow>, Error> {
        let mut clauses = Clauses::new(if filter.ours_too { "1" } else { "task_run.class = 'user'" });
        if let Some(task) = filter.task_id {
            let own = "SELECT ? UNION ALL SELECT id FROM task_run WHERE task_id = ? AND task_id <> id";
            clauses.add(&format!("task_run.id IN ({own})"), task.to_string());
        }
        if let Some(success) = filter.success {
            clauses.add("task_run.success = ?", i64::from(success));
        }
        if let Some(state) = filter.state {
            clauses.add("task_run.state = ?", state.as_str().to_owned());
        }
        if let Some(from) = filter.from {
            clauses.add("task_run.created_at >= ?", from.as_millis());
        }
        if let Some(to) = filter.to {
            clauses.add("task_run.created_at <= ?", to.as_millis());
        }
        self.read("runs", |connection| {
            let total = count(connection, &format!("FROM task_run WHERE {}", clauses.text), &clauses.values)?;
            let sql = format!(
                "{} WHERE {} ORDER BY task_run.id DESC LIMIT ? OFFSET ?",
                select_runs(),
                clauses.text
            );
            let items = many(connection, &sql, clauses.page(filter.limit, filter.offset), run_row)?;
            Ok(Page { items, total })
        })
    }

    /// The latest `limit` pages that were delivered, oldest first.
    pub fn pages_delivered(&self, limit: u64) -> Result<Vec<DeliveredPage>, Error> {
        let sql = "SELECT task_run.id, coalesce(task_run.args, task.payload), task_run.finished_at \
                   FROM task_run JOIN task ON task.id = task_run.task_id \
                   WHERE task_run.class = 'page' AND task_run.state = 'completed' \
                   ORDER BY task_run.created_at DESC LIMIT ?1";
        let mut pages = self.read("pages", |connection| {
            many(connection, sql, [Sql::from(i64::try_from(limit).unwrap_or(i64::MAX))], |row| {
                let (id, at): (String, i64) = (row.get(0)?, row.get(2)?);
                let args = rows::json(&id, "task_run", row.get(1)?)?;
                let run_id = RunId::parse(&id);
                Ok(run_id.map(|run_id| DeliveredPage { run_id, args, at: Timestamp::from_millis(at) }))
            })
        })?;
        pages.reverse();
        Ok(pages.into_iter().flatten().collect())
    }

    /// How runs made since `since` went: of one task, or of all users' tasks.
    pub fn run_stats(&self, task: Option<TaskId>, since: Timestamp) -> Result<RunStats, Error> {
        let mut clauses = Clauses::new("task_run.class = 'user'");
        clauses.add("task_run.created_at >= ?", since.as_millis());
        if let Some(task) = task {
            let own = "SELECT ? UNION ALL SELECT id FROM task_run WHERE task_id = ? AND task_id <> id";
            clauses.add(&format!("task_run.id IN ({own})"), task.to_string());
        }
        let sql = format!(
            "SELECT count(success), coalesce(sum(success), 0), avg(finished_at - started_at), max(created_at), \
             max(CASE WHEN success = 1 THEN finished_at END), max(CASE WHEN success = 0 THEN finished_at END) \
             FROM task_run WHERE {}",
            clauses.text
        );
        self.read("run statistics", |connection| {
            let found = one(connection, &sql, clauses.values.iter().cloned(), |row| {
                let (total, successful): (i64, i64) = (row.get(0)?, row.get(1)?);
                let at = |place| -> rusqlite::Result<Option<Timestamp>> {
                    Ok(row.get::<_, Option<i64>>(place)?.map(Timestamp::from_millis))
                };
                Ok(RunStats {
                    total: total as u64,
                    successful: successful as u64,
                    failed: (total - successful) as u64,
                    seconds_avg: row.get::<_, Option<f64>>(2)?.map(|ms| ms / 1000.0),
                    last_run: at(3)?,
                    last_success: at(4)?,
                    last_failure: at(5)?,
                })
            })?;
            Ok(found.unwrap_or_default())
        })
    }

    /// The counters of all time.
    pub fn totals(&self) -> Result<Totals, Error> {
        self.read("counters", load_totals)
    }

    /// The router's decisions from `from` to `to`, newest first, at most `limit`.
    pub fn decisions(&self, from: Timestamp, to: Timestamp, limit: usize) -> Result<Vec<Decision>, Error> {
        let key = |at: Timestamp| Sql::from(format!("{:013}", at.as_millis()));
        let sql = "SELECT key, row FROM decision WHERE key >= ?1 AND key < ?2 ORDER BY key DESC LIMIT ?3";
        let until = Timestamp::from_millis(to.as_millis().saturating_add(1));
        let values = [key(from), key(until), Sql::from(limit as i64)];
        let found = self.read("decisions", |connection| {
            many(connection, sql, values, |row| {
                let key: String = row.get(0)?;
                let value = rows::json(&key, "decision", row.get(1)?)?;
                Ok(alerts::Change::from_json(alerts::Table::Decision, &key, &value))
            })
        })?;
        let decision = |change| match change {
            Ok(alerts::Change::Decision(decision)) => Some(decision),
            _ => None,
        };
        Ok(found.into_iter().filter_map(decision).collect())
    }

    fn connect(&self) -> Result<Connection, Error> {
        let fail = |why: rusqlite::Error| Error::Open { path: self.path.clone(), source: Cause::Sqlite(why) };
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags).map_err(fail)?;
        connection.busy_timeout(std::time::Duration::from_secs(5)).map_err(fail)?;
        connection.set_prepared_statement_cache_capacity(32);
        Ok(connection)
    }

    fn give_back(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX {
            idle.push(connection);
        }
    }

    pub(crate) fn read<T>(
        &self,
        what: &'static str,
        read: impl FnOnce(&Connection) -> Result<T, Bad>,
    ) -> Result<T, Error> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = idle.map_or_else(|| self.connect(), Ok)?;
        let found = read(&connection).map_err(|bad| bad.reading(what));
        self.give_back(connection);
        found
    }
}

pub(crate) fn select_runs() -> String {
    format!("SELECT {RUN}, task.kind, task.title FROM task_run LEFT JOIN task ON task.id = task_run.task_id")
}

pub(crate) fn run_row(row: &Row<'_>) -> Result<RunRow, Bad> {
    Ok(RunRow {
        run: rows::run(row, 0)?,
        kind: row.get::<_, Option<String>>(RUN_COLUMNS)?.unwrap_or_default(),
        title: row.get::<_, Option<String>>(RUN_COLUMNS + 1)?.unwrap_or_default(),
    })
}

fn with_latest(connection: &Connection, task: Task) -> Result<TaskRow, Bad> {
    let id = Sql::from(task.id.to_string());
    let sql = match task.form {
        tasks::Form::Scheduled(_) => {
            format!(
                "SELECT {RUN} FROM task_run WHERE task_id = ?1 AND task_id <> id ORDER BY id DESC LIMIT 1"
            )
        }
        _ => format!("SELECT {RUN} FROM task_run WHERE id = ?1"),
    };
    let latest = one(connection, &sql, [id], |row| rows::run(row, 0))?;
    Ok(TaskRow { task, latest })
}

pub(crate) fn one<T>(
    connection: &Connection,
    sql: &str,
    values: impl IntoIterator<Item = Sql>,
    read: impl Fn(&Row<'_>) -> Result<T, Bad>,
) -> Result<Option<T>, Bad> {
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_row(params_from_iter(values), |row| Ok(read(row))).optional()?;
    found.transpose()
}

pub(crate) fn many<T>(
    connection: &Connection,
    sql: &str,
    values: impl IntoIterator<Item = Sql>,
    read: impl Fn(&Row<'_>) -> Result<T, Bad>,
) -> Result<Vec<T>, Bad> {
    let mut statement = connection.prepare_cached(sql)?;
    let (mut rows, mut found) = (statement.query(params_from_iter(values))?, Vec::new());
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

fn count(connection: &Connection, from: &str, values: &[Sql]) -> Result<u64, Bad> {
    let sql = format!("SELECT count(*) FROM (SELECT 1 {from} LIMIT {COUNT_MAX})");
    let found = one(connection, &sql, values.iter().cloned(), |row| Ok(row.get::<_, i64>(0)? as u64))?;
    Ok(found.unwrap_or_default())
}

/// Conditions and their values, in the same order. A condition's value stands for each of its question marks.
struct Clauses {
    text: String,
    values: Vec<Sql>,
}

impl Clauses {
    fn new(first: &str) -> Clauses {
        Clauses { text: first.to_owned(), values: Vec::new() }
    }

    fn add(&mut self, clause: &str, value: impl Into<Sql>) {
        self.text.push_str(" AND ");
        self.text.push_str(clause);
        let places = clause.matches('?').count();
        self.values.extend(std::iter::repeat_n(value.into(), places));
    }

    /// A scheduled task has a status; the others have the state of their one run.
    fn add_status(&mut self, status: &str) {
        let states = match status {
            "pending" => "'scheduled', 'awaiting_approval'",
            "assigned" => "'available', 'retryable'",
            "in_progress" => "'running'",
            "failed" => "'dead'",
            _ => "''",
        };
        let scheduled = "task.form = 'scheduled' AND task.status = ?";
        let others = format!("task_run.state = ? OR task_run.state IN ({states})");
        self.add(&format!("({scheduled} OR {others})"), status.to_owned());
    }

    fn page(&self, limit: u64, offset: u64) -> Vec<Sql> {
        let whole = |n: u64| Sql::from(i64::try_from(n).unwrap_or(i64::MAX));
        self.values.iter().cloned().chain([whole(limit), whole(offset)]).collect()
    }
}

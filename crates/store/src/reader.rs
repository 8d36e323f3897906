//! Reads for the API: tasks, runs, decisions. Sees what is committed; never waits for the writer, nor makes it
//! wait.

mod decisions;

#[cfg(test)]
pub(crate) use decisions::ABOUT;

use crate::rows::{self, Bad, JOB_TASK, PLAN_TASK, RUN, RUN_COLUMNS};
use crate::sqlite::load_totals;
use crate::{Cause, Error};
use model::{Json, Timestamp};
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, params_from_iter};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use tasks::{BY_HAND, Run, RunId, RunState, Task, TaskId, Totals};

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
    /// Of this status: the word that a task is shown with, or its run's state if it runs once.
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
    pub args: Json,
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
        let Some((key, tail)) = rows::key(id.bits()) else { return Ok(None) };
        self.read("a task", |connection| {
            let found = task_at(connection, key)?;
            Ok(found.filter(|row| rows::key(row.task.id.bits()) == Some((key, tail))))
        })
    }

    /// Tasks that run once, with their runs, as far as they are there; steps are not read. For runs that wait on
    /// disk: in the order of `ids`.
    pub fn waiting(&self, ids: &[RunId]) -> Result<Vec<(Task, Run)>, Error> {
        self.read("waiting runs", |connection| {
            let sql = format!("SELECT {RUN}, {JOB_TASK} FROM job WHERE key = ?1 AND form < 2");
            let mut statement = connection.prepare_cached(&sql)?;
            let mut found = Vec::with_capacity(ids.len());
            for (key, tail) in ids.iter().filter_map(|id| rows::key(id.bits())) {
                let mut rows = statement.query([key])?;
                if let Some(row) = rows.next()?
                    && row.get::<_, i64>(1)? == tail
                {
                    found.push((rows::task(row, RUN_COLUMNS)?, rows::run(row, 0)?));
                }
            }
            Ok(found)
        })
    }

    /// Tasks of users.
    pub fn tasks(&self, filter: &TaskFilter) -> Result<Page<TaskRow>, Error> {
        let mut jobs = Clauses::new("job.class = 2 AND job.form < 2");
        let mut plans = Clauses::new("plan.class = 2");
        if let Some(by) = &filter.created_by {
            jobs.add("job.created_by = ?", by.clone());
            plans.add("plan.created_by = ?", by.clone());
        }
        if let Some(kind) = &filter.schedule_kind {
            jobs.add("0 = ?", 1);
            plans.add("plan.schedule_kind = ?", kind.clone());
        }
        if let Some(form) = &filter.form {
            jobs.add("CASE job.form WHEN 0 THEN 'plain' ELSE 'typed' END = ?", form.clone());
            plans.add("'scheduled' = ?", form.clone());
        }
        if let Some(status) = &filter.status {
            jobs.add_status(status);
            plans.add("plan.status = ?", status.clone());
        }
        let both = |columns: &str| {
            format!(
                "SELECT {columns} FROM job WHERE {} UNION ALL SELECT {columns} FROM plan WHERE {}",
                jobs.text, plans.text
            )
        };
        let values: Vec<Sql> = jobs.values.iter().chain(&plans.values).cloned().collect();
        self.read("tasks", |connection| {
            let sql = format!("SELECT count(*) FROM ({} LIMIT {COUNT_MAX})", both("1"));
            let total =
                one(connection, &sql, values.iter().cloned(), |row| Ok(row.get::<_, i64>(0)? as u64))?;
            let sql = format!("{} ORDER BY key DESC LIMIT ? OFFSET ?", both("key"));
            let page = values.iter().cloned().chain([whole(filter.limit), whole(filter.offset)]);
            let keys: Vec<i64> = many(connection, &sql, page, |row| Ok(row.get(0)?))?;
            let items = keys.into_iter().filter_map(|key| task_at(connection, key).transpose());
            Ok(Page { items: items.collect::<Result<_, Bad>>()?, total: total.unwrap_or_default() })
        })
    }

    /// One run, with its steps.
    pub fn run(&self, id: RunId) -> Result<Option<RunRow>, Error> {
        let Some((key, tail)) = rows::key(id.bits()) else { return Ok(None) };
        self.read("a run", |connection| {
            let sql = format!("{} WHERE job.key = ?1 AND job.tail = ?2", select_runs());
            let mut found = one(connection, &sql, [Sql::from(key), Sql::from(tail)], run_row)?;
            if let Some(row) = &mut found {
                let sql = "SELECT id, step, result, at, item, error_type, error FROM step WHERE run = ?1 ORDER BY step";
                row.run.steps = many(connection, sql, [Sql::from(key)], |row| rows::step(row, 0))?;
            }
            Ok(found)
        })
    }

    /// Runs, without their steps.
    pub fn runs(&self, filter: &RunFilter) -> Result<Page<RunRow>, Error> {
        let mut clauses = Clauses::new(if filter.ours_too { "1" } else { "job.class = 2" });
        if let Some(task) = filter.task_id {
            clauses.add_task(task);
        }
        if let Some(success) = filter.success {
            clauses.add("job.live IS NULL AND (job.state = 5) = ?", i64::from(success));
        }
        if let Some(state) = filter.state {
            clauses.add("job.state = ?", rows::state_number(state));
        }
        if let Some(from) = filter.from {
            clauses.add("job.created_at >= ?", from.as_millis());
        }
        if let Some(to) = filter.to {
            clauses.add("job.created_at <= ?", to.as_millis());
        }
        self.read("runs", |connection| {
            let total = count(connection, &format!("FROM job WHERE {}", clauses.text), &clauses.values)?;
            let sql =
                format!("{} WHERE {} ORDER BY job.key DESC LIMIT ? OFFSET ?", select_runs(), clauses.text);
            let items = many(connection, &sql, clauses.page(filter.limit, filter.offset), run_row)?;
            Ok(Page { items, total })
        })
    }

    /// The latest `limit` pages that were delivered, oldest first.
    pub fn pages_delivered(&self, limit: u64) -> Result<Vec<DeliveredPage>, Error> {
        let sql = format!(
            "SELECT {RUN}, {JOB_TASK} FROM job WHERE job.owner = 0 AND job.state = 5 ORDER BY job.key DESC LIMIT ?1"
        );
        let mut pages = self.read("pages", |connection| {
            many(connection, &sql, [whole(limit)], |row| {
                let (run, task) = (rows::run(row, 0)?, rows::task(row, RUN_COLUMNS)?);
                let args = run.args.unwrap_or(task.args);
                Ok(DeliveredPage { run_id: run.id, args, at: run.at.finished_at.unwrap_or(run.created_at) })
            })
        })?;
        pages.reverse();
        Ok(pages)
    }

    /// How runs made since `since` went: of one task, or of all users' tasks.
    pub fn run_stats(&self, task: Option<TaskId>, since: Timestamp) -> Result<RunStats, Error> {
        let mut clauses = Clauses::new("job.class = 2");
        clauses.add("job.key >= ?", rows::key_at(since));
        if let Some(task) = task {
            clauses.add_task(task);
        }
        let sql = format!(
            "SELECT coalesce(sum(live IS NULL), 0), coalesce(sum(state = 5), 0), \
             avg(CASE WHEN live IS NULL THEN finished_at - started_at END), max(created_at), \
             max(CASE WHEN state = 5 THEN finished_at END), max(CASE WHEN state > 5 THEN finished_at END) \
             FROM job WHERE {}",
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

    /// Writes a copy of everything committed to a new file, readable by its owner alone. The writer goes on
    /// meanwhile. Refused if the file is there already.
    pub fn backup(&self, to: &Path) -> Result<(), Error> {
        use std::os::unix::fs::OpenOptionsExt;
        let fail = |source: Cause| Error::Backup { path: to.to_owned(), source };
        let made = std::fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(to);
        made.map_err(|why| fail(why.into()))?;
        let connection = self.connect()?;
        // An empty file is taken for a new one, and keeps its mode.
        let copied = connection.execute("VACUUM INTO ?1", [to.to_string_lossy()]);
        copied.map(drop).map_err(|why| {
            // Half a copy is none; whether it goes away changes nothing about the failure.
            let _ = std::fs::remove_file(to);
            fail(why.into())
        })
    }

    /// The counters of all time.
    pub fn totals(&self) -> Result<Totals, Error> {
        self.read("counters", load_totals)
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
    format!(
        "SELECT {RUN}, coalesce(plan.kind, job.kind), coalesce(plan.title, job.title, '') FROM job \
         LEFT JOIN plan ON job.form = 2 AND plan.key = job.owner"
    )
}

pub(crate) fn run_row(row: &Row<'_>) -> Result<RunRow, Bad> {
    Ok(RunRow { run: rows::run(row, 0)?, kind: row.get(RUN_COLUMNS)?, title: row.get(RUN_COLUMNS + 1)? })
}

/// The task with this key, and its latest run.
pub(crate) fn task_at(connection: &Connection, key: i64) -> Result<Option<TaskRow>, Bad> {
    let sql = format!("SELECT {RUN}, {JOB_TASK} FROM job WHERE key = ?1 AND form < 2");
    let found = one(connection, &sql, [Sql::from(key)], |row| {
        Ok(TaskRow { task: rows::task(row, RUN_COLUMNS)?, latest: Some(rows::run(row, 0)?) })
    })?;
    if found.is_some() {
        return Ok(found);
    }
    let sql = format!("SELECT {PLAN_TASK} FROM plan WHERE key = ?1");
    let Some(task) = one(connection, &sql, [Sql::from(key)], |row| rows::task(row, 0))? else {
        return Ok(None);
    };
    let sql = format!("SELECT {RUN} FROM job WHERE owner = ?1 AND form = 2 ORDER BY key DESC LIMIT 1");
    let latest = one(connection, &sql, [Sql::from(key)], |row| rows::run(row, 0))?;
    Ok(Some(TaskRow { task, latest }))
}

pub(crate) fn whole(n: u64) -> Sql {
    Sql::from(i64::try_from(n).unwrap_or(i64::MAX))
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

/// A run in one of these states.
fn among(states: &[RunState]) -> String {
    let numbers: Vec<String> = states.iter().map(|state| rows::state_number(*state).to_string()).collect();
    format!("job.state IN ({})", numbers.join(", "))
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

    /// Those of one task.
    fn add_task(&mut self, task: TaskId) {
        let key = rows::key(task.bits()).map_or(-1, |(key, _)| key);
        let own = "SELECT ? UNION ALL SELECT key FROM job WHERE owner = ? AND form = 2";
        self.add(&format!("job.key IN ({own})"), key);
    }

    /// A task that runs once has the word that it is shown with, or its run's state.
    fn add_status(&mut self, status: &str) {
        use RunState::{Available, AwaitingApproval, Dead, Retryable, Running, Scheduled};
        let ready = among(&[Available, Retryable]);
        let waits = among(&[Scheduled, AwaitingApproval, Available, Retryable]);
        let held = format!("(job.status IS 'paused' AND {waits})");
        let blocked = format!("({} AND job.run_at = {})", among(&[Scheduled]), Timestamp::MAX.as_millis());
        let by_hand = format!("({} AND coalesce(job.worker, '') LIKE '{BY_HAND}%')", among(&[Available]));
        let clause = match status {
            "pending" => {
                let early = among(&[Scheduled, AwaitingApproval]);
                let one = format!("({early} OR {by_hand} OR (job.form = 0 AND {ready}))");
                format!("NOT {held} AND NOT {blocked} AND {one}")
            }
            "assigned" => format!("NOT {held} AND NOT {by_hand} AND job.form = 1 AND {ready}"),
            "blocked" => format!("job.form = 1 AND ({held} OR {blocked})"),
            "paused" => format!("job.form = 0 AND {held}"),
            "in_progress" => among(&[Running]),
            "failed" => among(&[Dead]),
            word => among(RunState::parse(word).as_slice()),
        };
        self.text.push_str(" AND ");
        self.text.push_str(&clause);
    }

    fn page(&self, limit: u64, offset: u64) -> Vec<Sql> {
        self.values.iter().cloned().chain([whole(limit), whole(offset)]).collect()
    }
}

//! What the API asks in figures: runs that were given up, what ended when, since when something waits.

use crate::Error;
use crate::reader::{Page, Reader, RunRow, many, one, run_row, select_runs, task_at, whole};
use crate::rows::{self, Bad, ID};
use model::Timestamp;
use rusqlite::types::Value as Sql;
use std::time::Duration;
use tasks::RunId;

/// Lists are counted up to here.
const COUNT_MAX: u64 = 100_000;

/// A run that was given up, and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadRun {
    /// The run.
    pub row: RunRow,
    /// With what it would be done again.
    pub args: serde_json::Value,
    /// The task that does it again.
    pub replayed_as: Option<String>,
    /// Somebody put it away.
    pub discarded: bool,
}

/// What ended within one span of time: a minute, an hour.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Span {
    /// When it begins.
    pub from: Timestamp,
    /// Tasks accepted.
    pub created: u64,
    /// Runs that ended.
    pub total: u64,
    /// Of them, those that ended well.
    pub successful: u64,
    /// Of them, those that were given up.
    pub failed: u64,
    /// Time from first claim to end, all together, in seconds.
    pub seconds: f64,
    /// The longest.
    pub seconds_max: f64,
}

/// That nobody has done a run again or put it away: few rows say so, each under the text of its run's id.
const DONE_WITH: &str = "SELECT key FROM record WHERE kind = 'dead_letter'";

impl Reader {
    /// Users' runs that were given up, newest first; without those that were done again or put away, unless `all`.
    pub fn dead_runs(&self, all: bool, limit: u64, offset: u64) -> Result<Page<DeadRun>, Error> {
        let wanted = "job.class = 2 AND job.state = 7";
        let wanted = if all { wanted.to_owned() } else { format!("{wanted} AND {ID} NOT IN ({DONE_WITH})") };
        self.read("runs given up", |connection| {
            let sql = format!("SELECT count(*) FROM (SELECT 1 FROM job WHERE {wanted} LIMIT {COUNT_MAX})");
            let total =
                one(connection, &sql, [], |row| Ok(row.get::<_, i64>(0)? as u64))?.unwrap_or_default();
            let sql = format!("{} WHERE {wanted} ORDER BY job.key DESC LIMIT ?1 OFFSET ?2", select_runs());
            let rows = many(connection, &sql, [whole(limit), whole(offset)], run_row)?;
            let items: Result<_, Bad> = rows.into_iter().map(|row| dead(connection, row)).collect();
            Ok(Page { items: items?, total })
        })
    }

    /// One of them.
    pub fn dead_run(&self, id: RunId) -> Result<Option<DeadRun>, Error> {
        let Some((key, tail)) = rows::key(id.bits()) else { return Ok(None) };
        self.read("a run given up", |connection| {
            let sql = format!(
                "{} WHERE job.key = ?1 AND job.tail = ?2 AND job.class = 2 AND job.state = 7",
                select_runs()
            );
            let row = one(connection, &sql, [Sql::from(key), Sql::from(tail)], run_row)?;
            row.map(|row| dead(connection, row)).transpose()
        })
    }

    /// What ended, span by span, from `from` until before `to`; spans in which nothing happened are left out. Looks
    /// at every run: ask once, and remember.
    pub fn spans(&self, from: Timestamp, to: Timestamp, length: Duration) -> Result<Vec<Span>, Error> {
        let ms = i64::try_from(length.as_millis()).unwrap_or(i64::MAX).max(1);
        let bounds = [Sql::from(from.as_millis()), Sql::from(to.as_millis())];
        let ended = format!(
            "SELECT finished_at / {ms}, count(*), sum(state = 5), sum(state = 7), \
             coalesce(sum(finished_at - started_at), 0), coalesce(max(finished_at - started_at), 0) \
             FROM job WHERE live IS NULL AND class = 2 AND finished_at >= ?1 AND finished_at < ?2 GROUP BY 1"
        );
        let made = format!(
            "SELECT created_at / {ms}, count(*) FROM (SELECT created_at FROM job WHERE class = 2 AND form < 2 \
             AND key >= {} UNION ALL SELECT created_at FROM plan WHERE class = 2) \
             WHERE created_at >= ?1 AND created_at < ?2 GROUP BY 1",
            rows::key_at(from)
        );
        self.read("what ended", |connection| {
            let mut spans = many(connection, &ended, bounds.clone(), |row| {
                let n = |place| -> rusqlite::Result<u64> { Ok(row.get::<_, i64>(place)? as u64) };
                Ok(Span {
                    from: Timestamp::from_millis(row.get::<_, i64>(0)? * ms),
                    created: 0,
                    total: n(1)?,
                    successful: n(2)?,
                    failed: n(3)?,
                    seconds: n(4)? as f64 / 1000.0,
                    seconds_max: n(5)? as f64 / 1000.0,
                })
            })?;
            let made = many(connection, &made, bounds, |row| {
                Ok((Timestamp::from_millis(row.get::<_, i64>(0)? * ms), row.get::<_, i64>(1)? as u64))
            })?;
            for (from, created) in made {
                match spans.iter_mut().find(|span| span.from == from) {
                    Some(span) => span.created = created,
                    None => spans.push(Span { from, created, ..Span::default() }),
                }
            }
            spans.sort_by_key(|span| span.from);
            Ok(spans)
        })
    }

    /// When the oldest and the newest run that waits were made.
    pub fn waiting_since(&self) -> Result<Option<(Timestamp, Timestamp)>, Error> {
        let sql = "SELECT min(created_at), max(created_at) FROM job \
             WHERE live IN (1, 2) AND class = 2 AND state <> 3";
        self.read("what waits", |connection| {
            let found = one(connection, sql, [], |row| {
                let at = |place| -> rusqlite::Result<Option<Timestamp>> {
                    Ok(row.get::<_, Option<i64>>(place)?.map(Timestamp::from_millis))
                };
                Ok(at(0)?.zip(at(1)?))
            })?;
            Ok(found.flatten())
        })
    }

    /// How many tasks had a run that was made since `since`.
    pub fn tasks_run(&self, since: Timestamp) -> Result<u64, Error> {
        let sql = "SELECT count(DISTINCT CASE form WHEN 2 THEN owner ELSE key END) FROM job \
             WHERE key >= ?1 AND class = 2";
        self.read("tasks that ran", |connection| {
            let found = one(connection, sql, [Sql::from(rows::key_at(since))], |row| {
                Ok(row.get::<_, i64>(0)? as u64)
            })?;
            Ok(found.unwrap_or_default())
        })
    }
}

fn dead(connection: &rusqlite::Connection, row: RunRow) -> Result<DeadRun, Bad> {
    let id = row.run.id.to_string();
    let mark = "SELECT row FROM record WHERE kind = 'dead_letter' AND key = ?1";
    let mark = one(connection, mark, [Sql::from(id.clone())], |row| rows::json(&id, "record", row.get(0)?))?;
    let mark = mark.unwrap_or_default();
    let args = match (&row.run.args, rows::key(row.run.task_id.bits())) {
        (Some(args), _) => args.value(),
        (None, Some((key, _))) => {
            // A pipeline's arguments are its parameters.
            task_at(connection, key)?.map(|found| found.task.args.value()).unwrap_or_default()
        }
        (None, None) => serde_json::Value::Null,
    };
    Ok(DeadRun {
        args,
        replayed_as: mark["replayed_as"].as_str().map(str::to_owned),
        discarded: mark["discarded"] == true,
        row,
    })
}

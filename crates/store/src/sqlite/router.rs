//! Rows of the router. Those that come by the thousand have numbers as keys, so that what comes together lies together, and
//! their statements are looked up once a commit.

use super::load::collect;
use super::write::{ms, put_row};
use crate::Error;
use crate::rows::{self, Bad};
use alerts::{Change, Table, Wait};
use model::{Alert, Labels, Timestamp};
use rusqlite::{CachedStatement, Connection, Transaction, params};
use std::sync::Arc;

/// How many decisions are given back.
const DECISIONS_MAX: i64 = 10_000;
/// How many rows of alerts that wait are; one may hold thousands of decisions.
const WAITS_MAX: i64 = 1_000;

const ALERT: &str = "INSERT OR REPLACE INTO alert (id, labels, annotations, starts_at, ends_at, generator_url, updated_at) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const SEEN: &str = "INSERT OR REPLACE INTO alert_seen (id, ends_at, updated_at) VALUES (?1, ?2, ?3)";
const WAIT: &str = "INSERT OR REPLACE INTO wait (key, row) VALUES (?1, ?2)";
const GONE: [&str; 2] = ["DELETE FROM alert WHERE id = ?1", "DELETE FROM alert_seen WHERE id = ?1"];

/// Writes what changed, in its order.
pub(super) fn put(transaction: &Transaction<'_>, changes: &[Change]) -> rusqlite::Result<()> {
    let (mut alerts, mut seen) = (None, None);
    for change in changes {
        match change {
            Change::Alert(id, alert) => put_alert(ready(transaction, &mut alerts, ALERT)?, *id, alert)?,
            Change::Seen { id, ends_at, updated_at } => {
                let values = params![id.cast_signed(), ms(*ends_at), updated_at.as_millis()];
                ready(transaction, &mut seen, SEEN)?.execute(values)?;
            }
            Change::AlertGone(id) => {
                for sql in GONE {
                    transaction.prepare_cached(sql)?.execute([id.cast_signed()])?;
                }
            }
            Change::Wait(wait) => put_wait(transaction, wait, change.to_text())?,
            other => put_row(transaction, table(other.table()), &other.key(), other.to_text())?,
        }
    }
    Ok(())
}

/// The statement, prepared when it is first needed.
fn ready<'a, 'c>(
    transaction: &'c Transaction<'_>,
    known: &'a mut Option<CachedStatement<'c>>,
    sql: &str,
) -> rusqlite::Result<&'a mut CachedStatement<'c>> {
    if known.is_none() {
        *known = Some(transaction.prepare_cached(sql)?);
    }
    known.as_mut().ok_or(rusqlite::Error::InvalidQuery)
}

/// An alert of an older layout.
pub(super) fn put_old(transaction: &Transaction<'_>, id: u64, alert: &Alert) -> rusqlite::Result<()> {
    put_alert(&mut transaction.prepare_cached(ALERT)?, id, alert)
}

fn put_alert(statement: &mut CachedStatement<'_>, id: u64, alert: &Alert) -> rusqlite::Result<()> {
    let values = params![
        id.cast_signed(),
        alert.labels.as_bytes(),
        alert.annotations.as_bytes(),
        alert.starts_at.as_millis(),
        ms(alert.ends_at),
        &*alert.generator_url,
        alert.updated_at.as_millis(),
    ];
    statement.execute(values).map(drop)
}

fn put_wait(transaction: &Transaction<'_>, wait: &Wait, row: Option<String>) -> rusqlite::Result<()> {
    transaction.prepare_cached(WAIT)?.execute(params![wait.key(), row]).map(drop)
}

/// Where the router's rows are kept.
fn table(table: Table) -> &'static str {
    match table {
        Table::Alert => "alert",
        Table::Seen => "alert_seen",
        Table::Wait => "wait",
        Table::Group => "alert_group",
        Table::Silence => "silence",
        Table::Incident => "incident",
        Table::Decision => "decision",
    }
}

/// What the router starts from.
pub(super) fn load_alerts(connection: &Connection) -> Result<Vec<Change>, Error> {
    let mut changes = load_numbered(connection).map_err(|bad| bad.reading("alerts"))?;
    for of in Table::ALL {
        let name = table(of);
        let sql = match of {
            Table::Alert | Table::Seen => continue,
            Table::Decision => {
                format!(
                    "SELECT key, row FROM (SELECT * FROM {name} ORDER BY key DESC LIMIT {DECISIONS_MAX}) ORDER BY key"
                )
            }
            Table::Wait => {
                let last = format!("SELECT * FROM {name} ORDER BY key DESC LIMIT {WAITS_MAX}");
                format!("SELECT CAST(key AS TEXT), row FROM ({last}) ORDER BY key")
            }
            _ => format!("SELECT key, row FROM {name} ORDER BY key"),
        };
        let rows = collect(connection, &sql, |row| {
            let key: String = row.get(0)?;
            let value = rows::json(&key, name, row.get(1)?)?;
            Ok((key, value))
        });
        for (key, row) in rows.map_err(|bad| bad.reading("the router's rows"))? {
            let change = Change::from_json(of, &key, &row);
            changes.push(change.map_err(|why| Error::Row { table: name, key, what: why.to_string() })?);
        }
    }
    Ok(changes)
}

/// The alerts, and when they were repeated.
fn load_numbered(connection: &Connection) -> Result<Vec<Change>, Bad> {
    let mut last_url: Arc<str> = "".into();
    let mut statement = connection.prepare(
        "SELECT id, labels, annotations, starts_at, ends_at, generator_url, updated_at FROM alert ORDER BY id",
    )?;
    let (mut rows, mut changes) = (statement.query([])?, Vec::new());
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        let labels = |column: usize| {
            let read = row.get_ref(column)?.as_blob().ok().and_then(Labels::from_bytes);
            read.ok_or_else(|| Bad::row("alert", &id.to_string(), "its labels or annotations cannot be read"))
        };
        let url = row.get_ref(5)?.as_str().unwrap_or_default();
        if *url != *last_url {
            last_url = url.into();
        }
        let alert = Alert {
            labels: labels(1)?,
            annotations: labels(2)?,
            starts_at: Timestamp::from_millis(row.get(3)?),
            ends_at: row.get::<_, Option<i64>>(4)?.map(Timestamp::from_millis),
            generator_url: last_url.clone(),
            updated_at: Timestamp::from_millis(row.get(6)?),
        };
        changes.push(Change::Alert(id.cast_unsigned(), alert));
    }
    changes.extend(collect(connection, "SELECT id, ends_at, updated_at FROM alert_seen", |row| {
        Ok(Change::Seen {
            id: row.get::<_, i64>(0)?.cast_unsigned(),
            ends_at: row.get::<_, Option<i64>>(1)?.map(Timestamp::from_millis),
            updated_at: Timestamp::from_millis(row.get(2)?),
        })
    })?);
    Ok(changes)
}

//! Rows of the router. Those that come by the thousand have numbers as keys, so that what comes together lies together, and
//! their statements are looked up once a commit.

use super::alert::{self, Packs, ready};
use super::load::collect;
use super::write::put_row;
use crate::Error;
use crate::rows::{self, Bad};
use alerts::{Change, InstantKey, Table};
use model::Timestamp;
use rusqlite::{CachedStatement, Connection, Transaction, params};
use std::collections::HashMap;

/// How many decisions are given back.
const DECISIONS_MAX: i64 = 10_000;
/// How many rows of alerts that wait are; one may hold thousands of decisions.
const WAITS_MAX: i64 = 1_000;

const WAIT: &str = "INSERT OR IGNORE INTO wait (key, row) VALUES (?1, ?2)";
const GROUP: &str = "INSERT OR REPLACE INTO alert_group (id, row) VALUES (?1, ?2)";
const INCIDENT: &str = "INSERT OR REPLACE INTO incident (id, row) VALUES (?1, ?2)";
const LINE: &str = "INSERT OR REPLACE INTO incident_line (incident, nth, row) VALUES (?1, ?2, ?3)";
const DECISION: &str = "INSERT OR IGNORE INTO decision (key, alert, row) VALUES (?1, ?2, ?3)";
const LINES_GONE: &str = "DELETE FROM incident_line WHERE incident = ?1";
const GROUP_GONE: [&str; 1] = ["DELETE FROM alert_group WHERE id = ?1"];
const INCIDENT_GONE: [&str; 2] = [LINES_GONE, "DELETE FROM incident WHERE id = ?1"];

/// Writes what changed, in its order. Of a group only how it is in the end.
pub(super) fn put(
    transaction: &Transaction<'_>,
    changes: &[Change],
    packs: &mut Packs,
) -> rusqlite::Result<()> {
    let last_of_group = last_of_groups(changes);
    let mut alerts = alert::Alerts::new(transaction, packs);
    let mut ready = Ready { transaction, group: None, line: None };
    for (place, change) in changes.iter().enumerate() {
        match change {
            Change::Alert(id, alert) => alerts.put(*id, alert)?,
            Change::Seen { id, ends_at, updated_at } => alerts.seen(*id, *ends_at, *updated_at)?,
            Change::Group(row) if last_of_group.get(&row.id) == Some(&place) => {
                ready.group()?.execute(params![row.id.cast_signed(), change.to_text()])?;
            }
            Change::Group(_) => {}
            Change::Line { incident, nth, .. } => {
                ready.line()?.execute(params![incident.cast_signed(), nth, change.to_text()])?;
            }
            Change::Incident(incident) => {
                let id = incident.number.cast_signed();
                transaction.prepare_cached(LINES_GONE)?.execute([id])?;
                transaction.prepare_cached(INCIDENT)?.execute(params![id, change.to_text()])?;
            }
            Change::Decision(decision) => {
                let row = change.to_text().unwrap_or_default();
                let key = InstantKey::new(decision.at, decision.nth);
                put_decision(transaction, key, decision.alert.fingerprint(), &row)?;
            }
            Change::Wait(wait) => {
                let mut statement = transaction.prepare_cached(WAIT)?;
                let row = change.to_text();
                put_at(wait.key(), |key| statement.execute(params![key, row]))?;
            }
            Change::AlertGone(id) => alerts.gone(*id)?,
            Change::GroupGone(id) => remove(transaction, &GROUP_GONE, *id)?,
            Change::IncidentGone(id) => remove(transaction, &INCIDENT_GONE, *id)?,
            Change::Silence(_) | Change::SilenceGone(_) => {
                put_row(transaction, table(Table::Silence), &change.key(), change.to_text())?;
            }
        }
    }
    alerts.finish()
}

/// Where the last change of each group is.
fn last_of_groups(changes: &[Change]) -> HashMap<u64, usize> {
    let groups = changes.iter().enumerate().filter_map(|(place, change)| match change {
        Change::Group(row) => Some((row.id, place)),
        _ => None,
    });
    groups.collect()
}

/// The statements of what comes by the thousand, each looked up when it is first needed.
struct Ready<'t, 'c> {
    transaction: &'t Transaction<'c>,
    group: Option<CachedStatement<'t>>,
    line: Option<CachedStatement<'t>>,
}

impl<'t> Ready<'t, '_> {
    fn group(&mut self) -> rusqlite::Result<&mut CachedStatement<'t>> {
        ready(self.transaction, &mut self.group, GROUP)
    }

    fn line(&mut self) -> rusqlite::Result<&mut CachedStatement<'t>> {
        ready(self.transaction, &mut self.line, LINE)
    }
}

fn remove(transaction: &Transaction<'_>, statements: &[&str], id: u64) -> rusqlite::Result<()> {
    statements
        .iter()
        .try_for_each(|sql| transaction.prepare_cached(sql)?.execute([id.cast_signed()]).map(drop))
}

/// Adds a decision.
pub(super) fn put_decision(
    transaction: &Transaction<'_>,
    key: InstantKey,
    alert: u64,
    row: &str,
) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached(DECISION)?;
    put_at(key, |key| statement.execute(params![key, alert.cast_signed(), row]))
}

/// Puts a row at its key, or at the next one that is free: what was decided in the same instant and place before the clock
/// was set back stays.
fn put_at(key: InstantKey, mut put: impl FnMut(i64) -> rusqlite::Result<usize>) -> rusqlite::Result<()> {
    for key in key.0.. {
        if put(key)? > 0 {
            break;
        }
    }
    Ok(())
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
        Table::Line => "incident_line",
        Table::Decision => "decision",
    }
}

/// What the router starts from.
pub(super) fn load_alerts(connection: &Connection) -> Result<Vec<Change>, Error> {
    let mut changes = load_numbered(connection).map_err(|bad| bad.reading("alerts"))?;
    for of in Table::ALL {
        let name = table(of);
        let last = |columns: &str, max: i64| {
            format!(
                "SELECT {columns} FROM (SELECT * FROM {name} ORDER BY key DESC LIMIT {max}) AS last ORDER BY last.key"
            )
        };
        let sql = match of {
            Table::Alert | Table::Seen => continue,
            Table::Decision => last("CAST(key AS TEXT), row", DECISIONS_MAX),
            Table::Wait => last("CAST(key AS TEXT), row", WAITS_MAX),
            Table::Line => format!("SELECT incident || '/' || nth, row FROM {name} ORDER BY incident, nth"),
            Table::Group | Table::Incident => {
                format!("SELECT CAST(id AS TEXT), row FROM {name} ORDER BY {name}.id")
            }
            Table::Silence => format!("SELECT key, row FROM {name} ORDER BY key"),
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
    let alerts = alert::load(connection)?.into_iter();
    let mut changes: Vec<Change> = alerts.map(|(id, alert)| Change::Alert(id, alert)).collect();
    changes.extend(collect(connection, "SELECT id, ends_at, updated_at FROM alert_seen", |row| {
        Ok(Change::Seen {
            id: row.get::<_, i64>(0)?.cast_unsigned(),
            ends_at: row.get::<_, Option<i64>>(1)?.map(Timestamp::from_millis),
            updated_at: Timestamp::from_millis(row.get(2)?),
        })
    })?);
    Ok(changes)
}

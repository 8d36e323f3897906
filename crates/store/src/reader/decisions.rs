//! Whom alerts were told to, and why not.

use super::{Reader, Sql, many};
use crate::{Error, rows};
use alerts::{Change, InstantKey, Table};
use model::{Decision, Labels, Timestamp};
use std::time::Duration;

/// The latest rows about alerts that waited that are looked through for one alert.
const WAITS_MAX: i64 = 100_000;

/// Decisions about alerts of one fingerprint, by the index.
pub(crate) const ABOUT: &str = "SELECT CAST(key AS TEXT), row FROM decision WHERE alert = ?1 AND key < ?2 \
     ORDER BY decision.key DESC LIMIT ?3";

impl Reader {
    /// The router's decisions about one alert up to `until`, newest first, at most `limit`.
    pub fn decisions_about(
        &self,
        alert: &Labels,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Decision>, Error> {
        let values =
            [Sql::from(alert.fingerprint().cast_signed()), Sql::from(before(until)), Sql::from(limit as i64)];
        let mut found: Vec<Decision> = self
            .read_rows(Table::Decision, ABOUT, values)?
            .into_iter()
            .filter_map(|change| if let Change::Decision(decision) = change { Some(decision) } else { None })
            .filter(|decision| decision.alert == *alert)
            .collect();
        found.extend(self.waits_of(alert, until, limit)?);
        found.sort_by_key(|decision| std::cmp::Reverse((decision.at, decision.nth)));
        found.truncate(limit);
        Ok(found)
    }

    /// The decisions that let it wait, newest first.
    fn waits_of(&self, alert: &Labels, until: Timestamp, limit: usize) -> Result<Vec<Decision>, Error> {
        let fingerprint = alert.fingerprint();
        let sql = format!(
            "SELECT CAST(key AS TEXT), row FROM (SELECT key, row FROM wait WHERE key < ?1 ORDER BY key DESC \
             LIMIT {WAITS_MAX}) WHERE instr(row, ?2) > 0 LIMIT ?3"
        );
        let values =
            [Sql::from(before(until)), Sql::from(format!("{fingerprint:016x}")), Sql::from(limit as i64)];
        let decisions = |change| match change {
            Change::Wait(wait) => wait.decisions(|of| (of == fingerprint).then(|| alert.clone())),
            _ => Vec::new(),
        };
        Ok(self.read_rows(Table::Wait, &sql, values)?.into_iter().flat_map(decisions).collect())
    }

    fn read_rows(&self, table: Table, sql: &str, values: [Sql; 3]) -> Result<Vec<Change>, Error> {
        let found = self.read("decisions", |connection| {
            many(connection, sql, values, |row| {
                let key: String = row.get(0)?;
                let value = rows::json(&key, table.as_str(), row.get(1)?)?;
                Ok(Change::from_json(table, &key, &value))
            })
        })?;
        Ok(found.into_iter().flatten().collect())
    }
}

/// The key before which all was decided by `until`.
fn before(until: Timestamp) -> i64 {
    InstantKey::first(until.plus(Duration::from_millis(1))).0
}

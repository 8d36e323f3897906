//! Whom alerts were told to, and why not.

use super::{Reader, Sql, many};
use crate::{Error, rows};
use alerts::{Change, Table, Wait};
use model::{Decision, Labels, Timestamp};

/// The latest rows about alerts that waited that are looked through for one alert.
const WAITS_MAX: i64 = 100_000;

/// Decisions about one alert, by the index on its part of their keys.
pub(crate) const ABOUT: &str = "SELECT key, row FROM decision WHERE substr(key, 15, 16) = ?1 AND key < ?2 \
     ORDER BY key DESC LIMIT ?3";

impl Reader {
    /// The router's decisions about one alert up to `until`, newest first, at most `limit`.
    pub fn decisions_about(
        &self,
        alert: &Labels,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Decision>, Error> {
        // After its time a decision's key has the alert's fingerprint: by that it is indexed.
        let before = until.as_millis().saturating_add(1);
        let values = [
            Sql::from(format!("{:016x}", alert.fingerprint())),
            Sql::from(format!("{before:013}")),
            Sql::from(limit as i64),
        ];
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
        let before = Wait::first_key(until.plus(std::time::Duration::from_millis(1)));
        let sql = format!(
            "SELECT CAST(key AS TEXT), row FROM (SELECT key, row FROM wait WHERE key < ?1 ORDER BY key DESC \
             LIMIT {WAITS_MAX}) WHERE instr(row, ?2) > 0 LIMIT ?3"
        );
        let values = [Sql::from(before), Sql::from(Wait::mark(fingerprint)), Sql::from(limit as i64)];
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

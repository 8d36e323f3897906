//! Whom alerts were told to, and why not.

use super::{Reader, Sql, many};
use crate::{Error, rows};
use model::{Decision, Labels, Timestamp};

/// Decisions about one alert, by the index on its part of their keys.
pub(crate) const ABOUT: &str = "SELECT key, row FROM decision WHERE substr(key, 15, 16) = ?1 AND key < ?2 \
     ORDER BY key DESC LIMIT ?3";

impl Reader {
    /// The router's decisions from `from` to `to`, newest first, at most `limit`.
    pub fn decisions(&self, from: Timestamp, to: Timestamp, limit: usize) -> Result<Vec<Decision>, Error> {
        let key = |at: Timestamp| Sql::from(format!("{:013}", at.as_millis()));
        let sql = "SELECT key, row FROM decision WHERE key >= ?1 AND key < ?2 ORDER BY key DESC LIMIT ?3";
        let until = Timestamp::from_millis(to.as_millis().saturating_add(1));
        let values = [key(from), key(until), Sql::from(limit as i64)];
        self.read_decisions(sql, values)
    }

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
        let found = self.read_decisions(ABOUT, values)?;
        Ok(found.into_iter().filter(|decision| decision.alert == *alert).collect())
    }

    fn read_decisions(&self, sql: &str, values: [Sql; 3]) -> Result<Vec<Decision>, Error> {
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
}

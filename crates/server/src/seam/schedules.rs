//! Calendars of holidays, as they are read and changed.

use super::Failure;
use futures_util::future::BoxFuture;
use serde_json::Value;
use std::collections::BTreeMap;
use tasks::schedule::Calendar;

/// Reads and changes calendars; a change answers after its commit.
pub trait Schedules: Send + Sync {
    /// All calendars by name.
    fn calendars(&self) -> BoxFuture<'_, BTreeMap<String, Calendar>>;
    /// Makes or replaces one from `{dates: [...]}`.
    fn put_calendar(&self, name: String, row: Value, by: String) -> BoxFuture<'_, Result<Calendar, Failure>>;
    /// Removes one that no schedule names; false if there is none.
    fn delete_calendar(&self, name: String) -> BoxFuture<'_, Result<bool, Failure>>;
}

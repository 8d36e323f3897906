//! Calendars: days on which schedules that name them do not fire.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use model::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The most days of a calendar.
pub const DAYS_MAX: usize = 5_000;

/// A calendar of days without work; a day begins and ends in the zone of the schedule that asks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Calendar {
    days: BTreeSet<Date>,
    /// Month and day.
    yearly: BTreeSet<(i8, i8)>,
}

impl Calendar {
    /// From `{dates: ["2026-12-24", "12-25"]}`; a date without its year is one of each year. The error says what
    /// is wrong.
    pub fn read(row: &Value) -> Result<Calendar, String> {
        let dates = row["dates"].as_array().ok_or("must be a list of dates such as 2026-12-24 or 12-25")?;
        if dates.len() > DAYS_MAX {
            return Err(format!("has {} dates, more than the {DAYS_MAX} taken", dates.len()));
        }
        let mut calendar = Calendar::default();
        for date in dates {
            let bad = || format!("{date} is no date such as 2026-12-24 or 12-25");
            let text = date.as_str().ok_or_else(bad)?;
            match text.len() {
                // A year that has every day.
                5 => {
                    let day: Date = format!("2000-{text}").parse().map_err(|_| bad())?;
                    calendar.yearly.insert((day.month(), day.day()));
                }
                10 => {
                    calendar.days.insert(text.parse().map_err(|_| bad())?);
                }
                _ => return Err(bad()),
            }
        }
        Ok(calendar)
    }

    /// What [`Calendar::read`] reads, sorted.
    pub fn to_json(&self) -> Value {
        let yearly = self.yearly.iter().map(|(month, day)| format!("{month:02}-{day:02}"));
        let dates: Vec<String> = yearly.chain(self.days.iter().map(Date::to_string)).collect();
        json!({"dates": dates})
    }

    /// If an instant lies on one of the days in `zone`: the last millisecond of that day.
    pub(crate) fn ends(&self, at: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let instant = jiff::Timestamp::from_millisecond(at.as_millis()).ok()?;
        let date = zone.to_datetime(instant).date();
        if !self.days.contains(&date) && !self.yearly.contains(&(date.month(), date.day())) {
            return None;
        }
        let midnight = DateTime::from_parts(date.tomorrow().ok()?, jiff::civil::Time::midnight());
        let end = zone.to_ambiguous_timestamp(midnight).compatible().ok()?;
        Some(Timestamp::from_millis(end.as_millisecond() - 1).max(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::zone;

    #[test]
    fn days_of_one_year_and_of_each() {
        let calendar = Calendar::read(&json!({"dates": ["2026-05-01", "12-25", "02-29"]})).expect("dates");
        assert_eq!(calendar.to_json(), json!({"dates": ["02-29", "12-25", "2026-05-01"]}));
        let berlin = zone("Europe/Berlin").expect("a zone");
        for (at, ends) in [
            ("2026-04-30T21:59:59Z", None),
            ("2026-04-30T22:00:00Z", Some("2026-05-01T21:59:59.999Z")),
            ("2027-05-01T12:00:00Z", None),
            ("2027-12-25T12:00:00Z", Some("2027-12-25T22:59:59.999Z")),
        ] {
            let at = Timestamp::parse_rfc3339(at).expect(at);
            assert_eq!(calendar.ends(at, &berlin).map(Timestamp::rfc3339).as_deref(), ends, "{at:?}");
        }
        for bad in
            [json!({}), json!({"dates": [1]}), json!({"dates": ["2026-02-30"]}), json!({"dates": ["x"]})]
        {
            assert!(Calendar::read(&bad).is_err(), "{bad}");
        }
    }
}

//! Windows that come back each week: in which a silence acts.
//!
//! Invariant: a window that was read needs no further look at its text; one that begins late in the evening and ends
//! early in the morning belongs to the day on which it begins.

use crate::interval::{minute, range_of, weekday};
use jiff::tz::TimeZone;
use jiff::{ToSpan, civil::Date};
use model::Timestamp;

/// Days in which the next edge of a window is looked for.
const DAYS_AHEAD: i64 = 9;
const DAY_MINUTES: u32 = 24 * 60;

/// As people write it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WindowText {
    /// `monday`, `monday:friday`; none: every day.
    pub weekdays: Vec<String>,
    /// `22:00`.
    pub start: String,
    /// `06:00`; not after `start` means: on the next day.
    pub end: String,
    /// A tz database name; empty: UTC.
    pub zone: String,
}

/// A window.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    text: WindowText,
    /// 0 is Sunday.
    days: Vec<(i32, i32)>,
    from: u32,
    to: u32,
    zone: TimeZone,
}

impl Window {
    /// Reads what people wrote; the error says which field is wrong, and how.
    pub fn read(text: WindowText) -> Result<Window, (&'static str, String)> {
        let days = text.weekdays.iter().map(|days| range_of(&days.to_lowercase(), weekday));
        let days = days.collect::<Result<Vec<_>, _>>().map_err(|why| ("weekdays", why))?;
        let from = minute(&text.start).map_err(|why| ("start", why))?;
        let to = minute(&text.end).map_err(|why| ("end", why))?;
        if from == DAY_MINUTES {
            return Err(("start", "a window cannot begin at 24:00; write 00:00".to_owned()));
        }
        let zone = match text.zone.as_str() {
            "" | "UTC" => TimeZone::UTC,
            name => TimeZone::get(name).map_err(|_| ("zone", format!("unknown time zone {name:?}")))?,
        };
        Ok(Window { days, from, to, zone, text })
    }

    /// What it was read from.
    pub fn text(&self) -> &WindowText {
        &self.text
    }

    /// Whether `at` is inside.
    pub fn contains(&self, at: Timestamp) -> bool {
        let Ok(instant) = jiff::Timestamp::from_millisecond(at.as_millis()) else { return false };
        let local = self.zone.to_datetime(instant);
        let minute = u32::from(local.hour().unsigned_abs()) * 60 + u32::from(local.minute().unsigned_abs());
        let today = self.begins_on(local.date());
        if self.from < self.to {
            return today && self.from <= minute && minute < self.to;
        }
        let yesterday = local.date().yesterday().is_ok_and(|day| self.begins_on(day));
        today && self.from <= minute || yesterday && minute < self.to
    }

    /// When it begins or ends next, after `at`.
    pub(crate) fn next_edge(&self, at: Timestamp) -> Option<Timestamp> {
        let instant = jiff::Timestamp::from_millisecond(at.as_millis()).ok()?;
        let first = self.zone.to_datetime(instant).date().yesterday().ok()?;
        let days = (0..DAYS_AHEAD).filter_map(|n| first.checked_add(n.days()).ok());
        let days = days.filter(|day| self.begins_on(*day));
        let edges = days.flat_map(|day| {
            let end = if self.from < self.to { Some(day) } else { day.tomorrow().ok() };
            [self.instant(Some(day), self.from), self.instant(end, self.to)]
        });
        edges.flatten().filter(|edge| *edge > at).min()
    }

    fn begins_on(&self, day: Date) -> bool {
        let weekday = i32::from(day.weekday().to_sunday_zero_offset());
        self.days.is_empty() || self.days.iter().any(|(from, to)| (*from..=*to).contains(&weekday))
    }

    fn instant(&self, day: Option<Date>, minute: u32) -> Option<Timestamp> {
        let day = if minute == DAY_MINUTES { day?.tomorrow().ok()? } else { day? };
        let (hour, minute) = ((minute / 60 % 24) as i8, (minute % 60) as i8);
        let local = day.at(hour, minute, 0, 0).to_zoned(self.zone.clone()).ok()?;
        Some(Timestamp::from_millis(local.timestamp().as_millisecond()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(weekdays: &[&str], start: &str, end: &str, zone: &str) -> Window {
        let weekdays = weekdays.iter().map(|days| (*days).to_owned()).collect();
        let text =
            WindowText { weekdays, start: start.to_owned(), end: end.to_owned(), zone: zone.to_owned() };
        Window::read(text).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    #[test]
    fn a_night_belongs_to_its_evening() {
        // 2026-11-21 is a Saturday.
        let nights = window(&["friday:saturday"], "22:00", "06:00", "Europe/Berlin");
        for (when, inside) in [
            ("2026-11-20T20:59:59Z", false),
            ("2026-11-20T21:00:00Z", true),
            ("2026-11-21T04:59:59Z", true),
            ("2026-11-21T05:00:00Z", false),
            ("2026-11-21T21:00:00Z", true),
            ("2026-11-22T04:59:59Z", true),
            ("2026-11-22T21:00:00Z", false),
        ] {
            assert_eq!(nights.contains(at(when)), inside, "{when}");
        }
        let edges: Vec<String> =
            ["2026-11-18T00:00:00Z", "2026-11-20T21:00:00Z", "2026-11-21T05:00:00Z", "2026-11-22T05:00:00Z"]
                .iter()
                .map(|from| nights.next_edge(at(from)).unwrap().rfc3339())
                .collect();
        assert_eq!(
            edges,
            [
                "2026-11-20T21:00:00.000Z",
                "2026-11-21T05:00:00.000Z",
                "2026-11-21T21:00:00.000Z",
                "2026-11-27T21:00:00.000Z"
            ]
        );
    }

    #[test]
    fn whole_days_and_bad_texts() {
        let sundays = window(&["sunday"], "00:00", "24:00", "");
        assert!(
            sundays.contains(at("2026-11-22T23:59:59Z")) && !sundays.contains(at("2026-11-23T00:00:00Z"))
        );
        assert_eq!(sundays.next_edge(at("2026-11-22T10:00:00Z")), Some(at("2026-11-23T00:00:00Z")));
        for (weekdays, start, end, zone, field) in [
            ("someday", "00:00", "01:00", "", "weekdays"),
            ("monday", "0:00", "01:00", "", "start"),
            ("monday", "24:00", "01:00", "", "start"),
            ("monday", "00:00", "25:00", "", "end"),
            ("monday", "00:00", "01:00", "Europe/Nowhere", "zone"),
        ] {
            let text = WindowText {
                weekdays: vec![weekdays.to_owned()],
                start: start.to_owned(),
                end: end.to_owned(),
                zone: zone.to_owned(),
            };
            assert_eq!(Window::read(text).unwrap_err().0, field);
        }
    }
}

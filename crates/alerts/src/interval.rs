//! Time intervals: named sets of weekly hours, days of the month, months and years in which a route is muted or
//! active.
//!
//! Invariant: a checked interval needs no further look at its text; its zone is loaded.

use crate::config::{TimeIntervalConfig, TimesConfig};
use jiff::{Zoned, tz::TimeZone};
use model::{Problem, Timestamp};
use serde_saphyr::Spanned;
use std::collections::BTreeMap;

/// Named intervals.
pub type Intervals = BTreeMap<String, Vec<TimeInterval>>;

/// Inside if all of its parts that are given are inside.
#[derive(Debug, Clone)]
pub struct TimeInterval {
    /// Minutes of the day, end exclusive.
    times: Option<Vec<(u32, u32)>>,
    /// 0 is Sunday.
    weekdays: Option<Vec<(i32, i32)>>,
    /// Negative ones count from the end of the month.
    days_of_month: Option<Vec<(i32, i32)>>,
    months: Option<Vec<(i32, i32)>>,
    years: Option<Vec<(i32, i32)>>,
    zone: TimeZone,
}

impl TimeInterval {
    /// Checks one interval; what is wrong goes to `problems`.
    pub fn resolve(raw: &TimesConfig, problems: &mut Vec<Problem>) -> TimeInterval {
        TimeInterval {
            times: raw.times.as_ref().map(|list| {
                list.iter()
                    .filter_map(|range| {
                        let (start, end) = (range.start_time.as_ref(), range.end_time.as_ref());
                        let found = minutes(start.map(|s| s.value.as_str()), end.map(|s| s.value.as_str()));
                        let place = start.or(end);
                        keep(found, place, problems)
                    })
                    .collect()
            }),
            weekdays: ranges(raw.weekdays.as_deref(), problems, |text| range_of(text, weekday)),
            days_of_month: ranges(raw.days_of_month.as_deref(), problems, days),
            months: ranges(raw.months.as_deref(), problems, |text| range_of(text, month)),
            years: ranges(raw.years.as_deref(), problems, |text| {
                range_of(text, |t| t.parse().map_err(|_| format!("{t:?} is not a year")))
            }),
            zone: zone(raw.location.as_ref(), problems),
        }
    }

    /// Whether `at` is inside.
    pub fn contains(&self, at: Timestamp) -> bool {
        let (first, last) = (jiff::Timestamp::MIN.as_millisecond(), jiff::Timestamp::MAX.as_millisecond());
        let Ok(instant) = jiff::Timestamp::from_millisecond(at.as_millis().clamp(first, last)) else {
            return false;
        };
        let local = Zoned::new(instant, self.zone.clone());
        let minute = u32::from(local.hour().unsigned_abs()) * 60 + u32::from(local.minute().unsigned_abs());
        let weekday = i32::from(local.weekday().to_sunday_zero_offset());
        within(&self.times, |(from, to)| from <= minute && minute < to)
            && within(&self.weekdays, |(from, to)| from <= weekday && weekday <= to)
            && within(&self.days_of_month, |range| in_days(range, &local))
            && within(&self.months, |(from, to)| (from..=to).contains(&i32::from(local.month())))
            && within(&self.years, |(from, to)| (from..=to).contains(&i32::from(local.year())))
    }

    /// Adds the instants between `from` and `until` at which it may begin or end: midnights, and its times of day.
    pub(crate) fn edges(&self, from: Timestamp, until: Timestamp, edges: &mut Vec<Timestamp>) {
        let Ok(first) = jiff::Timestamp::from_millisecond(from.as_millis()) else { return };
        let mut day = self.zone.to_datetime(first).date();
        loop {
            let midnight = [0].into_iter();
            let minutes = midnight.chain(self.times.iter().flatten().flat_map(|(from, to)| [*from, *to]));
            let mut latest = Timestamp::MIN;
            for minute in minutes {
                let (hour, minute) = ((minute / 60) as i8, (minute % 60) as i8);
                let (date, hour) = if hour < 24 { (Some(day), hour) } else { (day.tomorrow().ok(), 0) };
                let local = date.map(|date| date.at(hour, minute, 0, 0).to_zoned(self.zone.clone()));
                let Some(Ok(local)) = local else { return };
                let edge = Timestamp::from_millis(local.timestamp().as_millisecond());
                latest = latest.max(edge);
                edges.push(edge);
            }
            let Ok(next) = day.tomorrow() else { return };
            if latest > until {
                return;
            }
            day = next;
        }
    }
}

/// All named intervals of a file; each name once.
pub(crate) fn resolve_named<'a>(
    raw: impl Iterator<Item = &'a TimeIntervalConfig>,
    problems: &mut Vec<Problem>,
) -> Intervals {
    let mut named = Intervals::new();
    for interval in raw {
        let Some(name) = interval.name.as_ref().filter(|name| !name.value.is_empty()) else {
            problems.push(Problem::error(0, 0, "a time interval has no name", "give it a name: line"));
            continue;
        };
        let parts = interval.time_intervals.iter().flatten();
        let parts = parts.map(|raw| TimeInterval::resolve(raw, problems)).collect();
        if named.insert(name.value.clone(), parts).is_some() {
            problems.push(crate::config::error(
                name,
                format!("time interval {:?} is defined twice", name.value),
                "give each a name of its own",
            ));
        }
    }
    named
}

fn within<T: Copy>(ranges: &Option<Vec<T>>, inside: impl Fn(T) -> bool) -> bool {
    ranges.as_ref().is_none_or(|ranges| ranges.iter().any(|range| inside(*range)))
}

fn in_days((from, to): (i32, i32), local: &Zoned) -> bool {
    let days = i32::from(local.days_in_month());
    let place = |day: i32| if day < 0 { days + day + 1 } else { day };
    let (from, to) = (place(from), place(to).min(days));
    (from..=to).contains(&i32::from(local.day()))
}

fn keep<T>(
    found: Result<T, String>,
    place: Option<&Spanned<String>>,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    found
        .map_err(|what| {
            problems.push(match place {
                Some(place) => crate::config::error(place, what, ""),
                None => Problem::error(0, 0, what, ""),
            });
        })
        .ok()
}

fn ranges(
    texts: Option<&[Spanned<String>]>,
    problems: &mut Vec<Problem>,
    read: impl Fn(&str) -> Result<(i32, i32), String>,
) -> Option<Vec<(i32, i32)>> {
    let texts = texts?;
    Some(
        texts
            .iter()
            .filter_map(|text| keep(read(&text.value.to_lowercase()), Some(text), problems))
            .collect(),
    )
}

/// `A` or `A:B` with A not after B.
pub(crate) fn range_of(text: &str, read: impl Fn(&str) -> Result<i32, String>) -> Result<(i32, i32), String> {
    let (from, to) = text.split_once(':').unwrap_or((text, text));
    let (from, to) = (read(from.trim())?, read(to.trim())?);
    if from > to { Err(format!("{text:?} ends before it starts")) } else { Ok((from, to)) }
}

fn days(text: &str) -> Result<(i32, i32), String> {
    let read = |day: &str| match day.trim().parse::<i32>() {
        Ok(day) if day != 0 && (-31..=31).contains(&day) => Ok(day),
        _ => Err(format!("{day:?} is not a day of the month: 1 to 31, or -31 to -1 from its end")),
    };
    let (from, to) = text.split_once(':').unwrap_or((text, text));
    let (from, to) = (read(from)?, read(to)?);
    if from < 0 && to > 0 {
        return Err(format!("{text:?} starts from the month's end, so it must end there too"));
    }
    // In the longest month; shorter ones cut the range.
    let place = |day: i32| if day < 0 { 32 + day } else { day };
    if place(from) > place(to) {
        Err(format!("{text:?} always ends before it starts"))
    } else {
        Ok((from, to))
    }
}

pub(crate) fn weekday(text: &str) -> Result<i32, String> {
    const DAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
    position(&DAYS, text).ok_or_else(|| format!("{text:?} is not a weekday; write it out: monday"))
}

fn month(text: &str) -> Result<i32, String> {
    const MONTHS: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let number = text.parse().ok().filter(|n| (1..=12).contains(n));
    number
        .or_else(|| position(&MONTHS, text).map(|i| i + 1))
        .ok_or_else(|| format!("{text:?} is not a month: 1 to 12, or january to december"))
}

fn position(names: &[&str], text: &str) -> Option<i32> {
    names.iter().position(|name| *name == text).and_then(|i| i32::try_from(i).ok())
}

fn minutes(start: Option<&str>, end: Option<&str>) -> Result<(u32, u32), String> {
    let (Some(start), Some(end)) = (start, end) else {
        return Err("a time range needs both start_time and end_time".to_owned());
    };
    let (from, to) = (minute(start)?, minute(end)?);
    if from >= to {
        return Err(format!(
            "start_time {start} is not before end_time {end}; split a night into two ranges"
        ));
    }
    Ok((from, to))
}

pub(crate) fn minute(text: &str) -> Result<u32, String> {
    let two = |text: &str| text.parse::<u32>().ok().filter(|_| text.len() == 2 && !text.starts_with('+'));
    let parts = text.split_once(':').and_then(|(h, m)| Some((two(h)?, two(m)?)));
    match parts {
        Some((24, 0)) => Ok(24 * 60),
        Some((hour @ 0..24, minute @ 0..60)) => Ok(hour * 60 + minute),
        _ => Err(format!("{text:?} is not a time of day between 00:00 and 24:00")),
    }
}

pub(crate) fn zone(name: Option<&Spanned<String>>, problems: &mut Vec<Problem>) -> TimeZone {
    let Some(name) = name.filter(|name| !name.value.is_empty()) else { return TimeZone::UTC };
    match name.value.as_str() {
        "UTC" => TimeZone::UTC,
        "Local" => TimeZone::system(),
        text => TimeZone::get(text).unwrap_or_else(|_| {
            problems.push(crate::config::error(
                name,
                format!("unknown time zone {text:?}"),
                "write a name of the tz database, such as Europe/Berlin",
            ));
            TimeZone::UTC
        }),
    }
}

//! The lines around a rule: `DTSTART;TZID=Europe/Berlin:20260101T083000`, `RRULE:...`, `RDATE:...`, `EXDATE:...`.
//!
//! Lines end at line ends or blanks; a line that begins with no name goes on from the one before. Small letters
//! are as good as capitals, but for those of zones.

use super::days::{DAY, civil_of, day_number, month_len, seconds_of};
use super::rule::{Until, fail};
use crate::schedule::{Fold, Gap, Policy, ScheduleError, zone};
use jiff::tz::{AmbiguousOffset, TimeZone};
use model::Timestamp;

/// What the lines say, before anything is made of it.
#[derive(Debug, Default)]
pub(super) struct Lines {
    start: Option<Dated>,
    /// The text of each RRULE, in capitals.
    pub(super) rules: Vec<String>,
    /// The text of each EXRULE.
    pub(super) but_rules: Vec<String>,
    dates: Vec<Dated>,
    but: Vec<Dated>,
}

/// A property whose value is dates.
#[derive(Debug)]
struct Dated {
    name: &'static str,
    zone: Option<String>,
    values: Vec<String>,
}

/// One date or time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// The number of the day.
    Day(i64),
    /// A wall-clock time.
    Civil(i64),
    /// In UTC, in seconds.
    Instant(i64),
}

const NAMES: [&str; 5] = ["DTSTART", "RRULE", "EXRULE", "RDATE", "EXDATE"];
/// The most rules of one set.
const RULES_MAX: usize = 16;

impl Lines {
    pub(super) fn read(text: &str) -> Result<Lines, ScheduleError> {
        let mut lines = Lines::default();
        for line in split(text) {
            lines.read_line(&line)?;
        }
        if lines.rules.len() + lines.but_rules.len() > RULES_MAX {
            return Err(ScheduleError::Expression(format!("there are more than {RULES_MAX} rules")));
        }
        Ok(lines)
    }

    fn read_line(&mut self, line: &str) -> Result<(), ScheduleError> {
        let (name, value) = match line.split_once(':') {
            Some((name, value)) => (name, value),
            None => ("RRULE", line),
        };
        let (name, params) = name.split_once(';').unwrap_or((name, ""));
        let upper = name.to_ascii_uppercase();
        match upper.as_str() {
            "RRULE" => self.rules.push(value.to_ascii_uppercase()),
            "EXRULE" => self.but_rules.push(value.to_ascii_uppercase()),
            "RDATE" => self.dates.push(Dated::read("RDATE", params, value)?),
            "EXDATE" => self.but.push(Dated::read("EXDATE", params, value)?),
            "DTSTART" if self.start.is_some() => {
                return Err(ScheduleError::Expression("DTSTART is there twice".to_owned()));
            }
            "DTSTART" => self.start = Some(Dated::read("DTSTART", params, value)?),
            _ => {
                return Err(ScheduleError::Expression(format!(
                    "{name:?} is not taken; known: {}",
                    NAMES.join(" ")
                )));
            }
        }
        Ok(())
    }

    /// The zone that DTSTART names.
    pub(super) fn zone_of_start(&self) -> Result<Option<TimeZone>, ScheduleError> {
        let Some(start) = &self.start else { return Ok(None) };
        match (&start.zone, start.values.first().map(String::as_str)) {
            (Some(name), _) => zone(name).map(Some),
            (None, Some(value)) if value.ends_with(['Z', 'z']) => Ok(Some(TimeZone::UTC)),
            _ => Ok(None),
        }
    }

    /// DTSTART as a wall-clock time of the zone.
    pub(super) fn start(&self, zone: &TimeZone) -> Result<Option<i64>, ScheduleError> {
        let Some(start) = &self.start else { return Ok(None) };
        match &start.values[..] {
            [one] => match moment("DTSTART", one)? {
                Moment::Day(day) => Ok(Some(day * DAY)),
                Moment::Civil(civil) => Ok(Some(civil)),
                Moment::Instant(at) => Ok(Some(civil_in(at, zone))),
            },
            _ => Err(ScheduleError::Expression("DTSTART has one time".to_owned())),
        }
    }

    /// The instants of RDATE.
    pub(super) fn dates(&self, of_start: &TimeZone, policy: Policy) -> Result<Vec<Timestamp>, ScheduleError> {
        let mut found = Vec::new();
        for line in &self.dates {
            let zone = line.zone(of_start)?;
            for value in &line.values {
                // Of a period, its begin.
                let begin = value.split('/').next().unwrap_or_default();
                match moment(line.name, begin)? {
                    Moment::Instant(at) => found.push(at),
                    Moment::Civil(civil) => found.extend(instants(civil, &zone, policy)),
                    Moment::Day(day) => found.extend(instants(day * DAY, &zone, policy)),
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(found.into_iter().map(|at| Timestamp::from_millis(at.saturating_mul(1000))).collect())
    }

    /// What EXDATE takes out.
    pub(super) fn excluded(&self, of_start: &TimeZone) -> Result<Moments, ScheduleError> {
        let mut found = Moments::default();
        for line in &self.but {
            let zone = line.zone(of_start)?;
            for value in &line.values {
                match moment(line.name, value)? {
                    Moment::Instant(at) => found.instants.push(at),
                    Moment::Day(day) => found.days.push(day),
                    Moment::Civil(civil) => {
                        let both = Policy { gap: Gap::Shift, fold: Fold::Both };
                        found.instants.extend(instants(civil, &zone, both));
                    }
                }
            }
        }
        found.instants.sort_unstable();
        found.days.sort_unstable();
        Ok(found)
    }
}

/// Instants and whole days.
#[derive(Debug, Clone, Default)]
pub(super) struct Moments {
    instants: Vec<i64>,
    days: Vec<i64>,
}

impl Moments {
    pub(super) fn has(&self, at: Timestamp, zone: &TimeZone) -> bool {
        let at = at.as_millis().div_euclid(1000);
        self.instants.binary_search(&at).is_ok()
            || !self.days.is_empty() && self.days.binary_search(&civil_in(at, zone).div_euclid(DAY)).is_ok()
    }
}

/// UNTIL: an instant, or a time of the zone; of a day, its midnight.
pub(super) fn until(text: &str) -> Result<Until, ScheduleError> {
    Ok(match moment("UNTIL", text)? {
        Moment::Instant(at) => Until::Instant(at),
        Moment::Civil(civil) => Until::Civil(civil),
        Moment::Day(day) => Until::Civil(day * DAY),
    })
}

impl Dated {
    fn read(name: &'static str, params: &str, value: &str) -> Result<Dated, ScheduleError> {
        let mut zone = None;
        for param in params.split(';').filter(|param| !param.is_empty()) {
            let (key, value) = param.split_once('=').unwrap_or((param, ""));
            match key.to_ascii_uppercase().as_str() {
                "TZID" => zone = Some(value.trim_matches('"').to_owned()),
                "VALUE" => {}
                _ => return Err(fail(name, param, "must be TZID=ZONE or VALUE=DATE, DATE-TIME or PERIOD")),
            }
        }
        Ok(Dated { name, zone, values: value.split(',').map(str::to_owned).collect() })
    }

    fn zone(&self, of_start: &TimeZone) -> Result<TimeZone, ScheduleError> {
        self.zone.as_deref().map_or_else(|| Ok(of_start.clone()), zone)
    }
}

/// Cuts a text into lines.
fn split(text: &str) -> Vec<String> {
    let text = text.replace("\\r", "\n").replace("\\n", "\n");
    let begins_line = |word: &str, before: &str| {
        let name = word.split([':', ';', '=']).next().unwrap_or_default();
        let is_rule = name.eq_ignore_ascii_case("FREQ") && !before.ends_with([':', ';', ',']);
        is_rule || NAMES.iter().any(|known| known.eq_ignore_ascii_case(name))
    };
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if !begins_line(word, line) => line.push_str(word),
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// `19970902T090000`, with a `Z` in UTC, or `19970902`; dashes and colons between do no harm.
fn moment(name: &'static str, text: &str) -> Result<Moment, ScheduleError> {
    let bad = || fail(name, text, "must be a time such as 20260131T083000, in UTC 20260131T083000Z");
    let (digits, utc) = match text.strip_suffix(['Z', 'z']) {
        Some(digits) => (digits, true),
        None => (text, false),
    };
    let (date, time) = match digits.split_once(['T', 't']) {
        Some((date, time)) => (date, Some(time)),
        None => (digits, None),
    };
    let plain = |text: &str, len: usize, between: char| {
        let digits: String = text.chars().filter(|c| *c != between).collect();
        let well = digits.len() == len && digits.bytes().all(|b| b.is_ascii_digit());
        if well { Ok(digits) } else { Err(bad()) }
    };
    let number = |text: &str| text.parse::<u32>().map_err(|_| bad());
    let date = plain(date, 8, '-')?;
    let (year, month, day) = (number(&date[..4])?, number(&date[4..6])?, number(&date[6..])?);
    if !(1..=12).contains(&month) || !(1..=month_len(i64::from(year), month)).contains(&day) {
        return Err(bad());
    }
    let day = day_number(i64::from(year), month, day);
    let Some(time) = time else { return Ok(Moment::Day(day)) };
    let time = plain(time, 6, ':')?;
    let (hour, minute, second) = (number(&time[..2])?, number(&time[2..4])?, number(&time[4..])?);
    if hour > 23 || minute > 59 || second > 60 {
        return Err(bad());
    }
    let seconds = day * DAY + i64::from(hour * 3600 + minute * 60 + second.min(59));
    Ok(if utc { Moment::Instant(seconds) } else { Moment::Civil(seconds) })
}

/// The wall-clock time of an instant.
fn civil_in(at: i64, zone: &TimeZone) -> i64 {
    jiff::Timestamp::from_second(at).map_or(at, |at| seconds_of(zone.to_datetime(at)))
}

/// The instants of one wall-clock time.
fn instants(civil: i64, zone: &TimeZone, policy: Policy) -> Vec<i64> {
    let Some(time) = civil_of(civil) else { return Vec::new() };
    let at = |offset: jiff::tz::Offset| civil - i64::from(offset.seconds());
    match zone.to_ambiguous_timestamp(time).offset() {
        AmbiguousOffset::Unambiguous { offset } => vec![at(offset)],
        AmbiguousOffset::Gap { .. } if policy.gap == Gap::Skip => Vec::new(),
        AmbiguousOffset::Gap { before, .. } => vec![at(before)],
        AmbiguousOffset::Fold { before, after } => match policy.fold {
            Fold::First => vec![at(before)],
            Fold::Second => vec![at(after)],
            Fold::Both => vec![at(before), at(after)],
        },
    }
}

//! One recurrence rule, `FREQ=...;...`: reading it.

use super::days::{DAY, date_of, weekday};
use crate::schedule::ScheduleError;

/// How often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Freq {
    Yearly,
    Monthly,
    Weekly,
    Daily,
    Hourly,
    Minutely,
    Secondly,
}

/// The last time it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// A wall-clock time, inclusive.
    Civil(i64),
    /// An instant in seconds, inclusive.
    Instant(i64),
}

/// A rule and the time it starts from, whose parts fill what the rule leaves out. Empty is "any".
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) freq: Freq,
    pub(super) interval: i64,
    pub(super) count: Option<u32>,
    pub(super) until: Option<Until>,
    /// The first day of the week; 0 is Monday.
    pub(super) week_start: u32,
    /// The wall-clock time it starts from.
    pub(super) start: i64,
    /// Bit n is month n.
    pub(super) months: u16,
    /// Bit n is day n, and day n from the end.
    pub(super) month_days: (u32, u32),
    pub(super) year_days: Vec<i16>,
    pub(super) weeks: Vec<i16>,
    /// Bit 0 is Monday.
    pub(super) weekdays: u8,
    /// The nth of a weekday in the month or year.
    pub(super) nth: Vec<(i16, u8)>,
    pub(super) hours: Vec<i16>,
    pub(super) minutes: Vec<i16>,
    pub(super) seconds: Vec<i16>,
    pub(super) positions: Vec<i16>,
}

/// The most occurrences that COUNT may ask for: each is gone through once.
const COUNT_MAX: u32 = 1_000_000;
const INTERVAL_MAX: u32 = 1_000_000_000;
const WEEKDAYS: [&str; 7] = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];

/// As it is written, before the start fills in what is left out.
#[derive(Default)]
struct Parts {
    freq: Option<Freq>,
    interval: Option<u32>,
    count: Option<u32>,
    until: Option<Until>,
    week_start: Option<u32>,
    months: Vec<i16>,
    month_days: Vec<i16>,
    year_days: Vec<i16>,
    weeks: Vec<i16>,
    days: Vec<(i16, u8)>,
    hours: Vec<i16>,
    minutes: Vec<i16>,
    seconds: Vec<i16>,
    positions: Vec<i16>,
}

pub(super) fn fail(part: &'static str, text: &str, what: impl Into<String>) -> ScheduleError {
    ScheduleError::Field { field: part, text: text.to_owned(), what: what.into() }
}

impl Rule {
    /// Reads `FREQ=...;...`, in upper case, for a start; `until` reads an instant or a local time.
    pub(super) fn read(
        text: &str,
        start: i64,
        until: &dyn Fn(&str) -> Result<Until, ScheduleError>,
    ) -> Result<Rule, ScheduleError> {
        let parts = Parts::read(text, until)?;
        let freq = parts.freq.ok_or_else(|| ScheduleError::Expression("a rule needs FREQ".to_owned()))?;
        if parts.count.is_some() && parts.until.is_some() {
            return Err(ScheduleError::Expression("a rule has COUNT or UNTIL, not both".to_owned()));
        }
        parts.check_ordinals(freq)?;
        let rule = parts.completed(freq, start);
        rule.check_reachable()?;
        Ok(rule)
    }

    /// With an interval, a rule of hours, minutes or seconds may pass by the times it asks for, for ever.
    fn check_reachable(&self) -> Result<(), ScheduleError> {
        let (step, places) = match self.freq {
            Freq::Hourly => (3600, self.minutes.len() * self.seconds.len()),
            Freq::Minutely => (60, self.seconds.len()),
            Freq::Secondly => (1, 1),
            _ => return Ok(()),
        };
        let beyond = |position: &i16| usize::from(position.unsigned_abs()) > places;
        if !self.positions.is_empty() && self.positions.iter().all(beyond) {
            let text = self.positions[0].to_string();
            return Err(fail(
                "BYSETPOS",
                &text,
                format!("there are never more than {places} to choose from"),
            ));
        }
        let step = gcd(self.interval.saturating_mul(step), DAY);
        let any = |given: &[i16], of: i64| -> Vec<i64> {
            if given.is_empty() { (0..of).collect() } else { given.iter().map(|n| i64::from(*n)).collect() }
        };
        let unit = if self.freq == Freq::Hourly { 3600 } else { 60 };
        let unit = if self.freq == Freq::Secondly { 1 } else { unit };
        let start = self.start.rem_euclid(DAY) / unit * unit;
        let (hours, minutes, seconds) =
            (any(&self.hours, 24), any(&self.minutes, 60), any(&self.seconds, 60));
        let reached = hours.iter().any(|hour| {
            minutes.iter().any(|minute| {
                seconds.iter().any(|second| {
                    let time = (hour * 3600 + minute * 60 + second) / unit * unit;
                    (time - start) % step == 0
                })
            })
        });
        if reached {
            return Ok(());
        }
        let what = "the interval steps over every time that BYHOUR, BYMINUTE and BYSECOND name";
        Err(ScheduleError::Expression(format!("INTERVAL={}: {what}", self.interval)))
    }
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl Parts {
    fn read(
        text: &str,
        until: &dyn Fn(&str) -> Result<Until, ScheduleError>,
    ) -> Result<Parts, ScheduleError> {
        let mut parts = Parts::default();
        let mut seen: Vec<&str> = Vec::new();
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let Some((name, value)) = part.split_once('=') else {
                return Err(ScheduleError::Expression(format!("{part:?} is not NAME=VALUE")));
            };
            let name = if name == "BYWEEKDAY" { "BYDAY" } else { name };
            if seen.contains(&name) {
                return Err(ScheduleError::Expression(format!("{name} is there twice")));
            }
            seen.push(name);
            parts.read_part(name, value, until)?;
        }
        Ok(parts)
    }

    fn read_part(
        &mut self,
        name: &str,
        value: &str,
        until: &dyn Fn(&str) -> Result<Until, ScheduleError>,
    ) -> Result<(), ScheduleError> {
        match name {
            "FREQ" => self.freq = Some(freq(value)?),
            "INTERVAL" => self.interval = Some(above_zero("INTERVAL", value, INTERVAL_MAX)?),
            "COUNT" => self.count = Some(above_zero("COUNT", value, COUNT_MAX)?),
            "UNTIL" => self.until = Some(until(value)?),
            "WKST" => match WEEKDAYS.iter().position(|day| *day == value) {
                Some(day) => self.week_start = Some(day as u32),
                None => return Err(fail("WKST", value, "must be one of MO TU WE TH FR SA SU")),
            },
            "BYMONTH" => self.months = numbers("BYMONTH", value, 1, 12, Sign::Plus)?,
            "BYMONTHDAY" => self.month_days = numbers("BYMONTHDAY", value, 1, 31, Sign::Both)?,
            "BYYEARDAY" => self.year_days = numbers("BYYEARDAY", value, 1, 366, Sign::Both)?,
            "BYWEEKNO" => self.weeks = numbers("BYWEEKNO", value, 1, 53, Sign::Both)?,
            "BYDAY" => self.days = value.split(',').map(nth_weekday).collect::<Result<_, _>>()?,
            "BYHOUR" => self.hours = numbers("BYHOUR", value, 0, 23, Sign::Plus)?,
            "BYMINUTE" => self.minutes = numbers("BYMINUTE", value, 0, 59, Sign::Plus)?,
            // Who knows no leap seconds reads 60 as 59, says the RFC.
            "BYSECOND" => {
                let seconds = numbers("BYSECOND", value, 0, 60, Sign::Plus)?;
                self.seconds = seconds.into_iter().map(|second| second.min(59)).collect();
                self.seconds.dedup();
            }
            "BYSETPOS" => self.positions = numbers("BYSETPOS", value, 1, 366, Sign::Both)?,
            _ => {
                return Err(ScheduleError::Expression(format!(
                    "{name:?} is no part of a rule; known: FREQ INTERVAL COUNT UNTIL WKST BYMONTH BYMONTHDAY \
                     BYYEARDAY BYWEEKNO BYDAY BYHOUR BYMINUTE BYSECOND BYSETPOS"
                )));
            }
        }
        Ok(())
    }

    /// `2MO` has a meaning only within a month or a year.
    fn check_ordinals(&self, freq: Freq) -> Result<(), ScheduleError> {
        let Some((n, day)) = self.days.iter().find(|(n, _)| *n != 0) else { return Ok(()) };
        let text = format!("{n}{}", WEEKDAYS[usize::from(*day)]);
        if freq > Freq::Monthly {
            return Err(fail("BYDAY", &text, "a number before the day needs FREQ=MONTHLY or FREQ=YEARLY"));
        }
        if freq == Freq::Yearly && !self.weeks.is_empty() {
            return Err(fail("BYDAY", &text, "a number before the day does not go with BYWEEKNO"));
        }
        let max = if freq == Freq::Monthly { 5 } else { 53 };
        match self.days.iter().find(|(n, _)| n.abs() > max) {
            Some((n, day)) => {
                let text = format!("{n}{}", WEEKDAYS[usize::from(*day)]);
                Err(fail("BYDAY", &text, format!("the number must be from -{max} to {max}")))
            }
            None => Ok(()),
        }
    }

    fn completed(mut self, freq: Freq, start: i64) -> Rule {
        let (_, month, day) = date_of(start.div_euclid(DAY));
        let time = start.rem_euclid(DAY);
        let no_days = self.weeks.is_empty() && self.year_days.is_empty() && self.month_days.is_empty();
        if no_days && self.days.is_empty() {
            match freq {
                Freq::Yearly => {
                    if self.months.is_empty() {
                        self.months = vec![month as i16];
                    }
                    self.month_days = vec![day as i16];
                }
                Freq::Monthly => self.month_days = vec![day as i16],
                Freq::Weekly => self.days = vec![(0, weekday(start.div_euclid(DAY)) as u8)],
                _ => {}
            }
        }
        let fill = |given: &mut Vec<i16>, coarser: bool, value: i64| {
            if given.is_empty() && coarser {
                *given = vec![value as i16];
            }
        };
        fill(&mut self.hours, freq < Freq::Hourly, time / 3600);
        fill(&mut self.minutes, freq < Freq::Minutely, time / 60 % 60);
        fill(&mut self.seconds, freq < Freq::Secondly, time % 60);
        let bits = |days: &[i16]| {
            let positive = days.iter().filter(|n| **n > 0).fold(0, |set, n| set | 1 << n);
            let negative = days.iter().filter(|n| **n < 0).fold(0, |set, n| set | 1 << -n);
            (positive, negative)
        };
        Rule {
            freq,
            interval: i64::from(self.interval.unwrap_or(1)),
            count: self.count,
            until: self.until,
            week_start: self.week_start.unwrap_or(0),
            start,
            months: self.months.iter().fold(0, |set, n| set | 1 << n),
            month_days: bits(&self.month_days),
            year_days: self.year_days,
            weeks: self.weeks,
            weekdays: self.days.iter().filter(|(n, _)| *n == 0).fold(0, |set, (_, day)| set | 1 << day),
            nth: self.days.into_iter().filter(|(n, _)| *n != 0).collect(),
            hours: self.hours,
            minutes: self.minutes,
            seconds: self.seconds,
            positions: self.positions,
        }
    }
}

fn freq(text: &str) -> Result<Freq, ScheduleError> {
    Ok(match text {
        "YEARLY" => Freq::Yearly,
        "MONTHLY" => Freq::Monthly,
        "WEEKLY" => Freq::Weekly,
        "DAILY" => Freq::Daily,
        "HOURLY" => Freq::Hourly,
        "MINUTELY" => Freq::Minutely,
        "SECONDLY" => Freq::Secondly,
        _ => {
            let what = "must be one of YEARLY MONTHLY WEEKLY DAILY HOURLY MINUTELY SECONDLY";
            return Err(fail("FREQ", text, what));
        }
    })
}

fn above_zero(part: &'static str, text: &str, max: u32) -> Result<u32, ScheduleError> {
    match text.parse().ok().filter(|n| (1..=max).contains(n)) {
        Some(n) if text.bytes().all(|b| b.is_ascii_digit()) => Ok(n),
        _ => Err(fail(part, text, format!("must be a whole number from 1 to {max}"))),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Sign {
    Plus,
    Both,
}

/// A list of numbers, sorted, each once.
fn numbers(
    part: &'static str,
    text: &str,
    low: i16,
    high: i16,
    sign: Sign,
) -> Result<Vec<i16>, ScheduleError> {
    let read = |one: &str| {
        let bad = || match sign {
            Sign::Plus => fail(part, one, format!("must be from {low} to {high}")),
            Sign::Both => fail(part, one, format!("must be from {low} to {high} or from -{high} to -{low}")),
        };
        let n = one.parse::<i16>().map_err(|_| bad())?;
        let size = if sign == Sign::Both { n.saturating_abs() } else { n };
        if (low..=high).contains(&size) { Ok(n) } else { Err(bad()) }
    };
    let mut found = text.split(',').map(str::trim).map(read).collect::<Result<Vec<i16>, _>>()?;
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// `MO`, `2MO`, `-1FR`; 0 for no number.
fn nth_weekday(text: &str) -> Result<(i16, u8), ScheduleError> {
    let text = text.trim();
    let bad = || fail("BYDAY", text, "must be a day such as MO, or 2MO or -1FR");
    let cut = text.len().checked_sub(2).filter(|cut| text.is_char_boundary(*cut)).ok_or_else(bad)?;
    let (n, day) = text.split_at(cut);
    let day = WEEKDAYS.iter().position(|name| *name == day).ok_or_else(bad)?;
    let n = match n {
        "" => 0,
        n => n.parse::<i16>().ok().filter(|n| *n != 0 && n.abs() <= 53).ok_or_else(bad)?,
    };
    Ok((n, day as u8))
}

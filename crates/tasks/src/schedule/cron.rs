//! Cron expressions: reading the fields, and which wall-clock times they mean. Knows nothing of zones.
//!
//! Days: if both day fields are restricted either may match, else both must; unrestricted is `*` or `?` alone.
//! A weekday field of nothing but `#` (`MON#1`) narrows the days of the month instead.

use super::ScheduleError;
use jiff::civil::{Date, DateTime, Time, Weekday};

/// Which fields an expression has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// minute hour day month weekday.
    Standard,
    /// second minute hour day month weekday.
    Seconds,
    /// minute hour day month weekday, with a year after them, or with a second before and a year after.
    Year,
}

/// The years that expressions can name.
const YEARS: std::ops::RangeInclusive<i16> = 1970..=2099;

/// A cron expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    seconds: u64,
    minutes: u64,
    hours: u64,
    days: Days,
    months: u64,
    weekdays: Weekdays,
    /// Bit n is the year 1970 + n; `None` is every year.
    years: Option<u128>,
    every: Every,
}

/// Whether the expression says "each" hour, minute or second rather than a time of day: such a job follows real
/// time through clock changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Every {
    RealTime,
    TimeOfDay,
}

/// The days of the month.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Days {
    any: bool,
    /// Bit n is day n.
    set: u64,
    /// `L`.
    last: bool,
    /// `LW`.
    last_workday: bool,
    /// `15W`, as bits.
    nearest_workday: u64,
    /// `a-L/n` and `a-L`: from, step.
    to_last: Vec<(u32, u32)>,
}

/// The days of the week.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Weekdays {
    any: bool,
    /// Bit 0 is Sunday.
    set: u64,
    /// `5#2`: for each ordinal 1 to 5 the weekdays.
    nth: [u64; 6],
    /// `5L`, as bits.
    last: u64,
}

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
const WEEKDAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

impl Cron {
    /// Reads an expression, or one of `@hourly @daily @midnight @weekly @monthly @yearly @annually`.
    pub fn parse(expr: &str, dialect: Dialect) -> Result<Cron, ScheduleError> {
        let expr = expr.trim();
        if expr.len() > 1_000 {
            return Err(ScheduleError::Expression("longer than 1000 bytes".to_owned()));
        }
        if expr.starts_with('@') {
            return Cron::from_fields(["0"; 1], &macro_fields(expr)?, None);
        }
        let fields: Vec<&str> = expr.split_whitespace().collect();
        let count = |want: &str| {
            ScheduleError::Expression(format!("expected {want} fields, found {}: {expr:?}", fields.len()))
        };
        match (dialect, fields.len()) {
            (Dialect::Standard, 5) | (Dialect::Year, 5) => Cron::from_fields(["0"], &fields, None),
            (Dialect::Standard, _) => Err(count("exactly 5")),
            (Dialect::Seconds, 6) => Cron::from_fields([fields[0]], &fields[1..], None),
            (Dialect::Seconds, _) => Err(count("exactly 6")),
            (Dialect::Year, 6) => Cron::from_fields(["0"], &fields[..5], Some(fields[5])),
            (Dialect::Year, 7) => Cron::from_fields([fields[0]], &fields[1..6], Some(fields[6])),
            (Dialect::Year, _) => Err(count("5, 6 or 7")),
        }
    }

    fn from_fields(second: [&str; 1], five: &[&str], year: Option<&str>) -> Result<Cron, ScheduleError> {
        let [minute, hour, day, month, weekday] = five else {
            return Err(ScheduleError::Expression("expected five fields from minute to weekday".to_owned()));
        };
        let seconds = Numbers::plain("second", 0, 59).set(second[0])?;
        let minutes = Numbers::plain("minute", 0, 59).set(minute)?;
        let hours = Numbers::plain("hour", 0, 23).set(hour)?;
        let each = |text: &str| text.starts_with('*') || text.starts_with('?');
        let real_time = each(second[0]) || each(minute) || each(hour) || hours == (1 << 24) - 1;
        Ok(Cron {
            seconds,
            minutes,
            hours,
            days: parse_days(day)?,
            months: Numbers { names: &MONTHS, ..Numbers::plain("month", 1, 12) }.set(month)?,
            weekdays: parse_weekdays(weekday)?,
            years: year.filter(|text| *text != "*" && *text != "?").map(parse_years).transpose()?,
            every: if real_time { Every::RealTime } else { Every::TimeOfDay },
        })
    }

    /// Whether it follows real time through clock changes rather than times of day.
    pub(super) fn is_real_time(&self) -> bool {
        self.every == Every::RealTime
    }

    /// The first wall-clock time not before `from` and before `until`.
    pub(super) fn next_civil(&self, from: DateTime, until: DateTime) -> Option<DateTime> {
        let (mut year, mut month) = (from.year(), from.month());
        let mut start = Some(from);
        while (year, month) <= (until.year(), until.month()) {
            if !self.year_is_set(year) {
                (year, month, start) = (year.checked_add(1)?, 1, None);
                continue;
            }
            if self.months >> month & 1 == 1 {
                let found = self.next_in_month(year, month, start);
                if found.is_some() {
                    return found.filter(|at| *at < until);
                }
            }
            start = None;
            (year, month) = if month == 12 { (year.checked_add(1)?, 1) } else { (year, month + 1) };
        }
        None
    }

    fn year_is_set(&self, year: i16) -> bool {
        let bit = |years: u128| YEARS.contains(&year) && years >> (year - YEARS.start()) & 1 == 1;
        self.years.is_none_or(bit)
    }

    fn next_in_month(&self, year: i16, month: i8, from: Option<DateTime>) -> Option<DateTime> {
        let days = self.days_of(year, month)?;
        let first_day = from.map_or(1, |from| from.day());
        let mut day = next_bit(days, first_day as u32)?;
        if let Some(from) = from.filter(|from| from.day() as u32 == day) {
            if let Some(time) = self.next_time(from.time()) {
                return Some(Date::new(year, month, day as i8).ok()?.to_datetime(time));
            }
            day = next_bit(days, day + 1)?;
        }
        let time = self.next_time(Time::midnight())?;
        Some(Date::new(year, month, day as i8).ok()?.to_datetime(time))
    }

    /// The first time of day not before `from`.
    fn next_time(&self, from: Time) -> Option<Time> {
        let from_second = from.second() as u32 + u32::from(from.subsec_nanosecond() > 0);
        let (h, m) = (from.hour() as u32, from.minute() as u32);
        let at = |h: u32, m: u32, s: u32| Time::new(h as i8, m as i8, s as i8, 0).ok();
        let (m0, s0) = (next_bit(self.minutes, 0)?, next_bit(self.seconds, 0)?);
        if self.hours >> h & 1 == 1 {
            if self.minutes >> m & 1 == 1
                && let Some(s) = next_bit(self.seconds, from_second)
            {
                return at(h, m, s);
            }
            if let Some(m) = next_bit(self.minutes, m + 1) {
                return at(h, m, s0);
            }
        }
        at(next_bit(self.hours, h + 1)?, m0, s0)
    }

    /// The days of one month as bits.
    fn days_of(&self, year: i16, month: i8) -> Option<u64> {
        let first = Date::new(year, month, 1).ok()?;
        let len = first.days_in_month() as u32;
        let (days, weekdays) = (self.days.in_month(first, len), self.weekdays.in_month(first, len));
        let both = self.days.any || self.weekdays.any || self.weekdays.is_nth_only();
        Some(if both { days & weekdays } else { days | weekdays })
    }
}

impl Days {
    fn in_month(&self, first: Date, len: u32) -> u64 {
        let all = ((1u64 << len) - 1) << 1;
        if self.any {
            return all;
        }
        let mut set = self.set & all;
        if self.last {
            set |= 1 << len;
        }
        if self.last_workday {
            set |= 1 << nearest_workday(first, len, len);
        }
        for day in (1..=len).filter(|day| self.nearest_workday >> day & 1 == 1) {
            set |= 1 << nearest_workday(first, len, day);
        }
        for &(from, step) in &self.to_last {
            (from..=len).step_by(step as usize).for_each(|day| set |= 1 << day);
        }
        set
    }
}

impl Weekdays {
    fn is_nth_only(&self) -> bool {
        self.set == 0 && self.last == 0
    }

    fn in_month(&self, first: Date, len: u32) -> u64 {
        let start = weekday_number(first.weekday());
        let mut set = 0;
        for day in 1..=len {
            let weekday = 1u64 << ((start + day - 1) % 7);
            let (nth, in_last_week) = ((day - 1) / 7 + 1, day + 7 > len);
            let hit = self.any
                || self.set & weekday != 0
                || self.nth[nth as usize] & weekday != 0
                || (in_last_week && self.last & weekday != 0);
            set |= u64::from(hit) << day;
        }
        set
    }
}

/// The workday nearest to `day` in the same month.
fn nearest_workday(first: Date, len: u32, day: u32) -> u32 {
    match (weekday_number(first.weekday()) + day - 1) % 7 {
        6 if day == 1 => 3,
        6 => day - 1,
        0 if day == len => day - 2,
        0 => day + 1,
        _ => day,
    }
}

fn weekday_number(weekday: Weekday) -> u32 {
    weekday.to_sunday_zero_offset() as u32
}

/// The lowest set bit not below `from`.
fn next_bit(set: u64, from: u32) -> Option<u32> {
    let rest = if from > 63 { 0 } else { set >> from << from };
    (rest != 0).then(|| rest.trailing_zeros())
}

fn macro_fields(text: &str) -> Result<[&'static str; 5], ScheduleError> {
    Ok(match text {
        "@hourly" => ["0", "*", "*", "*", "*"],
        "@daily" | "@midnight" => ["0", "0", "*", "*", "*"],
        "@weekly" => ["0", "0", "*", "*", "0"],
        "@monthly" => ["0", "0", "1", "*", "*"],
        "@yearly" | "@annually" => ["0", "0", "1", "1", "*"],
        _ => {
            return Err(ScheduleError::Expression(format!(
                "{text:?} is unknown; known: @hourly @daily @midnight @weekly @monthly @yearly @annually"
            )));
        }
    })
}

/// How a field of numbers is read.
#[derive(Clone, Copy)]
struct Numbers {
    field: &'static str,
    low: u32,
    high: u32,
    /// Names of the values from `low` on; three letters suffice.
    names: &'static [&'static str],
}

impl Numbers {
    fn plain(field: &'static str, low: u32, high: u32) -> Numbers {
        Numbers { field, low, high, names: &[] }
    }

    fn fail(&self, text: &str, what: impl Into<String>) -> ScheduleError {
        ScheduleError::Field { field: self.field, text: text.to_owned(), what: what.into() }
    }

    /// The values of a whole field as bits.
    fn set(&self, text: &str) -> Result<u64, ScheduleError> {
        let mut set = 0;
        for part in text.split(',') {
            set |= self.part(part)?;
        }
        Ok(set)
    }

    /// `*`, `?`, `n`, `a-b`, each with an optional `/step`; `n/step` goes on to the end.
    fn part(&self, part: &str) -> Result<u64, ScheduleError> {
        let (range, step) = self.step(part)?;
        let (low, high) = match range {
            "*" | "?" => (self.low, self.high),
            _ => match range.split_once('-') {
                Some((low, high)) => (self.value(low)?, self.value(high)?),
                None => {
                    let low = self.value(range)?;
                    (low, if step.is_some() { self.high } else { low })
                }
            },
        };
        if low > high {
            return Err(self.fail(part, "the range runs backwards"));
        }
        Ok((low..=high).step_by(step.unwrap_or(1) as usize).fold(0, |set, n| set | 1 << n))
    }

    /// Cuts `/step` off.
    fn step<'a>(&self, part: &'a str) -> Result<(&'a str, Option<u32>), ScheduleError> {
        let Some((range, step)) = part.split_once('/') else { return Ok((part, None)) };
        match number(step) {
            Some(step) if step > 0 => Ok((range, Some(step))),
            _ => Err(self.fail(part, "the step must be a whole number above 0")),
        }
    }

    fn value(&self, text: &str) -> Result<u32, ScheduleError> {
        let value = number(text).or_else(|| {
            let text = text.to_ascii_lowercase();
            let place =
                self.names.iter().position(|name| text == *name || (text.len() == 3 && text == name[..3]));
            place.map(|place| place as u32 + self.low)
        });
        match value {
            Some(value) if (self.low..=self.high).contains(&value) => Ok(value),
            Some(_) => Err(self.fail(text, format!("must be from {} to {}", self.low, self.high))),
            None => Err(self.fail(text, "is no number or name of this field")),
        }
    }
}

/// Digits only: no sign, no blank.
fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

fn parse_days(text: &str) -> Result<Days, ScheduleError> {
    let numbers = Numbers::plain("day of month", 1, 31);
    let mut days = Days { any: matches!(text, "*" | "?"), ..Days::default() };
    for part in text.split(',') {
        let upper = part.to_ascii_uppercase();
        match upper.as_str() {
            "L" => days.last = true,
            "LW" | "WL" => days.last_workday = true,
            _ if upper.ends_with('W') => {
                days.nearest_workday |= 1 << numbers.value(&part[..part.len() - 1])?;
            }
            _ => {
                let (range, step) = numbers.step(part)?;
                match range.split_once('-') {
                    Some((from, "l" | "L")) => days.to_last.push((numbers.value(from)?, step.unwrap_or(1))),
                    _ => days.set |= numbers.part(part)?,
                }
            }
        }
    }
    Ok(days)
}

fn parse_weekdays(text: &str) -> Result<Weekdays, ScheduleError> {
    let numbers = Numbers { names: &WEEKDAYS, ..Numbers::plain("day of week", 0, 7) };
    let mut weekdays = Weekdays::default();
    for part in text.split(',') {
        if matches!(part, "*" | "?") {
            weekdays.any = true;
        } else if let Some((range, nth)) = part.split_once('#') {
            match number(nth) {
                Some(nth @ 1..=5) => weekdays.nth[nth as usize] |= weekday_range(&numbers, range)?,
                _ => return Err(numbers.fail(part, "after # must come a number from 1 to 5")),
            }
        } else if let Some(day) = part.strip_suffix(['L', 'l']).filter(|day| number(day).is_some()) {
            weekdays.last |= 1 << (numbers.value(day)? % 7);
        } else {
            weekdays.set |= weekday_range(&numbers, part)?;
        }
    }
    Ok(weekdays)
}

/// Ranges may run over the end of the week, and Sunday to Sunday is the whole of it. A step starts anew at the
/// week's end.
fn weekday_range(numbers: &Numbers, part: &str) -> Result<u64, ScheduleError> {
    let (range, step) = numbers.step(part)?;
    let (low, high) = match range.split_once('-') {
        Some((low, high)) => (numbers.value(low)?, numbers.value(high)?),
        None if range == "*" => (0, 6),
        None if step.is_some() => (numbers.value(range)?, 6),
        None => {
            let day = numbers.value(range)?;
            (day, day)
        }
    };
    let whole_week = range.contains('-') && low % 7 == 0 && high % 7 == 0;
    let (low, high) = if whole_week {
        (0, 6)
    } else if low == 7 && high < 7 {
        (0, high)
    } else {
        (low, high)
    };
    let stride = step.unwrap_or(1) as usize;
    let bits =
        |days: std::ops::RangeInclusive<u32>| days.step_by(stride).fold(0, |set, day| set | 1 << (day % 7));
    Ok(if low <= high { bits(low..=high) } else { bits(low..=7) | bits(stride as u32..=high) })
}

fn parse_years(text: &str) -> Result<u128, ScheduleError> {
    let fail =
        |what: &str| ScheduleError::Field { field: "year", text: text.to_owned(), what: what.to_owned() };
    let (first, last) = (*YEARS.start() as u32, *YEARS.end() as u32);
    let year = |text: &str| number(text).filter(|year| (first..=last).contains(year));
    let bad = "must be from 1970 to 2099";
    let mut set = 0u128;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => {
                (range, number(step).filter(|step| *step > 0).ok_or_else(|| fail("bad step"))?)
            }
            None => (part, 1),
        };
        let (low, high) = match range.split_once('-') {
            Some((low, high)) => (year(low).ok_or_else(|| fail(bad))?, year(high).ok_or_else(|| fail(bad))?),
            None if range == "*" => (first, last),
            None => {
                let low = year(range).ok_or_else(|| fail(bad))?;
                (low, if part.contains('/') { last } else { low })
            }
        };
        (low..=high).step_by(step as usize).for_each(|year| set |= 1 << (year - first).min(127));
    }
    Ok(set)
}

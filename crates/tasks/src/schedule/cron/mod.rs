//! Cron expressions: which wall-clock times they mean. Knows nothing of zones.
//!
//! Days: if both day fields are restricted either may match, else both must; unrestricted is `*` or `?` alone.
//! A weekday field of nothing but `#` (`MON#1`) narrows the days of the month instead.

mod days;
mod fields;

use super::ScheduleError;
use super::fires::Times;
use days::{Days, Weekdays};
use fields::Numbers;
use jiff::civil::{Date, DateTime, Time};

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

/// A set of [`YEARS`]: 130 of them, a bit each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Years([u64; 3]);

impl Years {
    fn add(&mut self, year: i16) {
        let nth = (year - YEARS.start()) as usize;
        self.0[nth / 64] |= 1 << (nth % 64);
    }

    fn has(&self, year: i16) -> bool {
        let nth = YEARS.contains(&year).then(|| (year - YEARS.start()) as usize);
        nth.is_some_and(|nth| self.0[nth / 64] >> (nth % 64) & 1 == 1)
    }
}

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
    years: Option<Years>,
    every: Every,
}

/// Whether the expression says "each" hour, minute or second rather than a time of day: such a job follows real
/// time through clock changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Every {
    RealTime,
    TimeOfDay,
}
impl Cron {
    /// Reads an expression, or one of `@hourly @daily @midnight @weekly @monthly @yearly @annually`.
    pub fn parse(expr: &str, dialect: Dialect) -> Result<Cron, ScheduleError> {
        let expr = expr.trim();
        if expr.len() > 1_000 {
            return Err(ScheduleError::Expression("longer than 1000 bytes".to_owned()));
        }
        if expr.starts_with('@') {
            return Cron::from_fields(["0"; 1], &fields::of_macro(expr)?, None);
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
            days: fields::days(day)?,
            months: Numbers { names: &fields::MONTHS, ..Numbers::plain("month", 1, 12) }.set(month)?,
            weekdays: fields::weekdays(weekday)?,
            years: year.filter(|text| *text != "*" && *text != "?").map(fields::years).transpose()?,
            every: if real_time { Every::RealTime } else { Every::TimeOfDay },
        })
    }

    /// The first wall-clock time not before `from` and before `until`.
    fn search(&self, from: DateTime, until: DateTime) -> Option<DateTime> {
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
        self.years.is_none_or(|years| years.has(year))
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

impl Times for &Cron {
    fn next_civil(&mut self, from: DateTime, until: DateTime) -> Option<DateTime> {
        self.search(from, until)
    }

    fn follow_real_time(&self) -> bool {
        self.every == Every::RealTime
    }
}

/// The lowest set bit not below `from`.
fn next_bit(set: u64, from: u32) -> Option<u32> {
    let rest = if from > 63 { 0 } else { set >> from << from };
    (rest != 0).then(|| rest.trailing_zeros())
}

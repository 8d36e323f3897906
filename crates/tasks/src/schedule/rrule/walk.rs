//! Going through the wall-clock times of a rule, period by period: years of a yearly rule, weeks of a weekly one.
//!
//! Nothing is gone through from the start: the period a search begins with is computed. Days, hours and minutes
//! that a rule of hours, minutes or seconds leaves out are passed over as a whole. What is left is bounded by
//! [`STEPS_MAX`].

use super::days::{
    DAY, YEAR_MAX, civil_of, date_of, day_number, month_len, seconds_of, week_of, week_start, weekday,
    year_len,
};
use super::rule::{Freq, Rule, Until};
use crate::schedule::fires::Times;
use jiff::civil::DateTime;

/// The most days and periods that one search looks at.
const STEPS_MAX: u32 = 4_000_000;
/// The end of the last year.
const END: i64 = 2_932_897 * DAY;
/// The calendar repeats after 400 years, which are so many days and whole weeks.
const DAYS_OF_ROUND: u32 = 146_097;

/// A search in a rule.
pub(super) struct Walk<'a> {
    rule: &'a Rule,
    steps: u32,
    /// The period that `days` are those of.
    filled: Option<i64>,
    days: Vec<i64>,
    /// The last day of which it is known that the rule lets it in.
    admitted: Option<i64>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(rule: &'a Rule) -> Walk<'a> {
        Walk { rule, steps: STEPS_MAX, filled: None, days: Vec::new(), admitted: None }
    }

    /// Whether it was given up, so that an answer "none" means nothing.
    pub(super) fn is_exhausted(&self) -> bool {
        self.steps == 0
    }

    /// The first time not before `from` and before `before`.
    pub(super) fn next(&mut self, from: i64, before: i64) -> Option<i64> {
        let from = from.max(self.rule.start);
        let mut period = self.rule.period_of(from);
        let mut round = self.rule.periods_of_round();
        while self.spend(1) && round > 0 {
            round -= 1;
            let begin = self.rule.begin_of(period)?;
            if begin >= before {
                return None;
            }
            if let Some(later) = self.passed_over(begin, before)? {
                period = later;
                continue;
            }
            self.fill(period, begin);
            if let Some(found) = self.first_in(begin, from) {
                return (found < before).then_some(found);
            }
            period += 1;
        }
        None
    }

    fn spend(&mut self, steps: u32) -> bool {
        self.steps = self.steps.saturating_sub(steps);
        self.steps > 0
    }

    /// If a period of an hour or less lies in a day, hour or minute that the rule leaves out: the first period
    /// after that. The outer `None` is the end of time.
    fn passed_over(&mut self, begin: i64, before: i64) -> Option<Option<i64>> {
        let rule = self.rule;
        if rule.freq < Freq::Hourly {
            return Some(None);
        }
        let day = begin.div_euclid(DAY);
        let admitted = self.admitted == Some(day) || rule.has_day(day);
        let target = if !admitted {
            let last = before.div_euclid(DAY).min(day + i64::from(DAYS_OF_ROUND));
            let next = rule.next_day(day + 1, last)?;
            self.spend((next - day).unsigned_abs() as u32);
            next * DAY
        } else {
            self.admitted = Some(day);
            let time = begin.rem_euclid(DAY);
            match rule.first_allowed(time) {
                Some(allowed) if allowed == time => return Some(None),
                Some(allowed) => day * DAY + allowed,
                None => (day + 1) * DAY,
            }
        };
        Some(Some(rule.period_from(target)))
    }

    /// Finds the days of a period.
    fn fill(&mut self, period: i64, begin: i64) {
        if self.filled == Some(period) {
            return;
        }
        self.filled = Some(period);
        self.days.clear();
        let (rule, day) = (self.rule, begin.div_euclid(DAY));
        match rule.freq {
            Freq::Yearly => {
                let (year, _, _) = date_of(day);
                (1..=12).for_each(|month| self.fill_month(year, month));
            }
            Freq::Monthly => {
                let (year, month, _) = date_of(day);
                self.fill_month(year, month);
            }
            Freq::Weekly => {
                self.spend(7);
                self.days.extend((day..day + 7).filter(|day| rule.has_day(*day)));
            }
            Freq::Daily => self.days.extend(rule.has_day(day).then_some(day)),
            // Looked at already.
            _ => self.days.push(day),
        }
    }

    fn fill_month(&mut self, year: i64, month: u32) {
        if self.rule.months != 0 && self.rule.months >> month & 1 == 0 {
            return;
        }
        self.spend(31);
        let (first, rule) = (day_number(year, month, 1), self.rule);
        let days = 1..=month_len(year, month);
        self.days.extend(
            days.filter(|day| rule.has_date(first + i64::from(*day) - 1, year, month, *day))
                .map(|day| first + i64::from(day) - 1),
        );
    }

    /// The first time of the filled period not before `from`.
    fn first_in(&self, begin: i64, from: i64) -> Option<i64> {
        let times = DayTimes::of(self.rule, begin);
        if self.rule.positions.is_empty() {
            let from_day = from.div_euclid(DAY);
            let place = self.days.partition_point(|day| *day < from_day);
            let day = *self.days.get(place)?;
            if day > from_day {
                return Some(day * DAY + times.at(0));
            }
            let index = times.first_from(from.rem_euclid(DAY));
            if index < times.len() {
                return Some(day * DAY + times.at(index));
            }
            return self.days.get(place + 1).map(|day| day * DAY + times.at(0));
        }
        let len = times.len() as i64;
        let total = len * self.days.len() as i64;
        let at = |position: i16| {
            let position = i64::from(position);
            let index = if position > 0 { position - 1 } else { total + position };
            let day = self.days.get(usize::try_from(index.div_euclid(len)).ok()?)?;
            Some(day * DAY + times.at(index.rem_euclid(len) as usize))
        };
        self.rule.positions.iter().filter_map(|position| at(*position)).filter(|time| *time >= from).min()
    }
}

impl Times for Walk<'_> {
    fn next_civil(&mut self, from: DateTime, until: DateTime) -> Option<DateTime> {
        let from = seconds_of(from) + i64::from(from.subsec_nanosecond() > 0);
        let mut before = seconds_of(until);
        match self.rule.until {
            Some(Until::Civil(last)) => before = before.min(last + 1),
            // In any zone; who asked knows the instant.
            Some(Until::Instant(last)) => before = before.min(last + 2 * DAY),
            None => {}
        }
        if from >= before {
            return None;
        }
        civil_of(self.next(from, before)?)
    }
}

/// The times of day of a period: of whole days those that the rule names, else those in the period's hour,
/// minute or second.
struct DayTimes<'a> {
    hours: Part<'a>,
    minutes: Part<'a>,
    seconds: Part<'a>,
}

enum Part<'a> {
    Given(&'a [i16]),
    /// That of the period.
    One([i16; 1]),
}

impl Part<'_> {
    fn list(&self) -> &[i16] {
        match self {
            Part::Given(list) => list,
            Part::One(one) => one,
        }
    }
}

impl<'a> DayTimes<'a> {
    fn of(rule: &'a Rule, begin: i64) -> DayTimes<'a> {
        let time = begin.rem_euclid(DAY);
        let part = |given: &'a [i16], fixed: bool, value: i64| {
            if fixed { Part::One([value as i16]) } else { Part::Given(given) }
        };
        DayTimes {
            hours: part(&rule.hours, rule.freq >= Freq::Hourly, time / 3600),
            minutes: part(&rule.minutes, rule.freq >= Freq::Minutely, time / 60 % 60),
            seconds: part(&rule.seconds, rule.freq >= Freq::Secondly, time % 60),
        }
    }

    fn len(&self) -> usize {
        self.hours.list().len() * self.minutes.list().len() * self.seconds.list().len()
    }

    fn at(&self, index: usize) -> i64 {
        let (minutes, seconds) = (self.minutes.list(), self.seconds.list());
        let hour = self.hours.list()[index / (minutes.len() * seconds.len())];
        let minute = minutes[index / seconds.len() % minutes.len()];
        i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(seconds[index % seconds.len()])
    }

    /// How many are before `time`.
    fn first_from(&self, time: i64) -> usize {
        let (hours, minutes, seconds) = (self.hours.list(), self.minutes.list(), self.seconds.list());
        let before = |list: &[i16], value: i64| list.partition_point(|n| i64::from(*n) < value);
        let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
        let (h, m, s) = (before(hours, hour), before(minutes, minute), before(seconds, second));
        let per_hour = minutes.len() * seconds.len();
        if hours.get(h).is_none_or(|found| i64::from(*found) != hour) {
            return h * per_hour;
        }
        let in_hour = match minutes.get(m) {
            Some(found) if i64::from(*found) == minute => m * seconds.len() + s,
            _ => m * seconds.len(),
        };
        h * per_hour + in_hour
    }
}

impl Rule {
    /// The unit of its periods in seconds, of those that all have the same length.
    fn unit(&self) -> i64 {
        match self.freq {
            Freq::Weekly => 7 * DAY,
            Freq::Hourly => 3600,
            Freq::Minutely => 60,
            Freq::Secondly => 1,
            _ => DAY,
        }
    }

    /// After so many periods without any time there never is one.
    fn periods_of_round(&self) -> u32 {
        1 + match self.freq {
            Freq::Yearly => 400,
            Freq::Monthly => 4_800,
            Freq::Weekly => DAYS_OF_ROUND / 7,
            Freq::Daily => DAYS_OF_ROUND,
            // Their days are looked at as a whole, and what they choose in a day is known to be reached.
            _ => u32::MAX - 1,
        }
    }

    /// The beginning of the first period.
    fn base(&self) -> i64 {
        match self.freq {
            Freq::Weekly => week_start(self.start.div_euclid(DAY), self.week_start) * DAY,
            _ => self.start.div_euclid(self.unit()) * self.unit(),
        }
    }

    /// The number of the period that holds `time`, or of the last one before it.
    fn period_of(&self, time: i64) -> i64 {
        let ((year, month, _), (first_year, first_month, _)) =
            (date_of(time.div_euclid(DAY)), date_of(self.start.div_euclid(DAY)));
        let units = match self.freq {
            Freq::Yearly => year - first_year,
            Freq::Monthly => (year - first_year) * 12 + i64::from(month) - i64::from(first_month),
            _ => (time - self.base()).div_euclid(self.unit()),
        };
        units.max(0) / self.interval
    }

    /// The number of the first period that begins at `time` or later.
    fn period_from(&self, time: i64) -> i64 {
        let step = self.unit() * self.interval;
        (time - self.base() + step - 1).div_euclid(step)
    }

    /// Where a period begins; `None` beyond the last year.
    fn begin_of(&self, period: i64) -> Option<i64> {
        let units = period.checked_mul(self.interval)?;
        let begin_date = || date_of(self.start.div_euclid(DAY));
        let begin = match self.freq {
            Freq::Yearly => {
                let year = begin_date().0.checked_add(units).filter(|year| *year <= YEAR_MAX)?;
                day_number(year, 1, 1) * DAY
            }
            Freq::Monthly => {
                let (year, month, _) = begin_date();
                let months = units.checked_add(i64::from(month) - 1)?;
                let year = (year + months.div_euclid(12)).min(YEAR_MAX + 1);
                day_number(year, months.rem_euclid(12) as u32 + 1, 1) * DAY
            }
            _ => self.base().checked_add(units.checked_mul(self.unit())?)?,
        };
        (begin < END).then_some(begin)
    }

    /// The first time of day from `time` on that the hours, minutes and seconds given allow, as far as the
    /// period does not choose among them itself.
    fn first_allowed(&self, time: i64) -> Option<i64> {
        let has =
            |given: &[i16], value: i64| given.is_empty() || given.iter().any(|n| i64::from(*n) == value);
        let next = |given: &[i16], value: i64| given.iter().map(|n| i64::from(*n)).find(|n| *n > value);
        let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
        if !has(&self.hours, hour) {
            return next(&self.hours, hour).map(|hour| hour * 3600);
        }
        let next_hour = || if hour < 23 { Some((hour + 1) * 3600) } else { None };
        if self.freq >= Freq::Minutely && !has(&self.minutes, minute) {
            let found = next(&self.minutes, minute);
            return found.map(|minute| hour * 3600 + minute * 60).or_else(next_hour);
        }
        if self.freq >= Freq::Secondly && !has(&self.seconds, second) {
            let next_minute =
                || if minute < 59 { Some(hour * 3600 + (minute + 1) * 60) } else { next_hour() };
            let found = next(&self.seconds, second);
            return found.map(|second| hour * 3600 + minute * 60 + second).or_else(next_minute);
        }
        Some(time)
    }

    /// The first day that is let in, month by month: a month that is left out costs one look.
    fn next_day(&self, from: i64, last: i64) -> Option<i64> {
        let (mut day, mut at) = (from, date_of(from));
        while day <= last {
            let (year, month, day_of_month) = at;
            let rest = i64::from(month_len(year, month) - day_of_month);
            if self.months == 0 || self.months >> month & 1 == 1 {
                let found =
                    (0..=rest).find(|n| self.has_date(day + n, year, month, day_of_month + *n as u32));
                if let Some(n) = found {
                    return Some(day + n).filter(|day| *day <= last);
                }
            }
            day += rest + 1;
            at = if month == 12 { (year + 1, 1, 1) } else { (year, month + 1, 1) };
        }
        None
    }

    fn has_day(&self, day: i64) -> bool {
        let (year, month, day_of_month) = date_of(day);
        self.has_date(day, year, month, day_of_month)
    }

    /// Whether every part of the rule that speaks of days lets this one in.
    fn has_date(&self, day: i64, year: i64, month: u32, day_of_month: u32) -> bool {
        if self.months != 0 && self.months >> month & 1 == 0 {
            return false;
        }
        let from_end = || month_len(year, month) - day_of_month + 1;
        let (days, ends) = self.month_days;
        if (days, ends) != (0, 0) && days >> day_of_month & 1 == 0 && ends >> from_end() & 1 == 0 {
            return false;
        }
        self.has_weekday(day, year, month, day_of_month) && self.has_year_day(day, year) && self.has_week(day)
    }

    fn has_weekday(&self, day: i64, year: i64, month: u32, day_of_month: u32) -> bool {
        if self.weekdays == 0 && self.nth.is_empty() {
            return true;
        }
        let of_week = weekday(day);
        if self.weekdays >> of_week & 1 == 1 {
            return true;
        }
        let (place, len) = if self.freq == Freq::Yearly && self.months == 0 {
            ((day - day_number(year, 1, 1)) as u32, year_len(year))
        } else {
            (day_of_month - 1, month_len(year, month))
        };
        let (nth, from_end) = ((place / 7 + 1) as i16, ((len - 1 - place) / 7 + 1) as i16);
        self.nth.iter().any(|(n, on)| u32::from(*on) == of_week && (*n == nth || *n == -from_end))
    }

    fn has_year_day(&self, day: i64, year: i64) -> bool {
        if self.year_days.is_empty() {
            return true;
        }
        let place = (day - day_number(year, 1, 1)) as i16 + 1;
        let from_end = place - year_len(year) as i16 - 1;
        self.year_days.contains(&place) || self.year_days.contains(&from_end)
    }

    fn has_week(&self, day: i64) -> bool {
        if self.weeks.is_empty() {
            return true;
        }
        let (week, weeks) = week_of(day, self.week_start);
        self.weeks.iter().any(|n| i64::from(*n) == week || i64::from(*n) + weeks + 1 == week)
    }
}

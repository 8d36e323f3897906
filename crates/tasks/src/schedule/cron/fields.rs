//! Reading the fields of a cron expression.

use super::days::{Days, Weekdays};
use super::{ScheduleError, YEARS, Years};

pub(super) const MONTHS: [&str; 12] = [
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
pub(super) fn of_macro(text: &str) -> Result<[&'static str; 5], ScheduleError> {
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
pub(super) struct Numbers {
    pub(super) field: &'static str,
    pub(super) low: u32,
    pub(super) high: u32,
    /// Names of the values from `low` on; three letters suffice.
    pub(super) names: &'static [&'static str],
}

impl Numbers {
    pub(super) fn plain(field: &'static str, low: u32, high: u32) -> Numbers {
        Numbers { field, low, high, names: &[] }
    }

    fn fail(&self, text: &str, what: impl Into<String>) -> ScheduleError {
        ScheduleError::Field { field: self.field, text: text.to_owned(), what: what.into() }
    }

    /// The values of a whole field as bits.
    pub(super) fn set(&self, text: &str) -> Result<u64, ScheduleError> {
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

pub(super) fn days(text: &str) -> Result<Days, ScheduleError> {
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

pub(super) fn weekdays(text: &str) -> Result<Weekdays, ScheduleError> {
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

pub(super) fn years(text: &str) -> Result<Years, ScheduleError> {
    let fail =
        |what: &str| ScheduleError::Field { field: "year", text: text.to_owned(), what: what.to_owned() };
    let (first, last) = (*YEARS.start() as u32, *YEARS.end() as u32);
    let year = |text: &str| number(text).filter(|year| (first..=last).contains(year));
    let bad = "must be from 1970 to 2099";
    let mut set = Years::default();
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
        (low..=high).step_by(step as usize).for_each(|year| set.add(year as i16));
    }
    Ok(set)
}

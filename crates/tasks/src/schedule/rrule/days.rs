//! Arithmetic of days: a day is its number from 1 January 1970, a wall-clock time the seconds from then.

use jiff::civil::{Date, DateTime};

/// Seconds of a day.
pub(super) const DAY: i64 = 86_400;
/// The years there are.
pub(super) const YEAR_MAX: i64 = 9999;

/// The number of a date's day; months beyond December are those of the next year.
pub(super) fn day_number(year: i64, month: u32, day: u32) -> i64 {
    // Years that begin in March have their leap day at the end.
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((i64::from(month) + 9) % 12) + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Year, month and day of a day's number.
pub(super) fn date_of(day: i64) -> (i64, u32, u32) {
    let day = day + 719_468;
    let (era, day_of_era) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month as u32, (day_of_year - (153 * shifted + 2) / 5 + 1) as u32)
}

/// 0 is Monday.
pub(super) fn weekday(day: i64) -> u32 {
    (day + 3).rem_euclid(7) as u32
}

pub(super) fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

pub(super) fn year_len(year: i64) -> u32 {
    365 + u32::from(is_leap(year))
}

pub(super) fn month_len(year: i64, month: u32) -> u32 {
    match month {
        2 => 28 + u32::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The first day of the week that begins with `start` and holds `day`.
pub(super) fn week_start(day: i64, start: u32) -> i64 {
    day - i64::from((weekday(day) + 7 - start) % 7)
}

/// The week of a day, and how many weeks its year has. A week belongs to the year that has most of its days.
pub(super) fn week_of(day: i64, start: u32) -> (i64, i64) {
    let first = week_start(day, start);
    let (year, _, _) = date_of(first + 3);
    let of_year = |year| week_start(day_number(year, 1, 4), start);
    let begin = of_year(year);
    ((first - begin) / 7 + 1, (of_year(year + 1) - begin) / 7)
}

/// The seconds of a wall-clock time, a part of one cut off.
pub(super) fn seconds_of(civil: DateTime) -> i64 {
    let day = day_number(i64::from(civil.year()), civil.month() as u32, civil.day() as u32);
    day * DAY + i64::from(civil.hour()) * 3600 + i64::from(civil.minute()) * 60 + i64::from(civil.second())
}

/// The wall-clock time of its seconds, if its year is one there is.
pub(super) fn civil_of(seconds: i64) -> Option<DateTime> {
    let (year, month, day) = date_of(seconds.div_euclid(DAY));
    let time = seconds.rem_euclid(DAY);
    let date = Date::new(i16::try_from(year).ok()?, month as i8, day as i8).ok()?;
    let part = |n: i64| i8::try_from(n).ok();
    Some(date.at(part(time / 3600)?, part(time / 60 % 60)?, part(time % 60)?, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_jiff() {
        let mut date = Date::constant(1899, 12, 28);
        for _ in 0..150_000 {
            let day = day_number(i64::from(date.year()), date.month() as u32, date.day() as u32);
            assert_eq!(date_of(day), (i64::from(date.year()), date.month() as u32, date.day() as u32));
            assert_eq!(weekday(day), date.weekday().to_monday_zero_offset() as u32, "{date}");
            let iso = date.iso_week_date();
            assert_eq!(week_of(day, 0), (i64::from(iso.week()), i64::from(iso.weeks_in_year())), "{date}");
            assert_eq!(civil_of(day * DAY + 45_296), Some(date.at(12, 34, 56, 0)));
            date = date.tomorrow().expect("far from the last day");
        }
    }
}

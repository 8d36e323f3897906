//! The calendar functions: a value is seconds since the epoch, UTC.

use crate::function::Function;

/// `NaN` where the value is no instant of the calendar.
pub(super) fn part(function: Function, seconds: f64) -> f64 {
    if !seconds.is_finite() || seconds.abs() > 2.5e11 {
        return f64::NAN;
    }
    let Ok(instant) = jiff::Timestamp::from_second(seconds as i64) else { return f64::NAN };
    let at = jiff::tz::Offset::UTC.to_datetime(instant);
    match function {
        Function::Minute => f64::from(at.minute()),
        Function::Hour => f64::from(at.hour()),
        Function::DayOfMonth => f64::from(at.day()),
        Function::DayOfWeek => f64::from(at.weekday().to_sunday_zero_offset()),
        Function::DayOfYear => f64::from(at.day_of_year()),
        Function::DaysInMonth => f64::from(at.days_in_month()),
        Function::Month => f64::from(at.month()),
        _ => f64::from(at.year()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        for (function, seconds, want) in [
            (Function::Year, 1_136_239_445.0, 2006.0),
            (Function::Month, 1_456_790_400.0, 3.0),
            (Function::DayOfWeek, 0.0, 4.0),
            (Function::DayOfYear, 1_672_493_820.0, 365.0),
            (Function::DaysInMonth, 1_454_284_800.0, 29.0),
            (Function::Minute, -1.0, 59.0),
        ] {
            assert_eq!(part(function, seconds), want, "{function:?} {seconds}");
        }
        assert!(part(Function::Year, f64::NAN).is_nan());
        assert!(part(Function::Year, 1e300).is_nan());
    }
}

//! Cases of `schedule`: input and expectation side by side.

use super::*;

#[track_caller]
fn check(expr: &str, zone: &str, policy: Policy, after: &str, wanted: &[&str]) {
    let schedule = CronSchedule::new(expr, Dialect::Standard, zone, policy).expect(expr);
    let after = Timestamp::parse_rfc3339(after).unwrap();
    let got: Vec<String> = schedule.fires_after(after).take(wanted.len()).map(Timestamp::rfc3339).collect();
    let wanted: Vec<String> =
        wanted.iter().map(|at| Timestamp::parse_rfc3339(at).unwrap().rfc3339()).collect();
    assert_eq!(got, wanted, "{expr} in {zone} after {after:?}");
}

#[test]
fn a_skipped_time_of_day_is_shifted_or_skipped() {
    let after = "2026-03-28T12:00:00+01:00";
    let (shift, skip) = (Policy::default(), Policy { gap: Gap::Skip, ..Policy::default() });
    // In Berlin clocks go from 02:00 to 03:00 on 29 March 2026.
    check(
        "30 2 * * *",
        "Europe/Berlin",
        shift,
        after,
        &["2026-03-29T03:30:00+02:00", "2026-03-30T02:30:00+02:00"],
    );
    check("30 2 * * *", "Europe/Berlin", skip, after, &["2026-03-30T02:30:00+02:00"]);
    check(
        "30 2,3 * * *",
        "Europe/Berlin",
        shift,
        after,
        &["2026-03-29T03:30:00+02:00", "2026-03-30T02:30:00+02:00"],
    );
    check("30 8 * * *", "Europe/Berlin", shift, after, &["2026-03-29T08:30:00+02:00"]);
    check(
        "*/30 * * * *",
        "Europe/Berlin",
        shift,
        "2026-03-29T01:15:00+01:00",
        &["2026-03-29T01:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-29T03:30:00+02:00"],
    );
}

#[test]
fn a_time_of_day_that_occurs_twice_fires_once_or_twice() {
    // In Berlin clocks go from 03:00 to 02:00 on 25 October 2026.
    let after = "2026-10-24T12:00:00+02:00";
    let fold = |fold| Policy { fold, ..Policy::default() };
    let (first, second) = ("2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00");
    check("30 2 * * *", "Europe/Berlin", fold(Fold::Second), after, &[second, "2026-10-26T02:30:00+01:00"]);
    check("30 2 * * *", "Europe/Berlin", fold(Fold::First), after, &[first, "2026-10-26T02:30:00+01:00"]);
    check("30 2 * * *", "Europe/Berlin", fold(Fold::Both), after, &[first, second]);
    check(
        "0 * * * *",
        "Europe/Berlin",
        fold(Fold::Second),
        "2026-10-25T01:59:00+02:00",
        &["2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00", "2026-10-25T03:00:00+01:00"],
    );
}

#[test]
fn instants() {
    let zone = zone("Europe/Berlin").unwrap();
    for (text, wanted) in [
        ("2026-11-22T08:30:00+02:00", "2026-11-22T06:30:00.000Z"),
        ("2026-11-22T08:30:00Z", "2026-11-22T08:30:00.000Z"),
        ("2026-11-22T08:30:00", "2026-11-22T07:30:00.000Z"),
        ("2026-11-22 08:30", "2026-11-22T07:30:00.000Z"),
        ("2026-10-25T02:30:00", "2026-10-25T01:30:00.000Z"),
        ("2026-03-29T02:30:00", "2026-03-29T01:30:00.000Z"),
    ] {
        assert_eq!(instant(text, &zone).map(Timestamp::rfc3339), Ok(wanted.to_owned()), "{text}");
    }
    assert!(instant("tomorrow", &zone).is_err());
}

#[test]
fn zones() {
    for good in ["UTC", "Etc/GMT+2", "America/Argentina/Buenos_Aires", "+05:30", "-3"] {
        assert!(super::zone(good).is_ok(), "{good}");
    }
    for bad in ["", "Mars/Olympus", "+25:00", "../../etc/passwd"] {
        assert_eq!(super::zone(bad), Err(ScheduleError::Zone(bad.to_owned())), "{bad}");
    }
}

#[test]
fn refuses_with_the_field() {
    for (expr, message) in [
        ("60 0 * * *", "minute \"60\": must be from 0 to 59"),
        ("0 0 * * XYZ", "day of week \"XYZ\": is no number or name of this field"),
        ("* * * *", "expected exactly 5 fields, found 4: \"* * * *\""),
        ("*/0 * * * *", "minute \"*/0\": the step must be a whole number above 0"),
        ("0 5-3 * * *", "hour \"5-3\": the range runs backwards"),
        ("0 0 32 * *", "day of month \"32\": must be from 1 to 31"),
        ("0 0 * * 1#6", "day of week \"1#6\": after # must come a number from 1 to 5"),
        ("0 0 * * 8", "day of week \"8\": must be from 0 to 7"),
        (
            "@reboot",
            "\"@reboot\" is unknown; known: @hourly @daily @midnight @weekly @monthly @yearly @annually",
        ),
        ("-1 * * * *", "minute \"\": is no number or name of this field"),
        (", * * * *", "minute \"\": is no number or name of this field"),
    ] {
        let err = CronSchedule::new(expr, Dialect::Standard, "UTC", Policy::default()).unwrap_err();
        assert_eq!(err.to_string(), message, "{expr}");
    }
    let never = CronSchedule::new("0 0 30 2 *", Dialect::Standard, "UTC", Policy::default()).unwrap();
    assert_eq!(never.next(Timestamp::from_millis(0)), None);
}

#[test]
fn years_are_those_that_were_named() {
    let next = |expr: &str, after: &str| {
        let schedule = CronSchedule::new(expr, Dialect::Year, "UTC", Policy::default()).expect(expr);
        let fires = schedule.fires_after(Timestamp::parse_rfc3339(after).unwrap());
        fires.take(3).map(|at| at.rfc3339()[..4].to_owned()).collect::<Vec<_>>().join(" ")
    };
    let now = "2026-11-22T00:00:00Z";
    for (years, wanted) in [
        ("2020", ""),
        ("1970", ""),
        ("2030", "2030"),
        ("2097-2099", "2097 2098 2099"),
        ("2098,2099", "2098 2099"),
        ("2027/36", "2027 2063 2099"),
    ] {
        assert_eq!(next(&format!("0 0 1 1 * {years}"), now), wanted, "{years}");
    }
    assert_eq!(next("0 0 1 1 * 1970,1971", "1969-06-01T00:00:00Z"), "1970 1971");
}

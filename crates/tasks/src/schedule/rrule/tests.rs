//! Cases of recurrence rules: input and expectation side by side.

use super::*;
use crate::schedule::{Fold, Gap};

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).expect(text)
}

#[track_caller]
fn read(text: &str, zone: &str, policy: Policy) -> RruleSchedule {
    let anchor = Anchor(at("2026-11-22T08:30:42.500Z"));
    RruleSchedule::new(text, zone, policy, anchor).unwrap_or_else(|why| panic!("{text}: {why}"))
}

/// The fires after `after` in the zone's own offsets; the last is the last there is if `wanted` ends with "".
#[track_caller]
fn check_with(text: &str, zone: &str, policy: Policy, after: &str, wanted: &[&str]) {
    let schedule = read(text, zone, policy);
    let mut got: Vec<String> =
        schedule.fires_after(at(after)).take(wanted.len()).map(Timestamp::rfc3339).collect();
    let mut expected: Vec<String> =
        wanted.iter().filter(|text| !text.is_empty()).map(|text| at(text).rfc3339()).collect();
    if wanted.last() == Some(&"") {
        expected.push(String::new());
        got.resize(expected.len().max(got.len()), String::new());
    }
    assert_eq!(got, expected, "{text} in {zone} after {after}");
}

#[track_caller]
fn check(text: &str, wanted: &[&str]) {
    check_with(text, "UTC", Policy::RFC5545, "1990-01-01T00:00:00Z", wanted);
}

/// SEEDS 10, row 12: one hour late across the change of clocks, COUNT without end, seconds of the present.
#[test]
fn defect_12_rrule_across_dst() {
    // Clocks in Chisinau go from 02:00 to 03:00 on 29 March 2026, and back on 25 October.
    let daily = "RRULE:FREQ=DAILY;BYHOUR=8;BYMINUTE=30";
    let zone = "Europe/Chisinau";
    check_with(
        daily,
        zone,
        Policy::RFC5545,
        "2027-03-26T12:00:00Z",
        &["2027-03-27T08:30:00+02:00", "2027-03-28T08:30:00+03:00", "2027-03-29T08:30:00+03:00"],
    );
    check_with(
        daily,
        zone,
        Policy::RFC5545,
        "2027-10-29T12:00:00Z",
        &["2027-10-30T08:30:00+03:00", "2027-10-31T08:30:00+02:00", "2027-11-01T08:30:00+02:00"],
    );
    // Without DTSTART COUNT counts from the making on.
    check_with(
        "FREQ=DAILY;COUNT=2",
        zone,
        Policy::RFC5545,
        "2026-11-22T08:30:42.500Z",
        &["2026-11-23T10:30:00+02:00", "2026-11-24T10:30:00+02:00", ""],
    );
    // With DTSTART it counts from there, wherever one looks from.
    let counted = "DTSTART;TZID=Europe/Chisinau:20260101T083000\nRRULE:FREQ=DAILY;COUNT=2";
    check_with(counted, "UTC", Policy::RFC5545, "2026-01-01T12:00:00Z", &["2026-01-02T08:30:00+02:00", ""]);
    check_with(counted, "UTC", Policy::RFC5545, "2026-01-05T12:00:00Z", &[""]);
}

#[test]
fn clock_changes_under_each_policy() {
    let (gap, fold) = ("2026-03-28T12:00:00Z", "2026-10-24T12:00:00Z");
    let rule = "DTSTART;TZID=Europe/Berlin:20260101T023000\nRRULE:FREQ=DAILY";
    let policy = |gap, fold| Policy { gap, fold };
    let (shifted, second) = ("2026-03-29T03:30:00+02:00", "2026-10-25T02:30:00+01:00");
    let (first, after) = ("2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00");
    for (gap_policy, wanted) in [(Gap::Shift, shifted), (Gap::Skip, "2026-03-30T02:30:00+02:00")] {
        check_with(rule, "UTC", policy(gap_policy, Fold::First), gap, &[wanted]);
    }
    check_with(rule, "UTC", policy(Gap::Shift, Fold::First), fold, &[first, after]);
    check_with(rule, "UTC", policy(Gap::Shift, Fold::Second), fold, &[second, after]);
    check_with(rule, "UTC", policy(Gap::Shift, Fold::Both), fold, &[first, second, after]);
    // Two times that become one instant fire once, and count once.
    let hourly = "DTSTART;TZID=Europe/Berlin:20260329T010000\nRRULE:FREQ=HOURLY;COUNT=3";
    check_with(
        hourly,
        "UTC",
        Policy::RFC5545,
        gap,
        &["2026-03-29T01:00:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-29T04:00:00+02:00", ""],
    );
}

#[test]
fn rare_days() {
    check("DTSTART:20240229T090000Z\nRRULE:FREQ=YEARLY", &["2024-02-29T09:00:00Z", "2028-02-29T09:00:00Z"]);
    check(
        "DTSTART:20260131T090000Z\nRRULE:FREQ=MONTHLY;COUNT=3",
        &["2026-01-31T09:00:00Z", "2026-03-31T09:00:00Z", "2026-05-31T09:00:00Z", ""],
    );
    check(
        "DTSTART:20260101T090000Z\nRRULE:FREQ=MONTHLY;BYDAY=FR;BYSETPOS=-1",
        &["2026-01-30T09:00:00Z", "2026-02-27T09:00:00Z", "2026-03-27T09:00:00Z"],
    );
    check(
        "DTSTART:20260101T090000Z\nRRULE:FREQ=MONTHLY;BYDAY=5WE",
        &["2026-04-29T09:00:00Z", "2026-07-29T09:00:00Z"],
    );
    // Every other week goes on over the end of the year.
    check(
        "DTSTART:20261221T090000Z\nRRULE:FREQ=WEEKLY;INTERVAL=2",
        &["2026-12-21T09:00:00Z", "2027-01-04T09:00:00Z", "2027-01-18T09:00:00Z"],
    );
    for never in ["BYMONTH=2;BYMONTHDAY=30", "BYMONTH=4,6,9,11;BYMONTHDAY=31"] {
        for freq in ["YEARLY", "DAILY", "SECONDLY"] {
            check(&format!("DTSTART:20260101T090000Z\nRRULE:FREQ={freq};{never}"), &[""]);
        }
    }
    for freq in ["YEARLY", "DAILY"] {
        check(&format!("DTSTART:20260101T090000Z\nRRULE:FREQ={freq};BYDAY=MO;BYSETPOS=60"), &[""]);
    }
}

#[test]
fn sets_of_dates() {
    check(
        "DTSTART:20260101T090000Z RRULE:FREQ=DAILY;COUNT=4 EXDATE:20260102T090000Z,20260103T090000Z \
         RDATE:20260110T120000Z,20260101T090000Z",
        &["2026-01-01T09:00:00Z", "2026-01-04T09:00:00Z", "2026-01-10T12:00:00Z", ""],
    );
    check(
        "DTSTART:20260101T090000Z\nRRULE:FREQ=HOURLY;INTERVAL=8;COUNT=6\nEXDATE;VALUE=DATE:20260102",
        &["2026-01-01T09:00:00Z", "2026-01-01T17:00:00Z", "2026-01-03T01:00:00Z", ""],
    );
    check(
        "dtstart;tzid=Europe/Berlin:20260101t090000\nrrule:freq=daily;until=20260102T080000Z",
        &["2026-01-01T09:00:00+01:00", "2026-01-02T09:00:00+01:00", ""],
    );
    check("DTSTART:20260101T090000Z\r\nRRULE:FREQ=YEA\r\n RLY;COUNT=1", &["2026-01-01T09:00:00Z", ""]);
    check("DTSTART:20260101T090000Z\\nFREQ=DAILY;COUNT=1", &["2026-01-01T09:00:00Z", ""]);
}

#[test]
fn refusals() {
    for (text, message) in [
        ("FREQ=HOURLY;COUNT=0", "COUNT \"0\": must be a whole number from 1 to 1000000"),
        ("FREQ=DAILY;COUNT=2;UNTIL=20270101", "a rule has COUNT or UNTIL, not both"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL \"0\": must be a whole number from 1 to 1000000000"),
        ("INTERVAL=2", "a rule needs FREQ"),
        ("FREQ=DAILY;FREQ=DAILY", "FREQ is there twice"),
        (
            "FREQ=SOMETIMES",
            "FREQ \"SOMETIMES\": must be one of YEARLY MONTHLY WEEKLY DAILY HOURLY MINUTELY SECONDLY",
        ),
        ("FREQ=SECONDLY;BYDAY=MO;BYSETPOS=60", "BYSETPOS \"60\": there are never more than 1 to choose from"),
        ("FREQ=MONTHLY;BYDAY=6MO", "BYDAY \"6MO\": the number must be from -5 to 5"),
        ("FREQ=WEEKLY;BYDAY=1MO", "BYDAY \"1MO\": a number before the day needs FREQ=MONTHLY or FREQ=YEARLY"),
        (
            "FREQ=YEARLY;BYDAY=1MO;BYWEEKNO=2",
            "BYDAY \"1MO\": a number before the day does not go with BYWEEKNO",
        ),
        ("FREQ=DAILY;BYDAY=XX", "BYDAY \"XX\": must be a day such as MO, or 2MO or -1FR"),
        ("FREQ=DAILY;BYHOUR=24", "BYHOUR \"24\": must be from 0 to 23"),
        ("FREQ=DAILY;BYMONTHDAY=0", "BYMONTHDAY \"0\": must be from 1 to 31 or from -31 to -1"),
        (
            "FREQ=DAILY;UNTIL=tomorrow",
            "UNTIL \"TOMORROW\": must be a time such as 20260131T083000, in UTC 20260131T083000Z",
        ),
        (
            "DTSTART:20260230T090000\nFREQ=DAILY",
            "DTSTART \"20260230T090000\": must be a time such as 20260131T083000, in UTC 20260131T083000Z",
        ),
        (
            "DTSTART;TZID=Mars/Olympus:20260101T090000\nFREQ=DAILY",
            "\"Mars/Olympus\" is no time zone; try a name such as UTC or Europe/Chisinau, or an offset such as +05:30",
        ),
        ("DTSTART:20260101T090000", "there is neither RRULE nor RDATE"),
        ("FREQ=SECONDLY;BYSETPOS=2", "BYSETPOS \"2\": there are never more than 1 to choose from"),
        (
            "DTSTART:20260101T090000\nRRULE:FREQ=SECONDLY;INTERVAL=2;BYSECOND=1",
            "INTERVAL=2: the interval steps over every time that BYHOUR, BYMINUTE and BYSECOND name",
        ),
    ] {
        let anchor = Anchor(Timestamp::default());
        match RruleSchedule::new(text, "UTC", Policy::RFC5545, anchor) {
            Err(why) => assert_eq!(why.to_string(), message, "{text}"),
            Ok(_) => panic!("{text} was taken"),
        }
    }
}

/// A new schedule must fire within five years, unless it is one of the rare ones.
#[test]
fn first_fires() {
    let now = at("2026-11-22T08:30:42Z");
    for (text, wanted) in [
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", Ok("2028-02-29T08:30:00.000Z")),
        ("FREQ=YEARLY;INTERVAL=40;BYMONTH=1;BYMONTHDAY=31", Ok("2066-01-31T08:30:00.000Z")),
        (
            "FREQ=YEARLY;INTERVAL=40;BYMONTH=1;BYMONTHDAY=5",
            Err("fires first at 2066-01-05T08:30:00.000Z, more than five years on"),
        ),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", Err("never fires")),
        ("DTSTART:20260101T090000Z\nRRULE:FREQ=DAILY;COUNT=3", Err("never fires")),
        (
            "DTSTART:20260101T090000Z\nRRULE:FREQ=DAILY\nEXRULE:FREQ=DAILY",
            Err("more than 10000 occurrences in a row are excluded"),
        ),
        ("DTSTART:20990101T090000Z\nRRULE:FREQ=DAILY", Ok("2099-01-01T09:00:00.000Z")),
    ] {
        let schedule = RruleSchedule::new(text, "UTC", Policy::RFC5545, Anchor(now)).expect(text);
        let got = schedule.first(now).map(Timestamp::rfc3339).map_err(|why| why.to_string());
        assert_eq!(got, wanted.map(str::to_owned).map_err(str::to_owned), "{text}");
    }
}

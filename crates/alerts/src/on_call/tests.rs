//! Who is on call when, and how a calendar says it.

use super::*;
use jiff::civil::date;

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

fn layer(people: &[&str], start: DateTime, turn: Turn) -> Layer {
    let people = people.iter().map(|name| (*name).to_owned()).collect();
    Layer { name: String::new(), people, start, turn, during: Vec::new() }
}

fn berlin(layers: Vec<Layer>) -> Schedule {
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    Schedule { name: "ops".to_owned(), zone, layers, overrides: Vec::new() }
}

/// A week each from Monday, 2026-03-23, nine in the morning; clocks skip an hour on the 29th.
fn weekly() -> Schedule {
    berlin(vec![layer(&["ada", "bob", "cy"], date(2026, 3, 23).at(9, 0, 0, 0), Turn::Days(7))])
}

#[test]
fn a_week_ends_at_the_same_time_of_day_whatever_clocks_do() {
    let schedule = weekly();
    for (when, wanted) in [
        ("2026-03-23T07:59:59Z", None),
        ("2026-03-23T08:00:00Z", Some("ada")),
        ("2026-03-30T06:59:59Z", Some("ada")),
        ("2026-03-30T07:00:00Z", Some("bob")),
        ("2026-04-06T07:00:00Z", Some("cy")),
        ("2026-04-13T07:00:00Z", Some("ada")),
    ] {
        assert_eq!(schedule.who(at(when)), wanted, "{when}");
    }
}

#[test]
fn turns_by_the_watch_ignore_the_clock() {
    let turn = Turn::Span(Duration::from_secs(12 * 3600));
    let schedule = berlin(vec![layer(&["ada", "bob"], date(2026, 3, 28).at(20, 0, 0, 0), turn)]);
    // Twelve hours across the skipped one: from eight in the evening to nine in the morning.
    assert_eq!(schedule.who(at("2026-03-29T06:59:59Z")), Some("ada"));
    assert_eq!(schedule.who(at("2026-03-29T07:00:00Z")), Some("bob"));
}

#[test]
fn upper_layers_win_where_they_count_and_overrides_over_all() {
    let mut schedule = weekly();
    let mut problems = Vec::new();
    let hours = "times: [{start_time: '22:00', end_time: '24:00'}]\nlocation: Europe/Berlin";
    let hours = TimeInterval::resolve(&serde_saphyr::from_str(hours).unwrap(), &mut problems);
    let mut nights = layer(&["nia"], date(2026, 1, 1).at(0, 0, 0, 0), Turn::Days(1));
    nights.during = vec![hours];
    schedule.layers.push(nights);
    schedule.overrides.push(Override {
        who: "dee".to_owned(),
        from: at("2026-03-31T20:30:00Z"),
        until: at("2026-03-31T21:00:00Z"),
    });
    let shifts = schedule.shifts(at("2026-03-31T19:00:00Z"), at("2026-04-01T00:00:00Z"));
    let told: Vec<_> = shifts
        .iter()
        .map(|s| format!("{} {}-{}", s.who, &s.from.rfc3339()[11..16], &s.until.rfc3339()[11..16]))
        .collect();
    assert_eq!(
        told,
        ["bob 19:00-20:00", "nia 20:00-20:30", "dee 20:30-21:00", "nia 21:00-22:00", "bob 22:00-00:00"]
    );
}

#[test]
fn shifts_say_what_who_says() {
    let schedule = weekly();
    let (from, until) = (at("2026-03-01T00:00:00Z"), at("2026-06-01T00:00:00Z"));
    let shifts = schedule.shifts(from, until);
    let mut when = from;
    while when < until {
        let shift = shifts.iter().find(|shift| shift.from <= when && when < shift.until);
        assert_eq!(shift.map(|shift| shift.who.as_str()), schedule.who(when), "{}", when.rfc3339());
        when = when.plus(Duration::from_secs(1800));
    }
}

#[test]
fn a_calendar_is_folded_and_escaped() {
    let mut schedule = weekly();
    schedule.name = "nights, weekends; and all that is left over of the year — with a long name".to_owned();
    let text =
        ical(&schedule, at("2026-03-23T00:00:00Z"), at("2026-04-06T00:00:00Z"), at("2026-03-01T00:00:00Z"));
    assert!(text.lines().all(|line| line.len() <= 75), "{text}");
    assert!(text.split("\r\n").count() > 10 && !text.replace("\r\n", "").contains('\n'));
    let whole = text.replace("\r\n ", "");
    for wanted in [
        "DTSTART:20260323T080000Z\r\nDTEND:20260330T070000Z\r\nSUMMARY:ada is on call (nights\\, weekends\\;",
        "DTSTART:20260330T070000Z",
        "DTSTAMP:20260301T000000Z",
        "END:VCALENDAR\r\n",
    ] {
        assert!(whole.contains(wanted), "{wanted} in {whole}");
    }
}

//! Every gap and fold of every IANA zone from 1970 to 2037, under each policy: what we search for against what
//! the meaning of the policy says of each wall-clock time, one by one.
//!
//! A short run takes a sample of the zones, a long one (`TOCSIN_DEPTH=long`) all.

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp as Instant, ToSpan};
use model::Timestamp;
use std::collections::BTreeSet;
use tasks::schedule::{Anchor, CronSchedule, Dialect, Fold, Gap, Policy, RruleSchedule};

/// 1970-01-01 and 2038-01-01.
const SPAN: (i64, i64) = (0, 2_145_916_800);
/// Looked at around each change.
const HOURS: i64 = 27;

fn zones() -> Vec<(String, TimeZone)> {
    let long = std::env::var("TOCSIN_DEPTH").is_ok_and(|depth| depth == "long");
    let names: Vec<String> = jiff::tz::db().available().map(|name| name.as_str().to_owned()).collect();
    let famous =
        ["Australia/Lord_Howe", "Pacific/Apia", "Europe/Chisinau", "America/New_York", "Africa/Casablanca"];
    let wanted = |(i, name): &(usize, String)| long || i % 40 == 0 || famous.contains(&name.as_str());
    let named = names.into_iter().enumerate().filter(wanted).map(|(_, name)| name);
    named.filter_map(|name| Some((name.clone(), TimeZone::get(&name).ok()?))).collect()
}

/// The instants at which the offset changes.
fn changes(zone: &TimeZone) -> Vec<Instant> {
    let at = |second: i64| Instant::from_second(second).expect("within reach");
    let mut before = zone.to_offset(at(SPAN.0));
    let mut found = Vec::new();
    for change in zone.following(at(SPAN.0)).take_while(|change| change.timestamp() < at(SPAN.1)) {
        if change.offset() != before {
            found.push(change.timestamp());
        }
        before = change.offset();
    }
    found
}

/// What a policy makes of one wall-clock time.
fn meaning(civil: DateTime, zone: &TimeZone, policy: Policy) -> Vec<Instant> {
    let at = |offset: jiff::tz::Offset| offset.to_timestamp(civil).ok();
    let found = match zone.to_ambiguous_timestamp(civil).offset() {
        AmbiguousOffset::Unambiguous { offset } => vec![at(offset)],
        AmbiguousOffset::Gap { .. } if policy.gap == Gap::Skip => vec![],
        AmbiguousOffset::Gap { before, .. } => vec![at(before)],
        AmbiguousOffset::Fold { before, after } => match policy.fold {
            Fold::First => vec![at(before)],
            Fold::Second => vec![at(after)],
            Fold::Both => vec![at(before), at(after)],
        },
    };
    found.into_iter().flatten().collect()
}

/// The instants between two of the wall-clock times that fall on every tenth minute past the third.
fn expected(zone: &TimeZone, policy: Policy, from: Instant, to: Instant) -> Vec<i64> {
    let first = zone.to_datetime(from).checked_sub(26.hours()).expect("within reach");
    let last = zone.to_datetime(to).checked_add(26.hours()).expect("within reach");
    let mut civil = first.date().at(first.hour(), 3, 0, 0);
    let mut found = BTreeSet::new();
    while civil < last {
        found.extend(meaning(civil, zone, policy).into_iter().filter(|at| *at > from && *at <= to));
        civil = civil.checked_add(10.minutes()).expect("within reach");
    }
    found.into_iter().map(Instant::as_second).collect()
}

#[test]
fn every_gap_and_fold_under_each_policy() {
    let (mut seen, mut checked, mut failures) = (0, 0, Vec::new());
    for (name, zone) in zones() {
        for change in changes(&zone) {
            seen += 1;
            let from = change.checked_sub(HOURS.hours()).expect("within reach");
            let to = change.checked_add(HOURS.hours()).expect("within reach");
            let (after, until) = (stamp(from), stamp(to));
            for (gap, fold) in [
                (Gap::Skip, Fold::First),
                (Gap::Skip, Fold::Second),
                (Gap::Skip, Fold::Both),
                (Gap::Shift, Fold::First),
                (Gap::Shift, Fold::Second),
                (Gap::Shift, Fold::Both),
            ] {
                let policy = Policy { gap, fold };
                let wanted = expected(&zone, policy, from, to);
                let mut check = |what: &str, got: Vec<i64>| {
                    checked += 1;
                    if got != wanted && failures.len() < 20 {
                        let only = |a: &[i64], b: &[i64]| {
                            a.iter().filter(|at| !b.contains(at)).copied().collect::<Vec<_>>()
                        };
                        let (lost, extra) = (only(&wanted, &got), only(&got, &wanted));
                        failures.push(format!(
                            "{name} {change} {policy:?} {what}: lacks {lost:?}, has {extra:?}"
                        ));
                    }
                };
                let rule = "RRULE:FREQ=HOURLY;BYMINUTE=3,13,23,33,43,53;BYSECOND=0";
                let anchor = Anchor(Timestamp::from_millis(after.as_millis() - 86_400_000));
                let rules = RruleSchedule::new(rule, &name, policy, anchor).expect("a rule");
                check("rrule", seconds(rules.fires_after(after), until));
                // Twenty-three hours and twenty-four minutes are times of day; a list of all would be "each hour".
                let all = "3,13,23,33,43,53 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22 * * *";
                let cron = CronSchedule::new(all, Dialect::Standard, &name, policy).expect("an expression");
                let rest = CronSchedule::new("3,13,23,33,43,53 23 * * *", Dialect::Standard, &name, policy);
                let rest = rest.expect("an expression");
                let mut both = seconds(cron.fires_after(after), until);
                both.extend(seconds(rest.fires_after(after), until));
                both.sort_unstable();
                both.dedup();
                check("cron", both);
            }
        }
    }
    println!("{seen} clock changes, {checked} checks");
    assert!(seen > 300, "the zones have no changes: is the database of zones there?");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn stamp(at: Instant) -> Timestamp {
    Timestamp::from_millis(at.as_millisecond())
}

fn seconds(fires: impl Iterator<Item = Timestamp>, until: Timestamp) -> Vec<i64> {
    fires.take_while(|at| *at <= until).map(|at| at.as_millis() / 1000).collect()
}

//! Cases of `eval`: input and expectation side by side.

use super::*;
use crate::{parse, testscript};

/// A script must pass whole.
fn check(script: &str) {
    let report = testscript::run(script, &mut || Box::new(testscript::MemoryStore::new()));
    assert_eq!((report.failed.as_slice(), report.skipped.as_slice()), (&[][..], &[][..]), "{script}");
    assert!(report.passed > 0, "{script}");
}

#[test]
fn windows_are_open_on_the_left() {
    check(
        "load 1m
           m 1 2 3 stale 5

         eval instant at 2m count_over_time(m[2m])
           {} 2

         eval instant at 3m m

         eval range from 0 to 4m step 1m rate(m[2m])
           {} _ 0.016666666666666666 0.016666666666666666 _ _
        ",
    );
}

#[test]
fn rates_carry_resets_over_steps() {
    check(
        "load 30s
           c_total 0 10 5 15 2 12 NaN 5 6

         eval range from 2m to 2m30s step 30s increase(c_total[1m30s])
           {} 17 18
        ",
    );
}

#[test]
fn names_go_at_the_end() {
    check(
        "load 1m
           a{x=\"1\"} 1 _
           b{x=\"1\"} 2 3

         eval range from 0 to 10m step 10m -a or -b
           {x=\"1\"} -1

         eval instant at 0 {__name__=~\"a|b\"} * 2
           expect fail

         eval instant at 0 label_replace(a * 2, \"__name__\", \"c\", \"\", \"\")
           c{x=\"1\"} 2
        ",
    );
}

#[test]
fn many_to_many_is_refused_only_where_it_happens() {
    check(
        "load 10m
           l{x=\"1\"} 1 1
           r{x=\"1\", y=\"1\"} 2 _
           r{x=\"1\", y=\"2\"} _ 3

         eval range from 0 to 10m step 10m l * on (x) r
           {x=\"1\"} 2 3

         eval instant at 0 r * on (x) l
           {x=\"1\"} 2

         eval instant at 0 l * on () group_left {__name__=~\"l|r\"}
           expect fail regex: many-to-many matching not allowed
        ",
    );
}

#[test]
fn grouped_matches_must_stay_unique() {
    check(
        "load 1m
           l{x=\"1\", y=\"1\"} 1
           l{x=\"1\", y=\"2\"} 2
           r{x=\"1\", y=\"3\"} 3

         eval instant at 0 l * on (x) group_left (y) r
           expect fail msg: multiple matches for labels: grouping labels must ensure unique matches

         eval instant at 0 l * on (x) group_left r
           {x=\"1\", y=\"1\"} 3
           {x=\"1\", y=\"2\"} 6

         eval instant at 0 deriv(l[1m] anchored)
           expect fail msg: anchored modifier can only be used with: changes, delta, increase, rate, resets - not with deriv
        ",
    );
}

#[test]
fn bounds_hold() {
    let store = testscript::MemoryStore::new();
    let at = Timestamp::from_millis(0);
    let day = Duration::from_secs(86_400);
    let small = Options { samples_max: 1000, ..Options::default() };
    let expr = parse("count_over_time(vector(1)[1d:1ms])").unwrap();
    assert_eq!(instant(&expr, &store, at, &small), Err(EvalError::TooManySamples { max: 1000 }));
    let expr = parse("1").unwrap();
    let result = range(&expr, &store, at, at.plus(day), Duration::from_secs(1), &small);
    assert_eq!(result, Err(EvalError::TooManySteps { max: 11_000 }));
    let late = Options { deadline: Some(Instant::now()), ..Options::default() };
    assert_eq!(instant(&expr, &store, at, &late), Err(EvalError::Timeout));
    for text in ["\"a\"", "m[5m]"] {
        let expr = parse(text).unwrap();
        assert!(range(&expr, &store, at, at.plus(day), day, &small).is_err(), "{text}");
    }
}

#[test]
fn far_times_do_not_overflow() {
    let store = testscript::MemoryStore::new();
    for text in [
        "m offset -200y",
        "rate(m[200y] offset 200y)",
        "m @ 9e15",
        "max_over_time(m[200y:100y])",
        "m @ -9e15 offset 200y",
    ] {
        let expr = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        for at in [Timestamp::MIN, Timestamp::MAX, Timestamp::from_millis(0)] {
            let _ = instant(&expr, &store, at, &Options::default());
        }
    }
}

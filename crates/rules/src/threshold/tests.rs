//! Stories of thresholds on a virtual clock: at each evaluation a value, and what it means.

use super::*;
use serde::Deserialize;
use serde_saphyr::Spanned;

#[derive(Deserialize)]
struct File {
    thresholds: Vec<Spanned<ThresholdConfig>>,
}

/// The checked entries of a file, and what is said about it.
fn read(text: &str) -> (Vec<Threshold>, Vec<String>) {
    let file: File = serde_saphyr::from_str(text).unwrap();
    let mut problems = Vec::new();
    let mut found = Vec::new();
    for entry in file.thresholds {
        let at = crate::file::place(entry.referenced);
        found.extend(entry.value.resolve(at, &mut problems).map(|declared| declared.threshold));
    }
    (found, problems.iter().map(ToString::to_string).collect())
}

fn spec(keys: &str) -> Vec<Threshold> {
    let (specs, problems) = read(&format!("thresholds: [{{name: t, metric: m, {keys}}}]"));
    assert_eq!(problems, Vec::<String>::new());
    specs
}

fn settings() -> Settings {
    Settings {
        history: Duration::from_secs(30 * 86_400),
        external_url: "http://e".into(),
        external_labels: Labels::from_pairs([("cluster", "c1")]),
        routed: true,
    }
}

const MINUTE: i64 = 60_000;

fn at(minute: i64) -> Timestamp {
    Timestamp::from_millis(minute * MINUTE)
}

fn series(job: &str) -> Labels {
    Labels::from_pairs([("__name__", "m"), ("job", job)])
}

struct Story {
    thresholds: Thresholds,
    minute: i64,
}

impl Story {
    fn new(keys: &str) -> Story {
        Story::of(spec(keys))
    }

    fn of(specs: Vec<Threshold>) -> Story {
        Story { thresholds: Thresholds::new(specs, settings(), vec![], vec![], at(0)), minute: 0 }
    }

    fn measured(&mut self, result: Measured) -> Decided {
        self.minute += 1;
        self.thresholds.decide(vec![("t".to_owned(), result)], at(self.minute))
    }

    /// One evaluation a minute; what is said at each: `+severity` begins, `-severity` ends, `.` nothing.
    fn tell(&mut self, values: &[f64]) -> String {
        let say = |value: &f64| said(&self.measured(Ok(vec![(series("a"), *value)])));
        let words: Vec<String> = values.iter().map(say).collect();
        words.join(" ")
    }
}

fn said(decided: &Decided) -> String {
    let word = |alert: &Alert| {
        let sign = if alert.ends_at.is_some() { '-' } else { '+' };
        format!("{sign}{}", alert.labels.get("severity").unwrap_or("?"))
    };
    let words: Vec<String> = decided.alerts.iter().map(word).collect();
    if words.is_empty() { ".".to_owned() } else { words.concat() }
}

#[test]
fn levels_windows_and_hysteresis() {
    let nan = f64::NAN;
    let cases: &[(&str, &[f64], &str)] = &[
        ("threshold: 5", &[5.0, 5.1, 6.0, 5.0, 6.0], ". +warning . -warning +warning"),
        ("threshold: 5, comparison: gte", &[4.9, 5.0, 4.9], ". +warning -warning"),
        ("threshold: 5, comparison: lt", &[5.0, 4.9, 5.0], ". +warning -warning"),
        ("threshold: 5, comparison: lte", &[5.1, 5.0, 5.1], ". +warning -warning"),
        ("threshold: 0, comparison: eq, severity: error", &[1.0, 0.0, 1.0], ". +error -error"),
        ("threshold: 5, consecutive: 3", &[6.0, 6.0, 5.0, 6.0, 6.0, 6.0, 5.0], ". . . . . +warning -warning"),
        ("threshold: 5, clear_after: 2", &[6.0, 5.0, 6.0, 5.0, 5.0], "+warning . . . -warning"),
        ("threshold: 100, hysteresis: 10", &[101.0, 95.0, 90.1, 90.0, 95.0], "+warning . . -warning ."),
        ("threshold: 100, hysteresis: 5%", &[101.0, 95.1, 95.0], "+warning . -warning"),
        ("threshold: 10, comparison: lt, hysteresis: 5", &[9.0, 14.9, 15.0], "+warning . -warning"),
        (
            "warning: 10, critical: 20",
            &[11.0, 21.0, 15.0, 21.0, 5.0],
            "+warning -warning+critical -critical+warning -warning+critical -critical",
        ),
        (
            "warning: 10, critical: 20, comparison: gt, hysteresis: 3",
            &[21.0, 18.0, 9.0, 7.0],
            "+critical . -critical+warning -warning",
        ),
        (
            "warning: 20, critical: 10, comparison: lt",
            &[15.0, 5.0, 25.0],
            "+warning -warning+critical -critical",
        ),
        (
            "warning: 10, critical: 20, consecutive: 2",
            &[25.0, 15.0, 25.0, 25.0],
            ". +warning . -warning+critical",
        ),
        ("threshold: 5", &[nan, 6.0, nan], ". +warning ."),
    ];
    for (keys, values, want) in cases {
        // A value that is no number is one that is missing; whoever measures leaves it out.
        let mut story = Story::new(keys);
        let got: Vec<String> = values
            .iter()
            .map(|value| {
                let found = if value.is_nan() { vec![] } else { vec![(series("a"), *value)] };
                said(&story.measured(Ok(found)))
            })
            .collect();
        assert_eq!(got.join(" "), *want, "{keys}: {values:?}");
    }
}

#[test]
fn what_an_alert_says() {
    let mut story =
        Story::new("threshold: 80, severity: critical, labels: {team: web}, annotations: {runbook: r}");
    let decided = story.measured(Ok(vec![(series("a"), 91.256)]));
    let alert = &decided.alerts[0];
    let labels = "{alertname=\"t\", cluster=\"c1\", job=\"a\", severity=\"critical\", team=\"web\"}";
    assert_eq!(alert.labels.to_string(), labels);
    assert_eq!(alert.annotations.get("summary"), Some("Alert: t - m is 91.26 (threshold: 80.00)"));
    assert_eq!(alert.annotations.get("runbook"), Some("r"));
    assert_eq!(story.thresholds.firing(at(1)), decided.alerts);
    let ended = story.measured(Ok(vec![(series("a"), 1.0)]));
    assert_eq!(ended.alerts[0].labels, alert.labels, "the same alert ends");
    assert_eq!(ended.alerts[0].ends_at, Some(at(2)));
    assert_eq!((ended.ended.len(), story.thresholds.active().len()), (1, 0));
}

#[test]
fn each_series_is_judged_alone_and_no_more_than_the_bound() {
    let mut story = Story::new("threshold: 5");
    let decided = story.measured(Ok(vec![(series("a"), 6.0), (series("b"), 1.0), (series("c"), 7.0)]));
    assert_eq!(said(&decided), "+warning+warning");
    let many = (0..300).map(|i| (series(&format!("x{i}")), 9.0)).collect();
    let decided = story.measured(Ok(many));
    assert!(decided.triggered.len() < SERIES_MAX, "{}", decided.triggered.len());
    assert!(decided.failed[0].1.contains("300 series"), "{:?}", decided.failed);
}

#[test]
fn a_failed_measurement_changes_nothing() {
    let mut story = Story::new("threshold: 5, missing: clear");
    story.tell(&[6.0]);
    let decided = story.measured(Err("no store".into()));
    assert_eq!((said(&decided), decided.failed.len()), (".".into(), 1));
    assert_eq!(story.thresholds.active().len(), 1);
}

#[test]
fn missing_numbers_mean_what_the_threshold_says() {
    for (missing, empty, want) in [("hold", 9, "."), ("clear", 9, "-warning"), ("breach", 9, ".")] {
        let mut story = Story::new(&format!("threshold: 5, missing: {missing}"));
        story.minute = empty;
        story.tell(&[6.0]);
        assert_eq!(said(&story.measured(Ok(vec![]))), want, "{missing}");
    }
    let mut story = Story::new("threshold: 5, missing: breach");
    assert_eq!(said(&story.measured(Ok(vec![]))), ".", "after a start the window has nothing yet");
    story.minute = 9;
    assert_eq!(said(&story.measured(Ok(vec![]))), "+warning");
    assert_eq!(
        said(&story.measured(Ok(vec![(series("a"), 1.0)]))),
        ".",
        "another series says nothing of this one"
    );
}

#[test]
fn a_restart_goes_on_where_it_was() {
    let mut story = Story::new("warning: 5, critical: 50, missing: clear");
    let first = story.measured(Ok(vec![(series("a"), 60.0)]));
    let mut rows = BTreeMap::new();
    let mut told = Vec::new();
    for change in first.changes {
        match change {
            Change::Firing(crossed) => drop(rows.insert(crossed.key(), crossed)),
            Change::Told { key, crossed } => told.push((key, crossed)),
            Change::Ended { .. } | Change::Forgotten { .. } => unreachable!("nothing ended: {change:?}"),
        }
    }
    let firing: Vec<Crossed> = rows.into_values().collect();
    let specs = spec("warning: 5, critical: 50, missing: clear");
    let mut again = Thresholds::new(specs, settings(), firing, told, at(10));
    assert_eq!(again.firing(at(10)), story.thresholds.firing(at(10)));
    assert_eq!(again.history(at(0)).len(), 1);
    let nothing = again.decide(vec![("t".into(), Ok(vec![]))], at(11));
    assert_eq!(said(&nothing), ".", "no number yet is no end");
    let still = again.decide(vec![("t".into(), Ok(vec![(series("a"), 60.0)]))], at(12));
    assert_eq!((said(&still), still.triggered.len()), (".".into(), 0), "nothing is told twice");
    let ended = again.decide(vec![("t".into(), Ok(vec![(series("a"), 1.0)]))], at(13));
    assert_eq!(said(&ended), "-critical");
}

#[test]
fn a_reload_ends_what_nothing_stands_behind() {
    let mut story = Story::new("threshold: 5");
    story.tell(&[6.0]);
    let same = story.thresholds.reload(spec("threshold: 5"), settings(), at(3));
    assert_eq!(said(&same), ".");
    let other_severity = story.thresholds.reload(spec("threshold: 5, severity: error"), settings(), at(4));
    assert_eq!(said(&other_severity), "-warning");
    story.tell(&[6.0]);
    assert_eq!(said(&story.thresholds.reload(vec![], settings(), at(5))), "-error");
}

#[test]
fn history_is_one_entry_a_crossing_and_is_bounded_by_age() {
    let mut story = Story::new("threshold: 5");
    story.tell(&[6.0, 7.0, 8.0, 1.0, 6.0]);
    let times: Vec<i64> = story.thresholds.history(at(0)).iter().map(|c| c.at.as_millis() / MINUTE).collect();
    assert_eq!(times, [1, 5]);
    assert_eq!(story.thresholds.history(at(2)).len(), 1);
    story.minute = 31 * 24 * 60;
    let later = story.measured(Ok(vec![(series("a"), 6.0)]));
    let forgotten = later.changes.iter().filter(|change| matches!(change, Change::Forgotten { .. })).count();
    assert_eq!((forgotten, story.thresholds.history(at(0)).len()), (2, 0));
}

#[test]
fn who_did_not_ask_is_not_told() {
    let settings = Settings { routed: false, ..settings() };
    let mut thresholds = Thresholds::new(spec("threshold: 5"), settings, vec![], vec![], at(0));
    let decided = thresholds.decide(vec![("t".into(), Ok(vec![(series("a"), 6.0)]))], at(1));
    assert_eq!((decided.alerts.len(), decided.triggered.len(), thresholds.firing(at(1)).len()), (0, 1, 0));
    assert_eq!(thresholds.active().len(), 1, "readers see it");
}

#[test]
fn the_four_that_are_there_by_themselves() {
    let usual = usual();
    let shown: Vec<String> = usual
        .iter()
        .map(|declared| {
            let t = &declared.threshold;
            format!(
                "{} {} {} {} {}",
                t.name,
                t.metric,
                t.levels[0].severity,
                t.levels[0].at,
                t.window.as_secs()
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            "high_error_rate error_rate_percent critical 5 300",
            "slow_response_time response_time_p95_ms warning 2000 300",
            "high_memory_usage memory_usage_percent critical 80 60",
            "circuit_breaker_open circuit_breaker_open_count critical 0 60",
        ]
    );
    let (changed, _) = read("thresholds: [{name: high_error_rate, threshold: 2}]");
    assert_eq!(
        (changed[0].metric.as_str(), changed[0].levels[0].severity.as_str()),
        ("error_rate_percent", "critical")
    );
    assert_eq!(changed[0].levels[0].at, 2.0);
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for (entry, want) in [
        ("{metric: m, threshold: 1}", "1:14: error: a threshold has no name; add name: NAME"),
        ("{name: t, threshold: 1}", "1:14: error: threshold \"t\" names no metric; "),
        ("{name: t, metric: m}", "1:14: error: threshold \"t\" has no bound; "),
        ("{name: t, metric: 'rate(m[5m])', threshold: 1}", "1:32: error: the metric is an expression; "),
        ("{name: t, metric: '{job=\"a\"}', threshold: 1}", "1:32: error: the metric has no name; "),
        (
            "{name: t, metric: m, threshold: 1, comparison: over}",
            "1:61: error: unknown value \"over\"; write one of gt, gte, lt, lte, eq",
        ),
        ("{name: t, metric: m, threshold: 1, statistic: median}", "1:60: error: unknown value \"median\"; "),
        ("{name: t, metric: m, threshold: 1, missing: page}", "1:58: error: unknown value \"page\"; "),
        ("{name: t, metric: m, threshold: 1, window: 0s}", "1:57: error: the window is zero or "),
        ("{name: t, metric: m, threshold: 1, window: 5}", "1:57: error: "),
        (
            "{name: t, metric: m, threshold: 1, consecutive: 0}",
            "1:62: error: 0 is no number of evaluations; ",
        ),
        ("{name: t, metric: m, threshold: 1, hysteresis: -1}", "1:61: error: this is no distance; "),
        (
            "{name: t, metric: m, threshold: 1, hysteresis: 5, comparison: eq}",
            "1:61: error: a hysteresis makes no sense with eq; ",
        ),
        (
            "{name: t, metric: m, threshold: 1, warning: 2}",
            "1:46: error: threshold stands beside warning or critical; ",
        ),
        ("{name: t, metric: m, warning: 2, severity: error}", "1:57: error: severity belongs to threshold; "),
        (
            "{name: t, metric: m, warning: 2, critical: 1}",
            "1:57: error: critical 1 is not beyond warning 2; ",
        ),
        ("{name: t, metric: m, threshold: .nan}", "1:46: error: a bound must be a number; "),
        (
            "{name: t, metric: m, threshold: 1, labels: {severity: x}}",
            "1:68: error: \"severity\" cannot be a label here; ",
        ),
        (
            "{name: t, metric: m, threshold: 1, annotations: {'': x}}",
            "1:67: error: an annotation has no name; ",
        ),
    ] {
        let (found, problems) = read(&format!("thresholds: [{entry}]"));
        assert!(
            problems.len() == 1 && problems[0].starts_with(want),
            "{entry}\n got  {problems:?}\n want {want}"
        );
        assert!(found.is_empty(), "{entry}");
    }
}

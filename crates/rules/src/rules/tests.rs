//! Cases of `rules`: input and expectation side by side.

use super::*;
use crate::{GroupSpec, parse_file};

const MINUTE: i64 = 60_000;

fn settings() -> Settings {
    Settings {
        external_labels: Labels::from_pairs([("cluster", "c1"), ("job", "ignored")]),
        external_url: "http://e".into(),
        default_interval: Duration::from_secs(60),
        default_query_offset: Duration::ZERO,
        on_arrival: true,
    }
}

fn groups(rules: &str) -> Vec<GroupSpec> {
    let rules = rules.trim().replace('\n', "\n  ");
    parse_file("f.yml", &format!("groups:\n- name: g\n  rules:\n  {rules}\n")).unwrap()
}

struct Story {
    rules: Rules,
    now: i64,
}

impl Story {
    fn new(text: &str) -> Story {
        Story::restored(text, Vec::new(), 0)
    }

    fn restored(text: &str, rows: Vec<ActiveRow>, now: i64) -> Story {
        let (rules, _) = Rules::new(groups(text), settings(), rows, Timestamp::from_millis(now));
        Story { rules, now }
    }

    /// Decides the only group's first rule at `now` with these elements: (job, value).
    fn see(&mut self, now: i64, trigger: Trigger, elements: &[(&str, f64)]) -> Decided {
        let vector =
            elements.iter().map(|(job, v)| (Labels::from_pairs([("__name__", "up"), ("job", job)]), *v));
        self.result(now, trigger, Ok(vector.collect()))
    }

    fn tick(&mut self, now: i64, elements: &[(&str, f64)]) -> Decided {
        self.see(now, Trigger::Tick, elements)
    }

    fn result(&mut self, now: i64, trigger: Trigger, result: Result<Vec<(Labels, f64)>, String>) -> Decided {
        self.now = now;
        let rule = RuleId { group: self.rules.groups[0].id, at: 0 };
        let at = Timestamp::from_millis(now);
        self.rules.decide(rule, at, at, result, trigger, &mut |_| Err("no queries here".into()))
    }

    fn states(&self) -> Vec<(String, AlertState)> {
        let rows = self.rules.groups[0].rules[0].active.values();
        rows.map(|row| (row.labels.get("job").unwrap_or_default().to_owned(), row.state)).collect()
    }
}

fn told(decided: &Decided) -> Vec<(String, bool)> {
    let alerts = decided.alerts.iter();
    alerts.map(|a| (a.labels.get("job").unwrap_or_default().to_owned(), a.ends_at.is_some())).collect()
}

fn samples(decided: &Decided) -> Vec<String> {
    let mut lines: Vec<String> = decided
        .samples
        .iter()
        .map(|(labels, v)| {
            format!("{labels} {}", if model::is_stale(*v) { "stale".into() } else { v.to_string() })
        })
        .collect();
    lines.sort();
    lines
}

const DOWN: &str =
    "- {alert: Down, expr: up == 0, for: 2m, annotations: {summary: '{{ $labels.job }} {{ $value }}'}}";

#[test]
fn pending_firing_gone() {
    let mut story = Story::new(DOWN);
    let first = story.tick(MINUTE, &[("a", 0.0)]);
    assert_eq!((told(&first), story.states()), (vec![], vec![("a".into(), AlertState::Pending)]));
    assert_eq!(
        samples(&first),
        [
            "ALERTS_FOR_STATE{alertname=\"Down\", job=\"a\"} 60",
            "ALERTS{alertname=\"Down\", alertstate=\"pending\", job=\"a\"} 1",
        ]
    );
    assert_eq!(told(&story.tick(2 * MINUTE, &[("a", 0.0)])), []);
    let fired = story.tick(3 * MINUTE, &[("a", 0.0)]);
    assert_eq!(told(&fired), [("a".into(), false)]);
    let alert = &fired.alerts[0];
    assert_eq!(alert.labels.to_string(), "{alertname=\"Down\", cluster=\"c1\", job=\"a\"}");
    assert_eq!(alert.annotations.get("summary"), Some("a 0"));
    assert_eq!(&*alert.generator_url, "http://e/graph?g0.expr=up+%3D%3D+0&g0.tab=1");
    assert_eq!(alert.starts_at, Timestamp::from_millis(3 * MINUTE));
    assert!(
        samples(&fired)
            .contains(&"ALERTS{alertname=\"Down\", alertstate=\"pending\", job=\"a\"} stale".into())
    );
    assert_eq!(told(&story.tick(4 * MINUTE, &[("a", 0.0)])), []);
    let gone = story.tick(5 * MINUTE, &[]);
    assert_eq!(told(&gone), [("a".into(), true)]);
    assert!(matches!(&gone.changes[..], [Change::Gone { .. }]));
    assert_eq!(samples(&gone).len(), 2);
    assert_eq!(samples(&story.tick(6 * MINUTE, &[])).len(), 0);
}

#[test]
fn a_pending_alert_that_ends_is_never_told() {
    let mut story = Story::new(DOWN);
    story.tick(MINUTE, &[("a", 0.0)]);
    assert_eq!(told(&story.tick(2 * MINUTE, &[])), []);
    assert_eq!(story.states(), []);
}

#[test]
fn changed_annotations_are_told_again_a_changed_value_alone_is_not_written() {
    let mut story = Story::new("- {alert: Up, expr: up, annotations: {v: '{{ $value }}'}}");
    assert_eq!(told(&story.tick(MINUTE, &[("a", 1.0)])), [("a".into(), false)]);
    let same = story.tick(2 * MINUTE, &[("a", 1.0)]);
    assert_eq!((told(&same), same.changes), (vec![], vec![]));
    assert_eq!(told(&story.tick(3 * MINUTE, &[("a", 2.0)])), [("a".into(), false)]);
}

#[test]
fn keep_firing_for_outlasts_a_gap() {
    let mut story = Story::new("- {alert: Up, expr: up, keep_firing_for: 3m}");
    story.tick(MINUTE, &[("a", 1.0)]);
    assert_eq!(told(&story.tick(2 * MINUTE, &[])), []);
    assert_eq!(told(&story.tick(4 * MINUTE, &[])), []);
    story.tick(4 * MINUTE + 1, &[("a", 1.0)]);
    assert_eq!(told(&story.tick(6 * MINUTE, &[])), [], "the mark was taken back when it was true again");
    assert_eq!(told(&story.tick(9 * MINUTE, &[])), [("a".into(), true)]);
}

#[test]
fn an_arrival_starts_and_fires_and_ends_nothing() {
    let mut story = Story::new(DOWN);
    let first = story.see(10, Trigger::Arrival, &[("a", 0.0)]);
    assert_eq!((first.samples.len(), first.changes.len()), (0, 1));
    story.see(20, Trigger::Arrival, &[]);
    assert_eq!(story.states(), [("a".into(), AlertState::Pending)]);
    assert_eq!(told(&story.see(10 + 2 * MINUTE, Trigger::Arrival, &[("a", 0.0)])), [("a".into(), false)]);
    assert_eq!(told(&story.see(3 * MINUTE, Trigger::Arrival, &[])), []);
    assert_eq!(told(&story.tick(4 * MINUTE, &[])), [("a".into(), true)]);
}

#[test]
fn a_failed_evaluation_changes_no_alert() {
    let mut story = Story::new(DOWN);
    story.tick(MINUTE, &[("a", 0.0)]);
    let failed = story.result(2 * MINUTE, Trigger::Tick, Err("too many samples".into()));
    assert_eq!(failed, Decided { error: Some("too many samples".into()), ..Decided::default() });
    assert_eq!(told(&story.tick(3 * MINUTE, &[("a", 0.0)])), [("a".into(), false)]);
    let view = story.rules.view();
    assert_eq!((view[0].rules[0].health, view[0].rules[0].state()), (Health::Ok, Some(AlertState::Firing)));
}

#[test]
fn twins_after_labelling_are_an_error() {
    let mut story = Story::new("- {alert: Up, expr: up, labels: {job: x}}");
    let error = story.tick(MINUTE, &[("a", 1.0), ("b", 1.0)]).error.unwrap();
    assert!(error.contains("same labelset"), "{error}");
}

#[test]
fn recording_marks_what_is_gone() {
    let mut story = Story::new("- {record: 'job:up', expr: up, labels: {tier: '1', dropped: ''}}");
    assert_eq!(
        samples(&story.tick(MINUTE, &[("a", 1.0), ("b", 2.0)])),
        ["job:up{job=\"a\", tier=\"1\"} 1", "job:up{job=\"b\", tier=\"1\"} 2",]
    );
    assert_eq!(
        samples(&story.tick(2 * MINUTE, &[("b", 3.0)])),
        ["job:up{job=\"a\", tier=\"1\"} stale", "job:up{job=\"b\", tier=\"1\"} 3",]
    );
    assert_eq!(story.see(2 * MINUTE + 1, Trigger::Arrival, &[("a", 1.0)]), Decided::default());
}

#[test]
fn a_restart_goes_on_where_it_was() {
    let mut story = Story::new(DOWN);
    let Change::Active(row) = story.tick(MINUTE, &[("a", 0.0)]).changes.remove(0) else {
        panic!("not active")
    };
    let mut story = Story::restored(DOWN, vec![row], 2 * MINUTE);
    let fired = story.tick(3 * MINUTE, &[("a", 0.0)]);
    assert_eq!(told(&fired), [("a".into(), false)]);
    // Firing over the next restart, with no data yet: not resolved before its targets can have been scraped.
    let Change::Active(row) = fired.changes[0].clone() else { panic!("not active") };
    let mut story = Story::restored(DOWN, vec![row.clone()], 4 * MINUTE);
    assert_eq!(told(&story.tick(5 * MINUTE, &[])), []);
    assert_eq!(told(&story.tick(6 * MINUTE, &[])), [("a".into(), true)]);
    // The rule is gone: the alert ends at once.
    let other = groups("- {alert: Other, expr: up}");
    let (_, decided) = Rules::new(other, settings(), vec![row], Timestamp::from_millis(4 * MINUTE));
    assert_eq!(told(&decided), [("a".into(), true)]);
}

#[test]
fn a_reload_keeps_alerts_and_phase() {
    let mut story = Story::new(DOWN);
    story.tick(MINUTE, &[("a", 0.0)]);
    let (id, next) = (story.rules.groups[0].id, story.rules.next_due());
    let decided = story.rules.reload(groups(DOWN), settings(), Timestamp::from_millis(MINUTE + 1));
    assert_eq!(decided, Decided::default());
    assert_eq!((story.rules.groups[0].id, story.rules.next_due()), (id, next));
    let more = format!("{}\n- {{record: r, expr: up}}", DOWN.replace("up == 0", "up < 1"));
    story.rules.reload(groups(&more), settings(), Timestamp::from_millis(MINUTE + 2));
    assert_ne!(story.rules.groups[0].id, id);
    assert_eq!(story.states(), [("a".into(), AlertState::Pending)]);
    assert_eq!(told(&story.tick(3 * MINUTE, &[("a", 0.0)])), [("a".into(), false)]);
    let decided = story.rules.reload(Vec::new(), settings(), Timestamp::from_millis(4 * MINUTE));
    assert_eq!((told(&decided), decided.samples.len()), (vec![("a".into(), true)], 2));
}

#[test]
fn ticks_are_aligned_and_missed_ones_counted() {
    let mut story = Story::new(DOWN);
    let first = story.rules.next_due().unwrap();
    assert!(first > Timestamp::from_millis(0) && first <= Timestamp::from_millis(MINUTE));
    assert_eq!(story.rules.due(Timestamp::from_millis(first.as_millis() - 1)), []);
    let late = first.plus(Duration::from_secs(150));
    let due = story.rules.due(late);
    let at = first.plus(Duration::from_secs(120));
    let group = story.rules.groups[0].id;
    assert_eq!(due, [Due::Tick { group, at, query_at: at, missed: 2 }]);
    assert_eq!(story.rules.due(late), []);
    assert_eq!(story.rules.next_due(), Some(at.plus(Duration::from_secs(60))));
    let again = Story::restored(DOWN, Vec::new(), 10 * MINUTE);
    let phase = |at: Option<Timestamp>| at.map(|at| at.as_millis() % MINUTE);
    assert_eq!(phase(again.rules.next_due()), phase(Some(first)));
}

#[test]
fn arrivals_wake_the_rules_that_read_them() {
    let two = "- {alert: A, expr: 'up{job=\"a\"} == 0 or on() vector(0)'}\n- {alert: B, expr: '{job=~\"b|c\"}'}\n- {record: r, expr: up}";
    let mut story = Story::new(two);
    let labels = |name: &str, job: &str| Labels::from_pairs([("__name__", name), ("job", job)]);
    let series = [labels("up", "a"), labels("up", "b"), labels("other", "c"), labels("other", "d")];
    story.rules.born(series.iter().enumerate().map(|(at, labels)| (SeriesId(at as u64), labels)));
    let mut wake = |series: u64, now: i64| -> Vec<u32> {
        let woken = story.rules.woken(&[SeriesId(series)], Timestamp::from_millis(now));
        woken.into_iter().map(|rule| rule.at).collect()
    };
    assert_eq!([wake(0, 1), wake(1, 1), wake(3, 1)], [vec![0], vec![1], vec![]]);
    assert_eq!(wake(2, 49), [0; 0], "not twice in 50 ms");
    assert_eq!(story.rules.next_due(), Some(Timestamp::from_millis(51)));
    let due = story.rules.due(Timestamp::from_millis(51));
    assert!(matches!(due[..], [Due::Arrival { rule }] if rule.at == 1), "{due:?}");
}

#[test]
fn other_external_labels_are_other_alerts() {
    let mut story = Story::new("- alert: A\n  expr: up == 0\n- alert: P\n  expr: up == 0\n  for: 1h");
    story.tick(MINUTE, &[("x", 0.0)]);
    let fires = |story: &Story| -> Vec<String> {
        let firing = story.rules.firing(Timestamp::from_millis(MINUTE));
        assert!(firing.iter().all(|alert| alert.ends_at.is_none() && !alert.generator_url.is_empty()));
        firing.iter().map(|alert| alert.labels.to_string()).collect()
    };
    assert_eq!(fires(&story), [r#"{alertname="A", cluster="c1", job="x"}"#]);
    let changed = Settings { external_labels: Labels::from_pairs([("cluster", "c2")]), ..settings() };
    let specs = groups("- alert: A\n  expr: up == 0\n- alert: P\n  expr: up == 0\n  for: 1h");
    story.rules.reload(specs, changed, Timestamp::from_millis(MINUTE));
    assert_eq!(fires(&story), [r#"{alertname="A", cluster="c2", job="x"}"#]);
}

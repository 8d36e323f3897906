//! What is told, what it comes to, and what a restart leaves of it.

use super::*;
use model::{Sample, Series};

const WINDOW: Duration = Duration::from_secs(300);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

fn told(kind: Kind, name: &str, value: f64, tags: &[(&str, &str)]) -> Told {
    let tags = tags.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    Told { kind, name: name.to_owned(), value, tags }
}

fn shown(samples: &[(Labels, Timestamp, f64)]) -> Vec<String> {
    samples.iter().map(|(labels, t, v)| format!("{labels} {v}@{}", t.as_millis())).collect()
}

#[test]
fn counters_add_up_and_begin_at_zero() {
    let pushed = Pushed::default();
    let batch = [
        told(Kind::Counter, "calls", 2.0, &[("service", "a")]),
        told(Kind::Counter, "calls", 3.0, &[("service", "a")]),
        told(Kind::Counter, "calls", 1.0, &[]),
    ];
    let taken = pushed.take(&batch, at(1)).unwrap();
    assert_eq!(taken.totals, [2.0, 5.0, 1.0]);
    assert_eq!(
        shown(&taken.samples),
        [
            "calls{job=\"monitoring\", service=\"a\"} 0@999",
            "calls{job=\"monitoring\"} 0@999",
            "calls{job=\"monitoring\"} 1@1000",
            "calls{job=\"monitoring\", service=\"a\"} 5@1000",
        ]
    );
    assert_eq!(taken.names, [("calls".to_owned(), Kind::Counter)]);
    let again = pushed.take(&batch[2..], at(1)).unwrap();
    assert_eq!(shown(&again.samples), ["calls{job=\"monitoring\"} 2@1001"]);
    assert_eq!(again.names, []);
    assert_eq!(pushed.summary(at(1), WINDOW).counters["calls"], 7.0);
}

#[test]
fn a_gauge_is_what_was_told_last() {
    let pushed = Pushed::default();
    pushed.take(&[told(Kind::Gauge, "load", 1.0, &[("host", "a")])], at(1)).unwrap();
    pushed.take(&[told(Kind::Gauge, "load", 7.0, &[("host", "b")])], at(2)).unwrap();
    assert_eq!(pushed.summary(at(2), WINDOW).gauges["load"], 7.0);
    let all = pushed.samples(at(60));
    assert_eq!(all.len(), 2);
    assert!(all.iter().all(|(_, t, _)| *t == at(60)));
}

#[test]
fn quantiles_are_of_the_window_and_the_rest_of_all_time() {
    let pushed = Pushed::default();
    pushed.take(&[told(Kind::Histogram, "took_ms", 9000.0, &[])], at(0)).unwrap();
    let batch: Vec<Told> = (1..=100)
        .map(|i| {
            told(Kind::Histogram, "took_ms", f64::from(i), &[("half", if i % 2 == 0 { "a" } else { "b" })])
        })
        .collect();
    pushed.take(&batch, at(400)).unwrap();
    let spread = &pushed.summary(at(410), WINDOW).histograms["took_ms"];
    assert_eq!((spread.count, spread.min, spread.max, spread.sum), (101, 1.0, 9000.0, 14_050.0));
    let quantiles = [spread.p50, spread.p95, spread.p99].map(Option::unwrap);
    assert!((quantiles[0] - 50.5).abs() < 1e-9 && (quantiles[1] - 95.05).abs() < 1e-9, "{quantiles:?}");
    assert!((quantiles[2] - 99.01).abs() < 1e-9, "{quantiles:?}");
    assert_eq!(pushed.summary(at(4000), WINDOW).histograms["took_ms"].p95, None);
}

#[test]
fn a_histogram_is_buckets_sum_and_count() {
    let pushed = Pushed::default();
    let taken = pushed.take(&[told(Kind::Histogram, "h", 3.0, &[("le", "x"), ("job", "y")])], at(1)).unwrap();
    let lines = shown(&taken.samples);
    let tags = "exported_job=\"y\", exported_le=\"x\", job=\"monitoring\"";
    for want in [
        format!("h_bucket{{{tags}, le=\"2\"}} 0@999"),
        format!("h_bucket{{{tags}, le=\"2\"}} 0@1000"),
        format!("h_bucket{{{tags}, le=\"5\"}} 1@1000"),
        format!("h_bucket{{{tags}, le=\"+Inf\"}} 1@1000"),
        format!("h_sum{{{tags}}} 3@1000"),
        format!("h_count{{{tags}}} 1@1000"),
        format!("h_max{{{tags}}} 3@1000"),
    ] {
        assert!(lines.contains(&want), "{want} is not in {lines:#?}");
    }
    assert!(taken.samples.iter().all(|(_, _, v)| v.is_finite()), "{lines:#?}");
}

#[test]
fn a_name_has_one_kind_and_a_batch_is_taken_whole() {
    let pushed = Pushed::default();
    pushed.take(&[told(Kind::Histogram, "h", 1.0, &[]), told(Kind::Counter, "c", 1.0, &[])], at(1)).unwrap();
    for (bad, what) in [
        (told(Kind::Gauge, "c", 1.0, &[]), "\"c\" is taken: \"c\" is a counter"),
        (told(Kind::Counter, "h_count", 1.0, &[]), "\"h_count\" is taken: \"h\" is a histogram"),
    ] {
        let refused = pushed.take(&[told(Kind::Counter, "new", 1.0, &[]), bad], at(2)).unwrap_err();
        assert_eq!(refused.to_string(), what);
        assert!(matches!(refused, Refusal::Taken { at: 1, .. }));
    }
    pushed.take(&[told(Kind::Gauge, "x_sum", 1.0, &[])], at(2)).unwrap();
    let refused = pushed.take(&[told(Kind::Histogram, "x", 1.0, &[])], at(2)).unwrap_err();
    assert_eq!(refused.to_string(), "\"x_sum\" is taken: \"x_sum\" is a gauge");
    assert_eq!(pushed.kind("new"), None);
}

#[test]
fn label_sets_are_bounded_and_the_idle_make_room() {
    let pushed = Pushed::default();
    let many: Vec<Told> =
        (0..PLAIN_MAX).map(|i| told(Kind::Counter, "c", 1.0, &[("i", &i.to_string())])).collect();
    pushed.take(&many, at(0)).unwrap();
    let one = [told(Kind::Counter, "c", 1.0, &[("i", "more")])];
    assert_eq!(pushed.take(&one, at(60)).unwrap_err(), Refusal::Full { at: 0, max: PLAIN_MAX });
    pushed.take(&many[..1], at(60)).unwrap();
    let taken = pushed.take(&one, at(4000)).unwrap();
    assert!(
        taken.samples.iter().any(|(_, _, v)| model::is_stale(*v)),
        "the one that went is said to be gone"
    );
    assert_eq!(pushed.samples(at(4000)).len(), PLAIN_MAX);
    let late = pushed.samples(at(4000 + 8 * 86_400));
    assert!(late.iter().all(|(_, _, v)| model::is_stale(*v)), "a week later all are forgotten");
    assert_eq!(pushed.samples(at(4000 + 9 * 86_400)), []);
}

#[test]
fn a_restart_goes_on_where_it_was() {
    let before = Pushed::default();
    let batch = [
        told(Kind::Counter, "calls", 5.0, &[("service", "a")]),
        told(Kind::Gauge, "load", 2.5, &[]),
        told(Kind::Histogram, "took_ms", 3.0, &[("x", "y")]),
        told(Kind::Histogram, "took_ms", 30.0, &[("x", "y")]),
    ];
    let taken = before.take(&batch, at(1)).unwrap();
    let series: Vec<Series> = before
        .samples(at(2))
        .into_iter()
        .map(|(labels, t, v)| Series { labels, samples: vec![Sample { t, v }] })
        .collect();
    let after = Pushed::default();
    after.restore(taken.names.into_iter().collect(), &series, at(10));
    let (old, new) = (before.summary(at(2), WINDOW), after.summary(at(10), WINDOW));
    assert_eq!((&old.counters, &old.gauges), (&new.counters, &new.gauges));
    let spread = &new.histograms["took_ms"];
    assert_eq!((spread.count, spread.sum, spread.min, spread.max, spread.p50), (2, 33.0, 3.0, 30.0, None));
    let mut lines = [shown(&before.samples(at(20))), shown(&after.samples(at(20)))];
    lines.iter_mut().for_each(|lines| lines.sort());
    assert_eq!(lines[0], lines[1]);
    assert_eq!(after.take(&batch[..1], at(21)).unwrap().totals, [10.0]);
}

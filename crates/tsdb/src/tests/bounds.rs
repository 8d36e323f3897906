//! Refusals, visibility, retention: everything outside input can do is bounded, and the bound says what happens.

use super::{Rig, START, at, numbers, series, show};
use ::model::{
    Ingest, Labels, MatchOp, Matcher, Querier, QueryError, Refusal, STALE_NAN, Select, SeriesId, Timestamp,
};
use std::time::Duration;

#[test]
fn each_refusal_has_its_reason_and_is_counted() {
    let root = tempfile::tempdir().unwrap();
    let rig = Rig::open_with(root.path(), START, |options| options.series_max = 2);
    let (a, b) = (series("a", "1"), series("b", "1"));
    rig.put(&[(&a, START, 1.0), (&b, START, STALE_NAN)]);
    let mut appender = rig.db.appender();
    let huge = a.with("blob", &"x".repeat(10 << 20));
    let nameless = Labels::from_pairs([("job", "x")]);
    let unnamed = a.with("", "x");
    for (labels, t, v, want) in [
        (&a, START - 1, 1.0, Some(Refusal::OutOfOrder)),
        (&a, START, 2.0, Some(Refusal::Duplicate)),
        (&a, START, 1.0, None),
        (&b, START, STALE_NAN, None),
        (&b, START, f64::NAN, Some(Refusal::Duplicate)),
        (&a, START - 61_000, 1.0, Some(Refusal::TooOld)),
        (&series("1970", ""), 0, 1.0, Some(Refusal::TooOld)),
        (&a, START + 601_000, 1.0, Some(Refusal::TooNew)),
        (&series("c", "1"), START, 1.0, Some(Refusal::TooManySeries)),
        (&huge, START, 1.0, Some(Refusal::BadLabels)),
        (&nameless, START, 1.0, Some(Refusal::BadLabels)),
        (&unnamed, START, 1.0, Some(Refusal::BadLabels)),
        (&a, START + 5, 5.0, None),
        (&a, START + 5, 6.0, Some(Refusal::Duplicate)),
        (&a, START + 4, 6.0, Some(Refusal::OutOfOrder)),
        (&a, START + 6, 6.0, None),
        (&a, START + 6, 6.0, None),
        (&a, START + 6, 7.0, Some(Refusal::Duplicate)),
    ] {
        let got = appender.append(labels, at(t), v).err();
        assert_eq!(got, want, "{} {t} {v}", labels.name());
    }
    let unknown = SeriesId(u64::MAX);
    assert_eq!(appender.append_known(unknown, at(START), 1.0), Err(Refusal::UnknownSeries));
    let committed = appender.commit().unwrap();
    assert_eq!((committed.samples, numbers(&committed.touched)), (2, vec![0]));
    let refused: u64 = rig.db.stats().refused.iter().map(|(_, n)| n).sum();
    assert_eq!((refused, rig.db.stats().refused.len()), (14, 7), "{:?}", rig.db.stats().refused);
    let mut names = Vec::new();
    rig.db.stats().metrics(&mut |name, labels, value| names.push((name.to_owned(), labels.len(), value)));
    assert!(names.contains(&("tocsin_samples_appended_total".to_owned(), 0, 4.0)), "{names:?}");
}

#[test]
fn a_batch_is_visible_whole_after_its_commit_and_tells_what_it_did() {
    let root = tempfile::tempdir().unwrap();
    let rig = Rig::open(root.path(), START);
    let (a, b) = (series("a", "1"), series("b", "1"));
    let mut appender = rig.db.appender();
    let first = appender.append(&a, at(START), 1.0).unwrap();
    appender.append(&b, at(START), 1.0).unwrap();
    assert_eq!(rig.all(), []);
    assert_eq!(rig.db.series(&[], Timestamp::MIN, Timestamp::MAX).unwrap(), []);
    drop(appender);
    assert_eq!(rig.all(), [], "a dropped batch leaves nothing");
    let committed = rig.put(&[(&b, START, 1.0), (&a, START, 2.0), (&b, START + 1, 1.0)]);
    assert_eq!(numbers(&committed.touched), [1, 0]);
    assert_eq!(committed.created, [(SeriesId(1 << 32 | 1), b.clone()), (first, a.clone())]);
    assert_eq!(committed.samples, 3);
    assert_eq!(rig.put(&[(&a, START + 1, 1.0)]).created, []);
    assert_eq!(rig.db.live(), [(first, a), (SeriesId(1 << 32 | 1), b)]);
}

#[test]
fn of_two_open_batches_the_later_commit_yields() {
    let root = tempfile::tempdir().unwrap();
    let rig = Rig::open(root.path(), START);
    let (a, b) = (series("a", "1"), series("b", "1"));
    let (mut one, mut two) = (rig.db.appender(), rig.db.appender());
    let id = one.append(&a, at(START + 1), 1.0).unwrap();
    assert_eq!(two.append(&a, at(START), 2.0), Ok(id));
    two.append(&a, at(START + 2), 2.0).unwrap();
    two.append(&b, at(START + 2), 2.0).unwrap();
    assert_eq!(one.commit().unwrap().created.len(), 1);
    let committed = two.commit().unwrap();
    assert_eq!((committed.samples, committed.created.len()), (2, 1), "the overtaken sample is left out");
    assert_eq!(rig.all()[0].samples.len(), 2);
}

#[test]
fn a_silent_series_leaves_the_head_and_its_id_is_not_used_again() {
    let root = tempfile::tempdir().unwrap();
    let rig = Rig::open(root.path(), START);
    let (a, b) = (series("a", "1"), series("b", "1"));
    let id = rig.put(&[(&a, START, 1.0)]).touched[0];
    let mut now = START;
    for _ in 0..30 {
        now += 10_000;
        rig.clock.set(at(now));
        rig.put(&[(&b, now, 1.0)]);
        rig.pass(now);
    }
    assert_eq!(rig.db.stats().series, 1);
    let mut appender = rig.db.appender();
    assert_eq!(appender.append_known(id, at(now), 1.0), Err(Refusal::UnknownSeries));
    let new = appender.append(&a, at(now), 2.0).unwrap();
    assert_ne!(new, id);
    assert_eq!(appender.commit().unwrap().created, [(new, a.clone())]);
    let found = rig.select(&[Matcher::equal("__name__", "a")], i64::MIN, i64::MAX);
    assert_eq!(show(&found), "a{instance=\"1\", job=\"test\"} 0=1 300=2\n");
    drop(rig);
    let rig = Rig::open(root.path(), now);
    assert_eq!(rig.select(&[Matcher::equal("__name__", "a")], i64::MIN, i64::MAX), found);
}

#[test]
fn the_log_forgets_series_that_are_mostly_dead() {
    let root = tempfile::tempdir().unwrap();
    let rig = Rig::open(root.path(), START);
    let churn: Vec<Labels> = (0..10_100).map(|i| series("short", &i.to_string())).collect();
    let batch: Vec<(&Labels, i64, f64)> = churn.iter().map(|labels| (labels, START, 1.0)).collect();
    let ids = rig.put(&batch).touched;
    let defined = || std::fs::metadata(root.path().join("series.log")).unwrap().len();
    let before = defined();
    let mut now = START;
    for _ in 0..30 {
        now += 10_000;
        rig.clock.set(at(now));
        rig.put(&[(&series("long", "1"), now, 1.0)]);
        rig.pass(now);
    }
    assert!(defined() < before / 1000, "{} of {before}", defined());
    let all = rig.all();
    assert_eq!(all.len(), 10_101);
    drop(rig);
    let rig = Rig::open(root.path(), now);
    assert_eq!(rig.all(), all);
    let new = rig.put(&batch.iter().take(10).map(|(labels, ..)| (*labels, now, 2.0)).collect::<Vec<_>>());
    assert!(new.touched.iter().all(|id| !ids.contains(id)), "{:?}", new.touched);
}

#[test]
fn retention_and_size_drop_the_oldest_segments() {
    let root = tempfile::tempdir().unwrap();
    let day = Duration::from_secs(86_400);
    let rig = Rig::open_with(root.path(), START, |options| options.retention = day);
    let a = series("a", "1");
    let mut now = START;
    for i in 0..48 * 6 {
        now = START + i * 600_000;
        rig.clock.set(at(now));
        rig.put(&[(&a, now, i as f64)]);
        rig.pass(now);
    }
    let kept = now - rig.all()[0].samples[0].t.as_millis();
    let day_ms = day.as_millis() as i64;
    assert!((day_ms..day_ms + day_ms / 7).contains(&kept), "kept {kept} ms");
    let stats = rig.db.stats();
    assert!((4..40).contains(&stats.segments), "{stats:?}");
    assert!(stats.wal_bytes < 2000, "the log is cut: {stats:?}");
    drop(rig);
    let rig = Rig::open_with(root.path(), now, |options| options.bytes_max = Some(stats.disk_bytes / 2));
    rig.pass(now);
    let less = rig.db.stats();
    assert!(less.disk_bytes <= stats.disk_bytes / 2 && less.segments > 0, "{less:?}");
}

#[test]
fn too_many_hot_samples_are_flushed_early() {
    let root = tempfile::tempdir().unwrap();
    let rig = Rig::open_with(root.path(), START, |options| options.hot_samples_max = 100);
    let a = series("a", "1");
    for i in 0..200 {
        rig.put(&[(&a, START + i, i as f64)]);
    }
    rig.pass(START + 200);
    let stats = rig.db.stats();
    assert!(stats.hot_samples <= 100 && stats.segments == 1, "{stats:?}");
    assert_eq!(rig.all()[0].samples.len(), 200);
}

#[test]
fn a_query_stops_at_its_bound_wherever_the_samples_lie() {
    let root = tempfile::tempdir().unwrap();
    let rig = Rig::open(root.path(), START);
    let a = series("a", "1");
    for i in 0..20 {
        rig.clock.set(at(START + i * 10_000));
        rig.put(&[(&a, START + i * 10_000, 0.0)]);
        rig.pass(START + i * 10_000);
    }
    assert_eq!(rig.db.stats().segments, 1);
    for (samples_max, fits) in [(20, true), (19, false), (3, false)] {
        let what = Select {
            matchers: &[Matcher::equal("__name__", "a")],
            from: Timestamp::MIN,
            to: Timestamp::MAX,
            samples_max,
        };
        let got = rig.db.select(&what).map(|found| found[0].samples.len());
        let want = if fits { Ok(20) } else { Err(QueryError::TooManySamples { max: samples_max }) };
        assert_eq!(got, want);
    }
}

#[test]
fn label_names_and_values_from_head_and_segments() {
    let root = tempfile::tempdir().unwrap();
    let rig = Rig::open(root.path(), START);
    let old = series("old", "1").with("zone", "z");
    rig.put(&[(&old, START, 1.0)]);
    let later = START + 1_000_000;
    rig.pass(later);
    rig.put(&[(&series("new", "2"), later, 1.0)]);
    let all = (Timestamp::MIN, Timestamp::MAX);
    let check =
        |matchers: &[Matcher], (from, to): (Timestamp, Timestamp), names: &[&str], values: &[&str]| {
            assert_eq!(rig.db.label_names(matchers, from, to).unwrap(), names);
            assert_eq!(rig.db.label_values("__name__", matchers, from, to).unwrap(), values);
        };
    check(&[], all, &["__name__", "instance", "job", "zone"], &["new", "old"]);
    check(&[], (at(later), at(later)), &["__name__", "instance", "job"], &["new"]);
    check(&[Matcher::equal("instance", "1")], all, &["__name__", "instance", "job", "zone"], &["old"]);
    let none = Matcher::new(MatchOp::Regex, "instance", "9").unwrap();
    check(&[none], all, &[], &[]);
}

#[test]
fn many_series_come_sorted() {
    let root = tempfile::tempdir().unwrap();
    let rig = Rig::open(root.path(), START);
    let sets: Vec<Labels> = (0..2000).map(|i| series("m", &((i * 7919) % 2000).to_string())).collect();
    let batch: Vec<(&Labels, i64, f64)> = sets.iter().map(|labels| (labels, START, 0.0)).collect();
    rig.put(&batch);
    assert!(rig.all().is_sorted_by(|a, b| a.labels < b.labels));
    rig.put(&[(&series("k", "1"), START, 0.0)]);
    let all = rig.all();
    assert!(all.len() == 2001 && all.is_sorted_by(|a, b| a.labels < b.labels));
}

/// Two series always get the same values in one batch: no reader may ever see them differ, whatever maintenance is
/// doing, nor miss or double a sample.
#[test]
fn readers_see_whole_batches_while_writers_and_maintenance_run() {
    let root = tempfile::tempdir().unwrap();
    let rig = Rig::open(root.path(), START);
    let pair = [series("left", "1"), series("right", "1")];
    const BATCHES: i64 = 600;
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for i in 0..BATCHES {
                let t = START + i * 1000;
                rig.clock.set(at(t));
                rig.put(&[(&pair[0], t, i as f64), (&pair[1], t, i as f64)]);
            }
            done.store(true, std::sync::atomic::Ordering::SeqCst);
        });
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::SeqCst) {
                rig.db.maintain(::model::Clock::now(&*rig.clock)).unwrap();
            }
        });
        let mut seen = 0;
        while seen < BATCHES as usize {
            let found = rig.all();
            if found.is_empty() {
                continue;
            }
            assert_eq!(found[0].samples, found[1].samples);
            let values: Vec<f64> = found[0].samples.iter().map(|sample| sample.v).collect();
            assert!(values.len() >= seen, "what was seen stays");
            assert_eq!(values, (0..values.len()).map(|i| i as f64).collect::<Vec<_>>());
            seen = values.len();
        }
    });
    rig.pass(START + BATCHES * 1000);
    assert!(rig.db.stats().segments > 0, "{:?}", rig.db.stats());
}

#[test]
fn names_and_values_are_those_of_the_span() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::open(dir.path(), START);
    rig.put(&[(&series("a", "1"), START, 1.0)]);
    for (from, to, want) in
        [(i64::MIN, i64::MAX, 1), (START, START, 1), (0, 10, 0), (START + 1, i64::MAX, 0), (9, 5, 0)]
    {
        let found = rig.db.label_values("instance", &[], at(from), at(to)).unwrap();
        assert_eq!(found.len(), want, "{from} to {to}");
        let found = rig.db.label_names(&[], at(from), at(to)).unwrap();
        assert_eq!(found.len(), want * 3, "{from} to {to}");
    }
}

#[test]
fn the_census_lists_what_is_largest() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::open(dir.path(), START);
    for instance in ["10", "11", "12"] {
        rig.put(&[(&series("many", instance), START, 1.0)]);
    }
    rig.put(&[(&series("few", "10"), START, 1.0)]);
    let census = rig.db.census(2);
    let list = |rows: &[(&str, u64)]| -> Vec<(String, u64)> {
        rows.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    };
    assert_eq!(census.pairs, 6);
    assert_eq!(census.series_by_metric, list(&[("many", 3), ("few", 1)]));
    assert_eq!(census.values_by_label, list(&[("instance", 3), ("__name__", 2)]));
    assert_eq!(census.bytes_by_label, list(&[("__name__", 7), ("instance", 6)]));
    assert_eq!(census.series_by_pair, list(&[("job=test", 4), ("__name__=many", 3)]));
}

//! Bodies in, samples out: the cache against itself, bad input of every kind, and real sockets.

use super::cache::Cache;
use super::shape::{Limits, Shape};
use super::tally::Tally;
use crate::exposition::Format;
use crate::exposition::tests::{near_exposition, read};
use crate::testing::Store;
use crate::{Error, relabel};
use model::{Ingest, Labels, Timestamp};
use proptest::prelude::*;

const T0: i64 = 1_000_000;

struct Bench {
    store: Store,
    cache: Cache,
    shape: Shape,
    now: i64,
    /// Samples seen by the last scrape, and left of them by relabelling.
    read: (usize, usize),
}

impl Bench {
    fn new(shape: Shape) -> Bench {
        Bench { store: Store::default(), cache: Cache::default(), shape, now: T0, read: (0, 0) }
    }

    /// One scrape; the time moves on by a second.
    fn scrape(&mut self, body: &str, format: Format) -> Result<Tally, Error> {
        self.now += 1000;
        let at = Timestamp::from_millis(self.now);
        let mut appender = self.store.appender();
        let (tally, read) = self.cache.ingest(body.as_bytes(), format, at, &self.shape, &mut *appender);
        self.read = (tally.scraped, tally.relabelled());
        match read {
            Ok(learned) => {
                appender.commit().unwrap();
                self.cache.adopt(learned);
                Ok(tally)
            }
            Err(error) => {
                appender = self.store.appender();
                self.cache.end(at, &mut *appender);
                appender.commit().unwrap();
                self.cache.fell_silent();
                Err(error)
            }
        }
    }

    fn text(&mut self, body: &str) -> String {
        let result = self.scrape(body, Format::Text);
        let samples = self.store.at(self.now).join("; ");
        match result {
            Ok(_) => samples,
            Err(error) => format!("{error} | {samples}"),
        }
    }
}

fn plain() -> Shape {
    Shape { honor_timestamps: true, ..Shape::default() }
}

#[test]
fn bodies_one_after_another() {
    let mut bench = Bench::new(plain());
    for (body, want) in [
        ("# HELP a x\na 1\nb{l=\"1\"} 2\nc 3\n", "a 1; b{l=\"1\"} 2; c 3"),
        ("# HELP a x\na 1.5\nb{l=\"1\"} -2\nc NaN\n", "a 1.5; b{l=\"1\"} -2; c NaN"),
        // One is gone, one is new, two change places.
        ("# HELP a x\nc 3\na 1\nd 4\n", "a 1; b{l=\"1\"} stale; c 3; d 4"),
        ("# HELP a x\nc 3\na 1\nd 4\n", "a 1; c 3; d 4"),
        // The comments change.
        ("# HELP a y\nc 3\n# TYPE a gauge\na 1\nd 4", "a 1; c 3; d 4"),
        // Gone from the end.
        ("# HELP a y\nc 3\n", "a stale; c 3; d stale"),
        (
            "rubbish",
            "the body is not metrics: line 1: expected value after metric, got the end of the body | c stale",
        ),
        (
            "rubbish",
            "the body is not metrics: line 1: expected value after metric, got the end of the body | ",
        ),
        ("# HELP a y\nc 3\n", "c 3"),
        // A longer name, and blanks before the brace.
        ("cc 1\n", "c stale; cc 1"),
        ("cc {x=\"y\"} 1\n", "cc stale; cc{x=\"y\"} 1"),
        ("cc{x=\"y\"} 1\n", "cc{x=\"y\"} 1"),
        ("", "cc{x=\"y\"} stale"),
        ("", ""),
    ] {
        assert_eq!(bench.text(body), want, "{body:?}");
    }
}

#[test]
fn a_good_body_after_a_bad_one_needs_no_labels_again() {
    let mut bench = Bench::new(plain());
    bench.text("a 1\nb 2\n");
    let added =
        |bench: &mut Bench, body: &str| bench.scrape(body, Format::Text).map(|tally| tally.added).ok();
    assert_eq!(added(&mut bench, "a{ 1\n"), None);
    assert_eq!(added(&mut bench, "a 1\nb 2\n"), Some(0));
    assert_eq!(added(&mut bench, "a 1\nc 2\nb 2\n"), Some(1));
}

#[test]
fn timestamps() {
    let mut bench = Bench::new(plain());
    bench.text(&format!("a 1 {}\nb 2\n", T0 + 500));
    assert_eq!(bench.store.at(T0 + 500), ["a 1"]);
    // A series with its own timestamps is not marked: its last sample says itself when it was.
    assert_eq!(bench.text("b 2\n"), "b 2");
    bench.shape.honor_timestamps = false;
    assert_eq!(bench.text("a 1 5\nb 2\n"), "a 1; b 2");
    let mut bench = Bench::new(Shape { track_timestamps_staleness: true, ..plain() });
    bench.text(&format!("a 1 {}\n", T0 + 500));
    assert_eq!(bench.text("b 1\n"), "a stale; b 1");
}

#[test]
fn labels_of_the_target() {
    let target = Labels::from_pairs([("instance", "i"), ("job", "j")]);
    let rules =
        "- {action: drop, source_labels: [__name__], regex: noise.*}\n- {action: labeldrop, regex: secret}";
    let raw = serde_saphyr::from_str(rules).unwrap();
    let relabel = relabel::resolve(Some(raw), "metric_relabel_configs", &mut Vec::new());
    let shape = Shape { target, relabel: relabel.into(), ..plain() };
    let body = "a{job=\"own\",secret=\"s\",exported_job=\"x\"} 1\nnoise_1 2\nb{instance=\"\"} 3\n";
    let mut bench = Bench::new(shape.clone());
    assert_eq!(
        bench.text(body),
        "a{exported_exported_job=\"own\", exported_job=\"x\", instance=\"i\", job=\"j\"} 1; b{instance=\"i\", job=\"j\"} 3"
    );
    let mut bench = Bench::new(Shape { honor_labels: true, ..shape });
    assert_eq!(bench.text(body), "a{exported_job=\"x\", instance=\"i\", job=\"own\"} 1; b{job=\"j\"} 3");
}

#[test]
fn relabelling_that_changes_ends_what_it_renames() {
    let mut bench = Bench::new(plain());
    bench.text("a 1\nb 2\n");
    bench.cache.forget_meaning();
    bench.shape.target = Labels::from_pairs([("env", "x")]);
    assert_eq!(bench.text("a 1\nb 2\n"), "a stale; a{env=\"x\"} 1; b stale; b{env=\"x\"} 2");
    assert_eq!(bench.text("a 1\nb 2\n"), "a{env=\"x\"} 1; b{env=\"x\"} 2");
}

/// What is refused is counted under its name; the rest goes on.
#[test]
fn bad_samples_are_refused_one_by_one() {
    let huge = "x".repeat(10 << 20);
    let mut bench = Bench::new(plain());
    for round in 0..3 {
        let body = format!("a 1\nb{{l=\"{huge}\"}} 2\nc 3\nc 4\nold 5 1000\nd 6\n");
        let tally = bench.scrape(&body, Format::Text).unwrap();
        assert_eq!(bench.store.at(bench.now), ["a 1", "c 3", "d 6"], "{round}");
        let counts: Vec<_> = tally.refused.into_iter().collect();
        assert_eq!(counts, [("duplicate", 1), ("too_long", 1), ("too_old", 1)], "{round}");
        assert_eq!(tally.scraped, 6);
        assert!(bench.cache.size() < 4096, "{}", bench.cache.size());
    }
    let tally = bench.scrape("c 4\na 1\n", Format::Text).unwrap();
    assert!(tally.refused.is_empty(), "{tally:?}");
}

#[test]
fn limits_refuse_the_whole() {
    let limits = |limits: Limits| Shape { limits, ..plain() };
    for (shape, body, want, read) in [
        (
            limits(Limits { samples: 1, ..Limits::default() }),
            "a 1\nb 2\nc 3\n",
            "sample_limit exceeded: more than 1 samples",
            (3, 3),
        ),
        (
            limits(Limits { labels: 2, ..Limits::default() }),
            "a{b=\"1\",c=\"2\"} 1\n",
            "label_limit exceeded by a: 3 is more than 2",
            (1, 0),
        ),
        (
            limits(Limits { name_bytes: 8, ..Limits::default() }),
            "a{ninechars=\"1\"} 1\n",
            "label_name_length_limit exceeded by a: 9 is more than 8",
            (1, 0),
        ),
        (
            limits(Limits { value_bytes: 2, ..Limits::default() }),
            "a{b=\"123\"} 1\n",
            "label_value_length_limit exceeded by a: 3 is more than 2",
            (1, 0),
        ),
    ] {
        let mut bench = Bench::new(shape);
        assert_eq!(bench.scrape(body, Format::Text).unwrap_err().to_string(), want);
        assert_eq!(bench.read, read, "{want}");
        assert!(bench.store.series().is_empty());
    }
}

#[test]
fn openmetrics_and_a_change_of_format() {
    let mut bench = Bench::new(plain());
    bench.scrape("# TYPE a counter\na_total 1 # {x=\"y\"} 1\n# EOF\n", Format::OpenMetrics).unwrap();
    bench.scrape("# TYPE a counter\na_total 2 # {x=\"z\"} 1\n# EOF\n", Format::OpenMetrics).unwrap();
    assert_eq!(bench.store.values("a_total"), [1.0, 2.0]);
    assert_eq!(super::metadata::read(&bench.cache)["a"].kind.as_str(), "counter");
    let cut = bench.scrape("# TYPE a counter\na_total 3\n", Format::OpenMetrics);
    assert!(cut.unwrap_err().to_string().contains("does not end with # EOF"));
    assert_eq!(bench.text("a_total 4\n"), "a_total 4");
}

fn body() -> impl Strategy<Value = String> {
    let line = (0..6usize, 0..3usize, prop::sample::select(vec!["1", "2.5", "-3", "NaN", "1e9"]), 0..8usize)
        .prop_map(|(name, label, value, comment)| {
            let comment = if comment == 0 { "# HELP x y\n" } else { "" };
            let label = ["", "{l=\"1\"}", " {l=\"2\", m=\"\"}"][label];
            format!("{comment}m{name}{label} {value}\n")
        });
    prop::collection::vec(line, 0..12).prop_map(|lines| lines.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever came before, a body gives the same samples as it gives to a target never seen before.
    #[test]
    fn the_cache_changes_nothing_but_speed(bodies in prop::collection::vec(body(), 1..8)) {
        let mut cached = Bench::new(plain());
        for body in &bodies {
            let mut fresh = Bench::new(plain());
            fresh.now = cached.now;
            let tally = cached.scrape(body, Format::Text).unwrap();
            let want = fresh.scrape(body, Format::Text).unwrap();
            let got: Vec<_> = cached.store.at(cached.now).into_iter().filter(|line| !line.ends_with("stale")).collect();
            prop_assert_eq!(got, fresh.store.at(fresh.now), "{:?}", bodies);
            prop_assert_eq!((tally.scraped, tally.kept), (want.scraped, want.kept), "{:?}", bodies);
        }
        // Every series has ended or is in the last body, never both.
        let last = cached.store.at(cached.now);
        prop_assert!(last.len() <= cached.store.series().len());
    }

    /// A body is taken or refused by what it is, whatever came before.
    #[test]
    fn the_cache_judges_as_the_parser_does(bodies in prop::collection::vec(near_exposition(), 1..6)) {
        for format in [Format::Text, Format::OpenMetrics] {
            let mut cached = Bench::new(plain());
            for body in bodies.iter().flat_map(|body| [body, body]) {
                let at = Timestamp::from_millis(cached.now + 1000);
                let mut appender = cached.store.appender();
                let (tally, got) = cached.cache.ingest(body, format, at, &cached.shape, &mut *appender);
                let want = read(body, format);
                prop_assert_eq!(got.is_ok(), want.is_ok(), "{:?}", String::from_utf8_lossy(body));
                if let Ok(learned) = got {
                    prop_assert_eq!(tally.scraped, want.map_or(0, |samples| samples.len()));
                    appender.commit().unwrap();
                    cached.cache.adopt(learned);
                }
                cached.now += 1000;
            }
        }
    }
}

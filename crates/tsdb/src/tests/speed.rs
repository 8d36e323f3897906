//! How fast and how large: run by hand (`--ignored --nocapture`, with optimisation), prints figures.

use super::{START, at};
use crate::{Db, Options};
use ::model::{Ingest, Labels, ManualClock, Matcher, Querier, Select, SeriesId};
use std::sync::Arc;
use std::time::Instant;

const TARGETS: usize = 100;
const SERIES: usize = 1000;
const SCRAPES: i64 = 100;

fn labels(target: usize, i: usize) -> Labels {
    Labels::from_pairs([
        ("__name__", format!("http_request_duration_seconds_bucket_{}", i / 50)),
        ("instance", format!("10.0.{}.{}:9100", target / 256, target % 256)),
        ("job", "node".to_owned()),
        ("handler", format!("/api/v1/things/{}", i % 50)),
        ("code", "200".to_owned()),
        ("le", format!("0.{}", i % 10)),
    ])
}

fn rss() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[test]
#[ignore = "prints figures, asserts nothing"]
fn figures() {
    let root = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(at(START)));
    let options = || Options { now: clock.clone(), ..Options::new(root.path()) };
    let db = Db::open(options()).unwrap();
    let before = rss();
    let started = Instant::now();
    let mut ids: Vec<Vec<SeriesId>> = Vec::new();
    for target in 0..TARGETS {
        let mut appender = db.appender();
        ids.push((0..SERIES).map(|i| appender.append(&labels(target, i), at(START), 0.0).unwrap()).collect());
        appender.commit().unwrap();
    }
    println!("create {:.2} us/series", started.elapsed().as_secs_f64() * 1e6 / (TARGETS * SERIES) as f64);
    println!("rss {} B/series without samples", (rss() - before) / (TARGETS * SERIES));
    let (mut spent, mut slowest) = (0.0, 0.0f64);
    for k in 1..SCRAPES {
        for (target, ids) in ids.iter().enumerate() {
            let t = START + k * 5000 + target as i64 * 37;
            clock.set(at(t));
            let started = Instant::now();
            let mut appender = db.appender();
            for (i, id) in ids.iter().enumerate() {
                let v = if i % 2 == 0 { 17.0 } else { (k * (i as i64 + 1)) as f64 + (i % 7) as f64 * 0.25 };
                appender.append_known(*id, at(t), v).unwrap();
            }
            appender.commit().unwrap();
            let took = started.elapsed().as_secs_f64();
            (spent, slowest) = (spent + took, slowest.max(took));
        }
        if k == 36 {
            println!("rss {} B/series with 37 samples", (rss() - before) / (TARGETS * SERIES));
        }
    }
    let samples = (SCRAPES as usize - 1) * TARGETS * SERIES;
    println!("append {:.1} ns/sample, slowest scrape {:.2} ms", spent * 1e9 / samples as f64, slowest * 1e3);
    println!(
        "rss {} B/series with {SCRAPES} samples, {:?}",
        (rss() - before) / (TARGETS * SERIES),
        db.stats()
    );
    let now = START + SCRAPES * 5000;
    query(&db, "hot 100k x 60", now - 300_000, now);
    query(&db, "hot 100k x 60", now - 300_000, now);
    query(&db, "hot 100k x 1", now - 5_000, now);

    drop(db);
    let started = Instant::now();
    let db = Db::open(options()).unwrap();
    println!("recover {:.2} s, {} samples", started.elapsed().as_secs_f64(), db.stats().hot_samples);
    let later = START + 720_001;
    clock.set(at(later));
    let started = Instant::now();
    println!("{:?} in {:.2} s", db.maintain(at(later)).unwrap(), started.elapsed().as_secs_f64());
    let stats = db.stats();
    println!(
        "disk {:.2} B/sample",
        (stats.disk_bytes - stats.wal_bytes) as f64 / stats.segment_samples as f64
    );
    query(&db, "cold 100k", START, START + 300_000);
    query(&db, "cold 100k", START, START + 300_000);
    query(&db, "cold 100k last", START + 300_000, START + 305_000);
}

fn query(db: &Db, what: &str, from: i64, to: i64) {
    let started = Instant::now();
    let matchers = [Matcher::equal("job", "node")];
    let select = Select { matchers: &matchers, from: at(from), to: at(to), samples_max: usize::MAX };
    let found = db.select(&select).unwrap();
    let samples: usize = found.iter().map(|series| series.samples.len()).sum();
    let took = started.elapsed().as_secs_f64();
    println!(
        "{what}: {} series, {samples} samples, {:.1} ms, {:.1} ns/sample",
        found.len(),
        took * 1e3,
        took * 1e9 / samples as f64
    );
}

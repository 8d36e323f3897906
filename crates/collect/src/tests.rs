//! The collector over real sockets: targets that answer, hang, lie and go; probes that fail and recover.

use crate::config::{Defaults, ScrapeConfig};
use crate::probe::ProbeConfig;
use crate::testing::Store;
use crate::{CollectConfig, Collector, Health};
use model::SystemClock;
use reach::http::Client;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};

/// Answers each request with `head` and `body`; an empty head hangs.
async fn target(head: &'static str, body: String) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let body = body.clone();
            tokio::spawn(async move {
                let mut request = [0; 4096];
                while matches!(stream.read(&mut request).await, Ok(n) if n > 0) {
                    if head.is_empty() {
                        std::future::pending::<()>().await;
                    }
                    let head = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n", body.len());
                    let _ = stream.write_all(head.as_bytes()).await;
                    let _ = stream.write_all(body.as_bytes()).await;
                }
            });
        }
    });
    address
}

struct Rig {
    store: Arc<Store>,
    collector: Collector,
    commits: Arc<Notify>,
    batches: Arc<AtomicUsize>,
}

fn rig() -> Rig {
    let (store, commits, batches) =
        (Arc::new(Store::default()), Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
    let (told, counted) = (commits.clone(), batches.clone());
    let client = Client::new(reach::Policy::COLLECT, Arc::default());
    let on_commit = Arc::new(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        told.notify_waiters();
        told.notify_one();
    });
    let collector = Collector::new(store.clone(), client, Arc::new(SystemClock), on_commit);
    Rig { store, collector, commits, batches }
}

impl Rig {
    /// Waits until `done` holds after a commit.
    async fn until(&self, what: &str, done: impl Fn(&Rig) -> bool) {
        let wait = async {
            while !done(self) {
                self.commits.notified().await;
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap_or_else(|_| {
            panic!(
                "{what} did not happen; targets: {:#?}, probes: {:#?}",
                self.collector.targets(),
                self.collector.probes()
            )
        });
    }
}

fn config(yaml: &str) -> CollectConfig {
    let raw: Vec<ScrapeConfig> = serde_saphyr::from_str(yaml).unwrap();
    let mut problems = Vec::new();
    let base = std::path::Path::new("/");
    let jobs = raw
        .into_iter()
        .filter_map(|raw| raw.resolve((1, 1), &Defaults::default(), base, &mut problems))
        .collect();
    assert_eq!(problems, []);
    CollectConfig { jobs, ..CollectConfig::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn good_bad_and_hanging_targets_side_by_side() {
    let good =
        target("200 OK\r\nContent-Type: text/plain; version=0.0.4", "a 1\nb{l=\"x\"} 2\n".to_owned()).await;
    let html = target("200 OK\r\nContent-Type: text/html", "<html></html>".to_owned()).await;
    let lies = target("200 OK\r\nContent-Type: text/plain", "<html></html>".to_owned()).await;
    let missing = target("404 Not Found", String::new()).await;
    let large = target("200 OK", "x".repeat(3000)).await;
    let hangs = target("", String::new()).await;
    let rig = rig();
    rig.collector.apply(config(&format!(
        "- job_name: all
  scrape_interval: 300ms
  scrape_timeout: 200ms
  body_size_limit: 2KB
  static_configs: [{{targets: ['{good}', '{html}', '{lies}', '{missing}', '{large}', '{hangs}', '127.0.0.1:1']}}]
  relabel_configs:
    - {{action: labelmap, regex: __(scheme)__}}
- job_name: none
  static_configs: [{{targets: ['a:1', 'b:2']}}]
  relabel_configs: [{{action: drop, regex: b.*, source_labels: [__address__]}}, {{action: replace, target_label: __address__, replacement: ''}}]
"
    )));
    let collector = rig.collector.clone();
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(async move { collector.run(async { drop(stopped.await) }).await });
    let all_tried = |rig: &Rig| {
        let targets = rig.collector.targets();
        targets.len() == 7 && targets.iter().all(|target| target.health != Health::Unknown)
    };
    rig.until("one scrape of each", all_tried).await;
    rig.until("three good scrapes", |rig| rig.store.values("a").len() >= 3).await;

    let view = |address: std::net::SocketAddr| {
        let targets = rig.collector.targets();
        targets.into_iter().find(|target| target.url.contains(&address.to_string())).unwrap()
    };
    assert_eq!((view(good).health, view(good).last_error.as_str()), (Health::Up, ""));
    assert_eq!(
        view(good).labels.to_string(),
        format!("{{instance=\"{good}\", job=\"all\", scheme=\"http\"}}")
    );
    for (address, want) in [
        (html, "the response is \"text/html\", not metrics"),
        (lies, "the body is not metrics: line 1: expected a metric name"),
        (missing, "server returned HTTP status 404"),
        (large, "more than 2048 bytes"),
        (hangs, "timed out after 200ms while waiting for the answer"),
    ] {
        let error = view(address).last_error;
        assert!(error.contains(want), "{error}");
    }
    assert!(
        rig.store
            .series()
            .contains(&format!("b{{instance=\"{good}\", job=\"all\", l=\"x\", scheme=\"http\"}}"))
    );
    assert!(rig.store.values("up").contains(&0.0) && rig.store.values("up").contains(&1.0));
    let dropped: Vec<_> = rig.collector.dropped().into_iter().map(|dropped| dropped.error).collect();
    assert_eq!(dropped, ["no address: relabelling left __address__ empty", ""]);

    // Gone: its series end.
    rig.collector.apply(CollectConfig::default());
    rig.until("the end of the series", |rig| {
        rig.store.values("a").last().is_some_and(|v| model::is_stale(*v))
    })
    .await;
    // The loops that end them are told before the list is.
    let off_the_list = async {
        while !rig.collector.targets().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), off_the_list).await.expect("they are off the list");
    stop.send(()).unwrap();
    running.await.unwrap();
    assert!(rig.batches.load(Ordering::SeqCst) > 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_keeps_what_stays_the_same() {
    let good = target("200 OK", "a 1\n".to_owned()).await;
    let rig = rig();
    let yaml = |extra: &str| {
        format!("- {{job_name: j, scrape_interval: 100ms, static_configs: [{{targets: ['{good}'{extra}]}}]}}")
    };
    rig.collector.apply(config(&yaml("")));
    let collector = rig.collector.clone();
    let running = tokio::spawn(async move { collector.run(std::future::pending()).await });
    rig.until("a first scrape", |rig| !rig.store.values("a").is_empty()).await;
    rig.collector.apply(config(&yaml(", '127.0.0.1:1'")));
    rig.until("the second target", |rig| rig.collector.targets().len() == 2).await;
    let before = rig.store.values("a").len();
    rig.until("more scrapes", |rig| rig.store.values("a").len() > before + 2).await;
    assert!(!rig.store.values("a").iter().any(|v| model::is_stale(*v)));
    let added = rig.store.values("scrape_series_added");
    assert_eq!(added.iter().filter(|n| **n > 0.0).count(), 1, "{added:?}");
    running.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probes_fail_in_words() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    let web = target("204 No Content", String::new()).await;
    let yaml = format!(
        "- {{name: cache, redis: 'redis://:secret@{closed}', interval: 100ms, labels: {{team: x}}}}
- {{name: db, postgres: 'postgres://u:secret@{closed}/d', interval: 100ms}}
- {{name: web, http: 'http://{web}/x?token=secret', interval: 100ms}}
- {{name: port, tcp: '{web}', interval: 100ms}}"
    );
    let raw: Vec<ProbeConfig> = serde_saphyr::from_str(&yaml).unwrap();
    let mut problems = Vec::new();
    let probes = raw.into_iter().filter_map(|raw| raw.resolve((1, 1), &mut problems)).collect();
    assert_eq!(problems, []);
    let rig = rig();
    rig.collector.apply(CollectConfig { probes, ..CollectConfig::default() });
    let collector = rig.collector.clone();
    let running = tokio::spawn(async move { collector.run(std::future::pending()).await });
    rig.until("an answer of each", |rig| {
        let probes = rig.collector.probes();
        probes.len() == 4 && probes.iter().all(|probe| probe.health != Health::Unknown)
    })
    .await;
    running.abort();
    let probes = rig.collector.probes();
    assert_eq!(probes[0].last_error, format!("connection refused by {closed}"));
    assert_eq!(probes[1].last_error, format!("connection refused by {closed}"));
    assert_eq!((probes[2].health, probes[3].health), (Health::Up, Health::Up), "{probes:#?}");
    assert!(!format!("{probes:?} {:?}", rig.store.series()).contains("secret"));
    assert_eq!(probes[2].target, format!("http://{web}/x"));
    for (name, want) in [("redis_up", 0.0), ("pg_up", 0.0), ("probe_http_status_code", 204.0)] {
        assert_eq!(rig.store.values(name)[0], want, "{name}");
    }
    assert!(
        rig.store.series().contains(&format!(
            "redis_up{{instance=\"{closed}\", job=\"probe\", probe=\"cache\", team=\"x\"}}"
        ))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_relabelling_renames_and_too_many_targets_are_refused() {
    let good = target("200 OK", "a 1\n".to_owned()).await;
    let rig = rig();
    let yaml = |more: &str| {
        format!(
            "- {{job_name: j, scrape_interval: 100ms, static_configs: [{{targets: ['{good}', '127.0.0.1:1']}}], {more}}}"
        )
    };
    rig.collector.apply(config(&yaml("")));
    let collector = rig.collector.clone();
    let running = tokio::spawn(async move { collector.run(std::future::pending()).await });
    rig.until("a first scrape", |rig| !rig.store.values("a").is_empty()).await;
    let rename = "metric_relabel_configs: [{target_label: __name__, source_labels: [__name__], regex: a, replacement: b}]";
    rig.collector.apply(config(&yaml(rename)));
    rig.until("the new name", |rig| !rig.store.values("b").is_empty()).await;
    assert!(rig.store.values("a").last().is_some_and(|v| model::is_stale(*v)));
    rig.collector.apply(config(&yaml("target_limit: 1")));
    let refused = |rig: &Rig| {
        let targets = rig.collector.targets();
        targets
            .iter()
            .all(|target| target.last_error == "target_limit exceeded: 2 targets, at most 1 allowed")
    };
    rig.until("the refusal", refused).await;
    running.abort();
    let mut told = Vec::new();
    rig.collector
        .metrics(&mut |name, labels, value| told.push((name.to_owned(), format!("{labels:?}"), value)));
    assert!(told.iter().all(|(name, ..)| crate::METRICS.iter().any(|(known, ..)| known == name)), "{told:?}");
    let refusals = told.iter().find(|(_, labels, _)| labels.contains("target_limit")).map(|(.., n)| *n);
    assert!(refusals.is_some_and(|n| n >= 2.0), "{told:?}");
}

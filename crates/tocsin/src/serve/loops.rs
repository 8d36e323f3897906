//! What goes on by itself: the series store looks after itself, and our own figures become series.

use super::{engine::Engine, house::Stage};
use crate::{core::Handle, metrics::Registry, monitoring::Monitor, own_metrics, seams};
use anyhow::Result;
use collect::Collector;
use model::{Clock, Timestamp};
use serde_json::json;
use server::{HttpMetrics, views::HealthStatus};
use std::{sync::Arc, thread::JoinHandle, time::Duration};
use tasks::events::New;
use tokio::sync::watch;
use tsdb::Db;

/// How often the series store looks after itself.
const MAINTAIN_EVERY: Duration = Duration::from_secs(5);
/// How soon its thread notices that it should end.
const MAINTAIN_PAUSE: Duration = Duration::from_millis(100);
/// How often our own health is looked at.
const HEALTH_EVERY: Duration = Duration::from_secs(15);
/// How often our own figures are written to our own series.
const OWN_METRICS_EVERY: Duration = Duration::from_secs(15);

/// Maintains the store until [`Stage::Collect`], and once more then.
pub fn start_maintenance(
    db: Db,
    clock: Arc<dyn Clock>,
    stopped: watch::Receiver<Stage>,
) -> Result<JoinHandle<()>> {
    let thread = std::thread::Builder::new().name("series".into());
    Ok(thread.spawn(move || {
        let ended = || *stopped.borrow() >= Stage::Collect;
        while !ended() {
            maintain(&db, clock.now());
            let mut waited = Duration::ZERO;
            while waited < MAINTAIN_EVERY && !ended() {
                std::thread::sleep(MAINTAIN_PAUSE);
                waited += MAINTAIN_PAUSE;
            }
        }
        maintain(&db, clock.now());
    })?)
}

fn maintain(db: &Db, now: Timestamp) {
    match db.maintain(now) {
        Ok(done) if done.flushed > 0 => {
            tracing::info!(
                event = "series_flushed",
                samples = done.flushed,
                "Flushed {} samples",
                done.flushed
            );
        }
        Ok(_) => {}
        Err(why) => {
            tracing::error!(event = "series_maintenance_failed", "Cannot maintain the series store: {why}")
        }
    }
}

/// Writes our own figures until `until`.
pub async fn own_metrics(
    registry: Arc<Registry>,
    db: Db,
    core: Handle,
    clock: Arc<dyn Clock>,
    monitor: Arc<Monitor>,
    until: impl Future<Output = ()>,
) {
    let mut every = tokio::time::interval(OWN_METRICS_EVERY);
    let mut until = std::pin::pin!(until);
    loop {
        tokio::select! {
            () = &mut until => return,
            _ = every.tick() => {}
        }
        let (registry, db, core, now) = (registry.clone(), db.clone(), core.clone(), clock.now());
        let told = monitor.clone();
        let written = tokio::task::spawn_blocking(move || {
            told.refresh();
            registry.write_to(&db, now).map(|committed| core.samples(committed))
        });
        if let Ok(Err(why)) = written.await {
            tracing::error!(event = "own_metrics_failed", "Cannot write our own series: {why}");
        }
    }
}

/// Tells of our own health each time it becomes another, until `until`.
pub async fn health_events(vitals: seams::Vitals, until: impl Future<Output = ()>) {
    let mut every = tokio::time::interval(HEALTH_EVERY);
    let mut until = std::pin::pin!(until);
    let mut before = HealthStatus::Healthy;
    loop {
        tokio::select! {
            () = &mut until => return,
            _ = every.tick() => {}
        }
        let health = server::Vitals::health(&vitals).await;
        if std::mem::replace(&mut before, health.status) == health.status {
            continue;
        }
        let type_ =
            if health.status == HealthStatus::Healthy { "health.recovered" } else { "health.degraded" };
        let word = |status: HealthStatus| format!("{status:?}").to_lowercase();
        let sick = health.checks.iter().filter(|check| check.status != HealthStatus::Healthy);
        let checks: Vec<_> =
            sick.map(|check| json!({"name": check.name, "message": check.message})).collect();
        let new = New::told(type_, json!({"status": word(health.status), "checks": checks}));
        // A core that is gone tells nobody anything.
        let _ = vitals.core.call(move |core, batch, now| core.tell(new, batch, now)).await;
    }
}

/// Every part's figures.
pub fn register(
    registry: &Registry,
    engine: &Engine,
    http: &Arc<HttpMetrics>,
    db: &Db,
    collector: &Arc<Collector>,
    pool: &worker::Pool,
) {
    own_metrics::register(registry, engine.core.clone(), engine.writer.clone());
    let http = http.clone();
    registry.add(server::FAMILIES, Arc::new(move |out| http.metrics(out)));
    let db = db.clone();
    registry.add(&tsdb::METRICS, Arc::new(move |out| db.stats().metrics(out)));
    let collector = collector.clone();
    registry.add(&collect::METRICS, Arc::new(move |out| collector.metrics(out)));
    let counters = pool.counters();
    registry.add(&[], Arc::new(move |out| counters.metrics(out)));
    let host = collect::host::Host::default();
    registry.add(&collect::host::PROCESS_METRICS, Arc::new(move |out| host.read_process(out)));
}

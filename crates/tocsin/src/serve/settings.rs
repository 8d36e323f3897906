//! What flags, variables and the file say, as the parts want it.

use super::reload;
use crate::{
    cli,
    config::{self, Loaded},
    data_dir::DataDir,
    seams::Process,
};
use anyhow::{Context, Result, anyhow};
use model::Timestamp;
use reach::http::Client;
use server::{Limits, views::Build};
use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{RwLock, atomic::AtomicBool},
    time::Duration,
};
use tsdb::Db;

/// How long a worker may finish what it has where nothing says.
const DRAIN: Duration = Duration::from_secs(30);

/// Our own address as users see it: flag, file, or the first listener.
pub fn external_url(args: &cli::Serve, loaded: &Loaded, addresses: &[SocketAddr]) -> Result<String> {
    if let Some(url) = &args.external_url {
        return config::external_url(url).map_err(|why| anyhow!("--external-url {url}: {why}"));
    }
    let own = addresses.first().map_or(String::new(), |address| format!("http://{address}"));
    Ok(loaded.external_url.clone().unwrap_or(own))
}

/// The facts that status pages and health checks start from.
pub fn process(
    args: &cli::Serve,
    loaded: &Loaded,
    data: &DataDir,
    client: &Client,
    db: &Db,
    now: Timestamp,
) -> Result<Process> {
    let redis = match std::env::var("REDIS_URL").ok().filter(|url| !url.is_empty()) {
        Some(url) => Some((client.guard().clone(), reach::redis::Dsn::parse(&url).context("REDIS_URL")?)),
        None => None,
    };
    let stats = db.stats();
    let shown = |path: &Option<PathBuf>| path.as_deref().map_or(String::new(), |p| p.display().to_string());
    Ok(Process {
        started_at: now,
        data_dir: data.path().to_owned(),
        retention: loaded.series.retention,
        corruptions: stats.segments_damaged + u64::from(stats.wal_cut_bytes > 0),
        flags: vec![
            ("config".to_owned(), shown(&args.config)),
            ("prometheus-config".to_owned(), shown(&args.prometheus_config)),
            ("alertmanager-config".to_owned(), shown(&args.alertmanager_config)),
            ("data-dir".to_owned(), data.path().display().to_string()),
            ("listen".to_owned(), args.listen.join(",")),
            ("external-url".to_owned(), args.external_url.clone().unwrap_or_default()),
        ],
        redis,
        redis_silent_since: RwLock::new(None),
        ready: AtomicBool::new(false),
        store_writable: AtomicBool::new(true),
        config: RwLock::new(reload::state(loaded, now)),
    })
}

/// Bounds, the operator's over the defaults.
pub fn limits(loaded: &Loaded) -> Limits {
    let (given, defaults) = (&loaded.limits, Limits::default());
    Limits {
        body_max: given.body_max.unwrap_or(defaults.body_max),
        bulk_body_max: given.bulk_body_max.unwrap_or(defaults.bulk_body_max),
        queries_max: given.queries_max.unwrap_or(defaults.queries_max),
        query_timeout: given.query_timeout.unwrap_or(defaults.query_timeout),
        ..defaults
    }
}

/// What we say of ourselves.
pub fn build() -> Build {
    Build {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        revision: String::new(),
        branch: String::new(),
        compiler: format!("rustc {}", env!("CARGO_PKG_RUST_VERSION")),
    }
}

/// `WORKER_LEASE_SECONDS`.
pub fn lease() -> Result<Duration> {
    seconds("WORKER_LEASE_SECONDS", 0.1, tasks::Settings::default().lease)
}

/// `WORKER_SHUTDOWN_TIMEOUT`.
pub fn drain_limit() -> Result<Duration> {
    seconds("WORKER_SHUTDOWN_TIMEOUT", 0.0, DRAIN)
}

/// `TZ`: the zone of schedules that name none.
pub fn timezone() -> String {
    std::env::var("TZ").ok().filter(|zone| !zone.is_empty()).unwrap_or_else(|| "UTC".to_owned())
}

/// A number of seconds, at most a day, so that no instant is out of reach.
/// An error with everything that led to it, on one line.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn seconds(name: &str, least: f64, default: Duration) -> Result<Duration> {
    let Some(text) = std::env::var(name).ok().filter(|text| !text.trim().is_empty()) else {
        return Ok(default);
    };
    let seconds = text.trim().parse().ok().filter(|seconds| (least..=86_400.0).contains(seconds));
    let seconds =
        seconds.with_context(|| format!("{name}={text} is not a number of seconds from {least} to 86400"))?;
    Ok(Duration::from_secs_f64(seconds))
}

//! What flags, variables and the file say, as the parts want it.

use super::reload;
use crate::{
    cli,
    config::{self, Loaded},
    core::Retention,
    data_dir::DataDir,
    seams::{self, Process},
    variables::Variables,
};
use anyhow::{Context, Result, anyhow};
use model::Timestamp;
use reach::http::Client;
use server::{Limits, views::Build};
use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::PathBuf,
    sync::{RwLock, atomic::AtomicBool},
    time::Duration,
};
use tsdb::Db;

/// The kinds that a step of a pipeline may use: ours, and those that the file declares of workers elsewhere.
pub(super) fn step_kinds(loaded: &Loaded, actions: &worker::Actions) -> BTreeSet<String> {
    actions.api_kinds().into_iter().chain(loaded.kinds.keys().cloned()).collect()
}

/// How long a worker may finish what it has where nothing says.
const DRAIN: Duration = Duration::from_secs(30);

/// The last events that are kept in memory where nothing says, and their bytes in any case.
const RECENT_MAX: usize = 32_768;
const RECENT_BYTES_MAX: usize = 32 << 20;

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
        check_timeout: seconds("HEALTH_CHECK_TIMEOUT", 0.1, seams::TURN_LATE)?,
        redis,
        redis_silent_since: RwLock::new(None),
        ready: AtomicBool::new(false),
        store_writable: AtomicBool::new(true),
        config: RwLock::new(reload::state(loaded, now)),
    })
}

/// Bounds, the operator's over the defaults.
pub fn limits(loaded: &Loaded, variables: &Variables) -> Limits {
    let (given, defaults) = (&loaded.limits, Limits::default());
    Limits {
        body_max: variables
            .whole("MAX_REQUEST_SIZE")
            .and_then(|bytes| usize::try_from(bytes).ok())
            .or(given.body_max)
            .unwrap_or(defaults.body_max),
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

/// How persons agree to work: `ORCHESTRATOR_APPROVAL_TIMEOUT`, `ORCHESTRATOR_APPROVAL_HISTORY_TTL` and
/// `ORCHESTRATOR_MAX_APPROVAL_HISTORY` over the file's section.
pub fn approvals(loaded: &Loaded) -> Result<tasks::ApprovalSettings> {
    let (given, defaults) = (&loaded.approvals, tasks::ApprovalSettings::default());
    let whole = |name: &str| -> Result<Option<u64>> {
        let Some(text) = std::env::var(name).ok().filter(|text| !text.trim().is_empty()) else {
            return Ok(None);
        };
        let number = text.trim().parse().ok().filter(|number| *number > 0);
        number.map(Some).with_context(|| format!("{name}={text} is not a whole number above 0"))
    };
    let span = |name: &str| Ok::<_, anyhow::Error>(whole(name)?.map(Duration::from_secs));
    let most = whole("ORCHESTRATOR_MAX_APPROVAL_HISTORY")?.map(|n| usize::try_from(n).unwrap_or(usize::MAX));
    Ok(tasks::ApprovalSettings {
        own: given.own,
        on_expiry: given.on_expiry.unwrap_or(defaults.on_expiry),
        lifetime: span("ORCHESTRATOR_APPROVAL_TIMEOUT")?.or(given.lifetime).unwrap_or(defaults.lifetime),
        history_ttl: span("ORCHESTRATOR_APPROVAL_HISTORY_TTL")?
            .or(given.history_ttl)
            .unwrap_or(defaults.history_ttl),
        history_max: most.or(given.history_max).unwrap_or(defaults.history_max),
    })
}

/// `CIRCUIT_BREAKER_FAILURE_THRESHOLD`, `CIRCUIT_BREAKER_RECOVERY_TIMEOUT`: where a tool does not say.
pub fn breaker() -> Result<worker::Limits> {
    let defaults = worker::Limits::default();
    let text = std::env::var("CIRCUIT_BREAKER_FAILURE_THRESHOLD").unwrap_or_default();
    let failure_threshold = match text.trim() {
        "" => defaults.failure_threshold,
        text => text.parse().ok().filter(|failures| *failures > 0).with_context(|| {
            format!("CIRCUIT_BREAKER_FAILURE_THRESHOLD={text} is not a number of failures from 1")
        })?,
    };
    let recovery_timeout = seconds("CIRCUIT_BREAKER_RECOVERY_TIMEOUT", 0.1, defaults.recovery_timeout)?;
    Ok(worker::Limits { failure_threshold, recovery_timeout })
}

/// `WORKER_LEASE_SECONDS`.
pub fn lease() -> Result<Duration> {
    seconds("WORKER_LEASE_SECONDS", 0.1, tasks::Settings::default().lease)
}

/// `WORKER_SHUTDOWN_TIMEOUT`.
pub fn drain_limit() -> Result<Duration> {
    seconds("WORKER_SHUTDOWN_TIMEOUT", 0.0, DRAIN)
}

/// `SCHEDULER_MISFIRE_GRACE_TIME`: a recurring fire that comes later makes no run.
pub fn misfire_grace() -> Result<Option<Duration>> {
    let grace = seconds("SCHEDULER_MISFIRE_GRACE_TIME", 0.0, Duration::MAX)?;
    Ok((grace != Duration::MAX).then_some(grace))
}

/// `ORCHESTRATOR_TASK_TTL`: how long a typed task may wait to be begun, and how long one that has ended is kept. That it
/// is a number was checked at the start.
pub fn task_ttl() -> Option<Duration> {
    let text = std::env::var("ORCHESTRATOR_TASK_TTL").ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

/// How long history is kept: `ORCHESTRATOR_TASK_TTL` and `TOCSIN_EVENTS_RETENTION` over the file's section.
pub fn retention(loaded: &Loaded) -> Result<Retention> {
    let (given, defaults) = (&loaded.retention, Retention::default());
    let events = given.events.unwrap_or(defaults.events).as_secs();
    let events = count("TOCSIN_EVENTS_RETENTION", 31_622_400, usize::try_from(events).unwrap_or(usize::MAX))?;
    Ok(Retention {
        runs: given.runs.unwrap_or(defaults.runs),
        tasks: task_ttl(),
        alerts: given.alerts.unwrap_or(defaults.alerts),
        audit: given.audit.unwrap_or(defaults.audit),
        events: Duration::from_secs(events as u64),
        logs: given.logs.unwrap_or(defaults.logs),
    })
}

/// `WORKER_MAX_PROCESSING_TIME`: how long an attempt at a typed task may take.
pub fn attempt_timeout() -> Result<Duration> {
    seconds("WORKER_MAX_PROCESSING_TIME", 1.0, tasks::Settings::default().attempt_timeout)
}

/// `WORKER_BACKOFF_BASE` and `WORKER_BACKOFF_MAX`.
pub fn waits() -> Result<tasks::Waits> {
    let usual = tasks::Waits::default();
    Ok(tasks::Waits {
        base: seconds("WORKER_BACKOFF_BASE", 0.001, usual.base)?,
        cap: seconds("WORKER_BACKOFF_MAX", 0.001, usual.cap)?,
    })
}

/// `TZ`: the zone of schedules that name none. POSIX lets a colon stand before a name.
pub fn timezone() -> String {
    let given = std::env::var("TZ").unwrap_or_default();
    let zone = given.trim().trim_start_matches(':');
    if zone.is_empty() { "UTC".to_owned() } else { zone.to_owned() }
}

/// The bounds of what readers of events find in memory.
pub struct RingBounds {
    /// The most events.
    pub events_max: usize,
    /// The most bytes of them.
    pub bytes_max: usize,
}

/// `TOCSIN_EVENTS_MAX` and `TOCSIN_EVENTS_RECENT`; how long they are kept is [`retention`]'s.
pub fn events() -> Result<(tasks::events::Settings, RingBounds)> {
    let defaults = tasks::events::Settings::default();
    let bus = tasks::events::Settings {
        seed: rand::random(),
        kept_max: count("TOCSIN_EVENTS_MAX", 1_000_000, defaults.kept_max)?,
        ..defaults
    };
    let events_max = count("TOCSIN_EVENTS_RECENT", 1_000_000, RECENT_MAX)?;
    Ok((bus, RingBounds { events_max, bytes_max: RECENT_BYTES_MAX }))
}

fn count(name: &str, most: usize, default: usize) -> Result<usize> {
    let Some(text) = std::env::var(name).ok().filter(|text| !text.trim().is_empty()) else {
        return Ok(default);
    };
    let count = text.trim().parse().ok().filter(|count| (1..=most).contains(count));
    count.with_context(|| format!("{name}={text} is not a whole number from 1 to {most}"))
}

/// An error with everything that led to it, on one line.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// A number of seconds, at most a day, so that no instant is out of reach.
fn seconds(name: &str, least: f64, default: Duration) -> Result<Duration> {
    let Some(text) = std::env::var(name).ok().filter(|text| !text.trim().is_empty()) else {
        return Ok(default);
    };
    let seconds = text.trim().parse().ok().filter(|seconds| (least..=86_400.0).contains(seconds));
    let seconds =
        seconds.with_context(|| format!("{name}={text} is not a number of seconds from {least} to 86400"))?;
    Ok(Duration::from_secs_f64(seconds))
}

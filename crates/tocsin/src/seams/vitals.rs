//! How the process itself is. What it monitors never changes this.

use crate::{core::Handle, metrics::Registry};
use futures_util::future::BoxFuture;
use model::Timestamp;
use reach::redis::Dsn;
use server::views::{Check, Health, HealthStatus, RuntimeView};
use std::{
    path::PathBuf,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// Deciders that do not answer within this are stuck; less than the patience of who asks for health.
pub const TURN_LATE: Duration = Duration::from_secs(5);
/// Work due for longer than this without a worker is worth a look.
const NO_WORKER: Duration = Duration::from_secs(120);
/// A schedule may be this late.
const LAG_MAX: Duration = Duration::from_secs(60);
/// A smaller share of the disk, and fewer bytes than this, is nearly full.
const DISK_FREE_MIN: f64 = 0.05;
const DISK_BYTES_MIN: f64 = 2e9;
/// `REDIS_URL` may be silent this long before it counts.
const REDIS_GRACE: Duration = Duration::from_secs(10);
const REDIS_TIMEOUT: Duration = Duration::from_secs(1);
/// How often it is asked.
const REDIS_EVERY: Duration = Duration::from_secs(2);

/// Facts about this process that do not change, and the two that a reload changes.
pub struct Process {
    /// Since when it runs.
    pub started_at: Timestamp,
    /// Where it keeps state.
    pub data_dir: PathBuf,
    /// How long series are kept.
    pub retention: Duration,
    /// Damaged records cut at start.
    pub corruptions: u64,
    /// Settings of the command line.
    pub flags: Vec<(String, String)>,
    /// How long one check of health may take.
    pub check_timeout: Duration,
    /// `REDIS_URL`.
    pub redis: Option<(reach::Guard, Dsn)>,
    /// Since when `REDIS_URL` does not answer.
    pub redis_silent_since: RwLock<Option<Instant>>,
    /// Everything loaded, taking work.
    pub ready: AtomicBool,
    /// The store took the last commit.
    pub store_writable: AtomicBool,
    /// What a reload changes.
    pub config: RwLock<ConfigState>,
}

/// What the last reading of the configuration left.
#[derive(Default, Clone)]
pub struct ConfigState {
    /// When.
    pub at: Timestamp,
    /// Why it failed, if it did.
    pub error: Option<String>,
    /// As text, secrets masked.
    pub text: String,
    /// The Alertmanager part.
    pub alertmanager_text: String,
    /// Other Alertmanagers that get our alerts.
    pub alertmanagers: Vec<String>,
    /// How long an alert from outside lives.
    pub resolve_timeout: Duration,
}

/// The process as the server sees it.
pub struct Vitals {
    /// The deciders.
    pub core: Handle,
    /// Facts.
    pub process: Arc<Process>,
    /// Figures.
    pub registry: Arc<Registry>,
}

impl server::Vitals for Vitals {
    fn health(&self) -> BoxFuture<'_, Health> {
        Box::pin(async {
            let redis = self.redis().await;
            let checks = vec![self.database(), self.workers().await, disk(&self.process.data_dir), redis.1];
            let worst = |a: HealthStatus, b: HealthStatus| if rank(a) >= rank(b) { a } else { b };
            Health {
                status: checks.iter().map(|check| check.status).fold(HealthStatus::Healthy, worst),
                redis_connected: redis.0,
                checks,
                started_at: self.process.started_at,
            }
        })
    }

    fn revision(&self) -> u64 {
        self.core.revision()
    }

    fn ready(&self) -> bool {
        self.process.ready.load(Ordering::SeqCst)
    }

    fn metrics(&self) -> BoxFuture<'_, String> {
        let registry = self.registry.clone();
        Box::pin(async move {
            // Sources may ask the core and wait: not on the runtime's own threads.
            tokio::task::spawn_blocking(move || registry.text()).await.unwrap_or_default()
        })
    }

    fn runtime(&self) -> BoxFuture<'_, RuntimeView> {
        Box::pin(async {
            let process = &self.process;
            let config = self.config_state();
            RuntimeView {
                started_at: process.started_at,
                cwd: std::env::current_dir().map(|dir| dir.display().to_string()).unwrap_or_default(),
                hostname: rustix::system::uname().nodename().to_string_lossy().into_owned(),
                config_at: config.at,
                config_error: config.error,
                corruptions: process.corruptions,
                threads: std::fs::read_dir("/proc/self/task").map_or(0, |tasks| tasks.count() as u64),
                retention: process.retention,
                flags: process.flags.clone(),
                alertmanagers: config.alertmanagers,
                alertmanager_config: config.alertmanager_text,
            }
        })
    }

    fn resolve_timeout(&self) -> Duration {
        self.process.config.read().unwrap_or_else(PoisonError::into_inner).resolve_timeout
    }

    fn config(&self) -> BoxFuture<'_, String> {
        Box::pin(async { self.config_state().text })
    }
}

impl Vitals {
    fn config_state(&self) -> ConfigState {
        self.process.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn database(&self) -> Check {
        let writable = self.process.store_writable.load(Ordering::SeqCst);
        let (status, message) = if writable {
            (HealthStatus::Healthy, "the store takes writes")
        } else {
            (HealthStatus::Unhealthy, "the store refused a write; nothing more is taken")
        };
        check("database", status, message.to_owned(), Instant::now())
    }

    /// Asks the deciders' thread: that it answers is itself the check.
    async fn workers(&self) -> Check {
        let begun = Instant::now();
        let asked = self.core.call(|core, _, now| {
            let workers = core.queue.workers(now);
            let alive = workers.iter().filter(|worker| worker.alive && worker.for_users).count();
            (core.queue.counts(now), alive)
        });
        let Ok(Ok((counts, alive))) = tokio::time::timeout(self.process.check_timeout, asked).await else {
            return check("workers", HealthStatus::Unhealthy, "the deciders do not answer".to_owned(), begun);
        };
        let waiting = counts.oldest_due.unwrap_or_default();
        if alive == 0 && waiting > NO_WORKER {
            let message = format!("no worker for {} s with work due", waiting.as_secs());
            return check("workers", HealthStatus::Degraded, message, begun);
        }
        if counts.lag > LAG_MAX {
            let message = format!("schedules are {} s late", counts.lag.as_secs());
            return check("workers", HealthStatus::Degraded, message, begun);
        }
        check(
            "workers",
            HealthStatus::Healthy,
            format!("{alive} {} alive", if alive == 1 { "worker" } else { "workers" }),
            begun,
        )
    }

    /// Whether `REDIS_URL` answers PING if it is set, else whether the queue's store takes writes.
    async fn redis(&self) -> (bool, Check) {
        let begun = Instant::now();
        let Some((guard, dsn)) = &self.process.redis else {
            let connected = self.process.store_writable.load(Ordering::SeqCst);
            let status = if connected { HealthStatus::Healthy } else { HealthStatus::Unhealthy };
            let message = if connected {
                "the queue is kept in the embedded store"
            } else {
                "the embedded store takes no writes"
            };
            return (connected, check("redis", status, message.to_owned(), begun));
        };
        match self.process.ping_redis(guard, dsn).await {
            Ok(()) => {
                (true, check("redis", HealthStatus::Healthy, "REDIS_URL answers PING".to_owned(), begun))
            }
            Err((why, silent)) => {
                let status =
                    if silent >= REDIS_GRACE { HealthStatus::Unhealthy } else { HealthStatus::Degraded };
                (false, check("redis", status, why, begun))
            }
        }
    }
}

impl Process {
    /// Asks `REDIS_URL` every few seconds, so that it is known since when it is silent, whoever looks.
    pub async fn watch_redis(&self, until: impl Future<Output = ()>) {
        let Some((guard, dsn)) = &self.redis else { return };
        let mut until = std::pin::pin!(until);
        let mut every = tokio::time::interval(REDIS_EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = &mut until => return,
                _ = every.tick() => {}
            }
            // What it says is kept and logged.
            let _ = self.ping_redis(guard, dsn).await;
        }
    }

    /// Whether `REDIS_URL` answered when it was last asked; `None` if it is not set.
    pub fn redis_answers(&self) -> Option<bool> {
        let silent = self.redis_silent_since.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.redis.is_some().then(|| silent.is_none())
    }

    /// One PING; an error says why there was no answer, and for how long there has been none.
    async fn ping_redis(&self, guard: &reach::Guard, dsn: &Dsn) -> Result<(), (String, Duration)> {
        let begun = Instant::now();
        let answer = reach::redis::ping(guard, dsn, REDIS_TIMEOUT).await;
        let mut silent = self.redis_silent_since.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let Err(why) = answer else {
            if silent.take().is_some() {
                tracing::info!(event = "redis_back", "Redis answers again");
            }
            return Ok(());
        };
        if silent.is_none() {
            tracing::error!(event = "redis_failed", "Failed to connect to Redis: {why}");
        }
        Err((why.to_string(), silent.get_or_insert(begun).elapsed()))
    }
}

fn disk(dir: &std::path::Path) -> Check {
    let begun = Instant::now();
    let Ok(stat) = rustix::fs::statvfs(dir) else {
        return check("disk_space", HealthStatus::Degraded, "cannot be measured".to_owned(), begun);
    };
    let free = stat.f_bavail as f64 / stat.f_blocks.max(1) as f64;
    let bytes = stat.f_bavail as f64 * stat.f_frsize as f64;
    let status = if free < DISK_FREE_MIN && bytes < DISK_BYTES_MIN {
        HealthStatus::Degraded
    } else {
        HealthStatus::Healthy
    };
    check("disk_space", status, format!("{:.0} % free", free * 100.0), begun)
}

fn check(name: &'static str, status: HealthStatus, message: String, begun: Instant) -> Check {
    Check { name, status, message, took: begun.elapsed(), details: Vec::new() }
}

fn rank(status: HealthStatus) -> u8 {
    match status {
        HealthStatus::Healthy => 0,
        HealthStatus::Degraded => 1,
        HealthStatus::Unhealthy => 2,
    }
}

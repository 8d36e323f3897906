//! The process itself: its build, its health, its settings.

use model::Timestamp;
use std::time::Duration;

/// What was built.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Build {
    /// Our own version.
    pub version: String,
    /// The commit.
    pub revision: String,
    /// The branch.
    pub branch: String,
    /// The compiler.
    pub compiler: String,
}

/// How well the process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HealthStatus {
    /// All is well.
    Healthy,
    /// It works and somebody should look.
    Degraded,
    /// It does not do its work.
    Unhealthy,
}

impl HealthStatus {
    /// `healthy`, `degraded` or `unhealthy`.
    pub fn as_str(self) -> &'static str {
        match self {
            HealthStatus::Healthy => "healthy",
            HealthStatus::Degraded => "degraded",
            HealthStatus::Unhealthy => "unhealthy",
        }
    }
}

/// One check of the process.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// Its name: `api`, `database`, `redis`, `workers`, `scheduler`.
    pub name: &'static str,
    /// What it found.
    pub status: HealthStatus,
    /// In words.
    pub message: String,
    /// How long it took.
    pub took: Duration,
    /// Figures.
    pub details: Vec<(&'static str, f64)>,
}

/// The process's health: the worst of its checks.
#[derive(Debug, Clone, PartialEq)]
pub struct Health {
    /// The worst of its checks; `unhealthy` is a 503.
    pub status: HealthStatus,
    /// Whether `REDIS_URL` answers PING if it is set, else whether the queue store takes writes.
    pub redis_connected: bool,
    /// The checks.
    pub checks: Vec<Check>,
    /// Since when the process runs.
    pub started_at: Timestamp,
}

/// What the status pages show.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RuntimeView {
    /// Since when the process runs.
    pub started_at: Timestamp,
    /// Its working directory.
    pub cwd: String,
    /// The machine's name.
    pub hostname: String,
    /// When the configuration was last read.
    pub config_at: Timestamp,
    /// Why the last reading of the configuration failed, if it did.
    pub config_error: Option<String>,
    /// Damaged records cut from logs at start.
    pub corruptions: u64,
    /// Threads.
    pub threads: u64,
    /// How long series are kept.
    pub retention: Duration,
    /// Command line settings by name, secrets masked.
    pub flags: Vec<(String, String)>,
    /// Other Alertmanagers that get our alerts: their alert addresses.
    pub alertmanagers: Vec<String>,
    /// The Alertmanager part of the configuration as text, secrets masked.
    pub alertmanager_config: String,
}

//! How long history is kept, class by class. Series and approvals have bounds of their own, with their deciders and stores.

use model::Timestamp;
use std::time::Duration;
use store::CutOffs;

const DAY: Duration = Duration::from_secs(86_400);

/// How long each class is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Runs that ended.
    pub runs: Duration,
    /// Users' tasks that run once and ended; `None`: as `runs`.
    pub tasks: Option<Duration>,
    /// Whom alerts were told to, and why.
    pub alerts: Duration,
    /// Lines of the audit log.
    pub audit: Duration,
    /// Events that were published.
    pub events: Duration,
    /// Lines that attempts wrote.
    pub logs: Duration,
}

impl Default for Retention {
    fn default() -> Retention {
        Retention {
            runs: 14 * DAY,
            tasks: None,
            alerts: 7 * DAY,
            audit: 30 * DAY,
            events: DAY,
            logs: 7 * DAY,
        }
    }
}

impl Retention {
    /// Where the history that the store keeps ends at `now`.
    pub fn cut_offs(&self, now: Timestamp) -> CutOffs {
        CutOffs {
            runs: now.minus(self.runs),
            tasks: now.minus(self.tasks.unwrap_or(self.runs)),
            alerts: now.minus(self.alerts),
            audit: now.minus(self.audit),
        }
    }
}

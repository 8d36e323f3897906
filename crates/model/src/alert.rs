//! An alert: something a rule found wrong, or a client posted.

use crate::{Labels, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// One alert, known by its labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// What identifies it.
    pub labels: Labels,
    /// What explains it.
    pub annotations: Labels,
    /// Since when it is true.
    pub starts_at: Timestamp,
    /// When it ended, or when it will count as ended if nobody repeats it.
    pub ends_at: Option<Timestamp>,
    /// Where its expression can be seen; alerts of one rule share the text.
    pub generator_url: Arc<str>,
    /// When we last heard of it.
    pub updated_at: Timestamp,
}

impl Alert {
    /// Its name.
    pub fn name(&self) -> &str {
        self.labels.get(crate::ALERTNAME).unwrap_or("")
    }

    /// Whether it has ended at `now`.
    pub fn is_resolved(&self, now: Timestamp) -> bool {
        self.ends_at.is_some_and(|end| end <= now)
    }
}

//! Our own figures under the names that thresholds know: as of the last evaluation, memory as of now.

use super::memory;
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

/// Name, type, help.
pub const FAMILIES: &[(&str, &str, &str)] = &[
    ("memory_usage_bytes", "gauge", "Bytes of this program that are in memory."),
    ("memory_usage_percent", "gauge", "Memory in use, of this program's limit or else of the machine."),
    ("error_rate_percent", "gauge", "Calls that failed in the last five minutes, of 100."),
    (
        "response_time_p95_ms",
        "gauge",
        "Milliseconds within which 95 of 100 calls of the last five minutes were done.",
    ),
];

/// Those that only an evaluation knows.
#[derive(Debug, Default)]
pub struct Figures {
    /// Protects what is written once an evaluation and read once a look.
    last: Mutex<BTreeMap<&'static str, f64>>,
}

impl Figures {
    /// Takes what an evaluation found; nothing is `None`.
    pub fn set(&self, name: &'static str, value: Option<f64>) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match value {
            Some(value) => drop(last.insert(name, value)),
            None => drop(last.remove(name)),
        }
    }

    /// All of them.
    pub fn all(&self) -> BTreeMap<&'static str, f64> {
        let mut all = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        all.extend(memory::used_percent().map(|value| ("memory_usage_percent", value)));
        all.extend(memory::resident_bytes().map(|value| ("memory_usage_bytes", value)));
        all
    }

    /// Those that have no other series.
    pub fn metrics(&self, out: &mut crate::metrics::Out<'_>) {
        let all = self.all();
        for (name, _, _) in FAMILIES {
            if let Some(value) = all.get(name) {
                out(name, &[], *value);
            }
        }
    }
}

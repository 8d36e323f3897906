//! What a target says its metrics are, read from the comments that its cache keeps anyway.

use super::cache::Cache;
use crate::exposition::{Line, MetricType, Parser};
use std::collections::BTreeMap;

/// Type, help and unit of one metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// Of which type it is.
    pub kind: MetricType,
    /// What it is about.
    pub help: String,
    /// In which unit it counts; empty if the target does not say.
    pub unit: String,
}

impl Default for Metadata {
    fn default() -> Metadata {
        Metadata { kind: MetricType::Unknown, help: String::new(), unit: String::new() }
    }
}

/// By the metric's name.
pub(super) fn read(cache: &Cache) -> BTreeMap<String, Metadata> {
    let mut found: BTreeMap<String, Metadata> = BTreeMap::new();
    let Some(format) = cache.format() else { return found };
    for gap in cache.gaps().filter(|gap| !gap.is_empty()) {
        let mut parser = Parser::new(gap, format);
        // A gap of OpenMetrics has no # EOF, so it ends in an error, which is its end.
        while let Ok(Some(line)) = parser.next_line() {
            match line {
                Line::Help { metric, help } => {
                    found.entry(metric.into_owned()).or_default().help = help.into_owned()
                }
                Line::Type { metric, kind } => found.entry(metric.into_owned()).or_default().kind = kind,
                Line::Unit { metric, unit } => {
                    found.entry(metric.into_owned()).or_default().unit = unit.into_owned()
                }
                Line::Sample { .. } => {}
            }
        }
    }
    found
}

//! Percentiles of a list.

use std::time::Duration;

/// The value below which `share` (0 to 1) of the values lie, in milliseconds.
pub fn percentile_ms(sorted: &[Duration], share: f64) -> f64 {
    let place = ((sorted.len() as f64 - 1.0) * share).round().max(0.0) as usize;
    sorted.get(place).map_or(f64::NAN, |value| value.as_secs_f64() * 1e3)
}

/// `"p50_ms": .., "p95_ms": .., "p99_ms": .., "max_ms": ..` of unsorted values.
pub fn latency(mut values: Vec<Duration>) -> String {
    values.sort_unstable();
    format!(
        "\"p50_ms\": {:.3}, \"p95_ms\": {:.3}, \"p99_ms\": {:.3}, \"max_ms\": {:.3}",
        percentile_ms(&values, 0.5),
        percentile_ms(&values, 0.95),
        percentile_ms(&values, 0.99),
        percentile_ms(&values, 1.0),
    )
}

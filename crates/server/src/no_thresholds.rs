//! Metrics and thresholds for tests: what was told is kept, one threshold is crossed.

use crate::views::{CrossedView, HistogramView, MetricsView, ThresholdsView, ToldMetric};
use crate::{Failure, Thresholds};
use futures_util::future::{BoxFuture, ready};
use model::Timestamp;
use std::sync::Mutex;

pub struct NoThresholds {
    pub told: Mutex<Vec<ToldMetric>>,
    pub now: Timestamp,
}

impl NoThresholds {
    fn crossed(&self) -> CrossedView {
        CrossedView {
            name: "high_error_rate".to_owned(),
            severity: "critical".to_owned(),
            message: "Alert: high_error_rate - error_rate_percent is 7.50 (threshold: 5.00)".to_owned(),
            value: 7.5,
            threshold: 5.0,
            at: self.now,
        }
    }
}

impl Thresholds for NoThresholds {
    fn tell(&self, batch: Vec<ToldMetric>) -> BoxFuture<'_, Result<(), Failure>> {
        let full = batch.iter().any(|told| told.name == "full");
        self.told.lock().unwrap().extend(batch);
        Box::pin(ready(if full { Err(Failure::Full("[0].name: too many".to_owned())) } else { Ok(()) }))
    }

    fn summary(&self) -> BoxFuture<'_, MetricsView> {
        let histogram =
            HistogramView { count: 4, sum: 10.0, min: 1.0, max: 4.0, p50: Some(2.5), p95: None, p99: None };
        Box::pin(ready(MetricsView {
            counters: [("sessions_started".to_owned(), 3.0), ("joules".to_owned(), 0.5)].into(),
            gauges: [("memory_usage_percent".to_owned(), 41.0)].into(),
            histograms: [("took_ms".to_owned(), histogram)].into(),
        }))
    }

    fn status(&self) -> BoxFuture<'_, Result<ThresholdsView, Failure>> {
        Box::pin(ready(Ok(ThresholdsView {
            sentry: false,
            count: 4,
            evaluated_at: Some(self.now),
            active: vec![self.crossed()],
        })))
    }

    fn history(&self, from: Timestamp) -> BoxFuture<'_, Result<Vec<CrossedView>, Failure>> {
        Box::pin(ready(Ok(Some(self.crossed()).into_iter().filter(|crossed| crossed.at >= from).collect())))
    }

    fn evaluate(&self) -> BoxFuture<'_, Result<Vec<CrossedView>, Failure>> {
        Box::pin(ready(Ok(vec![self.crossed()])))
    }
}

//! What applications tell, and the thresholds over it.

use crate::monitoring::Monitor;
use collect::pushed::{Kind, Spread, Told};
use futures_util::future::BoxFuture;
use model::Timestamp;
use rules::threshold::Crossed;
use server::{
    Failure,
    views::{CrossedView, HistogramView, MetricKind, MetricsView, ThresholdsView, ToldMetric},
};
use std::{sync::Arc, time::Duration};

/// Over how long quantiles are.
const WINDOW: Duration = Duration::from_secs(300);

/// The monitor, as the server sees it.
pub struct Thresholds {
    /// Who writes and measures.
    pub monitor: Arc<Monitor>,
}

impl server::Thresholds for Thresholds {
    fn tell(&self, batch: Vec<ToldMetric>) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async { self.monitor.tell(batch.into_iter().map(told).collect()).await })
    }

    fn summary(&self) -> BoxFuture<'_, MetricsView> {
        Box::pin(async {
            let summary = self.monitor.pushed.summary(self.monitor.clock.now(), WINDOW);
            let own = self.monitor.figures.all().into_iter();
            let mut gauges: std::collections::BTreeMap<String, f64> =
                own.map(|(name, value)| (name.to_owned(), value)).collect();
            gauges.extend(summary.gauges);
            let histograms = summary.histograms.into_iter().map(|(name, one)| (name, histogram(&one)));
            MetricsView { counters: summary.counters, gauges, histograms: histograms.collect() }
        })
    }

    fn status(&self) -> BoxFuture<'_, Result<ThresholdsView, Failure>> {
        Box::pin(async {
            let sentry = self.monitor.sentry;
            let status = self.monitor.core.call(move |core, _, _| ThresholdsView {
                sentry,
                count: core.thresholds.specs().len(),
                evaluated_at: core.thresholds.evaluated_at(),
                active: core.thresholds.active().into_iter().map(crossed).collect(),
            });
            Ok(status.await?)
        })
    }

    fn history(&self, from: Timestamp) -> BoxFuture<'_, Result<Vec<CrossedView>, Failure>> {
        Box::pin(async move {
            let history = self.monitor.core.call(move |core, _, _| core.thresholds.history(from));
            Ok(history.await?.into_iter().map(crossed).collect())
        })
    }

    fn evaluate(&self) -> BoxFuture<'_, Result<Vec<CrossedView>, Failure>> {
        Box::pin(async { Ok(self.monitor.evaluate().await?.into_iter().map(crossed).collect()) })
    }
}

fn told(told: ToldMetric) -> Told {
    let kind = match told.kind {
        MetricKind::Counter => Kind::Counter,
        MetricKind::Gauge => Kind::Gauge,
        MetricKind::Histogram => Kind::Histogram,
    };
    Told { kind, name: told.name, value: told.value, tags: told.tags }
}

fn histogram(of: &Spread) -> HistogramView {
    HistogramView {
        count: of.count,
        sum: of.sum,
        min: of.min,
        max: of.max,
        p50: of.p50,
        p95: of.p95,
        p99: of.p99,
    }
}

fn crossed(crossed: Crossed) -> CrossedView {
    CrossedView {
        name: crossed.name,
        severity: crossed.severity,
        message: crossed.message,
        value: crossed.value,
        threshold: crossed.threshold,
        at: crossed.at,
    }
}

//! What thresholds decide: written down, told in the log, and routed like alerts of rules.

use super::{Core, batch::Batch};
use model::Timestamp;
use rules::threshold::{Change, Crossed, Decided, Measured, Settings, Threshold};
use tasks::RecordKind;

impl Core {
    /// Takes what was measured; what is crossed now.
    pub fn take_measured(
        &mut self,
        measured: Vec<(String, Measured)>,
        batch: &mut Batch,
        now: Timestamp,
    ) -> Vec<Crossed> {
        let decided = self.thresholds.decide(measured, now);
        self.take_crossed(decided, batch, now);
        self.thresholds.active()
    }

    /// Takes other thresholds.
    pub fn set_thresholds(
        &mut self,
        thresholds: Vec<Threshold>,
        settings: Settings,
        batch: &mut Batch,
        now: Timestamp,
    ) {
        let count = thresholds.len();
        for one in &thresholds {
            tracing::info!(
                event = "alert_threshold_added",
                alert_name = one.name,
                metric_name = one.metric,
                window_seconds = one.window.as_secs_f64(),
                "Threshold {} watches {}",
                one.name,
                one.metric
            );
        }
        let decided = self.thresholds.reload(thresholds, settings, now);
        tracing::info!(event = "alert_thresholds_configured", count, "{count} thresholds are watched");
        self.take_crossed(decided, batch, now);
    }

    fn take_crossed(&mut self, decided: Decided, batch: &mut Batch, now: Timestamp) {
        for (name, why) in &decided.failed {
            tracing::warn!(
                event = "monitoring_evaluation_error",
                alert_name = name,
                "Threshold {name}: {why}"
            );
        }
        for crossed in &decided.triggered {
            tracing::warn!(
                event = "alert_triggered",
                alert_name = crossed.name,
                severity = crossed.severity,
                metric_value = crossed.value,
                threshold = crossed.threshold,
                labels = %crossed.series,
                "{}",
                crossed.message
            );
        }
        for crossed in &decided.ended {
            tracing::info!(
                event = "alert_resolved",
                alert_name = crossed.name,
                severity = crossed.severity,
                labels = %crossed.series,
                "Alert {} has ended",
                crossed.name
            );
        }
        batch.changes.tasks.extend(decided.changes.into_iter().map(record));
        if !decided.alerts.is_empty() {
            self.route_alerts(decided.alerts, batch, now);
        }
    }
}

fn record(change: Change) -> tasks::Change {
    let (kind, key, row) = match change {
        Change::Firing(crossed) => (RecordKind::Threshold, crossed.key(), Some(crossed.to_json())),
        Change::Ended { key } => (RecordKind::Threshold, key, None),
        Change::Told { key, crossed } => (RecordKind::Crossing, key, Some(crossed.to_json())),
        Change::Forgotten { key } => (RecordKind::Crossing, key, None),
    };
    tasks::Change::Record { kind, key, row }
}

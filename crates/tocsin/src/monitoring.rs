//! Metrics that applications tell, and the thresholds over them and over every other series.
//!
//! A doer: it writes and measures, [`rules::threshold`] decides. What was told is in the series store before the
//! answer; what was crossed is in the journal before anybody hears of it.

mod declared;
mod figures;
mod measure;
mod memory;
mod told;

pub use declared::{Overrides, declared, settings};
pub use figures::{FAMILIES, Figures};

use crate::core::{Handle, Stopped};
use collect::pushed::Pushed;
use model::Clock;
use rules::threshold::Crossed;
use std::{sync::Arc, time::Duration};
use tsdb::Db;

/// How the names of receivers' circuits begin; the rest is the receiver and its integration.
pub const RECEIVER_CIRCUITS: &str = "receiver ";

/// How often thresholds are evaluated where nothing says.
pub const INTERVAL: Duration = Duration::from_secs(60);

/// What telling and measuring need.
pub struct Monitor {
    /// What was told.
    pub pushed: Pushed,
    /// The figures of thresholds, as of the last evaluation.
    pub figures: Figures,
    /// The series.
    pub db: Db,
    /// Who decides.
    pub core: Handle,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Whether errors are sent to Sentry.
    pub sentry: bool,
}

impl Monitor {
    /// Evaluates every threshold now; what is crossed then. Done when it is durable.
    pub async fn evaluate(self: &Arc<Self>) -> Result<Vec<Crossed>, Stopped> {
        let specs = self.core.call(|core, _, _| core.thresholds.specs().to_vec()).await?;
        let this = self.clone();
        let measured = tokio::task::spawn_blocking(move || this.measure(&specs)).await;
        let measured = measured.unwrap_or_else(|why| {
            tracing::error!(event = "monitoring_evaluation_error", "Thresholds were not measured: {why}");
            Vec::new()
        });
        self.core.call(move |core, batch, now| core.take_measured(measured, batch, now)).await
    }

    /// Evaluates each `every` until `until`, the first time at once.
    pub async fn run(self: Arc<Self>, every: Duration, until: impl Future<Output = ()>) {
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut until = std::pin::pin!(until);
        let seconds = every.as_secs_f64();
        tracing::info!(
            event = "monitoring_scheduler_started",
            interval_seconds = seconds,
            "Thresholds are evaluated each {seconds} s"
        );
        loop {
            tokio::select! {
                () = &mut until => break,
                _ = ticks.tick() => {}
            }
            match self.evaluate().await {
                Ok(crossed) => tracing::info!(
                    event = "monitoring_evaluation_completed",
                    triggered_alerts_count = crossed.len(),
                    "Thresholds were evaluated"
                ),
                Err(Stopped) => break,
            }
        }
        tracing::info!(event = "monitoring_scheduler_stopped", "Thresholds are no longer evaluated");
    }
}

//! What applications tell of themselves, and the thresholds over it.

use super::Failure;
use crate::views::{CrossedView, MetricsView, ThresholdsView, ToldMetric};
use futures_util::future::BoxFuture;
use model::Timestamp;

/// Takes and shows metrics; evaluates thresholds.
pub trait Thresholds: Send + Sync {
    /// Takes a batch whole, or nothing of it. Done when it is a part of the series store, where a killed process
    /// has it still. Not idempotent: what is told twice counts twice.
    fn tell(&self, batch: Vec<ToldMetric>) -> BoxFuture<'_, Result<(), Failure>>;
    /// Everything that was told, and our own figures of the same kind.
    fn summary(&self) -> BoxFuture<'_, MetricsView>;
    /// How the thresholds stand.
    fn status(&self) -> BoxFuture<'_, Result<ThresholdsView, Failure>>;
    /// What was crossed since `from`, in order.
    fn history(&self, from: Timestamp) -> BoxFuture<'_, Result<Vec<CrossedView>, Failure>>;
    /// Evaluates all of them now; what is crossed then. Answers after the commit.
    fn evaluate(&self) -> BoxFuture<'_, Result<Vec<CrossedView>, Failure>>;
}

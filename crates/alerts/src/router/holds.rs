//! What keeps a firing alert quiet, apart from its group's own timing.

use super::{Alerts, Quiet};
use model::{Hold, Labels, Timestamp};

impl Alerts {
    /// What keeps a firing alert quiet, apart from its group's own timing.
    pub(super) fn quiet(&self, labels: &Labels, muted: &[String], now: Timestamp) -> Option<Quiet> {
        let inhibited = self.inhibited_by(labels, now);
        if !inhibited.is_empty() {
            return Some(Quiet { hold: Hold::Inhibited, by: inhibited });
        }
        if !muted.is_empty() {
            return Some(Quiet { hold: Hold::Muted, by: muted.to_vec() });
        }
        let by = self.silenced_by(labels, now);
        if by.is_empty() { None } else { Some(Quiet { hold: Hold::Silenced, by }) }
    }

    pub(super) fn inhibited_by(&self, labels: &Labels, now: Timestamp) -> Vec<String> {
        let sources = self.sources.inhibitors(labels, |source| !self.ended(source, now));
        sources.iter().map(|source| format!("{:016x}", source.fingerprint())).collect()
    }

    pub(super) fn silenced_by(&self, labels: &Labels, now: Timestamp) -> Vec<String> {
        self.silences.acting_on(labels, now).into_iter().map(|silence| silence.id.clone()).collect()
    }

    /// The names of the intervals that mute a route at `now`.
    pub(super) fn muted(&self, route: usize, now: Timestamp) -> Vec<String> {
        self.config.route.nodes[route].muted_by(&self.config.intervals, now)
    }

    pub(super) fn ended(&self, labels: &Labels, now: Timestamp) -> bool {
        self.alerts.get(labels).is_none_or(|tracked| tracked.alert.is_resolved(now))
    }

    /// Whether there is such an alert and it has not ended.
    pub fn fires(&self, labels: &Labels, now: Timestamp) -> bool {
        !self.ended(labels, now)
    }
}

//! What readers see of alerts and groups.

use super::Alerts;
use crate::view::{AlertState, AlertView, GroupView};
use model::{Alert, Labels, Matcher, Timestamp};

impl Alerts {
    /// How many alerts have not ended.
    pub fn firing_count(&self, now: Timestamp) -> usize {
        self.alerts.values().filter(|tracked| !tracked.alert.is_resolved(now)).count()
    }

    /// Every alert that has not ended and whose labels all of `matchers` accept, by labels.
    pub fn list(&self, matchers: &[Matcher], now: Timestamp) -> Vec<AlertView> {
        let mut views: Vec<AlertView> = self
            .alerts
            .values()
            .filter(|tracked| !tracked.alert.is_resolved(now))
            .filter(|tracked| matchers.iter().all(|m| m.matches_labels(&tracked.alert.labels)))
            .map(|tracked| {
                let muted = tracked.places.iter().map(|(route, _)| self.muted(*route, now));
                let muted: Vec<Vec<String>> = muted.collect();
                let all_muted = muted.iter().all(|by| !by.is_empty());
                let muted = if all_muted { muted.concat() } else { Vec::new() };
                self.view(&tracked.alert, muted, now)
            })
            .collect();
        views.sort_by(|a, b| a.alert.labels.cmp(&b.alert.labels));
        views
    }

    pub(super) fn view(&self, alert: &Alert, muted_by: Vec<String>, now: Timestamp) -> AlertView {
        let silenced_by = self.silenced_by(&alert.labels, now);
        let inhibited_by = self.inhibited_by(&alert.labels, now);
        let free = silenced_by.is_empty() && inhibited_by.is_empty() && muted_by.is_empty();
        AlertView {
            alert: alert.clone(),
            state: if free { AlertState::Active } else { AlertState::Suppressed },
            silenced_by,
            inhibited_by,
            muted_by,
            receivers: self.routes_for(&alert.labels),
        }
    }

    /// Every group with its firing alerts, by labels, then receiver.
    pub fn groups(&self, now: Timestamp) -> Vec<GroupView> {
        let mut views: Vec<GroupView> = self
            .groups
            .values()
            .map(|group| {
                let node = &self.config.route.nodes[group.route];
                let muted = self.muted(group.route, now);
                let firing = group.members.keys().filter(|labels| !self.ended(labels, now));
                let firing = firing.filter_map(|labels| self.alerts.get(labels));
                let mut alerts: Vec<AlertView> =
                    firing.map(|tracked| self.view(&tracked.alert, muted.clone(), now)).collect();
                alerts.sort_by(|a, b| a.alert.labels.cmp(&b.alert.labels));
                GroupView {
                    key: group.row.key.clone(),
                    labels: group.row.labels.clone(),
                    route_labels: node.template_labels(),
                    receiver: node.receiver.clone(),
                    next_flush: group.row.next_flush,
                    alerts,
                }
            })
            .filter(|view| !view.alerts.is_empty())
            .collect();
        views.sort_by(|a, b| (&a.labels, &a.receiver, &a.key).cmp(&(&b.labels, &b.receiver, &b.key)));
        views
    }

    /// The receivers that an alert with `labels` goes to, in the order of the route tree.
    pub fn routes_for(&self, labels: &Labels) -> Vec<String> {
        let nodes = &self.config.route.nodes;
        self.config.route.find(labels).into_iter().map(|at| nodes[at].receiver.clone()).collect()
    }
}

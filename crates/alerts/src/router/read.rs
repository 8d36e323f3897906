//! What readers see of alerts and groups.

use super::Alerts;
use crate::known::{Places, Tracked};
use crate::route::RouteNode;
use crate::view::{AlertState, AlertView, GroupView};
use hashbrown::HashMap;
use model::{Labels, Matcher, Timestamp};
use std::sync::Arc;

impl Alerts {
    /// How many alerts have not ended.
    pub fn firing_count(&self, now: Timestamp) -> usize {
        self.alerts.values().filter(|tracked| !tracked.alert.is_resolved(now)).count()
    }

    /// Every alert that has not ended and whose labels all of `matchers` accept, by labels.
    pub fn list(&self, matchers: &[Matcher], now: Timestamp) -> Vec<AlertView> {
        let live = self.alerts.values().filter(|tracked| !tracked.alert.is_resolved(now));
        let wanted = live.filter(|tracked| matchers.iter().all(|m| m.matches_labels(&tracked.alert.labels)));
        let mut told = Told::default();
        let mut views: Vec<AlertView> = wanted
            .map(|tracked| {
                let muted = tracked.places.iter().map(|(route, _)| self.muted(*route, now));
                let muted: Vec<Vec<String>> = muted.collect();
                let all_muted = muted.iter().all(|by| !by.is_empty());
                let muted = if all_muted { muted.concat() } else { Vec::new() };
                self.view(tracked, muted, &mut told, now)
            })
            .collect();
        views.sort_by(|a, b| a.alert.labels.cmp(&b.alert.labels));
        views
    }

    pub(super) fn view(
        &self,
        tracked: &Tracked,
        muted_by: Vec<String>,
        told: &mut Told,
        now: Timestamp,
    ) -> AlertView {
        let alert = &tracked.alert;
        let silenced_by = self.silenced_by(&alert.labels, now);
        let inhibited_by = self.inhibited_by(&alert.labels, now);
        let free = silenced_by.is_empty() && inhibited_by.is_empty() && muted_by.is_empty();
        AlertView {
            alert: alert.clone(),
            state: if free { AlertState::Active } else { AlertState::Suppressed },
            silenced_by,
            inhibited_by,
            muted_by,
            receivers: told.of(tracked, &self.config.route.nodes),
        }
    }

    /// Every group with its firing alerts, by labels, then receiver. Within a group they stand in the order in which they
    /// came, which is cheap: there may be a hundred thousand of them.
    pub fn groups(&self, now: Timestamp) -> Vec<GroupView> {
        let mut told = Told::default();
        let mut views: Vec<GroupView> = self
            .groups
            .values()
            .map(|group| {
                let node = &self.config.route.nodes[group.route];
                let muted = self.muted(group.route, now);
                let present = self.present(group);
                let mut firing: Vec<&Tracked> =
                    present.filter(|known| !known.alert.is_resolved(now)).collect();
                firing.sort_unstable_by_key(|tracked| tracked.id);
                let view = |tracked: &&Tracked| self.view(tracked, muted.clone(), &mut told, now);
                GroupView {
                    key: group.row.key.clone(),
                    labels: group.row.labels.clone(),
                    route_labels: node.template_labels(),
                    receiver: node.receiver.clone(),
                    next_flush: group.row.next_flush,
                    alerts: firing.iter().map(view).collect(),
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

/// The receivers of the places of alerts, while many are looked at: those of one place share them.
#[derive(Default)]
pub(super) struct Told {
    by_places: HashMap<Vec<usize>, Arc<[String]>>,
    last: Option<(Places, Arc<[String]>)>,
}

impl Told {
    fn of(&mut self, tracked: &Tracked, nodes: &[RouteNode]) -> Arc<[String]> {
        if let Some((places, names)) = &self.last
            && Arc::ptr_eq(places, &tracked.places)
        {
            return names.clone();
        }
        let places: Vec<usize> = tracked.places.iter().map(|(at, _)| *at).collect();
        let read = || tracked.places.iter().map(|(at, _)| nodes[*at].receiver.clone()).collect();
        let names = self.by_places.entry(places).or_insert_with(read).clone();
        self.last = Some((tracked.places.clone(), names.clone()));
        names
    }
}

//! Alerts as they come in: what is kept of each, and the groups it falls into.

use super::{Alerts, Tracked, group_key, new_group};
use crate::change::Change;
use crate::group::{GroupRow, Member};
use model::{Alert, Decision, Hold, Labels, Timestamp, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

impl Alerts {
    /// Takes alerts from rules or clients. Returns how many were refused because there are too many already.
    pub fn receive(&mut self, alerts: Vec<Alert>, now: Timestamp, out: &mut Vec<Change>) -> usize {
        let mut refused = 0;
        for mut alert in alerts {
            let known = self.alerts.get(&alert.labels);
            match known {
                None if alert.is_resolved(now) => continue,
                None if self.alerts.len() >= self.config.alerts_max => {
                    refused += 1;
                    continue;
                }
                None => self.sources.add(&alert.labels),
                Some(known) if !known.alert.is_resolved(now) => {
                    alert.starts_at = alert.starts_at.min(known.alert.starts_at);
                }
                Some(known) if alert.is_resolved(now) => {
                    // It had ended before; its first end stands.
                    alert.starts_at = known.alert.starts_at;
                    alert.ends_at = known.alert.ends_at.min(alert.ends_at);
                }
                Some(_) => {}
            }
            let labels = alert.labels.clone();
            let places = known.map(|known| known.places.clone()).unwrap_or_default();
            out.push(Change::Alert(alert.clone()));
            self.alerts.insert(labels.clone(), Tracked { alert, places });
            let waiting = self.file(&labels, now);
            for (receiver, group_key) in waiting {
                let verdict = Verdict::Hold(Hold::Grouped);
                let alert = labels.clone();
                let decision =
                    Decision { at: now, alert, verdict, receiver, group_key, by: vec![], page_key: None, over: false, next_send: None };
                self.decide(decision, out);
            }
        }
        refused
    }

    /// Brings the router in line with what the rules say fires, after a start or a reload: an alert without an
    /// end that no rule has any more ends, as after a change of the external labels, which are part of what an
    /// alert is. Alerts of clients carry an end and are left alone.
    pub fn reconcile(&mut self, firing: Vec<Alert>, now: Timestamp, out: &mut Vec<Change>) {
        let kept: BTreeSet<&Labels> = firing.iter().map(|alert| &alert.labels).collect();
        let lives = |tracked: &&Tracked| tracked.alert.ends_at.is_none();
        let orphans = self.alerts.values().filter(lives).filter(|known| !kept.contains(&known.alert.labels));
        let ended = orphans.map(|known| Alert { ends_at: Some(now), updated_at: now, ..known.alert.clone() });
        let ended: Vec<Alert> = ended.collect();
        self.receive(ended, now, out);
        let unknown =
            |alert: &Alert| self.alerts.get(&alert.labels).is_none_or(|known| known.alert.ends_at.is_some());
        let new = firing.into_iter().filter(unknown).collect();
        self.receive(new, now, out);
    }

    /// Puts an alert into its groups, making those that are missing. Returns receiver and key of the groups in
    /// which it is new and has to wait.
    pub(super) fn file(&mut self, labels: &Labels, now: Timestamp) -> Vec<(String, String)> {
        let Some(tracked) = self.alerts.get_mut(labels) else { return Vec::new() };
        if tracked.places.is_empty() {
            let nodes = &self.config.route.nodes;
            let found = self.config.route.find(labels).into_iter();
            let place = |at: usize| (at, group_key(&nodes[at].key, &nodes[at].group_by.of(labels)).into());
            tracked.places = found.map(place).collect();
        }
        let (starts_at, ended) = (tracked.alert.starts_at, tracked.alert.is_resolved(now));
        let mut waiting = Vec::new();
        for (route, key) in tracked.places.clone() {
            let node = &self.config.route.nodes[route];
            let group = self.groups.entry(key.clone()).or_insert_with(|| {
                let row = GroupRow {
                    key: key.to_string(),
                    route: node.key.clone(),
                    labels: node.group_by.of(labels),
                    born: now,
                    next_flush: now.plus(node.group_wait),
                    flushed: false,
                    ledgers: BTreeMap::new(),
                };
                let wake = row.next_flush;
                self.wakes.insert((wake, key.clone()));
                new_group(row, key.clone(), route, wake)
            });
            // An alert that is older than the wait has waited long enough elsewhere.
            if !group.row.flushed && starts_at.plus(node.group_wait) <= now {
                group.row.next_flush = group.row.next_flush.min(now);
            }
            group.end_told &= ended;
            if !group.members.contains_key(labels) {
                let wait = group.row.next_flush > now;
                let recorded = wait.then_some(Verdict::Hold(Hold::Grouped));
                group.members.insert(labels.clone(), Member { recorded });
                if wait && !ended {
                    waiting.push((node.receiver.clone(), key.to_string()));
                }
            }
            self.rewake(&key);
        }
        waiting
    }

    pub(super) fn rewake(&mut self, key: &Arc<str>) {
        let Some(group) = self.groups.get_mut(key) else { return };
        let alerts = &self.alerts;
        let wake = group.wanted(|labels| alerts.get(labels).and_then(|tracked| tracked.alert.ends_at));
        if wake != group.wake || !self.wakes.contains(&(wake, key.clone())) {
            self.wakes.remove(&(group.wake, key.clone()));
            group.wake = wake;
            self.wakes.insert((wake, key.clone()));
        }
    }
}

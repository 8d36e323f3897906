//! Alerts as they come in: what is kept of each, and the groups it falls into.

use super::{Alerts, Tracked, group_key, new_group};
use crate::change::Change;
use crate::group::{GroupRow, Ledger, Member};
use model::{Alert, Decision, Hold, Labels, Timestamp, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

impl Alerts {
    /// Takes alerts from rules or clients. Returns how many were refused because there are too many already.
    pub fn receive(&mut self, alerts: Vec<Alert>, now: Timestamp, out: &mut Vec<Change>) -> usize {
        let (mut refused, mut touched) = (0, BTreeSet::new());
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
            let (places, left) =
                known.map(|known| (known.places.clone(), known.left.clone())).unwrap_or_default();
            let ended = alert.is_resolved(now);
            out.push(Change::Alert(alert.clone()));
            self.alerts.insert(labels.clone(), Tracked { alert, places, left });
            let waiting = self.file(&labels, now, out);
            if ended {
                self.note_over(&labels, now, out);
                if let Some(tracked) = self.alerts.get(&labels) {
                    touched.extend(tracked.places.iter().map(|(_, key)| key).chain(&tracked.left).cloned());
                }
            }
            for (receiver, group_key, hold, next_send) in waiting {
                let verdict = Verdict::Hold(hold);
                let alert = labels.clone();
                let (by, next_send) = (vec![], Some(next_send));
                let decision = Decision {
                    at: now,
                    alert,
                    verdict,
                    receiver,
                    group_key,
                    by,
                    page_key: None,
                    over: false,
                    next_send,
                    nth: 0,
                };
                self.decide(decision, out);
            }
        }
        // Once for each group: it looks at every member's end.
        for key in touched {
            self.rewake(&key);
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

    /// Puts an alert into its groups, making those that are missing. Returns the groups in which it is new and has to
    /// wait: whom they tell, their key, what they wait for, until when.
    pub(super) fn file(
        &mut self,
        labels: &Labels,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) -> Vec<(String, String, Hold, Timestamp)> {
        let instead = self.instead(labels);
        let config = self.config.clone();
        let Some(tracked) = self.alerts.get_mut(labels) else { return Vec::new() };
        if tracked.places.is_empty() {
            let nodes = &config.route.nodes;
            let found = config.route.find(labels).into_iter();
            let place = |at: usize| (at, group_key(&nodes[at].key, &nodes[at].group_by.of(labels)).into());
            tracked.places = found.map(place).collect();
        }
        let (starts_at, ended) = (tracked.alert.starts_at, tracked.alert.is_resolved(now));
        let (places, left) = (tracked.places.clone(), tracked.left.clone());
        let mut waiting = Vec::new();
        for (route, key) in places {
            let node = &config.route.nodes[route];
            let mut news = false;
            let group = self.groups.entry(key.clone()).or_insert_with(|| {
                news = true;
                let row = GroupRow {
                    key: key.to_string(),
                    route: node.key.clone(),
                    labels: node.group_by.of(labels),
                    born: now,
                    next_flush: now.plus(node.group_wait),
                    flushed: false,
                    dormant: false,
                    instead: instead.clone().filter(|_| instead.as_ref() != Some(&node.receiver)),
                    also: BTreeSet::new(),
                    ledgers: BTreeMap::new(),
                };
                let group = new_group(row, key.clone(), route);
                self.wakes.insert((group.wake, key.clone()));
                group
            });
            if group.row.dormant && !ended {
                group.row.dormant = false;
                group.row.next_flush = now.plus(node.group_wait);
                news = true;
            }
            // An alert that is older than the wait has waited long enough elsewhere.
            if !group.row.flushed && starts_at.plus(node.group_wait) <= now && group.row.next_flush > now {
                group.row.next_flush = now;
                news = true;
            }
            if news {
                out.push(Change::Group(group.row.clone()));
            }
            group.end_told &= ended;
            let known = group.members.get(labels);
            let fresh = known.is_none_or(|member| !ended && member.recorded.is_some_and(|(_, over)| over));
            if fresh {
                let over = self.incidents.get(&*group.incident).is_some_and(|known| !known.is_live());
                let hold = if over { Hold::Damped } else { Hold::Grouped };
                let wait = group.row.next_flush > now && !ended;
                let recorded = wait.then_some((Verdict::Hold(hold), false));
                group.members.insert(labels.clone(), Member { recorded });
                if wait {
                    let receiver = group.row.instead.as_ref().unwrap_or(&node.receiver);
                    waiting.push((receiver.clone(), key.to_string(), hold, group.row.next_flush));
                }
            }
            self.changed(&key, now);
        }
        for key in left {
            if let Some(group) = self.groups.get_mut(&key) {
                group.end_told &= ended;
            }
            self.changed(&key, now);
        }
        waiting
    }

    /// A member of a group has changed: it may have to be looked at earlier, and a page that does not arrive may be out
    /// of date. That it may be looked at later is found when its time comes.
    fn changed(&mut self, key: &Arc<str>, now: Timestamp) {
        let Some(group) = self.groups.get_mut(key) else { return };
        if group.row.ledgers.values().any(Ledger::is_stuck) {
            group.nudged = Some(now);
        }
        let wake = group.nudged.map_or(group.row.next_flush, |nudged| nudged.min(group.row.next_flush));
        if wake < group.wake {
            self.wakes.remove(&(group.wake, key.clone()));
            group.wake = wake;
            self.wakes.insert((wake, key.clone()));
        }
    }

    pub(super) fn rewake(&mut self, key: &str) {
        let Some(group) = self.groups.get_mut(key) else { return };
        let alerts = &self.alerts;
        let resolve = self.config.route.nodes[group.route].resolve;
        let incident = self.incidents.get(&*group.incident);
        let end_of = |labels: &Labels| alerts.get(labels).and_then(|tracked| tracked.alert.ends_at);
        let wake = group.wanted(resolve, incident, end_of);
        if wake != group.wake || !self.wakes.contains(&(wake, group.key.clone())) {
            self.wakes.remove(&(group.wake, group.key.clone()));
            group.wake = wake;
            self.wakes.insert((wake, group.key.clone()));
        }
    }
}

//! Alerts as they come in: what is kept of each, and the groups it falls into.

use super::waits::Waits;
use super::{Alerts, Places, Tracked, group_key, new_group};
use crate::change::{Change, WaitingGroup};
use crate::group::{GroupRow, Ledger, Member};
use hashbrown::hash_map::Entry;
use model::{Alert, Hold, Labels, Timestamp, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

impl Alerts {
    /// Takes alerts from rules or clients. Returns how many were refused because there are too many already.
    pub fn receive(&mut self, alerts: Vec<Alert>, now: Timestamp, out: &mut Vec<Change>) -> usize {
        let (mut refused, mut touched, mut waits) = (0, BTreeSet::new(), Waits::new(now));
        for alert in alerts {
            let labels = alert.labels.clone();
            let ended = alert.is_resolved(now);
            let full = self.alerts.len() >= self.config.alerts_max;
            match self.alerts.get_mut(&labels) {
                Some(known) => out.push(repeat(known, alert, now)),
                None if ended => continue,
                None if full => {
                    refused += 1;
                    continue;
                }
                None => out.push(self.begin(alert)),
            }
            self.file(&labels, now, out, &mut waits);
            if ended {
                // What was decided before stands before what its end leads to.
                self.decide_waits(&mut waits, out);
                self.note_over(&labels, now, out);
                touched
                    .extend(self.alerts.get(&labels).into_iter().flat_map(|known| known.groups()).cloned());
            }
        }
        self.decide_waits(&mut waits, out);
        // Once for each group: it looks at every member's end.
        for key in touched {
            self.rewake(&key);
        }
        refused
    }

    fn begin(&mut self, alert: Alert) -> Change {
        let id = self.next_id;
        self.next_id += 1;
        self.sources.add(&alert.labels);
        let mut tracked = Tracked::new(id, alert.clone());
        tracked.places = self.places_of(&alert.labels);
        self.alerts.insert(alert.labels.clone(), tracked);
        Change::Alert(id, alert)
    }

    /// Brings the router in line with what the rules say fires, after a start or a reload: an alert without an
    /// end that no rule has any more ends, as after a change of the external labels, which are part of what an
    /// alert is. Alerts of clients carry an end and are left alone.
    pub fn reconcile(&mut self, firing: Vec<Alert>, now: Timestamp, out: &mut Vec<Change>) {
        let kept: BTreeSet<&Labels> = firing.iter().map(|alert| &alert.labels).collect();
        let known = self.alerts.values().filter(|known| known.alert.ends_at.is_none());
        let orphans = known.filter(|known| !kept.contains(&known.alert.labels));
        let ended = orphans.map(|known| Alert { ends_at: Some(now), updated_at: now, ..known.alert.clone() });
        let ended: Vec<Alert> = ended.collect();
        self.receive(ended, now, out);
        let unknown =
            |alert: &Alert| self.alerts.get(&alert.labels).is_none_or(|known| known.alert.ends_at.is_some());
        let new = firing.into_iter().filter(unknown).collect();
        self.receive(new, now, out);
    }

    /// Puts an alert into its groups, making those that are missing. Where it is new and has to wait it is added to
    /// `waits`.
    pub(super) fn file(&mut self, labels: &Labels, now: Timestamp, out: &mut Vec<Change>, waits: &mut Waits) {
        let Some(tracked) = self.alerts.get(labels) else { return };
        let (starts_at, ended) = (tracked.alert.starts_at, tracked.alert.is_resolved(now));
        let (mut places, left) = (tracked.places.clone(), tracked.left.clone());
        if places.is_empty() {
            places = self.places_of(labels);
            if let Some(tracked) = self.alerts.get_mut(labels) {
                tracked.places = places.clone();
            }
        }
        for (route, key) in &*places {
            if !self.groups.contains_key(key) {
                self.begin_group(labels, *route, key, starts_at, now, out);
            }
            self.join(labels, key, starts_at, ended, now, out, waits);
            self.changed(key, now);
        }
        for key in left.iter().flat_map(|left| left.iter()) {
            if let Some(group) = self.groups.get_mut(key) {
                group.end_told &= ended;
            }
            self.changed(key, now);
        }
    }

    /// Where the route tree puts an alert.
    fn places_of(&mut self, labels: &Labels) -> Places {
        let nodes = &self.config.route.nodes;
        let place = |at: usize| (at, nodes[at].group_by.of(labels));
        let found: Vec<(usize, Labels)> = self.config.route.find(labels).into_iter().map(place).collect();
        let place = |(at, of): &(usize, Labels)| (*at, group_key(&nodes[*at].key, of).into());
        match <[_; 1]>::try_from(found) {
            Ok([only]) => {
                let places = || [place(&only)].into();
                self.known_places.entry_ref(&only).or_insert_with(places).clone()
            }
            Err(found) => found.iter().map(place).collect(),
        }
    }

    fn begin_group(
        &mut self,
        labels: &Labels,
        route: usize,
        key: &Arc<str>,
        starts_at: Timestamp,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) {
        let node = &self.config.route.nodes[route];
        // An alert that is older than the wait has waited long enough elsewhere.
        let old = starts_at.plus(node.group_wait) <= now;
        let row = GroupRow {
            id: self.next_group,
            key: key.to_string(),
            route: node.key.clone(),
            labels: node.group_by.of(labels),
            born: now,
            next_flush: if old { now } else { now.plus(node.group_wait) },
            flushed: false,
            dormant: false,
            instead: self.instead(labels).filter(|instead| *instead != node.receiver),
            also: BTreeSet::new(),
            ledgers: BTreeMap::new(),
        };
        self.next_group += 1;
        out.push(Change::Group(row.clone()));
        let group = new_group(row, key.clone(), route, node);
        self.wakes.insert((group.wake, key.clone()));
        self.groups.insert(key.clone(), group);
    }

    /// Makes an alert a member of a group.
    #[allow(clippy::too_many_arguments, reason = "the parts of one step, used once")]
    fn join(
        &mut self,
        labels: &Labels,
        key: &Arc<str>,
        starts_at: Timestamp,
        ended: bool,
        now: Timestamp,
        out: &mut Vec<Change>,
        waits: &mut Waits,
    ) {
        let Some(group) = self.groups.get_mut(key) else { return };
        let node = &self.config.route.nodes[group.route];
        if group.row.dormant && !ended {
            group.row.dormant = false;
            group.row.next_flush = now.plus(node.group_wait);
            out.push(Change::Group(group.row.clone()));
        }
        // As in a group that begins.
        if !group.row.flushed && starts_at.plus(node.group_wait) <= now && group.row.next_flush > now {
            group.row.next_flush = now;
            out.push(Change::Group(group.row.clone()));
        }
        group.end_told &= ended;
        let fresh = |member: &Member| !ended && member.recorded.is_some_and(|(_, over)| over);
        let member = match group.members.entry(labels.clone()) {
            Entry::Occupied(known) if !fresh(known.get()) => return,
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(vacant) => vacant.insert(Member::default()),
        };
        let over = self.incidents.get(&*group.incident).is_some_and(|known| !known.is_live());
        let hold = if over { Hold::Damped } else { Hold::Grouped };
        let wait = group.row.next_flush > now && !ended;
        member.recorded = wait.then_some((Verdict::Hold(hold), false));
        if wait {
            let waiting = WaitingGroup {
                receiver: group.receiver.clone(),
                group_key: key.clone(),
                hold,
                next_send: group.row.next_flush,
                alerts: Vec::new(),
            };
            waits.add(waiting, labels);
        }
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

/// What is kept of an alert that comes again: it began when it first did, and if it had ended, ended when it first did.
fn repeat(known: &mut Tracked, mut alert: Alert, now: Timestamp) -> Change {
    if !known.alert.is_resolved(now) {
        alert.starts_at = alert.starts_at.min(known.alert.starts_at);
    } else if alert.is_resolved(now) {
        alert.starts_at = known.alert.starts_at;
        alert.ends_at = known.alert.ends_at.min(alert.ends_at);
    }
    let same = known.alert.starts_at == alert.starts_at
        && known.alert.annotations == alert.annotations
        && known.alert.generator_url == alert.generator_url;
    if same {
        let Alert { ends_at, updated_at, .. } = alert;
        (known.alert.ends_at, known.alert.updated_at) = (ends_at, updated_at);
        return Change::Seen { id: known.id, ends_at, updated_at };
    }
    known.alert = alert.clone();
    Change::Alert(known.id, alert)
}

//! Alerts as they come in: what is kept of each, and the groups it falls into.

use super::waits::Waits;
use super::{Alerts, group_key, new_group};
use crate::change::Change;
use crate::group::{Group, GroupRow, Ledger, Member};
use crate::incident::Incident;
use crate::known::{Places, Slot, Tracked};
use crate::route::Route;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use model::{Alert, Hold, Labels, Timestamp, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What came of alerts that were taken.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Received {
    /// Those that are news: each begins or ends. As they came.
    pub turned: Vec<Alert>,
    /// How many were refused, because there are too many already.
    pub refused: usize,
}

/// An alert that is put into its groups.
struct Joining {
    slot: Slot,
    labels: Labels,
    starts_at: Timestamp,
    ended: bool,
    /// It begins, or ends.
    turned: bool,
}

impl Alerts {
    /// Takes alerts from rules or clients.
    pub fn receive(&mut self, alerts: Vec<Alert>, now: Timestamp, out: &mut Vec<Change>) -> Received {
        let (mut received, mut touched, mut over) = (Received::default(), BTreeSet::new(), Vec::new());
        out.reserve(alerts.len());
        let mut waits = Waits::new(now);
        for alert in alerts {
            let (ended, end) = (alert.is_resolved(now), alert.ends_at);
            let (mut ends_sooner, mut turned) = (false, true);
            let full = self.alerts.len() >= self.config.alerts_max;
            let slot = match self.alerts.find_mut(&alert.labels) {
                Some((slot, known)) => {
                    turned = known.alert.is_resolved(now) != ended;
                    if turned {
                        received.turned.push(alert.clone());
                    }
                    ends_sooner = end.is_some_and(|end| known.alert.ends_at.is_none_or(|was| end < was));
                    out.push(repeat(known, alert, now));
                    slot
                }
                None if ended => continue,
                None if full => {
                    received.refused += 1;
                    continue;
                }
                None => {
                    received.turned.push(alert.clone());
                    self.begin(alert, out)
                }
            };
            self.file(slot, turned, now, out, &mut waits);
            if ended {
                let tracked = self.alerts.at(slot);
                touched.extend(tracked.into_iter().flat_map(Tracked::groups).cloned());
                over.extend(tracked.map(|tracked| tracked.alert.labels.clone()));
            } else if ends_sooner {
                let groups = self.alerts.at(slot).into_iter().flat_map(Tracked::groups);
                let later =
                    |key: &&Arc<str>| self.groups.get(*key).is_some_and(|group| end < Some(group.wake));
                touched.extend(groups.filter(later).cloned());
            }
        }
        self.decide_waits(&mut waits, out);
        self.note_over(&over, now, out);
        // Once for each group: it looks at every member's end.
        for key in touched {
            self.rewake(&key);
        }
        received
    }

    fn begin(&mut self, alert: Alert, out: &mut Vec<Change>) -> Slot {
        let id = self.next_id;
        self.next_id += 1;
        self.sources.add(&alert.labels);
        out.push(Change::Alert(id, alert.clone()));
        self.alerts.add(Tracked::new(id, alert))
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

    /// Puts an alert, which begins or ends if it has `turned`, into its groups, making those that are missing. Where it is
    /// new and has to wait it is added to `waits`.
    pub(super) fn file(
        &mut self,
        slot: Slot,
        turned: bool,
        now: Timestamp,
        out: &mut Vec<Change>,
        waits: &mut Waits,
    ) {
        let Some(tracked) = self.alerts.at_mut(slot) else { return };
        if tracked.places.is_empty() {
            let labels = &tracked.alert.labels;
            tracked.places = places_of(labels, &self.config.route, &mut self.known_places);
        }
        let (places, left) = (tracked.places.clone(), tracked.left.clone());
        let Alert { labels, starts_at, .. } = &tracked.alert;
        let ended = tracked.alert.is_resolved(now);
        let joining = Joining { slot, labels: labels.clone(), starts_at: *starts_at, ended, turned };
        for (route, key) in &*places {
            if !self.groups.contains_key(key) {
                self.begin_group(&joining, *route, key, now, out);
            }
            self.join(&joining, key, now, out, waits);
        }
        for key in left.iter().flat_map(|left| left.iter()) {
            if let Some(group) = self.groups.get_mut(key) {
                if let Some(member) = group.members.get_mut(&slot) {
                    member.end_seen &= ended;
                }
                changed(group, turned, &mut self.wakes, now);
            }
        }
    }

    fn begin_group(
        &mut self,
        first: &Joining,
        route: usize,
        key: &Arc<str>,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) {
        let node = &self.config.route.nodes[route];
        // An alert that is older than the wait has waited long enough elsewhere.
        let old = first.starts_at.plus(node.group_wait) <= now;
        let row = GroupRow {
            id: self.next_group,
            key: key.to_string(),
            route: node.key.clone(),
            labels: node.group_of(&first.labels),
            born: now,
            next_flush: if old { now } else { now.plus(node.group_wait) },
            flushed: false,
            dormant: false,
            instead: self.instead(&first.labels).filter(|instead| *instead != node.receiver),
            also: BTreeSet::new(),
            ledgers: BTreeMap::new(),
        };
        self.next_group += 1;
        out.push(Change::Group(row.clone()));
        let group = new_group(row, key.clone(), route, node);
        self.wakes.insert((group.wake, key.clone()));
        self.groups.insert(key.clone(), group);
    }

    /// Makes an alert a member of a group, or notes that it came again.
    fn join(
        &mut self,
        joining: &Joining,
        key: &Arc<str>,
        now: Timestamp,
        out: &mut Vec<Change>,
        waits: &mut Waits,
    ) {
        let Some(group) = self.groups.get_mut(key) else { return };
        let (node, ended) = (&self.config.route.nodes[group.route], joining.ended);
        if group.row.dormant && !ended {
            group.row.dormant = false;
            group.row.next_flush = now.plus(node.group_wait);
            out.push(Change::Group(group.row.clone()));
        }
        // As in a group that begins.
        if !group.row.flushed && joining.starts_at.plus(node.group_wait) <= now && group.row.next_flush > now
        {
            group.row.next_flush = now;
            out.push(Change::Group(group.row.clone()));
        }
        let wait = group.row.next_flush > now && !ended;
        let over = |incident: &Incident| !incident.is_live();
        let hold = match self.incidents.get(&*group.incident).is_some_and(over) {
            true => Hold::Damped,
            false => Hold::Grouped,
        };
        let recorded = wait.then_some((Verdict::Hold(hold), false));
        let is_new = enter(group, joining, recorded);
        if is_new && wait {
            waits.add(group, hold, &joining.labels);
        }
        changed(group, is_new || joining.turned, &mut self.wakes, now);
    }

    pub(super) fn rewake(&mut self, key: &str) {
        let Some(group) = self.groups.get_mut(key) else { return };
        let alerts = &self.alerts;
        let resolve = self.config.route.nodes[group.route].resolve;
        let incident = self.incidents.get(&*group.incident);
        let end_of = |slot| alerts.at(slot).and_then(|tracked| tracked.alert.ends_at);
        let wake = group.wanted(resolve, incident, end_of);
        if wake != group.wake || !self.wakes.contains(&(wake, group.key.clone())) {
            self.wakes.remove(&(group.wake, group.key.clone()));
            group.wake = wake;
            self.wakes.insert((wake, group.key.clone()));
        }
    }
}

/// Adds a member to a group, of which `recorded` is on record; false if it is one already. What comes back before its end
/// was told is a new one.
fn enter(group: &mut Group, joining: &Joining, recorded: Option<(Verdict, bool)>) -> bool {
    let is_back = |member: &Member| !joining.ended && member.recorded.is_some_and(|(_, over)| over);
    match group.members.entry(joining.slot) {
        Entry::Occupied(known) => {
            let known = known.into_mut();
            known.end_seen &= joining.ended;
            let is_back = is_back(known);
            if is_back {
                known.recorded = recorded;
            }
            is_back
        }
        Entry::Vacant(vacant) => {
            vacant.insert(Member { recorded, ..Member::default() });
            true
        }
    }
}

/// A member of a group came again: it may have to be looked at earlier, and if that is news, a page that does not arrive
/// may be out of date. That it may be looked at later is found when its time comes.
fn changed(group: &mut Group, news: bool, wakes: &mut BTreeSet<(Timestamp, Arc<str>)>, now: Timestamp) {
    if news && group.row.ledgers.values().any(Ledger::is_stuck) {
        group.nudged = Some(now);
    }
    let wake = group.nudged.map_or(group.row.next_flush, |nudged| nudged.min(group.row.next_flush));
    if wake < group.wake {
        wakes.remove(&(group.wake, group.key.clone()));
        group.wake = wake;
        wakes.insert((wake, group.key.clone()));
    }
}

/// Where the route tree puts an alert. `known` are the places of alerts that have one.
fn places_of(labels: &Labels, route: &Route, known: &mut HashMap<(usize, Labels), Places>) -> Places {
    let group = |at: usize| (at, route.nodes[at].group_of(labels));
    let place = |(at, of): &(usize, Labels)| (*at, group_key(&route.nodes[*at].key, of).into());
    match *route.find(labels) {
        [at] => {
            let only = group(at);
            known.entry_ref(&only).or_insert_with(|| [place(&only)].into()).clone()
        }
        ref found => found.iter().map(|at| place(&group(*at))).collect(),
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

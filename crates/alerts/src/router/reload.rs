//! A start and a reload: every alert is filed under the present tree, and groups that are still there keep what they
//! told and when they speak next.

use super::waits::{Stood, Waits};
use super::{Alerts, new_group};
use crate::change::Change;
use crate::config::Config;
use crate::group::{Group, GroupRow, Ledger, Member};
use crate::inhibit::Sources;
use crate::known::Slot;
use hashbrown::HashMap;
use model::{Labels, Timestamp, Verdict};
use std::{collections::BTreeSet, sync::Arc};

impl Alerts {
    /// Takes a new configuration. Groups whose route and labels are still there keep what they told and when
    /// they speak next; others stay until they have told the ends that they owe. Who stands in goes on to.
    pub fn reload(&mut self, config: Config, now: Timestamp, out: &mut Vec<Change>) {
        self.sources = Sources::new(config.inhibit.clone());
        let stand_ins = self.config.stand_ins.clone();
        self.config = Arc::new(Config { stand_ins, ..config });
        self.known_places.clear();
        let stood = self.stood();
        let groups = std::mem::take(&mut self.groups).into_values();
        let rows = groups.map(|group| (group.row.key.clone(), group.row)).collect();
        for tracked in self.alerts.values_mut() {
            (tracked.places, tracked.left) = (Arc::default(), None);
        }
        self.regroup(rows, &stood, now, out);
    }

    /// The live alerts that another configuration would send elsewhere, by labels: to whom now, and to whom then.
    pub fn would_move(&self, config: &Config, now: Timestamp) -> Vec<(Labels, Vec<String>, Vec<String>)> {
        let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
        let live = self.alerts.values().filter(|tracked| !tracked.alert.is_resolved(now));
        let moved = live.filter_map(|tracked| {
            let labels = &tracked.alert.labels;
            let (from, to) = (receivers(&self.config, labels), receivers(config, labels));
            (from != to).then(|| (labels.clone(), owned(from), owned(to)))
        });
        let mut moved: Vec<_> = moved.collect();
        moved.sort_unstable();
        moved
    }

    /// Alerts of clients that would have ended while nobody listened get as long again as they had: who still sees
    /// them says so within it. What was ended in so many words has ended.
    pub(super) fn wait_for_clients(&mut self, now: Timestamp, out: &mut Vec<Change>) {
        for tracked in self.alerts.values_mut() {
            let alert = &mut tracked.alert;
            let Some(end) = alert.ends_at.filter(|end| *end <= now && *end > alert.updated_at) else {
                continue;
            };
            let term = end.since(alert.updated_at).min(self.config.resolve_timeout);
            alert.updated_at = now;
            alert.ends_at = Some(now.plus(term));
            let (ends_at, updated_at) = (alert.ends_at, now);
            out.push(Change::Seen { id: tracked.id, ends_at, updated_at });
        }
    }

    /// Takes back when alerts were repeated since their rows were written.
    pub(super) fn put_seen(&mut self, seen: &HashMap<u64, (Option<Timestamp>, Timestamp)>) {
        for tracked in self.alerts.values_mut() {
            if let Some((ends_at, updated_at)) = seen.get(&tracked.id)
                && *updated_at >= tracked.alert.updated_at
            {
                (tracked.alert.ends_at, tracked.alert.updated_at) = (*ends_at, *updated_at);
            }
        }
    }

    /// Files every alert under the present tree, using `rows` for groups that are already known.
    /// `stood` says where they were.
    pub(super) fn regroup(
        &mut self,
        rows: HashMap<String, GroupRow>,
        stood: &Stood,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) {
        self.wakes.clear();
        self.under_way.clear();
        for (key, row) in rows {
            let route = self.config.route.by_key(&row.route);
            if route.is_none() && !row.ledgers.values().any(Ledger::is_bound) {
                out.push(Change::GroupGone(row.id));
                continue;
            }
            let key: Arc<str> = key.into();
            for (integration, ledger) in &row.ledgers {
                for sent in ledger.under_way.iter().chain(&ledger.superseded) {
                    self.under_way.insert(sent.key.clone(), (key.clone(), integration.clone()));
                }
            }
            let node = &self.config.route.nodes[route.unwrap_or(0)];
            let mut group = new_group(row, key.clone(), route.unwrap_or(0), node);
            group.orphan = route.is_none();
            // What was to be said once a page has arrived, or in its place, still is.
            let mut ledgers = group.row.ledgers.values();
            group.nudged = ledgers.clone().any(Ledger::is_stuck).then_some(now);
            group.again = ledgers.any(|ledger| ledger.under_way.is_some() && !ledger.is_stuck());
            self.wakes.insert((group.wake, key.clone()));
            self.groups.insert(key, group);
        }
        let owing = self.owing();
        let mut waits = Waits::new(now);
        for slot in self.alerts.slots() {
            self.file(slot, false, now, out, &mut waits);
            self.adopt(slot, &owing, stood, now);
        }
        self.decide_moved(&mut waits, stood, out);
        self.decide_left(stood, now, out);
        let keys: Vec<Arc<str>> = self.groups.keys().cloned().collect();
        for key in keys {
            self.rewake(&key);
        }
        self.close_groupless(now, out);
    }

    /// The groups that owe somebody the end of an alert, by its fingerprint.
    fn owing(&self) -> HashMap<u64, Vec<Arc<str>>> {
        let mut owing: HashMap<u64, Vec<Arc<str>>> = HashMap::new();
        for group in self.groups.values() {
            let owed = group.row.ledgers.values().flat_map(Ledger::held);
            for fingerprint in owed.collect::<BTreeSet<u64>>() {
                owing.entry(fingerprint).or_default().push(group.key.clone());
            }
        }
        owing
    }

    /// An alert may inhibit others again, and stays in groups where it belongs no more and that still owe somebody its
    /// end.
    fn adopt(&mut self, slot: Slot, owing: &HashMap<u64, Vec<Arc<str>>>, stood: &Stood, now: Timestamp) {
        let Some(tracked) = self.alerts.at_mut(slot) else { return };
        self.sources.add(&tracked.alert.labels);
        let fingerprint = tracked.alert.labels.fingerprint();
        let ended = tracked.alert.is_resolved(now);
        // Should nobody be told of an end after all, that is put on record.
        let recorded = |group: &Group| {
            let is_told = group.row.ledgers.values().any(|ledger| ledger.tells_end_of(fingerprint));
            ended.then_some((Verdict::Deliver, is_told))
        };
        for (_, key) in tracked.places.iter().filter(|(_, key)| ended && stood.was_in(fingerprint, key)) {
            let member = self.groups.get_mut(key).and_then(|group| group.members.get_mut(&slot));
            if let Some(member) = member {
                member.recorded = Some((Verdict::Deliver, false));
            }
        }
        for key in owing.get(&fingerprint).into_iter().flatten() {
            let Some(group) = self.groups.get_mut(key) else { continue };
            if group.members.contains_key(&slot) {
                continue;
            }
            let member = Member { recorded: recorded(group), has_left: !group.orphan, end_seen: false };
            group.members.insert(slot, member);
            Arc::make_mut(tracked.left.get_or_insert_default()).push(key.clone());
        }
    }
}

/// To whom an alert with `labels` goes, in the order of the tree.
fn receivers<'a>(config: &'a Config, labels: &Labels) -> Vec<&'a str> {
    let found = config.route.find(labels).into_iter();
    found.map(|at| config.route.nodes[at].receiver.as_str()).collect()
}

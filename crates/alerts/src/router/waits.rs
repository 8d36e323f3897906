//! Alerts that are new in their groups and wait, while a batch of them is taken: what goes on record of them together.

use super::Alerts;
use crate::change::{Change, Wait, WaitingGroup};
use hashbrown::HashMap;
use model::{Labels, Timestamp};
use std::sync::Arc;

/// Groups of a batch that are looked through for the one that an alert joins: a client sends the alerts of a rule together.
const LOOKED_AT: usize = 16;

/// The alerts of a batch that wait.
#[derive(Debug)]
pub(super) struct Waits {
    at: Timestamp,
    groups: Vec<(WaitingGroup, Vec<Labels>)>,
}

impl Waits {
    pub(super) fn new(at: Timestamp) -> Waits {
        Waits { at, groups: Vec::new() }
    }

    /// Adds an alert to those of `group`, whose own list is empty.
    pub(super) fn add(&mut self, group: WaitingGroup, labels: &Labels) {
        let same = |(known, _): &&mut (WaitingGroup, Vec<Labels>)| {
            known.hold == group.hold
                && known.next_send == group.next_send
                && known.group_key == group.group_key
                && known.receiver == group.receiver
        };
        let fingerprint = labels.fingerprint();
        match self.groups.iter_mut().rev().take(LOOKED_AT).find(same) {
            Some((known, sets)) => {
                known.alerts.push(fingerprint);
                sets.push(labels.clone());
            }
            None => {
                let group = WaitingGroup { alerts: vec![fingerprint], ..group };
                self.groups.push((group, vec![labels.clone()]));
            }
        }
    }
}

impl Alerts {
    /// Puts them on record, in one row.
    pub(super) fn decide_waits(&mut self, waits: &mut Waits, out: &mut Vec<Change>) {
        if waits.groups.is_empty() {
            return;
        }
        let (at, first) = (waits.at, self.next_nth(waits.at));
        let mut nth = first;
        let mut groups = Vec::with_capacity(waits.groups.len());
        for (group, sets) in waits.groups.drain(..) {
            for alert in sets {
                self.remember(group.decision(at, alert, nth));
                nth += 1;
            }
            groups.push(group);
        }
        out.push(Change::Wait(Wait { at, nth: first, groups }));
    }

    /// As [`Alerts::decide_waits`], after every alert was filed anew: of those alone that wait where they did not before,
    /// as far as that is on record.
    pub(super) fn decide_moved(&mut self, waits: &mut Waits, out: &mut Vec<Change>) {
        let mut known: HashMap<u64, Vec<Arc<str>>> = HashMap::new();
        for decision in &self.decisions {
            let groups = known.entry(decision.alert.fingerprint()).or_default();
            if !groups.contains(&decision.group_key) {
                groups.push(decision.group_key.clone());
            }
        }
        for (group, sets) in &mut waits.groups {
            let row = self.groups.get(&group.group_key).map(|group| &group.row);
            let spoke = row.is_some_and(|row| row.flushed);
            let told = |alert: u64| {
                let mut ledgers = row.into_iter().flat_map(|row| row.ledgers.values());
                ledgers.any(|ledger| ledger.told().is_some_and(|sent| sent.firing.contains(&alert)))
            };
            sets.retain(|labels| {
                let alert = labels.fingerprint();
                let new = known.get(&alert).map_or(!spoke, |groups| !groups.contains(&group.group_key));
                new && !told(alert)
            });
            group.alerts = sets.iter().map(Labels::fingerprint).collect();
        }
        waits.groups.retain(|(_, sets)| !sets.is_empty());
        self.decide_waits(waits, out);
    }

    /// Takes back what was on record at the last start, of alerts that are still known.
    pub(super) fn remember_waits(&mut self, waits: &[Wait]) {
        if waits.is_empty() {
            return;
        }
        let known = self.alerts.keys().map(|labels| (labels.fingerprint(), labels.clone()));
        let known: HashMap<u64, Labels> = known.collect();
        let found = waits.iter().flat_map(|wait| wait.decisions(|alert| known.get(&alert).cloned()));
        self.decisions.extend(found);
    }
}

//! Alerts that wait, most of them because they are new in their groups: what goes on record of many together.

use super::Alerts;
use crate::change::{Change, Wait, WaitingGroup};
use crate::group::Group;
use crate::recent::Alike;
use hashbrown::HashMap;
use model::{Decision, Hold, Labels, Timestamp, Verdict};
use std::{collections::BTreeMap, sync::Arc};

/// Groups of a batch that are looked through for the one that an alert joins: a client sends the alerts of a rule together.
const LOOKED_AT: usize = 16;

/// Alerts that wait.
#[derive(Debug)]
pub(super) struct Waits {
    at: Timestamp,
    groups: Vec<(WaitingGroup, Vec<Labels>)>,
}

/// By what an alert is held in a group where it was.
const MOVED: &str = "a reload moved it to another group";

/// A group's key and its receiver.
type Place = (Arc<str>, Arc<str>);

/// In which groups, of which receivers, alerts were before all are filed anew, by fingerprint.
#[derive(Debug)]
pub(super) struct Stood {
    of: HashMap<u64, Vec<Place>>,
    /// Whether it tells of every alert.
    is_whole: bool,
}

impl Stood {
    /// Whether an alert stood in a group, by its fingerprint.
    pub(super) fn was_in(&self, alert: u64, group_key: &str) -> bool {
        let mut places = self.of.get(&alert).into_iter().flatten();
        places.any(|(known, _)| **known == *group_key)
    }
}

impl Waits {
    pub(super) fn new(at: Timestamp) -> Waits {
        Waits { at, groups: Vec::new() }
    }

    /// These alone, which wait in one group.
    pub(super) fn of(at: Timestamp, waiting: WaitingGroup, sets: Vec<Labels>) -> Waits {
        Waits { at, groups: vec![(waiting, sets)] }
    }

    /// Adds an alert that waits in `group`.
    pub(super) fn add(&mut self, group: &Group, hold: Hold, labels: &Labels) {
        let same = |(known, _): &&mut (WaitingGroup, Vec<Labels>)| {
            known.hold == hold
                && known.next_send == Some(group.row.next_flush)
                && known.group_key == group.key
                && known.receiver == group.receiver
        };
        let fingerprint = labels.fingerprint();
        match self.groups.iter_mut().rev().take(LOOKED_AT).find(same) {
            Some((known, sets)) => {
                known.alerts.push(fingerprint);
                sets.push(labels.clone());
            }
            None => {
                let waiting = WaitingGroup {
                    receiver: group.receiver.clone(),
                    group_key: group.key.clone(),
                    hold,
                    by: Vec::new(),
                    next_send: Some(group.row.next_flush),
                    alerts: vec![fingerprint],
                };
                self.groups.push((waiting, vec![labels.clone()]));
            }
        }
    }
}

impl Alerts {
    /// Puts them on record, in one row.
    pub(super) fn decide_waits(&mut self, waits: &mut Waits, out: &mut Vec<Change>) {
        waits.groups.retain(|(_, sets)| !sets.is_empty());
        if waits.groups.is_empty() {
            return;
        }
        let (at, first) = (waits.at, self.next_nth(waits.at));
        let mut nth = first;
        let mut groups = Vec::with_capacity(waits.groups.len());
        for (group, sets) in waits.groups.drain(..) {
            nth += self.remember(&group, at, nth, sets);
            groups.push(group);
        }
        out.push(Change::Wait(Wait { at, nth: first, groups }));
    }

    /// Keeps in memory what was decided about these of a group; how many they are.
    fn remember(&mut self, group: &WaitingGroup, at: Timestamp, nth: u32, mut sets: Vec<Labels>) -> u32 {
        let count = u32::try_from(sets.len()).unwrap_or(u32::MAX);
        if !sets.is_empty() {
            let others = sets.split_off(1);
            let first = sets.remove(0);
            self.decisions.push(Alike::new(group.decision(at, first, nth), others));
        }
        count
    }

    /// Where every alert stands.
    pub(super) fn stood(&self) -> Stood {
        let mut stood = Stood { of: HashMap::new(), is_whole: true };
        for slot in self.alerts.slots() {
            let Some(tracked) = self.alerts.at(slot) else { continue };
            let groups = tracked.places.iter().filter_map(|(_, key)| self.groups.get(key));
            // Whose end was said stands nowhere.
            let stands = |group: &&Group| {
                let member = group.members.get(&slot);
                member.is_some_and(|member| member.recorded != Some((Verdict::Deliver, true)))
            };
            let groups = groups.filter(stands);
            let places = groups.map(|group| (group.key.clone(), group.receiver.clone()));
            stood.of.insert(tracked.alert.labels.fingerprint(), places.collect());
        }
        stood
    }

    /// Where alerts stood, as far as the decisions in memory tell.
    pub(super) fn stood_on_record(&self) -> Stood {
        let mut stood = Stood { of: HashMap::new(), is_whole: false };
        for decision in self.decisions.iter() {
            let place = (decision.group_key.clone(), decision.receiver.clone());
            let places = stood.of.entry(decision.alert.fingerprint()).or_default();
            if decision.over {
                places.retain(|(group_key, _)| *group_key != place.0);
            } else if !places.contains(&place) {
                places.push(place);
            }
        }
        stood
    }

    /// As [`Alerts::decide_waits`], after every alert was filed anew: of those alone that wait where they did not stand
    /// before.
    pub(super) fn decide_moved(&mut self, waits: &mut Waits, stood: &Stood, out: &mut Vec<Change>) {
        for (group, sets) in &mut waits.groups {
            let row = self.groups.get(&group.group_key).map(|group| &group.row);
            let spoke = row.is_some_and(|row| row.flushed);
            let told = |alert: u64| {
                let mut ledgers = row.into_iter().flat_map(|row| row.ledgers.values());
                ledgers.any(|ledger| ledger.told().is_some_and(|sent| sent.firing.contains(&alert)))
            };
            let place = (group.group_key.clone(), group.receiver.clone());
            sets.retain(|labels| {
                let alert = labels.fingerprint();
                // What the record no longer tells of a group that has spoken may have been any verdict.
                let may_say = stood.is_whole || !spoke && stood.of.contains_key(&alert);
                may_say && !stood.of.get(&alert).is_some_and(|places| places.contains(&place)) && !told(alert)
            });
            group.alerts = sets.iter().map(Labels::fingerprint).collect();
        }
        self.decide_waits(waits, out);
    }

    /// After every alert was filed anew: that those who stood elsewhere are told of there no more, unless
    /// it is their end.
    pub(super) fn decide_left(&mut self, stood: &Stood, now: Timestamp, out: &mut Vec<Change>) {
        if !stood.is_whole {
            return;
        }
        let mut left: BTreeMap<(bool, &Place), Vec<Labels>> = BTreeMap::new();
        for tracked in self.alerts.values() {
            let (labels, ended) = (&tracked.alert.labels, tracked.alert.is_resolved(now));
            for place in stood.of.get(&labels.fingerprint()).into_iter().flatten() {
                let stays = tracked.places.iter().any(|(_, key)| *key == place.0);
                let end_is_owed = ended && tracked.groups().any(|key| *key == place.0);
                if !stays && !end_is_owed {
                    left.entry((ended, place)).or_default().push(labels.clone());
                }
            }
        }
        let group = |((ended, (group_key, receiver)), sets): ((bool, &Place), Vec<Labels>)| {
            let group = WaitingGroup {
                receiver: receiver.clone(),
                group_key: group_key.clone(),
                hold: Hold::Over,
                by: if ended { Vec::new() } else { vec![MOVED.to_owned()] },
                next_send: None,
                alerts: sets.iter().map(Labels::fingerprint).collect(),
            };
            (group, sets)
        };
        let groups = left.into_iter().map(group).collect();
        self.decide_waits(&mut Waits { at: now, groups }, out);
    }

    /// What was on record at the last start, of alerts that are still known.
    pub(super) fn of_waits(&self, waits: &[Wait]) -> Vec<Decision> {
        if waits.is_empty() {
            return Vec::new();
        }
        let known = self.alerts.values().map(|tracked| &tracked.alert.labels);
        let known: HashMap<u64, &Labels> = known.map(|labels| (labels.fingerprint(), labels)).collect();
        waits.iter().flat_map(|wait| wait.decisions(|alert| known.get(&alert).copied().cloned())).collect()
    }
}

//! The storm's script, and what must come of it: alerts in groups, silences, what people do to incidents, and what the
//! receiver must have been told of each. It knows the rules from the documents.

use super::listener::Said;
use jiff::Timestamp;
use rand::{RngExt, rngs::StdRng};
use std::collections::BTreeSet;

pub const GROUPS: usize = 6;
pub const EACH: usize = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Fire,
    Refresh,
    Resolve,
    Silence,
    Expire,
    Acknowledge,
    /// For longer than the storm lasts.
    Snooze,
    /// For a moment: it must end of itself.
    Nap,
}

impl Act {
    /// Whether Alertmanager knows it.
    pub fn is_classic(self) -> bool {
        !matches!(self, Act::Acknowledge | Act::Snooze | Act::Nap)
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Op {
    pub group: usize,
    pub slot: usize,
    pub act: Act,
}

impl Op {
    pub fn name(&self) -> String {
        group_name(self.group)
    }
}

pub fn group_name(group: usize) -> String {
    format!("Storm{group}")
}

/// One alert, if it fires, and its silence, if it has one.
#[derive(Debug, Clone, Default)]
pub struct Slot {
    pub fires: Option<(Timestamp, Timestamp)>,
    pub silence: Option<String>,
    /// The last that the receiver must have been told of it.
    pub told: Option<Said>,
}

impl Slot {
    fn knows_it_fires(&self) -> bool {
        self.told.is_some_and(|said| said.firing)
    }
}

#[derive(Debug, Clone, Default)]
pub struct Group {
    pub slots: [Slot; EACH],
    pub taken: bool,
    pub until: Option<Timestamp>,
    pub nap: bool,
}

impl Group {
    fn speaks(&self) -> bool {
        self.slots.iter().any(|slot| slot.fires.is_some() && slot.silence.is_none())
    }

    fn acts(&self, slot: usize) -> Vec<Act> {
        let at = &self.slots[slot];
        let known = self.slots.iter().any(|slot| slot.knows_it_fires() && slot.fires.is_some());
        let mut acts = Vec::new();
        match at.fires {
            Some(_) => acts.extend([Act::Refresh, Act::Resolve, Act::Resolve]),
            // An end that somebody keeps back must be told before it can be gone back on.
            None if !at.knows_it_fires() => acts.extend([Act::Fire; 4]),
            None => {}
        }
        acts.push(if at.silence.is_some() { Act::Expire } else { Act::Silence });
        if known && self.until.is_none() && !self.taken {
            acts.extend([Act::Acknowledge, Act::Snooze]);
            acts.extend(self.speaks().then_some(Act::Nap));
        }
        if known && self.until.is_some() {
            acts.push(Act::Acknowledge);
        }
        acts
    }

    /// What the receiver must have been told once all is quiet.
    fn settle(&mut self) {
        if std::mem::take(&mut self.nap) {
            self.until = None;
        }
        if self.until.is_none() || !self.speaks() {
            for slot in &mut self.slots {
                match (slot.fires, slot.told) {
                    (Some((starts, _)), _) if slot.silence.is_none() => {
                        slot.told = Some(Said { firing: true, starts });
                    }
                    (None, Some(said)) => slot.told = Some(Said { firing: false, ..said }),
                    _ => {}
                }
            }
        }
        if self.slots.iter().all(|slot| slot.fires.is_none()) {
            (self.taken, self.until) = (false, None);
        }
    }
}

#[derive(Debug, Clone, Default)]
pub struct Model {
    pub groups: [Group; GROUPS],
}

impl Model {
    /// What happens next: to each group one thing at most, so that what must come of it does not hang on who was first.
    pub fn draw(&self, rng: &mut StdRng) -> Vec<Op> {
        let mut used = BTreeSet::new();
        let drawn = (0..rng.random_range(1..=4usize)).filter_map(|_| {
            let (group, slot) = (rng.random_range(0..GROUPS), rng.random_range(0..EACH));
            let acts = self.groups[group].acts(slot);
            let act = acts[rng.random_range(0..acts.len())];
            used.insert(group).then_some(Op { group, slot, act })
        });
        drawn.collect()
    }

    /// Takes note of what was acknowledged; `silence` is the new one's id.
    pub fn apply(&mut self, op: Op, (now, far): (Timestamp, Timestamp), silence: Option<String>) {
        let group = &mut self.groups[op.group];
        let slot = &mut group.slots[op.slot];
        match op.act {
            Act::Fire => slot.fires = Some((now, far)),
            Act::Refresh => slot.fires = slot.fires.map(|(starts, _)| (starts, far)),
            Act::Resolve => slot.fires = None,
            Act::Silence => slot.silence = silence,
            Act::Expire => slot.silence = None,
            Act::Acknowledge => (group.taken, group.until) = (true, None),
            Act::Snooze => group.until = Some(far),
            Act::Nap => (group.until, group.nap) = (Some(far), true),
        }
    }

    pub fn settle(&mut self) {
        self.groups.iter_mut().for_each(Group::settle);
    }
}

//! When a group speaks of an alert next, if nothing else happens: each look that it may take is asked as the turn
//! itself will ask.

use super::Alerts;
use super::turn::{Target, Turn};
use crate::group::{Group, Ledger, Need};
use crate::incident::{Incident, IncidentState};
use crate::route::RouteNode;
use crate::why::turn_from;
use model::{Labels, Timestamp};
use std::time::Duration;

/// How often one thing may take over from another to hold an alert before its end counts as unknown.
const HOLDS_MAX: usize = 20;

impl Alerts {
    /// When a group speaks of one of its alerts next after `now`, if whatever fires goes on and nobody does anything.
    /// `None`: not as far as it is known, or as soon as its receiver can be reached.
    pub(super) fn forecast(&self, group: &Group, labels: &Labels, now: Timestamp) -> Option<Timestamp> {
        let node = &self.config.route.nodes[group.route];
        let incident = self.incidents.get(&*group.incident);
        let after = now.plus(Duration::from_millis(1));
        let on_turn = |due: Timestamp| {
            let mut turn = turn_from(group.row.next_flush, node.group_interval, due.max(after));
            for _ in 0..HOLDS_MAX {
                match self.free_from(labels, node, turn)? {
                    free if free == turn => return Some(turn),
                    free => turn = turn_from(turn, node.group_interval, free),
                }
            }
            None
        };
        let told = group.row.ledgers.values().filter_map(Ledger::told);
        let repeats = told.map(|sent| sent.at.plus(node.repeat_interval));
        let timer = incident.and_then(Incident::timer).filter(|timer| *timer > now);
        let looks = repeats.chain([after]).chain(timer).filter_map(on_turn).map(|look| (look, true));
        let mut looks: Vec<(Timestamp, bool)> =
            looks.chain(timer.map(|timer| (timer, timer == group.row.next_flush))).collect();
        looks.sort_unstable();
        looks.dedup();
        let tells = |(look, regular): &(Timestamp, bool)| {
            self.will_tell(group, labels, incident, (*look, *regular), now)
        };
        looks.into_iter().find(tells).map(|(look, _)| look)
    }

    /// From when on, not before `at`, neither silence nor interval holds an alert. `None`: that is not known, or it is
    /// inhibited, and nobody knows how long.
    fn free_from(&self, labels: &Labels, node: &RouteNode, at: Timestamp) -> Option<Timestamp> {
        if !self.inhibited_by(labels, at).is_empty() {
            return None;
        }
        let free = node.mute_ends(&self.config.intervals, at)?;
        let silences = self.silences.acting_on(labels, free).into_iter().map(|silence| silence.lets_go(free));
        Some(silences.collect::<Option<Vec<_>>>()?.into_iter().fold(free, Timestamp::max))
    }

    /// Whether a look at a group, which is a turn of it or not, has somebody told of an alert that fires at `now`.
    fn will_tell(
        &self,
        group: &Group,
        labels: &Labels,
        incident: Option<&Incident>,
        (look, regular): (Timestamp, bool),
        now: Timestamp,
    ) -> bool {
        let node = &self.config.route.nodes[group.route];
        let mut turn = self.survey(group, node, regular, (now, look));
        let snoozed_until = incident.and_then(|incident| incident.snoozed_until);
        turn.reminded = snoozed_until == Some(look);
        let is_awake = snoozed_until.is_some_and(|until| until <= look);
        turn.restraint = incident.filter(|_| !is_awake).and_then(|incident| incident.restraint(look));
        if !turn.firing.contains(&labels.fingerprint()) {
            return false;
        }
        let tells = |target: &Target, step: bool| {
            let ledger = group.row.ledgers.get(&target.name()).cloned().unwrap_or_default().settled();
            turn.speaks_to(&ledger, step) && {
                let known = turn.known_to(&ledger);
                let seen = turn.seen(target, &ledger, &known, step);
                let held = |reason| turn.restraint.as_ref().is_some_and(|restraint| restraint.holds(reason));
                let says = |reason| !held(reason) && seen.firing.contains(&labels.fingerprint());
                matches!(ledger.need(seen), Need::Page(reason) | Need::Instead(reason) if says(reason))
            }
        };
        self.targets(group, node).iter().any(|target| tells(target, false))
            || self.due_step(group, incident, &turn).iter().any(|target| tells(target, true))
    }

    /// Whom the step of an escalation that is due tells.
    fn due_step(&self, group: &Group, incident: Option<&Incident>, turn: &Turn<'_>) -> Vec<Target> {
        let open = incident.filter(|incident| incident.state == IncidentState::Open && !group.orphan);
        let Some(mut escalating) = open.and_then(|incident| incident.escalation.clone()) else {
            return Vec::new();
        };
        let Some(policy) = self.config.policies.get(&escalating.policy) else { return Vec::new() };
        for _ in &policy.steps {
            let Some(step) = escalating.take(policy, turn.now) else { break };
            let receiver = self.told_by(step, group, turn);
            let targets = receiver.map(|name| self.targets_of(&name)).unwrap_or_default();
            if !targets.is_empty() {
                return targets;
            }
            escalating.due = escalating.due.map(|_| turn.now);
        }
        Vec::new()
    }
}

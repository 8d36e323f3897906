//! The record of decisions: one for each alert whose verdict is new, and one for each message about it.

use super::turn::{Paged, Turn};
use super::{Alerts, waits::Waits};
use crate::change::{Change, WaitingGroup};
use crate::group::{Group, Ledger, Member};
use crate::incident::Incident;
use crate::known::Slot;
use crate::why::turn_from;
use model::{Decision, Hold, Labels, Timestamp, Verdict};
use std::collections::BTreeSet;

impl Alerts {
    /// One decision per member whose verdict is new, and one per message about it.
    pub(super) fn record(
        &mut self,
        group: &mut Group,
        incident: Option<&Incident>,
        mut turn: Turn<'_>,
        out: &mut Vec<Change>,
    ) {
        let again = next_message(group, incident, &turn);
        let named = Named::of(group);
        let mut members = std::mem::take(&mut group.members);
        for (slot, member) in &mut members {
            let Some(labels) = self.alerts.at(*slot).map(|known| known.alert.labels.clone()) else {
                continue;
            };
            let fingerprint = labels.fingerprint();
            let over = turn.ended.contains(&fingerprint);
            member.end_seen = over;
            let base = Decision {
                at: turn.now,
                alert: labels,
                verdict: Verdict::Deliver,
                receiver: group.receiver.clone(),
                group_key: group.key.clone(),
                by: Vec::new(),
                page_key: None,
                over,
                next_send: again.filter(|_| !over),
                nth: 0,
            };
            let told = told(&turn, fingerprint, &base);
            if !told.is_empty() {
                member.recorded = Some((Verdict::Deliver, over));
                told.into_iter().for_each(|decision| self.decide(decision, out));
                continue;
            }
            if over || member.has_left || group.orphan {
                continue;
            }
            let Some((hold, by, next_send)) = held(group, &mut turn, &base.alert, &named, again) else {
                continue;
            };
            if member.recorded != Some((Verdict::Hold(hold), false)) {
                member.recorded = Some((Verdict::Hold(hold), false));
                self.decide(Decision { verdict: Verdict::Hold(hold), by, next_send, ..base }, out);
            }
        }
        group.members = members;
    }

    /// A member goes: unless a message told of its end, that it has ended is put on record.
    pub(super) fn record_over(
        &mut self,
        group: &Group,
        labels: &Labels,
        member: &Member,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) {
        if member.recorded.is_none() || member.recorded == Some((Verdict::Deliver, true)) {
            return;
        }
        let decision = Decision {
            at: now,
            alert: labels.clone(),
            verdict: Verdict::Hold(Hold::Over),
            receiver: group.receiver.clone(),
            group_key: group.key.clone(),
            by: vec![],
            page_key: None,
            over: true,
            next_send: None,
            nth: 0,
        };
        self.decide(decision, out);
    }

    /// Somebody took a group's incident on, or put it off: those of its alerts that are held by that from now on.
    pub(super) fn record_act(&mut self, incident: &Incident, now: Timestamp, out: &mut Vec<Change>) {
        let Some(restraint) = incident.restraint(now) else { return };
        let Some(group) = self.groups.get(incident.group_key.as_str()) else { return };
        if *group.incident != *incident.id {
            return;
        }
        let muted = self.muted(group.route, now);
        let (mut told, mut tried) = (BTreeSet::<u64>::new(), BTreeSet::new());
        for ledger in group.row.ledgers.values() {
            let known = if ledger.is_stuck() { &mut tried } else { &mut told };
            known.extend(ledger.told().into_iter().flat_map(|sent| &sent.firing));
        }
        let held = |slot: &Slot| {
            let alert = &self.alerts.at(*slot)?.alert;
            let fingerprint = alert.labels.fingerprint();
            // What was tried in vain is tried again; news is told even of what somebody has.
            let waits = told.contains(&fingerprint) || restraint.news && !tried.contains(&fingerprint);
            let held = waits && !alert.is_resolved(now) && self.quiet(&alert.labels, &muted, now).is_none();
            held.then(|| (*slot, alert.labels.clone()))
        };
        let present = group.members.iter().filter(|(_, member)| !member.has_left).map(|(slot, _)| slot);
        let held: Vec<(Slot, Labels)> = present.filter_map(held).collect();
        let waiting = WaitingGroup {
            receiver: group.receiver.clone(),
            group_key: group.key.clone(),
            hold: Hold::Acknowledged,
            by: vec![restraint.by],
            next_send: incident.timer(),
            alerts: held.iter().map(|(_, labels)| labels.fingerprint()).collect(),
        };
        let Some(group) = self.groups.get_mut(incident.group_key.as_str()) else { return };
        for (slot, _) in &held {
            if let Some(member) = group.members.get_mut(slot) {
                member.recorded = Some((Verdict::Hold(Hold::Acknowledged), false));
            }
        }
        let sets = held.into_iter().map(|(_, labels)| labels).collect();
        self.decide_waits(&mut Waits::of(now, waiting, sets), out);
    }

    /// The latest decisions, oldest first, as far as they are kept in memory.
    pub fn decisions(&self) -> impl DoubleEndedIterator<Item = Decision> {
        self.decisions.iter()
    }

    /// Those of them about an alert.
    pub fn decisions_about(&self, labels: &Labels) -> impl DoubleEndedIterator<Item = Decision> {
        self.decisions.about(labels)
    }

    pub(super) fn decide(&mut self, decision: Decision, out: &mut Vec<Change>) {
        let decision = Decision { nth: self.next_nth(decision.at), ..decision };
        self.decisions.push(decision.clone().into());
        out.push(Change::Decision(decision));
    }

    /// The place of the next decision of this instant. Where the clock goes back a place may be used
    /// twice; the store keeps both.
    pub(super) fn next_nth(&self, at: Timestamp) -> u32 {
        let same = self.decisions.last().filter(|(last, _)| *last >= at);
        same.map_or(0, |(_, nth)| nth + 1)
    }
}

/// Fingerprints of the alerts of which a group's pages speak.
struct Named {
    /// By one that does not arrive.
    stuck: BTreeSet<u64>,
    /// By the last to each integration, while news waits for one of them.
    told: BTreeSet<u64>,
}

impl Named {
    fn of(group: &Group) -> Named {
        let ledgers = || group.row.ledgers.values();
        let stuck =
            ledgers().filter(|ledger| ledger.is_stuck()).filter_map(|ledger| ledger.under_way.as_ref());
        let told = ledgers().filter(|_| group.again).filter_map(Ledger::told);
        Named {
            stuck: stuck.flat_map(|sent| &sent.firing).copied().collect(),
            told: told.flat_map(|sent| &sent.firing).copied().collect(),
        }
    }
}

/// A decision for each message of a turn about an alert.
fn told(turn: &Turn<'_>, fingerprint: u64, base: &Decision) -> Vec<Decision> {
    let about = |paged: &&Paged| paged.firing.contains(&fingerprint) || paged.ended.contains(&fingerprint);
    let decision = |paged: &Paged| Decision {
        // What takes the place of a page that does not arrive is held back like that.
        verdict: if paged.stuck { Verdict::Hold(Hold::ReceiverDown) } else { Verdict::Deliver },
        receiver: paged.receiver.as_str().into(),
        by: paged.by.iter().cloned().collect(),
        page_key: Some(paged.key.clone()),
        ..base.clone()
    };
    turn.paged.iter().filter(about).map(decision).collect()
}

/// What holds an alert that fires and of which no message tells, by what, and when its group speaks of it next. `None`:
/// nothing that is not on record.
fn held(
    group: &Group,
    turn: &mut Turn<'_>,
    labels: &Labels,
    named: &Named,
    again: Option<Timestamp>,
) -> Option<(Hold, Vec<String>, Option<Timestamp>)> {
    let fingerprint = labels.fingerprint();
    let restraint = turn.restraint.as_ref().filter(|_| turn.restrained || turn.repeats);
    // A page that says so is tried again, whatever came to hold the alert meanwhile.
    let is_stuck = named.stuck.contains(&fingerprint);
    match (turn.quiet.remove(labels), restraint) {
        (Some(_), _) if is_stuck => Some((Hold::ReceiverDown, vec![], again)),
        (Some(quiet), _) => Some((quiet.hold, quiet.by, Some(group.row.next_flush))),
        (None, Some(restraint)) => Some((Hold::Acknowledged, vec![restraint.by.clone()], again)),
        (None, None) if is_stuck => Some((Hold::ReceiverDown, vec![], again)),
        (None, None) if group.again && !named.told.contains(&fingerprint) => {
            Some((Hold::Grouped, vec![], again))
        }
        (None, None) if turn.repeats => Some((Hold::Repeat, vec![], again)),
        (None, None) => None,
    }
}

/// When the group has something to say next, if nothing changes: it repeats itself at a flush, or a step of its
/// escalation is due, or a snooze ends.
fn next_message(group: &Group, incident: Option<&Incident>, turn: &Turn<'_>) -> Option<Timestamp> {
    let interval = turn.node.group_interval;
    let told = group.row.ledgers.values().filter_map(|ledger| ledger.told()).map(|sent| sent.at).min();
    let repeat =
        told.map(|told| turn_from(group.row.next_flush, interval, told.plus(turn.node.repeat_interval)));
    let restrained = incident.is_some_and(|incident| incident.restraint(turn.now).is_some());
    let timer = group.timer(incident);
    [repeat.filter(|_| !restrained), timer].into_iter().flatten().min()
}

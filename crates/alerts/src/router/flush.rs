//! A group's turn to speak: what fires, what is held, whom it tells, and what that means for its incident.

use super::turn::{Paged, Target, Turn};
use super::{Alerts, SWEEP};
use crate::change::Change;
use crate::group::{Group, Ledger, Need, page_key, page_order};
use crate::incident::Incident;
use crate::known::{Slot, Tracked};
use crate::notice::Notice;
use crate::route::{Resolve, RouteNode};
use model::{Alert, Labels, Links, Page, PageStatus, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::{sync::Arc, time::Duration};

impl Alerts {
    /// When [`Alerts::tick`] next has something to do.
    pub fn next_wake(&self) -> Option<Timestamp> {
        let group = self.wakes.first().map(|(at, _)| *at);
        [group, self.next_window].into_iter().flatten().min()
    }

    /// The pages that are due, with every durable change in `out`.
    pub fn tick(&mut self, now: Timestamp, out: &mut Vec<Change>) -> Vec<Page> {
        out.append(&mut self.leftover);
        self.turn_windows(now, out);
        let due: Vec<Arc<str>> =
            self.wakes.iter().take_while(|(at, _)| *at <= now).map(|(_, key)| key.clone()).collect();
        let mut pages = Vec::new();
        for key in due {
            // Alerts that clients repeat end later than when this wake was set.
            self.rewake(&key);
            if self.groups.get(&key).is_some_and(|group| group.wake <= now) {
                self.flush(&key, now, out, &mut pages);
            }
        }
        if now.since(self.swept) >= SWEEP {
            self.swept = now;
            self.sweep_silences(now, out);
            self.sweep_incidents(now, out);
        }
        pages
    }

    fn flush(&mut self, key: &Arc<str>, now: Timestamp, out: &mut Vec<Change>, pages: &mut Vec<Page>) {
        let Some(mut group) = self.groups.remove(key) else { return };
        self.wakes.remove(&(group.wake, key.clone()));
        let config = self.config.clone();
        let node = &config.route.nodes[group.route];
        let before = group.row.clone();
        let regular = group.row.next_flush <= now;
        let spoke = !regular || !group.members.is_empty();
        if spoke {
            let mut incident = self.incidents.remove(&*group.incident);
            self.speak(&mut group, node, &mut incident, regular, now, out, pages);
            if let Some(incident) = incident {
                self.incidents.insert(incident.id.clone(), incident);
            }
        }
        let waits = spoke && group.row.ledgers.values().any(|ledger| ledger.under_way.is_some());
        if regular && group.members.is_empty() && !waits {
            self.close_incident(&group.incident, now, out);
            match self.damped_until(&group, node).filter(|until| now < *until && !group.row.dormant) {
                Some(until) => {
                    group.row.dormant = true;
                    group.row.flushed = false;
                    group.row.next_flush = until;
                }
                None => {
                    self.known_places.remove(&(group.route, group.row.labels));
                    return out.push(Change::GroupGone(group.row.id));
                }
            }
        }
        (group.looked, group.nudged, group.catch_up) = (now, None, false);
        if group.row != before {
            out.push(Change::Group(group.row.clone()));
        }
        self.wakes.insert((group.wake, key.clone()));
        self.groups.insert(key.clone(), group);
        self.rewake(key);
    }

    /// Until when what comes back in an empty group is the incident that it was.
    fn damped_until(&self, group: &Group, node: &RouteNode) -> Option<Timestamp> {
        let resolved_at = self.incidents.get(&*group.incident)?.resolved_at?;
        Some(resolved_at.plus(node.damping))
    }

    /// The whole life of one flush: what fires and what is held, the snooze that ends, everybody whom it tells, the
    /// incident, the steps of its escalation, the record of it all.
    #[allow(clippy::too_many_arguments, reason = "the parts of one flush, used once")]
    fn speak(
        &mut self,
        group: &mut Group,
        node: &RouteNode,
        incident: &mut Option<Incident>,
        regular: bool,
        now: Timestamp,
        out: &mut Vec<Change>,
        pages: &mut Vec<Page>,
    ) {
        let known = incident.clone();
        let mut turn = self.survey(group, node, regular, now);
        // A page under way held news back, and this turn may tell none.
        group.again &= !turn.full;
        group.step_held &= !regular;
        self.begin_incident(group, incident, &mut turn);
        let targets = self.targets(group, node);
        let wanted: BTreeSet<String> = targets.iter().map(Target::name).collect();
        let gone = group.row.ledgers.iter_mut().filter(|(name, _)| !wanted.contains(*name));
        gone.for_each(|(_, ledger)| ledger.leave());
        let is_closed = incident.as_ref().is_some_and(|incident| incident.closed_by.is_some());
        let told_before = if is_closed { told_to_anybody(group) } else { BTreeSet::new() };
        for target in &targets {
            self.address(group, target, None, &mut turn, pages);
        }
        self.follow_incident(group, incident, &told_before, &mut turn);
        self.escalate(group, incident, &mut turn, pages);
        for target in targets.iter().filter(|target| !target.integration.send_resolved) {
            if let Some(ledger) = group.row.ledgers.get_mut(&target.name()) {
                ledger.forget(&turn.ended);
            }
        }
        group.row.ledgers.retain(|_, ledger| ledger.revision > 0);
        group.again &= group.row.ledgers.values().any(|one| one.under_way.is_some() && !one.is_stuck());
        if regular {
            group.row.next_flush = now.plus(node.group_interval.max(Duration::from_millis(1)));
            group.row.flushed = true;
        }
        self.record(group, incident.as_ref(), turn, out);
        self.release_ended(group, now, out);
        if let Some(incident) = incident.as_ref().filter(|incident| known.as_ref() != Some(incident)) {
            out.push(Change::Incident(Box::new(incident.clone())));
        }
    }

    /// What fires, what has ended, what is held.
    fn survey<'a>(&self, group: &Group, node: &'a RouteNode, regular: bool, now: Timestamp) -> Turn<'a> {
        let muted = self.muted(group.route, now);
        let (mut firing, mut ended, mut quiet) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
        for (slot, member) in &group.members {
            let Some(Tracked { alert, .. }) = self.alerts.at(*slot) else { continue };
            let labels = &alert.labels;
            let fingerprint = labels.fingerprint();
            if alert.is_resolved(now) {
                ended.insert(fingerprint);
            } else if member.has_left {
                continue;
            } else if let Some(held) = self.quiet(labels, &muted, now) {
                quiet.insert(labels.clone(), held);
            } else {
                firing.insert(fingerprint);
            }
        }
        let over = firing.is_empty() && quiet.is_empty();
        let full = regular || group.catch_up || over && node.resolve == Resolve::AtOnce;
        let held = quiet.keys().map(Labels::fingerprint).collect();
        Turn { firing, ended, held, quiet, ..Turn::new(now, node, full) }
    }

    /// Everybody whom the group may tell: the receiver of its route, those an escalation brought in, and whoever was
    /// told before a reload and is owed an end.
    pub(super) fn targets(&self, group: &Group, node: &RouteNode) -> Vec<Target> {
        let main = group.row.instead.as_deref().unwrap_or(&node.receiver);
        let names = Some(main).filter(|_| !group.orphan).into_iter();
        let names = names.chain(group.row.also.iter().map(String::as_str).filter(|also| *also != main));
        let mut targets: Vec<Target> = Vec::new();
        for receiver in names.filter_map(|name| self.config.receiver(name)) {
            targets.extend(receiver.integrations.iter().map(|integration| Target {
                receiver: receiver.name.clone(),
                integration: integration.clone(),
                only_ends: group.orphan,
            }));
        }
        let mut others = group.row.ledgers.iter().filter(|(_, ledger)| ledger.is_bound());
        if others.any(|(name, _)| targets.iter().all(|target| target.name() != *name)) {
            let all = self.config.receivers.iter();
            let all = all.flat_map(|receiver| receiver.integrations.iter().map(move |i| (receiver, i)));
            for (receiver, integration) in all {
                let (receiver, integration) = (receiver.name.clone(), integration.clone());
                let target = Target { receiver, integration, only_ends: true };
                let name = target.name();
                let owed = group.row.ledgers.get(&name).is_some_and(Ledger::is_bound);
                if owed && targets.iter().all(|target| target.name() != name) {
                    targets.push(target);
                }
            }
        }
        targets
    }

    /// The integrations of a receiver.
    pub(super) fn targets_of(&self, receiver: &str) -> Vec<Target> {
        let found = self.config.receiver(receiver).into_iter();
        let integrations = found.flat_map(|receiver| &receiver.integrations);
        integrations
            .map(|integration| Target {
                receiver: receiver.to_owned(),
                integration: integration.clone(),
                only_ends: false,
            })
            .collect()
    }

    /// Tells one integration what it has to know; `step` is the policy by which it is told in any case.
    pub(super) fn address(
        &mut self,
        group: &mut Group,
        target: &Target,
        step: Option<&str>,
        turn: &mut Turn<'_>,
        pages: &mut Vec<Page>,
    ) {
        let name = target.name();
        let ledger = group.row.ledgers.entry(name.clone()).or_default();
        if let Some(sent) = ledger.settle_late(turn.now) {
            self.under_way.remove(&sent);
        }
        if !turn.speaks_to(ledger, step.is_some()) {
            return;
        }
        let known = turn.known_to(ledger);
        let seen = turn.seen(target, ledger, &known, step.is_some());
        let reason = match ledger.need(seen) {
            Need::Page(reason) | Need::Instead(reason) => reason,
            Need::Withdraw => return self.withdraw(ledger),
            Need::Later => return group.again = true,
            // What is on its way is neither told nor due again.
            Need::Repeat => return turn.repeats |= ledger.under_way.is_none(),
            Need::Stuck | Need::Nothing => return,
        };
        if turn.holds(reason) {
            return turn.restrained = true;
        }
        let (stuck, calls) = (ledger.is_stuck(), ledger.calls(reason, seen.firing));
        let key = page_key(&group.row.key, group.row.born, &name, ledger.revision + 1);
        self.take_place(ledger, &key, turn.now);
        let news = ledger.send(key.clone(), seen);
        let (revision, firing) = (ledger.revision, seen.firing.clone());
        self.under_way.insert(key.clone(), (group.key.clone(), name));
        let ended: BTreeSet<u64> = news.ended.iter().copied().collect();
        pages.push(Page {
            key: key.clone(),
            revision,
            status: if firing.is_empty() { PageStatus::Resolved } else { PageStatus::Firing },
            reason,
            receiver: target.receiver.clone(),
            integration: target.integration.name.clone(),
            group_key: group.row.key.clone(),
            group_labels: group.row.labels.clone(),
            route_labels: turn.node.template_labels(),
            alerts: self.alerts_of(group, |fp| firing.contains(&fp) || ended.contains(&fp)),
            news,
            at: turn.now,
            external_url: self.config.external_url.clone(),
            incident_id: group.incident.to_string(),
            cause: String::new(),
            diagnosis: Vec::new(),
            remedy: Vec::new(),
            reopened: None,
            links: Links::default(),
        });
        let by = step.map(str::to_owned);
        turn.paged.push(Paged { key, receiver: target.receiver.clone(), firing, ended, stuck, calls, by });
    }

    /// A page that does not arrive has nothing left to say.
    fn withdraw(&mut self, ledger: &mut Ledger) {
        if let Some(sent) = ledger.under_way.take() {
            self.under_way.remove(&sent.key);
            self.notices.push(Notice::Withdrawn { key: sent.key });
        }
        ledger.failing = None;
        let superseded = std::mem::take(&mut ledger.superseded);
        superseded.iter().for_each(|sent| drop(self.under_way.remove(&sent.key)));
    }

    /// A page of this key is about to leave: it takes the place of the one under way, and what may still be said anew of the
    /// last that arrived is old.
    fn take_place(&mut self, ledger: &mut Ledger, new: &str, now: Timestamp) {
        let reported = ledger.reported;
        if let Some(sent) = ledger.delivered.as_ref().filter(|sent| reported || !sent.is_old(now)) {
            self.notices.push(Notice::Withdrawn { key: sent.key.clone() });
        }
        if let Some(stuck) = ledger.under_way.clone() {
            self.notices.push(Notice::Replaced { old: stuck.key.clone(), new: new.to_owned() });
            if let Some(before) = ledger.supersede(stuck) {
                self.under_way.remove(&before.key);
            }
        }
    }

    /// The alerts of a group.
    pub(super) fn members<'a>(&'a self, group: &Group) -> impl Iterator<Item = &'a Alert> {
        group.members.keys().filter_map(|slot| self.alerts.at(*slot)).map(|tracked| &tracked.alert)
    }

    /// Those of them that belong there.
    pub(super) fn present<'a>(&'a self, group: &Group) -> impl Iterator<Item = &'a Tracked> {
        let present = group.members.iter().filter(|(_, member)| !member.has_left);
        present.filter_map(|(slot, _)| self.alerts.at(*slot))
    }

    pub(super) fn alerts_of(&self, group: &Group, wanted: impl Fn(u64) -> bool) -> Vec<Alert> {
        let alerts = self.members(group).filter(|alert| wanted(alert.labels.fingerprint()));
        page_order(alerts.cloned().collect())
    }

    /// Lets members go that have ended and whose end nobody waits for.
    pub(super) fn release_ended(&mut self, group: &mut Group, now: Timestamp, out: &mut Vec<Change>) {
        let is_free = |alert: &Alert| {
            let fingerprint = alert.labels.fingerprint();
            alert.is_resolved(now) && !group.row.ledgers.values().any(|ledger| ledger.holds(fingerprint))
        };
        let free = |slot: &Slot| {
            let alert = self.alerts.at(*slot).map(|tracked| &tracked.alert)?;
            is_free(alert).then(|| (*slot, alert.labels.clone()))
        };
        let ended: Vec<(Slot, Labels)> = group.members.keys().filter_map(free).collect();
        let mut gone = Vec::new();
        for (slot, labels) in ended {
            if let Some(member) = group.members.remove(&slot) {
                self.record_over(group, &labels, &member, now, out);
            }
            let Some(tracked) = self.alerts.at(slot) else { continue };
            let elsewhere = tracked.groups().filter(|key| **key != group.key);
            let held = elsewhere
                .filter_map(|key| self.groups.get(key))
                .any(|group| group.members.contains_key(&slot));
            if !held {
                out.push(Change::AlertGone(tracked.id));
                self.alerts.remove(slot);
                self.sources.remove(&labels);
                gone.push(labels);
            }
        }
        self.note_over(&gone, now, out);
    }
}

/// Fingerprints of the alerts that somebody was told fire, or is being told.
fn told_to_anybody(group: &Group) -> BTreeSet<u64> {
    let told = group.row.ledgers.values().filter_map(Ledger::told);
    told.flat_map(|sent| &sent.firing).copied().collect()
}

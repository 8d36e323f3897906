//! What a flush means for its group's incident: it wakes, gets graver, is opened, reopened, resolved, escalated.

use super::Alerts;
use super::turn::{Paged, Target, Turn};
use crate::change::Change;
use crate::escalate::{Escalating, Policy, Step, Tell};
use crate::group::{Group, Ledger};
use crate::incident::{Entry, Incident, IncidentState, What};
use crate::notice::Notice;
use crate::route::RouteNode;
use crate::severity::Severity;
use model::{Alert, Labels, Page, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Incidents that are over and kept at most; the oldest go first.
const RESOLVED_MAX: usize = 10_000;
/// Alerts that the first lines of a timeline name.
const NAMED_MAX: usize = 5;
/// How long an escalation waits where nobody could be told.
const NOBODY_WAIT: Duration = Duration::from_secs(60);

impl Alerts {
    /// Before anybody is told: a snooze that is over, and alerts that are graver than any before, open it again.
    pub(super) fn begin_incident(
        &mut self,
        group: &Group,
        incident: &mut Option<Incident>,
        turn: &mut Turn<'_>,
    ) {
        let Some(incident) = incident else { return };
        if incident.snoozed_until.is_some_and(|until| until <= turn.now) {
            incident.open(turn.now);
            incident.add(turn.now, What::Awoke, "", "");
            self.tell(incident, What::Awoke, "");
            turn.reminded = true;
        }
        if let Some(gravest) = self.gravest(group, turn).filter(|gravest| *gravest > incident.severity) {
            let before = std::mem::replace(&mut incident.severity, gravest);
            if incident.is_live() {
                incident.add(
                    turn.now,
                    What::Graver,
                    "",
                    format!("{} after {}", gravest.as_str(), before.as_str()),
                );
                if incident.state == IncidentState::Acknowledged {
                    incident.open(turn.now);
                    turn.reminded = true;
                }
                self.tell(incident, What::Graver, "");
            }
        }
        turn.restraint = incident.restraint(turn.now);
    }

    /// After the messages: a message about something that fires opens it, or opens it again; the end of everything
    /// resolves it. `known` are those of which somebody was told before, if somebody resolved it.
    pub(super) fn follow_incident(
        &mut self,
        group: &Group,
        incident: &mut Option<Incident>,
        known: &BTreeSet<u64>,
        turn: &mut Turn<'_>,
    ) {
        let told = turn.paged.iter().any(|paged| !paged.firing.is_empty());
        let over = turn.full && turn.firing.is_empty() && turn.quiet.is_empty() && !group.members.is_empty();
        let rests = incident.as_ref().filter(|incident| !incident.is_live());
        let is_back = rests.is_some_and(|incident| match incident.closed_by {
            // Only by what nobody knew of, or what began after that.
            Some(_) => {
                let is_news = |paged: &Paged| {
                    !paged.firing.is_subset(known)
                        || self.began_since(group, &paged.firing, (incident.resolved_at, turn.now))
                };
                turn.paged.iter().any(|paged| paged.calls && is_news(paged))
            }
            // What fires again before its end was told is what everybody believes.
            None => {
                turn.paged.iter().any(|paged| paged.calls) || !group.orphan && is_told(group, &turn.firing)
            }
        });
        match incident {
            None if told => {
                let opened = self.open(group, turn);
                self.tell(&opened, What::Opened, "");
                *incident = Some(opened);
            }
            Some(incident) if is_back => {
                incident.open(turn.now);
                incident.reopened += 1;
                incident.add(turn.now, What::Reopened, "", self.names(group, turn));
                self.tell(incident, What::Reopened, "");
            }
            Some(incident) if over && incident.is_live() => {
                incident.rest(IncidentState::Resolved, turn.now);
                incident.resolved_at = Some(turn.now);
                let all = turn.ended.len() == group.members.len();
                let why = if all {
                    "all its alerts have ended"
                } else {
                    "a reload moved what fires to other groups"
                };
                incident.add(turn.now, What::Resolved, "", why);
                self.tell(incident, What::Resolved, "");
            }
            // It was ended by hand before its alerts were over.
            Some(incident) if over && incident.closed_by.is_some() => {
                incident.closed_by = None;
                incident.resolved_at = Some(turn.now);
            }
            _ => {}
        }
    }

    fn open(&mut self, group: &Group, turn: &Turn<'_>) -> Incident {
        let number = self.next_incident;
        self.next_incident += 1;
        let firing = self.firing(group, turn);
        let labels = common(firing.iter().map(|alert| &alert.labels));
        let policy = turn.node.escalation.as_ref();
        let by_pack = || firing.iter().find_map(|alert| self.config.pack_policies.get(alert.name()));
        let policy = policy.or_else(by_pack).filter(|name| self.config.policies.contains_key(*name));
        let mut incident = Incident {
            number,
            id: group.incident.to_string(),
            group_key: group.row.key.clone(),
            receiver: group.row.instead.clone().unwrap_or_else(|| turn.node.receiver.clone()),
            labels,
            severity: self.gravest(group, turn).unwrap_or(Severity::Warning),
            state: IncidentState::Open,
            opened_at: turn.now,
            resolved_at: None,
            closed_by: None,
            acknowledged_by: None,
            snoozed_until: None,
            assigned_to: None,
            merged_into: None,
            reopened: 0,
            escalation: policy.map(|name| Escalating::begin(name, turn.now)),
            timeline: Vec::new(),
        };
        for alert in firing.iter().take(NAMED_MAX) {
            incident.add(alert.starts_at, What::Fired, alert.name(), alert.labels.to_string());
        }
        incident.timeline.sort_by_key(|entry| entry.at);
        incident.add(turn.now, What::Routed, &incident.receiver.clone(), turn.node.key.clone());
        incident.add(turn.now, What::Opened, "", self.names(group, turn));
        incident
    }

    /// Takes the steps that are due. While something holds all that fires they wait for a later flush.
    pub(super) fn escalate(
        &mut self,
        group: &mut Group,
        incident: &mut Option<Incident>,
        turn: &mut Turn<'_>,
        pages: &mut Vec<Page>,
    ) {
        let open = |incident: &&mut Incident| incident.state == IncidentState::Open;
        // A group that a reload left without a route only tells ends.
        let Some(incident) = incident.as_mut().filter(open).filter(|_| !group.orphan) else { return };
        let config = self.config.clone();
        let Some(mut escalating) = incident.escalation.take() else { return };
        let Some(policy) = config.policies.get(&escalating.policy) else { return };
        let mut nobody = 0;
        while escalating.due.is_some_and(|due| due <= turn.now) {
            if turn.firing.is_empty() {
                group.step_held = true;
                break;
            }
            let number = escalating.step + 1;
            let Some(step) = escalating.take(policy, turn.now) else { break };
            let receiver = self.told_by(step, group, turn.node, turn.now);
            let what = match &step.tell {
                Tell::OnCall(name) => format!("{} step {number}, on call: {name}", policy.name),
                _ => format!("{} step {number}", policy.name),
            };
            let targets = receiver.as_ref().map(|name| self.targets_of(name)).unwrap_or_default();
            incident.add(turn.now, What::Escalated, receiver.as_deref().unwrap_or("nobody"), what.clone());
            if targets.is_empty() {
                nobody += 1;
                let wait = wait_for_nobody(nobody, policy, step);
                escalating.due = escalating.due.map(|_| turn.now.plus(wait));
                continue;
            }
            self.tell(incident, What::Escalated, receiver.as_deref().unwrap_or_default());
            for target in &targets {
                self.address(group, target, Some(&what), turn, pages);
            }
            group.row.also.extend(receiver.filter(|receiver| *receiver != main_receiver(group, turn.node)));
        }
        incident.escalation = Some(escalating);
    }

    /// Whom a step tells, if there is anybody.
    fn told_by(&self, step: &Step, group: &Group, node: &RouteNode, at: Timestamp) -> Option<String> {
        match &step.tell {
            Tell::Again => Some(main_receiver(group, node).to_owned()),
            Tell::Receiver(name) => Some(name.clone()),
            Tell::OnCall(name) => self.config.schedule(name)?.who(at).map(str::to_owned),
        }
    }

    /// Everybody whom the steps tell that are due at `at`, which are taken. Where nobody can be told the wait is what
    /// [`Alerts::escalate`] makes of it.
    pub(super) fn due_steps(
        &self,
        group: &Group,
        node: &RouteNode,
        escalating: &mut Escalating,
        at: Timestamp,
    ) -> Vec<Target> {
        let Some(policy) = self.config.policies.get(&escalating.policy) else { return Vec::new() };
        let (mut told, mut nobody) = (Vec::new(), 0);
        while let Some(step) = escalating.take(policy, at) {
            let receiver = self.told_by(step, group, node, at);
            let targets = receiver.map(|name| self.targets_of(&name)).unwrap_or_default();
            if targets.is_empty() {
                nobody += 1;
                let wait = wait_for_nobody(nobody, policy, step);
                escalating.due = escalating.due.map(|_| at.plus(wait));
            }
            told.extend(targets);
        }
        told
    }

    /// Adds the lines of timelines that have rows of their own.
    pub(super) fn put_lines(&mut self, lines: BTreeMap<(u64, u32), Entry>) {
        for incident in self.incidents.values_mut() {
            let own = lines.range((incident.number, 0)..=(incident.number, u32::MAX));
            own.for_each(|((_, nth), entry)| incident.put_line(*nth, entry));
        }
    }

    /// Forgets incidents that are over for so long, or too many, that nobody looks back.
    pub(super) fn sweep_incidents(&mut self, now: Timestamp, out: &mut Vec<Change>) {
        let mut over: Vec<(Timestamp, String)> = self
            .incidents
            .values()
            .filter(|incident| !incident.is_live())
            .filter(|incident| !self.has_group(incident))
            .filter_map(|incident| Some((incident.resolved_at?, incident.id.clone())))
            .collect();
        over.sort_unstable();
        let before = now.minus(self.config.history);
        let too_many = over.len().saturating_sub(RESOLVED_MAX);
        let old = over.iter().enumerate().take_while(|(n, (at, _))| *n < too_many || *at < before);
        for id in old.map(|(_, (_, id))| id.clone()).collect::<Vec<_>>() {
            out.extend(self.incidents.remove(&id).map(|gone| Change::IncidentGone(gone.number)));
        }
    }

    /// Its group has gone: so has whatever was wrong.
    pub(super) fn close_incident(&mut self, id: &str, now: Timestamp, out: &mut Vec<Change>) {
        let Some(mut incident) = self.incidents.remove(id) else { return };
        if incident.is_live() {
            incident.rest(IncidentState::Resolved, now);
            incident.resolved_at = Some(now);
            incident.add(now, What::Resolved, "", "none of its alerts is left");
            self.tell(&incident, What::Resolved, "");
            out.push(Change::Incident(Box::new(incident.clone())));
        }
        self.incidents.insert(incident.id.clone(), incident);
    }

    /// Ends the incidents whose groups went with a reload.
    pub(super) fn close_groupless(&mut self, now: Timestamp, out: &mut Vec<Change>) {
        let live = self.incidents.values().filter(|incident| incident.is_live());
        let alone: Vec<String> =
            live.filter(|incident| !self.has_group(incident)).map(|incident| incident.id.clone()).collect();
        for id in alone {
            self.close_incident(&id, now, out);
        }
    }

    fn has_group(&self, incident: &Incident) -> bool {
        self.groups.get(incident.group_key.as_str()).is_some_and(|group| *group.incident == *incident.id)
    }

    /// Tells others of an incident.
    pub(super) fn tell(&mut self, incident: &Incident, what: What, by: &str) {
        self.notices.push(Notice::Incident { id: incident.id.clone(), what, by: by.to_owned() });
    }

    /// Whether one of these alerts of a group began after an instant. Not by the clock of a client that is ahead of ours.
    fn began_since(
        &self,
        group: &Group,
        firing: &BTreeSet<u64>,
        (at, now): (Option<Timestamp>, Timestamp),
    ) -> bool {
        let mut alerts = self.members(group).filter(|alert| firing.contains(&alert.labels.fingerprint()));
        alerts.any(|alert| at.is_some_and(|at| at < alert.starts_at) && alert.starts_at <= now)
    }

    fn gravest(&self, group: &Group, turn: &Turn<'_>) -> Option<Severity> {
        self.firing(group, turn).into_iter().map(|alert| Severity::of(&alert.labels)).max()
    }

    fn firing(&self, group: &Group, turn: &Turn<'_>) -> Vec<&Alert> {
        self.members(group).filter(|alert| turn.firing.contains(&alert.labels.fingerprint())).collect()
    }

    fn names(&self, group: &Group, turn: &Turn<'_>) -> String {
        let firing = self.firing(group, turn);
        let mut names: Vec<&str> = firing.iter().map(|alert| alert.name()).collect();
        names.sort_unstable();
        names.dedup();
        names.truncate(NAMED_MAX);
        format!("{} firing: {}", firing.len(), names.join(", "))
    }
}

/// Whether somebody was told, or is being told, that one of these fires.
fn is_told(group: &Group, firing: &BTreeSet<u64>) -> bool {
    group.row.ledgers.values().filter_map(Ledger::told).any(|sent| !sent.firing.is_disjoint(firing))
}

/// Whom a group's route tells, or who is told instead.
fn main_receiver<'a>(group: &'a Group, node: &'a RouteNode) -> &'a str {
    group.row.instead.as_deref().unwrap_or(&node.receiver)
}

/// How long after the n-th step in a row that could tell nobody the next one follows: at once, unless nobody can be told
/// by any of them.
fn wait_for_nobody(nth: usize, policy: &Policy, step: &Step) -> Duration {
    if nth < policy.steps.len() { Duration::ZERO } else { step.wait.max(NOBODY_WAIT) }
}

/// The labels that all share.
fn common<'a>(mut sets: impl Iterator<Item = &'a Labels>) -> Labels {
    let Some(first) = sets.next() else { return Labels::empty() };
    let mut shared: Vec<(&str, &str)> = first.iter().collect();
    for set in sets {
        shared.retain(|(name, value)| set.get(name) == Some(value));
    }
    Labels::from_pairs(shared)
}

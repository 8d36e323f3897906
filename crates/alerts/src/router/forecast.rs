//! When a group speaks of an alert next, if whatever fires goes on and nobody does anything: the looks at the group that
//! may have something to say are found, and each is asked as the turn itself will ask.
//!
//! Not foreseen: that a receiver which fails is reached again.

use super::Alerts;
use super::turn::{Target, Turn};
use crate::group::{Group, Ledger, Need};
use crate::incident::{Incident, IncidentState};
use crate::route::RouteNode;
use crate::why::turn_from;
use model::{Alert, Labels, Timestamp};
use std::collections::BTreeSet;
use std::time::Duration;

/// How often one thing may take over from another to hold an alert before its end counts as unknown.
const HOLDS_MAX: usize = 20;
/// Steps of an escalation that are looked ahead.
const STEPS_MAX: usize = 50;
/// Members of a group that are looked through for news that is told with an alert; of a larger group, none.
const MEMBERS_MAX: usize = 1_000;
/// Members with news whose holds are followed.
const NEWS_MAX: usize = 20;

/// A group from the view of one of its alerts, which fires.
struct Outlook<'a> {
    alerts: &'a Alerts,
    group: &'a Group,
    node: &'a RouteNode,
    labels: &'a Labels,
    now: Timestamp,
    targets: Vec<Target>,
    /// Other members that fire and of which not everybody was told.
    news: Vec<&'a Labels>,
    /// Fingerprints of the members that have ended.
    ended: BTreeSet<u64>,
}

/// An instant at which the group is looked at.
struct Look {
    at: Timestamp,
    /// Whether it is the group's turn.
    regular: bool,
    /// A snooze ends.
    reminded: bool,
    /// Whom steps of an escalation tell then.
    steps: Vec<Target>,
}

impl Look {
    /// Whether the other sees nothing that this does not.
    fn sees_all_of(&self, other: &Look) -> bool {
        let same = (self.at, self.regular, self.reminded) == (other.at, other.regular, other.reminded);
        same && other.steps.is_empty()
    }
}

impl Alerts {
    /// When a group speaks of one of its alerts, which fires, next after `now`. `None`: nobody knows.
    pub(super) fn forecast(&self, group: &Group, labels: &Labels, now: Timestamp) -> Option<Timestamp> {
        if !self.inhibited_by(labels, now).is_empty() {
            return None;
        }
        let outlook = self.outlook(group, labels, now);
        let incident = self.incidents.get(&*group.incident);
        let mut looks = outlook.turns();
        looks.extend(outlook.of_incident(incident.cloned()));
        looks.sort_by_key(|look| look.at);
        looks.dedup_by(|next, look| look.sees_all_of(next));
        looks.iter().find(|look| outlook.tells(look, incident)).map(|look| look.at)
    }

    fn outlook<'a>(&'a self, group: &'a Group, labels: &'a Labels, now: Timestamp) -> Outlook<'a> {
        let node = &self.config.route.nodes[group.route];
        let targets = self.targets(group, node);
        let names: Vec<String> = targets.iter().map(Target::name).collect();
        let ledgers: Vec<_> = names.iter().map(|name| group.row.ledgers.get(name)?.told()).collect();
        let is_news = |alert: &&Alert| {
            let fingerprint = alert.labels.fingerprint();
            ledgers.iter().any(|told| told.is_none_or(|told| !told.firing.contains(&fingerprint)))
        };
        let is_small = group.members.len() <= MEMBERS_MAX;
        let present = self.present(group).map(|tracked| &tracked.alert).filter(|_| is_small);
        let others = present.filter(|alert| alert.labels != *labels);
        let firing = others.filter(|alert| !alert.is_resolved(now)).filter(is_news);
        let over = self.members(group).filter(|alert| alert.is_resolved(now));
        Outlook {
            alerts: self,
            group,
            node,
            labels,
            now,
            news: firing.map(|alert| &alert.labels).collect(),
            ended: over.map(|alert| alert.labels.fingerprint()).collect(),
            targets,
        }
    }
}

impl Outlook<'_> {
    /// From when on, not before `at`, neither silence nor interval holds an alert of the group that is not inhibited now.
    /// `None`: nobody knows.
    fn free_from(&self, labels: &Labels, at: Timestamp) -> Option<Timestamp> {
        let free = self.node.mute_ends(&self.alerts.config.intervals, at)?;
        let silences = self.alerts.silences.acting_on(labels, free).into_iter();
        let ends: Option<Vec<Timestamp>> = silences.map(|silence| silence.lets_go(free)).collect();
        Some(ends?.into_iter().fold(free, Timestamp::max))
    }

    fn is_free(&self, labels: &Labels, at: Timestamp) -> bool {
        let muted_by = self.node.muted_by(&self.alerts.config.intervals, at);
        muted_by.is_empty() && self.alerts.silences.acting_on(labels, at).is_empty()
    }

    /// The first turn of the group from `due` on at which nothing holds the alert.
    fn on_turn(&self, due: Timestamp) -> Option<Timestamp> {
        let interval = self.node.group_interval;
        let after = self.now.plus(Duration::from_millis(1));
        let mut turn = turn_from(self.group.row.next_flush, interval, due.max(after));
        for _ in 0..HOLDS_MAX {
            match self.free_from(self.labels, turn)? {
                free if free == turn => return Some(turn),
                free => turn = turn_from(turn, interval, free),
            }
        }
        None
    }

    /// Turns at which there may be something to say: the next; those at which what was told is repeated; those at which
    /// another member is held no longer.
    fn turns(&self) -> Vec<Look> {
        let told = self.group.row.ledgers.values().filter_map(Ledger::told);
        let repeats = told.map(|sent| sent.at.plus(self.node.repeat_interval));
        let news = self.news.iter().take(NEWS_MAX);
        let news = news.filter_map(|labels| self.free_from(labels, self.group.row.next_flush));
        let dues = [self.now].into_iter().chain(repeats).chain(news);
        let look = |at| Look { at, regular: true, reminded: false, steps: Vec::new() };
        dues.filter_map(|due| self.on_turn(due)).map(look).collect()
    }

    /// Looks for the incident's sake: the end of a snooze, the steps of its escalation.
    fn of_incident(&self, incident: Option<Incident>) -> Vec<Look> {
        let Some(mut incident) = incident else { return Vec::new() };
        let mut looks = Vec::new();
        if let Some(until) = incident.snoozed_until {
            let regular = until == self.group.row.next_flush;
            looks.push(Look { at: until.max(self.now), regular, reminded: true, steps: Vec::new() });
            incident.open(until);
        }
        if incident.state != IncidentState::Open || self.group.orphan {
            return looks;
        }
        let Some(mut escalating) = incident.escalation else { return looks };
        for _ in 0..STEPS_MAX {
            let Some(due) = escalating.due else { break };
            let waits = self.group.step_held && due <= self.now;
            let due = due.max(self.now);
            let look = if !waits && self.is_free(self.labels, due) {
                Some(Look {
                    at: due,
                    regular: due == self.group.row.next_flush,
                    reminded: false,
                    steps: Vec::new(),
                })
            } else if !waits && self.others_speak(due) {
                // It is taken for their sake, and tells nothing of this one.
                None
            } else {
                let Some(at) = self.on_turn(due) else { break };
                Some(Look { at, regular: true, reminded: false, steps: Vec::new() })
            };
            let at = look.as_ref().map_or(due, |look| look.at);
            let steps = self.alerts.due_steps(self.group, self.node, &mut escalating, at);
            looks.extend(look.map(|look| Look { steps, ..look }));
        }
        looks
    }

    /// Whether another member fires that nothing holds at `at`.
    fn others_speak(&self, at: Timestamp) -> bool {
        let alerts = self.alerts;
        let present = alerts.present(self.group).map(|tracked| &tracked.alert);
        let others = present.filter(|alert| alert.labels != *self.labels);
        let mut firing = others.take(MEMBERS_MAX).filter(|alert| !alert.is_resolved(self.now));
        firing.any(|alert| self.speaks(&alert.labels, at))
    }

    fn speaks(&self, labels: &Labels, at: Timestamp) -> bool {
        self.alerts.inhibited_by(labels, self.now).is_empty() && self.is_free(labels, at)
    }

    /// Whether somebody is told of the alert at a look.
    fn tells(&self, look: &Look, incident: Option<&Incident>) -> bool {
        if !self.is_free(self.labels, look.at) {
            return false;
        }
        let news = self.news.iter().filter(|labels| self.speaks(labels, look.at));
        let awake = |incident: &&Incident| incident.snoozed_until.is_none_or(|until| look.at < until);
        let turn = Turn {
            firing: news.map(|labels| labels.fingerprint()).chain([self.labels.fingerprint()]).collect(),
            ended: self.ended.clone(),
            reminded: look.reminded,
            restraint: incident.filter(awake).and_then(|incident| incident.restraint(look.at)),
            ..Turn::new(look.at, self.node, look.regular)
        };
        let tells = |target: &Target, step| {
            let nothing = Ledger::default();
            let ledger = self.group.row.ledgers.get(&target.name()).unwrap_or(&nothing);
            let known = turn.known_to(ledger);
            let seen = turn.seen(target, ledger, &known, step);
            turn.speaks_to(ledger, step)
                && match ledger.need_once_settled(seen) {
                    Need::Page(reason) | Need::Instead(reason) => {
                        seen.firing.contains(&self.labels.fingerprint()) && !turn.holds(reason)
                    }
                    _ => false,
                }
        };
        self.targets.iter().any(|target| tells(target, false))
            || look.steps.iter().any(|target| tells(target, true))
    }
}

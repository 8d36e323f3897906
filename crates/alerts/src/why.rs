//! "Why was I (not) paged?", answered from what was journalled: for any alert, at any instant that is still on record.
//!
//! Pure: decisions and incidents in, answers out. What fired, what held it, and what became of each message is all
//! there; nothing of that is guessed from how things stand now. Only until when a silence or an interval held is read from
//! the silences and intervals that there are.

mod next;
mod standing;

pub(crate) use next::turn_from;

use crate::config::Config;
use crate::incident::{Incident, What};
use crate::route::Route;
use crate::silences::Silences;
use model::{Alert, Decision, Hold, Labels, Timestamp, Verdict};
use standing::Life;
use std::borrow::Borrow;
use std::collections::BTreeSet;

/// The answer for one of the groups that an alert falls into.
#[derive(Debug, Clone, PartialEq)]
pub struct Why {
    /// The alert.
    pub alert: Labels,
    /// The instant asked for.
    pub at: Timestamp,
    /// Since when it fired, as far as it is on record.
    pub since: Option<Timestamp>,
    /// The keys of the routes it took, from the root.
    pub route: Vec<String>,
    /// The group.
    pub group_key: String,
    /// When the group would speak of it next, had nothing else happened. `None`: never, or nobody knows.
    pub next_send: Option<Timestamp>,
    /// What held at that instant; `None`: nothing is on record, so nothing was to be told.
    pub verdict: Option<Verdict>,
    /// Whether it had ended by then.
    pub over: bool,
    /// Whether the last message about it is on its way: no try has come to anything yet.
    pub on_its_way: bool,
    /// By what it was held or told: ids of silences, fingerprints of inhibitors, names of intervals, who took it on,
    /// what a receiver said, a step of an escalation.
    pub by: Vec<String>,
    /// Who was told, or should have been.
    pub receivers: Vec<Receiver>,
}

/// A receiver that was told, or should have been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receiver {
    /// Its name.
    pub name: String,
    /// The tries to deliver messages about the alert since it fired, oldest first.
    pub attempts: Vec<Attempt>,
}

/// One try, or several that came to the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// When; of several, the last.
    pub at: Timestamp,
    /// The message's key.
    pub key: String,
    /// By which of the receiver's integrations: `RECEIVER/webhook[0]`.
    pub integration: String,
    /// What came of it: `ok`, a status, or the kind of error.
    pub code: String,
    /// What went wrong; empty if it arrived.
    pub error: String,
    /// Whether it arrived.
    pub arrived: bool,
    /// How many tries it stands for.
    pub tries: u32,
}

impl Why {
    /// Whether its group tells it, or tells it again, or waits to.
    pub(crate) fn is_to_be_told(&self) -> bool {
        match self.verdict {
            _ if self.over => false,
            Some(Verdict::Deliver) => {
                let attempts = self.receivers.iter().flat_map(|receiver| &receiver.attempts);
                attempts.last().is_some_and(|attempt| attempt.arrived)
            }
            Some(Verdict::Hold(hold)) => {
                matches!(hold, Hold::Grouped | Hold::Damped | Hold::Repeat | Hold::Acknowledged)
            }
            None => false,
        }
    }

    /// Whether it is told of in another group.
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.verdict == Some(Verdict::Hold(Hold::Over)) && !self.by.is_empty()
    }

    /// Whether a silence, an inhibition or an interval holds it.
    pub(crate) fn is_kept_quiet(&self) -> bool {
        matches!(self.verdict, Some(Verdict::Hold(Hold::Silenced | Hold::Inhibited | Hold::Muted)))
    }

    /// `deliver` or `hold`.
    pub fn verdict_word(&self) -> &'static str {
        match self.verdict {
            Some(Verdict::Deliver) => "deliver",
            Some(Verdict::Hold(_)) | None => "hold",
        }
    }

    /// `none`, or what held it.
    pub fn reason_word(&self) -> &'static str {
        match self.verdict {
            Some(Verdict::Hold(hold)) => hold.as_str(),
            Some(Verdict::Deliver) | None => "none",
        }
    }
}

/// What is known beside the decisions.
#[derive(Debug)]
pub(crate) struct Beside<'a> {
    pub(crate) incidents: Vec<&'a Incident>,
    pub(crate) config: &'a Config,
    pub(crate) silences: &'a Silences,
    /// The alert as it is now, if it is.
    pub(crate) alert: Option<&'a Alert>,
    /// It is asked of this moment: what failed counts only where it is tried again.
    pub(crate) is_now: bool,
}

impl Beside<'_> {
    /// Whether an integration, `RECEIVER/webhook[0]`, may be tried again.
    fn is_tried(&self, integration: &str) -> bool {
        let there_is = |(receiver, name): (&str, &str)| {
            let shape = self.config.receiver(receiver)?;
            shape.integrations.iter().find(|integration| integration.name == name)
        };
        !self.is_now || integration.rsplit_once('/').and_then(there_is).is_some()
    }
}

/// One answer for each group that an alert was or would be in, with those of which nothing is on record. `decisions` are
/// those about it, in any order.
pub(crate) fn explain(
    labels: &Labels,
    at: Timestamp,
    decisions: impl IntoIterator<Item = impl Borrow<Decision>>,
    beside: &Beside<'_>,
) -> Vec<Why> {
    let route = &beside.config.route;
    let about = |decision: &Decision| decision.at <= at && decision.alert == *labels;
    let kept: Vec<_> = decisions.into_iter().filter(|decision| about(decision.borrow())).collect();
    let mut about: Vec<&Decision> = kept.iter().map(Borrow::borrow).collect();
    about.sort_by_key(|decision| (decision.at, decision.nth));
    let nodes = route.find(labels);
    let places = nodes.iter().map(|place| {
        let node = &route.nodes[*place];
        (crate::router::group_key(&node.key, &node.group_of(labels)), Some(*place))
    });
    let mut groups: Vec<(String, Option<usize>)> = places.collect();
    for decision in &about {
        if groups.iter().all(|(key, _)| **key != *decision.group_key) {
            // Where it was before a reload, or one that is told of through another receiver.
            groups.push((decision.group_key.to_string(), route_of(route, &decision.group_key)));
        }
    }
    let one = |(key, place): (String, Option<usize>)| {
        let decisions: Vec<&Decision> =
            about.iter().filter(|decision| *decision.group_key == *key).copied().collect();
        answer(labels, at, (key, place), &decisions, beside)
    };
    groups.into_iter().map(one).collect()
}

/// Without the groups of which nothing is on record, if there are others.
pub(crate) fn on_record(mut answers: Vec<Why>) -> Vec<Why> {
    if answers.iter().any(|why| why.verdict.is_some()) {
        answers.retain(|why| why.verdict.is_some());
    }
    answers
}

fn answer(
    labels: &Labels,
    at: Timestamp,
    (group_key, place): (String, Option<usize>),
    decisions: &[&Decision],
    beside: &Beside<'_>,
) -> Why {
    let incidents = beside.incidents.iter().filter(|incident| incident.group_key == group_key);
    let incidents: Vec<&Incident> = incidents.copied().collect();
    // Since it last began to fire.
    let ended =
        decisions.windows(2).rposition(|pair| pair[0].over && !pair[1].over && !is_elsewhere(pair[0]));
    let life = &decisions[ended.map_or(0, |place| place + 1)..];
    let last = life.last();
    let receivers = receivers(life, &incidents, at);
    let life = Life { decisions: life, receivers: &receivers, beside };
    let (standing, on_its_way) = (life.standing(), life.is_on_its_way());
    let since = life.decisions.first().map(|decision| decision.at);
    let (verdict, by) = standing.map_or((None, Vec::new()), |standing| (Some(standing.verdict), standing.by));
    let turn = last.and_then(|last| last.next_send);
    let next_send =
        turn.zip(verdict).and_then(|(turn, verdict)| beside.next(turn, (verdict, &by), place, at));
    let route = match place {
        Some(place) => beside.config.route.path(place),
        None => vec![group_key.rsplit_once(':').map_or(group_key.clone(), |(route, _)| route.to_owned())],
    };
    let starts_at = beside.alert.map(|alert| alert.starts_at).filter(|starts_at| *starts_at <= at);
    Why {
        alert: labels.clone(),
        at,
        since: starts_at.or(since),
        route,
        group_key,
        next_send,
        verdict,
        over: last.is_some_and(|last| last.over),
        on_its_way,
        by,
        receivers,
    }
}

/// The receivers of the decisions, each with the tries of its messages by `at`.
fn receivers(life: &[&Decision], incidents: &[&Incident], at: Timestamp) -> Vec<Receiver> {
    let mut receivers: Vec<Receiver> = Vec::new();
    for decision in life {
        if receivers.iter().all(|receiver| *receiver.name != *decision.receiver) {
            receivers.push(Receiver { name: decision.receiver.to_string(), attempts: Vec::new() });
        }
    }
    let keys: BTreeSet<&str> = life.iter().filter_map(|decision| decision.page_key.as_deref()).collect();
    let entries = incidents.iter().flat_map(|incident| &incident.timeline);
    for entry in entries.filter(|entry| entry.at <= at) {
        let arrived = entry.what == What::Delivered;
        let Some(key) = entry.key.as_deref().filter(|key| keys.contains(key)) else { continue };
        if !arrived && entry.what != What::Failed {
            continue;
        }
        let name = entry.who.rsplit_once('/').map_or(entry.who.as_str(), |(name, _)| name);
        let Some(receiver) = receivers.iter_mut().find(|receiver| receiver.name == name) else { continue };
        receiver.attempts.push(Attempt {
            at: entry.at,
            key: key.to_owned(),
            integration: entry.who.clone(),
            code: entry.code.clone().unwrap_or_default(),
            error: if arrived { String::new() } else { entry.detail.clone() },
            arrived,
            tries: entry.tries,
        });
    }
    for receiver in &mut receivers {
        receiver.attempts.sort_by_key(|attempt| attempt.at);
    }
    receivers
}

/// Whether a decision says no more than that an alert is told of in another group.
fn is_elsewhere(decision: &Decision) -> bool {
    decision.verdict == Verdict::Hold(Hold::Over) && !decision.by.is_empty()
}

/// The route whose group has this key: the one with the longest key that it begins with.
fn route_of(route: &Route, group_key: &str) -> Option<usize> {
    let begins = |key: &str| group_key.strip_prefix(key).is_some_and(|rest| rest.starts_with(':'));
    let found = route.nodes.iter().enumerate().filter(|(_, node)| begins(&node.key));
    found.max_by_key(|(_, node)| node.key.len()).map(|(place, _)| place)
}

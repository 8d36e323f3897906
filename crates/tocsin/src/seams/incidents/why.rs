//! The router's answers to "why?", with the rule behind an alert, and what held it in words.

use crate::core::Core;
use alerts::{Incident, InstantKey, Route, why::Why};
use model::{Decision, Hold, Labels, MatchOp, Matcher, Timestamp, Verdict};
use server::views::{AttemptWhy, ByView, ReceiverWhy, RuleWhy, WhyView};
use std::{collections::BTreeSet, time::Duration};

/// Alerts that one question may mean; further ones are left out.
pub(super) const MEANT_MAX: usize = 20;
/// An instant so long ago is asked of the series, not of how things stand.
const NOW_IS: Duration = Duration::from_secs(60);

/// The alerts that matchers mean: those that fire or are about to, else those on record in memory.
pub(super) fn meant(core: &Core, matchers: &[Matcher], at: Timestamp, now: Timestamp) -> Vec<Labels> {
    let accepted = |labels: &Labels| matchers.iter().all(|m| m.matches_labels(labels));
    let mut found: Vec<Labels> = Vec::new();
    let mut add = |labels: Labels| {
        if !found.contains(&labels) && found.len() < MEANT_MAX {
            found.push(labels);
        }
    };
    if at.plus(NOW_IS) >= now {
        core.alerts.list(matchers, now).into_iter().for_each(|view| add(view.alert.labels));
    }
    let decisions = core.alerts.decisions().rev();
    for decision in decisions.filter(|decision| decision.at <= at && accepted(&decision.alert)) {
        add(decision.alert);
    }
    let groups = core.rules.view();
    for rule in groups.into_iter().flat_map(|group| group.rules) {
        if let rules::RuleKindView::Alerting { alerts, .. } = rule.kind {
            alerts.into_iter().filter(|alert| accepted(&alert.labels)).for_each(|alert| add(alert.labels));
        }
    }
    found
}

/// The labels that matchers name whole, if each of them says `name="value"`.
pub(super) fn whole(matchers: &[Matcher]) -> Option<Labels> {
    let equal = matchers.iter().all(|m| m.op() == MatchOp::Equal);
    equal.then(|| Labels::from_pairs(matchers.iter().map(|m| (m.name(), m.value()))))
}

/// The alerts of an incident: those that its group has, else those on record for it, the latest first.
pub(super) fn alerts_of(core: &Core, id: &str, now: Timestamp) -> Vec<Labels> {
    let Some(alerts::IncidentView { incident, alerts, .. }) = core.alerts.incident_view(id, now) else {
        return Vec::new();
    };
    let mut found: Vec<Labels> = alerts.into_iter().map(|view| view.alert.labels).collect();
    let on_record = core.alerts.decisions().rev().filter(|one| *one.group_key == *incident.group_key);
    for alert in on_record.filter(|_| found.is_empty()).map(|one| one.alert).collect::<Vec<_>>() {
        if !found.contains(&alert) {
            found.push(alert);
        }
    }
    found
}

/// The answers of the router from the journal and from what is not yet in it, in words.
pub(super) fn explain(
    core: &Core,
    labels: &Labels,
    journal: Vec<Decision>,
    at: Option<Timestamp>,
    now: Timestamp,
) -> Vec<WhyView> {
    let key = |decision: &Decision| InstantKey::new(decision.at, decision.nth);
    let known: BTreeSet<InstantKey> = journal.iter().map(key).collect();
    let fresh = core.alerts.decisions_about(labels).filter(|one| !known.contains(&key(one)));
    let all: Vec<Decision> = journal.into_iter().chain(fresh).collect();
    let rule = rule_of(core, labels, at.unwrap_or(now), now);
    let answers = match at {
        Some(at) => core.alerts.why_from(labels, at, &all),
        None => core.alerts.why_now(labels, now, &all),
    };
    let incidents = core.alerts.incidents(None);
    answers.into_iter().map(|why| said(core, why, at.is_none(), rule.clone(), &incidents)).collect()
}

fn said(core: &Core, why: Why, is_now: bool, rule: Option<RuleWhy>, incidents: &[&Incident]) -> WhyView {
    let is_due = why.on_its_way || why.verdict == Some(Verdict::Hold(Hold::ReceiverDown));
    let next_try = core.next_try(&why.group_key, &why.alert).filter(|_| is_now && is_due);
    let (verdict, reason) = (why.verdict_word(), why.reason_word());
    let mine = |incident: &&&Incident| incident.group_key == why.group_key && incident.opened_at <= why.at;
    let incident = incidents.iter().filter(mine).max_by_key(|incident| incident.opened_at);
    let incident_id = incident.map(|incident| incident.id.clone());
    let route = why.route.last().map_or("", String::as_str);
    let about = (route, incident.copied(), why.at);
    let by =
        why.by.into_iter().map(|what| ByView { says: words(core, reason, about, &what), what }).collect();
    let attempt = |attempt: alerts::why::Attempt| AttemptWhy {
        at: attempt.at,
        key: attempt.key,
        integration: attempt.integration,
        code: attempt.code,
        error: attempt.error,
        tries: attempt.tries,
    };
    let receivers = why.receivers.into_iter().map(|receiver| ReceiverWhy {
        name: receiver.name,
        attempts: receiver.attempts.into_iter().map(attempt).collect(),
    });
    WhyView {
        receivers: receivers.collect(),
        rule: rule.map(|rule| RuleWhy { since: rule.since.or(why.since), ..rule }),
        alert: why.alert,
        at: why.at,
        since: why.since,
        route: why.route,
        group_key: why.group_key,
        // Whichever is sooner.
        next_send: [next_try, why.next_send].into_iter().flatten().min(),
        verdict,
        reason,
        by,
        over: why.over,
        incident_id,
        taken_by: incident.and_then(|one| one.acknowledged_by.clone().or(one.closed_by.clone())),
        on_its_way: why.on_its_way,
        next_try,
    }
}

/// What an id or a name stands for, for people; beside it the key of the route that the alert took, its incident, and when
/// this held.
fn words(
    core: &Core,
    reason: &str,
    (route, incident, at): (&str, Option<&Incident>, Timestamp),
    what: &str,
) -> String {
    match reason {
        "silenced" => {
            let silence = core.alerts.silences().find(|silence| silence.id == what);
            silence.map_or_else(String::new, |silence| {
                let window = silence.lets_go(at).filter(|until| *until > at);
                let until = window.unwrap_or(silence.ends_at).rfc3339();
                format!("silenced by {} until {until}: {}", silence.created_by, silence.comment)
            })
        }
        "inhibited" => {
            let is_it = |labels: &Labels| format!("{:016x}", labels.fingerprint()) == what;
            let decision = core.alerts.decisions().rev().find(|decision| is_it(&decision.alert));
            decision.map_or_else(String::new, |decision| format!("inhibited by {}", decision.alert))
        }
        "muted" => {
            let Route { nodes } = &core.alerts.config().route;
            let node = nodes.iter().find(|node| node.key == route);
            let is_muted = node.is_none_or(|node| node.mute.iter().any(|name| name == what));
            let words = if is_muted { "muted by" } else { "active only in" };
            format!("{words} time interval {what}")
        }
        "acknowledged" => match incident {
            Some(Incident { closed_by: Some(by), .. }) if by == what => format!("resolved by {what}"),
            Some(Incident { merged_into: Some(into), .. }) => format!("part of incident {into}, by {what}"),
            _ => format!("taken on by {what}"),
        },
        _ => what.to_owned(),
    }
}

/// The rule of ours that an alert is of. Its value is what it is now; of the past it is found in the series.
fn rule_of(core: &Core, labels: &Labels, at: Timestamp, now: Timestamp) -> Option<RuleWhy> {
    let is_now = at.plus(NOW_IS) >= now;
    let name = labels.get(model::ALERTNAME)?;
    let mut found: Option<RuleWhy> = None;
    for rule in core.rules.view().into_iter().flat_map(|group| group.rules).filter(|rule| rule.name == name) {
        let rules::RuleKindView::Alerting { alerts, .. } = rule.kind else { continue };
        // External labels are added on the way to the router.
        let is_it = |alert: &&rules::AlertView| {
            alert.labels.iter().all(|(name, value)| labels.get(name) == Some(value))
        };
        let active = alerts.iter().find(is_it).filter(|alert| is_now && alert.active_at <= at);
        if found.is_none() || active.is_some() {
            found = Some(RuleWhy {
                name: rule.name.clone(),
                query: rule.query.clone(),
                value: active.map(|alert| alert.value),
                since: active.map(|alert| alert.active_at),
                pending: active.is_some_and(|alert| alert.state == rules::AlertState::Pending),
            });
        }
    }
    found
}

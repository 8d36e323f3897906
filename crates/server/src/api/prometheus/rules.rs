//! `rules` and `alerts`.

use super::json::{instant_or_never, label_object, scientific, seconds};
use super::params::selectors;
use super::{Error, success};
use crate::api::{Params, Refused};
use crate::state::State;
use crate::views::{ActiveAlertView, ActiveState, RuleGroupView, RuleKind, RuleView};
use axum::extract::State as Given;
use axum::response::Response;
use model::{Labels, Matcher};
use serde_json::{Value, json};
use std::sync::Arc;

pub(crate) async fn alerts(Given(state): Given<Arc<State>>) -> Response {
    let groups = state.reads.monitoring.rules().await;
    let alerts: Vec<Value> = groups
        .iter()
        .flat_map(|group| &group.rules)
        .flat_map(|rule| match &rule.kind {
            RuleKind::Alerting { alerts, .. } => alerts.as_slice(),
            RuleKind::Recording => &[],
        })
        .map(active_alert)
        .collect();
    success(&json!({"alerts": alerts}))
}

pub(crate) async fn rules(
    Given(state): Given<Arc<State>>,
    params: Result<Params, Refused>,
) -> Result<Response, Error> {
    let wanted = Wanted::read(&state, &params?)?;
    let groups = state.reads.monitoring.rules().await;
    let mut shown: Vec<(&RuleGroupView, Vec<Value>)> = Vec::new();
    for group in groups.iter().filter(|group| wanted.group(group)) {
        let rules: Vec<Value> =
            group.rules.iter().filter(|rule| wanted.rule(rule)).map(|r| rule(r, &wanted)).collect();
        if !rules.is_empty() || !wanted.narrows_rules() {
            shown.push((group, rules));
        }
    }
    let mut data = json!({});
    if let Some(limit) = wanted.group_limit {
        let begin = match &wanted.next_token {
            None => 0,
            Some(token) => {
                shown.iter().position(|(group, _)| token_of(group) == *token).ok_or_else(|| {
                    Error::parameter("group_next_token", "no group has it (any more); begin again")
                })?
            }
        };
        shown.drain(..begin);
        if let Some((next, _)) = shown.get(limit) {
            data["groupNextToken"] = token_of(next).into();
        }
        shown.truncate(limit);
    }
    data["groups"] = shown.into_iter().map(|(group, rules)| group_json(group, rules)).collect();
    Ok(success(&data))
}

/// The parameters of `rules`.
struct Wanted {
    kind: Option<&'static str>,
    names: Vec<String>,
    groups: Vec<String>,
    files: Vec<String>,
    sets: Vec<Vec<Matcher>>,
    with_alerts: bool,
    group_limit: Option<usize>,
    next_token: Option<String>,
}

impl Wanted {
    fn read(state: &State, params: &Params) -> Result<Wanted, Error> {
        let kind = match params.get("type").map(str::to_lowercase).as_deref() {
            None => None,
            Some("alert") => Some("alerting"),
            Some("record") => Some("recording"),
            Some(other) => {
                return Err(Error::parameter("type", format!("{other:?} is neither alert nor record")));
            }
        };
        // Grafana sends each list under two names.
        let list = |name: &str| -> Vec<String> {
            params.all(&format!("{name}[]")).chain(params.all(name)).map(str::to_owned).collect()
        };
        let group_limit = match params.get("group_limit") {
            None => None,
            Some(text) => match text.parse() {
                Ok(n) if n > 0 => Some(n),
                _ => {
                    return Err(Error::parameter(
                        "group_limit",
                        format!("{text:?} is not a number above zero"),
                    ));
                }
            },
        };
        let next_token = params.get("group_next_token").map(str::to_owned);
        if next_token.is_some() && group_limit.is_none() {
            return Err(Error::parameter("group_limit", "it is missing beside group_next_token"));
        }
        Ok(Wanted {
            kind,
            names: list("rule_name"),
            groups: list("rule_group"),
            files: list("file"),
            sets: selectors(state, params)?,
            with_alerts: !params.switch("exclude_alerts", false)?,
            group_limit,
            next_token,
        })
    }

    fn group(&self, group: &RuleGroupView) -> bool {
        let any = |list: &[String], text: &str| list.is_empty() || list.iter().any(|one| one == text);
        any(&self.groups, &group.name) && any(&self.files, &group.file)
    }

    fn rule(&self, rule: &RuleView) -> bool {
        let named = self.names.is_empty() || self.names.contains(&rule.name);
        let of_kind = self.kind.is_none_or(|kind| kind == kind_of(rule));
        let matches = |set: &Vec<Matcher>| set.iter().all(|m| m.matches_labels(&rule.labels));
        named && of_kind && (self.sets.is_empty() || self.sets.iter().any(matches))
    }

    fn narrows_rules(&self) -> bool {
        self.kind.is_some() || !self.names.is_empty() || !self.sets.is_empty()
    }
}

fn kind_of(rule: &RuleView) -> &'static str {
    match rule.kind {
        RuleKind::Recording => "recording",
        RuleKind::Alerting { .. } => "alerting",
    }
}

/// Names a group in a list that is read piece by piece.
fn token_of(group: &RuleGroupView) -> String {
    let of = Labels::from_pairs([("file", group.file.as_str()), ("group", group.name.as_str())]);
    format!("{:016x}", of.fingerprint())
}

fn group_json(group: &RuleGroupView, rules: Vec<Value>) -> Value {
    json!({
        "name": group.name,
        "file": group.file,
        "rules": rules,
        "interval": seconds(group.interval),
        "limit": group.limit,
        "evaluationTime": seconds(group.evaluation_time),
        "lastEvaluation": instant_or_never(group.last_evaluation),
    })
}

fn rule(rule: &RuleView, wanted: &Wanted) -> Value {
    let mut shown = json!({});
    if let RuleKind::Alerting { hold, keep_firing, annotations, alerts } = &rule.kind {
        shown["state"] = worst(alerts).into();
        shown["name"] = rule.name.as_str().into();
        shown["query"] = rule.query.as_str().into();
        shown["duration"] = seconds(*hold);
        shown["keepFiringFor"] = seconds(*keep_firing);
        shown["labels"] = label_object(&rule.labels);
        shown["annotations"] = label_object(annotations);
        let alerts: Vec<Value> =
            if wanted.with_alerts { alerts.iter().map(active_alert).collect() } else { Vec::new() };
        shown["alerts"] = alerts.into();
    } else {
        shown["name"] = rule.name.as_str().into();
        shown["query"] = rule.query.as_str().into();
        if !rule.labels.is_empty() {
            shown["labels"] = label_object(&rule.labels);
        }
    }
    shown["health"] = rule.health.as_str().into();
    if !rule.last_error.is_empty() {
        shown["lastError"] = rule.last_error.as_str().into();
    }
    shown["evaluationTime"] = seconds(rule.evaluation_time);
    shown["lastEvaluation"] = instant_or_never(rule.last_evaluation).into();
    shown["type"] = kind_of(rule).into();
    shown
}

fn worst(alerts: &[ActiveAlertView]) -> &'static str {
    if alerts.iter().any(|alert| alert.state == ActiveState::Firing) {
        "firing"
    } else if alerts.is_empty() {
        "inactive"
    } else {
        "pending"
    }
}

fn active_alert(alert: &ActiveAlertView) -> Value {
    let mut shown = json!({
        "labels": label_object(&alert.labels),
        "annotations": label_object(&alert.annotations),
        "state": alert.state.as_str(),
        "activeAt": alert.active_at.rfc3339(),
    });
    if let Some(since) = alert.keep_firing_since {
        shown["keepFiringSince"] = since.rfc3339().into();
    }
    shown["value"] = scientific(alert.value).into();
    shown
}

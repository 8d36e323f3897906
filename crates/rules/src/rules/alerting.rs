//! What the result of an alerting rule means: one step of the life of each of its alerts.
//!
//! The life: absent → pending → firing → gone. An element of the result starts or keeps an alert; at a tick,
//! an alert without an element is gone, unless `keep_firing_for` or the settling time after a restart holds it.

use super::{Decided, Rule, Settings, Trigger, stale};
use crate::row::{ActiveRow, AlertState, Change, row_key};
use crate::spec::RuleKind;
use model::{ALERTNAME, Alert, Labels, METRIC_NAME, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use template::{QueryFn, RuleData};

/// Where and when a result is judged.
pub(super) struct Call<'a> {
    pub settings: &'a Settings,
    pub at: Timestamp,
    pub now: Timestamp,
    pub trigger: Trigger,
    pub limit: usize,
}

/// One element of the result, with everything expanded.
struct Found {
    annotations: Labels,
    value: f64,
}

pub(super) fn decide(
    rule: &mut Rule,
    vector: Vec<(Labels, f64)>,
    call: &Call<'_>,
    query: &mut QueryFn<'_>,
) -> Result<Decided, String> {
    let RuleKind::Alerting { hold, keep_firing, .. } = rule.spec.kind else { return Ok(Decided::default()) };
    let found = expand(rule, vector, call, query)?;
    let over_limit = call.limit > 0 && found.len() > call.limit;
    if over_limit && call.trigger == Trigger::Arrival {
        return Ok(Decided::default());
    }
    let mut decided = Decided::default();
    if over_limit {
        // As upstream: nothing of a rule over its limit alerts, and the error says so.
        decided.error = Some(format!("exceeded limit of {} with {} alerts", call.limit, found.len()));
        end_all(rule, call, &mut decided);
    } else {
        let missing: Vec<Labels> =
            rule.active.keys().filter(|labels| !found.contains_key(labels)).cloned().collect();
        start_or_keep(rule, found, hold, call, &mut decided);
        if call.trigger == Trigger::Tick {
            end_missing(rule, missing, keep_firing, call, &mut decided);
        }
    }
    if call.trigger == Trigger::Tick {
        record(rule, &mut decided);
    }
    Ok(decided)
}

fn expand(
    rule: &Rule,
    vector: Vec<(Labels, f64)>,
    call: &Call<'_>,
    query: &mut QueryFn<'_>,
) -> Result<BTreeMap<Labels, Found>, String> {
    let RuleKind::Alerting { annotations, .. } = &rule.spec.kind else { return Ok(BTreeMap::new()) };
    let mut found = BTreeMap::new();
    for (element, value) in vector {
        let data = RuleData {
            labels: &element,
            value,
            external_labels: &call.settings.external_labels,
            external_url: &call.settings.external_url,
        };
        let mut text = |text: &str| {
            template::expand_rule(text, &data, call.at, query)
                .unwrap_or_else(|err| format!("<error expanding template: {err}>"))
        };
        let mut labels = element.builder();
        labels.del(METRIC_NAME);
        for (name, value) in &rule.spec.labels {
            labels.set(name, text(value));
        }
        labels.set(ALERTNAME, &*rule.spec.name);
        let annotations = Labels::from_pairs(annotations.iter().map(|(name, value)| (name, text(value))));
        if found.insert(labels.build(), Found { annotations, value }).is_some() {
            let what = "vector contains metrics with the same labelset after applying alert labels";
            return Err(what.to_owned());
        }
    }
    Ok(found)
}

fn start_or_keep(
    rule: &mut Rule,
    found: BTreeMap<Labels, Found>,
    hold: Duration,
    call: &Call<'_>,
    decided: &mut Decided,
) {
    for (labels, found) in found {
        let mut changed = !rule.active.contains_key(&labels);
        let row = rule.active.entry(labels).or_insert_with_key(|labels| ActiveRow {
            rule: rule.key.clone(),
            labels: labels.clone(),
            annotations: found.annotations.clone(),
            state: AlertState::Pending,
            active_at: call.at,
            fired_at: None,
            value: found.value,
            keep_firing_since: None,
            last_sent: None,
        });
        let mut send = row.state == AlertState::Firing && row.annotations != found.annotations;
        row.value = found.value;
        row.annotations = found.annotations;
        if call.trigger == Trigger::Tick && row.keep_firing_since.take().is_some() {
            changed = true;
        }
        if row.state == AlertState::Pending && call.at.since(row.active_at) >= hold {
            row.state = AlertState::Firing;
            row.fired_at = Some(call.at);
            send = true;
        }
        if send {
            row.last_sent = Some(call.now);
            decided.alerts.push(alert(row, &rule.query, None, call));
        }
        if send || changed {
            decided.changes.push(Change::Active(row.clone()));
        }
    }
}

fn end_missing(
    rule: &mut Rule,
    missing: Vec<Labels>,
    keep_firing: Duration,
    call: &Call<'_>,
    decided: &mut Decided,
) {
    for labels in missing {
        let Some(row) = rule.active.get_mut(&labels) else { continue };
        if call.now < rule.settled_at {
            continue;
        }
        if row.state == AlertState::Firing && !keep_firing.is_zero() {
            let fresh = row.keep_firing_since.is_none();
            let since = *row.keep_firing_since.get_or_insert(call.at);
            if call.at.since(since) < keep_firing {
                if fresh {
                    decided.changes.push(Change::Active(row.clone()));
                }
                continue;
            }
        }
        if let Some(row) = rule.active.remove(&labels) {
            end(&row, &rule.query, call, decided);
        }
    }
}

fn end_all(rule: &mut Rule, call: &Call<'_>, decided: &mut Decided) {
    for row in std::mem::take(&mut rule.active).values() {
        end(row, &rule.query, call, decided);
    }
}

/// Says that an alert is over: to the journal, and to the router if it ever heard of it.
pub(super) fn end(row: &ActiveRow, query: &str, call: &Call<'_>, decided: &mut Decided) {
    decided.changes.push(Change::Gone { key: row_key(&row.rule, &row.labels) });
    if row.state == AlertState::Firing {
        decided.alerts.push(alert(row, query, Some(call.at), call));
    }
}

/// A row as the router takes it.
pub(super) fn alert(row: &ActiveRow, query: &str, ends_at: Option<Timestamp>, call: &Call<'_>) -> Alert {
    let mut labels = row.labels.builder();
    for (name, value) in call.settings.external_labels.iter() {
        if row.labels.get(name).is_none() {
            labels.set(name, value);
        }
    }
    Alert {
        labels: labels.build(),
        annotations: row.annotations.clone(),
        starts_at: row.fired_at.unwrap_or(row.active_at),
        ends_at,
        generator_url: template::table_link(&call.settings.external_url, query).into(),
        updated_at: call.now,
    }
}

/// The series `ALERTS` and `ALERTS_FOR_STATE`, and markers for what they no longer show.
fn record(rule: &mut Rule, decided: &mut Decided) {
    let mut recorded = BTreeSet::new();
    for row in rule.active.values() {
        let mut state = row.labels.builder();
        state.set(METRIC_NAME, "ALERTS").set("alertstate", row.state.as_str());
        let since = row.labels.with(METRIC_NAME, "ALERTS_FOR_STATE");
        let active_at = row.active_at.as_millis().div_euclid(1000) as f64;
        for (labels, v) in [(state.build(), 1.0), (since, active_at)] {
            recorded.insert(labels.clone());
            decided.samples.push((labels, v));
        }
    }
    decided.samples.extend(stale(&rule.recorded, &recorded));
    rule.recorded = recorded;
}

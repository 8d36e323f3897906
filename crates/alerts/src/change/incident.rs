//! The row of an incident.

use super::{read_labels, read_text, read_time};
use crate::escalate::Escalating;
use crate::incident::{Entry, Incident, IncidentState, What};
use crate::severity::Severity;
use model::{Labels, Timestamp};
use serde::Serialize;
use serde_json::Value;
use std::time::Duration;

/// An incident as it is kept.
#[derive(Serialize)]
pub(super) struct Row<'a> {
    id: &'a str,
    group_key: &'a str,
    receiver: &'a str,
    labels: &'a Labels,
    severity: &'static str,
    state: &'static str,
    opened_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolved_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    closed_by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acknowledged_by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    snoozed_until: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    assigned_to: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    merged_into: Option<&'a str>,
    reopened: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    escalation: Option<EscalationRow<'a>>,
    timeline: Vec<LineRow<'a>>,
}

#[derive(Serialize)]
struct EscalationRow<'a> {
    policy: &'a str,
    step: u32,
    round: u32,
    due: Option<i64>,
    left_ms: Option<u64>,
}

/// A line of a timeline as it is kept.
#[derive(Serialize)]
pub(super) struct LineRow<'a> {
    at: i64,
    what: &'static str,
    who: &'a str,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    tries: u32,
}

pub(super) fn row(incident: &Incident) -> Row<'_> {
    let at = |at: Option<Timestamp>| at.map(Timestamp::as_millis);
    Row {
        id: &incident.id,
        group_key: &incident.group_key,
        receiver: &incident.receiver,
        labels: &incident.labels,
        severity: incident.severity.as_str(),
        state: incident.state.as_str(),
        opened_at: incident.opened_at.as_millis(),
        resolved_at: at(incident.resolved_at),
        closed_by: incident.closed_by.as_deref(),
        acknowledged_by: incident.acknowledged_by.as_deref(),
        snoozed_until: at(incident.snoozed_until),
        assigned_to: incident.assigned_to.as_deref(),
        merged_into: incident.merged_into.as_deref(),
        reopened: incident.reopened,
        escalation: incident.escalation.as_ref().map(|escalating| EscalationRow {
            policy: &escalating.policy,
            step: escalating.step,
            round: escalating.round,
            due: at(escalating.due),
            left_ms: escalating.left.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
        }),
        timeline: incident.timeline.iter().map(line).collect(),
    }
}

pub(super) fn line(entry: &Entry) -> LineRow<'_> {
    LineRow {
        at: entry.at.as_millis(),
        what: entry.what.as_str(),
        who: &entry.who,
        detail: &entry.detail,
        key: entry.key.as_deref(),
        code: entry.code.as_deref(),
        tries: entry.tries,
    }
}

pub(super) fn read(number: u64, row: &Value) -> Option<Incident> {
    Some(Incident {
        number,
        id: read_text(&row["id"])?,
        group_key: read_text(&row["group_key"])?,
        receiver: read_text(&row["receiver"])?,
        labels: read_labels(&row["labels"])?,
        severity: Severity::parse(row["severity"].as_str()?)?,
        state: IncidentState::parse(row["state"].as_str()?)?,
        opened_at: read_time(&row["opened_at"])?,
        resolved_at: read_time(&row["resolved_at"]),
        closed_by: read_text(&row["closed_by"]),
        acknowledged_by: read_text(&row["acknowledged_by"]),
        snoozed_until: read_time(&row["snoozed_until"]),
        assigned_to: read_text(&row["assigned_to"]),
        merged_into: read_text(&row["merged_into"]),
        reopened: small(&row["reopened"])?,
        escalation: match &row["escalation"] {
            Value::Null => None,
            row => Some(Escalating {
                policy: read_text(&row["policy"])?,
                step: small(&row["step"])?,
                round: small(&row["round"])?,
                due: read_time(&row["due"]),
                left: row["left_ms"].as_u64().map(Duration::from_millis),
            }),
        },
        timeline: row["timeline"].as_array()?.iter().map(read_line).collect::<Option<_>>()?,
    })
}

pub(super) fn read_line(row: &Value) -> Option<Entry> {
    Some(Entry {
        at: read_time(&row["at"])?,
        what: What::parse(row["what"].as_str()?)?,
        who: read_text(&row["who"])?,
        detail: read_text(&row["detail"])?,
        key: read_text(&row["key"]),
        code: read_text(&row["code"]),
        tries: small(&row["tries"])?,
    })
}

fn small(row: &Value) -> Option<u32> {
    row.as_u64().and_then(|small| u32::try_from(small).ok())
}

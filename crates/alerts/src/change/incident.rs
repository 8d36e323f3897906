//! The row of an incident.

use super::{labels_json, read_labels, read_text, read_time};
use crate::escalate::Escalating;
use crate::incident::{Entry, Incident, IncidentState, What};
use crate::severity::Severity;
use model::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;

pub(super) fn to_json(incident: &Incident) -> Value {
    let at = |at: Option<Timestamp>| at.map(Timestamp::as_millis);
    let escalation = incident.escalation.as_ref().map(|escalating| {
        json!({
            "policy": escalating.policy,
            "step": escalating.step,
            "round": escalating.round,
            "due": at(escalating.due),
            "left_ms": escalating.left.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
        })
    });
    json!({
        "group_key": incident.group_key,
        "receiver": incident.receiver,
        "labels": labels_json(&incident.labels),
        "severity": incident.severity.as_str(),
        "state": incident.state.as_str(),
        "opened_at": incident.opened_at.as_millis(),
        "resolved_at": at(incident.resolved_at),
        "closed_by": incident.closed_by,
        "acknowledged_by": incident.acknowledged_by,
        "snoozed_until": at(incident.snoozed_until),
        "assigned_to": incident.assigned_to,
        "merged_into": incident.merged_into,
        "reopened": incident.reopened,
        "escalation": escalation,
        "timeline": incident.timeline.iter().map(entry_json).collect::<Vec<_>>(),
    })
}

fn entry_json(entry: &Entry) -> Value {
    json!({
        "at": entry.at.as_millis(),
        "what": entry.what.as_str(),
        "who": entry.who,
        "detail": entry.detail,
        "key": entry.key,
        "code": entry.code,
        "tries": entry.tries,
    })
}

pub(super) fn read(id: &str, row: &Value) -> Option<Incident> {
    Some(Incident {
        id: id.to_owned(),
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
        reopened: number(&row["reopened"])?,
        escalation: match &row["escalation"] {
            Value::Null => None,
            row => Some(Escalating {
                policy: read_text(&row["policy"])?,
                step: number(&row["step"])?,
                round: number(&row["round"])?,
                due: read_time(&row["due"]),
                left: row["left_ms"].as_u64().map(Duration::from_millis),
            }),
        },
        timeline: row["timeline"].as_array()?.iter().map(read_entry).collect::<Option<_>>()?,
    })
}

fn read_entry(row: &Value) -> Option<Entry> {
    Some(Entry {
        at: read_time(&row["at"])?,
        what: What::parse(row["what"].as_str()?)?,
        who: read_text(&row["who"])?,
        detail: read_text(&row["detail"])?,
        key: read_text(&row["key"]),
        code: read_text(&row["code"]),
        tries: number(&row["tries"])?,
    })
}

fn number(row: &Value) -> Option<u32> {
    row.as_u64().and_then(|number| u32::try_from(number).ok())
}

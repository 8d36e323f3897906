//! Incidents and answers to "why?" as JSON.

use super::sentence;
use crate::api::prometheus::label_object;
use crate::views::{AlertView, EntryView, IncidentView, ReceiverWhy, WhyView};
use model::Timestamp;
use serde_json::{Value, json};

/// An incident with its alerts and its timeline.
pub(super) fn incident(incident: &IncidentView) -> Value {
    let instant = |at: Option<Timestamp>| at.map(Timestamp::rfc3339);
    json!({
        "id": incident.id,
        "state": incident.state.as_str(),
        "severity": incident.severity,
        "sev": incident.sev,
        "group_key": incident.group_key,
        "receiver": incident.receiver,
        "labels": label_object(&incident.labels),
        "alerts": incident.alerts.iter().map(alert).collect::<Vec<_>>(),
        "timeline": incident.timeline.iter().map(entry).collect::<Vec<_>>(),
        "opened_at": incident.opened_at.rfc3339(),
        "resolved_at": instant(incident.resolved_at),
        "resolved_by": incident.closed_by,
        "acknowledged_by": incident.acknowledged_by,
        "snoozed_until": instant(incident.snoozed_until),
        "assigned_to": incident.assigned_to,
        "merged_into": incident.merged_into,
        "reopened": incident.reopened,
        "escalation": incident.escalation.as_ref().map(|escalation| json!({
            "policy": escalation.policy,
            "step": escalation.step,
            "round": escalation.round,
            "due": instant(escalation.due),
        })),
    })
}

fn alert(view: &AlertView) -> Value {
    let alert = &view.alert;
    json!({
        "labels": label_object(&alert.labels),
        "annotations": label_object(&alert.annotations),
        "fingerprint": format!("{:016x}", alert.labels.fingerprint()),
        "starts_at": alert.starts_at.rfc3339(),
        "ends_at": alert.ends_at.map(Timestamp::rfc3339),
        "state": view.state.as_str(),
        "silenced_by": view.silenced_by,
        "inhibited_by": view.inhibited_by,
        "muted_by": view.muted_by,
        "generator_url": &*alert.generator_url,
    })
}

fn entry(entry: &EntryView) -> Value {
    json!({
        "at": entry.at.rfc3339(),
        "what": entry.what,
        "who": entry.who,
        "detail": entry.detail,
        "key": entry.key,
        "code": entry.code,
        "tries": entry.tries,
    })
}

/// One answer, for one group of one alert.
pub(super) fn why(why: &WhyView) -> Value {
    let rule = why.rule.as_ref().map(|rule| {
        json!({
            "name": rule.name,
            "query": rule.query,
            "value": rule.value.filter(|value| value.is_finite()),
            "since": rule.since.map(Timestamp::rfc3339),
            "pending": rule.pending,
        })
    });
    json!({
        "alert": label_object(&why.alert),
        "at": why.at.rfc3339(),
        "since": why.since.map(Timestamp::rfc3339),
        "rule": rule,
        "route": why.route,
        "group": {"key": why.group_key, "next_send": why.next_send.map(Timestamp::rfc3339)},
        "verdict": why.verdict,
        "reason": why.reason,
        "by": why.by.iter().map(|by| by.what.as_str()).collect::<Vec<_>>(),
        "by_text": why.by.iter().map(|by| by.says.as_str()).collect::<Vec<_>>(),
        "says": sentence(why),
        "over": why.over,
        "incident_id": why.incident_id,
        "receivers": why.receivers.iter().map(receiver).collect::<Vec<_>>(),
    })
}

fn receiver(receiver: &ReceiverWhy) -> Value {
    let attempts = receiver.attempts.iter().map(|attempt| {
        json!({
            "at": attempt.at.rfc3339(),
            "key": attempt.key,
            "code": attempt.code,
            "error": attempt.error,
            "integration": attempt.integration,
            "tries": attempt.tries,
        })
    });
    json!({"name": receiver.name, "attempts": attempts.collect::<Vec<_>>()})
}

//! An event as JSON: what readers are told, and the row that keeps a published one.

use super::{AlertMoment, Event, Moment, Other, Priority, What, Word};
use crate::EventId;
use model::{ALERTNAME, Timestamp};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// An event as readers are told it.
pub fn event_json(event: &Event) -> Value {
    match &event.what {
        What::Task(moment) => moment_json(event.id, moment),
        What::Alert(moment) => alert_json(event, moment),
        What::Other(other) => json!({
            "event_id": event.id.to_string(),
            "event_type": other.type_,
            "priority": other.priority.as_str(),
            "source_agent": other.source,
            "trace_id": other.trace_id,
            "task_id": other.task_id,
            "payload": other.payload,
            "timestamp": other.at.rfc3339(),
            "metadata": other.metadata,
        }),
    }
}

fn alert_json(event: &Event, moment: &AlertMoment) -> Value {
    let severity = moment.labels.get("severity");
    let id = event.id.to_string();
    json!({
        "event_id": id,
        "event_type": event.type_(),
        "priority": severity.map_or(Priority::Medium, Priority::of_severity).as_str(),
        "source_agent": "tocsin",
        "trace_id": id,
        "task_id": null,
        "payload": {
            "alert_id": format!("{:016x}", moment.labels.fingerprint()),
            "alertname": moment.labels.get(ALERTNAME).unwrap_or(""),
            "severity": severity,
            "labels": &moment.labels,
            "annotations": &moment.annotations,
            "starts_at": moment.starts_at.rfc3339(),
        },
        "timestamp": event.id.at().rfc3339(),
        "metadata": {},
    })
}

fn moment_json(id: EventId, moment: &Moment) -> Value {
    let extra = moment.extra.as_deref();
    let task_id = moment.task_id.to_string();
    let run_id = moment.run_id.map(|run| run.to_string());
    let trace_id = extra.and_then(|extra| extra.trace_id.clone()).or_else(|| run_id.clone());
    let mut payload = Map::new();
    payload.insert("task_id".to_owned(), task_id.clone().into());
    payload.insert("run_id".to_owned(), run_id.into());
    payload.insert("status".to_owned(), status(moment.word).into());
    if !moment.kind.is_empty() {
        payload.insert("kind".to_owned(), (&*moment.kind).into());
    }
    if let Some(agent) = &moment.agent {
        payload.insert("assigned_to".to_owned(), (&**agent).into());
    }
    if moment.attempt > 0 {
        payload.insert("attempt".to_owned(), moment.attempt.into());
    }
    if let Some(worker) = &moment.worker {
        payload.insert("worker_id".to_owned(), (&**worker).into());
    }
    if let Some(error) = extra.and_then(|extra| extra.error.as_deref()) {
        payload.insert("error".to_owned(), error.into());
    }
    json!({
        "event_id": id.to_string(),
        "event_type": moment.word.type_(),
        "priority": Priority::of_task(moment.priority).as_str(),
        "source_agent": "tocsin",
        "trace_id": trace_id,
        "task_id": task_id,
        "payload": payload,
        "timestamp": id.at().rfc3339(),
        "metadata": {},
    })
}

/// The status that the task has then, in the words of typed tasks.
fn status(word: Word) -> &'static str {
    match word {
        Word::Created | Word::Pending | Word::Snoozed => "pending",
        Word::Assigned | Word::Due | Word::StepCompleted | Word::Retrying => "assigned",
        Word::Started | Word::InProgress => "in_progress",
        Word::Blocked => "blocked",
        Word::Completed => "completed",
        Word::Failed => "failed",
        Word::Cancelled => "cancelled",
    }
}

/// The row of a published event.
pub(super) fn row(other: &Other) -> Value {
    json!({
        "at": other.at.as_millis(),
        "type": other.type_,
        "priority": other.priority.as_str(),
        "source": other.source,
        "trace_id": other.trace_id,
        "task_id": other.task_id,
        "payload": other.payload,
        "metadata": other.metadata,
    })
}

/// From the row and its key; `None` if it is not one of ours.
pub(super) fn from_row(key: &str, row: &Value) -> Option<Event> {
    let text = |name: &str| row[name].as_str().map(str::to_owned);
    let other = Other {
        at: Timestamp::from_millis(row["at"].as_i64()?),
        type_: text("type")?,
        priority: Priority::parse(row["priority"].as_str()?)?,
        source: text("source")?,
        trace_id: text("trace_id"),
        task_id: text("task_id"),
        payload: row["payload"].clone(),
        metadata: row["metadata"].clone(),
    };
    Some(Event { id: EventId::parse(key)?, what: What::Other(Arc::new(other)) })
}

//! An approval as the store keeps it.

use super::{Approval, Delegation, Difference, Edit, GatedStep, OnExpiry, Outcome, Rank, Request, Vote};
use crate::{RunId, TaskId};
use model::Timestamp;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The row of an approval.
pub fn to_json(approval: &Approval) -> Value {
    let asked = &approval.asked;
    json!({
        "id": asked.id,
        "task_id": asked.task_id.to_string(),
        "run_id": asked.run_id.to_string(),
        "step": asked.step.as_ref().map(|step| json!({"index": step.index, "id": step.id, "item": step.item})),
        "task_type": asked.task_type,
        "priority": asked.priority,
        "title": asked.title,
        "reason": asked.reason,
        "requested_by": asked.requested_by,
        "requested_at": asked.requested_at.as_millis(),
        "needs": asked.needs.as_str(),
        "critical": asked.critical,
        "approvers": asked.approvers,
        "quorum": asked.quorum,
        "expires_at": asked.expires_at.as_millis(),
        "on_expiry": asked.on_expiry.as_str(),
        "payload": *asked.payload,
        "hash": asked.hash,
        // Apart from null, which is a payload too.
        "original": approval.original.as_deref().map(|original| json!([original])),
        "edits": approval.edits.iter().map(edit_row).collect::<Vec<_>>(),
        "votes": approval.votes.iter().map(vote_row).collect::<Vec<_>>(),
        "delegations": approval.delegations.iter().map(delegation_row).collect::<Vec<_>>(),
        "outcome": outcome_row(&approval.outcome),
    })
}

/// From [`to_json`]; `None` if it is none.
pub fn from_json(row: &Value) -> Option<Approval> {
    let text = |key: &str| row[key].as_str().map(str::to_owned);
    let time = |key: &str| row[key].as_i64().map(Timestamp::from_millis);
    let step = match &row["step"] {
        Value::Null => None,
        step => Some(GatedStep {
            index: u32::try_from(step["index"].as_u64()?).ok()?,
            id: string(&step["id"])?,
            item: step["item"].as_u64().and_then(|item| u32::try_from(item).ok()),
        }),
    };
    Some(Approval {
        asked: Request {
            id: text("id")?,
            task_id: TaskId::parse(row["task_id"].as_str()?)?,
            run_id: RunId::parse(row["run_id"].as_str()?)?,
            step,
            task_type: text("task_type")?,
            priority: text("priority")?,
            title: text("title")?,
            reason: text("reason")?,
            requested_by: text("requested_by")?,
            requested_at: time("requested_at")?,
            needs: if row["needs"] == Rank::Agent.as_str() { Rank::Agent } else { Rank::Operator },
            critical: row["critical"].as_bool()?,
            approvers: row["approvers"].as_array()?.iter().map(string).collect::<Option<_>>()?,
            quorum: u32::try_from(row["quorum"].as_u64()?).ok()?,
            expires_at: time("expires_at")?,
            on_expiry: OnExpiry::parse(row["on_expiry"].as_str()?)?,
            payload: Arc::new(row.get("payload")?.clone()),
            hash: text("hash")?,
        },
        original: row["original"].get(0).cloned().map(Arc::new),
        edits: rows(&row["edits"], edit)?,
        votes: rows(&row["votes"], vote)?,
        delegations: rows(&row["delegations"], delegation)?,
        outcome: outcome(&row["outcome"])?,
    })
}

fn string(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn at(value: &Value) -> Option<Timestamp> {
    value.as_i64().map(Timestamp::from_millis)
}

fn rows<T>(rows: &Value, read: impl Fn(&Value) -> Option<T>) -> Option<Vec<T>> {
    rows.as_array()?.iter().map(read).collect()
}

fn vote_row(vote: &Vote) -> Value {
    json!({
        "by": vote.by, "seat": vote.seat, "at": vote.at.as_millis(), "hash": vote.hash,
        "reason": vote.reason, "link": vote.link,
    })
}

fn vote(row: &Value) -> Option<Vote> {
    Some(Vote {
        by: string(&row["by"])?,
        seat: string(&row["seat"])?,
        at: at(&row["at"])?,
        hash: string(&row["hash"])?,
        reason: string(&row["reason"]),
        link: string(&row["link"]),
    })
}

fn delegation_row(one: &Delegation) -> Value {
    json!({"from": one.from, "to": one.to, "until": one.until.as_millis(), "at": one.at.as_millis()})
}

fn delegation(row: &Value) -> Option<Delegation> {
    Some(Delegation {
        from: string(&row["from"])?,
        to: string(&row["to"])?,
        until: at(&row["until"])?,
        at: at(&row["at"])?,
    })
}

fn edit_row(edit: &Edit) -> Value {
    let diff: Vec<Value> = edit.diff.iter().map(difference_row).collect();
    json!({"by": edit.by, "at": edit.at.as_millis(), "diff": diff})
}

/// `before` and `after` are absent where nothing was or is.
fn difference_row(one: &Difference) -> Value {
    let mut row = Map::new();
    row.insert("path".to_owned(), one.path.clone().into());
    for (key, value) in [("before", &one.before), ("after", &one.after)] {
        if let Some(value) = value {
            row.insert(key.to_owned(), value.clone());
        }
    }
    Value::Object(row)
}

fn edit(row: &Value) -> Option<Edit> {
    let difference = |one: &Value| {
        let (before, after) = (one.get("before").cloned(), one.get("after").cloned());
        Some(Difference { path: string(&one["path"])?, before, after })
    };
    Some(Edit { by: string(&row["by"])?, at: at(&row["at"])?, diff: rows(&row["diff"], difference)? })
}

fn outcome_row(outcome: &Outcome) -> Value {
    match outcome {
        Outcome::Pending => Value::Null,
        Outcome::Approved { at, by, reason } => {
            json!({"approved": by, "at": at.as_millis(), "reason": reason})
        }
        Outcome::Rejected { at, by, reason, link } => {
            json!({"rejected": by, "at": at.as_millis(), "reason": reason, "link": link})
        }
        Outcome::Timeout { at } => json!({"timeout": true, "at": at.as_millis()}),
        Outcome::Withdrawn { at, reason } => json!({"withdrawn": reason, "at": at.as_millis()}),
    }
}

fn outcome(row: &Value) -> Option<Outcome> {
    if row.is_null() {
        return Some(Outcome::Pending);
    }
    let at = at(&row["at"])?;
    let reason = string(&row["reason"]);
    Some(match row {
        _ if row["approved"].is_array() => {
            Outcome::Approved { at, by: rows(&row["approved"], string)?, reason }
        }
        _ if row["rejected"].is_string() => {
            Outcome::Rejected { at, by: string(&row["rejected"])?, reason, link: string(&row["link"]) }
        }
        _ if row["timeout"] == true => Outcome::Timeout { at },
        _ => Outcome::Withdrawn { at, reason: string(&row["withdrawn"])? },
    })
}

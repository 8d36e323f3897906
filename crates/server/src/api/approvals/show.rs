//! An approval as JSON.

use model::Timestamp;
use serde_json::{Map, Value, json};
use tasks::approval::{Approval, ApprovalStatus, Difference};

/// One approval, in the words of the documents that clients were written by, and beyond them.
pub(super) fn approval(approval: &Approval) -> Value {
    let (asked, status) = (&approval.asked, approval.status());
    let decided_by = approval.decided_by();
    let approved = status == ApprovalStatus::Approved;
    let rejected = status == ApprovalStatus::Rejected;
    let mut shown = json!({
        "approval_id": asked.id,
        "task_id": asked.task_id.to_string(),
        "task_type": asked.task_type,
        "priority": asked.priority,
        "reason": asked.reason,
        "approver": asked.approvers.first(),
        "status": status.as_str(),
        "requested_at": utc(asked.requested_at),
        "created_at": utc(asked.requested_at),
        "approved_at": approval.decided_at().filter(|_| approved).map(utc),
        "approved_by": approved.then(|| decided_by.join(", ")),
        "rejection_reason": rejected.then(|| approval.decided_why()),
        "decided_at": approval.decided_at().map(utc),
        "decided_by": decided_by,
        "decision_reason": approval.decided_why(),
    });
    let more = json!({
        "run_id": asked.run_id.to_string(),
        "step": asked.step.as_ref().map(|step| step.id.as_str()),
        "title": asked.title,
        "requested_by": asked.requested_by,
        "role": asked.needs.as_str(),
        "approvers": asked.approvers,
        "quorum": asked.quorum,
        "approvals": approval.counted().count(),
        "votes": approval.votes.iter().map(|vote| json!({
            "by": vote.by,
            "for": vote.seat,
            "at": utc(vote.at),
            "reason": vote.reason,
            "counts": vote.hash == asked.hash,
            "by_link": vote.link.is_some(),
        })).collect::<Vec<_>>(),
        "delegations": approval.delegations.iter().map(|one| json!({
            "from": one.from, "to": one.to, "until": utc(one.until), "at": utc(one.at),
        })).collect::<Vec<_>>(),
        "expires_at": utc(asked.expires_at),
        "on_expiry": asked.on_expiry.as_str(),
        "payload": *asked.payload,
        "original_payload": approval.original.as_deref(),
        "edits": approval.edits.iter().map(|edit| json!({
            "by": edit.by, "at": utc(edit.at), "diff": edit.diff.iter().map(difference).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "hash": asked.hash,
    });
    if let (Value::Object(shown), Value::Object(more)) = (&mut shown, more) {
        shown.extend(more);
    }
    shown
}

/// `before` and `after` are absent where nothing was or is.
fn difference(one: &Difference) -> Value {
    let mut shown = Map::new();
    shown.insert("path".to_owned(), one.path.clone().into());
    for (key, value) in [("before", &one.before), ("after", &one.after)] {
        if let Some(value) = value {
            shown.insert(key.to_owned(), value.clone());
        }
    }
    Value::Object(shown)
}

/// ISO 8601 with `+00:00`, which old parsers of Python take and `Z` they do not.
pub(super) fn utc(at: Timestamp) -> String {
    at.rfc3339().replace('Z', "+00:00")
}

//! `/approvals`.

use super::operation::Operation;
use super::schema::*;
use axum::http::Method;
use serde_json::{Value, json};

pub(super) const SAYS: &str =
    "What waits for persons, what they decide, and the links that are sent to them.";

const SECONDS_MAX: u64 = 366 * 86_400;

pub(super) fn describe(method: &Method, path: &str) -> Option<Operation> {
    let limit = |operation: Operation| operation.query("limit", "How many", whole(1, 1000)).refuses(&[422]);
    let list_of_all = || list(of("Approval"));
    Some(match (method.as_str(), path) {
        ("GET", "/approvals/pending") => limit(Operation::gives(super::done([
            ("count", count()),
            ("total", count()),
            ("approvals", list_of_all()),
        ]))),
        ("GET", "/approvals/history") => {
            limit(Operation::gives(super::done([("count", count()), ("history", list_of_all())])))
        }
        ("GET", "/approvals/{id}") => {
            Operation::gives(super::done([("approval", of("Approval"))])).refuses(&[404])
        }
        ("POST", "/approvals/{id}/approve") => decision().may_take(
            closed(object(
                [],
                [
                    ("reason", or_null(text_of(0, 2000))),
                    ("payload", anything()),
                    ("hash", or_null(text_of(0, 100))),
                ],
            )),
            json!({"as_it_is": {"reason": "tested on staging"}, "edited": {"payload": {"replicas": 2}}}),
        ),
        ("POST", "/approvals/{id}/reject") => decision().query("reason", "Why", text()).may_take(
            closed(object([], [("reason", or_null(text_of(0, 2000))), ("hash", or_null(text_of(0, 100)))])),
            json!({"why": {"reason": "not on a Friday"}}),
        ),
        ("POST", "/approvals/{id}/delegate") => decision().takes(
            closed(whole_object([("to", text_of(1, 100)), ("until", instant())])),
            json!({"while_away": {"to": "kim", "until": "2030-01-31T12:00:00Z"}}),
        ),
        ("POST", "/approvals/{id}/links") => links(),
        _ => return None,
    })
}

fn decision() -> Operation {
    Operation::gives(super::done([
        ("approval_id", text()),
        ("message", text()),
        ("status", of("ApprovalStatus")),
        ("approvals", count()),
        ("quorum", count()),
        ("hash", text()),
    ]))
    .once()
    .refuses(&[404, 409])
}

fn links() -> Operation {
    Operation::gives(super::done([
        ("approval_id", text()),
        ("recipient", text()),
        ("expires_at", instant()),
        ("approve_url", text()),
        ("reject_url", text()),
    ]))
    .takes(
        closed(object(
            [("recipient", text_of(1, 100))],
            [("expires_seconds", or_null(above_zero(SECONDS_MAX)))],
        )),
        json!({"for_one": {"recipient": "kim", "expires_seconds": 3600}}),
    )
    .refuses(&[404, 409])
}

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let status = word(&["pending", "approved", "rejected", "timeout"]);
    vec![("ApprovalStatus", status), ("Approval", approval())]
}

fn approval() -> Value {
    let vote = whole_object([
        ("by", text()),
        ("for", text()),
        ("at", instant()),
        ("reason", or_null(text())),
        ("counts", flag()),
        ("by_link", flag()),
    ]);
    let delegation =
        whole_object([("from", text()), ("to", text()), ("until", instant()), ("at", instant())]);
    let difference = object([("path", text())], [("before", anything()), ("after", anything())]);
    let edit = whole_object([("by", text()), ("at", instant()), ("diff", list(difference))]);
    whole_object([
        ("approval_id", text()),
        ("task_id", text()),
        ("task_type", text()),
        ("priority", text()),
        ("reason", text()),
        ("approver", or_null(text())),
        ("status", of("ApprovalStatus")),
        ("requested_at", instant()),
        ("created_at", instant()),
        ("approved_at", or_null(instant())),
        ("approved_by", or_null(text())),
        ("rejection_reason", or_null(text())),
        ("decided_at", or_null(instant())),
        ("decided_by", list(text())),
        ("decision_reason", or_null(text())),
        ("run_id", text()),
        ("step", or_null(text())),
        ("title", text()),
        ("requested_by", text()),
        ("role", word(&["agent", "operator"])),
        ("approvers", list(text())),
        ("quorum", count()),
        ("approvals", count()),
        ("votes", list(vote)),
        ("delegations", list(delegation)),
        ("expires_at", instant()),
        ("on_expiry", word(&["approve", "reject"])),
        ("payload", anything()),
        ("original_payload", anything()),
        ("edits", list(edit)),
        ("hash", text()),
    ])
}

//! The types that everybody knows, and how urgent each is where nobody says. Types are an open set: any other is
//! taken, kept and told as it is.

use super::Priority;
use serde_json::Value;

/// The types that the documents name.
pub const KNOWN: [&str; 31] = [
    "task.created",
    "task.assigned",
    "task.started",
    "task.completed",
    "task.failed",
    "task.cancelled",
    "issue.created",
    "issue.updated",
    "issue.closed",
    "pr.opened",
    "pr.merged",
    "pr.closed",
    "pr.review_requested",
    "deploy.started",
    "deploy.succeeded",
    "deploy.failed",
    "deploy.rolled_back",
    "alert.triggered",
    "alert.ack",
    "alert.resolved",
    "kb.updated",
    "kb.gap_detected",
    "sla.violation",
    "sla.warning",
    "health.degraded",
    "health.recovered",
    "ci.started",
    "ci.passed",
    "ci.failed",
    // Two that the documents only use in examples.
    "deployment.completed",
    "error.occurred",
];

/// How urgent an event is that does not say so itself: an alert as severe as it is, a deploy high.
pub fn priority_of(type_: &str, payload: &Value) -> Priority {
    let family = type_.split('.').next().unwrap_or("");
    match (family, type_) {
        ("alert", _) => payload["severity"].as_str().map_or(Priority::Medium, Priority::of_severity),
        ("deploy" | "deployment", _) => Priority::High,
        (_, "sla.violation" | "health.degraded" | "ci.failed" | "task.failed" | "error.occurred") => {
            Priority::High
        }
        (_, "worker.lost") => Priority::High,
        _ => Priority::Medium,
    }
}

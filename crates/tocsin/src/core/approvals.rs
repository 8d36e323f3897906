//! What is counted and logged of approvals.

use super::Core;
use std::{collections::BTreeMap, time::Duration};
use tasks::{Approval, ApprovalStatus};

/// Approvals since the start.
#[derive(Debug, Default, Clone)]
pub struct Counts {
    /// Asked for.
    pub requested: u64,
    /// Decided: `approved`, `rejected`, `timeout`, or `withdrawn` with its task.
    pub decided: BTreeMap<&'static str, u64>,
    /// From the request to the decision.
    pub waits: Waits,
}

/// Bounds of the histogram of waits, in seconds: a minute to a day.
pub const WAIT_BOUNDS: [u32; 7] = [60, 300, 900, 3600, 14_400, 43_200, 86_400];

/// Times, as a histogram over [`WAIT_BOUNDS`].
#[derive(Debug, Default, Clone)]
pub struct Waits {
    /// How many were at most each bound, not cumulated.
    pub buckets: [u64; WAIT_BOUNDS.len()],
    /// How many in all.
    pub count: u64,
    /// Their sum in seconds.
    pub sum: f64,
}

impl Waits {
    fn add(&mut self, took: Duration) {
        if let Some(bucket) = WAIT_BOUNDS.iter().position(|bound| took.as_secs_f64() <= f64::from(*bound)) {
            self.buckets[bucket] += 1;
        }
        self.count += 1;
        self.sum += took.as_secs_f64();
    }
}

impl Counts {
    /// Of those that persons decided or let run out, which part was approved; `None` if there are none.
    pub fn rate(&self) -> Option<f64> {
        let of = |word| self.decided.get(word).copied().unwrap_or(0) as f64;
        let approved = of(ApprovalStatus::Approved.as_str());
        let all = approved + of(ApprovalStatus::Rejected.as_str()) + of(ApprovalStatus::Timeout.as_str());
        (all > 0.0).then(|| approved / all)
    }
}

impl Core {
    pub(super) fn approval_requested(&mut self, approval: &Approval) {
        self.counts.approvals.requested += 1;
        let asked = &approval.asked;
        tracing::info!(
            event = "approval_requested",
            approval_id = asked.id,
            "Approval {} requested by {}: {}",
            asked.id,
            asked.requested_by,
            asked.reason
        );
    }

    pub(super) fn approval_decided(&mut self, approval: &Approval) {
        let word = if approval.is_withdrawn() { "withdrawn" } else { approval.status().as_str() };
        *self.counts.approvals.decided.entry(word).or_default() += 1;
        let at = approval.decided_at().unwrap_or(approval.asked.requested_at);
        self.counts.approvals.waits.add(at.since(approval.asked.requested_at));
        let (id, by) = (&approval.asked.id, approval.decided_by().join(", "));
        tracing::info!(
            event = "approval_decided",
            approval_id = id,
            decision = word,
            by,
            "Approval {id}: {word}"
        );
    }
}

//! Escalation: who else is told, and when, as long as nobody takes an incident on.
//!
//! A policy is a list of steps; each tells somebody and then waits. After the last step it begins again, up to
//! `repeat` times, and each time around all waits are twice as long, so that reminders grow rarer. It acts only where a
//! route or a pack names it.

use model::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// The longest that a repeated step waits, unless its own wait is longer.
const WAIT_MAX: Duration = Duration::from_secs(4 * 60 * 60);

/// Whom a step tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tell {
    /// The route's own receiver, once more.
    Again,
    /// A receiver.
    Receiver(String),
    /// Whoever is on call by this schedule.
    OnCall(String),
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Whom it tells.
    pub tell: Tell,
    /// How long it waits for somebody to take the incident on.
    pub wait: Duration,
}

/// Steps in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// Its steps; at least one.
    pub steps: Vec<Step>,
    /// How often it begins again after its last step; `None`: until somebody takes the incident on.
    pub repeat: Option<u32>,
}

/// Policies by name.
pub type Policies = BTreeMap<String, Policy>;

/// The ready-made policies: they remind the route's own receiver in the time within which an incident of that severity
/// wants an answer. A file may define another under the same name.
pub fn ready_made() -> Policies {
    let minutes = |list: &[u64]| -> Vec<Step> {
        // The first step is the page itself.
        list.iter().map(|n| Step { tell: Tell::Again, wait: Duration::from_secs(60 * n) }).collect()
    };
    let policies = [("sev0", minutes(&[2, 3])), ("sev1", minutes(&[15])), ("sev2", minutes(&[30]))];
    let policies = policies.into_iter().chain([("sev3", minutes(&[120]))]);
    policies
        .map(|(name, steps)| (name.to_owned(), Policy { name: name.to_owned(), steps, repeat: None }))
        .collect()
}

/// How far an incident's escalation has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Escalating {
    /// The policy.
    pub policy: String,
    /// The step that comes next, from 0.
    pub step: u32,
    /// How often it began again.
    pub round: u32,
    /// When the step is due; `None`: it rests, or has come to its end.
    pub due: Option<Timestamp>,
    /// While it rests: how long it still had to wait.
    pub left: Option<Duration>,
}

impl Escalating {
    /// Its first step is due.
    pub(crate) fn begin(policy: &str, now: Timestamp) -> Escalating {
        Escalating { policy: policy.to_owned(), step: 0, round: 0, due: Some(now), left: None }
    }

    /// The step that is due at `now`, taken: its wait begins.
    pub(crate) fn take<'a>(&mut self, policy: &'a Policy, now: Timestamp) -> Option<&'a Step> {
        self.due.filter(|due| *due <= now)?;
        // A reload may have left fewer steps than were taken.
        let at = (self.step as usize).min(policy.steps.len().checked_sub(1)?);
        let step = &policy.steps[at];
        self.due = Some(now.plus(grown(step.wait, self.round)));
        self.step = at as u32 + 1;
        if at + 1 == policy.steps.len() {
            (self.step, self.round) = (0, self.round + 1);
            if policy.repeat.is_some_and(|repeat| self.round > repeat) {
                self.due = None;
            }
        }
        Some(step)
    }

    pub(crate) fn pause(&mut self, now: Timestamp) {
        if let Some(due) = self.due.take() {
            self.left = Some(due.since(now));
        }
    }

    pub(crate) fn resume(&mut self, now: Timestamp) {
        if let Some(left) = self.left.take() {
            self.due = Some(now.plus(left));
        }
    }
}

/// A wait the n-th time around.
fn grown(wait: Duration, round: u32) -> Duration {
    let longer = wait.saturating_mul(1u32.checked_shl(round.min(31)).unwrap_or(u32::MAX));
    longer.min(WAIT_MAX.max(wait))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes_of(policy: &Policy, count: usize) -> Vec<(u64, Tell)> {
        let start = Timestamp::from_millis(0);
        let mut escalating = Escalating::begin(&policy.name, start);
        let mut steps = Vec::new();
        while let Some(due) = escalating.due.filter(|_| steps.len() < count) {
            let step = escalating.take(policy, due).expect("it is due");
            steps.push((due.since(start).as_secs() / 60, step.tell.clone()));
        }
        steps
    }

    #[test]
    fn reminders_grow_until_the_bound() {
        let ready = ready_made();
        let at = |name: &str, count| {
            minutes_of(&ready[name], count).into_iter().map(|(minute, _)| minute).collect::<Vec<_>>()
        };
        assert_eq!(at("sev0", 6), [0, 2, 5, 9, 15, 23]);
        assert_eq!(at("sev1", 4), [0, 15, 45, 105]);
        assert_eq!(at("sev2", 3), [0, 30, 90]);
        assert_eq!(at("sev3", 4), [0, 120, 360, 600], "at most four hours apart");
    }

    #[test]
    fn it_ends_after_its_repeats_and_rests_in_between() {
        let step = |name: &str, secs| Step {
            tell: Tell::Receiver(name.to_owned()),
            wait: Duration::from_secs(secs),
        };
        let policy =
            Policy { name: "p".to_owned(), steps: vec![step("a", 60), step("b", 120)], repeat: Some(1) };
        let told: Vec<u64> = minutes_of(&policy, 10).into_iter().map(|(minute, _)| minute).collect();
        assert_eq!(told, [0, 1, 3, 5]);

        let at = |secs: i64| Timestamp::from_millis(secs * 1000);
        let mut escalating = Escalating::begin("p", at(0));
        escalating.take(&policy, at(0));
        escalating.pause(at(20));
        assert_eq!(escalating.due, None);
        escalating.resume(at(1000));
        assert_eq!(escalating.due, Some(at(1040)), "the rest of the wait");
        let few = Policy { steps: vec![step("a", 60)], ..policy };
        assert!(escalating.take(&few, at(1040)).is_some(), "a reload left one step");
    }
}

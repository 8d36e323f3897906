//! A run's states and the one function that moves between them.

/// Where a run is. Drawn in `docs/state-machines.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RunState {
    /// Its time has not come.
    Scheduled,
    /// A person must agree first.
    AwaitingApproval,
    /// A worker may claim it.
    Available,
    /// A worker has it, under a lease.
    Running,
    /// It failed and waits to be tried again.
    Retryable,
    /// Final: done.
    Completed,
    /// Final: somebody stopped it.
    Cancelled,
    /// Final: given up; kept for a person to look at.
    Dead,
}

/// What can happen to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RunEvent {
    /// Its time came (the first, or that of the next try).
    Due,
    /// Persons must agree before it goes on.
    Ask,
    /// Its approval was recorded.
    Approved,
    /// A worker took it.
    Claimed,
    /// The attempt succeeded and nothing is left to do.
    Done,
    /// The attempt succeeded and a further pipeline step is due.
    StepDone,
    /// The attempt failed, or its lease ran out, and tries are left.
    Retry,
    /// The attempt asks to be started again later; costs no try.
    Snooze,
    /// The attempt failed for good, or was the last one.
    GiveUp,
    /// Somebody put it off; costs no try.
    Hold,
    /// A time within which it had to begin or to end is over.
    Expire,
    /// Somebody stopped it.
    Cancel,
}

/// The event does not apply in this state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a run that is {state:?} cannot take {event:?}")]
pub struct NotApplicable {
    /// Where the run is.
    pub state: RunState,
    /// What was asked of it.
    pub event: RunEvent,
}

impl RunState {
    /// The state after `event`.
    pub fn next(self, event: RunEvent) -> Result<RunState, NotApplicable> {
        use RunEvent::*;
        use RunState::*;
        Ok(match (self, event) {
            (Scheduled | Retryable, Due) => Available,
            (Scheduled | Available, Ask) => AwaitingApproval,
            (AwaitingApproval, Approved) => Available,
            (Available, Claimed) => Running,
            (Running, Done) => Completed,
            // A pipeline whose remaining steps are all skipped never meets a worker.
            (Available, Done) => Completed,
            (Running, StepDone) => Available,
            (Running, Retry) => Retryable,
            (Running, Snooze) => Scheduled,
            (Running, GiveUp) => Dead,
            // Its arguments cannot be filled in.
            (Available, GiveUp) => Dead,
            (Available | Running | Retryable | Scheduled, Hold) => Scheduled,
            (Scheduled | AwaitingApproval | Available | Running | Retryable, Expire) => Dead,
            (Scheduled | AwaitingApproval | Available | Running | Retryable, Cancel) => Cancelled,
            _ => return Err(NotApplicable { state: self, event }),
        })
    }

    /// Whether nothing can happen to it any more.
    pub fn is_final(self) -> bool {
        matches!(self, RunState::Completed | RunState::Cancelled | RunState::Dead)
    }

    /// As the API and the store write it: `awaiting_approval`.
    pub fn as_str(self) -> &'static str {
        match self {
            RunState::Scheduled => "scheduled",
            RunState::AwaitingApproval => "awaiting_approval",
            RunState::Available => "available",
            RunState::Running => "running",
            RunState::Retryable => "retryable",
            RunState::Completed => "completed",
            RunState::Cancelled => "cancelled",
            RunState::Dead => "dead",
        }
    }

    /// From [`RunState::as_str`].
    pub fn parse(text: &str) -> Option<RunState> {
        use RunState::*;
        [Scheduled, AwaitingApproval, Available, Running, Retryable, Completed, Cancelled, Dead]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn final_states_take_nothing() {
        use RunEvent::*;
        let events =
            [Due, Ask, Approved, Claimed, Done, StepDone, Retry, Snooze, GiveUp, Hold, Expire, Cancel];
        for state in [RunState::Completed, RunState::Cancelled, RunState::Dead] {
            for event in events {
                assert_eq!(state.next(event), Err(NotApplicable { state, event }));
            }
        }
    }

    #[test]
    fn every_word_reads_back() {
        for word in [
            "scheduled",
            "awaiting_approval",
            "available",
            "running",
            "retryable",
            "completed",
            "cancelled",
            "dead",
        ] {
            assert_eq!(RunState::parse(word).map(RunState::as_str), Some(word));
        }
        assert_eq!(RunState::parse("done"), None);
    }
}

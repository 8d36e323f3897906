//! What a tool answered: an outcome for the run, a verdict for its breaker, a word for its figures.

use crate::args::Trouble;
use crate::breaker::Ended;
use crate::schema::Schema;
use std::time::Duration;
use tasks::{Misfit, Outcome, RunError};

pub(super) struct Answer {
    pub outcome: Outcome,
    pub ended: Ended,
    pub code: String,
}

impl Answer {
    /// It is done; `code` is the status or `ok`.
    pub(super) fn done(value: serde_json::Value, code: impl Into<String>) -> Answer {
        Answer { outcome: Outcome::Done(value), ended: Ended::Well, code: code.into() }
    }

    /// The tool answered, and it is no: its own words, not its failure.
    pub(super) fn refused(trouble: Trouble, code: impl Into<String>) -> Answer {
        Answer { ended: Ended::Well, code: code.into(), ..Answer::from(trouble) }
    }

    /// The tool failed with a status.
    pub(super) fn failed(trouble: Trouble, code: impl Into<String>) -> Answer {
        Answer { ended: Ended::Badly, code: code.into(), ..Answer::from(trouble) }
    }

    pub(super) fn timeout(tool: &str, limit: Duration) -> Answer {
        Answer::from(Trouble::again("timeout", format!("{tool} timed out after {limit:?}")))
    }

    /// What an action of ours came to.
    pub(super) fn of_action(outcome: Outcome) -> Answer {
        let (ended, code) = match &outcome {
            Outcome::Done(_) => (Ended::Well, "ok".to_owned()),
            Outcome::Snooze(_) => (Ended::Unknown, "snooze".to_owned()),
            Outcome::Retry { error, .. } => (Ended::Badly, error.kind.clone()),
            Outcome::Failed(error) => (Ended::Well, error.kind.clone()),
        };
        Answer { outcome, ended, code }
    }

    /// Something does not fit what is declared.
    pub(super) fn misfit(kind: &str, of: &str, misfit: &Misfit) -> Answer {
        Answer::from(Trouble::last(kind, format!("{of}{}: {}", misfit.path, misfit.what)))
    }

    /// The same, unless its result does not fit: a tool that does not keep its word has failed.
    pub(super) fn checked(self, output: Option<&Schema>) -> Answer {
        match (&self.outcome, output) {
            (Outcome::Done(value), Some(schema)) => match schema.check(value) {
                Ok(()) => self,
                Err(misfit) => {
                    Answer { ended: Ended::Badly, ..Answer::misfit("bad_output", "result", &misfit) }
                }
            },
            _ => self,
        }
    }
}

impl From<Trouble> for Answer {
    /// Trouble that may pass counts against the tool; trouble of the caller's own making counts for nothing.
    fn from(trouble: Trouble) -> Answer {
        let (ended, code, outcome) = match trouble {
            Trouble::Again(error, after) => {
                (Ended::Badly, error.kind.clone(), Outcome::Retry { error, after })
            }
            Trouble::Final(error) => (Ended::Unknown, error.kind.clone(), Outcome::Failed(error)),
        };
        Answer { outcome, ended, code }
    }
}

impl From<reach::Error> for Answer {
    fn from(error: reach::Error) -> Answer {
        Answer::from(Trouble::from(error))
    }
}

/// Trouble in a tool's own words.
pub(super) fn told(kind: impl Into<String>, message: String) -> RunError {
    RunError { kind: kind.into(), message: message.chars().take(500).filter(|c| !c.is_control()).collect() }
}

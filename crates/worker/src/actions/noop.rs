//! Nothing, and its arguments back.

use tasks::{Action, Attempt, Outcome, Running};

pub(super) struct Noop(pub String);

impl Action for Noop {
    fn kind(&self) -> &str {
        &self.0
    }

    fn run(&self, attempt: Attempt) -> Running<'_> {
        Box::pin(std::future::ready(Outcome::Done(attempt.args.value())))
    }
}

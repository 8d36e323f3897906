//! The run that sends a page.

use crate::{Error, PAGE_KIND, Registry, page_from_json};
use model::Clock;
use serde_json::json;
use std::sync::Arc;
use tasks::{Action, Attempt, Outcome, RunError, Running};

/// Sends the page in its arguments. Bears being run twice: the page's key tells the receiver.
pub struct PageAction {
    registry: Arc<Registry>,
    clock: Arc<dyn Clock>,
}

impl PageAction {
    /// Sends by `registry`.
    pub fn new(registry: Arc<Registry>, clock: Arc<dyn Clock>) -> PageAction {
        PageAction { registry, clock }
    }

    async fn send(&self, attempt: Attempt) -> Result<Outcome, Error> {
        let page = page_from_json(&attempt.args).ok_or(Error::NoPage)?;
        self.registry.send(&page, self.clock.now()).await?;
        Ok(Outcome::Done(
            json!({ "receiver": page.receiver, "integration": page.integration, "key": page.key }),
        ))
    }
}

impl Action for PageAction {
    fn kind(&self) -> &str {
        PAGE_KIND
    }

    fn run(&self, attempt: Attempt) -> Running<'_> {
        Box::pin(async move { self.send(attempt).await.unwrap_or_else(|error| outcome(&error)) })
    }
}

pub(crate) fn outcome(error: &Error) -> Outcome {
    let told = RunError { kind: error.code().to_owned(), message: error.to_string() };
    let after = match error {
        Error::Refused { after, .. } => *after,
        _ => None,
    };
    if error.is_temporary() { Outcome::Retry { error: told, after } } else { Outcome::Failed(told) }
}

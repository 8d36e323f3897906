//! The run that sends a page.

use crate::page_json::{Said, page_to_text, read_args};
use crate::{Error, PAGE_KIND, Registry, Told};
use model::{Clock, Json, Links, Page};
use serde_json::json;
use std::sync::Arc;
use tasks::{Action, Attempt, Outcome, RunError, Running};

/// The arguments of a page's run: the page, and what the last page of its group to the same integration left, which
/// that page's run has in its result as [`KEPT`].
pub fn page_args(page: &Page, kept: Option<&Json>) -> Json {
    page_to_text(page, kept.filter(|kept| **kept != Json::null()))
}

/// Where a page's arguments and its run's result hold what goes from one page to the next.
pub const KEPT: &str = "kept";
/// Where a page's arguments name who has taken its alerts on, if that is what the page tells.
pub const ACKNOWLEDGED_BY: &str = "acknowledged_by";

/// Sends the page in its arguments. Bears being run twice: the page's key tells the receiver.
pub struct PageAction {
    registry: Arc<Registry>,
    clock: Arc<dyn Clock>,
    links: Linker,
}

/// Says where a page points to.
pub type Linker = Arc<dyn Fn(&Page) -> Links + Send + Sync>;

impl PageAction {
    /// Sends by `registry`; pages that point nowhere get their links from `links`.
    pub fn new(registry: Arc<Registry>, clock: Arc<dyn Clock>, links: Linker) -> PageAction {
        PageAction { registry, clock, links }
    }

    async fn send(&self, attempt: Attempt) -> Result<Outcome, Error> {
        let Said { mut page, kept, acknowledged_by } = read_args(&attempt.args).ok_or(Error::NoPage)?;
        let told = Told { kept: &kept, acknowledged_by: acknowledged_by.as_deref() };
        if page.links == Links::default() {
            page.links = (self.links)(&page);
        }
        let sent = self.registry.send(&page, told, self.clock.now()).await?;
        let mut result =
            json!({ "receiver": page.receiver, "integration": page.integration, "key": page.key });
        if !sent.keep.is_null() {
            result[KEPT] = sent.keep;
        }
        Ok(Outcome::Done(result))
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

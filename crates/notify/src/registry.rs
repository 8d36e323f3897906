//! Who can be sent to right now. A reload swaps the whole; a page under way keeps what it started with.

use crate::receivers::{Receivers, Way};
use crate::{Error, console, diagnosis};
use model::{Page, Timestamp};
use reach::http::{Client, Request, Response};
use std::{
    sync::{Arc, RwLock},
    time::Duration,
};
use template::Set;

/// The receivers, the templates and the connection they send by.
pub struct Registry {
    client: Client,
    /// Swapped on reload; held for a clone only.
    current: RwLock<Arc<Current>>,
}

struct Current {
    receivers: Receivers,
    templates: Set,
}

/// What a sender needs besides its own settings.
pub(crate) struct Sending<'a> {
    pub client: &'a Client,
    pub templates: &'a Set,
    pub now: Timestamp,
}

impl Registry {
    /// A registry that sends by `client`.
    pub fn new(client: Client, receivers: Receivers, templates: Set) -> Registry {
        Registry { client, current: RwLock::new(Arc::new(Current { receivers, templates })) }
    }

    /// Puts others in their place.
    pub fn replace(&self, receivers: Receivers, templates: Set) {
        let next = Arc::new(Current { receivers, templates });
        *self.current.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = next;
    }

    /// The integrations of a receiver; none if there is no such receiver.
    pub fn integrations(&self, receiver: &str) -> Vec<String> {
        let current = self.current.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
        let shape = current.receivers.shapes().into_iter().find(|shape| shape.name == receiver);
        shape.into_iter().flat_map(|shape| shape.integrations).map(|one| one.name).collect()
    }

    /// Sends `page` to the integration it names.
    pub async fn send(&self, page: &Page, now: Timestamp) -> Result<(), Error> {
        let current = self.current.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
        let Some(integration) = current.receivers.get(&page.receiver, &page.integration) else {
            let (receiver, integration) = (page.receiver.clone(), page.integration.clone());
            return Err(Error::Gone { receiver, integration });
        };
        let page = diagnosis::annotated(page);
        let sending = Sending { client: &self.client, templates: &current.templates, now };
        match &integration.way {
            Way::Webhook(webhook) => webhook.send(&page, &sending).await,
            Way::Slack(slack) => slack.send(&page, &sending).await,
            Way::Console => console::send(&page),
            Way::NotYet => Err(Error::NotYet { integration: page.integration.clone() }),
        }
    }
}

impl Sending<'_> {
    /// Posts, and takes 2xx as done.
    pub async fn post(&self, request: Request, client: &Client) -> Result<Response, Error> {
        let host = request.url.host_str().unwrap_or("").to_owned();
        let response = client.send(request).await?;
        if response.is_success() { Ok(response) } else { Err(refusal(host, &response)) }
    }

    /// Fills in a template of the user's own, which may fail over data that it did not expect. The page leaves
    /// all the same, with `fallback` in its place, and says what is wrong where there is no fallback.
    pub fn text_or(
        &self,
        field: &'static str,
        own: Option<&str>,
        fallback: &str,
        data: &serde_json::Value,
    ) -> Result<String, Error> {
        let Some(own) = own else { return self.text(field, fallback, data) };
        self.text(field, own, data).or_else(|error| {
            let instead = self.text(field, fallback, data)?;
            Ok(if instead.is_empty() { error.to_string() } else { instead })
        })
    }

    /// Fills in a template.
    pub fn text(
        &self,
        field: &'static str,
        template: &str,
        data: &serde_json::Value,
    ) -> Result<String, Error> {
        if !template.contains("{{") {
            return Ok(template.to_owned());
        }
        let text = self.templates.text(template, data, self.now);
        text.map_err(|why| Error::Template { field, why: why.to_string() })
    }
}

/// The longest wait that a receiver can ask of us.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);

pub(crate) fn refusal(host: String, response: &Response) -> Error {
    let body = String::from_utf8_lossy(&response.body);
    let body = body.chars().take(200).filter(|c| !c.is_control()).collect();
    let after = response.retry_after().map(|after| after.min(RETRY_AFTER_MAX));
    Error::Refused { host, status: response.status, body, after }
}

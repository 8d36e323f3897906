//! Who can be sent to right now. A reload swaps the whole; a page under way keeps what it started with.

use crate::receivers::{Integration, Receivers};
use crate::sending::{Act, Preview, Sending};
use crate::{Error, Sent, Shown, diagnosis};
use model::{Page, Timestamp};
use reach::http::Client;
use serde_json::Value;
use std::sync::{Arc, RwLock};
use template::Set;

/// The receivers, the templates and the connections they send by.
pub struct Registry {
    client: Client,
    mail: reach::smtp::Client,
    /// Swapped on reload; held for a clone only.
    current: RwLock<Arc<Current>>,
}

struct Current {
    receivers: Receivers,
    templates: Set,
}

/// What there is to tell of a page.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// What the page before left: [`Sent::keep`].
    pub kept: &'a Value,
    /// Who has taken its alerts on, if that is the news.
    pub acknowledged_by: Option<&'a str>,
}

impl Told<'_> {
    /// The first page of a group.
    pub const FIRST: Told<'static> = Told { kept: &Value::Null, acknowledged_by: None };
}

impl Registry {
    /// A registry that sends by `client`, and mail under the same guard.
    pub fn new(client: Client, receivers: Receivers, templates: Set) -> Registry {
        let mail = reach::smtp::Client::new(client.guard().clone());
        Registry { client, mail, current: RwLock::new(Arc::new(Current { receivers, templates })) }
    }

    /// Puts others in their place.
    pub fn replace(&self, receivers: Receivers, templates: Set) {
        let next = Arc::new(Current { receivers, templates });
        *self.current.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = next;
    }

    /// The integrations of a receiver; none if there is no such receiver.
    pub fn integrations(&self, receiver: &str) -> Vec<String> {
        let shape = self.current().receivers.shapes().into_iter().find(|shape| shape.name == receiver);
        shape.into_iter().flat_map(|shape| shape.integrations).map(|one| one.name).collect()
    }

    /// Sends `page` to the integration it names.
    pub async fn send(&self, page: &Page, told: Told<'_>, now: Timestamp) -> Result<Sent, Error> {
        let current = self.current();
        let sending = self.sending(&current, told, now, None);
        find(&current.receivers, page)?.way.send(&diagnosis::annotated(page), &sending).await
    }

    /// What would be sent for `page`, message by message, without sending and without secrets.
    pub async fn preview(&self, page: &Page, now: Timestamp) -> Result<Vec<Shown>, Error> {
        let current = self.current();
        let preview = Preview::default();
        let sending = self.sending(&current, Told::FIRST, now, Some(&preview));
        find(&current.receivers, page)?.way.send(&diagnosis::annotated(page), &sending).await?;
        Ok(preview.into_shown())
    }

    /// A template of one's own, filled in for `page` as plain text.
    pub fn fill(&self, template: &str, page: &Page, now: Timestamp) -> Result<String, Error> {
        let data = template::page_data(&diagnosis::annotated(page));
        let filled = self.current().templates.text(template, &data, now);
        filled.map_err(|why| Error::Template { field: "the command line", why: why.to_string() })
    }

    fn sending<'a>(
        &'a self,
        current: &'a Current,
        told: Told<'a>,
        now: Timestamp,
        preview: Option<&'a Preview>,
    ) -> Sending<'a> {
        Sending {
            client: &self.client,
            mail: &self.mail,
            templates: &current.templates,
            now,
            act: told.acknowledged_by.map_or(Act::Alerts, Act::Acknowledged),
            kept: told.kept,
            preview,
        }
    }

    fn current(&self) -> Arc<Current> {
        self.current.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }
}

fn find<'a>(receivers: &'a Receivers, page: &Page) -> Result<&'a Integration, Error> {
    receivers.get(&page.receiver, &page.integration).ok_or_else(|| {
        let (receiver, integration) = (page.receiver.clone(), page.integration.clone());
        Error::Gone { receiver, integration }
    })
}

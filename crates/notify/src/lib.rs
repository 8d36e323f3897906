//! Sending a page: one file per receiver, each a function from a [`model::Page`] to a message on the wire. And
//! telling those who subscribed to events.
//!
//! Does not know routing, grouping or silences: a page comes with its receiver and its integration named. Does
//! not decide when to try again: it says that a try failed and whether another could help. A page must bear
//! being sent twice; its key is the same each time.

mod action;
mod config;
mod diagnosis;
mod event;
mod fill;
mod form;
mod group;
mod medium;
mod message;
mod page_json;
mod plain;
mod post;
mod receivers;
mod registry;
mod sample;
mod scope;
mod sending;
mod severity;

mod console;
mod discord;
mod email;
mod incidentio;
mod jira;
mod mattermost;
mod msteams;
mod opsgenie;
mod pagerduty;
mod pushover;
mod rocketchat;
mod sentry;
mod slack;
mod sns;
mod telegram;
mod victorops;
mod webex;
mod webhook;
mod wechat;

#[cfg(test)]
mod outcomes;
#[cfg(test)]
mod testing;

pub use action::{ACKNOWLEDGED_BY, KEPT, Linker, PageAction, page_args};
pub use config::{ConsoleConfig, GlobalConfig, ReceiverConfig, SlackConfig, WebhookConfig};
pub use event::{EVENT_KIND, EventAction, Subscribers};
pub use message::{NOTIFY_KIND, NotifyAction};
pub use page_json::{called_by, page_from_json, page_to_json};
pub use receivers::{CONSOLE, IntegrationShape, ReceiverShape, Receivers};
pub use registry::{Registry, Told};
pub use sample::Sample;
pub use sending::{Sent, Shown};
pub use sentry::{OwnError, OwnErrors};

/// The kind of the run that sends a page: its arguments are the page as JSON.
pub const PAGE_KIND: &str = "page";

/// Why a message could not be made or sent. Holds no credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The arguments of the run hold no page.
    #[error("the run's arguments are no page")]
    NoPage,
    /// The receiver went with a reload.
    #[error("the receiver {receiver:?} has no integration {integration:?} any more")]
    Gone {
        /// The receiver.
        receiver: String,
        /// The integration.
        integration: String,
    },
    /// The subscription was ended while an event was on its way to it.
    #[error("subscription {subscription} has ended")]
    Unsubscribed {
        /// Which.
        subscription: String,
    },
    /// A setting that is filled in or read for each page is of no use.
    #[error("the setting {field} is of no use: {why}")]
    Setting {
        /// Which.
        field: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A redirect led to another host, where neither the page nor the credentials went.
    #[error("{from} sent the page on to {to}, where it was not delivered: correct the address")]
    Astray {
        /// Who was asked.
        from: String,
        /// Who answered.
        to: String,
    },
    /// A template failed.
    #[error("the template of {field} failed: {why}")]
    Template {
        /// The setting it stands in.
        field: &'static str,
        /// What the template engine says.
        why: String,
    },
    /// The connection failed.
    #[error(transparent)]
    Reach(#[from] reach::Error),
    /// The receiver answered, but not with success.
    #[error("{host} answered {status}{}{body}", if body.is_empty() { "" } else { ": " })]
    Refused {
        /// Who.
        host: String,
        /// Its status.
        status: u16,
        /// The start of its words.
        body: String,
        /// How long it asks us to wait.
        after: Option<std::time::Duration>,
    },
}

impl Error {
    /// Whether another try could help: after a rate limit, the other side's own trouble, or a broken connection.
    pub fn is_temporary(&self) -> bool {
        match self {
            // A mail server's codes: 4xx may pass, 5xx will not.
            Error::Reach(reach::Error::Answer { code, .. }) => code.starts_with('4'),
            Error::Reach(error) => error.kind() == reach::Kind::Again,
            Error::Refused { status, .. } => matches!(status, 408 | 429 | 500..),
            Error::NoPage
            | Error::Gone { .. }
            | Error::Unsubscribed { .. }
            | Error::Setting { .. }
            | Error::Astray { .. }
            | Error::Template { .. } => false,
        }
    }

    /// A short name that does not change.
    pub fn code(&self) -> &'static str {
        match self {
            Error::NoPage => "no_page",
            Error::Gone { .. } => "receiver_gone",
            Error::Unsubscribed { .. } => "unsubscribed",
            Error::Setting { .. } => "bad_setting",
            Error::Astray { .. } => "redirect",
            Error::Template { .. } => "template",
            Error::Reach(error) => error.code(),
            Error::Refused { status: 429, .. } => "rate_limited",
            Error::Refused { status: 400..=499, .. } => "refused",
            Error::Refused { .. } => "receiver_unwell",
        }
    }
}

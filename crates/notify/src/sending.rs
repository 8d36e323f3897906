//! What a sender works with besides its own settings, and what it hands back.

use crate::Error;
use model::Timestamp;
use reach::config::Source;
use serde_json::Value;
use std::sync::{Mutex, PoisonError};
use template::Set;

/// What a receiver made of a page that it took.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sent {
    /// Its words, shortened; for whoever tests the receiver.
    pub answer: String,
    /// What the next page of the same group to the same integration must know, such as which message to edit.
    /// `Null`: nothing.
    pub keep: Value,
}

impl Sent {
    pub(crate) fn told(answer: impl Into<String>) -> Sent {
        Sent { answer: answer.into(), keep: Value::Null }
    }
}

/// A message that was made, but not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Where it would have gone, without secrets: `POST https://...`.
    pub to: String,
    /// What it says, without secrets.
    pub body: String,
}

/// What a page tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act<'a> {
    /// Its alerts.
    Alerts,
    /// That somebody has taken them on.
    Acknowledged(&'a str),
}

/// What a sender needs besides its own settings.
pub(crate) struct Sending<'a> {
    pub client: &'a reach::http::Client,
    pub mail: &'a reach::smtp::Client,
    pub templates: &'a Set,
    pub now: Timestamp,
    pub act: Act<'a>,
    /// What the page before left: [`Sent::keep`].
    pub kept: &'a Value,
    /// Instead of sending, messages are put here.
    pub preview: Option<&'a Preview>,
}

/// Messages that were not sent, and the secrets that must not be seen in them.
#[derive(Default)]
pub(crate) struct Preview {
    /// Held for a push only.
    shown: Mutex<Vec<Shown>>,
    secrets: Mutex<Vec<String>>,
}

/// What stands where a secret was.
const HIDDEN: &str = "<secret>";

impl Sending<'_> {
    /// Reads a secret. A preview does without one that cannot be read.
    pub async fn secret(&self, source: &Source) -> Result<String, Error> {
        let read = source.read().await.map(|text| text.trim().to_owned());
        let Some(preview) = self.preview else { return Ok(read?) };
        let text = read.unwrap_or_default();
        if !text.is_empty() {
            lock(&preview.secrets).push(text.clone());
        }
        Ok(text)
    }

    /// Whether this is a preview; then the message is kept for it.
    pub fn show(&self, to: &str, body: &str) -> bool {
        if let Some(preview) = self.preview {
            lock(&preview.shown).push(Shown { to: to.to_owned(), body: body.to_owned() });
        }
        self.preview.is_some()
    }
}

impl Preview {
    /// The messages, in order, without secrets.
    pub fn into_shown(self) -> Vec<Shown> {
        let mut secrets = self.secrets.into_inner().unwrap_or_else(PoisonError::into_inner);
        // A secret may be part of another one.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        let hide =
            |text: &str| secrets.iter().fold(text.to_owned(), |text, s| text.replace(s.as_str(), HIDDEN));
        let shown = self.shown.into_inner().unwrap_or_else(PoisonError::into_inner);
        shown.iter().map(|shown| Shown { to: hide(&shown.to), body: hide(&shown.body) }).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

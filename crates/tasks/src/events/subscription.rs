//! Who is told of events by a call of ours: a URL, the types it wants, and a secret that signs what we send.

use super::Event;
use crate::Refusal;
use model::Timestamp;
use serde_json::{Value, json};

/// The most subscriptions.
pub const SUBSCRIPTIONS_MAX: usize = 32;
/// The most types that one names.
const TYPES_MAX: usize = 64;
/// The longest URL, type or secret.
const TEXT_MAX: usize = 2_000;
/// The most deliveries to one subscription that wait; further events are not told to it, and counted.
pub(super) const WAITING_MAX: u64 = 1_000;

/// A subscription to be made.
#[derive(Clone, PartialEq, Eq)]
pub struct NewSubscription {
    /// Where to.
    pub url: String,
    /// `task.completed`, `task.*`, `task.`, `*`; none means all.
    pub types: Vec<String>,
    /// Signs what is sent; `None`: it is not signed.
    pub secret: Option<String>,
}

impl std::fmt::Debug for NewSubscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewSubscription").field("types", &self.types).finish_non_exhaustive()
    }
}

impl NewSubscription {
    /// Refuses what no subscription can be.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        if !(self.url.starts_with("http://") || self.url.starts_with("https://"))
            || self.url.len() > TEXT_MAX
            || self.url.chars().any(|c| c.is_control() || c.is_whitespace())
        {
            let what = format!("must be an http or https URL of at most {TEXT_MAX} bytes");
            return Err(Refusal::invalid("url", what));
        }
        if self.types.len() > TYPES_MAX {
            return Err(Refusal::invalid("types", format!("at most {TYPES_MAX} types are taken")));
        }
        if let Some(bad) = self.types.iter().find(|type_| !super::bus::is_type(type_)) {
            let what = format!("{bad:?} is no type; write one such as task.completed, task.* or *");
            return Err(Refusal::invalid("types", what));
        }
        match &self.secret {
            Some(secret) if secret.len() < 16 || secret.len() > TEXT_MAX => {
                Err(Refusal::invalid("secret", format!("must have 16 to {TEXT_MAX} bytes")))
            }
            _ => Ok(()),
        }
    }
}

/// A subscription.
#[derive(Clone, PartialEq)]
pub struct Subscription {
    /// Its id.
    pub id: String,
    /// Where to.
    pub url: String,
    /// `task.completed`, `task.*`, `task.`, `*`; none means all.
    pub types: Vec<String>,
    /// Signs what is sent. Never shown.
    pub secret: Option<String>,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// Deliveries that wait or are under way.
    pub waiting: u64,
    /// Deliveries since the start, by how they ended.
    pub delivered: Delivered,
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription")
            .field("id", &self.id)
            .field("types", &self.types)
            .finish_non_exhaustive()
    }
}

/// Deliveries since the start, by how they ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Delivered {
    /// Taken by the other side.
    pub done: u64,
    /// Given up.
    pub failed: u64,
    /// Never tried: too many waited.
    pub dropped: u64,
}

impl Subscription {
    /// Whether it wants an event.
    pub fn wants(&self, event: &Event) -> bool {
        matches(&self.types, event.type_())
    }

    pub(super) fn row(&self) -> Value {
        json!({
            "url": self.url,
            "types": self.types,
            "secret": self.secret,
            "created_by": self.created_by,
            "created_at": self.created_at.as_millis(),
        })
    }

    pub(super) fn from_row(key: &str, row: &Value) -> Option<Subscription> {
        let types = row["types"].as_array()?.iter().filter_map(|type_| type_.as_str().map(str::to_owned));
        Some(Subscription {
            id: key.to_owned(),
            url: row["url"].as_str()?.to_owned(),
            types: types.collect(),
            secret: row["secret"].as_str().map(str::to_owned),
            created_by: row["created_by"].as_str().unwrap_or("").to_owned(),
            created_at: Timestamp::from_millis(row["created_at"].as_i64()?),
            waiting: 0,
            delivered: Delivered::default(),
        })
    }
}

/// Whether a type is among those wanted: the type itself, `family.*`, a prefix that ends in a dot, or `*`; none
/// means all.
pub fn matches(wanted: &[String], type_: &str) -> bool {
    wanted.is_empty()
        || wanted.iter().any(|one| match one.strip_suffix('*') {
            Some(prefix) => type_.starts_with(prefix),
            None if one.ends_with('.') => type_.starts_with(one.as_str()),
            None => one == type_,
        })
}

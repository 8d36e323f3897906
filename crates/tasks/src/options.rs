//! What few tasks ask for. Most ask for none of it, so a task holds it behind one pointer and the store in one
//! column of JSON, without the keys that are at their default.

use crate::schedule::Firing;
use crate::{Refusal, approval};
use model::{ApprovalWish, Timestamp};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// The rarer wishes of a task; the default is none.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Options {
    /// The queue it waits in, which can be paused; `None`: that of its form.
    pub queue: Option<Arc<str>>,
    /// Only a worker that has all of these labels may take it.
    pub labels: BTreeMap<String, String>,
    /// Runs of one key begin no more often than `rate_per_minute`.
    pub rate_key: Option<Arc<str>>,
    /// How often; without a key it means nothing.
    pub rate_per_minute: Option<u32>,
    /// Given up if it has not begun so long after it was due first.
    pub queued_timeout: Option<Duration>,
    /// Given up if it has not ended so long after it was accepted.
    pub total_timeout: Option<Duration>,
    /// An attempt lives so long without a heartbeat; `None`: as all do.
    pub heartbeat_timeout: Option<Duration>,
    /// Cancelled if it has not begun by then.
    pub expires_at: Option<Timestamp>,
    /// When it should be done by; a typed task has its own place for that.
    pub sla_deadline: Option<Timestamp>,
    /// After which part of the time to the deadline to warn, above 0 and below 1.
    pub sla_alert_threshold: Option<f64>,
    /// Kinds of error after which no further try is made.
    pub non_retryable: Vec<String>,
    /// The dead run that it does again.
    pub replay_of: Option<String>,
    /// Who counts as the one who asked, where that is not `created_by`: who issued the token in that name.
    pub issuer: Option<String>,
    /// Persons must agree before a run of it begins.
    pub approval: Option<ApprovalWish>,
    /// How its schedule fires where that is not as usual.
    pub firing: Option<Box<Firing>>,
}

/// Wishes of a scheduled task that become others: `None` leaves one as it is, `Some(None)` takes it back.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OptionsUpdate {
    /// The queue its runs wait in.
    pub queue: Option<Option<Arc<str>>>,
    /// What a worker must have; none takes them back.
    pub labels: Option<BTreeMap<String, String>>,
    /// The rate key.
    pub rate_key: Option<Option<Arc<str>>>,
    /// How often runs of it begin.
    pub rate_per_minute: Option<Option<u32>>,
    /// The longest wait of a run.
    pub queued_timeout: Option<Option<Duration>>,
    /// The longest life of a run.
    pub total_timeout: Option<Option<Duration>>,
    /// How long an attempt lives without a heartbeat.
    pub heartbeat_timeout: Option<Option<Duration>>,
    /// Kinds of error after which no further try is made; none takes them back.
    pub non_retryable: Option<Vec<String>>,
}

impl OptionsUpdate {
    /// The names of what becomes another.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &'static str> {
        let given = [
            ("queue", self.queue.is_some()),
            ("labels", self.labels.is_some()),
            ("rate_key", self.rate_key.is_some()),
            ("rate_per_minute", self.rate_per_minute.is_some()),
            ("queued_timeout_seconds", self.queued_timeout.is_some()),
            ("total_timeout_seconds", self.total_timeout.is_some()),
            ("heartbeat_timeout_seconds", self.heartbeat_timeout.is_some()),
            ("non_retryable", self.non_retryable.is_some()),
        ];
        given.into_iter().filter(|(_, given)| *given).map(|(name, _)| name)
    }
}

impl Options {
    /// The same with the wishes that `update` names. A rate key and its rate stand and fall together.
    pub(crate) fn updated(mut self, update: &OptionsUpdate) -> Result<Options, Refusal> {
        fn set<T: Clone>(wish: &mut T, new: &Option<T>) {
            if let Some(new) = new {
                wish.clone_from(new);
            }
        }
        set(&mut self.queue, &update.queue);
        set(&mut self.labels, &update.labels);
        set(&mut self.rate_key, &update.rate_key);
        set(&mut self.rate_per_minute, &update.rate_per_minute);
        set(&mut self.queued_timeout, &update.queued_timeout);
        set(&mut self.total_timeout, &update.total_timeout);
        set(&mut self.heartbeat_timeout, &update.heartbeat_timeout);
        set(&mut self.non_retryable, &update.non_retryable);
        match (&self.rate_key, self.rate_per_minute) {
            (Some(_), None) => Err(Refusal::invalid("rate_per_minute", "is missing; rate_key needs it")),
            (None, Some(_)) => Err(Refusal::invalid("rate_key", "is missing; rate_per_minute needs it")),
            _ => Ok(self),
        }
    }

    /// As the store keeps it; `None` if nothing is asked for.
    pub fn to_json(&self) -> Option<Value> {
        let mut row = Map::new();
        if let Some(queue) = &self.queue {
            row.insert("queue".to_owned(), Value::from(&**queue));
        }
        self.queue_json(&mut row);
        (!row.is_empty()).then_some(Value::Object(row))
    }

    fn queue_json(&self, row: &mut Map<String, Value>) {
        let ms = |span: Duration| Value::from(u64::try_from(span.as_millis()).unwrap_or(u64::MAX));
        let at = |at: Timestamp| Value::from(at.as_millis());
        let pairs = [
            ("labels", (!self.labels.is_empty()).then(|| json!(self.labels))),
            ("rate_key", self.rate_key.as_deref().map(Value::from)),
            ("rate_per_minute", self.rate_per_minute.map(Value::from)),
            ("queued_timeout_ms", self.queued_timeout.map(ms)),
            ("total_timeout_ms", self.total_timeout.map(ms)),
            ("heartbeat_timeout_ms", self.heartbeat_timeout.map(ms)),
            ("expires_at", self.expires_at.map(at)),
            ("sla_deadline", self.sla_deadline.map(at)),
            ("sla_alert_threshold", self.sla_alert_threshold.map(Value::from)),
            ("non_retryable", (!self.non_retryable.is_empty()).then(|| json!(self.non_retryable))),
            ("replay_of", self.replay_of.as_deref().map(Value::from)),
            ("issuer", self.issuer.as_deref().map(Value::from)),
            ("approval", self.approval.as_ref().map(approval::wish_to_json)),
            ("firing", self.firing.as_ref().map(|firing| Value::Object(firing.to_json()))),
        ];
        row.extend(pairs.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
    }

    fn queue_from(mut self, row: &Value) -> Options {
        let ms = |key: &str| row[key].as_u64().map(Duration::from_millis);
        let at = |key: &str| row[key].as_i64().map(Timestamp::from_millis);
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let labels = row["labels"].as_object().into_iter().flatten();
        self.labels = labels.filter_map(|(name, value)| Some((name.clone(), text(value)?))).collect();
        self.rate_key = row["rate_key"].as_str().map(Arc::from);
        self.rate_per_minute = row["rate_per_minute"].as_u64().and_then(|n| u32::try_from(n).ok());
        self.queued_timeout = ms("queued_timeout_ms");
        self.total_timeout = ms("total_timeout_ms");
        self.heartbeat_timeout = ms("heartbeat_timeout_ms");
        self.expires_at = at("expires_at");
        self.sla_deadline = at("sla_deadline");
        self.sla_alert_threshold = row["sla_alert_threshold"].as_f64();
        self.firing = row["firing"].as_object().and_then(|map| Firing::read(map).ok()).map(Box::new);
        self.approval = approval::read_wish(&row["approval"], "approval").ok().flatten();
        self.non_retryable = row["non_retryable"].as_array().into_iter().flatten().filter_map(text).collect();
        self.replay_of = text(&row["replay_of"]);
        self.issuer = text(&row["issuer"]);
        self
    }

    /// From [`Options::to_json`]; what it does not know is left out.
    pub fn from_json(row: &Value) -> Options {
        Options { queue: row["queue"].as_str().map(Arc::from), ..Options::default() }.queue_from(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Misfire;

    #[test]
    fn an_update_changes_what_it_names() {
        let old = Options {
            queue: Some(Arc::from("mail")),
            total_timeout: Some(Duration::from_secs(90)),
            replay_of: Some("r".to_owned()),
            ..Options::default()
        };
        let same = OptionsUpdate::default();
        assert_eq!((old.clone().updated(&same), same.fields().count()), (Ok(old.clone()), 0));
        let update = OptionsUpdate {
            queue: Some(None),
            rate_key: Some(Some(Arc::from("api"))),
            rate_per_minute: Some(Some(30)),
            non_retryable: Some(vec!["quota".to_owned()]),
            ..OptionsUpdate::default()
        };
        let wanted = Options {
            queue: None,
            rate_key: Some(Arc::from("api")),
            rate_per_minute: Some(30),
            non_retryable: vec!["quota".to_owned()],
            ..old
        };
        assert_eq!(wanted.clone().updated(&same), Ok(wanted.clone()));
        assert_eq!(
            update.fields().collect::<Vec<_>>(),
            ["queue", "rate_key", "rate_per_minute", "non_retryable"]
        );
        let half = OptionsUpdate { rate_per_minute: Some(None), ..OptionsUpdate::default() };
        let refused = wanted.updated(&half);
        assert!(
            matches!(&refused, Err(Refusal::Invalid { field, .. }) if field == "rate_per_minute"),
            "{refused:?}"
        );
    }

    #[test]
    fn every_wish_survives_the_store() {
        assert_eq!(Options::default().to_json(), None);
        let all = Options {
            queue: Some(Arc::from("mail")),
            labels: BTreeMap::from([("gpu".to_owned(), "yes".to_owned())]),
            rate_key: Some(Arc::from("api")),
            rate_per_minute: Some(30),
            queued_timeout: Some(Duration::from_millis(1500)),
            total_timeout: Some(Duration::from_secs(90)),
            heartbeat_timeout: Some(Duration::from_secs(5)),
            expires_at: Some(Timestamp::from_millis(1_800_000_000_000)),
            sla_deadline: Some(Timestamp::from_millis(1_800_000_000_001)),
            sla_alert_threshold: Some(0.75),
            non_retryable: vec!["bad_request".to_owned()],
            replay_of: Some("r".to_owned()),
            issuer: Some("ann".to_owned()),
            approval: Some(ApprovalWish { quorum: Some(2), ..ApprovalWish::default() }),
            firing: Some(Box::new(Firing { misfire: Some(Misfire::All), ..Firing::default() })),
        };
        assert_eq!(Options::from_json(&all.to_json().expect("something is asked for")), all);
    }
}

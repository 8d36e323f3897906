//! The durable state of one alert, and the changes that a decision makes to it.
//!
//! A row is written when an alert starts, fires, changes its annotations or its keep-firing mark, and removed
//! when it ends; never merely because its value moved. Whoever kept the rows hands them to `Rules::new` after
//! a restart and every `for` goes on where it was.

use model::{Labels, Timestamp};
use serde_json::{Value, json};

/// How far an alert has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AlertState {
    /// The expression is true, `for` has not passed.
    Pending,
    /// It fires.
    Firing,
}

impl AlertState {
    /// `pending` or `firing`.
    pub fn as_str(self) -> &'static str {
        match self {
            AlertState::Pending => "pending",
            AlertState::Firing => "firing",
        }
    }
}

/// One alert of one rule, as it survives a restart.
#[derive(Debug, Clone, PartialEq)]
pub struct ActiveRow {
    /// Which rule: file, group, name, and which of that name (see `RuleSpec` keys).
    pub rule: String,
    /// The alert's labels, without external ones.
    pub labels: Labels,
    /// Its annotations as last expanded.
    pub annotations: Labels,
    /// Moved from pending to firing when `for` has passed; a row never moves back.
    pub state: AlertState,
    /// Since when the expression is true.
    pub active_at: Timestamp,
    /// When it fired.
    pub fired_at: Option<Timestamp>,
    /// The value when the row was last written.
    pub value: f64,
    /// Since when only `keep_firing_for` keeps it.
    pub keep_firing_since: Option<Timestamp>,
    /// When it was last handed to the router.
    pub last_sent: Option<Timestamp>,
}

/// What to write down.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// The alert is in this state now; replaces an earlier row of the same key.
    Active(ActiveRow),
    /// The alert of this key is over.
    Gone {
        /// Its key.
        key: String,
    },
}

impl Change {
    /// The key of the row that it replaces or removes.
    pub fn key(&self) -> String {
        match self {
            Change::Active(row) => row.key(),
            Change::Gone { key } => key.clone(),
        }
    }
}

/// A stored row cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A field is missing or of another type.
    #[error("cannot read a stored alert: field {field:?} is missing or of another type")]
    BadRow {
        /// The field.
        field: &'static str,
    },
}

impl ActiveRow {
    /// Unique among all alerts: the rule's key and the fingerprint of the labels.
    pub fn key(&self) -> String {
        row_key(&self.rule, &self.labels)
    }

    /// The row as JSON. The value is text, since JSON has no infinity.
    pub fn to_json(&self) -> Value {
        json!({
            "rule": self.rule,
            "labels": labels_to_json(&self.labels),
            "annotations": labels_to_json(&self.annotations),
            "state": self.state.as_str(),
            "active_at": self.active_at.as_millis(),
            "fired_at": self.fired_at.map(Timestamp::as_millis),
            "value": self.value.to_string(),
            "keep_firing_since": self.keep_firing_since.map(Timestamp::as_millis),
            "last_sent": self.last_sent.map(Timestamp::as_millis),
        })
    }

    /// The row from [`ActiveRow::to_json`].
    pub fn from_json(json: &Value) -> Result<ActiveRow, Error> {
        let bad = |field| Error::BadRow { field };
        let text = |field| json[field].as_str().ok_or(bad(field));
        let instant = |field| json[field].as_i64().map(Timestamp::from_millis);
        Ok(ActiveRow {
            rule: text("rule")?.to_owned(),
            labels: labels_from_json(&json["labels"]).ok_or(bad("labels"))?,
            annotations: labels_from_json(&json["annotations"]).ok_or(bad("annotations"))?,
            state: match text("state")? {
                "pending" => AlertState::Pending,
                "firing" => AlertState::Firing,
                _ => return Err(bad("state")),
            },
            active_at: instant("active_at").ok_or(bad("active_at"))?,
            fired_at: instant("fired_at"),
            value: text("value")?.parse().map_err(|_| bad("value"))?,
            keep_firing_since: instant("keep_firing_since"),
            last_sent: instant("last_sent"),
        })
    }
}

pub(crate) fn row_key(rule: &str, labels: &Labels) -> String {
    format!("{rule};{:016x}", labels.fingerprint())
}

pub(crate) fn labels_to_json(labels: &Labels) -> Value {
    labels.iter().map(|(name, value)| (name.to_owned(), Value::from(value))).collect()
}

pub(crate) fn labels_from_json(json: &Value) -> Option<Labels> {
    let pairs: Option<Vec<(&str, &str)>> =
        json.as_object()?.iter().map(|(name, value)| Some((name.as_str(), value.as_str()?))).collect();
    Some(Labels::from_pairs(pairs?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_both_ways() {
        for (value, keep) in [(1.5, None), (f64::INFINITY, Some(7)), (-0.0, Some(0))] {
            let row = ActiveRow {
                rule: "a.yml;g;Down;0".into(),
                labels: Labels::from_pairs([("alertname", "Down"), ("job", "é")]),
                annotations: Labels::from_pairs([("summary", "\"quoted\"")]),
                state: AlertState::Firing,
                active_at: Timestamp::from_millis(5),
                fired_at: Some(Timestamp::from_millis(9)),
                value,
                keep_firing_since: keep.map(Timestamp::from_millis),
                last_sent: None,
            };
            assert_eq!(ActiveRow::from_json(&row.to_json()), Ok(row.clone()));
            assert_eq!(Change::Active(row.clone()).key(), row.key());
        }
    }

    #[test]
    fn a_damaged_row_names_the_field() {
        let err = ActiveRow::from_json(&json!({"rule": "r", "labels": {"a": 1}})).unwrap_err();
        assert!(err.to_string().contains("\"labels\""), "{err}");
    }
}

//! What of thresholds a restart must not lose: who fires, and who fired when.

use crate::row::{labels_from_json, labels_to_json};
use model::{Labels, Timestamp};
use serde_json::{Value, json};

/// A threshold that is crossed by one series.
#[derive(Debug, Clone, PartialEq)]
pub struct Crossed {
    /// The threshold.
    pub name: String,
    /// The series, without its name.
    pub series: Labels,
    /// Of what severity.
    pub severity: String,
    /// The value that crossed it.
    pub value: f64,
    /// The bound.
    pub threshold: f64,
    /// What was told.
    pub message: String,
    /// When.
    pub at: Timestamp,
}

/// What to write down. Each key stands for one row; the last one written counts.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A threshold is crossed since now.
    Firing(Crossed),
    /// It is no longer.
    Ended {
        /// The key of its row.
        key: String,
    },
    /// It was crossed, for history.
    Told {
        /// Rises with time.
        key: String,
        /// What.
        crossed: Crossed,
    },
    /// A row of history is too old.
    Forgotten {
        /// Its key.
        key: String,
    },
}

impl Crossed {
    /// Unique among those that fire at one time.
    pub fn key(&self) -> String {
        format!("{};{:016x}", self.name, self.series.fingerprint())
    }

    /// The row. Numbers are texts, since JSON has no infinity.
    pub fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "series": labels_to_json(&self.series),
            "severity": self.severity,
            "value": self.value.to_string(),
            "threshold": self.threshold.to_string(),
            "message": self.message,
            "at": self.at.as_millis(),
        })
    }

    /// From [`Crossed::to_json`]; `None` of a row that no release wrote.
    pub fn from_json(row: &Value) -> Option<Crossed> {
        let text = |field: &str| row[field].as_str().map(str::to_owned);
        let number = |field: &str| row[field].as_str()?.parse().ok();
        Some(Crossed {
            name: text("name")?,
            series: labels_from_json(&row["series"])?,
            severity: text("severity")?,
            value: number("value")?,
            threshold: number("threshold")?,
            message: text("message")?,
            at: Timestamp::from_millis(row["at"].as_i64()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_both_ways() {
        let crossed = Crossed {
            name: "slow".into(),
            series: Labels::from_pairs([("job", "a")]),
            severity: "warning".into(),
            value: f64::INFINITY,
            threshold: 2000.5,
            message: "\"slow\"".into(),
            at: Timestamp::from_millis(7),
        };
        assert_eq!(Crossed::from_json(&crossed.to_json()), Some(crossed.clone()));
        assert_eq!(Crossed::from_json(&json!({"name": "slow"})), None);
    }
}

//! What few tasks ask for. Most ask for none of it, so a task holds it behind one pointer and the store in one
//! column of JSON, without the keys that are at their default.

use serde_json::{Map, Value};
use std::sync::Arc;

/// The rarer wishes of a task; the default is none.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Options {
    /// The queue it waits in, which can be paused; `None`: that of its form.
    pub queue: Option<Arc<str>>,
}

impl Options {
    /// As the store keeps it; `None` if nothing is asked for.
    pub fn to_json(&self) -> Option<Value> {
        let mut row = Map::new();
        if let Some(queue) = &self.queue {
            row.insert("queue".to_owned(), Value::from(&**queue));
        }
        (!row.is_empty()).then_some(Value::Object(row))
    }

    /// From [`Options::to_json`]; what it does not know is left out.
    pub fn from_json(row: &Value) -> Options {
        Options { queue: row["queue"].as_str().map(Arc::from) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wish_survives_the_store() {
        assert_eq!(Options::default().to_json(), None);
        let all = Options { queue: Some(Arc::from("mail")) };
        assert_eq!(Options::from_json(&all.to_json().expect("something is asked for")), all);
    }
}

//! Reads the fields of a JSON object one by one and remembers everything that is wrong with them.

use crate::api::Refused;
use serde_json::{Map, Value};
use std::ops::RangeInclusive;

/// The object that is being read.
pub(super) struct Fields {
    map: Map<String, Value>,
    problems: Vec<(String, String)>,
}

/// What happens to a key that nobody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unknown {
    /// It is a mistake.
    Refused,
    /// The documents' own clients send more than they say.
    Ignored,
}

impl Fields {
    pub(super) fn new(map: Map<String, Value>) -> Fields {
        Fields { map, problems: Vec::new() }
    }

    /// A text with this many characters. Absent and null are `None`.
    pub(super) fn text(&mut self, name: &str, len: RangeInclusive<usize>) -> Option<String> {
        match self.take(name)? {
            Value::String(text) if len.contains(&text.chars().count()) => Some(text),
            Value::String(text) => {
                let (least, most) = len.into_inner();
                self.problem(
                    name,
                    format!("it has {} characters, not {least} to {most}", text.chars().count()),
                )
            }
            other => self.problem(name, format!("it must be a text, not {}", kind_of(&other))),
        }
    }

    /// A text that must be there.
    pub(super) fn needed_text(&mut self, name: &str, len: RangeInclusive<usize>) -> String {
        self.needs(name);
        self.text(name, len).unwrap_or_default()
    }

    /// A whole number in this range.
    pub(super) fn number(&mut self, name: &str, range: RangeInclusive<u64>) -> Option<u64> {
        let value = self.take(name)?;
        match value.as_u64().filter(|n| range.contains(n)) {
            Some(n) => Some(n),
            None => {
                let (least, most) = range.into_inner();
                self.problem(name, format!("it must be a whole number from {least} to {most}, not {value}"))
            }
        }
    }

    /// A number of seconds, at most `most`; fractions are taken.
    pub(super) fn seconds(&mut self, name: &str, most: u64) -> Option<std::time::Duration> {
        let value = self.take(name)?;
        match value.as_f64().filter(|secs| (0.0..=most as f64).contains(secs)) {
            Some(secs) => Some(std::time::Duration::from_secs_f64(secs)),
            None => {
                self.problem(name, format!("it must be a number of seconds from 0 to {most}, not {value}"))
            }
        }
    }

    /// An object; an empty one if it is absent.
    pub(super) fn object(&mut self, name: &str) -> Value {
        match self.take(name) {
            None => Value::Object(Map::new()),
            Some(object @ Value::Object(_)) => object,
            Some(other) => self
                .problem(name, format!("it must be an object, not {}", kind_of(&other)))
                .unwrap_or_default(),
        }
    }

    /// An object that must be there.
    pub(super) fn needed_object(&mut self, name: &str) -> Value {
        self.needs(name);
        self.object(name)
    }

    /// Whatever is there.
    pub(super) fn any(&mut self, name: &str) -> Option<Value> {
        self.take(name)
    }

    /// Remembers a problem; answers `None` so that it can end an arm.
    pub(super) fn problem<T>(&mut self, name: &str, what: impl Into<String>) -> Option<T> {
        self.problems.push((name.to_owned(), what.into()));
        None
    }

    /// All that was wrong, or nothing.
    pub(super) fn finish(mut self, unknown: Unknown) -> Result<(), Refused> {
        if unknown == Unknown::Refused {
            self.problems
                .extend(self.map.keys().map(|key| (key.clone(), "there is no such field".to_owned())));
        }
        if self.problems.is_empty() { Ok(()) } else { Err(Refused::Shape(self.problems)) }
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        self.map.shift_remove(name).filter(|value| !value.is_null())
    }

    fn needs(&mut self, name: &str) {
        if self.map.get(name).is_none_or(Value::is_null) {
            self.problems.push((name.to_owned(), "it is missing".to_owned()));
        }
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

//! Reads the fields of a JSON object one by one and remembers everything that is wrong with them.

use crate::api::{Refused, exact};
use model::Timestamp;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// The object that is being read.
pub(in crate::api) struct Fields {
    map: Map<String, Value>,
    problems: Vec<(String, String)>,
}

/// What happens to a key that nobody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::api) enum Unknown {
    /// It is a mistake.
    Refused,
    /// The documents' own clients send more than they say.
    Ignored,
}

impl Fields {
    pub(in crate::api) fn new(map: Map<String, Value>) -> Fields {
        Fields { map, problems: Vec::new() }
    }

    /// A text with this many characters. Absent and null are `None`.
    pub(in crate::api) fn text(&mut self, name: &str, len: RangeInclusive<usize>) -> Option<String> {
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
    pub(in crate::api) fn needed_text(&mut self, name: &str, len: RangeInclusive<usize>) -> String {
        self.needs(name);
        self.text(name, len).unwrap_or_default()
    }

    /// A whole number in this range.
    pub(in crate::api) fn number(&mut self, name: &str, range: RangeInclusive<u64>) -> Option<u64> {
        let value = self.take(name)?;
        match value.as_u64().filter(|n| range.contains(n)) {
            Some(n) => Some(n),
            None => {
                let (least, most) = range.into_inner();
                self.problem(name, format!("it must be a whole number from {least} to {most}, not {value}"))
            }
        }
    }

    /// A whole number in this range that must be there.
    pub(in crate::api) fn needed_number(&mut self, name: &str, range: RangeInclusive<u64>) -> u64 {
        self.needs(name);
        self.number(name, range).unwrap_or_default()
    }

    /// An instant, ISO 8601; without an offset it is UTC.
    pub(in crate::api) fn instant(&mut self, name: &str) -> Option<Timestamp> {
        let text = self.text(name, 1..=64)?;
        match lenient_instant(&text) {
            Some(at) => Some(at),
            None => self.problem(name, format!("{text:?} is not an ISO 8601 instant")),
        }
    }

    /// An object of at most `most` texts, names and texts of 1 to 100 characters.
    pub(in crate::api) fn words(&mut self, name: &str, most: usize) -> BTreeMap<String, String> {
        let Value::Object(map) = self.object(name) else { return BTreeMap::new() };
        let fits = |text: &str| (1..=100).contains(&text.chars().count());
        let words: Option<BTreeMap<_, _>> = map
            .into_iter()
            .map(|(key, value)| match value {
                Value::String(text) if fits(&key) && fits(&text) => Some((key, text)),
                _ => None,
            })
            .collect();
        match words.filter(|words| words.len() <= most) {
            Some(words) => words,
            None => self
                .problem(
                    name,
                    format!("it must hold at most {most} texts, names and texts of 1 to 100 characters"),
                )
                .unwrap_or_default(),
        }
    }

    /// A list of at most `most` texts of 1 to 100 characters.
    pub(in crate::api) fn texts(&mut self, name: &str, most: usize) -> Vec<String> {
        let fits = |text: &String| (1..=100).contains(&text.chars().count());
        let texts = match self.take(name) {
            None => return Vec::new(),
            Some(Value::Array(items)) if items.len() <= most => {
                items.into_iter().map(|item| item.as_str().map(str::to_owned).filter(fits)).collect()
            }
            Some(_) => None,
        };
        texts.unwrap_or_else(|| {
            self.problem(name, format!("it must be a list of at most {most} texts of 1 to 100 characters"))
                .unwrap_or_default()
        })
    }

    /// Whether something is there.
    pub(in crate::api) fn has(&self, name: &str) -> bool {
        self.map.get(name).is_some_and(|value| !value.is_null())
    }

    /// Whether it is there and null.
    pub(in crate::api) fn is_null(&self, name: &str) -> bool {
        self.map.get(name).is_some_and(Value::is_null)
    }

    /// A number of seconds, at most `most`; fractions are taken.
    pub(in crate::api) fn seconds(&mut self, name: &str, most: u64) -> Option<std::time::Duration> {
        let value = self.take(name)?;
        match value.as_f64().filter(|secs| (0.0..=most as f64).contains(secs)) {
            Some(secs) => Some(std::time::Duration::from_secs_f64(secs)),
            None => {
                self.problem(name, format!("it must be a number of seconds from 0 to {most}, not {value}"))
            }
        }
    }

    /// An object; an empty one if it is absent.
    pub(in crate::api) fn object(&mut self, name: &str) -> Value {
        self.maybe_object(name).unwrap_or_else(|| Value::Object(Map::new()))
    }

    /// An object, if there is one.
    pub(in crate::api) fn maybe_object(&mut self, name: &str) -> Option<Value> {
        match self.take(name)? {
            object @ Value::Object(_) => Some(object),
            other => self.problem(name, format!("it must be an object, not {}", kind_of(&other))),
        }
    }

    /// An object that must be there.
    pub(in crate::api) fn needed_object(&mut self, name: &str) -> Value {
        self.needs(name);
        self.object(name)
    }

    /// Whatever is there.
    pub(in crate::api) fn any(&mut self, name: &str) -> Option<Value> {
        self.take(name)
    }

    /// Remembers a problem; answers `None` so that it can end an arm.
    pub(in crate::api) fn problem<T>(&mut self, name: &str, what: impl Into<String>) -> Option<T> {
        self.problems.push((name.to_owned(), what.into()));
        None
    }

    /// All that was wrong, or nothing.
    pub(in crate::api) fn finish(mut self, unknown: Unknown) -> Result<(), Refused> {
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

/// The object that a body is.
pub(in crate::api) fn object(body: &[u8]) -> Result<Map<String, Value>, Refused> {
    let whole = |what: String| Refused::Shape(vec![(String::new(), what)]);
    match serde_json::from_slice(body) {
        Ok(Value::Object(map)) => match exact::beyond(body) {
            None => Ok(map),
            Some(found) => Err(Refused::Shape(vec![(found.place.clone(), found.what())])),
        },
        Ok(_) => Err(whole("the body must be an object".to_owned())),
        Err(err) => Err(whole(format!("the body is not JSON: {err}"))),
    }
}

/// ISO 8601 as Python writes it: without an offset it is UTC.
pub(in crate::api) fn lenient_instant(text: &str) -> Option<Timestamp> {
    Timestamp::parse_rfc3339(text).or_else(|_| Timestamp::parse_rfc3339(&format!("{text}Z"))).ok()
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

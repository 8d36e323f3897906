//! The small JSON objects that requests come with. Every key is optional unless said otherwise; a body that is empty
//! is none.

use crate::api::Refused;
use model::Timestamp;
use serde_json::{Map, Value};
use std::time::Duration;

/// The longest span that is taken: of a link, a delegation, a snooze.
const SECONDS_MAX: f64 = 366.0 * 86_400.0;

/// A body's keys, taken one by one.
pub(super) struct Body(Map<String, Value>);

impl Body {
    /// An object, or nothing at all; `keys` are those it may have.
    pub(super) fn read(bytes: &[u8], keys: &[&str]) -> Result<Body, Refused> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Body(Map::new()));
        }
        let body: Value = serde_json::from_slice(bytes)
            .map_err(|why| Refused::BadRequest(format!("the body is not JSON: {why}")))?;
        let map = match body {
            Value::Object(map) => map,
            Value::Null => Map::new(),
            _ => return Err(shape("", "the body must be an object")),
        };
        let unknown = map.keys().filter(|key| !keys.contains(&key.as_str()));
        let problems: Vec<_> = unknown
            .map(|key| (key.clone(), format!("there is no such field; known: {}", keys.join(", "))))
            .collect();
        if problems.is_empty() { Ok(Body(map)) } else { Err(Refused::Shape(problems)) }
    }

    /// A text of at most so many bytes.
    pub(super) fn text(&mut self, name: &str, max: usize) -> Result<Option<String>, Refused> {
        match self.any(name) {
            None => Ok(None),
            Some(Value::String(text)) if text.len() <= max => Ok(Some(text)),
            Some(_) => Err(shape(name, &format!("it must be a text of at most {max} bytes"))),
        }
    }

    /// A text that must be there.
    pub(super) fn needed_text(&mut self, name: &str, max: usize) -> Result<String, Refused> {
        let text = self.text(name, max)?.filter(|text| !text.is_empty());
        text.ok_or_else(|| shape(name, "it is missing"))
    }

    /// Whatever is there but null.
    pub(super) fn any(&mut self, name: &str) -> Option<Value> {
        self.0.shift_remove(name).filter(|value| !value.is_null())
    }

    /// A span of seconds.
    pub(super) fn seconds(&mut self, name: &str) -> Result<Option<Duration>, Refused> {
        let Some(value) = self.any(name) else { return Ok(None) };
        match value.as_f64().filter(|secs| *secs > 0.0 && *secs <= SECONDS_MAX) {
            Some(secs) => Ok(Some(Duration::from_secs_f64(secs))),
            None => Err(shape(name, &format!("it must be above 0 and at most {SECONDS_MAX}"))),
        }
    }

    /// An instant, RFC 3339.
    pub(super) fn instant(&mut self, name: &str) -> Result<Option<Timestamp>, Refused> {
        let Some(text) = self.text(name, 64)? else { return Ok(None) };
        let read = Timestamp::parse_rfc3339(&text);
        read.map(Some).map_err(|_| shape(name, "it must be an instant such as 2027-01-31T12:00:00Z"))
    }

    /// An instant that must be there.
    pub(super) fn needed_instant(&mut self, name: &str) -> Result<Timestamp, Refused> {
        self.instant(name)?.ok_or_else(|| shape(name, "it is missing"))
    }
}

fn shape(name: &str, what: &str) -> Refused {
    Refused::Shape(vec![(name.to_owned(), what.to_owned())])
}

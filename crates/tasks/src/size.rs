//! How much a JSON value weighs, and what it is known by. No allocation, so that it can be asked of everything
//! that comes in.

use crate::{Outcome, RunError};
use serde_json::Value;

/// About how many bytes `value` takes as JSON: exact up to escapes and the digits of numbers.
pub(crate) fn json_size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 5,
        Value::Number(_) => 8,
        Value::String(text) => text.len() + 2,
        Value::Array(items) => 2 + items.iter().map(|item| json_size(item) + 1).sum::<usize>(),
        Value::Object(map) => {
            2 + map.iter().map(|(key, item)| key.len() + 4 + json_size(item)).sum::<usize>()
        }
    }
}

/// How many levels a value has; a plain one has none.
pub(crate) fn json_depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(json_depth).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(json_depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// A digest of an outcome and of who reports it: the same for the same words of the same worker in every release
/// (it is kept on disk).
pub(crate) fn outcome_digest(worker: &str, outcome: &Outcome) -> u64 {
    let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
    hash.text(worker);
    match outcome {
        Outcome::Done(result) => hash.tag(1).value(result),
        Outcome::Retry { error, after } => {
            hash.tag(2).error(error).number(after.map_or(u64::MAX, |after| after.as_millis() as u64))
        }
        Outcome::Snooze(wait) => hash.tag(3).number(wait.as_millis() as u64),
        Outcome::Failed(error) => hash.tag(4).error(error),
    };
    hash.0
}

/// FNV-1a, 64 bit.
struct Fnv(u64);

impl Fnv {
    fn bytes(&mut self, bytes: &[u8]) -> &mut Fnv {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self
    }

    fn tag(&mut self, tag: u8) -> &mut Fnv {
        self.bytes(&[tag])
    }

    fn number(&mut self, number: u64) -> &mut Fnv {
        self.bytes(&number.to_le_bytes())
    }

    fn text(&mut self, text: &str) -> &mut Fnv {
        self.number(text.len() as u64).bytes(text.as_bytes())
    }

    fn error(&mut self, error: &RunError) -> &mut Fnv {
        self.text(&error.kind).text(&error.message)
    }

    fn value(&mut self, value: &Value) -> &mut Fnv {
        match value {
            Value::Null => self.tag(0),
            Value::Bool(on) => self.tag(1 + u8::from(*on)),
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(whole), _) => self.tag(3).number(whole as u64),
                (None, float) => self.tag(4).number(float.unwrap_or_default().to_bits()),
            },
            Value::String(text) => self.tag(5).text(text),
            Value::Array(items) => {
                self.tag(6).number(items.len() as u64);
                items.iter().fold(self, |hash, item| hash.value(item))
            }
            Value::Object(map) => {
                self.tag(7).number(map.len() as u64);
                map.iter().fold(self, |hash, (key, item)| hash.text(key).value(item))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn digests_are_stable_and_distinct() {
        let done = |value| outcome_digest("w", &Outcome::Done(value));
        assert_eq!(done(json!({"a": [1, null]})), done(json!({"a": [1, null]})));
        assert_ne!(done(json!({"a": [1, null]})), done(json!({"a": [1], "b": null})));
        assert_ne!(done(json!(1)), done(json!("1")));
        assert_eq!(done(json!(null)), 0x2ee699e4c903a8c8, "kept on disk: must never change");
    }
}

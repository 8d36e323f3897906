//! Reading a run's arguments: typed, with errors that name the argument.

use serde_json::Value;
use std::time::Duration;
use tasks::{Outcome, RunError};

/// Why an action did not get done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Trouble {
    /// Another try would fail too.
    Final(RunError),
    /// Another try may help.
    Again(RunError, Option<Duration>),
}

impl Trouble {
    /// The arguments are wrong.
    pub fn args(message: impl Into<String>) -> Trouble {
        Trouble::Final(RunError { kind: "bad_args".to_owned(), message: message.into() })
    }

    /// Temporary trouble of a named kind.
    pub fn again(kind: &str, message: impl Into<String>) -> Trouble {
        Trouble::Again(RunError { kind: kind.to_owned(), message: message.into() }, None)
    }

    /// Lasting trouble of a named kind.
    pub fn last(kind: &str, message: impl Into<String>) -> Trouble {
        Trouble::Final(RunError { kind: kind.to_owned(), message: message.into() })
    }
}

impl From<reach::Error> for Trouble {
    fn from(error: reach::Error) -> Trouble {
        let told = RunError { kind: error.code().to_owned(), message: error.to_string() };
        match error.kind() {
            reach::Kind::Caller => Trouble::Final(told),
            reach::Kind::Again => Trouble::Again(told, None),
        }
    }
}

/// An action's result as the queue takes it.
pub(crate) fn outcome(result: Result<Value, Trouble>) -> Outcome {
    match result {
        Ok(value) => Outcome::Done(value),
        Err(Trouble::Final(error)) => Outcome::Failed(error),
        Err(Trouble::Again(error, after)) => Outcome::Retry { error, after },
    }
}

/// The arguments of one run.
#[derive(Clone, Copy)]
pub(crate) struct Args<'a>(pub &'a Value);

impl<'a> Args<'a> {
    /// Refuses arguments that the action does not know: a misspelt one must not pass in silence.
    pub fn only(self, known: &[&str]) -> Result<Args<'a>, Trouble> {
        let fields = match self.0 {
            Value::Object(fields) => fields,
            Value::Null => return Ok(self),
            _ => return Err(Trouble::args("the arguments must be an object")),
        };
        match fields.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => Err(Trouble::args(format!("unknown argument {key:?}; known: {}", known.join(", ")))),
            None => Ok(self),
        }
    }

    /// The value, unless it is missing or null.
    pub fn get(self, key: &str) -> Option<&'a Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    /// A text that may be missing or empty; a number is taken as its digits.
    pub fn text(self, key: &str) -> Result<Option<String>, Trouble> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(value) => {
                plain(value).map(Some).ok_or_else(|| Trouble::args(format!("{key} must be a text")))
            }
        }
    }

    /// A text that must be there.
    pub fn need(self, key: &str) -> Result<String, Trouble> {
        self.text(key)?.ok_or_else(|| Trouble::args(format!("{key} is missing")))
    }

    /// A whole number from 0 to `max`, also as its digits; `fallback` if it is missing.
    pub fn number(self, key: &str, fallback: u64, max: u64) -> Result<u64, Trouble> {
        let Some(text) = self.text(key)? else { return Ok(fallback) };
        let number = text.parse().ok().filter(|n| *n <= max);
        number.ok_or_else(|| Trouble::args(format!("{key} must be a whole number from 0 to {max}")))
    }

    /// Texts; a single text is split at white space.
    pub fn words(self, key: &str) -> Result<Vec<String>, Trouble> {
        let fail = || Trouble::args(format!("{key} must be a list of texts"));
        match self.get(key) {
            None => Ok(Vec::new()),
            Some(Value::String(text)) => Ok(text.split_whitespace().map(str::to_owned).collect()),
            Some(Value::Array(items)) => items.iter().map(|item| plain(item).ok_or_else(fail)).collect(),
            Some(_) => Err(fail()),
        }
    }

    /// Named texts.
    pub fn pairs(self, key: &str) -> Result<Vec<(String, String)>, Trouble> {
        let fail = || Trouble::args(format!("{key} must be an object of texts"));
        match self.get(key) {
            None => Ok(Vec::new()),
            Some(Value::Object(fields)) => {
                fields.iter().map(|(name, v)| Ok((name.clone(), plain(v).ok_or_else(fail)?))).collect()
            }
            Some(_) => Err(fail()),
        }
    }
}

/// A text, a number or a truth value as text.
pub(crate) fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reading() {
        let value = json!({ "a": "x", "n": "12", "m": 7, "l": ["GET", 5], "w": "GET  k", "e": "", "o": { "k": true } });
        let args = Args(&value);
        assert_eq!(args.text("a").unwrap().as_deref(), Some("x"));
        assert_eq!((args.text("e").unwrap(), args.text("none").unwrap()), (None, None));
        assert_eq!((args.number("n", 1, 99).unwrap(), args.number("m", 1, 99).unwrap()), (12, 7));
        assert_eq!(args.number("none", 3, 99).unwrap(), 3);
        assert_eq!(args.words("l").unwrap(), ["GET", "5"]);
        assert_eq!(args.words("w").unwrap(), ["GET", "k"]);
        assert_eq!(args.pairs("o").unwrap(), [("k".to_owned(), "true".to_owned())]);

        let refused = |result: Result<(), Trouble>, text: &str| assert_eq!(result, Err(Trouble::args(text)));
        refused(args.need("z").map(drop), "z is missing");
        refused(args.number("n", 1, 9).map(drop), "n must be a whole number from 0 to 9");
        refused(args.text("l").map(drop), "l must be a text");
        refused(args.words("o").map(drop), "o must be a list of texts");
        refused(args.only(&["a", "n"]).map(drop), "unknown argument \"m\"; known: a, n");
        refused(Args(&json!([])).only(&[]).map(drop), "the arguments must be an object");
    }
}

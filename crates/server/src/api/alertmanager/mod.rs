//! Alertmanager's HTTP API, `/api/v2`, and the few calls of its first version that old playbooks make.

mod alerts;
mod first;
mod posted;
mod receiver;
mod show;
mod silences;
mod status;
mod terms;

pub(in crate::api) use alerts::{alerts, groups, post_alerts};
pub(in crate::api) use first::{post_alerts_first, post_silence_first, silences_first, status_first};
pub(in crate::api) use silences::{expire_silence, post_silence, silence, silences};
pub(in crate::api) use status::{receivers, status};

use super::Refused;
use crate::seam::Failure;
use crate::state::State;
use axum::response::{IntoResponse, Response};
use model::{Labels, Matcher, Timestamp};
use serde_json::Value;

/// The release whose surface this is.
pub(crate) const VERSION: &str = "0.34.0";

/// A failure, answered as Alertmanager does.
#[derive(Debug)]
pub(crate) struct Error(Refused);

impl From<Refused> for Error {
    fn from(refused: Refused) -> Error {
        Error(refused)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Error {
        Error(failure.into())
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        self.0.into_alertmanager()
    }
}

/// The matchers of every value of a parameter.
fn matchers(
    state: &State,
    texts: impl Iterator<Item = impl AsRef<str>>,
    name: &str,
) -> Result<Vec<Matcher>, Error> {
    let mut all = Vec::new();
    for text in texts {
        let read = (state.reads.grammar.matchers)(text.as_ref());
        all.extend(read.map_err(|what| Refused::value(name, what))?);
    }
    Ok(all)
}

/// A JSON object of texts as labels; `what` names it in messages.
fn labels(value: Option<&Value>, what: &str) -> Result<Labels, Refused> {
    let bad = |why: &str| Refused::Shape(vec![(what.to_owned(), why.to_owned())]);
    match value {
        None | Some(Value::Null) => Ok(Labels::empty()),
        Some(Value::Object(pairs)) => {
            let mut texts = Vec::with_capacity(pairs.len());
            for (name, value) in pairs {
                let Value::String(value) = value else { return Err(bad("every value must be a text")) };
                if name.is_empty() {
                    return Err(bad("a name is empty"));
                }
                texts.push((name.as_str(), value.as_str()));
            }
            Ok(Labels::from_pairs(texts))
        }
        Some(_) => Err(bad("it must be an object of texts")),
    }
}

/// An instant in RFC 3339; absent, null and Go's zero time are `None`.
fn instant(value: Option<&Value>, what: &str) -> Result<Option<Timestamp>, Refused> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => instant_of(text, what),
        Some(_) => Err(Refused::Shape(vec![(what.to_owned(), "it must be a text".to_owned())])),
    }
}

fn instant_of(text: &str, what: &str) -> Result<Option<Timestamp>, Refused> {
    if text.is_empty() || text.starts_with("0001-01-01T00:00:00") {
        return Ok(None);
    }
    Timestamp::parse_rfc3339(text).map(Some).map_err(|err| Refused::value(what, err.to_string()))
}

fn parse_json(body: &[u8]) -> Result<Value, Refused> {
    serde_json::from_slice(body).map_err(|err| Refused::BadRequest(format!("the body is not JSON: {err}")))
}

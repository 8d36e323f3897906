//! Bodies and parameters, each with a bound on its size and on the time it may take to arrive.

use super::Refused;
use crate::state::State;
use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::{Uri, header};
use bytes::Bytes;
use http_body_util::BodyExt;
use std::sync::Arc;

/// The whole body.
pub(crate) struct Raw(pub Bytes);

impl FromRequest<Arc<State>> for Raw {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &Arc<State>) -> Result<Raw, Refused> {
        whole(request.into_body(), state.limits.body_max, state).await.map(Raw)
    }
}

/// How much of a body that is too large is still read, and thrown away: a client that is cut off while it writes
/// never reads why.
const DISCARD_MAX: usize = 256 << 20;

/// The body of at most `max` bytes.
pub(crate) async fn whole(body: Body, max: usize, state: &State) -> Result<Bytes, Refused> {
    let read = tokio::time::timeout(state.limits.body_timeout, read(body, max)).await;
    read.unwrap_or(Err(Refused::TooSlow))
}

async fn read(mut body: Body, max: usize) -> Result<Bytes, Refused> {
    let (mut kept, mut seen) = (Vec::new(), 0usize);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|err| Refused::BadRequest(format!("the body broke off: {err}")))?;
        let Ok(data) = frame.into_data() else { continue };
        seen = seen.saturating_add(data.len());
        if seen <= max {
            kept.extend_from_slice(&data);
        } else if seen > max.saturating_add(DISCARD_MAX) {
            break;
        } else {
            kept = Vec::new();
        }
    }
    if seen > max { Err(Refused::TooLarge { max }) } else { Ok(Bytes::from(kept)) }
}

/// Parameters: those of a form in the body first, then those of the query.
pub(crate) struct Params(Vec<(String, String)>);

impl FromRequest<Arc<State>> for Params {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &Arc<State>) -> Result<Params, Refused> {
        let (parts, body) = request.into_parts();
        let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
        let mut pairs = Vec::new();
        if kind.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded") {
            let body = whole(body, state.limits.body_max, state).await?;
            pairs.extend(form_urlencoded::parse(&body).into_owned());
        }
        pairs.extend(Params::of_uri(&parts.uri).0);
        Ok(Params(pairs))
    }
}

impl Params {
    fn of_uri(uri: &Uri) -> Params {
        Params::of_query(uri.query().unwrap_or(""))
    }

    /// Those of a query alone.
    pub(crate) fn of_query(query: &str) -> Params {
        Params(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// The first value of `name` that is not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).find(|value| !value.is_empty())
    }

    /// All values of `name`.
    pub(crate) fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// A switch that is `on` unless the parameter says otherwise.
    pub(crate) fn switch(&self, name: &str, on: bool) -> Result<bool, Refused> {
        // Python's own words are `True` and `False`.
        match self.get(name).map(str::to_ascii_lowercase).as_deref() {
            None => Ok(on),
            Some("true" | "1") => Ok(true),
            Some("false" | "0") => Ok(false),
            Some(other) => Err(Refused::value(name, format!("{other:?} is neither true nor false"))),
        }
    }

    /// A whole number from `least` to `most`, `usual` if the parameter is absent.
    pub(crate) fn number(&self, name: &str, least: u64, most: u64, usual: u64) -> Result<u64, Refused> {
        let Some(text) = self.get(name) else { return Ok(usual) };
        match text.parse() {
            Ok(n) if (least..=most).contains(&n) => Ok(n),
            _ => Err(Refused::query(name, format!("{text:?} is not a whole number from {least} to {most}"))),
        }
    }
}

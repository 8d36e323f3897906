//! `Idempotency-Key`: a request that changes something is done once, however often it is sent.
//!
//! Whatever makes something new or counts again when it comes twice takes the key; `docs/tasks/queue.md` lists the
//! routes. Not those whose answer is a secret (tokens, agents' secrets, signed links): an answer that is kept is
//! kept in the store.

use super::Refused;
use crate::auth::Principal;
use crate::seam::Asked;
use crate::views::{Kept, Once};
use axum::Extension;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The header that holds the key.
pub(crate) const HEADER: &str = "Idempotency-Key";
/// The longest key.
const KEY_MAX: usize = 255;

/// Everything about a request but its body.
pub(crate) type Request = (Method, Uri, HeaderMap, Extension<Principal>);

/// A request whose answer is known as soon as it is done. Its query is a part of what is asked; a slash at the end of
/// its path is not.
pub(crate) fn asked<T>(
    (method, uri, headers, Extension(by)): &Request,
    body: &[u8],
    answer: impl Fn(&T) -> (StatusCode, Value) + Send + 'static,
) -> Result<Asked<T>, Refused> {
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let what = format!("{}{query}", uri.path().trim_end_matches('/'));
    Ok(Asked {
        once: once(headers, by, method, &what, body)?,
        answer: Box::new(move |done| {
            let (status, body) = answer(done);
            (status.as_u16(), body.to_string())
        }),
    })
}

/// The key of a request, if it has one, and a digest of what it asks.
pub(crate) fn once(
    headers: &HeaderMap,
    principal: &Principal,
    method: &Method,
    path: &str,
    body: &[u8],
) -> Result<Option<Once>, Refused> {
    let Some(key) = headers.get(HEADER) else { return Ok(None) };
    let key = key.to_str().ok().filter(|key| (1..=KEY_MAX).contains(&key.len())).ok_or_else(|| {
        let what = format!("it must have 1 to {KEY_MAX} characters of ASCII");
        Refused::header(HEADER, what)
    })?;
    let mut hash = Sha256::new();
    for part in [method.as_str().as_bytes(), path.as_bytes(), body] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digest = HEXLOWER.encode(&hash.finalize()[..16]);
    Ok(Some(Once { by: principal.name.clone(), key: key.to_owned(), digest }))
}

/// An answer that may be one given before.
pub(crate) fn answer(kept: Kept) -> Response {
    let status = StatusCode::from_u16(kept.status).unwrap_or(StatusCode::OK);
    let mut response = (status, [(header::CONTENT_TYPE, "application/json")], kept.body).into_response();
    if kept.replayed {
        response.headers_mut().insert("idempotent-replayed", HeaderValue::from_static("true"));
    }
    response
}

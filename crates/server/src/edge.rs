//! What happens around every request, whatever its route: an id, the log line, the figures, the headers, the
//! body of an error, and a net under panics.

use crate::api::{ErrorBody, Refused};
use crate::auth::Peer;
use crate::seam::Failure;
use crate::state::State;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State as Given};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use rand::Rng;
use serde_json::json;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

/// Marks an answer that waited for something to happen: its duration says nothing about the server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waited;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// A longer id from outside is replaced.
const REQUEST_ID_LEN_MAX: usize = 128;

/// Wraps every route and the 404.
pub(crate) async fn edge(Given(state): Given<Arc<State>>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let id = request_id(request.headers());
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let endpoint = matched.as_ref().map_or("none", MatchedPath::as_str);
    let line = Line::of(&request);
    let answer = async {
        if is_text(request.uri().path()) {
            next.run(request).await
        } else {
            Refused::BadRequest("the path's escapes are not UTF-8".to_owned()).into_response()
        }
    };
    let mut response = match AssertUnwindSafe(answer).catch_unwind().await {
        Ok(response) => response,
        Err(_) => {
            tracing::error!(
                event = "request_panicked",
                request_id = id,
                "Request handler panicked: {endpoint}"
            );
            Refused::Failure(Failure::Internal("a handler panicked".to_owned())).into_response()
        }
    };
    let status = response.status();
    if let Some(error) = response.extensions().get::<ErrorBody>().cloned() {
        state.metrics.failed(status.as_u16(), error.kind, endpoint);
        if !error.written {
            response = with_body(response, &error, &id, &state.clock.now().rfc3339());
        }
    }
    let timed = response.extensions().get::<Waited>().is_none().then(|| begun.elapsed());
    state.metrics.request(method_label(&line.method), endpoint, status.as_u16(), timed);
    line.log(status, &id);
    add_headers(response.headers_mut(), &id);
    response
}

/// Whether a path is UTF-8 once its escapes are undone: what takes a part of it takes texts.
fn is_text(path: &str) -> bool {
    if !path.contains('%') {
        return true;
    }
    // A plus sign stands for itself in a path; as a space it is no less UTF-8.
    let bytes: Vec<u8> = percent_encoding::percent_decode_str(path).collect();
    std::str::from_utf8(&bytes).is_ok()
}

/// What the access log says of a request.
struct Line {
    peer: Option<Peer>,
    method: Method,
    path: String,
    version: axum::http::Version,
}

impl Line {
    fn of(request: &Request) -> Line {
        let peer = request.extensions().get::<Peer>().copied();
        Line {
            peer,
            method: request.method().clone(),
            path: path_for_log(request.uri()),
            version: request.version(),
        }
    }

    fn log(&self, status: StatusCode, id: &str) {
        let Line { method, path, version, .. } = self;
        let peer = self.peer.map_or_else(|| "-".to_owned(), |peer| peer.remote.to_string());
        let reason = status.canonical_reason().unwrap_or("");
        let code = status.as_str();
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    event = "http_request",
                    request_id = id,
                    "{peer} - \"{method} {path} {version:?}\" {code} {reason}"
                )
            };
        }
        // Workers ask many times a second; what they bring and are given is told where it happens.
        if path == "/v1/work" && status.is_success() {
            line!(debug);
        } else {
            line!(info);
        }
    }
}

/// The path without its query, which may hold what a log must not; bounded.
fn path_for_log(uri: &Uri) -> String {
    uri.path().chars().take(200).collect()
}

/// The id the client gave, if it is one a header and a log line can carry, else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
    let plain = |id: &&str| {
        (1..=REQUEST_ID_LEN_MAX).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':'))
    };
    match given.filter(plain) {
        Some(id) => id.to_owned(),
        None => format!("req-{:08x}", rand::rng().next_u32()),
    }
}

fn with_body(response: Response, error: &ErrorBody, id: &str, now: &str) -> Response {
    let mut body = json!({
        "detail": error.detail,
        "error": error.kind,
        "message": error.message,
        "request_id": id,
        "timestamp": now,
    });
    if let Some(max) = error.max_size_bytes {
        body["max_size_bytes"] = max.into();
    }
    if let Some(secs) = error.retry_after {
        body["retry_after"] = secs.into();
    }
    let (mut parts, _) = response.into_parts();
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(body.to_string()))
}

fn add_headers(headers: &mut HeaderMap, id: &str) {
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, id);
    }
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_XSS_PROTECTION, "1; mode=block"),
        (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
        (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
        (header::SERVER, "tocsin"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; form-action 'self'; \
             base-uri 'none'; frame-ancestors 'none'",
        ),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

/// A bounded set: anybody can invent a method.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

//! Which web pages of other origins may read our answers.
//!
//! This lets a browser show an answer to a page; it lets nobody in. A page of an origin listed here still needs a
//! credential, for a request with a foreign `Origin` is never local. An origin that is not listed gets its answer
//! without the headers that a browser looks for, and is counted.

use crate::api::Refused;
use crate::state::State;
use axum::extract::{Request, State as Given};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// What is allowed where nothing is said.
pub const USUAL_ORIGINS: &str = "http://localhost:3000,http://localhost:5173";

/// Origins that may read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cors {
    /// Every origin, without credentials of the browser.
    any: bool,
    origins: Vec<Origin>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Origin {
    scheme: String,
    host: Host,
    /// With its colon; empty for the scheme's own.
    port: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Is(String),
    /// Any name of one label or more before this, which begins with a dot.
    Below(String),
}

impl Cors {
    /// From origins separated by commas, `https://*.example.org` for every name below one; and what is wrong with
    /// those that were left out.
    pub fn parse(list: &str) -> (Cors, Vec<String>) {
        let (mut cors, mut problems) = (Cors::default(), Vec::new());
        for text in list.split(',').map(str::trim).filter(|text| !text.is_empty()) {
            match Origin::parse(text) {
                _ if text == "*" => cors.any = true,
                Some(origin) => cors.origins.push(origin),
                None => problems.push(format!(
                    "{text:?} is not an origin; write one such as https://app.example.org or \
                     https://*.example.org"
                )),
            }
        }
        (cors, problems)
    }

    /// Whether `*` is among them.
    pub fn allows_any(&self) -> bool {
        self.any
    }

    fn allows(&self, origin: &str) -> bool {
        let Some((scheme, host, port)) = parts(origin) else { return false };
        self.origins.iter().any(|allowed| {
            allowed.scheme == scheme
                && allowed.port == port
                && match &allowed.host {
                    Host::Is(name) => *name == host,
                    Host::Below(end) => host.strip_suffix(end.as_str()).is_some_and(is_name),
                }
        })
    }
}

impl Origin {
    fn parse(text: &str) -> Option<Origin> {
        let (scheme, host, port) = parts(text.trim_end_matches('/'))?;
        let host = match host.strip_prefix("*.") {
            Some(end) if is_name(end) => Host::Below(format!(".{end}")),
            Some(_) => return None,
            None if is_name(&host) || is_literal(&host) => Host::Is(host),
            None => return None,
        };
        Some(Origin { scheme, host, port })
    }
}

/// Scheme, host and port in lower case; the scheme's own port is left out, as browsers do.
fn parts(origin: &str) -> Option<(String, String, String)> {
    let lower = origin.to_ascii_lowercase();
    let (scheme, rest) = lower.split_once("://")?;
    if !["http", "https"].contains(&scheme) || rest.contains(['/', '?', '#', '@', ' ']) {
        return None;
    }
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, digits)) if !digits.contains(']') => (host, Some(digits.parse::<u16>().ok()?)),
        _ => (rest, None),
    };
    let own = if scheme == "http" { 80 } else { 443 };
    let port = port.filter(|port| *port != own).map(|port| format!(":{port}")).unwrap_or_default();
    Some((scheme.to_owned(), host.to_owned(), port))
}

fn is_name(name: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    name.split('.').all(label)
}

fn is_literal(host: &str) -> bool {
    let inside = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    inside.is_some_and(|ip| ip.parse::<std::net::Ipv6Addr>().is_ok())
}

/// What a page may send beside the plain headers.
const ALLOWED_HEADERS: HeaderValue = HeaderValue::from_static(
    "Authorization, Content-Type, X-API-Key, X-Request-ID, Idempotency-Key, Last-Event-ID, Traceparent",
);
const ALLOWED_METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
const EXPOSED_HEADERS: HeaderValue = HeaderValue::from_static(
    "X-Request-ID, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, Retry-After",
);
/// How long a browser may remember what a preflight said.
const PREFLIGHT_AGE: HeaderValue = HeaderValue::from_static("600");

/// Answers preflights, and adds to other answers what a browser looks for.
pub(crate) async fn cors(Given(state): Given<Arc<State>>, request: Request, next: Next) -> Response {
    let Some(origin) = request.headers().get(header::ORIGIN).cloned() else { return next.run(request).await };
    let verdict = judge(&state, &origin, request.headers());
    let is_preflight = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = match (is_preflight, verdict) {
        (false, _) => next.run(request).await,
        (true, Verdict::Refused) => Refused::BadRequest("Disallowed CORS origin".to_owned()).into_response(),
        (true, _) => preflight(),
    };
    let headers = response.headers_mut();
    let varies = if is_preflight {
        "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
    } else {
        "Origin"
    };
    headers.append(header::VARY, HeaderValue::from_static(varies));
    match verdict {
        Verdict::Listed => {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
        }
        Verdict::Any => {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
        }
        Verdict::Own | Verdict::Refused => {}
    }
    response
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// A page of ours.
    Own,
    Listed,
    /// Through `*`.
    Any,
    Refused,
}

fn judge(state: &State, origin: &HeaderValue, headers: &HeaderMap) -> Verdict {
    let text = origin.to_str().unwrap_or("");
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("");
    let own = text.split_once("://").is_some_and(|(_, origin)| origin.eq_ignore_ascii_case(host));
    let cors = &state.gate.cors;
    match () {
        () if own => Verdict::Own,
        () if cors.allows(text) => Verdict::Listed,
        () if cors.any => Verdict::Any,
        () => {
            state.metrics.cors_violation();
            let shown: String = text.chars().take(200).collect();
            tracing::debug!(event = "cors_violation", origin = shown, "Origin is not allowed: {shown}");
            Verdict::Refused
        }
    }
}

fn preflight() -> Response {
    let mut response = StatusCode::OK.into_response();
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, ALLOWED_METHODS);
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_AGE);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_that_match_and_tricks_that_do_not() {
        let list = "http://localhost:3000, https://*.vercel.app,https://Shop.example.org/,http://[::1]:5173";
        let (cors, problems) = Cors::parse(list);
        assert_eq!(problems, Vec::<String>::new());
        for (origin, want) in [
            ("http://localhost:3000", true),
            ("http://localhost:3001", false),
            ("https://localhost:3000", false),
            ("https://app.vercel.app", true),
            ("https://a.b.vercel.app", true),
            ("https://vercel.app", false),
            ("https://.vercel.app", false),
            ("https://evilvercel.app", false),
            ("https://app.vercel.app.evil.example", false),
            ("https://evil.example/.vercel.app", false),
            ("https://evil.example#.vercel.app", false),
            ("https://evil.example@.vercel.app", false),
            ("https://a..vercel.app", false),
            ("http://app.vercel.app", false),
            ("https://app.vercel.app:8443", false),
            ("https://app.vercel.app:443", true),
            ("https://shop.example.org", true),
            ("http://[::1]:5173", true),
            ("null", false),
            ("", false),
            ("file://localhost:3000", false),
        ] {
            assert_eq!(cors.allows(origin), want, "{origin}");
        }
    }

    #[test]
    fn entries_that_are_no_origins_are_told_and_left_out() {
        let (cors, problems) =
            Cors::parse("localhost:3000, https://*, https://a.*.org, ftp://x.org, https://ok.example");
        assert_eq!((problems.len(), cors.origins.len(), cors.any), (4, 1, false), "{problems:?}");
        assert!(Cors::parse("*").0.allows_any());
        assert!(Cors::parse(USUAL_ORIGINS).1.is_empty());
    }
}

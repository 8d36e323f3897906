//! HTTP/1.1 to the outside: one guarded connection at a time, kept for the next request to the same place.
//!
//! Each redirect is a new request: resolved, checked and connected anew, and without credentials if it leads to
//! another host. A response is read whole, up to a limit, and unpacked if it is gzipped.

mod auth;
mod body;
mod client;
mod link;
mod proxy;

pub use auth::{basic, bearer};
pub use bytes::Bytes;
pub use client::Client;
pub use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
pub use proxy::Proxy;
pub use url::Url;

use crate::Error;
use std::{
    net::SocketAddr,
    time::{Duration, SystemTime},
};

/// What to ask.
#[derive(Debug, Clone)]
pub struct Request {
    /// GET, POST, ...
    pub method: Method,
    /// Whom and what. Credentials in it have become a header.
    pub url: Url,
    /// Headers; `Host`, `Content-Length` and, unless given, `User-Agent` are added.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The longest everything together may take, redirects too.
    pub timeout: Duration,
    /// The longest body to accept, packed and unpacked.
    pub body_max: usize,
    /// How many redirects to follow; 0: the redirect itself is the response.
    pub redirects_max: u32,
    /// Whether a kept connection will do.
    pub connection: Connection,
}

/// Which connection a request takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Connection {
    /// A kept one if there is one.
    #[default]
    Kept,
    /// A new one, closed afterwards: a probe wants to know whether one can be made.
    Fresh,
}

impl Request {
    /// A request with 10 s, 10 MiB and 10 redirects.
    pub fn new(method: Method, url: &str) -> Result<Request, Error> {
        let mut headers = HeaderMap::new();
        let url = parse_url(url, &mut headers)?;
        Ok(Request {
            method,
            url,
            headers,
            body: Bytes::new(),
            timeout: Duration::from_secs(10),
            body_max: 10 << 20,
            redirects_max: 10,
            connection: Connection::Kept,
        })
    }

    /// A GET.
    pub fn get(url: &str) -> Result<Request, Error> {
        Request::new(Method::GET, url)
    }

    /// A POST of JSON.
    pub fn post_json(url: &str, body: impl Into<Bytes>) -> Result<Request, Error> {
        let mut request = Request::new(Method::POST, url)?;
        request.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        request.body = body.into();
        Ok(request)
    }

    /// Sets a header; refuses a name or a value that HTTP cannot carry.
    pub fn set_header(&mut self, name: &str, value: &str) -> Result<(), Error> {
        let fail = |why: &str| Error::Target { text: name.to_owned(), form: "header", why: why.to_owned() };
        let name = HeaderName::try_from(name).map_err(|_| fail("a header's name cannot hold that"))?;
        let mut value =
            HeaderValue::try_from(value).map_err(|_| fail("its value has a character no header can hold"))?;
        value.set_sensitive(is_secret(&name));
        self.headers.insert(name, value);
        Ok(())
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Response {
    /// 200, 404, ...
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, unpacked.
    pub body: Bytes,
    /// Who sent it.
    pub remote_addr: SocketAddr,
    /// Where it came from, after redirects.
    pub url: Url,
    /// How long each part took, over all redirects.
    pub timings: Timings,
}

impl Response {
    /// 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// A header as text; `None` if it is missing or no text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// `Retry-After`: seconds, or a date, which counts from the answer's own `Date` as the other clock may be wrong.
    pub fn retry_after(&self) -> Option<Duration> {
        let text = self.header("retry-after")?.trim();
        if let Ok(seconds) = text.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let date = |text: &str| httpdate::parse_http_date(text.trim()).ok();
        let from = self.header("date").and_then(date).unwrap_or_else(SystemTime::now);
        Some(date(text)?.duration_since(from).unwrap_or_default())
    }
}

/// How long each part of a request took. The first three are zero on a kept connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timings {
    /// Resolving the name.
    pub resolve: Duration,
    /// Connecting.
    pub connect: Duration,
    /// The TLS handshake.
    pub tls: Duration,
    /// From the request to the response's head.
    pub processing: Duration,
    /// The response's body.
    pub transfer: Duration,
}

/// Headers that hold credentials.
pub(crate) fn is_secret(name: &HeaderName) -> bool {
    let name = name.as_str();
    matches!(name, "authorization" | "proxy-authorization" | "cookie")
        || ["key", "token", "secret", "signature", "password"].iter().any(|word| name.contains(word))
}

fn parse_url(text: &str, headers: &mut HeaderMap) -> Result<Url, Error> {
    let fail = |why: String| Error::Target { text: without_secrets(text), form: "URL", why };
    let mut url = Url::parse(text).map_err(|e| fail(e.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(fail("it must start with http:// or https://".to_owned()));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(fail("the host is missing".to_owned()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        let header = basic(&decoded(url.username()), &decoded(url.password().unwrap_or("")));
        headers.insert(header::AUTHORIZATION, header);
        let cleared = url.set_username("").and_then(|()| url.set_password(None));
        cleared.expect("a URL with a host can lose its credentials");
    }
    url.set_fragment(None);
    Ok(url)
}

/// What of a URL may be shown: scheme, host and port. Credentials, path (a chat's webhook is one long secret)
/// and query may not.
pub(crate) fn without_secrets(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").map_or(("", url), |(scheme, rest)| (scheme, rest));
    let host = rest.split(['/', '?', '#']).next().unwrap_or("");
    let host = host.rsplit('@').next().unwrap_or("");
    let text = if scheme.is_empty() { host.to_owned() } else { format!("{scheme}://{host}") };
    text.chars().take(200).collect()
}

/// A percent-encoded part of a URL as plain text.
pub(crate) fn decoded(text: &str) -> String {
    // A form's pair is decoded as a whole; `+` means itself in a URL's credentials.
    let pair = format!("v={}", text.replace('+', "%2B").replace('&', "%26"));
    url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, v)| v.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests;

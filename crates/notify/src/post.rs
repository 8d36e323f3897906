//! The way out by HTTP that all integrations share: credentials, TLS, time limit, and what an answer means.
//!
//! 2xx is done; 408, 429 and 5xx, broken connections and bad certificates are worth another try, after the wait that
//! the other side asks for; everything else is for good.

use crate::scope::Scope;
use crate::sending::Sending;
use crate::{Error, Sent};
use reach::config::{Access, HttpConfig};
use reach::http::{Bytes, HeaderMap, Request, Response, Timings, Url};
use serde_json::Value;
use serde_saphyr::Spanned;
use std::{net::SocketAddr, path::Path, time::Duration};

/// How an integration reaches its service.
#[derive(Debug, Clone)]
pub(crate) struct Post {
    access: Access,
    timeout: Duration,
}

/// Without a `timeout`.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Nobody reads more of an answer.
const ANSWER_MAX: usize = 256 << 10;
/// The longest wait that a receiver can ask of us.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);
/// How much of an answer is shown.
const WORDS_MAX: usize = 200;

impl Post {
    /// Its own `http_config`, else the global one.
    pub fn resolve(
        http: Option<&HttpConfig>,
        timeout: Option<&Spanned<String>>,
        scope: &mut Scope<'_>,
    ) -> Post {
        Post { access: scope.access(http), timeout: scope.duration(timeout, TIMEOUT) }
    }

    /// The files that must exist for this to work.
    pub fn files(&self) -> Vec<&Path> {
        self.access.files()
    }

    /// Posts JSON.
    pub async fn json(&self, url: &str, body: &Value, sending: &Sending<'_>) -> Result<Response, Error> {
        self.send(Request::post_json(url, body.to_string())?, sending).await
    }

    /// Sends, and takes 2xx as done.
    pub async fn send(&self, request: Request, sending: &Sending<'_>) -> Result<Response, Error> {
        let host = request.url.host_str().unwrap_or("").to_owned();
        let response = self.ask(request, sending).await?;
        if response.is_success() { Ok(response) } else { Err(refusal(host, &response)) }
    }

    /// Sends, whatever comes back. A message that a redirect took to another host was not delivered: redirects
    /// leave body and credentials behind.
    pub async fn ask(&self, mut request: Request, sending: &Sending<'_>) -> Result<Response, Error> {
        let to = format!("{} {}", request.method, request.url);
        if sending.show(&to, &String::from_utf8_lossy(&request.body)) {
            return Ok(canned(request.url));
        }
        (request.timeout, request.body_max) = (self.timeout, ANSWER_MAX);
        self.access.prepare(sending.client, &mut request).await?;
        let from = request.url.host_str().unwrap_or("").to_owned();
        let response = self.access.client(sending.client).send(request).await?;
        match response.url.host_str().unwrap_or("") {
            to if to != from => Err(Error::Astray { from, to: to.to_owned() }),
            _ => Ok(response),
        }
    }
}

impl Sent {
    /// What an answer says.
    pub(crate) fn by(response: &Response) -> Sent {
        Sent::told(format!("{} {}", response.status, words(&response.body)).trim_end())
    }
}

/// What an answer that is no success means.
pub(crate) fn refusal(host: String, response: &Response) -> Error {
    let after = response.retry_after().or_else(|| waits(&response.body)).map(|a| a.min(RETRY_AFTER_MAX));
    Error::Refused { host, status: response.status, body: words(&response.body), after }
}

/// What an answer means whose status says success and whose body says otherwise: it counts as `status`.
pub(crate) fn refused_as(status: u16, words: &str, response: &Response) -> Error {
    let Error::Refused { host, after, .. } =
        refusal(response.url.host_str().unwrap_or("").to_owned(), response)
    else {
        unreachable!("a refusal is a refusal");
    };
    let body = words.chars().take(WORDS_MAX).filter(|c| !c.is_control()).collect();
    Error::Refused { host, status, body, after }
}

/// Some say in the body how long to wait: Discord as `retry_after`, Telegram in `parameters`.
fn waits(body: &[u8]) -> Option<Duration> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let seconds = answer.get("retry_after").or_else(|| answer.get("parameters")?.get("retry_after"))?;
    let seconds = seconds.as_f64().filter(|s| s.is_finite() && (0.0..=86_400.0).contains(s))?;
    Some(Duration::from_secs_f64(seconds))
}

/// The start of a body, on one line.
pub(crate) fn words(body: &[u8]) -> String {
    String::from_utf8_lossy(body).chars().take(WORDS_MAX).filter(|c| !c.is_control()).collect()
}

/// What a preview takes for an answer: good news in every dialect.
fn canned(url: Url) -> Response {
    const BODY: &[u8] = br#"{"ok":true,"errcode":0,"success":true,"status":"success","ts":"1","channel":"C","result":{"message_id":1},"issues":[],"transitions":[],"key":"PREVIEW-1"}"#;
    Response {
        status: 200,
        headers: HeaderMap::new(),
        body: Bytes::from_static(BODY),
        remote_addr: SocketAddr::from(([127, 0, 0, 1], 0)),
        url,
        timings: Timings::default(),
    }
}

//! How a verb reaches a running Tocsin: one request at a time, with the key that was given, or on this machine the
//! one in `./tocsin-data`. A local key never leaves the machine.

use crate::cli;
use anyhow::{Context, Result, bail};
use reach::{
    OwnListeners, Policy,
    http::{self, Bytes, Method, Request},
};
use serde_json::Value;
use std::{sync::Arc, time::Duration};

/// Which of the local keys a verb takes where none was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalKey {
    /// The verb only reads.
    User,
    /// The verb decides.
    Operator,
}

/// A server and who we are to it.
pub struct Client {
    base: String,
    key: Option<String>,
    local: LocalKey,
    timeout: Duration,
    http: http::Client,
}

/// What it answered.
pub struct Reply {
    /// 200, 404, ...
    pub status: u16,
    /// As it was sent.
    pub body: String,
}

impl Client {
    /// The server that was named, or the one that `serve` starts here under the same variables.
    pub fn new(remote: &cli::Remote, local: LocalKey) -> Client {
        let here = || {
            let port = ["PORT", "ORCHESTRATOR_PORT"].iter().find_map(|name| std::env::var(name).ok());
            format!("http://127.0.0.1:{}", port.as_deref().unwrap_or("8080").trim())
        };
        let base = remote.server.clone().unwrap_or_else(here);
        Client {
            base: base.trim_end_matches('/').to_owned(),
            key: remote.key.clone(),
            local,
            timeout: Duration::from_secs(30),
            http: http::Client::new(Policy::OPERATOR, Arc::new(OwnListeners::default())),
        }
    }

    /// Waits at most this long for each answer.
    pub fn with_timeout(self, timeout: Duration) -> Client {
        Client { timeout, ..self }
    }

    /// Reads.
    pub async fn get(&self, path: &str) -> Result<Reply> {
        self.ask(Method::GET, path, None).await
    }

    /// Changes something; `body` is sent as JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Reply> {
        self.ask(Method::POST, path, Some(body)).await
    }

    /// Any request. Where a key is asked for and none was given, the local one is tried, on this machine only.
    pub async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Reply> {
        let first = self.send(&method, path, body, self.key.as_deref()).await?;
        if first.status != 401 || self.key.is_some() || !is_local(&self.base) {
            return Ok(first);
        }
        match local_key(self.local) {
            Some(key) => self.send(&method, path, body, Some(&key)).await,
            None => Ok(first),
        }
    }

    async fn send(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> Result<Reply> {
        let url = format!("{}{path}", self.base);
        let mut request = Request::new(method.clone(), &url)?;
        request.timeout = self.timeout;
        if let Some(body) = body {
            request.set_header("content-type", "application/json")?;
            request.body = Bytes::from(body.to_string());
        }
        if let Some(key) = key {
            request.set_header("x-api-key", key).context("the key is not a header's value")?;
        }
        let reply = self.http.send(request).await.with_context(|| format!("no answer from {url}"))?;
        Ok(Reply { status: reply.status, body: String::from_utf8_lossy(&reply.body).into_owned() })
    }
}

impl Reply {
    /// The body, null if it is no JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    /// As [`Reply::done`], of Alertmanager's first version, whose refusals have their message under `error`.
    pub fn done_first(&self) -> Result<Value> {
        match self.json()["error"].as_str() {
            Some(why) if self.status >= 400 && self.json()["message"].is_null() => bail!("{why}"),
            _ => self.done(),
        }
    }

    /// The body of an answer in the two hundreds; else what the server says is wrong.
    pub fn done(&self) -> Result<Value> {
        if (200..300).contains(&self.status) {
            return Ok(self.json());
        }
        let said = self.json();
        match (self.status, said["message"].as_str()) {
            (401, _) => bail!("a key is needed: give --key, or set TOCSIN_KEY"),
            (_, Some(why)) => bail!("{why}"),
            (status, None) => bail!("the server answered {status}; this may be no Tocsin"),
        }
    }
}

/// Runs a verb that asks a server.
pub fn block_on<T>(verb: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(verb)
}

fn is_local(url: &str) -> bool {
    ["http://127.0.0.1", "http://localhost", "http://[::1]"].iter().any(|local| {
        url.strip_prefix(local).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
    })
}

fn local_key(which: LocalKey) -> Option<String> {
    let text = std::fs::read_to_string("tocsin-data/credentials.json").ok()?;
    let keys: Value = serde_json::from_str(&text).ok()?;
    let role = match which {
        LocalKey::User => "user",
        LocalKey::Operator => "operator",
    };
    keys[role].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_local_key_stays_on_this_machine() {
        for (url, wanted) in [
            ("http://127.0.0.1:8080", true),
            ("http://localhost", true),
            ("http://[::1]:9090", true),
            ("http://127.0.0.1.example.org", false),
            ("http://localhost.example.org:8080", false),
            ("https://tocsin.example.org", false),
        ] {
            assert_eq!(super::is_local(url), wanted, "{url}");
        }
    }
}

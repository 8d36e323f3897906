//! One blocking request at a time.

use serde_json::Value;
use std::time::Duration;

/// What came back.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    pub body: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|why| panic!("not JSON ({why}): {}", self.body))
    }
}

/// Any method; `None` if nobody answers.
pub fn request(method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Option<Reply> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_global(Some(Duration::from_secs(60)))
        .build()
        .into();
    let mut builder = ureq::http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    let sent = if body.is_empty() && method != "POST" {
        agent.run(builder.body(()).expect("the request is well formed"))
    } else {
        agent.run(builder.body(body.to_owned()).expect("the request is well formed"))
    };
    let mut reply = sent.ok()?;
    Some(Reply {
        status: reply.status().as_u16(),
        headers: reply.headers().clone(),
        body: reply.body_mut().with_config().limit(64 << 20).read_to_string().ok()?,
    })
}

pub fn get(url: &str) -> Option<Reply> {
    request("GET", url, &[], "")
}

pub fn post(url: &str, kind: &str, body: &str) -> Option<Reply> {
    request("POST", url, &[("content-type", kind)], body)
}

pub fn post_json(url: &str, body: &Value) -> Option<Reply> {
    post(url, "application/json", &body.to_string())
}

/// The text inside a JSON string, or the value as it is written.
pub fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

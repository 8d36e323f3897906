//! One HTTP request. 2xx, or a status that was expected, is done; 408, 429 and 5xx are worth another try.

use super::millis;
use crate::args::{Args, Trouble, outcome};
use reach::http::{Client, Method, Request, Response};
use serde_json::{Map, Value, json};
use std::time::Instant;
use tasks::{Action, Attempt, RunError, Running};

pub(super) struct Http {
    kind: String,
    client: Client,
}

/// The longest answer that is kept.
const BODY_MAX: usize = 256 << 10;

impl Http {
    pub fn new(kind: String, client: Client) -> Http {
        Http { kind, client }
    }

    async fn ask(&self, attempt: &Attempt) -> Result<Value, Trouble> {
        let given = attempt.args.value();
        let args = Args(&given).only(&["url", "method", "headers", "body", "json", "expect_status"])?;
        let request = request(args, attempt)?;
        let begun = Instant::now();
        let response = self.client.send(request).await?;
        let status = response.status;
        if response.is_success() && args.get("expect_status").is_none() || expected(args, status)? {
            return Ok(answer(&response, millis(begun.elapsed())));
        }
        let host = response.url.host_str().unwrap_or("");
        let text = String::from_utf8_lossy(&response.body);
        let text: String = text.chars().take(300).filter(|c| !c.is_control()).collect();
        let error =
            RunError { kind: format!("http_{status}"), message: format!("{host} answered {status}: {text}") };
        Err(match status {
            408 | 429 | 500.. => Trouble::Again(error, response.retry_after()),
            _ => Trouble::Final(error),
        })
    }
}

impl Action for Http {
    fn kind(&self) -> &str {
        &self.kind
    }

    fn run(&self, attempt: Attempt) -> Running<'_> {
        Box::pin(async move { outcome(self.ask(&attempt).await) })
    }
}

fn request(args: Args<'_>, attempt: &Attempt) -> Result<Request, Trouble> {
    let method = args.text("method")?.unwrap_or_else(|| "GET".to_owned()).to_uppercase();
    let method =
        Method::from_bytes(method.as_bytes()).map_err(|_| Trouble::args("method is no HTTP method"))?;
    let mut request = Request::new(method, &args.need("url")?)?;
    (request.timeout, request.body_max) = (attempt.deadline, BODY_MAX);
    match (args.get("body"), args.get("json")) {
        (Some(_), Some(_)) => return Err(Trouble::args("body and json cannot both be given")),
        (Some(Value::String(text)), None) => request.body = text.clone().into(),
        (Some(value), None) | (None, Some(value)) => {
            request.set_header("Content-Type", "application/json")?;
            request.body = value.to_string().into();
        }
        (None, None) => {}
    }
    if !request.method.is_safe() {
        // The run, not the attempt: another try must look the same to the other side.
        request.set_header("Idempotency-Key", &attempt.run_id)?;
    }
    for (name, value) in args.pairs("headers")? {
        request.set_header(&name, &value)?;
    }
    Ok(request)
}

fn expected(args: Args<'_>, status: u16) -> Result<bool, Trouble> {
    let words = match args.get("expect_status") {
        Some(Value::Number(n)) => vec![n.to_string()],
        _ => args.words("expect_status")?,
    };
    Ok(words.contains(&status.to_string()))
}

fn answer(response: &Response, took_ms: u64) -> Value {
    let headers = response.headers.iter().filter(|(name, _)| !name.as_str().contains("cookie"));
    let headers: Map<String, Value> = headers
        .map(|(name, value)| (name.as_str().to_owned(), json!(String::from_utf8_lossy(value.as_bytes()))))
        .collect();
    let is_json = response.header("content-type").is_some_and(|kind| kind.contains("json"));
    let parsed = is_json.then(|| serde_json::from_slice(&response.body).ok()).flatten();
    let body = parsed.unwrap_or_else(|| json!(String::from_utf8_lossy(&response.body)));
    json!({ "status": response.status, "headers": headers, "body": body, "took_ms": took_ms })
}

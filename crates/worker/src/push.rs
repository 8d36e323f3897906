//! Workers that are called instead of calling: each claimed run is posted to a URL.
//!
//! A worker like any other on this side: a [`crate::Pool`] whose only action is the POST, so that leases, drain and
//! bounds are the same. 200 with an outcome ends the attempt. 202 says that the other side will report by itself,
//! with `POST /v1/work` in this worker's name; its slot stays taken until then. 429 and 5xx are worth another try.
//! The body is signed: `X-Tocsin-Signature: t=SECONDS,v1=HEX`, an HMAC-SHA256 over the seconds, a dot and the body.

use crate::{Actions, Pool, Settings};
use model::Clock;
use reach::http::{Client, Request, Response};
use reach::signature;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tasks::{Action, Attempt, AttemptToken, Outcome, RunError, Running};
use tokio::sync::oneshot;

/// A worker that is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushTarget {
    /// Its name.
    pub id: String,
    /// Where runs are posted.
    pub url: String,
    /// What signs them.
    pub secret: String,
    /// The kinds it does.
    pub kinds: Vec<String>,
    /// What it is.
    pub labels: BTreeMap<String, String>,
    /// How many runs at once.
    pub slots: u32,
}

/// Attempts whose end will come by a call of the other side.
#[derive(Debug, Default)]
pub struct CalledBack(Mutex<HashMap<AttemptToken, oneshot::Sender<()>>>);

/// The longest answer that is read.
const ANSWER_BYTES_MAX: usize = 1 << 20;

impl CalledBack {
    /// These attempts were completed by whoever brought their tokens.
    pub fn completed(&self, tokens: impl IntoIterator<Item = AttemptToken>) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for token in tokens {
            if let Some(waiter) = waiting.remove(&token) {
                let _ = waiter.send(());
            }
        }
    }

    /// Ready when the attempt was completed; never, if it is not.
    async fn wait(self: Arc<CalledBack>, token: AttemptToken) {
        let (tell, told) = oneshot::channel();
        let _forget = Forget(self.clone(), token);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(token, tell);
        if told.await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Nobody waits any more.
struct Forget(Arc<CalledBack>, AttemptToken);

impl Drop for Forget {
    fn drop(&mut self) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}

/// A pool that calls `target` for each run it claims.
pub fn push_pool(
    target: &PushTarget,
    boot_nonce: String,
    client: Client,
    clock: Arc<dyn Clock>,
    back: Arc<CalledBack>,
    drain: Duration,
) -> Pool {
    let actions = Actions::none();
    for kind in &target.kinds {
        actions.add(Arc::new(Push {
            kind: kind.clone(),
            target: target.clone(),
            boot_nonce: boot_nonce.clone(),
            client: client.clone(),
            clock: clock.clone(),
            back: back.clone(),
        }));
    }
    let settings = Settings {
        id: target.id.clone(),
        boot_nonce,
        labels: target.labels.clone(),
        slots: target.slots,
        drain,
    };
    Pool::new(settings, Arc::new(actions))
}

struct Push {
    kind: String,
    target: PushTarget,
    boot_nonce: String,
    client: Client,
    clock: Arc<dyn Clock>,
    back: Arc<CalledBack>,
}

impl Action for Push {
    fn kind(&self) -> &str {
        &self.kind
    }

    fn run(&self, attempt: Attempt) -> Running<'_> {
        Box::pin(self.call(attempt))
    }
}

impl Push {
    async fn call(&self, attempt: Attempt) -> Outcome {
        let token = attempt.token;
        match self.post(&attempt).await {
            Ok(response) if response.status == 202 => {
                self.back.clone().wait(token).await;
                // It has ended already: this says so to the pool, and the queue knows better.
                Outcome::Snooze(Duration::ZERO)
            }
            Ok(response) => ended(&response),
            // Whatever kept us from asking it says nothing about the work: another may do it.
            Err(error) => Outcome::Retry {
                error: RunError { kind: error.code().to_owned(), message: error.to_string() },
                after: None,
            },
        }
    }

    async fn post(&self, attempt: &Attempt) -> Result<Response, reach::Error> {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let body = json!({
            "worker": {
                "id": self.target.id, "boot_nonce": self.boot_nonce, "kinds": self.target.kinds,
                "labels": self.target.labels, "slots_free": 0,
            },
            "id": attempt.run_id,
            "kind": self.kind,
            "attempt_token": attempt.token.to_string(),
            "attempt": attempt.number,
            "args": attempt.args,
            "deadline_ms": millis(attempt.deadline),
            "checkpoint": attempt.checkpoint,
        })
        .to_string();
        let signature = signature::sign(self.target.secret.as_bytes(), self.clock.now(), body.as_bytes());
        let mut request = Request::post_json(&self.target.url, body)?;
        (request.timeout, request.body_max, request.redirects_max) = (attempt.deadline, ANSWER_BYTES_MAX, 0);
        request.set_header(signature::HEADER, &signature)?;
        request.set_header("Idempotency-Key", &attempt.token.to_string())?;
        self.client.send(request).await
    }
}

/// What the other side made of an attempt.
fn ended(response: &Response) -> Outcome {
    let said = String::from_utf8_lossy(&response.body);
    let said: String = said.chars().take(300).filter(|c| !c.is_control()).collect();
    let status = response.status;
    let error =
        || RunError { kind: format!("http_{status}"), message: format!("it answered {status}: {said}") };
    match status {
        200 => read(&response.body).unwrap_or_else(|| Outcome::Retry {
            error: RunError {
                kind: "bad_answer".to_owned(),
                message: format!("200 without an outcome (done, retry, snooze or failed): {said}"),
            },
            after: None,
        }),
        408 | 429 | 500.. => Outcome::Retry { error: error(), after: response.retry_after() },
        _ => Outcome::Failed(error()),
    }
}

fn read(body: &[u8]) -> Option<Outcome> {
    let mut body: Value = serde_json::from_slice(body).ok()?;
    let after = body["retry_after_ms"].as_u64().map(Duration::from_millis);
    let word = |value: &Value, otherwise: &str| value.as_str().unwrap_or(otherwise).to_owned();
    let error = RunError {
        kind: word(&body["error"]["type"], "error"),
        message: word(&body["error"]["message"], ""),
    };
    Some(match body["outcome"].as_str()? {
        "done" => Outcome::Done(body.get_mut("result").map(Value::take).unwrap_or(Value::Null)),
        "retry" => Outcome::Retry { error, after },
        "failed" => Outcome::Failed(error),
        "snooze" => Outcome::Snooze(after?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_answer_means() {
        let done = |value: Value| Some(Outcome::Done(value));
        let error =
            |kind: &str, message: &str| RunError { kind: kind.to_owned(), message: message.to_owned() };
        for (body, wanted) in [
            (r#"{"outcome": "done", "result": [1]}"#, done(json!([1]))),
            (r#"{"outcome": "done"}"#, done(Value::Null)),
            (r#"{"outcome": "failed"}"#, Some(Outcome::Failed(error("error", "")))),
            (
                r#"{"outcome": "retry", "error": {"type": "busy", "message": "later"}, "retry_after_ms": 5}"#,
                Some(Outcome::Retry { error: error("busy", "later"), after: Some(Duration::from_millis(5)) }),
            ),
            (
                r#"{"outcome": "snooze", "retry_after_ms": 5}"#,
                Some(Outcome::Snooze(Duration::from_millis(5))),
            ),
            (r#"{"outcome": "snooze"}"#, None),
            (r#"{"outcome": "maybe"}"#, None),
            ("[]", None),
            ("ok", None),
        ] {
            assert_eq!(read(body.as_bytes()), wanted, "{body}");
        }
    }

    #[tokio::test]
    async fn who_waits_is_told_once_and_forgotten() {
        let back = Arc::new(CalledBack::default());
        let token = AttemptToken::parse("000102030405060708090a0b0c0d0e0f").unwrap();
        let waiting = tokio::spawn(back.clone().wait(token));
        while back.0.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        back.completed([token]);
        waiting.await.unwrap();
        assert!(back.0.lock().unwrap().is_empty());
        let given_up = tokio::spawn(back.clone().wait(token));
        while back.0.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        given_up.abort();
        assert!(given_up.await.is_err() && back.0.lock().unwrap().is_empty());
    }
}

//! A webhook receiver that keeps what it got.

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use serde_json::Value;
use std::{
    sync::{Arc, Condvar, Mutex},
    time::{Duration, Instant},
};

/// One request.
#[derive(Debug, Clone)]
pub struct Got {
    pub at: Instant,
    pub key: String,
    pub signature: String,
    pub body: Value,
    /// What it was answered.
    pub answered: u16,
}

impl Got {
    pub fn status(&self) -> &str {
        self.body["status"].as_str().unwrap_or("")
    }

    pub fn alertname(&self) -> &str {
        self.body["alerts"][0]["labels"]["alertname"].as_str().unwrap_or("")
    }

    /// The output of one diagnose step.
    pub fn finding(&self, step: &str) -> String {
        self.body["tocsin"]["diagnosis"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|finding| finding["step"] == step)
            .map(|finding| {
                format!("[{}] {}", super::text_of(&finding["state"]), super::text_of(&finding["output"]))
            })
            .collect()
    }
}

#[derive(Default)]
struct Kept {
    got: Mutex<Vec<Got>>,
    more: Condvar,
    /// What the first requests are answered; all others are taken.
    refusals: Vec<u16>,
    /// How long it thinks about those.
    pause: Duration,
}

/// The receiver. Its server ends with the test's process.
#[derive(Clone)]
pub struct Pages {
    pub url: String,
    kept: Arc<Kept>,
}

impl Pages {
    pub fn start() -> Pages {
        Pages::refusing(&[])
    }

    /// Answers the first requests with these, one each.
    pub fn refusing(refusals: &[u16]) -> Pages {
        Pages::refusing_after(Duration::ZERO, refusals)
    }

    /// As [`Pages::refusing`], each after `pause`.
    pub fn refusing_after(pause: Duration, refusals: &[u16]) -> Pages {
        let kept = Arc::new(Kept { refusals: refusals.to_vec(), pause, ..Kept::default() });
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket can be non-blocking");
        let url = format!("http://{}/page", listener.local_addr().expect("it is bound"));
        let state = kept.clone();
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let app = Router::new().route("/page", post(take)).with_state(state);
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                axum::serve(listener, app).await.expect("the receiver serves");
            });
        });
        Pages { url, kept }
    }

    /// Everything so far.
    pub fn all(&self) -> Vec<Got> {
        self.kept.got.lock().expect("no holder panics").clone()
    }

    /// Listens for `time`; panics at the first further request.
    pub fn expect_quiet(&self, time: Duration) {
        let got = self.kept.got.lock().expect("no holder panics");
        let before = got.len();
        let more = |got: &mut Vec<Got>| got.len() == before;
        let (got, _) = self.kept.more.wait_timeout_while(got, time, more).expect("no holder panics");
        let extra =
            got.iter().skip(before).map(|g| format!("{} {}", g.status(), g.alertname())).collect::<Vec<_>>();
        drop(got);
        assert!(extra.is_empty(), "one page too many: {extra:?}");
    }

    /// The first request from number `from` on that `wanted` accepts.
    pub fn wait(&self, what: &str, from: usize, limit: Duration, wanted: impl Fn(&Got) -> bool) -> Got {
        let end = Instant::now() + limit;
        let mut got = self.kept.got.lock().expect("no holder panics");
        loop {
            if let Some(found) = got.iter().skip(from).find(|got| wanted(got)) {
                return found.clone();
            }
            let Some(left) = end.checked_duration_since(Instant::now()) else {
                let seen: Vec<_> =
                    got.iter().skip(from).map(|g| format!("{} {}", g.status(), g.alertname())).collect();
                drop(got);
                panic!("{what}: no such page within {limit:?}; got {seen:?}");
            };
            got = self.kept.more.wait_timeout(got, left).expect("no holder panics").0;
        }
    }
}

async fn take(State(kept): State<Arc<Kept>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("").to_owned();
    let answered = {
        let mut all = kept.got.lock().expect("no holder panics");
        let refusal = kept.refusals.get(all.len()).copied();
        let answered = refusal.unwrap_or(200);
        all.push(Got {
            at: Instant::now(),
            key: header("idempotency-key"),
            signature: header("x-tocsin-signature"),
            body: serde_json::from_slice(&body).unwrap_or(Value::Null),
            answered,
        });
        refusal
    };
    kept.more.notify_all();
    if answered.is_some() {
        tokio::time::sleep(kept.pause).await;
    }
    let answered = answered.unwrap_or(200);
    StatusCode::from_u16(answered).expect("the tests name real ones")
}

//! A webhook receiver that takes its time: between the receipt of a message and the answer lies a moment in which its
//! sender can die.
#![allow(dead_code, reason = "each test file uses its own part of this module")]

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use jiff::Timestamp;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

/// One alert of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Said {
    pub firing: bool,
    pub starts: Timestamp,
}

/// One request.
#[derive(Debug, Clone)]
pub struct Message {
    pub at: Timestamp,
    pub key: String,
    pub path: String,
    pub group: String,
    pub incident: String,
    /// By instance.
    pub said: BTreeSet<(String, Said)>,
}

impl Message {
    fn read(path: &str, key: &str, body: &Value) -> Message {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let said = body["alerts"].as_array().into_iter().flatten().map(|alert| {
            let starts = text(&alert["startsAt"]).parse().expect("an instant");
            (text(&alert["labels"]["instance"]), Said { firing: alert["status"] == "firing", starts })
        });
        Message {
            at: Timestamp::now(),
            key: key.to_owned(),
            path: path.to_owned(),
            group: text(&body["groupLabels"]["alertname"]),
            incident: text(&body["tocsin"]["incident_id"]),
            said: said.collect(),
        }
    }

    pub fn is_firing(&self) -> bool {
        self.said.iter().any(|(_, said)| said.firing)
    }
}

/// The receiver. Its server ends with the test's process.
#[derive(Clone)]
pub struct Listener {
    port: u16,
    kept: Arc<Mutex<Vec<Message>>>,
}

impl Listener {
    pub fn start(thinks: Duration) -> Listener {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket can be non-blocking");
        let port = listener.local_addr().expect("it is bound").port();
        let kept = Arc::new(Mutex::new(Vec::new()));
        let state = (kept.clone(), thinks);
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let app = Router::new().route("/{path}", post(take)).with_state(state);
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                axum::serve(listener, app).await.expect("the receiver serves");
            });
        });
        Listener { port, kept }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    /// The messages from number `from` on.
    pub fn since(&self, from: usize) -> Vec<Message> {
        self.kept.lock().expect("no holder panics").iter().skip(from).cloned().collect()
    }
}

type Shared = (Arc<Mutex<Vec<Message>>>, Duration);

async fn take(
    State((kept, thinks)): State<Shared>,
    axum::extract::Path(path): axum::extract::Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok()).unwrap_or_default();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    kept.lock().expect("no holder panics").push(Message::read(&path, key, &body));
    tokio::time::sleep(thinks).await;
    StatusCode::OK
}

//! Stand-ins for Slack, PagerDuty and a mail server that keep what they got.

use super::{Program, eventually};
use axum::{
    Router,
    body::Bytes,
    extract::{Path as Part, State},
    http::StatusCode,
    routing::post,
};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(20);

/// What was posted, by the channel's name.
type Kept = Arc<Mutex<Vec<(String, Value)>>>;

pub struct Channels {
    /// Of Slack and PagerDuty, without a name.
    pub url: String,
    pub smtp_port: String,
    kept: Kept,
    mails: PathBuf,
    _dir: TempDir,
    _smtp: Program,
}

impl Channels {
    pub fn start() -> Channels {
        let kept = Kept::default();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket can be non-blocking");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let state = kept.clone();
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let app = Router::new().route("/{channel}", post(take)).with_state(state);
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                axum::serve(listener, app).await.expect("the receiver serves");
            });
        });
        let dir = tempfile::tempdir().expect("a directory");
        let (certificate, key, mails) =
            (dir.path().join("cert.pem"), dir.path().join("key.pem"), dir.path().join("mails"));
        let mut make = Command::new("openssl");
        make.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]);
        make.args(["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout"]).arg(&key);
        let made = make.arg("-out").arg(&certificate).output().expect("openssl");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/smtp.py");
        let smtp = Program::start(Command::new(script).arg(&certificate).arg(&key), &mails);
        let smtp_port = eventually("a mail server", LIMIT, || {
            let text = fs::read_to_string(&mails).ok()?;
            text.lines().next().filter(|line| line.parse::<u16>().is_ok()).map(str::to_owned)
        });
        Channels { url, smtp_port, kept, mails, _dir: dir, _smtp: smtp }
    }

    /// What came by a channel from number `from` on, once there is one.
    pub fn posted(&self, channel: &str, from: usize) -> Value {
        eventually(channel, LIMIT, || {
            let kept = self.kept.lock().expect("no holder panics");
            let mut of_channel =
                kept.iter().filter(|(name, _)| name == channel).map(|(_, body)| body.clone());
            of_channel.nth(from)
        })
    }

    /// The mail with this number.
    pub fn mail(&self, number: usize) -> Value {
        eventually("a mail", LIMIT, || {
            let text = fs::read_to_string(&self.mails).ok()?;
            // The first line is the port.
            serde_json::from_str(text.lines().nth(number + 1)?).ok()
        })
    }
}

async fn take(
    State(kept): State<Kept>,
    Part(channel): Part<String>,
    body: Bytes,
) -> (StatusCode, &'static str) {
    let answer = match channel.as_str() {
        "slack" => (StatusCode::OK, "ok"),
        _ => (StatusCode::ACCEPTED, "{\"status\": \"success\"}"),
    };
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    kept.lock().expect("no holder panics").push((channel, body));
    answer
}

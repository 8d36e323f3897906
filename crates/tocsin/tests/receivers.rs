//! Receivers as an operator meets them: tried out by hand, previewed, checked, and a chat's message that is edited over
//! a restart.

mod support;

use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};
use support::{Tocsin, eventually};

/// Exit code, standard output and standard error of a verb, typed in `dir`.
fn tocsin(dir: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tocsin"));
    let done = command.args(args).current_dir(dir).output().expect("the program starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (done.status.code(), text(&done.stdout), text(&done.stderr))
}

/// A service that gives every request the same answer and remembers path and body.
struct Service {
    url: String,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Service {
    fn start(status: &'static str, body: &'static str) -> Service {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let asked: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
        let heard = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut reader = BufReader::new(stream.try_clone().expect("a socket can be shared"));
                let (mut first, mut length) = (String::new(), 0);
                let _ = reader.read_line(&mut first);
                loop {
                    let mut line = String::new();
                    let read = reader.read_line(&mut line).unwrap_or(0);
                    if let Some(n) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
                        length = n.trim().parse().expect("a number");
                    }
                    if read == 0 || line.trim().is_empty() {
                        break;
                    }
                }
                let mut bytes = vec![0; length];
                if reader.read_exact(&mut bytes).is_err() {
                    continue;
                }
                let path = first.split(' ').nth(1).unwrap_or("").to_owned();
                heard
                    .lock()
                    .expect("nobody panics")
                    .push((path, serde_json::from_slice(&bytes).unwrap_or(Value::Null)));
                let length = body.len();
                let mut stream = stream;
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
                );
            }
        });
        Service { url, asked }
    }

    fn asked(&self) -> Vec<(String, Value)> {
        self.asked.lock().expect("nobody panics").clone()
    }
}

const LIMIT: Duration = Duration::from_secs(30);

#[test]
fn tried_out_by_hand() {
    let (good, bad) = (Service::start("200 OK", "ok"), Service::start("403 Forbidden", "bad_token"));
    let dir = tempfile::tempdir().expect("a directory");
    let file = format!(
        "route: {{receiver: team}}
receivers:
- name: team
  slack_configs: [{{api_url: '{}/hook/s3cret', channel: '#ops'}}]
  discord_configs: [{{webhook_url: '{}/api/webhooks/1/s3cret'}}]
- name: quiet
",
        good.url, bad.url
    );
    fs::write(dir.path().join("alertmanager.yml"), &file).expect("our own directory");
    let run =
        |args: &[&str]| tocsin(dir.path(), &[args, &["--alertmanager-config", "alertmanager.yml"]].concat());

    let (code, said, _) = run(&["receivers", "list"]);
    assert_eq!((code, said.as_str()), (Some(0), "team: slack[0], discord[0]\nquiet: \n"));

    let (code, said, _) = run(&["receivers", "test", "team", "--resolve"]);
    assert_eq!(code, Some(1), "one of the two refuses: {said}");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "slack[0] firing: 200 ok");
    assert!(lines[1].starts_with("discord[0] firing: failed: 127.0.0.1 answered 403: bad_token"), "{said}");
    let (path, message) = good.asked().remove(0);
    assert_eq!((path.as_str(), &message["channel"]), ("/hook/s3cret", &json!("#ops")));
    assert!(message["attachments"][0]["title"].as_str().is_some_and(|t| t.contains("TestPage")), "{message}");

    let args = [
        "receivers",
        "test",
        "team",
        "--integration",
        "slack[0]",
        "--labels",
        "alertname=DiskFull",
        "disk=/",
        "--json",
    ];
    let (code, said, _) = run(&args);
    let said: Value = serde_json::from_str(&said).expect("a line of JSON");
    assert_eq!((code, &said["ok"], &said["answer"]), (Some(0), &json!(true), &json!("200 ok")));
    let title = good.asked()[1].1["attachments"][0]["title"].clone();
    assert!(title.as_str().is_some_and(|title| title.contains("DiskFull")), "{title}");

    let (code, _, why) = run(&["receivers", "test", "nobody"]);
    assert_eq!(code, Some(1));
    assert!(why.contains("there is no receiver \"nobody\"; there are: team, quiet"), "{why}");
    let (_, _, why) = run(&["receivers", "test", "quiet"]);
    assert!(why.contains("has no integration"), "{why}");
    let (_, _, why) = tocsin(dir.path(), &["receivers", "list"]);
    assert!(why.contains("name the file"), "{why}");
}

#[test]
fn a_preview_sends_nothing_and_shows_no_secret() {
    let service = Service::start("200 OK", "ok");
    let dir = tempfile::tempdir().expect("a directory");
    let file = format!(
        "global: {{smtp_smarthost: 'mail.example.org:587', smtp_from: 'a@example.org', smtp_auth_username: a, smtp_auth_password: s3cret}}
route: {{receiver: other, routes: [{{matchers: [x=1], receiver: team, group_by: [x, y]}}, {{receiver: team, group_by: [alertname]}}]}}
receivers:
- name: other
- name: team
  slack_configs: [{{api_url: '{0}/hook/s3cret'}}]
  pagerduty_configs: [{{routing_key: s3cret, url: '{0}/'}}]
  telegram_configs: [{{bot_token: s3cret, chat_id: 1, api_url: '{0}'}}]
  email_configs: [{{to: 'b@example.org'}}]
",
        service.url
    );
    fs::write(dir.path().join("alertmanager.yml"), &file).expect("our own directory");
    let run =
        |args: &[&str]| tocsin(dir.path(), &[args, &["--alertmanager-config", "alertmanager.yml"]].concat());
    let (code, said, why) =
        run(&["receivers", "preview", "team", "--labels", "alertname=Full", "severity=critical"]);
    assert_eq!(code, Some(0), "{why}");
    for part in [
        "slack[0]: POST <secret>",
        "\"event_action\": \"trigger\"",
        "/bot<secret>/sendMessage",
        "Subject: [FIRING:1] Full",
    ] {
        assert!(said.contains(part), "{part} is missing: {said}");
    }
    assert!(!said.contains("s3cret"), "{said}");
    assert_eq!(service.asked(), []);
    let (_, said, _) =
        run(&["receivers", "preview", "team", "--integration", "pagerduty[0]", "--resolved", "--json"]);
    let line: Value = serde_json::from_str(said.trim()).expect("a line of JSON");
    assert!(
        line["body"].as_str().is_some_and(|body| body.contains("\"event_action\":\"resolve\"")),
        "{line}"
    );
    let template = "{{ template \"slack.default.title\" . }} {{ .GroupLabels.x }} {{ .GroupLabels.Names }}";
    let (_, said, _) = run(&["receivers", "preview", "team", "--template", template, "--label", "x=1"]);
    assert_eq!(said.trim_end(), "[FIRING:1] 1 (TestPage) 1 [x]", "grouped as its route does");
    let (code, _, why) = run(&["receivers", "preview", "team", "--template", "{{ .X.Y }}"]);
    assert_eq!((code, why.contains("the template of the command line failed")), (Some(1), true), "{why}");
}

#[test]
fn a_preview_about_what_fires_now() {
    let tocsin = Tocsin::start(&[], &[]);
    let alert = |instance: &str| json!({"labels": {"alertname": "Full", "instance": instance}, "annotations": {"summary": "disk"}});
    assert_eq!(tocsin.post("/api/v2/alerts", &json!([alert("a"), alert("b")])).status, 200);
    let dir = tempfile::tempdir().expect("a directory");
    let file = "route: {receiver: team}\nreceivers: [{name: team, webhook_configs: [{url: 'http://127.0.0.1:9/'}]}]\n";
    fs::write(dir.path().join("alertmanager.yml"), file).expect("our own directory");
    let preview = |more: &[&str]| {
        let always =
            ["receivers", "preview", "team", "--alertmanager-config", "alertmanager.yml", "--server"];
        self::tocsin(dir.path(), &[&always[..], &[tocsin.url.as_str()], more].concat())
    };
    let (code, said, why) = preview(&["--json", "--live", "alertname=Full"]);
    assert_eq!(code, Some(0), "{why}");
    let line: Value = serde_json::from_str(said.trim()).expect("a line of JSON");
    let body: Value = serde_json::from_str(line["body"].as_str().expect("a text")).expect("JSON");
    let instances: Vec<&str> = body["alerts"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|one| one["labels"]["instance"].as_str())
        .collect();
    assert_eq!((instances, &body["commonAnnotations"]["summary"]), (vec!["a", "b"], &json!("disk")));
    let (_, said, _) =
        preview(&["--live", "alertname=Full", "--resolved", "--template", "{{ .Status }} {{ len .Alerts }}"]);
    assert_eq!(said.trim(), "resolved 2");
    let (code, _, why) = preview(&["--live", "alertname=None"]);
    assert_eq!((code, why.contains("no alert that fires matches alertname=None")), (Some(1), true), "{why}");
}

#[test]
fn a_chats_message_is_edited_over_a_restart() {
    let slack = Service::start("200 OK", r#"{"ok":true,"channel":"C1","ts":"17.0001"}"#);
    let mut tocsin = Tocsin::prepare(&[], &[]);
    let config = tocsin.dir.path().join("alertmanager.yml");
    let text = format!(
        "route: {{receiver: chat, group_by: [alertname], group_wait: 0s, group_interval: 1s}}
receivers:
- name: chat
  slack_configs: [{{app_token: xoxb, app_url: '{}/api/chat.postMessage', channel: '#ops', update_message: true, send_resolved: true}}]
",
        slack.url
    );
    fs::write(&config, text).expect("our own directory");
    tocsin.add_args(&["--alertmanager-config", &config.display().to_string()]);
    tocsin.start_again();
    let alert = |n: u32| json!([{ "labels": { "alertname": "Posted", "n": n.to_string() } }]);
    let of =
        |path: &str| slack.asked().into_iter().filter(|(p, _)| p == path).map(|(_, b)| b).collect::<Vec<_>>();

    assert_eq!(tocsin.post("/api/v2/alerts", &alert(1)).status, 200);
    eventually("the first message", LIMIT, || of("/api/chat.postMessage").first().cloned());
    // Its receipt is on disk once the page's run is done.
    eventually("the page's end", LIMIT, || tocsin.log().contains("page_sent").then_some(()));
    tocsin.kill();
    tocsin.start_again();
    assert_eq!(tocsin.post("/api/v2/alerts", &alert(2)).status, 200);
    let edit = eventually("the edit", LIMIT, || of("/api/chat.update").first().cloned());
    assert_eq!((&edit["channel"], &edit["ts"]), (&json!("C1"), &json!("17.0001")));
    let reply = eventually("the word in its thread", LIMIT, || of("/api/chat.postMessage").get(1).cloned());
    assert_eq!(reply["thread_ts"], "17.0001", "{reply}");
}

#[test]
fn errors_of_our_own_are_told_to_sentry() {
    let (sentry, chat) = (Service::start("200 OK", "{}"), Service::start("403 Forbidden", "bad_token"));
    let dsn = format!("{}/7", sentry.url.replace("http://", "http://abc123@"));
    let envs = [("SENTRY_DSN", dsn), ("APP_VERSION", "9.9.9".to_owned())];
    let mut tocsin = Tocsin::prepare(&[], &envs);
    let config = tocsin.dir.path().join("alertmanager.yml");
    let text = format!(
        "route: {{receiver: chat, group_wait: 0s}}
receivers: [{{name: chat, discord_configs: [{{webhook_url: '{}/x'}}]}}]
",
        chat.url
    );
    fs::write(&config, text).expect("our own directory");
    tocsin.add_args(&["--alertmanager-config", &config.display().to_string()]);
    tocsin.start_again();
    let alert = json!([{ "labels": { "alertname": "Posted" } }]);
    assert_eq!(tocsin.post("/api/v2/alerts", &alert).status, 200);
    let (path, _) = eventually("the event", LIMIT, || sentry.asked().first().cloned());
    assert_eq!(path, "/api/7/envelope/");
    let log = tocsin.log();
    assert!(log.contains("sentry_initialized") && log.contains("page_failed"), "{log}");
    assert!(!log.contains("abc123"), "a log holds no secret");
}

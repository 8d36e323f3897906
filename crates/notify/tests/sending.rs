//! Pages sent to a receiver over a real connection: what arrives, and what its answers mean for the run.

#![allow(clippy::unwrap_used, reason = "here a failed unwrap is a failed test")]

use model::{Alert, Labels, Links, ManualClock, News, Page, PageReason, PageStatus, Timestamp};
use notify::{GlobalConfig, PAGE_KIND, PageAction, ReceiverConfig, Receivers, Registry, page_to_json};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    path::Path,
    sync::Arc,
    time::Duration,
};
use tasks::{Action, Attempt, AttemptToken, Outcome};

/// A receiver that answers one request and hands it over: head, then body.
fn receiver(answer: &str) -> (u16, std::thread::JoinHandle<(String, String)>) {
    let answer = answer.to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if let Some(n) = line.strip_prefix("content-length: ") {
                length = n.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
            head.push_str(&line.replace('\r', ""));
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        stream.write_all(answer.as_bytes()).unwrap();
        (head, String::from_utf8(body).unwrap())
    });
    (port, thread)
}

fn registry(receivers: &str) -> Arc<Registry> {
    let raw: Vec<ReceiverConfig> = serde_saphyr::from_str(receivers).unwrap();
    let mut problems = Vec::new();
    let receivers = Receivers::resolve(&GlobalConfig::default(), &raw, Path::new("/"), &mut problems);
    assert!(problems.iter().all(|p| p.level == model::Level::Finding), "{problems:?}");
    let client = reach::http::Client::new(reach::Policy::OPERATOR, Arc::default());
    Arc::new(Registry::new(client, receivers, template::Set::new(&[]).unwrap()))
}

fn page(integration: &str) -> Page {
    let at = Timestamp::parse_rfc3339("2026-11-22T00:48:17Z").unwrap();
    let alert = |n: u32| Alert {
        labels: Labels::from_pairs([("alertname", "Down".to_owned()), ("n", n.to_string())]),
        annotations: Labels::from_pairs([("summary", "it is down")]),
        starts_at: at,
        ends_at: None,
        generator_url: "http://g/".into(),
        updated_at: at,
    };
    Page {
        key: "key-1".to_owned(),
        revision: 1,
        status: PageStatus::Firing,
        reason: PageReason::First,
        receiver: "r".to_owned(),
        integration: integration.to_owned(),
        group_key: "{}:{alertname=\"Down\"}".to_owned(),
        group_labels: Labels::from_pairs([("alertname", "Down")]),
        route_labels: Labels::from_pairs([("owner", "storage")]),
        news: News::default(),
        alerts: vec![alert(1), alert(2)],
        at,
        external_url: "http://tocsin".to_owned(),
        incident_id: "i1".to_owned(),
        cause: "nobody is there".to_owned(),
        diagnosis: Vec::new(),
        remedy: Vec::new(),
        reopened: None,
        links: Links::default(),
    }
}

async fn run(registry: Arc<Registry>, page: &Page) -> Outcome {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_700_000_000_000)));
    let action = PageAction::new(registry, clock, Arc::new(|_| Links::default()));
    assert_eq!(action.kind(), PAGE_KIND);
    let attempt = Attempt {
        run_id: "run".to_owned(),
        token: AttemptToken::parse("000102030405060708090a0b0c0d0e0f").unwrap(),
        number: 1,
        args: page_to_json(page).into(),
        deadline: Duration::from_secs(10),
        checkpoint: None,
    };
    action.run(attempt).await
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test]
async fn the_webhook_payload() {
    let (port, receiver) = receiver(OK);
    let yaml = format!(
        "- {{name: r, webhook_configs: [{{url: 'http://127.0.0.1:{port}/hook', max_alerts: 1, signing_secret: topsecret}}]}}"
    );
    let outcome = run(registry(&yaml), &page("webhook[0]")).await;
    assert_eq!(
        outcome,
        Outcome::Done(json!({ "receiver": "r", "integration": "webhook[0]", "key": "key-1" }))
    );
    let (head, body) = receiver.join().unwrap();
    assert!(head.starts_with("POST /hook HTTP/1.1\n"), "{head}");
    assert!(
        head.contains("idempotency-key: key-1\n") && head.contains("content-type: application/json\n"),
        "{head}"
    );
    let signature =
        reach::signature::sign(b"topsecret", Timestamp::from_millis(1_700_000_000_000), body.as_bytes());
    assert!(head.contains(&format!("x-tocsin-signature: {signature}\n")), "{head}");
    let annotations = json!({ "diagnosis": "nobody is there", "summary": "it is down" });
    assert_eq!(
        serde_json::from_str::<Value>(&body).unwrap(),
        json!({
            "receiver": "r",
            "status": "firing",
            "alerts": [{
                "status": "firing",
                "labels": { "alertname": "Down", "n": "1" },
                "annotations": annotations,
                "startsAt": "2026-11-22T00:48:17.000Z",
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "http://g/",
                "fingerprint": format!("{:016x}", Labels::from_pairs([("alertname", "Down"), ("n", "1")]).fingerprint()),
            }],
            "groupLabels": { "alertname": "Down" },
            "routeLabels": { "owner": "storage" },
            "notification_reason": "first notification",
            "commonLabels": { "alertname": "Down" },
            "commonAnnotations": annotations,
            "externalURL": "http://tocsin",
            "version": "4",
            "groupKey": "{}:{alertname=\"Down\"}",
            "truncatedAlerts": 1,
            "tocsin": {
                "incident_id": "i1",
                "key": "key-1",
                "revision": 1,
                "cause": "nobody is there",
                "diagnosis": [],
                "remedy": [],
                "links": { "incident": "", "why": "", "silence": "" },
            },
        })
    );
}

#[tokio::test]
async fn a_payload_and_an_address_of_the_users_own() {
    let (port, receiver) = receiver(OK);
    let yaml = format!(
        "- name: r
  webhook_configs:
  - url: 'http://127.0.0.1:{port}/{{{{ .Status }}}}'
    payload: {{ title: '{{{{ .CommonLabels.alertname }}}}', list: ['{{{{ len .Alerts }}}}', 7] }}"
    );
    assert!(matches!(run(registry(&yaml), &page("webhook[0]")).await, Outcome::Done(_)));
    let (head, body) = receiver.join().unwrap();
    assert!(head.starts_with("POST /firing "), "{head}");
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), json!({ "title": "Down", "list": ["2", 7] }));
}

#[tokio::test]
async fn a_payload_whose_template_fails_leaves_all_the_same() {
    let (port, receiver) = receiver(OK);
    let yaml = format!(
        "- name: r
  webhook_configs:
  - url: 'http://127.0.0.1:{port}/'
    payload: {{ title: '{{{{ .CommonLabels.alertname }}}}', text: '{{{{ template \"nowhere\" . }}}}' }}"
    );
    assert!(matches!(run(registry(&yaml), &page("webhook[0]")).await, Outcome::Done(_)));
    let body: Value = serde_json::from_str(&receiver.join().unwrap().1).unwrap();
    assert_eq!(body["title"], "Down");
    assert!(body["text"].as_str().unwrap().starts_with("the template of payload failed: "), "{body}");
}

#[tokio::test]
async fn what_answers_mean() {
    for (answer, expected) in [
        ("HTTP/1.1 204 No Content\r\n\r\n", "done"),
        (
            "HTTP/1.1 503 Unavailable\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nbusy",
            "retry receiver_unwell 7s",
        ),
        ("HTTP/1.1 429 Slow\r\nRetry-After: 99999\r\nContent-Length: 0\r\n\r\n", "retry rate_limited 600s"),
        (
            "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone",
            "failed refused 127.0.0.1 answered 404: gone",
        ),
        ("", "retry connection_broken"),
    ] {
        let (port, receiver) = receiver(answer);
        let yaml = format!("- {{name: r, webhook_configs: [{{url: 'http://127.0.0.1:{port}/'}}]}}");
        check(run(registry(&yaml), &page("webhook[0]")).await, expected);
        receiver.join().unwrap();
    }
    let said = |status: &str, body: &str| {
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    let hook = "api_url: 'http://127.0.0.1:PORT/'";
    let app = "app_token: t, app_url: 'http://127.0.0.1:PORT/'";
    for (settings, answer, expected) in [
        (hook, said("200 OK", "ok"), "done"),
        (hook, said("200 OK", r#"{"ok": false, "error": "channel_not_found"}"#), "failed refused"),
        (hook, said("200 OK", r#"{"ok": false, "error": "ratelimited"}"#), "retry rate_limited"),
        (hook, said("403 Forbidden", "bad_token"), "failed refused"),
        (app, said("200 OK", r#"{"ok": true, "ts": "1.2"}"#), "done"),
        (app, said("200 OK", "<html>log in</html>"), "failed refused"),
    ] {
        let (port, receiver) = receiver(&answer);
        let settings = settings.replace("PORT", &port.to_string());
        let yaml = format!("- {{name: r, slack_configs: [{{{settings}}}]}}");
        check(run(registry(&yaml), &page("slack[0]")).await, expected);
        let (head, _) = receiver.join().unwrap();
        assert_eq!(head.contains("authorization: Bearer t\n"), settings.contains("app_token"), "{head}");
    }
}

#[tokio::test]
async fn receivers_that_are_gone() {
    let registry = registry("- {name: r, console_configs: [{}]}");
    check(run(registry.clone(), &page("console[0]")).await, "done");
    check(
        run(registry.clone(), &page("webhook[0]")).await,
        "failed receiver_gone the receiver \"r\" has no integration",
    );
    registry.replace(Receivers::console(), template::Set::new(&[]).unwrap());
    check(run(registry, &page("console[0]")).await, "failed receiver_gone");
}

fn check(outcome: Outcome, expected: &str) {
    let got = match outcome {
        Outcome::Done(_) => "done".to_owned(),
        Outcome::Retry { error, after } => {
            let after = after.map(|after| format!(" {}s", after.as_secs())).unwrap_or_default();
            format!("retry {}{after} {}", error.kind, error.message)
        }
        Outcome::Failed(error) => format!("failed {} {}", error.kind, error.message),
        Outcome::Snooze(_) => "snooze".to_owned(),
    };
    assert!(got.starts_with(expected), "got {got:?}, wanted {expected:?}");
}

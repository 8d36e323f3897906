//! The shape is that of "Envelopes", "Event Payloads" and "Authentication" (develop.sentry.dev, read 2026-11-22).

use super::Dsn;
use crate::testing::*;
use crate::{Error, Told, group};
use model::Page;
use serde_json::{Value, json};

const DSN: &str = "sentry_configs: [{dsn: 'http://abc123@127.0.0.1:PORT/sub/7', release: '1.2.3', environment: production}]";

async fn event(settings: &str, page: &Page) -> (Asked, Value) {
    let asked = sent(settings, page, ok(r#"{"id":"x"}"#)).await;
    let lines: Vec<&str> = asked.body.lines().collect();
    let [whole, item, event] = lines.as_slice() else { panic!("{}", asked.body) };
    let read = |line: &str| serde_json::from_str::<Value>(line).unwrap();
    assert_eq!(read(item)["type"], "event");
    assert_eq!(read(item)["length"], event.len());
    assert_eq!(read(whole)["event_id"], read(event)["event_id"]);
    let event = read(event);
    (asked.clone(), event)
}

#[tokio::test]
async fn an_event() {
    let (asked, first) = event(DSN, &page("sentry")).await;
    assert_eq!(asked.line, "POST /sub/api/7/envelope/");
    assert_eq!(asked.header("content-type"), "application/x-sentry-envelope");
    let auth = asked.header("x-sentry-auth");
    assert!(
        auth.starts_with("Sentry sentry_version=7, sentry_client=tocsin/")
            && auth.ends_with("sentry_key=abc123"),
        "{auth}"
    );
    assert_eq!(
        (&first["level"], &first["platform"]),
        (&json!("fatal"), &json!("other")),
        "critical is fatal"
    );
    assert_eq!((&first["release"], &first["environment"]), (&json!("1.2.3"), &json!("production")));
    assert_eq!(first["fingerprint"], json!([group::hash(&page("sentry"))]));
    assert!(first["logentry"]["formatted"].as_str().unwrap().starts_with("[FIRING:1] RedisDown"), "{first}");
    assert_eq!(first["tags"], json!({ "alertname": "RedisDown", "severity": "critical" }));
    assert_eq!(
        (&first["extra"]["alert_name"], &first["extra"]["severity"]),
        (&json!("RedisDown"), &json!("critical"))
    );
    let id = first["event_id"].as_str().unwrap();
    assert!(id.len() == 32 && id.chars().all(|c| c.is_ascii_hexdigit()));

    let (_, again) = event(DSN, &page("sentry")).await;
    assert_eq!(again["event_id"], first["event_id"], "a page tried again is the same event");
    let (_, end) = event(DSN, &resolved("sentry")).await;
    assert_eq!((&end["level"], &end["fingerprint"]), (&json!("info"), &first["fingerprint"]));
    assert_ne!(end["event_id"], first["event_id"]);
}

#[tokio::test]
async fn levels_settings_and_hostile_labels() {
    for (severity, level) in [
        ("critical", "fatal"),
        ("error", "error"),
        ("warning", "warning"),
        ("info", "info"),
        ("blue", "error"),
    ] {
        let mut page = page("sentry");
        for alert in &mut page.alerts {
            alert.labels = alert.labels.with("severity", severity);
        }
        assert_eq!(event(DSN, &page).await.1["level"], level, "{severity}");
    }
    let settings = DSN.replace("release", "level: '{{ .CommonLabels.alertname }}', message: '{{ .Status }}', tags: {'a b': '{{ .Status }}'}, release");
    let (_, own) = event(&settings, &page("sentry")).await;
    assert_eq!((&own["logentry"]["formatted"], &own["tags"]["a_b"]), (&json!("firing"), &json!("firing")));
    let mut page = page("sentry");
    for alert in &mut page.alerts {
        alert.annotations = alert.annotations.with("metric_value", "7.5").with("threshold", "5");
    }
    let (_, values) = event(DSN, &page).await;
    assert_eq!(
        (&values["extra"]["metric_value"], &values["extra"]["threshold"]),
        (&json!("7.5"), &json!("5"))
    );
    let (asked, _) = event(DSN, &hostile("sentry")).await;
    assert!(!asked.body.contains("\\u001b") && !asked.body.contains("alert(1)"), "{}", asked.body);
    let (_, long) = event(DSN, &huge("sentry")).await;
    assert!(long["logentry"]["formatted"].as_str().unwrap().chars().count() <= 8192);
    let settings = DSN.replace("release", "message: '{{ template \"nowhere\" . }}', release");
    let text = event(&settings, &crate::testing::page("sentry")).await.1["logentry"]["formatted"].clone();
    assert!(text.as_str().unwrap().contains("the template of message failed: "), "{text}");
}

#[tokio::test]
async fn dsns() {
    let ok = |text: &str| Dsn::parse(text).map(|dsn| (dsn.key, dsn.url)).unwrap();
    assert_eq!(
        ok("https://k@o1.ingest.sentry.io/42"),
        ("k".to_owned(), "https://o1.ingest.sentry.io/api/42/envelope/".to_owned())
    );
    assert_eq!(ok("https://k:old@h:9000/a/b/42").1, "https://h:9000/a/b/api/42/envelope/");
    for bad in ["", "x", "https://h/1", "https://k@h/", "ftp://k@h/1", "https://k@h/a/?x"] {
        assert!(Dsn::parse(bad).is_err(), "{bad} was taken");
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("dsn");
    std::fs::write(&file, "nothing").unwrap();
    let settings = format!("sentry_configs: [{{dsn_file: '{}'}}]", file.display());
    let (sent, _) = told(&settings, &page("sentry"), Told::FIRST, vec![]).await;
    assert!(matches!(sent, Err(Error::Setting { field: "dsn", .. })), "{sent:?}");
}

#[tokio::test]
async fn errors_of_our_own() {
    let service = Service::start(vec![ok("{}"), answer("429 Slow", "", "")]).await;
    let client = reach::http::Client::new(reach::Policy::OPERATOR, Default::default());
    let dsn = format!("http://abc@127.0.0.1:{}/7", service.port);
    let to = super::OwnErrors::new(&dsn, client.clone(), "1.2.3", "production").unwrap();
    let error = super::OwnError {
        fatal: true,
        event: "commit_failed".to_owned(),
        message: "The store failed".to_owned(),
        module: "tocsin::serve".to_owned(),
        line: 7,
    };
    let at = page("sentry").at;
    to.send(&error, at).await.unwrap();
    let asked = service.asked().remove(0);
    assert_eq!(asked.line, "POST /api/7/envelope/");
    let event: Value = serde_json::from_str(asked.body.lines().nth(2).unwrap()).unwrap();
    assert_eq!((&event["level"], &event["release"]), (&json!("fatal"), &json!("1.2.3")));
    assert_eq!(event["fingerprint"], json!(["commit_failed", "tocsin::serve:7"]));
    assert_eq!(event["logentry"]["formatted"], "The store failed");
    for personal in ["user", "request", "server_name"] {
        assert_eq!(event.get(personal), None);
    }
    assert!(to.send(&error, at).await.unwrap_err().is_temporary());
    assert!(!format!("{to:?}").contains("abc"));
    assert!(super::OwnErrors::new("nothing", client, "", "").is_err());
}

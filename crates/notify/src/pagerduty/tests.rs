//! The shape is that of PagerDuty's "Events API v2: Send an Alert Event" (developer.pagerduty.com, read 2026-11-22),
//! and of "Events API v1" for a service key.

use crate::group;
use crate::testing::*;
use crate::{Error, Told};
use serde_json::{Value, json};

const V2: &str = "pagerduty_configs: [{routing_key: R0UTE, url: 'http://127.0.0.1:PORT/v2/enqueue'}]";
const TAKEN: &str = r#"{"status":"success","message":"Event processed","dedup_key":"x"}"#;

fn taken() -> String {
    answer("202 Accepted", "", TAKEN)
}

#[tokio::test]
async fn trigger_acknowledge_resolve() {
    let first = page("pagerduty");
    let asked = sent(V2, &first, taken()).await;
    assert_eq!(asked.line, "POST /v2/enqueue");
    assert_eq!(asked.header("content-type"), "application/json");
    let event = asked.json();
    let key = group::hash(&first);
    assert_eq!(event["routing_key"], "R0UTE");
    assert_eq!(event["event_action"], "trigger");
    assert_eq!(event["dedup_key"], key);
    assert_eq!(event["client"], "Alertmanager");
    assert_eq!(event["client_url"], "http://tocsin:8080/#/alerts?receiver=oncall");
    let payload = &event["payload"];
    assert!(payload["summary"].as_str().unwrap().starts_with("[FIRING:1] RedisDown"), "{event}");
    assert_eq!((&payload["severity"], &payload["source"]), (&json!("error"), &json!("Alertmanager")));
    assert_eq!(payload["timestamp"], "2026-11-22T00:48:17.250Z");
    let details = &payload["custom_details"];
    assert_eq!((&details["num_firing"], &details["num_resolved"]), (&json!("1"), &json!("1")));
    assert_eq!(details["firing"][0]["labels"]["instance"], "cache:6379");
    assert_eq!(
        event["links"][0],
        json!({ "href": "http://tocsin:8080/ui/incidents/i1", "text": "Incident" })
    );

    let (told_of, asked) =
        told(V2, &first, Told { acknowledged_by: Some("eve"), ..Told::FIRST }, vec![taken()]).await;
    assert!(told_of.unwrap().answer.starts_with("202 {"));
    assert_eq!(
        (&asked[0].json()["event_action"], &asked[0].json()["dedup_key"]),
        (&json!("acknowledge"), &json!(key))
    );

    let end = sent(V2, &resolved("pagerduty"), taken()).await.json();
    assert_eq!((&end["event_action"], &end["dedup_key"]), (&json!("resolve"), &json!(key)));
}

#[tokio::test]
async fn settings_of_the_users_own() {
    let settings = "pagerduty_configs:
- routing_key: '{{ .GroupLabels.alertname }}'
  url: 'http://127.0.0.1:PORT/'
  client: us
  client_url: 'javascript:x'
  description: '{{ .Status }}'
  severity: '{{ .CommonLabels.severity }}'
  source: s
  class: c
  component: d
  group: g
  details: { firing: few, deep: { list: ['{{ .Status }}', 7] } }
  images: [{src: 'https://i/x.png', alt: a}, {src: 'javascript:x'}]
  links: [{href: 'https://l/{{ .Status }}', text: t}, {href: 'nowhere'}]";
    let mut page = page("pagerduty");
    page.links = Default::default();
    let event = sent(settings, &page, taken()).await.json();
    assert_eq!(event["routing_key"], "RedisDown");
    assert_eq!(event.get("client_url"), None, "{event}");
    let payload = &event["payload"];
    for (name, value) in [
        ("summary", "firing"),
        ("severity", "critical"),
        ("source", "s"),
        ("class", "c"),
        ("component", "d"),
        ("group", "g"),
    ] {
        assert_eq!(payload[name], value, "{event}");
    }
    assert_eq!(payload["custom_details"]["firing"], "few");
    assert_eq!(payload["custom_details"]["deep"], json!({ "list": ["firing", 7] }));
    assert_eq!(event["images"], json!([{ "src": "https://i/x.png", "alt": "a" }]));
    assert_eq!(event["links"], json!([{ "href": "https://l/firing", "text": "t" }]));
}

#[tokio::test]
async fn severities_are_those_that_are_taken() {
    for (word, severity) in
        [("page", "critical"), ("sev1", "error"), ("WARN", "warning"), ("none", "info"), ("blue", "error")]
    {
        let settings = format!(
            "pagerduty_configs: [{{routing_key: k, url: 'http://127.0.0.1:PORT/', severity: {word}}}]"
        );
        let event = sent(&settings, &page("pagerduty"), taken()).await.json();
        assert_eq!(event["payload"]["severity"], severity, "{word}");
    }
}

#[tokio::test]
async fn limits_and_hostile_labels() {
    let event = sent(V2, &huge("pagerduty"), taken()).await;
    assert!(event.body.len() <= 512 * 1000, "{} bytes", event.body.len());
    let summary = event.json()["payload"]["summary"].as_str().unwrap().to_owned();
    assert_eq!(summary.chars().count(), 1024);
    let event = sent(V2, &hostile("pagerduty"), taken()).await;
    assert!(
        !event.body.contains("\\u001b")
            && !event.body.contains("alert(1)")
            && !event.body.contains("alert(2)")
    );
    assert!(!event.json()["payload"]["summary"].as_str().unwrap().contains(['\n', '\r']), "{}", event.body);
}

#[tokio::test]
async fn a_service_key_goes_by_version_1() {
    let settings = "pagerduty_configs: [{service_key: S, url: 'http://127.0.0.1:PORT/create_event.json'}]";
    let event = sent(settings, &page("pagerduty"), ok("{}")).await.json();
    assert_eq!((&event["service_key"], &event["event_type"]), (&json!("S"), &json!("trigger")));
    assert_eq!(event["incident_key"], group::hash(&page("pagerduty")));
    assert!(event["description"].as_str().unwrap().starts_with("[FIRING:1]"));
    assert!(event["details"]["firing"].is_array());
    let end = sent(settings, &resolved("pagerduty"), ok("{}")).await.json();
    assert_eq!((&end["event_type"], end.get("client")), (&json!("resolve"), None::<&Value>));
    let (refused, _) =
        told(settings, &page("pagerduty"), Told::FIRST, vec![answer("403 Forbidden", "", "")]).await;
    assert!(refused.unwrap_err().is_temporary(), "its way of saying that there were too many");
}

#[tokio::test]
async fn a_template_that_fails_does_not_keep_the_page() {
    let settings = "pagerduty_configs: [{routing_key: k, url: 'http://127.0.0.1:PORT/', description: '{{ template \"nowhere\" . }}'}]";
    let event = sent(settings, &page("pagerduty"), taken()).await.json();
    assert!(event["payload"]["summary"].as_str().unwrap().starts_with("[FIRING:1] RedisDown"), "{event}");
    let wrong = event["payload"]["custom_details"]["template_error"].as_str().unwrap();
    assert!(wrong.starts_with("the template of description failed: "), "{wrong}");
    let settings =
        "pagerduty_configs: [{routing_key: '{{ .GroupLabels.nobody }}', url: 'http://127.0.0.1:PORT/'}]";
    let (refused, asked) = told(settings, &page("pagerduty"), Told::FIRST, vec![]).await;
    assert!(matches!(refused, Err(Error::Setting { field: "routing_key", .. })) && asked.is_empty());
}

#[tokio::test]
async fn a_preview_hides_the_key() {
    let shown = shown("pagerduty_configs: [{routing_key: R0UTE}]", &page("pagerduty")).await;
    assert_eq!(shown[0].to, "POST https://events.pagerduty.com/v2/enqueue");
    assert!(shown[0].body.contains("<secret>") && !shown[0].body.contains("R0UTE"), "{shown:?}");
}

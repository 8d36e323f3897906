//! The shapes and limits are those of "Alert API: Create Alert, Close Alert, Acknowledge Alert, Update Alert Message,
//! Update Alert Description" (docs.opsgenie.com, read 2026-11-22).

use crate::testing::*;
use crate::{Told, group};
use serde_json::json;

const API: &str = "opsgenie_configs: [{api_url: 'http://127.0.0.1:PORT/', api_key: K3Y}]";

fn taken() -> String {
    answer("202 Accepted", "", r#"{"result":"Request will be processed","took":0.1,"requestId":"r"}"#)
}

#[tokio::test]
async fn created_acknowledged_closed() {
    let first = page("opsgenie");
    let alias = group::hash(&first);
    let asked = sent(API, &first, taken()).await;
    assert_eq!((asked.line.as_str(), asked.header("authorization")), ("POST /v2/alerts", "GenieKey K3Y"));
    let alert = asked.json();
    assert_eq!(alert["alias"], alias);
    assert!(alert["message"].as_str().unwrap().starts_with("[FIRING:1] RedisDown"), "{alert}");
    assert!(alert["description"].as_str().unwrap().contains("Alerts Firing:"), "{alert}");
    assert_eq!(alert["source"], "http://tocsin:8080/#/alerts?receiver=oncall");
    assert_eq!(alert["details"], json!({ "alertname": "RedisDown", "severity": "critical" }));

    let (_, asked) =
        told(API, &first, Told { acknowledged_by: Some("eve"), ..Told::FIRST }, vec![taken()]).await;
    assert_eq!(asked[0].line, format!("POST /v2/alerts/{alias}/acknowledge?identifierType=alias"));
    assert_eq!(asked[0].json()["user"], "eve");

    let asked = sent(API, &resolved("opsgenie"), taken()).await;
    assert_eq!(asked.line, format!("POST /v2/alerts/{alias}/close?identifierType=alias"));
    assert_eq!(asked.json(), json!({ "source": "http://tocsin:8080/#/alerts?receiver=oncall" }));
    // Somebody closed it before us.
    let (sent, _) =
        told(API, &resolved("opsgenie"), Told::FIRST, vec![answer("404 Not Found", "", "{}")]).await;
    assert!(sent.is_ok());
}

#[tokio::test]
async fn settings_of_the_users_own() {
    let settings = "opsgenie_configs:
- api_url: 'http://127.0.0.1:PORT'
  api_key: '{{ .GroupLabels.alertname }}'
  message: m
  description: d
  source: s
  entity: e
  note: n
  priority: '{{ if eq .CommonLabels.severity \"critical\" }}p1{{ end }}'
  tags: 'a, {{ .Status }},,'
  actions: x
  details: { severity: '{{ .Status }}', more: yes }
  update_alerts: true
  responders: [{name: '{{ .GroupLabels.nobody }}', type: team}, {name: 'a,b', type: teams}, {username: u, type: User}]";
    let (_, asked) = told(settings, &page("opsgenie"), Told::FIRST, vec![taken(), taken(), taken()]).await;
    assert_eq!(asked[0].header("authorization"), "GenieKey RedisDown");
    let alert = asked[0].json();
    for (name, value) in [
        ("message", "m"),
        ("description", "d"),
        ("source", "s"),
        ("entity", "e"),
        ("note", "n"),
        ("priority", "P1"),
    ] {
        assert_eq!(alert[name], value, "{alert}");
    }
    assert_eq!((&alert["tags"], &alert["actions"]), (&json!(["a", "firing"]), &json!(["x"])));
    assert_eq!(alert["details"], json!({ "alertname": "RedisDown", "severity": "firing", "more": "yes" }));
    assert_eq!(
        alert["responders"],
        json!([{ "name": "a", "type": "team" }, { "name": "b", "type": "team" }, { "username": "u", "type": "user" }])
    );
    let alias = group::hash(&page("opsgenie"));
    assert_eq!(asked[1].line, format!("PUT /v2/alerts/{alias}/message?identifierType=alias"));
    assert_eq!(
        (asked[1].json(), asked[2].json()),
        (json!({ "message": "m" }), json!({ "description": "d" }))
    );
}

#[tokio::test]
async fn limits_hostile_labels_and_templates_that_fail() {
    let alert = sent(API, &huge("opsgenie"), taken()).await.json();
    for (field, max) in [("message", 130), ("description", 15_000)] {
        assert_eq!(alert[field].as_str().unwrap().chars().count(), max, "{field}");
    }
    let asked = sent(API, &hostile("opsgenie"), taken()).await;
    assert!(!asked.body.contains("\\u001b") && !asked.body.contains("alert(1)"), "{}", asked.body);
    let settings = API.replace("api_key", "message: '{{ template \"nowhere\" . }}', api_key");
    let alert = sent(&settings, &page("opsgenie"), taken()).await.json();
    assert!(alert["message"].as_str().unwrap().starts_with("[FIRING:1]"), "{alert}");
    assert!(alert["description"].as_str().unwrap().contains("the template of message failed: "), "{alert}");
}

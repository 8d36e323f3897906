//! The shape is that of "REST Endpoint Integration Guide" (help.victorops.com, read 2026-11-22).

use crate::testing::*;
use crate::{Told, group};
use serde_json::json;

const API: &str = "victorops_configs: [{api_url: 'http://127.0.0.1:PORT/alert/', api_key: K3Y, routing_key: 'team-{{ .CommonLabels.severity }}'}]";
const TAKEN: &str = r#"{"result":"success","entity_id":"x"}"#;

#[tokio::test]
async fn an_entity_from_start_to_end() {
    let first = page("victorops");
    let asked = sent(API, &first, ok(TAKEN)).await;
    assert_eq!(asked.line, "POST /alert/K3Y/team-critical");
    let message = asked.json();
    assert_eq!(
        (&message["message_type"], &message["entity_id"]),
        (&json!("CRITICAL"), &json!(group::hash(&first)))
    );
    assert!(
        message["entity_display_name"].as_str().unwrap().starts_with("[FIRING:1] RedisDown"),
        "{message}"
    );
    assert!(message["state_message"].as_str().unwrap().contains("Alerts Firing:"), "{message}");
    assert_eq!(message["monitoring_tool"], "Alertmanager");
    let (_, asked) =
        told(API, &first, Told { acknowledged_by: Some("eve"), ..Told::FIRST }, vec![ok(TAKEN)]).await;
    assert_eq!(asked[0].json()["message_type"], "ACKNOWLEDGEMENT");
    assert_eq!(asked[0].json()["ack_author"], "eve");
    let end = sent(API, &resolved("victorops"), ok(TAKEN)).await.json();
    assert_eq!((&end["message_type"], &end["entity_id"]), (&json!("RECOVERY"), &json!(group::hash(&first))));
}

#[tokio::test]
async fn settings_limits_and_hostile_labels() {
    for (word, kind) in [("warning", "WARNING"), ("info", "INFO"), ("blue", "CRITICAL")] {
        let settings = API.replace(
            "api_key",
            &format!("message_type: {word}, custom_fields: {{x: '{{{{ .Status }}}}'}}, api_key"),
        );
        let message = sent(&settings, &page("victorops"), ok(TAKEN)).await.json();
        assert_eq!((&message["message_type"], &message["x"]), (&json!(kind), &json!("firing")));
    }
    let message = sent(API, &huge("victorops"), ok(TAKEN)).await.json();
    assert_eq!(message["state_message"].as_str().unwrap().chars().count(), 20_480);
    let settings = API.replace("team-{{ .CommonLabels.severity }}", "{{ .CommonLabels.instance }}");
    let asked = sent(&settings, &hostile("victorops"), ok(TAKEN)).await;
    assert!(
        asked.line.starts_with("POST /alert/K3Y/") && asked.line.matches('/').count() == 3,
        "{}",
        asked.line
    );
    assert!(!asked.body.contains("\\u001b") && !asked.body.contains("alert(1)"), "{}", asked.body);
    let settings = API.replace("api_key", "state_message: '{{ template \"nowhere\" . }}', api_key");
    let message = sent(&settings, &page("victorops"), ok(TAKEN)).await.json();
    assert!(
        message["state_message"].as_str().unwrap().contains("the template of state_message failed: "),
        "{message}"
    );
}

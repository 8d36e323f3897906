//! The shape is that of the Alertmanager alert source (docs.incident.io and api-docs.incident.io, read 2026-11-22):
//! Alertmanager's own payload, at most 512 KB.

use crate::testing::*;
use serde_json::json;

const API: &str = "incidentio_configs: [{url: 'http://127.0.0.1:PORT/v2/alert_events/alertmanager/1', alert_source_token: T0KEN}]";

#[tokio::test]
async fn messages() {
    let asked = sent(API, &page("incidentio"), answer("202 Accepted", "", "{}")).await;
    assert_eq!(asked.line, "POST /v2/alert_events/alertmanager/1");
    assert_eq!(asked.header("authorization"), "Bearer T0KEN");
    let message = asked.json();
    assert_eq!((&message["version"], &message["status"]), (&json!("1"), &json!("firing")));
    assert_eq!(message["groupKey"], "{}:{alertname=\"RedisDown\"}");
    assert_eq!(message["alerts"][0]["labels"]["instance"], "cache:6379");
    assert_eq!((&message["truncatedAlerts"], message.get("tocsin")), (&json!(0), None));
    let end = sent(API, &resolved("incidentio"), ok("{}")).await.json();
    assert_eq!((&end["status"], &end["groupKey"]), (&json!("resolved"), &message["groupKey"]));

    let settings = API.replace("url:", "max_alerts: 1, url:");
    let few = sent(&settings, &page("incidentio"), ok("{}")).await.json();
    assert_eq!((few["alerts"].as_array().unwrap().len(), &few["truncatedAlerts"]), (1, &json!(1)));
    let mut many = huge("incidentio");
    many.alerts.extend(many.alerts.clone());
    let asked = sent(API, &many, ok("{}")).await;
    assert!(asked.body.len() <= 512 * 1024, "{} bytes", asked.body.len());
    assert_eq!(asked.json()["truncatedAlerts"], 399);
    // A program reads it: text from outside is JSON in JSON.
    let alert = sent(API, &hostile("incidentio"), ok("{}")).await.json()["alerts"][0].clone();
    assert_eq!(alert["labels"]["instance"], hostile("incidentio").alerts[0].labels.get("instance").unwrap());
}

//! The shape is that of "Create a Message" (developer.webex.com, read 2026-11-22): 7,439 bytes.

use crate::testing::*;
use serde_json::json;

const API: &str = "webex_configs: [{api_url: 'http://127.0.0.1:PORT/v1/messages', room_id: 'r {{ .Status }}', \
                   http_config: {authorization: {credentials: B0T}}}]";

#[tokio::test]
async fn messages() {
    let asked = sent(API, &page("webex"), ok("{}")).await;
    assert_eq!((asked.line.as_str(), asked.header("authorization")), ("POST /v1/messages", "Bearer B0T"));
    assert_eq!(asked.json()["roomId"], "r firing");
    assert!(asked.json()["markdown"].as_str().unwrap().contains("Alerts Firing:"));
    let end = sent(API, &resolved("webex"), ok("{}")).await.json();
    assert!(end["markdown"].as_str().unwrap().contains("Alerts Resolved:"), "{end}");
    let long = sent(API, &huge("webex"), ok("{}")).await.json();
    assert!((7_430..=7_439).contains(&long["markdown"].as_str().unwrap().len()));
    assert_harmless(&sent(API, &hostile("webex"), ok("{}")).await.body.replace("<\u{200b}!channel", ""));
    let own = API.replace("room_id", "message: '{{ .Status }}', room_id");
    assert_eq!(
        sent(&own, &page("webex"), ok("{}")).await.json(),
        json!({ "roomId": "r firing", "markdown": "firing" })
    );
    let broken = API.replace("room_id", "message: '{{ template \"nowhere\" . }}', room_id");
    let text = sent(&broken, &page("webex"), ok("{}")).await.body;
    assert!(text.contains("Alerts Firing:") && text.contains("the template of message failed: "), "{text}");
}

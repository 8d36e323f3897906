//! The shapes are those of "Create and send messages" (connectors: MessageCard, rate limits, 28 KB) and of the Workflows
//! trigger "When a Teams webhook request is received" with an Adaptive Card 1.2 (learn.microsoft.com, read 2026-11-22).

use crate::Told;
use crate::testing::*;
use serde_json::json;

const CONNECTOR: &str = "msteams_configs: [{webhook_url: 'http://127.0.0.1:PORT/webhookb2/x'}]";
const WORKFLOW: &str = "msteamsv2_configs: [{webhook_url: 'http://127.0.0.1:PORT/workflows/x'}]";

#[tokio::test]
async fn a_connectors_card() {
    let card = sent(CONNECTOR, &page("msteams"), ok("1")).await.json();
    assert_eq!(
        (&card["@type"], &card["@context"]),
        (&json!("MessageCard"), &json!("http://schema.org/extensions"))
    );
    for field in ["title", "summary"] {
        assert!(card[field].as_str().unwrap().starts_with("[FIRING:1] RedisDown"), "{card}");
    }
    assert!(card["text"].as_str().unwrap().contains("# Alerts Firing:"), "{card}");
    assert_eq!(card["themeColor"], "8C1A1A");
    assert_eq!(card["potentialAction"][0]["targets"][0]["uri"], "http://tocsin:8080/ui/incidents/i1");
    let end = sent(CONNECTOR, &resolved("msteams"), ok("1")).await.json();
    assert_eq!(end["themeColor"], "2DC72D");
    // Its way of saying that Teams behind it would not.
    let slow = ok(
        "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429 with ContextId x",
    );
    let (sent, _) = told(CONNECTOR, &page("msteams"), Told::FIRST, vec![slow]).await;
    let error = sent.unwrap_err();
    assert!(error.is_temporary() && error.code() == "rate_limited", "{error}");
}

#[tokio::test]
async fn a_workflows_card() {
    let message = sent(WORKFLOW, &page("msteamsv2"), answer("202 Accepted", "", "")).await.json();
    assert_eq!(message["type"], "message");
    let attachment = &message["attachments"][0];
    assert_eq!(attachment["contentType"], "application/vnd.microsoft.card.adaptive");
    assert!(attachment["contentUrl"].is_null());
    let card = &attachment["content"];
    assert_eq!((&card["type"], &card["version"]), (&json!("AdaptiveCard"), &json!("1.2")));
    assert_eq!(card["body"][0]["color"], "Attention");
    assert!(card["body"][0]["text"].as_str().unwrap().starts_with("[FIRING:1] RedisDown"));
    assert!(card["body"][1]["text"].as_str().unwrap().contains("# Alerts Firing:"));
    assert_eq!(card["actions"][0]["type"], "Action.OpenUrl");
    let end = sent(WORKFLOW, &resolved("msteamsv2"), ok("")).await.json();
    assert_eq!(end["attachments"][0]["content"]["body"][0]["color"], "Good");
}

#[tokio::test]
async fn settings_limits_and_hostile_labels() {
    let settings =
        CONNECTOR.replace("webhook_url", "title: '{{ .Status }}', summary: s, text: t, webhook_url");
    let card = sent(&settings, &page("msteams"), ok("1")).await.json();
    assert_eq!(
        (&card["title"], &card["summary"], &card["text"]),
        (&json!("firing"), &json!("s"), &json!("t"))
    );
    for (settings, kind) in [(CONNECTOR, "msteams"), (WORKFLOW, "msteamsv2")] {
        let asked = sent(settings, &huge(kind), ok("1")).await;
        assert!(asked.body.len() <= 28 * 1024, "{} bytes", asked.body.len());
        let asked = sent(settings, &hostile(kind), ok("1")).await;
        assert_harmless(&asked.body.replace("<\u{200b}!channel", ""));
        let broken = settings.replace("webhook_url", "text: '{{ template \"nowhere\" . }}', webhook_url");
        let body = sent(&broken, &page(kind), ok("1")).await.body;
        assert!(
            body.contains("# Alerts Firing:") && body.contains("the template of text failed: "),
            "{body}"
        );
    }
}

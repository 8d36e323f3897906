//! The shape is that of "Incoming webhooks: Parameters", "Message attachments" and "Message priority"
//! (developers.mattermost.com, read 2026-11-22).

use crate::testing::*;
use serde_json::{Value, json};

const HOOK: &str = "mattermost_configs: [{webhook_url: 'http://127.0.0.1:PORT/hooks/x'}]";

#[tokio::test]
async fn one_attachment_unless_told_otherwise() {
    let asked = sent(HOOK, &page("mattermost"), ok("ok")).await;
    assert_eq!(asked.line, "POST /hooks/x");
    let message = asked.json();
    assert_eq!((&message["username"], message.get("text")), (&json!("Alertmanager"), None::<&Value>));
    let [attachment] = message["attachments"].as_array().unwrap().as_slice() else { panic!("{message}") };
    assert!(attachment["title"].as_str().unwrap().starts_with("[FIRING:1] RedisDown"), "{message}");
    assert!(attachment["text"].as_str().unwrap().contains("# Alerts Firing:"), "{message}");
    assert_eq!(attachment["title_link"], "http://tocsin:8080/#/alerts?receiver=oncall");
    assert_eq!(attachment["color"], "#d00000", "it knows colours as numbers");
    assert!(attachment["fallback"].as_str().unwrap().contains(" | http://tocsin:8080/#/alerts"), "{message}");
    let end = sent(HOOK, &resolved("mattermost"), ok("ok")).await.json();
    assert_eq!(end["attachments"][0]["color"], "#2eb886");
}

#[tokio::test]
async fn settings_of_the_users_own() {
    let settings = "mattermost_configs:
- webhook_url: 'http://127.0.0.1:PORT/hooks/x'
  channel: 'town-{{ .Status }}'
  username: u
  icon_url: 'https://i/x.png'
  icon_emoji: ':x:'
  type: custom_x
  props: { card: 'c {{ .Status }}' }
  priority: { priority: Important, requested_ack: true, persistent_notifications: true }
  text: '{{ .Status }}'
  attachments:
  - { text: t, color: '#fff', fields: [{title: a, value: '{{ .Status }}', short: true}], author_link: 'javascript:x', footer: f }";
    let message = sent(settings, &page("mattermost"), ok("ok")).await.json();
    assert_eq!(
        message,
        json!({
            "channel": "town-firing",
            "username": "u",
            "icon_url": "https://i/x.png",
            "icon_emoji": ":x:",
            "type": "custom_x",
            "attachments": [{
                "color": "#fff",
                "text": "t",
                "fields": [{ "title": "a", "value": "firing", "short": true }],
                "footer": "f",
            }],
            "props": { "card": "c firing" },
            "priority": { "requested_ack": true, "persistent_notifications": false, "priority": "important" },
            "text": "firing",
        })
    );
}

#[tokio::test]
async fn limits_hostile_labels_and_templates_that_fail() {
    let settings = HOOK.replace(
        "webhook_url",
        "text: '{{ range .Alerts }}{{ .Annotations.summary }}{{ end }}', attachments: [{title: t}], webhook_url",
    );
    let message = sent(&settings, &huge("mattermost"), ok("ok")).await.json();
    assert_eq!(message["text"].as_str().unwrap().chars().count(), 16_383);
    assert_harmless(
        &sent(HOOK, &hostile("mattermost"), ok("ok")).await.body.replace("<\u{200b}!channel", ""),
    );
    let settings = HOOK.replace("webhook_url", "title: '{{ template \"nowhere\" . }}', webhook_url");
    let message = sent(&settings, &page("mattermost"), ok("ok")).await.json();
    assert!(message["attachments"][0]["title"].as_str().unwrap().starts_with("[FIRING:1]"), "{message}");
    assert!(message["text"].as_str().unwrap().contains("the template of title failed: "), "{message}");
}

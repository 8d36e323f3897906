//! The shape is that of "Post Chat Message" (developer.rocket.chat, read 2026-11-22).

use crate::Told;
use crate::testing::*;
use serde_json::json;

const API: &str =
    "rocketchat_configs: [{api_url: 'http://127.0.0.1:PORT/', token: T, token_id: I, send_resolved: true}]";
const TAKEN: &str = r#"{"ts":1481748965123,"channel":"general","success":true}"#;

#[tokio::test]
async fn a_message_and_its_end() {
    let asked = sent(API, &page("rocketchat"), ok(TAKEN)).await;
    assert_eq!(asked.line, "POST /api/v1/chat.postMessage");
    assert_eq!((asked.header("x-auth-token"), asked.header("x-user-id")), ("T", "I"));
    let attachment = asked.json()["attachments"][0].clone();
    assert!(attachment["title"].as_str().unwrap().starts_with("[FIRING:1] RedisDown"), "{attachment}");
    assert_eq!(attachment["title_link"], "http://tocsin:8080/#/alerts?receiver=oncall");
    assert_eq!(attachment["color"], "red");
    let end = sent(API, &resolved("rocketchat"), ok(TAKEN)).await.json();
    assert_eq!(end["attachments"][0]["color"], "green");
}

#[tokio::test]
async fn settings_of_the_users_own() {
    let settings = API.replace(
        "token: T",
        "channel: '#{{ .Status }}', emoji: ':x:', icon_url: 'https://i/x.png', text: t, short_fields: true, \
         fields: [{title: a, value: '{{ .Status }}'}], actions: [{type: any, text: b, url: 'https://u'}, {text: c, msg: m}], token: T",
    );
    let message = sent(&settings, &page("rocketchat"), ok(TAKEN)).await.json();
    assert_eq!((&message["channel"], &message["emoji"]), (&json!("#firing"), &json!(":x:")));
    assert_eq!(message["avatar"], "https://i/x.png");
    let attachment = &message["attachments"][0];
    assert_eq!(attachment["text"], "t");
    assert_eq!(attachment["fields"], json!([{ "title": "a", "value": "firing", "short": true }]));
    assert_eq!(
        attachment["actions"],
        json!([{ "type": "button", "text": "b", "url": "https://u" }, { "type": "button", "text": "c", "msg": "m" }])
    );
}

#[tokio::test]
async fn success_is_what_it_says_it_is() {
    let no = ok(r#"{"success":false,"error":"[error-invalid-channel]"}"#);
    let (sent_, _) = told(API, &page("rocketchat"), Told::FIRST, vec![no]).await;
    let error = sent_.unwrap_err();
    assert!(!error.is_temporary() && error.to_string().contains("error-invalid-channel"), "{error}");
    let (sent_, _) =
        told(API, &page("rocketchat"), Told::FIRST, vec![ok("<html>down for maintenance")]).await;
    assert!(sent_.unwrap_err().is_temporary());
    let asked = sent(API, &hostile("rocketchat"), ok(TAKEN)).await;
    assert_harmless(&asked.body.replace("<\u{200b}!channel", ""));
    let settings = API.replace("token: T", "text: '{{ .X.Y }}', title: '{{ .X.Y }}', token: T");
    let attachment = sent(&settings, &page("rocketchat"), ok(TAKEN)).await.json()["attachments"][0].clone();
    assert!(attachment["title"].as_str().unwrap().starts_with("[FIRING:1]"), "{attachment}");
    assert!(attachment["text"].as_str().unwrap().contains("the template of title failed: "), "{attachment}");
}

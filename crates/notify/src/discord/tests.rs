//! The shape is that of "Webhook Resource: Execute Webhook", "Embed Limits" and "Rate Limits" (discord.com/developers/docs,
//! read 2026-11-22).

use crate::testing::*;
use serde_json::json;

const HOOK: &str = "discord_configs: [{webhook_url: 'http://127.0.0.1:PORT/api/webhooks/1/x'}]";

fn taken() -> String {
    answer("204 No Content", "", "")
}

#[tokio::test]
async fn a_message_and_its_end() {
    let asked = sent(HOOK, &page("discord"), taken()).await;
    assert_eq!(asked.line, "POST /api/webhooks/1/x");
    let message = asked.json();
    let embed = &message["embeds"][0];
    assert!(embed["title"].as_str().unwrap().starts_with("[FIRING:1] RedisDown"), "{message}");
    assert!(embed["description"].as_str().unwrap().starts_with("Alerts Firing:"), "{message}");
    assert_eq!((&embed["color"], &message["allowed_mentions"]), (&json!(0x99_2d22), &json!({ "parse": [] })));
    assert_eq!(message.get("content"), None, "empty settings are left out");
    let end = sent(HOOK, &resolved("discord"), taken()).await.json();
    assert_eq!(end["embeds"][0]["color"], 0x2e_cc71);
}

#[tokio::test]
async fn settings_limits_and_hostile_labels() {
    let settings = HOOK.replace(
        "webhook_url",
        "content: '{{ .Status }}', username: '{{ .Receiver }}', avatar_url: 'https://a/b.png', title: t, message: m, webhook_url",
    );
    let message = sent(&settings, &page("discord"), taken()).await.json();
    assert_eq!((&message["content"], &message["username"]), (&json!("firing"), &json!("oncall")));
    assert_eq!(message["avatar_url"], "https://a/b.png");
    assert_eq!(
        (&message["embeds"][0]["title"], &message["embeds"][0]["description"]),
        (&json!("t"), &json!("m"))
    );

    let settings = HOOK.replace(
        "webhook_url",
        "content: '{{ range .Alerts }}{{ .Annotations.summary }}{{ end }}', webhook_url",
    );
    let message = sent(&settings, &huge("discord"), taken()).await.json();
    for (text, max) in [
        (&message["content"], 2000),
        (&message["embeds"][0]["title"], 256),
        (&message["embeds"][0]["description"], 4096),
    ] {
        let length = text.as_str().unwrap().chars().count();
        assert!((max - 10..=max).contains(&length), "{length} of {max}");
    }
    assert_harmless(
        &sent(HOOK, &hostile("discord"), taken())
            .await
            .body
            .replace("<!channel", "")
            .replace("<\u{200b}!channel", ""),
    );
}

#[tokio::test]
async fn it_says_in_the_body_how_long_to_wait() {
    let slow = answer(
        "429 Too Many Requests",
        "",
        r#"{"message":"You are being rate limited.","retry_after":1.5,"global":false}"#,
    );
    let (sent, _) = told(HOOK, &page("discord"), crate::Told::FIRST, vec![slow]).await;
    let crate::Error::Refused { after, .. } = sent.unwrap_err() else { panic!("no refusal") };
    assert_eq!(after, Some(std::time::Duration::from_millis(1500)));
}

#[tokio::test]
async fn a_template_that_fails_does_not_keep_the_page() {
    let settings = HOOK
        .replace("webhook_url", "title: '{{ template \"nowhere\" . }}', message: '{{ .X.Y }}', webhook_url");
    let embed = sent(&settings, &page("discord"), taken()).await.json()["embeds"][0].clone();
    assert!(embed["title"].as_str().unwrap().starts_with("[FIRING:1] RedisDown"), "{embed}");
    assert!(embed["description"].as_str().unwrap().contains("the template of title failed: "), "{embed}");
}

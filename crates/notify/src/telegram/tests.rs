//! The shape is that of "Telegram Bot API: sendMessage, Making requests, HTML style" (core.telegram.org/bots/api, read
//! 2026-11-22).

use super::cut_html;
use crate::Told;
use crate::testing::*;
use serde_json::{Value, json};

const BOT: &str =
    "telegram_configs: [{api_url: 'http://127.0.0.1:PORT', bot_token: 'T0:KEN', chat_id: -100}]";
const POSTED: &str = r#"{"ok":true,"result":{"message_id":5}}"#;

#[tokio::test]
async fn a_group_hangs_on_its_first_message() {
    let (sent, asked) = told(BOT, &page("telegram"), Told::FIRST, vec![ok(POSTED)]).await;
    let kept = sent.unwrap().keep;
    assert_eq!(kept, json!({ "message_id": 5 }));
    assert_eq!(asked[0].line, "POST /botT0:KEN/sendMessage");
    let message = asked[0].json();
    assert_eq!((&message["chat_id"], &message["parse_mode"]), (&json!(-100), &json!("HTML")));
    assert_eq!(
        (&message["disable_notification"], message.get("reply_parameters")),
        (&json!(false), None::<&Value>)
    );
    assert_eq!(message["link_preview_options"], json!({ "is_disabled": true }));
    let text = message["text"].as_str().unwrap();
    assert!(text.starts_with("Alerts Firing:\nLabels:\n - alertname = RedisDown\n"), "{text}");

    let after = Told { kept: &kept, ..Told::FIRST };
    let later = ok(r#"{"ok":true,"result":{"message_id":6}}"#);
    let (sent, asked) = told(BOT, &resolved("telegram"), after, vec![later]).await;
    assert_eq!(sent.unwrap().keep, kept, "all of them answer the first one");
    let reply = &asked[0].json()["reply_parameters"];
    assert_eq!(reply, &json!({ "message_id": 5, "allow_sending_without_reply": true }));
    assert!(asked[0].json()["text"].as_str().unwrap().starts_with("Alerts Resolved:"));
}

#[tokio::test]
async fn settings_of_the_users_own() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("chat"), "42\n").unwrap();
    let settings = format!(
        "telegram_configs: [{{api_url: 'http://127.0.0.1:PORT/', bot_token: t, chat_id_file: '{}', message_thread_id: 7, \
         disable_notifications: true, parse_mode: '', message: '<b>{{{{ .Status }}}}'}}]",
        dir.path().join("chat").display()
    );
    let message = sent(&settings, &page("telegram"), ok(POSTED)).await.json();
    assert_eq!((&message["chat_id"], &message["message_thread_id"]), (&json!(42), &json!(7)));
    assert_eq!((&message["text"], message.get("parse_mode")), (&json!("<b>firing"), None::<&Value>));
    assert_eq!(message["disable_notification"], true);
}

#[tokio::test]
async fn markup_that_cannot_be_read_does_not_keep_the_page() {
    let refusal = r#"{"ok":false,"error_code":400,"description":"Bad Request: can't parse entities: Unsupported start tag"}"#;
    let settings = BOT.replace("chat_id", "message: '<blink>{{ .Status }}</blink>', chat_id");
    let answers = vec![answer("400 Bad Request", "", refusal), ok(POSTED)];
    let (sent, asked) = told(&settings, &page("telegram"), Told::FIRST, answers).await;
    assert_eq!(sent.unwrap().keep, json!({ "message_id": 5 }));
    let again = asked[1].json();
    assert_eq!(again.get("parse_mode"), None, "{again}");
    assert!(again["text"].as_str().unwrap().starts_with("PAGE RedisDown"), "{again}");

    let settings = BOT.replace("chat_id", "message: '{{ template \"nowhere\" . }}', chat_id");
    let text = sent_text(&settings).await;
    assert!(
        text.starts_with("Alerts Firing:") && text.contains("the template of message failed: "),
        "{text}"
    );
}

async fn sent_text(settings: &str) -> String {
    sent(settings, &page("telegram"), ok(POSTED)).await.json()["text"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn limits_and_hostile_labels() {
    let message = sent(BOT, &huge("telegram"), ok(POSTED)).await.json();
    let text = message["text"].as_str().unwrap();
    assert!(text.chars().count() <= 4096 && text.ends_with('…'), "{}", text.len());
    let asked = sent(BOT, &hostile("telegram"), ok(POSTED)).await;
    let text = asked.json()["text"].as_str().unwrap().to_owned();
    assert!(text.contains("&lt;!channel&gt;") && !text.contains("<script>"), "{text}");
    assert_harmless(&text.replace("](https://evil", ""));
    let markdown = BOT.replace("chat_id", "parse_mode: Markdown, chat_id");
    assert_harmless(&sent(&markdown, &hostile("telegram"), ok(POSTED)).await.body);

    let slow = r#"{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 3","parameters":{"retry_after":3}}"#;
    let (sent, _) =
        told(BOT, &page("telegram"), Told::FIRST, vec![answer("429 Too Many Requests", "", slow)]).await;
    let crate::Error::Refused { after, .. } = sent.unwrap_err() else { panic!("no refusal") };
    assert_eq!(after, Some(std::time::Duration::from_secs(3)));
}

#[test]
fn html_is_cut_between_tags() {
    for (html, max, expected) in [
        ("<b>short</b>", 20, "<b>short</b>"),
        ("<b>longer than that</b>", 14, "<b>longer…</b>"),
        ("a &amp; b &amp; c", 12, "a &amp; b …"),
        ("<i><b>xxxxxxxxxxxxxxxx</b></i>", 20, "<i><b>xxxxx…</b></i>"),
        ("<a href=\"https://h\">xxxxxxxxx</a>", 30, "<a href=\"https://h\">xxxxx…</a>"),
    ] {
        let cut = cut_html(html, max);
        assert_eq!(cut, expected, "{html}");
        assert!(cut.chars().count() <= max, "{cut}");
    }
}

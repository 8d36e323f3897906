//! The shapes are those of Slack's "Legacy: Secondary message attachments", "chat.postMessage" and "chat.update"
//! (docs.slack.dev, read 2026-11-22).

use crate::Told;
use crate::testing::*;
use model::PageReason;
use serde_json::{Value, json};

const HOOK: &str = "slack_configs: [{api_url: 'http://127.0.0.1:PORT/services/T/B/x', send_resolved: true}]";
const BOT: &str = "slack_configs:
- {app_token: xoxb-1, app_url: 'http://127.0.0.1:PORT/api/chat.postMessage', channel: '#ops', update_message: true}";
const POSTED: &str = r#"{"ok":true,"channel":"C1","ts":"1700000000.000100"}"#;

async fn message(settings: &str, page: &model::Page) -> Value {
    let settings = format!("slack_configs:\n- {{api_url: 'http://127.0.0.1:PORT/x', {settings}}}");
    sent(&settings, page, ok("ok")).await.json()
}

#[tokio::test]
async fn defaults_and_the_diagnosis() {
    let got = message("channel: '#ops'", &page("slack")).await;
    assert_eq!((&got["channel"], &got["username"]), (&json!("#ops"), &json!("Alertmanager")));
    let [alert, found] = got["attachments"].as_array().unwrap().as_slice() else { panic!("{got}") };
    assert_eq!(alert["color"], "danger");
    assert!(alert["title"].as_str().unwrap().starts_with("[FIRING:1] RedisDown"), "{alert}");
    assert_eq!(alert["title_link"], "http://tocsin:8080/#/alerts?receiver=oncall");
    assert_eq!(alert.get("text"), None, "empty settings are left out");
    assert_eq!(found["title"], "redis-server is not running");
    assert_eq!(found["text"], "ping: failed: connection refused by 10.0.0.7:6379\nlog: not finished yet");
    assert_eq!(
        found["actions"][0],
        json!({ "type": "button", "text": "Incident", "url": "http://tocsin:8080/ui/incidents/i1" })
    );

    let end = sent(HOOK, &resolved("slack"), ok("ok")).await.json();
    assert_eq!(end["attachments"].as_array().unwrap().len(), 1);
    assert_eq!(end["attachments"][0]["color"], "good");
}

#[tokio::test]
async fn settings_of_the_users_own() {
    let settings = "title: '{{ .CommonLabels.alertname }}', text: '{{ .CommonAnnotations.diagnosis }}', link_names: true, \
                    short_fields: true, fields: [{title: a, value: '{{ .Status }}'}, {title: b, value: c, short: false}], \
                    actions: [{type: button, text: Silence, url: 'http://x/', name: n}, {type: button, text: B, url: 'javascript:x'}, \
                    {type: button, text: C, name: n, value: v, confirm: {text: sure}}]";
    let mut plain = page("slack");
    plain.links = Default::default();
    let got = message(settings, &plain).await;
    assert_eq!(got["link_names"], true);
    let attachments = got["attachments"].as_array().unwrap();
    assert_eq!(attachments.len(), 1, "the text shows the diagnosis already");
    assert_eq!(attachments[0]["title"], "RedisDown");
    assert!(attachments[0]["text"].as_str().unwrap().starts_with("redis-server is not running\nping:"));
    assert_eq!(
        attachments[0]["fields"],
        json!([{ "title": "a", "value": "firing", "short": true }, { "title": "b", "value": "c", "short": false }])
    );
    assert_eq!(
        attachments[0]["actions"],
        json!([
            { "type": "button", "text": "Silence", "url": "http://x/" },
            { "type": "button", "text": "B" },
            { "type": "button", "text": "C", "name": "n", "value": "v", "confirm": { "text": "sure" } },
        ])
    );
}

#[tokio::test]
async fn text_from_alerts_calls_nobody() {
    let mut page = page("slack");
    for alert in &mut page.alerts {
        alert.annotations =
            alert.annotations.with("summary", "<!channel> <@U1> <https://x|link> a < b <javascript:x|y> <");
    }
    page.cause = "<!here> & more".to_owned();
    let got = message("text: '{{ .CommonAnnotations.summary }}'", &page).await;
    assert_eq!(
        got["attachments"][0]["text"],
        "&lt;!channel> &lt;@U1> <https://x|link> a &lt; b &lt;javascript:x|y> &lt;"
    );
    assert_eq!(got["attachments"][1]["title"], "&lt;!here&gt; &amp; more");
    let got = sent(HOOK, &hostile("slack"), ok("ok")).await;
    assert_harmless(&got.body.replace("](https://evil", ""));
    assert!(!got.body.contains("<https://evil"), "{}", got.body);
}

#[tokio::test]
async fn a_template_that_fails_does_not_keep_the_page() {
    let settings = "title: '{{ template \"nowhere\" . }}', text: '{{ slice .Status 99 }}', username: '{{ .Nope.Nope }}', \
                    fields: [{title: t, value: '{{ index .Alerts 99 }}'}]";
    let got = message(settings, &page("slack")).await;
    let alert = &got["attachments"][0];
    assert!(alert["title"].as_str().unwrap().starts_with("[FIRING:1] RedisDown"), "{alert}");
    assert!(alert["text"].as_str().unwrap().contains("the template of title failed: "), "{alert}");
    assert!(
        alert["fields"][0]["value"].as_str().unwrap().starts_with("the template of fields failed: "),
        "{alert}"
    );
    // Even a built-in template that was replaced by one that fails.
    let broken =
        [("own.tmpl".to_owned(), "{{ define \"__subject\" }}{{ template \"gone\" . }}{{ end }}".to_owned())];
    let service = Service::start(vec![ok("ok")]).await;
    let registry = registry(&HOOK.replace("PORT", &service.port.to_string()), &broken);
    registry.send(&page("slack"), Told::FIRST, page("slack").at).await.unwrap();
    let got = service.asked()[0].json();
    assert_eq!(got["attachments"][0]["title"], "[FIRING:1] RedisDown");
    assert!(
        got["attachments"][0]["text"].as_str().unwrap().contains("the template of title failed: "),
        "{got}"
    );
}

#[tokio::test]
async fn limits() {
    let got = message("text: '{{ range .Alerts }}{{ .Annotations.summary }}{{ end }}'", &huge("slack")).await;
    let alert = &got["attachments"][0];
    for (field, max) in [("title", 1024), ("text", 3000), ("fallback", 3000)] {
        let length = alert[field].as_str().unwrap().chars().count();
        assert!(length <= max, "{field}: {length}");
    }
}

#[tokio::test]
async fn a_bot_edits_its_message_and_says_what_is_new_in_its_thread() {
    let mut first = page("slack");
    first.reason = PageReason::First;
    let (sent, asked) = told(BOT, &first, Told::FIRST, vec![ok(POSTED)]).await;
    let kept = sent.unwrap().keep;
    assert_eq!(kept, json!({ "channel": "C1", "ts": "1700000000.000100" }));
    assert_eq!(
        (asked[0].line.as_str(), asked[0].header("authorization")),
        ("POST /api/chat.postMessage", "Bearer xoxb-1")
    );
    assert_eq!(asked[0].json()["channel"], "#ops");

    let mut second = page("slack");
    second.reason = PageReason::Added;
    let after = Told { kept: &kept, ..Told::FIRST };
    let (sent, asked) = told(BOT, &second, after, vec![ok(POSTED), ok(POSTED)]).await;
    assert_eq!(sent.unwrap().keep, kept);
    let [edit, reply] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!(edit.line, "POST /api/chat.update");
    assert_eq!(edit.json().get("username"), None);
    assert_eq!((&edit.json()["channel"], &edit.json()["ts"]), (&json!("C1"), &json!("1700000000.000100")));
    assert!(edit.json()["attachments"][0]["title"].as_str().unwrap().starts_with("[FIRING:1]"));
    assert_eq!(
        (reply.line.as_str(), &reply.json()["thread_ts"]),
        ("POST /api/chat.postMessage", &json!("1700000000.000100"))
    );
    assert!(
        reply.json()["text"]
            .as_str()
            .unwrap()
            .starts_with("New alerts added (1 firing anew, 2 resolved): [FIRING:1] RedisDown")
    );

    second.reason = PageReason::Repeat;
    let (_, asked) = told(BOT, &second, after, vec![ok(POSTED)]).await;
    assert_eq!(asked.len(), 1, "nothing is new, so nothing is said in the thread");

    let (_, asked) = told(BOT, &resolved("slack"), after, vec![ok(POSTED), ok(POSTED)]).await;
    assert_eq!(asked[0].json()["attachments"][0]["color"], "good");
    assert!(
        asked[1].json()["text"]
            .as_str()
            .unwrap()
            .starts_with("All alerts resolved (1 firing anew, 2 resolved): [RESOLVED]")
    );

    let acknowledged = Told { kept: &kept, acknowledged_by: Some("eve <!here>") };
    let (sent, asked) = told(BOT, &first, acknowledged, vec![ok(POSTED)]).await;
    assert_eq!(sent.unwrap().keep, kept);
    let note = asked[0].json();
    assert_eq!(note["thread_ts"], "1700000000.000100");
    assert!(
        note["text"].as_str().unwrap().starts_with("Acknowledged by eve &lt;!here&gt;: [FIRING:1]"),
        "{note}"
    );
}

#[tokio::test]
async fn a_message_that_is_gone_is_sent_anew() {
    let kept = json!({ "channel": "C1", "ts": "1.0" });
    let gone = ok(r#"{"ok":false,"error":"message_not_found"}"#);
    let after = Told { kept: &kept, ..Told::FIRST };
    let (sent, asked) = told(BOT, &page("slack"), after, vec![gone, ok(POSTED)]).await;
    assert_eq!(sent.unwrap().keep["ts"], "1700000000.000100");
    assert_eq!(
        (asked[1].line.as_str(), &asked[1].json()["channel"]),
        ("POST /api/chat.postMessage", &json!("#ops"))
    );
    let (sent, _) = told(BOT, &page("slack"), after, vec![ok(r#"{"ok":false,"error":"ratelimited"}"#)]).await;
    assert!(sent.unwrap_err().is_temporary());
}

#[tokio::test]
async fn upstreams_way_to_a_bot() {
    let settings = "slack_configs:
- api_url: 'http://127.0.0.1:PORT/api/chat.postMessage'
  update_message: true
  http_config: {authorization: {credentials: xoxb-2}}";
    let (_, asked) = told(settings, &page("slack"), Told::FIRST, vec![ok(POSTED)]).await;
    assert_eq!(asked[0].header("authorization"), "Bearer xoxb-2");
    // A thread alone, without edits: each page is an answer to the first one.
    let settings = BOT.replace("update_message", "post_updates_to_thread");
    let kept = json!({ "channel": "C1", "ts": "1.0" });
    let (_, asked) =
        told(&settings, &page("slack"), Told { kept: &kept, ..Told::FIRST }, vec![ok(POSTED)]).await;
    assert_eq!((asked.len(), &asked[0].json()["thread_ts"]), (1, &json!("1.0")));
    assert!(asked[0].json()["attachments"].is_array());
}

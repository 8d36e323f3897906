//! The shape and limits are those of "Pushover Message API" (pushover.net/api, read 2026-11-22).

use crate::testing::*;
use std::collections::BTreeMap;

const API: &str =
    "pushover_configs: [{api_url: 'http://127.0.0.1:PORT/1/messages.json', user_key: us3r, token: t0ken}]";

async fn form(settings: &str, page: &model::Page) -> BTreeMap<String, String> {
    let asked = sent(settings, page, ok(r#"{"status":1,"request":"x"}"#)).await;
    assert_eq!(asked.line, "POST /1/messages.json");
    assert_eq!(asked.header("content-type"), "application/x-www-form-urlencoded");
    let pairs = asked.body.split('&').map(|pair| pair.split_once('=').unwrap());
    pairs.map(|(name, value)| (name.to_owned(), decoded(value))).collect()
}

fn decoded(text: &str) -> String {
    let url = reach::http::Url::parse(&format!("http://h/?v={text}")).unwrap();
    url.query_pairs().next().unwrap().1.into_owned()
}

#[tokio::test]
async fn a_message_that_rings_and_its_end() {
    let got = form(API, &page("pushover")).await;
    assert_eq!((got["user"].as_str(), got["token"].as_str()), ("us3r", "t0ken"));
    assert!(got["title"].starts_with("[FIRING:1] RedisDown"), "{got:?}");
    assert!(got["message"].contains("Alerts Firing:"), "{got:?}");
    assert_eq!(got["url"], "http://tocsin:8080/#/alerts?receiver=oncall");
    assert_eq!(
        (got["priority"].as_str(), got["retry"].as_str(), got["expire"].as_str()),
        ("2", "60", "3600")
    );
    assert_eq!(got["timestamp"], "1795308497");
    let end = form(API, &resolved("pushover")).await;
    assert_eq!((end["priority"].as_str(), end.get("retry")), ("0", None));
}

#[tokio::test]
async fn settings_limits_and_hostile_labels() {
    let settings = API.replace(
        "user_key",
        "title: t, message: '<b>{{ .CommonLabels.severity }}</b>', url: 'javascript:x', url_title: u, device: d, sound: s, \
         priority: '1', retry: 5s, expire: 9h, ttl: 2m, html: true, user_key",
    );
    let got = form(&settings, &page("pushover")).await;
    assert_eq!(
        (got["message"].as_str(), got["html"].as_str(), got.get("url")),
        ("<b>critical</b>", "1", None)
    );
    for (name, value) in [
        ("title", "t"),
        ("url_title", "u"),
        ("device", "d"),
        ("sound", "s"),
        ("priority", "1"),
        ("ttl", "120"),
    ] {
        assert_eq!(got[name], value, "{got:?}");
    }
    let got =
        form(&API.replace("user_key", "retry: 5s, expire: 9h, monospace: true, user_key"), &page("pushover"))
            .await;
    assert_eq!(
        (got["retry"].as_str(), got["expire"].as_str(), got["monospace"].as_str()),
        ("30", "10800", "1")
    );

    let got = form(API, &huge("pushover")).await;
    assert!(got["title"].chars().count() <= 250 && got["message"].chars().count() <= 1024);
    let html = API.replace("user_key", "html: true, user_key");
    let got = form(&html, &hostile("pushover")).await;
    assert!(!got["message"].contains("<script>") && !got["title"].contains('\n'), "{got:?}");
    assert_harmless(
        &format!("{}{}", got["message"], got["title"]).replace("](https://evil", "").replace("<!channel", ""),
    );
    let got = form(&API.replace("user_key", "message: '', user_key"), &page("pushover")).await;
    assert_eq!(got["message"], "(no details)");
    let got = form(
        &API.replace("user_key", "message: '{{ .X.Y }}', priority: '{{ .X.Y }}', user_key"),
        &page("pushover"),
    )
    .await;
    assert!(got["message"].contains("the template of message failed: ") && got["priority"] == "2", "{got:?}");
}

//! The message, from settings and a page.

use super::*;
use crate::config::{GlobalConfig, ReceiverConfig};
use crate::page_json::example;
use crate::receivers::{Receivers, Way};
use reach::http::Client;
use std::sync::Arc;

fn message(settings: &str, page: &Page) -> Value {
    let yaml = format!("- name: s\n  slack_configs:\n  - {{api_url: 'https://hooks.example/x', {settings}}}");
    let raw: Vec<ReceiverConfig> = serde_saphyr::from_str(&yaml).unwrap();
    let mut problems = Vec::new();
    let receivers = Receivers::resolve(&GlobalConfig::default(), &raw, Path::new("/"), &mut problems);
    assert!(problems.is_empty(), "{problems:?}");
    let Way::Slack(slack) = &receivers.get("s", "slack[0]").unwrap().way else { panic!("no slack") };
    let templates = template::Set::new(&[]).unwrap();
    let client = Client::new(reach::Policy::OPERATOR, Arc::default());
    let sending = Sending { client: &client, templates: &templates, now: page.at };
    let page = diagnosis::annotated(page);
    let mut data = template::page_data(&page);
    calm(&mut data);
    slack.message(&page, &data, &sending).unwrap()
}

#[test]
fn defaults_and_the_diagnosis() {
    let got = message("channel: '#ops'", &example());
    assert_eq!(got["channel"], "#ops");
    let [alert, found] = got["attachments"].as_array().unwrap().as_slice() else { panic!("{got}") };
    assert_eq!(alert["color"], "danger");
    assert!(alert["title"].as_str().unwrap().starts_with("[FIRING:1] RedisDown"), "{alert}");
    assert_eq!(alert.get("text"), None, "empty settings are left out");
    assert_eq!(found["title"], "redis-server is not running");
    assert_eq!(found["text"], "ping: failed: connection refused by 10.0.0.7:6379\nlog: not finished yet");

    let mut resolved = example();
    resolved.status = PageStatus::Resolved;
    resolved.alerts.remove(0);
    let got = message("send_resolved: true", &resolved);
    assert_eq!(got["attachments"].as_array().unwrap().len(), 1);
    assert_eq!(got["attachments"][0]["color"], "good");
}

#[test]
fn settings_of_the_users_own() {
    let settings = "title: '{{ .CommonLabels.alertname }}', text: '{{ .CommonAnnotations.diagnosis }}', link_names: true, \
                    short_fields: true, fields: [{title: a, value: '{{ .Status }}'}, {title: b, value: c, short: false}], \
                    actions: [{type: button, text: Silence, url: 'http://x/'}]";
    let got = message(settings, &example());
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
        json!([{ "type": "button", "text": "Silence", "url": "http://x/" }])
    );
}

#[test]
fn text_from_alerts_calls_nobody() {
    let mut page = example();
    for alert in &mut page.alerts {
        alert.annotations =
            alert.annotations.with("summary", "<!channel> <@U1> <https://x|link> a < b <javascript:x|y> <");
    }
    page.cause = "<!here> & more".to_owned();
    let got = message("text: '{{ .CommonAnnotations.summary }}'", &page);
    assert_eq!(
        got["attachments"][0]["text"],
        "&lt;!channel> &lt;@U1> <https://x|link> a &lt; b &lt;javascript:x|y> &lt;"
    );
    assert_eq!(got["attachments"][1]["title"], "&lt;!here&gt; &amp; more");
}

#[test]
fn a_template_that_fails_does_not_keep_the_page() {
    let settings = "title: '{{ template \"nowhere\" . }}', text: '{{ slice .Status 99 }}', username: '{{ .Nope.Nope }}', \
                    fields: [{title: t, value: '{{ index .Alerts 99 }}'}]";
    let got = message(settings, &example());
    let alert = &got["attachments"][0];
    assert!(alert["title"].as_str().unwrap().starts_with("[FIRING:1] RedisDown"), "{alert}");
    assert!(alert["text"].as_str().unwrap().starts_with("the template of text failed: "), "{alert}");
    assert!(
        alert["fields"][0]["value"].as_str().unwrap().starts_with("the template of fields failed: "),
        "{alert}"
    );
}

//! The message itself: one attachment as Alertmanager makes it, and a second one with the diagnosis, if there is one and
//! the text does not show it, and with what can be done, as buttons that open a page of ours.

use crate::config::SlackConfig;
use crate::fill::{Fill, drop_empty};
use crate::medium::{Medium, cut, one_line};
use crate::sending::{Act, Sending};
use crate::{diagnosis, group};
use model::{Page, PageStatus};
use serde_json::{Value, json};

/// Slack cuts longer titles, and refuses or folds longer texts, more fields and more buttons.
const TITLE_MAX: usize = 1024;
const TEXT_MAX: usize = 3000;
const FIELDS_MAX: usize = 50;
const BUTTONS_MAX: usize = 5;

const COLOR: &str = r#"{{ template "slack.default.color" . }}"#;
const TITLE: &str = r#"{{ template "slack.default.title" . }}"#;
const TITLE_LINK: &str = r#"{{ template "slack.default.titlelink" . }}"#;
const PRETEXT: &str = r#"{{ template "slack.default.pretext" . }}"#;
const TEXT: &str = r#"{{ template "slack.default.text" . }}"#;
const FALLBACK: &str = r#"{{ template "slack.default.fallback" . }}"#;
const CALLBACK_ID: &str = r#"{{ template "slack.default.callbackid" . }}"#;
const FOOTER: &str = r#"{{ template "slack.default.footer" . }}"#;
const USERNAME: &str = r#"{{ template "slack.default.username" . }}"#;
const ICON_EMOJI: &str = r#"{{ template "slack.default.iconemoji" . }}"#;
const ICON_URL: &str = r#"{{ template "slack.default.iconurl" . }}"#;
const MRKDWN_IN: [&str; 3] = ["fallback", "pretext", "text"];

/// A message, and its title for a short note about it.
pub(super) struct Made {
    pub message: Value,
    title: String,
}

impl Made {
    /// One line about what is new, from the same sender to the same channel.
    pub fn note(&self, page: &Page, sending: &Sending<'_>) -> Value {
        let text = match sending.act {
            Act::Acknowledged(who) => {
                format!("Acknowledged by {}: {}", escape(&one_line(who, 100)), self.title)
            }
            Act::Alerts => {
                let mut reason = page.reason.as_str().to_owned();
                reason[..1].make_ascii_uppercase();
                format!("{reason}{}: {}", news(page), self.title)
            }
        };
        let mut note = json!({ "text": cut(&text, TEXT_MAX) });
        for key in ["channel", "username", "icon_emoji", "icon_url"] {
            if let Some(value) = self.message.get(key) {
                note[key] = value.clone();
            }
        }
        note
    }
}

/// How many began to fire and how many ended since the last message, if that is known.
fn news(page: &Page) -> String {
    let part = |count: usize, word: &str| (count > 0).then(|| format!("{count} {word}"));
    let parts = [part(page.news.fired.len(), "firing anew"), part(page.news.ended.len(), "resolved")];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

pub(super) fn make(raw: &SlackConfig, page: &Page, sending: &Sending<'_>) -> Made {
    let fill = Fill::new(page, Medium::Slack, sending);
    let title = fill.line("title", raw.title.as_deref(), TITLE, TITLE_MAX);
    let mrkdwn_in = raw.mrkdwn_in.clone().filter(|names| !names.is_empty());
    let mut attachment = json!({
        "title": title,
        "title_link": fill.link("title_link", raw.title_link.as_deref(), TITLE_LINK),
        "pretext": cut(&fill.text("pretext", raw.pretext.as_deref(), PRETEXT), TEXT_MAX),
        "text": fill.text("text", raw.text.as_deref(), TEXT),
        "fallback": cut(&fill.text("fallback", raw.fallback.as_deref(), FALLBACK), TEXT_MAX),
        "callback_id": fill.setting("callback_id", raw.callback_id.as_deref(), CALLBACK_ID),
        "image_url": fill.link("image_url", raw.image_url.as_deref(), ""),
        "thumb_url": fill.link("thumb_url", raw.thumb_url.as_deref(), ""),
        "footer": cut(&fill.text("footer", raw.footer.as_deref(), FOOTER), TEXT_MAX),
        "color": fill.setting("color", raw.color.as_deref(), COLOR),
        "mrkdwn_in": mrkdwn_in.unwrap_or_else(|| MRKDWN_IN.map(str::to_owned).to_vec()),
        "fields": fields(raw, &fill),
        "actions": buttons(raw, &fill),
    });
    let mut message = json!({
        "channel": fill.setting("channel", raw.channel.as_deref(), ""),
        "username": fill.line("username", raw.username.as_deref(), USERNAME, 80),
        "text": cut(&fill.text("message_text", raw.message_text.as_deref(), ""), TEXT_MAX),
        "icon_emoji": fill.setting("icon_emoji", raw.icon_emoji.as_deref(), ICON_EMOJI),
        "icon_url": fill.link("icon_url", raw.icon_url.as_deref(), ICON_URL),
    });
    let text = attachment["text"].as_str().unwrap_or("").to_owned();
    attachment["text"] = cut(&fill.with_wrong(text), TEXT_MAX).into();
    drop_empty(&mut attachment);
    let shows_diagnosis = raw.text.as_deref().is_some_and(|text| text.contains(diagnosis::ANNOTATION));
    let mut attachments = vec![attachment];
    attachments.extend(found(page, !shows_diagnosis));
    message["attachments"] = attachments.into();
    drop_empty(&mut message);
    if raw.link_names == Some(true) {
        message["link_names"] = json!(true);
    }
    Made { message, title }
}

fn fields(raw: &SlackConfig, fill: &Fill<'_>) -> Value {
    let fields = raw.fields.iter().flatten().take(FIELDS_MAX).map(|field| &field.value);
    let fields = fields.map(|field| {
        json!({
            "title": fill.line("fields", Some(&field.title), "", TITLE_MAX),
            "value": cut(&fill.text("fields", Some(&field.value), ""), TEXT_MAX),
            "short": field.short.or(raw.short_fields).unwrap_or(false),
        })
    });
    fields.collect()
}

fn buttons(raw: &SlackConfig, fill: &Fill<'_>) -> Value {
    let text = |text: &str| fill.line("actions", Some(text), "", TITLE_MAX);
    let buttons = raw.actions.iter().flatten().take(BUTTONS_MAX).map(|button| {
        let button = &button.value;
        let mut json = json!({
            "type": text(&button.kind),
            "text": text(&button.text),
            "style": text(&button.style),
        });
        // A button opens an address or is sent back to an app; Slack takes one of the two.
        if button.url.is_empty() {
            (json["name"], json["value"]) = (text(&button.name).into(), text(&button.value).into());
            if let Some(confirm) = &button.confirm {
                json["confirm"] = json!({
                    "title": text(&confirm.title),
                    "text": text(&confirm.text),
                    "ok_text": text(&confirm.ok_text),
                    "dismiss_text": text(&confirm.dismiss_text),
                });
                drop_empty(&mut json["confirm"]);
            }
        } else {
            json["url"] = fill.link("actions", Some(&button.url), "").into();
        }
        drop_empty(&mut json);
        json
    });
    buttons.collect()
}

/// The diagnosis, escaped, without Slack's markup, and buttons for where the page points to.
fn found(page: &Page, with_diagnosis: bool) -> Option<Value> {
    if page.status == PageStatus::Resolved {
        return None;
    }
    let (cause, text) = match with_diagnosis {
        true => (page.cause.as_str(), diagnosis::text("", &page.diagnosis)),
        false => ("", String::new()),
    };
    let buttons: Value = group::links(page)
        .into_iter()
        .take(BUTTONS_MAX)
        .map(|(words, url)| json!({ "type": "button", "text": escape(&one_line(&words, 75)), "url": url }))
        .collect();
    if text.is_empty() && cause.is_empty() && buttons.as_array().is_none_or(Vec::is_empty) {
        return None;
    }
    let title = match (cause.is_empty(), text.is_empty()) {
        (false, _) => cause,
        (true, false) => "Diagnosis",
        (true, true) => "",
    };
    let fallback = if title.is_empty() { "Links" } else { title };
    let mut found = json!({
        "title": escape(&cut(title, TITLE_MAX)),
        "text": escape(&cut(&text, TEXT_MAX)),
        "fallback": escape(&cut(fallback, TITLE_MAX)),
        "color": "warning",
        "actions": buttons,
    });
    drop_empty(&mut found);
    found["mrkdwn_in"] = json!([]);
    Some(found)
}

fn escape(text: &str) -> String {
    let text: String = text.chars().filter(|c| !crate::medium::steers(*c)).collect();
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

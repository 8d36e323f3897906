//! Mattermost: an incoming webhook's message. Its settings make one attachment, or `attachments` says each.

use crate::fill::{Fill, drop_empty};
use crate::medium::{Medium, cut};
use crate::post::Post;
use crate::scope::{Scope, file_of};
use crate::sending::Sending;
use crate::{Error, Sent};
use model::Page;
use reach::config::{HttpConfig, Secret, Source};
use serde::Deserialize;
use serde_json::{Value, json};
use serde_saphyr::{Location, Spanned};
use std::path::{Path, PathBuf};

/// A raw entry of `mattermost_configs:`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each field is the key of the same name in Alertmanager's manual")]
pub struct MattermostConfig {
    pub send_resolved: Option<bool>,
    pub http_config: Option<HttpConfig>,
    pub webhook_url: Option<Spanned<Secret>>,
    pub webhook_url_file: Option<Spanned<PathBuf>>,
    pub channel: Option<String>,
    pub username: Option<String>,
    pub icon_url: Option<String>,
    pub icon_emoji: Option<String>,
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub props: Option<MattermostProps>,
    pub priority: Option<MattermostPriority>,
    pub attachments: Option<Vec<MattermostAttachment>>,
    pub fallback: Option<String>,
    pub color: Option<String>,
    pub pretext: Option<String>,
    pub text: Option<String>,
    pub author_name: Option<String>,
    pub author_link: Option<String>,
    pub author_icon: Option<String>,
    pub title: Option<String>,
    pub title_link: Option<String>,
    pub fields: Option<Vec<MattermostField>>,
    pub thumb_url: Option<String>,
    pub footer: Option<String>,
    pub footer_icon: Option<String>,
    pub image_url: Option<String>,
}

/// A raw entry of `attachments:`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each field is the key of the same name in Alertmanager's manual")]
pub struct MattermostAttachment {
    pub fallback: Option<String>,
    pub color: Option<String>,
    pub pretext: Option<String>,
    pub text: Option<String>,
    pub author_name: Option<String>,
    pub author_link: Option<String>,
    pub author_icon: Option<String>,
    pub title: Option<String>,
    pub title_link: Option<String>,
    pub fields: Option<Vec<MattermostField>>,
    pub thumb_url: Option<String>,
    pub footer: Option<String>,
    pub footer_icon: Option<String>,
    pub image_url: Option<String>,
}

/// A raw entry of an attachment's `fields:`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "each field is the key of the same name in Alertmanager's manual")]
pub struct MattermostField {
    pub title: String,
    pub value: String,
    pub short: Option<bool>,
}

/// The raw `props:` block.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "each field is the key of the same name in Alertmanager's manual")]
pub struct MattermostProps {
    pub card: String,
}

/// The raw `priority:` block.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "each field is the key of the same name in Alertmanager's manual")]
pub struct MattermostPriority {
    pub priority: String,
    pub requested_ack: bool,
    pub persistent_notifications: bool,
}

/// The checked settings.
#[derive(Debug, Clone)]
pub(crate) struct Mattermost {
    url: Source,
    post: Post,
    settings: MattermostConfig,
}

/// Mattermost splits longer messages.
const TEXT_MAX: usize = 16_383;
const TITLE_MAX: usize = 1024;

const USERNAME: &str = r#"{{ template "mattermost.default.username" . }}"#;
const COLOR: &str = r#"{{ template "mattermost.default.color" . }}"#;
const TEXT: &str = r#"{{ template "mattermost.default.text" . }}"#;
const TITLE: &str = r#"{{ template "mattermost.default.title" . }}"#;
const TITLE_LINK: &str = r#"{{ template "mattermost.default.titlelink" . }}"#;
const FALLBACK: &str = r#"{{ template "mattermost.default.fallback" . }}"#;

impl Mattermost {
    pub fn resolve(raw: &MattermostConfig, at: Location, scope: &mut Scope<'_>) -> Mattermost {
        let global = scope.global;
        if let Some(url) = &raw.webhook_url {
            scope.check_url(&url.value.0, url.referenced);
        }
        let own = raw.attachments.iter().flatten().flat_map(|attachment| attachment.fields.iter().flatten());
        if raw.fields.iter().flatten().chain(own).any(|f| f.title.is_empty() || f.value.is_empty()) {
            scope.error(at, "a field needs a title and a value", "add what is missing");
        }
        let own = (raw.webhook_url.as_ref(), raw.webhook_url_file.as_ref());
        let everybodys =
            (global.mattermost_webhook_url.as_ref(), global.mattermost_webhook_url_file.as_ref());
        Mattermost {
            url: scope.needs(own, "webhook_url", everybodys, "mattermost", at),
            post: Post::resolve(raw.http_config.as_ref(), None, scope),
            settings: raw.clone(),
        }
    }

    pub fn files(&self) -> Vec<&Path> {
        file_of(&self.url).into_iter().chain(self.post.files()).collect()
    }

    pub async fn send(&self, page: &Page, sending: &Sending<'_>) -> Result<Sent, Error> {
        let url = sending.secret(&self.url).await?;
        let message = self.message(page, sending);
        Ok(Sent::by(&self.post.json(&url, &message, sending).await?))
    }

    fn message(&self, page: &Page, sending: &Sending<'_>) -> Value {
        let raw = &self.settings;
        let fill = Fill::new(page, Medium::Markdown, sending);
        let line =
            |field: &'static str, own: &Option<String>| fill.line(field, own.as_deref(), "", TITLE_MAX);
        let own = raw.attachments.as_deref().unwrap_or_default();
        let (mut text, mut attachments) = (String::new(), Vec::new());
        if own.is_empty() {
            attachments.push(one(&fill, &whole(raw)));
        } else {
            text = fill.text("text", raw.text.as_deref(), "");
            attachments.extend(own.iter().map(|own| one(&fill, own)));
        }
        let mut message = json!({
            "channel": fill.setting("channel", raw.channel.as_deref(), ""),
            "username": fill.line("username", raw.username.as_deref(), USERNAME, 64),
            "icon_url": fill.link("icon_url", raw.icon_url.as_deref(), ""),
            "icon_emoji": fill.setting("icon_emoji", raw.icon_emoji.as_deref(), ""),
            "type": line("type", &raw.kind),
            "attachments": attachments,
        });
        if let Some(props) = raw.props.as_ref().filter(|props| !props.card.is_empty()) {
            message["props"] = json!({ "card": cut(&fill.text("props", Some(&props.card), ""), TEXT_MAX) });
        }
        if let Some(priority) = raw.priority.as_ref().filter(|priority| !priority.priority.is_empty()) {
            message["priority"] = urgency(&fill, priority);
        }
        message["text"] = cut(&fill.with_wrong(text), TEXT_MAX).into();
        drop_empty(&mut message);
        message
    }
}

/// The settings at the top as an attachment, with the built-in texts where nothing is said.
fn whole(raw: &MattermostConfig) -> MattermostAttachment {
    let or = |own: &Option<String>, built_in: &str| Some(own.clone().unwrap_or_else(|| built_in.to_owned()));
    MattermostAttachment {
        fallback: or(&raw.fallback, FALLBACK),
        color: or(&raw.color, COLOR),
        pretext: raw.pretext.clone(),
        text: or(&raw.text, TEXT),
        author_name: raw.author_name.clone(),
        author_link: raw.author_link.clone(),
        author_icon: raw.author_icon.clone(),
        title: or(&raw.title, TITLE),
        title_link: or(&raw.title_link, TITLE_LINK),
        fields: raw.fields.clone(),
        thumb_url: raw.thumb_url.clone(),
        footer: raw.footer.clone(),
        footer_icon: raw.footer_icon.clone(),
        image_url: raw.image_url.clone(),
    }
}

fn one(fill: &Fill<'_>, own: &MattermostAttachment) -> Value {
    // An attachment says just what it says; where that fails, the built-in text stands in.
    let or = |own: &Option<String>, built_in: &'static str| if own.is_some() { built_in } else { "" };
    let line = |field: &'static str, own: &Option<String>| fill.line(field, own.as_deref(), "", TITLE_MAX);
    let link = |field: &'static str, own: &Option<String>| fill.link(field, own.as_deref(), "");
    let fields = own.fields.iter().flatten().map(|field| {
        let mut json = json!({
            "title": fill.line("fields", Some(&field.title), "", TITLE_MAX),
            "value": cut(&fill.text("fields", Some(&field.value), ""), TEXT_MAX),
        });
        if let Some(short) = field.short {
            json["short"] = short.into();
        }
        json
    });
    let mut attachment = json!({
        "fallback": fill.line("fallback", own.fallback.as_deref(), or(&own.fallback, FALLBACK), TITLE_MAX),
        "color": color(&fill.setting("color", own.color.as_deref(), or(&own.color, COLOR))),
        "pretext": cut(&fill.text("pretext", own.pretext.as_deref(), ""), TEXT_MAX),
        "text": cut(&fill.text("text", own.text.as_deref(), or(&own.text, TEXT)), TEXT_MAX),
        "author_name": line("author_name", &own.author_name),
        "author_link": link("author_link", &own.author_link),
        "author_icon": link("author_icon", &own.author_icon),
        "title": fill.line("title", own.title.as_deref(), or(&own.title, TITLE), TITLE_MAX),
        "title_link": link("title_link", &own.title_link),
        "fields": fields.collect::<Value>(),
        "thumb_url": link("thumb_url", &own.thumb_url),
        "footer": line("footer", &own.footer),
        "footer_icon": link("footer_icon", &own.footer_icon),
        "image_url": link("image_url", &own.image_url),
    });
    drop_empty(&mut attachment);
    attachment
}

/// Slack's words for colours are not Mattermost's: it knows them as numbers.
fn color(word: &str) -> &str {
    match word {
        "danger" => "#d00000",
        "warning" => "#daa038",
        "good" => "#2eb886",
        other => other,
    }
}

/// Mattermost refuses an acknowledgement request or a repeated ring on messages that are not pressing enough.
fn urgency(fill: &Fill<'_>, own: &MattermostPriority) -> Value {
    let word = fill.setting("priority", Some(&own.priority), "standard").to_ascii_lowercase();
    let word = if matches!(word.as_str(), "urgent" | "important") { word } else { "standard".to_owned() };
    json!({
        "requested_ack": own.requested_ack && word != "standard",
        "persistent_notifications": own.persistent_notifications && word == "urgent",
        "priority": word,
    })
}

#[cfg(test)]
mod tests;

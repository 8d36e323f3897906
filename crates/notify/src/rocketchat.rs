//! Rocket.Chat by its REST API: a message with one attachment.

use crate::fill::{Fill, drop_empty};
use crate::medium::{Medium, cut};
use crate::post::{Post, refused_as};
use crate::scope::{Scope, file_of};
use crate::sending::Sending;
use crate::{Error, Sent};
use model::Page;
use reach::config::{HttpConfig, Secret, Source};
use reach::http::Request;
use serde::Deserialize;
use serde_json::{Value, json};
use serde_saphyr::{Location, Spanned};
use std::path::{Path, PathBuf};

/// A raw entry of `rocketchat_configs:`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each field is the key of the same name in Alertmanager's manual")]
pub struct RocketchatConfig {
    pub send_resolved: Option<bool>,
    pub http_config: Option<HttpConfig>,
    pub api_url: Option<Spanned<String>>,
    pub token: Option<Spanned<Secret>>,
    pub token_file: Option<Spanned<PathBuf>>,
    pub token_id: Option<Spanned<Secret>>,
    pub token_id_file: Option<Spanned<PathBuf>>,
    pub channel: Option<String>,
    pub color: Option<String>,
    pub title: Option<String>,
    pub title_link: Option<String>,
    pub text: Option<String>,
    pub fields: Option<Vec<RocketchatField>>,
    pub short_fields: Option<bool>,
    pub emoji: Option<String>,
    pub icon_url: Option<String>,
    pub image_url: Option<String>,
    pub thumb_url: Option<String>,
    pub link_names: Option<bool>,
    pub actions: Option<Vec<RocketchatButton>>,
}

/// A raw entry of `fields:`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "each field is the key of the same name in Alertmanager's manual")]
pub struct RocketchatField {
    pub title: String,
    pub value: String,
    pub short: Option<bool>,
}

/// A raw entry of `actions:`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "each field is the key of the same name in Alertmanager's manual")]
pub struct RocketchatButton {
    #[serde(rename = "type")]
    pub kind: String,
    pub text: String,
    pub url: String,
    pub msg: String,
}

/// The checked settings.
#[derive(Debug, Clone)]
pub(crate) struct Rocketchat {
    api: String,
    token: Source,
    user: Source,
    post: Post,
    settings: RocketchatConfig,
}

const API: &str = "https://open.rocket.chat/";
const TITLE_MAX: usize = 1024;
/// The length a server takes unless its administrator says otherwise.
const TEXT_MAX: usize = 5000;

const COLOR: &str = r#"{{ if eq .Status "firing" }}red{{ else }}green{{ end }}"#;
const TITLE: &str = r#"{{ template "rocketchat.default.title" . }}"#;
const TITLE_LINK: &str = r#"{{ template "rocketchat.default.titlelink" . }}"#;
const TEXT: &str = r#"{{ template "rocketchat.default.text" . }}"#;
const EMOJI: &str = r#"{{ template "rocketchat.default.emoji" . }}"#;
const ICON_URL: &str = r#"{{ template "rocketchat.default.iconurl" . }}"#;

impl Rocketchat {
    pub fn resolve(raw: &RocketchatConfig, at: Location, scope: &mut Scope<'_>) -> Rocketchat {
        let global = scope.global;
        let token = (raw.token.as_ref(), raw.token_file.as_ref());
        let tokens = (global.rocketchat_token.as_ref(), global.rocketchat_token_file.as_ref());
        let user = (raw.token_id.as_ref(), raw.token_id_file.as_ref());
        let users = (global.rocketchat_token_id.as_ref(), global.rocketchat_token_id_file.as_ref());
        Rocketchat {
            api: scope.url(raw.api_url.as_ref(), global.rocketchat_api_url.as_ref(), API),
            token: scope.needs(token, "token", tokens, "rocketchat", at),
            user: scope.needs(user, "token_id", users, "rocketchat", at),
            post: Post::resolve(raw.http_config.as_ref(), None, scope),
            settings: raw.clone(),
        }
    }

    pub fn files(&self) -> Vec<&Path> {
        [&self.token, &self.user].into_iter().filter_map(file_of).chain(self.post.files()).collect()
    }

    pub async fn send(&self, page: &Page, sending: &Sending<'_>) -> Result<Sent, Error> {
        let (token, user) = (sending.secret(&self.token).await?, sending.secret(&self.user).await?);
        let url = format!("{}/api/v1/chat.postMessage", self.api.trim_end_matches('/'));
        let mut request = Request::post_json(&url, self.message(page, sending).to_string())?;
        request.set_header("X-Auth-Token", &token)?;
        request.set_header("X-User-Id", &user)?;
        let response = self.post.send(request, sending).await?;
        let answer: Value = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
        match answer["success"].as_bool() {
            Some(true) => Ok(Sent::by(&response)),
            Some(false) => Err(refused_as(400, answer["error"].as_str().unwrap_or("no success"), &response)),
            None => Err(refused_as(502, "something that is no answer of Rocket.Chat", &response)),
        }
    }

    fn message(&self, page: &Page, sending: &Sending<'_>) -> Value {
        let raw = &self.settings;
        let fill = Fill::new(page, Medium::Markdown, sending);
        let fields = raw.fields.iter().flatten().map(|field| {
            json!({
                "title": fill.line("fields", Some(&field.title), "", TITLE_MAX),
                "value": cut(&fill.text("fields", Some(&field.value), ""), TEXT_MAX),
                "short": field.short.or(raw.short_fields).unwrap_or(false),
            })
        });
        let actions = raw.actions.iter().flatten().map(|action| {
            let mut json = json!({
                "type": "button",
                "text": fill.line("actions", Some(&action.text), "", TITLE_MAX),
                "url": fill.link("actions", Some(&action.url), ""),
                "msg": fill.line("actions", Some(&action.msg), "", TITLE_MAX),
            });
            drop_empty(&mut json);
            json
        });
        let mut attachment = json!({
            "title": fill.line("title", raw.title.as_deref(), TITLE, TITLE_MAX),
            "title_link": fill.link("title_link", raw.title_link.as_deref(), TITLE_LINK),
            "image_url": fill.link("image_url", raw.image_url.as_deref(), ""),
            "thumb_url": fill.link("thumb_url", raw.thumb_url.as_deref(), ""),
            "color": fill.setting("color", raw.color.as_deref(), COLOR),
            "fields": fields.collect::<Value>(),
            "actions": actions.collect::<Value>(),
        });
        let mut message = json!({
            "channel": fill.setting("channel", raw.channel.as_deref(), ""),
            "emoji": fill.setting("emoji", raw.emoji.as_deref(), EMOJI),
            "avatar": fill.link("icon_url", raw.icon_url.as_deref(), ICON_URL),
        });
        let text = fill.text("text", raw.text.as_deref(), TEXT);
        attachment["text"] = cut(&fill.with_wrong(text), TEXT_MAX).into();
        drop_empty(&mut attachment);
        message["attachments"] = json!([attachment]);
        drop_empty(&mut message);
        message
    }
}

#[cfg(test)]
mod tests;

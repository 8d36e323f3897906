//! Discord: an incoming webhook's message with one embed. Nobody is called by it, whatever its text says.

use crate::fill::{Fill, drop_empty};
use crate::medium::{Medium, cut};
use crate::post::Post;
use crate::scope::{Scope, file_of};
use crate::sending::Sending;
use crate::{Error, Sent};
use model::{Page, PageStatus};
use reach::config::{HttpConfig, Secret, Source};
use serde::Deserialize;
use serde_json::{Value, json};
use serde_saphyr::{Location, Spanned};
use std::path::{Path, PathBuf};

/// A raw entry of `discord_configs:`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each field is the key of the same name in Alertmanager's manual")]
pub struct DiscordConfig {
    pub send_resolved: Option<bool>,
    pub http_config: Option<HttpConfig>,
    pub webhook_url: Option<Spanned<Secret>>,
    pub webhook_url_file: Option<Spanned<PathBuf>>,
    pub content: Option<String>,
    pub title: Option<String>,
    pub message: Option<String>,
    pub username: Option<String>,
    pub avatar_url: Option<String>,
}

/// The checked settings.
#[derive(Debug, Clone)]
pub(crate) struct Discord {
    url: Source,
    post: Post,
    settings: DiscordConfig,
}

const CONTENT_MAX: usize = 2000;
const TITLE_MAX: usize = 256;
const DESCRIPTION_MAX: usize = 4096;
const USERNAME_MAX: usize = 80;
const RED: u32 = 0x99_2d22;
const GREEN: u32 = 0x2e_cc71;

const CONTENT: &str = r#"{{ template "discord.default.content" . }}"#;
const TITLE: &str = r#"{{ template "discord.default.title" . }}"#;
const MESSAGE: &str = r#"{{ template "discord.default.message" . }}"#;

impl Discord {
    pub fn resolve(raw: &DiscordConfig, at: Location, scope: &mut Scope<'_>) -> Discord {
        if let Some(url) = &raw.webhook_url {
            scope.check_url(&url.value.0, url.referenced);
        }
        let own = (raw.webhook_url.as_ref(), raw.webhook_url_file.as_ref());
        Discord {
            url: scope.needs(own, "webhook_url", (None, None), "discord", at),
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
        let content = fill.text("content", raw.content.as_deref(), CONTENT);
        let title = fill.line("title", raw.title.as_deref(), TITLE, TITLE_MAX);
        let username = fill.line("username", raw.username.as_deref(), "", USERNAME_MAX);
        let avatar = fill.link("avatar_url", raw.avatar_url.as_deref(), "");
        let text = fill.text("message", raw.message.as_deref(), MESSAGE);
        let mut embed = json!({
            "title": title,
            "description": cut(fill.with_wrong(text).trim(), DESCRIPTION_MAX),
            "color": match page.status {
                PageStatus::Firing => RED,
                PageStatus::Resolved => GREEN,
            },
        });
        drop_empty(&mut embed);
        let mut message = json!({
            "content": cut(&content, CONTENT_MAX),
            "username": username,
            "avatar_url": avatar,
            "embeds": [embed],
        });
        drop_empty(&mut message);
        message["allowed_mentions"] = json!({ "parse": [] });
        message
    }
}

#[cfg(test)]
mod tests;

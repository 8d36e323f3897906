//! Webex: a bot's message to a room. The bot's token stands in `http_config`, as upstream has it.

use crate::fill::Fill;
use crate::medium::{Medium, cut_bytes};
use crate::post::Post;
use crate::scope::Scope;
use crate::sending::Sending;
use crate::{Error, Sent};
use model::Page;
use reach::config::HttpConfig;
use serde::Deserialize;
use serde_json::json;
use serde_saphyr::{Location, Spanned};
use std::path::Path;

/// A raw entry of `webex_configs:`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each field is the key of the same name in Alertmanager's manual")]
pub struct WebexConfig {
    pub send_resolved: Option<bool>,
    pub http_config: Option<HttpConfig>,
    pub api_url: Option<Spanned<String>>,
    pub room_id: Option<String>,
    pub message: Option<String>,
}

/// The checked settings.
#[derive(Debug, Clone)]
pub(crate) struct Webex {
    url: String,
    room: String,
    message: Option<String>,
    post: Post,
}

const URL: &str = "https://webexapis.com/v1/messages";
/// In bytes.
const MESSAGE_MAX: usize = 7439;
const MESSAGE: &str = r#"{{ template "webex.default.message" . }}"#;

impl Webex {
    pub fn resolve(raw: &WebexConfig, at: Location, scope: &mut Scope<'_>) -> Webex {
        let room = raw.room_id.clone().unwrap_or_default();
        if room.is_empty() {
            scope.missing(at, "webex", "room_id");
        }
        if raw.http_config.as_ref().is_none_or(|http| http.authorization.is_none()) {
            scope.missing(at, "webex", "http_config with authorization: the bot's token");
        }
        Webex {
            url: scope.url(raw.api_url.as_ref(), scope.global.webex_api_url.as_ref(), URL),
            room,
            message: raw.message.clone(),
            post: Post::resolve(raw.http_config.as_ref(), None, scope),
        }
    }

    pub fn files(&self) -> Vec<&Path> {
        self.post.files()
    }

    pub async fn send(&self, page: &Page, sending: &Sending<'_>) -> Result<Sent, Error> {
        let message = {
            let fill = Fill::new(page, Medium::Markdown, sending);
            let text = fill.text("message", self.message.as_deref(), MESSAGE);
            json!({
                "roomId": fill.must("room_id", &self.room)?,
                "markdown": cut_bytes(&fill.with_wrong(text), MESSAGE_MAX),
            })
        };
        Ok(Sent::by(&self.post.json(&self.url, &message, sending).await?))
    }
}

#[cfg(test)]
mod tests;

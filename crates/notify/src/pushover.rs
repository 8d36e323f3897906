//! Pushover: a message to somebody's devices; one of the highest priority rings until it is acknowledged there.

use crate::fill::{Fill, escape_html};
use crate::medium::{Medium, cut};
use crate::post::Post;
use crate::scope::{Scope, file_of};
use crate::sending::Sending;
use crate::{Error, Sent};
use model::Page;
use reach::config::{HttpConfig, Secret, Source};
use reach::http::{HeaderValue, Method, Request, header};
use serde::Deserialize;
use serde_saphyr::{Location, Spanned};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// A raw entry of `pushover_configs:`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each field is the key of the same name in Alertmanager's manual")]
pub struct PushoverConfig {
    pub send_resolved: Option<bool>,
    pub http_config: Option<HttpConfig>,
    pub user_key: Option<Spanned<Secret>>,
    pub user_key_file: Option<Spanned<PathBuf>>,
    pub token: Option<Spanned<Secret>>,
    pub token_file: Option<Spanned<PathBuf>>,
    pub title: Option<String>,
    pub message: Option<String>,
    pub url: Option<String>,
    pub url_title: Option<String>,
    pub device: Option<String>,
    pub sound: Option<String>,
    pub priority: Option<String>,
    pub retry: Option<Spanned<String>>,
    pub expire: Option<Spanned<String>>,
    pub ttl: Option<Spanned<String>>,
    pub html: Option<bool>,
    pub monospace: Option<Spanned<bool>>,
    /// Ours: where the API is, for those who reach it through something else.
    pub api_url: Option<Spanned<String>>,
}

/// The checked settings.
#[derive(Debug, Clone)]
pub(crate) struct Pushover {
    api: String,
    user: Source,
    token: Source,
    retry: Duration,
    expire: Duration,
    ttl: Duration,
    post: Post,
    settings: PushoverConfig,
}

const API: &str = "https://api.pushover.net/1/messages.json";
const TITLE_MAX: usize = 250;
const MESSAGE_MAX: usize = 1024;
const URL_MAX: usize = 512;
const URL_TITLE_MAX: usize = 100;
/// Pushover refuses to ring more often, and for longer.
const RETRY_MIN: Duration = Duration::from_secs(30);
const EXPIRE_MAX: Duration = Duration::from_secs(10_800);

const TITLE: &str = r#"{{ template "pushover.default.title" . }}"#;
const MESSAGE: &str = r#"{{ template "pushover.default.message" . }}"#;
const URL: &str = r#"{{ template "pushover.default.url" . }}"#;
const PRIORITY: &str = r#"{{ if eq .Status "firing" }}2{{ else }}0{{ end }}"#;

impl Pushover {
    pub fn resolve(raw: &PushoverConfig, at: Location, scope: &mut Scope<'_>) -> Pushover {
        if let (Some(true), Some(monospace)) = (raw.html, raw.monospace.as_ref().filter(|m| m.value)) {
            scope.error(monospace.referenced, "html and monospace cannot both be set", "keep one of them");
        }
        let user = (raw.user_key.as_ref(), raw.user_key_file.as_ref());
        let token = (raw.token.as_ref(), raw.token_file.as_ref());
        Pushover {
            api: scope.url(raw.api_url.as_ref(), None, API),
            user: scope.needs(user, "user_key", (None, None), "pushover", at),
            token: scope.needs(token, "token", (None, None), "pushover", at),
            retry: scope.duration(raw.retry.as_ref(), Duration::from_secs(60)).max(RETRY_MIN),
            expire: scope.duration(raw.expire.as_ref(), Duration::from_secs(3600)).min(EXPIRE_MAX),
            ttl: scope.duration(raw.ttl.as_ref(), Duration::ZERO),
            post: Post::resolve(raw.http_config.as_ref(), None, scope),
            settings: raw.clone(),
        }
    }

    pub fn files(&self) -> Vec<&Path> {
        [&self.user, &self.token].into_iter().filter_map(file_of).chain(self.post.files()).collect()
    }

    pub async fn send(&self, page: &Page, sending: &Sending<'_>) -> Result<Sent, Error> {
        let user = sending.secret(&self.user).await?;
        let token = sending.secret(&self.token).await?;
        let form = self.form(&user, &token, page, sending)?;
        let mut request = Request::new(Method::POST, &self.api)?;
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers.insert(header::CONTENT_TYPE, kind);
        request.body = crate::form::encoded(&form).into();
        Ok(Sent::by(&self.post.send(request, sending).await?))
    }

    fn form(
        &self,
        user: &str,
        token: &str,
        page: &Page,
        sending: &Sending<'_>,
    ) -> Result<Vec<(&'static str, String)>, Error> {
        let raw = &self.settings;
        let fill = Fill::new(page, Medium::Plain, sending);
        let is_html = raw.html == Some(true);
        let title = fill.line("title", raw.title.as_deref(), TITLE, TITLE_MAX);
        let url = fill.link("url", raw.url.as_deref(), URL);
        let message = match is_html {
            true => {
                let html = fill.html("message", raw.message.as_deref(), MESSAGE);
                let wrong = escape_html(&fill.wrong());
                cut(format!("{}\n{wrong}", html.trim()).trim(), MESSAGE_MAX)
            }
            false => {
                let text = fill.text("message", raw.message.as_deref(), MESSAGE);
                cut(fill.with_wrong(text).trim(), MESSAGE_MAX)
            }
        };
        // Pushover refuses an empty one.
        let message = if message.is_empty() { "(no details)".to_owned() } else { message };
        let priority = fill.setting("priority", raw.priority.as_deref(), PRIORITY);
        let priority = priority.parse().ok().filter(|p| (-2..=2).contains(p)).unwrap_or(0i8);
        let mut form = vec![
            ("token", fill.must("token", token)?),
            ("user", fill.must("user_key", user)?),
            ("title", title),
            ("message", message),
            ("url", if url.chars().count() > URL_MAX { String::new() } else { url }),
            ("url_title", fill.line("url_title", raw.url_title.as_deref(), "", URL_TITLE_MAX)),
            ("device", fill.setting("device", raw.device.as_deref(), "")),
            ("sound", fill.setting("sound", raw.sound.as_deref(), "")),
            ("priority", priority.to_string()),
            ("timestamp", page.at.as_millis().div_euclid(1000).to_string()),
        ];
        if priority == 2 {
            form.push(("retry", self.retry.as_secs().to_string()));
            form.push(("expire", self.expire.as_secs().to_string()));
        }
        if !self.ttl.is_zero() {
            form.push(("ttl", self.ttl.as_secs().to_string()));
        }
        if is_html {
            form.push(("html", "1".to_owned()));
        } else if raw.monospace.as_ref().is_some_and(|monospace| monospace.value) {
            form.push(("monospace", "1".to_owned()));
        }
        form.retain(|(_, value)| !value.is_empty());
        Ok(form)
    }
}

#[cfg(test)]
mod tests;

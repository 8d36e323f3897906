//! Telegram: a bot's message to a chat. Later pages of a group answer the first one.
//!
//! A page leaves even if Telegram cannot read its markup: it is sent again without any.

use crate::fill::{Fill, escape_html};
use crate::medium::{Medium, cut};
use crate::post::{Post, refusal};
use crate::scope::{Scope, file_of};
use crate::sending::Sending;
use crate::{Error, Sent, plain};
use model::Page;
use reach::config::{HttpConfig, Secret, Source};
use reach::http::{Request, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use serde_saphyr::{Location, Spanned};
use std::path::{Path, PathBuf};

/// A raw entry of `telegram_configs:`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each field is the key of the same name in Alertmanager's manual")]
pub struct TelegramConfig {
    pub send_resolved: Option<bool>,
    pub http_config: Option<HttpConfig>,
    pub timeout: Option<Spanned<String>>,
    pub api_url: Option<Spanned<String>>,
    pub bot_token: Option<Spanned<Secret>>,
    pub bot_token_file: Option<Spanned<PathBuf>>,
    pub chat_id: Option<i64>,
    pub chat_id_file: Option<Spanned<PathBuf>>,
    pub message_thread_id: Option<i64>,
    pub message: Option<String>,
    pub disable_notifications: Option<bool>,
    pub parse_mode: Option<Spanned<String>>,
}

/// The checked settings.
#[derive(Debug, Clone)]
pub(crate) struct Telegram {
    api: String,
    token: Source,
    chat: Chat,
    markup: Markup,
    post: Post,
    settings: TelegramConfig,
}

#[derive(Debug, Clone)]
enum Chat {
    Id(i64),
    File(PathBuf),
}

/// How a text is marked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Markup {
    Html,
    Markdown,
    MarkdownV2,
    None,
}

const API: &str = "https://api.telegram.org";
const TEXT_MAX: usize = 4096;
const MESSAGE: &str = r#"{{ template "telegram.default.message" . }}"#;

impl Telegram {
    pub fn resolve(raw: &TelegramConfig, at: Location, scope: &mut Scope<'_>) -> Telegram {
        let global = scope.global;
        let own = (raw.bot_token.as_ref(), raw.bot_token_file.as_ref());
        let everybodys = (global.telegram_bot_token.as_ref(), global.telegram_bot_token_file.as_ref());
        let file = raw.chat_id_file.as_ref().filter(|file| !file.value.as_os_str().is_empty());
        let chat = match (raw.chat_id.filter(|id| *id != 0), file) {
            (Some(_), Some(file)) => {
                scope.error(
                    file.referenced,
                    "chat_id and chat_id_file cannot both be set",
                    "keep one of them",
                );
                Chat::Id(0)
            }
            (Some(id), None) => Chat::Id(id),
            (None, Some(file)) => Chat::File(scope.base.join(&file.value)),
            (None, None) => {
                scope.missing(at, "telegram", "chat_id or chat_id_file");
                Chat::Id(0)
            }
        };
        let markup = match raw.parse_mode.as_ref().map(|mode| mode.value.as_str()) {
            None | Some("HTML") => Markup::Html,
            Some("Markdown") => Markup::Markdown,
            Some("MarkdownV2") => Markup::MarkdownV2,
            Some("") => Markup::None,
            Some(other) => {
                let at = raw.parse_mode.as_ref().map_or(at, |mode| mode.referenced);
                let what = format!("{other:?} is no parse_mode");
                scope.error(at, &what, "known: Markdown, MarkdownV2, HTML and an empty one");
                Markup::None
            }
        };
        Telegram {
            api: scope.url(raw.api_url.as_ref(), global.telegram_api_url.as_ref(), API),
            token: scope.needs(own, "bot_token", everybodys, "telegram", at),
            chat,
            markup,
            post: Post::resolve(raw.http_config.as_ref(), raw.timeout.as_ref(), scope),
            settings: raw.clone(),
        }
    }

    pub fn files(&self) -> Vec<&Path> {
        let chat = match &self.chat {
            Chat::File(path) => Some(path.as_path()),
            Chat::Id(_) => None,
        };
        file_of(&self.token).into_iter().chain(chat).chain(self.post.files()).collect()
    }

    pub async fn send(&self, page: &Page, sending: &Sending<'_>) -> Result<Sent, Error> {
        let token = sending.secret(&self.token).await?;
        let chat = self.chat(sending).await?;
        let url = format!("{}/bot{token}/sendMessage", self.api.trim_end_matches('/'));
        let mut message = self.message(chat, page, sending);
        let mut response = self.ask(&url, &message, sending).await?;
        if response.status == 400 && message.get("parse_mode").is_some() && cannot_read(&response) {
            message["text"] = cut(&plain::text(page), TEXT_MAX).into();
            message.as_object_mut().map(|fields| fields.remove("parse_mode"));
            response = self.ask(&url, &message, sending).await?;
        }
        if !response.is_success() {
            return Err(refusal(response.url.host_str().unwrap_or("").to_owned(), &response));
        }
        let answer: Value = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
        // All of a group hang on its first message.
        let keep = match (first(sending.kept), answer["result"]["message_id"].as_i64()) {
            (Some(first), _) => json!({ "message_id": first }),
            (None, Some(id)) => json!({ "message_id": id }),
            (None, None) => Value::Null,
        };
        Ok(Sent { keep, ..Sent::by(&response) })
    }

    async fn ask(&self, url: &str, message: &Value, sending: &Sending<'_>) -> Result<Response, Error> {
        self.post.ask(Request::post_json(url, message.to_string())?, sending).await
    }

    async fn chat(&self, sending: &Sending<'_>) -> Result<i64, Error> {
        match &self.chat {
            Chat::Id(id) => Ok(*id),
            Chat::File(path) => {
                let text = sending.secret(&Source::File(path.clone())).await?;
                let why = || "the file holds no number".to_owned();
                match text.parse() {
                    Err(_) if sending.preview.is_some() => Ok(0),
                    read => read.map_err(|_| Error::Setting { field: "chat_id_file", why: why() }),
                }
            }
        }
    }

    fn message(&self, chat: i64, page: &Page, sending: &Sending<'_>) -> Value {
        let raw = &self.settings;
        let own = raw.message.as_deref();
        let medium = match self.markup {
            Markup::Markdown | Markup::MarkdownV2 => Medium::Markdown,
            Markup::Html | Markup::None => Medium::Plain,
        };
        let fill = Fill::new(page, medium, sending);
        let (text, mode) = match self.markup {
            Markup::Html => {
                let html = fill.html("message", own, MESSAGE);
                let wrong = fill.wrong();
                let gap = if wrong.is_empty() { "" } else { "\n\n" };
                (cut_html(&format!("{}{gap}{}", html.trim(), escape_html(&wrong)), TEXT_MAX), "HTML")
            }
            Markup::Markdown => (self.words(&fill, own), "Markdown"),
            Markup::MarkdownV2 => (self.words(&fill, own), "MarkdownV2"),
            Markup::None => (self.words(&fill, own), ""),
        };
        let text = if text.is_empty() { cut(&plain::title(page), TEXT_MAX) } else { text };
        let mut message = json!({
            "chat_id": chat,
            "text": text,
            "disable_notification": raw.disable_notifications.unwrap_or(false),
            "link_preview_options": { "is_disabled": true },
        });
        if !mode.is_empty() {
            message["parse_mode"] = mode.into();
        }
        if let Some(thread) = raw.message_thread_id.filter(|id| *id != 0) {
            message["message_thread_id"] = thread.into();
        }
        if let Some(first) = first(sending.kept) {
            message["reply_parameters"] = json!({ "message_id": first, "allow_sending_without_reply": true });
        }
        message
    }

    fn words(&self, fill: &Fill<'_>, own: Option<&str>) -> String {
        let text = fill.text("message", own, MESSAGE);
        cut(fill.with_wrong(text).trim(), TEXT_MAX)
    }
}

/// The group's first message.
fn first(kept: &Value) -> Option<i64> {
    kept.get("message_id")?.as_i64()
}

/// Whether Telegram stumbled over the markup rather than over something else.
fn cannot_read(response: &Response) -> bool {
    let answer: Value = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
    let why = answer["description"].as_str().unwrap_or("");
    why.contains("parse entities") || why.contains("too long")
}

/// At most `max` characters of HTML, cut between tags and entities, with what was open closed.
fn cut_html(html: &str, max: usize) -> String {
    if html.chars().count() <= max {
        return html.to_owned();
    }
    let (mut text, mut open, mut count) = (String::new(), Vec::<String>::new(), 0);
    let mut rest = html;
    while let Some(c) = rest.chars().next() {
        let piece = match c {
            '<' => rest.find('>').map(|end| &rest[..=end]),
            '&' => rest.find(';').filter(|end| *end < 12).map(|end| &rest[..=end]),
            _ => None,
        };
        let piece = piece.unwrap_or(&rest[..c.len_utf8()]);
        let closing: usize = open.iter().map(|name| name.len() + 3).sum();
        if count + piece.chars().count() + closing + 1 > max {
            break;
        }
        if let Some(name) = piece.strip_prefix("</").and_then(|tag| tag.strip_suffix('>')) {
            if open.last().is_some_and(|last| last == name) {
                open.pop();
            }
        } else if let Some(tag) = piece.strip_prefix('<').and_then(|tag| tag.strip_suffix('>')) {
            let name = tag.split(|c: char| c.is_whitespace()).next().unwrap_or("").to_owned();
            if count + piece.chars().count() + closing + name.len() + 4 > max {
                break;
            }
            open.push(name);
        }
        text.push_str(piece);
        count += piece.chars().count();
        rest = &rest[piece.len()..];
    }
    text.push('…');
    for name in open.iter().rev() {
        text.push_str(&format!("</{name}>"));
    }
    text
}

#[cfg(test)]
mod tests;

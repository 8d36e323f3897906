//! Slack: by an incoming webhook, or by a bot's token, which can edit the message it sent and answer in its thread.
//!
//! With `update_message` a group is one message: later pages edit it, and what is new is said in its thread, because
//! an edit alone rings nowhere. The message's id is handed back with each page and comes with the next one.

mod message;

use crate::config::{SlackButton, SlackConfig};
use crate::post::{Post, refused_as};
use crate::scope::{Scope, file_of};
use crate::sending::{Act, Sending};
use crate::{Error, Sent};
use message::Made;
use model::{Page, PageReason};
use reach::config::{Secret, Source};
use reach::http::{Request, Response, bearer, header};
use serde_json::{Value, json};
use serde_saphyr::{Location, Spanned};
use std::path::Path;

/// The checked settings.
#[derive(Debug, Clone)]
pub(crate) struct Slack {
    to: To,
    post: Post,
    update: bool,
    thread: bool,
    settings: SlackConfig,
}

#[derive(Debug, Clone)]
enum To {
    /// An incoming webhook's address, which is its secret.
    Hook(Source),
    /// The method `chat.postMessage`, and the bot's token unless `http_config` has it.
    Bot(String, Option<Source>),
}

const BOT_URL: &str = "https://slack.com/api/chat.postMessage";
const POST: &str = "chat.postMessage";
const UPDATE: &str = "chat.update";
/// What Slack says of a message that cannot be edited any more: then a new one is sent.
const LOST: [&str; 6] = [
    "message_not_found",
    "cant_update_message",
    "edit_window_closed",
    "channel_not_found",
    "is_archived",
    "not_in_channel",
];

impl Slack {
    pub fn resolve(raw: &SlackConfig, at: Location, scope: &mut Scope<'_>) -> Slack {
        if let Some(url) = &raw.api_url {
            scope.check_url(&url.value.0, url.referenced);
        }
        if let Some(url) =
            raw.api_url.as_ref().filter(|_| raw.app_token.is_some() || raw.app_token_file.is_some())
        {
            scope.error(url.referenced, "api_url and app_token cannot both be set", "keep one of them");
        }
        for button in raw.actions.iter().flatten() {
            check_button(&button.value, button.referenced, scope);
        }
        for field in raw.fields.iter().flatten() {
            if field.value.title.is_empty() || field.value.value.is_empty() {
                scope.error(field.referenced, "a field needs a title and a value", "add what is missing");
            }
        }
        let to = Slack::to(raw, scope);
        let is_hook = matches!(to, To::Hook(_));
        let set =
            |flag: &Option<Spanned<bool>>| flag.as_ref().filter(|flag| flag.value).map(|f| f.referenced);
        for (name, flag) in
            [("update_message", &raw.update_message), ("post_updates_to_thread", &raw.post_updates_to_thread)]
        {
            if let (Some(at), true) = (set(flag), is_hook) {
                let what = format!("{name} works only with an app's token");
                scope.error(at, &what, "use app_token instead of api_url");
            }
        }
        if matches!(&to, To::Hook(Source::Text(text)) if text.0.is_empty()) {
            let remedy = "add one, or slack_api_url or slack_app_token under global";
            scope.error(at, "slack_configs needs api_url, api_url_file, app_token or app_token_file", remedy);
        }
        let update = set(&raw.update_message).is_some();
        Slack {
            to,
            post: Post::resolve(raw.http_config.as_ref(), raw.timeout.as_ref(), scope),
            update,
            thread: raw.post_updates_to_thread.as_ref().map_or(update, |flag| flag.value),
            settings: raw.clone(),
        }
    }

    /// Its own address or token, else the global one.
    fn to(raw: &SlackConfig, scope: &mut Scope<'_>) -> To {
        let global = scope.global;
        let app_url = raw.app_url.as_ref().or(global.slack_app_url.as_ref());
        let app_url = app_url.map_or(BOT_URL.to_owned(), |url| url.value.clone());
        if let Some(url) = scope.secret(raw.api_url.as_ref(), raw.api_url_file.as_ref(), "api_url") {
            return hook(url);
        }
        if let Some(token) = scope.secret(raw.app_token.as_ref(), raw.app_token_file.as_ref(), "app_token") {
            return To::Bot(app_url, Some(token));
        }
        let token = (global.slack_app_token.as_ref(), global.slack_app_token_file.as_ref());
        if let Some(token) = scope.global_secret(token) {
            return To::Bot(app_url, Some(token));
        }
        let url = scope.global_secret((global.slack_api_url.as_ref(), global.slack_api_url_file.as_ref()));
        hook(url.unwrap_or(Source::Text(Secret::default())))
    }

    pub fn files(&self) -> Vec<&Path> {
        let own = match &self.to {
            To::Hook(source) => file_of(source),
            To::Bot(_, token) => token.as_ref().and_then(file_of),
        };
        own.into_iter().chain(self.post.files()).collect()
    }

    pub async fn send(&self, page: &Page, sending: &Sending<'_>) -> Result<Sent, Error> {
        let made = message::make(&self.settings, page, sending);
        let To::Bot(url, token) = &self.to else {
            let To::Hook(url) = &self.to else { unreachable!("there are two ways") };
            let url = sending.secret(url).await?;
            let message = if sending.act == Act::Alerts { made.message } else { made.note(page, sending) };
            let response = self.post.json(&url, &message, sending).await?;
            check_answer(&response, Says::Either)?;
            return Ok(Sent::by(&response));
        };
        let token = match token {
            Some(token) => Some(sending.secret(token).await?),
            None => None,
        };
        let bot = Bot { url, token: token.as_deref(), post: &self.post, sending };
        self.by_bot(&bot, made, page).await
    }

    async fn by_bot(&self, bot: &Bot<'_>, made: Made, page: &Page) -> Result<Sent, Error> {
        let kept = Message::read(bot.sending.kept);
        if bot.sending.act != Act::Alerts {
            let mut note = made.note(page, bot.sending);
            if let Some(kept) = &kept {
                kept.thread(&mut note);
            }
            let (response, _) = bot.call(POST, &note).await?;
            return Ok(Sent { keep: bot.sending.kept.clone(), ..Sent::by(&response) });
        }
        let Some(kept) = kept.filter(|_| self.update || self.thread) else {
            let (response, sent) = bot.call(POST, &made.message).await?;
            return Ok(Sent { keep: sent.keep(), ..Sent::by(&response) });
        };
        let mut answer = None;
        if self.update {
            let mut edited = made.message.clone();
            (edited["channel"], edited["ts"]) = (json!(kept.channel), json!(kept.ts));
            // Who sent a message cannot be edited.
            if let Some(fields) = edited.as_object_mut() {
                fields.retain(|name, _| !matches!(name.as_str(), "username" | "icon_emoji" | "icon_url"));
            }
            match bot.call(UPDATE, &edited).await {
                Ok((response, _)) => answer = Some(response),
                Err(Error::Refused { body, .. }) if LOST.contains(&body.as_str()) => {
                    let (response, sent) = bot.call(POST, &made.message).await?;
                    return Ok(Sent { keep: sent.keep(), ..Sent::by(&response) });
                }
                Err(error) => return Err(error),
            }
        }
        // Without an edit the thread is the only place where it is said at all.
        if self.thread && (answer.is_none() || page.reason != PageReason::Repeat) {
            let mut reply = if self.update { made.note(page, bot.sending) } else { made.message };
            kept.thread(&mut reply);
            let (response, _) = bot.call(POST, &reply).await?;
            answer = Some(response);
        }
        let sent = answer.map(|response| Sent::by(&response)).unwrap_or_default();
        Ok(Sent { keep: kept.keep(), ..sent })
    }
}

/// Upstream's way to a bot: the method as `api_url`, the token in `http_config`.
fn hook(url: Source) -> To {
    match url {
        Source::Text(Secret(text)) if text.ends_with(POST) => To::Bot(text, None),
        url => To::Hook(url),
    }
}

/// Slack's methods, as a bot.
struct Bot<'a> {
    url: &'a str,
    token: Option<&'a str>,
    post: &'a Post,
    sending: &'a Sending<'a>,
}

impl Bot<'_> {
    async fn call(&self, method: &str, message: &Value) -> Result<(Response, Message), Error> {
        let url = match self.url.strip_suffix(POST) {
            Some(start) => format!("{start}{method}"),
            None => self.url.to_owned(),
        };
        let mut request = Request::post_json(&url, message.to_string())?;
        if let Some(value) = self.token.and_then(|token| bearer("Bearer", token)) {
            request.headers.insert(header::AUTHORIZATION, value);
        }
        let response = self.post.send(request, self.sending).await?;
        let answer = check_answer(&response, Says::Ok)?;
        let text = |key: &str| answer.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
        Ok((response, Message { channel: text("channel"), ts: text("ts") }))
    }
}

/// A message that was sent: what names it to Slack.
struct Message {
    channel: String,
    ts: String,
}

impl Message {
    fn read(kept: &Value) -> Option<Message> {
        let text = |key: &str| kept.get(key)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        Some(Message { channel: text("channel")?, ts: text("ts")? })
    }

    fn keep(&self) -> Value {
        if self.ts.is_empty() { Value::Null } else { json!({ "channel": self.channel, "ts": self.ts }) }
    }

    /// Makes of `message` an answer in this one's thread.
    fn thread(&self, message: &mut Value) {
        (message["channel"], message["thread_ts"]) = (json!(self.channel), json!(self.ts));
    }
}

fn check_button(button: &SlackButton, at: Location, scope: &mut Scope<'_>) {
    if button.kind.is_empty() || button.text.is_empty() {
        scope.error(at, "an action needs a type and a text", "add what is missing");
    }
    if button.url.is_empty() && button.name.is_empty() {
        scope.error(at, "an action needs a url or a name", "add one of them");
    }
    if button.confirm.as_ref().is_some_and(|confirm| confirm.text.is_empty()) {
        scope.error(at, "a confirm block needs a text", "add it");
    }
}

/// What an answer must hold to be a good one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Says {
    /// `{"ok": true}`.
    Ok,
    /// That, or anything that is no JSON: a webhook says just `ok`.
    Either,
}

/// Slack's methods answer 200 to everything and say in the body how it went.
fn check_answer(response: &Response, says: Says) -> Result<Value, Error> {
    let answer: Value = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
    let ok = answer.get("ok").and_then(Value::as_bool);
    if ok.unwrap_or(says == Says::Either) {
        return Ok(answer);
    }
    let error = answer.get("error").and_then(Value::as_str).unwrap_or("something that is no answer of Slack");
    let status = match error {
        "rate_limited" | "ratelimited" => 429,
        "internal_error" | "fatal_error" | "service_unavailable" | "request_timeout" => 503,
        _ => 400,
    };
    Err(refused_as(status, error, response))
}

#[cfg(test)]
mod tests;

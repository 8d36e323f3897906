//! Slack: one attachment as Alertmanager makes it, by an incoming webhook or by an app's token, and a second one
//! with the diagnosis if there is one and the text does not show it.
//!
//! Text from alerts cannot call people: `<!channel>`, `<@U...>` and the like come out as plain text.

use crate::config::{SlackButton, SlackConfig};
use crate::receivers::Scope;
use crate::registry::Sending;
use crate::{Error, diagnosis};
use model::{Page, PageStatus};
use reach::config::{Access, Secret, Source};
use reach::http::{Request, Response, bearer, header};
use serde_json::{Map, Value, json};
use serde_saphyr::Location;
use std::{path::Path, time::Duration};

/// The checked settings.
#[derive(Debug, Clone)]
pub(crate) struct Slack {
    to: To,
    access: Access,
    timeout: Duration,
    settings: SlackConfig,
}

#[derive(Debug, Clone)]
enum To {
    /// An incoming webhook's address, which is its secret.
    Hook(Source),
    /// An app's token and the method's address.
    App(Source, String),
}

/// Without a `timeout`.
const TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_MAX: usize = 64 << 10;
const APP_URL: &str = "https://slack.com/api/chat.postMessage";
/// Slack cuts longer titles.
const TITLE_MAX: usize = 1024;
/// And refuses much longer texts.
const DIAGNOSIS_MAX: usize = 3000;

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
        if let (Some(update), To::Hook(_)) = (raw.update_message.as_ref().filter(|u| u.value), &to) {
            let what = "update_message works only with an app's token";
            scope.error(update.referenced, what, "use app_token instead of api_url");
        }
        if matches!(&to, To::Hook(Source::Text(text)) if text.0.is_empty()) {
            let remedy = "add one, or slack_api_url or slack_app_token under global";
            scope.error(at, "slack_configs needs api_url, api_url_file, app_token or app_token_file", remedy);
        }
        Slack {
            to,
            access: scope.access(raw.http_config.as_ref()),
            timeout: scope.duration(raw.timeout.as_ref(), TIMEOUT),
            settings: raw.clone(),
        }
    }

    /// Its own address or token, else the global one.
    fn to(raw: &SlackConfig, scope: &mut Scope<'_>) -> To {
        let global = scope.global;
        let app_url = raw.app_url.as_ref().or(global.slack_app_url.as_ref());
        let app_url = app_url.map_or(APP_URL.to_owned(), |url| url.value.clone());
        if let Some(url) = scope.secret(raw.api_url.as_ref(), raw.api_url_file.as_ref(), "api_url") {
            return To::Hook(url);
        }
        if let Some(token) = scope.secret(raw.app_token.as_ref(), raw.app_token_file.as_ref(), "app_token") {
            return To::App(token, app_url);
        }
        let (text, file) = (global.slack_app_token.as_ref(), global.slack_app_token_file.as_ref());
        if let Some(token) = scope.secret(text.filter(|_| file.is_none()), file, "slack_app_token") {
            return To::App(token, app_url);
        }
        let (text, file) = (global.slack_api_url.as_ref(), global.slack_api_url_file.as_ref());
        let url = scope.secret(text.filter(|_| file.is_none()), file, "slack_api_url");
        To::Hook(url.unwrap_or(Source::Text(Secret::default())))
    }

    pub fn files(&self) -> Vec<&Path> {
        let (To::Hook(source) | To::App(source, _)) = &self.to;
        let own = match source {
            Source::File(path) => Some(path.as_path()),
            Source::Text(_) => None,
        };
        own.into_iter().chain(self.access.files()).collect()
    }

    pub async fn send(&self, page: &Page, sending: &Sending<'_>) -> Result<(), Error> {
        let mut data = template::page_data(page);
        calm(&mut data);
        let body = self.message(page, &data, sending)?.to_string();
        let request = match &self.to {
            To::Hook(url) => Request::post_json(url.read().await?.trim(), body)?,
            To::App(token, url) => {
                let mut request = Request::post_json(url, body)?;
                if let Some(value) = bearer("Bearer", token.read().await?.trim()) {
                    request.headers.insert(header::AUTHORIZATION, value);
                }
                request
            }
        };
        let mut request = request;
        (request.timeout, request.body_max) = (self.timeout, ANSWER_MAX);
        self.access.prepare(&mut request).await?;
        let host = request.url.host_str().unwrap_or("").to_owned();
        let response = sending.post(request, &self.access.client(sending.client)).await?;
        check_answer(host, &response, matches!(self.to, To::App(..)))
    }

    fn message(&self, page: &Page, data: &Value, sending: &Sending<'_>) -> Result<Value, Error> {
        let raw = &self.settings;
        let text = |field: &'static str, own: &Option<String>, fallback: &str| {
            sending.text_or(field, own.as_deref(), fallback, data)
        };
        let color = text("color", &raw.color, DEFAULT_COLOR)?;
        let mut title = text("title", &raw.title, r#"{{ template "slack.default.title" . }}"#)?;
        if let Some((end, _)) = title.char_indices().nth(TITLE_MAX) {
            title.truncate(end);
            title.pop();
            title.push('…');
        }
        let mut attachment = json!({
            "title": title,
            "title_link": text("title_link", &raw.title_link, r#"{{ template "slack.default.titlelink" . }}"#)?,
            "pretext": text("pretext", &raw.pretext, r#"{{ template "slack.default.pretext" . }}"#)?,
            "text": text("text", &raw.text, r#"{{ template "slack.default.text" . }}"#)?,
            "fallback": text("fallback", &raw.fallback, r#"{{ template "slack.default.fallback" . }}"#)?,
            "callback_id": text("callback_id", &raw.callback_id, r#"{{ template "slack.default.callbackid" . }}"#)?,
            "image_url": text("image_url", &raw.image_url, "")?,
            "thumb_url": text("thumb_url", &raw.thumb_url, "")?,
            "footer": text("footer", &raw.footer, r#"{{ template "slack.default.footer" . }}"#)?,
            "color": color,
            "mrkdwn_in": raw.mrkdwn_in.clone().unwrap_or_else(|| MRKDWN_IN.map(str::to_owned).to_vec()),
        });
        attachment["fields"] = self.fields(data, sending)?;
        attachment["actions"] = self.buttons(data, sending)?;
        drop_empty(&mut attachment);
        let shows_diagnosis = raw.text.as_deref().is_some_and(|text| text.contains(diagnosis::ANNOTATION));
        let mut attachments = vec![attachment];
        attachments.extend((!shows_diagnosis).then(|| found(page)).flatten());
        let mut message = json!({
            "channel": text("channel", &raw.channel, "")?,
            "username": text("username", &raw.username, r#"{{ template "slack.default.username" . }}"#)?,
            "text": text("message_text", &raw.message_text, "")?,
            "icon_emoji": text("icon_emoji", &raw.icon_emoji, r#"{{ template "slack.default.iconemoji" . }}"#)?,
            "icon_url": text("icon_url", &raw.icon_url, r#"{{ template "slack.default.iconurl" . }}"#)?,
            "attachments": attachments,
        });
        drop_empty(&mut message);
        if raw.link_names == Some(true) {
            message["link_names"] = json!(true);
        }
        Ok(message)
    }

    fn fields(&self, data: &Value, sending: &Sending<'_>) -> Result<Value, Error> {
        let mut fields = Vec::new();
        for field in self.settings.fields.iter().flatten().map(|field| &field.value) {
            fields.push(json!({
                "title": sending.text_or("fields", Some(&field.title), "", data)?,
                "value": sending.text_or("fields", Some(&field.value), "", data)?,
                "short": field.short.or(self.settings.short_fields).unwrap_or(false),
            }));
        }
        Ok(Value::Array(fields))
    }

    fn buttons(&self, data: &Value, sending: &Sending<'_>) -> Result<Value, Error> {
        let mut buttons = Vec::new();
        for button in self.settings.actions.iter().flatten().map(|button| &button.value) {
            let text = |text: &str| sending.text_or("actions", Some(text), "", data);
            let mut json = json!({
                "type": text(&button.kind)?,
                "text": text(&button.text)?,
                "url": text(&button.url)?,
                "style": text(&button.style)?,
                "name": text(&button.name)?,
                "value": text(&button.value)?,
            });
            if let Some(confirm) = &button.confirm {
                json["confirm"] = json!({
                    "title": text(&confirm.title)?,
                    "text": text(&confirm.text)?,
                    "ok_text": text(&confirm.ok_text)?,
                    "dismiss_text": text(&confirm.dismiss_text)?,
                });
                drop_empty(&mut json["confirm"]);
            }
            drop_empty(&mut json);
            buttons.push(json);
        }
        Ok(Value::Array(buttons))
    }
}

const DEFAULT_COLOR: &str = r#"{{ if eq .Status "firing" }}danger{{ else }}good{{ end }}"#;
const MRKDWN_IN: [&str; 3] = ["fallback", "pretext", "text"];

/// The diagnosis as an attachment of its own, escaped, without Slack's markup.
fn found(page: &Page) -> Option<Value> {
    let text = diagnosis::text("", &page.diagnosis);
    if page.status == PageStatus::Resolved || text.is_empty() && page.cause.is_empty() {
        return None;
    }
    let text: String = text.chars().take(DIAGNOSIS_MAX).collect();
    let title = if page.cause.is_empty() { "Diagnosis" } else { &page.cause };
    Some(json!({
        "title": escape(title),
        "text": escape(&text),
        "fallback": escape(title),
        "color": "warning",
        "mrkdwn_in": [],
    }))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Takes from every text the forms that call people or lead to a program of theirs. Links to web pages, which
/// annotations may hold, stay.
fn calm(value: &mut Value) {
    match value {
        Value::String(text) if text.contains('<') => {
            let mut parts = text.split('<');
            let mut calmed = parts.next().unwrap_or("").to_owned();
            for part in parts {
                let start = part.get(..8).unwrap_or(part).to_ascii_lowercase();
                let is_link = start.starts_with("http://") || start.starts_with("https://");
                calmed.push_str(if is_link { "<" } else { "&lt;" });
                calmed.push_str(part);
            }
            *text = calmed;
        }
        Value::Array(items) => items.iter_mut().for_each(calm),
        Value::Object(fields) => fields.values_mut().for_each(calm),
        _ => {}
    }
}

fn drop_empty(value: &mut Value) {
    let is_empty = |value: &Value| match value {
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    };
    if let Some(fields) = value.as_object_mut() {
        let kept: Map<String, Value> =
            std::mem::take(fields).into_iter().filter(|(_, value)| !is_empty(value)).collect();
        *fields = kept;
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

/// Slack's methods answer 200 to everything and say in the body how it went; a webhook says just `ok`.
fn check_answer(host: String, response: &Response, must_say_ok: bool) -> Result<(), Error> {
    let answer: Value = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
    let ok = answer.get("ok").and_then(Value::as_bool);
    if ok.unwrap_or(!must_say_ok) {
        return Ok(());
    }
    let error = answer.get("error").and_then(Value::as_str).unwrap_or("something that is no answer of Slack");
    let body = error.chars().take(200).collect();
    let status = match error {
        "rate_limited" | "ratelimited" => 429,
        "internal_error" | "fatal_error" | "service_unavailable" | "request_timeout" => 503,
        _ => 400,
    };
    Err(Error::Refused { host, status, body, after: response.retry_after() })
}

#[cfg(test)]
mod tests;

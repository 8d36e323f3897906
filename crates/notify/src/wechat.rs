//! WeChat: an application's message to members of a company, by way of WeCom. A token, which is had for the company's
//! id and the application's secret, is held until shortly before its end.

use crate::fill::Fill;
use crate::medium::{Medium, cut_bytes};
use crate::post::{Post, refusal, refused_as};
use crate::scope::{Scope, file_of};
use crate::sending::Sending;
use crate::{Error, Sent};
use model::Page;
use reach::config::{HttpConfig, Secret, Source};
use reach::http::{Request, Response, Url};
use serde::Deserialize;
use serde_json::{Value, json};
use serde_saphyr::{Location, Spanned};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// A raw entry of `wechat_configs:`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each field is the key of the same name in Alertmanager's manual")]
pub struct WechatConfig {
    pub send_resolved: Option<bool>,
    pub http_config: Option<HttpConfig>,
    pub api_secret: Option<Spanned<Secret>>,
    pub api_secret_file: Option<Spanned<PathBuf>>,
    pub api_url: Option<Spanned<String>>,
    pub corp_id: Option<String>,
    pub message: Option<String>,
    pub message_type: Option<Spanned<String>>,
    pub agent_id: Option<String>,
    pub to_user: Option<String>,
    pub to_party: Option<String>,
    pub to_tag: Option<String>,
}

/// The checked settings.
#[derive(Debug, Clone)]
pub(crate) struct Wechat {
    /// Ends in a slash.
    api: String,
    secret: Source,
    corp: String,
    kind: &'static str,
    post: Post,
    settings: WechatConfig,
    /// Held for a look only; clones share it.
    held: Arc<Mutex<Option<Held>>>,
}

/// A token, and what it was had for.
#[derive(Clone)]
struct Held {
    corp: String,
    secret: String,
    token: String,
    until: Instant,
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Held({})", self.corp)
    }
}

const API: &str = "https://qyapi.weixin.qq.com/cgi-bin/";
/// In bytes.
const MESSAGE_MAX: usize = 2048;
const MESSAGE: &str = r#"{{ template "wechat.default.message" . }}"#;
const AGENT: &str = r#"{{ template "wechat.default.agent_id" . }}"#;
const TO_USER: &str = r#"{{ template "wechat.default.to_user" . }}"#;
const TO_PARTY: &str = r#"{{ template "wechat.default.to_party" . }}"#;
const TO_TAG: &str = r#"{{ template "wechat.default.to_tag" . }}"#;
/// How long before its end a token is not used any more.
const EARLY: Duration = Duration::from_secs(60);
/// How long a token is good that names no end.
const UNNAMED: u64 = 7200;

impl Wechat {
    pub fn resolve(raw: &WechatConfig, at: Location, scope: &mut Scope<'_>) -> Wechat {
        let global = scope.global;
        let own = (raw.api_secret.as_ref(), raw.api_secret_file.as_ref());
        let everybodys = (global.wechat_api_secret.as_ref(), global.wechat_api_secret_file.as_ref());
        let corp = raw.corp_id.as_ref().or(global.wechat_api_corp_id.as_ref()).cloned().unwrap_or_default();
        if corp.is_empty() {
            scope.missing(at, "wechat", "corp_id");
        }
        let kind = match raw.message_type.as_ref().map(|kind| kind.value.as_str()) {
            None | Some("" | "text") => "text",
            Some("markdown") => "markdown",
            Some(other) => {
                let at = raw.message_type.as_ref().map_or(at, |kind| kind.referenced);
                scope.error(at, &format!("{other:?} is no message_type"), "known: text and markdown");
                "text"
            }
        };
        let api = scope.url(raw.api_url.as_ref(), global.wechat_api_url.as_ref(), API);
        Wechat {
            api: format!("{}/", api.trim_end_matches('/')),
            secret: scope.needs(own, "api_secret", everybodys, "wechat", at),
            corp,
            kind,
            post: Post::resolve(raw.http_config.as_ref(), None, scope),
            settings: raw.clone(),
            held: Arc::default(),
        }
    }

    pub fn files(&self) -> Vec<&Path> {
        file_of(&self.secret).into_iter().chain(self.post.files()).collect()
    }

    pub async fn send(&self, page: &Page, sending: &Sending<'_>) -> Result<Sent, Error> {
        let (corp, message) = self.message(page, sending)?;
        let secret = sending.secret(&self.secret).await?;
        let (token, is_fresh) = self.token(&corp, &secret, sending).await?;
        let mut response = self.tell(&token, &message, sending).await?;
        if !is_fresh && has_ended(&response) {
            *self.held() = None;
            let (token, _) = self.token(&corp, &secret, sending).await?;
            response = self.tell(&token, &message, sending).await?;
        }
        if let Err(error) = taken(&response) {
            if has_ended(&response) {
                *self.held() = None;
            }
            return Err(error);
        }
        Ok(Sent::by(&response))
    }

    /// The company's id, and the message to it.
    fn message(&self, page: &Page, sending: &Sending<'_>) -> Result<(String, Value), Error> {
        let raw = &self.settings;
        // A text may hold links in HTML, so neither form takes a value's angle brackets as they are.
        let fill = Fill::new(page, Medium::Markdown, sending);
        let text = fill.text("message", raw.message.as_deref(), MESSAGE);
        let to = |field, own: &Option<String>, built_in| fill.setting(field, own.as_deref(), built_in);
        let agent = to("agent_id", &raw.agent_id, AGENT);
        let mut message = json!({
            "touser": to("to_user", &raw.to_user, TO_USER),
            "toparty": to("to_party", &raw.to_party, TO_PARTY),
            "totag": to("to_tag", &raw.to_tag, TO_TAG),
            "agentid": agent.parse::<u64>().map_or_else(|_| Value::from(agent), Value::from),
            "msgtype": self.kind,
            "safe": 0,
        });
        message[self.kind] = json!({ "content": cut_bytes(fill.with_wrong(text).trim(), MESSAGE_MAX) });
        crate::fill::drop_empty(&mut message);
        Ok((fill.must("corp_id", &self.corp)?, message))
    }

    /// A token, and whether it was just had. A preview does without one.
    async fn token(&self, corp: &str, secret: &str, sending: &Sending<'_>) -> Result<(String, bool), Error> {
        if sending.preview.is_some() {
            return Ok(("TOKEN".to_owned(), true));
        }
        let good = |held: &Held| held.corp == corp && held.secret == secret && Instant::now() < held.until;
        if let Some(held) = self.held().clone().filter(good) {
            return Ok((held.token, false));
        }
        let request = Request::get(&self.url("gettoken", &[("corpid", corp), ("corpsecret", secret)])?)?;
        let response = self.post.ask(request, sending).await?;
        taken(&response)?;
        let answer = read(&response);
        let Some(token) = answer["access_token"].as_str().filter(|token| !token.is_empty()) else {
            return Err(refused_as(502, "an answer without a token", &response));
        };
        let seconds = answer["expires_in"].as_u64().unwrap_or(UNNAMED).min(UNNAMED);
        *self.held() = Some(Held {
            corp: corp.to_owned(),
            secret: secret.to_owned(),
            token: token.to_owned(),
            until: Instant::now() + Duration::from_secs(seconds).saturating_sub(EARLY),
        });
        Ok((token.to_owned(), true))
    }

    async fn tell(&self, token: &str, message: &Value, sending: &Sending<'_>) -> Result<Response, Error> {
        let url = self.url("message/send", &[("access_token", token)])?;
        self.post.ask(Request::post_json(&url, message.to_string())?, sending).await
    }

    fn url(&self, method: &str, pairs: &[(&str, &str)]) -> Result<String, Error> {
        let why = |why: reach::Error| Error::Setting { field: "api_url", why: why.to_string() };
        let mut url: Url = Request::get(&format!("{}{method}", self.api)).map_err(why)?.url;
        url.query_pairs_mut().extend_pairs(pairs);
        Ok(url.into())
    }

    fn held(&self) -> MutexGuard<'_, Option<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(response: &Response) -> Value {
    serde_json::from_slice(&response.body).unwrap_or(Value::Null)
}

/// Whether the token that was used is none any more.
fn has_ended(response: &Response) -> bool {
    response.is_success() && matches!(read(response)["errcode"].as_i64(), Some(40014 | 42001))
}

/// Whether it did what it was asked; the status is 200 either way.
fn taken(response: &Response) -> Result<(), Error> {
    if !response.is_success() {
        return Err(refusal(response.url.host_str().unwrap_or("").to_owned(), response));
    }
    let answer = read(response);
    let status = match answer["errcode"].as_i64() {
        Some(0) => return Ok(()),
        // Busy; a token that ended just now; asked too often, or too much at once.
        Some(-1 | 40014 | 42001) => 503,
        Some(45009 | 45033) => 429,
        Some(_) => 400,
        None => return Err(refused_as(502, "something that is no answer of WeChat", response)),
    };
    let words = format!("{} {}", answer["errcode"], answer["errmsg"].as_str().unwrap_or(""));
    Err(refused_as(status, words.trim_end(), response))
}

#[cfg(test)]
mod tests;

//! OpsGenie by its alert API. A group is one alert: its key is the alias by which it is created, changed and closed.

use crate::fill::{Fill, drop_empty};
use crate::medium::{Medium, cut, one_line};
use crate::post::{Post, refusal};
use crate::scope::{Scope, file_of};
use crate::sending::{Act, Sending};
use crate::{Error, Sent, group};
use model::{Page, PageStatus};
use reach::config::{HttpConfig, Secret, Source};
use reach::http::{Method, Request, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use serde_saphyr::{Location, Spanned};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// A raw entry of `opsgenie_configs:`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each field is the key of the same name in Alertmanager's manual")]
pub struct OpsgenieConfig {
    pub send_resolved: Option<bool>,
    pub http_config: Option<HttpConfig>,
    pub api_key: Option<Spanned<Secret>>,
    pub api_key_file: Option<Spanned<PathBuf>>,
    pub api_url: Option<Spanned<String>>,
    pub message: Option<String>,
    pub description: Option<String>,
    pub source: Option<String>,
    pub details: Option<BTreeMap<String, String>>,
    pub entity: Option<String>,
    pub responders: Option<Vec<Spanned<OpsgenieResponder>>>,
    pub actions: Option<String>,
    pub tags: Option<String>,
    pub note: Option<String>,
    pub priority: Option<String>,
    pub update_alerts: Option<bool>,
}

/// A raw entry of `responders:`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "each field is the key of the same name in Alertmanager's manual")]
pub struct OpsgenieResponder {
    pub id: String,
    pub name: String,
    pub username: String,
    #[serde(rename = "type")]
    pub kind: String,
}

/// The checked settings.
#[derive(Debug, Clone)]
pub(crate) struct Opsgenie {
    api: String,
    key: Source,
    post: Post,
    settings: OpsgenieConfig,
}

/// What is asked of the API: how, of what path below `/v2/alerts`, with which body.
type Call = (Method, String, Value);

const API: &str = "https://api.opsgenie.com/";
const MESSAGE_MAX: usize = 130;
const DESCRIPTION_MAX: usize = 15_000;
const SOURCE_MAX: usize = 100;
const ENTITY_MAX: usize = 512;
const NOTE_MAX: usize = 25_000;
const DETAILS_MAX: usize = 8_000;
const TAGS_MAX: usize = 20;
const TAG_MAX: usize = 50;
const ACTIONS_MAX: usize = 10;
const RESPONDERS: [&str; 5] = ["team", "teams", "user", "escalation", "schedule"];

const MESSAGE: &str = r#"{{ template "opsgenie.default.message" . }}"#;
const DESCRIPTION: &str = r#"{{ template "opsgenie.default.description" . }}"#;
const SOURCE: &str = r#"{{ template "opsgenie.default.source" . }}"#;

impl Opsgenie {
    pub fn resolve(raw: &OpsgenieConfig, at: Location, scope: &mut Scope<'_>) -> Opsgenie {
        let global = scope.global;
        for responder in raw.responders.iter().flatten() {
            let (at, responder) = (responder.referenced, &responder.value);
            if responder.id.is_empty() && responder.name.is_empty() && responder.username.is_empty() {
                scope.error(at, "a responder needs an id, a name or a username", "add one of them");
            }
            let kind = responder.kind.to_ascii_lowercase();
            if !kind.contains("{{") && !RESPONDERS.contains(&kind.as_str()) {
                let what = format!("{:?} is no type of responder", responder.kind);
                scope.error(at, &what, &format!("known: {}", RESPONDERS.join(", ")));
            }
        }
        let own = (raw.api_key.as_ref(), raw.api_key_file.as_ref());
        let everybodys = (global.opsgenie_api_key.as_ref(), global.opsgenie_api_key_file.as_ref());
        Opsgenie {
            api: scope.url(raw.api_url.as_ref(), global.opsgenie_api_url.as_ref(), API),
            key: scope.needs(own, "api_key", everybodys, "opsgenie", at),
            post: Post::resolve(raw.http_config.as_ref(), None, scope),
            settings: raw.clone(),
        }
    }

    pub fn files(&self) -> Vec<&Path> {
        file_of(&self.key).into_iter().chain(self.post.files()).collect()
    }

    pub async fn send(&self, page: &Page, sending: &Sending<'_>) -> Result<Sent, Error> {
        let key = sending.secret(&self.key).await?;
        let (key, calls) = self.calls(&key, page, sending)?;
        let mut last = None;
        for (method, path, body) in calls {
            let url = format!("{}/v2/alerts{path}", self.api.trim_end_matches('/'));
            let mut request = Request::post_json(&url, body.to_string())?;
            request.method = method;
            request.set_header("Authorization", &format!("GenieKey {key}"))?;
            let response = self.post.ask(request, sending).await?;
            if !response.is_success() && !is_over(&response, page) {
                return Err(refusal(response.url.host_str().unwrap_or("").to_owned(), &response));
            }
            last = Some(response);
        }
        Ok(last.map(|response| Sent::by(&response)).unwrap_or_default())
    }

    /// The key, which may be a template, and what is asked of the API, in order.
    fn calls(&self, key: &str, page: &Page, sending: &Sending<'_>) -> Result<(String, Vec<Call>), Error> {
        let raw = &self.settings;
        let fill = Fill::new(page, Medium::Plain, sending);
        let key = fill.must("api_key", key)?;
        let alias = group::hash(page);
        let of_alias = |act: &str| format!("/{alias}/{act}?identifierType=alias");
        let source = fill.line("source", raw.source.as_deref(), SOURCE, SOURCE_MAX);
        if let Act::Acknowledged(who) = sending.act {
            let body = json!({ "source": source, "user": one_line(who, 100) });
            return Ok((key, vec![(Method::POST, of_alias("acknowledge"), body)]));
        }
        if page.status == PageStatus::Resolved {
            return Ok((key, vec![(Method::POST, of_alias("close"), json!({ "source": source }))]));
        }
        let message = fill.line("message", raw.message.as_deref(), MESSAGE, MESSAGE_MAX);
        let description = fill.text("description", raw.description.as_deref(), DESCRIPTION);
        let list = |field: &'static str, own: &Option<String>, max: usize| -> Value {
            let text = fill.text(field, own.as_deref(), "");
            let items = text.split(',').map(|item| one_line(item, TAG_MAX)).filter(|item| !item.is_empty());
            items.take(max).collect()
        };
        let mut body = json!({
            "alias": alias,
            "message": message,
            "source": source,
            "responders": self.responders(&fill),
            "tags": list("tags", &raw.tags, TAGS_MAX),
            "actions": list("actions", &raw.actions, ACTIONS_MAX),
            "note": cut(&fill.text("note", raw.note.as_deref(), ""), NOTE_MAX),
            "priority": priority(&fill.setting("priority", raw.priority.as_deref(), "")),
            "entity": fill.line("entity", raw.entity.as_deref(), "", ENTITY_MAX),
        });
        let details = self.details(&fill, page);
        body["description"] = cut(&fill.with_wrong(description), DESCRIPTION_MAX).into();
        drop_empty(&mut body);
        body["details"] = details;
        let mut calls = vec![(Method::POST, String::new(), body.clone())];
        if raw.update_alerts == Some(true) {
            let new = |name: &str| json!({ name: body.get(name).cloned().unwrap_or_default() });
            calls.push((Method::PUT, of_alias("message"), new("message")));
            calls.push((Method::PUT, of_alias("description"), new("description")));
        }
        Ok((key, calls))
    }

    fn responders(&self, fill: &Fill<'_>) -> Value {
        let mut all = Vec::new();
        for responder in self.settings.responders.iter().flatten().map(|responder| &responder.value) {
            let text = |own: &str| fill.setting("responders", Some(own), "");
            let (id, name, username) =
                (text(&responder.id), text(&responder.name), text(&responder.username));
            let kind = text(&responder.kind).to_ascii_lowercase();
            if id.is_empty() && name.is_empty() && username.is_empty() {
                continue;
            }
            if kind == "teams" {
                let teams = name.split(',').map(str::trim).filter(|team| !team.is_empty());
                all.extend(teams.map(|team| json!({ "name": team, "type": "team" })));
                continue;
            }
            let mut one = json!({ "id": id, "name": name, "username": username, "type": kind });
            drop_empty(&mut one);
            all.push(one);
        }
        all.into()
    }

    /// The common labels, the operator's own over them, as far as there is room.
    fn details(&self, fill: &Fill<'_>, page: &Page) -> Value {
        let mut details = Map::new();
        for (name, value) in page.common_labels().iter() {
            details.insert(Medium::Plain.words(name), Medium::Plain.words(value).into());
        }
        for (name, template) in self.settings.details.iter().flatten() {
            details.insert(name.clone(), fill.text("details", Some(template), "").into());
        }
        let mut room = DETAILS_MAX;
        details.retain(|name, value| {
            let size = name.chars().count() + value.as_str().map_or(0, |text| text.chars().count());
            let fits = size <= room;
            room -= if fits { size } else { 0 };
            fits
        });
        details.into()
    }
}

/// `P1` to `P5`; OpsGenie refuses an alert with any other word.
fn priority(text: &str) -> String {
    let text = text.to_ascii_uppercase();
    if matches!(text.as_str(), "P1" | "P2" | "P3" | "P4" | "P5") { text } else { String::new() }
}

/// Closing what is not there any more is no failure.
fn is_over(response: &Response, page: &Page) -> bool {
    response.status == 404 && page.status == PageStatus::Resolved
}

#[cfg(test)]
mod tests;

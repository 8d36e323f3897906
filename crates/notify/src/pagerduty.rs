//! PagerDuty by its Events API: version 2 with a routing key, version 1 with a service key.
//!
//! A group is one incident: its key is the deduplication key of every event, from the first trigger to the resolve.

use crate::fill::{Fill, drop_empty};
use crate::medium::{Medium, cut, one_line};
use crate::post::Post;
use crate::scope::{Scope, file_of};
use crate::sending::{Act, Sending};
use crate::severity::Severity;
use crate::{Error, Sent, group};
use model::{Page, PageStatus};
use reach::config::{HttpConfig, Secret, Source};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use serde_saphyr::{Location, Spanned};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// A raw entry of `pagerduty_configs:`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each field is the key of the same name in Alertmanager's manual")]
pub struct PagerdutyConfig {
    pub send_resolved: Option<bool>,
    pub http_config: Option<HttpConfig>,
    pub timeout: Option<Spanned<String>>,
    pub routing_key: Option<Spanned<Secret>>,
    pub routing_key_file: Option<Spanned<PathBuf>>,
    pub service_key: Option<Spanned<Secret>>,
    pub service_key_file: Option<Spanned<PathBuf>>,
    pub url: Option<Spanned<String>>,
    pub client: Option<String>,
    pub client_url: Option<String>,
    pub description: Option<String>,
    pub severity: Option<String>,
    pub source: Option<String>,
    pub details: Option<BTreeMap<String, Value>>,
    pub images: Option<Vec<PagerdutyImage>>,
    pub links: Option<Vec<PagerdutyLink>>,
    pub component: Option<String>,
    pub group: Option<String>,
    pub class: Option<String>,
}

/// A raw entry of `images:`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "each field is the key of the same name in Alertmanager's manual")]
pub struct PagerdutyImage {
    pub src: String,
    pub alt: String,
    pub href: String,
}

/// A raw entry of `links:`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "each field is the key of the same name in Alertmanager's manual")]
pub struct PagerdutyLink {
    pub href: String,
    pub text: String,
}

/// The checked settings.
#[derive(Debug, Clone)]
pub(crate) struct Pagerduty {
    key: Key,
    url: String,
    post: Post,
    settings: PagerdutyConfig,
}

#[derive(Debug, Clone)]
enum Key {
    /// Of an integration of the kind Events API v2.
    Routing(Source),
    /// Of an integration of the kind Prometheus.
    Service(Source),
}

const URL: &str = "https://events.pagerduty.com/v2/enqueue";
const URL_V1: &str = "https://events.pagerduty.com/generic/2010-04-15/create_event.json";
/// PagerDuty cuts longer summaries, and refuses larger events.
const SUMMARY_MAX: usize = 1024;
const EVENT_MAX: usize = 512 * 1000;

const CLIENT: &str = r#"{{ template "pagerduty.default.client" . }}"#;
const CLIENT_URL: &str = r#"{{ template "pagerduty.default.clientURL" . }}"#;
const DESCRIPTION: &str = r#"{{ template "pagerduty.default.description" . }}"#;
const DETAILS: [(&str, &str); 4] = [
    ("firing", "{{ .Alerts.Firing | toJson }}"),
    ("resolved", "{{ .Alerts.Resolved | toJson }}"),
    ("num_firing", "{{ .Alerts.Firing | len }}"),
    ("num_resolved", "{{ .Alerts.Resolved | len }}"),
];

impl Pagerduty {
    pub fn resolve(raw: &PagerdutyConfig, at: Location, scope: &mut Scope<'_>) -> Pagerduty {
        let routing = scope.secret(raw.routing_key.as_ref(), raw.routing_key_file.as_ref(), "routing_key");
        let service = scope.secret(raw.service_key.as_ref(), raw.service_key_file.as_ref(), "service_key");
        let key = match (routing, service) {
            // Upstream lets both stand and uses this one.
            (_, Some(key)) => Key::Service(key),
            (Some(key), None) => Key::Routing(key),
            (None, None) => {
                scope.missing(
                    at,
                    "pagerduty",
                    "routing_key, routing_key_file, service_key or service_key_file",
                );
                Key::Routing(Source::Text(Secret::default()))
            }
        };
        let url = match &key {
            Key::Routing(_) => scope.url(raw.url.as_ref(), scope.global.pagerduty_url.as_ref(), URL),
            // Upstream's setting is for version 2 only.
            Key::Service(_) => {
                scope.url(raw.url.as_ref().filter(|url| !url.value.ends_with("/v2/enqueue")), None, URL_V1)
            }
        };
        let post = Post::resolve(raw.http_config.as_ref(), raw.timeout.as_ref(), scope);
        Pagerduty { key, url, post, settings: raw.clone() }
    }

    pub fn files(&self) -> Vec<&Path> {
        let (Key::Routing(key) | Key::Service(key)) = &self.key;
        file_of(key).into_iter().chain(self.post.files()).collect()
    }

    pub async fn send(&self, page: &Page, sending: &Sending<'_>) -> Result<Sent, Error> {
        let (Key::Routing(source) | Key::Service(source)) = &self.key;
        let key = sending.secret(source).await?;
        let event = self.event(&key, page, sending)?;
        let answer = self.post.json(&self.url, &event, sending).await;
        Ok(Sent::by(&answer.map_err(|error| self.sooner(error))?))
    }

    /// Version 1 says with 403 that there were too many events.
    fn sooner(&self, error: Error) -> Error {
        match (&self.key, error) {
            (Key::Service(_), Error::Refused { host, status: 403, body, after }) => {
                Error::Refused { host, status: 429, body, after }
            }
            (_, error) => error,
        }
    }

    fn event(&self, key: &str, page: &Page, sending: &Sending<'_>) -> Result<Value, Error> {
        let raw = &self.settings;
        let fill = Fill::new(page, Medium::Plain, sending);
        let key = fill.must("routing_key", key)?;
        if key.is_empty() && sending.preview.is_none() {
            let why = "it is empty".to_owned();
            return Err(Error::Setting { field: "routing_key", why });
        }
        let summary = fill.line("description", raw.description.as_deref(), DESCRIPTION, SUMMARY_MAX);
        let details = self.details(&fill);
        let mut event = match &self.key {
            Key::Routing(_) => self.version_2(&key, &summary, details, &fill, page, sending.act),
            Key::Service(_) => self.version_1(&key, &summary, details, &fill, page, sending.act),
        };
        if event.to_string().len() > EVENT_MAX {
            let left_out = json!({
                "error": "the details were left out: with them the event exceeds PagerDuty's 512 KB",
            });
            match &self.key {
                Key::Routing(_) => event["payload"]["custom_details"] = left_out,
                Key::Service(_) => event["details"] = left_out,
            }
        }
        Ok(event)
    }

    fn version_2(
        &self,
        key: &str,
        summary: &str,
        details: Value,
        fill: &Fill<'_>,
        page: &Page,
        act: Act<'_>,
    ) -> Value {
        let raw = &self.settings;
        let client = fill.line("client", raw.client.as_deref(), CLIENT, SUMMARY_MAX);
        let source = raw.source.as_deref().filter(|source| !source.is_empty());
        let source =
            source.map_or_else(|| client.clone(), |own| fill.line("source", Some(own), "", SUMMARY_MAX));
        let mut payload = json!({
            "summary": summary,
            "source": source,
            "severity": severity(&fill.setting("severity", raw.severity.as_deref(), "error")),
            "timestamp": page.at.rfc3339(),
            "class": fill.line("class", raw.class.as_deref(), "", SUMMARY_MAX),
            "component": fill.line("component", raw.component.as_deref(), "", SUMMARY_MAX),
            "group": fill.line("group", raw.group.as_deref(), "", SUMMARY_MAX),
            "custom_details": details,
        });
        drop_empty(&mut payload);
        let mut event = json!({
            "routing_key": key,
            "event_action": action(page, act),
            "dedup_key": group::hash(page),
            "client": client,
            "client_url": fill.link("client_url", raw.client_url.as_deref(), CLIENT_URL),
            "payload": payload,
            "images": self.images(fill),
            "links": self.links(fill, page),
        });
        drop_empty(&mut event);
        event
    }

    fn version_1(
        &self,
        key: &str,
        summary: &str,
        details: Value,
        fill: &Fill<'_>,
        page: &Page,
        act: Act<'_>,
    ) -> Value {
        let raw = &self.settings;
        let mut event = json!({
            "service_key": key,
            "event_type": action(page, act),
            "incident_key": group::hash(page),
            "description": summary,
            "details": details,
        });
        if event["event_type"] == "trigger" {
            event["client"] = fill.line("client", raw.client.as_deref(), CLIENT, SUMMARY_MAX).into();
            event["client_url"] = fill.link("client_url", raw.client_url.as_deref(), CLIENT_URL).into();
        }
        drop_empty(&mut event);
        event
    }

    fn details(&self, fill: &Fill<'_>) -> Value {
        let mut details = Map::new();
        for (name, template) in DETAILS {
            details.insert(name.to_owned(), Value::from(template));
        }
        for (name, value) in self.settings.details.iter().flatten() {
            details.insert(name.clone(), value.clone());
        }
        let mut filled = fill.deep("details", &Value::Object(details));
        for (_, value) in filled.as_object_mut().into_iter().flatten() {
            unfold(value);
        }
        let wrong = fill.wrong();
        if !wrong.is_empty() {
            filled["template_error"] = wrong.into();
        }
        filled
    }

    fn images(&self, fill: &Fill<'_>) -> Value {
        let images = self.settings.images.iter().flatten().map(|image| {
            let mut image = json!({
                "src": fill.link("images", Some(&image.src), ""),
                "alt": fill.line("images", Some(&image.alt), "", SUMMARY_MAX),
                "href": fill.link("images", Some(&image.href), ""),
            });
            drop_empty(&mut image);
            image
        });
        images.filter(|image| image.get("src").is_some()).collect()
    }

    fn links(&self, fill: &Fill<'_>, page: &Page) -> Value {
        let own = self.settings.links.iter().flatten().map(|link| {
            let mut link = json!({
                "href": fill.link("links", Some(&link.href), ""),
                "text": fill.line("links", Some(&link.text), "", SUMMARY_MAX),
            });
            drop_empty(&mut link);
            link
        });
        let ours = group::links(page)
            .into_iter()
            .map(|(text, href)| json!({ "href": href, "text": one_line(&text, 100) }));
        own.filter(|link| link.get("href").is_some()).chain(ours).collect()
    }
}

fn action(page: &Page, act: Act<'_>) -> &'static str {
    match (act, page.status) {
        (Act::Acknowledged(_), _) => "acknowledge",
        (Act::Alerts, PageStatus::Firing) => "trigger",
        (Act::Alerts, PageStatus::Resolved) => "resolve",
    }
}

/// One of the four words that PagerDuty knows; it refuses any other.
fn severity(word: &str) -> &'static str {
    Severity::parse(word).unwrap_or(Severity::Error).as_str()
}

/// A text that a template made as JSON becomes what it says.
fn unfold(value: &mut Value) {
    let Value::String(text) = value else { return };
    if text.starts_with(['{', '['])
        && let Ok(read) = serde_json::from_str(text)
    {
        *value = read;
    } else {
        *text = cut(text, EVENT_MAX / 4);
    }
}

#[cfg(test)]
mod tests;

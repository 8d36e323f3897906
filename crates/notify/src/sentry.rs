//! Sentry: an event by the address that a DSN holds. Ours; upstream has no such receiver.
//!
//! Events of one group are one issue, because they share a fingerprint, and a page tried again is the same event,
//! because its id is made from the page's key. Sentry knows no ends: one that is told of is an event of level info.

mod own;

pub use own::{OwnError, OwnErrors};

use crate::fill::{Fill, drop_empty};
use crate::medium::{Medium, cut};
use crate::post::Post;
use crate::scope::{Scope, file_of};
use crate::sending::Sending;
use crate::severity::Severity;
use crate::{Error, Sent, group};
use data_encoding::HEXLOWER;
use model::{Page, PageStatus, Timestamp};
use reach::config::{HttpConfig, Secret, Source};
use reach::http::{HeaderValue, Method, Request, Url, header};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use serde_saphyr::{Location, Spanned};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// A raw entry of `sentry_configs:`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SentryConfig {
    /// Whether ends are sent too; they are not unless told otherwise.
    pub send_resolved: Option<bool>,
    /// How it is reached.
    pub http_config: Option<HttpConfig>,
    /// The longest wait.
    pub timeout: Option<Spanned<String>>,
    /// `https://KEY@HOST/PROJECT`.
    pub dsn: Option<Spanned<Secret>>,
    /// The same in a file.
    pub dsn_file: Option<Spanned<PathBuf>>,
    /// What runs: a version.
    pub release: Option<String>,
    /// Where it runs.
    pub environment: Option<String>,
    /// `fatal`, `error`, `warning`, `info` or `debug`; unless given, by the alerts' label `severity`.
    pub level: Option<String>,
    /// What it says.
    pub message: Option<String>,
    /// More tags; each label that all alerts share is one already.
    pub tags: Option<BTreeMap<String, String>>,
}

/// The checked settings.
#[derive(Debug, Clone)]
pub(crate) struct Sentry {
    dsn: Source,
    post: Post,
    settings: SentryConfig,
}

const MESSAGE: &str = r#"{{ template "__subject" . }}"#;
/// Sentry cuts longer ones.
const MESSAGE_MAX: usize = 8192;
const TAG_NAME_MAX: usize = 32;
const TAG_MAX: usize = 200;
const TAGS_MAX: usize = 50;
const ALERTS_MAX: usize = 50;
const CLIENT: &str = concat!("tocsin/", env!("CARGO_PKG_VERSION"));

impl Sentry {
    pub fn resolve(raw: &SentryConfig, at: Location, scope: &mut Scope<'_>) -> Sentry {
        if let Some(dsn) = raw.dsn.as_ref().filter(|dsn| !dsn.value.0.is_empty())
            && let Err(why) = Dsn::parse(&dsn.value.0)
        {
            scope.error(
                dsn.referenced,
                &why,
                "copy it from the project's settings: https://KEY@HOST/PROJECT",
            );
        }
        Sentry {
            dsn: scope.needs((raw.dsn.as_ref(), raw.dsn_file.as_ref()), "dsn", (None, None), "sentry", at),
            post: Post::resolve(raw.http_config.as_ref(), raw.timeout.as_ref(), scope),
            settings: raw.clone(),
        }
    }

    pub fn files(&self) -> Vec<&Path> {
        file_of(&self.dsn).into_iter().chain(self.post.files()).collect()
    }

    pub async fn send(&self, page: &Page, sending: &Sending<'_>) -> Result<Sent, Error> {
        let dsn = sending.secret(&self.dsn).await?;
        let dsn = Dsn::parse(&dsn).map_err(|why| Error::Setting { field: "dsn", why })?;
        let event = self.event(page, sending);
        let request = dsn.request(&event, sending.now)?;
        Ok(Sent::by(&self.post.send(request, sending).await?))
    }

    fn event(&self, page: &Page, sending: &Sending<'_>) -> Value {
        let raw = &self.settings;
        let fill = Fill::new(page, Medium::Plain, sending);
        let message = fill.text("message", raw.message.as_deref(), MESSAGE);
        let level = fill.setting("level", raw.level.as_deref(), "");
        let mut tags = Map::new();
        for (name, value) in page.common_labels().iter() {
            tag(&mut tags, name, value);
        }
        for (name, template) in raw.tags.iter().flatten() {
            tag(&mut tags, name, &fill.text("tags", Some(template), ""));
        }
        let mut event = json!({
            "event_id": event_id(page),
            "timestamp": page.at.rfc3339(),
            "platform": "other",
            "level": level_of(&level, page),
            "logger": "tocsin",
            "release": fill.line("release", raw.release.as_deref(), "", TAG_MAX),
            "environment": fill.line("environment", raw.environment.as_deref(), "", 64),
            "fingerprint": [group::hash(page)],
            "tags": tags,
            "extra": extra(page, &fill),
        });
        event["logentry"] = json!({ "formatted": cut(fill.with_wrong(message).trim(), MESSAGE_MAX) });
        drop_empty(&mut event);
        event
    }
}

fn tag(tags: &mut Map<String, Value>, name: &str, value: &str) {
    let name: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || "_.:-".contains(c) { c } else { '_' }).collect();
    let value = crate::medium::one_line(&Medium::Plain.words(value), TAG_MAX);
    if tags.len() < TAGS_MAX && !value.is_empty() {
        tags.insert(name.chars().take(TAG_NAME_MAX).collect(), value.into());
    }
}

/// What a person looking at the event wants to know besides.
fn extra(page: &Page, fill: &Fill<'_>) -> Value {
    let name =
        page.group_labels.get(model::ALERTNAME).or_else(|| page.alerts.first().map(model::Alert::name));
    let mut extra = json!({
        "alert_name": Medium::Plain.words(name.unwrap_or("")),
        "severity": page.common_labels().get("severity").map(|word| Medium::Plain.words(word)),
        "status": page.status.as_str(),
        "cause": Medium::Plain.words(&page.cause),
        "incident": crate::medium::link(&page.links.incident),
    });
    // What a rule says of its value and limit, for those that say it.
    for name in ["metric_value", "value", "threshold"] {
        if let Some(value) = page.common_annotations().get(name) {
            extra[name] = Medium::Plain.words(value).into();
        }
    }
    if let Some(alerts) = fill.data()["Alerts"].as_array() {
        extra["alerts"] = alerts.iter().take(ALERTS_MAX).cloned().collect();
    }
    drop_empty(&mut extra);
    extra
}

/// One of Sentry's words.
fn level_of(own: &str, page: &Page) -> &'static str {
    if page.status == PageStatus::Resolved {
        return "info";
    }
    match own.to_ascii_lowercase().as_str() {
        "fatal" => return "fatal",
        "debug" => return "debug",
        _ => {}
    }
    match Severity::parse(own).or_else(|| Severity::of(page)) {
        Some(Severity::Critical) => "fatal",
        Some(Severity::Error) | None => "error",
        Some(Severity::Warning) => "warning",
        Some(Severity::Info) => "info",
    }
}

/// 32 hex digits, the same for each try of a page and each revision of it another.
fn event_id(page: &Page) -> String {
    let digest = Sha256::new().chain_update(&page.key).chain_update(page.revision.to_be_bytes()).finalize();
    HEXLOWER.encode(&digest[..16])
}

/// Where events go, and as whom.
#[derive(Clone)]
struct Dsn {
    key: String,
    url: String,
}

impl std::fmt::Debug for Dsn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Dsn(…)")
    }
}

impl Dsn {
    /// From `SCHEME://KEY[:SECRET]@HOST[:PORT][/PATH]/PROJECT`.
    fn parse(text: &str) -> Result<Dsn, String> {
        let bad = |why: &str| format!("the DSN is of no use: {why}");
        let mut url = Url::parse(text.trim()).map_err(|_| bad("it is no URL"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(bad("it must start with http:// or https:// and name a host"));
        }
        let key = url.username().to_owned();
        if key.is_empty() || !key.chars().all(|c| c.is_ascii_alphanumeric()) {
            return Err(bad("it holds no public key"));
        }
        let (path, project) = url.path().rsplit_once('/').unwrap_or(("", ""));
        if project.is_empty() || !project.chars().all(|c| c.is_ascii_alphanumeric()) {
            return Err(bad("it names no project"));
        }
        let path = format!("{path}/api/{project}/envelope/");
        let cleared = url.set_username("").and_then(|()| url.set_password(None));
        cleared.map_err(|()| bad("it is no URL"))?;
        url.set_path(&path);
        url.set_query(None);
        Ok(Dsn { key, url: url.to_string() })
    }

    /// The event in an envelope: a line about the whole, a line about the event, the event.
    fn request(&self, event: &Value, now: Timestamp) -> Result<Request, Error> {
        let whole = json!({ "event_id": event["event_id"], "sent_at": now.rfc3339() });
        let event = event.to_string();
        let item = json!({ "type": "event", "content_type": "application/json", "length": event.len() });
        let mut request = Request::new(Method::POST, &self.url)?;
        let kind = HeaderValue::from_static("application/x-sentry-envelope");
        request.headers.insert(header::CONTENT_TYPE, kind);
        let auth = format!("Sentry sentry_version=7, sentry_client={CLIENT}, sentry_key={}", self.key);
        request.set_header("X-Sentry-Auth", &auth)?;
        request.body = format!("{whole}\n{item}\n{event}\n").into();
        Ok(request)
    }
}

#[cfg(test)]
mod tests;

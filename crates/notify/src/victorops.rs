//! VictorOps (Splunk On-Call) by its REST endpoint. A group is one entity, from the first message to its recovery.

use crate::fill::Fill;
use crate::medium::{Medium, cut, one_line};
use crate::post::Post;
use crate::scope::{Scope, file_of};
use crate::sending::{Act, Sending};
use crate::{Error, Sent, group};
use model::{Page, PageStatus};
use reach::config::{HttpConfig, Secret, Source};
use serde::Deserialize;
use serde_json::{Map, Value};
use serde_saphyr::{Location, Spanned};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// A raw entry of `victorops_configs:`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each field is the key of the same name in Alertmanager's manual")]
pub struct VictoropsConfig {
    pub send_resolved: Option<bool>,
    pub http_config: Option<HttpConfig>,
    pub api_key: Option<Spanned<Secret>>,
    pub api_key_file: Option<Spanned<PathBuf>>,
    pub api_url: Option<Spanned<String>>,
    pub routing_key: Option<String>,
    pub message_type: Option<String>,
    pub state_message: Option<String>,
    pub entity_display_name: Option<String>,
    pub monitoring_tool: Option<String>,
    pub custom_fields: Option<BTreeMap<String, String>>,
}

/// The checked settings.
#[derive(Debug, Clone)]
pub(crate) struct Victorops {
    api: String,
    key: Source,
    routing_key: String,
    post: Post,
    settings: VictoropsConfig,
}

const API: &str = "https://alert.victorops.com/integrations/generic/20131114/alert/";
const STATE_MESSAGE_MAX: usize = 20_480;
const NAME_MAX: usize = 1024;
/// Fields that the message has already.
const RESERVED: [&str; 7] = [
    "routing_key",
    "message_type",
    "state_message",
    "entity_display_name",
    "monitoring_tool",
    "entity_id",
    "entity_state",
];

const STATE_MESSAGE: &str = r#"{{ template "victorops.default.state_message" . }}"#;
const DISPLAY_NAME: &str = r#"{{ template "victorops.default.entity_display_name" . }}"#;
const TOOL: &str = r#"{{ template "victorops.default.monitoring_tool" . }}"#;

impl Victorops {
    pub fn resolve(raw: &VictoropsConfig, at: Location, scope: &mut Scope<'_>) -> Victorops {
        let global = scope.global;
        let routing_key = raw.routing_key.clone().unwrap_or_default();
        if routing_key.is_empty() {
            scope.missing(at, "victorops", "routing_key");
        }
        for name in raw.custom_fields.iter().flat_map(BTreeMap::keys) {
            if RESERVED.contains(&name.as_str()) {
                scope.error(at, &format!("custom_fields cannot hold {name}"), "it has a key of its own");
            }
        }
        let own = (raw.api_key.as_ref(), raw.api_key_file.as_ref());
        let everybodys = (global.victorops_api_key.as_ref(), global.victorops_api_key_file.as_ref());
        Victorops {
            api: scope.url(raw.api_url.as_ref(), global.victorops_api_url.as_ref(), API),
            key: scope.needs(own, "api_key", everybodys, "victorops", at),
            routing_key,
            post: Post::resolve(raw.http_config.as_ref(), None, scope),
            settings: raw.clone(),
        }
    }

    pub fn files(&self) -> Vec<&Path> {
        file_of(&self.key).into_iter().chain(self.post.files()).collect()
    }

    pub async fn send(&self, page: &Page, sending: &Sending<'_>) -> Result<Sent, Error> {
        let key = sending.secret(&self.key).await?;
        let (url, message) = self.message(&key, page, sending)?;
        Ok(Sent::by(&self.post.json(&url, &message, sending).await?))
    }

    fn message(&self, key: &str, page: &Page, sending: &Sending<'_>) -> Result<(String, Value), Error> {
        let raw = &self.settings;
        let fill = Fill::new(page, Medium::Plain, sending);
        // It becomes a part of the address: what would end that part cannot be in it.
        let routing = fill.must("routing_key", &self.routing_key)?;
        let routing: String = routing.chars().filter(|c| !c.is_control() && !"/?#\\".contains(*c)).collect();
        let key = fill.must("api_key", key)?;
        let url = format!("{}/{key}/{}", self.api.trim_end_matches('/'), routing.replace(' ', "%20"));
        let kind = fill.setting("message_type", raw.message_type.as_deref(), "CRITICAL").to_ascii_uppercase();
        let kind = match (sending.act, page.status) {
            (Act::Acknowledged(_), _) => "ACKNOWLEDGEMENT",
            (Act::Alerts, PageStatus::Resolved) => "RECOVERY",
            (Act::Alerts, PageStatus::Firing) => match kind.as_str() {
                "WARNING" => "WARNING",
                "INFO" => "INFO",
                _ => "CRITICAL",
            },
        };
        let mut message = Map::new();
        for (name, template) in raw.custom_fields.iter().flatten() {
            message.insert(name.clone(), fill.text("custom_fields", Some(template), "").into());
        }
        let name =
            fill.line("entity_display_name", raw.entity_display_name.as_deref(), DISPLAY_NAME, NAME_MAX);
        let tool = fill.line("monitoring_tool", raw.monitoring_tool.as_deref(), TOOL, NAME_MAX);
        let state = match sending.act {
            Act::Acknowledged(who) => format!("Acknowledged by {}", one_line(who, 100)),
            Act::Alerts => fill.text("state_message", raw.state_message.as_deref(), STATE_MESSAGE),
        };
        if let Act::Acknowledged(who) = sending.act {
            message.insert("ack_author".to_owned(), one_line(who, 100).into());
        }
        message.insert("message_type".to_owned(), kind.into());
        message.insert("entity_id".to_owned(), group::hash(page).into());
        message.insert("entity_display_name".to_owned(), name.into());
        message.insert("state_message".to_owned(), cut(&fill.with_wrong(state), STATE_MESSAGE_MAX).into());
        message.insert("monitoring_tool".to_owned(), tool.into());
        Ok((url, message.into()))
    }
}

#[cfg(test)]
mod tests;

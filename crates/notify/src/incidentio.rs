//! incident.io: the webhook's payload to an alert source, whose groups it keeps apart by the group key.

use crate::post::Post;
use crate::scope::{Scope, file_of};
use crate::sending::Sending;
use crate::{Error, Sent, webhook};
use model::Page;
use reach::config::{HttpConfig, Secret, Source};
use reach::http::{Request, bearer, header};
use serde::Deserialize;
use serde_json::{Value, json};
use serde_saphyr::{Location, Spanned};
use std::path::{Path, PathBuf};

/// A raw entry of `incidentio_configs:`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each field is the key of the same name in Alertmanager's manual")]
pub struct IncidentioConfig {
    pub send_resolved: Option<bool>,
    pub http_config: Option<HttpConfig>,
    pub url: Option<Spanned<Secret>>,
    pub url_file: Option<Spanned<PathBuf>>,
    pub alert_source_token: Option<Spanned<Secret>>,
    pub alert_source_token_file: Option<Spanned<PathBuf>>,
    pub max_alerts: Option<u64>,
    pub timeout: Option<Spanned<String>>,
}

/// The checked settings.
#[derive(Debug, Clone)]
pub(crate) struct Incidentio {
    url: Source,
    /// Unless `http_config` has it.
    token: Option<Source>,
    alerts_max: usize,
    post: Post,
}

/// incident.io refuses more.
const PAYLOAD_MAX: usize = 512 * 1024;

impl Incidentio {
    pub fn resolve(raw: &IncidentioConfig, at: Location, scope: &mut Scope<'_>) -> Incidentio {
        if let Some(url) = &raw.url {
            scope.check_url(&url.value.0, url.referenced);
        }
        let token = scope.secret(
            raw.alert_source_token.as_ref(),
            raw.alert_source_token_file.as_ref(),
            "alert_source_token",
        );
        let authorized = raw.http_config.as_ref().is_some_and(|http| http.authorization.is_some());
        if token.is_some() && authorized {
            let what = "alert_source_token and http_config.authorization cannot both be set";
            scope.error(at, what, "keep one of them");
        }
        // Upstream asks for it only where an http_config of its own shows that nothing else authorizes.
        if token.is_none() && raw.http_config.is_some() && !authorized {
            scope.missing(at, "incidentio", "alert_source_token or alert_source_token_file");
        }
        Incidentio {
            url: scope.needs(
                (raw.url.as_ref(), raw.url_file.as_ref()),
                "url",
                (None, None),
                "incidentio",
                at,
            ),
            token,
            alerts_max: usize::try_from(raw.max_alerts.unwrap_or(0)).unwrap_or(usize::MAX),
            post: Post::resolve(raw.http_config.as_ref(), raw.timeout.as_ref(), scope),
        }
    }

    pub fn files(&self) -> Vec<&Path> {
        let own = [Some(&self.url), self.token.as_ref()].into_iter().flatten().filter_map(file_of);
        own.chain(self.post.files()).collect()
    }

    pub async fn send(&self, page: &Page, sending: &Sending<'_>) -> Result<Sent, Error> {
        let url = sending.secret(&self.url).await?;
        let mut request = Request::post_json(&url, self.message(page).to_string())?;
        if let Some(token) = &self.token
            && let Some(value) = bearer("Bearer", &sending.secret(token).await?)
        {
            request.headers.insert(header::AUTHORIZATION, value);
        }
        Ok(Sent::by(&self.post.send(request, sending).await?))
    }

    /// One alert of a group is enough for an incident; the rest is left out where all would be too much.
    fn message(&self, page: &Page) -> Value {
        let of = |alerts_max: usize| {
            let mut message = serde_json::to_value(webhook::payload(page, alerts_max)).unwrap_or_default();
            message["version"] = json!("1");
            message.as_object_mut().map(|fields| fields.remove("tocsin"));
            message
        };
        let message = of(self.alerts_max);
        if message.to_string().len() > PAYLOAD_MAX { of(1) } else { message }
    }
}

#[cfg(test)]
mod tests;

//! The generic webhook: Alertmanager's payload, version 4, with one object `tocsin` beside its fields.

use crate::config::WebhookConfig;
use crate::fill::Fill;
use crate::page_json::{self, FindingRow, RemedyRow};
use crate::post::Post;
use crate::scope::{Scope, file_of};
use crate::sending::Sending;
use crate::{Error, Sent};
use model::{Alert, Labels, Links, Page, Timestamp};
use reach::config::Source;
use reach::http::Request;
use reach::signature;
use serde::Serialize;
use serde_json::Value;
use serde_saphyr::Location;
use std::path::Path;

/// The checked settings.
#[derive(Debug, Clone)]
pub(crate) struct Webhook {
    url: Source,
    post: Post,
    /// More alerts than this are counted, not sent; 0: all are sent.
    alerts_max: usize,
    payload: Option<Value>,
    signing: Option<Source>,
}

impl Webhook {
    pub fn resolve(raw: &WebhookConfig, at: Location, scope: &mut Scope<'_>) -> Webhook {
        if let Some(url) = &raw.url {
            scope.check_url(&url.value.0, url.referenced);
        }
        let url = scope.secret(raw.url.as_ref(), raw.url_file.as_ref(), "url");
        if url.is_none() {
            scope.error(at, "webhook_configs needs url or url_file", "add one of them");
        }
        let signing =
            scope.secret(raw.signing_secret.as_ref(), raw.signing_secret_file.as_ref(), "signing_secret");
        Webhook {
            url: url.unwrap_or_else(|| Source::Text(Default::default())),
            post: Post::resolve(raw.http_config.as_ref(), raw.timeout.as_ref(), scope),
            alerts_max: usize::try_from(raw.max_alerts.unwrap_or(0)).unwrap_or(usize::MAX),
            payload: raw.payload.clone(),
            signing,
        }
    }

    pub fn files(&self) -> Vec<&Path> {
        let own = [Some(&self.url), self.signing.as_ref()].into_iter().flatten().filter_map(file_of);
        own.chain(self.post.files()).collect()
    }

    pub async fn send(&self, page: &Page, sending: &Sending<'_>) -> Result<Sent, Error> {
        let url = sending.secret(&self.url).await?;
        let request = self.request(&url, page, sending)?;
        let mut request = request;
        if let Some(secret) = &self.signing {
            let secret = sending.secret(secret).await?;
            let signature = signature::sign(secret.as_bytes(), sending.now, &request.body);
            request.set_header(signature::HEADER, &signature)?;
        }
        Ok(Sent::by(&self.post.send(request, sending).await?))
    }

    fn request(&self, url: &str, page: &Page, sending: &Sending<'_>) -> Result<Request, Error> {
        // A program reads it: it gets what there is.
        let fill = Fill::raw(page, sending);
        let url = fill.must("url", url)?;
        let body = match &self.payload {
            None => serde_json::to_vec(&payload(page, self.alerts_max)).unwrap_or_default(),
            Some(own) => match fill.deep("payload", own) {
                Value::String(text) => text.into_bytes(),
                body => body.to_string().into_bytes(),
            },
        };
        let mut request = Request::post_json(&url, body)?;
        request.set_header("Idempotency-Key", &page.key)?;
        Ok(request)
    }
}

/// The version 4 payload and ours.
pub(crate) fn payload(page: &Page, alerts_max: usize) -> impl Serialize {
    let all = page.alerts.len();
    let kept = if alerts_max == 0 { all } else { alerts_max.min(all) };
    Payload {
        receiver: &page.receiver,
        status: page.status.as_str(),
        alerts: page.alerts[..kept].iter().map(|alert| AlertPart::of(alert, page.at)).collect(),
        notification_reason: page.reason.as_str(),
        group_labels: &page.group_labels,
        common_labels: page.common_labels(),
        common_annotations: page.common_annotations(),
        route_labels: &page.route_labels,
        external_url: &page.external_url,
        version: "4",
        group_key: &page.group_key,
        truncated_alerts: all - kept,
        tocsin: Ours {
            incident_id: &page.incident_id,
            key: &page.key,
            revision: page.revision,
            cause: &page.cause,
            diagnosis: page_json::findings(page),
            remedy: page_json::remedies(page),
            links: &page.links,
        },
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Payload<'a> {
    receiver: &'a str,
    status: &'static str,
    alerts: Vec<AlertPart<'a>>,
    #[serde(rename = "notification_reason")]
    notification_reason: &'static str,
    group_labels: &'a Labels,
    common_labels: Labels,
    common_annotations: Labels,
    route_labels: &'a Labels,
    #[serde(rename = "externalURL")]
    external_url: &'a str,
    version: &'static str,
    group_key: &'a str,
    truncated_alerts: usize,
    tocsin: Ours<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AlertPart<'a> {
    status: &'static str,
    labels: &'a Labels,
    annotations: &'a Labels,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: &'a str,
    fingerprint: String,
}

impl<'a> AlertPart<'a> {
    fn of(alert: &'a Alert, at: Timestamp) -> AlertPart<'a> {
        let resolved = alert.is_resolved(at);
        // While it fires there is no end; upstream writes the zero time of Go.
        let ends_at = alert.ends_at.filter(|_| resolved);
        AlertPart {
            status: if resolved { "resolved" } else { "firing" },
            labels: &alert.labels,
            annotations: &alert.annotations,
            starts_at: alert.starts_at.rfc3339(),
            ends_at: ends_at.map_or(GO_ZERO_TIME.to_owned(), Timestamp::rfc3339),
            generator_url: &alert.generator_url,
            fingerprint: format!("{:016x}", alert.labels.fingerprint()),
        }
    }
}

const GO_ZERO_TIME: &str = "0001-01-01T00:00:00Z";

#[derive(Serialize)]
struct Ours<'a> {
    incident_id: &'a str,
    key: &'a str,
    revision: u32,
    cause: &'a str,
    diagnosis: Vec<FindingRow<'a>>,
    remedy: Vec<RemedyRow<'a>>,
    links: &'a Links,
}

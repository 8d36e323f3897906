//! The generic webhook: Alertmanager's payload, version 4, with one object `tocsin` beside its fields.

use crate::config::WebhookConfig;
use crate::fill::Fill;
use crate::page_json::labels_to_json;
use crate::post::Post;
use crate::scope::{Scope, file_of};
use crate::sending::Sending;
use crate::{Error, Sent};
use model::{Alert, Page, Timestamp};
use reach::config::Source;
use reach::http::Request;
use reach::signature;
use serde_json::{Value, json};
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
            None => payload(page, self.alerts_max),
            Some(own) => fill.deep("payload", own),
        };
        let body = match body {
            Value::String(text) if self.payload.is_some() => text.into_bytes(),
            body => body.to_string().into_bytes(),
        };
        let mut request = Request::post_json(&url, body)?;
        request.set_header("Idempotency-Key", &page.key)?;
        Ok(request)
    }
}

/// The version 4 payload and ours.
pub(crate) fn payload(page: &Page, alerts_max: usize) -> Value {
    let all = page.alerts.len();
    let kept = if alerts_max == 0 { all } else { alerts_max.min(all) };
    let alerts: Vec<Value> = page.alerts[..kept].iter().map(|alert| alert_json(alert, page.at)).collect();
    json!({
        "receiver": page.receiver,
        "status": page.status.as_str(),
        "alerts": alerts,
        "notification_reason": page.reason.as_str(),
        "groupLabels": labels_to_json(&page.group_labels),
        "commonLabels": labels_to_json(&page.common_labels()),
        "commonAnnotations": labels_to_json(&page.common_annotations()),
        "routeLabels": labels_to_json(&page.route_labels),
        "externalURL": page.external_url,
        "version": "4",
        "groupKey": page.group_key,
        "truncatedAlerts": all - kept,
        "tocsin": ours(page),
    })
}

fn alert_json(alert: &Alert, at: Timestamp) -> Value {
    let resolved = alert.is_resolved(at);
    // While it fires there is no end; upstream writes the zero time of Go.
    let ends_at = alert.ends_at.filter(|_| resolved).map_or(GO_ZERO_TIME.to_owned(), Timestamp::rfc3339);
    json!({
        "status": if resolved { "resolved" } else { "firing" },
        "labels": labels_to_json(&alert.labels),
        "annotations": labels_to_json(&alert.annotations),
        "startsAt": alert.starts_at.rfc3339(),
        "endsAt": ends_at,
        "generatorURL": &*alert.generator_url,
        "fingerprint": format!("{:016x}", alert.labels.fingerprint()),
    })
}

const GO_ZERO_TIME: &str = "0001-01-01T00:00:00Z";

fn ours(page: &Page) -> Value {
    let diagnosis: Vec<Value> = page
        .diagnosis
        .iter()
        .map(|f| json!({ "step": f.step, "state": f.state.as_str(), "output": f.output, "took_ms": f.took_ms }))
        .collect();
    let remedy: Vec<Value> = page
        .remedy
        .iter()
        .map(|r| json!({ "id": r.id, "risk": r.risk.as_str(), "text": r.text, "approve_url": r.approve_url }))
        .collect();
    json!({
        "incident_id": page.incident_id,
        "key": page.key,
        "revision": page.revision,
        "cause": page.cause,
        "diagnosis": diagnosis,
        "remedy": remedy,
        "links": crate::page_json::links_to_json(&page.links),
    })
}

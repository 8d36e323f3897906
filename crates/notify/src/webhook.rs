//! The generic webhook: Alertmanager's payload, version 4, with one object `tocsin` beside its fields.

use crate::Error;
use crate::config::WebhookConfig;
use crate::page_json::labels_to_json;
use crate::receivers::Scope;
use crate::registry::Sending;
use model::{Alert, Page, Timestamp};
use reach::config::{Access, Source};
use reach::http::Request;
use reach::signature;
use serde_json::{Map, Value, json};
use serde_saphyr::Location;
use std::{path::Path, time::Duration};

/// The checked settings.
#[derive(Debug, Clone)]
pub(crate) struct Webhook {
    url: Source,
    access: Access,
    /// More alerts than this are counted, not sent; 0: all are sent.
    alerts_max: usize,
    timeout: Duration,
    payload: Option<Value>,
    signing: Option<Source>,
}

/// Without a `timeout`.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Nobody reads more of a webhook's answer.
const ANSWER_MAX: usize = 64 << 10;

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
            access: scope.access(raw.http_config.as_ref()),
            alerts_max: usize::try_from(raw.max_alerts.unwrap_or(0)).unwrap_or(usize::MAX),
            timeout: scope.duration(raw.timeout.as_ref(), TIMEOUT),
            payload: raw.payload.clone(),
            signing,
        }
    }

    pub fn files(&self) -> Vec<&Path> {
        let own = [Some(&self.url), self.signing.as_ref()].into_iter().flatten();
        let own = own.filter_map(|source| match source {
            Source::File(path) => Some(path.as_path()),
            Source::Text(_) => None,
        });
        own.chain(self.access.files()).collect()
    }

    pub async fn send(&self, page: &Page, sending: &Sending<'_>) -> Result<(), Error> {
        let data = template::page_data(page);
        let url = self.url.read().await?;
        let url = sending.text("url", url.trim(), &data)?;
        let body = match &self.payload {
            None => payload(page, self.alerts_max),
            Some(own) => filled(own, &data, sending)?,
        };
        let body = match body {
            Value::String(text) if self.payload.is_some() => text.into_bytes(),
            body => body.to_string().into_bytes(),
        };
        let mut request = Request::post_json(&url, body)?;
        (request.timeout, request.body_max) = (self.timeout, ANSWER_MAX);
        request.set_header("Idempotency-Key", &page.key)?;
        if let Some(secret) = &self.signing {
            let signature = signature::sign(secret.read().await?.as_bytes(), sending.now, &request.body);
            request.set_header(signature::HEADER, &signature)?;
        }
        self.access.prepare(&mut request).await?;
        sending.post(request, &self.access.client(sending.client)).await?;
        Ok(())
    }
}

/// A payload of the user's own: each text in it is a template.
fn filled(value: &Value, data: &Value, sending: &Sending<'_>) -> Result<Value, Error> {
    Ok(match value {
        Value::String(text) => Value::String(sending.text_or("payload", Some(text), "", data)?),
        Value::Array(items) => {
            let items: Result<Vec<_>, _> = items.iter().map(|item| filled(item, data, sending)).collect();
            Value::Array(items?)
        }
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| Ok((name.clone(), filled(value, data, sending)?));
            Value::Object(fields.iter().map(field).collect::<Result<Map<_, _>, Error>>()?)
        }
        other => other.clone(),
    })
}

/// The version 4 payload and ours.
fn payload(page: &Page, alerts_max: usize) -> Value {
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
        "generatorURL": alert.generator_url,
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
        "links": { "incident": page.links.incident, "why": page.links.why, "silence": page.links.silence },
    })
}

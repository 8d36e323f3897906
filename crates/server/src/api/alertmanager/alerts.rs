//! `alerts` and `alerts/groups`.

use super::{Error, instant, labels, matchers, parse_json};
use crate::api::body::Raw;
use crate::api::prometheus::label_object;
use crate::api::{Params, Refused};
use crate::state::State;
use crate::views::{AlertState, AlertView};
use axum::extract::State as Given;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use model::{Alert, MatchOp, Matcher, Timestamp};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Alerts in one request.
const ALERTS_MAX: usize = 100_000;
/// Faulty alerts that one answer names.
const FAULTS_SHOWN: usize = 10;

pub(crate) async fn alerts(
    Given(state): Given<Arc<State>>,
    params: Result<Params, Refused>,
) -> Result<Response, Error> {
    let wanted = Wanted::read(&state, &params?)?;
    let lives = lives_until(&state).await;
    let alerts = state.reads.monitoring.alerts().await;
    let shown: Vec<Value> = alerts.iter().filter(|a| wanted.alert(a)).map(|a| shown(a, lives)).collect();
    Ok(axum::Json(shown).into_response())
}

pub(crate) async fn groups(
    Given(state): Given<Arc<State>>,
    params: Result<Params, Refused>,
) -> Result<Response, Error> {
    let wanted = Wanted::read(&state, &params?)?;
    let lives = lives_until(&state).await;
    let groups = state.reads.monitoring.alert_groups().await;
    let mut list = Vec::new();
    for group in groups.iter().filter(|group| wanted.receiver(&group.receiver)) {
        let alerts: Vec<Value> =
            group.alerts.iter().filter(|a| wanted.alert(a)).map(|a| shown(a, lives)).collect();
        if !alerts.is_empty() {
            list.push(json!({
                "labels": label_object(&group.labels),
                "routeLabels": label_object(&group.route_labels),
                "receiver": {"name": group.receiver},
                "alerts": alerts,
            }));
        }
    }
    Ok(axum::Json(list).into_response())
}

/// Takes every good alert of the list; if some are faulty the answer is 400 and names them.
pub(crate) async fn post_alerts(
    Given(state): Given<Arc<State>>,
    body: Result<Raw, Refused>,
) -> Result<Response, Error> {
    take(&state, &body?.0).await?;
    Ok(StatusCode::OK.into_response())
}

pub(super) async fn take(state: &State, body: &[u8]) -> Result<(), Error> {
    let Value::Array(list) = parse_json(body)? else {
        return Err(Refused::BadRequest("the body must be a list of alerts".to_owned()).into());
    };
    if list.len() > ALERTS_MAX {
        return Err(Refused::BadRequest(format!("more than {ALERTS_MAX} alerts in one request")).into());
    }
    let now = state.clock.now();
    let life = state.reads.vitals.runtime().await.resolve_timeout;
    let (mut good, mut faults, mut faulty) = (Vec::with_capacity(list.len()), Vec::new(), 0);
    for (i, posted) in list.iter().enumerate() {
        match read_alert(posted, now, life) {
            Ok(alert) => good.push(alert),
            Err(refused) => {
                faulty += 1;
                if faults.len() < FAULTS_SHOWN {
                    faults.push(format!("alert {i}: {}", refused.message()));
                }
            }
        }
    }
    if !good.is_empty() {
        state.desk.post_alerts(good).await?;
    }
    if faulty > 0 {
        let what = format!("{faulty} of {} alerts refused: {}", list.len(), faults.join("; "));
        return Err(Refused::BadRequest(what).into());
    }
    Ok(())
}

fn read_alert(posted: &Value, now: Timestamp, life: Duration) -> Result<Alert, Refused> {
    let Value::Object(posted) = posted else {
        return Err(Refused::BadRequest("it must be an object".to_owned()));
    };
    let labels_read = labels(posted.get("labels"), "labels")?;
    if labels_read.is_empty() {
        return Err(Refused::value("labels", "at least one label with a value is needed"));
    }
    let annotations = labels(posted.get("annotations"), "annotations")?;
    let (starts, ends) =
        (instant(posted.get("startsAt"), "startsAt")?, instant(posted.get("endsAt"), "endsAt")?);
    let starts_at = starts.or(ends.filter(|ends| *ends < now)).unwrap_or(now);
    let ends_at = ends.unwrap_or_else(|| now.plus(life));
    if ends_at < starts_at {
        return Err(Refused::value("endsAt", "it is before startsAt"));
    }
    let generator_url = posted.get("generatorURL").and_then(Value::as_str).unwrap_or("").to_owned();
    Ok(Alert {
        labels: labels_read,
        annotations,
        starts_at,
        ends_at: Some(ends_at),
        generator_url,
        updated_at: now,
    })
}

/// Which alerts.
struct Wanted {
    active: bool,
    silenced: bool,
    inhibited: bool,
    muted: bool,
    unprocessed: bool,
    filter: Vec<Matcher>,
    receiver: Option<Matcher>,
}

impl Wanted {
    fn read(state: &State, params: &Params) -> Result<Wanted, Error> {
        let receiver = match params.get("receiver") {
            None => None,
            Some(text) => Some(
                Matcher::new(MatchOp::Regex, "receiver", text)
                    .map_err(|err| Refused::value("receiver", err.to_string()))?,
            ),
        };
        Ok(Wanted {
            active: params.switch("active", true)?,
            silenced: params.switch("silenced", true)?,
            inhibited: params.switch("inhibited", true)?,
            muted: params.switch("muted", true)?,
            unprocessed: params.switch("unprocessed", true)?,
            filter: matchers(state, params.all("filter"), "filter")?,
            receiver,
        })
    }

    fn receiver(&self, name: &str) -> bool {
        self.receiver.as_ref().is_none_or(|matcher| matcher.matches(name))
    }

    fn alert(&self, view: &AlertView) -> bool {
        let by_state = match view.state {
            AlertState::Unprocessed => self.unprocessed,
            AlertState::Active => self.active,
            AlertState::Suppressed => true,
        };
        by_state
            && (self.silenced || view.silenced_by.is_empty())
            && (self.inhibited || view.inhibited_by.is_empty())
            && (self.muted || view.muted_by.is_empty())
            && self.filter.iter().all(|matcher| matcher.matches_labels(&view.alert.labels))
            && (self.receiver.is_none() || view.receivers.iter().any(|name| self.receiver(name)))
    }
}

/// Until when an alert that has no end counts, should nobody repeat it.
async fn lives_until(state: &State) -> Timestamp {
    state.clock.now().plus(state.reads.vitals.runtime().await.resolve_timeout)
}

fn shown(view: &AlertView, lives_until: Timestamp) -> Value {
    let alert = &view.alert;
    let receivers: Vec<Value> = view.receivers.iter().map(|name| json!({"name": name})).collect();
    let mut shown = json!({
        "annotations": label_object(&alert.annotations),
        "endsAt": alert.ends_at.unwrap_or(lives_until).rfc3339(),
        "fingerprint": format!("{:016x}", alert.labels.fingerprint()),
        "receivers": receivers,
        "startsAt": alert.starts_at.rfc3339(),
        "status": {
            "inhibitedBy": view.inhibited_by,
            "mutedBy": view.muted_by,
            "silencedBy": view.silenced_by,
            "state": view.state.as_str(),
        },
        "updatedAt": alert.updated_at.rfc3339(),
        "labels": label_object(&alert.labels),
    });
    if !alert.generator_url.is_empty() {
        shown["generatorURL"] = alert.generator_url.as_str().into();
    }
    shown
}

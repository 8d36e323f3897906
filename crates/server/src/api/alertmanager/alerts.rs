//! `alerts` and `alerts/groups`.

use super::receiver::Receivers;
use super::show::{Shown, ShownGroup};
use super::{Error, matchers, posted};
use crate::api::body::Raw;
use crate::api::{Params, Refused};
use crate::state::State;
use crate::views::{AlertState, AlertView};
use axum::extract::State as Given;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::{Matcher, Timestamp};
use serde::Serialize;
use std::sync::Arc;

/// About what an alert takes in an answer.
const ALERT_BYTES: usize = 800;

pub(crate) async fn alerts(
    Given(state): Given<Arc<State>>,
    params: Result<Params, Refused>,
) -> Result<Response, Error> {
    let wanted = Wanted::read(&state, &params?)?;
    let lives_until = lives_until(&state).await;
    let alerts = state.reads.monitoring.alerts(wanted.filter.clone()).await;
    let shown = |view| Shown { view, lives_until };
    let shown: Vec<_> = alerts.iter().filter(|alert| wanted.alert(alert)).map(shown).collect();
    Ok(many(&shown, shown.len()))
}

pub(crate) async fn groups(
    Given(state): Given<Arc<State>>,
    params: Result<Params, Refused>,
) -> Result<Response, Error> {
    let wanted = Wanted::read(&state, &params?)?;
    let lives_until = lives_until(&state).await;
    let groups = state.reads.monitoring.alert_groups().await;
    let mut list = Vec::new();
    for group in groups.iter().filter(|group| wanted.receivers.wants(&group.receiver)) {
        let shown = |view| Shown { view, lives_until };
        let alerts: Vec<_> = group.alerts.iter().filter(|alert| wanted.alert(alert)).map(shown).collect();
        if !alerts.is_empty() {
            list.push(ShownGroup { group, alerts });
        }
    }
    let alerts = list.iter().map(|group: &ShownGroup<'_>| group.alerts.len()).sum();
    Ok(many(&list, alerts))
}

/// An answer with as many alerts: its room is taken at once.
fn many(shown: &impl Serialize, alerts: usize) -> Response {
    let mut body = Vec::with_capacity(ALERT_BYTES * alerts + 2);
    match serde_json::to_writer(&mut body, shown) {
        Ok(()) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
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
    let now = state.clock.now();
    let life = state.reads.vitals.runtime().await.resolve_timeout;
    let posted = posted::read(body, now, life)?;
    if !posted.good.is_empty() {
        state.desk.post_alerts(posted.good).await?;
    }
    if posted.faulty > 0 {
        let what =
            format!("{} of {} alerts refused: {}", posted.faulty, posted.total, posted.faults.join("; "));
        return Err(Refused::BadRequest(what).into());
    }
    Ok(())
}

/// Which alerts.
struct Wanted {
    active: bool,
    silenced: bool,
    inhibited: bool,
    muted: bool,
    unprocessed: bool,
    filter: Vec<Matcher>,
    receivers: Receivers,
}

impl Wanted {
    fn read(state: &State, params: &Params) -> Result<Wanted, Error> {
        Ok(Wanted {
            active: params.switch("active", true)?,
            silenced: params.switch("silenced", true)?,
            inhibited: params.switch("inhibited", true)?,
            muted: params.switch("muted", true)?,
            unprocessed: params.switch("unprocessed", true)?,
            filter: matchers(state, params.all("filter"), "filter")?,
            receivers: Receivers::read(state, params)?,
        })
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
            && (self.receivers.any() || view.receivers.iter().any(|name| self.receivers.wants(name)))
    }
}

/// Until when an alert that has no end counts, should nobody repeat it.
async fn lives_until(state: &State) -> Timestamp {
    state.clock.now().plus(state.reads.vitals.runtime().await.resolve_timeout)
}

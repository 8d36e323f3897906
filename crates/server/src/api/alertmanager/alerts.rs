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
/// An answer with as many alerts is written in two halves.
const HALVED_FROM: usize = 10_000;

pub(crate) async fn alerts(
    Given(state): Given<Arc<State>>,
    params: Result<Params, Refused>,
) -> Result<Response, Error> {
    let wanted = Wanted::read(&state, &params?)?;
    let lives_until = lives_until(&state);
    let alerts = state.reads.monitoring.alerts(wanted.filter.clone()).await;
    let written = move || {
        let shown = |view| Shown { view, lives_until };
        let shown: Vec<_> = alerts.iter().filter(|alert| wanted.alert(alert)).map(shown).collect();
        list(&shown, |_| 1)
    };
    answer(written).await
}

pub(crate) async fn groups(
    Given(state): Given<Arc<State>>,
    params: Result<Params, Refused>,
) -> Result<Response, Error> {
    let wanted = Wanted::read(&state, &params?)?;
    let lives_until = lives_until(&state);
    let groups = state.reads.monitoring.alert_groups().await;
    let written = move || {
        let mut shown = Vec::new();
        for group in groups.iter().filter(|group| wanted.receivers.wants(&group.receiver)) {
            let show = |view| Shown { view, lives_until };
            let alerts: Vec<_> = group.alerts.iter().filter(|alert| wanted.alert(alert)).map(show).collect();
            if !alerts.is_empty() {
                shown.push(ShownGroup { group, alerts });
            }
        }
        list(&shown, |group| group.alerts.len())
    };
    answer(written).await
}

/// What `write` writes, away from the threads that others wait for: it may be long.
async fn answer(
    write: impl FnOnce() -> serde_json::Result<Vec<u8>> + Send + 'static,
) -> Result<Response, Error> {
    Ok(match tokio::task::spawn_blocking(write).await {
        Ok(Ok(body)) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
        _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    })
}

/// A list as JSON; a long one is written in two halves at once. `alerts_in` says how many alerts an item holds.
fn list<T: Serialize + Sync>(items: &[T], alerts_in: impl Fn(&T) -> usize) -> serde_json::Result<Vec<u8>> {
    let all: usize = items.iter().map(&alerts_in).sum();
    if all < HALVED_FROM || items.len() < 2 {
        return written(items, all);
    }
    let mut before = 0;
    let half = items.iter().position(|item| {
        before += alerts_in(item);
        before >= all / 2
    });
    let (first, second) = items.split_at(half.unwrap_or(0).clamp(1, items.len() - 1));
    std::thread::scope(|scope| {
        let second = scope.spawn(|| written(second, all / 2));
        let mut first = written(first, all)?;
        let second = second.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        // Between the halves a comma takes the place of the brackets.
        first.pop();
        first.push(b',');
        first.extend_from_slice(&second[1..]);
        Ok(first)
    })
}

/// A list as JSON, room for so many alerts taken at once.
fn written(items: &[impl Serialize], alerts: usize) -> serde_json::Result<Vec<u8>> {
    let mut body = Vec::with_capacity(ALERT_BYTES * alerts + 2);
    serde_json::to_writer(&mut body, items)?;
    Ok(body)
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
    let life = state.reads.vitals.resolve_timeout();
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
fn lives_until(state: &State) -> Timestamp {
    state.clock.now().plus(state.reads.vitals.resolve_timeout())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_of_a_list_are_the_list() {
        let written = |items: &[&str], alerts: usize| {
            let body = list(items, |_| alerts).unwrap();
            serde_json::from_slice::<Vec<String>>(&body).unwrap()
        };
        for items in [&[][..], &["a"], &["a", "b"], &["a", "b", "c"], &["a", "b", "c", "d", "e"]] {
            for alerts in [0, 1, HALVED_FROM] {
                assert_eq!(written(items, alerts), items);
            }
        }
        let heavy_last = list(&[1, 1, HALVED_FROM], |alerts| *alerts).unwrap();
        assert_eq!(heavy_last, format!("[1,1,{HALVED_FROM}]").as_bytes());
    }
}

//! `query` and `query_range`.

use super::params::{duration_param, instant_param, limit_param};
use super::{Error, ask, json, written};
use crate::api::{Params, Refused};
use crate::state::State;
use crate::views::{Instant, Range};
use axum::extract::State as Given;
use axum::response::Response;
use std::sync::Arc;
use std::time::Duration;

pub(crate) async fn instant(
    Given(state): Given<Arc<State>>,
    params: Result<Params, Refused>,
) -> Result<Response, Error> {
    let params = params?;
    let at = instant_param(&params, "time")?.unwrap_or_else(|| state.clock.now());
    let limit = limit_param(&params)?;
    let (query, timeout, lookback) = common(&state, &params)?;
    let body = ask(&state, timeout, move |series, timeout| {
        let answer = series.instant(&Instant { query, at, timeout, lookback })?;
        Ok(json::answer(&answer, at, limit))
    })
    .await?;
    Ok(written(body))
}

pub(crate) async fn range(
    Given(state): Given<Arc<State>>,
    params: Result<Params, Refused>,
) -> Result<Response, Error> {
    let params = params?;
    let missing = |name| Error::parameter(name, "it is missing");
    let from = instant_param(&params, "start")?.ok_or_else(|| missing("start"))?;
    let to = instant_param(&params, "end")?.ok_or_else(|| missing("end"))?;
    if to < from {
        return Err(Error::parameter("end", "it is before start"));
    }
    let step = duration_param(&params, "step")?.ok_or_else(|| missing("step"))?;
    if step < Duration::from_millis(1) {
        return Err(Error::parameter("step", "it must be at least a millisecond"));
    }
    let steps = to.since(from).as_millis() / step.as_millis();
    if steps > u128::from(state.limits.steps_max) {
        let what = format!(
            "{steps} points a series, at most {} are given; make step larger",
            state.limits.steps_max
        );
        return Err(Error::parameter("step", what));
    }
    let limit = limit_param(&params)?;
    let (query, timeout, lookback) = common(&state, &params)?;
    let body = ask(&state, timeout, move |series, timeout| {
        let answer = series.range(&Range { query, from, to, step, timeout, lookback })?;
        Ok(json::answer(&answer, to, limit))
    })
    .await?;
    Ok(written(body))
}

fn common(state: &State, params: &Params) -> Result<(String, Duration, Option<Duration>), Error> {
    let query = params.get("query").ok_or_else(|| Error::parameter("query", "it is missing"))?;
    let most = state.limits.query_timeout;
    let timeout = duration_param(params, "timeout")?.map_or(most, |asked| asked.min(most));
    let lookback = duration_param(params, "lookback_delta")?.filter(|lookback| !lookback.is_zero());
    Ok((query.to_owned(), timeout, lookback))
}

//! `GET /api/v1/on_call`: who is on call; and a schedule for people's calendars.

use super::instant;
use crate::api::{Params, Refused};
use crate::seam::Failure;
use crate::state::State;
use crate::views::{OnCallView, ShiftView};
use axum::extract::{Path, State as Given};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use model::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// The shifts that are shown: those that begin in so many days from the instant asked about.
const AHEAD: Duration = Duration::from_secs(28 * 86_400);

pub(crate) async fn on_call(
    Given(state): Given<Arc<State>>,
    params: Result<Params, Refused>,
) -> Result<Response, Refused> {
    let at = instant(&params?, "at")?.unwrap_or_else(|| state.clock.now());
    // Further than is shown, so that the last turn that is has its own end.
    let schedules = state.reads.incidents.on_call(at, at.plus(3 * AHEAD)).await?;
    let shown: Vec<Value> = schedules.iter().map(|schedule| show(schedule, at)).collect();
    Ok(axum::Json(json!({"at": at.rfc3339(), "items": shown})).into_response())
}

/// `NAME.ics`.
pub(crate) async fn calendar(
    Given(state): Given<Arc<State>>,
    Path(name): Path<String>,
) -> Result<Response, Refused> {
    let found = match name.strip_suffix(".ics") {
        Some(name) => state.reads.incidents.calendar(name.to_owned()).await?,
        None => None,
    };
    let text = found.ok_or_else(|| {
        Failure::NotFound(format!("no calendar {name}; a schedule's calendar is its name and .ics"))
    })?;
    Ok(([(header::CONTENT_TYPE, "text/calendar; charset=utf-8")], text).into_response())
}

fn show(schedule: &OnCallView, at: Timestamp) -> Value {
    let now = schedule.at(at);
    json!({
        "name": schedule.name,
        "zone": schedule.zone,
        "who": now.map(|shift| shift.who.as_str()),
        "until": now.map(|shift| shift.until.rfc3339()),
        "shifts": schedule.shifts.iter().filter(|shift| shift.from < at.plus(AHEAD)).map(shift).collect::<Vec<_>>(),
    })
}

fn shift(shift: &ShiftView) -> Value {
    json!({"who": shift.who, "from": shift.from.rfc3339(), "until": shift.until.rfc3339()})
}

//! `GET /api/v1/on_call`: who is on call; a schedule for people's calendars; and who stands in.

use super::act::name;
use super::instant;
use crate::api::body::Raw;
use crate::api::object::Body;
use crate::api::{Params, Refused, once};
use crate::auth::Principal;
use crate::seam::Failure;
use crate::state::State;
use crate::views::{NewOverride, OnCallView, OverrideView, ShiftView};
use axum::Extension;
use axum::extract::{Path, State as Given};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// The shifts that are shown: those that begin in so many days from the instant asked about.
const AHEAD: Duration = Duration::from_secs(28 * 86_400);
/// The longest name.
const NAME_MAX: usize = 200;

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

/// `{who, from, until}` or `{who, from, seconds}`; without `from` it begins now.
pub(crate) async fn post_override(
    Given(state): Given<Arc<State>>,
    Path(schedule): Path<String>,
    request: once::Request,
    posted: Result<Raw, Refused>,
) -> Result<Response, Refused> {
    let posted = posted?.0;
    let mut body = Body::read(&posted, &["who", "from", "until", "seconds", "by"])?;
    let who = body.needed_text("who", NAME_MAX)?;
    let from = body.instant("from")?.unwrap_or_else(|| state.clock.now());
    let until = match (body.instant("until")?, body.seconds("seconds")?) {
        (Some(until), None) => until,
        (None, Some(span)) => from.plus(span),
        _ => {
            let what = "say until when, or for how many seconds: one of the two is needed";
            return Err(Refused::Shape(vec![("until".to_owned(), what.to_owned())]));
        }
    };
    let by = name(body.text("by", NAME_MAX)?.as_deref(), &request.3);
    let asked = once::asked(&request, &posted, |made: &OverrideView| (StatusCode::CREATED, stands_in(made)))?;
    let new = NewOverride { schedule, shift: ShiftView { who, from, until } };
    Ok(once::answer(state.reads.incidents.put_override(new, by, asked).await?))
}

pub(crate) async fn delete_override(
    Given(state): Given<Arc<State>>,
    Path((schedule, id)): Path<(String, String)>,
    Extension(principal): Extension<Principal>,
) -> Result<Response, Refused> {
    state.reads.incidents.delete_override(schedule, id, principal.person().to_owned()).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn show(schedule: &OnCallView, at: Timestamp) -> Value {
    let now = schedule.at(at);
    json!({
        "name": schedule.name,
        "zone": schedule.zone,
        "who": now.map(|shift| shift.who.as_str()),
        "until": now.map(|shift| shift.until.rfc3339()),
        "shifts": schedule.shifts.iter().filter(|shift| shift.from < at.plus(AHEAD)).map(shift).collect::<Vec<_>>(),
        "overrides": schedule.overrides.iter().filter(|one| at < one.shift.until).map(stands_in).collect::<Vec<_>>(),
    })
}

fn stands_in(one: &OverrideView) -> Value {
    let mut shown = shift(&one.shift);
    shown["id"] = one.id.clone().into();
    shown["created_by"] = one.created_by.clone().into();
    shown
}

fn shift(shift: &ShiftView) -> Value {
    json!({"who": shift.who, "from": shift.from.rfc3339(), "until": shift.until.rfc3339()})
}

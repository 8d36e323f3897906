//! `/schedules/preview`: when an expression would fire. `/calendars`: days on which schedules do not.

use super::Refused;
use super::body::{Params, Raw};
use super::tasks::{Fields, Unknown, object};
use crate::auth::Principal;
use crate::seam::Failure;
use crate::state::State;
use axum::Extension;
use axum::extract::{Path, State as Given};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use model::Timestamp;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use tasks::schedule::{Anchor, Firing, KEYS, Recurrence, ScheduleError, text_in};

/// The most fires of a preview.
const COUNT_MAX: u64 = 1_000;
/// The longest expression.
const EXPR_MAX: usize = 8_192;

type Answer = Result<Response, Refused>;

/// `GET /schedules/preview?expr=&count=&timezone=&after=`, and the keys of a schedule's wishes.
pub(crate) async fn preview(Given(state): Given<Arc<State>>, params: Result<Params, Refused>) -> Answer {
    let params = params?;
    let expr = params.get("expr").ok_or_else(|| Refused::value("expr", "it is missing"))?;
    if expr.len() > EXPR_MAX {
        return Err(Refused::value("expr", format!("it has more than {EXPR_MAX} bytes")));
    }
    let count = params.number("count", 1, COUNT_MAX, 5)?;
    let zone = params.get("timezone").or_else(|| params.get("tz")).unwrap_or("UTC");
    let after = match params.get("after") {
        None => state.clock.now(),
        Some(text) => Timestamp::parse_rfc3339(text)
            .map_err(|_| Refused::value("after", format!("{text:?} is not an RFC 3339 instant")))?,
    };
    let firing = wishes(&params)?;
    let calendar = match &firing.calendar {
        None => None,
        Some(name) => Some(Arc::new(
            state.reads.schedules.calendars().await.remove(&**name).ok_or_else(|| unknown(name))?,
        )),
    };
    let refuse = |why: ScheduleError| {
        let field = if matches!(why, ScheduleError::Zone(_)) { "timezone" } else { "expr" };
        Refused::value(field, why.to_string())
    };
    let recurrence = Recurrence::of_any_kind(expr, zone, &firing, Anchor(after)).map_err(refuse)?;
    let (mut fires, mut last) = (Vec::new(), after);
    while fires.len() < count as usize
        && let Some(at) = recurrence.next_workday(last, calendar.as_ref()).map_err(refuse)?
    {
        fires.push(text_in(at, recurrence.zone()));
        last = at;
    }
    let kind = match &recurrence {
        Recurrence::Once(..) => "once",
        Recurrence::Cron(_) => "cron",
        Recurrence::Rrule(_) => "rrule",
    };
    Ok(axum::Json(json!({"schedule_kind": kind, "expr": expr, "timezone": zone, "fires": fires}))
        .into_response())
}

fn wishes(params: &Params) -> Result<Firing, Refused> {
    let of = |key: &str| {
        let text = params.get(key)?;
        let number = text.parse::<u64>().ok().filter(|_| key.ends_with("_seconds"));
        Some(number.map_or_else(|| Value::from(text), Value::from))
    };
    let map: Map<String, Value> = KEYS.iter().filter_map(|key| Some(((*key).to_owned(), of(key)?))).collect();
    Firing::read(&map).map_err(|(field, what)| Refused::value(field, what))
}

fn unknown(name: &str) -> Refused {
    Failure::NotFound(format!("Calendar {name} not found")).into()
}

pub(crate) async fn calendars(Given(state): Given<Arc<State>>) -> Answer {
    let all = state.reads.schedules.calendars().await;
    let items: Vec<Value> = all.iter().map(|(name, calendar)| shown(name, calendar.to_json())).collect();
    Ok(axum::Json(json!({"total": items.len(), "items": items})).into_response())
}

pub(crate) async fn calendar(Given(state): Given<Arc<State>>, Path(name): Path<String>) -> Answer {
    let found = state.reads.schedules.calendars().await.remove(&name).ok_or_else(|| unknown(&name))?;
    Ok(axum::Json(shown(&name, found.to_json())).into_response())
}

/// `PUT /calendars/{name}`: `{dates: ["2026-12-24", "12-25"]}`.
pub(crate) async fn put_calendar(
    Given(state): Given<Arc<State>>,
    Path(name): Path<String>,
    Extension(principal): Extension<Principal>,
    body: Result<Raw, Refused>,
) -> Answer {
    let mut fields = Fields::new(object(&body?.0)?);
    let row = json!({"dates": fields.any("dates")});
    fields.finish(Unknown::Refused)?;
    let calendar = state.reads.schedules.put_calendar(name.clone(), row, principal.name).await?;
    Ok(axum::Json(shown(&name, calendar.to_json())).into_response())
}

pub(crate) async fn delete_calendar(Given(state): Given<Arc<State>>, Path(name): Path<String>) -> Answer {
    if !state.reads.schedules.delete_calendar(name.clone()).await? {
        return Err(unknown(&name));
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn shown(name: &str, mut row: Value) -> Value {
    row["name"] = name.into();
    row
}

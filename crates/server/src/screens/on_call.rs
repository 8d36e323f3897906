//! `/ui/on-call`: who is on call now, and the next turns; and a form for somebody to stand in.

use super::layout::{Frame, page};
use super::own::{Own, Screen, spans};
use super::words::age;
use crate::api::{Params, Refused};
use crate::auth::Principal;
use crate::links::Act;
use crate::seam::Asked;
use crate::state::State;
use crate::views::{NewOverride, OnCallView, OverrideView, ShiftView};
use axum::Extension;
use axum::extract::State as Given;
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use model::{Timestamp, parse_duration};
use std::sync::Arc;
use std::time::Duration;

/// How far ahead turns are shown, and how many.
const AHEAD: Duration = Duration::from_secs(28 * 86_400);
const SHIFTS_MAX: usize = 12;
const HERE: &str = "/ui/on-call";
const SCREEN: Screen = Screen { here: HERE, title: "On call", act: Act::StandIn, subject: "on-call" };

pub(crate) async fn on_call(
    Given(state): Given<Arc<State>>,
    Extension(principal): Extension<Principal>,
) -> Result<Response, Refused> {
    let now = state.clock.now();
    // Further than is shown, so that the last turn that is has its own end.
    let schedules = state.reads.incidents.on_call(now, now.plus(3 * AHEAD)).await?;
    let own = SCREEN.own(&state, &principal, now);
    let receivers = state.reads.monitoring.receivers().await;
    let content = html! {
        div.wide {
            @if schedules.is_empty() {
                section { h2 { "On call" } div.panel { p.none {
                    "There is no schedule. One is written under " code { "on_call:" } " in tocsin.yml."
                } } }
            }
            @for schedule in &schedules { (one(schedule, own.as_ref(), &receivers, now)) }
        }
    };
    Ok(page(&state, &Frame { title: "On call", here: HERE, renew_secs: None }, &content))
}

/// Has somebody stand in from now on, or takes that back.
pub(crate) async fn act(
    Given(state): Given<Arc<State>>,
    params: Result<Params, Refused>,
) -> Result<Response, Refused> {
    let params = params?;
    let now = state.clock.now();
    let Some(by) = SCREEN.sent_by(&state, &params, now) else { return Ok(SCREEN.too_old(&state)) };
    let text = |name: &str| params.get(name).unwrap_or("").to_owned();
    let schedule = text("schedule");
    let done = match params.get("remove") {
        Some(id) => state.reads.incidents.delete_override(schedule, id.to_owned(), by).await,
        None => {
            let span = parse_duration(&text("for")).ok().filter(|span| !span.is_zero());
            let Some(span) = span else {
                return Ok(SCREEN.refusal(&state, StatusCode::BAD_REQUEST, "Say for how long."));
            };
            let shift = ShiftView { who: text("who"), from: now, until: now.plus(span) };
            let silent = Asked { once: None, answer: Box::new(|_: &OverrideView| (200, String::new())) };
            let new = NewOverride { schedule, shift };
            state.reads.incidents.put_override(new, by, silent).await.map(drop)
        }
    };
    SCREEN.after(&state, done)
}

fn one(schedule: &OnCallView, own: Option<&Own>, receivers: &[String], now: Timestamp) -> Markup {
    html! {
        section {
            h2 { (schedule.name) span.count { (schedule.zone) } }
            div.panel {
                @match schedule.at(now) {
                    Some(shift) => p.none { b { (shift.who) } " is on call for " (age(shift.until.since(now))) " more." },
                    None => p.none { b { "Nobody" } " is on call now." },
                }
                ul.rows {
                    @for shift in schedule.shifts.iter().filter(|shift| shift.from > now && shift.from < now.plus(AHEAD)).take(SHIFTS_MAX) { (row(shift, now)) }
                }
                @for over in schedule.overrides.iter().filter(|over| now < over.shift.until) { (stands_in(schedule, over, own)) }
                @if let Some(own) = own {
                    div.acts {
                        (own.form("", &html! {
                            input type="hidden" name="schedule" value=(schedule.name);
                            select name="who" required aria-label="who" {
                                option value="" { "who" }
                                @for name in receivers { option value=(name) { (name) } }
                            }
                            (spans())
                            button.plain { "Stands in from now on" }
                        }))
                    }
                }
                p.none.soft { "For calendars: " code { "/api/v1/on_call/" (schedule.name) ".ics" } }
            }
        }
    }
}

fn stands_in(schedule: &OnCallView, over: &OverrideView, own: Option<&Own>) -> Markup {
    html! {
        div.none {
            b { (over.shift.who) } " stands in from " (minute(over.shift.from)) " to " (minute(over.shift.until)) " UTC"
            @if let Some(by) = &over.created_by { ", asked for by " (by) }
            "."
            @if let Some((own, id)) = own.zip(over.id.as_ref()) {
                " " (own.form("inline", &html! {
                    input type="hidden" name="schedule" value=(schedule.name);
                    input type="hidden" name="remove" value=(id);
                    button.plain { "Not after all" }
                }))
            }
        }
    }
}

fn row(shift: &ShiftView, now: Timestamp) -> Markup {
    html! {
        li {
            span.dot {}
            span.what { (shift.who) }
            span.fig { "in " (age(shift.from.since(now))) }
            span.more.num { (minute(shift.from)) " to " (minute(shift.until)) " UTC" }
        }
    }
}

/// `2026-11-22 03:12`.
fn minute(at: Timestamp) -> String {
    at.rfc3339().get(..16).unwrap_or_default().replace('T', " ")
}

//! `/ui/on-call`: who is on call now, and the next turns.

use super::layout::{Frame, page};
use super::words::age;
use crate::api::Refused;
use crate::state::State;
use crate::views::{OnCallView, OverrideView, ShiftView};
use axum::extract::State as Given;
use axum::response::Response;
use maud::{Markup, html};
use model::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// How far ahead turns are shown, and how many.
const AHEAD: Duration = Duration::from_secs(28 * 86_400);
const SHIFTS_MAX: usize = 12;

pub(crate) async fn on_call(Given(state): Given<Arc<State>>) -> Result<Response, Refused> {
    let now = state.clock.now();
    // Further than is shown, so that the last turn that is has its own end.
    let schedules = state.reads.incidents.on_call(now, now.plus(3 * AHEAD)).await?;
    let content = html! {
        div.wide {
            @if schedules.is_empty() {
                section { h2 { "On call" } div.panel { p.none {
                    "There is no schedule. One is written under " code { "on_call:" } " in tocsin.yml."
                } } }
            }
            @for schedule in &schedules { (one(schedule, now)) }
        }
    };
    Ok(page(&state, &Frame { title: "On call", here: "/ui/on-call", renew_secs: None }, &content))
}

fn one(schedule: &OnCallView, now: Timestamp) -> Markup {
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
                @for over in schedule.overrides.iter().filter(|over| now < over.shift.until) { (stands_in(over)) }
                p.none.soft { "For calendars: " code { "/api/v1/on_call/" (schedule.name) ".ics" } }
            }
        }
    }
}

fn stands_in(over: &OverrideView) -> Markup {
    html! {
        p.none {
            b { (over.shift.who) } " stands in from " (minute(over.shift.from)) " to " (minute(over.shift.until)) " UTC"
            @if let Some(by) = &over.created_by { ", asked for by " (by) }
            "."
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

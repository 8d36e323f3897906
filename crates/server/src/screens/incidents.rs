//! `/ui/incidents` and `/ui/incidents/{id}`: what somebody must deal with, why they were told, what happened, and what can
//! be done about it.
//!
//! The buttons carry signed links of their own (`super::acts`): a form of another site cannot act for whoever looks.

use super::acts::{Seen, buttons};
use super::alerts::{Cases, cards};
use super::layout::{Frame, page};
use super::words::{age, ago, count, plural};
use crate::api::{Refused, sentence};
use crate::auth::Principal;
use crate::seam::Failure;
use crate::state::State;
use crate::views::{AlertView, EntryView, IncidentFilter, IncidentState, IncidentView, WhyView};
use axum::Extension;
use axum::extract::{Path, State as Given};
use axum::response::Response;
use maud::{Markup, html};
use model::{ALERTNAME, Timestamp};
use std::sync::Arc;

/// Incidents that are not over, and those that are; further ones are only counted.
const LIVE_MAX: u64 = 200;
const OVER_MAX: u64 = 50;
/// Answers to "why?" that are shown.
const ANSWERS_MAX: usize = 8;
const RENEW_SECS: u32 = 20;
const HERE: &str = "/ui/incidents";

pub(crate) async fn incidents(Given(state): Given<Arc<State>>) -> Result<Response, Refused> {
    let now = state.clock.now();
    let of =
        |wanted, limit| state.reads.incidents.list(IncidentFilter { state: Some(wanted), limit, offset: 0 });
    let open = of(IncidentState::Open, LIVE_MAX).await?;
    let taken = of(IncidentState::Acknowledged, LIVE_MAX).await?;
    let over = of(IncidentState::Resolved, OVER_MAX).await?;
    let list = |title: &str, found: &crate::views::PageOf<IncidentView>, none: &str| {
        html! {
            section {
                h2 { (title) @if found.total > 0 { span.count { (count(found.total)) } } }
                div.panel {
                    @if found.items.is_empty() { p.none { (none) } }
                    ul.rows { @for one in &found.items { (row(one, now)) } }
                    @let more = found.total.saturating_sub(found.items.len() as u64);
                    @if more > 0 { p.none { "and " (count(more)) " more" } }
                }
            }
        }
    };
    let content = html! {
        div.wide {
            (list("Nobody has taken on", &open, "Nothing."))
            (list("Taken on", &taken, "Nothing."))
            (list("Over", &over, "Nothing yet."))
        }
    };
    let title = if open.total == 0 { "Incidents".to_owned() } else { format!("({}) Incidents", open.total) };
    Ok(page(&state, &Frame { title: &title, here: HERE, renew_secs: Some(RENEW_SECS) }, &content))
}

pub(crate) async fn incident(
    Given(state): Given<Arc<State>>,
    Path(id): Path<String>,
    Extension(principal): Extension<Principal>,
) -> Result<Response, Refused> {
    let found = state.reads.incidents.one(id.clone()).await?;
    let found = found.ok_or_else(|| Failure::NotFound(format!("Incident {id} not found")))?;
    let why = state.reads.incidents.why_of(id, None).await?;
    let now = state.clock.now();
    let alerts: Vec<&AlertView> = found.alerts.iter().collect();
    let content = html! {
        (head(&found, now))
        (buttons(&state, &Seen { incident: &found, principal: &principal, now }))
        div.wide {
            section #why { h2 { "Why" } (answers(&why)) }
            @if !alerts.is_empty() {
                section { h2 { "Alerts" span.count { (alerts.len()) } } (cards(&alerts, &[], &Cases::new(), now)) }
            }
            section { h2 { "What happened" } div.panel { ul.rows { @for one in found.timeline.iter().rev() { (line(one, now)) } } } }
        }
    };
    let title = name(&found);
    Ok(page(&state, &Frame { title: &title, here: HERE, renew_secs: None }, &content))
}

/// What it is, how grave, and who has it.
pub(super) fn head(incident: &IncidentView, now: Timestamp) -> Markup {
    let tone = match (incident.state, incident.severity) {
        (IncidentState::Resolved, _) => "well",
        (_, "critical" | "error") => "grave",
        _ => "wrong",
    };
    html! {
        div class={ "verdict " (tone) } {
            h1 { (name(incident)) }
            p.num { (stands(incident, now)) " · " (incident.severity) " (" (incident.sev) ") · tells " (incident.receiver)
                @if incident.reopened > 0 { " · came back " (times(incident.reopened)) } }
            @if !incident.labels.is_empty() {
                ul.labels.mono { @for (name, value) in incident.labels.iter().filter(|(name, _)| *name != ALERTNAME) {
                    li { (name) "=" b { (value) } }
                } }
            }
        }
    }
}

/// Where it stands, in words.
fn stands(incident: &IncidentView, now: Timestamp) -> Markup {
    let by = incident.acknowledged_by.as_deref().unwrap_or("somebody");
    html! {
        @match (incident.state, incident.snoozed_until) {
            (IncidentState::Open, _) => { "open for " (age(now.since(incident.opened_at))) ", nobody has taken it on" },
            (IncidentState::Acknowledged, Some(until)) if until > now => { "put off by " (by) " for " (age(until.since(now))) " more" },
            (IncidentState::Acknowledged, _) => { (by) " has it" },
            (IncidentState::Resolved, _) => {
                "over" @if let Some(at) = incident.resolved_at { " " (ago(at, now)) }
                @if let Some(by) = &incident.closed_by { ", ended by " (by) " by hand" }
            },
        }
        @if let Some(to) = &incident.assigned_to { " · assigned to " (to) }
        @if let Some(into) = &incident.merged_into { " · part of " a href={ "/ui/incidents/" (into) } { (into) } }
        @if let Some(escalation) = &incident.escalation {
            @if let Some(due) = escalation.due.filter(|_| incident.state == IncidentState::Open) {
                " · " (escalation.policy) " step " (escalation.step) " in " (age(due.since(now)))
            }
        }
    }
}

fn row(incident: &IncidentView, now: Timestamp) -> Markup {
    let dot = match incident.state {
        IncidentState::Open => "down",
        IncidentState::Acknowledged => "due",
        IncidentState::Resolved => "up",
    };
    html! {
        li {
            span class={ "dot " (dot) } {}
            span.what { a href={ "/ui/incidents/" (incident.id) } { (name(incident)) } }
            span.fig { (incident.severity) }
            span.more { (stands(incident, now)) }
        }
    }
}

/// The name of its alerts; of a group of several kinds its labels.
pub(super) fn name(incident: &IncidentView) -> String {
    let own = incident.labels.get(ALERTNAME).map(str::to_owned);
    own.or_else(|| incident.alerts.first().map(|view| view.alert.name().to_owned()))
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| format!("Incident {}", incident.id))
}

fn answers(why: &[WhyView]) -> Markup {
    html! {
        div.panel {
            @if why.is_empty() { p.none { "Nothing is on record of its alerts." } }
            ul.rows {
                @for one in why.iter().take(ANSWERS_MAX) {
                    li {
                        span class={ "dot " (if one.verdict == "deliver" { "up" } else { "due" }) } {}
                        span.what { (sentence(one)) }
                        span.fig { (one.reason) }
                        span.more.mono { (one.alert) }
                        @if let Some(rule) = &one.rule {
                            span.more { "rule " (rule.name) ": " code { (rule.query) } @if let Some(value) = rule.value { ", value " (super::words::short(value)) } }
                        }
                        span.more { "route " span.mono { (one.route.last().map_or("", String::as_str)) } }
                    }
                }
            }
            @if why.len() > ANSWERS_MAX { p.none { "and " (plural(why.len() - ANSWERS_MAX, "answer")) " more" } }
        }
    }
}

fn line(entry: &EntryView, now: Timestamp) -> Markup {
    html! {
        li {
            span class={ "dot " (dot(entry)) } {}
            span.what { b { (entry.what) } @if !entry.who.is_empty() { " " (entry.who) } }
            span.fig { (ago(entry.at, now)) }
            @if !entry.detail.is_empty() || entry.tries > 1 {
                span.more {
                    (entry.detail)
                    @if entry.tries > 1 { " (" (entry.tries) " tries)" }
                    @if let Some(code) = entry.code.as_deref().filter(|code| *code != "ok") { " [" (code) "]" }
                }
            }
        }
    }
}

fn dot(entry: &EntryView) -> &'static str {
    match entry.what {
        "delivered" | "resolved" => "up",
        "failed" | "fired" | "reopened" | "graver" => "down",
        "acknowledged" | "snoozed" | "assigned" | "escalated" => "due",
        _ => "",
    }
}

fn times(n: u32) -> String {
    if n == 1 { "once".to_owned() } else { format!("{n} times") }
}

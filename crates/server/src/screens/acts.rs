//! What people do to an incident by a form: the buttons on its screen, and the screens that links in messages open.
//!
//! Both post to `/ui/links/incidents/{id}` with the link itself, signed for one act and one recipient: nothing else is
//! asked of who sends it, so a browser's form is enough. Opening a link never acts.

use super::incidents::{head, name};
use super::layout::{Frame, page};
use crate::api::{Params, Refused};
use crate::auth::{Principal, Role};
use crate::links::{Act, BadLink, Link};
use crate::seam::{Asked, By, Failure};
use crate::state::State;
use crate::views::{IncidentAct, IncidentState, IncidentView};
use axum::extract::{Path, State as Given};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use model::{Timestamp, parse_duration};
use std::sync::Arc;
use std::time::Duration;

/// How long the buttons of a screen work.
const BUTTONS_LIFE: Duration = Duration::from_secs(3600);
/// What marks the links of our own screens.
const OWN: &str = "screen";
/// For how long one can put it off.
const SPANS: [(&str, &str); 5] =
    [("30m", "30 minutes"), ("1h", "an hour"), ("4h", "4 hours"), ("8h", "8 hours"), ("1d", "a day")];
const NAME_MAX: usize = 200;
const NOTE_MAX: usize = 4_000;
const HERE: &str = "/ui/incidents";

/// An incident as somebody sees it.
pub(super) struct Seen<'a> {
    pub incident: &'a IncidentView,
    pub principal: &'a Principal,
    pub now: Timestamp,
}

/// What the one who looks may do now; nothing for those who only read.
pub(super) fn buttons(state: &State, seen: &Seen<'_>) -> Markup {
    let (incident, live) = (seen.incident, seen.incident.state != IncidentState::Resolved);
    if seen.principal.role < Role::Operator || state.links.is_none() {
        return html! {};
    }
    let form = |act: Act, content: Markup| form(state, &own_link(seen, act), &content);
    let taken = incident.state == IncidentState::Acknowledged && incident.snoozed_until.is_none();
    html! {
        section {
            div.acts {
                @if live {
                    @if !taken { (form(Act::Acknowledge, html! { button { "Acknowledge" } })) }
                    (form(Act::Snooze, html! { (spans()) button.plain { "Snooze" } }))
                    (form(Act::Resolve, html! { button.plain { "Resolve" } }))
                    (form(Act::Assign, html! {
                        input type="text" name="assignee" required maxlength=(NAME_MAX) aria-label="to whom" placeholder="to whom";
                        button.plain { "Assign" }
                    }))
                }
                (form(Act::Note, html! {
                    input type="text" name="text" required maxlength=(NOTE_MAX) aria-label="note" placeholder="what you found or did";
                    button.plain { "Note" }
                }))
                @if live {
                    (form(Act::Merge, html! {
                        input type="text" name="into" required maxlength=(NAME_MAX) aria-label="id of another incident" placeholder="id of another incident";
                        button.plain { "Merge" }
                    }))
                }
            }
        }
    }
}

/// Shows what a link would do.
pub(crate) async fn open_incident_link(
    Given(state): Given<Arc<State>>,
    Path(id): Path<String>,
    params: Result<Params, Refused>,
) -> Result<Response, Refused> {
    let (link, incident) = match check(&state, &id, &params?).await? {
        Ok(good) => good,
        Err(refused) => return Ok(refused),
    };
    let word = word(link.act);
    let content = html! {
        (head(&incident, state.clock.now()))
        section {
            h2 { (word) }
            div.panel {
                p.none { (would(link.act)) }
                div.acts {
                    (form(&state, &link, &html! {
                        @if link.act == Act::Snooze { (spans()) }
                        input type="text" name="by" maxlength=(NAME_MAX) aria-label="your name" placeholder="your name";
                        button { (word) }
                    }))
                }
                p.none.soft { "Nothing has happened yet. This link was sent to " (link.recipient) " and works until " (link.expires_at.rfc3339()) "." }
            }
        }
    };
    Ok(screen(&state, &format!("{word}: {}", name(&incident)), &content))
}

/// Does what a link is for.
pub(crate) async fn use_incident_link(
    Given(state): Given<Arc<State>>,
    Path(id): Path<String>,
    params: Result<Params, Refused>,
) -> Result<Response, Refused> {
    let params = params?;
    let (link, _) = match check(&state, &id, &params).await? {
        Ok(good) => good,
        Err(refused) => return Ok(refused),
    };
    let act = match asked(link.act, &params, state.clock.now()) {
        Ok(act) => act,
        Err(why) => return Ok(refusal(&state, StatusCode::BAD_REQUEST, why)),
    };
    let by = By { name: who(&link, &params), reopened: link.revision.parse().ok() };
    let silent = Asked { once: None, answer: Box::new(|_: &IncidentView| (200, String::new())) };
    match state.reads.incidents.act(id.clone(), act, by, silent).await {
        Ok(_) if link.number == OWN => {
            return Ok(Redirect::to(&format!("{HERE}/{}", link.subject)).into_response());
        }
        Ok(_) => {}
        Err(Failure::Conflict(why)) => return Ok(refusal(&state, StatusCode::CONFLICT, &why)),
        Err(Failure::Value { what, .. }) => return Ok(refusal(&state, StatusCode::BAD_REQUEST, &what)),
        Err(other) => return Err(other.into()),
    }
    let Some(incident) = state.reads.incidents.one(id).await? else {
        return Ok(refusal(&state, StatusCode::NOT_FOUND, "What this link was for is no longer known."));
    };
    let content = html! {
        div.notice role="status" { b { (done(link.act)) } }
        (head(&incident, state.clock.now()))
        p.soft { a href={ (HERE) "/" (incident.id) } { "All about it" } }
    };
    Ok(screen(&state, done(link.act), &content))
}

/// The link and its incident, or the screen that says why it is no good.
async fn check(
    state: &State,
    id: &str,
    params: &Params,
) -> Result<Result<(Link, IncidentView), Response>, Refused> {
    let refuse = |status, why: &str| Ok(Err(refusal(state, status, why)));
    let now = state.clock.now();
    let read = state.links.as_ref().map(|links| links.read(id, |name| params.get(name), now));
    let link = match read {
        Some(Ok(link)) if is_of_incidents(link.act) => link,
        Some(Err(BadLink::Expired)) => {
            return refuse(StatusCode::GONE, "This link has expired; open the incident anew.");
        }
        None | Some(Ok(_) | Err(BadLink::Forged)) => {
            let why = "This link is not one of ours, or a part of it is missing or changed.";
            return refuse(StatusCode::BAD_REQUEST, why);
        }
    };
    let Some(found) = state.reads.incidents.one(id.to_owned()).await? else {
        return refuse(StatusCode::NOT_FOUND, "What this link was for is no longer known.");
    };
    if link.revision != found.reopened.to_string() {
        let why = "It was over, and has come back since this link was made; use that of the last message.";
        return refuse(StatusCode::CONFLICT, why);
    }
    if found.state == IncidentState::Resolved && link.act != Act::Note {
        return refuse(StatusCode::CONFLICT, "It is over already.");
    }
    if link.act == Act::Acknowledge
        && found.state == IncidentState::Acknowledged
        && found.snoozed_until.is_none()
    {
        let who = found.acknowledged_by.as_deref().unwrap_or("Somebody");
        return refuse(StatusCode::CONFLICT, &format!("{who} has it already."));
    }
    Ok(Ok((link, found)))
}

fn is_of_incidents(act: Act) -> bool {
    match act {
        Act::Acknowledge | Act::Snooze | Act::Assign | Act::Note | Act::Merge | Act::Resolve => true,
        Act::Approve | Act::Reject | Act::Silence | Act::StandIn => false,
    }
}

/// What a form asks for.
fn asked(act: Act, params: &Params, now: Timestamp) -> Result<IncidentAct, &'static str> {
    let text = |name: &str, max: usize| {
        let text = params.get(name).map(str::trim).filter(|text| !text.is_empty());
        text.map(|text| text.chars().take(max).collect::<String>())
    };
    Ok(match act {
        Act::Snooze => {
            let span = params.get("for").and_then(|text| parse_duration(text).ok());
            let span = span.filter(|span| !span.is_zero()).ok_or("Say for how long.")?;
            IncidentAct::Snooze { until: now.plus(span) }
        }
        Act::Assign => IncidentAct::Assign { to: text("assignee", NAME_MAX).ok_or("Say to whom.")? },
        Act::Note => IncidentAct::Note { text: text("text", NOTE_MAX).ok_or("The note is empty.")? },
        Act::Merge => IncidentAct::Merge { into: text("into", NAME_MAX).ok_or("Say into which.")? },
        Act::Resolve => IncidentAct::Resolve,
        _ => IncidentAct::Acknowledge,
    })
}

/// Who acts: on our own screens who looks at them; by a link whoever says so, and to whom it was sent.
fn who(link: &Link, params: &Params) -> String {
    if link.number == OWN {
        return link.recipient.clone();
    }
    match params.get("by").map(str::trim).filter(|name| !name.is_empty()) {
        Some(name) => {
            let name: String = name.chars().filter(|c| !c.is_control()).take(NAME_MAX / 2).collect();
            format!("{name} (by a link to {})", link.recipient)
        }
        None => format!("a link to {}", link.recipient),
    }
}

fn own_link(seen: &Seen<'_>, act: Act) -> Link {
    Link {
        act,
        subject: seen.incident.id.clone(),
        revision: seen.incident.reopened.to_string(),
        recipient: seen.principal.person().to_owned(),
        expires_at: seen.now.plus(BUTTONS_LIFE),
        number: OWN.to_owned(),
    }
}

fn form(state: &State, link: &Link, content: &Markup) -> Markup {
    let fields = state.links.as_ref().map(|links| links.fields(link)).unwrap_or_default();
    html! {
        form method="post" action={ "/ui/links/incidents/" (link.subject) } {
            @for (name, value) in &fields { input type="hidden" name=(name) value=(value); }
            (content)
        }
    }
}

fn spans() -> Markup {
    html! {
        select name="for" aria-label="for how long" {
            @for (value, says) in SPANS { option value=(value) selected[value == "1h"] { (says) } }
        }
    }
}

fn word(act: Act) -> &'static str {
    match act {
        Act::Snooze => "Snooze",
        Act::Assign => "Assign",
        Act::Note => "Note",
        Act::Merge => "Merge",
        Act::Resolve => "Resolve",
        _ => "Acknowledge",
    }
}

fn would(act: Act) -> &'static str {
    match act {
        Act::Snooze => "You put it off: nobody hears of it until then, unless it gets graver or is over.",
        Act::Resolve => "You end it by hand: alerts that fire on are quiet until something is new.",
        Act::Acknowledge => {
            "You take it on: no repeats and no further steps of the escalation. Its end is told."
        }
        Act::Assign => "It becomes theirs.",
        Act::Note => "What you write stands on its timeline.",
        _ => "It becomes part of the other one, and is quiet by itself.",
    }
}

fn done(act: Act) -> &'static str {
    match act {
        Act::Snooze => "It is put off.",
        Act::Assign => "It is assigned.",
        Act::Note => "It is written down.",
        Act::Merge => "It is merged.",
        Act::Resolve => "It is ended.",
        _ => "You have it.",
    }
}

fn refusal(state: &State, status: StatusCode, why: &str) -> Response {
    let content = html! { div.notice role="alert" { b { "Nothing was done. " } (why) } };
    let mut response = screen(state, "Nothing was done", &content);
    *response.status_mut() = status;
    response
}

fn screen(state: &State, title: &str, content: &Markup) -> Response {
    page(state, &Frame { title, here: HERE, renew_secs: None }, content)
}

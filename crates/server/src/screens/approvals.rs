//! `/ui/approvals`: what waits for persons, each with exactly what would happen; and the screens that signed links
//! open.
//!
//! Opening a link never acts. What acts is the POST of its screen's form, which carries the link itself: nothing
//! else is asked of who sends it, so a browser's form is enough.

use super::layout::{Frame, page};
use super::words::{ago, for_};
use crate::api::{Params, Refused};
use crate::links::{Act, BadLink, Link};
use crate::seam::Failure;
use crate::state::State;
use axum::extract::{Path, State as Given};
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use model::Timestamp;
use serde_json::Value;
use std::sync::Arc;
use tasks::approval::{Approval, ApprovalStatus, Difference, Rank, Say, Voter};

/// Approvals of each list; further ones are only counted.
const ROWS: usize = 50;
/// How much of a payload is shown.
const PAYLOAD_MAX: usize = 64 << 10;
const HERE: &str = "/ui/approvals";

pub(crate) async fn approvals(Given(state): Given<Arc<State>>) -> Result<Response, Refused> {
    let (pending, total) = state.reads.approvals.pending(ROWS).await?;
    let history = state.reads.approvals.history(ROWS).await?;
    let now = state.clock.now();
    let content = html! {
        section {
            h2 { "Waits for an approval" @if total > 0 { span.count { (total) } } }
            div.panel {
                @if pending.is_empty() { p.none { "Nothing." } }
                ul.rows { @for one in &pending { (row(one, now)) } }
                @if total > pending.len() { p.none { "and " (total - pending.len()) " more" } }
            }
        }
        section {
            h2 { "Decided" }
            div.panel {
                @if history.is_empty() { p.none { "Nothing yet." } }
                ul.rows { @for one in &history { (row(one, now)) } }
            }
        }
    };
    Ok(screen(&state, "Approvals", &content))
}

pub(crate) async fn approval(
    Given(state): Given<Arc<State>>,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    let found = state.reads.approvals.one(id.clone()).await?;
    let found = found.ok_or_else(|| Failure::NotFound(format!("Approval {id} not found")))?;
    let content = html! {
        (what(&found, state.clock.now()))
        @if !found.is_decided() {
            section {
                h2 { "To decide" }
                div.panel {
                    p { "On the command line: " code { "tocsin approve " (found.asked.id) } " or "
                        code { "tocsin approve " (found.asked.id) " --reject --reason \"...\"" } "." }
                    p.soft { "By HTTP: POST /approvals/" (found.asked.id) "/approve or /reject. Whoever was sent a signed link decides by it." }
                }
            }
        }
    };
    Ok(screen(&state, "Approval", &content))
}

/// Shows what a link would do.
pub(crate) async fn open_link(
    Given(state): Given<Arc<State>>,
    Path(id): Path<String>,
    params: Result<Params, Refused>,
) -> Result<Response, Refused> {
    let (link, found) = match check(&state, &id, &params?).await? {
        Ok(good) => good,
        Err(refused) => return Ok(refused),
    };
    let word = if link.act == Act::Reject { "Reject" } else { "Approve" };
    let fields = state.links.as_ref().map(|links| links.fields(&link)).unwrap_or_default();
    let content = html! {
        (what(&found, state.clock.now()))
        section {
            h2 { (word) " as " (link.recipient) }
            div.panel {
                form method="post" action={ "/ui/links/approvals/" (id) } {
                    @for (name, value) in &fields { input type="hidden" name=(name) value=(value); }
                    p { input type="text" name="reason" maxlength="500" aria-label="reason" placeholder="why (optional)"; }
                    p { button { (word) } }
                }
                p.soft { "Nothing has happened yet. This link works once, until " (link.expires_at.rfc3339()) "." }
            }
        }
    };
    Ok(screen(&state, "Approval", &content))
}

/// Does what a link is for.
pub(crate) async fn use_link(
    Given(state): Given<Arc<State>>,
    Path(id): Path<String>,
    params: Result<Params, Refused>,
) -> Result<Response, Refused> {
    let params = params?;
    let (link, _) = match check(&state, &id, &params).await? {
        Ok(good) => good,
        Err(refused) => return Ok(refused),
    };
    let voter = Voter { name: link.recipient.clone(), rank: Rank::Operator, link: Some(link.number) };
    let reason = params.get("reason").map(|text| text.chars().take(500).collect());
    let say = Say { reason, hash: Some(link.revision), payload: None };
    let done = match link.act {
        Act::Reject => state.reads.approvals.reject(id, voter, say).await,
        _ => state.reads.approvals.approve(id, voter, say).await,
    };
    let found = match done {
        Ok(found) => found,
        Err(Failure::Conflict(why)) => return Ok(refusal(&state, StatusCode::CONFLICT, &why)),
        Err(Failure::Forbidden(why)) => return Ok(refusal(&state, StatusCode::FORBIDDEN, &why)),
        Err(other) => return Err(other.into()),
    };
    let done = match (link.act, found.is_decided()) {
        (Act::Reject, _) => "Rejected",
        (_, true) => "Approved",
        (_, false) => "Your approval is recorded; others must agree too",
    };
    let content = html! {
        div.notice role="status" { b { (done) } ", as " (link.recipient) "." }
        (what(&found, state.clock.now()))
    };
    Ok(screen(&state, done, &content))
}

/// The link and its approval, or the screen that says why it is no good. Whether its number was used is looked at
/// here for a clear word; that it acts once is kept by the approval itself.
async fn check(
    state: &State,
    id: &str,
    params: &Params,
) -> Result<Result<(Link, Arc<Approval>), Response>, Refused> {
    let refuse = |status, why: &str| Ok(Err(refusal(state, status, why)));
    let now = state.clock.now();
    let read = state.links.as_ref().map(|links| links.read(id, |name| params.get(name), now));
    let link = match read {
        Some(Ok(link)) if matches!(link.act, Act::Approve | Act::Reject) => link,
        Some(Err(BadLink::Expired)) => return refuse(StatusCode::GONE, "This link has expired."),
        None | Some(Ok(_) | Err(BadLink::Forged)) => {
            return refuse(
                StatusCode::BAD_REQUEST,
                "This link is not one of ours, or a part of it is missing or changed.",
            );
        }
    };
    let Some(found) = state.reads.approvals.one(id.to_owned()).await? else {
        return refuse(StatusCode::NOT_FOUND, "What this link was for is no longer known.");
    };
    if found.is_used(&link.number) {
        return refuse(StatusCode::CONFLICT, "This link was used already.");
    }
    if found.is_decided() {
        return refuse(
            StatusCode::CONFLICT,
            &format!("This is decided already: {}.", found.status().as_str()),
        );
    }
    if found.asked.hash != link.revision {
        let why = "What was to be approved was changed after this link was made; ask for a new one.";
        return refuse(StatusCode::CONFLICT, why);
    }
    Ok(Ok((link, found)))
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

fn row(one: &Approval, now: Timestamp) -> Markup {
    let asked = &one.asked;
    html! {
        li {
            span class={ "dot " (dot(one.status())) } {}
            span.what { a href={ "/ui/approvals/" (asked.id) } { (asked.priority) " " (asked.task_type) " " (asked.title) } }
            span.fig {
                @match one.decided_at() {
                    None => (for_(asked.requested_at, now)),
                    Some(at) => { (one.status().as_str()) " " (ago(at, now)) },
                }
            }
            span.more { "asked by " (asked.requested_by) ": " (asked.reason)
                @if !one.decided_by().is_empty() { "; " (one.status().as_str()) " by " (one.decided_by().join(", ")) } }
        }
    }
}

fn dot(status: ApprovalStatus) -> &'static str {
    match status {
        ApprovalStatus::Pending => "due",
        ApprovalStatus::Approved => "up",
        ApprovalStatus::Rejected | ApprovalStatus::Timeout => "down",
    }
}

/// Everything about one: what exactly would happen, who asked, who said what.
fn what(one: &Approval, now: Timestamp) -> Markup {
    let asked = &one.asked;
    html! {
        div.verdict {
            h1 { (asked.priority) " " (asked.task_type) @if !asked.title.is_empty() { ": " (asked.title) } }
            p.num { (one.status().as_str()) " · " (one.counted().count()) " of " (asked.quorum) " approvals" }
        }
        section {
            h2 { "What would happen" }
            div.panel {
                @if let Some(step) = &asked.step { p { "Step " b { (step.id) } " of a pipeline runs " code { (asked.task_type) } " with:" } }
                pre { (pretty(&asked.payload)) }
                p.soft.mono { "revision " (asked.hash) }
            }
        }
        @if !one.edits.is_empty() {
            section {
                h2 { "Edited" }
                div.panel { ul.rows { @for edit in &one.edits {
                    li {
                        span.what { (edit.by) } span.fig { (ago(edit.at, now)) }
                        span.more.mono { @for place in &edit.diff { (difference(place)) } }
                    }
                } } }
            }
        }
        section {
            h2 { "Who" }
            div.panel { ul.rows {
                li { span.what { "asked by " (asked.requested_by) } span.fig { (ago(asked.requested_at, now)) } span.more { (asked.reason) } }
                @if !asked.approvers.is_empty() { li { span.what { "may decide" } span.more { (asked.approvers.join(", ")) } } }
                @for one in &one.delegations {
                    li { span.what { (one.from) " lets " (one.to) " decide" } span.more { "until " (one.until.rfc3339()) } }
                }
                @for vote in &one.votes {
                    li {
                        span.what { "approved by " (vote.by) @if vote.seat != vote.by { " for " (vote.seat) } }
                        span.fig { (ago(vote.at, now)) }
                        span.more {
                            @if vote.hash != asked.hash { "before an edit: does not count. " }
                            (vote.reason.as_deref().unwrap_or(""))
                        }
                    }
                }
                @match one.decided_at() {
                    None => li { span.what { "runs out" } span.more { (asked.expires_at.rfc3339()) ", then: " (asked.on_expiry.as_str()) } },
                    Some(at) => li {
                        span.what { (one.status().as_str()) @if !one.decided_by().is_empty() { " by " (one.decided_by().join(", ")) } }
                        span.fig { (ago(at, now)) }
                        span.more { (one.decided_why().unwrap_or("")) }
                    },
                }
            } }
        }
    }
}

fn pretty(payload: &Value) -> String {
    let mut text = serde_json::to_string_pretty(payload).unwrap_or_default();
    if text.len() > PAYLOAD_MAX {
        let cut = (0..=PAYLOAD_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(cut);
        text.push_str("\n... (longer than is shown here; GET /approvals/ID has all of it)");
    }
    text
}

fn difference(place: &Difference) -> Markup {
    let text = |value: &Option<Value>| value.as_ref().map_or_else(|| "nothing".to_owned(), Value::to_string);
    html! { div { (place.path) ": " (text(&place.before)) " → " (text(&place.after)) } }
}

//! Deciding: yes, no, in whose place, and by which links.

use super::show::utc;
use super::voter;
use crate::api::body::Raw;
use crate::api::object::Body;
use crate::api::{Params, Refused, once};
use crate::auth::Principal;
use crate::links::{Act, Link};
use crate::seam::{ApprovalAct, Failure};
use crate::state::State;
use axum::Extension;
use axum::extract::{Path, RawQuery, State as Given};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;
use rand::Rng;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tasks::approval::{Approval, Say};

/// The longest reason, name and hash that are taken.
const REASON_MAX: usize = 2_000;
const NAME_MAX: usize = 100;
/// How long a link holds unless it is said: no longer than its approval in any case.
const LINK_LIFE: Duration = Duration::from_secs(86_400);

/// An optional object `{reason, payload, hash}`; with a payload, that is approved instead.
pub(crate) async fn approve(
    Given(state): Given<Arc<State>>,
    Path(id): Path<String>,
    request: once::Request,
    given: Result<Raw, Refused>,
) -> Result<Response, Refused> {
    let given = given?.0;
    let mut body = Body::read(&given, &["reason", "payload", "hash"])?;
    let say = Say {
        reason: body.text("reason", REASON_MAX)?,
        hash: body.text("hash", NAME_MAX)?,
        payload: body.any("payload"),
    };
    decide(&state, id, request, &given, ApprovalAct::Approve(say), |name| format!("Approved by {name}")).await
}

/// The reason stands in the query or in an optional object `{reason, hash}`.
pub(crate) async fn reject(
    Given(state): Given<Arc<State>>,
    Path(id): Path<String>,
    request: once::Request,
    RawQuery(query): RawQuery,
    given: Result<Raw, Refused>,
) -> Result<Response, Refused> {
    let given = given?.0;
    let mut body = Body::read(&given, &["reason", "hash"])?;
    let asked = Params::of_query(query.as_deref().unwrap_or(""));
    let reason = match body.text("reason", REASON_MAX)? {
        Some(reason) => Some(reason),
        None => asked.get("reason").map(|text| text.chars().take(REASON_MAX).collect()),
    };
    let say = Say { reason, hash: body.text("hash", NAME_MAX)?, payload: None };
    decide(&state, id, request, &given, ApprovalAct::Reject(say), |name| format!("Rejected by {name}")).await
}

/// `{to, until}`.
pub(crate) async fn delegate(
    Given(state): Given<Arc<State>>,
    Path(id): Path<String>,
    request: once::Request,
    given: Result<Raw, Refused>,
) -> Result<Response, Refused> {
    let given = given?.0;
    let mut body = Body::read(&given, &["to", "until"])?;
    let (to, until) = (body.needed_text("to", NAME_MAX)?, body.needed_instant("until")?);
    let message = {
        let to = to.clone();
        move |name: &str| format!("{to} may decide in place of {name} until {}", utc(until))
    };
    decide(&state, id, request, &given, ApprovalAct::Delegate { to, until }, message).await
}

async fn decide(
    state: &State,
    id: String,
    request: once::Request,
    given: &[u8],
    act: ApprovalAct,
    message: impl FnOnce(&str) -> String,
) -> Result<Response, Refused> {
    let voter = voter(&request.3);
    let message = message(&voter.name);
    let answer = move |approval: &Arc<Approval>| (StatusCode::OK, decided(approval, &message));
    let asked = once::asked(&request, given, answer)?;
    Ok(once::answer(state.reads.approvals.act(id, voter, act, asked).await?))
}

/// `{recipient, expires_seconds?}`: two links, for that person only.
pub(crate) async fn links(
    Given(state): Given<Arc<State>>,
    Path(id): Path<String>,
    Extension(principal): Extension<Principal>,
    body: Result<Raw, Refused>,
) -> Result<Response, Refused> {
    let mut body = Body::read(&body?.0, &["recipient", "expires_seconds"])?;
    let recipient = body.needed_text("recipient", NAME_MAX)?;
    let life = body.seconds("expires_seconds")?.unwrap_or(LINK_LIFE);
    let Some(links) = &state.links else {
        return Err(Failure::Unavailable("no secret is set to sign links with".to_owned()).into());
    };
    let approval = state.reads.approvals.mint(id, voter(&principal), recipient.clone()).await?;
    let asked = &approval.asked;
    let expires_at = state.clock.now().plus(life).min(asked.expires_at);
    let path = format!("/ui/links/approvals/{}", asked.id);
    let url = |act: Act| {
        let link = Link {
            act,
            subject: asked.id.clone(),
            revision: asked.hash.clone(),
            recipient: recipient.clone(),
            expires_at,
            number: number(),
        };
        links.url(&path, &link)
    };
    let body = json!({
        "success": true,
        "approval_id": asked.id,
        "recipient": recipient,
        "expires_at": utc(expires_at),
        "approve_url": url(Act::Approve),
        "reject_url": url(Act::Reject),
    });
    Ok(axum::Json(body).into_response())
}

/// 128 random bits.
fn number() -> String {
    let mut bytes = [0u8; 16];
    rand::rng().fill_bytes(&mut bytes);
    HEXLOWER.encode(&bytes)
}

fn decided(approval: &Approval, message: &str) -> Value {
    let asked = &approval.asked;
    json!({
        "success": true,
        "approval_id": asked.id,
        "message": message,
        "status": approval.status().as_str(),
        "approvals": approval.counted().count(),
        "quorum": asked.quorum,
        "hash": asked.hash,
    })
}

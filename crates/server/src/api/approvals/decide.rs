//! Deciding: yes, no, in whose place, and by which links.

use super::body::Body;
use super::show::utc;
use super::voter;
use crate::api::body::Raw;
use crate::api::{Params, Refused};
use crate::auth::Principal;
use crate::links::{Act, Link};
use crate::seam::Failure;
use crate::state::State;
use axum::Extension;
use axum::extract::{Path, RawQuery, State as Given};
use axum::response::{IntoResponse, Response};
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
    Extension(principal): Extension<Principal>,
    body: Result<Raw, Refused>,
) -> Result<Response, Refused> {
    let mut body = Body::read(&body?.0, &["reason", "payload", "hash"])?;
    let say = Say {
        reason: body.text("reason", REASON_MAX)?,
        hash: body.text("hash", NAME_MAX)?,
        payload: body.any("payload"),
    };
    let name = principal.name.clone();
    let approval = state.reads.approvals.approve(id, voter(principal), say).await?;
    Ok(decided(&approval, &format!("Approved by {name}")))
}

/// The reason stands in the query or in an optional object `{reason, hash}`.
pub(crate) async fn reject(
    Given(state): Given<Arc<State>>,
    Path(id): Path<String>,
    Extension(principal): Extension<Principal>,
    RawQuery(query): RawQuery,
    body: Result<Raw, Refused>,
) -> Result<Response, Refused> {
    let mut body = Body::read(&body?.0, &["reason", "hash"])?;
    let asked = Params::of_query(query.as_deref().unwrap_or(""));
    let reason = match body.text("reason", REASON_MAX)? {
        Some(reason) => Some(reason),
        None => asked.get("reason").map(|text| text.chars().take(REASON_MAX).collect()),
    };
    let say = Say { reason, hash: body.text("hash", NAME_MAX)?, payload: None };
    let name = principal.name.clone();
    let approval = state.reads.approvals.reject(id, voter(principal), say).await?;
    Ok(decided(&approval, &format!("Rejected by {name}")))
}

/// `{to, until}`.
pub(crate) async fn delegate(
    Given(state): Given<Arc<State>>,
    Path(id): Path<String>,
    Extension(principal): Extension<Principal>,
    body: Result<Raw, Refused>,
) -> Result<Response, Refused> {
    let mut body = Body::read(&body?.0, &["to", "until"])?;
    let (to, until) = (body.needed_text("to", NAME_MAX)?, body.needed_instant("until")?);
    let message = format!("{to} may decide in place of {} until {}", principal.name, utc(until));
    let approval = state.reads.approvals.delegate(id, voter(principal), to, until).await?;
    Ok(decided(&approval, &message))
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
    let approval = state.reads.approvals.mint(id, voter(principal), recipient.clone()).await?;
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
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn decided(approval: &Approval, message: &str) -> Response {
    let asked = &approval.asked;
    let body: Value = json!({
        "success": true,
        "approval_id": asked.id,
        "message": message,
        "status": approval.status().as_str(),
        "approvals": approval.counted().count(),
        "quorum": asked.quorum,
        "hash": asked.hash,
    });
    axum::Json(body).into_response()
}

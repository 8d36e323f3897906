//! Who is called when something happens.

use crate::api::body::Raw;
use crate::api::tasks::{Fields, Unknown, object};
use crate::api::{Refused, once};
use crate::auth::Principal;
use crate::seam::Failure;
use crate::state::State;
use axum::Extension;
use axum::extract::{Path, State as Given};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::sync::Arc;
use tasks::events::{NewSubscription, Subscription};

/// The longest URL and secret, in characters.
const TEXT_MAX: usize = 2_000;
/// The most types that one names.
const TYPES_MAX: usize = 64;

type Answer = Result<Response, Refused>;

/// `POST /events/subscriptions`: `{url, types?, secret?}`.
pub(in crate::api) async fn subscribe(
    Given(state): Given<Arc<State>>,
    request: once::Request,
    body: Result<Raw, Refused>,
) -> Answer {
    let body = body?.0;
    let mut fields = Fields::new(object(&body)?);
    let new = NewSubscription {
        url: fields.needed_text("url", 1..=TEXT_MAX),
        types: fields.texts("types", TYPES_MAX),
        secret: fields.text("secret", 16..=TEXT_MAX),
    };
    fields.finish(Unknown::Refused)?;
    let asked = once::asked(&request, &body, |made| (StatusCode::CREATED, shown(made)))?;
    let Extension(by) = request.3;
    Ok(once::answer(state.reads.events.subscribe(new, by.name, asked).await?))
}

/// `GET /events/subscriptions`.
pub(in crate::api) async fn subscriptions(Given(state): Given<Arc<State>>) -> Answer {
    let all = state.reads.events.subscriptions().await?;
    let items: Vec<Value> = all.iter().map(shown).collect();
    Ok(axum::Json(json!({"items": items, "total": items.len()})).into_response())
}

/// `DELETE /events/subscriptions/{id}`.
pub(in crate::api) async fn unsubscribe(
    Given(state): Given<Arc<State>>,
    Extension(by): Extension<Principal>,
    Path(id): Path<String>,
) -> Answer {
    if !state.reads.events.unsubscribe(id.clone(), by.name).await? {
        return Err(Failure::NotFound(format!("Subscription {id} not found")).into());
    }
    Ok(axum::Json(json!({"success": true, "id": id})).into_response())
}

/// Everything but the secret.
fn shown(one: &Subscription) -> Value {
    json!({
        "id": one.id,
        "url": one.url,
        "types": one.types,
        "signed": one.secret.is_some(),
        "created_by": one.created_by,
        "created_at": one.created_at.rfc3339(),
        "waiting": one.waiting,
        "delivered": one.delivered.done,
        "failed": one.delivered.failed,
        "dropped": one.delivered.dropped,
    })
}

//! The agents.

use crate::api::auth::revoke_all_of;
use crate::api::body::{Params, Raw};
use crate::api::tasks::{Fields, OFFSET_MAX, Unknown, object};
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
use tasks::agents::{Agent, NewAgent, Role, Update};

/// The longest name and scope, in characters; the most scopes.
const NAME_MAX: usize = 100;
const SCOPES_MAX: usize = 64;
/// The longest URL, in characters.
const URL_MAX: usize = 2_000;
/// Agents on one page, and where nobody says.
const PAGE_MAX: u64 = 200;
const PAGE: u64 = 50;

type Answer = Result<Response, Refused>;

/// `POST /agents/`: `{name, scopes, role?, webhook_url?}`.
pub(in crate::api) async fn create(
    Given(state): Given<Arc<State>>,
    request: once::Request,
    body: Result<Raw, Refused>,
) -> Answer {
    let body = body?.0;
    let mut fields = Fields::new(object(&body)?);
    let role = fields.text("role", 1..=20);
    let new = NewAgent {
        name: fields.needed_text("name", 1..=NAME_MAX),
        scopes: fields.texts("scopes", SCOPES_MAX),
        role: role.as_deref().and_then(Role::parse),
        webhook_url: fields.text("webhook_url", 1..=URL_MAX),
    };
    fields.finish(Unknown::Refused)?;
    known_role(role.as_deref(), new.role)?;
    let asked = once::asked(&request, &body, |agent| (StatusCode::CREATED, shown(agent)))?;
    let Extension(by) = request.3;
    Ok(once::answer(state.reads.agents.create(new, by.name, asked).await?))
}

/// `GET /agents/?name_filter=&scope_filter=&limit=&offset=`: a list, newest first.
pub(in crate::api) async fn agents(Given(state): Given<Arc<State>>, params: Params) -> Answer {
    let limit = params.number("limit", 1, PAGE_MAX, PAGE)? as usize;
    let offset = params.number("offset", 0, OFFSET_MAX, 0)? as usize;
    let name = params.get("name_filter").unwrap_or("").to_owned();
    let scope = params.get("scope_filter").map(str::to_owned);
    let agents = state.reads.agents.agents(name, scope).await?;
    let page: Vec<Value> = agents.iter().skip(offset).take(limit).map(shown).collect();
    Ok(axum::Json(page).into_response())
}

/// `GET /agents/{id}`.
pub(in crate::api) async fn agent(Given(state): Given<Arc<State>>, Path(id): Path<String>) -> Answer {
    let agent = state.reads.agents.agent(id.clone()).await?.ok_or_else(|| not_found(&id))?;
    Ok(axum::Json(shown(&agent)).into_response())
}

/// `PUT /agents/{id}`: fields that are absent stay.
pub(in crate::api) async fn update(
    Given(state): Given<Arc<State>>,
    Extension(by): Extension<Principal>,
    Path(id): Path<String>,
    body: Result<Raw, Refused>,
) -> Answer {
    let mut fields = Fields::new(object(&body?.0)?);
    let role = fields.text("role", 1..=20);
    let unset = fields.is_null("webhook_url");
    let narrowed = fields.has("scopes");
    let scopes = fields.texts("scopes", SCOPES_MAX);
    let update = Update {
        name: fields.text("name", 1..=NAME_MAX),
        scopes: narrowed.then_some(scopes),
        role: role.as_deref().and_then(Role::parse),
        webhook_url: match fields.text("webhook_url", 1..=URL_MAX) {
            None if unset => Some(None),
            None => None,
            url => Some(url),
        },
    };
    fields.finish(Unknown::Refused)?;
    known_role(role.as_deref(), update.role)?;
    let narrows = update.role.is_some() || update.scopes.is_some();
    let agent = state.reads.agents.update(id.clone(), update, by.name.clone()).await?;
    if narrows && agent.is_some() {
        // What its tokens say is no longer so; with its secret it gets others.
        revoke_all_of(&state, &id, &by.name, "agent_changed").await?;
    }
    Ok(axum::Json(shown(&agent.ok_or_else(|| not_found(&id))?)).into_response())
}

/// `DELETE /agents/{id}`.
pub(in crate::api) async fn delete_agent(
    Given(state): Given<Arc<State>>,
    Extension(by): Extension<Principal>,
    Path(id): Path<String>,
) -> Answer {
    let gone = state.reads.agents.delete(id.clone(), by.name.clone()).await?;
    let gone = gone.ok_or_else(|| not_found(&id))?;
    revoke_all_of(&state, &gone.id, &by.name, "agent_deleted").await?;
    let details = json!({"agent_id": gone.id, "agent_name": gone.name});
    let body = json!({"success": true, "message": "Agent deleted successfully", "details": details});
    Ok(axum::Json(body).into_response())
}

/// `POST /agents/{id}/credentials`: the secret is in this answer and nowhere else.
pub(in crate::api) async fn credentials(
    Given(state): Given<Arc<State>>,
    Extension(by): Extension<Principal>,
    Path(id): Path<String>,
) -> Answer {
    let secret = state.reads.agents.renew_secret(id.clone(), by.name.clone()).await?;
    let secret = secret.ok_or_else(|| not_found(&id))?;
    revoke_all_of(&state, &id, &by.name, "secret_renewed").await?;
    Ok(axum::Json(json!({
        "agent_id": id,
        "agent_secret": secret,
        "message": "Agent credentials created successfully; the secret is not shown again",
    }))
    .into_response())
}

fn known_role(word: Option<&str>, role: Option<Role>) -> Result<(), Refused> {
    match (word, role) {
        (Some(word), None) => {
            let what = format!("{word:?} is not one of user, agent, operator, admin");
            Err(Refused::value("role", what))
        }
        _ => Ok(()),
    }
}

fn not_found(id: &str) -> Refused {
    Failure::NotFound(format!("Agent {id} not found")).into()
}

fn shown(agent: &Agent) -> Value {
    json!({
        "id": agent.id,
        "name": agent.name,
        "scopes": agent.scopes,
        "role": agent.role.as_str(),
        "webhook_url": agent.webhook_url,
        "has_secret": agent.has_secret(),
        "created_at": agent.created_at.rfc3339(),
    })
}

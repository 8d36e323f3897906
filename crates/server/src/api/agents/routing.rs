//! Which agent a type of task goes to.

use crate::api::Refused;
use crate::api::body::{Params, Raw};
use crate::api::tasks::{Fields, Unknown, object};
use crate::auth::Principal;
use crate::seam::Failure;
use crate::state::State;
use axum::Extension;
use axum::extract::{Path, State as Given};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::sync::Arc;
use tasks::agents::Rule;

/// The longest type and agent, in characters.
const NAME_MAX: usize = 100;

type Answer = Result<Response, Refused>;

/// `GET /agents/routing`.
pub(in crate::api) async fn rules(Given(state): Given<Arc<State>>) -> Answer {
    let rules = state.reads.agents.rules().await?;
    let rules: Vec<Value> = rules.iter().map(shown).collect();
    Ok(axum::Json(json!({"rules": rules, "total": rules.len()})).into_response())
}

/// `PUT /agents/routing`: `{type, agent}`.
pub(in crate::api) async fn set_rule(
    Given(state): Given<Arc<State>>,
    Extension(by): Extension<Principal>,
    body: Result<Raw, Refused>,
) -> Answer {
    let mut fields = Fields::new(object(&body?.0)?);
    let type_ = fields.needed_text("type", 1..=NAME_MAX);
    let agent = fields.needed_text("agent", 1..=NAME_MAX);
    fields.finish(Unknown::Refused)?;
    set(&state, type_, agent, by).await
}

/// `PUT /agents/routing/{type}`: `{agent}`.
pub(in crate::api) async fn set_rule_named(
    Given(state): Given<Arc<State>>,
    Extension(by): Extension<Principal>,
    Path(type_): Path<String>,
    body: Result<Raw, Refused>,
) -> Answer {
    let mut fields = Fields::new(object(&body?.0)?);
    let agent = fields.needed_text("agent", 1..=NAME_MAX);
    fields.finish(Unknown::Refused)?;
    set(&state, type_, agent, by).await
}

/// `DELETE /agents/routing?type=`.
pub(in crate::api) async fn remove_rule(
    Given(state): Given<Arc<State>>,
    Extension(by): Extension<Principal>,
    params: Params,
) -> Answer {
    let Some(type_) = params.get("type") else {
        return Err(Refused::query("type", "it is missing"));
    };
    remove(&state, type_.to_owned(), by).await
}

/// `DELETE /agents/routing/{type}`.
pub(in crate::api) async fn remove_rule_named(
    Given(state): Given<Arc<State>>,
    Extension(by): Extension<Principal>,
    Path(type_): Path<String>,
) -> Answer {
    remove(&state, type_, by).await
}

async fn set(state: &State, type_: String, agent: String, by: Principal) -> Answer {
    let type_ = state.reads.agents.set_rule(type_, agent.clone(), by.name).await?;
    Ok(axum::Json(json!({"success": true, "type": type_, "agent": agent})).into_response())
}

async fn remove(state: &State, type_: String, by: Principal) -> Answer {
    if !state.reads.agents.remove_rule(type_.clone(), by.name).await? {
        return Err(Failure::NotFound(format!("Routing rule for {type_} not found")).into());
    }
    Ok(axum::Json(json!({"success": true, "type": type_})).into_response())
}

fn shown(rule: &Rule) -> Value {
    json!({"type": rule.type_, "aliases": rule.aliases, "agent": rule.agent, "custom": rule.custom})
}

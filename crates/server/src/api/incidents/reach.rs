//! `GET /api/v1/silences/preview`: what a silence would mute now.

use crate::api::prometheus::label_object;
use crate::api::{Params, Refused};
use crate::state::State;
use axum::extract::State as Given;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::sync::Arc;

/// Alerts that are listed; further ones are only counted.
const LISTED_MAX: usize = 1000;

pub(crate) async fn preview(
    Given(state): Given<Arc<State>>,
    params: Result<Params, Refused>,
) -> Result<Response, Refused> {
    let params = params?;
    let mut matchers = Vec::new();
    for text in params.all("filter").filter(|text| !text.is_empty()) {
        let read = (state.reads.grammar.matchers)(text);
        matchers.extend(read.map_err(|what| Refused::query("filter", what))?);
    }
    if matchers.is_empty() {
        return Err(Refused::query("filter", "at least one matcher is needed"));
    }
    let texts: Vec<String> = matchers.iter().map(ToString::to_string).collect();
    let reach = state.reads.incidents.reach(matchers).await?;
    let alerts: Vec<Value> = reach.alerts.iter().take(LISTED_MAX).map(label_object).collect();
    let body = json!({
        "matchers": texts,
        "mutes": reach.alerts.len(),
        "firing": reach.firing,
        "broad": reach.broad,
        "alerts": alerts,
    });
    Ok(axum::Json(body).into_response())
}

//! The routes put together: around each its gate, around all the edge.

use crate::api::{ErrorBody, Refused, routes};
use crate::auth::{Need, Way, guard};
use crate::cors::cors;
use crate::edge::edge;
use crate::limits::{Group, Limited};
use crate::state::State;
use axum::Router;
use axum::handler::Handler;
use axum::http::{Method, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use std::sync::Arc;

/// The whole application. A connection's [`crate::auth::Peer`] must be among each request's extensions (as
/// [`crate::serve`] does it), else no request counts as local.
pub fn app(state: Arc<State>) -> Router {
    let mut router = Router::new();
    for route in routes() {
        let limited = Limited::of(&route.method, route.path);
        let way = Way { state: Arc::clone(&state), need: route.need, limited };
        let gate = from_fn_with_state(way, guard);
        router = router.route(route.path, route.answer.route_layer(gate));
    }
    let limited = Some(Limited { group: Group::Others, free_to_people: false });
    let gate = from_fn_with_state(Way { state: Arc::clone(&state), need: Need::Nothing, limited }, guard);
    router
        .fallback(no_route.layer(gate.clone()))
        .method_not_allowed_fallback(no_method.layer(gate))
        .layer(from_fn_with_state(Arc::clone(&state), cors))
        .layer(from_fn_with_state(Arc::clone(&state), edge))
        .with_state(state)
}

/// Every route: its method, its path in axum's form, and what it needs of who is asking.
pub fn table() -> Vec<(Method, &'static str, Need)> {
    routes().into_iter().map(|route| (route.method, route.path, route.need)).collect()
}

/// A plain text, never a screen: clients tell by it which product they speak to.
pub(crate) async fn no_route() -> Response {
    let mut response = (StatusCode::NOT_FOUND, "404 page not found\n").into_response();
    response.extensions_mut().insert(ErrorBody {
        kind: "not_found",
        message: String::new(),
        detail: Value::Null,
        max_size_bytes: None,
        retry_after: None,
        written: true,
    });
    response
}

async fn no_method() -> Response {
    Refused::NoMethod.into_response()
}

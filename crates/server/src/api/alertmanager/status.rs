//! `status` and `receivers`.

use super::receiver::Receivers;
use super::{Error, VERSION};
use crate::api::{Params, Refused};
use crate::state::State;
use axum::extract::State as Given;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::sync::Arc;

pub(crate) async fn status(Given(state): Given<Arc<State>>) -> Response {
    axum::Json(shown(&state).await).into_response()
}

pub(super) async fn shown(state: &State) -> Value {
    let runtime = state.reads.vitals.runtime().await;
    json!({
        "cluster": {"status": "disabled", "peers": []},
        "config": {"original": runtime.alertmanager_config},
        "uptime": runtime.started_at.rfc3339(),
        "versionInfo": {
            "version": VERSION,
            "revision": state.build.revision,
            "branch": state.build.branch,
            "buildUser": format!("tocsin {}", state.build.version),
            "buildDate": "",
            "goVersion": state.build.compiler,
        },
    })
}

pub(crate) async fn receivers(
    Given(state): Given<Arc<State>>,
    params: Result<Params, Refused>,
) -> Result<Response, Error> {
    let wanted = Receivers::read(&state, &params?)?;
    let names = state.reads.monitoring.receivers().await;
    let wanted = names.iter().filter(|name| wanted.wants(name));
    Ok(axum::Json(wanted.map(|name| json!({"name": name})).collect::<Vec<_>>()).into_response())
}

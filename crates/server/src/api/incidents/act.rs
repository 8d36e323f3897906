//! `POST /api/v1/incidents/{id}/...`: take on, put off, give to somebody, write down, merge, end.
//!
//! Each may say who does it (`by`), for keys that several people use; the credential's own name stands beside it.

use super::show;
use crate::api::body::Raw;
use crate::api::object::Body;
use crate::api::{Refused, once};
use crate::auth::Principal;
use crate::seam::By;
use crate::state::State;
use crate::views::{IncidentAct, IncidentView};
use axum::Extension;
use axum::extract::{Path, State as Given};
use axum::http::StatusCode;
use axum::response::Response;
use std::sync::Arc;

/// The longest name and id, and the longest note.
const NAME_MAX: usize = 200;
const NOTE_MAX: usize = 16_000;

type Posted = Result<Raw, Refused>;
type Answered = Result<Response, Refused>;

pub(crate) async fn acknowledge(
    Given(state): Given<Arc<State>>,
    Path(id): Path<String>,
    request: once::Request,
    posted: Posted,
) -> Answered {
    act(&state, id, request, posted, &["by"], |_, _| Ok(IncidentAct::Acknowledge)).await
}

/// `{until}` or `{seconds}`.
pub(crate) async fn snooze(
    Given(state): Given<Arc<State>>,
    Path(id): Path<String>,
    request: once::Request,
    posted: Posted,
) -> Answered {
    let keys = ["until", "seconds", "by"];
    act(&state, id, request, posted, &keys, |body, state| {
        let until = match (body.instant("until")?, body.seconds("seconds")?) {
            (Some(until), None) => until,
            (None, Some(span)) => state.clock.now().plus(span),
            _ => {
                let what = "say until when, or for how many seconds: one of the two is needed";
                return Err(Refused::Shape(vec![("until".to_owned(), what.to_owned())]));
            }
        };
        Ok(IncidentAct::Snooze { until })
    })
    .await
}

/// `{to}`.
pub(crate) async fn assign(
    Given(state): Given<Arc<State>>,
    Path(id): Path<String>,
    request: once::Request,
    posted: Posted,
) -> Answered {
    act(&state, id, request, posted, &["to", "by"], |body, _| {
        Ok(IncidentAct::Assign { to: body.needed_text("to", NAME_MAX)? })
    })
    .await
}

/// `{text}`.
pub(crate) async fn note(
    Given(state): Given<Arc<State>>,
    Path(id): Path<String>,
    request: once::Request,
    posted: Posted,
) -> Answered {
    act(&state, id, request, posted, &["text", "by"], |body, _| {
        Ok(IncidentAct::Note { text: body.needed_text("text", NOTE_MAX)? })
    })
    .await
}

/// `{into}`: the id of another incident.
pub(crate) async fn merge(
    Given(state): Given<Arc<State>>,
    Path(id): Path<String>,
    request: once::Request,
    posted: Posted,
) -> Answered {
    act(&state, id, request, posted, &["into", "by"], |body, _| {
        Ok(IncidentAct::Merge { into: body.needed_text("into", NAME_MAX)? })
    })
    .await
}

pub(crate) async fn resolve(
    Given(state): Given<Arc<State>>,
    Path(id): Path<String>,
    request: once::Request,
    posted: Posted,
) -> Answered {
    act(&state, id, request, posted, &["by"], |_, _| Ok(IncidentAct::Resolve)).await
}

async fn act(
    state: &State,
    id: String,
    request: once::Request,
    posted: Posted,
    keys: &[&str],
    read: impl FnOnce(&mut Body, &State) -> Result<IncidentAct, Refused>,
) -> Answered {
    let posted = posted?.0;
    let mut body = Body::read(&posted, keys)?;
    let act = read(&mut body, state)?;
    let name = name(body.text("by", NAME_MAX)?.as_deref(), &request.3);
    let asked =
        once::asked(&request, &posted, |found: &IncidentView| (StatusCode::OK, show::incident(found)))?;
    let by = By { name, reopened: None };
    Ok(once::answer(state.reads.incidents.act(id, act, by, asked).await?))
}

/// Who did it: the name that was given, with the credential's own, so that nobody passes for another.
pub(super) fn name(given: Option<&str>, Extension(principal): &Extension<Principal>) -> String {
    match given.map(str::trim).filter(|given| !given.is_empty() && *given != principal.person()) {
        Some(given) => format!("{given} ({})", principal.person()),
        None => principal.person().to_owned(),
    }
}

//! `silences` and `silence/{id}`.

use super::terms;
use super::{Error, instant, labels, matchers, parse_json};
use crate::api::body::Raw;
use crate::api::prometheus::label_object;
use crate::api::{Params, Refused, once};
use crate::auth::Principal;
use crate::seam::Failure;
use crate::state::State;
use crate::views::SilenceView;
use axum::Extension;
use axum::extract::{Path, State as Given};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use model::{MatchOp, Matcher, Timestamp};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Matchers of one silence.
const MATCHERS_MAX: usize = 100;
/// Characters of a comment.
const COMMENT_MAX: usize = 10_000;

pub(crate) async fn silences(
    Given(state): Given<Arc<State>>,
    params: Result<Params, Refused>,
) -> Result<Response, Error> {
    let params = params?;
    let now = state.clock.now();
    let filter = matchers(&state, params.all("filter"), "filter")?;
    let (active, pending, expired) =
        (params.switch("active", true)?, params.switch("pending", true)?, params.switch("expired", true)?);
    let mut kept = state.reads.monitoring.silences().await;
    kept.retain(|silence| {
        let wanted = match Phase::of(silence, now) {
            Phase::Active => active,
            Phase::Pending => pending,
            Phase::Expired => expired,
        };
        wanted && passes(silence, &filter)
    });
    kept.sort_by_key(|silence| match Phase::of(silence, now) {
        phase @ Phase::Active => (phase, silence.ends_at.as_millis()),
        phase @ Phase::Pending => (phase, silence.starts_at.as_millis()),
        phase @ Phase::Expired => (phase, -silence.ends_at.as_millis()),
    });
    Ok(axum::Json(kept.iter().map(|s| shown(s, now)).collect::<Vec<_>>()).into_response())
}

pub(crate) async fn silence(
    Given(state): Given<Arc<State>>,
    Path(id): Path<String>,
) -> Result<Response, Error> {
    let kept = state.reads.monitoring.silences().await;
    match kept.iter().find(|silence| silence.id == id) {
        Some(silence) => Ok(axum::Json(shown(silence, state.clock.now())).into_response()),
        None => Err(Failure::NotFound(format!("silence {id:?} not found")).into()),
    }
}

pub(crate) async fn post_silence(
    Given(state): Given<Arc<State>>,
    request: once::Request,
    body: Result<Raw, Refused>,
) -> Result<Response, Error> {
    put(&state, request, &body?.0, Fields::Upstream, |id| json!({"silenceID": id})).await
}

/// Which fields a silence may be asked for with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fields {
    /// Those of Alertmanager.
    Upstream,
    /// Those, and ours.
    Ours,
}

pub(super) async fn put(
    state: &State,
    request: once::Request,
    body: &[u8],
    fields: Fields,
    answer: fn(&str) -> Value,
) -> Result<Response, Error> {
    let Value::Object(posted) = parse_json(body)? else {
        return Err(Refused::BadRequest("the body must be a silence".to_owned()).into());
    };
    let asked = once::asked(&request, body, move |id: &String| (StatusCode::OK, answer(id)))?;
    let Extension(principal) = request.3;
    let mut silence = read(&posted, &principal, state.clock.now())?;
    if fields == Fields::Ours {
        silence.terms = terms::read(&posted)?;
    }
    Ok(once::answer(state.desk.put_silence(silence, principal.name, asked).await?))
}

pub(crate) async fn expire_silence(
    Given(state): Given<Arc<State>>,
    Path(id): Path<String>,
    Extension(principal): Extension<Principal>,
) -> Result<Response, Error> {
    state.desk.expire_silence(id, principal.name).await?;
    Ok(StatusCode::OK.into_response())
}

fn read(posted: &Map<String, Value>, principal: &Principal, now: Timestamp) -> Result<SilenceView, Refused> {
    let starts_at = instant(posted.get("startsAt"), "startsAt")?.unwrap_or(now);
    let ends_at = instant(posted.get("endsAt"), "endsAt")?
        .ok_or_else(|| Refused::Shape(vec![("endsAt".to_owned(), "it is missing".to_owned())]))?;
    if ends_at <= starts_at {
        return Err(Refused::value("endsAt", "it must be after startsAt"));
    }
    if ends_at <= now {
        return Err(Refused::value("endsAt", "it is in the past"));
    }
    let text = |name: &str| posted.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
    let created_by = Some(text("createdBy")).filter(|by| !by.is_empty());
    let comment = match posted.get("comment") {
        Some(Value::String(comment)) => comment.clone(),
        _ => return Err(Refused::Shape(vec![("comment".to_owned(), "say why, in a text".to_owned())])),
    };
    if comment.len() > COMMENT_MAX {
        return Err(Refused::value("comment", format!("it has more than {COMMENT_MAX} bytes")));
    }
    Ok(SilenceView {
        id: text("id"),
        matchers: read_matchers(posted.get("matchers"))?,
        starts_at,
        ends_at,
        updated_at: now,
        created_by: created_by.unwrap_or_else(|| principal.name.clone()),
        comment,
        annotations: labels(posted.get("annotations"), "annotations")?,
        terms: None,
        acts: false,
    })
}

fn read_matchers(value: Option<&Value>) -> Result<Vec<Matcher>, Refused> {
    let list = match value {
        Some(Value::Array(list)) if !list.is_empty() && list.len() <= MATCHERS_MAX => list,
        _ => {
            let what = format!("a list of 1 to {MATCHERS_MAX} matchers is needed");
            return Err(Refused::Shape(vec![("matchers".to_owned(), what)]));
        }
    };
    let mut matchers = Vec::with_capacity(list.len());
    for one in list {
        let text = |name: &str| one.get(name).and_then(Value::as_str);
        let flag = |name: &str, usual: bool| {
            one.get(name).map_or(Some(usual), |v| if v.is_null() { Some(usual) } else { v.as_bool() })
        };
        let (Some(name), Some(value), Some(is_regex), Some(is_equal)) = (
            text("name").filter(|name| !name.is_empty()),
            text("value"),
            flag("isRegex", false),
            flag("isEqual", true),
        ) else {
            let what = "each needs name and value, texts, and may have isRegex and isEqual, true or false";
            return Err(Refused::Shape(vec![("matchers".to_owned(), what.to_owned())]));
        };
        let op = match (is_equal, is_regex) {
            (true, false) => MatchOp::Equal,
            (true, true) => MatchOp::Regex,
            (false, false) => MatchOp::NotEqual,
            (false, true) => MatchOp::NotRegex,
        };
        matchers
            .push(Matcher::new(op, name, value).map_err(|err| Refused::value("matchers", err.to_string()))?);
    }
    let wants_nothing = |m: &Matcher| matches!(m.op(), MatchOp::Equal | MatchOp::Regex) && m.matches("");
    if matchers.iter().all(wants_nothing) {
        let what = "at least one must name a value that is not empty, or the silence would cover everything";
        return Err(Refused::value("matchers", what));
    }
    Ok(matchers)
}

/// Where a silence is; in the order of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Active,
    Pending,
    Expired,
}

impl Phase {
    fn of(silence: &SilenceView, now: Timestamp) -> Phase {
        if silence.ends_at <= now {
            Phase::Expired
        } else if silence.starts_at > now {
            Phase::Pending
        } else {
            Phase::Active
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Phase::Active => "active",
            Phase::Pending => "pending",
            Phase::Expired => "expired",
        }
    }
}

/// A silence passes if each matcher of the filter is one of its own.
fn passes(silence: &SilenceView, filter: &[Matcher]) -> bool {
    let same = |a: &Matcher, b: &Matcher| (a.name(), a.op(), a.value()) == (b.name(), b.op(), b.value());
    filter.iter().all(|wanted| silence.matchers.iter().any(|own| same(own, wanted)))
}

fn shown(silence: &SilenceView, now: Timestamp) -> Value {
    let matchers: Vec<Value> = silence
        .matchers
        .iter()
        .map(|matcher| {
            json!({
                "isEqual": matches!(matcher.op(), MatchOp::Equal | MatchOp::Regex),
                "isRegex": matches!(matcher.op(), MatchOp::Regex | MatchOp::NotRegex),
                "name": matcher.name(),
                "value": matcher.value(),
            })
        })
        .collect();
    json!({
        "id": silence.id,
        "status": {"state": Phase::of(silence, now).as_str()},
        "updatedAt": silence.updated_at.rfc3339(),
        "comment": silence.comment,
        "createdBy": silence.created_by,
        "endsAt": silence.ends_at.rfc3339(),
        "matchers": matchers,
        "startsAt": silence.starts_at.rfc3339(),
        "annotations": label_object(&silence.annotations),
    })
}

/// The list as the first version gives it, with what Alertmanager's silences do not have.
pub(super) async fn all_shown(state: &State) -> Vec<Value> {
    let now = state.clock.now();
    let kept = state.reads.monitoring.silences().await;
    kept.iter().map(|silence| terms::add(shown(silence, now), silence)).collect()
}

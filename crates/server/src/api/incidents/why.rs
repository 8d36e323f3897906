//! `GET /api/v1/why` and `/api/v1/incidents/{id}/why`: the first answer, and in `others` those of other groups and of
//! other alerts that were meant.

use super::{instant, show};
use crate::api::{Params, Refused};
use crate::seam::Failure;
use crate::state::State;
use crate::views::WhyView;
use axum::extract::{Path, State as Given};
use axum::response::{IntoResponse, Response};
use model::{MatchOp, Matcher};
use serde_json::Value;
use std::sync::Arc;

pub(crate) async fn why(
    Given(state): Given<Arc<State>>,
    params: Result<Params, Refused>,
) -> Result<Response, Refused> {
    let params = params?;
    let text = params.get("labels").ok_or_else(|| Refused::query("labels", "it is missing"))?;
    let matchers = meant(&state, text)?;
    let found = state.reads.incidents.why(matchers, instant(&params, "at")?).await?;
    answer(&found, || format!("no alert is known that {text} means"))
}

pub(crate) async fn why_of(
    Given(state): Given<Arc<State>>,
    Path(id): Path<String>,
    params: Result<Params, Refused>,
) -> Result<Response, Refused> {
    let found = state.reads.incidents.why_of(id.clone(), instant(&params?, "at")?).await?;
    answer(&found, || format!("nothing is on record of the alerts of incident {id}"))
}

/// Labels as JSON, or matchers as Alertmanager writes them.
fn meant(state: &State, text: &str) -> Result<Vec<Matcher>, Refused> {
    let bad = |what: String| Refused::query("labels", what);
    let matchers = match serde_json::from_str(text) {
        Ok(Value::Object(labels)) => {
            let equal = |(name, value): (&String, &Value)| {
                let value =
                    value.as_str().ok_or_else(|| bad(format!("the value of {name} must be a text")))?;
                Matcher::new(MatchOp::Equal, name, value).map_err(|why| bad(why.to_string()))
            };
            labels.iter().map(equal).collect::<Result<Vec<_>, _>>()?
        }
        _ => (state.reads.grammar.matchers)(text).map_err(bad)?,
    };
    if matchers.is_empty() { Err(bad("it names no label".to_owned())) } else { Ok(matchers) }
}

fn answer(found: &[WhyView], nothing: impl FnOnce() -> String) -> Result<Response, Refused> {
    let [first, others @ ..] = found else { return Err(Failure::NotFound(nothing()).into()) };
    let mut shown = show::why(first);
    shown["others"] = others.iter().map(show::why).collect();
    Ok(axum::Json(shown).into_response())
}

//! `series`, `labels` and `label/<name>/values`.

use super::params::{limit_param, selectors, span};
use super::{Error, ask, json, success_with};
use crate::api::{Params, Refused};
use crate::state::State;
use crate::views::{LabelsQuery, SeriesQuery};
use axum::extract::{Path, State as Given};
use axum::response::Response;
use serde_json::Value;
use std::sync::Arc;

pub(crate) async fn series(
    Given(state): Given<Arc<State>>,
    params: Result<Params, Refused>,
) -> Result<Response, Error> {
    let params = params?;
    let sets = selectors(&state, &params)?;
    if sets.is_empty() {
        return Err(Error::parameter("match[]", "it is missing: give at least one selector"));
    }
    let (from, to) = span(&params)?;
    let limit = limit_param(&params)?;
    let asked = SeriesQuery { sets, from, to };
    let found = ask(&state, state.limits.query_timeout, move |series, _| series.series(&asked)).await?;
    Ok(cut(found.iter().map(json::label_object), limit))
}

pub(crate) async fn label_names(
    Given(state): Given<Arc<State>>,
    params: Result<Params, Refused>,
) -> Result<Response, Error> {
    let (asked, limit) = labels_query(&state, &params?)?;
    let found = ask(&state, state.limits.query_timeout, move |series, _| series.label_names(&asked)).await?;
    Ok(cut(found.into_iter().map(Value::from), limit))
}

pub(crate) async fn label_values(
    Given(state): Given<Arc<State>>,
    Path(name): Path<String>,
    params: Result<Params, Refused>,
) -> Result<Response, Error> {
    let (asked, limit) = labels_query(&state, &params?)?;
    let name = unescape(&name);
    if name.is_empty() {
        return Err(Error::parameter("name", "it is empty"));
    }
    let found =
        ask(&state, state.limits.query_timeout, move |series, _| series.label_values(&name, &asked)).await?;
    Ok(cut(found.into_iter().map(Value::from), limit))
}

fn labels_query(state: &State, params: &Params) -> Result<(LabelsQuery, usize), Error> {
    let (from, to) = span(params)?;
    Ok((LabelsQuery { sets: selectors(state, params)?, from, to }, limit_param(params)?))
}

fn cut(found: impl ExactSizeIterator<Item = Value>, limit: usize) -> Response {
    if limit == 0 || found.len() <= limit {
        return success_with(&found.collect(), &[]);
    }
    success_with(&found.take(limit).collect(), &["results truncated due to limit".to_owned()])
}

/// A name in the escaped form that old clients send: `U__`, then `__` for an underscore and `_HEX_` for any
/// other character. A name that is not in this form is itself.
fn unescape(name: &str) -> String {
    let whole = || name.to_owned();
    let Some(mut rest) = name.strip_prefix("U__") else { return whole() };
    let mut plain = String::with_capacity(rest.len());
    while let Some(at) = rest.find('_') {
        plain.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let Some(end) = after.find('_') else { return whole() };
        if end == 0 {
            plain.push('_');
        } else {
            match u32::from_str_radix(&after[..end], 16).ok().and_then(char::from_u32) {
                Some(c) => plain.push(c),
                None => return whole(),
            }
        }
        rest = &after[end + 1..];
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::unescape;

    #[test]
    fn escaped_names() {
        for (given, want) in [
            ("job", "job"),
            ("U__http_2e_status", "http.status"),
            ("U__my__name", "my_name"),
            ("U__bad_", "U__bad_"),
            ("U__bad_zz_", "U__bad_zz_"),
            ("U__bad_d800_", "U__bad_d800_"),
        ] {
            assert_eq!(unescape(given), want);
        }
    }
}

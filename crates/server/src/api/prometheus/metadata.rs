//! `metadata` and `targets/metadata`: what metrics are, in the words of who exposes them.

use super::json::label_object;
use super::params::{limit_param, number_param, selectors_of};
use super::{Error, success};
use crate::api::{Params, Refused};
use crate::state::State;
use crate::views::MetricMetadata;
use axum::extract::State as Given;
use axum::response::Response;
use model::{JOB, Labels};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Each metric with every different thing that targets say of it.
pub(crate) async fn metadata(
    Given(state): Given<Arc<State>>,
    params: Result<Params, Refused>,
) -> Result<Response, Error> {
    let params = params?;
    let (limit, each) = (limit_param(&params)?, number_param(&params, "limit_per_metric")?);
    let wanted = params.get("metric");
    let mut found: BTreeMap<String, Vec<MetricMetadata>> = BTreeMap::new();
    for (_, metrics) in all(&state).await {
        for (name, of) in metrics.into_iter().filter(|(name, _)| wanted.is_none_or(|wanted| wanted == name)) {
            let known = found.entry(name).or_default();
            if !known.contains(&of) && (each == 0 || known.len() < each) {
                known.push(of);
            }
        }
    }
    let most = if limit == 0 { usize::MAX } else { limit };
    let data = found.into_iter().take(most).map(|(name, all)| (name, all.iter().map(shown).collect()));
    Ok(success(&Value::Object(data.collect())))
}

/// What each target says of its metrics, or of one of them.
pub(crate) async fn targets_metadata(
    Given(state): Given<Arc<State>>,
    params: Result<Params, Refused>,
) -> Result<Response, Error> {
    let params = params?;
    let limit = limit_param(&params)?;
    let targets = selectors_of(&state, &params, "match_target")?;
    let wanted = params.get("metric");
    let mut data = Vec::new();
    for (labels, metrics) in all(&state).await {
        let is_meant = |set: &Vec<model::Matcher>| set.iter().all(|matcher| matcher.matches_labels(&labels));
        if !targets.is_empty() && !targets.iter().any(is_meant) {
            continue;
        }
        for (name, of) in metrics.iter().filter(|(name, _)| wanted.is_none_or(|wanted| wanted == *name)) {
            let mut row = shown(of);
            row["target"] = label_object(&labels);
            if wanted.is_none() {
                row["metric"] = name.as_str().into();
            }
            data.push(row);
        }
    }
    if limit > 0 {
        data.truncate(limit);
    }
    Ok(success(&data.into()))
}

fn shown(of: &MetricMetadata) -> Value {
    json!({"type": of.kind, "help": of.help, "unit": of.unit})
}

/// The targets', and ours: our own figures are written to the store without a scrape.
async fn all(state: &State) -> Vec<(Labels, BTreeMap<String, MetricMetadata>)> {
    let mut all = state.reads.monitoring.metadata().await;
    let own = Labels::from_pairs([(JOB, "tocsin"), ("instance", "self")]);
    all.push((own, own_metadata(&state.reads.vitals.metrics().await)));
    all
}

fn own_metadata(text: &str) -> BTreeMap<String, MetricMetadata> {
    let mut found: BTreeMap<String, MetricMetadata> = BTreeMap::new();
    let mut set = |rest: &str, into: fn(&mut MetricMetadata) -> &mut String| {
        let (name, word) = rest.split_once(' ').unwrap_or((rest, ""));
        let entry = found.entry(name.to_owned()).or_insert_with(|| MetricMetadata {
            kind: "unknown".to_owned(),
            help: String::new(),
            unit: String::new(),
        });
        *into(entry) = word.to_owned();
    };
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            set(rest, |of| &mut of.help);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            set(rest, |of| &mut of.kind);
        }
    }
    found
}

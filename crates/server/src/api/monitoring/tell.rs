//! `POST /api/v1/monitoring/metrics`: a list of `{type, name, value, tags}`, taken whole or not at all.

use super::Answer;
use crate::api::Refused;
use crate::api::body::Raw;
use crate::seam::Failure;
use crate::state::State;
use crate::views::{MetricKind, ToldMetric};
use axum::extract::State as Given;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Metrics in one batch.
pub(crate) const BATCH_MAX: usize = 10_000;
/// Characters of a name.
pub(crate) const NAME_MAX: usize = 200;
/// Tags of one metric, and characters of the name and of the value of one.
pub(crate) const TAGS_MAX: usize = 32;
pub(crate) const TAG_NAME_MAX: usize = 100;
pub(crate) const TAG_VALUE_MAX: usize = 500;
/// Faults that one answer names.
const FAULTS_SHOWN: usize = 20;

const KEYS: [&str; 4] = ["type", "name", "value", "tags"];

pub(crate) async fn tell(Given(state): Given<Arc<State>>, body: Result<Raw, Refused>) -> Answer {
    let body = serde_json::from_slice(&body?.0)
        .map_err(|why| Refused::BadRequest(format!("the body is not JSON: {why}")))?;
    let Value::Array(list) = body else {
        let what =
            "it must be a list of metrics: [{\"type\": \"counter\", \"name\": \"calls\", \"value\": 1}]";
        return Err(Refused::Shape(vec![(String::new(), what.to_owned())]));
    };
    if list.len() > BATCH_MAX {
        let what = format!("{} metrics in one batch; send at most {BATCH_MAX}", list.len());
        return Err(Failure::TooLarge(what).into());
    }
    let mut faults = Vec::new();
    let mut batch = Vec::with_capacity(list.len());
    for (at, one) in list.iter().enumerate() {
        batch.extend(read(at, one, &mut faults));
        if faults.len() >= FAULTS_SHOWN {
            break;
        }
    }
    if !faults.is_empty() {
        return Err(Refused::Shape(faults));
    }
    let accepted = batch.len();
    state.reads.thresholds.tell(batch).await?;
    Ok((StatusCode::ACCEPTED, axum::Json(json!({"accepted": accepted}))).into_response())
}

/// One metric; what is wrong with it goes to `faults` with its place.
fn read(at: usize, one: &Value, faults: &mut Vec<(String, String)>) -> Option<ToldMetric> {
    let before = faults.len();
    let mut fault = |field: &str, what: String| {
        let place = if field.is_empty() { format!("[{at}]") } else { format!("[{at}].{field}") };
        faults.push((place, what));
    };
    let Value::Object(one) = one else {
        fault("", "it must be an object with type, name, value and tags".to_owned());
        return None;
    };
    for key in one.keys().filter(|key| !KEYS.contains(&key.as_str())) {
        let key: String = key.chars().take(40).collect();
        fault("", format!("there is no key {key:?}; known: {}", KEYS.join(", ")));
    }
    let kind = kind(one, &mut fault);
    let name = name(one, &mut fault);
    let value = value(one, kind, &mut fault);
    let tags = tags(one, &mut fault);
    if faults.len() > before {
        return None;
    }
    Some(ToldMetric { kind: kind?, name: name?, value: value?, tags })
}

fn kind(one: &Map<String, Value>, fault: &mut dyn FnMut(&str, String)) -> Option<MetricKind> {
    let kind = match one.get("type").and_then(Value::as_str) {
        Some("counter") => Some(MetricKind::Counter),
        Some("gauge") => Some(MetricKind::Gauge),
        Some("histogram") => Some(MetricKind::Histogram),
        _ => None,
    };
    if kind.is_none() {
        fault("type", "write counter, gauge or histogram".to_owned());
    }
    kind
}

fn name(one: &Map<String, Value>, fault: &mut dyn FnMut(&str, String)) -> Option<String> {
    let name = one.get("name").and_then(Value::as_str).filter(|name| is_sound(name, NAME_MAX));
    if name.is_none() {
        fault("name", format!("write a text of 1 to {NAME_MAX} characters without control characters"));
    }
    name.map(str::to_owned)
}

/// A counter that says nothing rose by one.
fn value(
    one: &Map<String, Value>,
    kind: Option<MetricKind>,
    fault: &mut dyn FnMut(&str, String),
) -> Option<f64> {
    let value = match one.get("value") {
        None | Some(Value::Null) if kind == Some(MetricKind::Counter) => Some(1.0),
        given => given.and_then(Value::as_f64).filter(|value| value.is_finite()),
    };
    match value {
        None => {
            fault("value", "write a number".to_owned());
            None
        }
        Some(value) if value < 0.0 && kind == Some(MetricKind::Counter) => {
            fault(
                "value",
                format!("a counter cannot fall by {}; tell a gauge, or by how much it rose", -value),
            );
            None
        }
        value => value,
    }
}

fn tags(one: &Map<String, Value>, fault: &mut dyn FnMut(&str, String)) -> Vec<(String, String)> {
    let tags = match one.get("tags") {
        None | Some(Value::Null) => return Vec::new(),
        Some(Value::Object(tags)) if tags.len() <= TAGS_MAX => tags,
        Some(_) => {
            fault("tags", format!("write an object of at most {TAGS_MAX} texts"));
            return Vec::new();
        }
    };
    let mut read = Vec::with_capacity(tags.len());
    for (name, value) in tags {
        let sound = name.chars().count() <= TAG_NAME_MAX && model::is_classic_label_name(name);
        if !sound || name.starts_with("__") {
            let shown: String = name.chars().take(40).collect();
            let what =
                format!("{shown:?} cannot be a tag; use letters, digits and _, and begin with no digit");
            fault("tags", what);
            continue;
        }
        let value = match value {
            Value::Null => continue,
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            Value::Array(_) | Value::Object(_) => {
                fault(&format!("tags.{name}"), "write a text".to_owned());
                continue;
            }
        };
        if value.chars().count() > TAG_VALUE_MAX {
            fault(&format!("tags.{name}"), format!("it has more than {TAG_VALUE_MAX} characters"));
        }
        read.push((name.clone(), value));
    }
    read
}

fn is_sound(text: &str, most: usize) -> bool {
    !text.is_empty() && text.chars().count() <= most && !text.chars().any(char::is_control)
}

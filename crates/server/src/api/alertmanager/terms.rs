//! What Alertmanager's silences do not have, on `/api/v1/silences`: windows that come back, an end with what is silenced,
//! planned work, and the guard against very broad ones.
//!
//! A silence that is posted with any of these fields is guarded; one without them is what it is upstream.

use crate::api::Refused;
use crate::views::{SilenceTerms, SilenceView, SilenceWindow};
use serde_json::{Map, Value, json};

const KEYS: [&str; 4] = ["windows", "until_resolved", "maintenance", "confirm"];
/// Windows of one silence.
const WINDOWS_MAX: usize = 50;

/// The terms that a silence is posted with; `None`: it has none of their fields.
pub(super) fn read(posted: &Map<String, Value>) -> Result<Option<SilenceTerms>, Refused> {
    if !KEYS.iter().any(|key| posted.get(*key).is_some_and(|value| !value.is_null())) {
        return Ok(None);
    }
    let flag = |name: &str| match posted.get(name) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(shape(name, "it must be true or false")),
    };
    let windows = match posted.get("windows") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(list)) if list.len() <= WINDOWS_MAX => {
            list.iter().map(window).collect::<Result<_, _>>()?
        }
        Some(_) => return Err(shape("windows", &format!("it must be a list of at most {WINDOWS_MAX}"))),
    };
    Ok(Some(SilenceTerms {
        windows,
        until_resolved: flag("until_resolved")?,
        maintenance: flag("maintenance")?,
        confirmed: flag("confirm")?,
    }))
}

fn window(value: &Value) -> Result<SilenceWindow, Refused> {
    let bad = || shape("windows", "each needs start and end, and may have weekdays, a list, and zone");
    let text = |name: &str| match value.get(name) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err(bad()),
    };
    let weekdays = match value.get("weekdays") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(days)) => days
            .iter()
            .map(|day| day.as_str().map(str::to_owned).ok_or_else(bad))
            .collect::<Result<_, _>>()?,
        Some(_) => return Err(bad()),
    };
    let window = SilenceWindow { weekdays, start: text("start")?, end: text("end")?, zone: text("zone")? };
    if window.start.is_empty() || window.end.is_empty() { Err(bad()) } else { Ok(window) }
}

/// A silence as it is shown, with its terms.
pub(super) fn add(mut shown: Value, silence: &SilenceView) -> Value {
    let Some(terms) = &silence.terms else { return shown };
    let windows = terms.windows.iter().map(|window| {
        json!({"weekdays": window.weekdays, "start": window.start, "end": window.end, "zone": window.zone})
    });
    shown["windows"] = windows.collect();
    shown["until_resolved"] = terms.until_resolved.into();
    shown["maintenance"] = terms.maintenance.into();
    shown["acts"] = silence.acts.into();
    shown
}

fn shape(name: &str, what: &str) -> Refused {
    Refused::Shape(vec![(name.to_owned(), what.to_owned())])
}

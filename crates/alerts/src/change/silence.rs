//! The row of a silence.

use super::{read_text, read_time};
use crate::silence::{Silence, Terms};
use crate::window::{Window, WindowText};
use model::{MatchOp, Matcher};
use serde_json::{Value, json};

pub(super) fn to_json(silence: &Silence) -> Value {
    let matchers = silence.matchers.iter();
    let matchers = matchers.map(|m| json!({"name": m.name(), "op": m.op().as_str(), "value": m.value()}));
    json!({
        "matchers": matchers.collect::<Vec<_>>(),
        "starts_at": silence.starts_at.as_millis(),
        "ends_at": silence.ends_at.as_millis(),
        "updated_at": silence.updated_at.as_millis(),
        "created_by": silence.created_by,
        "comment": silence.comment,
        "windows": silence.terms.windows.iter().map(window_json).collect::<Vec<_>>(),
        "until_resolved": silence.terms.until_resolved,
        "maintenance": silence.terms.maintenance,
        "open": silence.open,
    })
}

fn window_json(window: &Window) -> Value {
    let WindowText { weekdays, start, end, zone } = window.text();
    json!({"weekdays": weekdays, "start": start, "end": end, "zone": zone})
}

fn read_window(row: &Value) -> Option<Window> {
    let text = WindowText {
        weekdays: row["weekdays"].as_array()?.iter().map(read_text).collect::<Option<_>>()?,
        start: read_text(&row["start"])?,
        end: read_text(&row["end"])?,
        zone: read_text(&row["zone"])?,
    };
    Window::read(text).ok()
}

pub(super) fn read(id: &str, row: &Value) -> Option<Silence> {
    let matchers = row["matchers"].as_array()?.iter().map(|matcher| {
        let op = [MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex];
        let op = op.into_iter().find(|op| Some(op.as_str()) == matcher["op"].as_str())?;
        Matcher::single_line(op, matcher["name"].as_str()?, matcher["value"].as_str()?).ok()
    });
    Some(Silence {
        id: id.to_owned(),
        matchers: matchers.collect::<Option<_>>()?,
        starts_at: read_time(&row["starts_at"])?,
        ends_at: read_time(&row["ends_at"])?,
        updated_at: read_time(&row["updated_at"])?,
        created_by: read_text(&row["created_by"])?,
        comment: read_text(&row["comment"])?,
        terms: Terms {
            windows: row["windows"]
                .as_array()
                .into_iter()
                .flatten()
                .map(read_window)
                .collect::<Option<_>>()?,
            until_resolved: row["until_resolved"].as_bool().unwrap_or(false),
            maintenance: row["maintenance"].as_bool().unwrap_or(false),
        },
        open: row["open"].as_bool().unwrap_or(false),
    })
}

//! From a step's result to what a tired person reads: plain lines, bounded, without secrets.

use crate::redact::redact;
use model::{Finding, FindingState, Labels, METRIC_NAME};
use serde_json::Value;

/// A finding says at most this many bytes.
const OUTPUT_MAX: usize = 4096;
/// Of a longer result the first bytes that are kept; the rest is taken from its end, where a log says what
/// happened last.
const HEAD: usize = 1024;
/// Values are opened up this deep; what is deeper is shown as JSON.
const DEPTH_MAX: usize = 3;

/// How a diagnose step ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// With this result.
    Done(Value),
    /// It went wrong; the text says how.
    Failed(String),
    /// Not before the page had to leave.
    Late,
}

/// What a step found, as the page says it.
pub fn finding(step: &str, outcome: &Outcome, took_ms: u64) -> Finding {
    let (state, text) = match outcome {
        Outcome::Done(result) => (FindingState::Done, in_words(result)),
        Outcome::Failed(why) => (FindingState::Failed, why.clone()),
        Outcome::Late => (FindingState::Late, String::new()),
    };
    Finding { step: step.to_owned(), state, output: bounded(&redact(&text)), took_ms }
}

/// A JSON value as lines of text. An object that has a text for people gives that and nothing else.
pub(crate) fn in_words(value: &Value) -> String {
    if let Some(text) = query_in_words(value) {
        return text;
    }
    let mut lines = Vec::new();
    write(value, "", 0, &mut lines);
    lines.join("\n")
}

/// The answer to a query, one series a line: `up{job="a"} 1`. `None` if the value is none.
fn query_in_words(value: &Value) -> Option<String> {
    let result = value.get("result")?;
    match value.get("resultType")?.as_str()? {
        "scalar" | "string" => Some(result.get(1)?.as_str()?.to_owned()),
        "vector" => {
            let lines: Option<Vec<String>> = result.as_array()?.iter().map(series_in_words).collect();
            let lines = lines?;
            Some(if lines.is_empty() { "no series".to_owned() } else { lines.join("\n") })
        }
        _ => None,
    }
}

fn series_in_words(series: &Value) -> Option<String> {
    let pairs = series.get("metric")?.as_object()?.iter();
    let pairs: Option<Vec<_>> = pairs.map(|(name, value)| Some((name.as_str(), value.as_str()?))).collect();
    let labels = Labels::from_pairs(pairs?);
    let name = labels.get(METRIC_NAME).unwrap_or("").to_owned();
    let mut others = labels.builder();
    others.del(METRIC_NAME);
    Some(format!("{name}{} {}", others.build(), series.get("value")?.get(1)?.as_str()?))
}

/// The fields in which actions put a text for people, the better first.
const TEXT_FIELDS: [&str; 5] = ["text", "summary", "output", "stdout", "lines"];

fn write(value: &Value, indent: &str, depth: usize, lines: &mut Vec<String>) {
    match value {
        Value::Object(fields) if depth == 0 => {
            let told = TEXT_FIELDS.iter().find_map(|name| fields.get(*name).filter(|text| is_text(text)));
            match told {
                Some(text) => write(text, indent, depth + 1, lines),
                None => write_fields(fields, indent, depth, lines),
            }
        }
        Value::Object(fields) if depth < DEPTH_MAX => write_fields(fields, indent, depth, lines),
        Value::Array(items) if depth < DEPTH_MAX => {
            for item in items {
                write(item, indent, depth + 1, lines);
            }
        }
        other => lines.extend(short(other).trim_end().lines().map(|line| format!("{indent}{line}"))),
    }
}

fn write_fields(
    fields: &serde_json::Map<String, Value>,
    indent: &str,
    depth: usize,
    lines: &mut Vec<String>,
) {
    let in_one_line = |value: &Value| {
        let nested = matches!(value, Value::Object(_) | Value::Array(_));
        !nested && !value.as_str().is_some_and(|text| text.trim_end().contains('\n'))
    };
    // A table's row or a list's element reads best as one line.
    if depth > 0 && fields.values().all(in_one_line) {
        let parts: Vec<String> =
            fields.iter().map(|(name, value)| format!("{name}: {}", short(value))).collect();
        lines.push(format!("{indent}{}", parts.join(", ")));
        return;
    }
    for (name, value) in fields {
        if in_one_line(value) {
            lines.push(format!("{indent}{name}: {}", short(value)));
        } else {
            lines.push(format!("{indent}{name}:"));
            write(value, &format!("{indent}  "), depth + 1, lines);
        }
    }
}

fn is_text(value: &Value) -> bool {
    match value {
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty() && items.iter().all(Value::is_string),
        _ => false,
    }
}

fn short(value: &Value) -> String {
    match value {
        Value::String(text) => text.trim_end().to_owned(),
        Value::Null => "nothing".to_owned(),
        other => other.to_string(),
    }
}

fn bounded(text: &str) -> String {
    if text.len() <= OUTPUT_MAX {
        return text.to_owned();
    }
    let head = &text[..text.floor_char_boundary(HEAD)];
    let note_max = 64;
    let tail = &text[text.ceil_char_boundary(text.len() - (OUTPUT_MAX - HEAD - note_max))..];
    let left_out = text.len() - head.len() - tail.len();
    format!("{head}\n[{left_out} bytes left out]\n{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn results_in_words() {
        for (result, words) in [
            (json!("PONG\n"), "PONG"),
            (json!(null), "nothing"),
            (json!(["a", "b"]), "a\nb"),
            (json!({"lines": ["one", "two"], "path": "/var/log/x"}), "one\ntwo"),
            (json!({"stdout": "", "code": 3}), "stdout: \ncode: 3"),
            (
                json!({"rows": [{"pid": 7, "state": "idle"}, {"pid": 8, "state": "active"}]}),
                "rows:\n  pid: 7, state: idle\n  pid: 8, state: active",
            ),
            (json!({"alive": false, "name": "redis"}), "alive: false\nname: redis"),
            (json!({"a": {"b": {"c": {"d": [1]}}}}), "a:\n  b:\n    c:\n      {\"d\":[1]}"),
            (json!([[1, 2], "x"]), "1\n2\nx"),
            (json!({"resultType": "scalar", "result": [1.5, "7"]}), "7"),
            (json!({"resultType": "vector", "result": []}), "no series"),
            (
                json!({"resultType": "vector", "result": [
                    {"metric": {"__name__": "up", "job": "a"}, "value": [1.5, "0"]},
                    {"metric": {}, "value": [1.5, "NaN"]},
                ]}),
                "up{job=\"a\"} 0\n{} NaN",
            ),
        ] {
            assert_eq!(in_words(&result), words, "{result}");
        }
    }

    #[test]
    fn bounded_from_both_ends() {
        let long = format!("first\n{}last é", "é".repeat(5000));
        let found = finding("log", &Outcome::Done(json!(long)), 7);
        assert!(found.output.len() <= OUTPUT_MAX, "{}", found.output.len());
        assert!(found.output.starts_with("first") && found.output.ends_with("last é"));
        assert!(found.output.contains("bytes left out]"));
    }

    #[test]
    fn states_and_secrets() {
        let failed = finding("sql", &Outcome::Failed("cannot reach postgres://u:hunter2@db/x".into()), 1);
        assert_eq!((failed.state, failed.output.contains("hunter2")), (FindingState::Failed, false));
        assert_eq!(finding("x", &Outcome::Late, 5000).state, FindingState::Late);
    }
}

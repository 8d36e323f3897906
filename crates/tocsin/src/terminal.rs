//! What verbs print: texts without control characters, instants as a person reads them at night, paths of requests.

use model::{Clock, SystemClock, Timestamp};
use serde_json::Value;
use std::{fmt::Write, time::Duration};

/// A text for a terminal: no control characters.
pub fn text(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The text behind a name, if there is one that says something.
pub fn said(of: &Value, name: &str) -> Option<String> {
    Some(text(&of[name])).filter(|text| of[name].is_string() && !text.is_empty())
}

/// The items of a list.
pub fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A part of a path or of a query.
pub fn escape(part: &str) -> String {
    let mut escaped = String::with_capacity(2 * part.len());
    for byte in part.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing to a text cannot fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

/// `03:12:02 UTC (4 min ago)`, with its date if that is not today's.
pub fn instant(value: &Value, now: Timestamp) -> String {
    let raw = text(value);
    let Ok(at) = Timestamp::parse_rfc3339(&raw) else { return raw };
    let (day, time) = (raw.get(..10).unwrap_or(""), raw.get(11..19).unwrap_or(""));
    let date = if now.rfc3339().starts_with(day) { String::new() } else { format!("{day} ") };
    let away =
        if at > now { format!("in {}", span(at.since(now))) } else { format!("{} ago", span(now.since(at))) };
    format!("{date}{time} UTC ({away})")
}

/// `12 s`, `4 min`, `2 h 5 min`, `3 d 4 h`.
pub fn span(span: Duration) -> String {
    let secs = span.as_secs();
    let (large, small) = match secs {
        0..60 => return format!("{secs} s"),
        60..3600 => return format!("{} min", secs / 60),
        3600..86_400 => ((secs / 3600, "h"), (secs % 3600 / 60, "min")),
        _ => ((secs / 86_400, "d"), (secs % 86_400 / 3600, "h")),
    };
    match small {
        (0, _) => format!("{} {}", large.0, large.1),
        (n, unit) => format!("{} {} {n} {unit}", large.0, large.1),
    }
}

/// `{alertname="A", job="b"}` from an object of labels; the name first.
pub fn labels(value: &Value) -> String {
    let pairs = value.as_object().into_iter().flatten();
    let (name, others): (Vec<_>, Vec<_>) = pairs.partition(|(name, _)| *name == model::ALERTNAME);
    let others: Vec<String> = others
        .into_iter()
        .map(|(name, value)| format!("{}={:?}", text(&name.as_str().into()), text(value)))
        .collect();
    let name = name.first().map_or(String::new(), |(_, name)| text(name));
    match (name.is_empty(), others.is_empty()) {
        (_, true) => name,
        (true, false) => format!("{{{}}}", others.join(", ")),
        (false, false) => format!("{name} {{{}}}", others.join(", ")),
    }
}

/// Now.
pub fn now() -> Timestamp {
    SystemClock.now()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_people_read() {
        let now = Timestamp::parse_rfc3339("2026-11-22T03:12:40Z").unwrap();
        for (at, want) in [
            ("2026-11-22T03:12:02.000Z", "03:12:02 UTC (38 s ago)"),
            ("2026-11-22T05:17:40.000Z", "05:17:40 UTC (in 2 h 5 min)"),
            ("2026-11-20T03:12:40.000Z", "2026-11-20 03:12:40 UTC (2 d ago)"),
            ("soon", "soon"),
        ] {
            assert_eq!(instant(&json!(at), now), want);
        }
        assert_eq!(labels(&json!({"job": "b\u{1b}[2J", "alertname": "A"})), "A {job=\"b [2J\"}");
        assert_eq!(
            (labels(&json!({"alertname": "A"})), labels(&json!({"a": "b"}))),
            ("A".to_owned(), "{a=\"b\"}".to_owned())
        );
        assert_eq!(escape("a/b c"), "a%2Fb%20c");
    }
}

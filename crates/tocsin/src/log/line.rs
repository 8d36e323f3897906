//! A record as one line of text. Written straight into the line: there is one for each request.

use model::{Clock, SystemClock};
use std::fmt::{self, Write as _};
use tracing::{
    Event, Level,
    field::{Field, Visit},
};

/// What an event carries; `others` is a piece of JSON, each field led by a comma.
#[derive(Default)]
struct Fields {
    message: String,
    event: String,
    critical: bool,
    others: String,
}

impl Fields {
    fn text(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message.push_str(value),
            "event" => self.event.push_str(value),
            // A piece of JSON is written as it is.
            name if name.starts_with("json.") => {
                self.key(name.trim_start_matches("json."));
                self.others.push_str(value);
            }
            name => {
                self.key(name);
                quoted(&mut self.others, value);
            }
        }
    }

    fn plain(&mut self, field: &Field, value: impl fmt::Display) {
        self.key(field.name());
        let _ = write!(self.others, "{value}");
    }

    fn key(&mut self, name: &str) {
        self.others.push(',');
        quoted(&mut self.others, name);
        self.others.push(':');
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.message, "{value:?}");
        } else {
            self.text(field, &format!("{value:?}"));
        }
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value);
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        match field.name() {
            "critical" => self.critical = value,
            _ => self.plain(field, value),
        }
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.plain(field, value);
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.plain(field, value);
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        match value.is_finite() {
            true => self.plain(field, value),
            false => self.text(field, &value.to_string()),
        }
    }
}

/// `{timestamp, level, logger, event, message, module, line, ...}`, compact.
pub fn json(event: &Event<'_>) -> String {
    let mut fields = Fields::default();
    event.record(&mut fields);
    let place = event.metadata();
    let logger = place.target().split("::").next().unwrap_or("tocsin");
    let name = if fields.event.is_empty() { "log" } else { &fields.event };
    let mut line = String::with_capacity(256 + fields.message.len() + fields.others.len());
    let level = level(event, fields.critical);
    let _ = write!(line, "{{\"timestamp\":\"{}\",\"level\":\"{level}\"", SystemClock.now().rfc3339());
    for (key, value) in [
        ("logger", logger),
        ("event", name),
        ("message", &fields.message),
        ("module", place.module_path().unwrap_or("")),
    ] {
        let _ = write!(line, ",\"{key}\":");
        quoted(&mut line, value);
    }
    let _ = writeln!(line, ",\"line\":{}{}}}", place.line().unwrap_or(0), fields.others);
    line
}

/// `LEVEL: message`.
pub fn text(event: &Event<'_>) -> String {
    let mut fields = Fields::default();
    event.record(&mut fields);
    let mut line = format!("{}: ", level(event, fields.critical));
    for c in fields.message.chars() {
        let _ = if c.is_control() { write!(line, "{}", c.escape_default()) } else { write!(line, "{c}") };
    }
    line + "\n"
}

/// For Sentry: its words and its place, none of its fields.
pub fn report(event: &Event<'_>) -> notify::OwnError {
    let mut fields = Fields::default();
    event.record(&mut fields);
    let place = event.metadata();
    let name = if fields.event.is_empty() { "log".to_owned() } else { fields.event };
    notify::OwnError {
        fatal: fields.critical,
        event: name,
        message: fields.message,
        module: place.module_path().unwrap_or("").to_owned(),
        line: place.line().unwrap_or(0),
    }
}

fn level(event: &Event<'_>, critical: bool) -> &'static str {
    match *event.metadata().level() {
        Level::ERROR if critical => "CRITICAL",
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        Level::INFO => "INFO",
        _ => "DEBUG",
    }
}

/// A JSON string.
fn quoted(into: &mut String, text: &str) {
    into.push('"');
    for c in text.chars() {
        match c {
            '"' => into.push_str("\\\""),
            '\\' => into.push_str("\\\\"),
            '\n' => into.push_str("\\n"),
            '\r' => into.push_str("\\r"),
            '\t' => into.push_str("\\t"),
            c if (c as u32) < 0x20 => {
                let _ = write!(into, "\\u{:04x}", c as u32);
            }
            c => into.push(c),
        }
    }
    into.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_reads_back_as_it_was() {
        for text in ["", "a \"b\" \\ c", "line\nline\r\t", "\u{1}\u{1f}\u{7f}", "grüße 💥"] {
            let mut json = String::new();
            quoted(&mut json, text);
            assert_eq!(serde_json::from_str::<String>(&json).expect("valid JSON"), text);
        }
    }
}

//! One line a record, on stderr or in a file: compact JSON, or `LEVEL: message` with `LOG_FORMAT=text`.
//!
//! `message` holds the wording people grep for, `event` a stable name. A record with the field
//! `critical = true` has the level CRITICAL. Secrets do not reach this module: callers name what they log.

use model::{Clock, SystemClock};
use serde_json::{Map, Value};
use std::{
    fmt::{self, Write as _},
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::PathBuf,
    sync::{Mutex, PoisonError},
};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{EnvFilter, Layer, layer::Context, layer::SubscriberExt, util::SubscriberInitExt};

/// How records look and where they go.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// `debug`, `info`, `warning`, `error`; `LOG_LEVEL` if empty, else info.
    pub level: String,
    /// `json` or `text`; `LOG_FORMAT` if empty, else json.
    pub format: String,
    /// A file instead of stderr; opened again when it was renamed away.
    pub file: Option<PathBuf>,
}

/// Installs the process's one subscriber. Says what went wrong if the file cannot be opened.
pub fn install(settings: &Settings) -> io::Result<()> {
    let from_env = |value: &str, name: &str| match value {
        "" => std::env::var(name).unwrap_or_default(),
        _ => value.to_owned(),
    };
    let level = level_of_word(&from_env(&settings.level, "LOG_LEVEL"));
    let text = from_env(&settings.format, "LOG_FORMAT").to_ascii_lowercase();
    let text = ["text", "console"].contains(&text.as_str());
    let layer = Lines { text, sink: Mutex::new(Sink::open(settings.file.clone())?) };
    let mut filter = format!("{level},hyper=warn,reqwest=warn,rustls=warn,h2=warn");
    if let Ok(worker) = std::env::var("WORKER_LOG_LEVEL") {
        filter = format!("{filter},worker={}", level_of_word(&worker));
    }
    let filter = EnvFilter::new(filter);
    tracing_subscriber::registry().with(layer.with_filter(filter)).try_init().map_err(io::Error::other)
}

fn level_of_word(word: &str) -> &'static str {
    match word.trim().to_ascii_lowercase().as_str() {
        "debug" => "debug",
        "warning" | "warn" => "warn",
        "error" | "critical" => "error",
        _ => "info",
    }
}

/// Writes each event as one line.
struct Lines {
    text: bool,
    /// Protects one whole line at a time.
    sink: Mutex<Sink>,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let line = if self.text { text_line(event, fields) } else { json_line(event, fields) };
        // Nowhere is left to complain to when the log itself cannot be written.
        let _ = self.sink.lock().unwrap_or_else(PoisonError::into_inner).write(&line);
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    event: Option<String>,
    critical: bool,
    others: Map<String, Value>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            ("event", Value::String(text)) => self.event = Some(text),
            ("critical", Value::Bool(critical)) => self.critical = critical,
            (name, value) => {
                self.others.insert(name.to_owned(), value);
            }
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, Value::String(format!("{value:?}")));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }
}

fn level_of(event: &Event<'_>, critical: bool) -> &'static str {
    match *event.metadata().level() {
        Level::ERROR if critical => "CRITICAL",
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        Level::INFO => "INFO",
        _ => "DEBUG",
    }
}

fn json_line(event: &Event<'_>, fields: Fields) -> String {
    let place = event.metadata();
    let mut record = Map::new();
    record.insert("timestamp".into(), SystemClock.now().rfc3339().into());
    record.insert("level".into(), level_of(event, fields.critical).into());
    record.insert("logger".into(), place.target().split("::").next().unwrap_or("tocsin").into());
    record.insert("event".into(), fields.event.unwrap_or_else(|| "log".to_owned()).into());
    record.insert("message".into(), fields.message.into());
    record.insert("module".into(), place.module_path().unwrap_or("").into());
    record.insert("line".into(), place.line().unwrap_or(0).into());
    record.extend(fields.others);
    Value::Object(record).to_string() + "\n"
}

fn text_line(event: &Event<'_>, fields: Fields) -> String {
    let mut line = format!("{}: ", level_of(event, fields.critical));
    for c in fields.message.chars() {
        let _ = if c.is_control() { write!(line, "{}", c.escape_default()) } else { write!(line, "{c}") };
    }
    line + "\n"
}

enum Sink {
    Stderr,
    File { path: PathBuf, file: File },
}

impl Sink {
    fn open(path: Option<PathBuf>) -> io::Result<Sink> {
        Ok(match path {
            None => Sink::Stderr,
            Some(path) => Sink::File { file: open(&path)?, path },
        })
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        match self {
            Sink::Stderr => io::stderr().write_all(line.as_bytes()),
            Sink::File { path, file } => {
                let moved = std::fs::metadata(&*path).map(|meta| meta.ino()).ok()
                    != file.metadata().map(|m| m.ino()).ok();
                if moved {
                    *file = open(path)?;
                }
                file.write_all(line.as_bytes())
            }
        }
    }
}

fn open(path: &PathBuf) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

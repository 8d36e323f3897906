//! One line a record, on stderr or in a file: compact JSON, or `LEVEL: message` with `LOG_FORMAT=text`.
//!
//! `message` holds the wording people grep for, `event` a stable name. A record with the field
//! `critical = true` has the level CRITICAL. Secrets do not reach this module: callers name what they log.

mod line;
pub mod reports;
mod sink;
mod writer;

pub use writer::Flush;

use sink::Sink;
use std::{io, path::PathBuf};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::{EnvFilter, Layer, layer::Context, layer::SubscriberExt, util::SubscriberInitExt};
use writer::Writer;

/// How records look and where they go.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// `debug`, `info`, `warning`, `error`; `LOG_LEVEL` if empty, else info.
    pub level: String,
    /// `json` or `text`; `LOG_FORMAT` if empty, else json.
    pub format: String,
    /// A file instead of stderr; opened again when it was renamed away.
    pub file: Option<PathBuf>,
    /// Where errors are told of as well.
    pub reports: Option<reports::Reports>,
}

/// Installs the process's one subscriber. Says what went wrong if the file cannot be opened. What is dropped last
/// in the process must be what this returns.
pub fn install(settings: &Settings) -> io::Result<Flush> {
    let from_env = |value: &str, name: &str| match value {
        "" => std::env::var(name).unwrap_or_default(),
        _ => value.to_owned(),
    };
    let level = level_of_word(&from_env(&settings.level, "LOG_LEVEL"));
    let text = from_env(&settings.format, "LOG_FORMAT").to_ascii_lowercase();
    let text = ["text", "console"].contains(&text.as_str());
    let writer = Writer::start(Sink::open(settings.file.clone())?)?;
    let flush = writer.flush();
    let layer = Lines { text, writer };
    let mut filter = format!("{level},hyper=warn,reqwest=warn,rustls=warn,h2=warn");
    if let Ok(worker) = std::env::var("WORKER_LOG_LEVEL") {
        filter = format!("{filter},worker={}", level_of_word(&worker));
    }
    let filter = EnvFilter::new(filter);
    let all = tracing_subscriber::registry().with(layer.with_filter(filter)).with(settings.reports.clone());
    all.try_init().map_err(io::Error::other)?;
    Ok(flush)
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
    writer: Writer,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let line = if self.text { line::text(event) } else { line::json(event) };
        self.writer.write(&line, *event.metadata().level() == Level::ERROR);
    }
}

//! The text that targets answer with: Prometheus text 0.0.4 and OpenMetrics 1.0, as a Prometheus server reads them.
//!
//! Not here: fetching, relabelling, or any judgement of the values (a counter may be negative, metadata may
//! come twice): a scraper takes what it can read. The stricter verdicts of the format's own test suites are
//! for linters.
//!
//! Invariants: a parser never panics and never allocates in proportion to anything but the series it decodes;
//! one line that cannot be read refuses the whole body, with its line number.

mod line;
mod number;
mod series;
#[cfg(test)]
pub(crate) mod tests;

pub use line::{Line, MetricType, Parser};
pub use series::RawLabels;

pub(crate) use number::{Tail, tail, tail_fast};

/// The formats a body can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Prometheus text 0.0.4 (and 1.0.0, which adds quoted names: always understood).
    Text,
    /// OpenMetrics 1.0 (and 0.0.1).
    OpenMetrics,
}

impl Format {
    /// The format a `Content-Type` announces. None given is read as text; another known type is no exposition.
    pub fn of_content_type(content_type: Option<&str>) -> Option<Format> {
        let media = content_type.unwrap_or("").split(';').next().unwrap_or("").trim();
        if media.is_empty() || media.eq_ignore_ascii_case("text/plain") {
            Some(Format::Text)
        } else if media.eq_ignore_ascii_case("application/openmetrics-text") {
            Some(Format::OpenMetrics)
        } else {
            None
        }
    }
}

/// A body that is no exposition, and where it stops being one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct ParseError {
    /// Counts from 1.
    pub line: usize,
    /// What was expected and what came.
    pub what: String,
}

/// Why one piece of a line cannot be read, and where; becomes a [`ParseError`] once the line is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) at: usize,
    pub(crate) what: String,
}

impl Trouble {
    pub(crate) fn new(at: usize, what: impl Into<String>) -> Trouble {
        Trouble { at, what: what.into() }
    }

    /// `expected X, got "y..."`, quoting a bounded piece of what stands at `at`.
    pub(crate) fn expected(body: &[u8], at: usize, what: &str) -> Trouble {
        Trouble::new(at, format!("expected {what}, got {}", excerpt(body, at)))
    }

    pub(crate) fn in_body(self, body: &[u8]) -> ParseError {
        let upto = &body[..self.at.min(body.len())];
        ParseError { line: 1 + memchr::memchr_iter(b'\n', upto).count(), what: self.what }
    }
}

/// At most this much of a refused line is quoted.
const EXCERPT_MAX: usize = 40;

fn excerpt(body: &[u8], at: usize) -> String {
    let rest = &body[at.min(body.len())..];
    if rest.is_empty() {
        return "the end of the body".to_owned();
    }
    let line = rest.split(|b| *b == b'\n').next().unwrap_or(rest);
    if line.is_empty() {
        return "the end of the line".to_owned();
    }
    let cut = line.len() > EXCERPT_MAX;
    let shown = String::from_utf8_lossy(&line[..line.len().min(EXCERPT_MAX)]);
    format!("{shown:?}{}", if cut { "..." } else { "" })
}

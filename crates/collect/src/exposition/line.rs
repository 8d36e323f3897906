//! Lines: samples, metadata, comments, and in OpenMetrics the `# EOF` without which a body is cut short.

use super::number::{at_line_end, skip_blanks, tail};
use super::series::{self, RawLabels};
use super::{Format, ParseError, Trouble};
use std::borrow::Cow;

/// What a target says a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the words are the formats' own")]
pub enum MetricType {
    Counter,
    Gauge,
    Histogram,
    GaugeHistogram,
    Summary,
    Info,
    StateSet,
    Unknown,
}

impl MetricType {
    /// As Prometheus's API says it.
    pub fn as_str(self) -> &'static str {
        match self {
            MetricType::Counter => "counter",
            MetricType::Gauge => "gauge",
            MetricType::Histogram => "histogram",
            MetricType::GaugeHistogram => "gaugehistogram",
            MetricType::Summary => "summary",
            MetricType::Info => "info",
            MetricType::StateSet => "stateset",
            MetricType::Unknown => "unknown",
        }
    }

    fn parse(word: &str, format: Format) -> Option<MetricType> {
        Some(match (word, format) {
            ("counter", _) => MetricType::Counter,
            ("gauge", _) => MetricType::Gauge,
            ("histogram", _) => MetricType::Histogram,
            ("summary", _) => MetricType::Summary,
            ("untyped", Format::Text) | ("unknown", Format::OpenMetrics) => MetricType::Unknown,
            ("gaugehistogram", Format::OpenMetrics) => MetricType::GaugeHistogram,
            ("info", Format::OpenMetrics) => MetricType::Info,
            ("stateset", Format::OpenMetrics) => MetricType::StateSet,
            _ => return None,
        })
    }
}

/// One line that says something.
#[derive(Debug, Clone, PartialEq)]
pub enum Line<'a> {
    /// A sample.
    Sample {
        /// The series as written, checked: [`Parser::labels`] decodes it.
        series: &'a [u8],
        /// Its value.
        value: f64,
        /// Its own timestamp in milliseconds since the epoch, if it has one.
        at_ms: Option<i64>,
    },
    /// What a metric is about.
    Help {
        /// The metric's name.
        metric: Cow<'a, str>,
        /// The text.
        help: Cow<'a, str>,
    },
    /// Of which type a metric is.
    Type {
        /// The metric's name.
        metric: Cow<'a, str>,
        /// The type.
        kind: MetricType,
    },
    /// In which unit a metric counts.
    Unit {
        /// The metric's name.
        metric: Cow<'a, str>,
        /// The unit, a suffix of the name.
        unit: Cow<'a, str>,
    },
}

/// Reads a body line by line.
#[derive(Debug, Clone)]
pub struct Parser<'a> {
    body: &'a [u8],
    at: usize,
    format: Format,
    ended: bool,
}

impl<'a> Parser<'a> {
    /// At the start of `body`.
    pub fn new(body: &'a [u8], format: Format) -> Parser<'a> {
        Parser { body, at: 0, format, ended: false }
    }

    /// At a line's start within `body`, all before it being known to be good.
    pub(crate) fn at(body: &'a [u8], at: usize, format: Format) -> Parser<'a> {
        Parser { body, at, format, ended: false }
    }

    /// Where the next line begins.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// The labels of a sample that [`Parser::next_line`] returned.
    pub fn labels(&self, series: &'a [u8]) -> Result<RawLabels<'a>, ParseError> {
        let line_start = self.at.saturating_sub(1);
        RawLabels::decode(series, self.format)
            .map_err(|trouble| Trouble::new(line_start, trouble.what).in_body(self.body))
    }

    /// The next line that says something; `None` at the end of a whole body. After an error, do not go on.
    pub fn next_line(&mut self) -> Result<Option<Line<'a>>, ParseError> {
        let line = match self.format {
            Format::Text => self.text_line(),
            Format::OpenMetrics => self.openmetrics_line(),
        };
        line.map_err(|trouble| trouble.in_body(self.body))
    }

    fn text_line(&mut self) -> Result<Option<Line<'a>>, Trouble> {
        loop {
            self.at = skip_blanks(self.body, self.at);
            match self.body.get(self.at) {
                None => return Ok(None),
                Some(b'\n') => self.at += 1,
                Some(b'#') => {
                    if let Some(line) = self.text_comment()? {
                        return Ok(Some(line));
                    }
                }
                Some(_) => return self.sample().map(Some),
            }
        }
    }

    /// `# HELP name text` and `# TYPE name word`; everything else behind `#` is nobody's business.
    fn text_comment(&mut self) -> Result<Option<Line<'a>>, Trouble> {
        let end = self.line_end();
        let word = skip_blanks(self.body, self.at + 1);
        let spaced = word > self.at + 1;
        let keyword = self.body.get(word..word + 4).filter(|_| spaced);
        let name_at = skip_blanks(self.body, (word + 4).min(end));
        if !matches!(keyword, Some(b"HELP" | b"TYPE")) || name_at == word + 4 {
            self.at = (end + 1).min(self.body.len());
            return Ok(None);
        }
        let (metric, after) = self.meta_name(name_at)?;
        let text = series::text(self.body, skip_blanks(self.body, after).min(end), end)?;
        self.at = (end + 1).min(self.body.len());
        if keyword == Some(b"HELP") {
            return Ok(Some(Line::Help { metric, help: series::unescape(text) }));
        }
        self.typed(metric, text.trim_end_matches([' ', '\t']), name_at).map(Some)
    }

    fn openmetrics_line(&mut self) -> Result<Option<Line<'a>>, Trouble> {
        let rest = self.body.get(self.at..).unwrap_or(&[]);
        if self.ended {
            return Ok(None);
        }
        if rest.is_empty() {
            return Err(Trouble::new(self.at, "data does not end with # EOF"));
        }
        if let Some(after) = rest.strip_prefix(b"# EOF") {
            if !matches!(after, b"" | b"\n") {
                return Err(Trouble::new(self.at, "unexpected data after # EOF"));
            }
            (self.at, self.ended) = (self.body.len(), true);
            return Ok(None);
        }
        if rest.starts_with(b"#") { self.openmetrics_meta().map(Some) } else { self.sample().map(Some) }
    }

    fn openmetrics_meta(&mut self) -> Result<Line<'a>, Trouble> {
        let (start, end) = (self.at, self.line_end());
        let keyword = self.body.get(start..start + 7);
        let Some(b"# HELP " | b"# TYPE " | b"# UNIT ") = keyword else {
            return Err(Trouble::expected(self.body, start, "a valid start token"));
        };
        let (metric, after) = self.meta_name(start + 7)?;
        if self.body.get(after) != Some(&b' ') {
            let word = String::from_utf8_lossy(&self.body[start + 2..start + 6]);
            return Err(Trouble::new(after, format!("expected text in {word}")));
        }
        let text = series::text(self.body, after + 1, end)?;
        self.at = (end + 1).min(self.body.len());
        match keyword {
            Some(b"# HELP ") => Ok(Line::Help { metric, help: series::unescape(text) }),
            Some(b"# TYPE ") => self.typed(metric, text, start),
            _ => {
                let is_suffix = metric.strip_suffix(text).is_some_and(|stem| stem.ends_with('_'));
                if !text.is_empty() && !is_suffix {
                    return Err(Trouble::new(
                        start,
                        format!("unit {text:?} not a suffix of metric {metric:?}"),
                    ));
                }
                Ok(Line::Unit { metric, unit: Cow::Borrowed(text) })
            }
        }
    }

    fn typed(&self, metric: Cow<'a, str>, word: &str, at: usize) -> Result<Line<'a>, Trouble> {
        match MetricType::parse(word, self.format) {
            Some(kind) => Ok(Line::Type { metric, kind }),
            None => Err(Trouble::new(at, format!("invalid metric type {:?}", bounded(word)))),
        }
    }

    /// A metric's name in a comment, quoted or not.
    fn meta_name(&self, at: usize) -> Result<(Cow<'a, str>, usize), Trouble> {
        if let Some(end) = series::quoted_end(self.body, at) {
            return Ok((series::unescape(series::text(self.body, at + 1, end - 1)?), end));
        }
        match series::metric_name_end(self.body, at) {
            end if end > at => Ok((Cow::Borrowed(series::text(self.body, at, end)?), end)),
            _ => Err(Trouble::expected(self.body, at, "metric name in comment")),
        }
    }

    fn sample(&mut self) -> Result<Line<'a>, Trouble> {
        let start = self.at;
        let end = series::scan(self.body, start, self.format, &mut |_, _| {})?;
        let tail = tail(self.body, end, self.format)?;
        self.at = tail.next;
        Ok(Line::Sample { series: &self.body[start..end], value: tail.value, at_ms: tail.at_ms })
    }

    fn line_end(&self) -> usize {
        let rest = &self.body[self.at..];
        let end = self.at + memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        debug_assert!(at_line_end(self.body, end));
        end
    }
}

fn bounded(word: &str) -> &str {
    &word[..word.floor_char_boundary(40)]
}

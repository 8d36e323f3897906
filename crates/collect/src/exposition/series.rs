//! A series as a line spells it: `name{label="value"}` or `{"name", label="value"}`.

use super::number::skip_blanks;
use super::{Format, Trouble};
use std::borrow::Cow;

/// The labels of one line, in its order, empty values kept; the metric's name is under `__name__`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawLabels<'a> {
    pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> RawLabels<'a> {
    /// Decodes the bytes of a [`super::Line::Sample`]. Refuses a name that comes twice and a missing metric name.
    pub(super) fn decode(series: &'a [u8], format: Format) -> Result<RawLabels<'a>, Trouble> {
        let mut pairs: Vec<(Cow<str>, Cow<str>)> = Vec::new();
        scan(series, 0, format, &mut |name, value| pairs.push((unescape(name), unescape(value))))?;
        for (i, (name, _)) in pairs.iter().enumerate() {
            if pairs[..i].iter().any(|(earlier, _)| earlier == name) {
                return Err(Trouble::new(0, format!("label name {name:?} is not unique")));
            }
        }
        Ok(RawLabels { pairs })
    }

    /// The pairs, in the order of the line.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))
    }

    /// The value of `name`, which may be empty; `None` if the line does not have it.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(n, _)| *n == name).map(|(_, value)| value)
    }

    /// As a label set.
    pub fn to_labels(&self) -> model::Labels {
        model::Labels::from_pairs(self.iter())
    }
}

/// Which quoted names a pair of braces may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    /// One bare quoted string is the metric's name.
    MetricToo,
    /// The metric's name stands before the brace, or there is none.
    LabelsOnly,
}

/// Checks a series that starts at `at` and reports its pairs, still escaped (texts without quotes); returns
/// where it ends. What is reported is UTF-8.
pub(super) fn scan<'a>(
    body: &'a [u8],
    at: usize,
    format: Format,
    pair: &mut dyn FnMut(&'a str, &'a str),
) -> Result<usize, Trouble> {
    let end = metric_name_end(body, at);
    if end > at {
        pair(model::METRIC_NAME, text(body, at, end)?);
        let brace = if format == Format::Text { skip_blanks(body, end) } else { end };
        if body.get(brace) == Some(&b'{') {
            return braces(body, brace, format, Names::LabelsOnly, pair);
        }
        return Ok(end);
    }
    if body.get(at) != Some(&b'{') {
        return Err(Trouble::expected(body, at, "a metric name, a brace or a comment"));
    }
    let mut named = false;
    let end = braces(body, at, format, Names::MetricToo, &mut |name, value| {
        named |= name == model::METRIC_NAME;
        pair(name, value);
    })?;
    if named { Ok(end) } else { Err(Trouble::new(at, "metric name not set")) }
}

/// Reads `{...}` whose brace is at `at`; returns where it ends.
pub(super) fn braces<'a>(
    body: &'a [u8],
    at: usize,
    format: Format,
    names: Names,
    pair: &mut dyn FnMut(&'a str, &'a str),
) -> Result<usize, Trouble> {
    let mut at = skip_blanks(body, at + 1);
    let mut named = names == Names::LabelsOnly;
    let mut first = true;
    loop {
        match body.get(at) {
            Some(b'}') => return Ok(at + 1),
            // Text allows `{,}`; both allow a last comma, which the end of the loop takes.
            Some(b',') if first && format == Format::Text => at = skip_blanks(body, at + 1),
            Some(b'"') => {
                let end = quoted_end(body, at).ok_or_else(|| Trouble::expected(body, at, "label name"))?;
                let name = text(body, at + 1, end - 1)?;
                let after = skip_blanks(body, end);
                if body.get(after) == Some(&b'=') {
                    at = value(body, after, name, pair)?;
                } else if !named && matches!(body.get(after), Some(b',' | b'}')) {
                    named = true;
                    pair(model::METRIC_NAME, name);
                    at = after;
                } else {
                    return Err(Trouble::expected(body, after, "equal"));
                }
                at = comma(body, at)?;
            }
            _ => {
                let end = label_name_end(body, at);
                if end == at {
                    return Err(Trouble::expected(body, at, "label name"));
                }
                let after = skip_blanks(body, end);
                if body.get(after) != Some(&b'=') {
                    return Err(Trouble::expected(body, after, "equal"));
                }
                at = comma(body, value(body, after, text(body, at, end)?, pair)?)?;
            }
        }
        first = false;
    }
}

/// Reads `="..."` whose sign is at `at`.
fn value<'a>(
    body: &'a [u8],
    at: usize,
    name: &'a str,
    pair: &mut dyn FnMut(&'a str, &'a str),
) -> Result<usize, Trouble> {
    let at = skip_blanks(body, at + 1);
    let end = quoted_end(body, at).ok_or_else(|| Trouble::expected(body, at, "label value"))?;
    pair(name, text(body, at + 1, end - 1)?);
    Ok(end)
}

/// Takes the comma between two labels; a closing brace stays.
fn comma(body: &[u8], at: usize) -> Result<usize, Trouble> {
    let at = skip_blanks(body, at);
    match body.get(at) {
        Some(b'}') => Ok(at),
        Some(b',') => Ok(skip_blanks(body, at + 1)),
        _ => Err(Trouble::expected(body, at, "comma or closing brace")),
    }
}

/// Where the quoted text that begins at `at` ends, behind its quote; `None` if it does not on this line.
pub(super) fn quoted_end(body: &[u8], at: usize) -> Option<usize> {
    if body.get(at) != Some(&b'"') {
        return None;
    }
    let mut at = at + 1;
    loop {
        at += memchr::memchr3(b'"', b'\\', b'\n', body.get(at..)?)?;
        match body[at] {
            b'"' => return Some(at + 1),
            b'\\' if body.get(at + 1).is_some_and(|b| *b != b'\n') => at += 2,
            _ => return None,
        }
    }
}

/// Where the unquoted metric name at `at` ends; `at` itself if there is none.
pub(super) fn metric_name_end(body: &[u8], at: usize) -> usize {
    name_end(body, at, |b| b == b':')
}

fn label_name_end(body: &[u8], at: usize) -> usize {
    name_end(body, at, |_| false)
}

fn name_end(body: &[u8], at: usize, more: impl Fn(u8) -> bool) -> usize {
    let rest = &body[at.min(body.len())..];
    if rest.first().is_none_or(u8::is_ascii_digit) {
        return at;
    }
    let inside = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_' || more(*b);
    at + rest.iter().position(|b| !inside(b)).unwrap_or(rest.len())
}

pub(super) fn text(body: &[u8], from: usize, to: usize) -> Result<&str, Trouble> {
    std::str::from_utf8(&body[from..to]).map_err(|_| Trouble::new(from, "text is not UTF-8"))
}

/// `\n`, `\"` and `\\`; any other escape stays as it is written.
pub(super) fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        let escaped = rest[at + 1..].chars().next();
        match escaped {
            Some('n') => plain.push('\n'),
            Some(c @ ('"' | '\\')) => plain.push(c),
            Some(c) => plain.extend(['\\', c]),
            None => plain.push('\\'),
        }
        rest = &rest[at + 1 + escaped.map_or(0, char::len_utf8)..];
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

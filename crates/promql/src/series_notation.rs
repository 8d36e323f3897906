//! Series lines as test scripts and rule tests write them: `name{a="b"} 1+2x3 _ stale`.

use crate::{error::ParseError, number::parse_float, parse::Parser};
use model::{Labels, STALE_NAN};

/// What a series has at one step.
#[derive(Debug, Clone, PartialEq)]
pub enum Point {
    /// No sample.
    Gap,
    /// A float; a staleness marker too.
    Value(f64),
    /// A native histogram, as written.
    Histogram(String),
}

/// A line: a label set and its points.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesLine {
    /// The series.
    pub labels: Labels,
    /// One a step.
    pub points: Vec<Point>,
}

/// Repetitions may write so many points in one line.
const POINTS_MAX: usize = 1_000_000;

/// A text that is no series line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotationError {
    /// The series is not one.
    #[error(transparent)]
    Series(#[from] ParseError),
    /// A value is not one.
    #[error("bad item {item:?} in a series line: {what}")]
    Item {
        /// The item.
        item: String,
        /// What is wrong.
        what: &'static str,
    },
}

/// Reads a whole line.
pub fn parse_line(text: &str) -> Result<SeriesLine, NotationError> {
    let (series, values) = split_series(text.trim());
    Ok(SeriesLine { labels: parse_labels(series)?, points: parse_points(values)? })
}

/// Reads a label set, `name{a="b"}`.
pub fn parse_labels(text: &str) -> Result<Labels, ParseError> {
    Parser::new(text)?.labels()
}

/// Reads the points alone, as the `values` of a rule test.
pub fn parse_points(text: &str) -> Result<Vec<Point>, NotationError> {
    let mut points = Vec::new();
    for item in items(text) {
        expand(item, &mut points).map_err(|what| NotationError::Item { item: item.to_owned(), what })?;
    }
    Ok(points)
}

/// The text up to the end of the label set, and the rest.
pub(crate) fn split_series(text: &str) -> (&str, &str) {
    let mut quote = None;
    let mut braces = 0;
    let mut escaped = false;
    for (i, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), _) => {
                let closes = c == open && !escaped;
                escaped = c == '\\' && open != '`' && !escaped;
                if closes {
                    quote = None;
                }
            }
            (None, '"' | '\'' | '`') => quote = Some(c),
            (None, '{') => braces += 1,
            (None, '}') => {
                braces -= 1;
                if braces == 0 {
                    return text.split_at(i + 1);
                }
            }
            (None, c) if c.is_whitespace() && braces == 0 && !text[i..].trim_start().starts_with('{') => {
                return text.split_at(i);
            }
            // Braces after the blank: part of the name's label set unless they are a histogram's.
            (None, c) if c.is_whitespace() && braces == 0 && text[i..].trim_start().starts_with("{{") => {
                return text.split_at(i);
            }
            _ => {}
        }
    }
    (text, "")
}

/// Items by blanks; a histogram literal is one item with its blanks.
fn items(text: &str) -> Vec<&str> {
    let (mut items, mut start, mut braces) = (Vec::new(), None, 0usize);
    for (i, c) in text.char_indices() {
        match c {
            '{' => braces += 1,
            '}' => braces = braces.saturating_sub(1),
            _ => {}
        }
        match (start, c.is_whitespace() && braces == 0) {
            (None, false) => start = Some(i),
            (Some(from), true) => {
                items.push(&text[from..i]);
                start = None;
            }
            _ => {}
        }
    }
    items.extend(start.map(|from| &text[from..]));
    items
}

fn expand(item: &str, points: &mut Vec<Point>) -> Result<(), &'static str> {
    if item.starts_with("{{") {
        return expand_histogram(item, points);
    }
    if item == "stale" {
        points.push(Point::Value(STALE_NAN));
        return Ok(());
    }
    // The last `x` separates the count: `0x10` is the value 0 repeated.
    let (sequence, count) = match item.rsplit_once('x') {
        Some((sequence, count)) => (sequence, Some(repeat_count(count)?)),
        None => (item, None),
    };
    if sequence == "_" {
        return push(points, count.unwrap_or(1), |_| Point::Gap);
    }
    let (start, delta) = split_delta(sequence);
    let start = parse_float(start).ok_or("it is no number")?;
    match (delta, count) {
        (None, None) => push(points, 1, |_| Point::Value(start)),
        (None, Some(count)) => push(points, count + 1, |_| Point::Value(start)),
        (Some(_), None) => Err("a step needs a count, as in 1+2x3"),
        (Some(delta), Some(count)) => {
            let delta = parse_float(delta).ok_or("its step is no number")?;
            let mut value = start;
            push(points, count + 1, |i| {
                if i > 0 {
                    value += delta;
                }
                Point::Value(value)
            })
        }
    }
}

/// A histogram stays text; only how often it comes is read.
fn expand_histogram(item: &str, points: &mut Vec<Point>) -> Result<(), &'static str> {
    let end = item.rfind("}}").ok_or("a histogram ends with }}")?;
    let literal = &item[..end + 2];
    match item[end + 2..].strip_prefix('x') {
        None if item.len() == end + 2 => push(points, 1, |_| Point::Histogram(literal.to_owned())),
        None => Err("a histogram may only be followed by xN"),
        Some(count) => push(points, repeat_count(count)? + 1, |_| Point::Histogram(literal.to_owned())),
    }
}

fn repeat_count(text: &str) -> Result<usize, &'static str> {
    text.parse().map_err(|_| "its count is no whole number")
}

/// Splits `1+2` before its sign; the sign of an exponent is not one.
fn split_delta(sequence: &str) -> (&str, Option<&str>) {
    let bytes = sequence.as_bytes();
    let sign =
        (1..bytes.len()).find(|i| matches!(bytes[*i], b'+' | b'-') && !matches!(bytes[*i - 1], b'e' | b'E'));
    match sign {
        Some(i) => (&sequence[..i], Some(&sequence[i..])),
        None => (sequence, None),
    }
}

fn push(
    points: &mut Vec<Point>,
    count: usize,
    point: impl FnMut(usize) -> Point,
) -> Result<(), &'static str> {
    if points.len().saturating_add(count) > POINTS_MAX {
        return Err("a line may have a million points at most");
    }
    points.extend((0..count).map(point));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, want: Option<(&str, &[f64])>) {
        match (parse_line(text), want) {
            (Ok(line), Some((labels, values))) => {
                assert_eq!(line.labels.to_string(), labels, "{text}");
                let got: Vec<f64> = line
                    .points
                    .iter()
                    .map(|point| match point {
                        Point::Value(v) => *v,
                        Point::Gap => -999.0,
                        Point::Histogram(_) => -888.0,
                    })
                    .collect();
                assert_eq!(format!("{got:?}"), format!("{values:?}"), "{text}");
            }
            (Err(_), None) => {}
            (got, _) => panic!("{text}: {got:?}"),
        }
    }

    #[test]
    fn lines() {
        check("up 1 2", Some(("up", &[1.0, 2.0])));
        check("{} 1+2x2 _ 0x2", Some(("{}", &[1.0, 3.0, 5.0, -999.0, 0.0, 0.0, 0.0])));
        check(
            "up{a=\"b c\"} -3-10x1 _x2 +5 1e-3",
            Some(("up{a=\"b c\"}", &[-3.0, -13.0, -999.0, -999.0, 5.0, 0.001])),
        );
        check("up {a='}'} 1", Some(("up{a=\"}\"}", &[1.0])));
        check("h {{schema:0 sum:1}}x1 {{}}", Some(("h", &[-888.0, -888.0, -888.0])));
        check(
            "{\"my.metric\", \"a.b\"='c'} Inf",
            Some(("{__name__=\"my.metric\", \"a.b\"=\"c\"}", &[f64::INFINITY])),
        );
        check("up -3 -3-3", None);
        check("up 3+3x4-4", None);
        check("up{a=~\"b\"} 1", None);
        check("up 1x99999999999", None);
    }
}

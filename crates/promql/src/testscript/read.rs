//! Script text to commands.

use crate::{
    number::parse_float,
    series_notation::{self, Point, SeriesLine},
    text::unquote,
};
use model::{Labels, Timestamp, parse_duration};
use std::{collections::HashMap, fmt, time::Duration};

pub(super) enum Command {
    Clear,
    Load(Load),
    Eval(Eval),
}

pub(super) struct Load {
    pub(super) step: Duration,
    /// `load_with_nhcb`
    pub(super) with_histograms: bool,
    pub(super) start_timestamps: bool,
    pub(super) series: Vec<SeriesLine>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Times {
    Instant(Timestamp),
    Range { from: Timestamp, to: Timestamp, step: Duration },
}

/// How the result is written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Plain,
    /// The vector's order counts.
    Ordered,
    /// An instant query that returns a matrix, listed at these times.
    Matrix {
        from: Timestamp,
        step: Duration,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Annotation {
    Warning,
    Info,
}

/// What a message must be like.
#[derive(Debug)]
pub(super) enum Rule {
    Any,
    Exactly(String),
    Regex(regex::Regex),
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rule::Any => f.write_str("one"),
            Rule::Exactly(text) => write!(f, "{text:?}"),
            Rule::Regex(regex) => write!(f, "/{regex}/"),
        }
    }
}

pub(super) struct Eval {
    pub(super) query: String,
    pub(super) times: Times,
    pub(super) kind: Kind,
    pub(super) failure: Option<Rule>,
    /// An empty list: none may come. No entry: whatever comes.
    pub(super) notes: HashMap<Annotation, Vec<Rule>>,
    pub(super) scalar: Option<f64>,
    pub(super) string: Option<Vec<u8>>,
    pub(super) series: Vec<(Labels, Vec<Option<f64>>)>,
    pub(super) expects_histogram: bool,
}

type Numbered<'a> = (usize, &'a str);

/// The commands, each with the number of its first line.
pub(super) fn commands(text: &str) -> Vec<(usize, Result<Command, String>)> {
    let lines: Vec<Numbered<'_>> = text.lines().enumerate().map(|(i, line)| (i + 1, line.trim())).collect();
    let is_blank = |line: &str| line.is_empty() || line.starts_with('#');
    let mut commands = Vec::new();
    let mut i = 0;
    while i < lines.len() {
        let (number, head) = lines[i];
        i += 1;
        if is_blank(head) {
            continue;
        }
        let start = i;
        let word = head.split_whitespace().next().unwrap_or("");
        if word != "clear" {
            while i < lines.len() && !is_blank(lines[i].1) {
                i += 1;
            }
        }
        let body = &lines[start..i];
        commands.push((
            number,
            match word {
                "clear" => Ok(Command::Clear),
                "load" | "load_with_nhcb" => load(head, body).map(Command::Load),
                _ if word.starts_with("eval") => eval(head, body).map(Command::Eval),
                _ => Err(format!("unknown command {word:?}; known: clear, load, load_with_nhcb, eval")),
            },
        ));
    }
    commands
}

fn load(head: &str, body: &[Numbered<'_>]) -> Result<Load, String> {
    let (command, step) = head.split_once(char::is_whitespace).ok_or("load needs a step, as in: load 5m")?;
    let step = parse_duration(step.trim()).map_err(|error| error.to_string())?;
    let mut load = Load {
        step,
        with_histograms: command == "load_with_nhcb",
        start_timestamps: false,
        series: Vec::new(),
    };
    for (number, line) in body {
        if series_notation::split_series(line).1.starts_with("@st")
            || line.split_whitespace().next().is_some_and(|word| word.ends_with("@st"))
        {
            load.start_timestamps = true;
            continue;
        }
        load.series
            .push(series_notation::parse_line(line).map_err(|error| format!("line {number}: {error}"))?);
    }
    Ok(load)
}

fn eval(head: &str, body: &[Numbered<'_>]) -> Result<Eval, String> {
    let (word, rest) = head.split_once(char::is_whitespace).ok_or("eval needs a query")?;
    let (times, query) = times(rest.trim_start())?;
    let mut eval = Eval {
        query: query.to_owned(),
        times,
        kind: Kind::Plain,
        failure: None,
        notes: HashMap::new(),
        scalar: None,
        string: None,
        series: Vec::new(),
        expects_histogram: false,
    };
    if let Some(expectation) = word.strip_prefix("eval_") {
        expect(&mut eval, expectation)?;
    }
    for (number, line) in body {
        eval_line(&mut eval, line).map_err(|what| format!("line {number}: {what}"))?;
    }
    Ok(eval)
}

/// `instant at T QUERY` or `range from A to B step S QUERY`.
fn times(rest: &str) -> Result<(Times, &str), String> {
    const USAGE: &str = "expected `instant at T QUERY` or `range from A to B step S QUERY`";
    let mut rest = rest;
    let mut word = || {
        let (word, after) = rest.split_once(char::is_whitespace).ok_or(USAGE)?;
        rest = after.trim_start();
        Ok::<&str, &str>(word)
    };
    let times = match (word()?, word()?) {
        ("instant", "at") => Times::Instant(instant_at(word()?)?),
        ("range", "from") => {
            let from = instant_at(word()?)?;
            word()?;
            let to = instant_at(word()?)?;
            word()?;
            Times::Range { from, to, step: parse_duration(word()?).map_err(|error| error.to_string())? }
        }
        _ => return Err(USAGE.to_owned()),
    };
    Ok((times, rest))
}

/// A duration after the epoch, before it with a minus.
fn instant_at(text: &str) -> Result<Timestamp, String> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let ms = match parse_duration(unsigned) {
        Ok(duration) => i64::try_from(duration.as_millis()).unwrap_or(i64::MAX),
        Err(error) => match parse_float(unsigned) {
            Some(seconds) => (seconds * 1000.0) as i64,
            None => return Err(error.to_string()),
        },
    };
    Ok(Timestamp::from_millis(if text.starts_with('-') { -ms } else { ms }))
}

fn eval_line(eval: &mut Eval, line: &str) -> Result<(), String> {
    if let Some(expectation) = line.strip_prefix("expect ") {
        return expect(eval, expectation.trim());
    }
    if let Some(message) = line.strip_prefix("expected_fail_message ") {
        eval.failure = Some(Rule::Exactly(message.trim().to_owned()));
        return Ok(());
    }
    if let Some(pattern) = line.strip_prefix("expected_fail_regexp ") {
        eval.failure = Some(regex(pattern)?);
        return Ok(());
    }
    if let Some(value) = parse_float(line) {
        eval.scalar = Some(value);
        return Ok(());
    }
    let SeriesLine { labels, points } =
        series_notation::parse_line(line).map_err(|error| error.to_string())?;
    let mut values = Vec::with_capacity(points.len());
    for point in points {
        values.push(match point {
            Point::Gap => None,
            Point::Value(v) => Some(v),
            Point::Histogram(_) => {
                eval.expects_histogram = true;
                None
            }
        });
    }
    eval.series.push((labels, values));
    Ok(())
}

fn expect(eval: &mut Eval, text: &str) -> Result<(), String> {
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let rest = rest.trim();
    match word {
        "fail" => eval.failure = Some(rule(rest)?),
        "warn" => eval.notes.entry(Annotation::Warning).or_default().push(rule(rest)?),
        "info" => eval.notes.entry(Annotation::Info).or_default().push(rule(rest)?),
        "no_warn" => {
            eval.notes.entry(Annotation::Warning).or_default();
        }
        "no_info" => {
            eval.notes.entry(Annotation::Info).or_default();
        }
        "ordered" => eval.kind = Kind::Ordered,
        "string" => {
            let quoted = rest.len() >= 2 && rest.starts_with(['"', '\'', '`']);
            let bytes = quoted.then(|| unquote(rest).ok()).flatten();
            eval.string = Some(bytes.ok_or_else(|| format!("{rest} is no string"))?);
        }
        "range" => eval.kind = matrix_times(rest)?,
        _ => return Err(format!("unknown expectation {word:?}")),
    }
    Ok(())
}

/// `vector from A to B step S`
fn matrix_times(text: &str) -> Result<Kind, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        ["vector", "from", from, "to", _, "step", step] => Ok(Kind::Matrix {
            from: instant_at(from)?,
            step: parse_duration(step).map_err(|error| error.to_string())?,
        }),
        _ => Err("expected `range vector from A to B step S`".to_owned()),
    }
}

fn rule(text: &str) -> Result<Rule, String> {
    if let Some(message) = text.strip_prefix("msg:") {
        return Ok(Rule::Exactly(message.trim().to_owned()));
    }
    match text.strip_prefix("regex:") {
        Some(pattern) => regex(pattern),
        None => Ok(Rule::Any),
    }
}

fn regex(pattern: &str) -> Result<Rule, String> {
    regex::Regex::new(pattern.trim()).map(Rule::Regex).map_err(|error| error.to_string())
}

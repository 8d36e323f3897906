//! What the functions of rules and of pages have in common.

use crate::Error;
use crate::builtins::title;
use crate::number::humanize_duration;
use crate::value::{Safe, Value};

/// Compiled expressions may take this much memory each.
const REGEX_SIZE_MAX: usize = 1 << 20;

/// The arguments of one call, checked as they are taken.
pub(crate) struct Args(pub Vec<Value>);

impl Args {
    pub(crate) fn exactly(&self, count: usize) -> Result<(), Error> {
        match self.0.len() {
            given if given == count => Ok(()),
            given => Err(Error::exec(0, format!("wrong number of args: want {count} got {given}"))),
        }
    }

    pub(crate) fn text(&self, at: usize) -> Result<&str, Error> {
        let value = self.value(at)?;
        value.as_text().ok_or_else(|| {
            Error::exec(0, format!("wrong type for value; expected string; got {}", value.kind()))
        })
    }

    pub(crate) fn value(&self, at: usize) -> Result<&Value, Error> {
        self.0.get(at).ok_or_else(|| {
            Error::exec(0, format!("wrong number of args: want {} got {}", at + 1, self.0.len()))
        })
    }

    pub(crate) fn float(&self, at: usize) -> Result<f64, Error> {
        float(self.value(at)?).map_err(|what| Error::exec(0, what))
    }
}

/// A number, or a text that is one.
fn float(value: &Value) -> Result<f64, String> {
    match value {
        Value::Float(n) => Ok(*n),
        Value::Int(n) => Ok(*n as f64),
        Value::Uint(n) => Ok(*n as f64),
        Value::Duration(n) => Ok(*n as f64 / 1e9),
        Value::Text(text) | Value::Safe(_, text) => {
            let bad = || format!("strconv.ParseFloat: parsing {text:?}: invalid syntax");
            let lower = text.trim_start_matches(['+', '-']).to_ascii_lowercase();
            let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
            match lower.as_str() {
                "inf" | "infinity" => Ok(sign * f64::INFINITY),
                "nan" => Ok(f64::NAN),
                _ => text.parse().map_err(|_| bad()),
            }
        }
        other => Err(format!("can't convert {} to float", other.kind())),
    }
}

/// Functions that both dialects have; `None` if the name is none of them.
pub(crate) fn call(name: &str, args: &Args) -> Option<Result<Value, Error>> {
    let text = |change: &dyn Fn(&str) -> String| {
        args.exactly(1)?;
        Ok(Value::text(change(args.text(0)?)))
    };
    Some(match name {
        "toUpper" => text(&|text| text.to_uppercase()),
        "toLower" => text(&|text| text.to_lowercase()),
        "title" => text(&|text| title(text, false)),
        "safeHtml" => args.exactly(1).and_then(|()| Ok(Value::Safe(Safe::Html, args.text(0)?.into()))),
        "match" => matches(args),
        "reReplaceAll" => replace(args),
        "humanizeDuration" => {
            args.exactly(1).and_then(|()| Ok(Value::text(humanize_duration(args.float(0)?))))
        }
        _ => return None,
    })
}

fn regex(pattern: &str) -> Result<regex::Regex, Error> {
    let built = regex::RegexBuilder::new(pattern).size_limit(REGEX_SIZE_MAX).build();
    built.map_err(|_| Error::exec(0, format!("error parsing regexp: {pattern:?}")))
}

fn matches(args: &Args) -> Result<Value, Error> {
    args.exactly(2)?;
    Ok(Value::Bool(regex(args.text(0)?)?.is_match(args.text(1)?)))
}

fn replace(args: &Args) -> Result<Value, Error> {
    args.exactly(3)?;
    let (pattern, with, text) = (regex(args.text(0)?)?, args.text(1)?, args.text(2)?);
    Ok(Value::text(pattern.replace_all(text, with)))
}

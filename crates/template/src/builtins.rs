//! The functions that every Go template has.

use crate::exec::{OUTPUT_MAX, zero_of};
use crate::printf::sprintf;
use crate::value::{ListKind, MapKind, Value};
use std::cmp::Ordering;

pub(crate) const NAMES: [&str; 18] = [
    "and", "or", "not", "len", "index", "slice", "print", "printf", "println", "html", "js", "urlquery",
    "eq", "ne", "lt", "le", "gt", "ge",
];

pub(crate) fn call(name: &str, args: &[Value]) -> Result<Value, String> {
    match name {
        "not" => one(args).map(|value| Value::Bool(!value.is_true())),
        "len" => one(args).and_then(len),
        "index" => index(args),
        "slice" => slice(args),
        "print" => Ok(Value::text(sprint(args))),
        "println" => Ok(Value::text(sprintln(args))),
        "printf" => {
            let (format, rest) = args.split_first().ok_or("wrong number of args: want at least 1 got 0")?;
            let format = format.as_text().ok_or("expected string for the format")?;
            Ok(Value::text(sprintf(format, rest)))
        }
        "html" => Ok(Value::text(html_escape(&sprint(args)))),
        "js" => Ok(Value::text(js_escape(&sprint(args)))),
        "urlquery" => Ok(Value::text(query_escape(&sprint(args)))),
        "eq" => {
            let (first, rest) = args.split_first().ok_or("missing argument for comparison")?;
            if rest.is_empty() {
                return Err("missing argument for comparison".to_owned());
            }
            for other in rest {
                if equal(first, other)? {
                    return Ok(Value::Bool(true));
                }
            }
            Ok(Value::Bool(false))
        }
        "ne" => two(args).and_then(|(a, b)| equal(a, b)).map(|same| Value::Bool(!same)),
        "lt" | "le" | "gt" | "ge" => {
            let (a, b) = two(args)?;
            let order = order(a, b)?;
            Ok(Value::Bool(match name {
                "lt" => order == Some(Ordering::Less),
                "le" => matches!(order, Some(Ordering::Less | Ordering::Equal)),
                "gt" => order == Some(Ordering::Greater),
                _ => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
            }))
        }
        _ => Err(format!("{name} is not a function")),
    }
}

pub(crate) fn one(args: &[Value]) -> Result<&Value, String> {
    match args {
        [value] => Ok(value),
        _ => Err(format!("wrong number of args: want 1 got {}", args.len())),
    }
}

fn two(args: &[Value]) -> Result<(&Value, &Value), String> {
    match args {
        [a, b] => Ok((a, b)),
        _ => Err(format!("wrong number of args: want 2 got {}", args.len())),
    }
}

fn len(value: &Value) -> Result<Value, String> {
    let len = match value {
        Value::Text(text) | Value::Safe(_, text) => text.len(),
        Value::List(_, items) => items.len(),
        Value::Map(MapKind::Struct(kind), _) => return Err(format!("len of type {kind}")),
        Value::Map(_, pairs) => pairs.len(),
        Value::Nil => return Err("len of nil pointer".to_owned()),
        other => return Err(format!("len of type {}", other.kind())),
    };
    Ok(Value::Int(len as i64))
}

fn index(args: &[Value]) -> Result<Value, String> {
    let (first, keys) = args.split_first().ok_or("wrong number of args: want at least 1 got 0")?;
    let mut value = first.clone();
    for key in keys {
        value = match &value {
            Value::Nil => return Err("index of untyped nil".to_owned()),
            Value::List(_, items) => {
                items.get(position(key, items.len(), false)?).cloned().unwrap_or(Value::Nil)
            }
            Value::Text(text) | Value::Safe(_, text) => {
                let at = position(key, text.len(), false)?;
                Value::Int(i64::from(text.as_bytes()[at]))
            }
            Value::Map(MapKind::Struct(kind), _) => return Err(format!("can't index item of type {kind}")),
            Value::Map(kind, pairs) => {
                let key = key
                    .as_text()
                    .ok_or_else(|| format!("value has type {}; should be string", key.kind()))?;
                pairs.get(key).cloned().unwrap_or_else(|| zero_of(*kind))
            }
            other => return Err(format!("can't index item of type {}", other.kind())),
        };
    }
    Ok(value)
}

/// An index into something of this length; `end` allows the length itself.
fn position(key: &Value, len: usize, end: bool) -> Result<usize, String> {
    let at = match key {
        Value::Int(n) => usize::try_from(*n).ok(),
        Value::Uint(n) => usize::try_from(*n).ok(),
        Value::Nil => return Err("cannot index slice/array with nil".to_owned()),
        other => return Err(format!("cannot index slice/array with type {}", other.kind())),
    };
    at.filter(|at| *at < len || (end && *at == len)).ok_or_else(|| "index out of range".to_owned())
}

fn slice(args: &[Value]) -> Result<Value, String> {
    let (value, bounds) = args.split_first().ok_or("wrong number of args: want at least 1 got 0")?;
    if bounds.len() > 2 {
        return Err(format!("too many slice indexes: {}", bounds.len()));
    }
    let len = match value {
        Value::Text(text) => text.len(),
        Value::List(_, items) => items.len(),
        other => return Err(format!("can't slice item of type {}", other.kind())),
    };
    let from = bounds.first().map_or(Ok(0), |bound| position(bound, len, true))?;
    let to = bounds.get(1).map_or(Ok(len), |bound| position(bound, len, true))?;
    if from > to {
        return Err(format!("invalid slice index: {from} > {to}"));
    }
    match value {
        Value::Text(text) => {
            text.get(from..to).map(Value::text).ok_or_else(|| "slice cuts a character in two".to_owned())
        }
        Value::List(kind, items) => Ok(Value::list(*kind, items[from..to].to_vec())),
        _ => unreachable!("the length was taken from a text or a list"),
    }
}

fn equal(a: &Value, b: &Value) -> Result<bool, String> {
    let incompatible = || "incompatible types for comparison".to_owned();
    Ok(match (a, b) {
        (Value::Nil, Value::Nil) => true,
        (Value::Nil, _) | (_, Value::Nil) => false,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Text(a) | Value::Safe(_, a), Value::Text(b) | Value::Safe(_, b)) => a == b,
        (Value::Float(a), Value::Float(b)) => a == b,
        (Value::Time(a), Value::Time(b)) => a == b,
        (Value::List(..) | Value::Map(..), _) | (_, Value::List(..) | Value::Map(..)) => {
            return Err("non-comparable type".to_owned());
        }
        _ => whole(a).zip(whole(b)).map(|(a, b)| a == b).ok_or_else(incompatible)?,
    })
}

fn order(a: &Value, b: &Value) -> Result<Option<Ordering>, String> {
    Ok(match (a, b) {
        (Value::Text(a) | Value::Safe(_, a), Value::Text(b) | Value::Safe(_, b)) => Some(a.cmp(b)),
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
        (Value::Bool(_), Value::Bool(_)) | (Value::Time(_), Value::Time(_)) => {
            return Err("invalid type for comparison".to_owned());
        }
        _ => {
            let (a, b) = whole(a).zip(whole(b)).ok_or("incompatible types for comparison")?;
            Some(a.cmp(&b))
        }
    })
}

fn whole(value: &Value) -> Option<i128> {
    match value {
        Value::Int(n) | Value::Duration(n) => Some(i128::from(*n)),
        Value::Uint(n) => Some(i128::from(*n)),
        _ => None,
    }
}

/// Go's `Sprint`: a space between neighbours of which neither is text.
pub(crate) fn sprint(args: &[Value]) -> String {
    let mut out = String::new();
    for (at, value) in args.iter().enumerate() {
        let is_text = |value: &Value| value.as_text().is_some();
        if at > 0 && !is_text(value) && !is_text(&args[at - 1]) {
            out.push(' ');
        }
        value.print(&mut out, OUTPUT_MAX);
    }
    out
}

fn sprintln(args: &[Value]) -> String {
    let mut out = String::new();
    for (at, value) in args.iter().enumerate() {
        if at > 0 {
            out.push(' ');
        }
        value.print(&mut out, OUTPUT_MAX);
    }
    out.push('\n');
    out
}

pub(crate) fn html_escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\0' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

pub(crate) fn js_escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '"' => out.push_str("\\\""),
            '<' | '>' | '&' | '=' | '\u{2028}' | '\u{2029}' => {
                out.push_str(&format!("\\u{:04X}", u32::from(c)))
            }
            c if c < ' ' || c == '\u{7f}' => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

/// Go's `url.QueryEscape`: a space becomes `+`.
pub(crate) fn query_escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Go's `strings.Title`: the first letter of each word in upper case, the rest as it was.
pub(crate) fn title(text: &str, lower_rest: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for c in text.chars() {
        if !inside {
            out.extend(c.to_uppercase());
        } else if lower_rest {
            out.extend(c.to_lowercase());
        } else {
            out.push(c);
        }
        inside = c.is_alphanumeric() || c == '_' || c == '\'';
    }
    out
}

/// The elements of a list as a list of the kind that holds them all.
pub(crate) fn list_of(items: Vec<Value>) -> Value {
    Value::list(ListKind::Any, items)
}

//! What a template computes with: Go's kinds as far as templates of alerts and pages meet them.
//!
//! Go templates look at types: a label map answers `""` for what it lacks, a struct refuses, a list of alerts
//! has `.Firing`. So a value knows which of these it is.

use crate::number::{format_duration, format_v};
use jiff::Zoned;
use std::collections::BTreeMap;
use std::rc::Rc;

#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// Nothing: an untyped nil, or what a missing key gives.
    Nil,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Text(Rc<str>),
    /// Text that is already safe in its medium.
    Safe(Safe, Rc<str>),
    List(ListKind, Rc<Vec<Value>>),
    Map(MapKind, Rc<BTreeMap<String, Value>>),
    /// Boxed, since it is by far the largest.
    Time(Box<Zoned>),
    /// Nanoseconds.
    Duration(i64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Safe {
    Html,
    Url,
}

/// What a list's elements are, as far as the list answers differently for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListKind {
    Any,
    Strings,
    Pairs,
    Alerts,
    /// A query's result.
    Samples,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MapKind {
    /// Anything by text; a missing key is nothing.
    Any,
    /// Text by text, as Prometheus keeps labels; a missing key is `""`.
    Strings,
    /// The same with Alertmanager's methods.
    Kv,
    /// A Kv that was never set: empty, and `null` in JSON.
    NilKv,
    /// Named fields only; asking for another is an error.
    Struct(&'static str),
}

impl Value {
    pub(crate) fn text(text: impl AsRef<str>) -> Value {
        Value::Text(Rc::from(text.as_ref()))
    }

    pub(crate) fn strings<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> Value {
        Value::List(ListKind::Strings, Rc::new(items.into_iter().map(Value::text).collect()))
    }

    pub(crate) fn list(kind: ListKind, items: Vec<Value>) -> Value {
        Value::List(kind, Rc::new(items))
    }

    pub(crate) fn map<K: Into<String>>(kind: MapKind, pairs: impl IntoIterator<Item = (K, Value)>) -> Value {
        Value::Map(kind, Rc::new(pairs.into_iter().map(|(name, value)| (name.into(), value)).collect()))
    }

    pub(crate) fn labels<'a>(kind: MapKind, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Value {
        Value::map(kind, pairs.into_iter().map(|(name, value)| (name, Value::text(value))))
    }

    /// The text of a text, safe or not.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) | Value::Safe(_, text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn is_true(&self) -> bool {
        match self {
            Value::Nil => false,
            Value::Bool(b) => *b,
            Value::Int(n) | Value::Duration(n) => *n != 0,
            Value::Uint(n) => *n != 0,
            Value::Float(n) => *n != 0.0,
            Value::Text(text) | Value::Safe(_, text) => !text.is_empty(),
            Value::List(_, items) => !items.is_empty(),
            Value::Map(MapKind::Struct(_), _) | Value::Time(_) => true,
            Value::Map(_, pairs) => !pairs.is_empty(),
        }
    }

    /// The kind, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Value::Nil => "nil",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Uint(_) => "uint64",
            Value::Float(_) => "float64",
            Value::Text(_) | Value::Safe(..) => "string",
            Value::List(ListKind::Strings, _) => "[]string",
            Value::List(ListKind::Pairs, _) => "template.Pairs",
            Value::List(ListKind::Alerts, _) => "template.Alerts",
            Value::List(ListKind::Samples, _) => "template.queryResult",
            Value::List(ListKind::Any, _) => "[]interface {}",
            Value::Map(MapKind::Struct(name), _) => name,
            Value::Map(MapKind::Any, _) => "map[string]interface {}",
            Value::Map(MapKind::Strings, _) => "map[string]string",
            Value::Map(MapKind::Kv | MapKind::NilKv, _) => "template.KV",
            Value::Time(_) => "time.Time",
            Value::Duration(_) => "time.Duration",
        }
    }

    /// As Go prints it with `%v`, in at most `max` bytes or a little more.
    pub(crate) fn print(&self, out: &mut String, max: usize) {
        match self {
            Value::Nil => out.push_str("<nil>"),
            Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
            Value::Int(n) => out.push_str(&n.to_string()),
            Value::Uint(n) => out.push_str(&n.to_string()),
            Value::Float(n) => out.push_str(&format_v(*n)),
            Value::Text(text) | Value::Safe(_, text) => out.push_str(text),
            Value::List(ListKind::Pairs, items) => print_pairs(items.iter().filter_map(pair), out, max),
            Value::List(_, items) => print_items("[", items.iter().map(|item| ("", item)), "]", out, max),
            Value::Map(MapKind::Kv | MapKind::NilKv, pairs) => print_pairs(sorted_pairs(pairs), out, max),
            Value::Map(MapKind::Struct(_), fields) => {
                print_items("{", fields.values().map(|value| ("", value)), "}", out, max);
            }
            Value::Map(_, pairs) => {
                print_items("map[", pairs.iter().map(|(name, value)| (name.as_str(), value)), "]", out, max);
            }
            Value::Time(time) => out.push_str(&crate::time::go_string(time)),
            Value::Duration(nanos) => out.push_str(&format_duration(*nanos)),
        }
    }
}

fn print_items<'a>(
    open: &str,
    items: impl Iterator<Item = (&'a str, &'a Value)>,
    close: &str,
    out: &mut String,
    max: usize,
) {
    out.push_str(open);
    for (at, (name, value)) in items.enumerate() {
        if out.len() > max {
            break;
        }
        if at > 0 {
            out.push(' ');
        }
        if !name.is_empty() {
            out.push_str(name);
            out.push(':');
        }
        value.print(out, max);
    }
    out.push_str(close);
}

fn print_pairs<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>, out: &mut String, max: usize) {
    for (at, (name, value)) in pairs.enumerate() {
        if out.len() > max {
            break;
        }
        if at > 0 {
            out.push_str(", ");
        }
        out.push_str(name);
        out.push('=');
        out.push_str(value);
    }
}

/// The pairs of a Kv: the alert's name first, the others by name.
pub(crate) fn sorted_pairs(pairs: &BTreeMap<String, Value>) -> impl Iterator<Item = (&str, &str)> {
    let first = pairs.get_key_value(model::ALERTNAME);
    let rest = pairs.iter().filter(|(name, _)| *name != model::ALERTNAME);
    first.into_iter().chain(rest).map(|(name, value)| (name.as_str(), value.as_text().unwrap_or_default()))
}

/// Name and value of a pair.
pub(crate) fn pair(value: &Value) -> Option<(&str, &str)> {
    match value {
        Value::Map(MapKind::Struct("template.Pair"), fields) => {
            Some((fields.get("Name")?.as_text()?, fields.get("Value")?.as_text()?))
        }
        _ => None,
    }
}

//! The functions of rule templates, as Prometheus has them.

use crate::builtins::query_escape;
use crate::exec::Exec;
use crate::number::{humanize, humanize_1024, humanize_percentage};
use crate::shared::{self, Args};
use crate::time;
use crate::value::{ListKind, MapKind, Safe, Value};
use crate::{Error, graph_link, table_link};
use model::Labels;
use std::cmp::Ordering;

pub(crate) const NAMES: [&str; 30] = [
    "query",
    "first",
    "label",
    "value",
    "strvalue",
    "sortByLabel",
    "args",
    "reReplaceAll",
    "safeHtml",
    "match",
    "title",
    "toUpper",
    "toLower",
    "graphLink",
    "tableLink",
    "stripPort",
    "stripDomain",
    "humanize",
    "humanize1024",
    "humanizeDuration",
    "humanizePercentage",
    "humanizeTimestamp",
    "toTime",
    "toDuration",
    "now",
    "pathPrefix",
    "externalURL",
    "parseDuration",
    "urlQueryEscape",
    "tmpl",
];

pub(crate) fn call(exec: &mut Exec<'_, '_, '_>, name: &str, given: Vec<Value>) -> Result<Value, Error> {
    let args = Args(given);
    if let Some(result) = shared::call(name, &args) {
        return result;
    }
    match name {
        "query" => query(exec, args.text(0)?),
        "tmpl" => {
            let written = exec.captured(args.text(0)?, args.value(1)?)?;
            Ok(Value::Safe(Safe::Html, written.into()))
        }
        "now" => Ok(Value::Float(exec.env.now.as_secs_f64())),
        "externalURL" => Ok(Value::text(exec.env.external_url)),
        "pathPrefix" => Ok(Value::text(path_of(exec.env.external_url))),
        "args" => {
            let numbered = args.0.into_iter().enumerate().map(|(at, value)| (format!("arg{at}"), value));
            Ok(Value::map(MapKind::Any, numbered))
        }
        _ => pure(name, &args),
    }
}

fn pure(name: &str, args: &Args) -> Result<Value, Error> {
    let last = args.0.len().saturating_sub(1);
    Ok(match name {
        "first" => match args.value(0)? {
            Value::List(ListKind::Samples, items) => {
                let first = items.first().cloned();
                first.ok_or_else(|| Error::exec(0, "first() called on vector with no elements"))?
            }
            other => return Err(wrong_type("query result", other)),
        },
        "label" => {
            let wanted = args.text(0)?;
            Value::text(label(args.value(1)?, wanted)?)
        }
        "value" => field(args.value(0)?, "Value")?,
        "strvalue" => Value::text(label(args.value(0)?, "__value__")?),
        "sortByLabel" => {
            let wanted = args.text(0)?;
            let Value::List(kind @ ListKind::Samples, items) = args.value(1)? else {
                return Err(wrong_type("query result", args.value(1)?));
            };
            let mut items = items.to_vec();
            items.sort_by(|a, b| match (label(a, wanted), label(b, wanted)) {
                (Ok(a), Ok(b)) => a.cmp(&b),
                _ => Ordering::Equal,
            });
            Value::list(*kind, items)
        }
        "graphLink" => Value::text(graph_link("", args.text(0)?)),
        "tableLink" => Value::text(table_link("", args.text(0)?)),
        "stripPort" => Value::text(strip_port(args.text(0)?)),
        "stripDomain" => Value::text(strip_domain(args.text(0)?)),
        "humanize" => Value::text(humanize(args.float(0)?)),
        "humanize1024" => Value::text(humanize_1024(args.float(0)?)),
        "humanizePercentage" => Value::text(humanize_percentage(args.float(0)?)),
        "humanizeTimestamp" => {
            let n = args.float(0)?;
            if n.is_finite() {
                Value::text(time::go_string(&instant(n)?).as_str())
            } else {
                Value::text(crate::number::format_g(n, 4))
            }
        }
        "toTime" => Value::Time(Box::new(instant(args.float(0)?)?)),
        "toDuration" => Value::Duration(nanos(args.float(0)?)?),
        "parseDuration" => Value::Float(parse_duration(args.text(0)?)?),
        "urlQueryEscape" => Value::text(query_escape(args.text(last)?)),
        _ => return Err(Error::exec(0, format!("{name} is not a function"))),
    })
}

fn query(exec: &mut Exec<'_, '_, '_>, expr: &str) -> Result<Value, Error> {
    let Some(query) = exec.env.query.as_mut() else {
        return Err(Error::exec(0, "queries are not possible here"));
    };
    let found = query(expr).map_err(|what| Error::exec(0, what))?;
    Ok(Value::list(ListKind::Samples, found.iter().map(|(labels, v)| sample(labels, *v)).collect()))
}

fn sample(labels: &Labels, v: f64) -> Value {
    let fields = [("Labels", Value::labels(MapKind::Strings, labels.iter())), ("Value", Value::Float(v))];
    Value::map(MapKind::Struct("*template.sample"), fields)
}

fn wrong_type(wanted: &str, got: &Value) -> Error {
    Error::exec(0, format!("wrong type for value; expected {wanted}; got {}", got.kind()))
}

fn field(sample: &Value, name: &str) -> Result<Value, Error> {
    match sample {
        Value::Map(MapKind::Struct("*template.sample"), fields) => {
            fields.get(name).cloned().ok_or_else(|| wrong_type("sample", sample))
        }
        other => Err(wrong_type("sample", other)),
    }
}

fn label(sample: &Value, name: &str) -> Result<String, Error> {
    let Value::Map(_, labels) = field(sample, "Labels")? else { return Err(wrong_type("sample", sample)) };
    Ok(labels.get(name).and_then(Value::as_text).unwrap_or_default().to_owned())
}

/// Seconds to nanoseconds, if they fit.
fn nanos(seconds: f64) -> Result<i64, Error> {
    let nanos = seconds * 1e9;
    if nanos.is_nan() || nanos > i64::MAX as f64 || nanos < i64::MIN as f64 {
        let n = crate::number::format_v(seconds);
        let what = format!("{n} cannot be represented as a nanoseconds timestamp since it overflows int64");
        return Err(Error::exec(0, what));
    }
    Ok(nanos as i64)
}

/// Prometheus counts in milliseconds here.
fn instant(seconds: f64) -> Result<jiff::Zoned, Error> {
    nanos(seconds)?;
    let millis = (seconds * 1000.0).round() as i64;
    Ok(time::utc(i128::from(millis) * 1_000_000))
}

fn parse_duration(text: &str) -> Result<f64, Error> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1.0, digits),
        None => (1.0, text),
    };
    let duration = model::parse_duration(digits).map_err(|err| Error::exec(0, err.to_string()))?;
    Ok(sign * duration.as_secs_f64())
}

/// `host:port` without its port, brackets removed; anything else as it is.
fn strip_port(text: &str) -> &str {
    split_port(text).map_or(text, |(host, _)| host)
}

/// The first label of a host name; addresses stay whole.
fn strip_domain(text: &str) -> String {
    let (host, port) = split_port(text).map_or((text, None), |(host, port)| (host, Some(port)));
    if host.parse::<std::net::IpAddr>().is_ok() {
        return text.to_owned();
    }
    let host = host.split('.').next().unwrap_or_default();
    port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn split_port(text: &str) -> Option<(&str, &str)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        return after.strip_prefix(':').map(|port| (host, port));
    }
    let (host, port) = text.rsplit_once(':')?;
    (!host.contains(':')).then_some((host, port))
}

fn path_of(url: &str) -> &str {
    let after = url.split_once("://").map_or(url, |(_, rest)| rest);
    after.find('/').map_or("", |at| &after[at..])
}

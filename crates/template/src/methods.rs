//! Methods of values: of times and durations, label sets, pairs and alerts.

use crate::number::format_duration;
use crate::time;
use crate::value::{ListKind, MapKind, Value, pair, sorted_pairs};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Zoned};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Calls a method; `None` if the value has none of this name.
pub(crate) fn call(value: &Value, name: &str, args: &[Value]) -> Option<Result<Value, String>> {
    match value {
        Value::Map(MapKind::Kv | MapKind::NilKv, pairs) => of_labels(pairs, name, args),
        Value::List(ListKind::Pairs, items) => {
            let part = |first: bool| {
                let parts =
                    items.iter().filter_map(pair).map(|(name, value)| if first { name } else { value });
                Value::strings(parts)
            };
            match name {
                "Names" => Some(Ok(part(true))),
                "Values" => Some(Ok(part(false))),
                "String" => Some(Ok(printed(value))),
                _ => None,
            }
        }
        Value::List(ListKind::Alerts, items) => match name {
            "Firing" => Some(Ok(with_status(items, "firing"))),
            "Resolved" => Some(Ok(with_status(items, "resolved"))),
            _ => None,
        },
        Value::Time(at) => of_time(at, name, args),
        Value::Duration(nanos) => of_duration(*nanos, name, args),
        _ => None,
    }
}

fn of_labels(pairs: &BTreeMap<String, Value>, name: &str, args: &[Value]) -> Option<Result<Value, String>> {
    Some(Ok(match name {
        "SortedPairs" => {
            let pair = |(name, value)| {
                let fields = [("Name", Value::text(name)), ("Value", Value::text(value))];
                Value::map(MapKind::Struct("template.Pair"), fields)
            };
            Value::list(ListKind::Pairs, sorted_pairs(pairs).map(pair).collect())
        }
        "Names" => Value::strings(sorted_pairs(pairs).map(|(name, _)| name)),
        "Values" => Value::strings(sorted_pairs(pairs).map(|(_, value)| value)),
        "String" => printed(&Value::Map(MapKind::Kv, Rc::new(pairs.clone()))),
        "Remove" => {
            let [Value::List(_, gone)] = args else { return Some(Err("want one list of names".to_owned())) };
            let kept = pairs.iter().filter(|(name, _)| !gone.iter().any(|g| g.as_text() == Some(name)));
            Value::map(MapKind::Kv, kept.map(|(name, value)| (name.clone(), value.clone())))
        }
        _ => return None,
    }))
}

fn printed(value: &Value) -> Value {
    let mut out = String::new();
    value.print(&mut out, crate::exec::OUTPUT_MAX);
    Value::text(out)
}

fn with_status(items: &[Value], status: &str) -> Value {
    let has = |item: &&Value| match item {
        Value::Map(_, fields) => fields.get("Status").and_then(Value::as_text) == Some(status),
        _ => false,
    };
    Value::list(ListKind::Alerts, items.iter().filter(has).cloned().collect())
}

fn of_time(at: &Zoned, name: &str, args: &[Value]) -> Option<Result<Value, String>> {
    let int = |n: i64| Ok(Value::Int(n));
    let other = || match args {
        [Value::Time(other)] => Ok(other),
        _ => Err("want one time".to_owned()),
    };
    Some(match name {
        "Format" => match args {
            [layout] if layout.as_text().is_some() => {
                Ok(Value::text(time::format(at, layout.as_text().unwrap_or_default())))
            }
            _ => Err("want one layout".to_owned()),
        },
        "String" => Ok(Value::text(time::go_string(at))),
        "UTC" => Ok(in_zone(at, TimeZone::UTC)),
        // Of the machine's zone a page should not speak: its reader is elsewhere.
        "Local" => Ok(in_zone(at, TimeZone::UTC)),
        "Unix" => int(at.timestamp().as_second()),
        "UnixMilli" => int(at.timestamp().as_millisecond()),
        "UnixNano" => int(i64::try_from(at.timestamp().as_nanosecond()).unwrap_or(i64::MAX)),
        "Year" => int(at.year().into()),
        "Month" => Ok(Value::text(time::format(at, "January"))),
        "Day" => int(at.day().into()),
        "Hour" => int(at.hour().into()),
        "Minute" => int(at.minute().into()),
        "Second" => int(at.second().into()),
        "YearDay" => int(at.day_of_year().into()),
        "Weekday" => Ok(Value::text(time::format(at, "Monday"))),
        "IsZero" => Ok(Value::Bool(at.timestamp() == time::zero().timestamp())),
        "Before" => other().map(|other| Value::Bool(at.timestamp() < other.timestamp())),
        "After" => other().map(|other| Value::Bool(at.timestamp() > other.timestamp())),
        "Equal" => other().map(|other| Value::Bool(at.timestamp() == other.timestamp())),
        "Sub" => other().map(|other| since(at, other)),
        "Add" => match args {
            [Value::Duration(n) | Value::Int(n)] => at
                .checked_add(SignedDuration::from_nanos(*n))
                .map(|at| Value::Time(Box::new(at)))
                .map_err(|err| err.to_string()),
            _ => Err("want one duration".to_owned()),
        },
        _ => return None,
    })
}

/// How long after `before` this is.
pub(crate) fn since(at: &Zoned, before: &Zoned) -> Value {
    let nanos = at.timestamp().as_nanosecond() - before.timestamp().as_nanosecond();
    Value::Duration(i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX }))
}

pub(crate) fn in_zone(at: &Zoned, zone: TimeZone) -> Value {
    Value::Time(Box::new(at.with_time_zone(zone)))
}

fn of_duration(nanos: i64, name: &str, args: &[Value]) -> Option<Result<Value, String>> {
    Some(match name {
        "String" => Ok(Value::text(format_duration(nanos))),
        "Seconds" => Ok(Value::Float(nanos as f64 / 1e9)),
        "Minutes" => Ok(Value::Float(nanos as f64 / 60e9)),
        "Hours" => Ok(Value::Float(nanos as f64 / 3600e9)),
        "Milliseconds" => Ok(Value::Int(nanos / 1_000_000)),
        "Microseconds" => Ok(Value::Int(nanos / 1_000)),
        "Nanoseconds" => Ok(Value::Int(nanos)),
        "Abs" => Ok(Value::Duration(nanos.saturating_abs())),
        "Round" | "Truncate" => match args {
            [Value::Duration(unit) | Value::Int(unit)] if *unit > 0 => {
                let rest = nanos % unit;
                let up = name == "Round" && rest.unsigned_abs() >= unit.unsigned_abs().div_ceil(2);
                let cut = nanos - rest;
                Ok(Value::Duration(if up { cut.saturating_add(unit * nanos.signum()) } else { cut }))
            }
            [Value::Duration(_) | Value::Int(_)] => Ok(Value::Duration(nanos)),
            _ => Err("want one duration".to_owned()),
        },
        _ => return None,
    })
}

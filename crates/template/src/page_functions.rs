//! The functions of notification templates, as Alertmanager has them.

use crate::Error;
use crate::builtins::{list_of, title};
use crate::data::to_json;
use crate::exec::{Dialect, Exec, texts};
use crate::methods::{in_zone, since};
use crate::shared::{self, Args};
use crate::time;
use crate::value::{MapKind, Safe, Value};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;

pub(crate) const NAMES: [&str; 25] = [
    "toUpper",
    "toLower",
    "title",
    "trimSpace",
    "join",
    "match",
    "safeHtml",
    "safeUrl",
    "urlUnescape",
    "reReplaceAll",
    "stringSlice",
    "routeLabels",
    "date",
    "tz",
    "since",
    "now",
    "humanizeDuration",
    "toDate",
    "mustToDate",
    "toJson",
    "list",
    "append",
    "dict",
    "base64encode",
    "base64decode",
];

pub(crate) fn call(exec: &mut Exec<'_, '_, '_>, name: &str, given: Vec<Value>) -> Result<Value, Error> {
    let args = Args(given);
    match name {
        // Alertmanager's own way: the rest of a word in lower case.
        "title" => return args.exactly(1).and_then(|()| Ok(Value::text(title(args.text(0)?, true)))),
        "routeLabels" => return args.exactly(1).and_then(|()| route_label(exec, args.text(0)?)),
        "now" => return Ok(Value::Time(Box::new(now(exec)))),
        "since" => {
            let now = now(exec);
            return Ok(since(&now, instant(&args, 0)?));
        }
        _ => {}
    }
    shared::call(name, &args).unwrap_or_else(|| pure(name, &args))
}

fn now(exec: &Exec<'_, '_, '_>) -> jiff::Zoned {
    time::utc(i128::from(exec.env.now.as_millis()) * 1_000_000)
}

fn instant(args: &Args, at: usize) -> Result<&jiff::Zoned, Error> {
    match args.value(at)? {
        Value::Time(time) => Ok(time),
        other => {
            Err(Error::exec(0, format!("wrong type for value; expected time.Time; got {}", other.kind())))
        }
    }
}

fn pure(name: &str, args: &Args) -> Result<Value, Error> {
    let fail = |what: String| Error::exec(0, what);
    Ok(match name {
        "trimSpace" => Value::text(args.text(0)?.trim()),
        "join" => {
            args.exactly(2)?;
            let parts = texts(args.value(1)?);
            let what = || fail(format!("wrong type for value; expected []string; got {}", args.0[1].kind()));
            Value::text(parts.ok_or_else(what)?.join(args.text(0)?))
        }
        "safeUrl" => Value::Safe(Safe::Url, args.text(0)?.into()),
        "urlUnescape" => Value::text(unescape(args.text(0)?).map_err(fail)?),
        "stringSlice" => {
            let parts: Result<Vec<&str>, Error> = (0..args.0.len()).map(|at| args.text(at)).collect();
            Value::strings(parts?)
        }
        "date" => Value::text(time::format(instant(args, 1)?, args.text(0)?)),
        "tz" => {
            let name = args.text(0)?;
            let zone = match name {
                "" | "UTC" | "Local" => TimeZone::UTC,
                _ => TimeZone::get(name).map_err(|_| fail(format!("unknown time zone {name}")))?,
            };
            in_zone(instant(args, 1)?, zone)
        }
        "toDate" => {
            let read = time::parse(args.text(0)?, args.text(1)?).unwrap_or_else(|_| time::zero());
            Value::Time(Box::new(read))
        }
        "mustToDate" => Value::Time(Box::new(time::parse(args.text(0)?, args.text(1)?).map_err(fail)?)),
        "toJson" => Value::text(to_json(args.value(0)?).to_string()),
        "list" => list_of(args.0.clone()),
        "append" => match args.value(0)? {
            Value::List(_, items) => list_of(items.iter().chain(&args.0[1..]).cloned().collect()),
            Value::Nil => list_of(args.0[1..].to_vec()),
            other => {
                return Err(fail(format!(
                    "wrong type for value; expected []interface {{}}; got {}",
                    other.kind()
                )));
            }
        },
        "dict" => dict(&args.0)?,
        "base64encode" => Value::text(encode_base64(args.text(0)?.as_bytes())),
        "base64decode" => {
            let bytes = decode_base64(args.text(0)?).ok_or_else(|| fail("illegal base64 data".to_owned()))?;
            Value::text(String::from_utf8_lossy(&bytes))
        }
        _ => return Err(fail(format!("{name} is not a function"))),
    })
}

fn dict(args: &[Value]) -> Result<Value, Error> {
    if !args.len().is_multiple_of(2) {
        return Err(Error::exec(0, "dict wants keys and values: an even number of arguments"));
    }
    let mut pairs = BTreeMap::new();
    for pair in args.chunks_exact(2) {
        let key = pair[0].as_text().ok_or_else(|| Error::exec(0, "dict keys must be strings"))?;
        pairs.insert(key.to_owned(), pair[1].clone());
    }
    Ok(Value::map(MapKind::Any, pairs))
}

/// A label of the route, itself a template. A label that needs itself is an error.
fn route_label(exec: &mut Exec<'_, '_, '_>, name: &str) -> Result<Value, Error> {
    let root = exec.root.clone();
    let text = match &root {
        Value::Map(_, fields) => match fields.get("RouteLabels") {
            Some(Value::Map(_, labels)) => {
                labels.get(name).and_then(Value::as_text).unwrap_or_default().to_owned()
            }
            _ => String::new(),
        },
        _ => String::new(),
    };
    if exec.labels_open.iter().any(|open| open == name) {
        return Err(Error::exec(0, format!("route label {name:?} needs itself")));
    }
    let mut defined = BTreeMap::new();
    let knows = |function: &str| Dialect::Page.knows(function);
    let list = crate::parse::parse(name, &text, &[], &knows, &mut defined)?;
    exec.labels_open.push(name.to_owned());
    let written = exec.capture(&list, &root);
    exec.labels_open.pop();
    Ok(Value::text(written?))
}

/// Percent escapes and `+` undone.
fn unescape(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
                let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
                bytes.push(byte.ok_or_else(|| format!("invalid URL escape in {text:?}"))?);
                rest = &tail[2..];
            }
            byte => bytes.push(*byte),
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn encode_base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let n = chunk.iter().fold(0u32, |n, byte| n << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let sextet = (n >> (18 - 6 * at)) & 63;
            out.push(if at <= chunk.len() { char::from(ALPHABET[sextet as usize]) } else { '=' });
        }
    }
    out
}

fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let text: Vec<u8> = text.bytes().filter(|b| !matches!(b, b'\r' | b'\n')).collect();
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    for (at, chunk) in text.chunks(4).enumerate() {
        let padding = chunk.iter().rev().take_while(|b| **b == b'=').count();
        let is_last = (at + 1) * 4 == text.len();
        if padding > 2 || (padding > 0 && !is_last) {
            return None;
        }
        let mut n = 0u32;
        for byte in &chunk[..4 - padding] {
            n = n << 6 | ALPHABET.iter().position(|known| known == byte)? as u32;
        }
        n <<= 6 * padding;
        out.extend_from_slice(&n.to_be_bytes()[1..4 - padding]);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_both_ways() {
        for (bytes, text) in [("", ""), ("a", "YQ=="), ("ab", "YWI="), ("abc", "YWJj"), ("test", "dGVzdA==")]
        {
            assert_eq!(encode_base64(bytes.as_bytes()), text);
            assert_eq!(decode_base64(text).as_deref(), Some(bytes.as_bytes()));
        }
        for bad in ["a", "====", "YQ==YQ==", "Y!=="] {
            assert_eq!(decode_base64(bad), None, "{bad}");
        }
    }
}

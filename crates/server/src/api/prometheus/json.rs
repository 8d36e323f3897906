//! Values as Prometheus's API writes them. Written by hand into bytes: a range answer can hold millions.

use crate::views::{QueryAnswer, QueryValue};
use model::{Labels, Timestamp};
use serde_json::Value;
use std::io::Write;
use std::time::Duration;

/// `{"status":"success","data":{"resultType":...,"result":...},...}`. Vectors and scalars carry `at`.
/// `limit` cuts the number of series; 0: no limit.
pub(super) fn answer(answer: &QueryAnswer, at: Timestamp, limit: usize) -> Vec<u8> {
    let mut out = br#"{"status":"success","data":{"resultType":""#.to_vec();
    let mut cut = false;
    let most = if limit == 0 { usize::MAX } else { limit };
    match &answer.value {
        QueryValue::Scalar(v) => {
            out.extend_from_slice(br#"scalar","result":["#);
            time(&mut out, at);
            write!(out, ",\"{}\"]", decimal(*v)).expect("writing to memory cannot fail");
        }
        QueryValue::String(text) => {
            out.extend_from_slice(br#"string","result":["#);
            time(&mut out, at);
            out.push(b',');
            string(&mut out, text);
            out.push(b']');
        }
        QueryValue::Vector(samples) => {
            out.extend_from_slice(br#"vector","result":["#);
            cut = samples.len() > most;
            for (i, sample) in samples.iter().take(most).enumerate() {
                out.extend_from_slice(if i == 0 { br#"{"metric":"# } else { br#",{"metric":"# });
                labels(&mut out, &sample.labels);
                out.extend_from_slice(br#","value":"#);
                pair(&mut out, at, sample.v);
                out.push(b'}');
            }
            out.push(b']');
        }
        QueryValue::Matrix(series) => {
            out.extend_from_slice(br#"matrix","result":["#);
            cut = series.len() > most;
            for (i, one) in series.iter().take(most).enumerate() {
                out.extend_from_slice(if i == 0 { br#"{"metric":"# } else { br#",{"metric":"# });
                labels(&mut out, &one.labels);
                out.extend_from_slice(br#","values":["#);
                for (i, sample) in one.samples.iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    pair(&mut out, sample.t, sample.v);
                }
                out.extend_from_slice(b"]}");
            }
            out.push(b']');
        }
    }
    out.push(b'}');
    let mut warnings = answer.warnings.clone();
    if cut {
        warnings.push("results truncated due to limit".to_owned());
    }
    texts(&mut out, "warnings", &warnings);
    texts(&mut out, "infos", &answer.infos);
    out.push(b'}');
    out
}

fn texts(out: &mut Vec<u8>, key: &str, texts: &[String]) {
    if !texts.is_empty() {
        let list = Value::from(texts);
        write!(out, ",\"{key}\":{list}").expect("writing to memory cannot fail");
    }
}

fn pair(out: &mut Vec<u8>, at: Timestamp, v: f64) {
    out.push(b'[');
    time(out, at);
    write!(out, ",\"{}\"]", number(v)).expect("writing to memory cannot fail");
}

/// Seconds, with exactly three decimals unless they are whole.
fn time(out: &mut Vec<u8>, at: Timestamp) {
    let ms = at.as_millis();
    let sign = if ms < 0 { "-" } else { "" };
    let ms = ms.unsigned_abs();
    write!(out, "{sign}{}", ms / 1000).expect("writing to memory cannot fail");
    if !ms.is_multiple_of(1000) {
        write!(out, ".{:03}", ms % 1000).expect("writing to memory cannot fail");
    }
}

fn labels(out: &mut Vec<u8>, labels: &Labels) {
    out.push(b'{');
    for (i, (name, value)) in labels.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        string(out, name);
        out.push(b':');
        string(out, value);
    }
    out.push(b'}');
}

fn string(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("writing to memory cannot fail");
}

/// A sample's value: decimals, an exponent only below 1e-6 and from 1e21.
pub(super) fn number(v: f64) -> String {
    let size = v.abs();
    match special(v) {
        Some(word) => word.to_owned(),
        None if size != 0.0 && !(1e-6..1e21).contains(&size) => exponent(v),
        None => v.to_string(),
    }
}

/// A scalar's value, which upstream writes otherwise than a sample's: never with an exponent.
fn decimal(v: f64) -> String {
    special(v).map_or_else(|| v.to_string(), str::to_owned)
}

/// Seconds as a JSON number, without a point if they are whole, as Go writes them.
pub(super) fn seconds(length: Duration) -> Value {
    if length.subsec_nanos() == 0 { length.as_secs().into() } else { length.as_secs_f64().into() }
}

/// The value of an active alert: always with an exponent.
pub(super) fn scientific(v: f64) -> String {
    special(v).map_or_else(|| exponent(v), str::to_owned)
}

fn special(v: f64) -> Option<&'static str> {
    match v {
        _ if v.is_nan() => Some("NaN"),
        f64::INFINITY => Some("+Inf"),
        f64::NEG_INFINITY => Some("-Inf"),
        _ => None,
    }
}

/// Shortest digits and an exponent with a sign and at least two digits: `1.5e+21`.
fn exponent(v: f64) -> String {
    let text = format!("{v:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
    format!("{digits}e{sign}{exponent:0>2}")
}

/// A label set as an object.
pub(crate) fn label_object(labels: &Labels) -> Value {
    Value::Object(labels.iter().map(|(n, v)| (n.to_owned(), v.into())).collect())
}

/// An instant, or Go's zero time.
pub(super) fn instant_or_never(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), Timestamp::rfc3339)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::{RangeSeries, VectorSample};
    use model::Sample;

    #[test]
    fn numbers_as_go_writes_them() {
        for (v, plain, with_exponent) in [
            (0.0, "0", "0e+00"),
            (-0.0, "-0", "-0e+00"),
            (1.0, "1", "1e+00"),
            (0.5, "0.5", "5e-01"),
            (1e20, "100000000000000000000", "1e+20"),
            (1.5e21, "1.5e+21", "1.5e+21"),
            (1e-7, "1e-07", "1e-07"),
            (0.000001, "0.000001", "1e-06"),
            (1e100, "1e+100", "1e+100"),
            (f64::NAN, "NaN", "NaN"),
            (f64::NEG_INFINITY, "-Inf", "-Inf"),
        ] {
            assert_eq!((number(v).as_str(), scientific(v).as_str()), (plain, with_exponent));
        }
        for (v, want) in [(1e21, "1000000000000000000000"), (-1e-7, "-0.0000001"), (f64::INFINITY, "+Inf")] {
            assert_eq!(decimal(v), want);
        }
        for (ms, want) in [(0, "0"), (5_000, "5"), (1_500, "1.5")] {
            assert_eq!(seconds(Duration::from_millis(ms)).to_string(), want);
        }
    }

    #[test]
    fn envelopes() {
        let at = Timestamp::from_millis(1_435_781_430_781);
        let up = Labels::from_pairs([("__name__", "up"), ("job", "a\"b")]);
        let check = |value, limit, want: &str| {
            let given = QueryAnswer { value, warnings: vec![], infos: vec!["look".to_owned()] };
            assert_eq!(String::from_utf8(answer(&given, at, limit)).unwrap(), want);
        };
        check(
            QueryValue::Scalar(1.0),
            0,
            r#"{"status":"success","data":{"resultType":"scalar","result":[1435781430.781,"1"]},"infos":["look"]}"#,
        );
        check(
            QueryValue::Vector(vec![VectorSample { labels: up.clone(), v: 2.5 }; 2]),
            1,
            r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"up","job":"a\"b"},"value":[1435781430.781,"2.5"]}]},"warnings":["results truncated due to limit"],"infos":["look"]}"#,
        );
        let samples = [(0, 1.0), (-1500, 2.0)].map(|(t, v)| Sample { t: Timestamp::from_millis(t), v });
        check(
            QueryValue::Matrix(vec![RangeSeries { labels: Labels::empty(), samples: samples.to_vec() }]),
            0,
            r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[0,"1"],[-1.500,"2"]]}]},"infos":["look"]}"#,
        );
    }
}

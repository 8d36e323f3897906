//! Alerts as clients post them. Read field by field from the text, without a tree in between: what Prometheus sends
//! again every minute passes here.

use super::instant;
use crate::api::Refused;
use model::{Alert, Labels, Timestamp};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// Alerts in one request.
const ALERTS_MAX: usize = 100_000;

/// The elements of the list that a body is, unread.
pub(super) fn elements(body: &[u8]) -> Result<Vec<&RawValue>, Refused> {
    let list: Vec<&RawValue> = serde_json::from_slice(body).map_err(|err| {
        Refused::BadRequest(match err.is_data() {
            true => "the body must be a list of alerts".to_owned(),
            false => format!("the body is not JSON: {err}"),
        })
    })?;
    match list.len() {
        0..=ALERTS_MAX => Ok(list),
        _ => Err(Refused::BadRequest(format!("more than {ALERTS_MAX} alerts in one request"))),
    }
}

/// One of them; an alert without an end lives for `life`.
pub(super) fn read(element: &RawValue, now: Timestamp, life: Duration) -> Result<Alert, Refused> {
    let fields: Fields<'_> = serde_json::from_str(element.get())
        .map_err(|_| Refused::BadRequest("it must be an object".to_owned()))?;
    let labels = texts(fields.labels, "labels")?;
    if labels.is_empty() {
        return Err(Refused::value("labels", "at least one label with a value is needed"));
    }
    let annotations = texts(fields.annotations, "annotations")?;
    let (starts, ends) = (time(fields.starts_at, "startsAt")?, time(fields.ends_at, "endsAt")?);
    let starts_at = starts.or(ends.filter(|ends| *ends < now)).unwrap_or(now);
    let ends_at = ends.unwrap_or_else(|| now.plus(life));
    if ends_at < starts_at {
        return Err(Refused::value("endsAt", "it is before startsAt"));
    }
    let url = fields.generator_url.and_then(|url| serde_json::from_str::<Text<'_>>(url.get()).ok());
    let generator_url = url.map(|url| url.0.into_owned()).unwrap_or_default();
    Ok(Alert { labels, annotations, starts_at, ends_at: Some(ends_at), generator_url, updated_at: now })
}

/// The fields that count, each unread; of a field given twice the last one.
#[derive(Default)]
struct Fields<'a> {
    labels: Option<&'a RawValue>,
    annotations: Option<&'a RawValue>,
    starts_at: Option<&'a RawValue>,
    ends_at: Option<&'a RawValue>,
    generator_url: Option<&'a RawValue>,
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Fields<'de>, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Fields::default();
                while let Some((name, value)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
                    let field = match &*name.0 {
                        "labels" => &mut fields.labels,
                        "annotations" => &mut fields.annotations,
                        "startsAt" => &mut fields.starts_at,
                        "endsAt" => &mut fields.ends_at,
                        "generatorURL" => &mut fields.generator_url,
                        _ => continue,
                    };
                    *field = Some(value);
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// A JSON object of texts as labels.
fn texts(value: Option<&RawValue>, what: &str) -> Result<Labels, Refused> {
    let Some(value) = value else { return Ok(Labels::empty()) };
    let bad = |why: &str| Refused::Shape(vec![(what.to_owned(), why.to_owned())]);
    let pairs: Option<Pairs<'_>> = serde_json::from_str(value.get())
        .map_err(|_| bad("it must be an object of texts, without an empty name"))?;
    Ok(pairs.map(|pairs| Labels::from_texts(pairs.0)).unwrap_or_default())
}

fn time(value: Option<&RawValue>, what: &str) -> Result<Option<Timestamp>, Refused> {
    let value: Option<Value> = value.map(|value| serde_json::from_str(value.get()).unwrap_or(Value::Null));
    instant(value.as_ref(), what)
}

/// A text, borrowed if nothing in it is escaped.
struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text<'de>, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Reader)
    }
}

/// The pairs of an object of texts, in the order given.
struct Pairs<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'de> Deserialize<'de> for Pairs<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Pairs<'de>, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
                let mut pairs = Vec::with_capacity(8);
                while let Some((name, value)) = map.next_entry::<Text<'de>, Text<'de>>()? {
                    if name.0.is_empty() {
                        return Err(A::Error::custom("a name is empty"));
                    }
                    pairs.push((name.0, value.0));
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_305_600_000);
    const LIFE: Duration = Duration::from_secs(300);

    fn one(text: &str) -> Result<Alert, String> {
        let list = format!("[{text}]");
        let list = elements(list.as_bytes()).map_err(|refused| refused.message())?;
        read(list[0], NOW, LIFE).map_err(|refused| refused.message())
    }

    #[test]
    fn reads_what_prometheus_sends() {
        let alert = one(
            r#"{"labels": {"job": "a\"b", "alertname": "Down", "job": "c", "none": ""}, "annotations": null,
                "startsAt": "2026-11-22T00:00:00.5Z", "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "http://p/\u00e9",
                "other": [1]}"#,
        )
        .unwrap();
        assert_eq!(alert.labels, Labels::from_pairs([("alertname", "Down"), ("job", "c")]));
        assert_eq!((alert.annotations, alert.generator_url.as_str()), (Labels::empty(), "http://p/é"));
        assert_eq!(alert.starts_at.rfc3339(), "2026-11-22T00:00:00.500Z");
        assert_eq!(alert.ends_at, Some(NOW.plus(LIFE)));
    }

    #[test]
    fn says_what_is_wrong() {
        let cases = [
            ("7", "it must be an object"),
            (r#"{"labels": {}}"#, "labels: at least one label with a value is needed"),
            (r#"{"labels": {"a": 1}}"#, "labels: it must be an object of texts"),
            (r#"{"labels": {"": "x"}}"#, "without an empty name"),
            (r#"{"labels": {"a": "b"}, "annotations": []}"#, "annotations: it must be an object of texts"),
            (r#"{"labels": {"a": "b"}, "startsAt": 5}"#, "startsAt: it must be a text"),
            (r#"{"labels": {"a": "b"}, "endsAt": "soon"}"#, "endsAt"),
            (
                r#"{"labels": {"a": "b"}, "startsAt": "2026-11-22T00:00:00Z", "endsAt": "2026-11-21T00:00:00Z"}"#,
                "before",
            ),
        ];
        for (text, wanted) in cases {
            let said = one(text).unwrap_err();
            assert!(said.contains(wanted), "{text}: {said}");
        }
        assert!(elements(b"{}").unwrap_err().message().contains("must be a list"));
        assert!(elements(b"[").unwrap_err().message().contains("is not JSON"));
    }
}

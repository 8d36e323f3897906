//! Alerts as clients post them. Read from the text without a tree in between: what Prometheus sends again every minute
//! passes here.

use super::instant_of;
use crate::api::Refused;
use model::{Alert, Labels, Timestamp};
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Alerts in one request.
const ALERTS_MAX: usize = 100_000;

/// Faulty alerts that one answer names.
const FAULTS_SHOWN: usize = 10;

/// What a body holds.
#[derive(Debug, Default)]
pub(super) struct Posted {
    /// How many alerts it lists.
    pub(super) total: usize,
    /// Those that are as they must be.
    pub(super) good: Vec<Alert>,
    /// How many are not.
    pub(super) faulty: usize,
    /// Where the first of these are faulty.
    pub(super) faults: Vec<String>,
}

/// Reads a body; an alert without an end lives for `life`. Refused is only what is no list of alerts at all.
pub(super) fn read(body: &[u8], now: Timestamp, life: Duration) -> Result<Posted, Refused> {
    // As Alertmanager reads it: what is no UTF-8 becomes the character that says so. That nearly everything is UTF-8 is
    // seen a word at a time; the lossy reading, a byte at a time, was a tenth of what a request cost.
    let text = std::str::from_utf8(body).map_or_else(|_| String::from_utf8_lossy(body), Cow::Borrowed);
    // In one go, as a client that knows the API writes it. What is not like that is looked at one by one, to say where.
    if let Ok(list) = serde_json::from_str::<Vec<Fields<'_>>>(&text) {
        bounded(list.len())?;
        return Ok(gather(list.into_iter().map(Ok), now, life));
    }
    let list: Vec<&RawValue> = serde_json::from_str(&text).map_err(|err| {
        Refused::BadRequest(match err.is_data() {
            true => "the body must be a list of alerts".to_owned(),
            false => format!("the body is not JSON: {err}"),
        })
    })?;
    bounded(list.len())?;
    Ok(gather(list.into_iter().map(doubtful), now, life))
}

fn bounded(len: usize) -> Result<(), Refused> {
    match len {
        0..=ALERTS_MAX => Ok(()),
        _ => Err(Refused::BadRequest(format!("more than {ALERTS_MAX} alerts in one request"))),
    }
}

fn gather<'a>(
    list: impl ExactSizeIterator<Item = Result<Fields<'a>, Refused>>,
    now: Timestamp,
    life: Duration,
) -> Posted {
    let mut posted = Posted { total: list.len(), good: Vec::with_capacity(list.len()), ..Posted::default() };
    // Alerts of one rule come together and share their URL.
    let mut last_url: Arc<str> = "".into();
    for (i, fields) in list.enumerate() {
        match fields.and_then(|fields| alert(fields, now, life, &mut last_url)) {
            Ok(alert) => posted.good.push(alert),
            Err(refused) => {
                posted.faulty += 1;
                if posted.faults.len() < FAULTS_SHOWN {
                    posted.faults.push(format!("alert {i}: {}", refused.message()));
                }
            }
        }
    }
    posted
}

fn alert(
    fields: Fields<'_>,
    now: Timestamp,
    life: Duration,
    last_url: &mut Arc<str>,
) -> Result<Alert, Refused> {
    let labels = named(fields.labels, "labels")?;
    if labels.is_empty() {
        return Err(Refused::value("labels", "at least one label with a value is needed"));
    }
    let annotations = named(fields.annotations, "annotations")?;
    let time = |text: Option<Text<'_>>, what| text.map_or(Ok(None), |text| instant_of(&text.0, what));
    let (starts, ends) = (time(fields.starts_at, "startsAt")?, time(fields.ends_at, "endsAt")?);
    let starts_at = starts.or(ends.filter(|ends| *ends < now)).unwrap_or(now);
    let ends_at = ends.unwrap_or_else(|| now.plus(life));
    if ends_at < starts_at {
        return Err(Refused::value("endsAt", "it is before startsAt"));
    }
    let url = fields.generator_url.map_or(Cow::Borrowed(""), |url| url.0);
    if *url != **last_url {
        *last_url = url.into();
    }
    let generator_url = last_url.clone();
    Ok(Alert { labels, annotations, starts_at, ends_at: Some(ends_at), generator_url, updated_at: now })
}

/// Labels of which each has a name: an empty one would be the first.
fn named(labels: Option<Labels>, field: &str) -> Result<Labels, Refused> {
    let labels = labels.unwrap_or_default();
    match labels.iter().next() {
        Some(("", _)) => Err(no_texts(field)),
        _ => Ok(labels),
    }
}

fn no_texts(field: &str) -> Refused {
    let what = "it must be an object of texts, without an empty name".to_owned();
    Refused::Shape(vec![(field.to_owned(), what)])
}

/// The fields that count; of a field given twice the last one. Each is a text or a map of texts, or null.
#[derive(Default)]
struct Fields<'a> {
    labels: Option<Labels>,
    annotations: Option<Labels>,
    starts_at: Option<Text<'a>>,
    ends_at: Option<Text<'a>>,
    generator_url: Option<Text<'a>>,
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
                while let Some(name) = map.next_key::<Text<'de>>()? {
                    match &*name.0 {
                        "labels" => fields.labels = map.next_value()?,
                        "annotations" => fields.annotations = map.next_value()?,
                        "startsAt" => fields.starts_at = map.next_value()?,
                        "endsAt" => fields.ends_at = map.next_value()?,
                        "generatorURL" => fields.generator_url = map.next_value()?,
                        _ => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// An element of a list in which not all is as it must be: says what is wrong with it, if it is this one.
fn doubtful(element: &RawValue) -> Result<Fields<'_>, Refused> {
    let raw: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(element.get())
        .map_err(|_| Refused::BadRequest("it must be an object".to_owned()))?;
    let texts = |name: &str| {
        let read = |value: &&RawValue| serde_json::from_str(value.get()).map_err(|_| no_texts(name));
        raw.get(name).map_or(Ok(None), read)
    };
    let time = |name: &str| {
        let bad = |_| Refused::Shape(vec![(name.to_owned(), "it must be a text".to_owned())]);
        raw.get(name).map_or(Ok(None), |value| serde_json::from_str(value.get()).map_err(bad))
    };
    // Where it can be seen is no reason to refuse an alert.
    let url = raw.get("generatorURL").and_then(|url| serde_json::from_str(url.get()).ok());
    Ok(Fields {
        labels: texts("labels")?,
        annotations: texts("annotations")?,
        starts_at: time("startsAt")?,
        ends_at: time("endsAt")?,
        generator_url: url,
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_305_600_000);
    const LIFE: Duration = Duration::from_secs(300);

    fn one(text: &str) -> Result<Alert, String> {
        // Beside one that is in order, and alone.
        let list = format!(r#"[{{"labels": {{"a": "b"}}}}, {text}]"#);
        let mut posted = read(list.as_bytes(), NOW, LIFE).map_err(|refused| refused.message())?;
        assert_eq!((posted.total, posted.good.len() + posted.faulty), (2, 2));
        posted.good.pop().filter(|_| posted.faulty == 0).ok_or_else(|| posted.faults.join(";"))
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
        assert_eq!((alert.annotations, &*alert.generator_url), (Labels::empty(), "http://p/é"));
        assert_eq!(alert.starts_at.rfc3339(), "2026-11-22T00:00:00.500Z");
        let garbled = read(b"[{\"labels\": {\"a\": \"\xff\"}, \"other\": \"\xfe\"}]", NOW, LIFE).unwrap();
        assert_eq!(garbled.good[0].labels.get("a"), Some("\u{fffd}"));
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
        assert!(read(b"{}", NOW, LIFE).unwrap_err().message().contains("must be a list"));
        assert!(read(b"[", NOW, LIFE).unwrap_err().message().contains("is not JSON"));
    }
}

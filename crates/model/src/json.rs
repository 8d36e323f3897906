//! JSON that is carried as its text: arguments and results, which most of the way nobody looks into.
//!
//! Invariant: the text is one whole JSON value, no deeper and with no larger number than [`serde_json`] takes.

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Serialize, Serializer};
use serde_json::{Value, value::RawValue};
use std::fmt;
use std::sync::{Arc, LazyLock};

/// A JSON value as text. A clone shares it. Equal texts are equal; two ways to write one value are not.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Json(Arc<str>);

static NULL: LazyLock<Json> = LazyLock::new(|| Json(Arc::from("null")));
static EMPTY: LazyLock<Json> = LazyLock::new(|| Json(Arc::from("{}")));

impl Json {
    /// `null`.
    pub fn null() -> Json {
        NULL.clone()
    }

    /// `{}`.
    pub fn empty_object() -> Json {
        EMPTY.clone()
    }

    /// Takes a text over, blanks and all, if it is one JSON value.
    pub fn parse(text: &str) -> Result<Json, serde_json::Error> {
        serde_json::from_str::<Checked>(text)?;
        Ok(Json(Arc::from(text)))
    }

    /// As [`Json::parse`], and the value must be an object.
    pub fn parse_object(text: &str) -> Result<Json, serde_json::Error> {
        if !text.trim_ascii_start().starts_with('{') {
            return Err(serde_json::Error::custom("not an object"));
        }
        Json::parse(text)
    }

    /// What `value` is in JSON.
    ///
    /// # Errors
    /// If it cannot be written as JSON.
    pub fn of(value: &impl Serialize) -> Result<Json, serde_json::Error> {
        serde_json::to_string(value).map(|text| Json(Arc::from(text)))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How many bytes the text has.
    pub fn size(&self) -> usize {
        self.0.len()
    }

    /// What it says. Costs a parse: ask once.
    pub fn value(&self) -> Value {
        serde_json::from_str(&self.0).unwrap_or_default()
    }
}

/// As the value it is; the text passes into JSON as it stands.
impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde_json::from_str::<&RawValue>(&self.0).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

impl From<Value> for Json {
    fn from(value: Value) -> Json {
        Json::from(&value)
    }
}

impl From<&Value> for Json {
    fn from(value: &Value) -> Json {
        match value {
            Value::Null => Json::null(),
            value => Json(Arc::from(value.to_string())),
        }
    }
}

impl Default for Json {
    fn default() -> Json {
        Json::null()
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialEq<Value> for Json {
    fn eq(&self, other: &Value) -> bool {
        self.value() == *other
    }
}

/// Walks over a value as [`Value`] does, with its bounds, and keeps nothing of it.
struct Checked;

impl<'de> Deserialize<'de> for Checked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Checked, D::Error> {
        deserializer.deserialize_any(Checked)
    }
}

impl<'de> Visitor<'de> for Checked {
    type Value = Checked;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_str<E>(self, _: &str) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_unit<E>(self) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Checked, A::Error> {
        while items.next_element::<Checked>()?.is_some() {}
        Ok(Checked)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Checked, A::Error> {
        while pairs.next_entry::<Checked, Checked>()?.is_some() {}
        Ok(Checked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn takes_what_a_value_takes_and_nothing_else() {
        let deep = |n: usize| format!("{}1{}", "[".repeat(n), "]".repeat(n));
        let texts = [
            r#"{"a": [1, -2.5e3, null, true], "é\n\u00e9": "x", "a": {}}"#.to_owned(),
            " [ ] ".to_owned(),
            "null".to_owned(),
            deep(127),
            deep(128),
            deep(10_000),
            "1e999".to_owned(),
            r#""\ud800""#.to_owned(),
            "{".to_owned(),
            "{} {}".to_owned(),
            "".to_owned(),
            "nul".to_owned(),
            "{\"a\": \"\u{1}\"}".to_owned(),
        ];
        for text in texts {
            let (ours, value) = (Json::parse(&text), serde_json::from_str::<Value>(&text));
            let short: String = text.chars().take(40).collect();
            assert_eq!(ours.is_ok(), value.is_ok(), "{short}");
            if let (Ok(ours), Ok(value)) = (ours, value) {
                assert_eq!((ours.as_str(), ours.value()), (text.as_str(), value));
            }
        }
    }

    #[test]
    fn a_value_becomes_its_text() {
        let json = Json::from(json!({"a": [1, "x"]}));
        assert_eq!((json.as_str(), json.size()), (r#"{"a":[1,"x"]}"#, 13));
        assert_eq!(json, json!({"a": [1, "x"]}));
        assert_eq!(Json::default(), Json::from(Value::Null));
        assert!(Json::parse_object(" {}").is_ok() && Json::parse_object("[]").is_err());
    }
}

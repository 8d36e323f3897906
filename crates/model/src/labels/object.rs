//! Labels as JSON has them: an object of texts. What is read goes straight into the buffer, for alerts come by the thousand.

use super::{HASH_BYTES, LEN_BYTES, Labels, add, try_whole};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use smallvec::SmallVec;
use std::fmt;
use std::ops::Range;

impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

/// In any order; of a name given twice the last value counts, and an empty one means that the label is absent.
impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Labels, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Labels;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Labels, A::Error> {
                try_whole(|buffer| {
                    let (mut pairs, mut in_order) = (SmallVec::<[Pair; 16]>::new(), true);
                    while let Some(name) = map.next_key_seed(Text(buffer))? {
                        let value = map.next_value_seed(Text(buffer))?;
                        let last = pairs.last().map(|last| &buffer[last.name.clone()]);
                        in_order &= last < Some(&buffer[name.clone()]) && !value.is_empty();
                        pairs.push(Pair { name, value });
                    }
                    if !in_order {
                        put_in_order(buffer, &mut pairs);
                    }
                    Ok(())
                })
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}

/// Where the texts of a pair are in a buffer.
struct Pair {
    name: Range<usize>,
    value: Range<usize>,
}

/// Sorts the pairs of a buffer and drops those that do not count.
fn put_in_order(buffer: &mut Vec<u8>, pairs: &mut [Pair]) {
    let given = buffer.len();
    pairs.sort_by(|a, b| buffer[a.name.clone()].cmp(&buffer[b.name.clone()]));
    for (at, Pair { name, value }) in pairs.iter().enumerate() {
        let next = pairs.get(at + 1).map(|next| &buffer[next.name.clone()]);
        if next != Some(&buffer[name.clone()]) && !value.is_empty() {
            buffer.extend_from_within(name.start - LEN_BYTES..value.end);
        }
    }
    buffer.drain(HASH_BYTES..given);
}

/// Adds a text to a buffer; answers where it is.
struct Text<'b>(&'b mut Vec<u8>);

impl<'de> DeserializeSeed<'de> for Text<'_> {
    type Value = Range<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Text<'_> {
    type Value = Range<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        add(self.0, text.as_bytes());
        Ok(self.0.len() - text.len()..self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_in_any_order_and_written_by_name() {
        let labels = Labels::from_pairs([("a", "1"), ("b", "\"3\"")]);
        for text in [
            r#"{"a": "1", "b": "\"3\""}"#,
            r#"{"b": "\"3\"", "a": "1"}"#,
            r#"{"a": "0", "b": "2", "c": "", "\u0061": "1", "b": "\"3\""}"#,
            r#"{"a": "1", "b": "\"3\"", "c": "4", "c": ""}"#,
        ] {
            assert_eq!(serde_json::from_str::<Labels>(text).unwrap(), labels, "{text}");
        }
        assert_eq!(serde_json::to_string(&labels).unwrap(), r#"{"a":"1","b":"\"3\""}"#);
        assert_eq!(serde_json::from_str::<Labels>("{}").unwrap(), Labels::empty());
        assert_eq!(serde_json::from_str::<Labels>(r#"{"a": ""}"#).unwrap(), Labels::empty());
    }

    #[test]
    fn what_is_no_object_of_texts_is_refused() {
        for text in ["[]", "7", r#"{"a": 1}"#, r#"{"a": null}"#, r#"{"a": "b""#] {
            assert!(serde_json::from_str::<Labels>(text).is_err(), "{text}");
        }
        // What a try leaves behind is not in the next.
        assert_eq!(
            serde_json::from_str::<Labels>(r#"{"a": "b"}"#).unwrap(),
            Labels::from_pairs([("a", "b")])
        );
    }
}

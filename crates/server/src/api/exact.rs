//! Whole numbers that a tree of values cannot hold. Read into one they would silently become the nearest fraction, so
//! they are looked for in the text, and refused where they would be changed.

use std::fmt;

/// A number that would be changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Beyond {
    /// Where it stands: `payload.n[0]`.
    pub(super) place: String,
    number: String,
}

impl Beyond {
    /// What is wrong with it, without its place.
    pub(super) fn what(&self) -> String {
        format!("{} has more than 64 bits and would be changed; send it as a text", self.number)
    }
}

impl fmt::Display for Beyond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what())
    }
}

/// Numbers of fewer digits fit.
const DIGITS: usize = 19;

/// What is open around a value.
enum Open<'a> {
    /// An object, at this key; the key itself comes next while there is none.
    Object(Option<&'a str>),
    /// A list, at this item.
    List(usize),
}

/// The first whole number in a JSON text that has more than 64 bits. The text must have been read as JSON before.
pub(super) fn beyond(json: &[u8]) -> Option<Beyond> {
    // Nearly every text has no number that long.
    json.split(|byte| !byte.is_ascii_digit()).find(|digits| digits.len() >= DIGITS)?;
    let text = std::str::from_utf8(json).ok()?;
    let (mut open, mut at) = (Vec::new(), 0);
    while let Some(byte) = json.get(at) {
        let from = at;
        at += 1;
        match byte {
            b'"' => {
                at += string_len(&json[at..]);
                if let Some(Open::Object(key @ None)) = open.last_mut() {
                    *key = Some(&text[from + 1..at - 1]);
                }
            }
            b'{' => open.push(Open::Object(None)),
            b'[' => open.push(Open::List(0)),
            b'}' | b']' => drop(open.pop()),
            b',' => match open.last_mut() {
                Some(Open::Object(key)) => *key = None,
                Some(Open::List(nth)) => *nth += 1,
                None => {}
            },
            b'-' | b'0'..=b'9' => {
                at += json[at..].iter().take_while(|byte| is_of_number(**byte)).count();
                let number = &text[from..at];
                let whole = !number.contains(['.', 'e', 'E']);
                if whole && number.parse::<i64>().is_err() && number.parse::<u64>().is_err() {
                    return Some(Beyond { place: place(&open), number: number.to_owned() });
                }
            }
            _ => {}
        }
    }
    None
}

fn is_of_number(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-')
}

/// How many bytes follow an opening quote up to and with the closing one.
fn string_len(rest: &[u8]) -> usize {
    let mut escaped = false;
    let end = rest.iter().position(|byte| match byte {
        _ if escaped => {
            escaped = false;
            false
        }
        b'\\' => {
            escaped = true;
            false
        }
        byte => *byte == b'"',
    });
    end.map_or(rest.len(), |end| end + 1)
}

fn place(open: &[Open<'_>]) -> String {
    let mut place = String::new();
    for one in open {
        match one {
            Open::Object(key) if place.is_empty() => place.push_str(key.unwrap_or_default()),
            Open::Object(key) => {
                place.push('.');
                place.push_str(key.unwrap_or_default());
            }
            Open::List(nth) => place.push_str(&format!("[{nth}]")),
        }
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_beyond_64_bits_are_found_with_their_place() {
        for (json, want) in [
            (r#"{"a": 18446744073709551615, "b": -9223372036854775808}"#, ""),
            (r#"{"a": 100000000000000000000.5, "b": 1e300, "c": 12345678901234567890e2}"#, ""),
            (r#"{"a": "18446744073709551616", "\"99999999999999999999\\": 1}"#, ""),
            (r#"{"a": {"n": 18446744073709551616}}"#, "a.n"),
            (r#"{"a": [1, {"b": [2, -9223372036854775809]}]}"#, "a[1].b[1]"),
            (r#"{"a": {"x": 1}, "b": "}", "c": 99999999999999999999}"#, "c"),
            ("99999999999999999999", ""),
        ] {
            let found = beyond(json.as_bytes());
            assert_eq!(found.as_ref().map_or("", |found| &found.place), want, "{json}");
            let any = json.starts_with('9') || !want.is_empty();
            assert_eq!(found.is_some(), any, "{json}");
        }
    }
}

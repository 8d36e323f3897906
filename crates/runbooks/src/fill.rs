//! `${labels.job}` in a step's arguments: which names there are, and their values put in.

use serde_json::Value;

/// Every placeholder of the value, in order.
pub(crate) fn names(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::String(text) => names_of_text(text, out),
        Value::Array(items) => items.iter().for_each(|item| names(item, out)),
        Value::Object(fields) => fields.values().for_each(|field| names(field, out)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Every placeholder of the text.
pub(crate) fn names_of_text(text: &str, out: &mut Vec<String>) {
    pieces(text, &mut |piece| {
        if let Piece::Name(name) = piece {
            out.push(name.to_owned());
        }
    });
}

/// The value with each placeholder of its texts replaced; one that `look_up` does not know stays as it is.
pub(crate) fn fill(value: &Value, look_up: &dyn Fn(&str) -> Option<String>) -> Value {
    match value {
        Value::String(text) => Value::from(fill_text(text, look_up)),
        Value::Array(items) => items.iter().map(|item| fill(item, look_up)).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, field)| (name.clone(), fill(field, look_up))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// The text with each placeholder replaced. What is put in is not looked at again.
pub(crate) fn fill_text(text: &str, look_up: &dyn Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    pieces(text, &mut |piece| match piece {
        Piece::Text(text) => out.push_str(text),
        Piece::Name(name) => match look_up(name) {
            Some(value) => out.push_str(&value),
            None => out.push_str(&format!("${{{name}}}")),
        },
    });
    out
}

enum Piece<'a> {
    Text(&'a str),
    Name(&'a str),
}

fn pieces<'a>(text: &'a str, see: &mut dyn FnMut(Piece<'a>)) {
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, tail)) = after.split_once('}') else { break };
        see(Piece::Text(before));
        see(Piece::Name(name.trim()));
        rest = tail;
    }
    see(Piece::Text(rest));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn filled_once() {
        let look_up = |name: &str| match name {
            "labels.job" => Some("${labels.job} -x".to_owned()),
            "labels.port" => Some("6379".to_owned()),
            _ => None,
        };
        let value = json!({"a": ["${labels.job}", 1], "b": {"c": "at ${ labels.port }, ${unknown}, ${open"}});
        let wanted = json!({"a": ["${labels.job} -x", 1], "b": {"c": "at 6379, ${unknown}, ${open"}});
        assert_eq!(fill(&value, &look_up), wanted);
        let mut found = Vec::new();
        names(&value, &mut found);
        assert_eq!(found, ["labels.job", "labels.port", "unknown"]);
    }
}

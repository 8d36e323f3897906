//! JSON Schema in few words.

use serde_json::{Map, Value, json};

/// A text.
pub(super) fn text() -> Value {
    json!({"type": "string"})
}

/// A text of so many characters.
pub(super) fn text_of(least: usize, most: usize) -> Value {
    json!({"type": "string", "minLength": least, "maxLength": most})
}

/// One of these words.
pub(super) fn word(words: &[&str]) -> Value {
    json!({"type": "string", "enum": words})
}

/// An instant, RFC 3339.
pub(super) fn instant() -> Value {
    json!({"type": "string", "format": "date-time"})
}

/// A URL of a web server.
pub(super) fn url(most: usize) -> Value {
    json!({"type": "string", "format": "uri", "pattern": "^https?://", "minLength": 1, "maxLength": most})
}

/// A whole number in a range.
pub(super) fn whole(least: i64, most: i64) -> Value {
    json!({"type": "integer", "minimum": least, "maximum": most})
}

/// A whole number that counts something.
pub(super) fn count() -> Value {
    json!({"type": "integer", "minimum": 0})
}

/// Any number.
pub(super) fn number() -> Value {
    json!({"type": "number"})
}

/// A number above zero.
pub(super) fn above_zero(most: u64) -> Value {
    json!({"type": "number", "exclusiveMinimum": 0, "maximum": most})
}

/// True or false.
pub(super) fn flag() -> Value {
    json!({"type": "boolean"})
}

/// Always this.
pub(super) fn is(value: impl Into<Value>) -> Value {
    json!({"const": value.into()})
}

/// Whatever JSON a user of ours put there.
pub(super) fn anything() -> Value {
    json!({})
}

/// An object whose keys are a user's.
pub(super) fn any_object() -> Value {
    json!({"type": "object"})
}

/// A list.
pub(super) fn list(of: Value) -> Value {
    json!({"type": "array", "items": of})
}

/// A list of at most so many.
pub(super) fn list_of(of: Value, most: usize) -> Value {
    json!({"type": "array", "items": of, "maxItems": most})
}

/// Names that a user chose, each with one of these.
pub(super) fn map(of: Value) -> Value {
    json!({"type": "object", "additionalProperties": of})
}

/// Texts by name, as labels are.
pub(super) fn texts() -> Value {
    map(text())
}

/// Texts by name, as many as are taken.
pub(super) fn words(most: usize) -> Value {
    json!({"type": "object", "maxProperties": most, "propertyNames": text_of(1, 100),
           "additionalProperties": text_of(1, 100)})
}

/// This or null.
pub(super) fn or_null(mut schema: Value) -> Value {
    match (schema["type"].as_str().map(str::to_owned), schema.get("enum")) {
        (Some(kind), None) => {
            schema["type"] = json!([kind, "null"]);
            schema
        }
        _ => json!({"anyOf": [schema, {"type": "null"}]}),
    }
}

/// A component by name.
pub(super) fn of(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// One of several.
pub(super) fn any_of(schemas: &[Value]) -> Value {
    json!({"anyOf": schemas})
}

/// An object: what is always there, and what may be.
pub(super) fn object<const N: usize, const M: usize>(
    always: [(&str, Value); N],
    maybe: [(&str, Value); M],
) -> Value {
    let required: Vec<&str> = always.iter().map(|(name, _)| *name).collect();
    let properties: Map<String, Value> =
        always.iter().chain(&maybe).map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    let mut schema = json!({"type": "object", "properties": properties});
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    schema
}

/// An object with every one of these.
pub(super) fn whole_object<const N: usize>(always: [(&str, Value); N]) -> Value {
    object(always, [])
}

/// What is taken with these keys and no others.
pub(super) fn closed(mut object: Value) -> Value {
    object["additionalProperties"] = false.into();
    object
}

/// The same object with more that is always there.
pub(super) fn with<const N: usize>(mut object: Value, more: [(&str, Value); N]) -> Value {
    for (name, schema) in more {
        object["properties"][name] = schema;
        if let Some(required) = object["required"].as_array_mut() {
            required.push(name.into());
        }
    }
    object
}

/// The same object with more that may be there.
pub(super) fn with_maybe<const N: usize>(mut object: Value, more: [(&str, Value); N]) -> Value {
    for (name, schema) in more {
        object["properties"][name] = schema;
    }
    object
}

/// `{items, total, limit, offset, has_more}`.
pub(super) fn page(item: Value) -> Value {
    whole_object([
        ("items", list(item)),
        ("total", count()),
        ("limit", count()),
        ("offset", count()),
        ("has_more", flag()),
    ])
}

/// `{total, items}`.
pub(super) fn listed(item: Value) -> Value {
    whole_object([("total", count()), ("items", list(item))])
}

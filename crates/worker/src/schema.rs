//! JSON Schema for what goes into a kind of work and comes out of it. Compiled once; references lead nowhere
//! outside, and patterns are matched in linear time, so that a value can cost no more than it weighs.

use serde_json::Value;
use std::{fmt, sync::Arc};
use tasks::Misfit;

/// A compiled schema, and the form it was written in.
#[derive(Clone)]
pub struct Schema {
    written: Arc<Value>,
    validator: Arc<jsonschema::Validator>,
}

/// The longest text of what does not fit.
const WHAT_CHARS_MAX: usize = 300;

impl Schema {
    /// Compiles it; the error says what is wrong with the schema.
    pub fn compile(written: &Value) -> Result<Schema, String> {
        let options = jsonschema::options().with_pattern_options(jsonschema::PatternOptions::regex());
        let validator = options.build(written).map_err(|why| short(&why.to_string()))?;
        Ok(Schema { written: Arc::new(written.clone()), validator: Arc::new(validator) })
    }

    /// As it was written.
    pub fn written(&self) -> &Value {
        &self.written
    }

    /// Whether `value` fits; the path begins below the value: `.items[3].name`.
    pub fn check(&self, value: &Value) -> Result<(), Misfit> {
        self.validator.validate(value).map_err(|why| Misfit {
            path: path(&why.instance_path().to_string()),
            what: short(&why.to_string()),
        })
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Schema({})", self.written)
    }
}

impl PartialEq for Schema {
    fn eq(&self, other: &Schema) -> bool {
        self.written == other.written
    }
}

fn short(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(WHAT_CHARS_MAX) {
        Some((at, _)) => format!("{}...", &line[..at]),
        None => line.to_owned(),
    }
}

/// A JSON pointer as the rest of the API names places.
fn path(pointer: &str) -> String {
    let parts = pointer.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~"));
    parts
        .map(|part| if part.parse::<u32>().is_ok() { format!("[{part}]") } else { format!(".{part}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(schema: Value, value: Value, wanted: Result<(), (&str, &str)>) {
        let schema = Schema::compile(&schema).unwrap();
        let got = schema.check(&value).map_err(|misfit| (misfit.path, misfit.what));
        match (&got, wanted) {
            (Ok(()), Ok(())) => {}
            (Err((path, what)), Err((at, says))) if path == at && what.contains(says) => {}
            _ => panic!("{value}: got {got:?}, wanted {wanted:?}"),
        }
    }

    #[test]
    fn places_are_named_as_the_api_names_them() {
        let mail = json!({"type": "object", "required": ["to"], "additionalProperties": false,
            "properties": {"to": {"type": "array", "items": {"type": "string", "pattern": "^[^@]+@[^@]+$"}}}});
        check(mail.clone(), json!({"to": ["a@b"]}), Ok(()));
        check(mail.clone(), json!({}), Err(("", "\"to\" is a required property")));
        check(mail.clone(), json!({"to": ["a@b", "x"]}), Err((".to[1]", "does not match")));
        check(mail.clone(), json!({"to": "a@b"}), Err((".to", "is not of type")));
        check(mail, json!({"to": [], "cc": 1}), Err(("", "Additional properties")));
        check(json!({"maxLength": 1}), json!("x".repeat(5_000)), Err(("", "...")));
        check(json!(true), json!({}), Ok(()));
    }

    #[test]
    fn a_bad_schema_says_what_is_bad() {
        for (schema, wanted) in [
            (json!({"type": "text"}), "text"),
            (json!({"$ref": "https://example.org/schema.json"}), "example.org"),
            (json!({"pattern": "(?=a)"}), "regex"),
            (json!(7), "7"),
        ] {
            let why = Schema::compile(&schema).expect_err(&schema.to_string());
            assert!(why.contains(wanted), "{schema}: {why}");
        }
    }
}

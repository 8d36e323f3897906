//! What the built-in actions take: for those who look for one, and checked where arguments are written. Each action
//! reads its own arguments besides.

use super::API_KINDS;
use crate::schema::Schema;
use crate::tools::ToolInfo;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// What a built-in action that may come over the API takes; `None` if that is anything.
pub(super) fn schema(kind: &str) -> Option<&'static Schema> {
    static SCHEMAS: LazyLock<BTreeMap<&str, Schema>> = LazyLock::new(|| {
        let kinds = API_KINDS.into_iter().filter(|kind| *kind != "noop");
        kinds.filter_map(|kind| Some((kind, Schema::compile(&built_in(kind)?.input_schema).ok()?))).collect()
    });
    SCHEMAS.get(kind)
}

/// The entry of a built-in action that may come over the API.
pub(super) fn built_in(kind: &str) -> Option<ToolInfo> {
    let (description, input_schema, example) = match kind {
        "noop" => {
            ("Does nothing and returns its arguments.", json!({"type": "object"}), json!({"hello": "world"}))
        }
        "wait" => (
            "Waits, for one of seconds, ms and duration.",
            json!({"type": "object", "additionalProperties": false, "properties": {
                "seconds": {"type": "number", "minimum": 0}, "ms": {"type": "number", "minimum": 0},
                "duration": {"type": "string", "examples": ["90s"]}}}),
            json!({"seconds": 1.5}),
        ),
        "http" => (
            "Makes one HTTP request; 2xx or an expected status is done.",
            json!({"type": "object", "required": ["url"], "additionalProperties": false, "properties": {
                "url": {"type": "string"}, "method": {"type": "string", "default": "GET"},
                "headers": {"type": "object"}, "body": {}, "json": {},
                "expect_status": {"type": ["integer", "string", "array"]}}}),
            json!({"url": "https://example.org/", "method": "POST", "json": {"a": 1}}),
        ),
        "promql" => (
            "Evaluates a PromQL expression now.",
            json!({"type": "object", "required": ["query"], "additionalProperties": false,
                "properties": {"query": {"type": "string"}}}),
            json!({"query": "up == 0"}),
        ),
        "notify" => (
            "Sends a message to a receiver of the configuration.",
            json!({"type": "object", "required": ["receiver", "text"], "additionalProperties": false,
                "properties": {"receiver": {"type": "string"}, "title": {"type": "string"},
                    "text": {"type": "string"}, "severity": {"type": "string"}}}),
            json!({"receiver": "console", "title": "Done", "text": "The report is ready"}),
        ),
        _ => return None,
    };
    Some(entry(kind, description, input_schema, example))
}

fn entry(kind: &str, description: &str, input_schema: Value, example: Value) -> ToolInfo {
    ToolInfo {
        address: kind.to_owned(),
        transport: "builtin",
        endpoint: kind.to_owned(),
        input_schema,
        output_schema: None,
        timeout: None,
        scopes: Vec::new(),
        cost_tier: "free".to_owned(),
        description: description.to_owned(),
        examples: vec![example],
        circuit: "closed",
    }
}

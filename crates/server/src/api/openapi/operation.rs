//! One operation: what it takes and every code it may answer.

use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// In whose words a route refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `{detail, error, message, ..}`.
    Ours,
    /// `{status: error, errorType, error}`.
    Prometheus,
    /// A text.
    Alertmanager,
}

/// What a route takes and answers, besides what its gate answers.
#[derive(Debug, Clone)]
pub(super) struct Operation {
    parameters: Vec<Value>,
    body: Option<Value>,
    answers: BTreeMap<u16, Value>,
    refuses: BTreeSet<u16>,
    dialect: Dialect,
    busy: bool,
}

impl Operation {
    /// One that takes nothing and asks the deciders or the store, which may be unavailable.
    pub(super) fn new() -> Operation {
        Operation {
            parameters: Vec::new(),
            body: None,
            answers: BTreeMap::new(),
            refuses: BTreeSet::new(),
            dialect: Dialect::Ours,
            busy: true,
        }
    }

    /// One that answers JSON of this shape with 200.
    pub(super) fn gives(schema: Value) -> Operation {
        Operation::new().answers(200, "Done", schema)
    }

    /// In whose words it refuses.
    pub(super) fn speaks(mut self, dialect: Dialect) -> Operation {
        self.dialect = dialect;
        self
    }

    /// It asks nobody: it is always available.
    pub(super) fn by_itself(mut self) -> Operation {
        self.busy = false;
        self
    }

    /// An answer in JSON.
    pub(super) fn answers(self, code: u16, says: &str, schema: Value) -> Operation {
        self.answers_as(code, says, "application/json", schema)
    }

    /// An answer of another type.
    pub(super) fn answers_as(mut self, code: u16, says: &str, kind: &str, schema: Value) -> Operation {
        let mut answer = json!({"description": says, "content": {}});
        answer["content"][kind] = json!({"schema": schema});
        self.answers.insert(code, answer);
        self
    }

    /// The same answer in another type as well.
    pub(super) fn and_as(mut self, code: u16, kind: &str, schema: Value) -> Operation {
        self.answers.entry(code).and_modify(|answer| answer["content"][kind] = json!({"schema": schema}));
        self
    }

    /// Whether it has parameters in the query.
    pub(super) fn has_query(&self) -> bool {
        self.parameters.iter().any(|parameter| parameter["in"] == "query")
    }

    /// An answer without a body.
    pub(super) fn answers_bare(mut self, code: u16, says: &str) -> Operation {
        self.answers.insert(code, json!({"description": says}));
        self
    }

    /// A header of an answer.
    pub(super) fn header_of(mut self, code: u16, name: &str, says: &str, schema: Value) -> Operation {
        self.answers.entry(code).and_modify(|answer| {
            answer["headers"][name] = json!({"description": says, "schema": schema});
        });
        self
    }

    /// Codes with which it refuses.
    pub(super) fn refuses(mut self, codes: &[u16]) -> Operation {
        self.refuses.extend(codes);
        self
    }

    /// A parameter of the query.
    pub(super) fn query(mut self, name: &str, says: &str, schema: Value) -> Operation {
        self.parameters.push(json!({"name": name, "in": "query", "description": says, "schema": schema}));
        self
    }

    /// A parameter of the query that must be there.
    pub(super) fn query_needed(self, name: &str, says: &str, schema: Value) -> Operation {
        let mut operation = self.query(name, says, schema);
        if let Some(last) = operation.parameters.last_mut() {
            last["required"] = true.into();
        }
        operation
    }

    /// A header of the request.
    pub(super) fn header(mut self, name: &str, says: &str, schema: Value) -> Operation {
        self.parameters.push(json!({"name": name, "in": "header", "description": says, "schema": schema}));
        self
    }

    /// `Idempotency-Key`, and what marks an answer that was given before.
    pub(super) fn once(self) -> Operation {
        let codes: Vec<u16> = self.answers.keys().copied().collect();
        let key = json!({"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"});
        let says = "The same key again gets the same answer, and nothing is done twice";
        let told = "This answer was given before";
        let operation = self.header("Idempotency-Key", says, key).refuses(&[409, 422]);
        codes.into_iter().fold(operation, |operation, code| {
            operation.header_of(code, "Idempotent-Replayed", told, json!({"type": "string", "const": "true"}))
        })
    }

    /// A body in JSON that must be there.
    pub(super) fn takes(self, schema: Value, examples: Value) -> Operation {
        self.takes_as("application/json", schema, examples, true).refuses(&[400, 408, 413, 422])
    }

    /// A body in JSON that may be left out.
    pub(super) fn may_take(self, schema: Value, examples: Value) -> Operation {
        self.takes_as("application/json", schema, examples, false).refuses(&[400, 408, 413, 422])
    }

    /// A body of another type; `examples` is an object of values by name.
    pub(super) fn takes_as(
        mut self,
        kind: &str,
        schema: Value,
        examples: Value,
        required: bool,
    ) -> Operation {
        let named: Map<String, Value> = match examples {
            Value::Object(examples) => {
                examples.into_iter().map(|(name, value)| (name, json!({"value": value}))).collect()
            }
            _ => Map::new(),
        };
        let mut body = json!({"content": {}});
        body["content"][kind] = json!({"schema": schema});
        if !named.is_empty() {
            body["content"][kind]["examples"] = named.into();
        }
        if required {
            body["required"] = true.into();
        }
        self.body = Some(body);
        self
    }

    /// The same body may come as another type.
    pub(super) fn or_takes(mut self, kind: &str, schema: Value) -> Operation {
        if let Some(body) = &mut self.body {
            body["content"][kind] = json!({"schema": schema});
        }
        self
    }

    /// The parameters of the query may stand in a form in the body instead, as Prometheus takes them.
    pub(super) fn or_form(self) -> Operation {
        let mut schema = json!({"type": "object", "properties": {}});
        for parameter in self.parameters.iter().filter(|parameter| parameter["in"] == "query") {
            let name = parameter["name"].as_str().unwrap_or_default();
            schema["properties"][name] = parameter["schema"].clone();
        }
        let mut operation = self;
        for parameter in &mut operation.parameters {
            if let Some(parameter) = parameter.as_object_mut() {
                parameter.remove("required");
            }
        }
        operation
            .takes_as("application/x-www-form-urlencoded", schema, Value::Null, false)
            .refuses(&[400, 408, 413])
    }

    /// The part of the document; `gate` are the codes that the route's gate answers.
    pub(super) fn shown(&self, path: &str, gate: &[u16]) -> Value {
        let in_path = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let mut parameters: Vec<Value> = in_path
            .map(|name| {
                json!({"name": name, "in": "path", "required": true, "schema": {"type": "string", "minLength": 1}})
            })
            .collect();
        let mut codes: BTreeSet<u16> = self.refuses.iter().chain(gate).copied().collect();
        if !parameters.is_empty() {
            // A path whose escapes are no UTF-8.
            codes.insert(400);
        }
        if self.busy {
            codes.insert(503);
        }
        parameters.extend(self.parameters.iter().cloned());
        let mut responses = Map::new();
        for (code, answer) in &self.answers {
            let mut answer = answer.clone();
            answer["headers"]["X-Request-ID"] = json!({"$ref": "#/components/headers/RequestId"});
            responses.insert(code.to_string(), answer);
        }
        for code in codes.iter().filter(|code| !self.answers.contains_key(code)) {
            let name = refusal_name(*code, self.dialect);
            responses.insert(code.to_string(), json!({"$ref": format!("#/components/responses/{name}")}));
        }
        if parameters.iter().any(|parameter| parameter["in"] == "path" || parameter["in"] == "query") {
            let name = format!("#/components/responses/{ADDRESS_TOO_LONG}");
            responses.insert("414".to_owned(), json!({"$ref": name}));
        }
        responses.sort_keys();
        let mut shown = json!({"responses": responses});
        if !parameters.is_empty() {
            shown["parameters"] = parameters.into();
        }
        if let Some(body) = &self.body {
            shown["requestBody"] = body.clone();
        }
        shown
    }
}

/// Codes of refusals, and what each means.
pub(super) const REFUSALS: [(u16, &str, &str); 12] = [
    (400, "BadRequest", "A value is not one that is taken, or the request is garbled"),
    (401, "Unauthorized", "There is no credential, or it is not valid"),
    (403, "Forbidden", "The credential is good and does not suffice"),
    (404, "NotFound", "There is no such thing"),
    (408, "TooSlow", "The body did not arrive in time"),
    (409, "Conflict", "Not in this state"),
    (410, "Gone", "It was used or has run out"),
    (413, "TooLarge", "The body, or a part of it, is larger than is taken"),
    (422, "Unprocessable", "Fields are missing or have the wrong shape; detail lists all of them"),
    (429, "TooMany", "Asked too often, or a bound is reached: try again later"),
    (500, "Internal", "Our fault; the log says more"),
    (503, "Unavailable", "Stopping, not ready, or the store takes no writes: try again later"),
];

/// What the HTTP library answers by itself, to whoever it is.
const ADDRESS_TOO_LONG: &str = "AddressTooLong";

fn refusal_name(code: u16, dialect: Dialect) -> String {
    let known = REFUSALS.iter().find(|(known, ..)| *known == code);
    let name = known.map_or("Internal", |(_, name, _)| *name);
    match (dialect, code) {
        // The gate and the net under panics speak for every route.
        (Dialect::Ours, _) | (_, 401 | 403) => name.to_owned(),
        (Dialect::Prometheus, _) => format!("Prometheus{name}"),
        (Dialect::Alertmanager, _) => format!("Alertmanager{name}"),
    }
}

/// Every refusal in every dialect.
pub(super) fn refusals() -> Map<String, Value> {
    let mut all = Map::new();
    let says = "The address has more than 65,534 bytes; there is no body";
    all.insert(ADDRESS_TOO_LONG.to_owned(), json!({"description": says}));
    for (code, _, says) in REFUSALS {
        for (dialect, schema) in [
            (Dialect::Ours, super::schema::of("Error")),
            (Dialect::Prometheus, either("PrometheusError")),
            (Dialect::Alertmanager, either("AlertmanagerError")),
        ] {
            let mut answer =
                json!({"description": says, "content": {"application/json": {"schema": schema}}});
            answer["headers"]["X-Request-ID"] = json!({"$ref": "#/components/headers/RequestId"});
            match code {
                401 => answer["headers"]["WWW-Authenticate"] = json!({"schema": {"const": "Bearer"}}),
                429 | 503 => {
                    let says = "In how many seconds to try again";
                    answer["headers"]["Retry-After"] =
                        json!({"description": says, "schema": {"type": "integer", "minimum": 0}});
                }
                _ => {}
            }
            all.insert(refusal_name(code, dialect), answer);
        }
    }
    all
}

/// A dialect's own words, or ours where the request came no further than the door.
fn either(name: &str) -> Value {
    super::schema::any_of(&[super::schema::of(name), super::schema::of("Error")])
}

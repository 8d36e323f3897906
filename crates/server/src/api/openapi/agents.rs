//! `/agents`.

use super::operation::Operation;
use super::schema::*;
use axum::http::Method;
use serde_json::{Value, json};

pub(super) const SAYS: &str =
    "Programs known by name, their secrets, and which agent a type of task goes to.";

const ROLES: [&str; 4] = ["user", "agent", "operator", "admin"];

pub(super) fn describe(method: &Method, path: &str) -> Option<Operation> {
    Some(match (method.as_str(), path) {
        ("POST", "/agents" | "/agents/") => Operation::new()
            .answers(201, "It is there", of("Agent"))
            .once()
            .takes(
                closed(object(
                    [("name", text_of(1, 100))],
                    [
                        ("scopes", or_null(scopes())),
                        ("role", or_null(word(&ROLES))),
                        ("webhook_url", or_null(url(2000))),
                    ],
                )),
                json!({"ci": {"name": "ci", "scopes": ["deploy"], "role": "agent"}}),
            )
            .refuses(&[409, 429]),
        ("GET", "/agents" | "/agents/") => Operation::gives(list(of("Agent")))
            .query("name_filter", "Only whose name holds this", text())
            .query("scope_filter", "Only with this scope", text())
            .query("limit", "Items of a page", whole(1, 200))
            .query("offset", "Items to leave out", whole(0, 1_000_000_000))
            .refuses(&[422]),
        ("GET", "/agents/{id}") => Operation::gives(of("Agent")).refuses(&[404]),
        ("PUT", "/agents/{id}") => Operation::gives(of("Agent"))
            .takes(
                closed(object(
                    [],
                    [
                        ("name", or_null(text_of(1, 100))),
                        ("scopes", or_null(scopes())),
                        ("role", or_null(word(&ROLES))),
                        ("webhook_url", or_null(url(2000))),
                    ],
                )),
                json!({"narrower": {"scopes": []}}),
            )
            .refuses(&[404, 409, 429]),
        ("DELETE", "/agents/{id}") => {
            let details = whole_object([("agent_id", text()), ("agent_name", text())]);
            Operation::gives(super::done([("message", text()), ("details", details)]))
                .refuses(&[403, 404, 409, 429])
        }
        ("POST", "/agents/{id}/credentials") => Operation::gives(whole_object([
            ("agent_id", text()),
            ("agent_secret", text()),
            ("message", text()),
        ]))
        .refuses(&[404, 409, 429]),
        ("GET", "/agents/routing") => {
            Operation::gives(whole_object([("rules", list(of("RoutingRule"))), ("total", count())]))
        }
        ("PUT", "/agents/routing") => {
            set_rule(closed(whole_object([("type", text_of(1, 100)), ("agent", text_of(1, 100))])))
        }
        ("PUT", "/agents/routing/{type}") => set_rule(closed(whole_object([("agent", text_of(1, 100))]))),
        ("DELETE", "/agents/routing") => {
            removed().query_needed("type", "Whose rule", text_of(1, 100)).refuses(&[422])
        }
        ("DELETE", "/agents/routing/{type}") => removed(),
        _ => return None,
    })
}

fn scopes() -> Value {
    list_of(text_of(1, 100), 64)
}

fn set_rule(body: Value) -> Operation {
    let mut example = json!({"agent": "mobile_agent"});
    if body["properties"].get("type").is_some() {
        example["type"] = "app_release".into();
    }
    Operation::gives(super::done([("type", text()), ("agent", text())]))
        .takes(body, json!({"custom": example}))
        .refuses(&[409])
}

fn removed() -> Operation {
    Operation::gives(super::done([("type", text())])).refuses(&[404, 409])
}

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let agent = whole_object([
        ("id", text()),
        ("name", text()),
        ("scopes", list(text())),
        ("role", word(&ROLES)),
        ("webhook_url", or_null(text())),
        ("has_secret", flag()),
        ("created_at", instant()),
    ]);
    let rule =
        whole_object([("type", text()), ("aliases", list(text())), ("agent", text()), ("custom", flag())]);
    vec![("Agent", agent), ("RoutingRule", rule)]
}

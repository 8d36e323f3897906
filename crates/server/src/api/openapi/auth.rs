//! `/auth` and `/agents/auth`.

use super::operation::Operation;
use super::schema::*;
use axum::http::Method;
use serde_json::{Value, json};

pub(super) const SAYS: &str =
    "Tokens: issued to who has a credential of at least the role, refreshed, revoked.";

pub(super) fn describe(method: &Method, path: &str) -> Option<Operation> {
    let refresh = || whole_object([("refresh_token", text())]);
    let refresh_example = json!({"refresh": {"refresh_token": "TOKEN"}});
    Some(match (method.as_str(), path) {
        ("POST", "/auth/token") => Operation::gives(of("Tokens"))
            .takes(
                object(
                    [("user_id", text_of(1, 200))],
                    [
                        ("role", word(&["user", "agent", "operator", "admin"])),
                        ("ttl", or_null(json!({"type": "integer", "minimum": 1}))),
                        ("name", or_null(text_of(1, 200))),
                        ("scopes", or_null(list_of(text_of(1, 100), 64))),
                    ],
                ),
                json!({"reader": {"user_id": "kim", "role": "user", "ttl": 3600}}),
            )
            .refuses(&[403, 429]),
        ("POST", "/auth/refresh" | "/agents/auth/refresh") => {
            Operation::gives(of("Tokens")).takes(refresh(), refresh_example)
        }
        ("POST", "/agents/auth/token") => Operation::gives(of("Tokens")).takes(
            object([("agent_id", text())], [("agent_secret", or_null(text()))]),
            json!({"agent": {"agent_id": "ci", "agent_secret": "SECRET"}}),
        ),
        ("POST", "/auth/revoke" | "/agents/auth/revoke") => {
            Operation::gives(super::done([("revoked", is(true)), ("message", text())]))
                .takes(
                    object(
                        [],
                        [
                            ("token", or_null(text())),
                            ("refresh_token", or_null(text())),
                            ("access_token", or_null(text())),
                            ("user_id", or_null(text())),
                        ],
                    ),
                    json!({"one": {"token": "TOKEN"}, "all_of_somebody": {"user_id": "kim"}}),
                )
                .refuses(&[403])
        }
        _ => return None,
    })
}

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let tokens = whole_object([
        ("access_token", text()),
        ("refresh_token", text()),
        ("token_type", is("bearer")),
        ("expires_in", count()),
        ("scope", text()),
        ("role", word(&["user", "agent", "operator", "admin"])),
    ]);
    vec![("Tokens", tokens)]
}

//! Pages for people.

use super::operation::Operation;
use super::schema::*;
use axum::http::Method;

pub(super) const SAYS: &str = "Pages for people.";

pub(super) fn describe(method: &Method, path: &str) -> Option<Operation> {
    let html = |operation: Operation, code| operation.answers_as(code, "A page", "text/html", text());
    let page = || html(Operation::new(), 200);
    Some(match (method.as_str(), path) {
        ("GET", "/") => page(),
        ("GET", "/docs" | "/redoc") => page().by_itself(),
        ("GET", "/docs/assets/{file}") => Operation::new()
            .answers_as(200, "A script", "text/javascript", text())
            .and_as(200, "text/css", text())
            .refuses(&[404])
            .by_itself(),
        ("GET", "/graph" | "/alerts") => Operation::new()
            .answers_bare(307, "Where it is")
            .header_of(307, "Location", "Where it is", text())
            .by_itself(),
        ("GET", "/ui/graph") => page()
            .query("expr", "An expression", text())
            .query("g0.expr", "The same, as upstream's links write it", text())
            .query("range", "How far back", text()),
        ("GET", "/ui/approvals") => page(),
        ("GET", "/ui/approvals/{id}") => page().refuses(&[404]),
        ("GET" | "POST", "/ui/links/approvals/{id}") => {
            let operation = [400, 404, 409, 410].into_iter().fold(page(), |operation, code| {
                html(operation, code).and_as(code, "application/json", of("Error"))
            });
            if method == Method::POST {
                let operation = operation.takes_as(
                    "application/x-www-form-urlencoded",
                    object([], [("reason", text_of(0, 500))]),
                    serde_json::Value::Null,
                    false,
                );
                html(operation, 403).and_as(403, "application/json", of("Error")).refuses(&[408, 413])
            } else {
                operation
            }
        }
        _ => return None,
    })
}

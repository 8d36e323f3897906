//! Pages for people.

use super::operation::Operation;
use super::schema::*;
use axum::http::Method;

pub(super) const SAYS: &str = "Pages for people.";

pub(super) fn describe(method: &Method, path: &str) -> Option<Operation> {
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
        ("GET", "/ui/incidents" | "/ui/on-call") => page(),
        ("POST", "/ui/on-call") => acted(&[400, 404, 409, 429], form(&["schedule", "who", "for", "remove"])),
        ("GET", "/ui/incidents/{id}") => page().refuses(&[404]),
        ("GET", "/ui/silences") => page().query("filter", "Matchers: what would they mute?", text()),
        ("POST", "/ui/silences") => acted(&[400, 404, 409], form(&["filter", "for", "comment", "expire"])),
        ("GET", "/ui/links/incidents/{id}") => refused(page(), &[400, 404, 409, 410]),
        ("POST", "/ui/links/incidents/{id}") => {
            let operation = acted(&[400, 404, 409, 410], form(&["by", "for", "assignee", "text", "into"]));
            html(operation, 200)
        }
        ("GET", "/ui/approvals") => page(),
        ("GET", "/ui/approvals/{id}") => page().refuses(&[404]),
        ("GET" | "POST", "/ui/links/approvals/{id}") => {
            let operation = refused(page(), &[400, 404, 409, 410]);
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

fn html(operation: Operation, code: u16) -> Operation {
    operation.answers_as(code, "A page", "text/html", text())
}

/// Refuses with a page that says why.
fn refused(operation: Operation, codes: &[u16]) -> Operation {
    codes.iter().fold(operation, |operation, code| {
        html(operation, *code).and_as(*code, "application/json", of("Error"))
    })
}

/// Takes a form, and leads to where what was done is seen.
fn acted(codes: &[u16], form: serde_json::Value) -> Operation {
    let operation = Operation::new().answers_bare(303, "Where it is seen").header_of(
        303,
        "Location",
        "Where it is seen",
        text(),
    );
    let kind = "application/x-www-form-urlencoded";
    refused(operation, codes).takes_as(kind, form, serde_json::Value::Null, false).refuses(&[408, 413])
}

fn form(fields: &[&str]) -> serde_json::Value {
    let properties = fields.iter().map(|name| ((*name).to_owned(), text_of(0, 4000)));
    serde_json::json!({"type": "object", "properties": properties.collect::<serde_json::Map<_, _>>()})
}

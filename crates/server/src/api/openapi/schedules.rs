//! `/schedules` and `/calendars`.

use super::operation::Operation;
use super::schema::*;
use axum::http::Method;
use serde_json::{Value, json};

pub(super) const SAYS: &str = "Tasks that fire, when expressions would fire, and days on which nothing does.";

pub(super) fn describe(method: &Method, path: &str) -> Option<Operation> {
    Some(match (method.as_str(), path) {
        ("GET", "/schedules") => super::tasks::list_query().answers(200, "A page", page(of("ScheduledTask"))),
        ("GET", "/schedules/preview") => preview(),
        ("GET", "/calendars") => Operation::gives(listed(of("Calendar"))),
        ("GET", "/calendars/{name}") => Operation::gives(of("Calendar")).refuses(&[404]),
        ("PUT", "/calendars/{name}") => Operation::gives(of("Calendar"))
            .takes(
                whole_object([("dates", list_of(date(), 5_000))]),
                json!({"holidays": {"dates": ["12-25", "12-26", "2030-04-19"]}}),
            )
            .refuses(&[409]),
        ("DELETE", "/calendars/{name}") => {
            Operation::new().answers_bare(204, "It is gone").refuses(&[404, 409])
        }
        _ => return None,
    })
}

fn date() -> Value {
    json!({"type": "string", "pattern": "^([0-9]{4}-)?[0-9]{2}-[0-9]{2}$"})
}

fn preview() -> Operation {
    let reply = whole_object([
        ("schedule_kind", word(&["cron", "rrule", "once"])),
        ("expr", text()),
        ("timezone", text()),
        ("fires", list(text())),
    ]);
    let operation = Operation::gives(reply)
        .query_needed("expr", "The expression", text_of(1, 8192))
        .query("count", "How many fires", whole(1, 1000))
        .query("timezone", "An IANA zone", text())
        .query("tz", "The same", text())
        .query("after", "From this instant on", instant())
        .refuses(&[400, 404, 422]);
    super::tasks::firing().into_iter().fold(operation, |operation, (name, schema)| {
        let plain = schema["anyOf"][0].clone();
        let schema = if plain.is_object() {
            plain
        } else {
            let mut schema = schema;
            let kind = schema["type"][0].clone();
            schema["type"] = kind;
            schema
        };
        operation.query(name, "As in a task", schema)
    })
}

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    vec![("Calendar", whole_object([("name", text()), ("dates", list(text()))]))]
}

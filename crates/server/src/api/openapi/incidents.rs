//! `/api/v1/incidents`, why somebody was told or not, and who is on call.

use super::operation::Operation;
use super::schema::*;
use axum::http::Method;
use serde_json::{Value, json};

pub(super) const SAYS: &str =
    "Groups that paged somebody, what people do to them, why somebody was told or not, and who is on call.";

const SECONDS_MAX: u64 = 366 * 86_400;

pub(super) fn describe(method: &Method, path: &str) -> Option<Operation> {
    let by = || ("by", or_null(text_of(0, 200)));
    let act = || Operation::gives(of("Incident")).once().refuses(&[404, 409]);
    let at = |operation: Operation| operation.query("at", "When; now if left out", text());
    Some(match (method.as_str(), path) {
        ("GET", "/api/v1/incidents") => Operation::gives(page(of("Incident")))
            .query("state", "Only those in this state", word(&["open", "acknowledged", "resolved"]))
            .query("limit", "How many", whole(1, 200))
            .query("offset", "After how many", whole(0, 1_000_000))
            .refuses(&[400, 422]),
        ("GET", "/api/v1/incidents/{id}") => Operation::gives(of("Incident")).refuses(&[404]),
        ("POST", "/api/v1/incidents/{id}/acknowledge" | "/api/v1/incidents/{id}/resolve") => {
            act().may_take(closed(object([], [by()])), json!({"as_kim": {"by": "kim"}}))
        }
        ("POST", "/api/v1/incidents/{id}/snooze") => act().takes(
            closed(object(
                [],
                [("until", or_null(instant())), ("seconds", or_null(above_zero(SECONDS_MAX))), by()],
            )),
            json!({"an_hour": {"seconds": 3600}, "until": {"until": "2030-01-31T08:00:00Z"}}),
        ),
        ("POST", "/api/v1/incidents/{id}/assign") => {
            act().takes(closed(object([("to", text_of(1, 200))], [by()])), json!({"to_kim": {"to": "kim"}}))
        }
        ("POST", "/api/v1/incidents/{id}/note") => act().takes(
            closed(object([("text", text_of(1, 4000))], [by()])),
            json!({"found": {"text": "the disk of db-2 is being replaced"}}),
        ),
        ("POST", "/api/v1/incidents/{id}/merge") => act().takes(
            closed(object([("into", text_of(1, 200))], [by()])),
            json!({"into": {"into": "7c1d5e0f9a8b341218f1c2d3e4f"}}),
        ),
        ("GET", "/api/v1/incidents/{id}/why") => at(Operation::gives(of("WhyAnswer"))).refuses(&[404, 422]),
        ("GET", "/api/v1/why") => at(Operation::gives(of("WhyAnswer")).query_needed(
            "labels",
            "The alert: an object of labels, or matchers as Alertmanager writes them",
            text(),
        ))
        .refuses(&[404, 422]),
        ("GET", "/api/v1/on_call") => {
            let schedules = whole_object([("at", instant()), ("items", list(schedule()))]);
            at(Operation::gives(schedules)).refuses(&[422])
        }
        ("GET", "/api/v1/on_call/{name}") => {
            Operation::new().answers_as(200, "A calendar", "text/calendar", text()).refuses(&[404])
        }
        ("POST", "/api/v1/on_call/{name}/overrides") => {
            Operation::new().answers(201, "They stand in", stands_in()).once().refuses(&[404]).takes(
                closed(object(
                    [("who", text_of(1, 200))],
                    [
                        ("from", or_null(instant())),
                        ("until", or_null(instant())),
                        ("seconds", or_null(above_zero(SECONDS_MAX))),
                        by(),
                    ],
                )),
                json!({"tonight": {"who": "kim", "seconds": 28800}}),
            )
        }
        ("DELETE", "/api/v1/on_call/{name}/overrides/{id}") => {
            Operation::new().answers_bare(204, "They do not stand in").refuses(&[404])
        }
        ("GET", "/api/v1/silences/preview") => Operation::gives(whole_object([
            ("matchers", list(text())),
            ("mutes", count()),
            ("firing", count()),
            ("broad", flag()),
            ("alerts", list(texts())),
        ]))
        .query_needed("filter", "Matchers; all must accept", list(text()))
        .refuses(&[422]),
        _ => return None,
    })
}

fn schedule() -> Value {
    let shift = whole_object([("who", text()), ("from", instant()), ("until", instant())]);
    whole_object([
        ("name", text()),
        ("zone", text()),
        ("who", or_null(text())),
        ("until", or_null(instant())),
        ("shifts", list(shift)),
        ("overrides", list(stands_in())),
    ])
}

fn stands_in() -> Value {
    whole_object([
        ("who", text()),
        ("from", instant()),
        ("until", instant()),
        ("id", or_null(text())),
        ("created_by", or_null(text())),
    ])
}

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let answer = with(why(), [("others", list(of("Why")))]);
    vec![("Incident", incident()), ("Why", why()), ("WhyAnswer", answer)]
}

fn incident() -> Value {
    let alert = whole_object([
        ("labels", texts()),
        ("annotations", texts()),
        ("fingerprint", text()),
        ("starts_at", instant()),
        ("ends_at", or_null(instant())),
        ("state", word(&["unprocessed", "active", "suppressed"])),
        ("silenced_by", list(text())),
        ("inhibited_by", list(text())),
        ("muted_by", list(text())),
        ("generator_url", text()),
    ]);
    let entry = whole_object([
        ("at", instant()),
        ("what", text()),
        ("who", text()),
        ("detail", text()),
        ("key", or_null(text())),
        ("code", or_null(text())),
        ("tries", count()),
    ]);
    let escalation = whole_object([
        ("policy", text()),
        ("step", count()),
        ("round", count()),
        ("due", or_null(instant())),
    ]);
    whole_object([
        ("id", text()),
        ("state", word(&["open", "acknowledged", "resolved"])),
        ("severity", word(&["critical", "error", "warning", "info"])),
        ("sev", word(&["sev0", "sev1", "sev2", "sev3"])),
        ("group_key", text()),
        ("receiver", text()),
        ("labels", texts()),
        ("alerts", list(alert)),
        ("timeline", list(entry)),
        ("opened_at", instant()),
        ("resolved_at", or_null(instant())),
        ("resolved_by", or_null(text())),
        ("acknowledged_by", or_null(text())),
        ("snoozed_until", or_null(instant())),
        ("assigned_to", or_null(text())),
        ("merged_into", or_null(text())),
        ("reopened", count()),
        ("escalation", or_null(escalation)),
    ])
}

fn why() -> Value {
    let reasons = [
        "none",
        "silenced",
        "inhibited",
        "muted",
        "grouped",
        "repeat",
        "damped",
        "acknowledged",
        "receiver_down",
    ];
    let attempt = whole_object([
        ("at", instant()),
        ("key", text()),
        ("code", text()),
        ("error", text()),
        ("integration", text()),
        ("tries", count()),
    ]);
    let rule = whole_object([
        ("name", text()),
        ("query", text()),
        ("value", or_null(number())),
        ("since", or_null(instant())),
        ("pending", flag()),
    ]);
    whole_object([
        ("alert", texts()),
        ("at", instant()),
        ("since", or_null(instant())),
        ("rule", or_null(rule)),
        ("route", list(text())),
        ("group", whole_object([("key", text()), ("next_send", or_null(instant()))])),
        ("verdict", word(&["deliver", "hold"])),
        ("reason", word(&reasons)),
        ("by", list(text())),
        ("by_text", list(text())),
        ("says", text()),
        ("over", flag()),
        ("incident_id", or_null(text())),
        ("receivers", list(whole_object([("name", text()), ("attempts", list(attempt))]))),
    ])
}

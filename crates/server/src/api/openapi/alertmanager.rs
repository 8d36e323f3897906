//! Alertmanager's HTTP API, and the calls of its first version.

use super::operation::{Dialect, Operation};
use super::prometheus::answer;
use super::schema::*;
use axum::http::Method;
use serde_json::{Value, json};

pub(super) const SAYS: &str = "Alerts and silences as Alertmanager's own API gives them, `/api/v2`.";

pub(super) fn describe(method: &Method, path: &str) -> Option<Operation> {
    let v2 = |operation: Operation| operation.speaks(Dialect::Alertmanager);
    let v1 = |operation: Operation| operation.speaks(Dialect::Prometheus);
    Some(match (method.as_str(), path) {
        ("GET", "/api/v2/status") => v2(Operation::gives(of("RouterStatus"))),
        ("GET", "/api/v2/receivers") => v2(Operation::gives(list(name()))
            .query("receiver", "A regular expression", text())
            .query("receiver_matchers", "Only whose labels match; ours have none", list(text()))
            .refuses(&[400])),
        ("GET", "/api/v2/alerts") => v2(narrowed(Operation::gives(list(of("GettableAlert"))))),
        ("GET", "/api/v2/alerts/groups") => {
            let group = whole_object([
                ("labels", texts()),
                ("routeLabels", texts()),
                ("receiver", name()),
                ("alerts", list(of("GettableAlert"))),
            ]);
            v2(narrowed(Operation::gives(list(group))))
        }
        ("POST", "/api/v2/alerts") => v2(takes_alerts(Operation::new().answers_bare(200, "They are taken"))),
        ("GET", "/api/v2/silences") => v2(Operation::gives(list(of("Silence")))
            .query("filter", "Only whose matchers match", list(text()))
            .query("active", "Those that hold", flag())
            .query("pending", "Those that will hold", flag())
            .query("expired", "Those that are over", flag())
            .refuses(&[400])),
        ("POST", "/api/v2/silences") => v2(takes_silence(
            Operation::gives(whole_object([("silenceID", text())])).once(),
            Fields::Upstream,
        )),
        ("GET", "/api/v2/silence/{id}") => v2(Operation::gives(of("Silence")).refuses(&[404])),
        ("DELETE", "/api/v2/silence/{id}") => {
            v2(Operation::new().answers_bare(200, "It has ended").refuses(&[404, 409]))
        }
        ("GET", "/api/v1/status") => v1(Operation::gives(answer(of("RouterStatus")))),
        ("GET", "/api/v1/silences") => v1(Operation::gives(answer(list(of("OurSilence"))))),
        ("POST", "/api/v1/alerts") => {
            v1(takes_alerts(Operation::gives(whole_object([("status", is("success"))]))))
        }
        ("POST", "/api/v1/silences") => {
            let given = answer(whole_object([("silenceId", text())]));
            v1(takes_silence(Operation::gives(given).once(), Fields::Ours).refuses(&[422]))
        }
        _ => return None,
    })
}

fn name() -> Value {
    whole_object([("name", text())])
}

fn narrowed(operation: Operation) -> Operation {
    let flags = ["active", "silenced", "inhibited", "muted", "unprocessed"];
    flags
        .into_iter()
        .fold(operation, |operation, name| operation.query(name, "Whether these are shown", flag()))
        .query("filter", "Only whose labels match", list(text()))
        .query("receiver", "Only of receivers that match", text())
        .query("receiver_matchers", "Only of receivers whose labels match; ours have none", list(text()))
        .refuses(&[400])
}

fn takes_alerts(operation: Operation) -> Operation {
    let alert = object(
        [(
            "labels",
            json!({"type": "object", "minProperties": 1, "additionalProperties": {"type": "string"}}),
        )],
        [("annotations", texts()), ("startsAt", instant()), ("endsAt", instant()), ("generatorURL", text())],
    );
    let example = json!({"one": [{
        "labels": {"alertname": "DiskAlmostFull", "severity": "critical"},
        "annotations": {"summary": "three minutes left on /var"},
    }]});
    operation
        .takes_as("application/json", list_of(alert, 100_000), example, true)
        .refuses(&[400, 408, 413, 429])
}

/// Which fields a silence may be asked for with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fields {
    Upstream,
    Ours,
}

fn takes_silence(operation: Operation, fields: Fields) -> Operation {
    let matcher = object(
        [("name", text_of(1, 1000)), ("value", text())],
        [("isRegex", or_null(flag())), ("isEqual", or_null(flag()))],
    );
    let silence = object(
        [
            ("matchers", json!({"type": "array", "items": matcher, "minItems": 1, "maxItems": 100})),
            ("endsAt", instant()),
            ("comment", text_of(0, 10_000)),
        ],
        [("id", text()), ("startsAt", instant()), ("createdBy", text()), ("annotations", texts())],
    );
    let silence = match fields {
        Fields::Upstream => silence,
        Fields::Ours => with_maybe(
            silence,
            [
                ("windows", json!({"type": ["array", "null"], "items": window(), "maxItems": 50})),
                ("until_resolved", or_null(flag())),
                ("maintenance", or_null(flag())),
                ("confirm", or_null(flag())),
            ],
        ),
    };
    let example = json!({"tonight": {
        "matchers": [{"name": "alertname", "value": "DiskAlmostFull", "isRegex": false}],
        "startsAt": "2030-01-01T22:00:00Z", "endsAt": "2030-01-02T06:00:00Z",
        "createdBy": "kim", "comment": "the disk is being replaced",
    }});
    operation.takes_as("application/json", silence, example, true).refuses(&[400, 404, 408, 409, 413, 429])
}

fn window() -> Value {
    object(
        [("start", text_of(1, 10)), ("end", text_of(1, 10))],
        [("weekdays", list(text())), ("zone", or_null(text()))],
    )
}

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let version = whole_object(
        ["version", "revision", "branch", "buildUser", "buildDate", "goVersion"].map(|name| (name, text())),
    );
    let status = whole_object([
        ("cluster", whole_object([("status", is("disabled")), ("peers", list(any_object()))])),
        ("config", whole_object([("original", text())])),
        ("uptime", instant()),
        ("versionInfo", version),
    ]);
    let state = whole_object([
        ("inhibitedBy", list(text())),
        ("mutedBy", list(text())),
        ("silencedBy", list(text())),
        ("state", word(&["unprocessed", "active", "suppressed"])),
    ]);
    let alert = object(
        [
            ("annotations", texts()),
            ("endsAt", instant()),
            ("fingerprint", json!({"type": "string", "pattern": "^[0-9a-f]{16}$"})),
            ("receivers", list(name())),
            ("startsAt", instant()),
            ("status", state),
            ("updatedAt", instant()),
            ("labels", texts()),
        ],
        [("generatorURL", text())],
    );
    let matcher =
        whole_object([("isEqual", flag()), ("isRegex", flag()), ("name", text()), ("value", text())]);
    let silence = object(
        [
            ("id", text()),
            ("status", whole_object([("state", word(&["active", "pending", "expired"]))])),
            ("updatedAt", instant()),
            ("comment", text()),
            ("createdBy", text()),
            ("endsAt", instant()),
            ("matchers", list(matcher)),
            ("startsAt", instant()),
        ],
        [("annotations", texts())],
    );
    let window =
        whole_object([("weekdays", list(text())), ("start", text()), ("end", text()), ("zone", text())]);
    let ours = with(
        silence.clone(),
        [("windows", list(window)), ("until_resolved", flag()), ("maintenance", flag()), ("acts", flag())],
    );
    vec![("RouterStatus", status), ("GettableAlert", alert), ("Silence", silence), ("OurSilence", ours)]
}

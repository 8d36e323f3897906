//! Prometheus's HTTP API.

use super::operation::{Dialect, Operation};
use super::schema::*;
use axum::http::Method;
use serde_json::{Value, json};

pub(super) const SAYS: &str = "Series, rules and targets as Prometheus's own API gives them, `/api/v1`.";

pub(super) fn describe(method: &Method, path: &str) -> Option<Operation> {
    let forms = |operation: Operation| match *method == Method::POST {
        true => operation.or_form(),
        false => operation,
    };
    let operation = match (method.as_str(), path) {
        ("GET" | "POST", "/api/v1/query") => {
            forms(query(answer(data())).query("time", "At which instant", time()).refuses(&[422]))
        }
        ("GET" | "POST", "/api/v1/query_range") => forms(
            query(answer(data()))
                .query_needed("start", "The first instant", time())
                .query_needed("end", "The last instant", time())
                .query_needed("step", "From one to the next", duration())
                .refuses(&[422]),
        ),
        ("GET" | "POST", "/api/v1/series") => forms(
            Operation::gives(answer(list(texts())))
                .query_needed("match[]", "Selectors", selectors())
                .query("start", "From", time())
                .query("end", "To", time())
                .query("limit", "How many; 0: all", count())
                .refuses(&[422]),
        ),
        ("GET" | "POST", "/api/v1/labels") => forms(labels()),
        ("GET", "/api/v1/label/{name}/values") => labels(),
        ("GET", "/api/v1/targets") => Operation::gives(answer(targets()))
            .query("state", "Only these", word(&["active", "dropped", "any"]))
            .query("scrapePool", "Only of this job", text()),
        ("GET", "/api/v1/targets/metadata") => {
            let row = object(
                [("type", text()), ("help", text()), ("unit", text()), ("target", texts())],
                [("metric", text())],
            );
            Operation::gives(answer(list(row)))
                .query("match_target", "Only these targets", text())
                .query("metric", "Only this metric", text())
                .query("limit", "How many; 0: all", count())
        }
        ("GET", "/api/v1/metadata") => {
            let row = whole_object([("type", text()), ("help", text()), ("unit", text())]);
            Operation::gives(answer(map(list(row))))
                .query("metric", "Only this metric", text())
                .query("limit", "How many; 0: all", count())
                .query("limit_per_metric", "How many of each; 0: all", count())
        }
        ("GET", "/api/v1/rules") => rules(),
        ("GET", "/api/v1/alerts") => {
            Operation::gives(answer(whole_object([("alerts", list(of("PrometheusAlert")))])))
        }
        ("GET", "/api/v1/alertmanagers") => {
            let one = || list(whole_object([("url", text())]));
            Operation::gives(answer(whole_object([
                ("activeAlertmanagers", one()),
                ("droppedAlertmanagers", one()),
            ])))
        }
        ("GET", "/api/v1/status/buildinfo") => Operation::gives(answer(whole_object(
            ["version", "revision", "branch", "buildUser", "buildDate", "goVersion"]
                .map(|name| (name, text())),
        )))
        .by_itself(),
        ("GET", "/api/v1/status/runtimeinfo") => Operation::gives(answer(runtime())),
        ("GET", "/api/v1/status/config") => Operation::gives(answer(whole_object([("yaml", text())]))),
        ("GET", "/api/v1/status/flags") => Operation::gives(answer(texts())),
        ("GET", "/api/v1/status/tsdb") => {
            Operation::gives(answer(tsdb())).query("limit", "Rows of each list", count()).refuses(&[422])
        }
        _ => return None,
    };
    let operation = match operation.has_query() {
        true => operation.refuses(&[400]),
        false => operation,
    };
    Some(operation.speaks(Dialect::Prometheus))
}

/// `{status, data, warnings?, infos?}`.
pub(super) fn answer(data: Value) -> Value {
    object([("status", is("success")), ("data", data)], [("warnings", list(text())), ("infos", list(text()))])
}

fn time() -> Value {
    json!({"type": "string", "description": "RFC 3339, or seconds since 1970", "examples": ["2030-01-02T03:04:05Z", "1893553445"]})
}

fn duration() -> Value {
    json!({"type": "string", "description": "A duration such as 30s, or a number of seconds", "examples": ["30s", "15"]})
}

fn selectors() -> Value {
    json!({"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 100, "examples": [["up"]]})
}

fn query(reply: Value) -> Operation {
    let expression =
        json!({"type": "string", "minLength": 1, "examples": ["up", "sum by (job) (rate(up[5m]))"]});
    Operation::gives(reply)
        .query_needed("query", "The expression", expression)
        .query("timeout", "How long it may take", duration())
        .query("limit", "How many series; 0: all", count())
        .query("lookback_delta", "How old a sample may be", duration())
}

fn labels() -> Operation {
    Operation::gives(answer(list(text())))
        .query("match[]", "Only of these series", selectors())
        .query("start", "From", time())
        .query("end", "To", time())
        .query("limit", "How many; 0: all", count())
        .refuses(&[422])
}

/// `[seconds since 1970, "value"]`; without `prefixItems`, which generators of requests do not all know.
fn pair() -> Value {
    let says = "Seconds since 1970, and the value as a text";
    json!({"type": "array", "description": says, "items": {"type": ["number", "string"]}, "minItems": 2, "maxItems": 2})
}

fn data() -> Value {
    let vector = list(whole_object([("metric", texts()), ("value", pair())]));
    let matrix = list(whole_object([("metric", texts()), ("values", list(pair()))]));
    let of_kind = |kind: &str, result: Value| whole_object([("resultType", is(kind)), ("result", result)]);
    any_of(&[
        of_kind("vector", vector),
        of_kind("matrix", matrix),
        of_kind("scalar", pair()),
        of_kind("string", pair()),
    ])
}

fn targets() -> Value {
    let active = whole_object([
        ("discoveredLabels", texts()),
        ("labels", texts()),
        ("scrapePool", text()),
        ("scrapeUrl", text()),
        ("globalUrl", text()),
        ("lastError", text()),
        ("lastScrape", instant()),
        ("lastScrapeDuration", number()),
        ("health", word(&["up", "down", "unknown"])),
        ("scrapeInterval", text()),
        ("scrapeTimeout", text()),
    ]);
    let dropped = whole_object([("discoveredLabels", texts()), ("scrapePool", text())]);
    whole_object([
        ("activeTargets", list(active)),
        ("droppedTargets", list(dropped)),
        ("droppedTargetCounts", map(count())),
    ])
}

fn rules() -> Operation {
    let group = whole_object([
        ("name", text()),
        ("file", text()),
        ("rules", list(of("Rule"))),
        ("interval", number()),
        ("limit", count()),
        ("evaluationTime", number()),
        ("lastEvaluation", instant()),
    ]);
    Operation::gives(answer(object([("groups", list(group))], [("groupNextToken", text())])))
        .query("type", "Only these", word(&["alert", "record"]))
        .query("rule_name[]", "Only with these names", list(text()))
        .query("rule_group[]", "Only of these groups", list(text()))
        .query("file[]", "Only of these files", list(text()))
        .query("match[]", "Only with labels that match", list(text()))
        .query("exclude_alerts", "Leave alerts out", flag())
        .query("group_limit", "How many groups", json!({"type": "integer", "minimum": 1}))
        .query("group_next_token", "From which group on", text())
}

fn runtime() -> Value {
    whole_object([
        ("startTime", instant()),
        ("CWD", text()),
        ("hostname", text()),
        ("serverTime", instant()),
        ("reloadConfigSuccess", flag()),
        ("lastConfigTime", instant()),
        ("corruptionCount", count()),
        ("goroutineCount", count()),
        ("GOMAXPROCS", count()),
        ("GOMEMLIMIT", count()),
        ("GOGC", text()),
        ("GODEBUG", text()),
        ("storageRetention", text()),
    ])
}

fn tsdb() -> Value {
    let rows = || list(whole_object([("name", text()), ("value", count())]));
    let head = whole_object([
        ("numSeries", count()),
        ("numLabelPairs", count()),
        ("chunkCount", count()),
        ("minTime", json!({"type": "integer"})),
        ("maxTime", json!({"type": "integer"})),
    ]);
    whole_object([
        ("headStats", head),
        ("seriesCountByMetricName", rows()),
        ("labelValueCountByLabelName", rows()),
        ("memoryInBytesByLabelName", rows()),
        ("seriesCountByLabelValuePair", rows()),
    ])
}

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let alert = object(
        [
            ("labels", texts()),
            ("annotations", texts()),
            ("state", word(&["pending", "firing"])),
            ("activeAt", instant()),
            ("value", text()),
        ],
        [("keepFiringSince", instant())],
    );
    let common = || {
        whole_object([
            ("name", text()),
            ("query", text()),
            ("health", word(&["ok", "err", "unknown"])),
            ("evaluationTime", number()),
            ("lastEvaluation", instant()),
        ])
    };
    let alerting = with_maybe(
        with(
            common(),
            [
                ("type", is("alerting")),
                ("state", word(&["inactive", "pending", "firing"])),
                ("duration", number()),
                ("keepFiringFor", number()),
                ("labels", texts()),
                ("annotations", texts()),
                ("alerts", list(of("PrometheusAlert"))),
            ],
        ),
        [("lastError", text())],
    );
    let recording =
        with_maybe(with(common(), [("type", is("recording"))]), [("labels", texts()), ("lastError", text())]);
    vec![("PrometheusAlert", alert), ("Rule", any_of(&[alerting, recording]))]
}

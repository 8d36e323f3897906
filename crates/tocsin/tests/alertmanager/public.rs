//! The public description of the API and the public cases of its filters, if `TOCSIN_CONFORMANCE` names their folder.

use super::{ROUTING, with_routing};
use crate::support::{encode, request};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

/// The folder of public cases, if `TOCSIN_CONFORMANCE` names it.
fn public(file: &str) -> Option<String> {
    let Some(root) = std::env::var_os("TOCSIN_CONFORMANCE") else {
        println!("alertmanager/{file}: 0 passed, 0 failed, 1 skipped: TOCSIN_CONFORMANCE is not set");
        return None;
    };
    let path = std::path::Path::new(&root).join("alertmanager").join(file);
    Some(fs::read_to_string(&path).unwrap_or_else(|why| panic!("cannot read {}: {why}", path.display())))
}

/// What is wrong with `value` by a schema of Swagger 2, with its place.
fn faults(value: &Value, schema: &Value, whole: &Value, at: &str, into: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        let target =
            whole.pointer(name.trim_start_matches('#')).unwrap_or_else(|| panic!("{name} leads nowhere"));
        return faults(value, target, whole, at, into);
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        faults(value, part, whole, at, into);
    }
    let fits = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        _ => true,
    };
    if !fits {
        into.push(format!("{at}: {value} is no {}", schema["type"]));
        return;
    }
    if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
        into.push(format!("{at}: {value} is none of {}", schema["enum"]));
    }
    if let Some(text) = value.as_str().filter(|_| schema["format"] == "date-time")
        && model::Timestamp::parse_rfc3339(text).is_err()
    {
        into.push(format!("{at}: {text} is no instant"));
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.get(name).is_none() {
            into.push(format!("{at}: {name} is missing"));
        }
    }
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(value) = value.get(name) {
            faults(value, schema, whole, &format!("{at}.{name}"), into);
        }
    }
    if schema["additionalProperties"].is_object() {
        for (name, value) in value.as_object().into_iter().flatten() {
            faults(value, &schema["additionalProperties"], whole, &format!("{at}.{name}"), into);
        }
    }
    for (i, item) in
        value.as_array().into_iter().flatten().enumerate().filter(|_| schema["items"].is_object())
    {
        faults(item, &schema["items"], whole, &format!("{at}[{i}]"), into);
    }
}

#[test]
fn answers_are_as_the_public_description_says() {
    let Some(text) = public("openapi.yaml") else { return };
    let whole: Value = serde_saphyr::from_str(&text).expect("YAML");
    let tocsin = with_routing(ROUTING);
    let silence = json!({"matchers": [{"name": "a", "value": "b", "isRegex": false}], "createdBy": "me",
        "comment": "c", "startsAt": "2026-01-01T00:00:00Z", "endsAt": "2099-01-01T00:00:00Z"});
    let id =
        tocsin.post("/api/v2/silences", &silence).json()["silenceID"].as_str().expect("an id").to_owned();
    let alert = |name: &str| {
        json!([{"labels": {"alertname": name, "a": "b", "severity": "critical"},
        "annotations": {"x": "y"}, "generatorURL": "http://x/"}])
    };
    assert_eq!(tocsin.post("/api/v2/alerts", &alert("A")).status, 200);
    let mut checked = 0;
    let mut check = |method: &str, path: &str, url: &str, body: &str, code: u16| {
        let headers: &[_] = if method == "POST" { &[("content-type", "application/json")] } else { &[] };
        let reply =
            request(method, &format!("{}/api/v2{url}", tocsin.url), headers, body).expect("an answer");
        assert_eq!(reply.status, code, "{method} {url}: {}", reply.body);
        let operation = &whole["paths"][path][method.to_lowercase()];
        let mut described = &operation["responses"][code.to_string()];
        if let Some(name) = described["$ref"].as_str() {
            described = whole.pointer(name.trim_start_matches('#')).expect("it leads somewhere");
        }
        assert!(described.is_object(), "{method} {path}: {code} is not described: {operation}");
        checked += 1;
        let mut wrong = Vec::new();
        if described["schema"].is_object() {
            faults(&reply.json(), &described["schema"], &whole, url, &mut wrong);
        }
        assert!(wrong.is_empty(), "{method} {url}: {wrong:#?}\n{}", reply.body);
    };
    check("GET", "/status", "/status", "", 200);
    check("GET", "/receivers", "/receivers", "", 200);
    check("GET", "/receivers", "/receivers?receiver_matchers=owner%3D%22x%22", "", 200);
    check("GET", "/receivers", "/receivers?receiver_matchers=x", "", 400);
    check("GET", "/silences", "/silences?active=true&expired=false&pending=true", "", 200);
    check("GET", "/silences", "/silences?filter=x", "", 400);
    check("POST", "/silences", "/silences", &silence.to_string(), 200);
    check("POST", "/silences", "/silences", "{}", 400);
    let mut unknown = silence.clone();
    unknown["id"] = "8a5b0e9c-0000-4000-8000-000000000000".into();
    check("POST", "/silences", "/silences", &unknown.to_string(), 404);
    check("GET", "/silence/{silenceID}", &format!("/silence/{id}"), "", 200);
    check("GET", "/silence/{silenceID}", "/silence/8a5b0e9c-0000-4000-8000-000000000000", "", 404);
    check("GET", "/alerts", "/alerts?silenced=true&receiver=.*", "", 200);
    check("GET", "/alerts", "/alerts?filter=x", "", 400);
    check("GET", "/alerts", "/alerts?active=perhaps", "", 400);
    check("POST", "/alerts", "/alerts", &alert("B").to_string(), 200);
    check("POST", "/alerts", "/alerts", "[{\"labels\": {}}]", 400);
    check("GET", "/alerts/groups", "/alerts/groups?muted=true", "", 200);
    check("GET", "/alerts/groups", "/alerts/groups?receiver=(", "", 400);
    check("DELETE", "/silence/{silenceID}", &format!("/silence/{id}"), "", 200);
    println!("alertmanager/openapi.yaml: {checked} passed, 0 failed, 0 skipped");
}

/// Labels as a sorted map.
fn labels(value: &Value) -> BTreeMap<String, String> {
    let pairs = value.as_object().expect("labels").iter();
    pairs.map(|(name, value)| (name.clone(), value.as_str().expect("a text").to_owned())).collect()
}

fn matcher(case: &Value) -> String {
    let text = |key: &str| case[key].as_str().expect("a text");
    format!("{}{}{:?}", text("name"), text("op"), text("value"))
}

#[test]
fn filters_select_as_the_public_cases_say() {
    let Some(of_labels) = public("api-filter-labels.json") else { return };
    let of_silences = public("api-filter-silences.json").expect("it is beside the other");
    let tocsin = with_routing("route: {receiver: r}\nreceivers: [{name: r}]\n");
    let cases = |text: &str| -> Vec<Value> {
        let file: Value = serde_json::from_str(text).expect("JSON");
        file["cases"].as_array().expect("cases").clone()
    };
    let mut failed = Vec::new();
    let all = cases(&of_labels);
    let count = all.len();
    for (n, case) in all.into_iter().enumerate() {
        let mut own = case["alert_labels"].clone();
        own["case"] = n.to_string().into();
        assert_eq!(tocsin.post("/api/v2/alerts", &json!([{"labels": own}])).status, 200);
        let filter = encode(&matcher(&case["filter"]));
        let found = tocsin
            .get(&format!("/api/v2/alerts?filter={filter}&filter={}", encode(&format!("case=\"{n}\""))));
        if found.json().as_array().map(Vec::len) != Some(usize::from(case["match"] == true)) {
            failed.push(format!("{}: {}", case["id"], found.body));
        }
    }
    println!("alertmanager/api-filter-labels.json: {} passed, {} failed", count - failed.len(), failed.len());
    let before = failed.len();
    let all = cases(&of_silences);
    let count = all.len();
    for case in all {
        let own: Vec<Value> = case["silence_matchers"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|one| {
                let op = one["op"].as_str().expect("a text");
                json!({"name": one["name"], "value": one["value"], "isRegex": op.contains('~'),
                "isEqual": !op.contains('!')})
            })
            .chain([json!({"name": "case", "value": case["id"], "isRegex": false})])
            .collect();
        let silence = json!({"matchers": own, "createdBy": "me", "comment": "c",
            "startsAt": "2026-01-01T00:00:00Z", "endsAt": "2099-01-01T00:00:00Z"});
        let id = tocsin.post("/api/v2/silences", &silence).json()["silenceID"].clone();
        let filters = case["filter"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|one| format!("filter={}", encode(&matcher(one))));
        let found = tocsin.get(&format!("/api/v2/silences?{}", filters.collect::<Vec<_>>().join("&"))).json();
        let is_there = found.as_array().expect("a list").iter().any(|one| one["id"] == id);
        if case["match"].as_bool() != Some(is_there) {
            failed.push(format!("{}: {is_there}", case["id"]));
        }
    }
    let wrong = failed.len() - before;
    println!("alertmanager/api-filter-silences.json: {} passed, {wrong} failed", count - wrong);
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn filters_select_as_alertmanager_does() {
    let Some(text) = public("api-filter-oracle.json") else { return };
    let file: Value = serde_json::from_str(&text).expect("JSON");
    let (mut passed, mut failed) = (0, Vec::new());
    for case in file["cases"].as_array().expect("cases") {
        // JSON is YAML.
        let tocsin = with_routing(&case.get("config").unwrap_or(&file["config"]).to_string());
        for silence in case["silences"].as_array().into_iter().flatten() {
            let posted = json!({"matchers": silence["api_matchers"], "createdBy": "me", "comment": "c",
                "startsAt": "2026-01-01T00:00:00Z", "endsAt": "2099-01-01T00:00:00Z"});
            let reply = tocsin.post("/api/v2/silences", &posted);
            match silence["http_status"] == reply.status {
                true => passed += 1,
                false => {
                    failed.push(format!("{}: silence {posted}: {} {}", case["id"], reply.status, reply.body))
                }
            }
        }
        let alerts: Vec<Value> = case["alerts"].as_array().expect("alerts").iter().map(|labels| {
            json!({"labels": labels, "startsAt": "2026-01-01T00:00:00Z", "endsAt": "2099-01-01T00:00:00Z"})
        }).collect();
        assert_eq!(tocsin.post("/api/v2/alerts", &Value::from(alerts)).status, 200);
        for query in case["queries"].as_array().expect("queries") {
            let params: Vec<String> = query["params"]
                .as_array()
                .expect("params")
                .iter()
                .map(|pair| {
                    format!(
                        "{}={}",
                        pair[0].as_str().expect("a text"),
                        encode(pair[1].as_str().expect("a text"))
                    )
                })
                .collect();
            let reply = tocsin.get(&format!("/api/v2/alerts?{}", params.join("&")));
            let fits = if query["http_status"] != reply.status {
                false
            } else if reply.status == 200 {
                let answer = reply.json();
                let got: BTreeSet<_> =
                    answer.as_array().expect("a list").iter().map(|alert| labels(&alert["labels"])).collect();
                let want: BTreeSet<_> =
                    query["labels"].as_array().expect("labels").iter().map(labels).collect();
                got == want
            } else {
                true
            };
            match fits {
                true => passed += 1,
                false => failed
                    .push(format!("{}: {}: {} {}", case["id"], query["params"], reply.status, reply.body)),
            }
        }
    }
    println!("alertmanager/api-filter-oracle.json: {passed} passed, {} failed, 0 skipped", failed.len());
    assert!(failed.is_empty(), "{failed:#?}");
}

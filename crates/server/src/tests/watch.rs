//! Prometheus's API and Alertmanager's.

use super::*;

#[tokio::test]
async fn prometheus_envelopes_and_codes() {
    let (_, state) = World::calm().state();
    let answer = get(&state, "/api/v1/query?query=up").await;
    assert_eq!(
        answer.body,
        r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"up","job":"api"},"value":[1795317160,"1"]}]}}"#
    );
    for (uri, code, kind) in [
        ("/api/v1/query", 400, "bad_data"),
        ("/api/v1/query?query=bad(", 400, "bad_data"),
        ("/api/v1/query?query=up&time=noon", 400, "bad_data"),
        ("/api/v1/query?query=slow", 503, "timeout"),
        ("/api/v1/query?query=many", 422, "execution"),
        ("/api/v1/query?query=broken", 500, "internal"),
        ("/api/v1/query_range?query=up&start=0&end=10", 400, "bad_data"),
        ("/api/v1/query_range?query=up&start=0&end=10&step=0", 400, "bad_data"),
        ("/api/v1/query_range?query=up&start=10&end=0&step=1", 400, "bad_data"),
        ("/api/v1/query_range?query=up&start=0&end=11001&step=1", 400, "bad_data"),
        ("/api/v1/series", 400, "bad_data"),
        ("/api/v1/series?match[]=nonsense", 400, "bad_data"),
        ("/api/v1/series?match[]=job=", 400, "bad_data"),
        ("/api/v1/labels?start=noon", 400, "bad_data"),
        ("/api/v1/targets?state=odd", 400, "bad_data"),
        ("/api/v1/rules?type=odd", 400, "bad_data"),
    ] {
        let answer = get(&state, uri).await;
        let body = answer.json();
        assert_eq!(
            (answer.status.as_u16(), &body["status"], &body["errorType"]),
            (code, &json!("error"), &json!(kind)),
            "{uri}"
        );
        assert!(!body["error"].as_str().unwrap().contains("secret detail"));
    }
    assert_eq!(get(&state, "/api/v1/query_range?query=up&start=0&end=11000&step=1").await.status, 200);
    let cut = get(&state, "/api/v1/series?match[]=job=api&limit=1").await.json();
    assert_eq!((cut["data"].as_array().unwrap().len(), cut["warnings"].is_array()), (1, true));
    assert_eq!(get(&state, "/api/v1/label/U__http_2e_x/values").await.json()["data"][0], "a value of http.x");
}

#[tokio::test]
async fn prometheus_views() {
    let (_, state) = World::incident().state();
    let targets = get(&state, "/api/v1/targets?state=active").await.json();
    let first = &targets["data"]["activeTargets"][2];
    assert_eq!((&first["labels"]["job"], &first["health"]), (&json!("node"), &json!("up")));
    assert_eq!((&first["scrapeInterval"], &first["lastScrape"]), (&json!("15s"), &json!(at(4).rfc3339())));

    let rules = get(&state, "/api/v1/rules").await.json();
    let group = &rules["data"]["groups"][0];
    assert_eq!((&group["name"], group["rules"].as_array().unwrap().len()), (&json!("stack"), 3));
    assert_eq!(
        (&group["rules"][0]["state"], &group["rules"][0]["alerts"][0]["value"]),
        (&json!("firing"), &json!("0e+00"))
    );
    assert_eq!(group["rules"][2]["type"], "recording");
    let filtered = get(&state, "/api/v1/rules?type=record&rule_name[]=job:up:sum").await.json();
    assert_eq!(filtered["data"]["groups"][0]["rules"].as_array().unwrap().len(), 1);
    assert_eq!(get(&state, "/api/v1/rules?rule_group=none").await.json()["data"]["groups"], json!([]));
    assert_eq!(get(&state, "/api/v1/rules?group_limit=1").await.json()["data"].get("groupNextToken"), None);

    let alerts = get(&state, "/api/v1/alerts").await.json();
    assert_eq!(alerts["data"]["alerts"].as_array().unwrap().len(), 2);
    let build = get(&state, "/api/v1/status/buildinfo").await.json();
    assert_eq!((&build["data"]["version"], build["data"].get("features")), (&json!("3.14.0"), None));
    let metadata = get(&state, "/api/v1/metadata").await.json();
    let kinds = |name: &str| -> Vec<&str> {
        metadata["data"][name].as_array().unwrap().iter().filter_map(|of| of["type"].as_str()).collect()
    };
    assert_eq!((kinds("node_load1"), kinds("up")), (vec!["gauge"], vec!["counter", "gauge"]));
    let of_up = get(&state, "/api/v1/metadata?metric=up&limit_per_metric=1").await.json();
    assert_eq!(of_up["data"].as_object().unwrap().len(), 1);
    assert_eq!(of_up["data"]["up"].as_array().unwrap().len(), 1);
    let of_target = get(&state, "/api/v1/targets/metadata?match_target=instance%3Db&metric=up").await;
    assert_eq!(
        of_target.json()["data"],
        json!([{"target": {"instance": "b", "job": "node"}, "type": "counter", "help": "Another opinion.", "unit": ""}])
    );
    for uri in [
        "/api/v1/status/config",
        "/api/v1/status/flags",
        "/api/v1/status/runtimeinfo",
        "/api/v1/status/tsdb",
        "/api/v1/alertmanagers",
    ] {
        assert_eq!(get(&state, uri).await.json()["status"], "success", "{uri}");
    }
}

#[tokio::test]
async fn alertmanager_alerts() {
    let (world, state) = World::incident().state();
    let list = get(&state, "/api/v2/alerts").await.json();
    assert_eq!(list.as_array().unwrap().len(), 3);
    assert_eq!(list[1]["fingerprint"].as_str().unwrap().len(), 16);
    assert_eq!(
        (&list[2]["status"]["state"], &list[2]["status"]["silencedBy"]),
        (&json!("suppressed"), &json!(["silence-1"]))
    );
    for (query, count) in [
        ("silenced=false", 2),
        ("active=false", 1),
        ("filter=alertname=RedisDown", 1),
        ("receiver=on-.*", 3),
        ("receiver=on", 0),
    ] {
        let list = get(&state, &format!("/api/v2/alerts?{query}")).await.json();
        assert_eq!(list.as_array().unwrap().len(), count, "{query}");
    }
    assert_eq!(get(&state, "/api/v2/alerts?active=perhaps").await.status, 400);
    assert_eq!(get(&state, "/api/v2/alerts/groups").await.json()[0]["receiver"]["name"], "on-call");

    let body = r#"[{"labels": {"alertname": "A", "empty": ""}}, {"labels": {}}, {"labels": {"alertname": "B"}, "startsAt": "2026-11-22T03:00:00Z", "endsAt": "2026-11-22T02:00:00Z"}]"#;
    let answer = post(&state, "/api/v2/alerts", body).await;
    assert_eq!(answer.status, 400);
    assert!(
        answer.json().as_str().unwrap().starts_with("2 of 3 alerts refused: alert 1: labels"),
        "{}",
        answer.body
    );
    let posted = world.posted.lock().unwrap();
    assert_eq!(posted.len(), 1, "the good one is taken");
    assert_eq!(posted[0].labels, labels(&[("alertname", "A")]));
    assert_eq!((posted[0].starts_at, posted[0].ends_at), (at(0), Some(at(-300))));
}

#[tokio::test]
async fn alertmanager_silences() {
    let (_, state) = World::calm().state();
    let good = json!({"matchers": [{"name": "alertname", "value": "A.*", "isRegex": true}],
        "startsAt": "2026-11-22T05:12:40+02:00", "endsAt": "2026-11-22T04:12:40Z", "comment": "deploy"});
    let answer = post(&state, "/api/v2/silences", good.to_string()).await;
    assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({"silenceID": "silence-1"})));
    let kept = get(&state, "/api/v2/silences").await.json();
    assert_eq!((&kept[0]["createdBy"], &kept[0]["status"]["state"]), (&json!("local"), &json!("active")));
    assert_eq!(
        kept[0]["matchers"][0],
        json!({"isEqual": true, "isRegex": true, "name": "alertname", "value": "A.*"})
    );
    assert_eq!(get(&state, "/api/v2/silences?active=false").await.json(), json!([]));
    assert_eq!(get(&state, "/api/v2/silence/silence-1").await.status, 200);
    let delete = async |id: &str| {
        send(&state, local("DELETE", &format!("/api/v2/silence/{id}")).body(Body::empty()).unwrap())
            .await
            .status
            .as_u16()
    };
    assert_eq!((delete("silence-1").await, delete("none").await), (200, 404));

    for (field, value) in [
        ("matchers", json!([])),
        ("matchers", json!([{"name": "a", "value": ".*", "isRegex": true}])),
        ("matchers", json!([{"name": "a", "value": "(", "isRegex": true}])),
        ("endsAt", json!("2026-11-22T01:00:00Z")),
        ("endsAt", json!(null)),
    ] {
        let mut bad = good.clone();
        bad[field] = value;
        assert_eq!(post(&state, "/api/v2/silences", bad.to_string()).await.status, 400, "{bad}");
    }
    // What does not pass a value passes where the label is absent, and says what it means all the same.
    let mut other = good.clone();
    other["matchers"] = json!([{"name": "team", "value": "db", "isRegex": false, "isEqual": false}]);
    assert_eq!(post(&state, "/api/v2/silences", other.to_string()).await.status, 200);
    let first = post(&state, "/api/v1/silences", good.to_string()).await.json();
    assert_eq!(first, json!({"status": "success", "data": {"silenceId": "silence-1"}}));
    assert!(get(&state, "/api/v1/silences").await.json()["data"].is_array());
    assert_eq!(
        post(&state, "/api/v1/alerts", r#"[{"labels": {"a": "b"}}]"#).await.json(),
        json!({"status": "success"})
    );
    assert_eq!(get(&state, "/api/v2/status").await.json()["versionInfo"]["version"], "0.34.0");
    assert_eq!(get(&state, "/api/v2/receivers").await.json()[0]["name"], "on-call");
}

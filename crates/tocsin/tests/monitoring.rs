//! What applications tell and the thresholds over it, on a real server: what a kill leaves, whom thresholds tell,
//! what a reload changes, what is refused.

mod support;

use serde_json::{Value, json};
use std::{fs, time::Duration};
use support::{Pages, Tocsin, eventually, request};

const LIMIT: Duration = Duration::from_secs(20);
const TELL: &str = "/api/v1/monitoring/metrics";
const EVALUATE: &str = "/api/v1/monitoring/evaluate";

fn names(alerts: &Value) -> Vec<String> {
    let alerts = alerts.as_array().expect("a list").iter();
    alerts.map(|alert| alert["name"].as_str().unwrap_or("?").to_owned()).collect()
}

fn evaluated(tocsin: &Tocsin) -> Vec<String> {
    names(&tocsin.post(EVALUATE, &Value::Null).json()["triggered_alerts"])
}

/// Names and states of the alerts that the router holds.
fn routed(tocsin: &Tocsin) -> Vec<String> {
    let alerts = tocsin.get("/api/v2/alerts").json();
    let shown = |alert: &Value| {
        let label = |name: &str| alert["labels"][name].as_str().unwrap_or("").to_owned();
        format!("{}/{}{}", label("alertname"), label("severity"), label("queue"))
    };
    let mut all: Vec<String> = alerts.as_array().expect("a list").iter().map(shown).collect();
    all.sort();
    all
}

fn failures() -> Value {
    json!([
        {"type": "counter", "name": "api_calls_groq_success", "value": 90, "tags": {"model": "s"}},
        {"type": "counter", "name": "api_calls_groq_failure", "value": 10},
        {"type": "gauge", "name": "depth", "value": 7.5},
        {"type": "histogram", "name": "api_duration_ms_groq", "value": 12.0},
    ])
}

#[test]
fn a_kill_loses_nothing_that_was_answered() {
    let mut tocsin = Tocsin::start(&[], &[]);
    assert_eq!(tocsin.post(TELL, &failures()).status, 202);
    assert_eq!(evaluated(&tocsin), ["high_error_rate"]);
    let history = tocsin.get("/api/v1/monitoring/alerts").json();
    let before = tocsin.get(TELL).json();
    // Told after the process last wrote its own figures.
    assert_eq!(tocsin.post(TELL, &failures()).status, 202);
    tocsin.kill();
    tocsin.start_again();
    assert_eq!(tocsin.get("/api/v1/monitoring/alerts?hours=168").json(), history);
    let status = tocsin.get("/api/v1/monitoring/status").json();
    assert_eq!(names(&status["active_alerts"]), ["high_error_rate"]);
    let after = tocsin.get(TELL).json();
    assert_eq!(before["counters"], json!({"api_calls_groq_failure": 10, "api_calls_groq_success": 90}));
    assert_eq!(after["counters"], json!({"api_calls_groq_failure": 20, "api_calls_groq_success": 180}));
    assert_eq!(after["gauges"]["depth"], 7.5);
    assert_eq!(after["histograms"]["api_duration_ms_groq"]["count"], 2);
    assert_eq!(routed(&tocsin), ["high_error_rate/critical"]);
    // It is the same crossing still.
    assert_eq!(evaluated(&tocsin), ["high_error_rate"]);
    assert_eq!(tocsin.get("/api/v1/monitoring/alerts").json(), history);
    assert_eq!(
        tocsin.post(TELL, &json!([{"type": "gauge", "name": "api_calls_groq_failure", "value": 1}])).status,
        400
    );
    let total = tocsin.query("sum(api_calls_groq_success{job=\"monitoring\", model=\"s\"})");
    assert_eq!(total, Some(180.0));
    assert_eq!(tocsin.query("sum(increase(api_calls_groq_failure[5m])) > 10").map(|_| ()), Some(()));
}

#[test]
fn thresholds_of_the_file_tell_receivers_and_follow_reloads() {
    let pages = Pages::start();
    let file = |bound: &str| {
        format!(
            "route: {{receiver: team, group_wait: 0s, group_interval: 1s}}\n\
             receivers: [{{name: team, webhook_configs: [{{url: '{}'}}]}}]\n\
             monitoring: {{evaluation_interval: 1s}}\n\
             thresholds:\n\
             - {{name: deep, metric: depth, statistic: last, {bound}, hysteresis: 5, labels: {{team: web}}}}\n\
             - {{name: high_memory_usage, enabled: false}}\n",
            pages.url
        )
    };
    let tocsin = Tocsin::with_config(&file("warning: 10, critical: 50"), &[]);
    let tell = |depth: f64| {
        let told = json!([
            {"type": "gauge", "name": "depth", "value": depth, "tags": {"queue": "mail"}},
            {"type": "gauge", "name": "depth", "value": 1, "tags": {"queue": "images"}},
        ]);
        assert_eq!(tocsin.post(TELL, &told).status, 202);
    };
    tell(60.0);
    let page = pages.wait("the page", 0, LIMIT, |got| got.alertname() == "deep");
    let alert = &page.body["alerts"][0];
    assert_eq!(alert["annotations"]["summary"], "Alert: deep - depth is 60.00 (threshold: 50.00)");
    assert_eq!((&alert["labels"]["queue"], &alert["labels"]["team"]), (&json!("mail"), &json!("web")));
    assert_eq!(routed(&tocsin), ["deep/criticalmail"]);
    tell(46.0);
    let again = evaluated(&tocsin);
    assert_eq!((again, routed(&tocsin)), (vec!["deep".to_owned()], vec!["deep/criticalmail".to_owned()]));
    tell(44.0);
    eventually("it is less grave", LIMIT, || (routed(&tocsin) == ["deep/warningmail"]).then_some(()));
    fs::write(tocsin.dir.path().join("tocsin.yml"), file("threshold: 45, severity: error"))
        .expect("our own file");
    let reload =
        request("POST", &format!("{}/-/reload", tocsin.url), &[("content-type", "application/json")], "");
    assert_eq!(reload.map(|reply| reply.status), Some(200));
    eventually("nothing is behind it", LIMIT, || routed(&tocsin).is_empty().then_some(()));
    pages.wait("its end", 0, LIMIT, |got| got.status() == "resolved" && got.alertname() == "deep");
    tell(46.0);
    eventually("the other bound holds", LIMIT, || (routed(&tocsin) == ["deep/errormail"]).then_some(()));
    let history = names(&tocsin.get("/api/v1/monitoring/alerts").json());
    assert_eq!(history, ["deep", "deep"], "one entry a crossing that became worse");
}

#[test]
fn another_products_files_alone_bring_no_further_alerts() {
    let start = |envs: &[(&str, String)]| {
        let mut tocsin = Tocsin::prepare(&[], envs);
        let file = tocsin.dir.path().join("alertmanager.yml");
        fs::write(&file, "route: {receiver: r}\nreceivers: [{name: r}]\n").expect("our own directory");
        tocsin.add_args(&["--alertmanager-config", file.to_str().expect("a plain path")]);
        tocsin.start_again();
        assert_eq!(tocsin.post(TELL, &failures()).status, 202);
        assert!(evaluated(&tocsin).contains(&"high_error_rate".to_owned()));
        tocsin
    };
    let quiet = start(&[]);
    assert_eq!(routed(&quiet), Vec::<String>::new());
    assert!(names(&quiet.get("/api/v1/monitoring/alerts").json()).contains(&"high_error_rate".to_owned()));
    let asked = start(&[("ALERT_ERROR_RATE_ENABLED", "true".to_owned())]);
    assert_eq!(routed(&asked), ["high_error_rate/critical"]);
}

#[test]
fn floods_are_refused_and_nothing_of_them_is_taken() {
    let tocsin = Tocsin::start(&[], &[]);
    let many = |count: usize| -> Value {
        (0..count).map(|i| json!({"type": "counter", "name": "c", "tags": {"i": i}})).collect()
    };
    let refused = tocsin.post(TELL, &many(5_001));
    assert_eq!(refused.status, 429, "{}", refused.body);
    assert!(
        refused.json()["message"]
            .as_str()
            .unwrap_or("")
            .starts_with("[5000].tags: there are 5000 label sets")
    );
    assert_eq!(tocsin.get(TELL).json()["counters"], json!({}));
    assert_eq!(tocsin.post(TELL, &many(10_001)).status, 413);
    assert_eq!(tocsin.post(TELL, &many(5_000)).status, 202);
    assert_eq!(tocsin.query("count(c)"), Some(5_000.0));
}

//! Escalation by the real clock across a `kill -9`, and a receiver that was down.

mod support;

use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration, time::Instant};
use support::{Got, Pages, Tocsin};

const LIMIT: Duration = Duration::from_secs(60);
const COUNT: usize = 100;
/// A step may be this late.
const LATE_MAX: Duration = Duration::from_secs(1);

fn posted(numbers: std::ops::Range<usize>) -> Value {
    let ends = "2099-01-01T00:00:00Z";
    numbers.map(|n| json!({"labels": {"alertname": "Posted", "n": n.to_string()}, "endsAt": ends})).collect()
}

/// By alert, when the first page came.
fn firsts(got: &[Got]) -> BTreeMap<String, Instant> {
    let mut firsts = BTreeMap::new();
    for page in got {
        let n = page.body["groupLabels"]["n"].as_str().unwrap_or_default().to_owned();
        firsts.entry(n).or_insert(page.at);
    }
    firsts
}

#[test]
fn a_hundred_escalations_are_on_time_across_a_kill() {
    let (team, ada, boss) = (Pages::start(), Pages::start(), Pages::start());
    let config = format!(
        "route: {{receiver: team, group_by: [n], group_wait: 0s, escalation: ladder}}
receivers:
- {{name: team, webhook_configs: [{{url: '{}'}}]}}
- {{name: ada, webhook_configs: [{{url: '{}'}}]}}
- {{name: boss, webhook_configs: [{{url: '{}'}}]}}
on_call: [{{name: ops, layers: [{{people: [ada], start: '2026-01-05T00:00', turn: 7d}}]}}]
escalations:
- {{name: ladder, repeat: 0, steps: [{{wait: 6s}}, {{on_call: ops, wait: 6s}}, {{notify: boss, wait: 6s}}]}}
",
        team.url, ada.url, boss.url
    );
    let mut tocsin = Tocsin::with_config(&config, &[]);
    for n in 0..10 {
        let range = n * COUNT / 10..(n + 1) * COUNT / 10;
        assert_eq!(tocsin.post("/api/v2/alerts", &posted(range)).status, 200);
        std::thread::sleep(Duration::from_millis(100));
    }
    team.wait("every page", COUNT - 1, LIMIT, |_| true);
    tocsin.kill();
    tocsin.start_again();
    ada.wait("every second step", COUNT - 1, LIMIT, |_| true);
    // Between the steps nobody is late for having to wait for us.
    tocsin.kill();
    tocsin.start_again();
    boss.wait("every third step", COUNT - 1, LIMIT, |_| true);
    let told = [&team, &ada, &boss].map(|pages| firsts(&pages.all()));
    let mut latest = Duration::ZERO;
    for (n, begun) in &told[0] {
        for (step, told) in told.iter().enumerate() {
            let due = Duration::from_secs(6 * step as u64);
            let took = told[n].saturating_duration_since(*begun);
            // What the webhook's own way takes can be shorter the second time.
            assert!(took + Duration::from_millis(500) >= due, "{n}: step {step} after {took:?}");
            latest = latest.max(took.saturating_sub(due));
        }
    }
    println!("{COUNT} escalations: at most {:.3} s late", latest.as_secs_f64());
    assert!(latest <= LATE_MAX, "{latest:?}");
    for pages in [&team, &ada, &boss] {
        let keys: std::collections::BTreeSet<String> = pages.all().into_iter().map(|got| got.key).collect();
        assert_eq!(keys.len(), COUNT, "a page that came twice has the same key");
    }
}

#[test]
fn a_receiver_that_was_down_hears_once_how_things_are() {
    let moody = Pages::refusing(&[503; 6]);
    let config = format!(
        "route: {{receiver: team, group_wait: 0s, group_interval: 1h}}
receivers: [{{name: team, webhook_configs: [{{url: '{}'}}]}}]
",
        moody.url
    );
    let mut tocsin = Tocsin::with_config(&config, &[]);
    assert_eq!(tocsin.post("/api/v2/alerts", &posted(0..1)).status, 200);
    moody.wait("a try", 0, LIMIT, |_| true);
    assert_eq!(tocsin.post("/api/v2/alerts", &posted(1..3)).status, 200);
    let over = json!([{"labels": {"alertname": "Posted", "n": "0"}, "endsAt": "2026-01-01T00:00:00Z"}]);
    assert_eq!(tocsin.post("/api/v2/alerts", &over).status, 200);
    tocsin.kill();
    tocsin.start_again();
    let page = moody.wait("the page", 0, LIMIT, |got| got.answered == 200);
    let state = |n: &str| {
        let alerts = page.body["alerts"].as_array().cloned().unwrap_or_default();
        let alert = alerts.into_iter().find(|alert| alert["labels"]["n"] == n);
        alert.and_then(|alert| alert["status"].as_str().map(str::to_owned))
    };
    let states = ["0", "1", "2"].map(state);
    assert_eq!(states.map(Option::unwrap_or_default), ["resolved", "firing", "firing"], "{:#}", page.body);
    moody.expect_quiet(Duration::from_secs(3));
}

#[test]
fn what_was_said_while_a_receiver_hung_is_not_said_after_what_is_true_now() {
    let slow = Pages::refusing_after(Duration::from_secs(2), &[500; 2]);
    let config = format!(
        "route: {{receiver: team, group_wait: 0s, group_interval: 1s}}
receivers: [{{name: team, webhook_configs: [{{url: '{}'}}]}}]
",
        slow.url
    );
    let tocsin = Tocsin::with_config(&config, &[]);
    assert_eq!(tocsin.post("/api/v2/alerts", &posted(0..1)).status, 200);
    slow.wait("a second try", 1, LIMIT, |_| true);
    // While it hangs, things change.
    assert_eq!(tocsin.post("/api/v2/alerts", &posted(1..2)).status, 200);
    let over = json!([{"labels": {"alertname": "Posted", "n": "0"}, "endsAt": "2026-01-01T00:00:00Z"}]);
    assert_eq!(tocsin.post("/api/v2/alerts", &over).status, 200);
    let page = slow.wait("the page", 2, LIMIT, |_| true);
    let state = |alert: &Value| alert["labels"]["n"].to_string() + alert["status"].as_str().unwrap_or("");
    let states: Vec<String> = page.body["alerts"].as_array().into_iter().flatten().map(state).collect();
    assert_eq!(states, ["\"0\"resolved", "\"1\"firing"], "{:#}", page.body);
    slow.expect_quiet(Duration::from_secs(4));
}

#[test]
fn the_breaker_of_a_receiver_is_in_the_metrics() {
    let down = Pages::refusing(&[503; 500]);
    let well = Pages::start();
    let config = format!(
        "route: {{receiver: team, group_by: [n], group_wait: 0s, routes: [{{matchers: ['n=\"0\"'], receiver: well}}]}}
receivers:
- {{name: team, webhook_configs: [{{url: '{}'}}]}}
- {{name: well, webhook_configs: [{{url: '{}'}}]}}
",
        down.url, well.url
    );
    let tocsin = Tocsin::with_config(&config, &[]);
    assert_eq!(tocsin.post("/api/v2/alerts", &posted(0..20)).status, 200);
    let metrics = support::eventually("the breaker opens", LIMIT, || {
        let text = tocsin.get("/metrics").body;
        text.contains("circuit_breaker_state{name=\"receiver team/webhook[0]\"} 2").then_some(text)
    });
    for line in [
        "circuit_breaker_open_count{name=\"receiver team/webhook[0]\"} 1",
        "orchestrator_circuit_breaker_state{name=\"receiver team/webhook[0]\"} 2",
        "circuit_breaker_state{name=\"receiver well/webhook[0]\"} 0",
        "circuit_breaker_open_count{name=\"receiver well/webhook[0]\"} 0",
    ] {
        assert!(metrics.lines().any(|said| said == line), "{line}: {metrics}");
    }
    assert!(!metrics.contains("tool_address=\"receiver"), "a receiver is no tool");
    assert_eq!(metrics.matches("# TYPE circuit_breaker_state ").count(), 1);
}

/// What a verb prints, as JSON; whether it was done.
fn typed(tocsin: &Tocsin, args: &[&str]) -> (bool, String) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tocsin"));
    command.args(args).args(["--server", &tocsin.url]).env_remove("TOCSIN_KEY").env_remove("TOCSIN_BY");
    let done = command.output().expect("the program starts");
    let said = [done.stdout, done.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (done.status.success(), said)
}

#[test]
fn who_stands_in_is_told_over_a_kill_and_a_reload() {
    let (team, ada, boss) = (Pages::start(), Pages::start(), Pages::start());
    let config = format!(
        "route: {{receiver: team, group_by: [n], group_wait: 0s, escalation: ladder}}
receivers:
- {{name: team, webhook_configs: [{{url: '{}'}}]}}
- {{name: ada, webhook_configs: [{{url: '{}'}}]}}
- {{name: boss, webhook_configs: [{{url: '{}'}}]}}
on_call: [{{name: ops, layers: [{{people: [ada], start: '2026-01-05T00:00', turn: 7d}}]}}]
escalations:
- {{name: ladder, repeat: 0, steps: [{{wait: 1s}}, {{on_call: ops, wait: 12h}}, {{notify: team, wait: 12h}}]}}
",
        team.url, ada.url, boss.url
    );
    let mut tocsin = Tocsin::with_config(&config, &[]);
    let path = "/api/v1/on_call/ops/overrides";
    let refused = tocsin.post(path, &json!({"who": "nobody", "seconds": 60}));
    assert!(refused.status == 400 && refused.body.contains("is no receiver"), "{}", refused.body);
    let past = json!({"who": "boss", "from": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z"});
    assert_eq!(tocsin.post(path, &past).status, 400);
    let nowhere = tocsin.post("/api/v1/on_call/other/overrides", &json!({"who": "boss", "seconds": 60}));
    assert_eq!(nowhere.status, 404);

    let ask = ["on-call", "override", "ops", "boss", "--for", "8h", "--by", "kim", "--json"];
    let (done, said) = typed(&tocsin, &ask);
    let made: Value = serde_json::from_str(&said).unwrap_or_else(|why| panic!("{why}: {said}"));
    assert!(done && made["created_by"] == "kim (local)", "{said}");
    let id = made["id"].as_str().expect("an id").to_owned();
    tocsin.kill();
    tocsin.start_again();
    assert_eq!(tocsin.post("/-/reload", &json!({})).status, 200);

    let schedule = tocsin.get("/api/v1/on_call").json()["items"][0].clone();
    assert_eq!((&schedule["who"], &schedule["overrides"]), (&json!("boss"), &json!([made])));
    assert!(tocsin.get("/api/v1/on_call/ops.ics").body.contains("boss is on call"));
    assert!(tocsin.get("/ui/on-call").body.contains("stands in from"));
    assert!(typed(&tocsin, &["on-call"]).1.contains(&format!("{id}  boss stands in")));
    assert_eq!(tocsin.post("/api/v2/alerts", &posted(0..1)).status, 200);
    boss.wait("the second step", 0, LIMIT, |got| got.body["groupLabels"]["n"] == "0");
    assert!(ada.all().is_empty(), "somebody stands in for her");

    assert!(typed(&tocsin, &["on-call", "remove", "ops", &id]).0);
    assert!(!typed(&tocsin, &["on-call", "remove", "ops", &id]).0, "it is gone");
    assert_eq!(tocsin.post("/api/v2/alerts", &posted(1..2)).status, 200);
    ada.wait("the second step", 0, LIMIT, |got| got.body["groupLabels"]["n"] == "1");
    tocsin.kill();
    tocsin.start_again();
    assert_eq!(tocsin.get("/api/v1/on_call").json()["items"][0]["overrides"], json!([]));
}

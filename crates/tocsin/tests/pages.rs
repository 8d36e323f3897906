//! Pages on their way: receivers in trouble, and diagnoses that come late.

mod support;

use serde_json::{Value, json};
use std::{collections::BTreeSet, fs, net::TcpListener, time::Duration};
use support::{Pages, Tocsin, eventually};

const LIMIT: Duration = Duration::from_secs(30);
const ALERTS: usize = 40;

fn alerts(count: usize) -> Value {
    (0..count).map(|i| json!({"labels": {"alertname": "Posted", "i": i.to_string()}})).collect()
}

#[test]
fn a_receiver_in_trouble_keeps_nobody_else_waiting() {
    let (good, moody) = (Pages::start(), Pages::refusing(&[500, 429]));
    // It takes connections and never says a word.
    let hanging = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let mut tocsin = Tocsin::prepare(&[], &[]);
    let config = tocsin.dir.path().join("alertmanager.yml");
    let text = format!(
        "route: {{receiver: all, group_by: [alertname, i], group_wait: 0s}}
receivers:
- name: all
  webhook_configs: [{{url: 'http://{}/'}}, {{url: '{}'}}, {{url: '{}'}}]
",
        hanging.local_addr().expect("it is bound"),
        good.url,
        moody.url
    );
    fs::write(&config, text).expect("our own directory");
    tocsin.add_args(&["--alertmanager-config", &config.display().to_string()]);
    tocsin.start_again();

    assert_eq!(tocsin.post("/api/v2/alerts", &alerts(ALERTS)).status, 200);
    let begun = std::time::Instant::now();
    let last = good.wait("every page", ALERTS - 1, LIMIT, |_| true);
    let took = last.at.saturating_duration_since(begun);
    assert!(took < Duration::from_secs(5), "the others waited {took:?} for the one that hangs");
    moody.wait("every page, in the end", ALERTS + 1, LIMIT, |_| true);
    let got = moody.all();
    let refused: Vec<_> = got.iter().filter(|got| got.answered != 200).map(|got| got.key.as_str()).collect();
    let taken: BTreeSet<_> =
        got.iter().filter(|got| got.answered == 200).map(|got| got.key.as_str()).collect();
    assert_eq!((refused.len(), taken.len()), (2, ALERTS), "each page arrives once, under a key of its own");
    assert!(refused.iter().all(|key| taken.contains(key)), "tried again with another key");
}

#[test]
fn why_names_the_integration_that_fails_and_when_it_is_tried_again() {
    let (good, broken) = (Pages::start(), Pages::refusing(&[503; 200]));
    let mut tocsin = Tocsin::prepare(&[], &[]);
    let config = tocsin.dir.path().join("alertmanager.yml");
    let text = format!(
        "route: {{receiver: all, group_by: [alertname], group_wait: 0s, group_interval: 1s}}
receivers:
- name: all
  webhook_configs: [{{url: '{}'}}, {{url: '{}'}}]
",
        good.url, broken.url
    );
    fs::write(&config, text).expect("our own directory");
    tocsin.add_args(&["--alertmanager-config", &config.display().to_string()]);
    tocsin.start_again();

    assert_eq!(tocsin.post("/api/v2/alerts", &alerts(1)).status, 200);
    let why = |tocsin: &Tocsin| tocsin.get("/api/v1/why?labels=alertname=Posted").json();
    let failing = |why: &Value| {
        let by = why["by"][0].as_str()?;
        let waits = why["group"]["next_send"].as_str()? > why["at"].as_str()?;
        (why["reason"] == "receiver_down" && by.starts_with("all/webhook[1]: ") && waits).then_some(())
    };
    let seen = |why: &Value| why["receivers"][0]["attempts"].as_array().map_or(0, Vec::len) >= 2;
    eventually("both were tried, and one waits to be tried again", LIMIT, || {
        let why = why(&tocsin);
        failing(&why).filter(|()| seen(&why))
    });
    tocsin.kill();
    tocsin.start_again();
    eventually("the same after a crash", LIMIT, || failing(&why(&tocsin)));
    let id = why(&tocsin)["incident_id"].as_str().expect("an incident").to_owned();
    assert_eq!(
        tocsin.post(&format!("/api/v1/incidents/{id}/acknowledge"), &json!({"by": "kim"})).status,
        200
    );
    let said = why(&tocsin);
    assert!(said["by"].to_string().contains("kim") || said["says"].to_string().contains("kim"), "{said}");
}

#[test]
fn why_names_the_end_of_a_breakers_pause() {
    let broken = Pages::refusing(&[503; 500]);
    let config = format!(
        "route:
  receiver: nobody
  routes: [{{receiver: all, matchers: [alertname=Posted], group_by: [i], group_wait: 0s, group_interval: 2h}}]
receivers:
- {{name: all, webhook_configs: [{{url: '{}'}}]}}
- {{name: nobody}}
",
        broken.url
    );
    let tocsin = Tocsin::with_config(&config, &[]);
    assert_eq!(tocsin.post("/api/v2/alerts", &alerts(20)).status, 200);
    let waits_behind_it = |i: usize, reason: &str| {
        let why = tocsin.get(&format!("/api/v1/why?labels=alertname=Posted,i={i}")).json();
        let at = |text: &Value| text.as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
        let waits = at(&why["group"]["next_send"])?.duration_since(at(&why["at"])?).as_secs();
        // A page that only failed is tried again sooner.
        (why["reason"] == reason && (9..24).contains(&waits)).then_some(why)
    };
    eventually("a page that has failed waits", LIMIT, || waits_behind_it(0, "receiver_down"));
    let new = json!([{"labels": {"alertname": "Posted", "i": "20"}}]);
    assert_eq!(tocsin.post("/api/v2/alerts", &new).status, 200);
    let why =
        eventually("one that was not tried yet waits too", LIMIT, || waits_behind_it(20, "receiver_down"));
    let says = why["says"].to_string();
    assert!(
        says.contains("Not delivered yet: all/webhook[0]: not tried while it fails. It is tried at "),
        "{says}"
    );
}

#[test]
fn what_a_step_finds_late_amends_the_page() {
    let pages = Pages::start();
    let mut tocsin = Tocsin::prepare(&[], &[]);
    let dir = tocsin.dir.path();
    let book = "
match: ['alertname=\"Posted\"']
diagnose:
- {id: soon, uses: wait, with: {ms: 1}}
- {id: late, uses: wait, with: {seconds: 6}}
- {id: never, uses: wait, with: {seconds: 600}, timeout: 7s}
conclude:
- {if: 'late =~ \"waited\"', cause: it took long}
";
    fs::write(dir.join("book.yml"), book).expect("our own directory");
    let config = format!(
        "runbooks: [book.yml]
route: {{receiver: all, group_wait: 0s}}
receivers: [{{name: all, webhook_configs: [{{url: '{}'}}]}}]
",
        pages.url
    );
    let path = dir.join("tocsin.yml");
    fs::write(&path, config).expect("our own directory");
    tocsin.add_args(&["--config", &path.display().to_string()]);
    tocsin.start_again();

    assert_eq!(tocsin.post("/api/v2/alerts", &alerts(1)).status, 200);
    let states = |page: &support::Got| -> Vec<Value> {
        page.body["tocsin"]["diagnosis"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|f| f["state"].clone())
            .collect()
    };
    let first = pages.wait("the page", 0, LIMIT, |_| true);
    assert_eq!(states(&first), ["done", "late", "late"]);
    let second = pages.wait("what was found late", 1, LIMIT, |_| true);
    assert_eq!(states(&second), ["done", "done", "failed"]);
    assert_eq!(second.body["tocsin"]["cause"], "it took long");
    assert_eq!((second.key, &second.body["tocsin"]["revision"]), (first.key, &json!(2)));
    pages.expect_quiet(Duration::from_secs(2));
}

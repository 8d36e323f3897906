//! Schedules as clients ask for them: rules over changes of clocks, events, conditions, policies, calendars, what is
//! refused, and what a `kill -9` leaves of it.

mod support;

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use support::{Reply, Tocsin, encode, eventually, request};

const LIMIT: Duration = Duration::from_secs(30);
/// Berlin's clocks go forward on 25 March 2040 and back on 28 October, over half past two.
const FORWARD: &str = "DTSTART;TZID=Europe/Berlin:20400324T023000\nRRULE:FREQ=DAILY";
const BACK: &str = "DTSTART;TZID=Europe/Berlin:20401027T023000\nRRULE:FREQ=DAILY";

fn ask(tocsin: &Tocsin, method: &str, path: &str, body: &Value) -> Reply {
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let headers = [("content-type", "application/json")];
    let reply = request(method, &format!("{}{path}", tocsin.url), &headers, &text);
    reply.unwrap_or_else(|| panic!("{method} {path}: no answer\n{}", tocsin.log()))
}

/// A task of one step that leaves what it is given; `wishes` go over all of it.
fn task(kind: &str, expr: &str, wishes: Value) -> Value {
    let mut task = json!({
        "title": "report", "description": "for a test", "schedule_kind": kind, "schedule_expr": expr,
        "payload": {"pipeline": [{"id": "a", "uses": "noop"}]},
    });
    for (key, value) in wishes.as_object().into_iter().flatten() {
        task[key] = value.clone();
    }
    task
}

fn submit(tocsin: &Tocsin, kind: &str, expr: &str, wishes: Value) -> String {
    let task = task(kind, expr, wishes);
    let reply = tocsin.post("/tasks", &task);
    assert_eq!(reply.status, 201, "{task}: {}", reply.body);
    reply.json()["id"].as_str().expect("an id").to_owned()
}

fn instant(text: &str) -> jiff::Timestamp {
    text.parse().unwrap_or_else(|why| panic!("{text}: {why}"))
}

/// So many whole seconds from now on, and up to one more.
fn from_now(seconds: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() + 1 + seconds).expect("an instant")
}

/// When a task fires next.
fn next_run(tocsin: &Tocsin, id: &str) -> Option<jiff::Timestamp> {
    tocsin.get(&format!("/tasks/{id}")).json()["next_run"].as_str().map(instant)
}

/// A task's runs, oldest first.
fn runs(tocsin: &Tocsin, id: &str) -> Vec<Value> {
    let page = tocsin.get(&format!("/runs/?limit=100&task_id={id}")).json();
    let mut runs = page["items"].as_array().expect("runs").clone();
    runs.sort_by_key(|run| run["created_at"].to_string());
    runs
}

/// What the step of the `n`th run of a task was given, once it is through.
fn given(tocsin: &Tocsin, id: &str, n: usize) -> Value {
    eventually("a run is through", LIMIT, || {
        let run = runs(tocsin, id).get(n)?.clone();
        (run["state"] == "completed").then(|| run["output"]["steps"]["a"].clone())
    })
}

/// What is told of a task's fires: how many made a run, and why others made none.
fn told(tocsin: &Tocsin, id: &str) -> BTreeMap<String, usize> {
    let events = tocsin.get("/events?type=schedule.&limit=1000").json();
    let mut told = BTreeMap::new();
    for event in events["items"].as_array().expect("events").iter().filter(|event| event["task_id"] == id) {
        let word = event["payload"]["skipped"].as_str().unwrap_or("fired").to_owned();
        assert_eq!(event["event_type"] == "schedule.fired", word == "fired", "{event}");
        *told.entry(word).or_default() += 1;
    }
    told
}

fn counted<const N: usize>(words: [(&str, usize); N]) -> BTreeMap<String, usize> {
    words.into_iter().map(|(word, n)| (word.to_owned(), n)).collect()
}

fn preview(tocsin: &Tocsin, expr: &str, wishes: &Value) -> Vec<String> {
    let mut path = format!("/schedules/preview?count=3&expr={}", encode(expr));
    for (key, value) in wishes.as_object().into_iter().flatten() {
        path += &format!("&{key}={}", value.as_str().expect("a word"));
    }
    let reply = tocsin.get(&path);
    assert_eq!(reply.status, 200, "{path}: {}", reply.body);
    let fires = reply.json()["fires"].as_array().expect("fires").clone();
    fires.iter().map(|at| at.as_str().expect("an instant").to_owned()).collect()
}

#[test]
fn a_rule_is_right_over_a_change_of_clocks() {
    let tocsin = Tocsin::start(&[], &[]);
    let none = json!({});
    for (expr, wishes, wanted) in [
        (
            FORWARD,
            &none,
            ["2040-03-24T02:30:00+01:00", "2040-03-25T03:30:00+02:00", "2040-03-26T02:30:00+02:00"],
        ),
        (
            FORWARD,
            &json!({"gap": "skip"}),
            ["2040-03-24T02:30:00+01:00", "2040-03-26T02:30:00+02:00", "2040-03-27T02:30:00+02:00"],
        ),
        (
            BACK,
            &none,
            ["2040-10-27T02:30:00+02:00", "2040-10-28T02:30:00+02:00", "2040-10-29T02:30:00+01:00"],
        ),
        (
            BACK,
            &json!({"fold": "second"}),
            ["2040-10-27T02:30:00+02:00", "2040-10-28T02:30:00+01:00", "2040-10-29T02:30:00+01:00"],
        ),
        (
            BACK,
            &json!({"fold": "both"}),
            ["2040-10-27T02:30:00+02:00", "2040-10-28T02:30:00+02:00", "2040-10-28T02:30:00+01:00"],
        ),
    ] {
        assert_eq!(preview(&tocsin, expr, wishes), wanted, "{expr} {wishes}");
        // Without its first days the rule fires next at, and right after, the change.
        let first = &wanted[0][..10].replace('-', "");
        for (excluded, wanted) in
            [(String::new(), wanted[0]), (format!("\nEXDATE;TZID=Europe/Berlin:{first}T023000"), wanted[1])]
        {
            let expr = format!("{expr}{excluded}");
            let id = submit(&tocsin, "rrule", &expr, wishes.clone());
            assert_eq!(next_run(&tocsin, &id), Some(instant(wanted)), "{expr} {wishes}");
        }
    }
}

#[test]
fn a_rule_fires_as_often_as_it_says_over_a_restart_too() {
    let mut tocsin = Tocsin::start(&[], &[]);
    let id = submit(&tocsin, "rrule", "FREQ=SECONDLY;INTERVAL=2;COUNT=4", json!({"misfire": "all"}));
    eventually("the first fire", LIMIT, || (!runs(&tocsin, &id).is_empty()).then_some(()));
    tocsin.kill();
    tocsin.start_again();
    eventually("the last fire", LIMIT, || next_run(&tocsin, &id).is_none().then_some(()));
    eventually("every run is through", LIMIT, || {
        runs(&tocsin, &id).iter().all(|run| run["state"] == "completed").then_some(())
    });
    assert_eq!(runs(&tocsin, &id).len(), 4);
}

#[test]
fn an_event_reaches_the_pipeline_of_who_waits_for_it() {
    let mut tocsin = Tocsin::start(&[], &[]);
    let with = json!({"from": "${event.payload.from}", "topic": "${event.topic}", "to": "${params.to}",
        "text": "mail of ${event.payload.from} (${event.payload.size})"});
    let wishes = json!({"filter": "payload.size > 10", "payload": {"params": {"to": "ops"},
        "pipeline": [{"id": "a", "uses": "noop", "with": with, "save_as": "a"}]}});
    let id = submit(&tocsin, "event", "mail.received", wishes);
    assert_eq!(next_run(&tocsin, &id), None, "it fires when it is told to");
    let topics = tocsin.get("/events/topics").json();
    assert_eq!(topics["topics"][0]["topic"], "mail.received");
    assert_eq!(topics["topics"][0]["task_ids"], json!([id]));

    let publish = |tocsin: &Tocsin, topic: &str, payload: Value| {
        let reply = tocsin.post("/events", &json!({"topic": topic, "payload": payload}));
        assert_eq!(reply.status, 202, "{}", reply.body);
        reply.json()["triggered_tasks"].clone()
    };
    for (topic, payload, why) in [
        ("mail.sent", json!({"from": "kim", "size": 50}), "another topic"),
        ("mail.received", json!({"from": "kim", "size": 5}), "the filter does not hold"),
        ("mail.received", json!({"from": "kim"}), "the filter does not apply"),
        ("mail.received", json!({"from": "kim", "size": "large"}), "nor to this"),
    ] {
        assert_eq!(publish(&tocsin, topic, payload), json!([]), "{why}");
    }
    assert_eq!(runs(&tocsin, &id), Vec::<Value>::new());
    assert_eq!(publish(&tocsin, "mail.received", json!({"from": "kim", "size": 50})), json!([id]));
    let wanted = |from: &str| json!({"from": from, "topic": "mail.received", "to": "ops", "text": format!("mail of {from} (50)")});
    assert_eq!(given(&tocsin, &id, 0), wanted("kim"));

    // The other way of telling, and another life of the process.
    tocsin.kill();
    tocsin.start_again();
    let event = json!({"event_type": "mail.received", "payload": {"from": "ann", "size": 50}});
    assert_eq!(tocsin.post("/events/publish", &event).json()["triggered_tasks"], json!([id]));
    assert_eq!(given(&tocsin, &id, 1), wanted("ann"));
    assert_eq!(ask(&tocsin, "POST", &format!("/tasks/{id}/cancel"), &json!({})).status, 200);
    assert_eq!(publish(&tocsin, "mail.received", json!({"from": "kim", "size": 50})), json!([]), "cancelled");
    assert_eq!(runs(&tocsin, &id).len(), 2);
}

/// A server that scrapes itself each second.
fn scraping() -> Tocsin {
    let mut tocsin = Tocsin::prepare(&[], &[]);
    let target = tocsin.url.trim_start_matches("http://");
    let config = format!(
        "scrape_configs:\n  - job_name: self\n    scrape_interval: 1s\n    static_configs: [{{targets: [\"{target}\"]}}]\n"
    );
    let path = tocsin.dir.path().join("tocsin.yml");
    std::fs::write(&path, config).expect("our own directory");
    tocsin.add_args(&["--config", path.to_str().expect("a plain path")]);
    tocsin.start_again();
    tocsin
}

#[test]
fn a_condition_over_our_own_series_fires_when_it_begins_to_hold() {
    const SOLD: &str = r#"orchestrator_events_total{event_type="stock.sold",job="self"}"#;
    let mut tocsin = scraping();
    let with = json!({"value": "${event.payload.value}", "count": "${event.payload.count}"});
    let wishes = json!({"check_seconds": 1,
        "payload": {"pipeline": [{"id": "a", "uses": "noop", "with": with, "save_as": "a"}]}});
    let submit = |tocsin: &Tocsin, expr: String| submit(tocsin, "condition", &expr, wishes.clone());
    let sell = |tocsin: &Tocsin| {
        assert_eq!(tocsin.post("/events", &json!({"topic": "stock.sold"})).status, 202);
    };
    let two = submit(&tocsin, format!("{SOLD} >= 2"));
    sell(&tocsin);
    // Whoever holds shows that those looked at before do not.
    let one = submit(&tocsin, format!("{SOLD} >= 1"));
    assert_eq!(given(&tocsin, &one, 0), json!({"value": 1.0, "count": 1}));
    assert_eq!(runs(&tocsin, &two).len(), 0, "it does not hold yet");
    sell(&tocsin);
    assert_eq!(given(&tocsin, &two, 0), json!({"value": 2.0, "count": 1}));
    sell(&tocsin);
    let three = submit(&tocsin, format!("{SOLD} >= 3"));
    assert_eq!(given(&tocsin, &three, 0)["value"], 3.0);
    tocsin.kill();
    tocsin.start_again();
    let up = submit(&tocsin, "up{job=\"self\"} == 1".to_owned());
    assert_eq!(given(&tocsin, &up, 0)["value"], 1.0);
    for id in [one, two, three] {
        assert_eq!(runs(&tocsin, &id).len(), 1, "it went on holding: {}", tocsin.get("/runs/").body);
    }
}

#[test]
fn a_condition_over_events_fires_each_time_it_holds() {
    let tocsin = Tocsin::start(&[], &[]);
    let with = json!({"amount": "${event.payload.amount}", "topic": "${event.topic}"});
    let pipeline = json!([{"id": "a", "uses": "noop", "with": with, "save_as": "a"}]);
    let large = submit(
        &tocsin,
        "condition",
        "payload.amount > 100",
        json!({"overlap": "allow", "payload": {"pipeline": pipeline}}),
    );
    let refund = submit(&tocsin, "condition", "topic == 'refund'", json!({"dialect": "jmespath"}));
    let publish = |topic: &str, payload: Value| {
        let reply = tocsin.post("/events", &json!({"topic": topic, "payload": payload}));
        let mut tasks = reply.json()["triggered_tasks"].as_array().expect("tasks").clone();
        tasks.sort_by_key(|id| *id != large.as_str());
        Value::from(tasks)
    };
    for (topic, payload, wanted) in [
        ("order", json!({"amount": 50}), json!([])),
        ("order", json!({}), json!([])),
        ("order", json!({"amount": 150}), json!([large])),
        ("order", json!({"amount": 151}), json!([large])),
        ("refund", json!({"amount": 152}), json!([large, refund])),
    ] {
        assert_eq!(publish(topic, payload.clone()), wanted, "{topic} {payload}");
    }
    let mut all: Vec<Value> = (0..3).map(|n| given(&tocsin, &large, n)).collect();
    all.sort_by_key(|one| one["amount"].as_u64());
    assert_eq!(all[2], json!({"amount": 152, "topic": "refund"}));
    assert_eq!(all[..2], [150, 151].map(|amount| json!({"amount": amount, "topic": "order"})));
}

#[test]
fn a_fire_beside_a_run_that_goes_on_does_as_was_asked() {
    // Nobody takes work: a run goes on for ever.
    let tocsin = Tocsin::with_config("workers: {slots: 0}\n", &[]);
    let four = |overlap: &str| {
        let wishes = json!({"misfire": "all", "overlap": overlap});
        submit(&tocsin, "rrule", "FREQ=SECONDLY;COUNT=4", wishes)
    };
    let [skip, queue, allow] = ["skip", "queue", "allow"].map(four);
    for (id, wanted, wanted_told) in [
        (&skip, 1, counted([("fired", 1), ("overlap", 3)])),
        (&queue, 2, counted([("fired", 2), ("overlap", 2)])),
        (&allow, 4, counted([("fired", 4)])),
    ] {
        eventually("the last fire", LIMIT, || next_run(&tocsin, id).is_none().then_some(()));
        assert_eq!(runs(&tocsin, id).len(), wanted, "{}", tocsin.get("/events?type=schedule.").body);
        assert_eq!(told(&tocsin, id), wanted_told);
    }
    let shown = tocsin.get(&format!("/tasks/{queue}")).json();
    assert_eq!((&shown["overlap"], &shown["misfire"]), (&json!("queue"), &json!("all")));
    assert_eq!(shown["concurrency_key"], format!("schedule:{queue}"));
    let counter = "orchestrator_scheduler_skipped_total{reason=\"overlap\"} 5";
    let metrics = tocsin.get("/metrics").body;
    assert!(metrics.contains(counter), "{counter} is not in\n{metrics}");
}

#[test]
fn fires_that_were_missed_do_as_was_asked() {
    let mut tocsin = Tocsin::start(&[], &[]);
    let at = from_now(2);
    let four = format!("DTSTART:{}\nRRULE:FREQ=SECONDLY;COUNT=4", at.strftime("%Y%m%dT%H%M%SZ"));
    let rule = |misfire: &str, window: Value| {
        submit(
            &tocsin,
            "rrule",
            &four,
            json!({"misfire": misfire, "misfire_window_seconds": window, "timezone": "UTC"}),
        )
    };
    let (skip, last, all) = (rule("skip", json!(1)), rule("last", json!(null)), rule("all", json!(null)));
    let once = submit(&tocsin, "once", &at.to_string(), json!({}));
    let in_time =
        submit(&tocsin, "once", &at.to_string(), json!({"misfire": "skip", "misfire_window_seconds": 1}));
    let tasks = [&skip, &last, &all, &once, &in_time];
    assert_eq!(tasks.map(|id| next_run(&tocsin, id)), [Some(at); 5]);
    tocsin.kill();
    let over = jiff::Timestamp::from_second(at.as_second() + 6).expect("an instant");
    eventually("all of it is missed", LIMIT, || (jiff::Timestamp::now() > over).then_some(()));
    tocsin.start_again();
    for (name, id, wanted, wanted_told) in [
        ("skip", &skip, 0, counted([("misfire", 1)])),
        ("last", &last, 1, counted([("fired", 1)])),
        ("all", &all, 4, counted([("fired", 4)])),
        ("once", &once, 1, counted([("fired", 1)])),
        ("once in time", &in_time, 0, counted([("misfire", 1)])),
    ] {
        eventually("the last fire", LIMIT, || next_run(&tocsin, id).is_none().then_some(()));
        assert_eq!(runs(&tocsin, id).len(), wanted, "{name}");
        assert_eq!(told(&tocsin, id), wanted_told, "{name}");
    }
    let events = tocsin.get("/events?type=schedule.&limit=100").json();
    let missed = |id: &str| {
        let events = events["items"].as_array().expect("events");
        events.iter().filter(|one| one["task_id"] == id).map(|one| one["payload"]["missed"].clone()).collect()
    };
    let missed: [Vec<Value>; 2] = [missed(&skip), missed(&last)];
    assert_eq!(missed, [[json!(3)], [json!(3)]], "of each what it stands for besides");
}

#[test]
fn a_rule_without_an_end_in_sight_is_refused_and_nothing_is_stored() {
    let tocsin = Tocsin::start(&[], &[]);
    let refused = |kind: &str, expr: &str, stored: u64| {
        let reply = tocsin.post("/tasks", &task(kind, expr, json!({})));
        assert!(matches!(reply.status, 400 | 422), "{expr}: {} {}", reply.status, reply.body);
        let message = reply.json()["message"].as_str().unwrap_or("").to_owned();
        assert!(message.starts_with("schedule_expr: "), "{expr}: {message}");
        for path in ["/tasks", "/schedules"] {
            assert_eq!(tocsin.get(path).json()["total"], stored, "{expr}: {path}");
        }
        assert_eq!(tocsin.get("/runs/").json()["total"], 0, "{expr}");
    };
    let bad = [
        // Over before it begins.
        ("rrule", "DTSTART:20200101T090000Z\nRRULE:FREQ=DAILY;UNTIL=20200201T090000Z"),
        ("rrule", "DTSTART:20200101T090000Z\nRRULE:FREQ=DAILY;COUNT=3"),
        // Nothing is left.
        (
            "rrule",
            "DTSTART:20400101T090000Z\nRRULE:FREQ=DAILY;COUNT=2\nEXDATE:20400101T090000Z,20400102T090000Z",
        ),
        ("rrule", "DTSTART:20400101T090000Z\nRRULE:FREQ=DAILY\nEXRULE:FREQ=DAILY"),
        // Days and hours that never come.
        ("rrule", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"),
        ("rrule", "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30"),
        ("rrule", "DTSTART:20400101T000000Z\nRRULE:FREQ=HOURLY;INTERVAL=2;BYHOUR=1"),
        ("rrule", "FREQ=DAILY;COUNT=0"),
        // More than anybody would count, or wait for.
        ("rrule", "FREQ=DAILY;COUNT=2000000"),
        ("rrule", "FREQ=YEARLY;INTERVAL=4294967295"),
        ("rrule", "every day"),
        ("rrule", ""),
        ("cron", "0 0 30 2 *"),
        ("cron", "* * *"),
        ("once", "2020-01-01T00:00:00Z"),
        ("condition", ")("),
    ];
    for (kind, expr) in bad.into_iter().filter(|(_, expr)| !expr.is_empty()) {
        refused(kind, expr, 0);
    }
    // A change to one of these leaves what there was.
    let id = submit(&tocsin, "rrule", FORWARD, json!({}));
    let before = tocsin.get(&format!("/tasks/{id}")).body;
    for (_, expr) in bad.into_iter().filter(|(kind, _)| *kind == "rrule") {
        let reply = ask(&tocsin, "PUT", &format!("/tasks/{id}"), &json!({"schedule_expr": expr}));
        assert!(matches!(reply.status, 400 | 422), "{expr}: {} {}", reply.status, reply.body);
        assert_eq!(tocsin.get(&format!("/tasks/{id}")).body, before, "{expr}");
    }
    refused("rrule", "FREQ=DAILY;COUNT=0", 1);
}

#[test]
fn nothing_fires_on_holidays() {
    let mut tocsin = Tocsin::start(&[], &[]);
    let put = |tocsin: &Tocsin, dates: Value| {
        let reply = ask(tocsin, "PUT", "/calendars/rest", &json!({"dates": dates}));
        assert_eq!(reply.status, 200, "{}", reply.body);
    };
    let unknown = tocsin.post("/tasks", &task("rrule", FORWARD, json!({"calendar": "rest"})));
    assert!(matches!(unknown.status, 400 | 422), "{}", unknown.body);
    put(&tocsin, json!(["2040-03-24"]));
    let id = submit(&tocsin, "rrule", FORWARD, json!({"calendar": "rest"}));
    let over = [instant("2040-03-25T03:30:00+02:00"), instant("2040-03-26T02:30:00+02:00")];
    assert_eq!(next_run(&tocsin, &id), Some(over[0]));
    let fires = preview(&tocsin, FORWARD, &json!({"calendar": "rest"}));
    assert_eq!(fires[0], "2040-03-25T03:30:00+02:00");
    // A calendar that changes moves what is next, and stays.
    put(&tocsin, json!(["2040-03-24", "03-25"]));
    assert_eq!(next_run(&tocsin, &id), Some(over[1]));
    tocsin.kill();
    tocsin.start_again();
    assert_eq!(next_run(&tocsin, &id), Some(over[1]));
    assert_eq!(tocsin.get("/calendars/rest").json()["dates"], json!(["03-25", "2040-03-24"]));
    put(&tocsin, json!([]));
    assert_eq!(next_run(&tocsin, &id), Some(instant("2040-03-24T02:30:00+01:00")));

    // Today and tomorrow: not even what would fire each second.
    let day = |n: i64| jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() + n * 86_400);
    let [today, tomorrow, then] =
        [0, 1, 2].map(|n| day(n).expect("an instant").strftime("%Y-%m-%d").to_string());
    put(&tocsin, json!([today, tomorrow]));
    let each = submit(&tocsin, "rrule", "FREQ=SECONDLY", json!({"calendar": "rest", "timezone": "UTC"}));
    assert_eq!(next_run(&tocsin, &each), Some(instant(&format!("{then}T00:00:00Z"))));
    let delete = |tocsin: &Tocsin| ask(tocsin, "DELETE", "/calendars/rest", &Value::Null).status;
    assert_eq!(delete(&tocsin), 409, "it is named");
    for id in [&id, &each] {
        assert_eq!(ask(&tocsin, "POST", &format!("/tasks/{id}/cancel"), &json!({})).status, 200);
    }
    assert_eq!(delete(&tocsin), 204);
}

#[test]
fn schedules_are_after_a_kill_what_they_were_before() {
    let mut tocsin = Tocsin::start(&[], &[]);
    let reply = ask(&tocsin, "PUT", "/calendars/rest", &json!({"dates": ["01-01"]}));
    assert_eq!(reply.status, 200, "{}", reply.body);
    let tasks = [
        // Begins now: where it began is part of what is stored.
        ("rrule", "FREQ=DAILY;INTERVAL=3", json!({"timezone": "America/New_York"})),
        ("rrule", "FREQ=WEEKLY;BYDAY=MO,WE;COUNT=5", json!({"jitter_seconds": 3600})),
        ("rrule", FORWARD, json!({"gap": "skip", "calendar": "rest", "overlap": "queue"})),
        ("cron", "0 0 9 1 2 *", json!({"dialect": "seconds", "jitter_seconds": 86400, "calendar": "rest"})),
        ("cron", "30 2 28 10 *", json!({"timezone": "Europe/Berlin", "fold": "both"})),
        ("once", "2040-01-01T00:00:00Z", json!({"misfire": "skip"})),
        ("event", "mail.received", json!({"filter": "payload.size > 10"})),
        ("condition", "vector(0)", json!({"dialect": "promql", "check_seconds": 1})),
        ("condition", "payload.amount > 100", json!({})),
    ];
    let ids: Vec<String> =
        tasks.iter().map(|(kind, expr, wishes)| submit(&tocsin, kind, expr, wishes.clone())).collect();
    let shown = |tocsin: &Tocsin| -> Vec<Value> {
        ids.iter().map(|id| tocsin.get(&format!("/tasks/{id}")).json()).collect()
    };
    let before = shown(&tocsin);
    let fires = before.iter().filter(|task| task["next_run"].is_string()).count();
    assert_eq!(fires, 6, "all but those that are told: {before:?}");
    for _ in 0..2 {
        tocsin.kill();
        tocsin.start_again();
        assert_eq!(shown(&tocsin), before);
    }
    assert_eq!(tocsin.get("/runs/").json()["total"], 0, "a restart fires nothing");
    assert_eq!(tocsin.get("/schedules?limit=100").json()["total"], ids.len() as u64);
}

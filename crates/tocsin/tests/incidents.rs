//! Incidents on a real server: an alert fires, somebody is paged, takes it on from a terminal or by a link, and hears no
//! more of it until it is over; `why` explains every stage.

mod support;

use serde_json::{Value, json};
use std::{fs, process::Command, time::Duration};
use support::{Pages, Tocsin, encode, eventually};

const LIMIT: Duration = Duration::from_secs(30);
/// Three times what it takes to say something again.
const QUIET: Duration = Duration::from_secs(6);

/// A server that repeats itself every two seconds, and whose one rule reads a gauge that the test tells.
fn start(pages: &Pages) -> Tocsin {
    let mut tocsin = Tocsin::prepare(&[], &[]);
    let dir = tocsin.dir.path();
    let rules = "
groups:
- name: doors
  interval: 1s
  rules:
  - alert: DoorOpen
    expr: door_open > 0
    labels: {severity: critical}
    annotations: {summary: 'the door is open <b>now</b>'}
";
    fs::write(dir.join("rules.yml"), rules).expect("our own directory");
    let config = format!(
        "rule_files: [rules.yml]
route: {{receiver: team, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 2s}}
receivers: [{{name: team, webhook_configs: [{{url: '{}'}}]}}]
on_call:
- name: primary
  zone: Europe/Berlin
  layers:
  - {{name: week, people: [team], start: '2026-01-05T09:00', turn: 7d}}
",
        pages.url
    );
    let path = dir.join("tocsin.yml");
    fs::write(&path, config).expect("our own directory");
    tocsin.add_args(&["--config", path.to_str().expect("a plain path")]);
    tocsin.start_again();
    tocsin
}

fn tell(tocsin: &Tocsin, open: f64) {
    let gauge = json!([{"type": "gauge", "name": "door_open", "value": open, "tags": {"door": "north"}}]);
    assert_eq!(tocsin.post("/api/v1/monitoring/metrics", &gauge).status, 202);
}

/// What a verb prints; with `--json` as JSON.
fn typed(tocsin: &Tocsin, args: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tocsin"));
    command.args(args).args(["--server", &tocsin.url]).current_dir(tocsin.dir.path());
    let done = command.env_remove("TOCSIN_KEY").env_remove("TOCSIN_BY").output().expect("the program starts");
    let said = [done.stdout, done.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (done.status.success(), said)
}

fn answer(tocsin: &Tocsin, args: &[&str]) -> Value {
    let (done, said) = typed(tocsin, &[args, &["--json"]].concat());
    assert!(done, "{args:?}: {said}");
    serde_json::from_str(&said).unwrap_or_else(|why| panic!("{args:?}: {why}: {said}"))
}

/// The one incident there is.
fn incident(tocsin: &Tocsin) -> Value {
    let found = tocsin.get("/api/v1/incidents").json();
    assert_eq!(found["total"], 1, "{found}");
    found["items"][0].clone()
}

#[test]
fn paged_taken_on_from_a_terminal_and_over() {
    let pages = Pages::start();
    let tocsin = start(&pages);
    let none = answer(&tocsin, &["why", "DoorOpen"]);
    assert_eq!((&none["verdict"], &none["reason"]), (&json!("hold"), &json!("none")), "{none}");
    assert!(none["says"].as_str().expect("a sentence").contains("is not true"), "{none}");

    tell(&tocsin, 1.0);
    let page = pages.wait("the page", 0, LIMIT, |got| got.status() == "firing");
    let links = &page.body["tocsin"]["links"];
    let id = page.body["tocsin"]["incident_id"].as_str().expect("an id").to_owned();
    assert_eq!(links["incident"], format!("{}/ui/incidents/{id}", tocsin.url));
    pages.wait("the page once more, as nobody took it on", 1, LIMIT, |got| got.status() == "firing");

    let list = answer(&tocsin, &["incidents"]);
    assert_eq!((&list["items"][0]["id"], &list["items"][0]["state"]), (&json!(id), &json!("open")));
    let (_, said) = typed(&tocsin, &["incidents"]);
    assert!(said.contains(&id) && said.contains("OPEN"), "{said}");
    let screen = tocsin.get("/").body;
    assert!(screen.contains(&format!("<a href=\"/ui/incidents/{id}\">incident</a>")), "{screen}");
    let why = answer(&tocsin, &["why", "DoorOpen"]);
    assert!(why["verdict"] == "deliver" || why["reason"] == "repeat", "{why}");
    assert_eq!((&why["rule"]["name"], &why["rule"]["value"]), (&json!("DoorOpen"), &json!(1.0)));
    let tried = &why["receivers"][0]["attempts"][0];
    assert_eq!((&tried["code"], &why["incident_id"]), (&json!("ok"), &json!(id)));
    let before = tocsin.get("/api/v1/why?labels=alertname=DoorOpen").json()["at"].clone();

    let (done, said) = typed(&tocsin, &["incidents", "ack", &id, "--by", "kim"]);
    assert!(done && said.contains("kim (local) has it"), "{said}");
    eventually("why says who has it", LIMIT, || {
        let why = answer(&tocsin, &["why", "door=north"]);
        (why["reason"] == "acknowledged").then(|| assert_eq!(why["by"], json!(["kim (local)"])))
    });
    pages.expect_quiet(QUIET);
    let (done, said) = typed(&tocsin, &["incidents", "ack", &id]);
    assert!(!done && said.contains("somebody has it already"), "{said}");
    assert_eq!(tocsin.post(&format!("/api/v1/incidents/{id}/acknowledge"), &json!({})).status, 409);
    let (_, said) = typed(&tocsin, &["why", "DoorOpen"]);
    assert!(said.starts_with("HELD  DoorOpen") && said.contains("taken on by kim"), "{said}");
    let (_, said) = typed(&tocsin, &["why", "DoorOpen", "--at", before.as_str().expect("an instant")]);
    assert!(said.starts_with("TOLD  DoorOpen"), "as it stood before: {said}");

    assert!(typed(&tocsin, &["incidents", "assign", &id, "lee"]).0);
    assert!(typed(&tocsin, &["incidents", "note", &id, "the lock is being replaced"]).0);
    tell(&tocsin, 0.0);
    pages.wait("its end", 0, LIMIT, |got| got.status() == "resolved");
    let over = eventually("it is over", LIMIT, || {
        Some(tocsin.get(&format!("/api/v1/incidents/{id}")).json()).filter(|it| it["state"] == "resolved")
    });
    let whats: Vec<&str> = over["timeline"]
        .as_array()
        .expect("a timeline")
        .iter()
        .filter_map(|one| one["what"].as_str())
        .collect();
    let mut rest = whats.iter();
    for what in ["fired", "opened", "delivered", "acknowledged", "assigned", "note", "resolved"] {
        assert!(rest.any(|one| *one == what), "{what}: {whats:?}");
    }
    let (_, said) = typed(&tocsin, &["incidents", "show", &id]);
    assert!(said.contains("the lock is being replaced") && said.contains("assigned to lee"), "{said}");
    let why = answer(&tocsin, &["why", &id]);
    assert!(why["over"] == true && why["verdict"] == "deliver", "{why}");
    assert_eq!(typed(&tocsin, &["incidents"]), (true, "nothing: no incident is open\n".to_owned()));
    assert_eq!(tocsin.post(&format!("/api/v1/incidents/{id}/snooze"), &json!({"seconds": 60})).status, 409);
    assert_eq!(tocsin.get("/api/v1/incidents/nobody").status, 404);
}

#[test]
fn taken_on_by_a_link_in_the_message_and_by_the_buttons_of_a_screen() {
    let pages = Pages::start();
    let tocsin = start(&pages);
    tell(&tocsin, 1.0);
    let page = pages.wait("the page", 0, LIMIT, |got| got.status() == "firing");
    let links = &page.body["tocsin"]["links"];
    let link = |name: &str| links[name].as_str().unwrap_or_else(|| panic!("no {name}: {links}")).to_owned();
    let form = "application/x-www-form-urlencoded";
    let elsewhere = [("x-forwarded-for", "192.0.2.7"), ("content-type", form)];
    let post = |url: &str, body: &str| support::request("POST", url, &elsewhere, body).expect("an answer");

    let shown = support::request("GET", &link("acknowledge"), &elsewhere[..1], "").expect("an answer");
    assert_eq!(shown.status, 200, "{}", shown.body);
    assert!(shown.body.contains("Nothing has happened yet") && shown.body.contains("DoorOpen"));
    assert!(!shown.body.contains("<b>now</b>"), "text from outside stays text");
    assert_eq!(incident(&tocsin)["state"], "open", "looking does nothing");
    let forged = link("acknowledge").replace("act=acknowledge", "act=resolve");
    assert_eq!(post(&forged, "").status, 400);
    assert_eq!(post(&link("acknowledge"), "by=ann").status, 200);
    let taken = incident(&tocsin);
    assert_eq!(taken["acknowledged_by"], "ann (by a link to team)");
    assert_eq!(post(&link("acknowledge"), "by=bob").status, 409);
    assert_eq!(post(&link("snooze"), "by=ann").status, 400, "for how long?");
    assert_eq!(post(&link("snooze"), "for=1h").status, 200);
    assert!(incident(&tocsin)["snoozed_until"].is_string());

    let id = taken["id"].as_str().expect("an id");
    let screen = tocsin.get(&format!("/ui/incidents/{id}")).body;
    assert!(screen.contains("What happened") && screen.contains("ann (by a link to team)"));
    let note = own_form(&screen, "note") + "&text=seen+by+ann";
    let url = format!("{}/ui/links/incidents/{id}", tocsin.url);
    assert_eq!(post(&url, &note).status, 303);
    assert!(incident(&tocsin)["timeline"].to_string().contains("seen by ann"));
    let ended = post(&url, &own_form(&screen, "resolve"));
    assert_eq!((ended.status, &incident(&tocsin)["state"]), (303, &json!("resolved")));
    assert_eq!(post(&link("resolve"), "").status, 409, "it is over already");
    for path in ["/ui/incidents", "/ui/silences", "/ui/on-call"] {
        let screen = tocsin.get(path);
        assert!(screen.status == 200 && !screen.body.contains("<script"), "{path}");
    }
    assert!(tocsin.get("/ui/on-call").body.contains("team"));
    assert_eq!(tocsin.get("/api/v1/on_call").json()["items"][0]["who"], "team");
    let calendar = tocsin.get("/api/v1/on_call/primary.ics").body;
    assert!(calendar.starts_with("BEGIN:VCALENDAR") && calendar.contains("team is on call"), "{calendar}");
}

/// The hidden fields of the form for one act, as a browser sends them.
fn own_form(screen: &str, act: &str) -> String {
    let mut forms = screen.split("<form ").skip(1);
    let form = forms.find(|form| form.contains(&format!("name=\"act\" value=\"{act}\"")));
    let form = form.unwrap_or_else(|| panic!("no form for {act}"));
    let form = form.split("</form>").next().unwrap_or(form);
    let fields = form.split("<input type=\"hidden\" ").skip(1).map(|field| {
        let value =
            |name: &str| field.split(&format!("{name}=\"")).nth(1).and_then(|rest| rest.split('"').next());
        format!("{}={}", value("name").expect("a name"), encode(value("value").expect("a value")))
    });
    fields.collect::<Vec<_>>().join("&")
}

#[test]
fn silenced_from_a_terminal_and_why_it_is_quiet() {
    let pages = Pages::start();
    let tocsin = start(&pages);
    let (done, said) = typed(
        &tocsin,
        &["silence", "add", "door=north", "--for", "2h", "-c", "the lock", "--until-resolved"],
    );
    assert!(done && said.contains("mutes 0 of 0"), "{said}");
    let id = said.lines().next().expect("an id").to_owned();
    tell(&tocsin, 1.0);
    let why = eventually("it is silenced", LIMIT, || {
        Some(answer(&tocsin, &["why", "DoorOpen"])).filter(|why| why["reason"] == "silenced")
    });
    assert_eq!(why["by"], json!([id]));
    assert!(why["says"].as_str().expect("a sentence").contains("the lock"), "{why}");
    assert!(pages.all().is_empty());
    let (_, said) = typed(&tocsin, &["silence"]);
    assert!(said.contains(&id) && said.contains("until resolved"), "{said}");
    let (_, said) = typed(&tocsin, &["alerts", "--filter", "severity=critical"]);
    assert!(said.contains("DoorOpen") && said.contains("[silenced]"), "{said}");
    let reach = tocsin.get("/api/v1/silences/preview?filter=door%3Dnorth").json();
    assert_eq!((&reach["mutes"], &reach["broad"]), (&json!(1), &json!(false)));
    let (done, said) = typed(&tocsin, &["silence", "add", "door!=x", "-c", "all of it"]);
    assert!(!done && said.contains("--confirm") && said.contains("mutes 1 of 1"), "{said}");

    let screen = tocsin.get("/ui/silences?filter=door%3Dnorth").body;
    assert!(screen.contains("It would mute") && screen.contains(&id), "{screen}");
    let form = own_form(&screen, "silence");
    let post = |body: &str| {
        let url = format!("{}/ui/silences", tocsin.url);
        support::post(&url, "application/x-www-form-urlencoded", body).expect("an answer").status
    };
    assert_eq!(post(&format!("filter=door%3Dsouth&for=1h&comment=x&{}", form.replace("filter=", "f="))), 303);
    assert_eq!(post("filter=door%3Dsouth&for=1h&comment=x"), 400, "no form of ours");
    assert_eq!(answer(&tocsin, &["silence"]).as_array().expect("a list").len(), 2);

    let (done, said) = typed(&tocsin, &["silence", "expire", &id]);
    assert!(done, "{said}");
    pages.wait("the page", 0, LIMIT, |got| got.status() == "firing");
    assert!(!typed(&tocsin, &["silence", "expire", &id]).0, "it has ended already");
}

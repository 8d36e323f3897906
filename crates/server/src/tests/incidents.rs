//! Incidents, why, who is on call, and what a silence would mute.

use super::*;
use crate::views::IncidentAct;

#[tokio::test]
async fn incidents_and_why_are_shown() {
    let (_, state) = World::calm().state();
    let list = get(&state, "/api/v1/incidents?state=open").await.json();
    assert_eq!((&list["total"], &list["items"][0]["id"]), (&json!(1), &json!("i1")));
    assert_eq!(get(&state, "/api/v1/incidents?state=resolved").await.json()["total"], 0);
    assert_eq!(get(&state, "/api/v1/incidents?state=odd").await.status, 400);
    let one = get(&state, "/api/v1/incidents/i1").await.json();
    assert_eq!(
        (&one["state"], &one["severity"], &one["sev"]),
        (&json!("open"), &json!("critical"), &json!("sev0"))
    );
    assert_eq!(one["timeline"][2]["what"], "delivered");
    assert_eq!(
        (&one["acknowledged_by"], &one["snoozed_until"], &one["assigned_to"]),
        (&json!(null), &json!(null), &json!(null))
    );
    assert_eq!(get(&state, "/api/v1/incidents/i2").await.status, 404);

    for uri in [
        "/api/v1/incidents/i1/why",
        "/api/v1/why?labels=alertname=%22RedisDown%22",
        "/api/v1/why?labels=%7B%22alertname%22:%22RedisDown%22%7D&at=1795317160",
        "/api/v1/why?labels=alertname=RedisDown&at=2026-11-22T03:12:40+00:00",
    ] {
        let why = get(&state, uri).await;
        assert_eq!(why.status, 200, "{uri}: {}", why.body);
        let why = why.json();
        assert_eq!((&why["verdict"], &why["reason"]), (&json!("deliver"), &json!("none")));
        assert_eq!(why["rule"]["name"], "RedisDown");
        assert_eq!(why["receivers"][0]["attempts"][0]["code"], "ok");
        assert_eq!((&why["by"], &why["by_text"]), (&json!(["s1"]), &json!(["kim: planned"])));
    }
    for (uri, code) in [
        ("/api/v1/why", 422),
        ("/api/v1/why?labels=%7B%7D", 422),
        ("/api/v1/why?labels=%7B%22a%22:1%7D", 422),
        ("/api/v1/why?labels=alertname=RedisDown&at=noon", 422),
        ("/api/v1/why?labels=alertname=Other", 404),
        ("/api/v1/incidents/i2/why", 404),
    ] {
        assert_eq!(get(&state, uri).await.status, code, "{uri}");
    }
}

#[tokio::test]
async fn what_people_do_to_an_incident() {
    let (world, state) = World::calm().state();
    let path = |verb: &str| format!("/api/v1/incidents/i1/{verb}");
    for (verb, body, code) in [
        ("acknowledge", "", 200),
        ("acknowledge", r#"{"by": "kim"}"#, 200),
        ("snooze", r#"{"seconds": 60}"#, 200),
        ("snooze", r#"{"until": "2026-11-22T04:00:00Z", "by": "local"}"#, 200),
        ("assign", r#"{"to": "lee"}"#, 200),
        ("note", r#"{"text": "the disk is being replaced"}"#, 200),
        ("merge", r#"{"into": "i9"}"#, 200),
        ("resolve", "", 200),
        ("snooze", "{}", 422),
        ("snooze", r#"{"seconds": 60, "until": "2026-11-22T04:00:00Z"}"#, 422),
        ("snooze", r#"{"seconds": -1}"#, 422),
        ("assign", "{}", 422),
        ("note", r#"{"text": ""}"#, 422),
        ("note", r#"{"text": "x", "txet": "y"}"#, 422),
        ("merge", "[]", 422),
        ("acknowledge", "{", 400),
    ] {
        let answer = post(&state, &path(verb), body).await;
        assert_eq!(answer.status.as_u16(), code, "{verb} {body}: {}", answer.body);
    }
    assert_eq!(post(&state, "/api/v1/incidents/i2/acknowledge", "").await.status, 404);
    let acts = world.incident_acts.lock().unwrap();
    let done: Vec<_> = acts.iter().map(|(_, act, by)| (act.clone(), by.name.as_str())).collect();
    let until = |secs: i64| IncidentAct::Snooze { until: at(-secs) };
    let want = [
        (IncidentAct::Acknowledge, "local"),
        (IncidentAct::Acknowledge, "kim (local)"),
        (until(60), "local"),
        (until(2840), "local"),
        (IncidentAct::Assign { to: "lee".to_owned() }, "local"),
        (IncidentAct::Note { text: "the disk is being replaced".to_owned() }, "local"),
        (IncidentAct::Merge { into: "i9".to_owned() }, "local"),
        (IncidentAct::Resolve, "local"),
    ];
    assert_eq!(done, want);
}

#[tokio::test]
async fn what_does_not_apply_is_a_conflict() {
    let refusal = Failure::Conflict("incident i1 is resolved: it is over".to_owned());
    let (_, state) = World { refusal: Some(refusal), ..World::calm() }.state();
    let answer = post(&state, "/api/v1/incidents/i1/acknowledge", "").await;
    assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (409, &json!("conflict")));
}

#[tokio::test]
async fn who_is_on_call() {
    let (_, state) = World::calm().state();
    let now = get(&state, "/api/v1/on_call").await.json();
    assert_eq!((&now["items"][0]["name"], &now["items"][0]["who"]), (&json!("primary"), &json!("kim")));
    let calendar = get(&state, "/api/v1/on_call/primary.ics").await;
    assert_eq!(calendar.headers["content-type"], "text/calendar; charset=utf-8");
    assert!(calendar.body.starts_with("BEGIN:VCALENDAR"));
    for name in ["primary", "other.ics"] {
        assert_eq!(get(&state, &format!("/api/v1/on_call/{name}")).await.status, 404, "{name}");
    }
}

#[tokio::test]
async fn who_stands_in() {
    let (_, state) = World::calm().state();
    let shown = get(&state, "/api/v1/on_call").await.json()["items"][0]["overrides"].clone();
    let of: Vec<_> = shown.as_array().unwrap().iter().map(|one| (&one["who"], &one["id"])).collect();
    let wanted = [(&json!("kim"), &json!(null)), (&json!("<b>lee</b>"), &json!("o1"))];
    assert_eq!(of, wanted, "not what is over");
    let screen = get(&state, "/ui/on-call").await.body;
    assert!(
        screen.contains("&lt;b&gt;lee&lt;/b&gt;</b> stands in from") && screen.contains("asked for by ada")
    );

    let path = "/api/v1/on_call/primary/overrides";
    let made = post(&state, path, r#"{"who": "kim", "seconds": 3600, "by": "ann"}"#).await;
    let (from, until) = (at(0).rfc3339(), at(-3600).rfc3339());
    let wanted = json!({"who": "kim", "from": from, "until": until, "id": "o2", "created_by": "ann (local)"});
    assert_eq!((made.status.as_u16(), made.json()), (201, wanted));
    let until = r#"{"who": "kim", "from": "2027-01-01T00:00:00Z", "until": "2027-01-02T00:00:00Z"}"#;
    assert_eq!(post(&state, path, until).await.json()["until"], "2027-01-02T00:00:00.000Z");
    for (body, code) in [
        ("", 422),
        (r#"{"who": "kim"}"#, 422),
        (r#"{"seconds": 60}"#, 422),
        (r#"{"who": "kim", "seconds": 60, "until": "2027-01-02T00:00:00Z"}"#, 422),
        (r#"{"who": "kim", "seconds": -1}"#, 422),
        (r#"{"who": "kim", "seconds": 60, "for": "1h"}"#, 422),
    ] {
        assert_eq!(post(&state, path, body).await.status, code, "{body}");
    }
    let nowhere = post(&state, "/api/v1/on_call/other/overrides", r#"{"who": "kim", "seconds": 60}"#).await;
    assert_eq!(nowhere.status, 404);
    for (id, code) in [("o1", 204), ("o9", 404)] {
        let request = local("DELETE", &format!("{path}/{id}")).body(Body::empty()).unwrap();
        assert_eq!(send(&state, request).await.status, code, "{id}");
    }
}

#[tokio::test]
async fn silences_by_the_clock_and_how_far_one_reaches() {
    let (world, state) = World::incident().state();
    let reach = get(&state, "/api/v1/silences/preview?filter=alertname=%22RedisDown%22").await.json();
    assert_eq!((&reach["mutes"], &reach["firing"], &reach["broad"]), (&json!(1), &json!(3), &json!(false)));
    assert_eq!(reach["alerts"][0]["alertname"], "RedisDown");
    for query in ["", "?filter=", "?filter=nonsense"] {
        assert_eq!(get(&state, &format!("/api/v1/silences/preview{query}")).await.status, 422, "{query}");
    }
    let silence = |more: serde_json::Value| {
        let mut silence = json!({"matchers": [{"name": "a", "value": "b"}], "endsAt": "2026-12-01T00:00:00Z", "comment": "c"});
        silence.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        silence.to_string()
    };
    let night =
        json!({"weekdays": ["friday:saturday"], "start": "22:00", "end": "06:00", "zone": "Europe/Berlin"});
    for (more, code) in [
        (json!({}), 200),
        (json!({"windows": [night], "until_resolved": true, "maintenance": null, "confirm": true}), 200),
        (json!({"windows": [{"start": "22:00"}]}), 422),
        (json!({"windows": {}}), 422),
        (json!({"maintenance": "yes"}), 422),
        (json!({"comment": null}), 422),
    ] {
        let answer = post(&state, "/api/v1/silences", silence(more.clone())).await;
        assert_eq!(answer.status.as_u16(), code, "{more}: {}", answer.body);
    }
    post(&state, "/api/v2/silences", silence(json!({"maintenance": "amtool knows nothing of it"}))).await;
    let terms: Vec<_> = world.silences.lock().unwrap().iter().map(|one| one.terms.clone()).collect();
    assert_eq!((terms.len(), &terms[0], &terms[2]), (3, &None, &None), "as upstream takes them");
    let ours = terms[1].as_ref().unwrap();
    assert!(ours.until_resolved && ours.confirmed && !ours.maintenance);
    assert_eq!((ours.windows[0].start.as_str(), ours.windows[0].weekdays.len()), ("22:00", 1));
    let shown = get(&state, "/api/v1/silences").await.json();
    assert_eq!(shown["data"][1]["windows"][0]["zone"], "Europe/Berlin");
    let upstream = get(&state, "/api/v2/silences").await.json();
    assert!(upstream.as_array().unwrap().iter().all(|one| one.get("windows").is_none()));
}

/// A link as a message has it, made by the links that the server checks with.
fn told(reopened: u32, until_secs: i64) -> crate::IncidentLinks {
    let told =
        crate::Told { incident: "i1", reopened, recipient: "team <b>", key: "k1", until: at(-until_secs) };
    crate::Links::new(SECRET, "https://tocsin.example").of_incident(told)
}

fn path(url: &str) -> &str {
    url.strip_prefix("https://tocsin.example").expect("our own address")
}

#[tokio::test]
async fn a_link_shows_and_only_its_post_acts() {
    let world = World::calm();
    let (world, state) = world.state();
    let state = Arc::into_inner(state).expect("nobody else has it");
    let state = Arc::new(state.with_links(crate::Links::new(SECRET, "https://tocsin.example")));
    let ask =
        async |method: &str, uri: &str| send(&state, remote(method, uri).body(Body::empty()).unwrap()).await;
    let links = told(1, 60);
    for (url, word) in
        [(&links.acknowledge, "Acknowledge"), (&links.snooze, "Snooze"), (&links.resolve, "Resolve")]
    {
        let shown = ask("GET", path(url)).await;
        assert_eq!(shown.status, 200, "{}", shown.body);
        assert!(shown.body.contains(word) && shown.body.contains("Nothing has happened yet"));
        assert!(shown.body.contains("team &lt;b&gt;") && !shown.body.contains("<script"));
    }
    assert!(world.incident_acts.lock().unwrap().is_empty(), "looking does nothing");
    let acknowledge = path(&links.acknowledge).to_owned();
    assert_eq!(ask("POST", &format!("{acknowledge}&by=ann")).await.status, 200);
    assert_eq!(ask("POST", path(&links.snooze)).await.status, 400, "for how long?");
    assert_eq!(ask("POST", &format!("{}&for=30m", path(&links.snooze))).await.status, 200);
    let names: Vec<_> =
        world.incident_acts.lock().unwrap().iter().map(|(_, act, by)| (act.clone(), by.clone())).collect();
    let by = |name: &str| crate::By { name: name.to_owned(), reopened: Some(1) };
    assert_eq!(
        names,
        [
            (IncidentAct::Acknowledge, by("ann (by a link to team <b>)")),
            (IncidentAct::Snooze { until: at(-1800) }, by("a link to team <b>")),
        ]
    );

    let approval = acknowledge.replace("/ui/links/incidents/i1", "/ui/links/approvals/i1");
    for (method, uri, code) in [
        ("POST", acknowledge.replace("act=acknowledge", "act=resolve"), 400),
        ("POST", acknowledge.replace("i1?", "i2?"), 400),
        ("GET", "/ui/links/incidents/i1".to_owned(), 400),
        ("POST", approval, 400),
        ("POST", path(&told(0, 60).acknowledge).to_owned(), 409),
        ("GET", path(&told(1, -1).acknowledge).to_owned(), 410),
        ("POST", "/ui/silences".to_owned(), 400),
        ("POST", "/ui/on-call".to_owned(), 400),
    ] {
        assert_eq!(ask(method, &uri).await.status, code, "{method} {uri}");
    }
    assert_eq!(world.incident_acts.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn somebody_stands_in_by_a_form() {
    let (_, state) = World::calm().state();
    let state = Arc::into_inner(state).expect("nobody else has it");
    let state = Arc::new(state.with_links(crate::Links::new(SECRET, "https://tocsin.example")));
    let screen = get(&state, "/ui/on-call").await.body;
    // The first form takes an override back; its link is that of the others too.
    let link = link_of(&screen, "<form ");
    let sent = async |fields: &str| {
        let request = remote("POST", &format!("/ui/on-call?{link}&{fields}")).body(Body::empty()).unwrap();
        send(&state, request).await
    };
    for (fields, code) in [
        ("schedule=primary&who=kim&for=4h", 303),
        ("schedule=primary&remove=o1", 303),
        ("schedule=primary&remove=o9", 404),
        ("schedule=other&who=kim&for=4h", 404),
        ("schedule=primary&who=kim&for=soon", 400),
    ] {
        let answer = sent(fields).await;
        assert_eq!(answer.status.as_u16(), code, "{fields}: {}", answer.body);
    }
    assert!(screen.contains("Stands in from now on") && screen.contains("Not after all"));
    let other =
        send(&state, remote("POST", &format!("/ui/silences?{link}&expire=s1")).body(Body::empty()).unwrap());
    assert_eq!(other.await.status, 400, "what one screen may do another may not");
    let incident =
        remote("POST", &format!("/ui/links/incidents/on-call?{link}")).body(Body::empty()).unwrap();
    assert_eq!(send(&state, incident).await.status, 400);
}

/// The signed fields of the form that begins with this, as a browser sends them.
fn link_of(screen: &str, form: &str) -> String {
    let hidden = screen.split(form).nth(1).expect("the form").split("<input type=\"hidden\" ").skip(1);
    let hidden = hidden.map_while(|input| {
        let mut parts = input.split('"');
        let (name, value) = (parts.nth(1)?, parts.nth(1)?);
        (name != "schedule").then(|| format!("{name}={}", value.replace("&amp;", "&")))
    });
    hidden.take(6).collect::<Vec<_>>().join("&")
}

#[tokio::test]
async fn an_incident_is_assigned_by_its_form() {
    let (world, state) = World::incident().state();
    let state = Arc::into_inner(state).expect("nobody else has it");
    let state = Arc::new(state.with_links(crate::Links::new(SECRET, "https://tocsin.example")));
    let screen = get(&state, "/ui/incidents/i1").await.body;
    let before = screen.split("Assign</button>").next().expect("the button");
    let form = before.rsplit("<form ").next().expect("its form");
    let link = link_of(&format!("<form {form}"), "<form ");
    let sent = remote("POST", &format!("/ui/links/incidents/i1?{link}&assignee=lee")).body(Body::empty());
    assert!(form.contains("name=\"assignee\""), "{form}");
    let answer = send(&state, sent.unwrap()).await;
    assert!(answer.status.is_redirection() || answer.status.is_success(), "{}", answer.body);
    let acts = world.incident_acts.lock().unwrap().clone();
    assert_eq!(acts[0].1, IncidentAct::Assign { to: "lee".to_owned() });
}

#[tokio::test]
async fn the_screens_show_buttons_to_those_who_may_act() {
    let (_, state) = World::incident().state();
    let state = Arc::into_inner(state).expect("nobody else has it");
    let state = Arc::new(state.with_links(crate::Links::new(SECRET, "https://tocsin.example")));
    let reader = async |uri: &str| {
        let request = remote("GET", uri).header("x-api-key", key(Role::User));
        send(&state, request.body(Body::empty()).unwrap()).await
    };
    for uri in ["/ui/incidents", "/ui/incidents/i1", "/ui/silences?filter=alertname=RedisDown", "/ui/on-call"]
    {
        let (seen, mine) = (reader(uri).await, get(&state, uri).await);
        assert_eq!((seen.status.as_u16(), mine.status.as_u16()), (200, 200), "{uri}");
        assert!(!seen.body.contains("<form method=\"post\""), "{uri}: a reader has no buttons");
        assert!(!mine.body.contains("<script"), "{uri}");
    }
    let screen = get(&state, "/ui/incidents/i1").await.body;
    for words in
        ["RedisDown", "nobody has taken it on", "Acknowledge", "Told on-call", "delivered", "came back once"]
    {
        assert!(screen.contains(words), "{words}");
    }
    assert!(get(&state, "/ui/silences?filter=alertname=RedisDown").await.body.contains("It would mute"));
    assert!(get(&state, "/ui/silences?filter=nonsense").await.body.contains("parse error"));
    assert!(get(&state, "/ui/on-call").await.body.contains("is on call for"));
    assert_eq!(get(&state, "/ui/incidents/i9").await.status, 404);
}

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
async fn silences_by_the_clock_and_how_far_one_reaches() {
    let (world, state) = World::incident().state();
    let reach = get(&state, "/api/v1/silences/preview?filter=alertname=%22RedisDown%22").await.json();
    assert_eq!((&reach["mutes"], &reach["firing"], &reach["broad"]), (&json!(1), &json!(3), &json!(false)));
    assert_eq!(reach["alerts"][0]["alertname"], "RedisDown");
    for query in ["", "?filter=", "?filter=nonsense"] {
        assert_eq!(get(&state, &format!("/api/v1/silences/preview{query}")).await.status, 422, "{query}");
    }
    let silence = |more: serde_json::Value| {
        let mut silence =
            json!({"matchers": [{"name": "a", "value": "b"}], "endsAt": "2026-12-01T00:00:00Z"});
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

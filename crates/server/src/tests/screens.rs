//! The screens.

use super::*;

#[tokio::test]
async fn the_overview_says_what_is_wrong() {
    let (_, state) = World::incident().state();
    let page = send(&state, remote("GET", "/").body(Body::empty()).unwrap()).await;
    assert_eq!(page.status, 200);
    let place = |text: &str| page.body.find(text).unwrap_or_else(|| panic!("{text:?} is not on the screen"));
    assert!(place("2 things are wrong") < place("RedisDown"));
    assert!(place("RedisDown") < place("DiskAlmostFull"), "newest first");
    for text in [
        "redis-server is not running",
        "connection refused by 127.0.0.1:6379",
        "bye bye",
        "1 alert",
        "4 of 5",
        "oldest due",
    ] {
        place(text);
    }
    assert!(!page.body.contains("<script") && !page.body.contains("src="));
    assert!(place("On its way") > 0, "alerts that are not long enough true yet");
    let calm = get(&World::calm().state().1, "/").await;
    assert!(calm.body.contains("All is well"));
}

#[tokio::test]
async fn what_always_fires_is_no_trouble() {
    for (severity, heading, title) in [
        ("none", "All is well", "<title>Tocsin"),
        ("info", "All is well", "<title>Tocsin"),
        ("warning", "One thing is wrong: Always", "<title>(1) Tocsin"),
        ("", "One thing is wrong: Always", "<title>(1) Tocsin"),
    ] {
        let mut world = World::incident();
        world.alerts.retain(|view| view.state == AlertState::Active);
        world.alerts.truncate(1);
        world.alerts[0].alert.labels = labels(&[("alertname", "Always"), ("severity", severity)]);
        let page = get(&world.state().1, "/").await.body;
        assert!(page.contains(heading) && page.contains(title), "{severity:?}");
        assert!(
            page.contains(">Always<") || page.contains("Always</a>"),
            "{severity:?}: it is shown all the same"
        );
    }
}

#[tokio::test]
async fn text_from_outside_stays_text() {
    let mut world = World::incident();
    let evil = "<script>alert(1)</script>";
    world.alerts[0].alert.labels = labels(&[("alertname", evil), ("x", "\"><img src=x>")]);
    world.alerts[0].alert.annotations = labels(&[("summary", evil), ("runbook_url", "javascript:alert(1)")]);
    world.alerts[0].alert.generator_url = "javascript:alert(1)".into();
    world.probes[0].last_error = evil.to_owned();
    let (_, state) = world.state();
    for uri in ["/", "/ui/graph?expr=%3Cscript%3E&range=%22%3E%3Cscript%3E"] {
        let page = get(&state, uri).await;
        assert_eq!(page.status, 200);
        assert!(
            !page.body.contains("<script")
                && !page.body.contains("<img")
                && !page.body.contains("href=\"javascript"),
            "{uri}"
        );
        assert!(page.headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
    }
}

#[tokio::test]
async fn old_links_lead_to_the_graph() {
    let (_, state) = World::calm().state();
    let answer = get(&state, "/graph?g0.expr=up&g0.tab=1").await;
    assert_eq!(
        (answer.status, &answer.headers["location"]),
        (StatusCode::TEMPORARY_REDIRECT, &"/ui/graph?g0.expr=up&g0.tab=1".parse().unwrap())
    );
    assert!(get(&state, "/ui/graph?g0.expr=up").await.body.contains("orchestrator_queue_depth"));
}

/// Writes the screens as files into the directory `TOCSIN_SCREENS`, for a person or a browser to look at.
#[tokio::test]
async fn screens_to_look_at() {
    let Ok(dir) = std::env::var("TOCSIN_SCREENS") else {
        println!("skipped: TOCSIN_SCREENS is not set");
        return;
    };
    let (_, incident) = World::incident().state();
    let (_, calm) = World::calm().state();
    for (name, state, uri) in [
        ("incident", &incident, "/"),
        ("calm", &calm, "/"),
        ("graph", &calm, "/ui/graph?expr=orchestrator_queue_depth&range=3h"),
        ("docs", &calm, "/docs"),
    ] {
        std::fs::write(format!("{dir}/{name}.html"), get(state, uri).await.body).unwrap();
    }
}

#[tokio::test]
async fn a_card_leads_to_its_incident() {
    let page = get(&World::incident().state().1, "/").await.body;
    let card = |name: &str| {
        let from = page.find(&format!(">{name}<")).unwrap_or_else(|| panic!("{name} has no card"));
        let end = page[from..].find("</article>").expect("a card ends");
        &page[from..from + end]
    };
    let link = r#"<a href="/ui/incidents/i1">incident</a>"#;
    assert!(card("RedisDown").contains(link));
    assert!(!card("DiskAlmostFull").contains("/ui/incidents/"), "nobody was told of it");
}

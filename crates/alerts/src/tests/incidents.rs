//! Incidents: what opens, ends and reopens them, and what people do to them.

use super::*;

/// The only incident.
fn incident(story: &Story) -> Incident {
    let all = story.alerts.incidents(None);
    assert_eq!(all.len(), 1, "{all:?}");
    all[0].clone()
}

fn act(story: &mut Story, secs: u64, act: Act) -> Result<(), ActError> {
    let (id, now) = (incident(story).id, story.time(secs));
    story.last = now;
    story.alerts.act(&id, act, "ada", now, &mut story.journal)
}

fn timeline(incident: &Incident, start: Timestamp) -> Vec<String> {
    let line = |entry: &Entry| {
        let text = format!("{} {} {}", entry.at.since(start).as_secs(), entry.what.as_str(), entry.who);
        text.trim_end().to_owned()
    };
    incident.timeline.iter().map(line).collect()
}

#[test]
fn a_paged_group_is_an_incident_until_its_alerts_end() {
    let mut story = Story::at_hour(12);
    story.post(0, A1, false);
    assert!(story.alerts.incidents(None).is_empty(), "nobody was paged");
    story.told(30);
    let opened = incident(&story);
    assert_eq!((opened.state, opened.severity, opened.reopened), (IncidentState::Open, Severity::Warning, 0));
    let of = |story: &Story, labels: &[(&str, &str)]| {
        story.alerts.incidents_of(&model::Labels::from_pairs(labels.iter().copied()))
    };
    assert_eq!((of(&story, A1), of(&story, A2)), (vec![opened.id.clone()], Vec::new()));
    let view = story.alerts.incident_view(&opened.id, story.time(40)).unwrap();
    assert_eq!((view.alerts.len(), view.next_send), (1, Some(story.time(330))));
    story.post(100, A1, true);
    assert_eq!(story.told(100), ["100 resolved -A1"]);
    let over = incident(&story);
    assert_eq!(
        (over.id, over.state, over.resolved_at),
        (opened.id, IncidentState::Resolved, Some(story.time(100)))
    );
    assert_eq!(
        timeline(&incident(&story), story.start),
        [
            "0 fired A",
            "30 routed team",
            "30 opened",
            "30 delivered team/webhook[0]",
            "100 resolved",
            "100 delivered team/webhook[0]"
        ]
    );
}

#[test]
fn what_comes_back_in_its_damping_window_is_the_same_incident() {
    for (back, same) in [(150, true), (350, true), (399, true), (401, false)] {
        let mut story = Story::at_hour(12);
        story.post(0, A1, false);
        story.told(30);
        let (first, page) = (incident(&story), story.journal.len());
        story.post(100, A1, true);
        assert_eq!(story.told(100).len(), 1);
        assert!(page > 0 && story.told(back - 1).is_empty());
        story.restart(back - 1);
        story.post(back, A1, false);
        let pages = story.run(back + 300);
        // Within the group's turn it waits for that; later it is a group that waits for company.
        let at = if back < 330 { 330 } else { back + 30 };
        assert_eq!((pages.len(), pages[0].0), (1, at), "{back}: it is not left unsaid");
        assert_eq!(pages[0].1.incident_id == first.id, same, "{back}");
        let keys: Vec<_> = story.alerts.incidents(None).iter().map(|one| one.reopened).collect();
        assert_eq!(keys, if same { vec![1] } else { vec![0, 0] }, "{back}");
        assert_eq!(pages[0].1.revision, if same { 3 } else { 1 }, "{back}");
        let held = Verdict::Hold(if same { Hold::Damped } else { Hold::Grouped });
        assert!(story.alerts.decisions().any(|d| d.at == story.time(back) && d.verdict == held), "{back}");
    }
}

#[test]
fn who_takes_it_on_hears_news_and_the_end_but_no_repeats() {
    let mut story = Story::at_hour(12);
    story.post(0, A1, false);
    story.told(30);
    act(&mut story, 60, Act::Acknowledge).unwrap();
    let standing = story.alerts.told_pages(&incident(&story).id, story.time(60));
    assert_eq!(standing.iter().map(|page| line(60, page)).collect::<Vec<_>>(), ["60 firing +A1"]);
    let again = act(&mut story, 61, Act::Acknowledge).unwrap_err();
    assert!(matches!(again, ActError::NotApplicable { state: "acknowledged", .. }), "{again}");
    assert_eq!(story.told(9 * 3600), Vec::<String>::new(), "no repeats");
    let held = story.alerts.decisions().last().unwrap();
    assert_eq!((held.verdict, &held.by[..]), (Verdict::Hold(Hold::Acknowledged), &["ada".to_owned()][..]));
    story.post(9 * 3600 + 1, A2, false);
    assert_eq!(story.told(10 * 3600), ["32430 firing +A1 +A2"]);
    assert_eq!(incident(&story).state, IncidentState::Acknowledged);
    for labels in [A1, A2] {
        story.post(10 * 3600, labels, true);
    }
    assert_eq!(story.told(10 * 3600), ["36000 resolved -A1 -A2"]);
    assert!(
        act(&mut story, 36001, Act::Acknowledge).is_err() && act(&mut story, 36001, Act::Resolve).is_err()
    );
    act(&mut story, 36002, Act::Note { text: "it was the disk".to_owned() }).unwrap();
}

#[test]
fn a_snooze_holds_news_until_it_ends_or_something_graver_comes() {
    let mut story = Story::at_hour(12);
    story.post(0, A1, false);
    story.told(30);
    let until = story.time(3600);
    act(&mut story, 60, Act::Snooze { until }).unwrap();
    story.post(100, A2, false);
    assert_eq!(story.told(3599), Vec::<String>::new());
    story.restart(3599);
    assert_eq!(story.told(3600), ["3600 firing +A1 +A2"]);
    assert_eq!(incident(&story).state, IncidentState::Open);
    let until = story.time(7200);
    act(&mut story, 3700, Act::Snooze { until }).unwrap();
    story.told(3799);
    story.post(3800, &[("alertname", "A"), ("severity", "critical")], false);
    assert_eq!(story.told(4500), ["4000 firing +A +A1 +A2"]);
    let open = incident(&story);
    assert_eq!((open.state, open.severity), (IncidentState::Open, Severity::Critical));
    let until = story.start;
    let past = act(&mut story, 5000, Act::Snooze { until });
    assert!(matches!(past, Err(ActError::Invalid { field: "until", .. })));
}

#[test]
fn ended_by_hand_it_is_quiet_until_something_is_new() {
    let mut story = Story::at_hour(12);
    story.post(0, A1, false);
    story.told(30);
    act(&mut story, 60, Act::Resolve).unwrap();
    assert_eq!(incident(&story).closed_by.as_deref(), Some("ada"));
    assert_eq!(story.told(9 * 3600), Vec::<String>::new());
    story.post(9 * 3600 + 1, A2, false);
    assert_eq!(story.told(10 * 3600), ["32430 firing +A1 +A2"]);
    assert_eq!((incident(&story).state, incident(&story).reopened), (IncidentState::Open, 1));
    act(&mut story, 36000, Act::Resolve).unwrap();
    story.post(36001, A1, true);
    story.post(36001, A2, true);
    assert_eq!(story.told(36001), ["36001 resolved -A1 -A2"], "whoever was told hears of the end");
}

#[test]
fn one_is_made_part_of_another() {
    let mut story = Story::at_hour(12);
    story.post(0, A1, false);
    story.post(0, INSTANT, false);
    story.told(30);
    let ids: Vec<String> = story.alerts.incidents(None).iter().map(|one| one.id.clone()).collect();
    let now = story.time(40);
    let merge = |into: &str| Act::Merge { into: into.to_owned() };
    let mut merge_into =
        |id: &str, into: &str| story.alerts.act(id, merge(into), "ada", now, &mut story.journal);
    assert!(matches!(merge_into(&ids[0], &ids[0]), Err(ActError::Invalid { .. })));
    assert_eq!(merge_into(&ids[0], "none"), Err(ActError::NotFound("none".to_owned())));
    merge_into(&ids[0], &ids[1]).unwrap();
    assert!(matches!(merge_into(&ids[1], &ids[0]), Err(ActError::NotApplicable { .. })), "no circles");
    let part = story.alerts.incident(&ids[0]).unwrap();
    assert_eq!(
        (part.state, part.merged_into.as_deref()),
        (IncidentState::Acknowledged, Some(ids[1].as_str()))
    );
    let assign = Act::Assign { to: "bob".to_owned() };
    story.alerts.act(&ids[1], assign, "ada", now, &mut story.journal).unwrap();
    assert_eq!(story.alerts.incident(&ids[1]).unwrap().assigned_to.as_deref(), Some("bob"));
}

#[test]
fn every_incident_comes_back_as_it_was() {
    let mut story = Story::at_hour(12);
    story.post(0, A1, false);
    story.told(30);
    let until = story.time(999);
    act(&mut story, 60, Act::Snooze { until }).unwrap();
    let before = incident(&story);
    story.restart(70);
    assert_eq!(incident(&story), before);
}

#[test]
fn those_that_are_over_are_kept_for_a_while() {
    let mut story = Story::at_hour(12);
    story.post(0, A1, false);
    story.told(30);
    story.post(100, A1, true);
    story.told(6 * 86_400);
    let mut out = Vec::new();
    story.alerts.tick(story.time(7 * 86_400), &mut out);
    assert_eq!(story.alerts.incidents(None).len(), 1);
    story.alerts.tick(story.time(7 * 86_400 + 1000), &mut out);
    assert!(story.alerts.incidents(None).is_empty() && matches!(out[..], [Change::IncidentGone(_)]));
}

#[test]
fn an_end_does_not_open_again_what_somebody_resolved() {
    let mut story = Story::at_hour(12);
    story.post(0, A1, false);
    story.post(0, A2, false);
    story.told(30);
    act(&mut story, 60, Act::Resolve).unwrap();
    story.post(100, A1, true);
    assert_eq!(story.told(400), ["330 firing -A1 +A2"]);
    let rests = incident(&story);
    assert_eq!((rests.state, rests.reopened), (IncidentState::Resolved, 0));
    story.post(400, A1, false);
    assert_eq!(story.told(700).len(), 1);
    let back = incident(&story);
    assert_eq!((back.state, back.reopened), (IncidentState::Open, 1), "what is new does");
}

#[test]
fn what_is_open_again_is_part_of_nothing() {
    let mut story = Story::at_hour(12);
    story.post(0, INSTANT, false);
    story.told(0);
    let other = incident(&story).id;
    story.post(10, A1, false);
    story.told(60);
    let mine = story.alerts.incidents(None).into_iter().find(|one| one.id != other).unwrap().id.clone();
    let merge = || Act::Merge { into: other.clone() };
    let now = story.time(70);
    story.alerts.act(&mine, merge(), "ada", now, &mut story.journal).unwrap();
    story.post(100, &[("alertname", "A"), ("i", "3"), ("severity", "critical")], false);
    assert_eq!(story.told(400).len(), 1, "it got graver");
    let back = story.alerts.incident(&mine).unwrap();
    assert_eq!((back.state, back.merged_into.as_deref()), (IncidentState::Open, None));
    let now = story.time(500);
    story.alerts.act(&mine, merge(), "ada", now, &mut story.journal).unwrap();
}

#[test]
fn what_fires_again_before_its_end_was_told_is_open_again() {
    for others in [true, false] {
        let mut story = Story::at_hour(12);
        story.post(0, A1, false);
        if others {
            story.post(0, A2, false);
        }
        let page = story.run(30).remove(0).1;
        for labels in if others { vec![A1, A2] } else { vec![A1] } {
            story.post(40, labels, true);
        }
        assert!(story.run(40).is_empty(), "the first is on its way");
        assert_eq!(incident(&story).state, IncidentState::Resolved);
        story.post(50, A1, false);
        let now = story.time(60);
        story.last = now;
        story.alerts.delivered(&page.key, Ok(()), now, &mut story.journal);
        assert_eq!(story.told(340).len(), usize::from(others), "that A1 fires is what they believe");
        assert_eq!((incident(&story).state, incident(&story).reopened), (IncidentState::Open, 1));
    }
}

#[test]
fn what_somebody_resolved_stays_so_though_one_integration_refuses_it() {
    let mut story = Story::with(told_by(&["webhook[0]", "webhook[1]"]), 12);
    let settle = |story: &mut Story, secs| {
        for (_, page) in story.run(secs) {
            if page.alerts[0].name() == "A" {
                let result =
                    if page.integration == "webhook[0]" { Ok(()) } else { Err("refused".to_owned()) };
                story.alerts.delivered(&page.key, result, page.at, &mut story.journal);
            }
        }
    };
    story.post(0, A1, false);
    settle(&mut story, 30);
    let of_a = |story: &Story| {
        let mut all = story.alerts.incidents(None).into_iter();
        all.find(|one| one.labels.get("alertname") == Some("A")).unwrap().clone()
    };
    let (id, now) = (of_a(&story).id, story.time(60));
    story.last = now;
    story.alerts.act(&id, Act::Resolve, "ada", now, &mut story.journal).unwrap();
    settle(&mut story, 1_000);
    assert_eq!((of_a(&story).state, of_a(&story).reopened), (IncidentState::Resolved, 0));
    story.post(1_000, A2, false);
    settle(&mut story, 1_400);
    assert_eq!((of_a(&story).state, of_a(&story).reopened), (IncidentState::Open, 1), "what is new");
}

#[test]
fn what_comes_back_after_somebody_resolved_it_is_news_whatever_another_integration_knows() {
    let mut story = Story::with(told_by(&["webhook[0]", "webhook[1]"]), 12);
    const B: &[(&str, &str)] = &[("alertname", "B")];
    story.post(0, A1, false);
    story.post(0, B, false);
    assert_eq!(story.told(30).len(), 2);
    let (id, now) = (story.alerts.incidents(None)[0].id.clone(), story.time(60));
    story.alerts.act(&id, Act::Resolve, "ada", now, &mut story.journal).unwrap();
    story.post(100, B, true);
    let settle = |story: &mut Story, secs| {
        for (_, page) in story.run(secs) {
            let result = if page.integration == "webhook[0]" { Ok(()) } else { Err("refused".to_owned()) };
            story.alerts.delivered(&page.key, result, page.at, &mut story.journal);
        }
    };
    settle(&mut story, 399);
    assert_eq!(story.alerts.incident(&id).unwrap().state, IncidentState::Resolved);
    story.post(400, B, false);
    settle(&mut story, 700);
    let back = story.alerts.incident(&id).unwrap();
    assert_eq!((back.state, back.reopened), (IncidentState::Open, 1));
}

//! Receivers that are down: what they hear when they are back, and who hears of it.

use super::*;

fn failed(story: &mut Story, secs: u64, key: &str) {
    let now = story.time(secs);
    story.last = now;
    let tried = Tried { code: "503", error: "unwell", kept: None };
    story.alerts.attempted(key, tried, now, &mut story.journal);
}

/// The page that stands for the group in the end, and how many took the place of an earlier one.
fn latest(story: &mut Story, mut pages: Vec<Page>, secs: u64) -> (Page, usize) {
    pages.extend(story.run_for("team", secs));
    let mut replaced = 0;
    for notice in story.alerts.take_notices() {
        if let Notice::Replaced { old, .. } = notice {
            replaced += 1;
            pages.retain(|page| page.key != old);
        }
    }
    assert_eq!(pages.len(), 1, "one message for the group");
    (pages.remove(0), replaced)
}

#[test]
fn one_message_says_what_happened_meanwhile() {
    let mut story = Story::at_hour(12);
    story.post(0, A1, false);
    let first = story.run(30).remove(0).1;
    failed(&mut story, 31, &first.key);
    story.restart(32);
    let mut pages = vec![first];
    let a3: &[(&str, &str)] = &[("alertname", "A"), ("i", "3")];
    for (secs, labels, ended) in [(60, A2, false), (70, a3, false), (80, a3, true), (90, A1, true)] {
        story.post(secs, labels, ended);
        pages.extend(story.run_for("team", secs));
    }
    let (page, replaced) = latest(&mut story, pages, 3600);
    assert!(replaced >= 1);
    assert_eq!(line(0, &page), "0 firing -A1 +A2 -A3", "what fires, and what came and went, with its times");
    assert_eq!(page.alerts[2].starts_at, story.time(70));
    assert_eq!(page.alerts[2].ends_at, Some(story.time(80)));
    let now = story.time(3600);
    story.alerts.delivered(&page.key, Ok(()), now, &mut story.journal);
    assert_eq!(story.run_for("team", 4200).len(), 0, "nothing is left to say");
    story.post(4300, A2, true);
    assert_eq!(story.run_for("team", 4300).len(), 1);
}

#[test]
fn a_page_that_gets_through_after_all_is_on_record_and_the_later_one_follows() {
    // Of the first page one try failed; during the next one things change twice, and then it gets through: it, or the
    // one that took its place first.
    for through in [0, 1] {
        let mut story = Story::at_hour(12);
        story.post(0, A1, false);
        let first = story.run(30).remove(0).1;
        failed(&mut story, 31, &first.key);
        let mut pages = vec![first];
        story.post(60, A2, false);
        pages.extend(story.run_for("team", 340));
        story.post(350, A1, true);
        pages.extend(story.run_for("team", 351));
        let [.., later] = &pages[..] else { panic!("{pages:?}") };
        assert_eq!(pages.len(), 3, "{pages:?}");
        let now = story.time(401);
        story.last = now;
        story.alerts.delivered(&pages[through].key, Ok(()), now, &mut story.journal);
        let incident = story.alerts.incidents(None)[0].clone();
        let mut arrived = incident.timeline.iter().filter(|entry| entry.what == What::Delivered);
        assert_eq!(arrived.next().map(|entry| entry.key.as_deref()), Some(Some(pages[through].key.as_str())));
        let under_way: Vec<&str> = story.alerts.under_way().collect();
        assert_eq!(under_way, [later.key.as_str()], "it alone is still waited for");
        story.alerts.delivered(&later.key, Ok(()), now, &mut story.journal);
        assert_eq!((story.alerts.under_way().count(), story.run_for("team", 4000).len()), (0, 0));
    }
}

#[test]
fn what_got_through_after_all_is_not_called_undelivered() {
    let mut story = Story::at_hour(12);
    story.post(0, A1, false);
    let first = story.run(30).remove(0).1;
    failed(&mut story, 31, &first.key);
    story.post(60, A2, false);
    assert_eq!(story.run_for("team", 61).len(), 1, "in its place");
    let now = story.time(62);
    story.alerts.delivered(&first.key, Ok(()), now, &mut story.journal);
    for (labels, verdict) in [(A1, Verdict::Deliver), (A2, Verdict::Hold(Hold::ReceiverDown))] {
        let labels = Labels::from_pairs(labels.iter().copied());
        let why = story.alerts.why_now(&labels, story.time(63), story.alerts.decisions()).remove(0);
        assert_eq!((why.verdict, why.on_its_way), (Some(verdict), true));
    }
}

#[test]
fn who_wants_no_ends_is_told_when_what_ended_meanwhile_is_back() {
    const Q: [&[(&str, &str)]; 3] = [
        &[("alertname", "Q"), ("mode", "quiet"), ("i", "1")],
        &[("alertname", "Q"), ("mode", "quiet"), ("i", "2")],
        &[("alertname", "Q"), ("mode", "quiet"), ("i", "3")],
    ];
    let mut story = Story::at_hour(12);
    story.post(0, Q[0], false);
    story.post(0, Q[1], false);
    let first = story.run(30).remove(0).1;
    failed(&mut story, 31, &first.key);
    story.post(60, Q[0], true);
    story.post(60, Q[2], false);
    let second = story.run_for("quiet", 61).remove(0);
    let now = story.time(62);
    story.alerts.delivered(&first.key, Ok(()), now, &mut story.journal);
    story.alerts.delivered(&second.key, Err("refused".to_owned()), now, &mut story.journal);
    story.post(63, Q[2], true);
    story.post(64, Q[0], false);
    let pages = story.run_for("quiet", 700);
    assert_eq!(pages.iter().map(|page| line(0, page)).collect::<Vec<_>>(), ["0 firing +Q1 +Q2"]);
}

#[test]
fn all_over_while_it_was_down_is_still_told() {
    let mut story = Story::at_hour(12);
    story.post(0, A1, false);
    let first = story.run(30).remove(0).1;
    failed(&mut story, 31, &first.key);
    story.post(60, A1, true);
    let (page, _) = latest(&mut story, vec![first], 3600);
    assert_eq!(line(0, &page), "0 resolved -A1");
}

#[test]
fn who_wants_no_ends_gets_only_what_still_fires() {
    let mut story = Story::at_hour(12);
    story.post(0, QUIET, false);
    let first = story.run(30).remove(0).1;
    assert_eq!(first.receiver, "quiet");
    failed(&mut story, 31, &first.key);
    let other: &[(&str, &str)] = &[("alertname", "Q"), ("mode", "quiet"), ("i", "2")];
    story.post(60, other, false);
    story.post(70, QUIET, true);
    let last = story.run_for("quiet", 80).pop().unwrap();
    assert_eq!(line(0, &last), "0 firing +Q2");
    story.post(90, other, true);
    assert_eq!(story.run_for("quiet", 400).len(), 0);
    let withdrawn = Notice::Withdrawn { key: last.key };
    assert!(story.alerts.take_notices().contains(&withdrawn), "nothing is left to say");
}

#[test]
fn that_a_receiver_fails_is_told_through_another() {
    let mut story = Story::at_hour(12);
    story.post(0, INSTANT, false);
    let first = story.run(0).remove(0).1;
    let now = story.time(9);
    story.alerts.delivered(&first.key, Err("gone".to_owned()), now, &mut story.journal);
    let told = story.run_for("quiet", 100);
    assert_eq!(told.len(), 1);
    let labels = &told[0].alerts[0].labels;
    assert_eq!(told[0].alerts[0].name(), "NotificationFailed");
    assert_eq!((labels.get("receiver"), labels.get("integration")), (Some("team"), Some("webhook[0]")));
    story.alerts.delivered(&told[0].key, Ok(()), now, &mut story.journal);
    let second = story.run_for("team", 300).remove(0);
    let now = story.time(301);
    story.alerts.delivered(&second.key, Ok(()), now, &mut story.journal);
    let firing: Vec<String> =
        story.alerts.list(&[], now).iter().map(|view| view.alert.name().to_owned()).collect();
    assert_eq!(firing, ["I"], "it is over with the first page that arrives");
}

#[test]
fn a_page_that_fails_for_ten_minutes_is_told_of_too() {
    let mut story = Story::at_hour(12);
    story.post(0, INSTANT, false);
    let first = story.run(0).remove(0).1;
    for secs in [1, 300, 590] {
        failed(&mut story, secs, &first.key);
        assert_eq!(story.alerts.list(&[], story.time(secs)).len(), 1);
    }
    failed(&mut story, 602, &first.key);
    assert_eq!(story.alerts.list(&[], story.time(602)).len(), 2);
    let incident = story.alerts.incidents(None)[0].clone();
    let tries: Vec<_> = incident.timeline.iter().filter(|entry| entry.what == What::Failed).collect();
    assert_eq!((tries.len(), tries[0].code.as_deref()), (4, Some("503")));
    for n in 0..50 {
        failed(&mut story, 700 + n, &first.key);
    }
    let incident = story.alerts.incident(&incident.id).unwrap();
    let tries: Vec<_> = incident.timeline.iter().filter(|entry| entry.what == What::Failed).collect();
    assert_eq!((tries.len(), tries[3].tries), (4, 51), "many tries are one line");
}

#[test]
fn with_no_other_receiver_it_is_only_to_be_seen() {
    let mut story = Story::with(Config::to(shape("only", true)), 12);
    story.post(0, A, false);
    let first = story.run(0).remove(0).1;
    let now = story.time(9);
    story.alerts.delivered(&first.key, Err("gone".to_owned()), now, &mut story.journal);
    assert_eq!(story.alerts.list(&[], now).len(), 2);
    let told = story.run(250);
    assert!(told.iter().all(|(_, page)| page.alerts[0].name() == "A"), "{told:?}");
}

#[test]
fn a_reload_that_gives_the_group_away_still_tells_the_end() {
    let mut story = Story::at_hour(12);
    story.post(0, NIGHT, false);
    assert_eq!(story.told(30), ["30 firing +N"]);
    let now = story.time(60);
    let route: RouteConfig = serde_saphyr::from_str("receiver: other\ngroup_wait: 0s").unwrap();
    let receivers = [shape("other", true), shape("team", true)];
    let raw = RawConfig { route: Some(&route), receivers: &receivers, ..RawConfig::default() };
    story.config = Config::resolve(raw).unwrap().0;
    story.alerts.reload(story.config.clone(), now, &mut story.journal);
    story.last = now;
    assert_eq!(story.told(60), ["60 firing +N"], "it has waited long enough for the new one");
    story.restart(70);
    story.post(100, NIGHT, true);
    let mut ends: Vec<String> = story.run(100).into_iter().map(|(_, page)| page.receiver).collect();
    ends.sort();
    assert_eq!(ends, ["other", "team"]);
}

#[test]
fn what_went_unsaid_for_good_leaves_no_incident_open() {
    let mut story = Story::at_hour(12);
    story.post(0, INSTANT, false);
    let first = story.run(0).remove(0).1;
    story.post(5, INSTANT, true);
    let now = story.time(9);
    story.alerts.delivered(&first.key, Err("gone".to_owned()), now, &mut story.journal);
    story.run(700);
    let states: Vec<_> =
        story.alerts.incidents(Some(IncidentState::Open)).iter().map(|i| &i.receiver).collect();
    assert_eq!(states, ["quiet"], "only that of the failing receiver");
}

#[test]
fn alerts_of_clients_do_not_end_because_nobody_listened() {
    let mut story = Story::at_hour(12);
    let now = story.time(0);
    let alert = Alert {
        labels: Labels::from_pairs(INSTANT.iter().copied()),
        annotations: Labels::empty(),
        starts_at: now,
        ends_at: Some(now.plus(Duration::from_secs(240))),
        generator_url: "".into(),
        updated_at: now,
    };
    story.alerts.receive(vec![alert], now, &mut story.journal);
    assert_eq!(story.told(100), ["0 firing +I"]);
    story.restart(1000);
    assert_eq!(story.told(1200), Vec::<String>::new(), "who sees it has time to say so");
    assert_eq!(story.told(2000), ["1240 resolved -I"]);
}

fn put_off(story: &mut Story, secs: u64, key: &str) {
    let now = story.time(secs);
    story.last = now;
    story.alerts.put_off(key, now, &mut story.journal);
}

#[test]
fn a_page_that_waits_for_its_receiver_says_how_things_are_when_it_is_back() {
    for ended in [false, true] {
        let mut story = Story::at_hour(12);
        story.post(0, A1, false);
        let first = story.run(30).remove(0).1;
        put_off(&mut story, 31, &first.key);
        let labels = Labels::from_pairs(A1.iter().copied());
        let why = story.alerts.why_now(&labels, story.time(32), story.alerts.decisions()).remove(0);
        let by = vec!["team/webhook[0]: not tried while it fails".to_owned()];
        assert_eq!((why.reason_word(), why.by), ("receiver_down", by));
        // It is put off again and again, for longer than a page may be silent.
        for secs in (600..7_200).step_by(600) {
            put_off(&mut story, secs, &first.key);
            assert_eq!(story.run_for("team", secs).len(), 0);
        }
        story.post(7_200, if ended { A1 } else { A2 }, ended);
        let (page, replaced) = latest(&mut story, vec![first], 7_300);
        let said = if ended { "0 resolved -A1" } else { "0 firing +A1 +A2" };
        assert_eq!((line(0, &page).as_str(), replaced), (said, 1));
        assert_eq!(story.alerts.list(&[], story.time(7_300)).len(), if ended { 0 } else { 2 }, "no alarm");
    }
}

#[test]
fn who_wants_no_ends_hears_nothing_of_what_ended_before_the_first_try_failed() {
    for is_put_off in [false, true] {
        let mut story = Story::at_hour(12);
        story.post(0, QUIET, false);
        let first = story.run(30).remove(0).1;
        story.post(40, QUIET, true);
        story.run(40);
        match is_put_off {
            true => put_off(&mut story, 45, &first.key),
            false => failed(&mut story, 45, &first.key),
        }
        assert_eq!(story.run_for("quiet", 2_000).len(), 0);
        let withdrawn = Notice::Withdrawn { key: first.key };
        assert!(story.alerts.take_notices().contains(&withdrawn), "put off: {is_put_off}");
        assert_eq!(story.alerts.next_wake(), None, "its group goes");
    }
}

#[test]
fn nobody_is_told_the_end_of_what_was_silenced_all_along() {
    let b: &[(&str, &str)] = &[("alertname", "B")];
    let mut story = Story::with(Config::to(shape("team", true)), 12);
    story.post(0, A1, false);
    let mut pages = vec![story.run(30).remove(0).1];
    failed(&mut story, 31, &pages[0].key);
    story.silence(40, 3_600, "B");
    for (secs, ended) in [(50, false), (60, true)] {
        story.post(secs, b, ended);
        pages.extend(story.run_for("team", secs));
    }
    let (page, _) = latest(&mut story, pages, 900);
    assert_eq!(line(0, &page), "0 firing +A1");
}

#[test]
fn an_alert_about_a_receiver_shares_its_group_with_nothing() {
    // Both would fall into the root's one group.
    let route = "receiver: team\ngroup_wait: 30s\nroutes:\n- matchers: [alertname=A]\n";
    let route: RouteConfig = serde_saphyr::from_str(route).unwrap();
    let receivers = ["team", "boss"].map(|name| shape(name, true));
    let raw = RawConfig { route: Some(&route), receivers: &receivers, ..RawConfig::default() };
    let config = Config::resolve(raw).unwrap().0;
    const B: &[(&str, &str)] = &[("alertname", "B")];
    for first in [true, false] {
        let mut story = Story::with(config.clone(), 12);
        if !first {
            story.post(0, B, false);
        }
        story.post(0, A1, false);
        let page = story.run_for("team", 30).into_iter().find(|page| page.alerts[0].name() == "A").unwrap();
        let now = story.time(31);
        story.last = now;
        story.alerts.delivered(&page.key, Err("gone".to_owned()), now, &mut story.journal);
        if first {
            story.post(40, B, false);
        }
        let told: Vec<String> = story
            .run(200)
            .into_iter()
            .map(|(_, page)| format!("{} {}", page.receiver, page.alerts[0].name()))
            .collect();
        assert!(told.contains(&"boss NotificationFailed".to_owned()), "{told:?}");
        assert!(!told.contains(&"team NotificationFailed".to_owned()), "never to whom it is about: {told:?}");
        assert!(!told.contains(&"boss B".to_owned()), "{told:?}");
        assert_eq!(told.contains(&"team B".to_owned()), first, "{told:?}");
    }
}

#[test]
fn a_repeat_is_no_reason_to_look_at_a_group_whose_page_does_not_arrive() {
    let mut story = Story::at_hour(12);
    story.post(0, A1, false);
    let first = story.run(30).remove(0).1;
    failed(&mut story, 31, &first.key);
    story.run(40);
    let next = story.alerts.next_wake();
    story.post(50, A1, false);
    assert_eq!(story.alerts.next_wake(), next);
    story.post(60, A2, false);
    assert_eq!(story.alerts.next_wake(), Some(story.time(60)), "what is new is one");
}

#[test]
fn what_may_still_be_said_anew_of_a_page_is_old_once_another_leaves() {
    let mut story = Story::at_hour(12);
    story.post(0, A1, false);
    let first = story.run(30).remove(0).1;
    let now = story.time(31);
    story.alerts.delivered(&first.key, Ok(()), now, &mut story.journal);
    story.post(60, A1, true);
    assert_eq!(story.run_for("team", 60).len(), 1);
    assert!(story.alerts.take_notices().contains(&Notice::Withdrawn { key: first.key }));
}

#[test]
fn what_ended_while_its_page_was_on_its_way_is_news_when_it_is_back() {
    let mut story = Story::at_hour(12);
    story.post(0, QUIET, false);
    let page = story.run(30).remove(0).1;
    story.post(50, QUIET, true);
    story.run(50);
    let now = story.time(61);
    story.last = now;
    story.alerts.delivered(&page.key, Ok(()), now, &mut story.journal);
    story.post(70, QUIET, false);
    assert_eq!(story.told(400), ["330 firing +Q"]);
}

#[test]
fn a_page_of_which_nothing_was_heard_for_an_hour_is_not_taken_back() {
    let mut story = Story::at_hour(12);
    story.post(0, A1, false);
    story.told(30);
    story.post(40, A1, true);
    let end = story.run(40).remove(0).1;
    story.post(41, A2, false);
    assert!(story.run(3_600).is_empty());
    let later = story.run(4_000);
    assert_eq!(later.iter().map(|(_, page)| line(0, page)).collect::<Vec<_>>(), ["0 firing +A2"]);
    assert!(!story.alerts.take_notices().contains(&Notice::Withdrawn { key: end.key }));
}

//! What `why` says of the next message, and what it says at once when somebody acts.

use super::*;
use crate::why::Why;

/// The only answer, from the record and from how things stand.
fn why(story: &Story, labels: &[(&str, &str)], secs: u64) -> Why {
    let labels = Labels::from_pairs(labels.iter().copied());
    let mut answers = story.alerts.why_now(&labels, story.time(secs), story.alerts.decisions());
    assert_eq!(answers.len(), 1, "{answers:#?}");
    answers.remove(0)
}

/// What holds the alert, by what, and in how many seconds from the start it is told next.
fn held(story: &Story, why: &Why) -> (&'static str, Vec<String>, Option<u64>) {
    let next = why.next_send.map(|next| next.since(story.start).as_secs());
    (why.reason_word(), why.by.clone(), next)
}

fn act(story: &mut Story, secs: u64, act: Act) {
    let (id, now) = (story.alerts.incidents(None)[0].id.clone(), story.time(secs));
    story.last = now;
    story.alerts.act(&id, act, "ada", now, &mut story.journal).unwrap();
}

#[test]
fn an_act_is_on_record_when_it_is_done() {
    let mut story = Story::at_hour(12);
    story.post(0, A1, false);
    story.told(30);
    assert_eq!(held(&story, &why(&story, A1, 40)), ("none", vec![], Some(14_430)), "the repeat");
    let until = story.time(1_000);
    let said = "ada until 2026-11-22T12:16:40.000Z".to_owned();
    for (secs, what, by, next) in [
        (50, Act::Acknowledge, "ada".to_owned(), None),
        (60, Act::Snooze { until }, said, Some(1_000)),
        (70, Act::Resolve, "ada".to_owned(), None),
    ] {
        act(&mut story, secs, what);
        assert_eq!(held(&story, &why(&story, A1, secs)), ("acknowledged", vec![by.clone()], next));
        let labels = Labels::from_pairs(A1.iter().copied());
        let from_record = story.alerts.why(&labels, story.time(secs + 1)).remove(0);
        assert_eq!(held(&story, &from_record), ("acknowledged", vec![by], next), "by the record alone");
    }
    assert!(story.told(700).is_empty());
    assert_eq!(why(&story, A1, 700).reason_word(), "acknowledged", "after turns of its group");
    let before = story.alerts.why(&Labels::from_pairs(A1.iter().copied()), story.time(45)).remove(0);
    assert_eq!(held(&story, &before), ("none", vec![], Some(14_430)), "as it was then");
    story.restart(710);
    assert_eq!(story.told(1_000), Vec::<String>::new());
    assert_eq!(why(&story, A1, 1_000).reason_word(), "acknowledged", "after a restart");
}

#[test]
fn what_an_act_does_not_hold_stays_as_it_was() {
    let mut story = Story::at_hour(12);
    story.post(0, A1, false);
    story.told(30);
    story.post(40, A2, false);
    act(&mut story, 50, Act::Acknowledge);
    assert_eq!(held(&story, &why(&story, A2, 51)), ("grouped", vec![], Some(330)), "news is told");
    let until = story.time(1_000);
    act(&mut story, 60, Act::Snooze { until });
    assert_eq!(why(&story, A2, 61).reason_word(), "acknowledged", "a snooze holds news too");
    let decided = story.alerts.decisions().count();
    act(&mut story, 70, Act::Note { text: "looking".to_owned() });
    act(&mut story, 70, Act::Assign { to: "bob".to_owned() });
    assert_eq!(story.alerts.decisions().count(), decided, "words hold nothing");
}

#[test]
fn what_is_held_speaks_when_that_ends() {
    let mut story = Story::at_hour(12);
    story.post(0, A1, false);
    let id = story.silence(10, 1_000, "A");
    assert_eq!(
        held(&story, &why(&story, A1, 11)),
        ("silenced", vec![id.clone()], Some(1_230)),
        "before its group's first turn"
    );
    assert!(story.told(400).is_empty());
    assert_eq!(held(&story, &why(&story, A1, 400)), ("silenced", vec![id.clone()], Some(1_230)));
    story.alerts.expire_silence(&id, story.time(500), &mut story.journal).unwrap();
    assert_eq!(why(&story, A1, 501).next_send, Some(story.time(630)), "it was ended early");
    assert_eq!(story.told(700), ["630 firing +A1"]);

    let mut story = Story::at_hour(5);
    story.post(0, NIGHT, false);
    story.told(100);
    let (reason, by, next) = held(&story, &why(&story, NIGHT, 100));
    assert_eq!((reason, by, next), ("muted", vec!["night".to_owned()], Some(3_630)), "6 o'clock has passed");
    assert_eq!(story.told(3_700), ["3630 firing +N"]);
}

#[test]
fn what_is_on_its_way_is_not_told() {
    let mut story = Story::at_hour(12);
    story.post(0, A1, false);
    let page = story.run(30).remove(0).1;
    assert!(story.run(700).is_empty(), "its group has had its turns");
    assert_eq!(held(&story, &why(&story, A1, 700)).0, "none");
    assert_eq!(why(&story, A1, 700).verdict, Some(Verdict::Deliver));
    let tried = Tried { code: "503", error: "unwell", kept: None };
    let now = story.time(701);
    story.alerts.attempted(&page.key, tried, now, &mut story.journal);
    let said = why(&story, A1, 701);
    assert_eq!(
        (said.reason_word(), &said.by[..]),
        ("receiver_down", &["team/webhook[0]: unwell".to_owned()][..])
    );
}

#[test]
fn nobody_knows_when_an_inhibition_ends() {
    let mut story = Story::at_hour(12);
    let labels = |severity| [("alertname", "Full"), ("severity", severity), ("cluster", "eu")];
    story.post(0, &labels("critical"), false);
    story.post(0, &labels("warning"), false);
    story.told(100);
    let said = why(&story, &labels("warning"), 100);
    assert_eq!((said.reason_word(), said.next_send), ("inhibited", None));
    assert_eq!(said.by, [format!("{:016x}", Labels::from_pairs(labels("critical")).fingerprint())]);
}

#[test]
fn a_route_outside_its_active_hours_waits_for_them() {
    let config = config();
    let mut node = config.route.nodes[0].clone();
    node.active = vec!["night".to_owned()];
    let at = |text: &str| Timestamp::parse_rfc3339(text).unwrap();
    let (noon, midnight) = (at("2026-11-22T12:00:00Z"), at("2026-11-23T00:00:00Z"));
    assert_eq!(node.muted_by(&config.intervals, noon), ["night"]);
    assert_eq!(node.mute_ends(&config.intervals, noon), Some(midnight));
    assert_eq!(node.mute_ends(&config.intervals, midnight), Some(midnight));
    node.mute = vec!["night".to_owned()];
    assert_eq!(node.mute_ends(&config.intervals, noon), None, "never both");
}

/// Of all that leaves until `secs`, what is for `well` arrives, and one try of the rest fails.
fn tried(story: &mut Story, secs: u64, well: &str) {
    for (_, page) in story.run(secs) {
        let now = story.time(secs);
        if page.integration == well {
            story.alerts.delivered(&page.key, Ok(()), now, &mut story.journal);
        } else {
            let tried = Tried { code: "503", error: "unwell", kept: None };
            story.alerts.attempted(&page.key, tried, now, &mut story.journal);
        }
    }
}

#[test]
fn what_failed_at_an_integration_that_is_gone_is_history() {
    let mut story = Story::with(told_by(&["webhook[0]", "webhook[1]"]), 12);
    story.post(0, A1, false);
    tried(&mut story, 30, "webhook[0]");
    assert_eq!(why(&story, A1, 32).reason_word(), "receiver_down");
    let now = story.time(40);
    story.alerts.reload(told_by(&["webhook[0]"]), now, &mut story.journal);
    assert_eq!(why(&story, A1, 41).verdict, Some(Verdict::Deliver));
    story.last = now;
    story.told(700);
    assert_eq!(why(&story, A1, 700).reason_word(), "repeat");
    let then = story.alerts.why(&Labels::from_pairs(A1.iter().copied()), story.time(32)).remove(0);
    assert_eq!(then.reason_word(), "receiver_down", "as it was then");
}

#[test]
fn an_end_that_failed_at_an_integration_that_is_gone_was_told_to_nobody() {
    let mut story = Story::with(told_by(&["webhook[0]"]), 12);
    story.post(0, A1, false);
    story.told(30);
    story.post(40, A1, true);
    tried(&mut story, 41, "none");
    assert_eq!(why(&story, A1, 42).reason_word(), "receiver_down");
    let now = story.time(50);
    story.alerts.reload(told_by(&["email[0]"]), now, &mut story.journal);
    let said = why(&story, A1, 51);
    assert_eq!((said.over, said.verdict), (true, Some(Verdict::Hold(Hold::Over))));
}

#[test]
fn an_end_that_arrived_was_told_though_another_integration_is_gone() {
    let mut story = Story::with(told_by(&["webhook[0]", "webhook[1]"]), 12);
    story.post(0, A1, false);
    story.told(30);
    story.post(40, A1, true);
    tried(&mut story, 41, "webhook[0]");
    let now = story.time(50);
    story.alerts.reload(told_by(&["webhook[0]"]), now, &mut story.journal);
    let said = why(&story, A1, 51);
    assert_eq!((said.over, said.verdict), (true, Some(Verdict::Deliver)));
}

#[test]
fn a_silence_that_ends_early_tells_nobody_what_did_not_arrive() {
    let mut story = Story::at_hour(12);
    story.post(0, A1, false);
    let page = story.run(30).remove(0).1;
    let id = story.silence(40, 1_000, "A");
    assert!(story.run(335).is_empty());
    assert_eq!(why(&story, A1, 336).reason_word(), "silenced");
    story.alerts.expire_silence(&id, story.time(340), &mut story.journal).unwrap();
    let said = why(&story, A1, 341);
    assert_eq!((said.verdict, said.on_its_way), (Some(Verdict::Deliver), true));
    let tried = Tried { code: "503", error: "unwell", kept: None };
    story.alerts.attempted(&page.key, tried, story.time(342), &mut story.journal);
    assert_eq!(why(&story, A1, 343).reason_word(), "receiver_down");
}

#[test]
fn an_end_has_been_told_when_every_integration_that_was_to_tell_it_has() {
    for well in ["webhook[0]", "webhook[1]"] {
        let mut story = Story::with(told_by(&["webhook[0]", "webhook[1]"]), 12);
        story.post(0, A1, false);
        story.told(30);
        story.post(40, A1, true);
        tried(&mut story, 41, well);
        let said = why(&story, A1, 42);
        assert_eq!((said.over, said.reason_word(), said.by.len()), (true, "receiver_down", 1), "{well}");
    }
}

#[test]
fn a_silence_does_not_call_back_a_page_that_is_tried_again() {
    let mut story = Story::at_hour(12);
    story.post(0, A1, false);
    let page = story.run(30).remove(0).1;
    let tried = Tried { code: "503", error: "unwell", kept: None };
    story.alerts.attempted(&page.key, tried, story.time(31), &mut story.journal);
    story.silence(40, 1_000, "A");
    story.run(340);
    assert_eq!(why(&story, A1, 341).reason_word(), "receiver_down");
    let now = story.time(350);
    story.last = now;
    story.alerts.delivered(&page.key, Ok(()), now, &mut story.journal);
    story.run(700);
    assert_eq!(why(&story, A1, 701).reason_word(), "silenced");
}

#[test]
fn what_was_told_does_not_wait_for_its_group_while_a_page_is_on_its_way() {
    let mut story = Story::at_hour(12);
    story.post(0, A1, false);
    story.told(30);
    story.post(40, A2, false);
    let page = story.run(330).remove(0).1;
    let a3: &[(&str, &str)] = &[("alertname", "A"), ("i", "3")];
    story.post(340, a3, false);
    assert!(story.run(630).is_empty(), "until that has arrived");
    let said = [A1, A2, a3].map(|labels| why(&story, labels, 631).reason_word());
    assert_eq!(said, ["none", "none", "grouped"]);
    let now = story.time(640);
    story.last = now;
    story.alerts.delivered(&page.key, Ok(()), now, &mut story.journal);
    assert_eq!(story.run(640).len(), 1, "and then at once");
}

#[test]
fn a_step_does_not_make_a_group_forget_that_it_has_news() {
    let route = "receiver: team\ngroup_wait: 0s\ngroup_interval: 5m\nescalation: ladder\n";
    let route: RouteConfig = serde_saphyr::from_str(route).unwrap();
    let ladder = "[{name: ladder, steps: [{wait: 331s}, {notify: boss, wait: 2h}]}]";
    let escalations: Vec<EscalationConfig> = serde_saphyr::from_str(ladder).unwrap();
    let receivers = ["team", "boss"].map(|name| shape(name, true));
    let raw = RawConfig {
        route: Some(&route),
        receivers: &receivers,
        escalations: &escalations,
        ..RawConfig::default()
    };
    let mut story = Story::with(Config::resolve(raw).unwrap().0, 12);
    story.post(0, A1, false);
    let slow = story.run(0).remove(0).1;
    story.post(100, A2, false);
    let step: Vec<String> =
        story.run(399).into_iter().map(|(at, page)| format!("{at} {}", page.receiver)).collect();
    assert_eq!(step, ["331 boss"]);
    let now = story.time(400);
    story.last = now;
    story.alerts.delivered(&slow.key, Ok(()), now, &mut story.journal);
    let told: Vec<_> =
        story.run(400).into_iter().map(|(_, page)| (page.receiver.clone(), line(400, &page))).collect();
    assert!(told.contains(&("team".to_owned(), "400 firing +A1 +A2".to_owned())), "{told:?}");
}

#[test]
fn what_reached_one_integration_has_not_reached_another_that_was_not_tried() {
    let mut story = Story::with(told_by(&["webhook[0]", "webhook[1]"]), 12);
    story.post(0, A1, false);
    let pages = story.run(30);
    let key = |name: &str| pages.iter().find(|(_, page)| page.integration == name).unwrap().1.key.clone();
    story.alerts.put_off(&key("webhook[1]"), story.time(31), &mut story.journal);
    story.alerts.delivered(&key("webhook[0]"), Ok(()), story.time(32), &mut story.journal);
    assert_eq!(why(&story, A1, 33).reason_word(), "receiver_down");

    let mut story = Story::with(told_by(&["webhook[0]", "webhook[1]"]), 12);
    story.post(0, A1, false);
    tried(&mut story, 31, "webhook[0]");
    story.post(100, A1, true);
    let ends = story.run(100);
    let of_the_well = ends.iter().find(|(_, page)| page.integration == "webhook[0]").unwrap();
    let now = story.time(101);
    story.alerts.delivered(&of_the_well.1.key, Ok(()), now, &mut story.journal);
    let said = why(&story, A1, 102);
    assert_eq!((said.over, said.reason_word()), (true, "receiver_down"));
}

#[test]
fn an_end_that_was_put_off_is_not_on_its_way() {
    let mut story = Story::at_hour(12);
    story.post(0, A1, false);
    story.told(30);
    story.post(40, A1, true);
    let end = story.run(40).remove(0).1;
    assert!(why(&story, A1, 41).on_its_way);
    story.alerts.put_off(&end.key, story.time(42), &mut story.journal);
    let said = why(&story, A1, 43);
    assert_eq!((said.over, said.reason_word()), (true, "receiver_down"));
    let now = story.time(50);
    story.last = now;
    story.alerts.delivered(&end.key, Ok(()), now, &mut story.journal);
    story.told(900);
    let said = why(&story, A1, 901);
    assert_eq!((said.over, said.verdict), (true, Some(Verdict::Deliver)));
}

#[test]
fn whichever_was_not_tried_counts() {
    let labels = Labels::from_pairs(A1.iter().copied());
    for failing in ["webhook[0]", "webhook[1]"] {
        let mut story = Story::with(told_by(&["webhook[0]", "webhook[1]"]), 12);
        story.post(0, A1, false);
        let pages = story.run(30);
        for (_, page) in &pages {
            story.alerts.put_off(&page.key, story.time(31), &mut story.journal);
        }
        let well = pages.iter().find(|(_, page)| page.integration != failing).unwrap().1.key.clone();
        story.alerts.delivered(&well, Ok(()), story.time(50), &mut story.journal);
        for asked_at in [51, 700] {
            story.run(asked_at);
            let said =
                story.alerts.why_now(&labels, story.time(asked_at), story.alerts.decisions()).remove(0);
            let by = format!("team/{failing}: not tried while it fails");
            assert_eq!((said.reason_word(), said.by), ("receiver_down", vec![by]), "{asked_at}");
        }
    }
}

#[test]
fn an_end_that_was_put_off_for_who_is_gone_was_told_to_nobody() {
    let mut story = Story::with(told_by(&["webhook[0]"]), 12);
    story.post(0, A1, false);
    story.told(30);
    story.post(40, A1, true);
    let end = story.run(40).remove(0).1;
    story.alerts.put_off(&end.key, story.time(41), &mut story.journal);
    let now = story.time(50);
    story.alerts.reload(told_by(&["email[0]"]), now, &mut story.journal);
    let said = why(&story, A1, 51);
    assert_eq!((said.over, said.verdict), (true, Some(Verdict::Hold(Hold::Over))));
    let then = story.alerts.why(&Labels::from_pairs(A1.iter().copied()), story.time(45)).remove(0);
    assert_eq!(then.reason_word(), "receiver_down", "as it was then");
}

#[test]
fn who_is_gone_is_not_waited_for() {
    let mut story = Story::with(told_by(&["webhook[0]", "webhook[1]"]), 12);
    story.post(0, A1, false);
    for (_, page) in story.run(30) {
        match page.integration.as_str() {
            "webhook[0]" => story.alerts.delivered(&page.key, Ok(()), story.time(32), &mut story.journal),
            _ => story.alerts.put_off(&page.key, story.time(31), &mut story.journal),
        }
    }
    assert_eq!(why(&story, A1, 33).reason_word(), "receiver_down");
    story.alerts.reload(told_by(&["webhook[0]"]), story.time(40), &mut story.journal);
    assert_eq!(why(&story, A1, 41).verdict, Some(Verdict::Deliver));
    story.last = story.time(40);
    story.told(400);
    let then = |secs| story.alerts.why(&Labels::from_pairs(A1.iter().copied()), story.time(secs)).remove(0);
    assert_eq!([then(35), then(400)].map(|why| why.reason_word()), ["receiver_down", "repeat"]);

    let mut story = Story::with(told_by(&["webhook[0]", "webhook[1]"]), 12);
    story.post(0, A1, false);
    story.told(30);
    story.post(40, A1, true);
    for (_, page) in story.run(40) {
        story.alerts.put_off(&page.key, story.time(41), &mut story.journal);
    }
    story.alerts.reload(told_by(&["webhook[0]"]), story.time(50), &mut story.journal);
    let said = why(&story, A1, 51);
    let by = vec!["team/webhook[0]: not tried while it fails".to_owned()];
    assert_eq!((said.over, said.reason_word(), said.by), (true, "receiver_down", by), "it is still to tell");
}

#[test]
fn an_end_does_not_wait_for_news_that_were_taken_back() {
    let route = "receiver: team\ngroup_wait: 30s\nrepeat_interval: 4h";
    let route: RouteConfig = serde_saphyr::from_str(route).unwrap();
    let integrations = [("webhook[0]", true), ("webhook[1]", false)]
        .map(|(name, send_resolved)| Integration { name: name.to_owned(), send_resolved });
    let team = ReceiverShape { name: "team".to_owned(), integrations: integrations.into() };
    let raw = RawConfig { route: Some(&route), receivers: &[team], ..RawConfig::default() };
    let mut story = Story::with(Config::resolve(raw).unwrap().0, 12);
    const B: &[(&str, &str)] = &[("alertname", "B")];
    let arrive = |story: &mut Story, secs| {
        let now = story.time(secs);
        for (_, page) in story.run(secs) {
            if page.integration == "webhook[0]" {
                story.alerts.delivered(&page.key, Ok(()), now, &mut story.journal);
            }
        }
        story.last = now;
    };
    story.post(0, A1, false);
    let slow = story.run(30);
    for (_, page) in &slow {
        if page.integration == "webhook[0]" {
            story.alerts.delivered(&page.key, Ok(()), page.at, &mut story.journal);
        }
    }
    story.post(100, B, false);
    arrive(&mut story, 331);
    story.silence(335, 3_600, "B");
    story.post(336, A1, true);
    let withdrawn = slow.iter().find(|(_, page)| page.integration == "webhook[1]").unwrap().1.key.clone();
    failed_once(&mut story, 337, &withdrawn);
    arrive(&mut story, 399);
    story.post(400, B, true);
    let ends = story.run(400);
    assert!(!ends.is_empty(), "at once");
}

fn failed_once(story: &mut Story, secs: u64, key: &str) {
    let tried = Tried { code: "503", error: "unwell", kept: None };
    let now = story.time(secs);
    story.last = now;
    story.alerts.attempted(key, tried, now, &mut story.journal);
}

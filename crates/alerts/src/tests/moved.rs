//! Alerts that a reload moves to another group while the route that they took stays.

use super::*;
use crate::why::Why;

const STAYS: &[(&str, &str)] = &[("alertname", "B")];
const BOSS: &str = "routes:\n- matchers: [alertname=A]\n  receiver: boss\n";

/// To `team`, but for what these routes take, of which `boss` is told.
fn with(routes: &str) -> Config {
    let route: RouteConfig =
        serde_saphyr::from_str(&format!("receiver: team\ngroup_wait: 30s\n{routes}")).unwrap();
    to_each(&route, &["team", "boss"].map(|name| shape(name, true)))
}

/// With this tree for these receivers, and a policy.
fn to_each(route: &RouteConfig, receivers: &[ReceiverShape]) -> Config {
    let escalations: Vec<EscalationConfig> =
        serde_saphyr::from_str("[{name: ladder, steps: [{wait: 5m}, {notify: boss, wait: 5m}]}]").unwrap();
    let raw = RawConfig { route: Some(route), receivers, escalations: &escalations, ..RawConfig::default() };
    Config::resolve(raw).unwrap().0
}

fn reload(story: &mut Story, secs: u64, routes: &str) {
    let now = story.time(secs);
    (story.config, story.last) = (with(routes), now);
    story.alerts.reload(story.config.clone(), now, &mut story.journal);
}

/// A1 and B were told to `team`; from 100 s on A1 is the business of `boss`, who was told too.
fn moved() -> Story {
    let mut story = Story::with(with(""), 12);
    story.post(0, A1, false);
    story.post(0, STAYS, false);
    story.told(30);
    reload(&mut story, 100, BOSS);
    assert_eq!(story.told(1_000), ["100 firing +A1"]);
    story
}

fn labels(of: &[(&str, &str)]) -> Labels {
    Labels::from_pairs(of.iter().copied())
}

/// What is said of A1 in the group that it was in.
fn left_behind(story: &Story, secs: u64) -> Option<Why> {
    story.alerts.why(&labels(A1), story.time(secs)).into_iter().find(|why| why.group_key == "{}:{}")
}

fn old_incident(story: &Story) -> String {
    let incidents = story.alerts.incidents(None);
    incidents.iter().find(|incident| incident.group_key == "{}:{}").expect("it was told").id.clone()
}

#[test]
fn an_alert_that_a_reload_moves_away_from_a_route_that_stays() {
    for by_restart in [false, true] {
        let mut story = Story::with(with(""), 12);
        story.post(0, A1, false);
        story.post(0, STAYS, false);
        assert_eq!(story.told(30).len(), 1);
        story.config = with("routes:\n- matchers: [alertname=A]\n  receiver: boss\n  repeat_interval: 1h\n");
        let now = story.time(100);
        story.last = now;
        match by_restart {
            true => story.restart(100),
            false => story.alerts.reload(story.config.clone(), now, &mut story.journal),
        }
        let said = story.told(8_000);
        assert_eq!(said, ["100 firing +A1", "3700 firing +A1", "7300 firing +A1"], "the new one alone");
        let labels = Labels::from_pairs(A1.iter().copied());
        let answers = story.alerts.why_now(&labels, story.time(8_000), story.alerts.decisions());
        let old = answers.iter().find(|why| why.group_key == "{}:{}");
        assert!(!answers.is_empty() && old.is_none_or(|why| why.over), "{answers:#?}");
        if !by_restart {
            let (there, now) = (story.config.clone(), story.time(8_010));
            story.alerts.reload(with(""), now, &mut story.journal);
            let answers = story.alerts.why_now(&labels, now, story.alerts.decisions());
            let back = answers.iter().find(|why| why.group_key == "{}:{}").expect("its old group");
            assert_eq!(
                (back.over, back.reason_word(), back.receivers[0].attempts.len()),
                (false, "repeat", 1)
            );
            story.alerts.reload(there, now, &mut story.journal);
            story.last = now;
            assert_eq!(story.told(8_400), Vec::<String>::new(), "both know");
        }
        story.post(9_000, A1, true);
        let mut ends: Vec<String> = story
            .run(9_400)
            .into_iter()
            .map(|(_, page)| format!("{} {}", page.receiver, line(0, &page)))
            .collect();
        ends.sort_unstable();
        assert_eq!(ends, ["boss 0 resolved -A1", "team 0 firing +B -A1"], "whoever was told hears the end");
    }
}

#[test]
fn an_alert_that_a_reload_moves_waits_in_its_new_group() {
    const MOVES: &[(&str, &str)] = &[("alertname", "A"), ("team", "db")];
    for by_restart in [false, true] {
        let mut story = Story::with(with(""), 12);
        story.post(0, MOVES, false);
        story.post(0, STAYS, false);
        let before = story.alerts.decisions().count();
        story.config = with("routes:\n- matchers: [team=db]\n  receiver: boss\n");
        let now = story.time(10);
        if by_restart {
            story.restart(10);
            story.alerts.tick(now, &mut story.journal);
        } else {
            story.alerts.reload(story.config.clone(), now, &mut story.journal);
        }
        let labels = |set: &[(&str, &str)]| Labels::from_pairs(set.iter().copied());
        let answers = story.alerts.why(&labels(MOVES), story.time(11));
        let new = answers.iter().find(|why| why.receivers.iter().any(|receiver| receiver.name == "boss"));
        let new = new.expect("an answer about the new group");
        assert_eq!((new.verdict, new.since), (Some(Verdict::Hold(Hold::Grouped)), Some(story.time(0))));
        // That it waits there, and after a reload that it is told of elsewhere no more.
        let more = if by_restart { 1 } else { 2 };
        assert_eq!(story.alerts.decisions().count(), before + more, "by a restart: {by_restart}");
        story.restart(12);
        assert_eq!(
            story.alerts.decisions().count(),
            before + more,
            "what stayed, and what is known, is on record"
        );
    }
}

#[test]
fn ends_are_told_at_once_there_too() {
    let mut story = moved();
    story.post(1_010, STAYS, true);
    assert_eq!(story.told(1_010), ["1010 resolved -B"], "A1, which fires elsewhere, keeps nobody waiting");
    story.post(1_020, A1, true);
    let ends: Vec<String> = story.run(1_020).into_iter().map(|(_, page)| page.receiver).collect();
    assert_eq!(ends.len(), 2, "{ends:?}");

    let mut story = moved();
    story.post(1_010, A1, true);
    let ends = story.told(1_010);
    assert_eq!(ends, ["1010 resolved -A1"], "to the boss; B fires on");
    assert_eq!(story.told(1_300), ["1230 firing +B -A1"], "as every end of a few");

    let mut story = Story::with(with(""), 12);
    story.post(0, A1, false);
    story.told(30);
    reload(&mut story, 100, BOSS);
    assert_eq!(story.told(1_000), ["100 firing +A1"]);
    story.post(1_010, A1, true);
    assert_eq!(
        story.told(1_010),
        ["1010 resolved -A1", "1010 resolved -A1"],
        "nothing is left in its old group"
    );
}

#[test]
fn a_reload_says_it_once_and_only_of_what_fires() {
    let mut story = moved();
    let decided = story.alerts.decisions().count();
    for secs in [1_010, 1_020] {
        reload(&mut story, secs, BOSS);
    }
    assert_eq!(story.alerts.decisions().count(), decided);

    let mut story = Story::with(with(""), 12);
    story.post(0, A1, false);
    story.told(30);
    story.post(40, A1, true);
    assert_eq!(story.run(40).len(), 1, "its end is on its way");
    reload(&mut story, 50, BOSS);
    assert!(!left_behind(&story, 60).expect("it was told").is_elsewhere());
}

#[test]
fn an_act_on_the_old_incident_is_not_about_it() {
    let mut story = moved();
    let (id, now) = (old_incident(&story), story.time(1_010));
    story.alerts.act(&id, Act::Acknowledge, "kim", now, &mut story.journal).unwrap();
    let said = left_behind(&story, 1_011).expect("it was told");
    assert!(said.over && said.is_elsewhere(), "{said:#?}");
    let view = story.alerts.incident_view(&id, now).unwrap();
    let shown: Vec<&str> = view.alerts.iter().map(|view| view.alert.name()).collect();
    assert_eq!(shown, ["B"]);
    let told: Vec<String> = story.alerts.told_pages(&id, now).iter().map(|page| line(0, page)).collect();
    assert_eq!(told, ["0 firing +B"]);
    assert!(!story.alerts.incidents_of(&labels(A1)).contains(&id));
}

#[test]
fn what_had_ended_unsaid_when_a_reload_came_is_over() {
    let mut story = Story::with(with(""), 12);
    story.post(0, A1, false);
    story.post(0, STAYS, false);
    story.post(10, A1, true);
    reload(&mut story, 15, BOSS);
    let said = left_behind(&story, 16).expect("it waited there");
    assert_eq!((said.over, said.reason_word(), said.is_elsewhere()), (true, "none", false));
}

#[test]
fn why_answers_though_its_new_group_has_said_nothing_of_it() {
    const MOVES: &[(&str, &str)] = &[("alertname", "A"), ("team", "db")];
    const THERE: &[(&str, &str)] = &[("alertname", "B"), ("team", "db")];
    let db = "- matchers: [team=db]\n  receiver: boss\n";
    let mut story = Story::with(with(&format!("routes:\n- matchers: [alertname=A]\n{db}")), 12);
    story.post(0, MOVES, false);
    story.post(0, THERE, false);
    assert_eq!(story.told(100).len(), 2);
    story.config = with(&format!("routes:\n{db}"));
    story.restart(100);
    let answers = story.alerts.why_now(&labels(MOVES), story.time(101), story.alerts.decisions());
    let said: Vec<_> = answers.iter().map(|why| (why.reason_word(), why.next_send)).collect();
    assert_eq!(said, [("grouped", Some(story.time(330)))], "{answers:#?}");
}

#[test]
fn an_end_that_was_under_way_when_a_reload_came_was_told() {
    let mut story = Story::with(with(""), 12);
    story.post(0, A1, false);
    story.post(0, STAYS, false);
    story.told(30);
    story.post(40, A1, true);
    story.post(40, STAYS, true);
    let page = story.run(41).remove(0).1;
    reload(&mut story, 50, BOSS);
    let now = story.time(51);
    story.alerts.delivered(&page.key, Ok(()), now, &mut story.journal);
    story.told(700);
    let said = left_behind(&story, 701).expect("it was told");
    assert_eq!((said.over, said.verdict), (true, Some(Verdict::Deliver)), "{said:#?}");
}

#[test]
fn a_ladder_whose_route_went_has_no_steps() {
    let ladder = |matcher: &str| format!("routes:\n- matchers: [{matcher}]\n  escalation: ladder\n");
    let mut story = Story::with(with(&ladder("alertname=A")), 12);
    story.post(0, A1, false);
    assert_eq!(story.told(100), ["30 firing +A1"]);
    reload(&mut story, 100, &ladder("alertname=\"A\",i=\"1\""));
    // The steps are those of its new group alone; that the old one asks for no turn in vain is what `run` looks at.
    let told = story.told(1_000);
    assert_eq!(told, ["100 firing +A1", "400 firing +A1", "700 firing +A1"]);
}

#[test]
fn an_end_that_does_not_arrive_is_said_again_to_whom_a_reload_took_the_group() {
    let mut story = Story::with(with(""), 12);
    story.post(0, A1, false);
    story.told(30);
    let now = story.time(100);
    story.last = now;
    let route: RouteConfig = serde_saphyr::from_str("receiver: boss\ngroup_wait: 30s").unwrap();
    story.config = to_each(&route, &["team", "boss"].map(|name| shape(name, true)));
    story.alerts.reload(story.config.clone(), now, &mut story.journal);
    assert_eq!(story.told(400), ["330 firing +A1"], "the boss");
    story.post(400, A1, true);
    let ends: Vec<Page> = story.run(400).into_iter().map(|(_, page)| page).collect();
    let of = |name: &str| ends.iter().find(|page| page.receiver == name).expect("both are told").key.clone();
    let now = story.time(401);
    story.last = now;
    story.alerts.delivered(&of("boss"), Ok(()), now, &mut story.journal);
    let tried = Tried { code: "503", error: "unwell", kept: None };
    story.alerts.attempted(&of("team"), tried, now, &mut story.journal);
    story.run(700);
    let now = story.time(701);
    story.last = now;
    story.alerts.delivered(&of("team"), Err("unwell".to_owned()), now, &mut story.journal);
    let again = story.run_for("team", 1_400);
    assert_eq!(again.iter().map(|page| line(0, page)).collect::<Vec<_>>(), ["0 resolved -A1"]);
}

#[test]
fn no_key_is_used_for_two_pages() {
    let route: RouteConfig = serde_saphyr::from_str("receiver: team\ngroup_wait: 30s").unwrap();
    let of = |count: usize| {
        let integration = |n| Integration { name: format!("webhook[{n}]"), send_resolved: true };
        let receiver =
            ReceiverShape { name: "team".to_owned(), integrations: (0..count).map(integration).collect() };
        to_each(&route, &[receiver, shape("boss", true)])
    };
    let mut story = Story::with(of(2), 12);
    let mut keys = Vec::new();
    let mut told = |story: &mut Story, secs| {
        for (_, page) in story.run(secs) {
            story.alerts.delivered(&page.key, Ok(()), page.at, &mut story.journal);
            keys.push(page.key);
        }
    };
    story.post(0, A1, false);
    told(&mut story, 30);
    for (secs, count) in [(40, 1), (700, 2)] {
        let now = story.time(secs);
        (story.config, story.last) = (of(count), now);
        story.alerts.reload(story.config.clone(), now, &mut story.journal);
        told(&mut story, secs + 600);
        story.post(secs + 600, STAYS, false);
    }
    told(&mut story, 2_000);
    let all = keys.len();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!((keys.len(), all), (all, 4), "two at first, and of B, when the second is back");
}

#[test]
fn what_ended_unsaid_is_over_in_a_group_that_stays_too() {
    for by_restart in [false, true] {
        let mut story = Story::with(with(""), 12);
        story.post(0, STAYS, false);
        story.silence(0, 3_600, "A");
        story.post(0, A1, false);
        story.told(30);
        story.post(40, A1, true);
        match by_restart {
            true => story.restart(50),
            false => reload(&mut story, 50, ""),
        }
        story.told(400);
        let said = left_behind(&story, 401).expect("it was held there");
        assert_eq!((said.over, said.reason_word()), (true, "none"), "by a restart: {by_restart}");
    }
}

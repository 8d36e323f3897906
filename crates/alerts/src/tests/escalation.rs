//! Escalation: who is told when, for how long, and across restarts.

use super::*;

fn policies(text: &str) -> Config {
    let route = "
receiver: team
group_by: [n]
group_wait: 0s
escalation: ladder
";
    let on_call = "
- name: ops
  zone: Europe/Berlin
  layers:
  - {people: [ada, bob], start: '2026-11-16T09:00', turn: 7d}
";
    let route: RouteConfig = serde_saphyr::from_str(route).unwrap();
    let escalations: Vec<EscalationConfig> = serde_saphyr::from_str(text).unwrap();
    let on_call: Vec<OnCallConfig> = serde_saphyr::from_str(on_call).unwrap();
    let names = ["team", "boss", "ada", "bob"];
    let receivers = names.map(|name| shape(name, true));
    let raw = RawConfig {
        route: Some(&route),
        receivers: &receivers,
        escalations: &escalations,
        on_call: &on_call,
        ..RawConfig::default()
    };
    Config::resolve(raw).unwrap().0
}

const LADDER: &str = "
- name: ladder
  steps:
  - {wait: 5m}
  - {on_call: ops, wait: 10m}
  - {notify: boss, wait: 15m}
";

fn post(story: &mut Story, secs: u64, n: u64, ended: bool) {
    let n = n.to_string();
    story.post(secs, &[("alertname", "A"), ("n", n.as_str())], ended);
}

/// As `told`, with the receiver; pages that only repeat after the repeat interval are left out.
fn steps(story: &mut Story, secs: u64) -> Vec<String> {
    let mut lines = Vec::new();
    let end = story.time(secs);
    while let Some(wake) = story.alerts.next_wake().filter(|wake| *wake <= end) {
        for (at, page) in story.run(wake.max(story.last).since(story.start).as_secs()) {
            if page.reason != model::PageReason::Repeat {
                lines.push(format!("{at} {} {}", page.receiver, page.status.as_str()));
            }
            story.alerts.delivered(&page.key, Ok(()), page.at, &mut story.journal);
        }
    }
    lines
}

#[test]
fn steps_go_on_until_somebody_takes_it_on() {
    let mut story = Story::with(policies(LADDER), 12);
    post(&mut story, 0, 1, false);
    let told = steps(&mut story, 5400);
    // Waits are doubled the second time around. It is Sunday; bob begins on Monday.
    assert_eq!(
        told,
        [
            "0 team firing",
            "300 ada firing",
            "900 boss firing",
            "1800 team firing",
            "2400 ada firing",
            "3600 boss firing",
            "5400 team firing"
        ]
    );
    story.restart(5401);
    let id = story.alerts.incidents(None)[0].id.clone();
    let now = story.time(5402);
    story.alerts.act(&id, Act::Acknowledge, "ada", now, &mut story.journal).unwrap();
    assert_eq!(steps(&mut story, 80_000), Vec::<String>::new());
    post(&mut story, 80_001, 1, true);
    // Exactly those who were paged.
    assert_eq!(
        steps(&mut story, 80_001),
        ["80001 team resolved", "80001 ada resolved", "80001 boss resolved"]
    );
}

#[test]
fn without_an_end_to_its_repeats_it_stops() {
    let once = LADDER.replace("steps:", "repeat: 0\n  steps:");
    let mut story = Story::with(policies(&once), 12);
    post(&mut story, 0, 1, false);
    assert_eq!(steps(&mut story, 80_000), ["0 team firing", "300 ada firing", "900 boss firing"]);
}

#[test]
fn it_goes_on_where_it_was_when_the_incident_comes_back() {
    let mut story = Story::with(policies(LADDER), 12);
    post(&mut story, 0, 1, false);
    assert_eq!(steps(&mut story, 400), ["0 team firing", "300 ada firing"]);
    post(&mut story, 500, 1, true);
    assert_eq!(steps(&mut story, 500), ["500 team resolved", "500 ada resolved"]);
    post(&mut story, 550, 1, false);
    // At its next turn both hear of it again, and the boss after the rest of the ten minutes.
    assert_eq!(steps(&mut story, 1200), ["600 team firing", "600 ada firing", "1000 boss firing"]);
}

#[test]
fn what_is_held_is_not_escalated() {
    let mut story = Story::with(policies(LADDER), 12);
    post(&mut story, 0, 1, false);
    assert_eq!(steps(&mut story, 10), ["0 team firing"]);
    story.silence(20, 1000, "A");
    assert_eq!(steps(&mut story, 1100), Vec::<String>::new());
    assert_eq!(steps(&mut story, 1300), ["1200 ada firing"], "taken at the first turn after the silence");
}

#[test]
fn a_step_that_waits_for_nothing_and_one_that_finds_nobody() {
    let text = "
- name: ladder
  steps:
  - {notify: boss, wait: 0s}
  - {on_call: ops, wait: 10m}
";
    let mut config = policies(text);
    let mut story = Story::with(config.clone(), 12);
    post(&mut story, 0, 1, false);
    assert_eq!(steps(&mut story, 10), ["0 team firing", "0 boss firing", "0 ada firing"]);
    config.schedules.get_mut("ops").unwrap().layers.clear();
    let mut story = Story::with(config, 12);
    post(&mut story, 0, 1, false);
    assert_eq!(steps(&mut story, 10), ["0 team firing", "0 boss firing"]);
    let nobody = story.alerts.incidents(None)[0].timeline.iter().any(|entry| entry.who == "nobody");
    assert!(nobody, "it is on record");
}

#[test]
fn ten_thousand_at_once_are_on_time_across_a_restart() {
    const COUNT: u64 = 10_000;
    let text = LADDER.replace("wait: 5m", "wait: 2m").replace("wait: 10m", "wait: 3m");
    let mut story = Story::with(policies(&text), 12);
    let mut told: std::collections::BTreeMap<String, Vec<(u64, String)>> = Default::default();
    let mut now = 0;
    for secs in 0..=400u64 {
        // They begin over a hundred seconds; twice the process dies.
        if secs < 100 {
            for n in 0..COUNT / 100 {
                post(&mut story, secs, secs * 100 + n, false);
            }
        }
        if secs == 150 || secs == 310 {
            story.restart(secs);
        }
        now = now.max(secs);
        let at = story.time(secs);
        for page in story.alerts.tick(at, &mut story.journal) {
            let n = page.group_labels.get("n").unwrap().to_owned();
            told.entry(n).or_default().push((secs, page.receiver.clone()));
            story.alerts.delivered(&page.key, Ok(()), at, &mut story.journal);
        }
        if secs == 140 || secs == 300 {
            compact(&mut story.journal);
        }
    }
    assert_eq!(told.len() as u64, COUNT);
    let mut latest = 0;
    for (n, steps) in told {
        let begun = n.parse::<u64>().unwrap() / 100;
        let wanted = [(begun, "team"), (begun + 120, "ada"), (begun + 300, "boss")];
        let got: Vec<(u64, &str)> = steps.iter().map(|(at, receiver)| (*at, receiver.as_str())).collect();
        assert_eq!(got.len(), 3, "{n}: {got:?}");
        for ((at, receiver), (due, name)) in got.iter().zip(wanted) {
            assert!(*receiver == name && *at >= due, "{n}: {got:?}");
            latest = latest.max(at - due);
        }
    }
    assert!(latest <= 1, "{latest} s late");
}

/// Only the last row of each thing, as a store keeps them; decisions go.
fn compact(journal: &mut Vec<Change>) {
    let mut last: std::collections::HashMap<(Table, String), Change> = Default::default();
    for change in journal.drain(..).filter(|change| change.table() != Table::Decision) {
        last.insert((change.table(), change.key()), change);
    }
    journal.extend(last.into_values());
}

#[test]
fn mistakes_name_their_place() {
    let check = |text: &str, wanted: &str| {
        let route: RouteConfig = serde_saphyr::from_str("receiver: team\nescalation: a").unwrap();
        let escalations: Vec<EscalationConfig> = serde_saphyr::from_str(text).unwrap();
        let receivers = [ReceiverShape { name: "team".to_owned(), integrations: Vec::new() }];
        let raw = RawConfig {
            route: Some(&route),
            receivers: &receivers,
            escalations: &escalations,
            ..RawConfig::default()
        };
        let problems: Vec<String> =
            Config::resolve(raw).unwrap_err().iter().map(ToString::to_string).collect();
        assert!(problems.iter().any(|line| line.contains(wanted)), "{wanted}\n{problems:#?}");
    };
    check("- {name: b, steps: [{wait: 5m}]}", "2:13: error: undefined escalation \"a\" used in route");
    check("- {name: a, steps: [{notify: x, wait: 5m}]}", "1:30: error: undefined receiver \"x\"");
    check("- {name: a, steps: [{on_call: x, wait: 5m}]}", "1:31: error: undefined schedule \"x\"");
    check("- {name: a, steps: [{wait: soon}]}", "1:28: error: \"soon\" is not a duration");
    check("- {name: a, steps: [{wait: 0s}]}", "begins again without a wait");
    check("- {name: a, steps: []}", "has no steps");
}

#[test]
fn who_stands_in_is_told_over_reloads_and_only_while_they_do() {
    use crate::on_call::{Override, StandIn, StandInError};
    let mut story = Story::with(policies(LADDER), 12);
    let wish = |story: &Story, id: &str, who: &str, from: u64, until: u64| StandIn {
        id: id.to_owned(),
        schedule: "ops".to_owned(),
        over: Override { who: who.to_owned(), from: story.time(from), until: story.time(until) },
        by: "kim".to_owned(),
        at: story.time(0),
    };
    let ask = |story: &mut Story, new: StandIn| {
        let now = story.time(10);
        story.alerts.stand_in(new, now).map(|(kept, _)| kept)
    };
    let of = |story: &Story, at: u64| {
        let schedule = story.alerts.config().schedule("ops").unwrap();
        schedule.who(story.time(at)).map(str::to_owned)
    };
    for (new, field) in [
        (wish(&story, "x", "nobody", 0, 100), "who"),
        (wish(&story, "x", "bob", 100, 100), "until"),
        (wish(&story, "x", "bob", 0, 10), "until"),
        (wish(&story, "x", "bob", 0, 367 * 86_400), "until"),
    ] {
        let why = ask(&mut story, new).unwrap_err();
        assert!(matches!(&why, StandInError::Invalid { field: it, .. } if *it == field), "{why}");
    }
    let elsewhere = StandIn { schedule: "other".to_owned(), ..wish(&story, "x", "bob", 0, 100) };
    assert_eq!(ask(&mut story, elsewhere), Err(StandInError::NoSchedule("other".to_owned())));

    let (a, b) = (wish(&story, "a", "bob", 0, 5_000), wish(&story, "b", "boss", 1_000, 2_000));
    let (a, b) = (ask(&mut story, a).unwrap(), ask(&mut story, b).unwrap());
    assert!(a.at < b.at, "the later one wins, after a restart too");
    let who = |story: &Story| [20, 1_500, 3_000, 6_000].map(|at| of(story, at).unwrap());
    assert_eq!(who(&story), ["bob", "boss", "bob", "ada"]);
    let rows = [&b, &a].map(|one| StandIn::from_json(one.id.clone(), &one.to_json()).unwrap());
    let kept = crate::on_call::StandIns::restore(rows.to_vec());
    assert_eq!(kept, story.alerts.config().stand_ins);

    // A file without the schedule, and the one before again; one without a receiver is passed over.
    let now = story.time(15);
    let mut without = policies(LADDER);
    without.schedules.clear();
    story.alerts.reload(without, now, &mut story.journal);
    assert!(story.alerts.config().schedule("ops").is_none());
    let mut fewer = policies(LADDER);
    fewer.receivers.retain(|receiver| receiver.name != "boss");
    story.alerts.reload(fewer, now, &mut story.journal);
    assert_eq!(who(&story), ["bob", "bob", "bob", "ada"]);
    story.alerts.reload(policies(LADDER), now, &mut story.journal);

    post(&mut story, 20, 1, false);
    assert_eq!(steps(&mut story, 400), ["20 team firing", "320 bob firing"]);
    assert_eq!(story.alerts.stand_back("other", "a"), None);
    assert_eq!(story.alerts.stand_back("ops", "a"), Some(a));
    assert_eq!(who(&story), ["ada", "boss", "ada", "ada"]);

    // What is long over is forgotten; there is a bound.
    let late = 40 * 86_400;
    let now = story.time(late);
    let new = wish(&story, "c", "bob", late, late + 60);
    let (_, gone) = story.alerts.stand_in(new, now).unwrap();
    assert_eq!(gone, ["b"]);
    let full = (0..1_000).find_map(|n| {
        let new = wish(&story, &n.to_string(), "bob", late, late + 60);
        story.alerts.stand_in(new, now).err()
    });
    assert_eq!(full, Some(StandInError::Full));
}

//! Timelines: what arrives when, and which pages leave.

mod down;
mod escalation;
mod foretold;
mod incidents;
mod moved;
mod quiet;
mod why;

use crate::*;
use model::{Alert, Decision, Hold, Labels, Matcher, Page, PageStatus, Timestamp, Verdict};
use std::time::Duration;

const CONFIG: &str = "
receiver: team
group_by: [alertname]
group_wait: 30s
group_interval: 5m
repeat_interval: 4h
routes:
- matchers: [mode=\"instant\"]
  group_wait: 0s
- matchers: [mode=\"quiet\"]
  receiver: quiet
- matchers: [mode=\"night\"]
  mute_time_intervals: [night]
";
const INHIBIT: &str = "
- source_matchers: [severity=\"critical\"]
  target_matchers: [severity=\"warning\"]
  equal: [cluster]
";
const INTERVALS: &str = "
- name: night
  time_intervals:
  - times: [{start_time: '00:00', end_time: '06:00'}]
";

/// A receiver with one webhook.
fn shape(name: &str, send_resolved: bool) -> ReceiverShape {
    let integrations = vec![Integration { name: "webhook[0]".to_owned(), send_resolved }];
    ReceiverShape { name: name.to_owned(), integrations }
}

/// All to `team`, by these.
fn told_by(names: &[&str]) -> Config {
    let integration = |name: &&str| Integration { name: (*name).to_owned(), send_resolved: true };
    let team =
        ReceiverShape { name: "team".to_owned(), integrations: names.iter().map(integration).collect() };
    let route: RouteConfig = serde_saphyr::from_str("receiver: team\ngroup_wait: 30s").unwrap();
    let raw = RawConfig { route: Some(&route), receivers: &[team], ..RawConfig::default() };
    Config::resolve(raw).unwrap().0
}

fn config() -> Config {
    let route: RouteConfig = serde_saphyr::from_str(CONFIG).unwrap();
    let inhibit: Vec<InhibitRuleConfig> = serde_saphyr::from_str(INHIBIT).unwrap();
    let intervals: Vec<TimeIntervalConfig> = serde_saphyr::from_str(INTERVALS).unwrap();
    let receivers = [shape("team", true), shape("quiet", false)];
    let raw = RawConfig {
        route: Some(&route),
        inhibit_rules: &inhibit,
        time_intervals: &intervals,
        receivers: &receivers,
        ..RawConfig::default()
    };
    Config::resolve(raw).unwrap().0
}

/// A router, its journal, and the pages whose delivery nobody has reported.
struct Story {
    config: Config,
    alerts: Alerts,
    journal: Vec<Change>,
    start: Timestamp,
    /// The latest thing that happened; no tick is before it.
    last: Timestamp,
}

impl Story {
    /// Starts at noon unless told otherwise.
    fn at_hour(hour: u64) -> Story {
        Story::with(config(), hour)
    }

    fn with(config: Config, hour: u64) -> Story {
        let start = Timestamp::parse_rfc3339("2026-11-22T00:00:00Z").unwrap();
        let start = start.plus(Duration::from_secs(hour * 3600));
        let alerts = Alerts::new(config.clone(), Vec::new(), start);
        Story { config, alerts, journal: Vec::new(), start, last: start }
    }

    fn time(&self, secs: u64) -> Timestamp {
        self.start.plus(Duration::from_secs(secs))
    }

    fn post(&mut self, secs: u64, labels: &[(&str, &str)], ended: bool) {
        self.post_until(secs, labels, ended.then_some(secs));
    }

    fn post_until(&mut self, secs: u64, labels: &[(&str, &str)], until: Option<u64>) {
        let now = self.time(secs);
        self.last = now;
        let alert = Alert {
            labels: Labels::from_pairs(labels.iter().copied()),
            annotations: Labels::empty(),
            starts_at: now,
            ends_at: until.map(|until| self.time(until)),
            generator_url: "".into(),
            updated_at: now,
        };
        self.alerts.receive(vec![alert], now, &mut self.journal);
    }

    /// Every page that leaves up to `secs`, ticking exactly when the router asks for it.
    fn run(&mut self, secs: u64) -> Vec<(u64, Page)> {
        let end = self.time(secs);
        let mut pages = Vec::new();
        while let Some(wake) = self.alerts.next_wake().filter(|wake| *wake <= end) {
            let wake = wake.max(self.last);
            let due = self.alerts.tick(wake, &mut self.journal);
            assert!(self.alerts.next_wake().is_none_or(|next| next > wake), "a tick leaves nothing due");
            pages.extend(due.into_iter().map(|page| (wake.since(self.start).as_secs(), page)));
        }
        pages
    }

    /// As `run`, only the pages to one receiver.
    fn run_for(&mut self, receiver: &str, secs: u64) -> Vec<Page> {
        self.run(secs).into_iter().map(|(_, page)| page).filter(|page| page.receiver == receiver).collect()
    }

    /// As `run`, each page delivered at once; as short texts: when, status, alerts (`+` fires, `-` ended).
    fn told(&mut self, secs: u64) -> Vec<String> {
        let mut lines = Vec::new();
        let end = self.time(secs);
        while let Some(wake) = self.alerts.next_wake().filter(|wake| *wake <= end) {
            for (at, page) in self.run(wake.max(self.last).since(self.start).as_secs()) {
                lines.push(line(at, &page));
                self.alerts.delivered(&page.key, Ok(()), page.at, &mut self.journal);
            }
        }
        lines
    }

    /// What a restart makes of the journal.
    fn restart(&mut self, secs: u64) {
        self.alerts = Alerts::new(self.config.clone(), rows(&self.journal), self.time(secs));
        self.last = self.time(secs);
    }

    fn silence(&mut self, secs: u64, for_secs: u64, name: &str) -> String {
        let (starts_at, ends_at) = (self.time(secs), self.time(secs + for_secs));
        let new = NewSilence {
            id: None,
            matchers: vec![Matcher::equal("alertname", name)],
            starts_at,
            ends_at,
            created_by: "me".to_owned(),
            comment: "known".to_owned(),
            terms: Terms::default(),
            guard: Guard::Upstream,
        };
        self.alerts.put_silence(new, "s1", starts_at, &mut self.journal).unwrap()
    }

    fn verdicts(&self) -> Vec<Verdict> {
        self.alerts.decisions().map(|decision| decision.verdict).collect()
    }
}

/// What a store gives back of a journal: the last row of each thing, read anew.
fn rows(journal: &[Change]) -> Vec<Change> {
    let mut last: std::collections::BTreeMap<(&str, String), &Change> = Default::default();
    for change in journal {
        last.insert((change.table().as_str(), change.key()), change);
    }
    let read = |((_, key), change): ((&str, String), &Change)| {
        let row = change.to_json()?;
        Some(Change::from_json(change.table(), &key, &row).unwrap())
    };
    // The row of an alert that is gone takes with it when it was repeated.
    for change in journal {
        if let Change::AlertGone(id) = change {
            last.remove(&("seen", id.to_string()));
        }
    }
    last.into_iter().filter_map(read).collect()
}

fn line(at: u64, page: &Page) -> String {
    let alerts = page.alerts.iter().map(|alert| {
        let sign = if alert.is_resolved(page.at) { '-' } else { '+' };
        format!("{sign}{}{}", alert.name(), alert.labels.get("i").unwrap_or(""))
    });
    format!("{at} {} {}", page.status.as_str(), alerts.collect::<Vec<_>>().join(" "))
}

const A: &[(&str, &str)] = &[("alertname", "A")];
const A1: &[(&str, &str)] = &[("alertname", "A"), ("i", "1")];
const A2: &[(&str, &str)] = &[("alertname", "A"), ("i", "2")];
const INSTANT: &[(&str, &str)] = &[("alertname", "I"), ("mode", "instant")];
const QUIET: &[(&str, &str)] = &[("alertname", "Q"), ("mode", "quiet")];
const NIGHT: &[(&str, &str)] = &[("alertname", "N"), ("mode", "night")];

#[test]
fn a_group_waits_repeats_and_resolves_at_once() {
    let mut story = Story::at_hour(12);
    story.post(0, A1, false);
    story.post(10, A2, false);
    assert_eq!(story.told(5 * 3600), ["30 firing +A1 +A2", "14430 firing +A1 +A2"]);
    story.post(18001, A1, true);
    story.post(18002, A2, true);
    assert_eq!(story.told(18002), ["18002 resolved -A1 -A2"]);
    assert_eq!(story.told(90_000), Vec::<String>::new());
    assert!(story.alerts.list(&[], story.time(90_000)).is_empty());
    assert_eq!(story.alerts.next_wake(), None, "an empty group goes");
}

#[test]
fn news_and_partial_ends_wait_for_the_interval() {
    let mut story = Story::at_hour(12);
    story.post(0, A1, false);
    assert_eq!(story.told(100), ["30 firing +A1"]);
    story.post(100, A2, false);
    assert_eq!(story.told(400), ["330 firing +A1 +A2"]);
    story.post(400, A1, true);
    assert_eq!(story.told(1000), ["630 firing -A1 +A2"]);
}

#[test]
fn no_wait_pages_in_the_same_instant() {
    let mut story = Story::at_hour(12);
    story.post(7, INSTANT, false);
    assert_eq!(story.told(7), ["7 firing +I"]);
    assert_eq!(story.verdicts(), [Verdict::Deliver]);
}

#[test]
fn what_ended_before_anyone_was_told_stays_untold() {
    let mut story = Story::at_hour(12);
    story.post(0, A, false);
    story.post(10, A, true);
    assert_eq!(story.told(1000), Vec::<String>::new());
}

#[test]
fn a_flap_within_the_interval_is_limited_by_it() {
    let mut story = Story::at_hour(12);
    story.post(0, INSTANT, false);
    assert_eq!(story.told(0), ["0 firing +I"]);
    story.post(10, INSTANT, true);
    story.post(20, INSTANT, false);
    // It came back before the router ticked: nobody was told of the end, so there is no news.
    assert_eq!(story.told(290), Vec::<String>::new());
    story.post(291, INSTANT, true);
    assert_eq!(story.told(291), ["291 resolved -I"]);
    story.post(292, INSTANT, false);
    assert_eq!(story.told(301), ["300 firing +I"]);
}

#[test]
fn without_resolve_notices_a_return_is_still_news() {
    let mut story = Story::at_hour(12);
    story.post(0, QUIET, false);
    assert_eq!(story.told(40), ["30 firing +Q"]);
    story.post(50, QUIET, true);
    assert_eq!(story.told(60), Vec::<String>::new());
    story.post(70, QUIET, false);
    assert_eq!(story.told(400), ["330 firing +Q"]);
}

#[test]
fn an_alert_nobody_repeats_ends_by_itself() {
    let mut story = Story::at_hour(12);
    let now = story.time(0);
    let alert = Alert {
        labels: Labels::from_pairs(INSTANT.iter().copied()),
        annotations: Labels::empty(),
        starts_at: now,
        ends_at: Some(now.plus(Duration::from_secs(60))),
        generator_url: "".into(),
        updated_at: now,
    };
    story.alerts.receive(vec![alert], now, &mut story.journal);
    assert_eq!(story.told(100), ["0 firing +I", "60 resolved -I"]);
}

#[test]
fn an_end_that_comes_nearer_is_told_when_it_comes() {
    let mut story = Story::at_hour(12);
    story.post_until(0, INSTANT, Some(3_600));
    assert_eq!(story.told(10), ["0 firing +I"]);
    story.post_until(20, INSTANT, Some(100));
    assert_eq!(story.told(200), ["100 resolved -I"]);
}

#[test]
fn a_resolve_never_overtakes_its_page() {
    let mut story = Story::at_hour(12);
    story.post(0, INSTANT, false);
    let pages = story.run(0);
    story.post(3, INSTANT, true);
    assert!(story.run(5).is_empty(), "the first page is still under way");
    let at = story.time(5);
    story.alerts.delivered(&pages[0].1.key, Ok(()), at, &mut story.journal);
    assert_eq!(story.told(5), ["5 resolved -I"]);
}

#[test]
fn a_failed_page_is_said_again_and_a_failed_resolve_too() {
    let mut story = Story::at_hour(12);
    story.post(0, INSTANT, false);
    let first = story.run(0).remove(0).1;
    let at = story.time(9);
    story.alerts.delivered(&first.key, Err("connection refused".to_owned()), at, &mut story.journal);
    assert!(story.verdicts().contains(&Verdict::Hold(Hold::ReceiverDown)));
    let second = story.run_for("team", 300).remove(0);
    assert_eq!((second.revision, second.status), (2, PageStatus::Firing));
    assert_ne!(first.key, second.key);
    story.alerts.delivered(&second.key, Ok(()), story.start, &mut story.journal);
    story.post(310, INSTANT, true);
    let third = story.run_for("team", 310).remove(0);
    let at = story.time(320);
    story.alerts.delivered(&third.key, Err("gone".to_owned()), at, &mut story.journal);
    let last = story.run_for("team", 700);
    assert_eq!((last[0].status, last.len()), (PageStatus::Resolved, 1));
}

#[test]
fn held_alerts_leave_a_reason_and_page_when_the_hold_ends() {
    let mut story = Story::at_hour(12);
    let id = story.silence(0, 600, "A");
    story.post(0, A, false);
    assert_eq!(story.told(500), Vec::<String>::new());
    assert_eq!(story.verdicts(), [Verdict::Hold(Hold::Grouped), Verdict::Hold(Hold::Silenced)]);
    assert_eq!(story.alerts.decisions().nth(1).unwrap().by, [id]);
    assert_eq!(story.told(1000), ["630 firing +A"]);

    let mut story = Story::at_hour(5);
    story.post(0, NIGHT, false);
    assert_eq!(story.told(3600 + 300), ["3630 firing +N"]);
    assert!(story.verdicts().contains(&Verdict::Hold(Hold::Muted)));

    let mut story = Story::at_hour(12);
    story.post(0, &[("alertname", "Down"), ("severity", "critical"), ("cluster", "eu")], false);
    story.post(0, &[("alertname", "Slow"), ("severity", "warning"), ("cluster", "eu")], false);
    assert_eq!(story.told(100), ["30 firing +Down"]);
    assert!(story.verdicts().contains(&Verdict::Hold(Hold::Inhibited)));
}

#[test]
fn whoever_was_told_is_told_of_the_end_though_silenced() {
    let mut story = Story::at_hour(12);
    story.post(0, A, false);
    assert_eq!(story.told(30), ["30 firing +A"]);
    story.silence(40, 3600, "A");
    story.post(50, A, true);
    assert_eq!(story.told(50), ["50 resolved -A"]);
}

#[test]
fn a_restart_pages_nobody_twice_and_loses_nothing() {
    let mut story = Story::at_hour(12);
    story.silence(0, 60, "B");
    story.post(0, A1, false);
    assert_eq!(story.told(30), ["30 firing +A1"]);
    story.restart(40);
    assert_eq!(story.told(3600), Vec::<String>::new());
    story.restart(3700);
    assert_eq!(story.alerts.silences().count(), 1);
    story.post(3700, A2, false);
    assert_eq!(story.told(4000), ["3700 firing +A1 +A2"]);
    story.restart(4000);
    story.post(4001, A1, true);
    story.post(4001, A2, true);
    assert_eq!(story.told(4001), ["4001 resolved -A1 -A2"]);
    story.restart(4002);
    assert_eq!(story.told(90_000), Vec::<String>::new());
}

#[test]
fn a_crash_before_the_commit_gives_the_same_key_again() {
    let mut story = Story::at_hour(12);
    story.post(0, INSTANT, false);
    assert_eq!(story.told(0).len(), 1);
    story.post(10, INSTANT, true);
    story.run(9);
    let committed = story.journal.clone();
    let lost = story.run(10).remove(0).1;
    story.journal = committed;
    story.restart(11);
    let again = story.run(11).remove(0).1;
    assert_eq!(
        (&lost.key, lost.revision, &lost.incident_id),
        (&again.key, again.revision, &again.incident_id)
    );
}

#[test]
fn a_reload_keeps_what_was_told() {
    let mut story = Story::at_hour(12);
    story.post(0, A, false);
    story.post(0, QUIET, false);
    assert_eq!(story.told(30).len(), 2);
    let now = story.time(60);
    story.alerts.reload(config(), now, &mut story.journal);
    assert_eq!(story.told(1000), Vec::<String>::new());
    let one = ReceiverShape {
        name: "console".to_owned(),
        integrations: vec![Integration { name: "console[0]".to_owned(), send_resolved: true }],
    };
    let now = story.time(1001);
    let moved = story.alerts.would_move(&Config::to(one.clone()), now);
    let moved: Vec<String> = moved.iter().map(|(_, from, to)| format!("{from:?} {to:?}")).collect();
    assert_eq!(moved, [r#"["team"] ["console"]"#, r#"["quiet"] ["console"]"#]);
    story.alerts.reload(Config::to(one), now, &mut story.journal);
    story.last = now;
    // The group that is there still keeps its rhythm; the other one is new and has waited long enough.
    assert_eq!(story.told(1300), ["1001 firing +Q", "1230 firing +A"]);
}

#[test]
fn a_thousand_reloads_change_nothing() {
    let scenario = |reload: bool| {
        let mut story = Story::at_hour(12);
        let mut told = Vec::new();
        for secs in 0..1_000u64 {
            match secs % 190 {
                0 => story.post(secs, A1, false),
                10 => story.post(secs, A2, false),
                50 => story.post(secs, INSTANT, false),
                100 => story.post(secs, INSTANT, true),
                150 => story.post(secs, A2, true),
                _ => {}
            }
            if reload {
                let now = story.time(secs);
                story.alerts.reload(config(), now, &mut story.journal);
            }
            told.extend(story.told(secs));
        }
        told
    };
    let plain = scenario(false);
    assert!(plain.len() > 5, "{plain:?}");
    assert_eq!(scenario(true), plain);
}

#[test]
fn with_upstreams_timing_an_end_waits_for_its_turn() {
    let mut config = config();
    let alerts: AlertsConfig = serde_saphyr::from_str("resolve: group_interval").unwrap();
    config.extend(&[], &[], Some(&alerts), &mut Vec::new());
    let mut story = Story::with(config, 12);
    story.post(0, INSTANT, false);
    story.told(10);
    story.post(20, INSTANT, true);
    story.post(100, INSTANT, false);
    assert_eq!(story.told(300), Vec::<String>::new(), "it came back before its turn");
    story.post(310, INSTANT, true);
    assert_eq!(story.told(600), ["600 resolved -I"]);
    story.post(640, INSTANT, false);
    assert_eq!(story.told(640), ["640 firing +I"], "an empty group is gone");
}

#[test]
fn a_wait_goes_on_over_a_restart() {
    let mut story = Story::at_hour(12);
    story.post(0, A1, false);
    story.restart(20);
    assert_eq!(story.told(100), ["30 firing +A1"]);
}

#[test]
fn silences_change_under_rules() {
    let mut story = Story::at_hour(12);
    let id = story.silence(0, 600, "A");
    let known = story.alerts.silences().next().unwrap().clone();
    let mut out = Vec::new();
    let change = |matchers: Vec<Matcher>, ends: u64, start: Timestamp| NewSilence {
        id: Some(id.clone()),
        matchers,
        starts_at: known.starts_at,
        ends_at: start.plus(Duration::from_secs(ends)),
        created_by: "you".to_owned(),
        comment: "longer".to_owned(),
        terms: Terms::default(),
        guard: Guard::Upstream,
    };
    let (now, start) = (story.time(10), story.start);
    let longer = change(known.matchers.clone(), 900, start);
    assert_eq!(story.alerts.put_silence(longer, "s2", now, &mut out), Ok("s1".to_owned()));
    let other = change(vec![Matcher::equal("alertname", "B")], 900, start);
    assert_eq!(story.alerts.put_silence(other, "s2", now, &mut out), Ok("s2".to_owned()));
    let states: Vec<_> = story.alerts.silences().map(|silence| silence.state(now)).collect();
    assert_eq!(states, [SilenceState::Expired, SilenceState::Active]);
    let again = story.alerts.expire_silence("s1", now, &mut out);
    assert_eq!(again, Err(SilenceError::AlreadyExpired("s1".to_owned())));
    let unknown = NewSilence { id: Some("s9".to_owned()), ..change(known.matchers.clone(), 900, start) };
    let unknown = story.alerts.put_silence(unknown, "s3", now, &mut out);
    assert_eq!(unknown, Err(SilenceError::NotFound("s9".to_owned())));
}

#[test]
fn too_many_alerts_are_refused_and_counted() {
    let mut story = Story::at_hour(12);
    let small = Config { alerts_max: 1, ..config() };
    story.alerts.reload(small, story.start, &mut story.journal);
    story.post(0, A1, false);
    let now = story.start;
    let second = Alert {
        labels: Labels::from_pairs(A2.iter().copied()),
        annotations: Labels::empty(),
        starts_at: now,
        ends_at: None,
        generator_url: "".into(),
        updated_at: now,
    };
    assert_eq!(story.alerts.receive(vec![second], now, &mut story.journal).refused, 1);
}

/// What is wrong with a configuration, as `LINE:COL what`.
fn check_config(text: &str, wanted: &str) {
    let route: RouteConfig = serde_saphyr::from_str(text).unwrap();
    let receivers = [ReceiverShape { name: "team".to_owned(), integrations: Vec::new() }];
    let raw = RawConfig { route: Some(&route), receivers: &receivers, ..RawConfig::default() };
    let problems = Config::resolve(raw).unwrap_err();
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(lines.iter().any(|line| line.contains(wanted)), "{text}\nwanted {wanted}\n   got {lines:#?}");
}

#[test]
fn problems_name_their_place() {
    for (text, wanted) in [
        ("group_wait: 30s", "1:13: error: the root route names no receiver"),
        ("receiver: nobody", "1:11: error: undefined receiver \"nobody\" used in route"),
        ("receiver: team\ngroup_wait: 5 minutes", "2:13: error: \"5 minutes\" is not a duration"),
        ("receiver: team\nrepeat_interval: 0s", "2:18: error: repeat_interval cannot be zero"),
        ("receiver: team\ngroup_by: [a, b, a]", "2:18: error: duplicated label \"a\" in group_by"),
        ("receiver: team\ngroup_by: ['...', b]", "2:12: error: group_by has '...' beside other labels"),
        ("receiver: team\nroutes: [{matchers: ['a=~\"(\"']}]", "2:22: error: bad matcher"),
        ("receiver: team\nroutes: [{matchers: ['a b']}]", "an operator is expected here"),
        (
            "receiver: team\nroutes: [{mute_time_intervals: [x]}]",
            "2:33: error: undefined time interval \"x\"",
        ),
        ("receiver: team\nroutes: [{match_re: {a: '['}}]", "2:25: error: bad regular expression"),
        ("receiver: team\ncontinue: true", "the root route must not have continue"),
    ] {
        check_config(text, wanted);
    }
}

#[test]
fn what_no_rule_fires_any_more_ends() {
    let alert = |labels: &[(&str, &str)], at, ends_at| Alert {
        labels: Labels::from_pairs(labels.iter().copied()),
        annotations: Labels::empty(),
        starts_at: at,
        ends_at,
        generator_url: "".into(),
        updated_at: at,
    };
    let mut story = Story::at_hour(12);
    story.post(0, A1, false);
    story.post(0, A2, false);
    let (now, later) = (story.time(0), story.time(10_000));
    let client = alert(INSTANT, now, Some(later));
    story.alerts.receive(vec![client], now, &mut story.journal);
    assert_eq!(story.told(100), ["0 firing +I", "30 firing +A1 +A2"]);
    let now = story.time(100);
    story.alerts.reconcile(vec![alert(A1, now, None), alert(NIGHT, now, None)], now, &mut story.journal);
    story.last = now;
    assert_eq!(story.told(1000), ["130 firing +N", "330 firing +A1 -A2"]);
    let seen: Vec<_> =
        story.alerts.list(&[], story.time(1000)).into_iter().map(|view| view.alert.starts_at).collect();
    assert_eq!(seen, [story.time(0), story.time(0), story.time(100)], "what goes on is left alone");
}

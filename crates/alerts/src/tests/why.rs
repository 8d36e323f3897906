//! `why` against what a recording receiver got: scripted scenarios from a seed, asked about from the journal alone, and while they
//! run about what will come next.

use super::*;
use crate::silences::Silences;
use crate::why::{Beside, Why, explain};
use std::collections::{BTreeMap, BTreeSet};

const SCENARIOS: u64 = 200;
/// How long each goes on, in seconds.
const LENGTH: u64 = 3 * 3600;
/// From then on nothing happens but what was to be foreseen.
const CALM: u64 = 2 * 3600;

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }
}

const SETS: [&[(&str, &str)]; 8] = [
    &[("alertname", "A"), ("i", "1")],
    &[("alertname", "A"), ("i", "2")],
    &[("alertname", "I"), ("mode", "instant")],
    &[("alertname", "Q"), ("mode", "quiet")],
    &[("alertname", "N"), ("mode", "night")],
    &[("alertname", "Down"), ("severity", "critical"), ("cluster", "eu")],
    &[("alertname", "Slow"), ("severity", "warning"), ("cluster", "eu")],
    &[("alertname", "L"), ("mode", "ladder")],
];

fn setup() -> Config {
    let config = CONFIG.replace("repeat_interval: 4h", "repeat_interval: 40m");
    let route = format!("{config}- matchers: [mode=\"ladder\"]\n  group_wait: 10s\n  escalation: ladder\n");
    let route: RouteConfig = serde_saphyr::from_str(&route).unwrap();
    let ladder = "[{name: ladder, repeat: 1, steps: [{wait: 3m}, {notify: boss, wait: 5m}]}]";
    let escalations: Vec<EscalationConfig> = serde_saphyr::from_str(ladder).unwrap();
    let inhibit: Vec<InhibitRuleConfig> = serde_saphyr::from_str(INHIBIT).unwrap();
    let intervals: Vec<TimeIntervalConfig> = serde_saphyr::from_str(INTERVALS).unwrap();
    let shape = |name: &str, count: usize, send_resolved| ReceiverShape {
        name: name.to_owned(),
        integrations: (0..count)
            .map(|n| Integration { name: format!("webhook[{n}]"), send_resolved })
            .collect(),
    };
    let receivers = [shape("team", 2, true), shape("quiet", 1, false), shape("boss", 1, true)];
    let raw = RawConfig {
        route: Some(&route),
        inhibit_rules: &inhibit,
        time_intervals: &intervals,
        receivers: &receivers,
        escalations: &escalations,
        ..RawConfig::default()
    };
    Config::resolve(raw).unwrap().0
}

/// What a receiver got.
struct Arrival {
    at: u64,
    page: Page,
}

/// A message on its way.
struct Flight {
    due: u64,
    page: Page,
}

struct Scenario {
    story: Story,
    dice: Dice,
    flying: Vec<Flight>,
    arrived: Vec<Arrival>,
    decided: Vec<Arrival>,
    /// Integrations that answer with 503, until then.
    down: BTreeMap<String, u64>,
    /// When something happened beside a turn of a group.
    stirred: BTreeSet<u64>,
    /// What was said at once when something had happened.
    said: Vec<(u64, Why)>,
}

impl Scenario {
    fn run(seed: u64) -> Scenario {
        let mut one = Scenario {
            story: Story::with(setup(), 4),
            dice: Dice(seed),
            flying: Vec::new(),
            arrived: Vec::new(),
            decided: Vec::new(),
            down: BTreeMap::new(),
            stirred: BTreeSet::new(),
            said: Vec::new(),
        };
        let mut next = 0;
        for now in 0..LENGTH {
            if now == next && now < CALM {
                one.event(now);
                one.stirred.insert(now);
                next = now + 1 + one.dice.roll(240);
            }
            let due = one.story.alerts.next_wake().is_some_and(|wake| wake <= one.story.time(now));
            if due || one.flying.iter().any(|flight| flight.due <= now) {
                one.turn(now);
            }
            let is_due = one.story.alerts.next_wake().is_some_and(|wake| wake <= one.story.time(now));
            if one.stirred.contains(&now) && !is_due {
                one.ask(now);
            }
        }
        one
    }

    /// What is said about one alert after another.
    fn ask(&mut self, now: u64) {
        let set = SETS[self.said.len() % SETS.len()];
        let labels = Labels::from_pairs(set.iter().copied());
        let decisions = self.story.alerts.decisions();
        let answers = self.story.alerts.why_now(&labels, self.story.time(now), decisions);
        self.said.extend(answers.into_iter().map(|why| (now, why)));
    }

    /// Something happens.
    fn event(&mut self, now: u64) {
        let set = SETS[self.dice.roll(SETS.len() as u64) as usize];
        match self.dice.roll(20) {
            0..2 => {
                self.story.post_until(now, set, Some(now + 240));
                self.stirred.insert(now + 240);
            }
            2..8 => self.story.post(now, set, false),
            8..13 => self.story.post(now, set, true),
            13 => {
                let length = 60 + self.dice.roll(2000);
                let name = set[0].1;
                let silence = NewSilence {
                    id: None,
                    matchers: vec![Matcher::equal("alertname", name)],
                    starts_at: self.story.time(now),
                    ends_at: self.story.time(now + length),
                    created_by: "ada".to_owned(),
                    comment: "planned".to_owned(),
                    terms: Terms::default(),
                    guard: Guard::Upstream,
                };
                let (at, id) = (self.story.time(now), format!("s{now}"));
                self.story.alerts.put_silence(silence, &id, at, &mut self.story.journal).unwrap();
            }
            14 | 15 => {
                let names = ["team/webhook[0]", "team/webhook[1]", "quiet/webhook[0]", "boss/webhook[0]"];
                let name = names[self.dice.roll(4) as usize].to_owned();
                self.down.insert(name, now + 30 + self.dice.roll(3000));
            }
            16 | 17 => {
                let ids: Vec<String> =
                    self.story.alerts.incidents(None).iter().map(|one| one.id.clone()).collect();
                let act = match self.dice.roll(3) {
                    0 => Act::Acknowledge,
                    1 => Act::Snooze { until: self.story.time(now + 100 + self.dice.roll(2000)) },
                    _ => Act::Resolve,
                };
                if !ids.is_empty() {
                    let id = &ids[self.dice.roll(ids.len() as u64) as usize];
                    let at = self.story.time(now);
                    // Whether it applies is not what is tested here.
                    let _ = self.story.alerts.act(id, act, "ada", at, &mut self.story.journal);
                }
            }
            18 => {
                let at = self.story.time(now);
                self.story.alerts.reload(setup(), at, &mut self.story.journal);
            }
            _ => {
                self.story.restart(now);
                // What had ended and not been seen to gets as long again.
                self.stirred.insert(now + 240);
            }
        }
    }

    /// What is due leaves; what is on its way arrives, or does not.
    fn turn(&mut self, now: u64) {
        let at = self.story.time(now);
        let pages = self.story.alerts.tick(at, &mut self.story.journal);
        for notice in self.story.alerts.take_notices() {
            match notice {
                Notice::Replaced { old, .. } | Notice::Withdrawn { key: old } => {
                    self.flying.retain(|flight| flight.page.key != old);
                }
                _ => {}
            }
        }
        for page in pages {
            self.decided.push(Arrival { at: now, page: page.clone() });
            self.flying.push(Flight { due: now + self.dice.roll(3), page });
        }
        for mut flight in std::mem::take(&mut self.flying) {
            if flight.due > now {
                self.flying.push(flight);
                continue;
            }
            self.stirred.insert(now);
            let page = &flight.page;
            let name = format!("{}/{}", page.receiver, page.integration);
            if self.down.get(&name).is_some_and(|until| now < *until) {
                let tried = Tried { code: "503", error: "unwell", kept: None };
                self.story.alerts.attempted(&page.key, tried, at, &mut self.story.journal);
                flight.due = now + 20;
                self.flying.push(flight);
            } else {
                self.story.alerts.delivered(&page.key, Ok(()), at, &mut self.story.journal);
                self.arrived.push(Arrival { at: now, page: flight.page });
            }
        }
    }

    /// What differs between the answers and what happened, at one instant.
    fn check(
        &self,
        journal: &Journal,
        now: u64,
        answered: &mut BTreeMap<&'static str, u32>,
    ) -> Result<(), String> {
        for set in SETS {
            let labels = Labels::from_pairs(set.iter().copied());
            let at = self.story.time(now);
            let decisions = journal.decisions.get(&labels).into_iter().flatten();
            let answers = explain(&labels, at, decisions, &journal.beside(&self.story.config));
            let why = match &answers[..] {
                [why] => why,
                _ => return Err(format!("{labels}: {} answers", answers.len())),
            };
            let word = if why.verdict_word() == "deliver" { "deliver" } else { why.reason_word() };
            *answered.entry(word).or_default() += 1;
            self.check_one(&labels, now, why)
                .map_err(|what| format!("{labels} at {now}: {what}\n{why:#?}"))?;
        }
        Ok(())
    }

    fn check_one(&self, labels: &Labels, now: u64, why: &Why) -> Result<(), String> {
        let about = |page: &Page| page.alerts.iter().any(|alert| alert.labels == *labels);
        let since = why.since.map_or(u64::MAX, |since| since.since(self.story.start).as_secs());
        let got: Vec<(u64, &str)> = self
            .arrived
            .iter()
            .filter(|arrival| arrival.at <= now && about(&arrival.page))
            .map(|arrival| (arrival.at, arrival.page.key.as_str()))
            .filter(|(_, key)| self.decided.iter().any(|page| page.page.key == *key && page.at >= since))
            .collect();
        let mut said: Vec<(u64, &str)> = why
            .receivers
            .iter()
            .flat_map(|receiver| &receiver.attempts)
            .filter(|attempt| attempt.arrived)
            .map(|attempt| (attempt.at.since(self.story.start).as_secs(), attempt.key.as_str()))
            .collect();
        let mut got = got;
        said.sort_unstable();
        got.sort_unstable();
        if said != got {
            return Err(format!("the receivers got {got:?}"));
        }
        let decided = self.decided.iter().filter(|page| page.at <= now && about(&page.page));
        let last = decided.max_by_key(|page| page.at);
        let fires = |page: &Page| page.firing().any(|alert| alert.labels == *labels);
        match why.verdict {
            // Nothing on record: nobody was ever to be told.
            None if last.is_some() => Err("a page was decided on".to_owned()),
            Some(Verdict::Deliver) => match last {
                None => Err("no page was decided on".to_owned()),
                Some(page) if fires(&page.page) == why.over => Err("the page says otherwise".to_owned()),
                Some(_) => Ok(()),
            },
            Some(Verdict::Hold(Hold::ReceiverDown)) if last.is_none() => Err("no page failed".to_owned()),
            _ => Ok(()),
        }
    }

    /// Until something happens, the next page leaves when it is said to, and none before.
    fn check_next(&self, foretold: &mut u32) -> Result<(), String> {
        for (now, why) in &self.said {
            let fires = |page: &Page| page.firing().any(|alert| alert.labels == why.alert);
            let later = self.decided.iter().filter(|page| page.at > *now && fires(&page.page));
            let left = later.map(|page| page.at).min();
            let stirred = self.stirred.range(now + 1..).next().copied().unwrap_or(LENGTH);
            let said = why.next_send.map(|next| next.since(self.story.start).as_secs());
            let wrong = match (said.filter(|_| !why.over), left) {
                (Some(said), left) if said < stirred && left != Some(said) => {
                    format!("not at {said}, but {left:?}")
                }
                (None, Some(left)) if left < stirred => format!("at {left}"),
                (Some(said), Some(left)) if left < stirred.min(said) => format!("at {left} already"),
                (Some(said), _) if said < stirred => {
                    *foretold += 1;
                    continue;
                }
                _ => continue,
            };
            return Err(format!("{} at {now}: a page left {wrong}\n{why:#?}", why.alert));
        }
        Ok(())
    }

    /// At the instant at which a page is decided on, it is said to be delivered, or that it cannot be.
    fn check_pages(&self, journal: &Journal) -> Result<(), String> {
        for Arrival { at: now, page } in &self.decided {
            for alert in page.firing() {
                let decisions = journal.decisions.get(&alert.labels).into_iter().flatten();
                let beside = Beside { incidents: Vec::new(), ..journal.beside(&self.story.config) };
                let answers = explain(&alert.labels, page.at, decisions, &beside);
                let told = |why: &Why| match why.verdict {
                    Some(Verdict::Deliver) => !why.over,
                    Some(Verdict::Hold(hold)) => matches!(hold, Hold::ReceiverDown),
                    None => false,
                };
                if !answers.iter().any(told) {
                    return Err(format!("{} at {now}: {} was sent\n{answers:#?}", alert.labels, page.key));
                }
            }
        }
        Ok(())
    }
}

/// What is on record.
struct Journal {
    decisions: BTreeMap<Labels, Vec<Decision>>,
    incidents: Vec<Incident>,
    silences: Silences,
}

impl Journal {
    fn beside<'a>(&'a self, config: &'a Config) -> Beside<'a> {
        Beside {
            incidents: self.incidents.iter().collect(),
            config,
            silences: &self.silences,
            alert: None,
            is_now: false,
        }
    }

    /// As it is read back.
    fn of(changes: &[Change]) -> Journal {
        let mut decisions = BTreeMap::<Labels, Vec<Decision>>::new();
        let (mut incidents, mut lines) = (Vec::<Incident>::new(), BTreeMap::new());
        let mut silences = Silences::default();
        let known = changes.iter().filter_map(|change| match change {
            Change::Alert(_, alert) => Some((alert.labels.fingerprint(), alert.labels.clone())),
            _ => None,
        });
        let known: BTreeMap<u64, Labels> = known.collect();
        for change in rows(changes) {
            match change {
                Change::Decision(decision) => {
                    decisions.entry(decision.alert.clone()).or_default().push(decision);
                }
                Change::Wait(wait) => {
                    for decision in wait.decisions(|alert| known.get(&alert).cloned()) {
                        decisions.entry(decision.alert.clone()).or_default().push(decision);
                    }
                }
                Change::Incident(incident) => incidents.push(*incident),
                Change::Silence(silence) => silences.put(silence),
                Change::Line { incident, nth, entry } => drop(lines.insert((incident, nth), entry)),
                _ => {}
            }
        }
        for incident in &mut incidents {
            let number = incident.number;
            let own = lines.iter().filter(|((of, _), _)| *of == number);
            own.for_each(|((_, nth), entry)| incident.put_line(*nth, entry));
        }
        Journal { decisions, incidents, silences }
    }
}

#[test]
fn why_says_what_the_receivers_got() {
    let (mut good, mut asked, mut foretold, mut bad) = (0, 0, 0, Vec::new());
    let mut answered = BTreeMap::new();
    for seed in 0..SCENARIOS {
        let scenario = Scenario::run(seed);
        let journal = Journal::of(&scenario.story.journal);
        let mut dice = Dice(seed);
        let mut result = scenario.check_pages(&journal).and_then(|()| scenario.check_next(&mut foretold));
        for _ in 0..40 {
            asked += SETS.len();
            result = result.and_then(|()| scenario.check(&journal, dice.roll(LENGTH), &mut answered));
        }
        match result {
            Ok(()) => good += 1,
            Err(why) => bad.push(format!("seed {seed}: {why}")),
        }
    }
    println!(
        "why: {good} of {SCENARIOS} scenarios, asked {asked} times: {answered:?}; {foretold} pages foretold"
    );
    for reason in ["deliver", "silenced", "inhibited", "muted", "grouped", "repeat", "damped", "acknowledged"]
    {
        assert!(answered.contains_key(reason), "no scenario leads to {reason}");
    }
    assert!(answered.contains_key("receiver_down"), "no receiver was down");
    assert!(foretold > 200, "{foretold} pages were foretold");
    assert!(bad.is_empty(), "{} differ; the first:\n{}", bad.len(), bad[0]);
}

//! A storm of alerts, silences and what people do about them, and `kill -9` in its middle, again and again: nothing
//! that was acknowledged is lost, no page is missing, and one that comes twice comes under the same key because the
//! crash fell between its receipt and our hearing of it. With `./test --long` Debian's alertmanager lives through the
//! same script beside it, and what it loses is printed.

#[path = "support/heard.rs"]
mod heard;
#[path = "support/houses.rs"]
mod houses;
#[path = "support/listener.rs"]
mod listener;
#[path = "support/script.rs"]
mod script;
mod support;

use heard::Heard;
use houses::{Debian, House};
use jiff::{Timestamp, ToSpan};
use listener::{Listener, Message};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rustix::process::{Pid, Signal, kill_process};
use script::{Act, Model, Op, group_name};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    thread::JoinHandle,
    time::{Duration, Instant},
};
use support::{Reply, Tocsin, depth, get, post_json, request};

const LIMIT: Duration = Duration::from_secs(30);
/// Within it Alertmanager would have said all that it knows.
const PEER_LIMIT: Duration = Duration::from_millis(1500);
/// How long the receiver thinks before it answers.
const THINKS: Duration = Duration::from_millis(30);
/// The kill falls within it, counted from the first request of a round; its pages leave within it, too.
const WINDOW_MS: u64 = 900;

fn routing(url: &str) -> String {
    format!(
        "route:
  receiver: team
  group_by: [alertname]
  group_wait: 200ms
  group_interval: 300ms
  repeat_interval: 24h
  routes:
  - {{matchers: [alertname=\"Waits\"], group_wait: 12h}}
receivers: [{{name: team, webhook_configs: [{{url: '{url}'}}]}}]
"
    )
}

struct Storm<H> {
    house: H,
    listener: Listener,
    rng: StdRng,
    /// What is drawn from, with people's acts.
    plan: Model,
    /// What must be so here.
    model: Model,
    heard: Heard,
    killer: Option<JoinHandle<Timestamp>>,
    kills: Vec<Timestamp>,
    naps: Vec<(String, Timestamp, Timestamp)>,
    waits: Value,
    ops: BTreeMap<String, usize>,
    /// Whether a nap of this round was taken nobody knows: a reminder may come.
    unsure: bool,
}

fn now() -> Timestamp {
    Timestamp::from_millisecond(Timestamp::now().as_millisecond()).expect("in range")
}

impl<H: House> Storm<H> {
    fn start(house: H, listener: Listener, rng: StdRng) -> Storm<H> {
        let mut storm = Storm {
            house,
            listener,
            rng,
            plan: Model::default(),
            model: Model::default(),
            heard: Heard::default(),
            killer: None,
            kills: Vec::new(),
            naps: Vec::new(),
            waits: Value::Null,
            ops: BTreeMap::new(),
            unsure: false,
        };
        storm.post_alert("Waits", "0", now(), now() + 48.hours());
        storm.waits = storm.next_send();
        storm
    }

    /// Asks until somebody answers; the server may be killed at any moment of it. `again`: it may have been heard before.
    fn ask(&mut self, send: impl Fn(&str, bool) -> Option<Reply>) -> (Reply, bool) {
        let mut again = false;
        loop {
            if let Some(reply) = send(&self.house.url(), again) {
                return (reply, again);
            }
            again = true;
            self.raise();
        }
    }

    /// After the kill: starts it again.
    fn raise(&mut self) {
        let Some(killer) = self.killer.take() else { panic!("it does not answer, and nobody killed it") };
        self.kills.push(killer.join().expect("it kills"));
        self.house.bury();
        self.house.start_again();
    }

    fn post_alert(&mut self, name: &str, instance: &str, starts: Timestamp, ends: Timestamp) {
        let labels = json!({"alertname": name, "instance": instance});
        let body = json!([{"labels": labels, "startsAt": starts.to_string(), "endsAt": ends.to_string()}]);
        let (reply, _) = self.ask(|url, _| post_json(&format!("{url}/api/v2/alerts"), &body));
        assert_eq!(reply.status, 200, "{body}: {}", reply.body);
    }

    fn silence(&mut self, op: Op, ends: Timestamp) -> String {
        let comment = format!("{} {} {ends}", op.name(), op.slot);
        let matcher = |name: &str, value: String| json!({"name": name, "value": value, "isRegex": false});
        let body = json!({
            "matchers": [matcher("alertname", op.name()), matcher("instance", op.slot.to_string())],
            "startsAt": now().to_string(), "endsAt": ends.to_string(), "createdBy": "kim", "comment": comment,
        });
        let (reply, _) = self.ask(|url, again| {
            let known = if again { get(&format!("{url}/api/v2/silences")) } else { None };
            let mine = |reply: &Reply| {
                reply.json().as_array().is_some_and(|all| all.iter().any(|one| one["comment"] == comment))
            };
            known.filter(mine).or_else(|| post_json(&format!("{url}/api/v2/silences"), &body))
        });
        assert_eq!(reply.status, 200, "{}", reply.body);
        let all = reply.json();
        let mine = all.as_array().and_then(|all| all.iter().find(|one| one["comment"] == comment));
        let id = mine.map_or(&all["silenceID"], |one| &one["id"]);
        id.as_str().unwrap_or_else(|| panic!("an id: {all}")).to_owned()
    }

    fn incident_of(&self, group: &str) -> String {
        self.heard.last[group].incident.clone()
    }

    /// One thing that happens, until it is acknowledged.
    fn happen(&mut self, op: Op) {
        let slot = self.plan.groups[op.group].slots[op.slot].clone();
        let (at, mut far, mut id) = (now(), now() + 24.hours(), None);
        *self.ops.entry(format!("{:?}", op.act)).or_default() += 1;
        match op.act {
            Act::Fire => self.post_alert(&op.name(), &op.slot.to_string(), at, far),
            Act::Refresh | Act::Resolve => {
                let (starts, _) = slot.fires.expect("it fires");
                let ends = if op.act == Act::Resolve { at } else { far };
                self.post_alert(&op.name(), &op.slot.to_string(), starts, ends);
            }
            Act::Silence => id = Some(self.silence(op, far)),
            Act::Expire => {
                let silence =
                    self.model.groups[op.group].slots[op.slot].silence.clone().expect("it is silenced");
                let path = format!("/api/v2/silence/{silence}");
                let (reply, again) = self.ask(|url, _| request("DELETE", &format!("{url}{path}"), &[], ""));
                assert!(reply.status == 200 || again || !H::OURS, "{}", reply.body);
            }
            _ if !H::OURS => {}
            Act::Acknowledge => {
                let path = format!("/api/v1/incidents/{}/acknowledge", self.incident_of(&op.name()));
                let (reply, again) =
                    self.ask(|url, _| post_json(&format!("{url}{path}"), &json!({"by": "kim"})));
                assert!(reply.status == 200 || again && reply.status == 409, "{op:?}: {}", reply.body);
            }
            Act::Snooze | Act::Nap => {
                if op.act == Act::Nap {
                    far = at + 1500.milliseconds();
                }
                let path = format!("/api/v1/incidents/{}/snooze", self.incident_of(&op.name()));
                let body = json!({"until": far.to_string()});
                let (reply, again) = self.ask(|url, _| post_json(&format!("{url}{path}"), &body));
                // It may have been taken, and be over before anybody came back to hear of it.
                let over = op.act == Act::Nap && again && reply.status != 200;
                assert!(reply.status == 200 || over, "{op:?}: {}", reply.body);
                if over {
                    self.unsure = true;
                    return;
                }
                if op.act == Act::Nap {
                    self.naps.push((op.name(), at, far));
                }
            }
        }
        self.plan.apply(op, (at, far), id.clone());
        if H::OURS || op.act.is_classic() {
            self.model.apply(op, (at, far), id);
        }
    }

    fn next_send(&mut self) -> Value {
        if !H::OURS {
            return Value::Null;
        }
        let path = "/api/v1/why?labels=alertname=Waits";
        let (reply, _) = self.ask(|url, _| get(&format!("{url}{path}")));
        reply.json()["group"]["next_send"].clone()
    }

    /// What is not as it must be: its kind, and what it is.
    fn differences(&mut self) -> BTreeSet<(&'static str, String)> {
        let messages = self.listener.since(self.heard.read);
        self.heard.take(messages, &self.kills, &mut self.naps, !self.unsure);
        let mut found = BTreeSet::new();
        let (reply, _) = self.ask(|url, _| get(&format!("{url}/api/v2/alerts")));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut alerts: BTreeMap<(String, String), Value> = BTreeMap::new();
        for alert in reply.json().as_array().into_iter().flatten() {
            let labels = &alert["labels"];
            alerts.insert((text(&labels["alertname"]), text(&labels["instance"])), alert.clone());
        }
        if alerts.remove(&("Waits".to_owned(), "0".to_owned())).is_none() {
            found.insert(("alert", "Waits".to_owned()));
        }
        let (reply, _) = self.ask(|url, _| get(&format!("{url}/api/v2/silences")));
        let mut silences: BTreeMap<String, Value> = BTreeMap::new();
        for silence in reply.json().as_array().into_iter().flatten() {
            if silence["status"]["state"] == "active" {
                silences.insert(text(&silence["id"]), silence["endsAt"].clone());
            }
        }
        let instant = |value: &Value| value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
        for (at, group) in self.model.groups.iter().enumerate() {
            for (nth, slot) in group.slots.iter().enumerate() {
                let name = (group_name(at), nth.to_string());
                let here = alerts.remove(&name);
                let times = here.as_ref().and_then(|it| instant(&it["startsAt"]).zip(instant(&it["endsAt"])));
                if times != slot.fires {
                    found.insert(("alert", format!("{name:?}: {times:?}, not {:?}", slot.fires)));
                }
                if let Some(id) = &slot.silence
                    && silences.remove(id).is_none()
                {
                    found.insert(("silence", format!("{name:?}: {id}")));
                }
                if self.heard.said.get(&name) != slot.told.as_ref() {
                    let heard = self.heard.said.get(&name);
                    found.insert(("page", format!("{name:?}: heard {heard:?}, not {:?}", slot.told)));
                }
            }
        }
        found.extend(alerts.into_keys().map(|name| ("alert", format!("{name:?} should have ended"))));
        found.extend(silences.into_keys().map(|id| ("silence", format!("{id} should have expired"))));
        if H::OURS {
            self.incidents(&mut found);
            let waits = self.next_send();
            if waits != self.waits {
                found.insert(("timer", format!("of a group that waits: {waits}, not {}", self.waits)));
            }
        }
        found
    }

    fn incidents(&mut self, found: &mut BTreeSet<(&'static str, String)>) {
        for at in 0..script::GROUPS {
            let group = self.model.groups[at].clone();
            if !group.taken && group.until.is_none() {
                continue;
            }
            let path = format!("/api/v1/incidents/{}", self.incident_of(&group_name(at)));
            let (reply, _) = self.ask(|url, _| get(&format!("{url}{path}")));
            let incident = reply.json();
            let until = incident["snoozed_until"].as_str().and_then(|text| text.parse::<Timestamp>().ok());
            if incident["state"] != "acknowledged" || incident["acknowledged_by"].is_null() {
                found.insert(("acknowledgement", format!("{}: {incident}", group_name(at))));
            } else if until != group.until {
                found.insert(("timer", format!("{}: {until:?}, not {:?}", group_name(at), group.until)));
            }
        }
    }

    /// Some things happen, the kill falls among them or soon after, and it starts again.
    fn strike(&mut self) {
        self.unsure = false;
        let ops = self.plan.draw(&mut self.rng);
        let after = Duration::from_millis(self.rng.random_range(0..WINDOW_MS));
        let pid = Pid::from_raw(i32::try_from(self.house.pid()).expect("a pid")).expect("not 0");
        self.killer = Some(std::thread::spawn(move || {
            std::thread::sleep(after);
            kill_process(pid, Signal::KILL).expect("it is our own child");
            Timestamp::now()
        }));
        for op in ops {
            self.happen(op);
        }
        if self.killer.is_some() {
            self.raise();
        }
        for (_, _, until) in self.naps.clone() {
            let left = until.duration_since(Timestamp::now());
            std::thread::sleep(Duration::try_from(left).unwrap_or_default());
        }
        self.plan.settle();
        self.model.settle();
    }

    fn settled(&mut self, limit: Duration) -> BTreeSet<(&'static str, String)> {
        let start = Instant::now();
        loop {
            let mut found = self.differences();
            for (group, _, until) in &self.naps {
                found
                    .insert(("timer", format!("{group} was put off until {until} and is not told of since")));
            }
            if found.is_empty() || start.elapsed() > limit {
                return found;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn summary(&self) -> String {
        format!(
            "{} kills, {:?}, {} pages, {} of them came twice under the same key",
            self.kills.len(),
            self.ops,
            self.heard.pages,
            self.heard.again
        )
    }
}

impl Storm<Tocsin> {
    fn round(&mut self) {
        self.strike();
        let napped = self.naps.clone();
        let found = self.settled(LIMIT);
        assert!(found.is_empty(), "{found:#?}\nlast kill: {:?}\n{}", self.kills.last(), self.house.log());
        assert!(self.heard.twice.is_empty(), "{:#?}\nkills: {:?}", self.heard.twice, self.kills);
        assert!(!self.heard.keys.contains_key(""), "a page without a key");
        for (group, from, until) in napped {
            let early = self.listener.since(self.heard.read.saturating_sub(50)).into_iter();
            let early: Vec<Message> = early
                .filter(|got| got.group == group && from < got.at && got.at < until && got.is_firing())
                .collect();
            assert!(
                early.iter().all(|got| self.heard.keys[&got.key].at < from),
                "told while put off: {early:?}"
            );
        }
    }
}

impl Storm<Debian> {
    /// The same script; what each kill loses is counted and given back.
    fn live_through(&mut self, rounds: usize) -> BTreeMap<&'static str, usize> {
        let (mut lost, mut known) = (BTreeMap::<&'static str, usize>::new(), BTreeSet::new());
        for round in 1..=rounds {
            self.strike();
            let found = self.settled(PEER_LIMIT);
            for (kind, _) in found.difference(&known) {
                *lost.entry(kind).or_default() += 1;
            }
            // What was never said stays unsaid; all else is there again.
            known = found.into_iter().filter(|(kind, _)| *kind == "page").collect();
            self.give_back();
            if round % 50 == 0 {
                println!("prometheus-alertmanager, round {round} of {rounds}: lost: {lost:?}");
            }
        }
        lost.insert("pages that came again as if new", self.heard.twice.len());
        lost
    }

    /// Alerts as Prometheus would send them again, silences as somebody would make them again.
    fn give_back(&mut self) {
        self.post_alert("Waits", "0", now(), now() + 48.hours());
        let (reply, _) = self.ask(|url, _| get(&format!("{url}/api/v2/silences")));
        for group in 0..script::GROUPS {
            for slot in 0..script::EACH {
                let at = self.model.groups[group].slots[slot].clone();
                if let Some((starts, ends)) = at.fires {
                    self.post_alert(&group_name(group), &slot.to_string(), starts, ends);
                }
                if at.silence.is_some_and(|id| !reply.body.contains(&id)) {
                    let op = Op { group, slot, act: Act::Silence };
                    let id = self.silence(op, now() + 24.hours());
                    self.model.groups[group].slots[slot].silence = Some(id);
                }
            }
        }
    }
}

#[test]
fn kills_in_a_storm_lose_nothing_and_repeat_only_what_nobody_heard_of() {
    let (seed, rounds) = (support::seed(), depth(20, 1_000));
    let beside = (depth(0, 1) == 1).then(|| {
        std::thread::spawn(move || {
            let listener = Listener::start(THINKS);
            let house = Debian::start(&routing(&listener.url("page")));
            let mut storm = Storm::start(house, listener, StdRng::seed_from_u64(seed));
            let lost = storm.live_through(rounds);
            println!("prometheus-alertmanager: {}; lost: {lost:?}", storm.summary());
        })
    });
    let listener = Listener::start(THINKS);
    let mut tocsin = Tocsin::prepare(&[], &[]);
    let file = tocsin.dir.path().join("alertmanager.yml");
    std::fs::write(&file, routing(&listener.url("page"))).expect("our own directory");
    tocsin.add_args(&["--alertmanager-config", file.to_str().expect("a plain path")]);
    tocsin.start_again();
    let mut storm = Storm::start(tocsin, listener, StdRng::seed_from_u64(seed));
    let start = Instant::now();
    for round in 1..=rounds {
        storm.round();
        if round % 10 == 0 {
            println!("round {round} of {rounds}: ok at {:.0} s", start.elapsed().as_secs_f64());
        }
    }
    println!("tocsin: {}; lost: 0", storm.summary());
    if let Some(beside) = beside {
        beside.join().expect("Debian's alertmanager lives through it");
    }
}

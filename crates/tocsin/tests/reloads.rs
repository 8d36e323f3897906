//! The configuration is read again and again while alerts come and go: no group or timer begins anew, nothing leaves
//! early or in parts, and a bad file changes nothing and says where it is bad.

#[path = "support/listener.rs"]
mod listener;
mod support;

use jiff::{Timestamp, ToSpan};
use listener::{Listener, Message};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use support::{Reply, Tocsin, depth, eventually, post_json};

const LIMIT: Duration = Duration::from_secs(30);
/// Alerts of one group; they come in one request and must leave in one message.
const EACH: usize = 5;
/// The shortest `group_wait` of all files.
const WAIT_MS: i64 = 300;
/// From the request to the message, at most: a wait that began anew at each reload would not end at all.
const LATE_MS: i64 = 5_000;

/// What a file changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum File {
    Plain,
    Equivalent,
    Slower,
    Another,
    Bad,
}

const FILES: [File; 5] = [File::Equivalent, File::Slower, File::Another, File::Bad, File::Plain];
/// Where [`File::Bad`] is bad.
const BAD_LINE: usize = 11;

fn text(file: File, url: &str) -> String {
    let wait = if file == File::Slower { "450ms" } else { "300ms" };
    let mut text = match file {
        File::Equivalent => format!(
            "# The same in other words.
receivers:
- webhook_configs:
  - url: \"{url}/team\"
  name: \"team\"
route:
  routes: [{{group_wait: 720m, matchers: ['alertname = Waits']}}]
  repeat_interval: 1d
  group_interval: 0s300ms
  group_wait: {wait}
  group_by: ['alertname']
  receiver: 'team'
"
        ),
        _ => format!(
            "route:
  receiver: team
  group_by: [alertname]
  group_wait: {wait}
  group_interval: 300ms
  repeat_interval: 24h
  routes:
  - {{matchers: [alertname=\"Waits\"], group_wait: 12h}}
receivers:
- name: team
  webhook_configs: [{{url: '{url}/team'}}]
"
        ),
    };
    match file {
        File::Another => {
            text += &format!("- name: other\n  webhook_configs: [{{url: '{url}/other'}}]\n");
            text =
                text.replace("  routes:\n", "  routes:\n  - {matchers: [team=\"other\"], receiver: other}\n");
        }
        File::Bad => text = text.replace("webhook_configs", "webhook_config"),
        File::Plain | File::Equivalent | File::Slower => {}
    }
    text
}

/// One group under load.
struct Story {
    name: String,
    asked: Timestamp,
    taken: Timestamp,
}

fn tell(url: &str, name: &str, starts: Timestamp, ends: Timestamp) -> Option<Reply> {
    let alert = |n: usize| {
        let labels = json!({"alertname": name, "instance": n.to_string()});
        json!({"labels": labels, "startsAt": starts.to_string(), "endsAt": ends.to_string()})
    };
    let alerts: Vec<Value> = (0..EACH).map(alert).collect();
    post_json(&format!("{url}/api/v2/alerts"), &json!(alerts)).filter(|reply| reply.status == 200)
}

/// Groups that come and go, some ten at a time, until it is told to stop.
fn load(url: &str, stop: &AtomicBool) -> Vec<Story> {
    let mut stories: Vec<Story> = Vec::new();
    let mut ended = 0;
    while !stop.load(Ordering::Relaxed) || ended < stories.len() {
        let asked = Timestamp::now();
        if !stop.load(Ordering::Relaxed) {
            let name = format!("Load{}", stories.len());
            tell(url, &name, asked, asked + 24.hours()).expect("it is taken");
            stories.push(Story { name, asked, taken: Timestamp::now() });
        }
        // Long enough for its first message to have left; the end follows it.
        let over = |story: &Story| story.asked + 3.seconds() < Timestamp::now();
        while stories.get(ended).is_some_and(over) {
            tell(url, &stories[ended].name, stories[ended].asked, Timestamp::now()).expect("it is taken");
            ended += 1;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    stories
}

struct Scene {
    tocsin: Tocsin,
    listener: Listener,
    file: PathBuf,
    reloads: usize,
}

impl Scene {
    fn start() -> Scene {
        let listener = Listener::start(Duration::ZERO);
        let mut tocsin = Tocsin::prepare(&[], &[]);
        let file = tocsin.dir.path().join("alertmanager.yml");
        tocsin.add_args(&["--alertmanager-config", file.to_str().expect("a plain path")]);
        let scene = Scene { tocsin, listener, file, reloads: 0 };
        scene.write(File::Plain);
        scene
    }

    fn write(&self, file: File) {
        let url = self.listener.url("").trim_end_matches('/').to_owned();
        std::fs::write(&self.file, text(file, &url)).expect("our own directory");
    }

    /// What the log says of reloads so far.
    fn said(&self) -> Vec<String> {
        let log = self.tocsin.log();
        let lines = log.lines().filter(|line| {
            line.contains("The configuration was reloaded")
                || line.contains("The configuration was not reloaded")
        });
        lines.map(str::to_owned).collect()
    }

    /// Has the file read again; what is said of it.
    fn reload(&mut self, by_signal: bool) -> (bool, String) {
        self.reloads += 1;
        if by_signal {
            let pid = Pid::from_raw(i32::try_from(self.tocsin.pid()).expect("a pid")).expect("not 0");
            kill_process(pid, Signal::HUP).expect("it runs");
            let line =
                eventually("it says what came of it", LIMIT, || self.said().get(self.reloads - 1).cloned());
            return (line.contains("was reloaded"), line);
        }
        let reply = self.tocsin.post("/-/reload", &json!({}));
        eventually("it says what came of it", LIMIT, || self.said().get(self.reloads - 1).cloned());
        (reply.status == 200, reply.body)
    }

    fn next_send(&self, alert: &str) -> Value {
        let why = self.tocsin.get(&format!("/api/v1/why?labels=alertname={alert}")).json();
        assert!(why["group"]["next_send"].is_string(), "{why}");
        why["group"]["next_send"].clone()
    }

    fn shown(&self) -> Value {
        self.tocsin.get("/api/v2/status").json()["config"]["original"].clone()
    }

    /// One file, read again: what was told and what waits is as before.
    fn change(&mut self, file: File, by_signal: bool) {
        let (waits, shown) = (self.next_send("Waits"), self.shown());
        self.write(file);
        let (done, said) = self.reload(by_signal);
        assert_eq!(done, file != File::Bad, "{file:?}, by signal: {by_signal}: {said}");
        if file == File::Bad {
            let place = format!("alertmanager.yml:{BAD_LINE}:");
            let column = said.split(&place).nth(1).and_then(|rest| rest.split(':').next());
            let column = column.and_then(|digits| digits.parse::<u32>().ok());
            assert!(column.is_some_and(|column| column > 0), "it does not say where: {said}");
            assert_eq!(self.shown(), shown, "a bad file changes nothing");
        }
        assert_eq!(self.next_send("Waits"), waits, "{file:?}: a wait began anew");
    }
}

/// Of each group one message with all that fires, in its time, and one with all that ended.
fn judge(stories: &[Story], got: &[Message]) -> i64 {
    let mut by_group: BTreeMap<&str, Vec<&Message>> = BTreeMap::new();
    for message in got {
        by_group.entry(&message.group).or_default().push(message);
    }
    let mut latest = 0;
    for Story { name, asked, taken } in stories {
        let messages = &by_group[name.as_str()];
        let told: Vec<(usize, bool)> = messages.iter().map(|got| (got.said.len(), got.is_firing())).collect();
        assert_eq!(
            told,
            [(EACH, true), (EACH, false)],
            "{name}: twice, in parts or not at all: {messages:?}"
        );
        let after = messages[0].at.as_millisecond() - asked.as_millisecond();
        assert!(after >= WAIT_MS - 1, "{name}: {after} ms after it was asked: too early");
        let after = messages[0].at.as_millisecond() - taken.as_millisecond();
        assert!(after <= LATE_MS, "{name}: {after} ms after it was taken: its wait began anew");
        latest = latest.max(after);
    }
    latest
}

#[test]
fn reloads_under_load_reset_nothing_and_say_nothing_early_or_in_parts() {
    let (mut rng, reloads) = (StdRng::seed_from_u64(support::seed()), depth(30, 1_000));
    let mut scene = Scene::start();
    scene.tocsin.start_again();
    let (url, far) = (scene.tocsin.url.clone(), Timestamp::now() + 48.hours());
    tell(&url, "Waits", Timestamp::now(), far).expect("it is taken");
    tell(&url, "Stands", Timestamp::now(), far).expect("it is taken");
    eventually("what stands is told", LIMIT, || scene.listener.since(0).into_iter().next());

    let stop = Arc::new(AtomicBool::new(false));
    let loading = std::thread::spawn({
        let (url, stop) = (url.clone(), stop.clone());
        move || load(&url, &stop)
    });
    for nth in 0..reloads {
        scene.change(FILES[nth % FILES.len()], rng.random_bool(0.5));
        std::thread::sleep(Duration::from_millis(rng.random_range(0..250)));
    }
    stop.store(true, Ordering::Relaxed);
    let stories = loading.join().expect("it takes all");
    let wanted = 1 + 2 * stories.len();
    eventually("all is told", LIMIT, || (scene.listener.since(0).len() >= wanted).then_some(()));
    let got = scene.listener.since(0);
    let latest = judge(&stories, &got);
    let of = |name: &str| got.iter().filter(|message| message.group == name).count();
    assert_eq!((of("Waits"), of("Stands")), (0, 1), "what waits waits, what was told is not said again");
    assert!(got.iter().all(|message| message.path == "team"), "nobody else is told");
    println!(
        "{reloads} reloads, {} groups, {} messages: 0 resets, 0 early, 0 in parts; the latest first message {latest} ms after its request",
        stories.len(),
        got.len()
    );
}

/// The labels and the receivers of each alert that the server lists, by receiver and name.
fn moves(answer: &Value) -> Vec<(String, String)> {
    let names = |of: &Value| of.as_array().expect("a list").iter().map(Value::to_string).collect::<String>();
    let one = |alert: &Value| {
        let to = format!("{} {}", names(&alert["from"]), names(&alert["to"]));
        (alert["labels"]["alertname"].as_str().expect("a name").to_owned(), to)
    };
    answer["would_move"].as_array().expect("a list").iter().map(one).collect()
}

/// Exit code of `tocsin reload`, and what it prints.
fn reload_verb(url: &str, args: &[&str]) -> (Option<i32>, String) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tocsin"));
    command.arg("reload").args(args).args(["--server", url]).env_remove("TOCSIN_KEY");
    let done = command.output().expect("the program starts");
    let said = String::from_utf8_lossy(if done.status.success() { &done.stdout } else { &done.stderr });
    (done.status.code(), said.into_owned())
}

#[test]
fn a_dry_run_lists_what_then_moves_and_changes_nothing() {
    let mut scene = Scene::start();
    scene.tocsin.start_again();
    let (url, far) = (scene.tocsin.url.clone(), Timestamp::now() + 48.hours());
    let labels = |name: &str, team: &str| json!({"alertname": name, "team": team});
    let fires = [("Waits", "other"), ("Mine", "mine"), ("Theirs", "other"), ("AlsoTheirs", "other")];
    let mut alerts: Vec<Value> = fires
        .iter()
        .map(|(name, team)| json!({"labels": labels(name, team), "endsAt": far.to_string()}))
        .collect();
    let past = Timestamp::now() - 1.hours();
    alerts.push(
        json!({"labels": labels("Over", "other"), "startsAt": past.to_string(), "endsAt": past.to_string()}),
    );
    let taken = post_json(&format!("{url}/api/v2/alerts"), &json!(alerts));
    assert!(taken.is_some_and(|reply| reply.status == 200));
    eventually("those of the team are told", LIMIT, || (scene.listener.since(0).len() == 3).then_some(()));
    let goes_to = || -> BTreeMap<String, Value> {
        let alerts = scene.tocsin.get("/api/v2/alerts").json();
        let alerts = alerts.as_array().expect("a list").iter();
        let one = |alert: &Value| {
            let name = alert["labels"]["alertname"].as_str().expect("a name").to_owned();
            (name, alert["receivers"][0]["name"].clone())
        };
        alerts.map(one).collect()
    };
    let dry = || scene.tocsin.post("/-/reload?dry_run=true", &json!({}));
    let verb = |args: &[&str]| reload_verb(&url, args);
    let (before, shown) = (goes_to(), scene.shown());

    // The file as it is, and the same in other words.
    for file in [File::Plain, File::Equivalent, File::Slower] {
        scene.write(file);
        assert_eq!(dry().json(), json!({"would_move": [], "total": 0}), "{file:?}");
    }
    assert!(verb(&["--dry-run"]).1.contains("no alert would go elsewhere"));

    scene.write(File::Bad);
    let refused = dry();
    let place = format!("alertmanager.yml:{BAD_LINE}:");
    assert!(refused.status == 400 && refused.body.contains(&place), "{} {}", refused.status, refused.body);
    let (code, said) = verb(&["--dry-run"]);
    assert!(code == Some(1) && said.contains(&place), "{said}");
    let info = scene.tocsin.get("/api/v1/status/runtimeinfo").json();
    assert_eq!(info["data"]["reloadConfigSuccess"], true, "nothing was reloaded");

    scene.write(File::Another);
    let answer = dry().json();
    let elsewhere = r#""team" "other""#.to_owned();
    let wanted = ["AlsoTheirs", "Theirs", "Waits"].map(|name| (name.to_owned(), elsewhere.clone()));
    assert_eq!((moves(&answer), answer["total"].as_u64()), (wanted.to_vec(), Some(3)));
    assert_eq!(answer["would_move"][1]["labels"], labels("Theirs", "other"));
    let (code, said) = verb(&["--dry-run"]);
    assert!(code == Some(0) && said.contains("team  other  Theirs {team=\"other\"}"), "{said}");
    assert_eq!(verb(&["--dry-run", "--json"]).1.trim(), answer.to_string());

    assert_eq!(
        (goes_to(), scene.shown(), scene.said()),
        (before.clone(), shown, Vec::new()),
        "it changed something"
    );
    assert_eq!(scene.listener.since(0).len(), 3, "it told somebody");

    // Those that it listed do move, and no others.
    assert_eq!(verb(&[]), (Some(0), "reloaded\n".to_owned()));
    let after = goes_to();
    let moved: Vec<String> =
        after.iter().filter(|(name, to)| before[*name] != **to).map(|(name, _)| name.clone()).collect();
    assert_eq!(moved, ["AlsoTheirs", "Theirs", "Waits"]);
    eventually("the others are told", LIMIT, || {
        let got = scene.listener.since(0);
        let of = |name: &str| got.iter().any(|message| message.group == name && message.path == "other");
        (of("Theirs") && of("AlsoTheirs")).then_some(())
    });
    assert_eq!(dry().json()["total"], 0);
}

#[test]
fn a_dry_run_lists_a_thousand_and_counts_all() {
    let mut scene = Scene::start();
    scene.tocsin.start_again();
    let url = scene.tocsin.url.clone();
    let one = |n: usize| json!({"labels": {"alertname": "Many", "team": "other", "instance": n.to_string()}});
    let alerts: Vec<Value> = (0..1_100).map(one).collect();
    let taken = post_json(&format!("{url}/api/v2/alerts"), &json!(alerts));
    assert!(taken.is_some_and(|reply| reply.status == 200));
    scene.write(File::Another);
    let answer = scene.tocsin.post("/-/reload?dry_run=true", &json!({})).json();
    assert_eq!((moves(&answer).len(), answer["total"].as_u64()), (1_000, Some(1_100)));
    let (code, said) = reload_verb(&url, &["--dry-run"]);
    assert_eq!((code, said.lines().last()), (Some(0), Some("and 100 more")));
}

#[test]
fn a_dry_run_is_for_who_may_reload() {
    let tocsin = Tocsin::start(&["--auth", "required"], &[]);
    let ask = |role: &str| {
        let key = tocsin.key(role);
        let url = format!("{}/-/reload?dry_run=true", tocsin.url);
        support::request("POST", &url, &[("x-api-key", &key)], "").expect("an answer").status
    };
    assert_eq!([ask("user"), ask("operator")], [403, 200]);
}

//! `kill -9` of Tocsin at a random moment of the story, again and again: nothing acknowledged is lost, no page is
//! missing, none is sent twice with different keys, and `for` goes on where it was.

mod support;

use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::json;
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};
use support::{Stack, depth, eventually};

const LIMIT: Duration = Duration::from_secs(30);

struct Storm {
    stack: Stack,
    rng: StdRng,
}

impl Storm {
    fn start(rng: StdRng) -> Storm {
        let mut stack = Stack::prepare("1s");
        // Beside the pack's rule one with a `for`, whose timer must survive.
        let dir = stack.tocsin.dir.path().to_path_buf();
        let rules = "groups: [{name: slow, interval: 1s, rules: [{alert: RedisDownLong, expr: redis_up == 0, for: 3s}]}]";
        std::fs::write(dir.join("slow.yml"), rules).expect("our own directory");
        std::fs::write(dir.join("prometheus.yml"), "rule_files: [slow.yml]\n").expect("our own directory");
        let config = dir.join("prometheus.yml");
        stack.tocsin.add_args(&["--prometheus-config", config.to_str().expect("a plain path")]);
        stack.tocsin.start_again();
        Storm { stack, rng }
    }

    /// Kills Tocsin within `window_ms` and starts it again.
    fn strike(&mut self, window_ms: u64) {
        std::thread::sleep(Duration::from_millis(self.rng.random_range(0..window_ms)));
        self.stack.tocsin.kill();
        self.stack.tocsin.start_again();
    }

    fn active_at(&self, alert: &str) -> Option<String> {
        let reply = self.stack.tocsin.get("/api/v1/alerts").json();
        let alerts = reply["data"]["alerts"].as_array()?.clone();
        let found = alerts.into_iter().find(|a| a["labels"]["alertname"] == alert)?;
        found["activeAt"].as_str().map(str::to_owned)
    }

    fn post_task(&self) -> String {
        let reply = self.stack.tocsin.post("/tasks", &json!({"kind": "noop", "args": {"n": 1}}));
        assert_eq!(reply.status, 201, "{}", reply.body);
        reply.json()["id"].as_str().expect("an id").to_owned()
    }

    fn samples(&self) -> f64 {
        self.stack.tocsin.query("sum(count_over_time(probe_success[1h]))").unwrap_or(0.0)
    }

    /// One fault and its mending, each with a kill in its middle.
    fn round(&mut self) {
        let from = self.stack.pages.all().len();
        let (task, samples) = (self.post_task(), self.samples());
        self.stack.redis.kill();
        self.strike(3000);
        assert!(self.samples() >= samples, "samples are lost");
        for alert in ["RedisDown", "RedisDownLong"] {
            self.stack
                .pages
                .wait(alert, from, LIMIT, |got| got.alertname() == alert && got.status() == "firing");
        }
        let before = self.active_at("RedisDownLong");
        self.stack.redis.start_again();
        self.strike(2000);
        for alert in ["RedisDown", "RedisDownLong"] {
            self.stack
                .pages
                .wait("a resolve", from, LIMIT, |got| got.alertname() == alert && got.status() == "resolved");
        }
        assert!(before.is_some(), "a paged alert is active");
        eventually("an acknowledged task ends", LIMIT, || {
            let reply = self.stack.tocsin.get(&format!("/tasks/{task}"));
            assert_eq!(reply.status, 200, "an acknowledged task is lost: {}", reply.body);
            (reply.json()["state"] == "completed").then_some(())
        });
        self.no_page_twice(from);
    }

    /// Of each alert one message per status, or the same one again under the same key; one of an earlier round may be
    /// said again, too, if the kill fell between its answer and the commit.
    fn no_page_twice(&self, from: usize) {
        let all = self.stack.pages.all();
        let (before, since) = all.split_at(from);
        let before: BTreeSet<&str> = before.iter().map(|got| got.key.as_str()).collect();
        for alert in ["RedisDown", "RedisDownLong"] {
            for status in ["firing", "resolved"] {
                let same = since.iter().filter(|got| got.alertname() == alert && got.status() == status);
                let keys: BTreeSet<&str> = same.map(|got| got.key.as_str()).collect();
                let keys: Vec<&&str> = keys.difference(&before).collect();
                assert_eq!(keys.len(), 1, "{alert} {status}: keys {keys:?}");
            }
        }
    }
}

#[test]
fn fifty_kills_lose_nothing_and_page_once() {
    let mut storm = Storm::start(StdRng::seed_from_u64(support::seed()));
    let rounds = depth(5, 50).div_ceil(2);
    eventually("redis is seen", LIMIT, || storm.stack.tocsin.query("redis_up").filter(|up| *up == 1.0));
    let start = Instant::now();
    for round in 1..=rounds {
        storm.round();
        println!("round {round} of {rounds} (2 kills each): ok at {:.0} s", start.elapsed().as_secs_f64());
    }
}

#[test]
fn a_for_timer_goes_on_over_a_kill() {
    let mut storm = Storm::start(StdRng::seed_from_u64(support::seed()));
    eventually("redis is seen", LIMIT, || storm.stack.tocsin.query("redis_up").filter(|up| *up == 1.0));
    storm.stack.redis.kill();
    let before = eventually("pending", LIMIT, || storm.active_at("RedisDownLong"));
    storm.stack.tocsin.kill();
    storm.stack.tocsin.start_again();
    let after = eventually("still pending or firing", LIMIT, || storm.active_at("RedisDownLong"));
    assert_eq!(before, after, "the timer began anew");
}

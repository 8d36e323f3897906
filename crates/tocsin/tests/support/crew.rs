//! Workers that are processes of their own, and what their logs prove.

use super::{Program, Tocsin};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// Workers of one Tocsin; all write into one log.
pub struct Crew {
    log: PathBuf,
    envs: [(&'static str, String); 2],
    /// When a worker was killed, by its process id.
    killed: BTreeMap<u64, f64>,
}

/// One line of a worker's log.
#[derive(Debug, Clone)]
pub struct Line {
    pub what: String,
    pub worker: String,
    pub pid: u64,
    /// In seconds since 1970, as all times here.
    pub at: f64,
    pub task: String,
    pub token: String,
    pub result: String,
    /// Until when the worker may believe to have the task.
    pub until: f64,
}

/// Seconds since 1970: what processes of one machine can compare.
pub fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64()
}

impl Crew {
    pub fn of(tocsin: &Tocsin) -> Crew {
        Crew {
            log: tocsin.dir.path().join("crew.log"),
            envs: [("TOCSIN_SERVER", tocsin.url.clone()), ("TOCSIN_KEY", tocsin.key("agent"))],
            killed: BTreeMap::new(),
        }
    }

    /// Starts a worker; `more` are options of `worker.py`.
    pub fn start(&self, id: &str, more: &[&str]) -> Program {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/worker.py");
        let mut command = Command::new(script);
        command.arg(id).arg(&self.log).args(more).envs(self.envs.clone());
        Program::start(&mut command, &self.log.with_extension("out"))
    }

    /// SIGKILL.
    pub fn kill(&mut self, mut worker: Program) {
        worker.kill();
        self.killed.insert(u64::from(worker.pid()), now());
    }

    /// Everything that was logged so far.
    pub fn lines(&self) -> Vec<Line> {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        // The last line may be under way.
        text.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .map(|line: Value| read(&line))
            .collect()
    }

    /// Tasks of which one attempt was accepted.
    pub fn done(&self) -> BTreeSet<String> {
        self.lines().into_iter().filter(Line::is_accepted).map(|line| line.task).collect()
    }

    /// Tasks that a worker said were done and then died, so that nobody heard the answer.
    pub fn unheard(&self) -> BTreeSet<String> {
        let lines = self.lines();
        let heard: BTreeSet<&str> =
            lines.iter().filter(|line| line.what == "heard").map(|line| line.token.as_str()).collect();
        let said = lines.iter().filter(|line| line.what == "says" && !heard.contains(line.token.as_str()));
        said.map(|line| line.task.clone()).collect()
    }

    /// Panics if two attempts of one task were accepted, or if somebody was given a task that another still had.
    pub fn nothing_doubled(&self) {
        let lines = self.lines();
        let mut accepted: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        let mut leases: BTreeMap<&str, Lease> = BTreeMap::new();
        for line in &lines {
            match line.what.as_str() {
                "claims" => {
                    let dead = self.killed.get(&line.pid).copied().unwrap_or(f64::MAX);
                    let lease = Lease { task: &line.task, got: line.at, until: line.until.min(dead), dead };
                    assert!(leases.insert(&line.token, lease).is_none(), "a token given twice: {line:?}");
                }
                "beats" => {
                    if let Some(lease) = leases.get_mut(line.token.as_str()) {
                        lease.until = line.until.min(lease.dead);
                    }
                }
                "says" | "loses" => {
                    if let Some(lease) = leases.get_mut(line.token.as_str()) {
                        lease.until = lease.until.min(line.at);
                    }
                }
                "heard" if line.is_accepted() => {
                    accepted.entry(&line.task).or_default().insert(&line.token);
                }
                _ => {}
            }
        }
        let twice: Vec<_> = accepted.iter().filter(|(_, tokens)| tokens.len() > 1).collect();
        assert!(twice.is_empty(), "two attempts accepted: {twice:?}");
        let mut by_task: BTreeMap<&str, Vec<&Lease>> = BTreeMap::new();
        leases.values().for_each(|lease| by_task.entry(lease.task).or_default().push(lease));
        for (task, mut held) in by_task {
            held.sort_by(|a, b| a.got.total_cmp(&b.got));
            let doubled = held.windows(2).find(|pair| pair[1].got < pair[0].until);
            assert!(doubled.is_none(), "two live leases of {task}: {doubled:?}");
        }
    }
}

/// How long a worker may believe to have a task.
#[derive(Debug)]
struct Lease<'a> {
    task: &'a str,
    got: f64,
    until: f64,
    /// When its worker was killed.
    dead: f64,
}

impl Line {
    pub fn is_accepted(&self) -> bool {
        self.what == "heard" && self.result == "accepted"
    }
}

fn read(line: &Value) -> Line {
    let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
    Line {
        what: text("what"),
        worker: text("worker"),
        pid: line["pid"].as_u64().unwrap_or_default(),
        at: line["at"].as_f64().unwrap_or_default(),
        task: text("task"),
        token: text("token"),
        result: text("result"),
        until: line["until"].as_f64().unwrap_or_default(),
    }
}

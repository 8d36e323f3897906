//! A process behind the seam that tests fill by hand, and the picture of an incident for the screens.

mod approvals;
mod desk;
mod incidents;
mod process;
mod series;
mod watch;

use crate::auth::{ApiKey, Auth, LocalRule, Peer, Reading, Role};
use crate::stand_in::StandIn;
use crate::views::*;
use crate::{
    ApprovalAct, Asked, By, Desk, Failure, Grammar, HttpMetrics, Keep, KnownAgent, Limits, Monitoring,
    QueryFailure, Queues, Reads, Series, State, Tasks, TokenAct, Vitals, app,
};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http_body_util::BodyExt;
use model::{
    Alert, Clock, Finding, FindingState, Labels, ManualClock, MatchOp, Matcher, Remedy, Risk, Sample,
    Timestamp,
};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tasks::approval::{Say, Voter};
use tasks::{AttemptToken, RunState, TokenResult, WorkReply, WorkRequest};
use tower::ServiceExt;
use watch::{alerts, probes, rule_groups, targets, workers};

/// 2026-11-22T03:12:40Z.
pub const NOW: i64 = 1_795_317_160_000;
pub const SECRET: &str = "a secret of more than thirty-two characters";

/// A key of a role.
pub fn key(role: Role) -> String {
    format!("key-of-{}-0123456789", role.as_str())
}

pub struct World {
    pub alerts: Vec<AlertView>,
    pub groups: Vec<RuleGroupView>,
    pub targets: Vec<TargetView>,
    pub probes: Vec<ProbeView>,
    pub silences: Mutex<Vec<SilenceView>>,
    pub waiting: Vec<WaitingView>,
    pub workers: Vec<WorkerView>,
    pub by_state: Vec<(RunState, u64)>,
    pub queue: QueueStats,
    pub health: Health,
    pub ready: bool,
    pub posted: Mutex<Vec<Alert>>,
    /// How often the configuration was read again.
    pub reloads: Mutex<u32>,
    pub submitted: Mutex<Vec<(NewTask, String)>>,
    /// What the desk answers to everything; `None`: it does it.
    pub refusal: Option<Failure>,
    pub metrics: Arc<HttpMetrics>,
    /// Events and agents.
    pub told: Arc<StandIn>,
    /// What was done with tokens.
    pub token_acts: Mutex<Vec<TokenAct>>,
    /// What was done to incidents.
    pub incident_acts: Mutex<Vec<(String, IncidentAct, By)>>,
}

pub fn at(ago_secs: i64) -> Timestamp {
    Timestamp::from_millis(NOW - ago_secs * 1000)
}

pub fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::from_pairs(pairs.iter().copied())
}

impl World {
    pub fn calm() -> World {
        World {
            alerts: Vec::new(),
            groups: rule_groups(),
            targets: targets(),
            probes: probes(),
            silences: Mutex::default(),
            waiting: Vec::new(),
            workers: workers(),
            by_state: vec![(RunState::Running, 3), (RunState::Completed, 18_204), (RunState::Scheduled, 7)],
            queue: QueueStats {
                pending: 7,
                in_progress: 3,
                completed: 18_204,
                failed: 0,
                total: 18_214,
                oldest_due: None,
            },
            health: Health {
                status: HealthStatus::Healthy,
                redis_connected: true,
                checks: vec![Check {
                    name: "database",
                    status: HealthStatus::Healthy,
                    message: "takes writes".to_owned(),
                    took: Duration::from_micros(300),
                    details: vec![("tasks", 18_214.0)],
                }],
                started_at: at(86_400),
            },
            ready: true,
            posted: Mutex::default(),
            reloads: Mutex::default(),
            submitted: Mutex::default(),
            refusal: None,
            metrics: Arc::new(HttpMetrics::default()),
            told: Arc::new(StandIn::new(at(0), 8, 2)),
            token_acts: Mutex::default(),
            incident_acts: Mutex::default(),
        }
    }

    pub fn incident() -> World {
        let mut world = World::calm();
        world.alerts = alerts();
        world.probes[0].health = TargetHealth::Down;
        world.probes[0].last_error = "connection refused by 127.0.0.1:6379".to_owned();
        world.targets[3].health = TargetHealth::Down;
        world.targets[3].last_error = "no answer within 10s".to_owned();
        world.workers[2].alive = false;
        world.workers[2].last_seen = at(340);
        world.by_state = vec![
            (RunState::Running, 2),
            (RunState::Available, 41),
            (RunState::Retryable, 6),
            (RunState::Completed, 18_204),
            (RunState::Dead, 2),
        ];
        world.queue.oldest_due = Some(Duration::from_secs(252));
        world.waiting = vec![
            WaitingView {
                kind: WaitingKind::Remedy,
                title: "Restart redis-server".to_owned(),
                detail: "runbook redis-down, risk caution".to_owned(),
                since: at(31),
                href: String::new(),
            },
            WaitingView {
                kind: WaitingKind::Dead,
                title: "nightly-report".to_owned(),
                detail: "gave up after 4 tries: connection refused by 127.0.0.1:6379".to_owned(),
                since: at(95),
                href: "/runs/3f0c".to_owned(),
            },
        ];
        if let RuleKind::Alerting { alerts, .. } = &mut world.groups[0].rules[1].kind {
            alerts.push(ActiveAlertView {
                labels: labels(&[("alertname", "QueueGrows"), ("queue", "default"), ("severity", "warning")]),
                annotations: Labels::empty(),
                state: ActiveState::Pending,
                active_at: at(72),
                value: 41.0,
                keep_firing_since: None,
            });
        }
        world
    }

    pub fn state(self) -> (Arc<World>, Arc<State>) {
        self.state_with(LocalRule::Operator, Reading::Credential)
    }

    pub fn state_with(self, local: LocalRule, reading: Reading) -> (Arc<World>, Arc<State>) {
        let world = Arc::new(self);
        let keys = [Role::User, Role::Agent, Role::Operator, Role::Admin];
        let keys = keys.map(|role| ApiKey::new(role.as_str(), &key(role), role)).into();
        let told = Arc::clone(&world.told);
        let reads = Reads {
            series: Arc::clone(&world) as Arc<dyn Series>,
            monitoring: Arc::clone(&world) as Arc<dyn Monitoring>,
            tasks: Arc::clone(&world) as Arc<dyn Tasks>,
            queues: Arc::clone(&world) as Arc<dyn Queues>,
            schedules: Arc::clone(&world) as Arc<dyn crate::Schedules>,
            approvals: Arc::clone(&world) as Arc<dyn crate::Approvals>,
            incidents: Arc::clone(&world) as Arc<dyn crate::Incidents>,
            workers: Arc::new(crate::no_workers::NoWorkers),
            events: Arc::clone(&told) as Arc<dyn crate::Events>,
            agents: told,
            keep: Arc::clone(&world) as Arc<dyn Keep>,
            vitals: Arc::clone(&world) as Arc<dyn Vitals>,
            thresholds: Arc::new(crate::no_thresholds::NoThresholds { told: Mutex::default(), now: at(0) }),
            grammar: Grammar { selector: one_matcher, matchers: one_matcher },
        };
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(at(0)));
        let auth = Auth::new(keys, Some(SECRET), local, reading);
        let limits = Limits { body_max: 10_000, bulk_body_max: 100_000, ..Limits::default() };
        let build = Build { version: "0.1.0".to_owned(), ..Build::default() };
        let desk = Arc::clone(&world) as Arc<dyn Desk>;
        let metrics = Arc::clone(&world.metrics);
        (Arc::clone(&world), Arc::new(State::new(reads, desk, clock, auth, limits, build, metrics)))
    }
}

/// `name="value"`, enough for these tests.
fn one_matcher(text: &str) -> Result<Vec<Matcher>, String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("1:1: parse error: {text:?}"))?;
    let value = value.trim_matches('"');
    Matcher::new(MatchOp::Equal, name, value).map(|matcher| vec![matcher]).map_err(|err| err.to_string())
}

/// An answer, read whole.
pub struct Answer {
    pub status: StatusCode,
    pub headers: axum::http::HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|err| panic!("{err}: {}", self.body))
    }
}

/// A request from this machine, by its own name.
pub fn local(method: &str, uri: &str) -> axum::http::request::Builder {
    let peer =
        Peer { remote: "127.0.0.1:40000".parse().unwrap(), listener: "127.0.0.1:8080".parse().unwrap() };
    Request::builder().method(method).uri(uri).header("host", "localhost:8080").extension(peer)
}

/// A request from elsewhere.
pub fn remote(method: &str, uri: &str) -> axum::http::request::Builder {
    let peer =
        Peer { remote: "192.0.2.7:40000".parse().unwrap(), listener: "192.0.2.1:8080".parse().unwrap() };
    Request::builder().method(method).uri(uri).header("host", "tocsin.example").extension(peer)
}

pub async fn send(state: &Arc<State>, request: Request<Body>) -> Answer {
    let response = app(Arc::clone(state)).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    // A stream of events has no end.
    let endless = parts.headers.get("content-type").is_some_and(|kind| kind == "text/event-stream");
    let body = if endless { Vec::new() } else { body.collect().await.unwrap().to_bytes().into() };
    let body = String::from_utf8(body).unwrap();
    Answer { status: parts.status, headers: parts.headers, body }
}

pub async fn get(state: &Arc<State>, uri: &str) -> Answer {
    send(state, local("GET", uri).body(Body::empty()).unwrap()).await
}

pub async fn post(state: &Arc<State>, uri: &str, body: impl Into<String>) -> Answer {
    let body: String = body.into();
    let request =
        local("POST", uri).header("content-type", "application/json").header("content-length", body.len());
    send(state, request.body(Body::from(body)).unwrap()).await
}

fn ready<T: Send + 'static>(value: T) -> BoxFuture<'static, T> {
    futures_util::future::ready(value).boxed()
}

impl World {
    fn agree(&self) -> Result<(), Failure> {
        self.refusal.clone().map_or(Ok(()), Err)
    }
}

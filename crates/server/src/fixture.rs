//! A process behind the seam that tests fill by hand, and the picture of an incident for the screens.

use crate::auth::{ApiKey, Auth, LocalRule, Peer, Reading, Role};
use crate::stand_in::StandIn;
use crate::views::*;
use crate::{
    ApprovalAct, Asked, Desk, Failure, Grammar, HttpMetrics, Keep, KnownAgent, Limits, Monitoring,
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
    pub submitted: Mutex<Vec<(NewTask, String)>>,
    /// What the desk answers to everything; `None`: it does it.
    pub refusal: Option<Failure>,
    pub metrics: Arc<HttpMetrics>,
    /// Events and agents.
    pub told: Arc<StandIn>,
    /// What was done with tokens.
    pub token_acts: Mutex<Vec<TokenAct>>,
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
            submitted: Mutex::default(),
            refusal: None,
            metrics: Arc::new(HttpMetrics::default()),
            told: Arc::new(StandIn::new(at(0), 8, 2)),
            token_acts: Mutex::default(),
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
            workers: Arc::new(crate::no_workers::NoWorkers),
            events: Arc::clone(&told) as Arc<dyn crate::Events>,
            agents: told,
            keep: Arc::clone(&world) as Arc<dyn Keep>,
            vitals: Arc::clone(&world) as Arc<dyn Vitals>,
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

impl Keep for World {
    fn tokens(
        &self,
        _: Vec<(String, Option<Value>)>,
        acts: Vec<TokenAct>,
    ) -> BoxFuture<'_, Result<(), Failure>> {
        self.token_acts.lock().unwrap().extend(acts);
        ready(self.agree())
    }

    fn agent(&self, id: String, secret: String) -> BoxFuture<'_, Result<Option<KnownAgent>, Failure>> {
        let known = id == "agent-1" && secret == "its secret";
        let name = "mailer".to_owned();
        ready(Ok(known.then_some(KnownAgent { id, name, role: Role::Agent, scopes: None })))
    }

    fn agent_now(&self, id: String) -> BoxFuture<'_, Result<Option<KnownAgent>, Failure>> {
        self.agent(id, "its secret".to_owned())
    }
}

impl Series for World {
    fn instant(&self, what: &Instant) -> Result<QueryAnswer, QueryFailure> {
        let value = match what.query.as_str() {
            "bad(" => return Err(QueryFailure::Parse("1:5: parse error: unclosed parenthesis".to_owned())),
            "slow" => return Err(QueryFailure::Timeout("it took longer than 2m".to_owned())),
            "many" => return Err(QueryFailure::Execution("too many samples".to_owned())),
            "broken" => return Err(QueryFailure::Internal("disk: secret detail".to_owned())),
            "1" => QueryValue::Scalar(1.0),
            _ => {
                let up = labels(&[("__name__", "up"), ("job", "api")]);
                QueryValue::Vector(vec![VectorSample { labels: up, v: 1.0 }])
            }
        };
        Ok(QueryAnswer { value, warnings: Vec::new(), infos: Vec::new() })
    }

    fn range(&self, what: &Range) -> Result<QueryAnswer, QueryFailure> {
        let wave = |phase: f64| {
            let count = what.to.since(what.from).as_millis() / what.step.as_millis();
            (0..=count as u32).map(move |i| (i, 40.0 + 18.0 * (f64::from(i) / 17.0 + phase).sin()))
        };
        let series = ["default", "mail"].iter().zip([0.0, 2.0]).map(|(queue, phase)| RangeSeries {
            labels: labels(&[("__name__", "orchestrator_queue_depth"), ("queue", queue)]),
            samples: wave(phase).map(|(i, v)| Sample { t: what.from.plus(what.step * i), v }).collect(),
        });
        Ok(QueryAnswer {
            value: QueryValue::Matrix(series.collect()),
            warnings: Vec::new(),
            infos: Vec::new(),
        })
    }

    fn series(&self, _: &SeriesQuery) -> Result<Vec<Labels>, QueryFailure> {
        Ok(vec![
            labels(&[("__name__", "up"), ("job", "api")]),
            labels(&[("__name__", "up"), ("job", "node")]),
        ])
    }

    fn label_names(&self, _: &LabelsQuery) -> Result<Vec<String>, QueryFailure> {
        Ok(vec!["__name__".to_owned(), "job".to_owned()])
    }

    fn label_values(&self, name: &str, _: &LabelsQuery) -> Result<Vec<String>, QueryFailure> {
        Ok(vec![format!("a value of {name}")])
    }

    fn trend(&self, alert: &AlertView, from: Timestamp, to: Timestamp, points: usize) -> Option<Trend> {
        let step = to.since(from) / points as u32;
        let began = alert.alert.starts_at;
        let (before, after, threshold) = match alert.alert.name() {
            "RedisDown" => (1.0, 0.0, None),
            _ => (0.35, 0.93, Some(0.9)),
        };
        let value = |at: Timestamp, i: usize| match (threshold.is_some(), at < began) {
            (false, true) => before,
            (false, false) => after,
            (true, _) => {
                before + (after - before) * (i as f64 / points as f64).powi(2) + 0.03 * (i as f64).sin()
            }
        };
        let samples = (0..=points).map(|i| {
            let t = from.plus(step * i as u32);
            Sample { t, v: value(t, i) }
        });
        Some(Trend { samples: samples.collect(), threshold })
    }

    fn tsdb(&self, _: usize) -> TsdbView {
        TsdbView { series: 12, series_by_metric: vec![("up".to_owned(), 2)], ..TsdbView::default() }
    }
}

impl Monitoring for World {
    fn targets(&self) -> BoxFuture<'_, Vec<TargetView>> {
        ready(self.targets.clone())
    }
    fn targets_dropped(&self) -> BoxFuture<'_, Vec<Labels>> {
        ready(vec![labels(&[("job", "node"), ("__address__", "10.0.0.9:9100")])])
    }
    fn targets_dropped_counts(&self) -> BoxFuture<'_, BTreeMap<String, u64>> {
        ready(BTreeMap::from([("node".to_owned(), 1)]))
    }
    fn metadata(&self) -> BoxFuture<'_, Vec<(Labels, BTreeMap<String, MetricMetadata>)>> {
        let of = |kind: &str, help: &str| MetricMetadata {
            kind: kind.to_owned(),
            help: help.to_owned(),
            unit: String::new(),
        };
        let load = || ("node_load1".to_owned(), of("gauge", "Load."));
        let other = BTreeMap::from([load(), ("up".to_owned(), of("counter", "Another opinion."))]);
        ready(vec![
            (labels(&[("job", "node"), ("instance", "a")]), BTreeMap::from([load()])),
            (labels(&[("job", "node"), ("instance", "b")]), other),
        ])
    }
    fn probes(&self) -> BoxFuture<'_, Vec<ProbeView>> {
        ready(self.probes.clone())
    }
    fn rules(&self) -> BoxFuture<'_, Vec<RuleGroupView>> {
        ready(self.groups.clone())
    }
    fn alerts(&self) -> BoxFuture<'_, Vec<AlertView>> {
        ready(self.alerts.clone())
    }
    fn alert_groups(&self) -> BoxFuture<'_, Vec<AlertGroup>> {
        let (labels, route_labels, receiver) = (Labels::empty(), Labels::empty(), "on-call".to_owned());
        ready(vec![AlertGroup { labels, route_labels, receiver, alerts: self.alerts.clone() }])
    }
    fn silences(&self) -> BoxFuture<'_, Vec<SilenceView>> {
        ready(self.silences.lock().unwrap().clone())
    }
    fn receivers(&self) -> BoxFuture<'_, Vec<String>> {
        ready(vec!["on-call".to_owned(), "console".to_owned()])
    }
}

impl Desk for World {
    fn submit(&self, task: NewTask, by: String) -> BoxFuture<'_, Result<Submitted, Failure>> {
        let view = task_view(&task, &by);
        self.submitted.lock().unwrap().push((task, by));
        ready(self.agree().map(|()| Submitted { task: view, duplicate: false }))
    }
    fn submit_many(
        &self,
        tasks: Vec<NewTask>,
        by: String,
    ) -> BoxFuture<'_, Result<Vec<Result<Taken, Failure>>, Failure>> {
        let mut verdicts = Vec::new();
        for task in tasks {
            let typed = matches!(task, NewTask::Typed(_));
            let id = tasks::TaskId::from_bits(self.submitted.lock().unwrap().len() as u128);
            self.submitted.lock().unwrap().push((task, by.clone()));
            verdicts.push(self.agree().map(|()| Taken { id, typed }));
        }
        ready(Ok(verdicts))
    }
    fn work(&self, request: WorkRequest) -> BoxFuture<'_, Result<WorkReply, Failure>> {
        let results = request.complete.iter().map(|one| (one.token, TokenResult::Accepted)).collect();
        let token = AttemptToken::parse("0123456789abcdef0123456789abcdef").unwrap();
        let claim = tasks::Claim {
            run_id: "run-1".to_owned(),
            task_id: "task-1".to_owned(),
            kind: "noop".to_owned(),
            token,
            attempt: 1,
            args: serde_json::json!({}).into(),
            lease: Duration::from_secs(60),
            deadline: Duration::from_secs(30),
            traceparent: String::new(),
            checkpoint: None,
        };
        let runs = if request.want > 0 { vec![claim] } else { Vec::new() };
        ready(self.agree().map(|()| WorkReply { results, runs, ..WorkReply::default() }))
    }
    fn patch_status(
        &self,
        _: String,
        status: String,
        _: Option<String>,
        _: String,
    ) -> BoxFuture<'_, Result<(), Failure>> {
        let known = ["in_progress", "completed", "failed"].contains(&status.as_str());
        let unknown =
            Failure::Value { field: "status".to_owned(), what: format!("{status:?} is not a status") };
        ready(if known { self.agree() } else { Err(unknown) })
    }
    fn post_alerts(&self, alerts: Vec<Alert>) -> BoxFuture<'_, Result<(), Failure>> {
        self.posted.lock().unwrap().extend(alerts);
        ready(self.agree())
    }
    fn put_silence(
        &self,
        mut silence: SilenceView,
        _: String,
        asked: Asked<String>,
    ) -> BoxFuture<'_, Result<Kept, Failure>> {
        silence.id = "silence-1".to_owned();
        self.silences.lock().unwrap().push(silence);
        ready(self.agree().map(|()| asked.tell(&"silence-1".to_owned())))
    }
    fn expire_silence(&self, id: String, _: String) -> BoxFuture<'_, Result<(), Failure>> {
        let found = self.silences.lock().unwrap().iter().any(|silence| silence.id == id);
        ready(if found { self.agree() } else { Err(Failure::NotFound(format!("silence {id:?} not found"))) })
    }
    fn reload(&self, _: String) -> BoxFuture<'_, Result<(), Failure>> {
        ready(self.agree())
    }
}

impl Tasks for World {
    fn task(&self, id: String) -> BoxFuture<'_, Result<Option<TaskView>, Failure>> {
        let submitted = self.submitted.lock().unwrap();
        let found = submitted.iter().map(|(task, by)| task_view(task, by)).find(|view| view.id == id);
        ready(Ok(found))
    }
    fn tasks(&self, filter: TaskFilter) -> BoxFuture<'_, Result<PageOf<TaskView>, Failure>> {
        let submitted = self.submitted.lock().unwrap();
        let views: Vec<_> = submitted.iter().map(|(task, by)| task_view(task, by)).collect();
        let total = views.len() as u64;
        let items = views.into_iter().skip(filter.offset as usize).take(filter.limit as usize).collect();
        ready(Ok(PageOf { items, total }))
    }
    fn run(&self, id: String) -> BoxFuture<'_, Result<Option<RunView>, Failure>> {
        ready(Ok((id == "run-1").then(run_view)))
    }
    fn runs(&self, filter: RunFilter) -> BoxFuture<'_, Result<PageOf<RunView>, Failure>> {
        let wanted = filter.success != Some(false);
        ready(Ok(PageOf { items: wanted.then(run_view).into_iter().collect(), total: u64::from(wanted) }))
    }
    fn queue(&self) -> BoxFuture<'_, QueueStats> {
        ready(self.queue)
    }
    fn by_state(&self) -> BoxFuture<'_, Vec<(RunState, u64)>> {
        ready(self.by_state.clone())
    }
    fn workers(&self) -> BoxFuture<'_, Vec<WorkerView>> {
        ready(self.workers.clone())
    }
    fn waiting(&self, limit: usize) -> BoxFuture<'_, Vec<WaitingView>> {
        ready(self.waiting.iter().take(limit).cloned().collect())
    }
}

impl crate::Approvals for World {
    fn pending(&self, _: usize) -> BoxFuture<'_, Result<(Vec<Arc<tasks::Approval>>, usize), Failure>> {
        ready(Ok((vec![Arc::new(approval())], 1)))
    }
    fn history(&self, _: usize) -> BoxFuture<'_, Result<Vec<Arc<tasks::Approval>>, Failure>> {
        ready(Ok(Vec::new()))
    }
    fn one(&self, id: String) -> BoxFuture<'_, Result<Option<Arc<tasks::Approval>>, Failure>> {
        let found = approval();
        ready(Ok((id == found.asked.id).then(|| Arc::new(found))))
    }
    fn approve(
        &self,
        _: String,
        voter: Voter,
        say: Say,
    ) -> BoxFuture<'_, Result<Arc<tasks::Approval>, Failure>> {
        let mut found = approval();
        let settings = tasks::ApprovalSettings::default();
        let done = found.approve(&voter, say, &settings, at(0), |_, _| "other".to_owned());
        let done = done.map(|_| Arc::new(found)).map_err(|why| Failure::Conflict(why.to_string()));
        ready(self.agree().and(done))
    }
    fn reject(
        &self,
        _: String,
        voter: Voter,
        say: Say,
    ) -> BoxFuture<'_, Result<Arc<tasks::Approval>, Failure>> {
        let mut found = approval();
        let done = found.reject(&voter, say, at(0));
        let done = done.map(|_| Arc::new(found)).map_err(|why| Failure::Conflict(why.to_string()));
        ready(self.agree().and(done))
    }
    fn act(
        &self,
        id: String,
        voter: Voter,
        act: ApprovalAct,
        asked: Asked<Arc<tasks::Approval>>,
    ) -> BoxFuture<'_, Result<Kept, Failure>> {
        let done = match act {
            ApprovalAct::Approve(say) => crate::Approvals::approve(self, id, voter, say),
            ApprovalAct::Reject(say) => crate::Approvals::reject(self, id, voter, say),
            ApprovalAct::Delegate { .. } => ready(self.agree().map(|()| Arc::new(approval()))),
        };
        Box::pin(async move {
            let done = done.await?;
            Ok(asked.tell(&done))
        })
    }
    fn mint(&self, _: String, _: Voter, _: String) -> BoxFuture<'_, Result<Arc<tasks::Approval>, Failure>> {
        ready(self.agree().map(|()| Arc::new(approval())))
    }
}

/// One that waits, asked for by `ann`.
fn approval() -> tasks::Approval {
    let id = "0190a1b2c3d4e5f60718293a4b5c6d7e";
    tasks::Approval::new(tasks::approval::Request {
        id: "approval_1".to_owned(),
        task_id: tasks::TaskId::parse(id).expect("an id"),
        run_id: tasks::RunId::parse(id).expect("an id"),
        step: None,
        task_type: "deploy".to_owned(),
        priority: "P1".to_owned(),
        title: String::new(),
        reason: "priority P1".to_owned(),
        requested_by: "ann".to_owned(),
        requested_at: at(60),
        needs: tasks::approval::Rank::Agent,
        critical: false,
        approvers: Vec::new(),
        quorum: 1,
        expires_at: at(0).plus(Duration::from_secs(3600)),
        on_expiry: tasks::approval::OnExpiry::Reject,
        payload: Arc::new(serde_json::json!({"version": "<b>1.2</b>"})),
        hash: "abc".to_owned(),
    })
}

/// One calendar, which stays as it is.
impl crate::Schedules for World {
    fn calendars(&self) -> BoxFuture<'_, std::collections::BTreeMap<String, tasks::schedule::Calendar>> {
        let days = tasks::schedule::Calendar::read(&serde_json::json!({"dates": ["12-25"]})).expect("a date");
        Box::pin(std::future::ready([("holidays".to_owned(), days)].into()))
    }

    fn put_calendar(
        &self,
        _name: String,
        row: serde_json::Value,
        _by: String,
    ) -> BoxFuture<'_, Result<tasks::schedule::Calendar, Failure>> {
        let read = tasks::schedule::Calendar::read(&row);
        let refuse = |what| Failure::Value { field: "dates".to_owned(), what };
        Box::pin(std::future::ready(read.map_err(refuse)))
    }

    fn delete_calendar(&self, name: String) -> BoxFuture<'_, Result<bool, Failure>> {
        Box::pin(std::future::ready(Ok(name == "holidays")))
    }
}

impl Queues for World {
    fn submit_once(&self, task: NewTask, once: Once) -> BoxFuture<'_, Result<Kept, Failure>> {
        let submitted = Submitted { task: task_view(&task, &once.by), duplicate: false };
        let (status, body) = crate::answer_submitted(&submitted);
        ready(self.agree().map(|()| Kept { status, body, replayed: once.key == "again" }))
    }
    fn act(
        &self,
        task: String,
        act: TaskAct,
        _: String,
        once: Option<Once>,
    ) -> BoxFuture<'_, Result<Kept, Failure>> {
        let details = serde_json::Map::from_iter([("act".to_owned(), format!("{act:?}").into())]);
        let (status, body) =
            crate::answer_acted(&Acted { task_id: task, message: "done".to_owned(), details });
        let replayed = once.is_some_and(|once| once.key == "again");
        ready(self.agree().map(|()| Kept { status, body, replayed }))
    }
    fn update(&self, _: String, _: TaskUpdate, _: String) -> BoxFuture<'_, Result<(), Failure>> {
        ready(self.agree())
    }
    fn ended(&self, _: String, _: Duration) -> BoxFuture<'_, ()> {
        ready(())
    }
    fn why(&self, task: String) -> BoxFuture<'_, Result<Option<Why>, Failure>> {
        let facts = serde_json::Map::from_iter([("queue".to_owned(), "mail".into())]);
        let cause = Cause { cause: "queue_paused", text: "queue mail is paused".to_owned(), facts };
        let why = Why {
            task_id: task.clone(),
            run_id: Some("run-1".to_owned()),
            state: Some(RunState::Available),
            causes: vec![cause],
        };
        ready(Ok((task == "task-1").then_some(why)))
    }
    fn queues(&self) -> BoxFuture<'_, Result<Vec<QueueView>, Failure>> {
        ready(Ok(vec![queue_view("plain".to_owned())]))
    }
    fn set_queue(&self, name: String, act: QueueAct, _: String) -> BoxFuture<'_, Result<QueueView, Failure>> {
        let paused = act == QueueAct::Pause;
        ready(self.agree().map(|()| QueueView { paused, ..queue_view(name) }))
    }
    fn dead_letters(&self, _: bool, _: u64, _: u64) -> BoxFuture<'_, Result<PageOf<DeadLetter>, Failure>> {
        ready(Ok(PageOf { items: Vec::new(), total: 0 }))
    }
    fn dead_letter(&self, _: String) -> BoxFuture<'_, Result<Option<DeadLetter>, Failure>> {
        ready(Ok(None))
    }
    fn dead_act(
        &self,
        run: String,
        _: DeadAct,
        by: String,
        once: Option<Once>,
    ) -> BoxFuture<'_, Result<Kept, Failure>> {
        self.act(run, TaskAct::RunNow, by, once)
    }
    fn detail(&self, hours: u32) -> BoxFuture<'_, QueueDetail> {
        ready(QueueDetail { hours: vec![Ended::default(); hours as usize], ..QueueDetail::default() })
    }
    fn run_stats(&self, task: Option<String>, _: u32) -> BoxFuture<'_, Result<Option<RunStats>, Failure>> {
        let stats = RunStats { total: 4, successful: 3, failed: 1, ..RunStats::default() };
        ready(Ok((task.as_deref() != Some("nobody")).then_some(stats)))
    }
}

fn queue_view(name: String) -> QueueView {
    QueueView {
        name,
        paused: false,
        paused_by: None,
        running_max: None,
        rate_per_minute: None,
        waiting: 7,
        ready: 0,
        running: 3,
    }
}

impl Vitals for World {
    fn health(&self) -> BoxFuture<'_, Health> {
        ready(self.health.clone())
    }
    fn revision(&self) -> u64 {
        0
    }

    fn ready(&self) -> bool {
        self.ready
    }
    fn metrics(&self) -> BoxFuture<'_, String> {
        ready("# HELP up Whether it is up.\n# TYPE up gauge\nup 1\n".to_owned())
    }
    fn runtime(&self) -> BoxFuture<'_, RuntimeView> {
        ready(RuntimeView {
            started_at: at(86_400),
            resolve_timeout: Duration::from_secs(300),
            retention: Duration::from_secs(15 * 86_400),
            ..RuntimeView::default()
        })
    }
    fn config(&self) -> BoxFuture<'_, String> {
        ready("global: {}\n".to_owned())
    }
}

fn task_view(task: &NewTask, by: &str) -> TaskView {
    let form = match task {
        NewTask::Plain(plain) => TaskForm::Plain(plain.clone()),
        NewTask::Typed(typed) => TaskForm::Typed {
            task: typed.clone(),
            agent: "dev_agent".to_owned(),
            trace_id: "trace-1".to_owned(),
            parent: None,
            children: Vec::new(),
        },
        NewTask::Scheduled(task) => TaskForm::Scheduled { task: task.clone(), next_run: Some(at(-60)) },
    };
    TaskView {
        id: "task-1".to_owned(),
        form,
        status: "assigned".to_owned(),
        state: Some(RunState::Available),
        created_by: by.to_owned(),
        created_at: at(0),
        started_at: None,
        completed_at: None,
        error: None,
        retries: 0,
        max_retries: 3,
        output: None,
    }
}

fn run_view() -> RunView {
    RunView {
        id: "run-1".to_owned(),
        task_id: "task-1".to_owned(),
        kind: "noop".to_owned(),
        state: RunState::Completed,
        attempt: 1,
        worker_id: Some("built-in".to_owned()),
        created_at: at(10),
        started_at: Some(at(9)),
        finished_at: Some(at(8)),
        output: Some(Value::Null),
        error: None,
    }
}

fn alerts() -> Vec<AlertView> {
    let finding = |step: &str, state, output: &str, took_ms| Finding {
        step: step.to_owned(),
        state,
        output: output.to_owned(),
        took_ms,
    };
    let redis = AlertView {
        alert: Alert {
            labels: labels(&[
                ("alertname", "RedisDown"),
                ("instance", "127.0.0.1:6379"),
                ("job", "redis"),
                ("severity", "critical"),
            ]),
            annotations: labels(&[
                ("summary", "Redis at 127.0.0.1:6379 does not answer PING."),
                ("runbook_url", "https://runbooks.example/redis-down"),
            ]),
            starts_at: at(42),
            ends_at: None,
            generator_url: "/graph?g0.expr=redis_up%20%3D%3D%200".to_owned(),
            updated_at: at(3),
        },
        state: AlertState::Active,
        silenced_by: Vec::new(),
        inhibited_by: Vec::new(),
        muted_by: Vec::new(),
        receivers: vec!["on-call".to_owned()],
        diagnosis: Some(Diagnosis {
            at: at(38),
            told: vec!["on-call".to_owned()],
            cause: "No process listens on 127.0.0.1:6379: redis-server is not running.".to_owned(),
            findings: vec![
                finding("ping", FindingState::Failed, "connection refused by 127.0.0.1:6379", 1),
                finding(
                    "process",
                    FindingState::Done,
                    "no process named redis-server; nothing listens on port 6379",
                    14,
                ),
                finding(
                    "log",
                    FindingState::Done,
                    "03:11:57.104 # User requested shutdown...\n03:11:57.104 * Saving the final RDB snapshot before exiting.\n03:11:57.112 * DB saved on disk\n03:11:57.112 # Redis is now ready to exit, bye bye...",
                    3,
                ),
                finding("queue depth", FindingState::Late, "", 5000),
            ],
            remedies: vec![
                Remedy {
                    id: "restart".to_owned(),
                    risk: Risk::Caution,
                    text: "Restart redis-server".to_owned(),
                    approve_url: String::new(),
                },
                Remedy {
                    id: "flush".to_owned(),
                    risk: Risk::Never,
                    text: "Delete the append-only file (only by hand)".to_owned(),
                    approve_url: String::new(),
                },
            ],
        }),
    };
    let mut disk = redis.clone();
    disk.alert.labels = labels(&[
        ("alertname", "DiskAlmostFull"),
        ("device", "/dev/vda1"),
        ("instance", "db-2:9100"),
        ("job", "node"),
        ("mountpoint", "/var/lib/postgresql"),
        ("severity", "warning"),
    ]);
    disk.alert.annotations =
        labels(&[("summary", "/var/lib/postgresql on db-2 is 93 % full; at this pace it is full in 5 h.")]);
    disk.alert.starts_at = at(5040);
    disk.diagnosis = None;
    let mut silenced = disk.clone();
    silenced.alert.labels =
        labels(&[("alertname", "CertificateExpires"), ("instance", "www.example"), ("severity", "info")]);
    silenced.state = AlertState::Suppressed;
    silenced.silenced_by = vec!["silence-1".to_owned()];
    vec![disk, redis, silenced]
}

fn targets() -> Vec<TargetView> {
    let target = |job: &str, instance: &str, ms: u64| TargetView {
        labels: labels(&[("job", job), ("instance", instance)]),
        discovered: labels(&[("__address__", instance), ("job", job)]),
        scrape_pool: job.to_owned(),
        scrape_url: format!("http://{instance}/metrics"),
        global_url: format!("http://{instance}/metrics"),
        health: TargetHealth::Up,
        last_error: String::new(),
        last_scrape: Some(at(4)),
        last_duration: Duration::from_millis(ms),
        interval: Duration::from_secs(15),
        timeout: Duration::from_secs(10),
        samples: 812,
    };
    vec![
        target("tocsin", "self", 1),
        target("host", "this machine", 3),
        target("node", "db-1:9100", 21),
        target("node", "db-2:9100", 10_000),
        target("api", "10.0.0.12:8000", 6),
    ]
}

fn probes() -> Vec<ProbeView> {
    let probe = |name: &str, kind: &str, target: &str, us: u64| ProbeView {
        name: name.to_owned(),
        kind: kind.to_owned(),
        target: target.to_owned(),
        health: TargetHealth::Up,
        last_error: String::new(),
        last_probe: Some(at(2)),
        last_duration: Duration::from_micros(us),
        interval: Duration::from_secs(5),
    };
    vec![
        probe("redis", "redis", "127.0.0.1:6379", 410),
        probe("orders", "postgres", "127.0.0.1:5432/orders", 1900),
        probe("front page", "http", "https://www.example/", 184_000),
    ]
}

fn workers() -> Vec<WorkerView> {
    let worker = |id: &str, running, slots_free| WorkerView {
        id: id.to_owned(),
        labels: BTreeMap::new(),
        last_seen: at(1),
        alive: true,
        running,
        slots_free,
        processed: 5120,
    };
    let mut agent = worker("agents-eu-1", 1, 3);
    agent.labels.insert("agent".to_owned(), "dev_agent".to_owned());
    vec![worker("built-in", 2, 14), agent, worker("agents-eu-2", 0, 4)]
}

fn rule_groups() -> Vec<RuleGroupView> {
    let alerting = |name: &str, query: &str, hold: u64| RuleView {
        name: name.to_owned(),
        query: query.to_owned(),
        labels: labels(&[("severity", "critical")]),
        health: RuleHealth::Ok,
        last_error: String::new(),
        last_evaluation: Some(at(1)),
        evaluation_time: Duration::from_micros(90),
        kind: RuleKind::Alerting {
            hold: Duration::from_secs(hold),
            keep_firing: Duration::ZERO,
            annotations: Labels::empty(),
            alerts: Vec::new(),
        },
    };
    let mut recording = alerting("job:up:sum", "sum by (job) (up)", 0);
    recording.kind = RuleKind::Recording;
    recording.labels = Labels::empty();
    let mut redis = alerting("RedisDown", "redis_up == 0", 0);
    if let RuleKind::Alerting { alerts, .. } = &mut redis.kind {
        alerts.push(ActiveAlertView {
            labels: labels(&[("alertname", "RedisDown"), ("severity", "critical")]),
            annotations: Labels::empty(),
            state: ActiveState::Firing,
            active_at: at(42),
            value: 0.0,
            keep_firing_since: None,
        });
    }
    vec![RuleGroupView {
        name: "stack".to_owned(),
        file: "rules/stack.yml".to_owned(),
        interval: Duration::from_secs(15),
        limit: 0,
        last_evaluation: Some(at(1)),
        evaluation_time: Duration::from_micros(300),
        rules: vec![redis, alerting("QueueGrows", "orchestrator_queue_depth > 40", 300), recording],
    }]
}

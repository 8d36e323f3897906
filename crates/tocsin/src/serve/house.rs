//! Everything that runs, opened in order and closed in reverse.

use super::{
    listen,
    reload::{self, Reloader},
};
use crate::{
    cli,
    config::{Loaded, Sources},
    core::{self, Arrivals, Core, Evaluator, Handle, Pages, WriterCounts},
    data_dir::DataDir,
    metrics::Registry,
    own_metrics,
    seams::{self, Process},
};
use anyhow::{Context, Result};
use arc_swap::ArcSwap;
use collect::Collector;
use model::{Clock, Querier, SystemClock, Timestamp};
use promql::{Options, Value};
use reach::{OwnListeners, Policy, http::Client};
use server::{
    Grammar, HttpMetrics, Limits, Reads, State,
    auth::Credentials,
    views::Build,
};
use std::{
    net::SocketAddr,
    path::Path,
    process::ExitCode,
    sync::{
        Arc, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};
use store::{Journal, Reader, Sqlite};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
    task::JoinSet,
};
use tsdb::Db;

/// How often the series store looks after itself.
const MAINTAIN_EVERY: Duration = Duration::from_secs(5);
/// How often our own figures are written to our own series.
const OWN_METRICS_EVERY: Duration = Duration::from_secs(15);
/// How long open requests may take to finish at a stop.
const HTTP_GRACE: Duration = Duration::from_secs(5);
/// Slots of the built-in worker where nothing says.
const SLOTS: usize = 16;
/// Slots besides, for pages and runbook steps only.
const PAGE_SLOTS: u32 = 16;
/// What one series is reckoned with, to turn a memory budget into a number of series.
const BYTES_PER_SERIES: u64 = 1024;
/// Half of a memory budget goes to samples, at this many bytes each.
const BYTES_PER_SAMPLE: u64 = 8;

/// Everything that runs.
pub struct House {
    listeners: Vec<TcpListener>,
    limits: Limits,
    app: axum::Router,
    core: Handle,
    core_thread: JoinHandle<()>,
    writer_thread: JoinHandle<()>,
    collector: Arc<Collector>,
    pool: worker::Pool,
    db: Db,
    registry: Arc<Registry>,
    reloader: Arc<Reloader>,
    process: Arc<Process>,
    clock: Arc<dyn Clock>,
    failed: watch::Receiver<bool>,
}

impl House {
    /// Opens everything and starts the threads; requests are answered only by [`House::live`].
    pub async fn open(
        args: &cli::Serve,
        sources: Sources,
        loaded: Loaded,
        data: &DataDir,
        addresses: &[SocketAddr],
    ) -> Result<House> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let now = clock.now();
        let credentials = Credentials::load_or_create(data.path())?;
        let auth = listen::auth(args, &loaded, &credentials, addresses)?;
        let listeners = bind(addresses).await?;
        let external_url = external_url(args, &loaded, addresses)?;
        let db = open_series(&loaded, data, clock.clone())?;
        let mut journal = Sqlite::open(&data.join("tocsin.db")).context("cannot open the store")?;
        let reader = Arc::new(Reader::open(journal.path())?);
        let state = journal.load().context("cannot load the state")?;

        let own = Arc::new(OwnListeners::default());
        own.set(addresses.to_vec());
        let client = Client::new(Policy::OPERATOR, own);
        let actions = Arc::new(worker::Actions::built_in(&worker::Parts {
            operator: client.clone(),
            public: client.clone(),
            evaluate: Some(evaluate(db.clone(), clock.clone())),
        }));
        actions.set_tools(&loaded.tools);
        let templates = template::Set::new(&loaded.templates).context("cannot read the templates")?;
        let receivers = Arc::new(notify::Registry::new(client.clone(), loaded.receivers.clone(), templates));
        actions.add(Arc::new(notify::PageAction::new(receivers.clone(), clock.clone())));

        let (deciders, first) = decide_from(state, &loaded, &external_url, &actions, &db, now)?;
        let process = Arc::new(process(args, &loaded, data, &client, &db, now)?);
        let (sender, incoming) = mpsc::channel(core::QUEUE_MAX);
        let arrivals = Arc::new(Arrivals::default());
        let handle = Handle::new(sender, arrivals.clone());
        let (jobs, evaluations) = core::evaluation_queue();
        let counts = Arc::new(WriterCounts::default());
        let (failing, failed) = watch::channel(false);
        let flag = process.clone();
        let (batches, writer_thread) = core::start_writer(Box::new(journal), counts.clone(), move |why| {
            flag.store_writable.store(false, Ordering::SeqCst);
            tracing::error!(critical = true, event = "commit_failed", "The store failed, stopping: {why:#}");
            failing.send_replace(true);
        })?;
        let core = Core::new(deciders, template_query(db.clone()), arrivals, jobs);
        let core_thread = start_core(core, clock.clone(), incoming, batches)?;
        let evaluator = Evaluator { series: Arc::new(db.clone()), clock: clock.clone(), core: handle.clone() };
        std::thread::Builder::new().name("rules".into()).spawn(move || evaluator.run(&evaluations))?;
        handle.call(move |core, batch, now| core.take_decided(first, batch, now)).await?;

        let on_commit = handle.clone();
        let collector = Arc::new(Collector::new(
            Arc::new(db.clone()),
            client.with_policy(Policy::COLLECT),
            clock.clone(),
            Arc::new(move |committed| on_commit.samples(committed)),
        ));
        collector.apply(loaded.collect.clone());
        let pool = worker::Pool::new(
            worker::Settings {
                id: tasks::BUILTIN_WORKER.to_owned(),
                boot_nonce: format!("{:016x}", rand::random::<u64>()),
                labels: Default::default(),
                slots: u32::try_from(loaded.slots.unwrap_or(SLOTS)).unwrap_or(u32::MAX).saturating_add(PAGE_SLOTS),
                drain: drain_limit(),
            },
            actions.clone(),
        );
        let rule_exprs = Arc::new(ArcSwap::from_pointee(reload::exprs(&loaded.rule_groups)));
        let http = Arc::new(HttpMetrics::default());
        let registry = Arc::new(Registry::default());
        register(&registry, &handle, counts, &http, &db, &collector, &pool);
        let reloader = Arc::new(Reloader {
            sources,
            external_url,
            core: handle.clone(),
            collector: collector.clone(),
            receivers,
            actions,
            rule_exprs: rule_exprs.clone(),
            db: db.clone(),
            process: process.clone(),
            clock: clock.clone(),
        });
        let reads = Reads {
            series: Arc::new(seams::Series { db: db.clone(), rule_exprs }),
            monitoring: Arc::new(seams::Monitoring { collector: collector.clone(), core: handle.clone() }),
            tasks: Arc::new(seams::Tasks { core: handle.clone(), reader: reader.clone(), clock: clock.clone() }),
            vitals: Arc::new(seams::Vitals {
                core: handle.clone(),
                process: process.clone(),
                registry: registry.clone(),
            }),
            grammar: Grammar { selector, matchers },
        };
        let again = reloader.clone();
        let desk = Arc::new(seams::Desk {
            core: handle.clone(),
            reader,
            reload: Arc::new(move || again.reload()),
        });
        let limits = limits(&loaded);
        let state = State::new(reads, desk, clock.clone(), auth, limits.clone(), build(), http);
        Ok(House {
            listeners,
            limits,
            app: server::app(Arc::new(state)),
            core: handle,
            core_thread,
            writer_thread,
            collector,
            pool,
            db,
            registry,
            reloader,
            process,
            clock,
            failed,
        })
    }

    /// Runs until a signal or a failed store; then closes everything in order.
    pub async fn live(self) -> Result<ExitCode> {
        let (stop, stopped) = watch::channel(Stage::Run);
        let until = |stage: Stage| {
            let mut stopped = stopped.clone();
            async move {
                // The sender outlives every loop.
                let _ = stopped.wait_for(|now| *now >= stage).await;
            }
        };
        let mut fronts = JoinSet::new();
        for listener in self.listeners {
            let (app, limits) = (self.app.clone(), self.limits.clone());
            fronts.spawn(server::serve(listener, app, limits, until(Stage::Front), HTTP_GRACE));
        }
        let mut backs = JoinSet::new();
        let desk: Arc<dyn worker::Desk> = Arc::new(BuiltIn(self.core.clone()));
        let (pool, work_until) = (self.pool, until(Stage::Work));
        let work = tokio::spawn(async move { pool.run(desk, work_until).await });
        let (collector, collect_until) = (self.collector.clone(), until(Stage::Collect));
        backs.spawn(async move { collector.run(collect_until).await });
        backs.spawn(own_metrics_loop(self.registry, self.db.clone(), self.core.clone(), self.clock.clone(), until(Stage::Collect)));
        let maintenance = start_maintenance(self.db.clone(), self.clock.clone(), stopped.clone())?;
        self.process.ready.store(true, Ordering::SeqCst);
        tracing::info!(event = "server_ready", "Ready");

        let code = wait_for_end(self.reloader, self.failed).await?;
        self.process.ready.store(false, Ordering::SeqCst);
        tracing::info!(event = "app_shutdown", "Stopping");
        stop.send_replace(Stage::Work);
        let _ = work.await;
        stop.send_replace(Stage::Front);
        while fronts.join_next().await.is_some() {}
        stop.send_replace(Stage::Collect);
        while backs.join_next().await.is_some() {}
        self.core.stop().await;
        tokio::task::spawn_blocking(move || {
            // A panic of theirs was logged by its own thread; nothing is left to save here.
            let _ = self.core_thread.join();
            let _ = self.writer_thread.join();
            let _ = maintenance.join();
        })
        .await?;
        Ok(code)
    }
}

/// How far a stop has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Run,
    Work,
    Front,
    Collect,
}

/// The built-in worker's way to the queue.
struct BuiltIn(Handle);

impl worker::Desk for BuiltIn {
    fn work(
        &self,
        request: tasks::WorkRequest,
    ) -> worker::BoxFuture<Result<tasks::WorkReply, worker::DeskError>> {
        let core = self.0.clone();
        Box::pin(async move { core.work(request).await.map_err(|why| worker::DeskError(why.to_string())) })
    }
}

async fn wait_for_end(reloader: Arc<Reloader>, mut failed: watch::Receiver<bool>) -> Result<ExitCode> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hup = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = term.recv() => return Ok(ExitCode::SUCCESS),
            _ = int.recv() => return Ok(ExitCode::SUCCESS),
            _ = hup.recv() => {
                // What went wrong is logged and shown by the reload itself.
                let _ = reloader.reload().await;
            }
            _ = failed.wait_for(|failed| *failed) => return Ok(ExitCode::FAILURE),
        }
    }
}

async fn bind(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    for address in addresses {
        let listener = TcpListener::bind(address).await;
        listeners.push(listener.with_context(|| {
            format!("cannot listen on {address}; stop who has it or give --listen another address")
        })?);
    }
    Ok(listeners)
}

fn external_url(args: &cli::Serve, loaded: &Loaded, addresses: &[SocketAddr]) -> Result<String> {
    if let Some(url) = &args.external_url {
        return crate::config::external_url(url).map_err(|why| anyhow::anyhow!("--external-url {url}: {why}"));
    }
    let own = addresses.first().map_or(String::new(), |address| format!("http://{address}"));
    Ok(loaded.external_url.clone().unwrap_or(own))
}

fn open_series(loaded: &Loaded, data: &DataDir, now: Arc<dyn Clock>) -> Result<Db> {
    let mut options = tsdb::Options { retention: loaded.series.retention, now, ..tsdb::Options::new(data.join("series")) };
    if let Some(budget) = loaded.series.memory_budget {
        let whole = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX).max(1);
        options.series_max = whole(budget / 2 / BYTES_PER_SERIES);
        options.hot_samples_max = whole(budget / 2 / BYTES_PER_SAMPLE);
    }
    Db::open(options).context("cannot open the series store")
}

/// The deciders, from what the journal kept; and what the rules decided by merely starting.
fn decide_from(
    state: store::Loaded,
    loaded: &Loaded,
    external_url: &str,
    actions: &worker::Actions,
    db: &Db,
    now: Timestamp,
) -> Result<(core::Deciders, rules::Decided)> {
    let settings = reload::rule_settings(loaded, external_url);
    let (mut rules, first) = rules::Rules::new(loaded.rule_groups.clone(), settings, state.rules, now);
    let live = db.live();
    rules.born(live.iter().map(|(id, labels)| (*id, labels)));
    let routing = alerts::Config { external_url: external_url.to_owned(), ..loaded.alerts.clone() };
    let pages = Pages::restore(&state.tasks);
    let settings = tasks::Settings {
        lease: lease()?,
        seed: rand::random(),
        queue_max: loaded.limits.queue_max.unwrap_or(tasks::Settings::default().queue_max),
        page_slots: PAGE_SLOTS,
        kinds: Some(actions.api_kinds().into_iter().collect()),
        timezone: std::env::var("TZ").ok().filter(|zone| !zone.is_empty()).unwrap_or_else(|| "UTC".to_owned()),
        ..tasks::Settings::default()
    };
    let deciders = core::Deciders {
        rules,
        alerts: alerts::Alerts::new(routing, state.alerts, now),
        book: runbooks::Book::new(loaded.runbooks.clone()),
        queue: tasks::Queue::new(settings, state.tasks, now),
        pages,
    };
    Ok((deciders, first))
}

fn start_core(
    core: Core,
    clock: Arc<dyn Clock>,
    incoming: mpsc::Receiver<core::Event>,
    batches: std::sync::mpsc::SyncSender<core::Batch>,
) -> Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let thread = std::thread::Builder::new().name("core".into());
    Ok(thread.spawn(move || runtime.block_on(core.run(clock, incoming, batches)))?)
}

fn start_maintenance(db: Db, clock: Arc<dyn Clock>, stopped: watch::Receiver<Stage>) -> Result<JoinHandle<()>> {
    let thread = std::thread::Builder::new().name("series".into());
    Ok(thread.spawn(move || {
        let ended = || *stopped.borrow() >= Stage::Collect;
        while !ended() {
            maintain(&db, clock.now());
            let mut waited = Duration::ZERO;
            while waited < MAINTAIN_EVERY && !ended() {
                std::thread::sleep(Duration::from_millis(100));
                waited += Duration::from_millis(100);
            }
        }
        maintain(&db, clock.now());
    })?)
}

fn maintain(db: &Db, now: Timestamp) {
    match db.maintain(now) {
        Ok(done) if done.flushed > 0 => {
            tracing::info!(event = "series_flushed", samples = done.flushed, "Flushed {} samples", done.flushed);
        }
        Ok(_) => {}
        Err(why) => tracing::error!(event = "series_maintenance_failed", "Cannot maintain the series store: {why}"),
    }
}

async fn own_metrics_loop(
    registry: Arc<Registry>,
    db: Db,
    core: Handle,
    clock: Arc<dyn Clock>,
    until: impl Future<Output = ()>,
) {
    let mut every = tokio::time::interval(OWN_METRICS_EVERY);
    let mut until = std::pin::pin!(until);
    loop {
        tokio::select! {
            () = &mut until => return,
            _ = every.tick() => {}
        }
        let (registry, db, core, now) = (registry.clone(), db.clone(), core.clone(), clock.now());
        let written = tokio::task::spawn_blocking(move || {
            registry.write_to(&db, now).map(|committed| core.samples(committed))
        });
        if let Ok(Err(why)) = written.await {
            tracing::error!(event = "own_metrics_failed", "Cannot write our own series: {why}");
        }
    }
}

fn register(
    registry: &Registry,
    core: &Handle,
    writer: Arc<WriterCounts>,
    http: &Arc<HttpMetrics>,
    db: &Db,
    collector: &Arc<Collector>,
    pool: &worker::Pool,
) {
    own_metrics::register(registry, core.clone(), writer);
    let http = http.clone();
    registry.add(server::FAMILIES, Arc::new(move |out| http.metrics(out)));
    let db = db.clone();
    registry.add(&[], Arc::new(move |out| db.stats().metrics(out)));
    let collector = collector.clone();
    registry.add(&[], Arc::new(move |out| collector.metrics(out)));
    let counters = pool.counters();
    registry.add(&[], Arc::new(move |out| counters.metrics(out)));
    let host = collect::host::Host::default();
    registry.add(&[], Arc::new(move |out| host.read_process(out)));
}

fn process(
    args: &cli::Serve,
    loaded: &Loaded,
    data: &DataDir,
    client: &Client,
    db: &Db,
    now: Timestamp,
) -> Result<Process> {
    let redis = match std::env::var("REDIS_URL").ok().filter(|url| !url.is_empty()) {
        Some(url) => Some((client.guard().clone(), reach::redis::Dsn::parse(&url).context("REDIS_URL")?)),
        None => None,
    };
    let stats = db.stats();
    let shown = |path: &Option<std::path::PathBuf>| path.as_deref().map_or(String::new(), |p: &Path| p.display().to_string());
    Ok(Process {
        started_at: now,
        data_dir: data.path().to_owned(),
        retention: loaded.series.retention,
        corruptions: stats.segments_damaged + u64::from(stats.wal_cut_bytes > 0),
        flags: vec![
            ("config".to_owned(), shown(&args.config)),
            ("prometheus-config".to_owned(), shown(&args.prometheus_config)),
            ("alertmanager-config".to_owned(), shown(&args.alertmanager_config)),
            ("data-dir".to_owned(), data.path().display().to_string()),
            ("listen".to_owned(), args.listen.join(",")),
            ("external-url".to_owned(), args.external_url.clone().unwrap_or_default()),
        ],
        redis,
        redis_silent_since: RwLock::new(None),
        ready: AtomicBool::new(false),
        store_writable: AtomicBool::new(true),
        config: RwLock::new(reload::state(loaded, now)),
    })
}

fn limits(loaded: &Loaded) -> Limits {
    let (given, defaults) = (&loaded.limits, Limits::default());
    Limits {
        body_max: given.body_max.unwrap_or(defaults.body_max),
        bulk_body_max: given.bulk_body_max.unwrap_or(defaults.bulk_body_max),
        queries_max: given.queries_max.unwrap_or(defaults.queries_max),
        query_timeout: given.query_timeout.unwrap_or(defaults.query_timeout),
        ..defaults
    }
}

fn build() -> Build {
    Build {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        revision: String::new(),
        branch: String::new(),
        compiler: format!("rustc {}", env!("CARGO_PKG_RUST_VERSION")),
    }
}

fn lease() -> Result<Duration> {
    seconds("WORKER_LEASE_SECONDS", tasks::Settings::default().lease)
}

fn drain_limit() -> Duration {
    seconds("WORKER_SHUTDOWN_TIMEOUT", Duration::from_secs(30)).unwrap_or(Duration::from_secs(30))
}

fn seconds(name: &str, default: Duration) -> Result<Duration> {
    let Ok(text) = std::env::var(name) else { return Ok(default) };
    let seconds: f64 = text.trim().parse().with_context(|| format!("{name}={text} is not a number of seconds"))?;
    Duration::try_from_secs_f64(seconds).with_context(|| format!("{name}={text} is not a number of seconds"))
}

fn selector(text: &str) -> Result<Vec<model::Matcher>, String> {
    let expr = promql::parse(text).map_err(|why| why.to_string())?;
    match &expr.kind {
        promql::ExprKind::Vector(selector) if selector.window.is_none() => Ok(selector.matchers.clone()),
        _ => Err("1:1: parse error: this is not an instant vector selector".to_owned()),
    }
}

fn matchers(text: &str) -> Result<Vec<model::Matcher>, String> {
    alerts::parse_matchers(text).map(|parsed| parsed.matchers).map_err(|why| why.to_string())
}

/// Expressions in rule templates: evaluated on the core's thread, so with a short deadline.
fn template_query(db: Db) -> core::TemplateQuery {
    Arc::new(move |text, at| {
        let expr = promql::parse(text).map_err(|why| why.to_string())?;
        let deadline = std::time::Instant::now() + Duration::from_millis(200);
        let options = Options { deadline: Some(deadline), ..Options::default() };
        let answer = promql::instant(&expr, &db, at, &options).map_err(|why| why.to_string())?;
        rules::result_of(answer.value)
    })
}

/// Expressions of tasks and runbook steps.
fn evaluate(db: Db, clock: Arc<dyn Clock>) -> worker::Evaluate {
    Arc::new(move |text| {
        let (db, now) = (db.clone(), clock.now());
        Box::pin(async move {
            let answer = tokio::task::spawn_blocking(move || instant_json(&text, &db, now)).await;
            answer.map_err(|why| why.to_string())?
        })
    })
}

fn instant_json(text: &str, series: &dyn Querier, now: Timestamp) -> Result<serde_json::Value, String> {
    use serde_json::json;
    let expr = promql::parse(text).map_err(|why| why.to_string())?;
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    let options = Options { deadline: Some(deadline), ..Options::default() };
    let answer = promql::instant(&expr, series, now, &options).map_err(|why| why.to_string())?;
    let at = now.as_secs_f64();
    let labels = |labels: &model::Labels| -> serde_json::Value {
        labels.iter().map(|(name, value)| (name.to_owned(), serde_json::Value::from(value))).collect()
    };
    let value = |v: f64| json!([at, promql::format_value(v)]);
    Ok(match answer.value {
        Value::Scalar(v) => json!({"resultType": "scalar", "result": value(v)}),
        Value::String(text) => json!({"resultType": "string", "result": [at, text]}),
        Value::Vector(all) => {
            let all = all.iter().map(|s| json!({"metric": labels(&s.labels), "value": value(s.v)}));
            json!({"resultType": "vector", "result": all.collect::<Vec<_>>()})
        }
        Value::Matrix(all) => {
            let values = |samples: &[model::Sample]| -> Vec<_> {
                samples.iter().map(|s| json!([s.t.as_secs_f64(), promql::format_value(s.v)])).collect()
            };
            let all = all.iter().map(|s| json!({"metric": labels(&s.labels), "values": values(&s.samples)}));
            json!({"resultType": "matrix", "result": all.collect::<Vec<_>>()})
        }
    })
}

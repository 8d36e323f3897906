//! Everything that runs, opened in order and closed in reverse.

use super::{
    checklist,
    engine::{Engine, Outgoing, PAGE_SLOTS, Stores},
    evaluate, listen, loops,
    reload::{self, Reloader},
    settings,
};
use crate::{
    cli,
    config::{Loaded, Sources},
    core::{Feed, Handle},
    data_dir::DataDir,
    metrics::Registry,
    monitoring::{self, Monitor},
    own_metrics,
    seams::{self, Process},
    variables::Variables,
};
use anyhow::{Context, Result};
use arc_swap::ArcSwap;
use collect::Collector;
use model::{Clock, SystemClock};
use reach::Policy;
use server::{
    Gate, Grammar, HttpMetrics, Limits, Links, Listeners, Reads, State,
    auth::{Auth, Credentials},
    limits::Rates,
};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    process::ExitCode,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::JoinSet,
};
use tsdb::Db;

/// How long open requests may take to finish at a stop.
const HTTP_GRACE: Duration = Duration::from_secs(5);
/// Clients that may listen to streams of events, and how long one may not read before it makes room for others.
const EVENT_CLIENTS_MAX: usize = 256;
const EVENT_CLIENT_PATIENCE: Duration = Duration::from_secs(60);
/// Slots of the built-in worker for users' work where nothing says.
const SLOTS: usize = 16;

/// Everything that runs.
pub struct House {
    listeners: Vec<TcpListener>,
    limits: Limits,
    app: axum::Router,
    engine: Engine,
    collector: Arc<Collector>,
    pool: worker::Pool,
    workers: Arc<seams::Workers>,
    db: Db,
    registry: Arc<Registry>,
    reloader: Arc<Reloader>,
    process: Arc<Process>,
    clock: Arc<dyn Clock>,
    monitor: Arc<Monitor>,
    /// How often thresholds are evaluated.
    evaluate_every: Duration,
}

impl House {
    /// Opens everything and starts the deciders; requests are answered only by [`House::live`].
    pub async fn open(
        args: &cli::Serve,
        sources: Sources,
        loaded: Loaded,
        data: &DataDir,
        addresses: &[SocketAddr],
        variables: &Variables,
    ) -> Result<House> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let credentials = Credentials::load_or_create(data.path())?;
        let listeners = bind(addresses).await?;
        let addresses = &bound(&listeners)?;
        let auth = listen::auth(args, &loaded, variables, &credentials, addresses)?;
        let rates = variables.rates(loaded.limits.rates.as_ref().unwrap_or(&Rates::ON));
        let cors = variables.cors();
        checklist::review(variables, &loaded, addresses, &rates, &cors);
        let gate = listen::gate(&loaded, rates, cors.0);
        let external_url = settings::external_url(args, &loaded, addresses)?;
        let stores = Stores::open(&loaded, data, clock.clone())?;
        let (db, reader) = (stores.db.clone(), stores.reader.clone());
        auth.restore(stores.revoked.iter().map(|record| (record.key.clone(), record.row.clone())));
        let links = Links::new(listen::secret(variables, &credentials), &external_url);
        let outgoing = Outgoing::new(&loaded, &db, addresses, &clock, &links)?;
        let process = Arc::new(settings::process(args, &loaded, data, &outgoing.client, &db, clock.now())?);
        let mut stores = stores;
        let called = std::mem::take(&mut stores.pushes);
        let overrides = monitoring::Overrides::of(variables);
        let thresholds = (
            monitoring::declared(&loaded, &overrides),
            monitoring::settings(&loaded, &overrides, &external_url),
        );
        let told = std::mem::take(&mut stores.metrics);
        let base = links.external_url();
        let engine = Engine::start(&loaded, base, stores, &outgoing, &process, &clock, thresholds).await?;
        let monitor = Arc::new(Monitor {
            pushed: Default::default(),
            figures: Default::default(),
            db: db.clone(),
            core: engine.core.clone(),
            clock: clock.clone(),
            sentry: variables.text("SENTRY_DSN").is_some(),
        });
        monitor.restore(told);
        let drain = settings::drain_limit()?;
        let (actions, client) = (outgoing.actions.clone(), outgoing.client.clone());
        let workers =
            Arc::new(seams::Workers::new(engine.core.clone(), actions, client, clock.clone(), drain));
        workers.restore(called);
        let collector = Arc::new(collector(&engine.core, &outgoing, &db, &clock));
        collector.apply(loaded.collect.clone());
        let pool = worker::Pool::new(pool_settings(&loaded, variables)?, outgoing.actions.clone());
        let http = Arc::new(HttpMetrics::default());
        let registry = Arc::new(Registry::default());
        loops::register(&registry, &engine, &http, &db, &collector, &pool);
        own_metrics::register_process(&registry, process.clone());
        let circuits = outgoing.actions.circuits().clone();
        registry.add(worker::METRICS, Arc::new(move |out| circuits.metrics(out)));
        let circuits = outgoing.receiver_circuits.clone();
        registry.add(worker::METRICS, Arc::new(move |out| circuits.breakers(out)));
        let figures = monitor.clone();
        registry.add(monitoring::FAMILIES, Arc::new(move |out| figures.figures.metrics(out)));
        let evaluate_every =
            overrides.interval.or(loaded.monitoring.interval).unwrap_or(monitoring::INTERVAL);
        let reloader = Arc::new(Reloader {
            sources,
            overrides,
            external_url,
            core: engine.core.clone(),
            collector: collector.clone(),
            receivers: outgoing.receivers,
            actions: outgoing.actions,
            rule_exprs: Arc::new(ArcSwap::from_pointee(reload::exprs(&loaded.rule_groups))),
            db: db.clone(),
            process: process.clone(),
            clock: clock.clone(),
        });
        let limits = settings::limits(&loaded, variables);
        let subquery_step = loaded.rules.evaluation_interval;
        let query_samples_max = loaded.limits.query_samples_max;
        let front = Front {
            links,
            subquery_step,
            query_samples_max,
            reloader: &reloader,
            registry: &registry,
            reader,
            feed: engine.feed.clone(),
            http,
            workers: workers.clone(),
            client: outgoing.client.clone(),
            monitor: monitor.clone(),
        };
        let app = front.app(auth, gate, limits.clone());
        Ok(House {
            listeners,
            limits,
            app,
            engine,
            collector,
            pool,
            workers,
            db,
            registry,
            reloader,
            process,
            clock,
            monitor,
            evaluate_every,
        })
    }

    /// Where it listens.
    pub fn addresses(&self) -> Result<Vec<SocketAddr>> {
        Ok(bound(&self.listeners)?)
    }

    /// Runs until a signal or a failed store; then closes everything in order.
    pub async fn live(self) -> Result<ExitCode> {
        let listen = self.addresses()?.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(" ");
        let (stop, stopped) = watch::channel(Stage::Run);
        let mut fronts = JoinSet::new();
        for listener in self.listeners {
            let until = reached(Stage::Front, &stopped);
            fronts.spawn(server::serve(listener, self.app.clone(), self.limits.clone(), until, HTTP_GRACE));
        }
        let core = self.engine.core.clone();
        let work = tokio::spawn({
            let (desk, until) = (Arc::new(BuiltIn(core.clone())), reached(Stage::Work, &stopped));
            async move { self.pool.run(desk, until).await }
        });
        let mut backs = JoinSet::new();
        let until = reached(Stage::Collect, &stopped);
        backs.spawn(async move { self.collector.run(until).await });
        let until = reached(Stage::Collect, &stopped);
        let registry = self.registry.clone();
        let (monitor, clock) = (self.monitor.clone(), self.clock.clone());
        backs.spawn(loops::own_metrics(registry, self.db.clone(), core.clone(), clock, monitor, until));
        backs.spawn(self.monitor.run(self.evaluate_every, reached(Stage::Collect, &stopped)));
        let vitals = seams::Vitals { core, process: self.process.clone(), registry: self.registry };
        backs.spawn(loops::health_events(vitals, reached(Stage::Collect, &stopped)));
        let (process, until) = (self.process.clone(), reached(Stage::Collect, &stopped));
        backs.spawn(async move { process.watch_redis(until).await });
        let maintenance = loops::start_maintenance(self.db, self.clock, stopped.clone())?;
        self.process.ready.store(true, Ordering::SeqCst);
        tracing::info!(event = "server_ready", listen, "Ready");

        let code = wait_for_end(self.reloader, self.engine.failed.clone()).await?;
        self.process.ready.store(false, Ordering::SeqCst);
        tracing::info!(event = "app_shutdown", "Stopping");
        // Workers elsewhere get no more, either; what they finish is still taken. A core that is gone gives none.
        let _ = self.engine.core.call(|core, _, _| core.queue.drain()).await;
        stop.send_replace(Stage::Work);
        // Whatever ended it, its runs are handed back or their leases run out.
        let _ = work.await;
        self.workers.stop().await;
        // Streams would go on for ever, and who waits for a task's end learns how it stands.
        self.engine.feed.close();
        let _ = self.engine.core.call(|core, _, _| core.waiters.close()).await;
        stop.send_replace(Stage::Front);
        while fronts.join_next().await.is_some() {}
        stop.send_replace(Stage::Collect);
        while backs.join_next().await.is_some() {}
        self.engine.stop().await?;
        tokio::task::spawn_blocking(move || maintenance.join()).await?.ok();
        Ok(code)
    }
}

/// How far a stop has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Not begun.
    Run,
    /// The built-in worker finishes or hands back.
    Work,
    /// No more requests.
    Front,
    /// No more samples.
    Collect,
}

fn reached(stage: Stage, stopped: &watch::Receiver<Stage>) -> impl Future<Output = ()> + Send + use<> {
    let mut stopped = stopped.clone();
    async move {
        // The sender outlives every loop.
        let _ = stopped.wait_for(|now| *now >= stage).await;
    }
}

/// What the HTTP side is built from.
struct Front<'a> {
    links: Links,
    subquery_step: Duration,
    reloader: &'a Arc<Reloader>,
    registry: &'a Arc<Registry>,
    reader: Arc<store::Reader>,
    feed: Arc<Feed>,
    http: Arc<HttpMetrics>,
    query_samples_max: Option<usize>,
    workers: Arc<seams::Workers>,
    client: reach::http::Client,
    monitor: Arc<Monitor>,
}

impl Front<'_> {
    fn app(self, auth: Auth, gate: Gate, limits: Limits) -> axum::Router {
        let (core, clock) = (self.reloader.core.clone(), self.reloader.clock.clone());
        let series = Arc::new(seams::Series {
            db: self.reloader.db.clone(),
            subquery_step: self.subquery_step,
            rule_exprs: self.reloader.rule_exprs.clone(),
            samples_max: self.query_samples_max.unwrap_or(promql::Options::default().samples_max),
        });
        let reads = Reads {
            incidents: Arc::new(seams::Incidents {
                core: core.clone(),
                reader: self.reader.clone(),
                series: series.clone(),
            }),
            series,
            monitoring: Arc::new(seams::Monitoring {
                collector: self.reloader.collector.clone(),
                core: core.clone(),
            }),
            tasks: Arc::new(seams::Tasks {
                core: core.clone(),
                reader: self.reader.clone(),
                clock: clock.clone(),
            }),
            events: Arc::new(seams::Events {
                core: core.clone(),
                client: self.client.clone(),
                feed: self.feed,
                listeners: Arc::new(Listeners::new(EVENT_CLIENTS_MAX, EVENT_CLIENT_PATIENCE)),
            }),
            schedules: Arc::new(seams::Schedules { core: core.clone() }),
            queues: Arc::new(seams::Queues {
                core: core.clone(),
                reader: self.reader.clone(),
                clock: clock.clone(),
            }),
            agents: Arc::new(seams::Agents { core: core.clone() }),
            keep: Arc::new(seams::Keep { core: core.clone() }),
            approvals: Arc::new(seams::Approvals { core: core.clone() }),
            workers: self.workers.clone(),
            thresholds: Arc::new(seams::Thresholds { monitor: self.monitor }),
            vitals: Arc::new(seams::Vitals {
                core: core.clone(),
                process: self.reloader.process.clone(),
                registry: self.registry.clone(),
            }),
            grammar: Grammar { selector: evaluate::selector, matchers: evaluate::matchers },
        };
        let (again, tried) = (self.reloader.clone(), self.reloader.clone());
        let desk = seams::Desk {
            core,
            reader: self.reader,
            reload: Arc::new(move || again.reload()),
            dry_run: Arc::new(move || tried.would_move()),
            called_back: self.workers.back.clone(),
        };
        let state = State::new(reads, Arc::new(desk), clock, auth, limits, settings::build(), self.http);
        server::app(Arc::new(state.with_links(self.links).behind(gate)))
    }
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

/// Where they listen: port 0 has become one that is free.
fn bound(listeners: &[TcpListener]) -> std::io::Result<Vec<SocketAddr>> {
    listeners.iter().map(TcpListener::local_addr).collect()
}

fn collector(core: &Handle, outgoing: &Outgoing, db: &Db, clock: &Arc<dyn Clock>) -> Collector {
    let core = core.clone();
    Collector::new(
        Arc::new(db.clone()),
        outgoing.client.with_policy(Policy::COLLECT),
        clock.clone(),
        Arc::new(move |committed| core.samples(committed)),
    )
}

fn pool_settings(loaded: &Loaded, variables: &Variables) -> Result<worker::Settings> {
    let leases = variables.whole("WORKER_MAX_LEASES").and_then(|leases| usize::try_from(leases).ok());
    let users = u32::try_from(leases.or(loaded.slots).unwrap_or(SLOTS)).unwrap_or(u32::MAX);
    Ok(worker::Settings {
        id: tasks::BUILTIN_WORKER.to_owned(),
        boot_nonce: format!("{:016x}", rand::random::<u64>()),
        labels: BTreeMap::new(),
        slots: users.saturating_add(PAGE_SLOTS),
        drain: settings::drain_limit()?,
    })
}

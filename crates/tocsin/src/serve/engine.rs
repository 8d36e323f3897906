//! Stores, outgoing connections and the deciders' threads: what works without anybody listening.

use super::{evaluate, reload, settings};
use crate::{
    config::Loaded,
    core::{self, Arrivals, Core, Evaluator, Handle, Pages, WriterCounts},
    data_dir::DataDir,
    monitoring::RECEIVER_CIRCUITS,
    seams::{self, Process},
};
use alerts::on_call::{StandIn, StandIns};
use anyhow::{Context, Result};
use model::{Clock, Json, Timestamp};
use reach::{OwnListeners, Policy, http::Client};
use rules::threshold::{Crossed, Threshold, Thresholds};
use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    thread::JoinHandle,
    time::Duration,
};
use store::{Journal, Reader, Sqlite};
use tasks::events::{Bus, Ring};
use tokio::sync::{mpsc, watch};
use tsdb::Db;

/// Slots of the built-in worker, besides users', for pages and runbook steps only.
pub const PAGE_SLOTS: u32 = 256;
/// What one series is reckoned with, to turn a memory budget into a number of series.
const BYTES_PER_SERIES: u64 = 1024;
/// Half of a memory budget goes to samples, at this many bytes each.
const BYTES_PER_SAMPLE: u64 = 8;

/// A receiver that failed so often in a row is asked once in so long, whatever waits for it.
const PAGE_BREAKER: worker::Limits =
    worker::Limits { failure_threshold: 10, recovery_timeout: Duration::from_secs(15) };

/// The integration that a page's arguments name.
fn called_by_page(args: &Json) -> String {
    format!("{RECEIVER_CIRCUITS}{}", notify::called_by(args))
}

/// The series and the journal, opened.
pub struct Stores {
    /// Series.
    pub db: Db,
    /// Tasks, runs, alerts, as the API reads them.
    pub reader: Arc<Reader>,
    journal: Sqlite,
    state: store::Loaded,
    pages: Vec<store::DeliveredPage>,
    /// Credentials that are no longer taken.
    pub revoked: Vec<tasks::Record>,
    /// Workers that are called.
    pub pushes: Vec<tasks::Record>,
    /// What kinds of metrics applications told.
    pub metrics: Vec<tasks::Record>,
}

impl Stores {
    /// Opens both and loads what the deciders start from.
    pub fn open(loaded: &Loaded, data: &DataDir, clock: Arc<dyn Clock>) -> Result<Stores> {
        let db = open_series(loaded, data, clock)?;
        let mut journal = Sqlite::open(&data.join("tocsin.db")).context("cannot open the store")?;
        let reader = Arc::new(Reader::open(journal.path())?);
        let mut state = journal.load().context("cannot load the state")?;
        let revoked = state.tasks.take_records(tasks::RecordKind::Revoked);
        let pushes = state.tasks.take_records(tasks::RecordKind::Push);
        let metrics = state.tasks.take_records(tasks::RecordKind::Metric);
        let pages = reader.pages_delivered(core::SENT_MAX as u64).context("cannot load the latest pages")?;
        Ok(Stores { db, reader, journal, state, pages, revoked, pushes, metrics })
    }
}

fn open_series(loaded: &Loaded, data: &DataDir, now: Arc<dyn Clock>) -> Result<Db> {
    let defaults = tsdb::Options::new(data.join("series"));
    let mut options = tsdb::Options { retention: loaded.series.retention, now, ..defaults };
    if let Some(budget) = loaded.series.memory_budget {
        let whole = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX).max(1);
        options.series_max = whole(budget / 2 / BYTES_PER_SERIES);
        options.hot_samples_max = whole(budget / 2 / BYTES_PER_SAMPLE);
    }
    Db::open(options).context("cannot open the series store")
}

/// What goes out: connections, actions, receivers.
pub struct Outgoing {
    /// Connects, but never to our own listeners.
    pub client: Client,
    /// What the built-in worker can do.
    pub actions: Arc<worker::Actions>,
    /// How pages leave.
    pub receivers: Arc<notify::Registry>,
    /// Their breakers, one for each integration.
    pub receiver_circuits: Arc<worker::Circuits>,
    /// Where those are who subscribed to events.
    pub subscribers: Arc<notify::Subscribers>,
}

impl Outgoing {
    /// Everything that connects; nothing does so yet.
    pub fn new(
        loaded: &Loaded,
        db: &Db,
        addresses: &[SocketAddr],
        clock: &Arc<dyn Clock>,
        links: &server::Links,
    ) -> Result<Outgoing> {
        let own = Arc::new(OwnListeners::default());
        own.set(addresses.to_vec());
        let client = Client::new(Policy::OPERATOR, own);
        let parts = worker::Parts {
            operator: client.clone(),
            // Link-local, metadata and our own addresses are refused; a team's own network is not.
            public: client.clone(),
            evaluate: Some(evaluate::evaluate(db.clone(), clock.clone())),
        };
        let actions = Arc::new(worker::Actions::with_breaker(&parts, settings::breaker()?));
        actions.set_schemas(loaded.kinds.clone());
        actions.set_tools(&loaded.tools);
        let templates = template::Set::new(&loaded.templates).context("cannot read the templates")?;
        let receivers = Arc::new(notify::Registry::new(client.clone(), loaded.receivers.clone(), templates));
        let page_links = seams::page_links(links.clone());
        let pages = Arc::new(notify::PageAction::new(receivers.clone(), clock.clone(), page_links));
        let pages = worker::Guarded::new(pages, PAGE_BREAKER, called_by_page);
        let receiver_circuits = pages.circuits();
        actions.add(Arc::new(pages));
        let url = loaded.external_url.clone().unwrap_or_default();
        actions.add(Arc::new(notify::NotifyAction::new(receivers.clone(), clock.clone(), url)));
        let subscribers = Arc::new(notify::Subscribers::default());
        let events = notify::EventAction::new(client.clone(), subscribers.clone(), clock.clone());
        actions.add(Arc::new(events));
        Ok(Outgoing { client, actions, receivers, receiver_circuits, subscribers })
    }
}

/// The deciders' threads.
pub struct Engine {
    /// The way to the deciders.
    pub core: Handle,
    /// The last events.
    pub feed: Arc<core::Feed>,
    /// What the journal's thread counts.
    pub writer: Arc<WriterCounts>,
    /// True once a commit failed.
    pub failed: watch::Receiver<bool>,
    threads: [JoinHandle<()>; 2],
}

impl Engine {
    /// Starts them from what the journal kept.
    pub async fn start(
        loaded: &Loaded,
        external_url: &str,
        stores: Stores,
        outgoing: &Outgoing,
        process: &Arc<Process>,
        clock: &Arc<dyn Clock>,
        (thresholds, watched): (Vec<Threshold>, rules::threshold::Settings),
    ) -> Result<Engine> {
        let Stores { db, reader, journal, state, pages, .. } = stores;
        let (deciders, first) = deciders(state, pages, loaded, external_url, outgoing, &db, clock.as_ref())?;
        let feed = deciders.events.feed.clone();
        let (sender, incoming) = mpsc::channel(core::QUEUE_MAX);
        let arrivals = Arc::new(Arrivals::default());
        let revision = Arc::new(core::Revision::default());
        let handle = Handle::new(sender, arrivals.clone(), revision.clone());
        let (jobs, evaluations) = core::evaluation_queue();
        let writer = Arc::new(WriterCounts::default());
        let (failing, failed) = watch::channel(false);
        let flag = process.clone();
        let (batches, writer_thread) = core::start_writer(Box::new(journal), writer.clone(), move |why| {
            flag.store_writable.store(false, Ordering::SeqCst);
            let why = settings::with_causes(why);
            tracing::error!(critical = true, event = "commit_failed", "The store failed, stopping: {why}");
            failing.send_replace(true);
        })?;
        let mut core = Core::new(
            deciders,
            evaluate::template_query(db.clone()),
            arrivals,
            revision,
            jobs,
            core::Disk::new(reader),
        );
        core.set_retention(settings::retention(loaded)?);
        let core_thread = start_core(core, clock.clone(), incoming, batches)?;
        let evaluator = Evaluator {
            series: Arc::new(db),
            subquery_step: loaded.rules.evaluation_interval,
            clock: clock.clone(),
            core: handle.clone(),
        };
        std::thread::Builder::new().name("rules".into()).spawn(move || evaluator.run(&evaluations))?;
        let begin = move |core: &mut Core, batch: &mut core::Batch, now| {
            core.agents.seed(now, &mut batch.changes.tasks);
            core.events.bus.bound(now, &mut batch.changes.tasks);
            core.set_thresholds(thresholds, watched, batch, now);
            core.rules_replaced(first, batch, now);
        };
        handle.call(begin).await?;
        Ok(Engine { core: handle, feed, writer, failed, threads: [core_thread, writer_thread] })
    }

    /// Ends after everything that is queued; the last batch is committed.
    pub async fn stop(self) -> Result<()> {
        self.core.stop().await;
        let threads = self.threads;
        tokio::task::spawn_blocking(move || {
            for thread in threads {
                // A panic of its own was said on stderr; nothing is left to save here.
                let _ = thread.join();
            }
        })
        .await?;
        Ok(())
    }
}

/// The deciders as they start, and what the rules decided by merely starting.
fn deciders(
    mut state: store::Loaded,
    delivered: Vec<store::DeliveredPage>,
    loaded: &Loaded,
    external_url: &str,
    outgoing: &Outgoing,
    db: &Db,
    clock: &dyn Clock,
) -> Result<(core::Deciders, rules::Decided)> {
    let now = clock.now();
    let settings = reload::rule_settings(loaded, external_url);
    let (mut rules, first) = rules::Rules::new(loaded.rule_groups.clone(), settings, state.rules, now);
    rules.born(db.live().iter().map(|(id, labels)| (*id, labels)));
    let history = settings::retention(loaded)?.alerts;
    let stand_ins = stand_ins(&mut state.tasks);
    let external_url = external_url.to_owned();
    let routing = alerts::Config { external_url, history, stand_ins, ..loaded.alerts.clone() };
    let mut pages = Pages::restore(&state.tasks);
    pages.remember(delivered);
    let defaults = tasks::Settings::default();
    let settings = tasks::Settings {
        lease: settings::lease()?,
        seed: rand::random(),
        queue_max: loaded.limits.queue_max.unwrap_or(defaults.queue_max),
        ageing: loaded.limits.ageing.or(defaults.ageing),
        page_slots: PAGE_SLOTS,
        kinds: Some(settings::step_kinds(loaded, &outgoing.actions)),
        closed_kinds: outgoing.actions.closed_kinds(),
        timezone: settings::timezone(),
        misfire_grace: settings::misfire_grace()?,
        waits: settings::waits()?,
        attempt_timeout: settings::attempt_timeout()?,
        task_ttl: settings::task_ttl(),
        ..defaults
    };
    let events = events(&mut state.tasks, outgoing, now)?;
    let agents = tasks::agents::Agents::new(&mut state.tasks);
    let thresholds = crossed(&mut state.tasks, now);
    let mut queue = tasks::Queue::new(settings, state.tasks, now);
    queue.set_fits(outgoing.actions.clone());
    queue.set_approvals(settings::approvals(loaded)?);
    let deciders = core::Deciders {
        rules,
        alerts: alerts::Alerts::new(routing, state.alerts, now),
        book: runbooks::Book::new(loaded.runbooks.clone()),
        queue,
        pages,
        events,
        agents,
        thresholds,
    };
    Ok((deciders, first))
}

/// Who was asked to stand in.
fn stand_ins(loaded: &mut tasks::Loaded) -> StandIns {
    let rows = loaded.take_records(tasks::RecordKind::StandIn).into_iter();
    StandIns::restore(rows.filter_map(|record| StandIn::from_json(record.key, &record.row)).collect())
}

/// What was crossed before; which thresholds there are is said once the core runs.
fn crossed(loaded: &mut tasks::Loaded, now: Timestamp) -> Thresholds {
    let mut of = |kind| {
        let rows = loaded.take_records(kind).into_iter();
        rows.filter_map(|record| Some((record.key, Crossed::from_json(&record.row)?))).collect::<Vec<_>>()
    };
    let firing = of(tasks::RecordKind::Threshold).into_iter().map(|(_, crossed)| crossed).collect();
    let history = of(tasks::RecordKind::Crossing);
    Thresholds::new(Vec::new(), rules::threshold::Settings::default(), firing, history, now)
}

/// Events as they start: those that were published are among the last ones again.
fn events(loaded: &mut tasks::Loaded, outgoing: &Outgoing, now: Timestamp) -> Result<core::Events> {
    let (settings, ring) = settings::events()?;
    let mut bus = Bus::new(settings, loaded);
    let begin = bus.mark(now);
    let ring = Ring::new(ring.events_max, ring.bytes_max, bus.kept().cloned(), begin);
    let feed = Arc::new(core::Feed::new(ring));
    Ok(core::Events::new(bus, feed, outgoing.subscribers.clone(), loaded))
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

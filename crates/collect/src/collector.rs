//! Keeps one loop for each target, probe and host that is wanted.
//!
//! The loop here takes no input: it compares what is wanted with what runs; [`Collector::apply`] and changed
//! discovery files only wake it. A target that stays the same keeps its loop, its connection and its cache.

use crate::Error;
use crate::config::{CollectConfig, HostConfig, Job, StaticGroup};
use crate::context::{Context, Counts, OnCommit, Sink};
use crate::discovery::Files;
use crate::host::host_loop;
use crate::probe::{Prober, probe_loop};
use crate::scrape::{Key, Made, Metadata, Order, Settings, Shape, Target, discovered, make, scrape_loop};
use crate::view::{DroppedView, ProbeView, TargetView};
use model::{Clock, Ingest, Labels};
use reach::http::Client;
use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

/// How often discovery files are looked at.
const FILES_EVERY: Duration = Duration::from_secs(2);
/// A loop that failed, which is our own fault, starts again after this.
const FAILED_PAUSE: Duration = Duration::from_secs(1);
/// First scrapes of new targets are spread by this for each.
const SPREAD_EACH: Duration = Duration::from_millis(2);
/// Dropped targets shown for each job that sets no `keep_dropped_targets`.
const DROPPED_MAX: usize = 500;

/// Collects. Cheap to clone; [`Collector::run`] is called once.
#[derive(Clone)]
pub struct Collector(Arc<Inner>);

struct Inner {
    context: Arc<Context>,
    /// Held for a clone.
    wanted: Mutex<Arc<CollectConfig>>,
    poke: Notify,
    /// Held for a copy.
    board: Mutex<Board>,
    /// Held, on a thread for blocking work, while files are read.
    files: Arc<Mutex<Files>>,
}

/// What is shown.
#[derive(Default)]
struct Board {
    targets: Vec<Arc<Target>>,
    probes: Vec<Arc<Prober>>,
    dropped: Vec<DroppedView>,
    dropped_count: BTreeMap<String, usize>,
}

impl Collector {
    /// A collector with nothing to do. `on_commit` is told of each committed batch and must not block.
    pub fn new(
        ingest: Arc<dyn Ingest>,
        client: Client,
        clock: Arc<dyn Clock>,
        on_commit: OnCommit,
    ) -> Collector {
        let counts = Counts::default();
        Collector(Arc::new(Inner {
            context: Arc::new(Context { ingest, client, clock, on_commit, counts }),
            wanted: Mutex::default(),
            poke: Notify::new(),
            board: Mutex::default(),
            files: Arc::default(),
        }))
    }

    /// Says what is wanted from now on. May be called before and while it runs, any number of times.
    pub fn apply(&self, config: CollectConfig) {
        *lock(&self.0.wanted) = Arc::new(config);
        self.0.poke.notify_one();
    }

    /// Collects until `shutdown`. Then loops stop where they are: no series is marked stale, so that a restart
    /// goes on where this run ended.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = pin!(shutdown);
        let mut crew = Crew::default();
        loop {
            let wanted = lock(&self.0.wanted).clone();
            self.refresh_files(&wanted).await;
            crew.reconcile(&self.0, &wanted);
            tokio::select! {
                () = &mut shutdown => break,
                () = self.0.poke.notified() => {}
                () = self.files_changed(&wanted) => {}
                () = crew.failure() => tokio::time::sleep(FAILED_PAUSE).await,
            }
        }
        crew.tasks.shutdown().await;
    }

    /// The targets, by job and address.
    pub fn targets(&self) -> Vec<TargetView> {
        let targets = lock(&self.0.board).targets.clone();
        targets.iter().map(|target| target.view()).collect()
    }

    /// What was discovered and is not scraped, a bounded number of each job.
    pub fn dropped(&self) -> Vec<DroppedView> {
        lock(&self.0.board).dropped.clone()
    }

    /// How many were discovered and are not scraped, by job.
    pub fn dropped_count(&self) -> BTreeMap<String, usize> {
        lock(&self.0.board).dropped_count.clone()
    }

    /// The probes, in the order of the configuration.
    pub fn probes(&self) -> Vec<ProbeView> {
        let probes = lock(&self.0.board).probes.clone();
        probes.iter().map(|prober| prober.view()).collect()
    }

    /// What each target says its metrics are.
    pub fn metadata(&self) -> Vec<(Labels, BTreeMap<String, Metadata>)> {
        let targets = lock(&self.0.board).targets.clone();
        targets.iter().map(|target| (target.key.labels.clone(), target.metadata())).collect()
    }

    /// Discovery files that cannot be used, each with the reason.
    pub fn troubles(&self) -> Vec<(String, String)> {
        lock(&self.0.files).troubles()
    }

    /// Own metrics.
    pub fn metrics(&self, out: &mut Sink<'_>) {
        self.0.context.counts.metrics(out);
        let (targets, probes) = {
            let board = lock(&self.0.board);
            (board.targets.clone(), board.probes.len())
        };
        let bytes: usize = targets.iter().map(|target| target.status().cache_bytes).sum();
        out("tocsin_scrape_targets", &[], targets.len() as f64);
        out("tocsin_scrape_cache_bytes", &[], bytes as f64);
        out("tocsin_probes", &[], probes as f64);
    }

    async fn refresh_files(&self, wanted: &CollectConfig) -> bool {
        let patterns: Vec<_> = wanted.jobs.iter().flat_map(|job| job.files.iter().cloned()).collect();
        if patterns.is_empty() {
            return false;
        }
        let files = self.0.files.clone();
        let work = tokio::task::spawn_blocking(move || lock(&files).refresh(&patterns));
        // Stopped means that the process ends.
        work.await.unwrap_or(false)
    }

    async fn files_changed(&self, wanted: &CollectConfig) {
        if wanted.jobs.iter().all(|job| job.files.is_empty()) {
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep(FILES_EVERY).await;
            if self.refresh_files(wanted).await {
                return;
            }
        }
    }
}

/// The loops that run.
#[derive(Default)]
struct Crew {
    tasks: JoinSet<()>,
    targets: HashMap<Key, Scraping>,
    probes: Vec<(Arc<Prober>, watch::Sender<bool>)>,
    host: Option<(HostConfig, watch::Sender<bool>)>,
}

struct Scraping {
    target: Arc<Target>,
    settings: Arc<Settings>,
    orders: watch::Sender<Order>,
}

/// A target that is wanted.
struct Wanted {
    discovered: Labels,
    settings: Settings,
}

impl Crew {
    /// Returns when a loop failed. Loops that ended as they should are forgotten on the way.
    async fn failure(&mut self) {
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(event = "loop_failed", %error, "a collecting loop failed; it starts again");
                return;
            }
        }
        std::future::pending().await
    }

    fn reconcile(&mut self, inner: &Inner, config: &CollectConfig) {
        let mut board = Board::default();
        let wanted = self.wanted(inner, config, &mut board);
        self.targets(&inner.context, wanted);
        self.probes(&inner.context, config);
        self.host(&inner.context, config.host.as_ref());

        board.targets = self.targets.values().map(|scraping| scraping.target.clone()).collect();
        board.targets.sort_by(|a, b| {
            (&a.key.job, &a.key.url, &a.key.labels).cmp(&(&b.key.job, &b.key.url, &b.key.labels))
        });
        board.probes = self.probes.iter().map(|(prober, _)| prober.clone()).collect();
        *lock(&inner.board) = board;
    }

    fn wanted(&self, inner: &Inner, config: &CollectConfig, board: &mut Board) -> HashMap<Key, Wanted> {
        let mut wanted = HashMap::new();
        let files = lock(&inner.files);
        for job in &config.jobs {
            let from_files = job.files.iter().flat_map(|pattern| files.groups(pattern));
            let groups: Vec<&StaticGroup> = job.groups.iter().chain(from_files).collect();
            // The loops need not know each other's targets.
            let bare = Arc::new(Job { groups: Vec::new(), files: Vec::new(), ..job.clone() });
            let client = job.access.client(&inner.context.client);
            let mut of_job = HashMap::new();
            for (group, address) in groups.iter().flat_map(|g| g.targets.iter().map(move |t| (g, t))) {
                let labels = discovered(job, address, &group.labels);
                match make(job, &labels) {
                    Made::Target { key, interval, timeout } => {
                        let shape = shape(&bare, &key);
                        let (job, client) = (bare.clone(), client.clone());
                        let settings = Settings { job, client, interval, timeout, shape, refusal: None };
                        of_job.insert(key, Wanted { discovered: labels, settings });
                    }
                    Made::Dropped => board.dropped(job, labels, String::new()),
                    Made::Broken(error) => board.dropped(job, labels, error),
                }
            }
            let (got, limit) = (of_job.len(), job.target_limit);
            if limit > 0 && got > limit {
                for target in of_job.values_mut() {
                    target.settings.refusal = Some(Error::TargetLimit { got, limit });
                }
            }
            wanted.extend(of_job);
        }
        wanted
    }

    fn targets(&mut self, context: &Arc<Context>, mut wanted: HashMap<Key, Wanted>) {
        self.targets.retain(|key, scraping| {
            // A loop whose orders nobody reads has failed.
            if scraping.orders.is_closed() {
                return false;
            }
            match wanted.remove(key) {
                None => {
                    scraping.orders.send_replace(Order::Retire);
                    false
                }
                Some(Wanted { discovered, settings }) => {
                    scraping.target.set_discovered(discovered);
                    if !settings.is_same(&scraping.settings) {
                        scraping.settings = Arc::new(settings);
                        scraping.orders.send_replace(Order::Run(scraping.settings.clone()));
                    }
                    true
                }
            }
        });
        let spread = SPREAD_EACH * u32::try_from(wanted.len()).unwrap_or(u32::MAX);
        for (key, Wanted { discovered, settings }) in wanted {
            let window = spread.min(settings.interval).as_millis().max(1);
            let first_after = Duration::from_millis((u128::from(key.hash()) % window) as u64);
            let target = Arc::new(Target::new(key.clone(), discovered));
            let settings = Arc::new(settings);
            let (orders, receiver) = watch::channel(Order::Run(settings.clone()));
            self.tasks.spawn(scrape_loop(context.clone(), target.clone(), receiver, first_after));
            self.targets.insert(key, Scraping { target, settings, orders });
        }
    }

    fn probes(&mut self, context: &Arc<Context>, config: &CollectConfig) {
        let mut running = std::mem::take(&mut self.probes);
        for probe in &config.probes {
            let same = running.iter().position(|(prober, end)| prober.probe == *probe && !end.is_closed());
            if let Some(place) = same {
                self.probes.push(running.swap_remove(place));
                continue;
            }
            let prober = Arc::new(Prober::new(probe.clone()));
            let (end, ended) = watch::channel(false);
            self.tasks.spawn(probe_loop(context.clone(), prober.clone(), ended));
            self.probes.push((prober, end));
        }
        for (_, end) in running {
            end.send_replace(true);
        }
    }

    fn host(&mut self, context: &Arc<Context>, wanted: Option<&HostConfig>) {
        if self.host.as_ref().is_some_and(|(config, end)| Some(config) == wanted && !end.is_closed()) {
            return;
        }
        if let Some((_, end)) = self.host.take() {
            end.send_replace(true);
        }
        if let Some(config) = wanted {
            let (end, ended) = watch::channel(false);
            self.tasks.spawn(host_loop(context.clone(), config.clone(), ended));
            self.host = Some((config.clone(), end));
        }
    }
}

impl Board {
    fn dropped(&mut self, job: &Job, discovered: Labels, error: String) {
        let count = self.dropped_count.entry(job.name.clone()).or_default();
        *count += 1;
        let shown = if job.keep_dropped > 0 { job.keep_dropped } else { DROPPED_MAX };
        if *count <= shown {
            self.dropped.push(DroppedView { job: job.name.clone(), discovered, error });
        }
    }
}

fn shape(job: &Job, key: &Key) -> Shape {
    Shape {
        target: key.labels.clone(),
        honor_labels: job.honor_labels,
        honor_timestamps: job.honor_timestamps,
        track_timestamps_staleness: job.track_timestamps_staleness,
        classic_names: job.classic_names,
        relabel: job.metric_relabel.clone().into(),
        limits: job.limits,
    }
}

/// A poisoned lock still holds a value that is whole: each holder replaces it in one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

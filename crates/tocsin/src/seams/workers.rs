//! Workers, tools, logs of attempts, and workers that are called.

use super::callable;
use crate::core::Handle;
use futures_util::future::BoxFuture;
use model::{Clock, Timestamp};
use reach::http::Client;
use serde_json::{Value, json};
use server::{Failure, KnownWorker, LogLine, NewLogLine, PushWorker, ToolView};
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tasks::{BUILTIN_WORKER, Change, Directive, Record, RecordKind};
use tokio::{sync::oneshot, task::JoinHandle};
use worker::{Actions, CalledBack, PushTarget};

/// The most lines kept of one run.
const RUN_LINES_MAX: usize = 1_000;
/// The most bytes of lines kept in all; the runs that wrote first lose theirs first.
const LOG_BYTES_MAX: usize = 16 << 20;
/// The most workers that are called.
const PUSHES_MAX: usize = 100;
/// What a line is reckoned with besides its text.
const LINE_COST: usize = 64;

/// Workers and tools as the server sees them.
pub struct Workers {
    core: Handle,
    actions: Arc<Actions>,
    client: Client,
    clock: Arc<dyn Clock>,
    drain: Duration,
    /// Told of what workers complete, for those that are called and call back.
    pub back: Arc<CalledBack>,
    log: Mutex<LogBook>,
    pushes: Mutex<BTreeMap<String, Pushing>>,
}

/// A worker that is called, and the loop that calls it.
struct Pushing {
    worker: PushWorker,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Workers {
    /// Calls nobody yet.
    pub fn new(
        core: Handle,
        actions: Arc<Actions>,
        client: Client,
        clock: Arc<dyn Clock>,
        drain: Duration,
    ) -> Workers {
        let (back, log, pushes) = (Arc::default(), Mutex::default(), Mutex::default());
        Workers { core, actions, client, clock, drain, back, log, pushes }
    }

    /// Goes on calling those that were called before the restart.
    pub fn restore(&self, records: Vec<Record>) {
        for record in records {
            match read(&record) {
                Some(worker) => self.start(worker),
                None => {
                    tracing::warn!(event = "push_unreadable", id = record.key, "A worker's row is not read")
                }
            }
        }
    }

    /// Ends all calls: each finishes or hands back what it has.
    pub async fn stop(&self) {
        let all = std::mem::take(&mut *lock(&self.pushes));
        let ended = all.into_values().map(|pushing| {
            let _ = pushing.stop.send(());
            pushing.task
        });
        for task in ended.collect::<Vec<_>>() {
            let _ = task.await;
        }
    }

    fn start(&self, worker: PushWorker) {
        let PushWorker { id, url, secret, kinds, labels, slots } = worker.clone();
        let target = PushTarget { id, url, secret, kinds, labels, slots };
        let nonce = format!("{:016x}", rand::random::<u64>());
        let (client, clock) = (self.client.clone(), self.clock.clone());
        let pool = worker::push_pool(&target, nonce, client, clock, self.back.clone(), self.drain);
        let desk = Arc::new(Caller(self.core.clone()));
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(pool.run(desk, async move {
            // A sender that is gone says the same.
            let _ = stopped.await;
        }));
        let before = lock(&self.pushes).insert(worker.id.clone(), Pushing { worker, stop, task });
        drop(before);
    }
}

/// The way of a called worker to the queue.
struct Caller(Handle);

impl worker::Desk for Caller {
    fn work(
        &self,
        request: tasks::WorkRequest,
    ) -> worker::BoxFuture<Result<tasks::WorkReply, worker::DeskError>> {
        let core = self.0.clone();
        Box::pin(async move { core.work(request).await.map_err(|why| worker::DeskError(why.to_string())) })
    }
}

impl server::Workers for Workers {
    fn tools(&self) -> Vec<ToolView> {
        let view = |tool: worker::ToolInfo| ToolView {
            address: tool.address,
            transport: tool.transport,
            endpoint: tool.endpoint,
            input_schema: tool.input_schema,
            output_schema: tool.output_schema,
            timeout: tool.timeout,
            scopes: tool.scopes,
            cost_tier: tool.cost_tier,
            description: tool.description,
            examples: tool.examples,
            circuit: tool.circuit,
        };
        self.actions.catalogue().into_iter().map(view).collect()
    }

    fn workers(&self) -> BoxFuture<'_, Result<Vec<KnownWorker>, Failure>> {
        Box::pin(async {
            let known = self.core.call(|core, _, now| core.queue.workers(now)).await?;
            Ok(known.into_iter().map(view).collect())
        })
    }

    fn direct(&self, id: String, to: Directive, by: String) -> BoxFuture<'_, Result<KnownWorker, Failure>> {
        Box::pin(async move {
            if id.starts_with(BUILTIN_WORKER) {
                let what = format!("{id} is ours: it ends with the process; pause a queue to hold work back");
                return Err(Failure::Conflict(what));
            }
            tracing::info!(event = "worker_directed", worker = id, by, directive = ?to, "{by} directs worker {id}");
            let not_found = Failure::NotFound(format!("Worker {id} not found"));
            let found = self.core.call(move |core, batch, now| {
                core.queue.direct(&id, to, &mut batch.changes.tasks);
                core.queue.workers(now).into_iter().find(|worker| *worker.id == *id)
            });
            found.await?.map(view).ok_or(not_found)
        })
    }

    fn gone(&self, id: String, boot_nonce: String) -> BoxFuture<'static, ()> {
        let core = self.core.clone();
        Box::pin(async move {
            // A core that is gone has nothing to give back.
            let _ = core
                .call(move |core, batch, now| {
                    let happened = core.queue.worker_gone(&id, &boot_nonce, now, &mut batch.changes.tasks);
                    core.happened(happened, batch, now);
                })
                .await;
        })
    }

    fn log(&self, worker: String, lines: Vec<NewLogLine>) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async move {
            let found = self.core.call(move |core, _, now| {
                let kept = core.retention().logs;
                let mut found = Vec::with_capacity(lines.len());
                for line in lines {
                    if let Some((run, attempt)) = core.queue.attempt_of(&worker, &line.token) {
                        let NewLogLine { at, level, line, .. } = line;
                        let line = LogLine { at: at.unwrap_or(now), level, line, attempt };
                        found.push((run.to_string(), line));
                    }
                }
                (found, kept, now)
            });
            let (found, kept, now) = found.await?;
            let mut log = lock(&self.log);
            log.kept = kept;
            found.into_iter().for_each(|(run, line)| log.add(run, line, now));
            Ok(())
        })
    }

    fn log_of(&self, run_id: &str) -> (Vec<LogLine>, u64) {
        let log = lock(&self.log);
        let before = self.clock.now().minus(log.kept);
        log.runs
            .get(run_id)
            .filter(|run| run.last >= before)
            .map_or_else(Default::default, |run| (run.lines.iter().cloned().collect(), run.left_out))
    }

    fn put_push(&self, worker: PushWorker, by: String) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async move {
            let bad = |field: &str, what: String| Failure::Value { field: field.to_owned(), what };
            if worker.id.starts_with(BUILTIN_WORKER) || worker.id == "push" {
                return Err(bad("id", format!("{:?} is taken; choose another", worker.id)));
            }
            callable::check(&worker.url, &self.client)?;
            let before = {
                let mut pushes = lock(&self.pushes);
                if pushes.len() >= PUSHES_MAX && !pushes.contains_key(&worker.id) {
                    return Err(Failure::Full(format!("{PUSHES_MAX} workers are called already")));
                }
                pushes.remove(&worker.id)
            };
            if let Some(before) = before {
                let _ = before.stop.send(());
            }
            let id = &worker.id;
            tracing::info!(event = "push_put", worker = id, by, "{by} has runs posted to worker {id}");
            let (key, row) = (worker.id.clone(), Some(row(&worker)));
            let kept = self.core.call(move |_, batch, _| {
                batch.changes.tasks.push(Change::Record { kind: RecordKind::Push, key, row });
            });
            kept.await?;
            self.start(worker);
            Ok(())
        })
    }

    fn pushes(&self) -> Vec<PushWorker> {
        let shown = |pushing: &Pushing| PushWorker { secret: String::new(), ..pushing.worker.clone() };
        lock(&self.pushes).values().map(shown).collect()
    }

    fn drop_push(&self, id: String, by: String) -> BoxFuture<'_, Result<bool, Failure>> {
        Box::pin(async move {
            let Some(before) = lock(&self.pushes).remove(&id) else { return Ok(false) };
            let _ = before.stop.send(());
            tracing::info!(
                event = "push_dropped",
                worker = id,
                by,
                "{by} has no more runs posted to worker {id}"
            );
            let gone = self.core.call(move |_, batch, _| {
                batch.changes.tasks.push(Change::Record { kind: RecordKind::Push, key: id, row: None });
            });
            gone.await?;
            Ok(true)
        })
    }
}

fn view(worker: tasks::WorkerView) -> KnownWorker {
    KnownWorker {
        id: worker.id.to_string(),
        labels: worker.labels,
        kinds: worker.kinds,
        created_at: worker.created_at,
        last_seen: worker.last_seen,
        alive: worker.alive,
        running: worker.running,
        slots_free: worker.slots_free,
        processed: worker.processed,
        directive: worker.directive,
    }
}

fn row(worker: &PushWorker) -> Value {
    json!({"url": worker.url, "secret": worker.secret, "kinds": worker.kinds, "labels": worker.labels, "slots": worker.slots})
}

fn read(record: &Record) -> Option<PushWorker> {
    let row = &record.row;
    Some(PushWorker {
        id: record.key.clone(),
        url: row["url"].as_str()?.to_owned(),
        secret: row["secret"].as_str()?.to_owned(),
        kinds: serde_json::from_value(row["kinds"].clone()).ok()?,
        labels: serde_json::from_value(row["labels"].clone()).ok()?,
        slots: u32::try_from(row["slots"].as_u64()?).ok()?,
    })
}

/// What attempts wrote lately. In memory only: a restart forgets it.
#[derive(Default)]
struct LogBook {
    /// A run that wrote nothing for so long is forgotten.
    kept: Duration,
    runs: HashMap<String, Lines>,
    /// The run that wrote first is first.
    order: VecDeque<String>,
    bytes: usize,
}

#[derive(Default)]
struct Lines {
    /// When the run was last heard of.
    last: Timestamp,
    lines: VecDeque<LogLine>,
    left_out: u64,
}

impl LogBook {
    fn add(&mut self, run_id: String, line: LogLine, now: Timestamp) {
        if !self.runs.contains_key(&run_id) {
            self.order.push_back(run_id.clone());
        }
        let run = self.runs.entry(run_id).or_default();
        run.last = now;
        self.bytes += line.line.len() + LINE_COST;
        run.lines.push_back(line);
        if run.lines.len() > RUN_LINES_MAX
            && let Some(oldest) = run.lines.pop_front()
        {
            self.bytes -= oldest.line.len() + LINE_COST;
            run.left_out += 1;
        }
        while let Some(first) = self.order.front()
            && (self.bytes > LOG_BYTES_MAX || self.is_old(first, now))
        {
            let run = self.runs.remove(first).unwrap_or_default();
            self.bytes -= run.lines.iter().map(|line| line.line.len() + LINE_COST).sum::<usize>();
            self.order.pop_front();
        }
    }

    fn is_old(&self, run_id: &str, now: Timestamp) -> bool {
        self.runs.get(run_id).is_some_and(|run| now.since(run.last) > self.kept)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_bounded_by_run_and_in_all() {
        let mut log = LogBook::default();
        let line = |text: &str| LogLine {
            at: Timestamp::default(),
            level: "info".to_owned(),
            line: text.to_owned(),
            attempt: 1,
        };
        for i in 0..RUN_LINES_MAX + 5 {
            log.add("a".to_owned(), line(&i.to_string()), Timestamp::default());
        }
        let run = &log.runs["a"];
        assert_eq!((run.lines.len(), run.left_out, run.lines[0].line.as_str()), (RUN_LINES_MAX, 5, "5"));
        let long = "x".repeat(2_000);
        for i in 0..20_000 {
            log.add(format!("r{}", i / 100), line(&long), Timestamp::default());
        }
        assert!(log.bytes <= LOG_BYTES_MAX && !log.runs.contains_key("a") && log.runs.contains_key("r199"));
        assert_eq!(log.runs.len(), log.order.len());
        log.kept = Duration::from_secs(60);
        log.add("late".to_owned(), line("x"), Timestamp::from_millis(60_001));
        assert_eq!((log.runs.len(), log.bytes), (1, 1 + LINE_COST), "who fell silent is forgotten");
    }
}

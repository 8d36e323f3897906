//! One target's loop: due, fetch, store, again.
//!
//! Each target has its own place within its interval, decided by what it is, so that scrapes are spread and
//! stay where they are over restarts. A target that hangs holds up nobody but itself.

use super::fetch::fetch;
use super::report::Facts;
use super::shape::Shape;
use super::tally::Tally;
use super::target::Target;
use crate::config::Job;
use crate::context::Context;
use crate::exposition::Format;
use crate::view::Health;
use crate::{Error, schedule};
use model::Timestamp;
use reach::http::{Bytes, Client};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// A body larger than this is read on a thread of its own, so that it holds up no other target.
const INLINE_MAX: usize = 256 << 10;

/// What a loop is to do.
#[derive(Debug, Clone)]
pub(crate) enum Order {
    /// Scrape, like this.
    Run(Arc<Settings>),
    /// Mark everything stale and end: the target is gone.
    Retire,
}

/// How one target is scraped.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) job: Arc<Job>,
    pub(crate) client: Client,
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
    pub(crate) shape: Shape,
    /// Why no scrape can succeed at present: too many targets.
    pub(crate) refusal: Option<Error>,
}

impl Settings {
    /// Whether `other` asks for the same; the client belongs to the job's settings.
    pub(crate) fn is_same(&self, other: &Settings) -> bool {
        let times = |s: &Settings| (s.interval, s.timeout);
        times(self) == times(other)
            && self.shape == other.shape
            && self.refusal == other.refusal
            && self.job == other.job
    }
}

/// Scrapes until it is told to retire. Aborted, it leaves the target's series as they are.
pub(crate) async fn scrape_loop(
    context: Arc<Context>,
    target: Arc<Target>,
    mut orders: watch::Receiver<Order>,
    first_after: Duration,
) {
    let mut due = context.clock.now().plus(first_after);
    let mut last: Option<Arc<Settings>> = None;
    loop {
        let settings = match orders.borrow_and_update().clone() {
            Order::Run(settings) => settings,
            Order::Retire => return retire(&context, &target),
        };
        follow(&target, last.as_deref(), &settings);
        last = Some(settings.clone());
        tokio::select! {
            () = schedule::until(&*context.clock, due) => {}
            changed = orders.changed() => {
                if changed.is_err() {
                    return;
                }
                let now = context.clock.now();
                due = due.min(schedule::next(now, settings.interval, target.key.hash()));
                continue;
            }
        }
        let at = schedule::aligned(due, context.clock.now(), settings.interval);
        scrape(&context, &target, &settings, at).await;
        due = schedule::next(context.clock.now(), settings.interval, target.key.hash());
    }
}

/// What new settings mean for what is remembered and shown.
fn follow(target: &Target, last: Option<&Settings>, settings: &Settings) {
    if last.is_some_and(|last| last.shape != settings.shape) {
        target.memory().cache.forget_meaning();
    }
    let mut status = target.status();
    (status.interval, status.timeout) = (settings.interval, settings.timeout);
}

async fn scrape(context: &Arc<Context>, target: &Arc<Target>, settings: &Arc<Settings>, at: Timestamp) {
    let begun = Instant::now();
    let fetched = fetch(target, settings).await;
    let len = fetched.as_ref().map_or(0, |(body, _)| body.len());
    let stored = if len <= INLINE_MAX {
        store(context, target, settings, at, begun, fetched)
    } else {
        let (context, target, settings) = (context.clone(), target.clone(), settings.clone());
        let work = move || store(&context, &target, &settings, at, begun, fetched);
        tokio::task::spawn_blocking(work).await.unwrap_or((Tally::default(), Err(Error::Interrupted)))
    };
    conclude(context, target, at, begun.elapsed(), stored);
}

type Stored = (Tally, Result<(), Error>);

/// Puts one scrape's samples and its report into one batch.
fn store(
    context: &Context,
    target: &Target,
    settings: &Settings,
    at: Timestamp,
    begun: Instant,
    fetched: Result<(Bytes, Format), Error>,
) -> Stored {
    let mut memory = target.memory();
    let memory = &mut *memory;
    let len = fetched.as_ref().map_or(0, |(body, _)| body.len());
    let mut appender = context.ingest.appender();
    let (mut tally, outcome) = match fetched {
        Ok((body, format)) => memory.cache.ingest(&body, format, at, &settings.shape, &mut *appender),
        Err(error) => (Tally::default(), Err(error)),
    };
    if outcome.is_err() {
        // Nothing of a bad body is stored; the report tells how far it was read.
        tally.added = 0;
        appender = context.ingest.appender();
        memory.cache.end(at, &mut *appender);
    }
    let extra = settings.job.extra_metrics.then_some((settings.timeout, settings.shape.limits.samples, len));
    let facts = Facts { up: outcome.is_ok(), took: begun.elapsed(), tally: &tally, extra };
    memory.report.append(&target.key.labels, at, &facts, &mut *appender);
    let committed = match appender.commit() {
        Ok(committed) => committed,
        Err(error) => {
            memory.report.forget();
            return (tally, Err(Error::Store(error)));
        }
    };
    let (tally, outcome) = match outcome {
        Ok(learned) => {
            memory.cache.adopt(learned);
            (tally, Ok(()))
        }
        Err(error) => {
            memory.cache.fell_silent();
            (Tally::default(), Err(error))
        }
    };
    target.status().cache_bytes = memory.cache.size();
    (context.on_commit)(committed);
    (tally, outcome)
}

fn conclude(context: &Context, target: &Target, at: Timestamp, took: Duration, (tally, outcome): Stored) {
    context.counts.scrape(&tally, outcome.as_ref().err().map_or("", Error::code));
    let mut status = target.status();
    let health = if outcome.is_ok() { Health::Up } else { Health::Down };
    let error = outcome.err().map(|error| error.to_string()).unwrap_or_default();
    if health != status.health {
        let (job, url) = (&target.key.job, &target.key.url);
        match health {
            Health::Down => tracing::warn!(
                event = "target_down",
                job,
                url,
                error,
                "Target {url} of job {job} is down: {error}"
            ),
            _ => tracing::debug!(event = "target_up", job, url, "a target is up"),
        }
    }
    if !tally.refusal.is_empty() && status.tally.refusal.is_empty() {
        let (job, url, refusal) = (&target.key.job, &target.key.url, &tally.refusal);
        tracing::warn!(event = "samples_refused", job, url, refusal, "samples of a target were refused");
    }
    status.refused += tally.refused.values().sum::<u64>();
    status.tally = tally;
    (status.health, status.last_error) = (health, error);
    (status.last_scrape, status.last_duration) = (Some(at), took);
}

fn retire(context: &Context, target: &Target) {
    let mut memory = target.memory();
    let at = context.clock.now();
    let mut appender = context.ingest.appender();
    memory.cache.end(at, &mut *appender);
    memory.report.end(at, &mut *appender);
    match appender.commit() {
        Ok(committed) => (context.on_commit)(committed),
        Err(error) => {
            let (job, url) = (&target.key.job, &target.key.url);
            tracing::error!(event = "store_failed", job, url, %error, "cannot mark a target's series as ended");
        }
    }
}

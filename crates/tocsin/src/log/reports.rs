//! Errors on their way to Sentry: taken from the log as they are written, sent by a loop of their own, few at a time.
//!
//! An error that comes again within a minute is not sent again, and never more than thirty are in one. What does not
//! fit is counted and forgotten: the log has it.

use super::line;
use model::{Clock, SystemClock};
use notify::{OwnError, OwnErrors};
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::mpsc;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::{Layer, layer::Context};

/// Errors that wait to be sent.
const WAITING_MAX: usize = 64;
/// An error is the same as another if it has its name and place.
const AGAIN_AFTER: Duration = Duration::from_secs(60);
const PER_MINUTE: usize = 30;

/// Takes errors from the log.
#[derive(Debug, Clone)]
pub struct Reports {
    sender: mpsc::Sender<OwnError>,
    waiting: Waiting,
}

/// The errors that were taken.
#[derive(Debug)]
pub struct Reported {
    receiver: mpsc::Receiver<OwnError>,
    /// Those not yet dealt with.
    pub waiting: Waiting,
}

/// How many errors were taken and not yet dealt with.
pub type Waiting = Arc<AtomicUsize>;

/// The two ends.
pub fn channel() -> (Reports, Reported) {
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    let waiting = Waiting::default();
    (Reports { sender, waiting: waiting.clone() }, Reported { receiver, waiting })
}

impl<S: Subscriber> Layer<S> for Reports {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() == Level::ERROR {
            self.waiting.fetch_add(1, Ordering::SeqCst);
            // Full: the log has it.
            if self.sender.try_send(line::report(event)).is_err() {
                self.waiting.fetch_sub(1, Ordering::SeqCst);
            }
        }
    }
}

/// Sends what is taken, until nothing more can come.
pub async fn send(to: OwnErrors, mut reported: Reported) {
    let mut rate = Rate::default();
    while let Some(error) = reported.receiver.recv().await {
        if rate.admits(&error, Instant::now())
            && let Err(why) = to.send(&error, SystemClock.now()).await
        {
            // No error: it would be sent. No words: they name the host.
            tracing::warn!(
                event = "sentry_exception_capture_failed",
                code = why.code(),
                "An error could not be sent to Sentry"
            );
        }
        reported.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What was sent lately.
#[derive(Default)]
struct Rate {
    /// By name and place.
    last: HashMap<(String, String, u32), Instant>,
}

impl Rate {
    fn admits(&mut self, error: &OwnError, now: Instant) -> bool {
        self.last.retain(|_, at| now.duration_since(*at) < AGAIN_AFTER);
        let key = (error.event.clone(), error.module.clone(), error.line);
        if self.last.len() >= PER_MINUTE || self.last.contains_key(&key) {
            return false;
        }
        self.last.insert(key, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_at_a_time() {
        let error = |line| OwnError {
            fatal: false,
            event: "e".to_owned(),
            message: "m".to_owned(),
            module: "tocsin::x".to_owned(),
            line,
        };
        let (mut rate, now) = (Rate::default(), Instant::now());
        assert!(rate.admits(&error(1), now) && !rate.admits(&error(1), now));
        assert_eq!((0..100).filter(|line| rate.admits(&error(*line), now)).count(), PER_MINUTE - 1);
        assert!(rate.admits(&error(1), now + AGAIN_AFTER), "a minute later it is said again");
    }
}

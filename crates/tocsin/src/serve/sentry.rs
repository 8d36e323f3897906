//! Our own errors and panics, told to Sentry if `SENTRY_DSN` says where that is.

use crate::log::reports::{self, Reported, Reports, Waiting};
use crate::variables::Variables;
use notify::OwnErrors;
use reach::{Policy, http::Client};
use std::{panic, sync::atomic::Ordering, time::Duration};
use tokio::runtime::Runtime;

/// The last words are waited for so long.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The two ends of the way from the log to Sentry; nothing without a DSN.
pub fn channel(variables: &Variables) -> (Option<Reports>, Option<Reported>) {
    match variables.text("SENTRY_DSN") {
        Some(_) => {
            let (reports, reported) = reports::channel();
            (Some(reports), Some(reported))
        }
        None => (None, None),
    }
}

/// Sends what comes, as long as the process lives.
pub fn start(reported: Option<Reported>, variables: &Variables, runtime: &Runtime) -> Option<Waiting> {
    let (reported, dsn) = (reported?, variables.text("SENTRY_DSN")?);
    let release = variables.text("APP_VERSION").unwrap_or(env!("CARGO_PKG_VERSION"));
    let environment = variables.text("ENVIRONMENT").unwrap_or("production");
    let client = Client::new(Policy::OPERATOR, Default::default());
    match OwnErrors::new(dsn, client, release, environment) {
        Ok(to) => {
            tracing::info!(event = "sentry_initialized", "Errors are told to Sentry");
            let waiting = reported.waiting.clone();
            runtime.spawn(reports::send(to, reported));
            Some(waiting)
        }
        Err(why) => {
            tracing::warn!(event = "sentry_init_failed", "SENTRY_DSN: {why}");
            None
        }
    }
}

/// Lets the last errors leave: what stops the process is the one to hear of.
pub fn settle(waiting: Option<Waiting>, runtime: &Runtime) {
    let Some(waiting) = waiting else { return };
    runtime.block_on(async {
        let gone = async {
            while waiting.load(Ordering::SeqCst) > 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let _ = tokio::time::timeout(LAST_WORDS, gone).await;
    });
}

/// A panic is an error in the log, and goes where errors go; then what was done before is done.
pub fn tell_of_panics() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        let what = panic.payload_as_str().unwrap_or("no words");
        let place = panic.location().map_or_else(String::new, |place| format!(" at {place}"));
        tracing::error!(critical = true, event = "exception_captured", "Panicked{place}: {what}");
        before(panic);
    }));
}

//! The host's loop.

use super::Host;
use crate::config::HostConfig;
use crate::context::Context;
use crate::recorder::Recorder;
use crate::schedule;
use model::{Labels, METRIC_NAME};
use std::sync::Arc;
use tokio::sync::watch;

/// Reads this machine at each slot until `retired`.
pub(crate) async fn host_loop(context: Arc<Context>, config: HostConfig, mut retired: watch::Receiver<bool>) {
    let hash = config.labels.fingerprint();
    let mut recorder = Recorder::default();
    let mut due = context.clock.now();
    loop {
        tokio::select! {
            () = schedule::until(&*context.clock, due) => {}
            _ = retired.changed() => break,
        }
        let at = schedule::aligned(due, context.clock.now(), config.interval);
        let (labels, context_too) = (config.labels.clone(), context.clone());
        let work = move || {
            let recorded = recorder.record(&*context_too.ingest, at, host_samples(&labels));
            (recorder, recorded)
        };
        let Ok((back, recorded)) = tokio::task::spawn_blocking(work).await else { return };
        recorder = back;
        match recorded {
            Ok(committed) => (context.on_commit)(committed),
            Err(error) => tracing::error!(event = "store_failed", %error, "cannot store the host's samples"),
        }
        due = schedule::next(context.clock.now(), config.interval, hash);
    }
    if *retired.borrow()
        && let Ok(committed) = recorder.end(&*context.ingest, context.clock.now())
    {
        (context.on_commit)(committed);
    }
}

fn host_samples(labels: &Labels) -> Vec<(Labels, f64)> {
    let mut samples = Vec::new();
    Host::default().read(&mut |name, own, value| {
        let mut all = labels.builder();
        for (name, value) in own {
            all.set(*name, *value);
        }
        all.set(METRIC_NAME, name);
        samples.push((all.build(), value));
    });
    samples
}

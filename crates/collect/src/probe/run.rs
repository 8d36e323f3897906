//! One probe's loop.

use super::ask::{Answer, ask};
use super::config::{Probe, Question};
use crate::context::Context;
use crate::recorder::Recorder;
use crate::schedule;
use crate::view::{Health, ProbeView};
use model::{Labels, METRIC_NAME, Timestamp};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::watch;

/// A probe that has a loop.
#[derive(Debug)]
pub(crate) struct Prober {
    pub(crate) probe: Probe,
    /// Held for a copy.
    status: Mutex<Status>,
}

#[derive(Debug, Clone, Default)]
struct Status {
    health: Health,
    last_error: String,
    last_at: Option<Timestamp>,
    last_duration: Duration,
    since: Option<Timestamp>,
}

impl Prober {
    pub(crate) fn new(probe: Probe) -> Prober {
        Prober { probe, status: Mutex::default() }
    }

    pub(crate) fn view(&self) -> ProbeView {
        let status = self.status().clone();
        ProbeView {
            name: self.probe.name.clone(),
            kind: self.probe.question.kind(),
            target: self.probe.question.peer(),
            labels: self.probe.labels.clone(),
            health: status.health,
            last_error: status.last_error,
            last_at: status.last_at,
            last_duration: status.last_duration,
            since: status.since,
            interval: self.probe.interval,
        }
    }

    fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Takes an answer; whether it is the first failure after a success.
    fn conclude(&self, at: Timestamp, answer: &Answer) -> bool {
        let health = if answer.error.is_none() { Health::Up } else { Health::Down };
        let error = answer.error.as_ref().map(ToString::to_string).unwrap_or_default();
        let mut status = self.status();
        if health != status.health {
            status.since = Some(at);
            let name = &self.probe.name;
            match health {
                Health::Down => tracing::warn!(
                    event = "probe_failed",
                    probe = name,
                    error,
                    "Probe {name} failed: {error}"
                ),
                _ => tracing::debug!(event = "probe_succeeded", probe = name, "Probe {name} succeeded"),
            }
        }
        let turned_down = status.health == Health::Up && health == Health::Down;
        (status.health, status.last_error) = (health, error);
        (status.last_at, status.last_duration) = (Some(at), answer.total);
        turned_down
    }
}

/// Asks at each slot until `retired`, then marks the probe's series stale.
pub(crate) async fn probe_loop(
    context: Arc<Context>,
    prober: Arc<Prober>,
    mut retired: watch::Receiver<bool>,
) {
    let probe = &prober.probe;
    let hash = probe.labels.fingerprint();
    let mut recorder = Recorder::default();
    let mut due = context.clock.now();
    loop {
        tokio::select! {
            () = schedule::until(&*context.clock, due) => {}
            _ = retired.changed() => break,
        }
        let answer = ask(probe, &context.client).await;
        // The time of the answer: what it says was true when it came.
        let at = context.clock.now();
        context.counts.probe(probe.question.kind(), answer.error.as_ref().map_or("", crate::Error::code));
        match recorder.record(&*context.ingest, at, samples(probe, &answer)) {
            Ok(committed) => (context.on_commit)(committed),
            Err(error) => {
                let name = &probe.name;
                tracing::error!(event = "store_failed", probe = name, %error, "cannot store a probe's samples");
            }
        }
        let turned_down = prober.conclude(at, &answer);
        let now = context.clock.now();
        // The first failure is checked once more between its slots: whether it is trouble is known half an
        // interval later, and one lost answer wakes nobody.
        due = if turned_down {
            schedule::between(now, probe.interval)
        } else {
            schedule::next(now, probe.interval, hash)
        };
    }
    // A closed channel is the end of the process, not of the probe: its series stay as they are.
    if *retired.borrow()
        && let Ok(committed) = recorder.end(&*context.ingest, context.clock.now())
    {
        (context.on_commit)(committed);
    }
}

fn samples(probe: &Probe, answer: &Answer) -> Vec<(Labels, f64)> {
    let named = |name: &str| probe.labels.with(METRIC_NAME, name);
    let up = f64::from(u8::from(answer.error.is_none()));
    let mut samples = vec![(named("probe_success"), up)];
    let duration = named("probe_duration_seconds");
    for (phase, took) in answer.phases.iter().chain(&[("total", answer.total)]) {
        samples.push((duration.with("phase", phase), took.as_secs_f64()));
    }
    match probe.question {
        Question::Redis(_) => samples.push((named("redis_up"), up)),
        Question::Postgres(_) => samples.push((named("pg_up"), up)),
        Question::Http(_) => {
            samples.push((named("probe_http_status_code"), answer.status.map_or(0.0, f64::from)));
        }
        Question::Tcp(_) => {}
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::ProbeConfig;

    #[test]
    fn only_the_first_failure_after_a_success_is_checked_again() {
        let raw: ProbeConfig = serde_saphyr::from_str("{name: a, tcp: '127.0.0.1:1'}").unwrap();
        let prober = Prober::new(raw.resolve((1, 1), &mut Vec::new()).unwrap());
        let at = Timestamp::from_millis(0);
        let answer = |up: bool| Answer {
            error: (!up).then_some(crate::Error::Status(500)),
            phases: Vec::new(),
            total: Duration::ZERO,
            status: None,
        };
        let turned = [false, true, false, false, true].map(|up| prober.conclude(at, &answer(up)));
        assert_eq!(turned, [false, false, true, false, false]);
    }
}

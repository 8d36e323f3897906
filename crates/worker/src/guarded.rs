//! An action behind breakers: one for each of those it calls, by a name that its arguments give. Whoever waits behind
//! an open one comes back later, spread over time, and has no try used up.

use crate::breaker::{Ended, Limits};
use crate::circuit::Circuits;
use model::Json;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::{sync::Arc, time::Duration};
use tasks::{Action, Attempt, Outcome, Running};

/// Those who wait come back between this and three times as late.
const WAIT_MIN: Duration = Duration::from_secs(4);

/// An action that is not called while the other side is known to be down.
pub struct Guarded {
    inner: Arc<dyn Action>,
    circuits: Arc<Circuits>,
    limits: Limits,
    /// Whom the arguments call.
    callee: fn(&Json) -> String,
}

impl Guarded {
    /// Guards `inner`.
    pub fn new(inner: Arc<dyn Action>, limits: Limits, callee: fn(&Json) -> String) -> Guarded {
        Guarded { inner, circuits: Arc::default(), limits, callee }
    }

    /// The breakers, for those who count them.
    pub fn circuits(&self) -> Arc<Circuits> {
        self.circuits.clone()
    }

    async fn call(&self, attempt: Attempt) -> Outcome {
        let circuit = self.circuits.of(&(self.callee)(&attempt.args), self.limits, "page");
        let call = match circuit.enter(attempt.deadline) {
            Ok(call) => call,
            Err(wait) => return Outcome::Snooze(wait.max(WAIT_MIN) + spread(&attempt.run_id)),
        };
        let outcome = self.inner.run(attempt).await;
        let (how, code) = match &outcome {
            // Too many at once is said by somebody who is well.
            Outcome::Retry { error, .. } if error.kind == "rate_limited" => {
                (Ended::Unknown, error.kind.as_str())
            }
            Outcome::Retry { error, .. } => (Ended::Badly, error.kind.as_str()),
            Outcome::Failed(error) => (Ended::Well, error.kind.as_str()),
            Outcome::Done(_) | Outcome::Snooze(_) => (Ended::Well, "ok"),
        };
        call.ended(how, code);
        outcome
    }
}

impl Action for Guarded {
    fn kind(&self) -> &str {
        self.inner.kind()
    }

    fn run(&self, attempt: Attempt) -> Running<'_> {
        Box::pin(self.call(attempt))
    }
}

/// The same for the same run, so that all do not come back at once.
fn spread(run_id: &str) -> Duration {
    let mut hasher = DefaultHasher::new();
    run_id.hash(&mut hasher);
    Duration::from_millis(hasher.finish() % (2 * WAIT_MIN.as_millis() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
    use tasks::{AttemptToken, RunError};

    /// Answers with 503 while it is down.
    #[derive(Default)]
    struct Moody {
        down: AtomicBool,
        calls: AtomicU32,
    }

    impl Action for Moody {
        fn kind(&self) -> &str {
            "page"
        }

        fn run(&self, _: Attempt) -> Running<'_> {
            self.calls.fetch_add(1, Ordering::SeqCst);
            let error = RunError { kind: "receiver_unwell".to_owned(), message: String::new() };
            let outcome = match self.down.load(Ordering::SeqCst) {
                true => Outcome::Retry { error, after: None },
                false => Outcome::Done(Value::Null),
            };
            Box::pin(async { outcome })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_down_is_asked_once_in_a_while_and_nobody_else_waits() {
        let moody = Arc::new(Moody::default());
        let limits = Limits { failure_threshold: 3, recovery_timeout: Duration::from_secs(15) };
        let guarded = Guarded::new(moody.clone(), limits, |args| {
            args.value()["receiver"].as_str().unwrap_or("").to_owned()
        });
        let attempt = |receiver: &str, run: u32| Attempt {
            run_id: run.to_string(),
            token: AttemptToken::from_bytes([0; 16]),
            number: 1,
            args: json!({"receiver": receiver}).into(),
            deadline: Duration::from_secs(30),
            checkpoint: None,
        };
        moody.down.store(true, Ordering::SeqCst);
        for run in 0..3 {
            assert!(matches!(guarded.run(attempt("a", run)).await, Outcome::Retry { .. }));
        }
        for run in 3..100 {
            let Outcome::Snooze(wait) = guarded.run(attempt("a", run)).await else { panic!("it is open") };
            assert!((15..=23).contains(&wait.as_secs()), "{wait:?}");
        }
        assert_eq!(moody.calls.load(Ordering::SeqCst), 3);
        assert!(matches!(guarded.run(attempt("b", 100)).await, Outcome::Retry { .. }), "another receiver");
        assert_eq!(figures(&guarded), ["state a 2", "open_count a 1", "state b 0", "open_count b 0"]);
        moody.down.store(false, Ordering::SeqCst);
        tokio::time::advance(Duration::from_secs(15)).await;
        assert_eq!(guarded.run(attempt("a", 101)).await, Outcome::Done(Value::Null), "the probe");
        assert_eq!(guarded.run(attempt("a", 102)).await, Outcome::Done(Value::Null));
        assert_eq!(figures(&guarded), ["state a 0", "open_count a 1", "state b 0", "open_count b 0"]);
    }

    fn figures(guarded: &Guarded) -> Vec<String> {
        let mut figures = Vec::new();
        guarded.circuits().breakers(&mut |name, labels, value| {
            if let Some(name) = name.strip_prefix("circuit_breaker_") {
                figures.push(format!("{name} {} {value}", labels[0].1));
            }
        });
        figures
    }
}

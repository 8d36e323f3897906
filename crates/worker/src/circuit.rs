//! The breakers of all tools or of all receivers, what was asked of them and how long they took: one place that
//! outlives a reload, because the other side does not get well by our reading a file.

use crate::breaker::{Breaker, Ended, Limits, Pass, State};
use crate::pool::Emit;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Bounds of the histogram of call times, in seconds.
const BOUNDS: [f64; 9] = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
/// Results of one tool that are told apart; further ones count as `other`.
const CODES_MAX: usize = 30;

/// Families of [`Circuits::metrics`]: name, type, help. How often a breaker has opened only rises, but the name that
/// people know does not end as a counter's must: as an untyped figure `promtool check metrics` takes it.
pub const METRICS: &[(&str, &str, &str)] = &[
    ("circuit_breaker_state", "gauge", "0 closed, 1 half-open, 2 open, by tool or receiver."),
    ("circuit_breaker_open_count", "untyped", "How often the breaker of a tool or receiver has opened."),
    ("orchestrator_circuit_breaker_state", "gauge", "0 closed, 1 half-open, 2 open, by tool or receiver."),
    (
        "orchestrator_circuit_breaker_open_count",
        "untyped",
        "How often the breaker of a tool or receiver has opened.",
    ),
    ("orchestrator_external_tool_calls_total", "counter", "Calls of a tool by how they ended."),
    ("orchestrator_external_tool_duration_seconds", "histogram", "How long a tool took."),
];

/// One for each tool, or each receiver, by name.
#[derive(Debug, Default)]
pub struct Circuits(Mutex<BTreeMap<String, Arc<Circuit>>>);

/// One tool's breaker and figures.
#[derive(Debug)]
pub(crate) struct Circuit {
    name: String,
    inner: Mutex<Figures>,
}

#[derive(Debug)]
struct Figures {
    breaker: Breaker,
    codes: BTreeMap<String, u64>,
    method: &'static str,
    buckets: [u64; BOUNDS.len()],
    count: u64,
    sum: f64,
}

impl Circuits {
    /// The circuit of a tool, made if it is new.
    pub(crate) fn of(&self, name: &str, limits: Limits, method: &'static str) -> Arc<Circuit> {
        let mut all = lock(&self.0);
        let circuit = all.entry(name.to_owned()).or_insert_with(|| {
            let breaker = Breaker::new(limits);
            let figures =
                Figures { breaker, codes: BTreeMap::new(), method, buckets: [0; 9], count: 0, sum: 0.0 };
            Arc::new(Circuit { name: name.to_owned(), inner: Mutex::new(figures) })
        });
        lock(&circuit.inner).breaker.set_limits(limits);
        circuit.clone()
    }

    /// Where the breakers are, and how often they opened.
    pub fn breakers(&self, out: Emit<'_>) {
        let now = Instant::now();
        for circuit in self.all() {
            let (name, figures) = (circuit.name.as_str(), lock(&circuit.inner));
            let (state, opened) = (figures.breaker.state(now).as_number(), figures.breaker.opened() as f64);
            for prefix in ["", "orchestrator_"] {
                out(&format!("{prefix}circuit_breaker_state"), &[("name", name)], state);
                out(&format!("{prefix}circuit_breaker_open_count"), &[("name", name)], opened);
            }
        }
    }

    /// Every figure of tools.
    pub fn metrics(&self, out: Emit<'_>) {
        self.breakers(out);
        for circuit in self.all() {
            let (name, figures) = (circuit.name.as_str(), lock(&circuit.inner));
            for (code, count) in &figures.codes {
                let labels = [("tool_address", name), ("status_code", code.as_str())];
                out("orchestrator_external_tool_calls_total", &labels, *count as f64);
            }
            let (base, mut sum) = ("orchestrator_external_tool_duration_seconds", 0);
            let method = ("method", figures.method);
            for (bound, count) in BOUNDS.iter().zip(figures.buckets) {
                sum += count;
                let labels = [("tool_address", name), method, ("le", &bound.to_string())];
                out(&format!("{base}_bucket"), &labels, sum as f64);
            }
            let (total, labels) = (figures.count as f64, [("tool_address", name), method]);
            out(&format!("{base}_bucket"), &[labels[0], labels[1], ("le", "+Inf")], total);
            out(&format!("{base}_sum"), &labels, figures.sum);
            out(&format!("{base}_count"), &labels, total);
        }
    }

    fn all(&self) -> Vec<Arc<Circuit>> {
        lock(&self.0).values().cloned().collect()
    }
}

impl Circuit {
    /// Where its breaker is.
    pub(crate) fn state(&self) -> State {
        lock(&self.inner).breaker.state(Instant::now())
    }

    /// Leave for one call, or how long to wait.
    pub(crate) fn enter(self: &Arc<Circuit>, limit: Duration) -> Result<Call, Duration> {
        let begun = Instant::now();
        let pass = lock(&self.inner).breaker.ask(begun)?;
        Ok(Call { circuit: self.clone(), pass: Some(pass), begun, limit })
    }

    fn end(&self, pass: Pass, how: Ended, code: &str, took: Duration) {
        let (mut figures, now) = (lock(&self.inner), Instant::now());
        let before = figures.breaker.state(now);
        figures.breaker.ended(pass, how, now);
        let after = figures.breaker.state(now);
        let known = figures.codes.len() < CODES_MAX || figures.codes.contains_key(code);
        *figures.codes.entry(if known { code } else { "other" }.to_owned()).or_default() += 1;
        let secs = took.as_secs_f64();
        if let Some(bucket) = BOUNDS.iter().position(|bound| secs <= *bound) {
            figures.buckets[bucket] += 1;
        }
        (figures.count, figures.sum) = (figures.count + 1, figures.sum + secs);
        drop(figures);
        if before != after {
            let (name, after) = (self.name.as_str(), after.as_str());
            tracing::warn!(event = "circuit_breaker", name, state = after, "Circuit of {name} is {after}");
        }
    }
}

/// A call under way. Dropped without an end it was given up; if its time was over by then, that is a failure.
pub(crate) struct Call {
    circuit: Arc<Circuit>,
    pass: Option<Pass>,
    begun: Instant,
    limit: Duration,
}

impl Call {
    /// It has ended.
    pub(crate) fn ended(mut self, how: Ended, code: &str) {
        if let Some(pass) = self.pass.take() {
            self.circuit.end(pass, how, code, self.begun.elapsed());
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if let Some(pass) = self.pass.take() {
            let took = self.begun.elapsed();
            let (how, code) =
                if took >= self.limit { (Ended::Badly, "timeout") } else { (Ended::Unknown, "dropped") };
            self.circuit.end(pass, how, code, took);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

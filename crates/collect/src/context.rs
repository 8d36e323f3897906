//! What every loop is given: the store, the clock, whom to tell, and the counters.

use crate::scrape::Tally;
use model::{Clock, Committed, Ingest};
use reach::http::Client;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Told of each committed batch, on the thread that committed it: it must not block.
pub type OnCommit = Arc<dyn Fn(Committed) + Send + Sync>;

/// Takes one sample: name, labels, value.
pub type Sink<'a> = dyn FnMut(&str, &[(&str, &str)], f64) + 'a;

pub(crate) struct Context {
    pub(crate) ingest: Arc<dyn Ingest>,
    pub(crate) client: Client,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) on_commit: OnCommit,
    pub(crate) counts: Counts,
}

/// Type and help of the own metrics that [`crate::Collector::metrics`] tells.
pub const METRICS: [(&str, &str, &str); 7] = [
    ("tocsin_scrapes_total", "counter", "Scrapes by result: ok, or why they failed."),
    ("tocsin_scrape_samples_total", "counter", "Scraped samples that the store took."),
    ("tocsin_scrape_samples_refused_total", "counter", "Scraped samples refused one by one, by reason."),
    ("tocsin_scrape_targets", "gauge", "Targets with a running loop."),
    ("tocsin_scrape_cache_bytes", "gauge", "Memory that holds the targets' last bodies."),
    ("tocsin_probes", "gauge", "Probes with a running loop."),
    ("tocsin_probes_total", "counter", "Questions asked by kind and result."),
];

/// What happened so far. Held for a few additions each scrape.
#[derive(Default)]
pub(crate) struct Counts(Mutex<Totals>);

#[derive(Default, Clone)]
struct Totals {
    /// By the error's code; empty for a good one.
    scrapes: BTreeMap<&'static str, u64>,
    samples: u64,
    refused: BTreeMap<&'static str, u64>,
    probes: BTreeMap<(&'static str, &'static str), u64>,
}

impl Counts {
    pub(crate) fn scrape(&self, tally: &Tally, code: &'static str) {
        let mut totals = self.lock();
        *totals.scrapes.entry(code).or_default() += 1;
        totals.samples += tally.kept as u64;
        for (reason, n) in &tally.refused {
            *totals.refused.entry(reason).or_default() += n;
        }
    }

    pub(crate) fn probe(&self, kind: &'static str, code: &'static str) {
        *self.lock().probes.entry((kind, code)).or_default() += 1;
    }

    pub(crate) fn metrics(&self, out: &mut Sink<'_>) {
        let totals = self.lock().clone();
        let result = |code: &'static str| if code.is_empty() { "ok" } else { code };
        for (code, n) in totals.scrapes {
            out("tocsin_scrapes_total", &[("result", result(code))], n as f64);
        }
        out("tocsin_scrape_samples_total", &[], totals.samples as f64);
        for (reason, n) in totals.refused {
            out("tocsin_scrape_samples_refused_total", &[("reason", reason)], n as f64);
        }
        for ((kind, code), n) in totals.probes {
            out("tocsin_probes_total", &[("kind", kind), ("result", result(code))], n as f64);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Totals> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

//! What is told: into memory, into the series store, into the log; and back from the store after a restart.

use super::Monitor;
use collect::pushed::{Kind, PUSHED_JOB, Refusal, Told};
use model::{Ingest, JOB, Labels, METRIC_NAME, Matcher, Querier, Select, Timestamp};
use server::Failure;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tasks::{Change, Record, RecordKind};

/// The most samples that are read at a start.
const SAMPLES_MAX: usize = 20_000_000;
/// How far before the end of the process before its last samples are looked for: it wrote each series each 15 s.
const LAST_WITHIN: Duration = Duration::from_secs(60);

impl Monitor {
    /// Takes a batch; done when it is durable.
    pub async fn tell(self: &Arc<Self>, batch: Vec<Told>) -> Result<(), Failure> {
        let taken = self.pushed.take(&batch, self.clock.now()).map_err(refused)?;
        if !taken.names.is_empty() {
            let names = taken.names;
            let kept = self.core.call(move |_, batch, _| {
                let record = |(name, kind): (String, Kind)| Change::Record {
                    kind: RecordKind::Metric,
                    key: name,
                    row: Some(kind.as_str().into()),
                };
                batch.changes.tasks.extend(names.into_iter().map(record));
            });
            kept.await?;
        }
        let this = self.clone();
        let written = tokio::task::spawn_blocking(move || this.write(&taken.samples)).await;
        written.map_err(|why| Failure::Internal(why.to_string()))??;
        log(&batch, &taken.totals);
        Ok(())
    }

    /// Writes everything that was told once more.
    pub fn refresh(&self) {
        let samples = self.pushed.samples(self.clock.now());
        if !samples.is_empty()
            && let Err(why) = self.write(&samples)
        {
            tracing::error!(event = "told_metrics_failed", "Cannot write what applications told: {why}");
        }
    }

    fn write(&self, samples: &[(Labels, Timestamp, f64)]) -> Result<(), Failure> {
        let mut batch = self.db.appender();
        let mut full = None;
        for (labels, at, v) in samples {
            match batch.append(labels, *at, *v) {
                Err(why @ model::Refusal::TooManySeries) => full = Some(why),
                Err(why) => {
                    tracing::debug!(event = "told_sample_refused", %labels, %why, "Told sample refused");
                }
                Ok(_) => {}
            }
        }
        let committed = batch.commit().map_err(|why| Failure::Unavailable(why.to_string()))?;
        self.core.samples(committed);
        full.map_or(Ok(()), |why| Err(Failure::Full(why.to_string())))
    }

    /// Goes on where the process before stood: `names` are what the journal kept of kinds.
    pub fn restore(&self, names: Vec<Record>) {
        let kind = |record: Record| Some((record.key, Kind::parse(record.row.as_str()?)?));
        let names: BTreeMap<String, Kind> = names.into_iter().filter_map(kind).collect();
        let now = self.clock.now();
        let Some(end) = self.last_end(now).filter(|_| !names.is_empty()) else {
            return self.pushed.restore(names, &[], now);
        };
        let matchers = [Matcher::equal(JOB, PUSHED_JOB)];
        let (from, to) = (end.minus(LAST_WITHIN), now.plus(LAST_WITHIN));
        let what = Select { matchers: &matchers, from, to, samples_max: SAMPLES_MAX };
        match self.db.select(&what) {
            Ok(series) => self.pushed.restore(names, &series, now),
            Err(why) => {
                tracing::error!(event = "told_metrics_lost", "What applications told begins at zero: {why}");
                self.pushed.restore(names, &[], now);
            }
        }
    }

    /// When the process before wrote its own figures for the last time: with them it wrote what it had been told.
    fn last_end(&self, now: Timestamp) -> Option<Timestamp> {
        let own = [Matcher::equal(METRIC_NAME, "tocsin_build_info"), Matcher::equal(JOB, "tocsin")];
        // Most restarts are short.
        [600, 86_400, 400 * 86_400].into_iter().find_map(|seconds| {
            let from = now.minus(Duration::from_secs(seconds));
            let what = Select { matchers: &own, from, to: now, samples_max: SAMPLES_MAX };
            let found = self.db.select(&what).ok()?;
            found.iter().filter_map(|one| Some(one.samples.last()?.t)).max()
        })
    }
}

fn refused(why: Refusal) -> Failure {
    match &why {
        Refusal::Taken { at, .. } => {
            Failure::Value { field: format!("[{at}].name"), what: format!("{why}; choose another name") }
        }
        Refusal::Full { at, .. } => Failure::Full(format!(
            "[{at}].tags: {why}; tell fewer values of tags, nothing of this batch was taken"
        )),
    }
}

/// One line for each that was told.
fn log(batch: &[Told], totals: &[f64]) {
    for (told, total) in batch.iter().zip(totals) {
        let tags: serde_json::Map<String, serde_json::Value> =
            told.tags.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
        let tags = serde_json::Value::Object(tags);
        let (metric_name, value) = (told.name.as_str(), told.value);
        match told.kind {
            Kind::Counter => tracing::info!(
                event = "metric_counter",
                metric_name,
                value,
                total,
                json.tags = %tags,
                "Counter {metric_name} rose by {value}"
            ),
            Kind::Gauge => tracing::info!(
                event = "metric_gauge",
                metric_name,
                value,
                json.tags = %tags,
                "Gauge {metric_name} is {value}"
            ),
            Kind::Histogram => tracing::info!(
                event = "metric_histogram",
                metric_name,
                value,
                json.tags = %tags,
                "Histogram {metric_name} got {value}"
            ),
        }
    }
}

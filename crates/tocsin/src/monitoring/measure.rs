//! The number that a threshold judges: a statistic of the metric's samples within the window, for each series.
//!
//! Three metrics are not series but figures of many of them, taken over the threshold's own window: the rate of
//! errors, the time to answer, and how many circuits are open. Each is the applications' if they told any in that
//! time, else our own server's. An application that tells a metric of such a name itself is taken at its word.

use super::{Monitor, RECEIVER_CIRCUITS};
use collect::pushed::{Kind, PUSHED_JOB};
use model::{
    JOB, Labels, METRIC_NAME, MatchOp, Matcher, Querier, Sample, Select, Series, Timestamp, is_stale,
};
use promql::{Options, Value};
use rules::threshold::{Measured, Statistic, Threshold, increase, quantile};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

const ERROR_RATE: &str = "error_rate_percent";
const RESPONSE_TIME: &str = "response_time_p95_ms";
const OPEN_CIRCUITS: &str = "circuit_breaker_open_count";

/// Over how long the figures are that readers see.
const FIGURES_WINDOW: Duration = Duration::from_secs(300);
/// The most samples of one metric.
const SAMPLES_MAX: usize = 5_000_000;
/// Fewer requests to our own server say nothing of it.
const REQUESTS_MIN: f64 = 20.0;
/// Samples of what was just told may be ahead of the clock by this much.
const AHEAD: Duration = Duration::from_secs(1);
/// The longest one expression may take.
const DEADLINE: Duration = Duration::from_secs(10);

impl Monitor {
    /// A number for each series of each threshold.
    pub(super) fn measure(&self, specs: &[Threshold]) -> Vec<(String, Measured)> {
        let now = self.clock.now();
        let measured = specs.iter().map(|spec| (spec.name.clone(), self.one(spec, now))).collect();
        self.figures.set(ERROR_RATE, self.error_rate(now, FIGURES_WINDOW).ok().flatten());
        self.figures.set(RESPONSE_TIME, self.response_time(now, FIGURES_WINDOW).ok().flatten());
        self.figures.set(OPEN_CIRCUITS, self.open_circuits(now, FIGURES_WINDOW).ok().flatten());
        measured
    }

    fn one(&self, spec: &Threshold, now: Timestamp) -> Measured {
        let kind = self.pushed.kind(&spec.metric);
        let figure = match spec.metric.as_str() {
            _ if spec.matchers.len() > 1 => None,
            ERROR_RATE if kind.is_none() => Some(self.error_rate(now, spec.window)?),
            RESPONSE_TIME if kind.is_none() => Some(self.response_time(now, spec.window)?),
            OPEN_CIRCUITS => Some(self.open_circuits(now, spec.window)?),
            _ => None,
        };
        if let Some(figure) = figure {
            return Ok(figure.map(|value| (Labels::empty(), value)).into_iter().collect());
        }
        if kind == Some(Kind::Histogram) {
            return Ok(self.of_histogram(spec, now));
        }
        let counts = kind == Some(Kind::Counter) || spec.metric.ends_with("_total");
        let usual = if counts { Statistic::Increase } else { Statistic::Average };
        let statistic = spec.statistic.unwrap_or(usual);
        let series = self.select(&spec.matchers, now, spec.window)?;
        let number = |one: Series| Some((one.labels, statistic.of(&one.samples, spec.window)?));
        Ok(series.into_iter().filter_map(number).collect())
    }

    /// Of the observations themselves. An increase is how many there were.
    fn of_histogram(&self, spec: &Threshold, now: Timestamp) -> Vec<(Labels, f64)> {
        let wanted = |labels: &Labels| spec.matchers.iter().all(|matcher| matcher.matches_labels(labels));
        let observed = self.pushed.observed(now.minus(spec.window), wanted).into_iter();
        let statistic = spec.statistic.unwrap_or(Statistic::Quantile(0.95));
        let number = |(labels, values): (Labels, Vec<f64>)| {
            let count = values.len() as f64;
            let samples: Vec<Sample> = values.into_iter().map(|v| Sample { t: now, v }).collect();
            let number = match statistic {
                Statistic::Increase => Some(count),
                Statistic::Rate => Some(count / spec.window.as_secs_f64()),
                other => other.of(&samples, spec.window),
            };
            Some((labels, number?))
        };
        observed.filter_map(number).collect()
    }

    /// Failures, of 100 calls. What is told as an error and as a failure is one.
    fn error_rate(&self, now: Timestamp, window: Duration) -> Result<Option<f64>, String> {
        let names = Matcher::new(MatchOp::Regex, METRIC_NAME, ".+_success|.+_failure|errors_total")
            .map_err(|why| why.to_string())?;
        let (mut done, mut failed, mut errors) = (0.0, 0.0, 0.0);
        for one in self.select(&[names, Matcher::equal(JOB, PUSHED_JOB)], now, window)? {
            let name = one.labels.name();
            let rise = increase(&one.samples);
            match name.rsplit_once('_').map(|(_, ending)| ending) {
                _ if self.pushed.kind(name) != Some(Kind::Counter) => {}
                Some("success") => done += rise,
                Some("failure") => failed += rise,
                _ => errors += rise,
            }
        }
        let failed = f64::max(failed, errors);
        if done + failed > 0.0 {
            return Ok(Some(100.0 * failed / (done + failed)));
        }
        let requests = Matcher::equal(METRIC_NAME, "orchestrator_http_requests_total");
        let (mut all, mut ours) = (0.0, 0.0);
        for one in self.select(&[requests, Matcher::equal(JOB, "tocsin")], now, window)? {
            let rise = increase(&one.samples);
            all += rise;
            let is_ours = one.labels.get("status_code").is_some_and(|code| code.starts_with('5'));
            ours += if is_ours { rise } else { 0.0 };
        }
        Ok((all >= REQUESTS_MIN).then(|| 100.0 * ours / all))
    }

    /// Milliseconds within which 95 of 100 calls were done.
    fn response_time(&self, now: Timestamp, window: Duration) -> Result<Option<f64>, String> {
        let timed = |labels: &Labels| labels.name().contains("duration_ms");
        let observed = self.pushed.observed(now.minus(window), timed).into_iter();
        let mut values: Vec<f64> = observed.flat_map(|(_, values)| values).collect();
        if let Some(value) = quantile(0.95, &mut values) {
            return Ok(Some(value));
        }
        let text = format!(
            "1000 * histogram_quantile(0.95, sum by (le) (increase(orchestrator_http_request_duration_seconds_bucket\
             {{job=\"tocsin\"}}[{seconds}s]))) and on () \
             sum(increase(orchestrator_http_request_duration_seconds_count{{job=\"tocsin\"}}[{seconds}s])) >= {REQUESTS_MIN}",
            seconds = window.as_secs().max(1)
        );
        let expr = promql::parse(&text).map_err(|why| why.to_string())?;
        let options = Options { deadline: Some(Instant::now() + DEADLINE), ..Options::default() };
        let answer = promql::instant(&expr, &self.db, now, &options).map_err(|why| why.to_string())?;
        Ok(match answer.value {
            Value::Vector(samples) => samples.first().map(|sample| sample.v).filter(|v| v.is_finite()),
            _ => None,
        })
    }

    /// Circuits that were open at some time: those of our tools by name, and what applications tell of theirs. Not
    /// those of receivers: that one of them is down is told through another, by `NotificationFailed`.
    fn open_circuits(&self, now: Timestamp, window: Duration) -> Result<Option<f64>, String> {
        let of = |name: &str, job: &str| [Matcher::equal(METRIC_NAME, name), Matcher::equal(JOB, job)];
        let mut open = BTreeSet::new();
        let states = self.select(&of("circuit_breaker_state", "tocsin"), now, window)?;
        let opened = self.select(&of(OPEN_CIRCUITS, "tocsin"), now, window)?;
        let is_open = |samples: &[Sample]| samples.iter().any(|sample| sample.v >= 2.0);
        let states = states.iter().filter(|one| is_open(&one.samples));
        let opened = opened.iter().filter(|one| increase(&one.samples) > 0.0);
        for one in states.chain(opened) {
            let name = one.labels.get("name").unwrap_or("");
            if !name.starts_with(RECEIVER_CIRCUITS) {
                open.insert(name.to_owned());
            }
        }
        let told = self.select(&of(OPEN_CIRCUITS, PUSHED_JOB), now, window)?;
        let statistic = match self.pushed.kind(OPEN_CIRCUITS) {
            Some(Kind::Counter) => Statistic::Increase,
            _ => Statistic::Last,
        };
        let told = told.iter().filter_map(|one| statistic.of(&one.samples, window));
        Ok(Some(open.len() as f64 + told.sum::<f64>()))
    }

    /// The samples within the window; series without any are left out.
    fn select(&self, matchers: &[Matcher], now: Timestamp, window: Duration) -> Result<Vec<Series>, String> {
        let what =
            Select { matchers, from: now.minus(window), to: now.plus(AHEAD), samples_max: SAMPLES_MAX };
        let mut series = self.db.select(&what).map_err(|why| why.to_string())?;
        series
            .iter_mut()
            .for_each(|one| one.samples.retain(|sample| !is_stale(sample.v) && !sample.v.is_nan()));
        series.retain(|one| !one.samples.is_empty());
        Ok(series)
    }
}

//! Thresholds as `(state, values, now) -> decisions`: a number over a window against a mild and a severe bound.
//!
//! A decider, as the rules beside it. Somebody measures; [`Thresholds::decide`] says what begins to fire, what
//! ends, and what is written down. Invariants: a level counts after `consecutive` evaluations in a row, and is left
//! after `clear_after` in a row beyond the hysteresis; a failed or missing measurement ends nothing by itself; one
//! crossing is one entry of history, however often it is evaluated.

mod config;
mod history;
mod row;
mod spec;
mod statistic;
#[cfg(test)]
mod tests;

pub use config::{Declared, ThresholdConfig, usual};
pub use row::{Change, Crossed};
pub use spec::{Comparison, Hysteresis, Level, Missing, Statistic, Threshold};
pub use statistic::{increase, quantile};

use history::History;
use model::{ALERTNAME, Alert, Labels, METRIC_NAME, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;

/// Series that one threshold judges; what is beyond is not, and is said.
pub const SERIES_MAX: usize = 100;

/// What holds for all thresholds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    /// How long crossings are kept for readers.
    pub history: Duration,
    /// Our own address as users see it, no final slash.
    pub external_url: String,
    /// Added to alerts that lack them.
    pub external_labels: Labels,
    /// Whether the router is told; who brings only another product's files did not ask for more alerts.
    pub routed: bool,
}

/// What was measured for one threshold: a number for each series, or why there is none.
pub type Measured = Result<Vec<(Labels, f64)>, String>;

/// What an evaluation means.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Decided {
    /// For the router.
    pub alerts: Vec<Alert>,
    /// What to write down.
    pub changes: Vec<Change>,
    /// What began to fire, or became worse.
    pub triggered: Vec<Crossed>,
    /// What fires no more.
    pub ended: Vec<Crossed>,
    /// What could not be measured: the threshold's name, and why.
    pub failed: Vec<(String, String)>,
}

/// One threshold over one series.
#[derive(Debug, Default)]
struct Watch {
    /// For each level, how many evaluations in a row found it reached.
    reached: Vec<u32>,
    /// How many in a row found the present level left.
    left: u32,
    /// What fires.
    firing: Option<Crossed>,
}

/// All thresholds with their state.
#[derive(Debug)]
pub struct Thresholds {
    settings: Settings,
    specs: Vec<Threshold>,
    watches: BTreeMap<(String, Labels), Watch>,
    history: History,
    begun: Timestamp,
    evaluated_at: Option<Timestamp>,
}

impl Thresholds {
    /// Those of `specs`, with what the journal kept: who fired, and history in its order.
    pub fn new(
        specs: Vec<Threshold>,
        settings: Settings,
        firing: Vec<Crossed>,
        history: Vec<(String, Crossed)>,
        now: Timestamp,
    ) -> Thresholds {
        let watch = |crossed: Crossed| {
            let key = (crossed.name.clone(), crossed.series.clone());
            (key, Watch { firing: Some(crossed), ..Watch::default() })
        };
        Thresholds {
            settings,
            specs,
            watches: firing.into_iter().map(watch).collect(),
            history: History::new(history),
            begun: now,
            evaluated_at: None,
        }
    }

    /// Takes others. What fires by a threshold or a level that is gone ends.
    pub fn reload(&mut self, specs: Vec<Threshold>, settings: Settings, now: Timestamp) -> Decided {
        (self.specs, self.settings) = (specs, settings);
        let mut decided = Decided::default();
        self.settle(now, &mut decided);
        decided
    }

    /// Ends what no threshold stands behind any more.
    pub fn settle(&mut self, now: Timestamp, decided: &mut Decided) {
        for ((name, _), watch) in &mut self.watches {
            let spec = self.specs.iter().find(|spec| spec.name == *name);
            watch.reached.clear();
            let lost = |crossed: &Crossed| spec.and_then(|spec| level_of(spec, crossed)).is_none();
            if watch.firing.as_ref().is_some_and(lost) {
                end(watch, spec, &self.settings, now, decided);
            }
        }
        self.watches.retain(|_, watch| watch.firing.is_some());
    }

    /// The thresholds, in order.
    pub fn specs(&self) -> &[Threshold] {
        &self.specs
    }

    /// When they were last evaluated since the start.
    pub fn evaluated_at(&self) -> Option<Timestamp> {
        self.evaluated_at
    }

    /// What fires, the longest first.
    pub fn active(&self) -> Vec<Crossed> {
        let mut active: Vec<Crossed> =
            self.watches.values().filter_map(|watch| watch.firing.clone()).collect();
        active.sort_by(|a, b| a.at.cmp(&b.at).then_with(|| a.name.cmp(&b.name)));
        active
    }

    /// What was crossed since `from`, in order.
    pub fn history(&self, from: Timestamp) -> Vec<Crossed> {
        self.history.since(from)
    }

    /// Every alert that fires, as the router should have it.
    pub fn firing(&self, now: Timestamp) -> Vec<Alert> {
        if !self.settings.routed {
            return Vec::new();
        }
        let firing = self.watches.values().filter_map(|watch| watch.firing.as_ref());
        let spec = |crossed: &Crossed| self.specs.iter().find(|spec| spec.name == crossed.name);
        firing.map(|crossed| alert(spec(crossed), crossed, &self.settings, None, now)).collect()
    }

    /// What one evaluation means. A threshold that `measured` does not name stays as it is.
    pub fn decide(&mut self, measured: Vec<(String, Measured)>, now: Timestamp) -> Decided {
        let mut decided = Decided::default();
        self.evaluated_at = Some(now);
        for (name, result) in measured {
            let Some(spec) = self.specs.iter().find(|spec| spec.name == name).cloned() else { continue };
            let mut values: BTreeMap<Labels, f64> = match result {
                Ok(values) => {
                    values.into_iter().map(|(series, v)| (series.without(METRIC_NAME), v)).collect()
                }
                Err(why) => {
                    decided.failed.push((name, why));
                    continue;
                }
            };
            if values.len() > SERIES_MAX {
                let what =
                    format!("it has {} series and {SERIES_MAX} are judged; select fewer", values.len());
                decided.failed.push((name.clone(), what));
                // Those that fire must be able to end.
                let watched = |series: &Labels| self.watches.contains_key(&(name.clone(), series.clone()));
                let mut room = SERIES_MAX;
                values.retain(|series, _| {
                    watched(series) || {
                        room = room.saturating_sub(1);
                        room > 0
                    }
                });
            }
            self.missing(&spec, &values, now, &mut decided);
            for (series, value) in values {
                let watch = self.watches.entry((name.clone(), series.clone())).or_default();
                step(watch, &spec, &series, value, &self.settings, now, &mut decided);
            }
        }
        // Those that neither fire nor count towards it are made anew when they are needed.
        self.watches.retain(|_, watch| watch.firing.is_some() || watch.reached.iter().any(|n| *n > 0));
        for crossed in &decided.triggered {
            decided.changes.push(self.history.add(crossed.clone(), now));
        }
        decided.changes.extend(self.history.forget(now.minus(self.settings.history)));
        decided
    }

    /// Series of a threshold that are watched and have no number now.
    fn missing(
        &mut self,
        spec: &Threshold,
        values: &BTreeMap<Labels, f64>,
        now: Timestamp,
        decided: &mut Decided,
    ) {
        // After a start there are no numbers until the window has some.
        let settling = now.since(self.begun) < spec.window;
        let of_spec = |(name, series): &(String, Labels)| (*name == spec.name).then(|| series.clone());
        let mut gone: Vec<Labels> = self.watches.keys().filter_map(of_spec).collect();
        gone.retain(|series| !values.contains_key(series));
        if spec.missing == Missing::Breach && values.is_empty() && gone.is_empty() && !settling {
            gone.push(Labels::empty());
        }
        for series in gone {
            let watch = self.watches.entry((spec.name.clone(), series.clone())).or_default();
            match spec.missing {
                // What only counted towards a level counts anew.
                Missing::Clear if !settling => {
                    watch.reached.clear();
                    end(watch, Some(spec), &self.settings, now, decided);
                }
                Missing::Hold | Missing::Clear => watch.reached.clear(),
                Missing::Breach => step(watch, spec, &series, f64::NAN, &self.settings, now, decided),
            }
        }
    }
}

/// Which level of a threshold something fires at.
fn level_of(spec: &Threshold, crossed: &Crossed) -> Option<usize> {
    spec.levels.iter().position(|level| level.severity == crossed.severity)
}

/// One number of one series. NaN stands for a missing one that counts as trouble.
fn step(
    watch: &mut Watch,
    spec: &Threshold,
    series: &Labels,
    value: f64,
    settings: &Settings,
    now: Timestamp,
    decided: &mut Decided,
) {
    watch.reached.resize(spec.levels.len(), 0);
    let reaches = |level: &Level| value.is_nan() || spec.reaches(level, value);
    for (count, level) in watch.reached.iter_mut().zip(&spec.levels) {
        *count = if reaches(level) { count.saturating_add(1) } else { 0 };
    }
    let reached = watch.reached.iter().rposition(|count| *count >= spec.consecutive);
    let present = watch.firing.as_ref().and_then(|crossed| level_of(spec, crossed));
    let next = match present {
        Some(present) if reached.is_none_or(|reached| reached <= present) => {
            let keeps = |level: &Level| value.is_nan() || spec.keeps(level, value);
            let kept = spec.levels[..=present].iter().rposition(keeps);
            watch.left = if kept == Some(present) { 0 } else { watch.left.saturating_add(1) };
            if watch.left >= spec.clear_after { kept } else { Some(present) }
        }
        _ => reached,
    };
    if next == present {
        return;
    }
    watch.left = 0;
    if watch.firing.is_some() {
        end(watch, Some(spec), settings, now, decided);
    }
    let Some(level) = next.map(|next| &spec.levels[next]) else { return };
    let crossed = Crossed {
        name: spec.name.clone(),
        series: series.clone(),
        severity: level.severity.clone(),
        value,
        threshold: level.at,
        message: spec.message(value, level),
        at: now,
    };
    if settings.routed {
        decided.alerts.push(alert(Some(spec), &crossed, settings, None, now));
    }
    decided.changes.push(Change::Firing(crossed.clone()));
    if next > present {
        decided.triggered.push(crossed.clone());
    }
    watch.firing = Some(crossed);
}

fn end(
    watch: &mut Watch,
    spec: Option<&Threshold>,
    settings: &Settings,
    now: Timestamp,
    decided: &mut Decided,
) {
    watch.left = 0;
    let Some(crossed) = watch.firing.take() else { return };
    if settings.routed {
        decided.alerts.push(alert(spec, &crossed, settings, Some(now), now));
    }
    decided.changes.push(Change::Ended { key: crossed.key() });
    decided.ended.push(crossed);
}

/// A crossing as the router takes it.
fn alert(
    spec: Option<&Threshold>,
    crossed: &Crossed,
    settings: &Settings,
    ends_at: Option<Timestamp>,
    now: Timestamp,
) -> Alert {
    let mut labels = crossed.series.builder();
    for (name, value) in spec.iter().flat_map(|spec| &spec.labels) {
        labels.set(&**name, &**value);
    }
    for (name, value) in settings.external_labels.iter() {
        if labels.get(name).is_empty() {
            labels.set(name, value);
        }
    }
    labels.set(ALERTNAME, &*crossed.name).set("severity", &*crossed.severity);
    let own = [("summary", crossed.message.as_str())].map(|(name, text)| (name.to_owned(), text.to_owned()));
    let more = spec.iter().flat_map(|spec| spec.annotations.iter().cloned());
    let metric = spec.map_or("", |spec| spec.metric.as_str());
    Alert {
        labels: labels.build(),
        annotations: Labels::from_pairs(own.into_iter().chain(more).collect::<BTreeMap<_, _>>()),
        starts_at: crossed.at,
        ends_at,
        generator_url: template::table_link(&settings.external_url, metric).into(),
        updated_at: now,
    }
}

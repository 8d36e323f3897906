//! One entry of `thresholds` as a file spells it, and its checked form; and the four that are there by themselves.

use super::{Comparison, Hysteresis, Level, Missing, Statistic, Threshold};
use crate::file::place;
use model::{ALERTNAME, METRIC_NAME, Problem, is_classic_label_name, parse_duration};
use promql::{Anchor, ExprKind};
use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::Spanned;
use std::collections::BTreeMap;
use std::time::Duration;

const WINDOW: Duration = Duration::from_secs(300);
/// What a window loads is held in memory for a moment.
const WINDOW_MAX: Duration = Duration::from_secs(86_400);
const COUNT_MAX: u32 = 1000;

/// The raw form.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThresholdConfig {
    name: Option<Spanned<String>>,
    metric: Option<Spanned<String>>,
    statistic: Option<Spanned<String>>,
    comparison: Option<Spanned<String>>,
    threshold: Option<Spanned<f64>>,
    severity: Option<Spanned<String>>,
    warning: Option<Spanned<f64>>,
    critical: Option<Spanned<f64>>,
    window: Option<Spanned<String>>,
    consecutive: Option<Spanned<u32>>,
    clear_after: Option<Spanned<u32>>,
    hysteresis: Option<Spanned<Value>>,
    missing: Option<Spanned<String>>,
    enabled: Option<bool>,
    labels: Option<BTreeMap<String, Spanned<String>>>,
    annotations: Option<BTreeMap<String, Spanned<String>>>,
}

/// A threshold that a file or a release declares.
#[derive(Debug, Clone)]
pub struct Declared {
    /// What it is.
    pub threshold: Threshold,
    /// Whether it is watched.
    pub enabled: bool,
}

/// The four that are there by themselves: name, metric, severity, bound, window in seconds, statistic.
type Usual = (&'static str, &'static str, &'static str, f64, u64, Option<Statistic>);
const USUAL: [Usual; 4] = [
    ("high_error_rate", "error_rate_percent", "critical", 5.0, 300, None),
    ("slow_response_time", "response_time_p95_ms", "warning", 2000.0, 300, None),
    ("high_memory_usage", "memory_usage_percent", "critical", 80.0, 60, Some(Statistic::Average)),
    ("circuit_breaker_open", "circuit_breaker_open_count", "critical", 0.0, 60, None),
];

/// The thresholds that are there by themselves.
pub fn usual() -> Vec<Declared> {
    let declared = |(name, metric, severity, at, window, statistic): Usual| Declared {
        threshold: Threshold {
            statistic,
            window: Duration::from_secs(window),
            levels: vec![Level { severity: severity.to_owned(), at }],
            missing: Missing::Clear,
            ..plain(name, metric)
        },
        enabled: true,
    };
    USUAL.map(declared).into()
}

/// One of which nothing is said but what it watches.
fn plain(name: &str, metric: &str) -> Threshold {
    Threshold {
        name: name.to_owned(),
        metric: metric.to_owned(),
        matchers: vec![model::Matcher::equal(METRIC_NAME, metric)],
        statistic: None,
        comparison: Comparison::Gt,
        levels: Vec::new(),
        window: WINDOW,
        consecutive: 1,
        clear_after: 1,
        hysteresis: Hysteresis::Absolute(0.0),
        missing: Missing::Hold,
        labels: Vec::new(),
        annotations: Vec::new(),
    }
}

impl ThresholdConfig {
    /// The checked form; what is wrong goes to `problems`. `at` is where the entry begins. An entry with the name of
    /// one that is there by itself says only what is other.
    pub fn resolve(&self, at: (u32, u32), problems: &mut Vec<Problem>) -> Option<Declared> {
        let Some(name) = self.name.as_ref().filter(|name| !name.value.is_empty()) else {
            problems.push(Problem::error(at.0, at.1, "a threshold has no name", "add name: NAME"));
            return None;
        };
        let known = usual().into_iter().find(|known| known.threshold.name == name.value);
        let mut threshold = match (&known, &self.metric) {
            (Some(known), None) => known.threshold.clone(),
            (None, None) => {
                let what = format!("threshold {:?} names no metric", name.value);
                problems.push(Problem::error(at.0, at.1, what, "add metric: NAME, or NAME{label=\"value\"}"));
                return None;
            }
            (_, Some(metric)) => {
                let base = known.as_ref().map_or_else(|| plain("", ""), |known| known.threshold.clone());
                selected(metric, base, problems)?
            }
        };
        threshold.name.clone_from(&name.value);
        let before = problems.len();
        self.words(&mut threshold, problems);
        self.numbers(&mut threshold, problems);
        self.levels(at, &mut threshold, problems);
        self.hysteresis(&mut threshold, problems);
        self.texts(&mut threshold, problems);
        (problems.len() == before).then(|| Declared { threshold, enabled: self.enabled.unwrap_or(true) })
    }

    /// The name, and where it stands.
    pub fn name(&self) -> Option<(&str, (u32, u32))> {
        self.name.as_ref().map(|name| (name.value.as_str(), place(name.referenced)))
    }

    fn words(&self, threshold: &mut Threshold, problems: &mut Vec<Problem>) {
        if let Some(found) = word(&self.comparison, Comparison::parse, &Comparison::WORDS, problems) {
            threshold.comparison = found;
        }
        if let Some(found) = word(&self.statistic, Statistic::parse, &Statistic::WORDS, problems) {
            threshold.statistic = Some(found);
        }
        if let Some(found) = word(&self.missing, Missing::parse, &Missing::WORDS, problems) {
            threshold.missing = found;
        }
    }

    fn numbers(&self, threshold: &mut Threshold, problems: &mut Vec<Problem>) {
        if let Some(text) = &self.window {
            match parse_duration(&text.value) {
                Ok(window) if !window.is_zero() && window <= WINDOW_MAX => threshold.window = window,
                Ok(_) => {
                    error(text, "the window is zero or longer than a day", "write one such as 5m", problems)
                }
                Err(why) => error(text, why.to_string(), "write one such as 5m", problems),
            }
        }
        for (given, of) in
            [(&self.consecutive, &mut threshold.consecutive), (&self.clear_after, &mut threshold.clear_after)]
        {
            match given {
                Some(count) if (1..=COUNT_MAX).contains(&count.value) => *of = count.value,
                Some(count) => {
                    let what = format!("{} is no number of evaluations", count.value);
                    error(count, what, "write one from 1 to 1000", problems);
                }
                None => {}
            }
        }
    }

    fn levels(&self, at: (u32, u32), threshold: &mut Threshold, problems: &mut Vec<Problem>) {
        let finite = |given: &Option<Spanned<f64>>, problems: &mut Vec<Problem>| {
            let given = given.as_ref()?;
            if !given.value.is_finite() {
                error(given, "a bound must be a number", "write one such as 80", problems);
            }
            Some(given.value)
        };
        let single = finite(&self.threshold, problems);
        let (warning, critical) = (finite(&self.warning, problems), finite(&self.critical, problems));
        if let (Some(given), true) = (&self.threshold, warning.or(critical).is_some()) {
            let what = "threshold stands beside warning or critical";
            error(given, what, "write one bound as threshold, or two as warning and critical", problems);
        }
        if let (Some(severity), None) = (&self.severity, &self.threshold)
            && (warning.or(critical).is_some() || threshold.levels.is_empty())
        {
            let what = "severity belongs to threshold; warning and critical say it themselves";
            error(severity, what, "remove it", problems);
        }
        if let Some(severity) = self.severity.as_ref().filter(|severity| severity.value.is_empty()) {
            error(severity, "the severity is empty", "write one such as warning", problems);
        }
        let level = |severity: &str, at: f64| Level { severity: severity.to_owned(), at };
        let usual = threshold.levels.first().map_or("warning", |level| level.severity.as_str()).to_owned();
        let severity = self.severity.as_ref().map_or(usual, |severity| severity.value.clone());
        if let Some(bound) = single {
            threshold.levels = vec![level(&severity, bound)];
        } else if warning.or(critical).is_some() {
            let pair = [warning.map(|at| level("warning", at)), critical.map(|at| level("critical", at))];
            threshold.levels = pair.into_iter().flatten().collect();
        } else if let Some(only) = threshold.levels.first_mut() {
            only.severity = severity;
        } else {
            let what = format!("threshold {:?} has no bound", threshold.name);
            problems.push(Problem::error(at.0, at.1, what, "add threshold:, or warning: and critical:"));
        }
        if let (Some(warning), Some(critical), Some(given)) = (warning, critical, &self.critical)
            && !threshold.comparison.worse(critical, warning)
        {
            let what = format!("critical {critical} is not beyond warning {warning}");
            error(given, what, "swap them, or write the other comparison", problems);
        }
    }

    fn hysteresis(&self, threshold: &mut Threshold, problems: &mut Vec<Problem>) {
        let Some(given) = &self.hysteresis else { return };
        let read = match &given.value {
            Value::Number(number) => number.as_f64().map(Hysteresis::Absolute),
            Value::String(text) => {
                let number = |text: &str| text.trim().parse::<f64>().ok();
                match text.strip_suffix('%') {
                    Some(percent) => number(percent).map(Hysteresis::Percent),
                    None => number(text).map(Hysteresis::Absolute),
                }
            }
            _ => None,
        };
        let sound = |by: &Hysteresis| match by {
            Hysteresis::Absolute(by) | Hysteresis::Percent(by) => by.is_finite() && *by >= 0.0,
        };
        match read.filter(sound) {
            Some(_) if threshold.comparison == Comparison::Eq => {
                error(given, "a hysteresis makes no sense with eq", "remove it", problems);
            }
            Some(by) => threshold.hysteresis = by,
            None => {
                let what = "this is no distance";
                error(given, what, "write a number such as 5, or a part of the bound such as 10%", problems);
            }
        }
    }

    fn texts(&self, threshold: &mut Threshold, problems: &mut Vec<Problem>) {
        for (name, value) in self.labels.iter().flatten() {
            if !is_classic_label_name(name) || [ALERTNAME, METRIC_NAME, "severity"].contains(&name.as_str()) {
                let what = format!("{name:?} cannot be a label here");
                error(
                    value,
                    what,
                    "use letters, digits and underscores; severity is a key of its own",
                    problems,
                );
            }
            threshold.labels.push((name.clone(), value.value.clone()));
        }
        for (name, value) in self.annotations.iter().flatten() {
            if name.is_empty() {
                error(value, "an annotation has no name", "name it, such as summary", problems);
            }
            threshold.annotations.push((name.clone(), value.value.clone()));
        }
    }
}

/// The series that `metric` selects.
fn selected(metric: &Spanned<String>, base: Threshold, problems: &mut Vec<Problem>) -> Option<Threshold> {
    let remedy = "write NAME or NAME{label=\"value\"}; an expression belongs into a rule file";
    let expr = match promql::parse(&metric.value) {
        Ok(expr) => expr,
        Err(why) => {
            error(metric, format!("the metric does not parse: {}", why.what), remedy, problems);
            return None;
        }
    };
    match expr.kind {
        ExprKind::Vector(selector) if selector.window.is_none() && selector.anchor == Anchor::default() => {
            let name = selector.name.clone();
            let Some(name) = name else {
                error(metric, "the metric has no name", remedy, problems);
                return None;
            };
            Some(Threshold { metric: name, matchers: selector.matchers, ..base })
        }
        _ => {
            error(metric, "the metric is an expression", remedy, problems);
            None
        }
    }
}

fn word<T>(
    given: &Option<Spanned<String>>,
    parse: fn(&str) -> Option<T>,
    known: &[&str],
    problems: &mut Vec<Problem>,
) -> Option<T> {
    let given = given.as_ref()?;
    let found = parse(&given.value);
    if found.is_none() {
        let what = format!("unknown value {:?}", given.value);
        error(given, what, &format!("write one of {}", known.join(", ")), problems);
    }
    found
}

fn error<T>(at: &Spanned<T>, what: impl Into<String>, remedy: &str, problems: &mut Vec<Problem>) {
    let (line, column) = place(at.referenced);
    problems.push(Problem::error(line, column, what, remedy));
}

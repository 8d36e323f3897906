//! The form of a file of rule unit tests.

use model::{Labels, Problem, Timestamp, parse_duration};
use serde::Deserialize;
use serde_saphyr::Spanned;
use std::collections::BTreeMap;
use std::time::Duration;

pub(super) struct TestFile {
    pub rule_files: Vec<String>,
    pub evaluation_interval: Duration,
    pub group_eval_order: Vec<String>,
    pub fuzzy_compare: bool,
    pub groups: Vec<Group>,
}

pub(super) struct Group {
    pub name: String,
    pub interval: Duration,
    pub start: Timestamp,
    pub series: Vec<RawSeries>,
    pub alerts: Vec<AlertTest>,
    pub exprs: Vec<ExprTest>,
    pub external_labels: Labels,
    pub external_url: String,
}

pub(super) struct AlertTest {
    pub eval_time: Duration,
    pub alertname: String,
    /// Labels and annotations of each alert that should fire.
    pub wanted: Vec<(Labels, Labels)>,
}

pub(super) struct ExprTest {
    pub expr: String,
    pub eval_time: Duration,
    /// Series as written, and value.
    pub wanted: Vec<(String, f64)>,
    pub has_histogram: bool,
}

type Texts = BTreeMap<String, String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    rule_files: Option<Vec<String>>,
    evaluation_interval: Option<Spanned<String>>,
    group_eval_order: Option<Vec<String>>,
    fuzzy_compare: Option<bool>,
    tests: Option<Vec<RawGroup>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGroup {
    name: Option<String>,
    interval: Option<Spanned<String>>,
    input_series: Option<Vec<RawSeries>>,
    alert_rule_test: Option<Vec<RawAlertTest>>,
    promql_expr_test: Option<Vec<RawExprTest>>,
    external_labels: Option<Texts>,
    external_url: Option<String>,
    start_timestamp: Option<Spanned<String>>,
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSeries {
    pub series: String,
    pub values: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAlertTest {
    eval_time: Option<Spanned<String>>,
    alertname: Option<String>,
    exp_alerts: Option<Vec<RawAlert>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAlert {
    exp_labels: Option<Texts>,
    exp_annotations: Option<Texts>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawExprTest {
    expr: String,
    eval_time: Option<Spanned<String>>,
    exp_samples: Option<Vec<RawSample>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSample {
    labels: Option<String>,
    value: Option<f64>,
    histogram: Option<String>,
}

pub(super) fn read(text: &str) -> Result<TestFile, Problem> {
    let raw: RawFile = serde_saphyr::from_str(text).map_err(|err| crate::file::yaml_problem(&err))?;
    let default = duration(raw.evaluation_interval, "evaluation_interval")?.filter(|d| !d.is_zero());
    let evaluation_interval = default.unwrap_or(Duration::from_secs(60));
    let groups = raw.tests.unwrap_or_default().into_iter().map(|group| checked(group, evaluation_interval));
    Ok(TestFile {
        rule_files: raw.rule_files.unwrap_or_default(),
        evaluation_interval,
        group_eval_order: raw.group_eval_order.unwrap_or_default(),
        fuzzy_compare: raw.fuzzy_compare.unwrap_or(false),
        groups: groups.collect::<Result<_, _>>()?,
    })
}

fn checked(raw: RawGroup, evaluation_interval: Duration) -> Result<Group, Problem> {
    let interval = duration(raw.interval, "interval")?.filter(|d| !d.is_zero());
    let labels = |texts: Option<Texts>| Labels::from_pairs(texts.unwrap_or_default());
    let alert = |raw: RawAlert| (labels(raw.exp_labels), labels(raw.exp_annotations));
    let mut alerts = Vec::new();
    for test in raw.alert_rule_test.unwrap_or_default() {
        alerts.push(AlertTest {
            eval_time: duration(test.eval_time, "eval_time")?.unwrap_or_default(),
            alertname: test.alertname.unwrap_or_default(),
            wanted: test.exp_alerts.unwrap_or_default().into_iter().map(alert).collect(),
        });
    }
    let mut exprs = Vec::new();
    for test in raw.promql_expr_test.unwrap_or_default() {
        let samples = test.exp_samples.unwrap_or_default();
        exprs.push(ExprTest {
            expr: test.expr,
            eval_time: duration(test.eval_time, "eval_time")?.unwrap_or_default(),
            has_histogram: samples.iter().any(|sample| sample.histogram.is_some()),
            wanted: samples
                .into_iter()
                .map(|s| (s.labels.unwrap_or_default(), s.value.unwrap_or(0.0)))
                .collect(),
        });
    }
    Ok(Group {
        name: raw.name.unwrap_or_default(),
        interval: interval.unwrap_or(evaluation_interval),
        start: start(raw.start_timestamp)?,
        series: raw.input_series.unwrap_or_default(),
        alerts,
        exprs,
        external_labels: labels(raw.external_labels),
        external_url: raw.external_url.unwrap_or_default(),
    })
}

fn duration(text: Option<Spanned<String>>, field: &str) -> Result<Option<Duration>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let (line, column) = crate::file::place(text.referenced);
    parse_duration(&text.value)
        .map(Some)
        .map_err(|err| Problem::error(line, column, format!("{field}: {err}"), ""))
}

/// Seconds since the epoch, or RFC 3339.
fn start(text: Option<Spanned<String>>) -> Result<Timestamp, Problem> {
    let Some(text) = text else { return Ok(Timestamp::from_millis(0)) };
    if let Ok(seconds) = text.value.parse::<f64>() {
        return Ok(Timestamp::from_secs_f64(seconds));
    }
    let (line, column) = crate::file::place(text.referenced);
    Timestamp::parse_rfc3339(&text.value).map_err(|err| {
        Problem::error(line, column, format!("start_timestamp: {err}"), "write seconds or RFC 3339")
    })
}

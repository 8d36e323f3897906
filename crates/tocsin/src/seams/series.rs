//! Series and expressions, over the engine and the evaluator.

use arc_swap::ArcSwap;
use model::{Labels, Matcher, QueryError, Timestamp};
use promql::{BinaryOp, EvalError, Expr, ExprKind, Options, Value, ValueType};
use server::{
    QueryFailure,
    views::{
        AlertView, Instant, LabelsQuery, QueryAnswer, QueryValue, Range, RangeSeries, SeriesQuery, Trend,
        TsdbView, VectorSample,
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tsdb::Db;

/// The expressions of alerting rules by alert name, for the trend beside an alert.
pub type RuleExprs = ArcSwap<BTreeMap<String, Vec<Arc<Expr>>>>;

/// How long one number may take.
const VALUE_TIMEOUT: Duration = Duration::from_millis(500);

/// The engine as the server sees it.
pub struct Series {
    /// The series.
    pub db: Db,
    /// The step of subqueries that name none.
    pub subquery_step: Duration,
    /// What alerts compare.
    pub rule_exprs: Arc<RuleExprs>,
    /// Samples that one expression may load.
    pub samples_max: usize,
}

impl server::Series for Series {
    fn instant(&self, what: &Instant) -> Result<QueryAnswer, QueryFailure> {
        let expr = parse(&what.query)?;
        let options = self.options(what.timeout, what.lookback);
        promql::instant(&expr, &self.db, what.at, &options).map(answer).map_err(failure)
    }

    fn range(&self, what: &Range) -> Result<QueryAnswer, QueryFailure> {
        let expr = parse(&what.query)?;
        if !matches!(expr.result_type(), ValueType::Scalar | ValueType::Vector) {
            let kind = expr.result_type().as_str();
            return Err(QueryFailure::Parse(format!(
                "a range query must be a scalar or an instant vector, not a {kind}"
            )));
        }
        let options = self.options(what.timeout, what.lookback);
        promql::range(&expr, &self.db, what.from, what.to, what.step, &options).map(answer).map_err(failure)
    }

    fn series(&self, what: &SeriesQuery) -> Result<Vec<Labels>, QueryFailure> {
        use model::Querier;
        let mut found = BTreeSet::new();
        for matchers in &what.sets {
            found.extend(self.db.series(matchers, what.from, what.to).map_err(store_failure)?);
        }
        Ok(found.into_iter().collect())
    }

    fn label_names(&self, what: &LabelsQuery) -> Result<Vec<String>, QueryFailure> {
        union(&what.sets, |matchers| self.db.label_names(matchers, what.from, what.to))
    }

    fn label_values(&self, name: &str, what: &LabelsQuery) -> Result<Vec<String>, QueryFailure> {
        union(&what.sets, |matchers| self.db.label_values(name, matchers, what.from, what.to))
    }

    fn trend(&self, alert: &AlertView, from: Timestamp, to: Timestamp, points: usize) -> Option<Trend> {
        let exprs = self.rule_exprs.load();
        exprs.get(alert.alert.name())?.iter().find_map(|expr| {
            let (number, threshold) = comparison(expr)?;
            let step = to.since(from) / u32::try_from(points.max(1)).ok()?;
            let options = self.options(Duration::from_millis(500), None);
            let answer =
                promql::range(number, &self.db, from, to, step.max(Duration::from_secs(1)), &options).ok()?;
            let Value::Matrix(all) = answer.value else { return None };
            let found = all.into_iter().find(|series| is_about(&series.labels, &alert.alert.labels))?;
            Some(Trend { samples: found.samples, threshold })
        })
    }

    fn tsdb(&self, limit: usize) -> TsdbView {
        let (stats, census) = (self.db.stats(), self.db.census(limit));
        TsdbView {
            series: stats.series as u64,
            label_pairs: census.pairs,
            chunks: stats.segments as u64,
            min_time: stats.head_min.unwrap_or_default(),
            max_time: stats.head_max.unwrap_or_default(),
            series_by_metric: census.series_by_metric,
            values_by_label: census.values_by_label,
            bytes_by_label: census.bytes_by_label,
            series_by_pair: census.series_by_pair,
        }
    }
}

fn parse(text: &str) -> Result<Expr, QueryFailure> {
    promql::parse(text).map_err(|why| QueryFailure::Parse(why.to_string()))
}

impl Series {
    /// The number that an alert's rule looked at, at one instant.
    pub fn value(&self, alert: &Labels, at: Timestamp) -> Option<f64> {
        let exprs = self.rule_exprs.load();
        exprs.get(alert.get(model::ALERTNAME)?)?.iter().find_map(|expr| {
            let number = comparison(expr).map_or(&**expr, |(number, _)| number);
            let answer = promql::instant(number, &self.db, at, &self.options(VALUE_TIMEOUT, None)).ok()?;
            let Value::Vector(all) = answer.value else { return None };
            all.into_iter().find(|sample| is_about(&sample.labels, alert)).map(|sample| sample.v)
        })
    }

    fn options(&self, timeout: Duration, lookback: Option<Duration>) -> Options {
        let defaults = Options::default();
        Options {
            deadline: Some(std::time::Instant::now() + timeout),
            lookback: lookback.unwrap_or(defaults.lookback),
            samples_max: self.samples_max,
            subquery_step: self.subquery_step,
            ..defaults
        }
    }
}

/// One label list over several matcher lists; no list means all series.
fn union(
    sets: &[Vec<Matcher>],
    ask: impl Fn(&[Matcher]) -> Result<Vec<String>, QueryError>,
) -> Result<Vec<String>, QueryFailure> {
    if sets.is_empty() {
        return ask(&[]).map_err(store_failure);
    }
    let mut found = BTreeSet::new();
    for matchers in sets {
        found.extend(ask(matchers).map_err(store_failure)?);
    }
    Ok(found.into_iter().collect())
}

fn store_failure(why: QueryError) -> QueryFailure {
    match why {
        QueryError::TooManySamples { .. } => QueryFailure::Execution(why.to_string()),
        QueryError::Store(_) => QueryFailure::Internal(why.to_string()),
    }
}

fn failure(why: EvalError) -> QueryFailure {
    match why {
        EvalError::Timeout => QueryFailure::Timeout(why.to_string()),
        _ => QueryFailure::Execution(why.to_string()),
    }
}

fn answer(answer: promql::Answer) -> QueryAnswer {
    let value = match answer.value {
        Value::Scalar(v) => QueryValue::Scalar(v),
        Value::String(text) => QueryValue::String(text),
        Value::Vector(all) => {
            QueryValue::Vector(all.into_iter().map(|s| VectorSample { labels: s.labels, v: s.v }).collect())
        }
        Value::Matrix(all) => QueryValue::Matrix(
            all.into_iter().map(|s| RangeSeries { labels: s.labels, samples: s.samples }).collect(),
        ),
    };
    QueryAnswer { value, warnings: answer.warnings, infos: answer.infos }
}

/// The number that an alert's expression looks at, and what it compares it with if that is one number.
fn comparison(expr: &Expr) -> Option<(&Expr, Option<f64>)> {
    match &expr.kind {
        ExprKind::Paren(inner) => comparison(inner),
        ExprKind::Binary(binary) if binary.op.is_comparison() => match &binary.rhs.kind {
            ExprKind::Number { value, .. } => Some((&binary.lhs, Some(*value))),
            _ => Some((&binary.lhs, None)),
        },
        ExprKind::Binary(binary) if binary.op == BinaryOp::And => comparison(&binary.lhs),
        _ => None,
    }
}

/// Whether a series carries no label that the alert contradicts.
fn is_about(series: &Labels, alert: &Labels) -> bool {
    series.iter().all(|(name, value)| name == model::METRIC_NAME || alert.get(name) == Some(value))
}

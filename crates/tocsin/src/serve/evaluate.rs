//! Expressions for those who are not `server` or the rule loop: templates, tasks, runbook steps; and the grammars
//! that requests are written in.

use crate::core::TemplateQuery;
use model::{Clock, Labels, Matcher, Querier, Sample, Timestamp};
use promql::{Options, Value};
use serde_json::json;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tsdb::Db;

/// Templates are expanded on the core's thread: their expressions get little time.
const TEMPLATE_LIMIT: Duration = Duration::from_millis(200);
/// The longest an expression of a task or a runbook step may take.
const STEP_LIMIT: Duration = Duration::from_secs(30);

/// A series selector as its matchers.
pub fn selector(text: &str) -> Result<Vec<Matcher>, String> {
    let expr = promql::parse(text).map_err(|why| why.to_string())?;
    match &expr.kind {
        promql::ExprKind::Vector(selector) if selector.window.is_none() => Ok(selector.matchers.clone()),
        _ => Err("1:1: parse error: this is not an instant vector selector".to_owned()),
    }
}

/// Alertmanager's matchers.
pub fn matchers(text: &str) -> Result<Vec<Matcher>, String> {
    alerts::parse_matchers(text).map(|parsed| parsed.matchers).map_err(|why| why.to_string())
}

/// Expressions in rule templates: evaluated on the core's thread, so with a short deadline.
pub fn template_query(db: Db) -> TemplateQuery {
    Arc::new(move |text, at| {
        let expr = promql::parse(text).map_err(|why| why.to_string())?;
        let deadline = Instant::now() + TEMPLATE_LIMIT;
        let options = Options { deadline: Some(deadline), ..Options::default() };
        let answer = promql::instant(&expr, &db, at, &options).map_err(|why| why.to_string())?;
        rules::result_of(answer.value)
    })
}

/// Expressions of tasks and runbook steps.
pub fn evaluate(db: Db, clock: Arc<dyn Clock>) -> worker::Evaluate {
    Arc::new(move |text| {
        let (db, now) = (db.clone(), clock.now());
        Box::pin(async move {
            let answer = tokio::task::spawn_blocking(move || instant_json(&text, &db, now)).await;
            answer.map_err(|why| why.to_string())?
        })
    })
}

fn instant_json(text: &str, series: &dyn Querier, now: Timestamp) -> Result<serde_json::Value, String> {
    let expr = promql::parse(text).map_err(|why| why.to_string())?;
    let deadline = Instant::now() + STEP_LIMIT;
    let options = Options { deadline: Some(deadline), ..Options::default() };
    let answer = promql::instant(&expr, series, now, &options).map_err(|why| why.to_string())?;
    let at = now.as_secs_f64();
    let labels = |labels: &Labels| -> serde_json::Value {
        labels.iter().map(|(name, value)| (name.to_owned(), serde_json::Value::from(value))).collect()
    };
    let value = |v: f64| json!([at, promql::format_value(v)]);
    Ok(match answer.value {
        Value::Scalar(v) => json!({"resultType": "scalar", "result": value(v)}),
        Value::String(text) => json!({"resultType": "string", "result": [at, text]}),
        Value::Vector(all) => {
            let all = all.iter().map(|s| json!({"metric": labels(&s.labels), "value": value(s.v)}));
            json!({"resultType": "vector", "result": all.collect::<Vec<_>>()})
        }
        Value::Matrix(all) => {
            let values = |samples: &[Sample]| -> Vec<_> {
                samples.iter().map(|s| json!([s.t.as_secs_f64(), promql::format_value(s.v)])).collect()
            };
            let all = all.iter().map(|s| json!({"metric": labels(&s.labels), "values": values(&s.samples)}));
            json!({"resultType": "matrix", "result": all.collect::<Vec<_>>()})
        }
    })
}

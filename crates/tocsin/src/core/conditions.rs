//! Conditions over series that tasks wait for: from the queue to the evaluator and back.

use super::{Batch, Core, Job};
use model::{Labels, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use tasks::TaskId;

/// The most series of a condition that its run is told of.
const SERIES_MAX: usize = 20;

impl Core {
    /// Has every condition looked at that is due.
    pub(super) fn due_conditions(&mut self, batch: &mut Batch, now: Timestamp) {
        let mut looks = Vec::new();
        for (task, expr) in self.queue.conditions_due(now) {
            match promql::parse(&expr) {
                Ok(expr) => looks.push((task, Arc::new(expr))),
                Err(why) => self.condition(task, Err(why.to_string()), batch, now),
            }
        }
        if !looks.is_empty() {
            self.send(Job::Conditions(looks));
        }
    }

    /// Takes what a condition came to.
    pub fn condition(
        &mut self,
        task: TaskId,
        result: Result<Vec<(Labels, f64)>, String>,
        batch: &mut Batch,
        now: Timestamp,
    ) {
        if let Err(why) = &result {
            tracing::warn!(event = "condition_failed", task_id = %task, "Condition of task {task} failed: {why}");
        }
        let events = self.queue.condition(task, result.map(holds), now, &mut batch.changes.tasks);
        self.happened(events, batch, now);
    }
}

/// What a condition gave, if it holds: a series whatever its value, or a number that is not zero.
fn holds(vector: Vec<(Labels, f64)>) -> Option<Value> {
    let is_number = vector.len() == 1 && vector[0].0.is_empty();
    if vector.is_empty() || is_number && (vector[0].1 == 0.0 || vector[0].1.is_nan()) {
        return None;
    }
    // JSON knows no NaN and no infinity: those are texts.
    let number = |v: f64| if v.is_finite() { json!(v) } else { json!(v.to_string()) };
    let series = vector
        .iter()
        .take(SERIES_MAX)
        .map(|(labels, v)| json!({"labels": labels.iter().collect::<BTreeMap<_, _>>(), "value": number(*v)}));
    Some(json!({
        "value": number(vector[0].1),
        "count": vector.len(),
        "series": series.collect::<Vec<_>>(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds() {
        let up = || Labels::from_pairs(vec![("job".to_owned(), "a".to_owned())]);
        for (vector, wanted) in [
            (vec![], None),
            (vec![(Labels::empty(), 0.0)], None),
            (vec![(Labels::empty(), f64::NAN)], None),
            (vec![(Labels::empty(), 2.0)], Some(json!(2.0))),
            (vec![(up(), 0.0)], Some(json!(0.0))),
            (vec![(up(), f64::INFINITY), (up(), 1.0)], Some(json!("inf"))),
        ] {
            assert_eq!(holds(vector).map(|held| held["value"].clone()), wanted);
        }
    }
}

//! What the result of a recording rule means: series, and markers for those that are gone.

use super::{Decided, Rule, Trigger, stale};
use model::{Labels, METRIC_NAME};
use std::collections::BTreeSet;

pub(super) fn decide(
    rule: &mut Rule,
    vector: Vec<(Labels, f64)>,
    trigger: Trigger,
    limit: usize,
) -> Result<Decided, String> {
    if trigger == Trigger::Arrival {
        return Ok(Decided::default());
    }
    if limit > 0 && vector.len() > limit {
        return Err(format!("exceeded limit of {limit} with {} series", vector.len()));
    }
    let mut samples = Vec::with_capacity(vector.len());
    let mut recorded = BTreeSet::new();
    for (labels, v) in vector {
        let mut labels = labels.builder();
        labels.set(METRIC_NAME, &*rule.spec.name);
        for (name, value) in &rule.spec.labels {
            labels.set(name, value);
        }
        let labels = labels.build();
        if !recorded.insert(labels.clone()) {
            return Err(
                "vector contains metrics with the same labelset after applying rule labels".to_owned()
            );
        }
        samples.push((labels, v));
    }
    samples.extend(stale(&rule.recorded, &recorded));
    rule.recorded = recorded;
    Ok(Decided { samples, ..Decided::default() })
}

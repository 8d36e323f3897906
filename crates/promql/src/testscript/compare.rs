//! What came against what was expected. Floats are equal within a millionth.

use super::read::{Eval, Kind, Times};
use crate::{Value, number::format_value};
use model::{Labels, Sample, Series, Timestamp, is_stale};

pub(super) fn value(eval: &Eval, value: &Value) -> Result<(), String> {
    match (value, &eval.scalar, &eval.string) {
        (Value::Scalar(got), Some(want), _) if almost(*got, *want) => Ok(()),
        (Value::Scalar(got), Some(want), _) => {
            Err(format!("expected {}, got {}", format_value(*want), format_value(*got)))
        }
        (Value::String(got), _, Some(want)) if got.as_bytes() == want => Ok(()),
        (Value::String(got), _, _) => Err(format!("unexpected string {got:?}")),
        (Value::Scalar(got), None, _) => Err(format!("unexpected scalar {}", format_value(*got))),
        (_, Some(_), _) => Err("expected a scalar".to_owned()),
        (_, _, Some(_)) => Err("expected a string".to_owned()),
        (Value::Vector(samples), None, None) => {
            let got: Vec<(&Labels, f64)> = samples.iter().map(|sample| (&sample.labels, sample.v)).collect();
            vector(eval, &got)
        }
        (Value::Matrix(matrix), None, None) => matrix_of(eval, matrix),
    }
}

/// The middle of a range against an instant's expectation.
pub(super) fn middle(eval: &Eval, matrix: &[Series]) -> Result<(), String> {
    let empty = Labels::empty();
    let got: Vec<(&Labels, f64)> =
        matrix.iter().map(|series| (&series.labels, series.samples[0].v)).collect();
    match eval.scalar {
        None => vector(eval, &got),
        Some(want) => match got.as_slice() {
            [(labels, v)] if **labels == empty && almost(*v, want) => Ok(()),
            _ => Err(format!("expected {}, got {got:?}", format_value(want))),
        },
    }
}

fn vector(eval: &Eval, got: &[(&Labels, f64)]) -> Result<(), String> {
    let want: Vec<(&Labels, f64)> = eval
        .series
        .iter()
        .filter_map(|(labels, values)| values.first().copied().flatten().map(|v| (labels, v)))
        .collect();
    for (i, (labels, v)) in got.iter().enumerate() {
        let Some(place) = want.iter().position(|(wanted, _)| wanted == labels) else {
            return Err(format!("unexpected series {labels} {}", format_value(*v)));
        };
        if eval.kind == Kind::Ordered && place != i {
            return Err(format!("expected {labels} at position {}, got it at {}", place + 1, i + 1));
        }
        if !almost(*v, want[place].1) {
            let want = format_value(want[place].1);
            return Err(format!("expected {want} for {labels}, got {}", format_value(*v)));
        }
    }
    match want.iter().find(|(labels, _)| !got.iter().any(|(g, _)| g == labels)) {
        Some((labels, v)) => Err(format!("missing series {labels} {}", format_value(*v))),
        None => Ok(()),
    }
}

fn matrix_of(eval: &Eval, got: &[Series]) -> Result<(), String> {
    let (from, step) = match (eval.kind, eval.times) {
        (Kind::Matrix { from, step }, _) | (_, Times::Range { from, step, .. }) => (from, step),
        (_, Times::Instant(at)) => (at, std::time::Duration::ZERO),
    };
    let at = |i: usize| from.plus(step.saturating_mul(u32::try_from(i).unwrap_or(u32::MAX)));
    for series in got {
        let Some((_, values)) = eval.series.iter().find(|(labels, _)| *labels == series.labels) else {
            return Err(format!("unexpected series {} {}", series.labels, show(&series.samples)));
        };
        let want: Vec<(Timestamp, f64)> =
            values.iter().enumerate().filter_map(|(i, v)| v.map(|v| (at(i), v))).collect();
        let same = want.len() == series.samples.len()
            && want.iter().zip(&series.samples).all(|((t, v), got)| *t == got.t && almost(*v, got.v));
        if !same {
            let want: Vec<Sample> = want.into_iter().map(|(t, v)| Sample { t, v }).collect();
            let (want, got) = (show(&want), show(&series.samples));
            return Err(format!("expected {} {want}, got {got}", series.labels));
        }
    }
    let missing = |(labels, values): &&(Labels, Vec<Option<f64>>)| {
        values.iter().any(Option::is_some) && !got.iter().any(|series| series.labels == *labels)
    };
    match eval.series.iter().find(missing) {
        Some((labels, _)) => Err(format!("missing series {labels}")),
        None => Ok(()),
    }
}

fn show(samples: &[Sample]) -> String {
    let texts: Vec<String> = samples
        .iter()
        .map(|sample| format!("{}@{}", format_value(sample.v), format_value(sample.t.as_secs_f64())))
        .collect();
    texts.join(" ")
}

/// Equal within a millionth of their sizes; all NaNs but the staleness marker are equal.
fn almost(a: f64, b: f64) -> bool {
    if is_stale(a) || is_stale(b) {
        return is_stale(a) && is_stale(b);
    }
    if a.is_nan() || b.is_nan() {
        return a.is_nan() && b.is_nan();
    }
    if a == b {
        return true;
    }
    let sum = a.abs() + b.abs();
    let difference = (a - b).abs();
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < 1e-6 * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < 1e-6
}

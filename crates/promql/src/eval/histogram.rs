//! Quantiles and fractions of classic histograms: buckets are series that differ in `le`.

use super::{
    Engine, Grid,
    column::{ABSENT, Column, is_absent},
};
use crate::{
    ast::{Call, Expr},
    error::EvalError,
    number::{format_open_metrics, parse_float},
};
use model::{BUCKET_LE, Labels};
use std::collections::HashMap;

#[derive(Debug, Clone, Copy, PartialEq)]
struct Bucket {
    bound: f64,
    /// Observations up to the bound.
    count: f64,
}

/// The buckets of one histogram.
struct Histogram {
    labels: Labels,
    buckets: Vec<(f64, Vec<f64>)>,
}

/// Neighbours that differ by less than this share of their sum are equal: sums of rates lose digits.
const SMALL: f64 = 1e-12;

impl Engine<'_> {
    pub(super) fn histogram_quantile(&mut self, args: &[Expr], grid: Grid) -> Result<Vec<Column>, EvalError> {
        let qs = self.scalar(&args[0], grid)?;
        self.check_quantiles(&args[0], &qs);
        let histograms = self.histograms(&args[1], grid)?;
        Ok(self.quantiles_of(&histograms, &qs, &args[1], grid))
    }

    pub(super) fn histogram_quantiles(&mut self, call: &Call, grid: Grid) -> Result<Vec<Column>, EvalError> {
        let [vector, label, quantiles @ ..] = call.args.as_slice() else { return Ok(Vec::new()) };
        let label = self.label_name(label, grid, "label name in histogram_quantiles")?;
        let histograms = self.histograms(vector, grid)?;
        let mut out = Vec::new();
        for arg in quantiles {
            let qs = self.scalar(arg, grid)?;
            self.check_quantiles(arg, &qs);
            for mut column in self.quantiles_of(&histograms, &qs, vector, grid) {
                column.labels = column.labels.with(&label, &format_open_metrics(qs[0]));
                out.push(column);
            }
        }
        Ok(out)
    }

    pub(super) fn histogram_fraction(&mut self, args: &[Expr], grid: Grid) -> Result<Vec<Column>, EvalError> {
        let lower = self.scalar(&args[0], grid)?;
        let upper = self.scalar(&args[1], grid)?;
        let histograms = self.histograms(&args[2], grid)?;
        let column = |histogram: &Histogram| {
            histogram.column(grid, |step, buckets| fraction(lower[step], upper[step], buckets))
        };
        Ok(histograms.iter().map(column).collect())
    }

    fn quantiles_of(&mut self, histograms: &[Histogram], qs: &[f64], at: &Expr, grid: Grid) -> Vec<Column> {
        let mut out = Vec::with_capacity(histograms.len());
        for histogram in histograms {
            let mut fixed = false;
            out.push(histogram.column(grid, |step, buckets| quantile(qs[step], buckets, &mut fixed)));
            if fixed {
                let what = "input to histogram_quantile needed to be fixed for monotonicity (see \
                            https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)";
                self.inform(at.place, &format!("{what}{}", for_metric(&histogram.labels)));
            }
        }
        out
    }

    fn histograms(&mut self, arg: &Expr, grid: Grid) -> Result<Vec<Histogram>, EvalError> {
        let mut places: HashMap<Labels, usize> = HashMap::new();
        let mut histograms: Vec<Histogram> = Vec::new();
        for column in self.vector(arg, grid)? {
            let le = column.labels.get(BUCKET_LE).unwrap_or("");
            let Some(bound) = parse_float(le) else {
                let what = format!("bucket label \"le\" is missing or has a malformed value of {le:?}");
                self.warn(arg.place, &format!("{what}{}", for_metric(&column.labels)));
                continue;
            };
            let labels = column.labels.without(BUCKET_LE);
            let place = *places.entry(labels.clone()).or_insert_with(|| {
                histograms.push(Histogram { labels, buckets: Vec::new() });
                histograms.len() - 1
            });
            histograms[place].buckets.push((bound, column.values));
        }
        for histogram in &mut histograms {
            histogram.buckets.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        }
        Ok(histograms)
    }
}

fn for_metric(labels: &Labels) -> String {
    if labels.name().is_empty() { String::new() } else { format!(" for metric name {:?}", labels.name()) }
}

impl Histogram {
    fn column(&self, grid: Grid, mut f: impl FnMut(usize, &mut Vec<Bucket>) -> f64) -> Column {
        let mut here = Vec::with_capacity(self.buckets.len());
        let mut at = |step: usize| {
            here.clear();
            for (bound, values) in self.buckets.iter().filter(|(_, values)| !is_absent(values[step])) {
                here.push(Bucket { bound: *bound, count: values[step] });
            }
            if here.is_empty() { ABSENT } else { f(step, &mut here) }
        };
        let values = (0..grid.count).map(&mut at).collect();
        Column { labels: self.labels.clone(), unnamed: true, values }
    }
}

/// One bucket a bound, counts that never fall. Whether a fall had to be undone.
fn settle(buckets: &mut Vec<Bucket>) -> bool {
    buckets.dedup_by(|later, kept| {
        let same = later.bound == kept.bound;
        if same {
            kept.count += later.count;
        }
        same
    });
    let mut fixed = false;
    for i in 1..buckets.len() {
        let (before, here) = (buckets[i - 1].count, buckets[i].count);
        if before == here {
            continue;
        }
        let near = (before - here).abs() < SMALL * (before.abs() + here.abs());
        if near || here < before {
            buckets[i].count = before;
            fixed |= !near;
        }
    }
    fixed
}

fn quantile(q: f64, buckets: &mut Vec<Bucket>, fixed: &mut bool) -> f64 {
    if q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    if buckets.last().is_none_or(|last| last.bound != f64::INFINITY) {
        return f64::NAN;
    }
    *fixed |= settle(buckets);
    let count = buckets.len();
    let observations = buckets[count - 1].count;
    if count < 2 || observations == 0.0 || observations.is_nan() {
        return f64::NAN;
    }
    let mut rank = q * observations;
    let place = buckets[..count - 1].partition_point(|bucket| bucket.count < rank);
    if place == count - 1 {
        return buckets[count - 2].bound;
    }
    let Bucket { bound: end, count: mut inside } = buckets[place];
    if place == 0 && end <= 0.0 {
        return end;
    }
    let mut start = 0.0;
    if place > 0 {
        start = buckets[place - 1].bound;
        inside -= buckets[place - 1].count;
        rank -= buckets[place - 1].count;
    }
    start + (end - start) * (rank / inside)
}

/// The share of observations between two values, spread evenly within a bucket.
fn fraction(lower: f64, upper: f64, buckets: &mut Vec<Bucket>) -> f64 {
    if buckets.last().is_none_or(|last| last.bound != f64::INFINITY) {
        return f64::NAN;
    }
    settle(buckets);
    let observations = buckets[buckets.len() - 1].count;
    if observations == 0.0 || lower.is_nan() || upper.is_nan() || observations.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    (rank_of(upper, buckets) - rank_of(lower, buckets)) / observations
}

/// How many observations are below `v`. Those of a bucket of infinite width sit at its infinite end.
fn rank_of(v: f64, buckets: &[Bucket]) -> f64 {
    let (mut below, mut rank) = (f64::NEG_INFINITY, 0.0);
    for (i, bucket) in buckets.iter().enumerate() {
        if i == 0 && bucket.bound > 0.0 {
            below = 0.0;
        }
        if v <= below {
            return rank;
        }
        if v < bucket.bound {
            let width = bucket.bound - below;
            if below == f64::NEG_INFINITY {
                return bucket.count;
            }
            return rank + (bucket.count - rank) * ((v - below) / width);
        }
        (below, rank) = (bucket.bound, bucket.count);
    }
    rank
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(pairs: &[(f64, f64)]) -> Vec<Bucket> {
        pairs.iter().map(|(bound, count)| Bucket { bound: *bound, count: *count }).collect()
    }

    #[test]
    fn quantiles_of_buckets() {
        let inf = f64::INFINITY;
        for (q, pairs, want, want_fixed) in [
            (0.5, &[(1.0, 10.0), (inf, 10.0)][..], 0.5, false),
            (0.9, &[(1.0, 5.0), (2.0, 10.0), (inf, 10.0)], 1.8, false),
            (1.0, &[(1.0, 5.0), (inf, 10.0)], 1.0, false),
            (0.5, &[(1.0, 10.0), (2.0, 8.0), (inf, 10.0)], 0.5, true),
            (0.0, &[(-1.0, 3.0), (inf, 4.0)], -1.0, false),
        ] {
            let mut fixed = false;
            assert_eq!(quantile(q, &mut buckets(pairs), &mut fixed), want, "{q} {pairs:?}");
            assert_eq!(fixed, want_fixed, "{q} {pairs:?}");
        }
        assert!(quantile(0.5, &mut buckets(&[(1.0, 1.0)]), &mut false).is_nan());
    }
}

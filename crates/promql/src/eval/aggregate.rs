//! Aggregations: columns into groups, each group step by step.

use super::{
    Engine, Grid,
    column::{ABSENT, Column, Keys, is_absent, merge},
    math::{Mean, Sum, Variance, nan_first, quantile},
};
use crate::{
    ast::{Aggregate, AggregateOp, Expr, Grouping},
    error::EvalError,
    number::{format_plain, format_value},
    text::quote,
};
use model::{Labels, METRIC_NAME};
use std::collections::HashMap;

/// The columns of one group.
struct Group {
    labels: Labels,
    unnamed: bool,
    members: Vec<usize>,
}

impl Engine<'_> {
    pub(super) fn aggregate(&mut self, aggregate: &Aggregate, grid: Grid) -> Result<Vec<Column>, EvalError> {
        let Aggregate { op, grouping, parameter, inner } = aggregate;
        if let (AggregateOp::CountValues, Some(parameter)) = (op, parameter) {
            let label = self.text(parameter, grid)?;
            let columns = self.vector(inner, grid)?;
            return count_values(&label, grouping, &columns, grid);
        }
        let parameter = match parameter {
            Some(parameter) => Some((parameter, self.scalar(parameter, grid)?)),
            None => None,
        };
        let columns = self.vector(inner, grid)?;
        let groups = group(&columns, grouping);
        let Some((at, parameter)) = parameter else {
            self.hold(groups.len().saturating_mul(grid.count))?;
            return Ok(groups
                .iter()
                .map(|group| group.column(fold(*op, group, &columns, grid.count)))
                .collect());
        };
        match op {
            AggregateOp::Quantile => {
                self.check_quantiles(at, &parameter);
                Ok(groups.iter().map(|group| group.column(quantiles(&parameter, group, &columns))).collect())
            }
            AggregateOp::LimitRatio => {
                let ratios = self.ratios(at, parameter)?;
                Ok(limit_ratio(&ratios, columns))
            }
            _ => {
                let counts = counts(at, &parameter)?;
                let keep = match op {
                    AggregateOp::TopK => Keep::Greatest,
                    AggregateOp::BottomK => Keep::Least,
                    _ => Keep::First,
                };
                Ok(keep_some(keep, &counts, &groups, columns))
            }
        }
    }

    pub(super) fn check_quantiles(&mut self, at: &Expr, quantiles: &[f64]) {
        for q in quantiles.iter().filter(|q| !(0.0..=1.0).contains(*q)) {
            let what = format!("quantile value should be between 0 and 1, got {}", format_value(*q));
            self.warn(at.place, &what);
        }
    }

    fn ratios(&mut self, at: &Expr, mut ratios: Vec<f64>) -> Result<Vec<f64>, EvalError> {
        for ratio in &mut ratios {
            if ratio.is_nan() {
                return Err(EvalError::query("Ratio value is NaN"));
            }
            let capped = ratio.clamp(-1.0, 1.0);
            if capped != *ratio {
                let (got, to) = (format_value(*ratio), format_value(capped));
                self.warn(
                    at.place,
                    &format!("ratio value should be between -1 and 1, got {got}, capping to {to}"),
                );
                *ratio = capped;
            }
        }
        Ok(ratios)
    }
}

impl Group {
    fn column(&self, values: Vec<f64>) -> Column {
        Column { labels: self.labels.clone(), unnamed: self.unnamed, values }
    }
}

/// Whether a series keeps a label in its group.
fn keeps(grouping: &Grouping, name: &str) -> bool {
    let listed = grouping.labels.iter().any(|label| label == name);
    if grouping.without { !listed && name != METRIC_NAME } else { listed }
}

fn group(columns: &[Column], grouping: &Grouping) -> Vec<Group> {
    let mut keys = Keys::default();
    let mut groups: Vec<Group> = Vec::new();
    for (i, column) in columns.iter().enumerate() {
        let place = keys.place(&column.labels, |name| keeps(grouping, name));
        if place == groups.len() {
            let labels = column.labels.filtered(|name| keeps(grouping, name));
            groups.push(Group { labels, unnamed: false, members: Vec::new() });
        }
        groups[place].members.push(i);
        groups[place].unnamed |= column.unnamed;
    }
    groups
}

/// One state a step, fed with every member's value there.
fn accumulate<S: Clone>(
    group: &Group,
    columns: &[Column],
    steps: usize,
    start: S,
    mut add: impl FnMut(&mut S, f64),
) -> Vec<S> {
    let mut states = vec![start; steps];
    for member in &group.members {
        for (state, v) in states.iter_mut().zip(&columns[*member].values) {
            if !is_absent(*v) {
                add(state, *v);
            }
        }
    }
    states
}

fn fold(op: AggregateOp, group: &Group, columns: &[Column], steps: usize) -> Vec<f64> {
    let replace_if = |better: fn(f64, f64) -> bool| {
        accumulate(group, columns, steps, ABSENT, |best, v| {
            if is_absent(*best) || best.is_nan() || better(v, *best) {
                *best = v;
            }
        })
    };
    match op {
        AggregateOp::Max => replace_if(|v, best| v > best),
        AggregateOp::Min => replace_if(|v, best| v < best),
        AggregateOp::Group => accumulate(group, columns, steps, ABSENT, |one, _| *one = 1.0),
        AggregateOp::Count => {
            accumulate(group, columns, steps, ABSENT, |n, _| *n = if is_absent(*n) { 1.0 } else { *n + 1.0 })
        }
        AggregateOp::Sum => {
            let sums = accumulate(group, columns, steps, None, |sum: &mut Option<Sum>, v| {
                sum.get_or_insert_default().add(v);
            });
            sums.into_iter().map(|sum| sum.map_or(ABSENT, Sum::total)).collect()
        }
        AggregateOp::Avg => {
            let means = accumulate(group, columns, steps, Mean::default(), Mean::add);
            means.into_iter().map(|mean| mean.value().unwrap_or(ABSENT)).collect()
        }
        _ => {
            let variances = accumulate(group, columns, steps, Variance::default(), Variance::add);
            let root = op == AggregateOp::StdDev;
            let value =
                |variance: Variance| variance.value().map_or(ABSENT, |v| if root { v.sqrt() } else { v });
            variances.into_iter().map(value).collect()
        }
    }
}

fn quantiles(qs: &[f64], group: &Group, columns: &[Column]) -> Vec<f64> {
    let mut here = Vec::with_capacity(group.members.len());
    let at = |(step, q): (usize, &f64)| {
        here.clear();
        here.extend(group.members.iter().map(|i| columns[*i].values[step]).filter(|v| !is_absent(*v)));
        if here.is_empty() { ABSENT } else { quantile(*q, &mut here) }
    };
    qs.iter().enumerate().map(at).collect()
}

/// How many each step keeps; what is below one keeps none.
fn counts(at: &Expr, parameter: &[f64]) -> Result<Vec<usize>, EvalError> {
    let count = |v: &f64| {
        if v.is_nan() {
            return Err(EvalError::query("Parameter value is NaN"));
        }
        if v.abs() >= i64::MAX as f64 {
            let how = if *v > 0.0 { "overflows" } else { "underflows" };
            return Err(EvalError::at(at.place, format!("Scalar value {} {how} int64", format_value(*v))));
        }
        Ok(if *v < 1.0 { 0 } else { *v as usize })
    };
    parameter.iter().map(count).collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    Greatest,
    Least,
    First,
}

/// `topk`, `bottomk`, `limitk`. At a single step the kept come in order.
fn keep_some(keep: Keep, counts: &[usize], groups: &[Group], columns: Vec<Column>) -> Vec<Column> {
    let mut kept: Vec<Vec<f64>> = columns.iter().map(|column| vec![ABSENT; column.values.len()]).collect();
    let mut order = Vec::new();
    for group in groups {
        for (step, count) in counts.iter().enumerate() {
            let mut here: Vec<(usize, f64)> =
                group.members.iter().map(|i| (*i, columns[*i].values[step])).collect();
            here.retain(|(_, v)| !is_absent(*v));
            match keep {
                Keep::First => {}
                Keep::Greatest => here.sort_by(|(_, a), (_, b)| nan_last(a, b, |a, b| b.total_cmp(a))),
                Keep::Least => here.sort_by(|(_, a), (_, b)| nan_last(a, b, f64::total_cmp)),
            }
            for (i, v) in here.into_iter().take(*count) {
                kept[i][step] = v;
                order.push(i);
            }
        }
    }
    if counts.len() > 1 {
        order = (0..columns.len()).collect();
    }
    let mut columns: Vec<Option<Column>> = columns.into_iter().map(Some).collect();
    let taken = order.into_iter().filter_map(|i| {
        let values = std::mem::take(&mut kept[i]);
        columns[i].take().map(|column| Column { values, ..column })
    });
    taken.filter(|column| !column.is_empty()).collect()
}

fn nan_last(a: &f64, b: &f64, order: impl Fn(&f64, &f64) -> std::cmp::Ordering) -> std::cmp::Ordering {
    if a.is_nan() || b.is_nan() { nan_first(a, b).reverse() } else { order(a, b) }
}

/// Keeps a share of the series, chosen by a hash of their labels: `r` and `r - 1` choose complements.
fn limit_ratio(ratios: &[f64], mut columns: Vec<Column>) -> Vec<Column> {
    for column in &mut columns {
        let place = spread(column.labels.fingerprint());
        for (v, ratio) in column.values.iter_mut().zip(ratios) {
            let inside = if *ratio >= 0.0 { place < *ratio } else { place >= 1.0 + *ratio };
            if !inside {
                *v = ABSENT;
            }
        }
    }
    columns.retain(|column| !column.is_empty());
    columns
}

/// A hash to 0..1, evenly: a fingerprint alone differs too little between like label sets.
fn spread(hash: u64) -> f64 {
    let mut x = hash;
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((x ^ (x >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

/// One column for each value that occurs in a group, labelled with it.
fn count_values(
    label: &[u8],
    grouping: &Grouping,
    columns: &[Column],
    grid: Grid,
) -> Result<Vec<Column>, EvalError> {
    let label = match std::str::from_utf8(label) {
        Ok(label) if !label.is_empty() => label,
        _ => return Err(EvalError::query(format!("invalid label name {}", quote(label)))),
    };
    let mut counted: HashMap<Labels, usize> = HashMap::new();
    let mut found: Vec<Column> = Vec::new();
    for column in columns {
        let base = column.labels.filtered(|name| keeps(grouping, name));
        for (step, v) in column.values.iter().enumerate().filter(|(_, v)| !is_absent(**v)) {
            let labels = base.with(label, &format_plain(*v));
            let place = *counted.entry(labels.clone()).or_insert_with(|| {
                found.push(Column { labels, unnamed: false, values: vec![ABSENT; grid.count] });
                found.len() - 1
            });
            let count = &mut found[place].values[step];
            *count = if is_absent(*count) { 1.0 } else { *count + 1.0 };
        }
    }
    merge(found)
}

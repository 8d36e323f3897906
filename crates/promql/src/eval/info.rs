//! `info()`: adds to series the labels of the info metrics that share their `instance` and `job`.

use super::{
    Engine, Grid,
    column::{ABSENT, Column, is_absent, merge},
    select::Take,
};
use crate::{
    ast::{Anchor, Expr, ExprKind},
    error::EvalError,
};
use model::{INSTANCE, JOB, Labels, METRIC_NAME, MatchOp, Matcher};
use std::collections::{BTreeMap, HashMap};

/// The info metrics asked for.
struct Wanted {
    /// On the metric's name; at least one.
    names: Vec<Matcher>,
    /// On the labels to add.
    data: Vec<Matcher>,
}

/// The info series of one metric that share the identifying labels, with the time of their last sample.
type Candidates = BTreeMap<String, Vec<(Labels, Vec<f64>)>>;

fn identity(labels: &Labels) -> Labels {
    labels.filtered(is_identity)
}

fn is_identity(name: &str) -> bool {
    name == INSTANCE || name == JOB
}

impl Engine<'_> {
    pub(super) fn info(&mut self, args: &[Expr], grid: Grid) -> Result<Vec<Column>, EvalError> {
        let wanted = Wanted::read(args.get(1));
        let base = self.vector(&args[0], grid)?;
        let looks = self.looks_of(&args[0], grid)?;
        let matchers: Vec<Matcher> = wanted.names.iter().chain(&wanted.data).cloned().collect();
        let mut by_identity: HashMap<Labels, Candidates> = HashMap::new();
        for column in self.latest(&matchers, looks, Take::Time)? {
            let candidates = by_identity.entry(identity(&column.labels)).or_default();
            candidates
                .entry(column.labels.name().to_owned())
                .or_default()
                .push((column.labels, column.values));
        }
        let mut out = Vec::new();
        for column in base {
            if wanted.is_info(&column.labels) {
                out.push(column);
                continue;
            }
            let candidates = by_identity.get(&identity(&column.labels));
            enrich(column, candidates, &wanted, &mut out)?;
        }
        merge(out)
    }

    /// When the selectors of the first argument look: info series are judged at the same instants.
    fn looks_of(&self, arg: &Expr, grid: Grid) -> Result<Grid, EvalError> {
        let mut looks = grid;
        let mut expr = Some(arg);
        while let Some(here) = expr {
            let anchor: Option<&Anchor> = match &here.kind {
                ExprKind::Vector(selector) => Some(&selector.anchor),
                ExprKind::Subquery(subquery) => Some(&subquery.anchor),
                _ => None,
            };
            if let Some(anchor) = anchor {
                looks = self.anchored(anchor, looks)?;
            }
            expr = first_with_selector(here);
        }
        Ok(looks)
    }
}

/// The first child that holds a selector.
fn first_with_selector(expr: &Expr) -> Option<&Expr> {
    let children: Vec<&Expr> = match &expr.kind {
        ExprKind::Paren(inner) | ExprKind::Unary { inner, .. } => vec![inner],
        ExprKind::Binary(binary) => vec![&binary.lhs, &binary.rhs],
        ExprKind::Aggregate(aggregate) => vec![&aggregate.inner],
        ExprKind::Call(call) => call.args.iter().collect(),
        ExprKind::Subquery(subquery) => vec![&subquery.inner],
        ExprKind::Number { .. } | ExprKind::String(_) | ExprKind::Vector(_) => Vec::new(),
    };
    children.into_iter().find(|child| !child.selectors().is_empty())
}

impl Wanted {
    fn read(arg: Option<&Expr>) -> Wanted {
        let matchers: &[Matcher] = match arg.map(|arg| &arg.unwrapped().kind) {
            Some(ExprKind::Vector(selector)) => &selector.matchers,
            _ => &[],
        };
        let (mut names, data): (Vec<Matcher>, Vec<Matcher>) =
            matchers.iter().cloned().partition(|matcher| matcher.name() == METRIC_NAME);
        if names.is_empty() {
            names.push(Matcher::equal(METRIC_NAME, "target_info"));
        } else if !names.iter().any(|name| matches!(name.op(), MatchOp::Equal | MatchOp::Regex)) {
            names.extend(Matcher::new(MatchOp::Regex, METRIC_NAME, ".+_info"));
        }
        Wanted { names, data }
    }

    /// Info metrics themselves are not enriched.
    fn is_info(&self, labels: &Labels) -> bool {
        self.names.iter().all(|name| name.matches(labels.name()))
    }

    fn adds(&self, label: &str) -> bool {
        label != METRIC_NAME
            && !is_identity(label)
            && (self.data.is_empty() || self.data.iter().any(|matcher| matcher.name() == label))
    }
}

/// Splits a column by the info series that are current at its steps.
fn enrich(
    column: Column,
    candidates: Option<&Candidates>,
    wanted: &Wanted,
    out: &mut Vec<Column>,
) -> Result<(), EvalError> {
    let keeps_bare = wanted.data.iter().all(|matcher| matcher.matches(""));
    let steps = column.values.len();
    let mut splits: Vec<(Vec<&Labels>, Column)> = Vec::new();
    for (step, v) in column.values.iter().enumerate().filter(|(_, v)| !is_absent(**v)) {
        let current: Vec<&Labels> = candidates
            .into_iter()
            .flat_map(BTreeMap::values)
            .filter_map(|series| latest(series, step))
            .collect();
        if current.is_empty() && !keeps_bare {
            continue;
        }
        let place = match splits.iter().position(|(infos, _)| *infos == current) {
            Some(place) => place,
            None => {
                let labels = with_info(&column.labels, &current, wanted)?;
                let split = Column { labels, unnamed: column.unnamed, values: vec![ABSENT; steps] };
                splits.push((current, split));
                splits.len() - 1
            }
        };
        splits[place].1.values[step] = *v;
    }
    out.extend(splits.into_iter().map(|(_, column)| column));
    Ok(())
}

/// The series with the newest sample at a step.
fn latest(series: &[(Labels, Vec<f64>)], step: usize) -> Option<&Labels> {
    let there = series.iter().filter(|(_, times)| !is_absent(times[step]));
    there.max_by(|(_, a), (_, b)| a[step].total_cmp(&b[step])).map(|(labels, _)| labels)
}

fn with_info(base: &Labels, infos: &[&Labels], wanted: &Wanted) -> Result<Labels, EvalError> {
    let mut added: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, value) in infos.iter().flat_map(|labels| labels.iter()).filter(|(name, _)| wanted.adds(name)) {
        if base.get(name).is_some() {
            continue;
        }
        if let Some(other) = added.insert(name, value)
            && other != value
        {
            return Err(EvalError::query(format!(
                "conflicting label: {name:?} has the values {other:?} and {value:?} in different info metrics"
            )));
        }
    }
    let mut builder = base.builder();
    for (name, value) in added {
        builder.set(name, value);
    }
    Ok(builder.build())
}

//! Operators between two vectors: series find each other by labels, samples by step.

use super::{
    binary::number,
    column::{ABSENT, Column, Keys, is_absent, merge, presence},
};
use crate::{
    ast::{BinaryOp, Cardinality, Matching},
    error::EvalError,
};
use model::{Labels, METRIC_NAME};

/// The series of both sides that share the matching labels.
struct Match {
    labels: Labels,
    left: Vec<usize>,
    right: Vec<usize>,
}

fn matches(matching: &Matching, left: &[Column], right: &[Column]) -> Vec<Match> {
    let listed = |name: &str| matching.labels.iter().any(|label| label == name);
    let keeps = |name: &str| if matching.on { listed(name) } else { name != METRIC_NAME && !listed(name) };
    let mut keys = Keys::default();
    let mut found: Vec<Match> = Vec::new();
    let sides = left.iter().enumerate().map(|(i, c)| (true, i, c));
    for (is_left, i, column) in sides.chain(right.iter().enumerate().map(|(i, c)| (false, i, c))) {
        let place = keys.place(&column.labels, keeps);
        if place == found.len() {
            found.push(Match { labels: column.labels.filtered(keeps), left: Vec::new(), right: Vec::new() });
        }
        let side = if is_left { &mut found[place].left } else { &mut found[place].right };
        side.push(i);
    }
    found
}

/// `and`, `or`, `unless`.
pub(super) fn set(
    op: BinaryOp,
    matching: &Matching,
    mut left: Vec<Column>,
    mut right: Vec<Column>,
    steps: usize,
) -> Vec<Column> {
    for group in matches(matching, &left, &right) {
        // `or` thins out the right side, the others the left.
        let (by, thinned, columns) = match op {
            BinaryOp::Or => (presence(group.left.iter().map(|i| &left[*i]), steps), group.right, &mut right),
            _ => (presence(group.right.iter().map(|i| &right[*i]), steps), group.left, &mut left),
        };
        for i in thinned {
            for (v, present) in columns[i].values.iter_mut().zip(&by) {
                if *present != (op == BinaryOp::And) {
                    *v = ABSENT;
                }
            }
        }
    }
    if op == BinaryOp::Or {
        left.append(&mut right);
    }
    left.retain(|column| !column.is_empty());
    left
}

/// Arithmetic and comparisons.
pub(super) fn join(
    op: BinaryOp,
    returns_bool: bool,
    matching: &Matching,
    left: &[Column],
    right: &[Column],
    steps: usize,
) -> Result<Vec<Column>, EvalError> {
    let filled = matching.fill.left.is_some() || matching.fill.right.is_some();
    let (left_there, right_there) = (presence(left, steps), presence(right, steps));
    let busy: Vec<bool> = left_there.iter().zip(&right_there).map(|(l, r)| filled || (*l && *r)).collect();
    let join = Join { op, returns_bool, matching, left, right, busy };
    let mut out = Vec::new();
    for group in matches(matching, left, right) {
        let mut found = Vec::new();
        join.group(&group, &mut found)?;
        found.retain(|column| !column.is_empty());
        if matching.cardinality != Cardinality::OneToOne {
            found = merge(found).map_err(|_| {
                EvalError::query("multiple matches for labels: grouping labels must ensure unique matches")
            })?;
        }
        out.append(&mut found);
    }
    merge(out)
}

struct Join<'a> {
    op: BinaryOp,
    returns_bool: bool,
    matching: &'a Matching,
    left: &'a [Column],
    right: &'a [Column],
    /// Where both sides have anything at all; elsewhere nothing can be wrong.
    busy: Vec<bool>,
}

/// One side of a pair: a column, or the value that fills in for one.
#[derive(Clone, Copy)]
enum Partner<'a> {
    Column(&'a Column),
    Fill(f64, &'a Labels),
}

impl<'a> Partner<'a> {
    fn labels(self) -> &'a Labels {
        match self {
            Partner::Column(column) => &column.labels,
            Partner::Fill(_, labels) => labels,
        }
    }

    fn at(self, step: usize) -> f64 {
        match self {
            Partner::Column(column) => column.values[step],
            Partner::Fill(v, _) => v,
        }
    }

    fn unnamed(self) -> bool {
        matches!(self, Partner::Column(column) if column.unnamed)
    }
}

impl Join<'_> {
    fn group(&self, group: &Match, out: &mut Vec<Column>) -> Result<(), EvalError> {
        let right_is_one = self.matching.cardinality != Cardinality::OneToMany;
        let (many, one, many_fill, one_fill) = if right_is_one {
            (
                self.columns(self.left, &group.left),
                self.columns(self.right, &group.right),
                self.matching.fill.left,
                self.matching.fill.right,
            )
        } else {
            (
                self.columns(self.right, &group.right),
                self.columns(self.left, &group.left),
                self.matching.fill.right,
                self.matching.fill.left,
            )
        };
        let ones = self.the_ones(&one, &group.labels, if right_is_one { "right" } else { "left" })?;
        let mut taken = vec![false; self.busy.len()];
        for column in &many {
            let steps = |step: usize| !is_absent(column.values[step]);
            for (i, partner) in one.iter().enumerate() {
                let pair = (Partner::Column(column), Partner::Column(partner));
                self.pair(pair, |step| steps(step) && ones[step] == Some(i), &mut taken, out)?;
            }
            if let Some(v) = one_fill {
                let pair = (Partner::Column(column), Partner::Fill(v, &group.labels));
                self.pair(pair, |step| steps(step) && ones[step].is_none(), &mut taken, out)?;
            }
        }
        if let Some(v) = many_fill {
            let there = presence(many.iter().copied(), self.busy.len());
            for (i, partner) in one.iter().enumerate() {
                let pair = (Partner::Fill(v, &group.labels), Partner::Column(partner));
                self.pair(pair, |step| !there[step] && ones[step] == Some(i), &mut taken, out)?;
            }
        }
        Ok(())
    }

    fn columns<'c>(&self, columns: &'c [Column], places: &[usize]) -> Vec<&'c Column> {
        places.iter().map(|i| &columns[*i]).collect()
    }

    /// Which series of the "one" side is there, by step; two at once are refused.
    fn the_ones(
        &self,
        one: &[&Column],
        labels: &Labels,
        side: &str,
    ) -> Result<Vec<Option<usize>>, EvalError> {
        let mut ones: Vec<Option<usize>> = vec![None; self.busy.len()];
        for (i, column) in one.iter().enumerate() {
            for (step, there) in ones.iter_mut().enumerate() {
                if is_absent(column.values[step]) {
                    continue;
                }
                match there.replace(i) {
                    Some(other) if self.busy[step] => {
                        return Err(EvalError::query(format!(
                            "found duplicate series for the match group {labels} on the {side} hand-side of the \
                             operation: [{}, {}];many-to-many matching not allowed: matching labels must be \
                             unique on one side",
                            column.labels, one[other].labels
                        )));
                    }
                    _ => {}
                }
            }
        }
        Ok(ones)
    }

    /// The column that a pair gives at the steps where it meets. `taken` marks where a one-to-one match is
    /// used up.
    fn pair(
        &self,
        (many, one): (Partner<'_>, Partner<'_>),
        meets: impl Fn(usize) -> bool,
        taken: &mut [bool],
        out: &mut Vec<Column>,
    ) -> Result<(), EvalError> {
        let swapped = self.matching.cardinality == Cardinality::OneToMany;
        let mut values: Vec<f64> = Vec::new();
        for (step, taken) in taken.iter_mut().enumerate().filter(|(step, _)| meets(*step)) {
            let (l, r) = if swapped { (one.at(step), many.at(step)) } else { (many.at(step), one.at(step)) };
            let v = number(self.op, l, r);
            let v = match self.op.is_comparison() && !self.returns_bool {
                true if v == 0.0 => continue,
                true => l,
                false => v,
            };
            if self.matching.cardinality == Cardinality::OneToOne && std::mem::replace(taken, true) {
                return Err(EvalError::query(
                    "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)",
                ));
            }
            if values.is_empty() {
                values = vec![ABSENT; self.busy.len()];
            }
            values[step] = v;
        }
        if !values.is_empty() {
            let drops = !self.op.is_comparison() || self.returns_bool;
            let labels = self.result_labels(many.labels(), one.labels());
            out.push(Column { labels, unnamed: drops || many.unnamed(), values });
        }
        Ok(())
    }

    fn result_labels(&self, many: &Labels, one: &Labels) -> Labels {
        let Matching { cardinality, on, labels, include, .. } = self.matching;
        if *cardinality == Cardinality::OneToOne {
            let listed = |name: &str| labels.iter().any(|label| label == name);
            return many.filtered(|name| listed(name) == *on);
        }
        if include.is_empty() {
            return many.clone();
        }
        let mut builder = many.builder();
        for label in include {
            builder.set(label, one.get(label).unwrap_or(""));
        }
        builder.build()
    }
}

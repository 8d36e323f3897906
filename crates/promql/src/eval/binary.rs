//! Operators between scalars, and between a scalar and a vector.

use super::{
    Engine, Grid, Val,
    column::{ABSENT, Column, is_absent},
};
use crate::{
    ast::{Binary, BinaryOp},
    error::EvalError,
};

impl Engine<'_> {
    pub(super) fn binary(&mut self, binary: &Binary, grid: Grid) -> Result<Val, EvalError> {
        let lhs = self.eval(&binary.lhs, grid)?;
        let rhs = self.eval(&binary.rhs, grid)?;
        let Binary { op, returns_bool, .. } = *binary;
        if op.is_trim() {
            return Ok(Val::Vector(self.trimmed(binary, &[lhs, rhs])));
        }
        Ok(match (lhs, rhs) {
            (Val::Scalar(mut left), Val::Scalar(right)) => {
                for (l, r) in left.iter_mut().zip(right) {
                    *l = number(op, *l, r);
                }
                Val::Scalar(left)
            }
            (Val::Vector(columns), Val::Scalar(scalars)) => {
                Val::Vector(with_scalar(columns, op, returns_bool, |v, step| (v, scalars[step])))
            }
            (Val::Scalar(scalars), Val::Vector(columns)) => {
                Val::Vector(with_scalar(columns, op, returns_bool, |v, step| (scalars[step], v)))
            }
            (Val::Vector(left), Val::Vector(right)) => {
                let matching =
                    binary.matching.as_ref().expect("the parser settles the matching of two vectors");
                let columns = if op.is_set() {
                    super::vector_match::set(op, matching, left, right, grid.count)
                } else {
                    super::vector_match::join(op, returns_bool, matching, &left, &right, grid.count)?
                };
                self.hold(columns.len().saturating_mul(grid.count))?;
                Val::Vector(columns)
            }
            (Val::Text(_), _) | (_, Val::Text(_)) => {
                return Err(EvalError::at(binary.lhs.place, "operators do not take strings"));
            }
        })
    }

    /// Floats cannot be trimmed: nothing comes of them.
    fn trimmed(&mut self, binary: &Binary, sides: &[Val]) -> Vec<Column> {
        let op = binary.op.as_str();
        if sides.iter().any(|side| matches!(side, Val::Vector(columns) if !columns.is_empty())) {
            let what = "incompatible sample types encountered for binary operator";
            self.inform(binary.lhs.place, &format!("{what} {op:?}: float {op} float"));
        }
        Vec::new()
    }
}

fn with_scalar(
    mut columns: Vec<Column>,
    op: BinaryOp,
    returns_bool: bool,
    operands: impl Fn(f64, usize) -> (f64, f64),
) -> Vec<Column> {
    let filter = op.is_comparison() && !returns_bool;
    for column in &mut columns {
        column.unnamed |= !filter;
        for (step, v) in column.values.iter_mut().enumerate() {
            if is_absent(*v) {
                continue;
            }
            let (l, r) = operands(*v, step);
            let result = number(op, l, r);
            if !filter {
                *v = result;
            } else if result == 0.0 {
                *v = ABSENT;
            }
        }
    }
    columns.retain(|column| !column.is_empty());
    columns
}

/// Arithmetic, or 1 and 0 for a comparison.
pub(super) fn number(op: BinaryOp, l: f64, r: f64) -> f64 {
    let truth = |holds: bool| if holds { 1.0 } else { 0.0 };
    match op {
        BinaryOp::Add => l + r,
        BinaryOp::Sub => l - r,
        BinaryOp::Mul => l * r,
        BinaryOp::Div => l / r,
        BinaryOp::Mod => l % r,
        BinaryOp::Pow => l.powf(r),
        BinaryOp::Atan2 => l.atan2(r),
        BinaryOp::Equal => truth(l == r),
        BinaryOp::NotEqual => truth(l != r),
        BinaryOp::Less => truth(l < r),
        BinaryOp::LessOrEqual => truth(l <= r),
        BinaryOp::Greater => truth(l > r),
        BinaryOp::GreaterOrEqual => truth(l >= r),
        BinaryOp::Or | BinaryOp::And | BinaryOp::Unless | BinaryOp::TrimUpper | BinaryOp::TrimLower => {
            f64::NAN
        }
    }
}

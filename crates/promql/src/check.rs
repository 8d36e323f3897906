//! The types and the rules of operators, aggregations and calls. What passes here can be evaluated.

use crate::ast::{AggregateOp, Binary, BinaryOp, Call, Cardinality, Expr, Fill, Matching, ValueType};
use std::ops::Range;

pub(crate) fn unary(inner: &Expr) -> Result<(), String> {
    match inner.result_type() {
        ValueType::Scalar | ValueType::Vector => Ok(()),
        other => Err(format!(
            "unary expression only allowed on expressions of type scalar or instant vector, got {:?}",
            other.as_str()
        )),
    }
}

/// Whether an operator can take it.
pub(crate) fn is_operand(expr: &Expr) -> bool {
    matches!(expr.result_type(), ValueType::Scalar | ValueType::Vector)
}

/// The operation with its matching settled, of two operands: always there between two vectors, never elsewhere.
pub(crate) fn binary(mut binary: Binary) -> Result<Binary, String> {
    let Binary { op, lhs, rhs, returns_bool, matching } = &mut binary;
    let (left, right) = (lhs.result_type(), rhs.result_type());
    if *returns_bool && !op.is_comparison() {
        return Err("bool modifier can only be used on comparison operators".to_owned());
    }
    if op.is_comparison() && !*returns_bool && left == ValueType::Scalar && right == ValueType::Scalar {
        return Err("comparisons between scalars must use BOOL modifier".to_owned());
    }
    let vectors = left == ValueType::Vector && right == ValueType::Vector;
    if op.is_trim() && left == ValueType::Scalar && right == ValueType::Scalar {
        return Err(format!("operator {:?} not allowed for Scalar operations", op.as_str()));
    }
    if op.is_set() && !vectors {
        return Err(format!("set operator {:?} not allowed in binary scalar expression", op.as_str()));
    }
    match matching {
        Some(_) if !vectors => return Err("vector matching only allowed between instant vectors".to_owned()),
        Some(matching) => check_matching(*op, matching)?,
        None if vectors => {
            *matching = Some(Matching {
                cardinality: if op.is_set() { Cardinality::ManyToMany } else { Cardinality::OneToOne },
                on: false,
                labels: Vec::new(),
                include: Vec::new(),
                fill: Fill::default(),
            });
        }
        None => {}
    }
    Ok(binary)
}

fn check_matching(op: BinaryOp, matching: &mut Matching) -> Result<(), String> {
    if op.is_set() {
        if matching.cardinality != Cardinality::OneToOne {
            return Err(format!("no grouping allowed for {:?} operation", op.as_str()));
        }
        if matching.fill != Fill::default() {
            return Err("filling in missing series not allowed for set operators".to_owned());
        }
        matching.cardinality = Cardinality::ManyToMany;
    }
    match matching.include.iter().find(|label| matching.on && matching.labels.contains(label)) {
        Some(label) => Err(format!("label {label:?} must not occur in ON and GROUP clause at once")),
        None => Ok(()),
    }
}

pub(crate) fn aggregate(
    op: AggregateOp,
    parameter: Option<&Expr>,
    inner: &Expr,
) -> Result<(), (Range<usize>, String)> {
    if let (Some(wanted), Some(parameter)) = (op.parameter(), parameter) {
        expect(parameter, wanted, "aggregation parameter")?;
    }
    expect(inner, ValueType::Vector, "aggregation expression")
}

pub(crate) fn call(call: Call) -> Result<Call, (Option<Range<usize>>, String)> {
    if let Some(what) = call.function.refuses(call.args.len()) {
        return Err((None, what));
    }
    for (i, arg) in call.args.iter().enumerate() {
        let wanted = call.function.argument(i).expect("the number of arguments was just checked");
        expect(arg, wanted, &format!("call to function {:?}", call.function.name()))
            .map_err(|(range, what)| (Some(range), what))?;
    }
    Ok(call)
}

fn expect(expr: &Expr, wanted: ValueType, context: &str) -> Result<(), (Range<usize>, String)> {
    let got = expr.result_type();
    if got == wanted {
        return Ok(());
    }
    Err((expr.range.clone(), format!("expected type {} in {context}, got {}", wanted.as_str(), got.as_str())))
}

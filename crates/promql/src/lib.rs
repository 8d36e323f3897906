//! PromQL: own parser, canonical printing, evaluator over a [`model::Querier`], and the `.test` script runner.
//!
//! Not here: disks, clocks, HTTP, rules. Invariants: every node of an expression knows its byte range and its
//! line and column; an expression that parsed is well typed; evaluation is bounded by [`Options`] (samples,
//! steps, deadline) and parsing by [`DEPTH_MAX`]; nothing a query or a series says can make either panic.
//!
//! The language is that of Prometheus 3.14 for float samples: left-open windows, delayed dropping of metric
//! names, duration expressions, `fill`, `anchored`, `smoothed`, `info()`. Native histograms are not samples here.

mod ast;
mod check;
mod duration;
mod error;
mod eval;
mod function;
mod lex;
mod number;
mod parse;
mod print;
pub mod series_notation;
pub mod testscript;
mod text;

pub use ast::{
    Aggregate, AggregateOp, Anchor, At, Binary, BinaryOp, Call, Cardinality, Expr, ExprKind, Fill, Grouping,
    Matching, Place, Subquery, ValueType, VectorSelector, Widen,
};
pub use duration::{DurationExpr, DurationKind};
pub use error::{EvalError, ParseError};
pub use eval::{Answer, Options, Value, VectorSample, instant, range};
pub use function::Function;
pub use number::{format_plain, format_sample, format_value};
pub use parse::{DEPTH_MAX, parse};

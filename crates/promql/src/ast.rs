//! The expression tree. Every node knows where it stands; `Display` prints the canonical one-line form.

use crate::{DurationExpr, Function};
use model::{Matcher, Timestamp};
use std::ops::Range;

/// A place in the text, for messages. Both count from 1, columns in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    /// The line.
    pub line: u32,
    /// The byte in that line.
    pub column: u32,
}

/// One node: an expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Its bytes in the text it was read from.
    pub range: Range<usize>,
    /// Where it begins.
    pub place: Place,
}

/// What an expression is.
#[derive(Debug, Clone, PartialEq)]
pub enum ExprKind {
    /// A number; `spelled` says it was written as a duration (`5m` is 300).
    Number {
        /// Its value.
        value: f64,
        /// Whether it was written as a duration.
        duration: bool,
    },
    /// A string; bytes, since an escape may break UTF-8.
    String(Vec<u8>),
    /// `(inner)`
    Paren(Box<Expr>),
    /// `-inner` or `+inner`
    Unary {
        /// Whether it is `-`.
        negative: bool,
        /// The operand.
        inner: Box<Expr>,
    },
    /// `lhs op rhs`
    Binary(Box<Binary>),
    /// `sum by (x) (inner)` and its like.
    Aggregate(Box<Aggregate>),
    /// A function call.
    Call(Call),
    /// `name{label="value"}` with its modifiers; with `window`, a range selector.
    Vector(Box<VectorSelector>),
    /// `inner[range:step]` with its modifiers.
    Subquery(Box<Subquery>),
}

/// What an expression yields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ValueType {
    /// One number a step.
    Scalar,
    /// A set of series with at most one sample a step.
    Vector,
    /// A set of series with a window of samples.
    Matrix,
    /// A text.
    String,
}

impl ValueType {
    /// As messages say it.
    pub fn as_str(self) -> &'static str {
        match self {
            ValueType::Scalar => "scalar",
            ValueType::Vector => "instant vector",
            ValueType::Matrix => "range vector",
            ValueType::String => "string",
        }
    }
}

/// The instant of an `@` modifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// `@ 1609746000`
    Time(Timestamp),
    /// `@ start()`
    Start,
    /// `@ end()`
    End,
}

/// How a selector reaches past its window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Widen {
    /// Not at all.
    #[default]
    No,
    /// `anchored`: the last sample before the window stands at its start.
    Anchored,
    /// `smoothed`: values at the edges are interpolated.
    Smoothed,
}

/// `@` and `offset` of a selector or subquery.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Anchor {
    /// The `@` modifier.
    pub at: Option<At>,
    /// The `offset` modifier.
    pub offset: Option<DurationExpr>,
}

/// A selector.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorSelector {
    /// The name written before the braces.
    pub name: Option<String>,
    /// Every matcher, the name's included (last). At least one does not match the empty text.
    pub matchers: Vec<Matcher>,
    /// The window of a range selector.
    pub window: Option<DurationExpr>,
    /// `anchored` or `smoothed`.
    pub widen: Widen,
    /// `@` and `offset`.
    pub anchor: Anchor,
}

/// A subquery.
#[derive(Debug, Clone, PartialEq)]
pub struct Subquery {
    /// What is evaluated at each of its steps.
    pub inner: Expr,
    /// How far back.
    pub window: DurationExpr,
    /// How often; the engine's default if absent.
    pub step: Option<DurationExpr>,
    /// `@` and `offset`.
    pub anchor: Anchor,
}

/// Operators between two operands, loosest binding first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // each is what its symbol says
pub enum BinaryOp {
    Or,
    And,
    Unless,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    TrimUpper,
    TrimLower,
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Atan2,
    Pow,
}

impl BinaryOp {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            BinaryOp::Or => "or",
            BinaryOp::And => "and",
            BinaryOp::Unless => "unless",
            BinaryOp::Equal => "==",
            BinaryOp::NotEqual => "!=",
            BinaryOp::Less => "<",
            BinaryOp::LessOrEqual => "<=",
            BinaryOp::Greater => ">",
            BinaryOp::GreaterOrEqual => ">=",
            BinaryOp::TrimUpper => "</",
            BinaryOp::TrimLower => ">/",
            BinaryOp::Add => "+",
            BinaryOp::Sub => "-",
            BinaryOp::Mul => "*",
            BinaryOp::Div => "/",
            BinaryOp::Mod => "%",
            BinaryOp::Atan2 => "atan2",
            BinaryOp::Pow => "^",
        }
    }

    /// How tightly it binds; unary signs bind as `*` does.
    pub(crate) fn binding(self) -> u8 {
        match self {
            BinaryOp::Or => 1,
            BinaryOp::And | BinaryOp::Unless => 2,
            op if op.is_comparison() || op.is_trim() => 3,
            BinaryOp::Add | BinaryOp::Sub => 4,
            BinaryOp::Pow => 6,
            _ => 5,
        }
    }

    /// `</` and `>/`, which cut native histograms.
    pub fn is_trim(self) -> bool {
        matches!(self, BinaryOp::TrimUpper | BinaryOp::TrimLower)
    }

    /// `or`, `and`, `unless`.
    pub fn is_set(self) -> bool {
        matches!(self, BinaryOp::Or | BinaryOp::And | BinaryOp::Unless)
    }

    /// `==` and its kin.
    pub fn is_comparison(self) -> bool {
        matches!(
            self,
            BinaryOp::Equal
                | BinaryOp::NotEqual
                | BinaryOp::Less
                | BinaryOp::LessOrEqual
                | BinaryOp::Greater
                | BinaryOp::GreaterOrEqual
        )
    }
}

/// How many series of one side may meet one of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cardinality {
    /// One meets one.
    OneToOne,
    /// `group_left`
    ManyToOne,
    /// `group_right`
    OneToMany,
    /// The set operators.
    ManyToMany,
}

/// Values for series without a partner.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Fill {
    /// Stands in on the left.
    pub left: Option<f64>,
    /// Stands in on the right.
    pub right: Option<f64>,
}

/// How the series of two vectors find each other.
#[derive(Debug, Clone, PartialEq)]
pub struct Matching {
    /// How many meet how many.
    pub cardinality: Cardinality,
    /// `on` rather than `ignoring`.
    pub on: bool,
    /// The labels of `on` or `ignoring`.
    pub labels: Vec<String>,
    /// The labels of `group_left` or `group_right`, taken from the "one" side.
    pub include: Vec<String>,
    /// `fill`, `fill_left`, `fill_right`.
    pub fill: Fill,
}

/// Two operands and an operator.
#[derive(Debug, Clone, PartialEq)]
pub struct Binary {
    /// The operator.
    pub op: BinaryOp,
    /// The left operand.
    pub lhs: Expr,
    /// The right operand.
    pub rhs: Expr,
    /// `bool`: 0 or 1 instead of filtering.
    pub returns_bool: bool,
    /// Between two vectors only.
    pub matching: Option<Matching>,
}

/// Aggregations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // each is what its name says
pub enum AggregateOp {
    Avg,
    BottomK,
    Count,
    CountValues,
    Group,
    LimitK,
    LimitRatio,
    Max,
    Min,
    Quantile,
    StdDev,
    StdVar,
    Sum,
    TopK,
}

impl AggregateOp {
    pub(crate) const ALL: [(&'static str, AggregateOp); 14] = [
        ("avg", AggregateOp::Avg),
        ("bottomk", AggregateOp::BottomK),
        ("count", AggregateOp::Count),
        ("count_values", AggregateOp::CountValues),
        ("group", AggregateOp::Group),
        ("limitk", AggregateOp::LimitK),
        ("limit_ratio", AggregateOp::LimitRatio),
        ("max", AggregateOp::Max),
        ("min", AggregateOp::Min),
        ("quantile", AggregateOp::Quantile),
        ("stddev", AggregateOp::StdDev),
        ("stdvar", AggregateOp::StdVar),
        ("sum", AggregateOp::Sum),
        ("topk", AggregateOp::TopK),
    ];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        AggregateOp::ALL.iter().find(|(_, op)| *op == self).map_or("", |(name, _)| name)
    }

    /// The type of its first argument, if it takes two.
    pub(crate) fn parameter(self) -> Option<ValueType> {
        match self {
            AggregateOp::CountValues => Some(ValueType::String),
            AggregateOp::BottomK
            | AggregateOp::TopK
            | AggregateOp::LimitK
            | AggregateOp::LimitRatio
            | AggregateOp::Quantile => Some(ValueType::Scalar),
            _ => None,
        }
    }
}

/// `by` or `without`, and the labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grouping {
    /// `without` rather than `by`.
    pub without: bool,
    /// The labels.
    pub labels: Vec<String>,
}

/// An aggregation.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    /// Which.
    pub op: AggregateOp,
    /// Over which groups; no clause is `by ()`.
    pub grouping: Grouping,
    /// The first of two arguments.
    pub parameter: Option<Expr>,
    /// What is aggregated.
    pub inner: Expr,
}

/// A function call.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Which function.
    pub function: Function,
    /// Its arguments, as many as it takes and of the right types.
    pub args: Vec<Expr>,
}

impl Expr {
    /// Every selector in it, left to right, with its matchers.
    pub fn selectors(&self) -> Vec<&VectorSelector> {
        let mut found = Vec::new();
        self.visit(&mut |expr| {
            if let ExprKind::Vector(selector) = &expr.kind {
                found.push(&**selector);
            }
        });
        found
    }

    /// Calls `see` with this and everything below, parents first.
    pub fn visit<'a>(&'a self, see: &mut dyn FnMut(&'a Expr)) {
        see(self);
        match &self.kind {
            ExprKind::Number { .. } | ExprKind::String(_) | ExprKind::Vector(_) => {}
            ExprKind::Paren(inner) | ExprKind::Unary { inner, .. } => inner.visit(see),
            ExprKind::Binary(binary) => {
                binary.lhs.visit(see);
                binary.rhs.visit(see);
            }
            ExprKind::Aggregate(aggregate) => {
                if let Some(parameter) = &aggregate.parameter {
                    parameter.visit(see);
                }
                aggregate.inner.visit(see);
            }
            ExprKind::Call(call) => call.args.iter().for_each(|arg| arg.visit(see)),
            ExprKind::Subquery(subquery) => subquery.inner.visit(see),
        }
    }

    /// What it yields.
    pub fn result_type(&self) -> ValueType {
        match &self.kind {
            ExprKind::Number { .. } => ValueType::Scalar,
            ExprKind::String(_) => ValueType::String,
            ExprKind::Paren(inner) | ExprKind::Unary { inner, .. } => inner.result_type(),
            ExprKind::Binary(binary) => match (binary.lhs.result_type(), binary.rhs.result_type()) {
                (ValueType::Scalar, ValueType::Scalar) => ValueType::Scalar,
                _ => ValueType::Vector,
            },
            ExprKind::Aggregate(_) => ValueType::Vector,
            ExprKind::Call(call) => call.function.returns(),
            ExprKind::Vector(selector) if selector.window.is_none() => ValueType::Vector,
            ExprKind::Vector(_) | ExprKind::Subquery(_) => ValueType::Matrix,
        }
    }

    /// This without the parentheses around it.
    pub fn unwrapped(&self) -> &Expr {
        match &self.kind {
            ExprKind::Paren(inner) => inner.unwrapped(),
            _ => self,
        }
    }
}

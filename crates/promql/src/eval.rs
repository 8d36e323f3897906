//! Evaluation, column by column: each node yields, for every series, its values at all steps at once.
//!
//! Invariants: a column's length is the grid's count; [`column::ABSENT`] marks a step without a sample and is
//! never a value; a metric's name is only marked for dropping until the answer is made.

mod aggregate;
mod binary;
mod call;
mod column;
mod date;
mod histogram;
mod info;
mod label;
mod math;
mod select;
mod vector_match;
mod window;

use crate::{
    ast::{Expr, ExprKind, Place, ValueType},
    duration::Frame,
    error::EvalError,
    function::Function,
};
use column::{Column, is_absent, merge, without_dropped_names};
use model::{Labels, Querier, Sample, Series, Timestamp};
use std::time::{Duration, Instant};

/// What a query may take, and how far a selector looks back.
#[derive(Debug, Clone)]
pub struct Options {
    /// An instant selector takes the last sample not older than this.
    pub lookback: Duration,
    /// Samples that may be held at once, loaded or computed; one more is [`EvalError::TooManySamples`].
    pub samples_max: usize,
    /// Steps of a range query, its first point not counted; one more is [`EvalError::TooManySteps`].
    pub steps_max: usize,
    /// The step of a subquery that names none.
    pub subquery_step: Duration,
    /// After this the query ends with [`EvalError::Timeout`].
    pub deadline: Option<Instant>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            lookback: Duration::from_secs(300),
            samples_max: 50_000_000,
            steps_max: 11_000,
            subquery_step: Duration::from_secs(60),
            deadline: None,
        }
    }
}

/// One element of an instant vector.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorSample {
    /// Its labels.
    pub labels: Labels,
    /// Its value at the instant of the query.
    pub v: f64,
}

/// What an expression came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A number.
    Scalar(f64),
    /// A text.
    String(String),
    /// Series with one sample each, in the order that `sort` or `topk` gave them.
    Vector(Vec<VectorSample>),
    /// Series with their samples, sorted by labels.
    Matrix(Vec<Series>),
}

/// A value, and what the asker should know about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The value.
    pub value: Value,
    /// What is probably wrong.
    pub warnings: Vec<String>,
    /// What might be wrong.
    pub infos: Vec<String>,
}

/// The answer at one instant.
pub fn instant(expr: &Expr, q: &dyn Querier, at: Timestamp, o: &Options) -> Result<Answer, EvalError> {
    let grid = Grid { start: at.as_millis(), step: 0, count: 1 };
    let mut engine = Engine::new(q, o, grid);
    let value = match expr.result_type() {
        ValueType::Matrix => Value::Matrix(engine.matrix(expr, grid)?),
        _ => match engine.eval(expr, grid)? {
            Val::Scalar(values) => Value::Scalar(values[0]),
            Val::Text(bytes) => Value::String(String::from_utf8_lossy(&bytes).into_owned()),
            Val::Vector(columns) => {
                let columns = merge(without_dropped_names(columns))?;
                let samples = columns.into_iter().filter(|column| !is_absent(column.values[0]));
                Value::Vector(samples.map(|c| VectorSample { v: c.values[0], labels: c.labels }).collect())
            }
        },
    };
    Ok(engine.answer(value))
}

/// The answers at `from`, `from + step`, ... up to `to`, as one matrix.
pub fn range(
    expr: &Expr,
    q: &dyn Querier,
    from: Timestamp,
    to: Timestamp,
    step: Duration,
    o: &Options,
) -> Result<Answer, EvalError> {
    let step = i64::try_from(step.as_millis()).unwrap_or(i64::MAX);
    if step <= 0 {
        return Err(EvalError::query("zero or negative query resolution step widths are not accepted"));
    }
    if !matches!(expr.result_type(), ValueType::Scalar | ValueType::Vector) {
        let ty = expr.result_type().as_str();
        let what =
            format!("invalid expression type {ty:?} for range query, must be scalar or instant vector");
        return Err(EvalError::query(what));
    }
    let span = to.as_millis().saturating_sub(from.as_millis());
    if span < 0 {
        return Err(EvalError::query("end timestamp must not be before start time"));
    }
    let steps = usize::try_from(span / step).unwrap_or(usize::MAX);
    if steps > o.steps_max {
        return Err(EvalError::TooManySteps { max: o.steps_max });
    }
    let count = steps.saturating_add(1);
    let grid = Grid { start: from.as_millis(), step, count };
    let mut engine = Engine::new(q, o, grid);
    engine.frame.range = span;
    engine.query_end = to.as_millis();
    let columns = match engine.eval(expr, grid)? {
        Val::Scalar(values) => vec![Column { labels: Labels::empty(), unnamed: false, values }],
        Val::Vector(columns) => merge(without_dropped_names(columns))?,
        Val::Text(_) => Vec::new(),
    };
    let mut matrix: Vec<Series> = columns.into_iter().map(|column| column.into_series(grid)).collect();
    matrix.retain(|series| !series.samples.is_empty());
    matrix.sort_by(|a, b| a.labels.cmp(&b.labels));
    Ok(engine.answer(Value::Matrix(matrix)))
}

/// The instants at which something is evaluated, in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Grid {
    start: i64,
    step: i64,
    count: usize,
}

impl Grid {
    fn at(self, i: usize) -> i64 {
        self.start.saturating_add(self.step.saturating_mul(i64::try_from(i).unwrap_or(i64::MAX)))
    }

    fn end(self) -> i64 {
        self.at(self.count.saturating_sub(1))
    }

    fn times(self) -> impl Iterator<Item = i64> {
        (0..self.count).map(move |i| self.at(i))
    }
}

/// What a node comes to on a grid.
enum Val {
    /// One number a step.
    Scalar(Vec<f64>),
    /// A text.
    Text(Vec<u8>),
    /// Columns.
    Vector(Vec<Column>),
}

/// One query under way.
struct Engine<'a> {
    q: &'a dyn Querier,
    o: &'a Options,
    frame: Frame,
    query_start: i64,
    query_end: i64,
    /// Samples held, against [`Options::samples_max`].
    held: usize,
    warnings: Vec<String>,
    infos: Vec<String>,
}

/// So many remarks of a kind are kept; they repeat by series.
const NOTES_MAX: usize = 100;

impl<'a> Engine<'a> {
    fn new(q: &'a dyn Querier, o: &'a Options, grid: Grid) -> Engine<'a> {
        Engine {
            q,
            o,
            frame: Frame { step: grid.step, range: 0 },
            query_start: grid.start,
            query_end: grid.end(),
            held: 0,
            warnings: Vec::new(),
            infos: Vec::new(),
        }
    }

    fn answer(self, value: Value) -> Answer {
        Answer { value, warnings: self.warnings, infos: self.infos }
    }

    fn eval(&mut self, expr: &Expr, grid: Grid) -> Result<Val, EvalError> {
        self.check_deadline()?;
        if grid.count > 1 && !is_leaf(expr) && is_pinned(expr) {
            let once = Grid { start: grid.start, step: grid.step, count: 1 };
            let val = self.eval_stepwise(expr, once)?;
            return self.repeat(val, grid.count);
        }
        self.eval_stepwise(expr, grid)
    }

    fn eval_stepwise(&mut self, expr: &Expr, grid: Grid) -> Result<Val, EvalError> {
        match &expr.kind {
            ExprKind::Number { value, .. } => Ok(Val::Scalar(vec![*value; grid.count])),
            ExprKind::String(bytes) => Ok(Val::Text(bytes.clone())),
            ExprKind::Paren(inner) => self.eval(inner, grid),
            ExprKind::Unary { negative: false, inner } => self.eval(inner, grid),
            ExprKind::Unary { negative: true, inner } => Ok(match self.eval(inner, grid)? {
                Val::Scalar(values) => Val::Scalar(values.into_iter().map(|v| -v).collect()),
                Val::Vector(columns) => Val::Vector(column::map(columns, |_, v| -v)),
                Val::Text(bytes) => Val::Text(bytes),
            }),
            ExprKind::Binary(binary) => self.binary(binary, grid),
            ExprKind::Aggregate(aggregate) => self.aggregate(aggregate, grid).map(Val::Vector),
            ExprKind::Call(call) => self.call(expr, call, grid),
            ExprKind::Vector(selector) => self.instant_vector(selector, grid).map(Val::Vector),
            ExprKind::Subquery(_) => {
                Err(EvalError::at(expr.place, "a range vector cannot be evaluated by itself"))
            }
        }
    }

    /// A value that is the same at each of `count` steps.
    fn repeat(&mut self, val: Val, count: usize) -> Result<Val, EvalError> {
        Ok(match val {
            Val::Scalar(values) => Val::Scalar(vec![values[0]; count]),
            Val::Text(bytes) => Val::Text(bytes),
            Val::Vector(mut columns) => {
                self.hold(columns.len().saturating_mul(count))?;
                for column in &mut columns {
                    column.values = vec![column.values[0]; count];
                }
                Val::Vector(columns)
            }
        })
    }

    fn vector(&mut self, expr: &Expr, grid: Grid) -> Result<Vec<Column>, EvalError> {
        match self.eval(expr, grid)? {
            Val::Vector(columns) => Ok(columns),
            _ => Err(EvalError::at(expr.place, "expected an instant vector")),
        }
    }

    fn scalar(&mut self, expr: &Expr, grid: Grid) -> Result<Vec<f64>, EvalError> {
        match self.eval(expr, grid)? {
            Val::Scalar(values) => Ok(values),
            _ => Err(EvalError::at(expr.place, "expected a scalar")),
        }
    }

    fn text(&mut self, expr: &Expr, grid: Grid) -> Result<Vec<u8>, EvalError> {
        match self.eval(expr, grid)? {
            Val::Text(bytes) => Ok(bytes),
            _ => Err(EvalError::at(expr.place, "expected a string")),
        }
    }

    /// A range vector as the answer of an instant query.
    fn matrix(&mut self, expr: &Expr, grid: Grid) -> Result<Vec<Series>, EvalError> {
        let (series, window) = self.ranged(expr.unwrapped(), grid)?;
        let (start, end) = (window.start(0), window.end(0));
        let mut matrix = Vec::new();
        for series in series {
            let inside = |sample: &&Sample| sample.t.as_millis() > start && sample.t.as_millis() <= end;
            let samples: Vec<Sample> = series.samples.iter().filter(inside).copied().collect();
            if !samples.is_empty() {
                matrix.push(Series { labels: series.labels, samples });
            }
        }
        matrix.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(matrix)
    }

    fn hold(&mut self, samples: usize) -> Result<(), EvalError> {
        self.held = self.held.saturating_add(samples);
        if self.held > self.o.samples_max {
            return Err(EvalError::TooManySamples { max: self.o.samples_max });
        }
        Ok(())
    }

    fn release(&mut self, samples: usize) {
        self.held = self.held.saturating_sub(samples);
    }

    fn check_deadline(&self) -> Result<(), EvalError> {
        match self.o.deadline {
            Some(deadline) if Instant::now() >= deadline => Err(EvalError::Timeout),
            _ => Ok(()),
        }
    }

    fn warn(&mut self, place: Place, what: &str) {
        note(&mut self.warnings, format!("PromQL warning: {what} ({}:{})", place.line, place.column));
    }

    fn inform(&mut self, place: Place, what: &str) {
        note(&mut self.infos, format!("PromQL info: {what} ({}:{})", place.line, place.column));
    }
}

fn note(notes: &mut Vec<String>, text: String) {
    if notes.len() < NOTES_MAX && !notes.contains(&text) {
        notes.push(text);
    }
}

fn is_leaf(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::Number { .. } | ExprKind::String(_) | ExprKind::Paren(_))
}

/// Whether it comes to the same at every step: all selectors carry `@`, and nothing asks for the time.
fn is_pinned(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Number { .. } | ExprKind::String(_) => true,
        ExprKind::Paren(inner) | ExprKind::Unary { inner, .. } => is_pinned(inner),
        ExprKind::Binary(binary) => is_pinned(&binary.lhs) && is_pinned(&binary.rhs),
        ExprKind::Aggregate(aggregate) => {
            is_pinned(&aggregate.inner) && aggregate.parameter.as_ref().is_none_or(is_pinned)
        }
        ExprKind::Call(call) => {
            !asks_for_time(call.function, call.args.len()) && call.args.iter().all(is_pinned)
        }
        ExprKind::Vector(selector) => selector.anchor.at.is_some(),
        ExprKind::Subquery(subquery) => subquery.anchor.at.is_some(),
    }
}

fn asks_for_time(function: Function, args: usize) -> bool {
    match function {
        Function::Time | Function::Timestamp | Function::PredictLinear | Function::Info => true,
        Function::DayOfMonth
        | Function::DayOfWeek
        | Function::DayOfYear
        | Function::DaysInMonth
        | Function::Hour
        | Function::Minute
        | Function::Month
        | Function::Year => args == 0,
        _ => false,
    }
}

#[cfg(test)]
mod tests;

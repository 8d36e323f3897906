//! Durations inside brackets and after `offset`: literals, or arithmetic over `step()` and `range()` that is
//! worked out when the query's step and range are known.

use crate::{
    ast::{BinaryOp, Place},
    error::EvalError,
    number::{format_value, go_max, go_min},
};
use std::{fmt, time::Duration};

/// A duration, in seconds once evaluated.
#[derive(Debug, Clone, PartialEq)]
pub struct DurationExpr {
    /// What it is.
    pub kind: DurationKind,
    /// Where it begins.
    pub place: Place,
}

/// What a duration is.
#[derive(Debug, Clone, PartialEq)]
pub enum DurationKind {
    /// A bare number of seconds.
    Seconds(f64),
    /// A literal such as `1h30m`, in milliseconds.
    Literal(u64),
    /// `step()`
    Step,
    /// `range()`
    Range,
    /// `-inner`
    Negative(Box<DurationExpr>),
    /// `(inner)`
    Paren(Box<DurationExpr>),
    /// `lhs op rhs`; one of `+ - * / % ^`.
    Binary(BinaryOp, Box<DurationExpr>, Box<DurationExpr>),
    /// `min_of(a, b)`
    MinOf(Box<DurationExpr>, Box<DurationExpr>),
    /// `max_of(a, b)`
    MaxOf(Box<DurationExpr>, Box<DurationExpr>),
}

/// What a duration may be: 292 years, as upstream's 64-bit nanoseconds.
pub(crate) const SECONDS_MAX: f64 = 9_223_372_036.0;

/// The step and the length of the whole query, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    pub(crate) step: i64,
    pub(crate) range: i64,
}

impl DurationExpr {
    /// Its value in milliseconds if it is a literal or a negated one.
    pub(crate) fn literal_ms(&self) -> Option<i64> {
        match &self.kind {
            DurationKind::Seconds(seconds) => Some((seconds * 1000.0).round() as i64),
            DurationKind::Literal(ms) => i64::try_from(*ms).ok(),
            DurationKind::Negative(inner) => match inner.kind {
                DurationKind::Seconds(_) | DurationKind::Literal(_) => inner.literal_ms().map(|ms| -ms),
                _ => None,
            },
            _ => None,
        }
    }

    pub(crate) fn ms(&self, frame: Frame) -> Result<i64, EvalError> {
        let seconds = self.seconds(frame)?;
        if seconds.is_nan() || seconds.abs() >= SECONDS_MAX {
            return Err(EvalError::at(self.place, "duration out of range"));
        }
        Ok((seconds * 1000.0).round() as i64)
    }

    /// As [`DurationExpr::ms`], which must come out positive.
    pub(crate) fn positive_ms(&self, frame: Frame) -> Result<i64, EvalError> {
        match self.ms(frame)? {
            ms if ms > 0 => Ok(ms),
            _ => Err(EvalError::at(self.place, "duration must be greater than 0")),
        }
    }

    fn seconds(&self, frame: Frame) -> Result<f64, EvalError> {
        Ok(match &self.kind {
            DurationKind::Seconds(seconds) => *seconds,
            DurationKind::Literal(ms) => *ms as f64 / 1000.0,
            DurationKind::Step => frame.step as f64 / 1000.0,
            DurationKind::Range => frame.range as f64 / 1000.0,
            DurationKind::Negative(inner) => -inner.seconds(frame)?,
            DurationKind::Paren(inner) => inner.seconds(frame)?,
            DurationKind::MinOf(a, b) => go_min(a.seconds(frame)?, b.seconds(frame)?),
            DurationKind::MaxOf(a, b) => go_max(a.seconds(frame)?, b.seconds(frame)?),
            DurationKind::Binary(op, a, b) => {
                let (a, b) = (a.seconds(frame)?, b.seconds(frame)?);
                match op {
                    BinaryOp::Add => a + b,
                    BinaryOp::Sub => a - b,
                    BinaryOp::Mul => a * b,
                    BinaryOp::Pow => a.powf(b),
                    _ if b == 0.0 && *op == BinaryOp::Mod => {
                        return Err(EvalError::at(self.place, "modulo by zero"));
                    }
                    _ if b == 0.0 => return Err(EvalError::at(self.place, "division by zero")),
                    BinaryOp::Mod => a % b,
                    _ => a / b,
                }
            }
        })
    }
}

/// A whole literal is printed as a duration; inside arithmetic a bare number stays one.
impl fmt::Display for DurationExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.literal_ms() {
            Some(ms) => {
                let sign = if ms < 0 { "-" } else { "" };
                write!(f, "{sign}{}", model::format_duration(Duration::from_millis(ms.unsigned_abs())))
            }
            None => self.print(f),
        }
    }
}

impl DurationExpr {
    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            DurationKind::Seconds(seconds) => f.write_str(&format_value(*seconds)),
            DurationKind::Literal(ms) => f.write_str(&model::format_duration(Duration::from_millis(*ms))),
            DurationKind::Step => f.write_str("step()"),
            DurationKind::Range => f.write_str("range()"),
            DurationKind::Negative(inner) => {
                f.write_str("-")?;
                inner.print(f)
            }
            DurationKind::Paren(inner) => {
                f.write_str("(")?;
                inner.print(f)?;
                f.write_str(")")
            }
            DurationKind::Binary(op, a, b) => {
                a.print(f)?;
                write!(f, " {} ", op.as_str())?;
                b.print(f)
            }
            DurationKind::MinOf(a, b) => print_call(f, "min_of", a, b),
            DurationKind::MaxOf(a, b) => print_call(f, "max_of", a, b),
        }
    }
}

fn print_call(f: &mut fmt::Formatter<'_>, name: &str, a: &DurationExpr, b: &DurationExpr) -> fmt::Result {
    write!(f, "{name}(")?;
    a.print(f)?;
    f.write_str(", ")?;
    b.print(f)?;
    f.write_str(")")
}

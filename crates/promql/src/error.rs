//! Why a text is no expression, and why an expression has no answer.

use crate::ast::Place;
use std::ops::Range;

/// A text that is no expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: parse error: {what}")]
pub struct ParseError {
    /// The line, from 1.
    pub line: u32,
    /// The byte in that line, from 1.
    pub column: u32,
    /// The bytes it is about.
    pub range: Range<usize>,
    /// What is wrong.
    pub what: String,
}

/// An expression that has no answer over these series.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EvalError {
    /// The expression asks for something that does not exist or is ambiguous: the asker's fault.
    #[error("{what}")]
    Query {
        /// What is wrong.
        what: String,
        /// Where in the expression, if one place is to blame.
        at: Option<Place>,
    },
    /// More samples than [`crate::Options::samples_max`].
    #[error(
        "query processing would load too many samples into memory (more than {max}); narrow its selectors or its range"
    )]
    TooManySamples {
        /// The bound.
        max: usize,
    },
    /// More steps than [`crate::Options::steps_max`].
    #[error("exceeded maximum resolution of {max} points per timeseries; try a larger step")]
    TooManySteps {
        /// The bound.
        max: usize,
    },
    /// [`crate::Options::deadline`] passed.
    #[error("query timed out in expression evaluation")]
    Timeout,
    /// The store failed.
    #[error("cannot read series: {0}")]
    Store(String),
}

impl EvalError {
    pub(crate) fn query(what: impl Into<String>) -> EvalError {
        EvalError::Query { what: what.into(), at: None }
    }

    pub(crate) fn at(place: Place, what: impl Into<String>) -> EvalError {
        EvalError::Query { what: what.into(), at: Some(place) }
    }
}

impl From<model::QueryError> for EvalError {
    fn from(error: model::QueryError) -> EvalError {
        match error {
            model::QueryError::TooManySamples { max } => EvalError::TooManySamples { max },
            model::QueryError::Store(what) => EvalError::Store(what),
        }
    }
}

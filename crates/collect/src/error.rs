//! Why a target or a probe gave nothing this time. Each kind is counted under its [`Error::code`].

use crate::exposition::ParseError;

/// A failed scrape or probe. Its text is what the target's `lastError` shows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The connection, or the exchange on it.
    #[error(transparent)]
    Reach(#[from] reach::Error),
    /// An HTTP status other than 200.
    #[error("server returned HTTP status {0}")]
    Status(u16),
    /// The response says itself that it is something else.
    #[error(
        "the response is {content_type:?}, not metrics; set fallback_scrape_protocol if it is metrics after all"
    )]
    NotMetrics {
        /// What it says it is.
        content_type: String,
    },
    /// The body is not what it should be.
    #[error("the body is not metrics: {0}")]
    Parse(#[from] ParseError),
    /// `sample_limit`.
    #[error("sample_limit exceeded: more than {limit} samples")]
    SampleLimit {
        /// The limit.
        limit: usize,
    },
    /// `label_limit`, `label_name_length_limit`, `label_value_length_limit`.
    #[error("{key} exceeded by {metric}: {got} is more than {limit}")]
    LabelLimit {
        /// Which of them.
        key: &'static str,
        /// By which metric.
        metric: String,
        /// How many labels or bytes it has.
        got: usize,
        /// The limit.
        limit: usize,
    },
    /// `target_limit`.
    #[error("target_limit exceeded: {got} targets, at most {limit} allowed")]
    TargetLimit {
        /// How many targets the job has.
        got: usize,
        /// The limit.
        limit: usize,
    },
    /// The series store does not take batches any more.
    #[error("cannot store the samples: {0}")]
    Store(#[from] model::QueryError),
    /// The thread that read the body stopped.
    #[error("reading the body was interrupted")]
    Interrupted,
}

impl Error {
    /// A short name that does not change, for counting.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Reach(error) => error.code(),
            Error::Status(_) => "http_status",
            Error::NotMetrics { .. } => "not_metrics",
            Error::Parse(_) => "parse",
            Error::SampleLimit { .. } => "sample_limit",
            Error::LabelLimit { .. } => "label_limit",
            Error::TargetLimit { .. } => "target_limit",
            Error::Store(_) => "store",
            Error::Interrupted => "interrupted",
        }
    }
}

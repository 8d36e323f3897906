//! What can go wrong with the store, and on which file.

use std::io;
use std::path::{Path, PathBuf};

/// A failure of the store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused.
    #[error("cannot {doing} {path}")]
    Io {
        /// What was attempted, as a verb.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another process, or another [`crate::Db`] of this one, has it open.
    #[error("cannot open the series store in {dir}: another process has it open")]
    Locked {
        /// The store.
        dir: PathBuf,
    },
    /// A file is not what was written.
    #[error("{path} is damaged: {what}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What does not hold.
        what: String,
    },
    /// The compressor refused a column; its input or its output broke a rule.
    #[error("cannot compress a column for {path}: {why}")]
    Compress {
        /// The segment being written.
        path: PathBuf,
        /// The compressor's words.
        why: String,
    },
    /// A write or a sync of the log failed earlier. That is final: restart, the log is read back as far as it
    /// is whole.
    #[error("the series log failed and takes nothing more until a restart: {why}")]
    Failed {
        /// The first failure.
        why: String,
    },
    /// More than one log record can hold.
    #[error("a batch of {bytes} bytes is too large for the series log: commit it in parts")]
    BatchTooLarge {
        /// Its size.
        bytes: usize,
    },
}

impl Error {
    pub(crate) fn damaged(path: &Path, what: impl Into<String>) -> Error {
        Error::Damaged { path: path.to_owned(), what: what.into() }
    }

    /// The error with its causes, for a seam that carries only text.
    pub(crate) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    }
}

impl From<Error> for model::QueryError {
    fn from(error: Error) -> model::QueryError {
        model::QueryError::Store(error.chain())
    }
}

/// Names the file and the act of a failed system call.
pub(crate) trait On<T> {
    fn on(self, doing: &'static str, path: &Path) -> Result<T, Error>;
}

impl<T> On<T> for io::Result<T> {
    fn on(self, doing: &'static str, path: &Path) -> Result<T, Error> {
        self.map_err(|source| Error::Io { doing, path: path.to_owned(), source })
    }
}

//! What is wrong with a file, where, and what would be right.

use std::fmt;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Level {
    /// The file is refused.
    Error,
    /// The file is taken; somebody should look.
    Finding,
}

/// One thing wrong in one file. Lines and columns count from 1; 0 means "the file as a whole".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub level: Level,
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
    /// What is wrong: lower case, no final dot.
    pub what: String,
    /// What would be right; empty if that is plain from `what`.
    pub remedy: String,
}

impl Problem {
    /// An error at a place.
    pub fn error(line: u32, column: u32, what: impl Into<String>, remedy: impl Into<String>) -> Problem {
        Problem { level: Level::Error, line, column, what: what.into(), remedy: remedy.into() }
    }

    /// A finding at a place.
    pub fn finding(line: u32, column: u32, what: impl Into<String>, remedy: impl Into<String>) -> Problem {
        Problem { level: Level::Finding, line, column, what: what.into(), remedy: remedy.into() }
    }
}

/// `LINE:COL: error: WHAT; REMEDY`, as `tocsin check` prints it after the file's name.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Error => "error",
            Level::Finding => "finding",
        };
        write!(f, "{}:{}: {level}: {}", self.line, self.column, self.what)?;
        if self.remedy.is_empty() { Ok(()) } else { write!(f, "; {}", self.remedy) }
    }
}

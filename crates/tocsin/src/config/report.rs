//! What is wrong with which file. A report with an error refuses the configuration; findings alone do not.

use model::{Level, Problem};
use std::fmt;

/// Problems by file, in the order in which they were found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The file's name as the operator gave it, and what is wrong there.
    pub problems: Vec<(String, Problem)>,
}

impl Report {
    /// Adds one.
    pub fn push(&mut self, file: &str, problem: Problem) {
        self.problems.push((file.to_owned(), problem));
    }

    /// Whether the configuration has to be refused.
    pub fn has_errors(&self) -> bool {
        self.count(Level::Error) > 0
    }

    /// The errors alone.
    pub fn errors(self) -> Report {
        let is_error = |(_, problem): &(String, Problem)| problem.level == Level::Error;
        Report { problems: self.problems.into_iter().filter(is_error).collect() }
    }

    /// How many of a level.
    pub fn count(&self, level: Level) -> usize {
        self.problems.iter().filter(|(_, problem)| problem.level == level).count()
    }
}

/// A line for each problem: `FILE:LINE:COL: error: WHAT; TRY`.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (file, problem)) in self.problems.iter().enumerate() {
            let end = if i == 0 { "" } else { "\n" };
            write!(f, "{end}{file}:{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Report {}

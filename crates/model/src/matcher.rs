//! Label matchers: `name op "value"`, regular expressions anchored at both ends.

use crate::Labels;
use std::fmt;

/// How a matcher compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Regex,
    /// `!~`
    NotRegex,
}

impl MatchOp {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            MatchOp::Equal => "=",
            MatchOp::NotEqual => "!=",
            MatchOp::Regex => "=~",
            MatchOp::NotRegex => "!~",
        }
    }
}

/// A matcher's regular expression was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("bad regular expression {pattern:?}: {why}")]
pub struct MatcherError {
    /// The expression.
    pub pattern: String,
    /// What the engine objected to.
    pub why: String,
}

/// Compiled expressions may take this much memory each.
const REGEX_SIZE_MAX: usize = 1 << 20;

/// One condition on one label. An absent label has the value `""`.
#[derive(Clone)]
pub struct Matcher {
    name: String,
    op: MatchOp,
    value: String,
    regex: Option<regex::Regex>,
}

impl Matcher {
    /// A matcher; a regular expression is compiled, anchored, `.` matching line ends too, within a size limit.
    pub fn new(
        op: MatchOp,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Result<Matcher, MatcherError> {
        Matcher::build(op, name.into(), value.into(), "s")
    }

    /// As [`Matcher::new`], but `.` does not match a line end: how Alertmanager reads expressions.
    pub fn single_line(
        op: MatchOp,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Result<Matcher, MatcherError> {
        Matcher::build(op, name.into(), value.into(), "")
    }

    fn build(op: MatchOp, name: String, value: String, flags: &str) -> Result<Matcher, MatcherError> {
        let regex = match op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Regex | MatchOp::NotRegex => Some(
                regex::RegexBuilder::new(&format!("^(?{flags}:{value})$"))
                    .size_limit(REGEX_SIZE_MAX)
                    .build()
                    .map_err(|why| MatcherError {
                        pattern: value.clone(),
                        why: last_line(&why.to_string()),
                    })?,
            ),
        };
        Ok(Matcher { name, op, value, regex })
    }

    /// `name="value"`, which cannot be refused.
    pub fn equal(name: impl Into<String>, value: impl Into<String>) -> Matcher {
        Matcher { name: name.into(), op: MatchOp::Equal, value: value.into(), regex: None }
    }

    /// The label's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it compares.
    pub fn op(&self) -> MatchOp {
        self.op
    }

    /// What it compares with, as written.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether a label of this value (`""` if absent) passes.
    pub fn matches(&self, value: &str) -> bool {
        match (self.op, &self.regex) {
            (MatchOp::Equal, _) => self.value == value,
            (MatchOp::NotEqual, _) => self.value != value,
            (MatchOp::Regex, Some(regex)) => regex.is_match(value),
            (MatchOp::NotRegex, Some(regex)) => !regex.is_match(value),
            (MatchOp::Regex | MatchOp::NotRegex, None) => {
                unreachable!("Matcher::new compiles every expression")
            }
        }
    }

    /// Whether the label set passes.
    pub fn matches_labels(&self, labels: &Labels) -> bool {
        self.matches(labels.get(&self.name).unwrap_or(""))
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Matcher) -> bool {
        (&self.name, self.op, &self.value) == (&other.name, other.op, &other.value)
    }
}

impl Eq for Matcher {}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if crate::is_classic_label_name(&self.name) {
            write!(f, "{}{}{:?}", self.name, self.op.as_str(), self.value)
        } else {
            write!(f, "{:?}{}{:?}", self.name, self.op.as_str(), self.value)
        }
    }
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn last_line(text: &str) -> String {
    text.lines().last().unwrap_or("").trim().trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchored_and_absent_is_empty() {
        let labels = Labels::from_pairs([("job", "api-1")]);
        for (op, name, value, want) in [
            (MatchOp::Equal, "job", "api-1", true),
            (MatchOp::Regex, "job", "api", false),
            (MatchOp::Regex, "job", "api.*", true),
            (MatchOp::NotRegex, "job", "api|web", true),
            (MatchOp::Equal, "zone", "", true),
            (MatchOp::Regex, "zone", ".+", false),
        ] {
            let matcher = Matcher::new(op, name, value).unwrap();
            assert_eq!(matcher.matches_labels(&labels), want, "{matcher}");
        }
    }

    #[test]
    fn the_dot_matches_a_line_end_unless_single_line() {
        assert!(Matcher::new(MatchOp::Regex, "a", "x.y").unwrap().matches("x\ny"));
        assert!(!Matcher::single_line(MatchOp::Regex, "a", "x.y").unwrap().matches("x\ny"));
    }

    #[test]
    fn a_bad_or_huge_expression_is_refused() {
        assert!(Matcher::new(MatchOp::Regex, "a", "(").unwrap_err().to_string().contains("unclosed"));
        assert!(Matcher::new(MatchOp::Regex, "a", "(\\w{200}){200}").is_err());
    }
}

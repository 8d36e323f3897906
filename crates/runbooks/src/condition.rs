//! The `if` of a conclusion: `ping =~ "refused" and not process =~ "running"`.
//!
//! `STEP` or `STEP.output` is what a step says, `STEP.state` one of done, failed, late. Compared with `==`,
//! `!=`, `=~` and `!~`; an expression may match anywhere, in any case. `not` binds before `and`, `and` before
//! `or`; brackets group. A step that did not run says nothing and has no state.

use crate::matchers::quoted;
use model::{Finding, MatchOp};

/// Compiled expressions may take this much memory each.
const REGEX_SIZE_MAX: usize = 1 << 18;
/// Brackets and `not`s may be nested this deep.
const DEPTH_MAX: usize = 32;

#[derive(Debug, Clone)]
pub(crate) enum Condition {
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
    Not(Box<Condition>),
    Compare { step: String, part: Part, op: MatchOp, value: String, regex: Option<regex::Regex> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Output,
    State,
}

/// What is wrong with a condition, and before which character (from 0).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub at: usize,
    pub what: String,
}

impl Condition {
    pub(crate) fn parse(text: &str) -> Result<Condition, Fault> {
        let mut parser = Parser { text, rest: text, depth: 0 };
        let condition = parser.or()?;
        if parser.rest.trim().is_empty() {
            Ok(condition)
        } else {
            Err(parser.fault("expected and, or or the end"))
        }
    }

    pub(crate) fn holds(&self, findings: &[Finding]) -> bool {
        match self {
            Condition::And(a, b) => a.holds(findings) && b.holds(findings),
            Condition::Or(a, b) => a.holds(findings) || b.holds(findings),
            Condition::Not(a) => !a.holds(findings),
            Condition::Compare { step, part, op, value, regex } => {
                let finding = findings.iter().find(|finding| finding.step == *step);
                let said = match (finding, part) {
                    (None, _) => "",
                    (Some(finding), Part::Output) => &finding.output,
                    (Some(finding), Part::State) => finding.state.as_str(),
                };
                let matches = regex.as_ref().is_some_and(|regex| regex.is_match(said));
                match op {
                    MatchOp::Equal => said == value,
                    MatchOp::NotEqual => said != value,
                    MatchOp::Regex => matches,
                    MatchOp::NotRegex => !matches,
                }
            }
        }
    }

    /// The steps it asks about.
    pub(crate) fn steps<'a>(&'a self, out: &mut Vec<&'a str>) {
        match self {
            Condition::And(a, b) | Condition::Or(a, b) => {
                a.steps(out);
                b.steps(out);
            }
            Condition::Not(a) => a.steps(out),
            Condition::Compare { step, .. } => out.push(step),
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn fault(&self, what: impl Into<String>) -> Fault {
        let consumed = self.text.len() - self.rest.trim_start().len();
        Fault { at: self.text[..consumed].chars().count(), what: what.into() }
    }

    fn or(&mut self) -> Result<Condition, Fault> {
        let mut left = self.and()?;
        while self.word("or") {
            left = Condition::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Condition, Fault> {
        let mut left = self.not()?;
        while self.word("and") {
            left = Condition::And(Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Condition, Fault> {
        if self.depth >= DEPTH_MAX {
            return Err(self.fault(format!("it is nested deeper than {DEPTH_MAX}")));
        }
        self.depth += 1;
        let condition = if self.word("not") {
            self.not().map(|inner| Condition::Not(Box::new(inner)))
        } else if self.sign("(") {
            self.or().and_then(|inner| match self.sign(")") {
                true => Ok(inner),
                false => Err(self.fault("expected )")),
            })
        } else {
            self.compare()
        };
        self.depth -= 1;
        condition
    }

    fn compare(&mut self) -> Result<Condition, Fault> {
        let start = self.rest.trim_start();
        let end = start
            .find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.')))
            .unwrap_or(start.len());
        let (path, rest) = start.split_at(end);
        if path.is_empty() {
            return Err(self.fault("expected the id of a step"));
        }
        let (step, part) = match path.split_once('.') {
            None => (path, Part::Output),
            Some((step, "output")) => (step, Part::Output),
            Some((step, "state")) => (step, Part::State),
            Some((_, part)) => return Err(self.fault(format!("a step has output and state, not {part:?}"))),
        };
        self.rest = rest;
        let ops = [
            ("=~", MatchOp::Regex),
            ("!~", MatchOp::NotRegex),
            ("==", MatchOp::Equal),
            ("!=", MatchOp::NotEqual),
        ];
        let Some((_, op)) = ops.into_iter().find(|(sign, _)| self.sign(sign)) else {
            return Err(self.fault("expected ==, !=, =~ or !~"));
        };
        let value = self.value()?;
        let regex = match op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Regex | MatchOp::NotRegex => Some(
                regex::RegexBuilder::new(&value)
                    .case_insensitive(true)
                    .size_limit(REGEX_SIZE_MAX)
                    .build()
                    .map_err(|_| self.fault(format!("{value:?} is not a regular expression")))?,
            ),
        };
        Ok(Condition::Compare { step: step.to_owned(), part, op, value, regex })
    }

    fn value(&mut self) -> Result<String, Fault> {
        let start = self.rest.trim_start();
        if !start.starts_with('"') {
            return Err(self.fault("expected a text in double quotes"));
        }
        let (value, rest) = quoted(start).map_err(|what| self.fault(what))?;
        self.rest = rest;
        Ok(value)
    }

    fn word(&mut self, word: &str) -> bool {
        let start = self.rest.trim_start();
        match start.strip_prefix(word) {
            Some(rest) if rest.starts_with(|c: char| c.is_whitespace() || c == '(') => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn sign(&mut self, sign: &str) -> bool {
        match self.rest.trim_start().strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::FindingState;

    #[test]
    fn truth() {
        let finding = |step: &str, state, output: &str| Finding {
            step: step.to_owned(),
            state,
            output: output.to_owned(),
            took_ms: 1,
        };
        let findings = [
            finding("ping", FindingState::Failed, "connection refused by 127.0.0.1:6379"),
            finding("process", FindingState::Done, "no process named redis-server"),
            finding("log", FindingState::Late, ""),
        ];
        for (text, wanted) in [
            ("ping =~ \"refused\" and process =~ \"no process\"", true),
            ("ping =~ \"REFUSED\"", true),
            ("not ping =~ \"refused\"", false),
            ("ping.state == \"failed\" and log.state != \"done\"", true),
            ("other =~ \".\"", false),
            ("other !~ \"x\"", true),
            ("log == \"\" and (ping =~ \"x\" or process =~ \"named\")", true),
            ("ping =~ \"x\" and process =~ \"x\" or log.state == \"late\"", true),
            ("not (ping =~ \"x\" or process =~ \"named\")", false),
        ] {
            assert_eq!(Condition::parse(text).unwrap().holds(&findings), wanted, "{text}");
        }
    }

    #[test]
    fn faults_have_a_place() {
        for (text, at) in [
            ("", 0),
            ("ping", 4),
            ("ping =~ refused", 8),
            ("ping =~ \"(\"", 11),
            ("ping.colour == \"x\"", 0),
            ("(ping == \"x\"", 12),
            ("ping == \"x\" process == \"y\"", 12),
            ("ping == \"x", 8),
        ] {
            assert_eq!(Condition::parse(text).map_err(|fault| fault.at).err(), Some(at), "{text}");
        }
        assert!(Condition::parse(&"(".repeat(10_000)).is_err());
        assert!(Condition::parse(&"not ".repeat(10_000)).is_err());
    }
}

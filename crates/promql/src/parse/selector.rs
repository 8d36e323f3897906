//! Selectors: a name, matchers in braces, or both; and label sets as series lines write them.

use super::{Parsed, Parser};
use crate::{
    ast::{Anchor, Expr, ExprKind, VectorSelector, Widen},
    lex::Kind,
};
use model::{Labels, LabelsBuilder, METRIC_NAME, MatchOp, Matcher};
use std::ops::Range;

/// Whether a selector may match series without any label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Emptiness {
    Allowed,
    Refused,
}

impl Parser<'_> {
    /// The rest of a selector whose name, if any, was just read.
    pub(super) fn selector(&mut self, name: Option<Range<usize>>, emptiness: Emptiness) -> Parsed<Expr> {
        let start = name.as_ref().map_or(self.peek().range.start, |name| name.start);
        let name = name.map(|name| self.text[name].to_owned());
        let mut matchers = if self.peek_sign("{") { self.matchers()? } else { Vec::new() };
        let range = start..self.previous_end();
        if let Some(name) = &name {
            if let Some(other) = matchers.iter().find(|matcher| matcher.name() == METRIC_NAME) {
                let what = format!("metric name must not be set twice: {name:?} or {:?}", other.value());
                return Err(self.fail(range, what));
            }
            matchers.push(Matcher::equal(METRIC_NAME, name));
        }
        if emptiness == Emptiness::Refused && matchers.iter().all(|matcher| matcher.matches("")) {
            return Err(self.fail(range, "vector selector must contain at least one non-empty matcher"));
        }
        let selector =
            VectorSelector { name, matchers, window: None, widen: Widen::No, anchor: Anchor::default() };
        Ok(self.node(ExprKind::Vector(Box::new(selector)), range))
    }

    fn matchers(&mut self) -> Parsed<Vec<Matcher>> {
        self.advance();
        let mut matchers = Vec::new();
        while !self.peek_sign("}") {
            matchers.push(self.matcher()?);
            if !self.accept_sign(",") {
                break;
            }
        }
        self.expect("}", "label matching, expected \",\" or \"}\"")?;
        Ok(matchers)
    }

    /// `name="value"`, `"quoted name"="value"`, or a quoted metric name alone.
    fn matcher(&mut self) -> Parsed<Matcher> {
        let start = self.peek().range.start;
        let quoted = self.peek_kind() == Kind::Text;
        let name = self.label("label matching, expected identifier or \"}\"")?;
        let op = match self.peek_kind() {
            Kind::Sign("=") => MatchOp::Equal,
            Kind::Sign("!=") => MatchOp::NotEqual,
            Kind::Sign("=~") => MatchOp::Regex,
            Kind::Sign("!~") => MatchOp::NotRegex,
            Kind::Sign("," | "}") if quoted => return Ok(Matcher::equal(METRIC_NAME, name)),
            _ => return Err(self.unexpected("label matching, expected label matching operator")),
        };
        self.advance();
        if self.peek_kind() != Kind::Text {
            return Err(self.unexpected("label matching, expected string"));
        }
        let value = self.utf8("label value")?;
        Matcher::new(op, name, value)
            .map_err(|error| self.fail(start..self.previous_end(), error.to_string()))
    }

    /// A label set alone, `name{a="b"}`; only `=` is allowed.
    pub(crate) fn labels(&mut self) -> Parsed<Labels> {
        let mut builder = LabelsBuilder::default();
        if self.peek_kind() == Kind::Word {
            builder.set(METRIC_NAME, self.peek_text());
            self.advance();
        } else if !self.peek_sign("{") {
            return Err(self.unexpected("series description"));
        }
        if self.peek_sign("{") {
            let range = self.peek().range.clone();
            for matcher in self.matchers()? {
                if matcher.op() != MatchOp::Equal {
                    return Err(self.fail(range, "a series description takes \"=\" only"));
                }
                builder.set(matcher.name(), matcher.value());
            }
        }
        match self.peek_kind() {
            Kind::End => Ok(builder.build()),
            _ => Err(self.unexpected("series description")),
        }
    }
}

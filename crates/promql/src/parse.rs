//! Tokens to a typed tree, by recursive descent. The tree's height and the parser's own depth are bounded.

mod durations;
mod selector;

use crate::{
    ast::{
        Aggregate, AggregateOp, Binary, BinaryOp, Call, Cardinality, Expr, ExprKind, Fill, Grouping,
        Matching, Place, Widen,
    },
    check,
    error::ParseError,
    function::Function,
    lex::{self, Kind, Token},
    number::parse_number,
    text,
};
use std::ops::Range;

/// How deep an expression may nest.
pub const DEPTH_MAX: usize = 200;

/// The expression that `text` spells, typed and checked.
pub fn parse(text: &str) -> Result<Expr, ParseError> {
    let mut parser = Parser::new(text)?;
    if parser.peek_kind() == Kind::End {
        return Err(parser.fail(0..text.len(), "no expression found in input"));
    }
    let expr = parser.expression(0)?;
    match parser.peek_kind() {
        Kind::End => Ok(expr),
        _ => Err(parser.unexpected("")),
    }
}

type Parsed<T> = Result<T, ParseError>;

pub(crate) struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    next: usize,
    /// How many calls of [`Parser::expression`] are open.
    depth: usize,
    /// The height of the tree that was returned last.
    height: usize,
}

impl<'a> Parser<'a> {
    pub(crate) fn new(text: &'a str) -> Parsed<Parser<'a>> {
        let tokens = lex::tokens(text).map_err(|error| parse_error(text, error.range.clone(), error.what))?;
        Ok(Parser { text, tokens, next: 0, depth: 0, height: 0 })
    }

    /// An expression whose operators all bind at least as tightly as `least`.
    fn expression(&mut self, least: u8) -> Parsed<Expr> {
        self.depth += 1;
        self.grown(self.depth)?;
        let mut lhs = self.unary()?;
        while let Some(op) = self.peek_operator().filter(|op| op.binding() >= least) {
            self.advance();
            let left_height = self.height;
            lhs = self.binary(lhs, op)?;
            self.height = self.height.max(left_height) + 1;
            self.grown(self.height)?;
        }
        self.depth -= 1;
        Ok(lhs)
    }

    fn grown(&self, height: usize) -> Parsed<()> {
        if height > DEPTH_MAX {
            let what = format!("expression is nested more than {DEPTH_MAX} levels deep");
            return Err(self.fail(self.peek().range.clone(), what));
        }
        Ok(())
    }

    fn binary(&mut self, lhs: Expr, op: BinaryOp) -> Parsed<Expr> {
        let start = lhs.range.start;
        let returns_bool = self.accept_word("bool");
        let matching = self.matching()?;
        let rhs = self.expression(if op == BinaryOp::Pow { op.binding() } else { op.binding() + 1 })?;
        let range = start..rhs.range.end;
        if let Some(operand) = [&lhs, &rhs].into_iter().find(|operand| !check::is_operand(operand)) {
            let what = "binary expression must contain only scalar and instant vector types";
            return Err(self.fail(operand.range.clone(), what));
        }
        let binary = check::binary(Binary { op, lhs, rhs, returns_bool, matching })
            .map_err(|what| self.fail(range.clone(), what))?;
        Ok(self.node(ExprKind::Binary(Box::new(binary)), range))
    }

    /// `on (..) group_left (..) fill (..)`, all of it optional.
    fn matching(&mut self) -> Parsed<Option<Matching>> {
        let mut matching = Matching {
            cardinality: Cardinality::OneToOne,
            on: false,
            labels: Vec::new(),
            include: Vec::new(),
            fill: Fill::default(),
        };
        let mut given = false;
        if self.peek_word("on") || self.peek_word("ignoring") {
            matching.on = self.peek_word("on");
            self.advance();
            matching.labels = self.grouping_labels()?;
            given = true;
            let left = self.peek_word("group_left");
            if left || self.peek_word("group_right") {
                self.advance();
                matching.cardinality = if left { Cardinality::ManyToOne } else { Cardinality::OneToMany };
                if self.peek_sign("(") {
                    matching.include = self.grouping_labels()?;
                }
            }
        }
        let filled = self.fill(&mut matching.fill)?;
        Ok((given || filled).then_some(matching))
    }

    fn fill(&mut self, fill: &mut Fill) -> Parsed<bool> {
        let mut given = false;
        while self.peek_sign_after("(") {
            let word = self.peek_text().to_ascii_lowercase();
            let (left, right) = match word.as_str() {
                "fill" if !given => (true, true),
                "fill_left" if fill.left.is_none() => (true, false),
                "fill_right" if fill.right.is_none() => (false, true),
                _ => break,
            };
            self.advance();
            self.expect("(", "fill")?;
            let negative = self.sign();
            let value = self.number("fill")? * if negative { -1.0 } else { 1.0 };
            self.expect(")", "fill")?;
            fill.left = if left { Some(value) } else { fill.left };
            fill.right = if right { Some(value) } else { fill.right };
            given = true;
        }
        Ok(given)
    }

    /// A sign applies to what `^` and the modifiers make of its operand.
    fn unary(&mut self) -> Parsed<Expr> {
        if !(self.peek_sign("-") || self.peek_sign("+")) {
            let primary = self.primary()?;
            return self.modified(primary);
        }
        let start = self.peek().range.start;
        let negative = self.peek_sign("-");
        self.advance();
        let inner = self.expression(BinaryOp::Pow.binding())?;
        let range = start..inner.range.end;
        if let ExprKind::Number { value, duration } = inner.kind {
            let value = if negative { -value } else { value };
            return Ok(self.node(ExprKind::Number { value, duration }, range));
        }
        check::unary(&inner).map_err(|what| self.fail(range.clone(), what))?;
        self.height += 1;
        Ok(self.node(ExprKind::Unary { negative, inner: Box::new(inner) }, range))
    }

    fn primary(&mut self) -> Parsed<Expr> {
        let token = self.peek().clone();
        self.height = 1;
        match token.kind {
            Kind::Number => {
                let kind = self.number_or_duration()?;
                Ok(self.node(kind, token.range))
            }
            Kind::Text => {
                let bytes = self.quoted()?;
                Ok(self.node(ExprKind::String(bytes), token.range))
            }
            Kind::Sign("(") => {
                self.advance();
                let inner = self.expression(0)?;
                self.close(token.range.start)?;
                self.height += 1;
                let range = token.range.start..self.previous_end();
                Ok(self.node(ExprKind::Paren(Box::new(inner)), range))
            }
            Kind::Sign("{") => self.selector(None, selector::Emptiness::Refused),
            Kind::Word => self.word(),
            Kind::Sign(_) | Kind::End => Err(self.unexpected("")),
        }
    }

    /// A number, an aggregation, a call, or a metric's name: a keyword is one only where it can act.
    fn word(&mut self) -> Parsed<Expr> {
        let range = self.peek().range.clone();
        let word = self.peek_text();
        let lower = word.to_ascii_lowercase();
        if let Some(value) = parse_number(&lower).filter(|_| matches!(lower.as_str(), "inf" | "nan")) {
            self.advance();
            return Ok(self.node(ExprKind::Number { value, duration: false }, range));
        }
        let call = self.peek_sign_after("(");
        let aggregate = AggregateOp::ALL.iter().find(|(name, _)| *name == lower).map(|(_, op)| *op);
        if let Some(op) = aggregate
            && (call || self.peek_word_after("by") || self.peek_word_after("without"))
        {
            return self.aggregate(op);
        }
        if call && !matches!(lower.as_str(), "bool" | "on" | "ignoring" | "group_left" | "group_right") {
            let function = Function::named(word).or_else(|| {
                let any_case = ["start", "end", "step", "range", "min_of", "max_of"];
                Function::named(&lower).filter(|_| any_case.contains(&lower.as_str()))
            });
            return match function {
                Some(function) => self.call(function),
                None => Err(self.fail(range, format!("unknown function with name {word:?}"))),
            };
        }
        if matches!(lower.as_str(), "bool" | "on" | "ignoring" | "group_left" | "group_right" | "atan2") {
            return Err(self.unexpected(""));
        }
        self.advance();
        self.selector(Some(range), selector::Emptiness::Refused)
    }

    fn aggregate(&mut self, op: AggregateOp) -> Parsed<Expr> {
        let start = self.peek().range.start;
        self.advance();
        let mut grouping = self.grouping()?;
        let mut args = self.arguments(None)?;
        if grouping.is_none() {
            grouping = self.grouping()?;
        }
        let range = start..self.previous_end();
        let wanted = if op.parameter().is_some() { 2 } else { 1 };
        if args.len() != wanted {
            let what = if args.is_empty() {
                "no arguments for aggregate expression provided".to_owned()
            } else {
                format!(
                    "wrong number of arguments for aggregate expression provided, expected {wanted}, got {}",
                    args.len()
                )
            };
            return Err(self.fail(range, what));
        }
        let inner = args.pop().expect("one or two arguments were just counted");
        let parameter = args.pop();
        check::aggregate(op, parameter.as_ref(), &inner).map_err(|(range, what)| self.fail(range, what))?;
        let grouping = grouping.unwrap_or(Grouping { without: false, labels: Vec::new() });
        self.height += 1;
        Ok(self.node(ExprKind::Aggregate(Box::new(Aggregate { op, grouping, parameter, inner })), range))
    }

    fn grouping(&mut self) -> Parsed<Option<Grouping>> {
        let without = self.peek_word("without");
        if !without && !self.peek_word("by") {
            return Ok(None);
        }
        self.advance();
        Ok(Some(Grouping { without, labels: self.grouping_labels()? }))
    }

    fn call(&mut self, function: Function) -> Parsed<Expr> {
        let start = self.peek().range.start;
        self.advance();
        let args = self.arguments(Some(function))?;
        let range = start..self.previous_end();
        let call = check::call(Call { function, args })
            .map_err(|(at, what)| self.fail(at.unwrap_or(range.clone()), what))?;
        self.height += 1;
        Ok(self.node(ExprKind::Call(call), range))
    }

    /// `(a, b)`; leaves the greatest height among them.
    fn arguments(&mut self, function: Option<Function>) -> Parsed<Vec<Expr>> {
        let start = self.peek().range.start;
        self.expect("(", "call")?;
        let (mut args, mut height) = (Vec::new(), 0);
        while !self.peek_sign(")") {
            let arg = if function == Some(Function::Info) && args.len() == 1 {
                self.label_selector()?
            } else {
                self.expression(0)?
            };
            args.push(arg);
            height = height.max(self.height);
            if !self.accept_sign(",") {
                break;
            }
            if self.peek_sign(")") {
                let what = "trailing commas not allowed in function call args";
                return Err(self.fail(self.peek().range.clone(), what));
            }
        }
        self.close(start)?;
        self.height = height;
        Ok(args)
    }

    /// The second argument of `info`: braces only, and they may match everything.
    fn label_selector(&mut self) -> Parsed<Expr> {
        let range = self.peek().range.clone();
        if !self.peek_sign("{") {
            return Err(self.fail(range, "expected label selectors only, got vector selector instead"));
        }
        self.height = 1;
        let selector = self.selector(None, selector::Emptiness::Allowed)?;
        if !self.peek_sign(")") && !self.peek_sign(",") {
            return Err(self.fail(range, "expected label selectors only"));
        }
        Ok(selector)
    }

    /// What follows an operand: `[..]`, `@`, `offset`, `anchored`, `smoothed`.
    fn modified(&mut self, mut expr: Expr) -> Parsed<Expr> {
        loop {
            expr = if self.peek_sign("[") {
                self.window(expr)?
            } else if self.peek_sign("@") {
                self.at(expr)?
            } else if self.peek_word("offset") {
                self.offset(expr)?
            } else if self.peek_word("anchored") {
                self.widen(expr, Widen::Anchored)?
            } else if self.peek_word("smoothed") {
                self.widen(expr, Widen::Smoothed)?
            } else {
                return Ok(expr);
            };
            expr.range.end = self.previous_end();
            self.grown(self.height)?;
        }
    }

    fn grouping_labels(&mut self) -> Parsed<Vec<String>> {
        self.expect("(", "grouping opts")?;
        let mut labels = Vec::new();
        while !self.peek_sign(")") {
            labels.push(self.label("grouping opts, expected label")?);
            if !self.accept_sign(",") {
                break;
            }
        }
        self.expect(")", "grouping opts")?;
        Ok(labels)
    }

    /// A label's name, plain or quoted.
    fn label(&mut self, context: &str) -> Parsed<String> {
        let token = self.peek().clone();
        match token.kind {
            Kind::Word => {
                self.advance();
                Ok(self.text[token.range].to_owned())
            }
            Kind::Text => self.utf8("label name"),
            _ => Err(self.unexpected(context)),
        }
    }

    /// A quoted text that must be UTF-8.
    fn utf8(&mut self, what: &str) -> Parsed<String> {
        let range = self.peek().range.clone();
        String::from_utf8(self.quoted()?).map_err(|_| self.fail(range, format!("{what} is not valid UTF-8")))
    }

    fn quoted(&mut self) -> Parsed<Vec<u8>> {
        let range = self.peek().range.clone();
        self.advance();
        text::unquote(&self.text[range.clone()])
            .map_err(|broken| self.fail(range.start + broken.at..range.end, broken.what))
    }

    fn number_or_duration(&mut self) -> Parsed<ExprKind> {
        let range = self.peek().range.clone();
        let text = &self.text[range.clone()];
        self.advance();
        if let Some(value) = parse_number(text) {
            return Ok(ExprKind::Number { value, duration: false });
        }
        match model::parse_duration(text) {
            Ok(duration) => {
                Ok(ExprKind::Number { value: duration.as_millis() as f64 / 1000.0, duration: true })
            }
            Err(error) => Err(self.fail(range, error.to_string())),
        }
    }

    /// A number without a sign, durations and `Inf` included.
    fn number(&mut self, context: &str) -> Parsed<f64> {
        let range = self.peek().range.clone();
        if self.peek_kind() == Kind::Word
            && let Some(value) = parse_number(&self.text[range.clone()])
        {
            self.advance();
            return Ok(value);
        }
        if self.peek_kind() != Kind::Number {
            return Err(self.unexpected(&format!("{context}, expected number")));
        }
        match self.number_or_duration()? {
            ExprKind::Number { value, .. } => Ok(value),
            _ => Err(self.fail(range, "expected number")),
        }
    }

    /// Takes a sign; whether it was `-`.
    fn sign(&mut self) -> bool {
        let negative = self.accept_sign("-");
        if !negative {
            self.accept_sign("+");
        }
        negative
    }

    fn node(&self, kind: ExprKind, range: Range<usize>) -> Expr {
        let place = place(self.text, range.start);
        Expr { kind, range, place }
    }

    fn peek(&self) -> &Token {
        &self.tokens[self.next]
    }

    fn peek_kind(&self) -> Kind {
        self.peek().kind
    }

    fn peek_text(&self) -> &'a str {
        &self.text[self.peek().range.clone()]
    }

    fn peek_sign(&self, sign: &str) -> bool {
        matches!(self.peek_kind(), Kind::Sign(here) if here == sign)
    }

    fn peek_word(&self, word: &str) -> bool {
        self.peek_kind() == Kind::Word && self.peek_text().eq_ignore_ascii_case(word)
    }

    fn peek_sign_after(&self, sign: &str) -> bool {
        self.peek_kind() == Kind::Word
            && matches!(self.tokens.get(self.next + 1), Some(Token { kind: Kind::Sign(here), .. }) if *here == sign)
    }

    fn peek_word_after(&self, word: &str) -> bool {
        self.tokens.get(self.next + 1).is_some_and(|token| {
            token.kind == Kind::Word && self.text[token.range.clone()].eq_ignore_ascii_case(word)
        })
    }

    fn peek_operator(&self) -> Option<BinaryOp> {
        Some(match self.peek_kind() {
            Kind::Word => match self.peek_text().to_ascii_lowercase().as_str() {
                "or" => BinaryOp::Or,
                "and" => BinaryOp::And,
                "unless" => BinaryOp::Unless,
                "atan2" => BinaryOp::Atan2,
                _ => return None,
            },
            Kind::Sign(sign) => match sign {
                "==" => BinaryOp::Equal,
                "!=" => BinaryOp::NotEqual,
                "<" => BinaryOp::Less,
                "<=" => BinaryOp::LessOrEqual,
                ">" => BinaryOp::Greater,
                ">=" => BinaryOp::GreaterOrEqual,
                "</" => BinaryOp::TrimUpper,
                ">/" => BinaryOp::TrimLower,
                "+" => BinaryOp::Add,
                "-" => BinaryOp::Sub,
                "*" => BinaryOp::Mul,
                "/" => BinaryOp::Div,
                "%" => BinaryOp::Mod,
                "^" => BinaryOp::Pow,
                _ => return None,
            },
            _ => return None,
        })
    }

    /// The last token, [`Kind::End`], is never passed.
    fn advance(&mut self) {
        if self.next + 1 < self.tokens.len() {
            self.next += 1;
        }
    }

    fn previous_end(&self) -> usize {
        self.next.checked_sub(1).map_or(0, |i| self.tokens[i].range.end)
    }

    fn accept_sign(&mut self, sign: &str) -> bool {
        let here = self.peek_sign(sign);
        if here {
            self.advance();
        }
        here
    }

    fn accept_word(&mut self, word: &str) -> bool {
        let here = self.peek_word(word);
        if here {
            self.advance();
        }
        here
    }

    fn expect(&mut self, sign: &str, context: &str) -> Parsed<()> {
        if self.accept_sign(sign) {
            return Ok(());
        }
        Err(self.unexpected(&format!("{context}, expected {sign:?}")))
    }

    /// The `)` of the parenthesis at `start`.
    fn close(&mut self, start: usize) -> Parsed<()> {
        if self.peek_kind() == Kind::End {
            return Err(self.fail(start..self.text.len(), "unclosed left parenthesis"));
        }
        self.expect(")", "parentheses")
    }

    fn unexpected(&self, context: &str) -> ParseError {
        let token = self.peek();
        let text = &self.text[token.range.clone()];
        let what = match token.kind {
            Kind::End => "unexpected end of input".to_owned(),
            Kind::Word => format!("unexpected identifier {text:?}"),
            Kind::Number => format!("unexpected number {text:?}"),
            Kind::Text => format!("unexpected string {text}"),
            Kind::Sign(sign) => format!("unexpected {sign:?}"),
        };
        let what = if context.is_empty() { what } else { format!("{what} in {context}") };
        self.fail(token.range.clone(), what)
    }

    fn fail(&self, range: Range<usize>, what: impl Into<String>) -> ParseError {
        parse_error(self.text, range, what.into())
    }
}

fn parse_error(text: &str, range: Range<usize>, what: String) -> ParseError {
    let Place { line, column } = place(text, range.start);
    ParseError { line, column, range, what }
}

fn place(text: &str, at: usize) -> Place {
    let before = &text.as_bytes()[..at.min(text.len())];
    let line_start = before.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
    let lines = before.iter().filter(|b| **b == b'\n').count();
    let number = |n: usize| u32::try_from(n + 1).unwrap_or(u32::MAX);
    Place { line: number(lines), column: number(before.len() - line_start) }
}

#[cfg(test)]
mod tests;

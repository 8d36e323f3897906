//! Durations in brackets and after `offset`, and the instants of `@`.

use super::{Parsed, Parser, place};
use crate::{
    ast::{Anchor, At, BinaryOp, Expr, ExprKind, Subquery, ValueType, Widen},
    duration::{DurationExpr, DurationKind, SECONDS_MAX},
    lex::Kind,
};
use model::Timestamp;

impl Parser<'_> {
    /// `[5m]` or `[5m:1m]` after `expr`.
    pub(super) fn window(&mut self, mut expr: Expr) -> Parsed<Expr> {
        let start = expr.range.start;
        self.advance();
        let window = self.positive_duration()?;
        if self.accept_sign(":") {
            let step = if self.peek_sign("]") { None } else { Some(self.positive_duration()?) };
            self.expect("]", "subquery")?;
            let ty = expr.result_type();
            if ty != ValueType::Vector {
                let what = format!("subquery is only allowed on instant vector, got {} instead", ty.as_str());
                return Err(self.fail(expr.range, what));
            }
            self.height += 1;
            let subquery = Subquery { inner: expr, window, step, anchor: Anchor::default() };
            let range = start..self.previous_end();
            return Ok(self.node(ExprKind::Subquery(Box::new(subquery)), range));
        }
        self.expect("]", "range")?;
        let what = match &mut expr.kind {
            ExprKind::Vector(selector) if selector.window.is_some() => {
                "ranges only allowed for vector selectors"
            }
            ExprKind::Vector(selector) if selector.anchor.offset.is_some() => {
                "no offset modifiers allowed before range"
            }
            ExprKind::Vector(selector) if selector.anchor.at.is_some() => {
                "no @ modifiers allowed before range"
            }
            ExprKind::Vector(selector) if selector.widen != Widen::No => {
                "no anchored or smoothed modifiers allowed before range"
            }
            ExprKind::Vector(selector) => {
                selector.window = Some(window);
                return Ok(expr);
            }
            _ => "ranges only allowed for vector selectors",
        };
        Err(self.fail(start..self.previous_end(), what))
    }

    /// `offset 5m` after `expr`.
    pub(super) fn offset(&mut self, mut expr: Expr) -> Parsed<Expr> {
        self.advance();
        let offset = self.offset_duration()?;
        match self.anchor(&mut expr, "offset")? {
            Anchor { offset: Some(_), .. } => {
                Err(self.fail(expr.range.clone(), "offset may not be set multiple times"))
            }
            anchor => {
                anchor.offset = Some(offset);
                Ok(expr)
            }
        }
    }

    /// `@ 1609746000`, `@ start()`, `@ end()` after `expr`.
    pub(super) fn at(&mut self, mut expr: Expr) -> Parsed<Expr> {
        self.advance();
        let at = if self.peek_word("start") || self.peek_word("end") {
            let start = self.peek_word("start");
            self.advance();
            self.expect("(", "@")?;
            self.expect(")", "@")?;
            if start { At::Start } else { At::End }
        } else {
            let range = self.peek().range.clone();
            let negative = self.sign();
            let seconds = self.number("@")? * if negative { -1.0 } else { 1.0 };
            if !seconds.is_finite() || seconds.abs() >= i64::MAX as f64 / 1000.0 {
                let what = format!("timestamp out of bounds for @ modifier: {seconds}");
                return Err(self.fail(range, what));
            }
            At::Time(Timestamp::from_secs_f64(seconds))
        };
        match self.anchor(&mut expr, "@")? {
            Anchor { at: Some(_), .. } => {
                Err(self.fail(expr.range.clone(), "@ <timestamp> may not be set multiple times"))
            }
            anchor => {
                anchor.at = Some(at);
                Ok(expr)
            }
        }
    }

    /// `anchored` or `smoothed` after `expr`.
    pub(super) fn widen(&mut self, mut expr: Expr, widen: Widen) -> Parsed<Expr> {
        self.advance();
        let what = match &mut expr.kind {
            ExprKind::Vector(selector) if selector.widen != Widen::No => {
                "anchored and smoothed modifiers may be set once only"
            }
            ExprKind::Vector(selector) if widen == Widen::Anchored && selector.window.is_none() => {
                "anchored modifier must be preceded by a range vector selector"
            }
            ExprKind::Vector(selector) => {
                selector.widen = widen;
                return Ok(expr);
            }
            _ => "anchored and smoothed modifiers must be preceded by a vector selector",
        };
        Err(self.fail(expr.range.clone(), what))
    }

    fn anchor<'e>(&self, expr: &'e mut Expr, modifier: &str) -> Parsed<&'e mut Anchor> {
        let range = expr.range.clone();
        match &mut expr.kind {
            ExprKind::Vector(selector) => Ok(&mut selector.anchor),
            ExprKind::Subquery(subquery) => Ok(&mut subquery.anchor),
            _ => Err(self.fail(
                range,
                format!(
                    "{modifier} modifier must be preceded by an instant vector selector or range vector \
                     selector or a subquery"
                ),
            )),
        }
    }

    /// In brackets. A literal is judged now, arithmetic when the query's step is known.
    fn positive_duration(&mut self) -> Parsed<DurationExpr> {
        let start = self.peek().range.start;
        let duration = self.duration(0)?;
        if duration.literal_ms().is_some_and(|ms| ms <= 0) {
            return Err(self.fail(start..self.previous_end(), "duration must be greater than 0"));
        }
        Ok(duration)
    }

    /// After `offset`: one literal or call, with or without a sign, or anything in parentheses.
    fn offset_duration(&mut self) -> Parsed<DurationExpr> {
        let start = self.peek().range.start;
        let negative = self.sign();
        let inner = self.duration_atom("offset, expected number, duration, step(), or range()")?;
        Ok(if negative { self.duration_node(DurationKind::Negative(Box::new(inner)), start) } else { inner })
    }

    fn duration(&mut self, least: u8) -> Parsed<DurationExpr> {
        self.depth += 1;
        self.grown(self.depth)?;
        let start = self.peek().range.start;
        let mut lhs = if self.peek_sign("-") || self.peek_sign("+") {
            let negative = self.sign();
            let inner = self.duration(BinaryOp::Pow.binding())?;
            if negative { self.duration_node(DurationKind::Negative(Box::new(inner)), start) } else { inner }
        } else {
            self.duration_atom("duration expression")?
        };
        let mut chain = 0;
        while let Some(op) = self.duration_operator().filter(|op| op.binding() >= least) {
            self.advance();
            chain += 1;
            self.grown(self.depth + chain)?;
            let rhs_start = self.peek().range.start;
            let rhs = self.duration(if op == BinaryOp::Pow { op.binding() } else { op.binding() + 1 })?;
            let by_zero = rhs.literal_ms() == Some(0);
            if by_zero && matches!(op, BinaryOp::Div | BinaryOp::Mod) {
                let what = if op == BinaryOp::Div { "division by zero" } else { "modulo by zero" };
                return Err(self.fail(rhs_start..self.previous_end(), what));
            }
            lhs = self.duration_node(DurationKind::Binary(op, Box::new(lhs), Box::new(rhs)), start);
        }
        self.depth -= 1;
        Ok(lhs)
    }

    fn duration_operator(&self) -> Option<BinaryOp> {
        let arithmetic =
            [BinaryOp::Add, BinaryOp::Sub, BinaryOp::Mul, BinaryOp::Div, BinaryOp::Mod, BinaryOp::Pow];
        self.peek_operator().filter(|op| arithmetic.contains(op))
    }

    fn duration_atom(&mut self, context: &str) -> Parsed<DurationExpr> {
        let start = self.peek().range.start;
        if self.accept_sign("(") {
            let inner = self.duration(0)?;
            self.expect(")", "duration expression")?;
            return Ok(self.duration_node(DurationKind::Paren(Box::new(inner)), start));
        }
        let kind = match self.peek_kind() {
            Kind::Number => self.duration_literal()?,
            Kind::Word => match self.peek_text().to_ascii_lowercase().as_str() {
                "step" => self.duration_call(DurationKind::Step)?,
                "range" => self.duration_call(DurationKind::Range)?,
                "min_of" => {
                    let (a, b) = self.duration_pair()?;
                    DurationKind::MinOf(a, b)
                }
                "max_of" => {
                    let (a, b) = self.duration_pair()?;
                    DurationKind::MaxOf(a, b)
                }
                _ => return Err(self.unexpected(context)),
            },
            _ => return Err(self.unexpected(context)),
        };
        Ok(self.duration_node(kind, start))
    }

    fn duration_literal(&mut self) -> Parsed<DurationKind> {
        let range = self.peek().range.clone();
        let ExprKind::Number { value, duration } = self.number_or_duration()? else {
            return Err(self.fail(range, "expected a duration"));
        };
        if value.is_nan() || value.abs() >= SECONDS_MAX {
            return Err(self.fail(range, "duration out of range"));
        }
        Ok(if duration {
            DurationKind::Literal((value * 1000.0).round() as u64)
        } else {
            DurationKind::Seconds(value)
        })
    }

    fn duration_call(&mut self, kind: DurationKind) -> Parsed<DurationKind> {
        self.advance();
        self.expect("(", "duration expression")?;
        self.expect(")", "duration expression")?;
        Ok(kind)
    }

    fn duration_pair(&mut self) -> Parsed<(Box<DurationExpr>, Box<DurationExpr>)> {
        self.advance();
        self.expect("(", "duration expression")?;
        let a = self.duration(0)?;
        self.expect(",", "duration expression")?;
        let b = self.duration(0)?;
        self.expect(")", "duration expression")?;
        Ok((Box::new(a), Box::new(b)))
    }

    fn duration_node(&self, kind: DurationKind, start: usize) -> DurationExpr {
        DurationExpr { kind, place: place(self.text, start) }
    }
}

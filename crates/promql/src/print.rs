//! The canonical one-line text of an expression, as rule listings show it.

use crate::{
    ast::{
        Aggregate, Anchor, At, Binary, BinaryOp, Cardinality, Expr, ExprKind, Fill, Matching, VectorSelector,
        Widen,
    },
    number::format_value,
    text::quote,
};
use model::{METRIC_NAME, MatchOp, Matcher, is_classic_label_name};
use std::{fmt, time::Duration};

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ExprKind::Number { value, duration: true } => {
                let sign = if *value < 0.0 { "-" } else { "" };
                let ms = (value.abs() * 1000.0).round() as u64;
                write!(f, "{sign}{}", model::format_duration(Duration::from_millis(ms)))
            }
            ExprKind::Number { value, .. } => f.write_str(&format_value(*value)),
            ExprKind::String(bytes) => f.write_str(&quote(bytes)),
            ExprKind::Paren(inner) => write!(f, "({inner})"),
            ExprKind::Unary { negative, inner } => write!(f, "{}{inner}", if *negative { "-" } else { "+" }),
            ExprKind::Binary(binary) => binary.fmt(f),
            ExprKind::Aggregate(aggregate) => aggregate.fmt(f),
            ExprKind::Call(call) => {
                write!(f, "{}(", call.function.name())?;
                for (i, arg) in call.args.iter().enumerate() {
                    write!(f, "{}{arg}", if i == 0 { "" } else { ", " })?;
                }
                f.write_str(")")
            }
            ExprKind::Vector(selector) => selector.fmt(f),
            ExprKind::Subquery(subquery) => {
                write!(f, "{}[{}:", subquery.inner, subquery.window)?;
                if let Some(step) = &subquery.step {
                    write!(f, "{step}")?;
                }
                write!(f, "]{}", subquery.anchor)
            }
        }
    }
}

impl fmt::Display for Binary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.lhs, self.op.as_str())?;
        if self.returns_bool {
            f.write_str(" bool")?;
        }
        if let Some(matching) = &self.matching {
            matching.fmt(f)?;
        }
        write!(f, " {}", self.rhs)
    }
}

impl fmt::Display for BinaryOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Matching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = match self.cardinality {
            Cardinality::ManyToOne => Some("group_left"),
            Cardinality::OneToMany => Some("group_right"),
            Cardinality::OneToOne | Cardinality::ManyToMany => None,
        };
        if self.on || !self.labels.is_empty() || group.is_some() {
            write!(f, " {} ({})", if self.on { "on" } else { "ignoring" }, names(&self.labels))?;
        }
        if let Some(group) = group {
            write!(f, " {group} ({})", names(&self.include))?;
        }
        match self.fill {
            Fill { left: Some(left), right: Some(right) } if left.to_bits() == right.to_bits() => {
                write!(f, " fill ({})", format_value(left))
            }
            Fill { left, right } => {
                for (word, value) in [("fill_left", left), ("fill_right", right)] {
                    if let Some(value) = value {
                        write!(f, " {word} ({})", format_value(value))?;
                    }
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.op.as_str())?;
        if self.grouping.without {
            write!(f, " without ({}) ", names(&self.grouping.labels))?;
        } else if !self.grouping.labels.is_empty() {
            write!(f, " by ({}) ", names(&self.grouping.labels))?;
        }
        f.write_str("(")?;
        if let Some(parameter) = &self.parameter {
            write!(f, "{parameter}, ")?;
        }
        write!(f, "{})", self.inner)
    }
}

impl fmt::Display for VectorSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name.as_deref().unwrap_or(""))?;
        let named = |matcher: &&Matcher| {
            !(matcher.name() == METRIC_NAME
                && matcher.op() == MatchOp::Equal
                && self.name.as_deref() == Some(matcher.value()))
        };
        let texts: Vec<String> = self.matchers.iter().filter(named).map(matcher).collect();
        if !texts.is_empty() || self.name.is_none() {
            write!(f, "{{{}}}", texts.join(","))?;
        }
        if let Some(window) = &self.window {
            write!(f, "[{window}]")?;
        }
        match self.widen {
            Widen::No => {}
            Widen::Anchored => f.write_str(" anchored")?,
            Widen::Smoothed => f.write_str(" smoothed")?,
        }
        self.anchor.fmt(f)
    }
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            None => {}
            Some(At::Start) => f.write_str(" @ start()")?,
            Some(At::End) => f.write_str(" @ end()")?,
            Some(At::Time(at)) => write!(f, " @ {:.3}", at.as_secs_f64())?,
        }
        match &self.offset {
            Some(offset) if offset.literal_ms() == Some(0) => Ok(()),
            Some(offset) => write!(f, " offset {offset}"),
            None => Ok(()),
        }
    }
}

fn matcher(matcher: &Matcher) -> String {
    format!("{}{}{}", name(matcher.name()), matcher.op().as_str(), quote(matcher.value().as_bytes()))
}

fn names(labels: &[String]) -> String {
    labels.iter().map(|label| name(label)).collect::<Vec<_>>().join(", ")
}

fn name(label: &str) -> String {
    if is_classic_label_name(label) { label.to_owned() } else { quote(label.as_bytes()) }
}

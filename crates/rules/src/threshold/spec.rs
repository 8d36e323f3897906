//! A checked threshold: which number is watched, and where it begins to be trouble.

use model::Matcher;
use std::time::Duration;

/// How a value is held against a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// Above.
    Gt,
    /// At or above.
    Gte,
    /// Below.
    Lt,
    /// At or below.
    Lte,
    /// At.
    Eq,
}

impl Comparison {
    /// Every comparison, by its word.
    pub const WORDS: [&'static str; 5] = ["gt", "gte", "lt", "lte", "eq"];

    /// From its word or its sign.
    pub fn parse(text: &str) -> Option<Comparison> {
        Some(match text {
            "gt" | ">" => Comparison::Gt,
            "gte" | ">=" => Comparison::Gte,
            "lt" | "<" => Comparison::Lt,
            "lte" | "<=" => Comparison::Lte,
            "eq" | "==" => Comparison::Eq,
            _ => return None,
        })
    }

    /// Whether `value` is where the trouble is. NaN never is.
    pub fn holds(self, value: f64, bound: f64) -> bool {
        match self {
            Comparison::Gt => value > bound,
            Comparison::Gte => value >= bound,
            Comparison::Lt => value < bound,
            Comparison::Lte => value <= bound,
            Comparison::Eq => value == bound,
        }
    }

    /// Whether `a` is worse than `b`: levels go from mild to severe.
    pub fn worse(self, a: f64, b: f64) -> bool {
        match self {
            Comparison::Gt | Comparison::Gte => a > b,
            Comparison::Lt | Comparison::Lte => a < b,
            Comparison::Eq => false,
        }
    }

    /// The bound, moved away from the trouble.
    fn eased(self, bound: f64, by: f64) -> f64 {
        match self {
            Comparison::Gt | Comparison::Gte => bound - by,
            Comparison::Lt | Comparison::Lte => bound + by,
            Comparison::Eq => bound,
        }
    }
}

/// How the samples of a window become one number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Statistic {
    /// Their mean.
    Average,
    /// The least.
    Minimum,
    /// The greatest.
    Maximum,
    /// Their sum.
    Sum,
    /// The last.
    Last,
    /// By how much a counter rose.
    Increase,
    /// The same a second.
    Rate,
    /// Below which this part of them lies.
    Quantile(f64),
}

impl Statistic {
    /// Every statistic, by its word.
    pub const WORDS: [&'static str; 11] =
        ["avg", "min", "max", "sum", "last", "increase", "rate", "p50", "p90", "p95", "p99"];

    /// From its word.
    pub fn parse(text: &str) -> Option<Statistic> {
        Some(match text {
            "avg" => Statistic::Average,
            "min" => Statistic::Minimum,
            "max" => Statistic::Maximum,
            "sum" => Statistic::Sum,
            "last" => Statistic::Last,
            "increase" => Statistic::Increase,
            "rate" => Statistic::Rate,
            "p50" => Statistic::Quantile(0.5),
            "p90" => Statistic::Quantile(0.9),
            "p95" => Statistic::Quantile(0.95),
            "p99" => Statistic::Quantile(0.99),
            _ => return None,
        })
    }
}

/// How far back a value must go before a level is left again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Hysteresis {
    /// By so much.
    Absolute(f64),
    /// By so many hundredths of the bound.
    Percent(f64),
}

/// What it means that there is no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// Nothing: everything stays as it is.
    Hold,
    /// No trouble.
    Clear,
    /// Trouble of the most severe level.
    Breach,
}

impl Missing {
    /// Every meaning, by its word.
    pub const WORDS: [&'static str; 3] = ["hold", "clear", "breach"];

    /// From its word.
    pub fn parse(text: &str) -> Option<Missing> {
        Some(match text {
            "hold" => Missing::Hold,
            "clear" => Missing::Clear,
            "breach" => Missing::Breach,
            _ => return None,
        })
    }
}

/// Where trouble of one severity begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Level {
    /// The alert's label `severity`.
    pub severity: String,
    /// The bound.
    pub at: f64,
}

/// One threshold.
#[derive(Debug, Clone)]
pub struct Threshold {
    /// The alert's name; unique.
    pub name: String,
    /// The metric's name, as messages say it.
    pub metric: String,
    /// Which series of it, the name's matcher included.
    pub matchers: Vec<Matcher>,
    /// `None`: as the metric's type asks for.
    pub statistic: Option<Statistic>,
    /// How values are held against the levels.
    pub comparison: Comparison,
    /// From mild to severe; at least one.
    pub levels: Vec<Level>,
    /// Over how long the number is taken.
    pub window: Duration,
    /// Evaluations in a row that must find a level reached before it counts.
    pub consecutive: u32,
    /// Evaluations in a row that must find a level left before it is.
    pub clear_after: u32,
    /// What counts as left.
    pub hysteresis: Hysteresis,
    /// What counts where there is no number.
    pub missing: Missing,
    /// More labels of the alert.
    pub labels: Vec<(String, String)>,
    /// More annotations.
    pub annotations: Vec<(String, String)>,
}

impl Threshold {
    /// Whether a value reaches a level.
    pub(super) fn reaches(&self, level: &Level, value: f64) -> bool {
        self.comparison.holds(value, level.at)
    }

    /// Whether a value that has reached a level has not left it yet.
    pub(super) fn keeps(&self, level: &Level, value: f64) -> bool {
        let by = match self.hysteresis {
            Hysteresis::Absolute(by) => by,
            Hysteresis::Percent(percent) => level.at.abs() * percent / 100.0,
        };
        self.comparison.holds(value, self.comparison.eased(level.at, by))
    }

    /// What people read, and search for: the words are kept as they are.
    pub fn message(&self, value: f64, level: &Level) -> String {
        format!("Alert: {} - {} is {value:.2} (threshold: {:.2})", self.name, self.metric, level.at)
    }
}

//! Runs Prometheus's `.test` scripts (`load`, `eval`, `clear`) against any store.
//!
//! What needs native histograms or start timestamps is skipped with its reason, never passed. Each instant
//! evaluation is repeated as the middle step of a range evaluation and must come to the same.

mod compare;
mod memory;
mod read;

pub use memory::MemoryStore;

use crate::{
    Answer, EvalError, Expr, ExprKind, Function, Options, Value, instant, parse, range,
    series_notation::{Point, SeriesLine},
};
use model::{Ingest, Labels, METRIC_NAME, Querier, Timestamp};
use read::{Annotation, Command, Eval, Kind, Load, Rule, Times};
use std::time::Duration;

/// A store a script can run on. It must take samples from the epoch on, and hold them through a script.
pub trait TestStore {
    /// Its way in.
    fn ingest(&self) -> &dyn Ingest;
    /// Its way out.
    fn querier(&self) -> &dyn Querier;
}

/// What a script came to. Lines count from 1.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// Evaluations that came out as expected.
    pub passed: usize,
    /// Evaluations that did not, and what came instead.
    pub failed: Vec<(usize, String)>,
    /// Evaluations that were not run, and why.
    pub skipped: Vec<(usize, String)>,
}

/// Runs a whole script, with a new store at the start and after each `clear`.
pub fn run(text: &str, new_store: &mut dyn FnMut() -> Box<dyn TestStore>) -> Report {
    let mut report = Report::default();
    let mut stage = Stage::new(new_store());
    for (line, command) in read::commands(text) {
        let outcome = match command {
            Err(what) => Outcome::Failed(what),
            Ok(Command::Clear) => {
                stage = Stage::new(new_store());
                continue;
            }
            Ok(Command::Load(load)) => match stage.load(load) {
                Ok(()) => continue,
                Err(what) => Outcome::Failed(what),
            },
            Ok(Command::Eval(eval)) => stage.eval(&eval),
        };
        match outcome {
            Outcome::Passed => report.passed += 1,
            Outcome::Failed(what) => report.failed.push((line, what)),
            Outcome::Skipped(why) => report.skipped.push((line, why.to_owned())),
        }
    }
    report
}

enum Outcome {
    Passed,
    Failed(String),
    Skipped(&'static str),
}

/// A store, and what could not be loaded into it.
struct Stage {
    store: Box<dyn TestStore>,
    native: Vec<Labels>,
    start_timestamps: bool,
}

impl Stage {
    fn new(store: Box<dyn TestStore>) -> Stage {
        Stage { store, native: Vec::new(), start_timestamps: false }
    }

    fn load(&mut self, load: Load) -> Result<(), String> {
        self.start_timestamps |= load.start_timestamps;
        let mut appender = self.store.ingest().appender();
        for (i, SeriesLine { labels, points }) in load.series.iter().enumerate() {
            if load.series[i + 1..].iter().any(|later| later.labels == *labels) {
                continue;
            }
            if points.iter().any(|point| matches!(point, Point::Histogram(_))) {
                self.native.push(labels.clone());
            }
            self.native.extend(load.with_histograms.then(|| histogram_of(labels)).flatten());
            for (i, point) in points.iter().enumerate() {
                if let Point::Value(v) = point {
                    let at = load.step.saturating_mul(u32::try_from(i).unwrap_or(u32::MAX));
                    appender
                        .append(labels, Timestamp::from_millis(0).plus(at), *v)
                        .map_err(|refusal| format!("cannot load {labels}: {refusal}"))?;
                }
            }
        }
        appender.commit().map(|_| ()).map_err(|error| format!("cannot load: {error}"))
    }

    fn eval(&self, eval: &Eval) -> Outcome {
        if self.start_timestamps {
            return Outcome::Skipped("start timestamps are not stored");
        }
        if eval.expects_histogram {
            return Outcome::Skipped("the expected result holds a native histogram");
        }
        let expr = match parse(&eval.query) {
            Ok(expr) => expr,
            Err(error) => return eval.judge_error(&error.to_string()),
        };
        if self.reads_native(&expr) {
            return Outcome::Skipped("the query reads native histograms");
        }
        let outcome = match self.answer(&expr, eval.times) {
            Err(error) => return eval.judge_error(&error.to_string()),
            Ok(answer) => eval.judge(&answer),
        };
        match (outcome, eval.times) {
            (Ok(()), Times::Instant(at)) if eval.repeats_as_range(&expr) => self.repeat(&expr, at, eval),
            (Ok(()), _) => Outcome::Passed,
            (Err(what), _) => Outcome::Failed(what),
        }
    }

    fn answer(&self, expr: &Expr, times: Times) -> Result<Answer, EvalError> {
        let options = Options::default();
        match times {
            Times::Instant(at) => instant(expr, self.store.querier(), at, &options),
            Times::Range { from, to, step } => range(expr, self.store.querier(), from, to, step, &options),
        }
    }

    /// The same instant as the middle of three steps.
    fn repeat(&self, expr: &Expr, at: Timestamp, eval: &Eval) -> Outcome {
        let step = Duration::from_secs(60);
        let times = Times::Range { from: at.minus(step), to: at.plus(step), step };
        let judged = match self.answer(expr, times) {
            // A step beside the middle may fail where the middle does not.
            Err(EvalError::Query { .. }) => return Outcome::Passed,
            Err(error) => Err(error.to_string()),
            Ok(Answer { value: Value::Matrix(matrix), .. }) => eval.judge_middle(matrix, at),
            Ok(_) => Err("a range evaluation gave no matrix".to_owned()),
        };
        match judged {
            Ok(()) => Outcome::Passed,
            Err(what) => Outcome::Failed(format!("as the middle of a range: {what}")),
        }
    }

    fn reads_native(&self, expr: &Expr) -> bool {
        expr.selectors().iter().any(|selector| {
            self.native.iter().any(|labels| selector.matchers.iter().all(|m| m.matches_labels(labels)))
        })
    }
}

/// The native histogram that a classic one's series would make.
fn histogram_of(labels: &Labels) -> Option<Labels> {
    let name = ["_bucket", "_count", "_sum"].iter().find_map(|suffix| labels.name().strip_suffix(suffix))?;
    Some(labels.without(model::BUCKET_LE).with(METRIC_NAME, name))
}

impl Eval {
    fn judge_error(&self, error: &str) -> Outcome {
        match &self.failure {
            None => Outcome::Failed(format!("unexpected error: {error}")),
            Some(rule) if rule.accepts(error) => Outcome::Passed,
            Some(rule) => Outcome::Failed(format!("expected {rule}, got the error: {error}")),
        }
    }

    fn judge(&self, answer: &Answer) -> Result<(), String> {
        if self.failure.is_some() {
            return Err("expected an error, got none".to_owned());
        }
        self.judge_notes(Annotation::Warning, &answer.warnings)?;
        self.judge_notes(Annotation::Info, &answer.infos)?;
        compare::value(self, &answer.value)
    }

    fn judge_notes(&self, kind: Annotation, notes: &[String]) -> Result<(), String> {
        let Some(rules) = self.notes.get(&kind) else { return Ok(()) };
        if rules.is_empty() {
            return if notes.is_empty() {
                Ok(())
            } else {
                Err(format!("unexpected {kind:?}: {}", notes.join("; ")))
            };
        }
        if let Some(rule) = rules.iter().find(|rule| !notes.iter().any(|note| rule.accepts(note))) {
            return Err(format!("expected {kind:?} {rule}, got: {}", notes.join("; ")));
        }
        match notes.iter().find(|note| !rules.iter().any(|rule| rule.accepts(note))) {
            Some(note) => Err(format!("unexpected {kind:?}: {note}")),
            None => Ok(()),
        }
    }

    /// Queries that ask for the query's own frame, and results that are no plain vector, stand alone.
    fn repeats_as_range(&self, expr: &Expr) -> bool {
        let mut framed = false;
        expr.visit(&mut |expr| {
            if let ExprKind::Call(call) = &expr.kind {
                let own = [Function::Start, Function::End, Function::Step, Function::Range];
                framed |= own.contains(&call.function);
            }
        });
        let text = self.query.to_ascii_lowercase();
        let in_duration = ["step(", "range(", "start(", "end("].iter().any(|word| text.contains(word));
        self.kind == Kind::Plain && self.failure.is_none() && !framed && !in_duration
    }

    fn judge_middle(&self, mut matrix: Vec<model::Series>, at: Timestamp) -> Result<(), String> {
        for series in &mut matrix {
            series.samples.retain(|sample| sample.t == at);
        }
        matrix.retain(|series| !series.samples.is_empty());
        compare::middle(self, &matrix)
    }
}

impl Rule {
    fn accepts(&self, text: &str) -> bool {
        match self {
            Rule::Any => true,
            Rule::Exactly(want) => text == want,
            Rule::Regex(regex) => regex.is_match(text),
        }
    }
}

#[cfg(test)]
mod tests;

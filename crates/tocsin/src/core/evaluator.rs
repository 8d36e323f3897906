//! Evaluates rules on a thread of its own: asks the engine, tells the core, appends what the core decides.
//!
//! The core never waits for an expression. A group is evaluated rule by rule, each rule's samples visible to
//! the next; at most one evaluation of a group and of a woken rule is under way, which bounds the queue.

use super::handle::{Handle, Stopped};
use model::{Clock, Ingest, Labels, Querier, Timestamp};
use promql::{Expr, Options};
use rules::{GroupId, RuleId, Trigger};
use std::{
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
    time::{Duration, Instant},
};
use tasks::TaskId;

/// The longest one expression may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// What to evaluate.
pub enum Job {
    /// A group's tick.
    Group {
        /// The group.
        group: GroupId,
        /// The tick.
        at: Timestamp,
        /// The instant to evaluate at and to stamp samples with.
        query_at: Timestamp,
        /// Its rules, in order.
        rules: Vec<(RuleId, Arc<Expr>)>,
    },
    /// Alerting rules whose series got samples.
    Woken(Vec<(RuleId, Arc<Expr>)>),
    /// Conditions that tasks wait for.
    Conditions(Vec<(TaskId, Arc<Expr>)>),
}

/// What came of one evaluation.
pub struct Evaluated {
    /// Of which rule.
    pub rule: RuleId,
    /// For which instant.
    pub at: Timestamp,
    /// The vector, or why there is none.
    pub result: Result<Vec<(Labels, f64)>, String>,
    /// Why it was evaluated.
    pub trigger: Trigger,
    /// How long it took.
    pub took: Duration,
}

/// What evaluating needs.
pub struct Evaluator<S> {
    /// The series.
    pub series: Arc<S>,
    /// The step of subqueries that name none.
    pub subquery_step: Duration,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Whom to tell.
    pub core: Handle,
}

/// Where jobs go in.
pub fn queue() -> (Sender<Job>, Receiver<Job>) {
    channel()
}

impl<S: Ingest + Querier + 'static> Evaluator<S> {
    /// Evaluates until the core is gone.
    pub fn run(self, jobs: &Receiver<Job>) {
        while let Ok(job) = jobs.recv() {
            let ended = match job {
                Job::Group { group, at, query_at, rules } => self.group(group, at, query_at, rules),
                Job::Woken(rules) => self.woken(rules),
                Job::Conditions(looks) => self.conditions(looks),
            };
            if ended.is_err() {
                return;
            }
        }
    }

    fn group(
        &self,
        group: GroupId,
        at: Timestamp,
        query_at: Timestamp,
        rules: Vec<(RuleId, Arc<Expr>)>,
    ) -> Result<(), Stopped> {
        for (rule, expr) in rules {
            let evaluated = self.evaluate(rule, &expr, at, query_at, Trigger::Tick);
            let samples =
                self.core.decide(move |core, batch, now| core.decide_rule(evaluated, batch, now))?;
            self.append(&samples, query_at);
        }
        self.core.decide(move |core, _, _| core.group_done(group))
    }

    fn woken(&self, rules: Vec<(RuleId, Arc<Expr>)>) -> Result<(), Stopped> {
        for (rule, expr) in rules {
            let at = self.clock.now();
            let evaluated = self.evaluate(rule, &expr, at, at, Trigger::Arrival);
            self.core.decide(move |core, batch, now| {
                core.decide_rule(evaluated, batch, now);
                core.woken_done(rule);
            })?;
        }
        Ok(())
    }

    fn conditions(&self, looks: Vec<(TaskId, Arc<Expr>)>) -> Result<(), Stopped> {
        for (task, expr) in looks {
            let (result, _) = self.ask(&expr, self.clock.now());
            self.core.decide(move |core, batch, now| core.condition(task, result, batch, now))?;
        }
        Ok(())
    }

    /// The vector that an expression gives, and how long that took.
    fn ask(&self, expr: &Expr, at: Timestamp) -> (Result<Vec<(Labels, f64)>, String>, Duration) {
        let begun = Instant::now();
        let options = Options {
            deadline: Some(begun + DEADLINE),
            subquery_step: self.subquery_step,
            ..Options::default()
        };
        let answer = promql::instant(expr, self.series.as_ref(), at, &options);
        let result = answer.map_err(|why| why.to_string()).and_then(|answer| rules::result_of(answer.value));
        (result, begun.elapsed())
    }

    fn evaluate(
        &self,
        rule: RuleId,
        expr: &Expr,
        at: Timestamp,
        query_at: Timestamp,
        trigger: Trigger,
    ) -> Evaluated {
        let (result, took) = self.ask(expr, query_at);
        Evaluated { rule, at, result, trigger, took }
    }

    fn append(&self, samples: &[(Labels, f64)], at: Timestamp) {
        if samples.is_empty() {
            return;
        }
        let mut batch = self.series.appender();
        for (labels, v) in samples {
            if let Err(why) = batch.append(labels, at, *v) {
                tracing::debug!(event = "recorded_sample_refused", %labels, %why, "Recorded sample refused");
            }
        }
        match batch.commit() {
            Ok(committed) => self.core.samples(committed),
            Err(why) => {
                tracing::error!(event = "append_failed", %why, "Cannot append recorded series: {why}")
            }
        }
    }
}

//! Rule unit tests: the files of `promtool test rules`, unchanged.
//!
//! Series in the notation of test scripts go into a store in memory, the rules run over them tick by tick, and
//! what alerts and what expressions answer is compared. Opens no file itself: the caller reads rule files.

mod file;

use crate::rules::{Rules, Settings, Trigger, result_of};
use crate::{AlertState, GroupSpec, RuleKindView, parse_file};
use file::{AlertTest, ExprTest, Group, TestFile};
use model::{ALERTNAME, Labels, Querier, Timestamp};
use promql::series_notation::{Point, parse_labels, parse_points};
use promql::testscript::{MemoryStore, TestStore};
use std::time::Duration;

/// Reads the rule files that a pattern of `rule_files` names: (name, text) each.
pub type LoadRules<'a> = dyn FnMut(&str) -> Result<Vec<(String, String)>, String> + 'a;

/// Ticks that one group of tests may take.
const TICKS_MAX: i64 = 1_000_000;

/// How a test file fared. A file that cannot be used is one failure.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Expectations that held, and groups of tests without any that ran without an error.
    pub passed: usize,
    /// What did not hold.
    pub failed: Vec<TestProblem>,
    /// What cannot be tested here, with the reason.
    pub skipped: Vec<TestProblem>,
}

/// One expectation that failed or was skipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestProblem {
    /// The group of tests, by name or by number.
    pub group: String,
    /// What was expected and what came.
    pub what: String,
}

/// Runs the tests of a file; `only` says by its name whether a group of tests is wanted.
pub fn run_tests(text: &str, load: &mut LoadRules<'_>, only: &dyn Fn(&str) -> bool) -> Outcome {
    let mut outcome = Outcome::default();
    let unusable = |what: String| {
        let failed = vec![TestProblem { group: String::new(), what }];
        Outcome { failed, ..Outcome::default() }
    };
    let tests = match file::read(text) {
        Ok(tests) => tests,
        Err(problem) => return unusable(problem.to_string()),
    };
    let specs = match load_all(&tests, load) {
        Ok(specs) => specs,
        Err(what) => return unusable(what),
    };
    for (at, group) in tests.groups.iter().enumerate().filter(|(_, group)| only(&group.name)) {
        let name = if group.name.is_empty() { format!("test {}", at + 1) } else { group.name.clone() };
        let mut run = Run { name, tests: &tests, group, store: MemoryStore::new(), outcome: &mut outcome };
        run.all(specs.clone());
    }
    outcome
}

fn load_all(tests: &TestFile, load: &mut LoadRules<'_>) -> Result<Vec<GroupSpec>, String> {
    let mut specs = Vec::new();
    for pattern in &tests.rule_files {
        for (name, text) in load(pattern)? {
            let groups = parse_file(&name, &text).map_err(|problems| {
                problems.iter().map(|p| format!("{name}:{p}")).collect::<Vec<_>>().join("\n")
            })?;
            specs.extend(groups);
        }
    }
    let place = |spec: &GroupSpec| tests.group_eval_order.iter().position(|name| *name == spec.name);
    specs.sort_by_key(|spec| place(spec).unwrap_or(usize::MAX));
    Ok(specs)
}

struct Run<'a> {
    name: String,
    tests: &'a TestFile,
    group: &'a Group,
    store: MemoryStore,
    outcome: &'a mut Outcome,
}

/// A series with its points, one an interval from the start.
struct Input {
    labels: Labels,
    points: Vec<Point>,
    /// How many points are in the store.
    loaded: usize,
}

impl Run<'_> {
    fn fail(&mut self, what: impl Into<String>) {
        self.outcome.failed.push(TestProblem { group: self.name.clone(), what: what.into() });
    }

    fn skip(&mut self, what: impl Into<String>) {
        self.outcome.skipped.push(TestProblem { group: self.name.clone(), what: what.into() });
    }

    fn all(&mut self, specs: Vec<GroupSpec>) {
        let mut inputs = match self.inputs() {
            Ok(inputs) => inputs,
            Err(what) => return self.fail(what),
        };
        if let Some(test) = self.group.alerts.iter().find(|test| test.alertname.is_empty()) {
            return self.fail(format!("an alert_rule_test at {:?} names no alertname", test.eval_time));
        }
        let before = self.outcome.failed.len();
        if !self.tick_through(specs, &mut inputs) {
            return;
        }
        let group = self.group;
        for test in &group.exprs {
            self.expr(test, &inputs);
        }
        if group.alerts.is_empty() && group.exprs.is_empty() && self.outcome.failed.len() == before {
            self.outcome.passed += 1;
        }
    }

    fn inputs(&self) -> Result<Vec<Input>, String> {
        let mut inputs = Vec::new();
        for series in &self.group.series {
            let labels =
                parse_labels(&series.series).map_err(|err| format!("series {:?}: {err}", series.series))?;
            let points =
                parse_points(&series.values).map_err(|err| format!("series {:?}: {err}", series.series))?;
            inputs.push(Input { labels, points, loaded: 0 });
        }
        Ok(inputs)
    }

    /// Evaluates all groups at every tick; false if a rule failed or the samples were refused.
    fn tick_through(&mut self, specs: Vec<GroupSpec>, inputs: &mut [Input]) -> bool {
        let (start, step) = (self.group.start, self.tests.evaluation_interval);
        let settings = Settings {
            external_labels: self.group.external_labels.clone(),
            external_url: self.group.external_url.clone(),
            default_interval: step,
            default_query_offset: Duration::ZERO,
            on_arrival: false,
        };
        let (mut rules, _) = Rules::new(specs, settings, Vec::new(), start);
        let times =
            self.group.alerts.iter().map(|t| t.eval_time).chain(self.group.exprs.iter().map(|t| t.eval_time));
        let end = start.plus(times.max().unwrap_or_default());
        let group = self.group;
        let mut at = start;
        let mut ticks = 0;
        while at <= end {
            ticks += 1;
            if ticks > TICKS_MAX {
                self.fail(format!("more than {TICKS_MAX} evaluations: raise evaluation_interval"));
                return false;
            }
            if let Err(what) = self.load(inputs, at).and_then(|()| self.tick(&mut rules, at)) {
                self.fail(what);
                return false;
            }
            let next = at.plus(step);
            for test in &group.alerts {
                let asked = start.plus(test.eval_time);
                if asked >= at && asked < next {
                    self.alerts(test, &rules);
                }
            }
            at = next;
        }
        true
    }

    fn load(&self, inputs: &mut [Input], till: Timestamp) -> Result<(), String> {
        let mut batch = self.store.ingest().appender();
        for input in inputs {
            while let Some(point) = input.points.get(input.loaded) {
                let steps = u32::try_from(input.loaded).unwrap_or(u32::MAX);
                let t = self.group.start.plus(self.group.interval.saturating_mul(steps));
                if t > till {
                    break;
                }
                if let Point::Value(v) = point {
                    batch.append(&input.labels, t, *v).map_err(|err| format!("{}: {err}", input.labels))?;
                }
                input.loaded += 1;
            }
        }
        batch.commit().map(|_| ()).map_err(|err| err.to_string())
    }

    fn tick(&self, rules: &mut Rules, at: Timestamp) -> Result<(), String> {
        let (querier, step) = (self.store.querier(), self.tests.evaluation_interval);
        for group in rules.group_ids() {
            for rule in rules.rules_of(group) {
                let Some(expr) = rules.expr(rule) else { continue };
                let result = evaluate(expr, querier, at, step);
                let mut query = |text: &str| {
                    evaluate(&promql::parse(text).map_err(|err| err.to_string())?, querier, at, step)
                };
                let decided = rules.decide(rule, at, at, result, Trigger::Tick, &mut query);
                if let Some(error) = decided.error {
                    let seconds = at.since(self.group.start);
                    return Err(format!("rule {:?} at {seconds:?}: {error}", rules.name(rule)));
                }
                let mut batch = self.store.ingest().appender();
                for (labels, v) in decided.samples {
                    batch.append(&labels, at, v).map_err(|err| format!("{labels}: {err}"))?;
                }
                batch.commit().map_err(|err| err.to_string())?;
            }
        }
        Ok(())
    }

    fn alerts(&mut self, test: &AlertTest, rules: &Rules) {
        let mut got = Vec::new();
        for rule in
            rules.view().into_iter().flat_map(|group| group.rules).filter(|rule| rule.name == test.alertname)
        {
            if let RuleKindView::Alerting { alerts, .. } = rule.kind {
                let firing = alerts.into_iter().filter(|alert| alert.state == AlertState::Firing);
                got.extend(firing.map(|alert| (alert.labels, alert.annotations)));
            }
        }
        let named =
            |(labels, notes): &(Labels, Labels)| (labels.with(ALERTNAME, &test.alertname), notes.clone());
        let mut wanted: Vec<(Labels, Labels)> = test.wanted.iter().map(named).collect();
        wanted.sort();
        got.sort();
        if wanted == got {
            self.outcome.passed += 1;
        } else {
            let (name, at) = (&test.alertname, test.eval_time);
            self.fail(format!(
                "alert {name:?} at {at:?}\n  wanted {}\n  got    {}",
                pairs(&wanted),
                pairs(&got)
            ));
        }
    }

    fn expr(&mut self, test: &ExprTest, inputs: &[Input]) {
        let title = format!("expr {:?} at {:?}", test.expr, test.eval_time);
        let expr = match promql::parse(&test.expr) {
            Ok(expr) => expr,
            Err(err) => return self.fail(format!("{title}: {err}")),
        };
        let reads = |input: &Input| {
            let histogram = input.points.iter().any(|point| matches!(point, Point::Histogram(_)));
            let selectors = expr.selectors();
            histogram && selectors.iter().any(|s| s.matchers.iter().all(|m| m.matches_labels(&input.labels)))
        };
        if test.has_histogram || inputs.iter().any(reads) {
            return self.skip(format!("{title}: native histograms are not kept as samples"));
        }
        let mut wanted = Vec::new();
        for (labels, v) in &test.wanted {
            match if labels.is_empty() { Ok(Labels::empty()) } else { parse_labels(labels) } {
                Ok(labels) => wanted.push((labels, *v)),
                Err(err) => return self.fail(format!("{title}: labels {labels:?}: {err}")),
            }
        }
        let at = self.group.start.plus(test.eval_time);
        let mut got = match evaluate(&expr, self.store.querier(), at, self.tests.evaluation_interval) {
            Ok(got) => got,
            Err(err) => return self.fail(format!("{title}: {err}")),
        };
        wanted.sort_by(|a, b| a.0.cmp(&b.0));
        got.sort_by(|a, b| a.0.cmp(&b.0));
        let fuzzy = self.tests.fuzzy_compare;
        let same = |((a, x), (b, y)): (&(Labels, f64), &(Labels, f64))| a == b && equal(*x, *y, fuzzy);
        if wanted.len() == got.len() && wanted.iter().zip(&got).all(same) {
            self.outcome.passed += 1;
        } else {
            self.fail(format!("{title}\n  wanted {}\n  got    {}", values(&wanted), values(&got)));
        }
    }
}

fn evaluate(
    expr: &promql::Expr,
    querier: &dyn Querier,
    at: Timestamp,
    step: Duration,
) -> Result<crate::Vector, String> {
    let options = promql::Options { subquery_step: step, ..promql::Options::default() };
    let answer = promql::instant(expr, querier, at, &options).map_err(|err| err.to_string())?;
    result_of(answer.value)
}

/// Fuzzy: neighbours count as equal.
fn equal(a: f64, b: f64, fuzzy: bool) -> bool {
    let near = fuzzy && a.is_finite() && b.is_finite() && a.next_down() <= b && b <= a.next_up();
    a == b || (a.is_nan() && b.is_nan()) || near
}

fn pairs(alerts: &[(Labels, Labels)]) -> String {
    let each: Vec<String> = alerts.iter().map(|(labels, notes)| format!("{labels} {notes}")).collect();
    format!("[{}]", each.join("; "))
}

fn values(samples: &[(Labels, f64)]) -> String {
    let each: Vec<String> =
        samples.iter().map(|(labels, v)| format!("{labels} {}", promql::format_value(*v))).collect();
    format!("[{}]", each.join("; "))
}

#[cfg(test)]
mod tests;

//! A checked runbook, and the book of all of them.

use crate::condition::Condition;
use crate::fill::{fill, fill_text};
use model::{Alert, Finding, Labels, Matcher, Remedy, Risk};
use serde_json::Value;
use std::time::Duration;

/// What to do when certain alerts page.
#[derive(Debug, Clone)]
pub struct Runbook {
    /// Its name.
    pub name: String,
    /// The alerts it is for: all must match.
    pub matchers: Vec<Matcher>,
    /// How soon somebody should look.
    pub respond_within: Option<Duration>,
    /// What the users notice.
    pub impact: String,
    /// What to find out before the page leaves, in order.
    pub diagnose: Vec<Step>,
    /// What could mend it.
    pub remedy: Vec<RemedySpec>,
    /// How to know that it is mended.
    pub verify: Option<Verify>,
    /// What undoes a remedy.
    pub rollback: Vec<Step>,
    /// Whom to tell if nobody mends it, and when.
    pub escalate: Value,
    pub(crate) conclude: Vec<(Condition, String)>,
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Unique in the runbook.
    pub id: String,
    /// The kind of work.
    pub uses: String,
    /// Its arguments; `${labels.NAME}` and `${annotations.NAME}` stand for the alert's.
    pub with: Value,
    /// The longest it may take.
    pub timeout: Duration,
    /// Where the file says `uses`: line and column, for whoever knows which kinds there are.
    pub place: (u32, u32),
}

/// A step that mends.
#[derive(Debug, Clone, PartialEq)]
pub struct RemedySpec {
    /// What it does.
    pub step: Step,
    /// What it may do without asking.
    pub risk: Risk,
    /// Not again before this has passed.
    pub cooldown: Duration,
    /// Not more often in an hour; 0 is no limit.
    pub max_per_hour: u32,
    /// Who must approve, as written; null if nobody is named.
    pub approval: Value,
}

/// How to know that it is mended.
#[derive(Debug, Clone)]
pub struct Verify {
    /// True when it is mended.
    pub expr: promql::Expr,
    /// Within this time.
    pub within: Duration,
}

/// A diagnose step, ready to be queued.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedStep {
    /// The step's id.
    pub step: String,
    /// The kind of work.
    pub kind: String,
    /// Its arguments, filled in.
    pub args: Value,
    /// The longest it may take.
    pub timeout: Duration,
}

impl Runbook {
    /// Whether it is for alerts of these labels.
    pub fn is_for(&self, labels: &Labels) -> bool {
        self.matchers.iter().all(|matcher| matcher.matches_labels(labels))
    }

    /// The diagnose steps for an alert.
    pub fn diagnose(&self, labels: &Labels, annotations: &Labels) -> Vec<PlannedStep> {
        let look_up = |path: &str| look_up(path, labels, annotations);
        let plan = |step: &Step| PlannedStep {
            step: step.id.clone(),
            kind: step.uses.clone(),
            args: fill(&step.with, &look_up),
            timeout: step.timeout,
        };
        self.diagnose.iter().map(plan).collect()
    }

    /// What the findings mean: the cause of the first conclusion that holds; empty if none does.
    pub fn conclude(&self, findings: &[Finding]) -> String {
        let holds = self.conclude.iter().find(|(condition, _)| condition.holds(findings));
        holds.map_or_else(String::new, |(_, cause)| fill_text(cause, &|path| of_finding(path, findings)))
    }

    /// The remedies to propose for an alert, in words.
    pub fn remedies(&self, labels: &Labels) -> Vec<Remedy> {
        let none = Labels::empty();
        let look_up = |path: &str| look_up(path, labels, &none);
        let propose = |remedy: &RemedySpec| {
            let with = fill(&remedy.step.with, &look_up);
            let args = if with.as_object().is_some_and(|args| args.is_empty()) {
                String::new()
            } else {
                format!(" {}", crate::finding::in_words(&with).replace('\n', ", "))
            };
            Remedy {
                id: remedy.step.id.clone(),
                risk: remedy.risk,
                text: crate::redact(&format!("{}{args}", remedy.step.uses)),
                approve_url: String::new(),
            }
        };
        self.remedy.iter().map(propose).collect()
    }

    /// Every step of the file, to check that its kind exists.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.diagnose.iter().chain(self.remedy.iter().map(|remedy| &remedy.step)).chain(&self.rollback)
    }
}

fn look_up(path: &str, labels: &Labels, annotations: &Labels) -> Option<String> {
    let (root, name) = path.split_once('.')?;
    let set = match root {
        "labels" => labels,
        "annotations" => annotations,
        _ => return None,
    };
    Some(set.get(name).unwrap_or_default().to_owned())
}

/// `STEP` or `STEP.output`: the first line of what the step says; `STEP.state`.
fn of_finding(path: &str, findings: &[Finding]) -> Option<String> {
    let (step, part) = path.split_once('.').unwrap_or((path, "output"));
    let finding = findings.iter().find(|finding| finding.step == step)?;
    match part {
        "state" => Some(finding.state.as_str().to_owned()),
        _ => Some(finding.output.lines().next().unwrap_or_default().to_owned()),
    }
}

/// All runbooks, in the order in which they are asked.
#[derive(Debug, Clone, Default)]
pub struct Book(Vec<Runbook>);

impl Book {
    /// A book of these.
    pub fn new(runbooks: Vec<Runbook>) -> Book {
        Book(runbooks)
    }

    /// The runbook for a page: the first that is for its first alert, else for its second, and so on.
    pub fn for_alerts<'a>(&self, alerts: impl IntoIterator<Item = &'a Alert>) -> Option<&Runbook> {
        alerts.into_iter().find_map(|alert| self.0.iter().find(|runbook| runbook.is_for(&alert.labels)))
    }

    /// The runbooks.
    pub fn runbooks(&self) -> &[Runbook] {
        &self.0
    }
}

//! Checked rules: what a rule file says, after everything in it was found sound.

use std::time::Duration;

/// A group: rules that are evaluated together, in order.
#[derive(Debug, Clone)]
pub struct GroupSpec {
    /// The file it is from, as the operator named it.
    pub file: String,
    /// Its name, unique in the file.
    pub name: String,
    /// How often; `None`: the global interval.
    pub interval: Option<Duration>,
    /// How far back the expressions look; `None`: the global offset.
    pub query_offset: Option<Duration>,
    /// More series or alerts than this from one rule are an error; 0 is no limit.
    pub limit: usize,
    /// The rules.
    pub rules: Vec<RuleSpec>,
}

/// One rule.
#[derive(Debug, Clone)]
pub struct RuleSpec {
    /// The recorded series' name or the alert's.
    pub name: String,
    /// What is evaluated.
    pub expr: promql::Expr,
    /// Labels to set, by name, the group's included; an empty value removes a label. Templates in an alert's.
    pub labels: Vec<(String, String)>,
    /// What it makes of the result.
    pub kind: RuleKind,
}

/// What a rule makes of its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleKind {
    /// Series.
    Recording,
    /// Alerts.
    Alerting {
        /// How long it must be true before it fires.
        hold: Duration,
        /// How long it goes on firing after it was last true.
        keep_firing: Duration,
        /// Templates, by name.
        annotations: Vec<(String, String)>,
    },
}

impl RuleSpec {
    /// Whether it makes alerts.
    pub fn is_alerting(&self) -> bool {
        matches!(self.kind, RuleKind::Alerting { .. })
    }
}

impl GroupSpec {
    /// What identifies the group over a reload and a restart.
    pub(crate) fn key(&self) -> String {
        format!("{};{}", self.file, self.name)
    }

    /// The rules' durable keys: the group's, the rule's name, and which rule of that kind and name it is, so
    /// that adding another rule does not disturb the alerts of its neighbours.
    pub(crate) fn rule_keys(&self) -> Vec<String> {
        let group = self.key();
        let same = |a: &RuleSpec, b: &RuleSpec| a.name == b.name && a.is_alerting() == b.is_alerting();
        let nth = |at: usize| self.rules[..at].iter().filter(|rule| same(rule, &self.rules[at])).count();
        (0..self.rules.len()).map(|at| format!("{group};{};{}", self.rules[at].name, nth(at))).collect()
    }
}

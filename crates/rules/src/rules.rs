//! All groups with their state: what is due, and what a result means.

mod alerting;
mod recording;
mod reload;

use crate::row::{ActiveRow, AlertState, Change};
use crate::spec::{RuleKind, RuleSpec};
use crate::view::{AlertView, GroupView, Health, RuleKindView, RuleView};
use crate::wake::Wake;
use model::{Alert, Labels, STALE_NAN, SeriesId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What holds for all groups.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Added to alerts that lack them; `$externalLabels` in templates.
    pub external_labels: Labels,
    /// Our own address as users see it, no final slash.
    pub external_url: String,
    /// The interval of groups that name none.
    pub default_interval: Duration,
    /// The query offset of groups that name none.
    pub default_query_offset: Duration,
    /// Whether arriving samples wake alerting rules.
    pub on_arrival: bool,
}

/// A group's number. Kept over a reload that does not change the group, never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(u32);

/// A rule's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId {
    group: GroupId,
    at: u32,
}

impl RuleId {
    /// Its group.
    pub fn group(self) -> GroupId {
        self.group
    }
}

/// What should be evaluated now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// All rules of a group, in order, each committed before the next is evaluated.
    Tick {
        /// The group.
        group: GroupId,
        /// The tick's instant; for [`Rules::decide`].
        at: Timestamp,
        /// The instant to evaluate at and to give to the samples: `at` less the query offset.
        query_at: Timestamp,
        /// Ticks passed over since the last one.
        missed: u32,
    },
    /// One alerting rule whose arrival was deferred.
    Arrival {
        /// The rule, to be evaluated at the present instant.
        rule: RuleId,
    },
}

/// Why a rule was evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trigger {
    /// It is its turn.
    Tick,
    /// Samples arrived that it reads. Starts and fires alerts, ends none, records nothing.
    Arrival,
}

/// A result: the elements of an instant vector.
pub type Vector = Vec<(Labels, f64)>;

/// What one result means.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Decided {
    /// Newly firing, changed or resolved: for the router. External labels are added.
    pub alerts: Vec<Alert>,
    /// Series to record, staleness markers included.
    pub samples: Vec<(Labels, f64)>,
    /// What to write down.
    pub changes: Vec<Change>,
    /// What went wrong; the rule's alerts stay as they were.
    pub error: Option<String>,
}

/// Takes our own figures: name, labels, value.
pub type Figures<'a> = dyn FnMut(&str, &[(&str, &str)], f64) + 'a;

/// All groups.
pub struct Rules {
    settings: Settings,
    groups: Vec<Group>,
    wake: Wake,
    next_group: u32,
    evaluations: u64,
    failures: u64,
}

struct Group {
    id: GroupId,
    key: String,
    file: String,
    name: String,
    /// `None`: as the settings say.
    query_offset: Option<Duration>,
    interval: Duration,
    limit: usize,
    rules: Vec<Rule>,
    /// The next tick; moves by whole intervals.
    next: Timestamp,
    last: Option<Timestamp>,
    missed: u64,
}

struct Rule {
    key: String,
    spec: RuleSpec,
    /// The expression's canonical text.
    query: String,
    /// Pending and firing alerts, by labels.
    active: BTreeMap<Labels, ActiveRow>,
    /// Series that the last successful tick recorded.
    recorded: BTreeSet<Labels>,
    /// Until then, alerts restored after a restart are not resolved: their targets may not be scraped yet.
    settled_at: Timestamp,
    health: Health,
    last_error: String,
    took: Duration,
    last: Option<Timestamp>,
}

impl Rules {
    /// The groups' rules in order.
    pub fn rules_of(&self, group: GroupId) -> Vec<RuleId> {
        let count = self.group(group).map_or(0, |group| group.rules.len());
        (0..count as u32).map(|at| RuleId { group, at }).collect()
    }

    /// All groups, in order.
    pub fn group_ids(&self) -> Vec<GroupId> {
        self.groups.iter().map(|group| group.id).collect()
    }

    /// A rule's expression; `None` after a reload that removed the rule.
    pub fn expr(&self, rule: RuleId) -> Option<&promql::Expr> {
        Some(&self.rule(rule)?.spec.expr)
    }

    /// A rule's name, for logs.
    pub fn name(&self, rule: RuleId) -> &str {
        self.rule(rule).map_or("", |rule| &rule.spec.name)
    }

    /// What is due at `now`. Each tick is handed out once.
    pub fn due(&mut self, now: Timestamp) -> Vec<Due> {
        let default_offset = self.settings.default_query_offset;
        let mut due = Vec::new();
        for group in &mut self.groups {
            if group.next > now {
                continue;
            }
            let passed = now.since(group.next).as_millis() / group.interval.as_millis();
            let missed = u32::try_from(passed).unwrap_or(u32::MAX);
            let at = group.next.plus(group.interval * missed);
            group.next = at.plus(group.interval);
            group.missed += u64::from(missed);
            group.last = Some(at);
            let query_at = at.minus(group.query_offset.unwrap_or(default_offset));
            due.push(Due::Tick { group: group.id, at, query_at, missed });
        }
        due.extend(self.wake.due(now).into_iter().map(|rule| Due::Arrival { rule }));
        due
    }

    /// When something is due next.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.groups.iter().map(|group| group.next).chain(self.wake.next()).min()
    }

    /// Notes new series. After [`Rules::new`] and [`Rules::reload`] this must be told every living series.
    pub fn born<'a>(&mut self, created: impl IntoIterator<Item = (SeriesId, &'a Labels)>) {
        for (id, labels) in created {
            self.wake.born(id, labels);
        }
    }

    /// Forgets series that the store dropped.
    pub fn forget(&mut self, gone: &[SeriesId]) {
        self.wake.forget(gone);
    }

    /// The alerting rules to evaluate because these series got samples; each at most once in 100 ms, what comes
    /// sooner is handed out by [`Rules::due`].
    pub fn woken(&mut self, touched: &[SeriesId], now: Timestamp) -> Vec<RuleId> {
        self.wake.woken(touched, now)
    }

    /// What the result of evaluating `rule` means. `at` is the tick, or for an arrival the present instant.
    pub fn decide(
        &mut self,
        rule: RuleId,
        at: Timestamp,
        now: Timestamp,
        result: Result<Vector, String>,
        trigger: Trigger,
        query: &mut template::QueryFn<'_>,
    ) -> Decided {
        let Some(place) = self.groups.iter().position(|group| group.id == rule.group) else {
            return Decided::default();
        };
        let (settings, group) = (&self.settings, &mut self.groups[place]);
        let limit = group.limit;
        let Some(state) = group.rules.get_mut(rule.at as usize) else { return Decided::default() };
        let outcome = result.and_then(|vector| match &state.spec.kind {
            RuleKind::Recording => recording::decide(state, vector, trigger, limit),
            RuleKind::Alerting { .. } => {
                let call = alerting::Call { settings, at, now, trigger, limit };
                alerting::decide(state, vector, &call, query)
            }
        });
        let decided = outcome.unwrap_or_else(|error| Decided { error: Some(error), ..Decided::default() });
        state.last = Some(at);
        state.health = if decided.error.is_none() { Health::Ok } else { Health::Err };
        state.last_error = decided.error.clone().unwrap_or_default();
        self.evaluations += 1;
        self.failures += u64::from(decided.error.is_some());
        decided
    }

    /// How long an evaluation took, for readers.
    pub fn took(&mut self, rule: RuleId, took: Duration) {
        if let Some(rule) = self.rule_mut(rule) {
            rule.took = took;
        }
    }

    /// Everything that `/api/v1/rules` and `/api/v1/alerts` show.
    pub fn view(&self) -> Vec<GroupView> {
        self.groups.iter().map(|group| group.view(&self.settings)).collect()
    }

    /// Every alert that fires, as the router should have it.
    pub fn firing(&self, now: Timestamp) -> Vec<Alert> {
        let call =
            alerting::Call { settings: &self.settings, at: now, now, trigger: Trigger::Tick, limit: 0 };
        let rules = self.groups.iter().flat_map(|group| &group.rules);
        let firing = rules.flat_map(|rule| rule.active.values().map(move |row| (rule, row)));
        let firing = firing.filter(|(_, row)| row.state == AlertState::Firing);
        firing.map(|(rule, row)| alerting::alert(row, &rule.query, None, &call)).collect()
    }

    /// Our own figures, under Prometheus's names.
    pub fn metrics(&self, out: &mut Figures<'_>) {
        out("prometheus_rule_evaluations_total", &[], self.evaluations as f64);
        out("prometheus_rule_evaluation_failures_total", &[], self.failures as f64);
        for group in &self.groups {
            let labels = [("rule_group", group.key.as_str())];
            out("prometheus_rule_group_rules", &labels, group.rules.len() as f64);
            out("prometheus_rule_group_interval_seconds", &labels, group.interval.as_secs_f64());
            out("prometheus_rule_group_last_duration_seconds", &labels, group.took().as_secs_f64());
            out("prometheus_rule_group_iterations_missed_total", &labels, group.missed as f64);
            if let Some(last) = group.last {
                let name = "prometheus_rule_group_last_evaluation_timestamp_seconds";
                out(name, &labels, last.as_secs_f64());
            }
        }
    }

    fn group(&self, id: GroupId) -> Option<&Group> {
        self.groups.iter().find(|group| group.id == id)
    }

    fn rule(&self, id: RuleId) -> Option<&Rule> {
        self.group(id.group)?.rules.get(id.at as usize)
    }

    fn rule_mut(&mut self, id: RuleId) -> Option<&mut Rule> {
        self.groups.iter_mut().find(|group| group.id == id.group)?.rules.get_mut(id.at as usize)
    }
}

/// A rule's result as [`Rules::decide`] takes it: a scalar is a vector of one element without labels.
pub fn result_of(value: promql::Value) -> Result<Vector, String> {
    match value {
        promql::Value::Vector(samples) => Ok(samples.into_iter().map(|s| (s.labels, s.v)).collect()),
        promql::Value::Scalar(v) => Ok(vec![(Labels::empty(), v)]),
        promql::Value::String(_) | promql::Value::Matrix(_) => {
            Err("rule result is not a vector or scalar".to_owned())
        }
    }
}

impl Group {
    fn took(&self) -> Duration {
        self.rules.iter().map(|rule| rule.took).sum()
    }

    fn view(&self, settings: &Settings) -> GroupView {
        GroupView {
            name: self.name.clone(),
            file: self.file.clone(),
            interval: self.interval,
            query_offset: self.query_offset.unwrap_or(settings.default_query_offset),
            limit: self.limit,
            evaluation_time: self.took(),
            last_evaluation: self.last,
            missed: self.missed,
            rules: self.rules.iter().map(Rule::view).collect(),
        }
    }
}

impl Rule {
    fn view(&self) -> RuleView {
        let kind = match &self.spec.kind {
            RuleKind::Recording => RuleKindView::Recording,
            RuleKind::Alerting { hold, keep_firing, annotations } => RuleKindView::Alerting {
                hold: *hold,
                keep_firing: *keep_firing,
                annotations: Labels::from_pairs(annotations.iter().cloned()),
                alerts: self.active.values().map(alert_view).collect(),
            },
        };
        RuleView {
            name: self.spec.name.clone(),
            query: self.query.clone(),
            labels: Labels::from_pairs(self.spec.labels.iter().cloned()),
            health: self.health,
            last_error: self.last_error.clone(),
            evaluation_time: self.took,
            last_evaluation: self.last,
            kind,
        }
    }
}

fn alert_view(row: &ActiveRow) -> AlertView {
    AlertView {
        labels: row.labels.clone(),
        annotations: row.annotations.clone(),
        state: row.state,
        active_at: row.active_at,
        fired_at: row.fired_at,
        value: row.value,
        keep_firing_since: row.keep_firing_since,
    }
}

/// The markers for what `before` had and `now` lacks.
fn stale<'a>(
    before: &'a BTreeSet<Labels>,
    now: &'a BTreeSet<Labels>,
) -> impl Iterator<Item = (Labels, f64)> + 'a {
    before.difference(now).map(|labels| (labels.clone(), STALE_NAN))
}

#[cfg(test)]
mod tests;

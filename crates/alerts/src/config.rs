//! The routing part of `alertmanager.yml` and `tocsin.yml`: raw forms that keep their places, and the checked
//! form the decider works with.
//!
//! Not here: receivers' own settings (they are `notify`'s; only names and integrations come in), files, secrets.

mod escalation;
mod on_call;
mod raw;
mod tree;

pub use raw::{
    AlertsConfig, EscalationConfig, InhibitRuleConfig, LayerConfig, OnCallConfig, OverrideConfig,
    RouteConfig, StepConfig, TimeIntervalConfig, TimeRangeConfig, TimesConfig,
};

use crate::escalate::{Policies, ready_made};
use crate::inhibit::InhibitRule;
use crate::interval::{self, Intervals};
use crate::matchers::parse_matchers;
use crate::on_call::{Schedules, StandIns};
use crate::route::Route;
use model::{MatchOp, Matcher, Problem, is_classic_label_name};
use serde_saphyr::Spanned;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tree::Tree;

/// Everything the decider is told.
#[derive(Debug, Clone)]
pub struct Config {
    /// Who is told of what.
    pub route: Route,
    /// What keeps quiet about what.
    pub inhibit: Vec<InhibitRule>,
    /// Named time intervals.
    pub intervals: Intervals,
    /// Who there is.
    pub receivers: Vec<ReceiverShape>,
    /// When a posted alert without an end counts as ended.
    pub resolve_timeout: Duration,
    /// Our own address as users see it, no final slash.
    pub external_url: String,
    /// Alerts kept at once; one more is refused.
    pub alerts_max: usize,
    /// Escalation policies, the ready-made ones among them.
    pub policies: Policies,
    /// Who is on call.
    pub schedules: Schedules,
    /// Who stands in there beside what the file says.
    pub stand_ins: StandIns,
    /// Policies that packs name for their alerts, by alert name; a route's own goes before.
    pub pack_policies: BTreeMap<String, String>,
    /// How long incidents that are over are kept.
    pub history: Duration,
}

/// A receiver, as far as routing needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiverShape {
    /// Its name.
    pub name: String,
    /// Where it sends to.
    pub integrations: Vec<Integration>,
}

/// One of a receiver's integrations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Integration {
    /// Kind and place: `webhook[0]`.
    pub name: String,
    /// Whether it is told of ends.
    pub send_resolved: bool,
}

/// All raw parts, from whatever file they came.
#[derive(Debug, Clone, Copy, Default)]
pub struct RawConfig<'a> {
    /// The root route.
    pub route: Option<&'a RouteConfig>,
    /// Inhibition.
    pub inhibit_rules: &'a [InhibitRuleConfig],
    /// Named intervals.
    pub time_intervals: &'a [TimeIntervalConfig],
    /// Named intervals under their old key.
    pub mute_time_intervals: &'a [TimeIntervalConfig],
    /// Who there is; names are unique.
    pub receivers: &'a [ReceiverShape],
    /// Escalation policies.
    pub escalations: &'a [EscalationConfig],
    /// Schedules.
    pub on_call: &'a [OnCallConfig],
    /// What holds for routes that do not say otherwise.
    pub alerts: Option<&'a AlertsConfig>,
}

/// What upstream uses where nothing is said.
const GROUP_WAIT: Duration = Duration::from_secs(30);
const GROUP_INTERVAL: Duration = Duration::from_secs(5 * 60);
const REPEAT_INTERVAL: Duration = Duration::from_secs(4 * 60 * 60);
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5 * 60);
const ALERTS_MAX: usize = 100_000;
const HISTORY: Duration = Duration::from_secs(7 * 24 * 60 * 60);

impl Config {
    /// The configuration without a file: everything to one receiver.
    pub fn to(receiver: ReceiverShape) -> Config {
        Config {
            route: Route::to(&receiver.name, Duration::ZERO, GROUP_INTERVAL, REPEAT_INTERVAL),
            inhibit: Vec::new(),
            intervals: Intervals::new(),
            receivers: vec![receiver],
            resolve_timeout: RESOLVE_TIMEOUT,
            external_url: String::new(),
            alerts_max: ALERTS_MAX,
            policies: ready_made(),
            schedules: Schedules::new(),
            stand_ins: StandIns::default(),
            pack_policies: BTreeMap::new(),
            history: HISTORY,
        }
    }

    /// Checks everything and returns it with the findings, or everything that is wrong.
    pub fn resolve(raw: RawConfig<'_>) -> Result<(Config, Vec<Problem>), Vec<Problem>> {
        let mut problems = Vec::new();
        let named = raw.mute_time_intervals.iter().chain(raw.time_intervals);
        let intervals = interval::resolve_named(named, &mut problems);
        let inhibit = raw.inhibit_rules.iter().map(|rule| inhibit_rule(rule, &mut problems)).collect();
        let names: BTreeSet<&str> = raw.receivers.iter().map(|r| r.name.as_str()).collect();
        let schedules = on_call::resolve(raw.on_call, &names, &intervals, &mut problems);
        let policies = escalation::resolve(raw.escalations, &names, &schedules, &mut problems);
        let nothing = AlertsConfig::default();
        let route = match raw.route {
            Some(route) => {
                let defaults = raw.alerts.unwrap_or(&nothing);
                let mut tree = Tree::new(names, &intervals, &policies, defaults);
                tree.root(route);
                problems.append(&mut tree.problems);
                Route { nodes: tree.nodes }
            }
            None => {
                let remedy = "add a route: with a receiver:";
                problems.push(Problem::error(0, 0, "no route is provided", remedy));
                Route { nodes: Vec::new() }
            }
        };
        if problems.iter().any(|p| p.level == model::Level::Error) {
            return Err(problems);
        }
        let config = Config {
            route,
            inhibit,
            intervals,
            receivers: raw.receivers.to_vec(),
            resolve_timeout: RESOLVE_TIMEOUT,
            external_url: String::new(),
            alerts_max: ALERTS_MAX,
            policies,
            schedules,
            stand_ins: StandIns::default(),
            pack_policies: BTreeMap::new(),
            history: HISTORY,
        };
        Ok((config, problems))
    }

    /// Adds what another file says beside the routes: policies and schedules, and what holds for all routes.
    pub fn extend(
        &mut self,
        escalations: &[EscalationConfig],
        on_call: &[OnCallConfig],
        alerts: Option<&AlertsConfig>,
        problems: &mut Vec<Problem>,
    ) {
        let names: BTreeSet<&str> = self.receivers.iter().map(|r| r.name.as_str()).collect();
        let schedules = on_call::resolve(on_call, &names, &self.intervals, problems);
        self.policies = escalation::resolve(escalations, &names, &schedules, problems);
        self.schedules = schedules;
        if let Some(alerts) = alerts {
            tree::defaults(alerts, &mut self.route.nodes, problems);
        }
    }

    /// The receiver called `name`.
    pub fn receiver(&self, name: &str) -> Option<&ReceiverShape> {
        self.receivers.iter().find(|receiver| receiver.name == name)
    }
}

const DURATION: &str = "write a whole number with a unit, such as 30s, 5m or 1h30m";

fn inhibit_rule(raw: &InhibitRuleConfig, problems: &mut Vec<Problem>) -> InhibitRule {
    for name in raw.equal.iter().flatten().filter(|name| name.value.is_empty()) {
        problems.push(error(name, "an empty label name in equal", "name the labels both sides share"));
    }
    InhibitRule {
        name: raw.name.clone().unwrap_or_default(),
        source: matchers(&raw.source_matchers, &raw.source_match, &raw.source_match_re, problems),
        target: matchers(&raw.target_matchers, &raw.target_match, &raw.target_match_re, problems),
        equal: raw.equal.iter().flatten().map(|name| name.value.clone()).collect(),
    }
}

type Pairs = Option<BTreeMap<String, Option<Spanned<String>>>>;

fn matchers(
    texts: &Option<Vec<Spanned<String>>>,
    equal: &Pairs,
    regex: &Pairs,
    problems: &mut Vec<Problem>,
) -> Vec<Matcher> {
    let mut found = Vec::new();
    for text in texts.iter().flatten() {
        match parse_matchers(&text.value) {
            Ok(parsed) => {
                if parsed.classic_only {
                    let what = format!("matcher {:?} is read in the classic form only", text.value);
                    problems.push(finding(text, what, "put the value in double quotes"));
                }
                found.extend(parsed.matchers);
            }
            Err(why) => {
                let what = match why.column {
                    0 => why.to_string(),
                    column => format!("{why} (at its character {column})"),
                };
                problems.push(error(text, what, "write it as name=\"value\", with = != =~ or !~"));
            }
        }
    }
    for (op, pairs) in [(MatchOp::Equal, equal), (MatchOp::Regex, regex)] {
        for (name, value) in pairs.iter().flatten() {
            let text = value.as_ref().map_or("", |value| value.value.as_str());
            let place = value.as_ref().map_or((0, 0), place);
            let mut bad = |what: String, remedy: &str| {
                problems.push(Problem::error(place.0, place.1, what, remedy));
            };
            if !is_classic_label_name(name) {
                bad(format!("invalid label name {name:?} in match"), "label names are letters, digits and _");
            }
            if op == MatchOp::Regex && value.is_none() {
                bad(
                    format!("the regular expression for {name:?} is missing"),
                    "write one, or '' for an absent label",
                );
            }
            match Matcher::single_line(op, name.clone(), text) {
                Ok(matcher) => found.push(matcher),
                Err(why) => bad(why.to_string(), "expressions are RE2, anchored at both ends"),
            }
        }
    }
    found.sort_by(|a, b| (a.name(), a.value()).cmp(&(b.name(), b.value())));
    found
}

pub(crate) fn place<T>(at: &Spanned<T>) -> (u32, u32) {
    let number = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    (number(at.referenced.line()), number(at.referenced.column()))
}

pub(crate) fn error<T>(at: &Spanned<T>, what: impl Into<String>, remedy: impl Into<String>) -> Problem {
    let (line, column) = place(at);
    Problem::error(line, column, what, remedy)
}

fn finding<T>(at: &Spanned<T>, what: impl Into<String>, remedy: impl Into<String>) -> Problem {
    let (line, column) = place(at);
    Problem::finding(line, column, what, remedy)
}

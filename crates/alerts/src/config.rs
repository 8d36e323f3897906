//! The routing part of `alertmanager.yml` and `tocsin.yml`: raw forms that keep their places, and the checked
//! form the decider works with.
//!
//! Not here: receivers' own settings (they are `notify`'s; only names and integrations come in), files, secrets.

use crate::inhibit::InhibitRule;
use crate::interval::{self, Intervals};
use crate::matchers::parse_matchers;
use crate::route::{GroupBy, Route, RouteNode};
use model::{MatchOp, Matcher, Problem, is_classic_label_name, parse_duration};
use serde::Deserialize;
use serde_saphyr::Spanned;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

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

/// A `route:` as written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteConfig {
    /// Who is told; inherited.
    pub receiver: Option<Spanned<String>>,
    /// What splits groups; `'...'` alone means every label; inherited.
    pub group_by: Option<Vec<Spanned<String>>>,
    /// Conditions in any of the matcher forms.
    pub matchers: Option<Vec<Spanned<String>>>,
    /// Equality conditions, the oldest form.
    #[serde(rename = "match")]
    pub match_equal: Option<BTreeMap<String, Option<Spanned<String>>>>,
    /// Regular expression conditions, the oldest form.
    pub match_re: Option<BTreeMap<String, Option<Spanned<String>>>>,
    /// Whether later siblings are asked as well.
    #[serde(rename = "continue")]
    pub continues: Option<Spanned<bool>>,
    /// Children.
    pub routes: Option<Vec<RouteConfig>>,
    /// Inherited; 30s.
    pub group_wait: Option<Spanned<String>>,
    /// Inherited; 5m.
    pub group_interval: Option<Spanned<String>>,
    /// Inherited; 4h.
    pub repeat_interval: Option<Spanned<String>>,
    /// Names of intervals in which it is muted.
    pub mute_time_intervals: Option<Vec<Spanned<String>>>,
    /// Names of intervals outside of which it is muted.
    pub active_time_intervals: Option<Vec<Spanned<String>>>,
    /// Labels for templates.
    pub labels: Option<BTreeMap<String, String>>,
}

/// An `inhibit_rules:` entry as written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InhibitRuleConfig {
    /// Its name.
    pub name: Option<String>,
    /// Conditions on sources.
    pub source_matchers: Option<Vec<Spanned<String>>>,
    /// Conditions on targets.
    pub target_matchers: Option<Vec<Spanned<String>>>,
    /// Equality conditions on sources, the oldest form.
    pub source_match: Option<BTreeMap<String, Option<Spanned<String>>>>,
    /// Regular expression conditions on sources, the oldest form.
    pub source_match_re: Option<BTreeMap<String, Option<Spanned<String>>>>,
    /// Equality conditions on targets, the oldest form.
    pub target_match: Option<BTreeMap<String, Option<Spanned<String>>>>,
    /// Regular expression conditions on targets, the oldest form.
    pub target_match_re: Option<BTreeMap<String, Option<Spanned<String>>>>,
    /// Labels both must share.
    pub equal: Option<Vec<Spanned<String>>>,
}

/// A `time_intervals:` entry as written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeIntervalConfig {
    /// Its name.
    pub name: Option<Spanned<String>>,
    /// Its parts; inside one is inside.
    pub time_intervals: Option<Vec<TimesConfig>>,
}

/// One part of a time interval as written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimesConfig {
    /// Times of the day.
    pub times: Option<Vec<TimeRangeConfig>>,
    /// `monday` or `monday:friday`.
    pub weekdays: Option<Vec<Spanned<String>>>,
    /// `1:5` or `-3:-1`.
    pub days_of_month: Option<Vec<Spanned<String>>>,
    /// `1:3` or `january:march`.
    pub months: Option<Vec<Spanned<String>>>,
    /// `2026:2028`.
    pub years: Option<Vec<Spanned<String>>>,
    /// A tz database name; UTC.
    pub location: Option<Spanned<String>>,
}

/// Times of the day as written, `HH:MM`, end exclusive.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeRangeConfig {
    /// From.
    pub start_time: Option<Spanned<String>>,
    /// Until, at most `24:00`.
    pub end_time: Option<Spanned<String>>,
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
}

/// What upstream uses where nothing is said.
const GROUP_WAIT: Duration = Duration::from_secs(30);
const GROUP_INTERVAL: Duration = Duration::from_secs(5 * 60);
const REPEAT_INTERVAL: Duration = Duration::from_secs(4 * 60 * 60);
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5 * 60);
const ALERTS_MAX: usize = 100_000;
/// Deeper trees are refused: matching recurses.
const DEPTH_MAX: usize = 64;

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
        }
    }

    /// Checks everything and returns it with the findings, or everything that is wrong.
    pub fn resolve(raw: RawConfig<'_>) -> Result<(Config, Vec<Problem>), Vec<Problem>> {
        let mut problems = Vec::new();
        let named = raw.mute_time_intervals.iter().chain(raw.time_intervals);
        let intervals = interval::resolve_named(named, &mut problems);
        let inhibit = raw.inhibit_rules.iter().map(|rule| inhibit_rule(rule, &mut problems)).collect();
        let route = match raw.route {
            Some(route) => {
                let names = raw.receivers.iter().map(|r| r.name.as_str()).collect();
                let mut tree = Tree { receivers: names, intervals: &intervals, nodes: Vec::new(), problems };
                tree.root(route);
                problems = tree.problems;
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
        };
        Ok((config, problems))
    }

    /// The receiver called `name`.
    pub fn receiver(&self, name: &str) -> Option<&ReceiverShape> {
        self.receivers.iter().find(|receiver| receiver.name == name)
    }
}

struct Tree<'a> {
    receivers: BTreeSet<&'a str>,
    intervals: &'a Intervals,
    nodes: Vec<RouteNode>,
    problems: Vec<Problem>,
}

impl Tree<'_> {
    fn root(&mut self, raw: &RouteConfig) {
        let top = Route::to("", GROUP_WAIT, GROUP_INTERVAL, REPEAT_INTERVAL).nodes.remove(0);
        let top = RouteNode { group_by: GroupBy::Labels(Vec::new()), ..top };
        let place = first_place(raw);
        if raw.receiver.as_ref().is_none_or(|receiver| receiver.value.is_empty()) {
            let what = "the root route names no receiver";
            self.problems.push(Problem::error(
                place.0,
                place.1,
                what,
                "add receiver: with a receiver's name",
            ));
        }
        let first = |list: &Option<Vec<Spanned<String>>>| list.iter().flatten().next().map(self::place);
        let pair = |map: &Pairs| {
            let value = map.as_ref().and_then(|map| map.values().next())?;
            Some(value.as_ref().map_or(place, self::place))
        };
        let matchers =
            first(&raw.matchers).or_else(|| pair(&raw.match_equal)).or_else(|| pair(&raw.match_re));
        for (at, what) in [
            (matchers, "any matchers"),
            (raw.continues.as_ref().filter(|c| c.value).map(self::place), "continue"),
            (first(&raw.mute_time_intervals), "mute_time_intervals"),
            (first(&raw.active_time_intervals), "active_time_intervals"),
        ] {
            if let Some((line, column)) = at {
                let what = format!("the root route must not have {what}");
                self.problems.push(Problem::error(line, column, what, "move it to a child under routes:"));
            }
        }
        self.add(raw, &top, "{}".to_owned(), 0);
    }

    fn add(&mut self, raw: &RouteConfig, parent: &RouteNode, key: String, depth: usize) -> usize {
        let node = RouteNode {
            receiver: self.receiver(raw, parent),
            group_by: self.group_by(raw).unwrap_or_else(|| parent.group_by.clone()),
            matchers: route_matchers(raw, &mut self.problems),
            continues: raw.continues.as_ref().is_some_and(|c| c.value),
            group_wait: self.wait(&raw.group_wait, parent.group_wait, None),
            group_interval: self.wait(&raw.group_interval, parent.group_interval, Some("group_interval")),
            repeat_interval: self.wait(&raw.repeat_interval, parent.repeat_interval, Some("repeat_interval")),
            mute: self.interval_names(&raw.mute_time_intervals),
            active: self.interval_names(&raw.active_time_intervals),
            labels: self.labels(raw, parent),
            children: Vec::new(),
            key,
        };
        let at = self.nodes.len();
        self.nodes.push(node.clone());
        if depth >= DEPTH_MAX {
            let what = format!("routes are nested more than {DEPTH_MAX} deep");
            self.problems.push(Problem::error(
                first_place(raw).0,
                first_place(raw).1,
                what,
                "flatten the tree",
            ));
            return at;
        }
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for child in raw.routes.iter().flatten() {
            // Problems of a child's matchers are reported by its own `add`.
            let part = format!("{}/{}", node.key, matchers_text(&route_matchers(child, &mut Vec::new())));
            let nth = seen.entry(part.clone()).or_insert(0);
            *nth += 1;
            let key = if *nth == 1 { part } else { format!("{part}#{nth}") };
            let child = self.add(child, &node, key, depth + 1);
            self.nodes[at].children.push(child);
        }
        at
    }

    fn receiver(&mut self, raw: &RouteConfig, parent: &RouteNode) -> String {
        let Some(name) = raw.receiver.as_ref().filter(|name| !name.value.is_empty()) else {
            return parent.receiver.clone();
        };
        if !self.receivers.contains(name.value.as_str()) {
            let known: Vec<&str> = self.receivers.iter().copied().collect();
            let remedy = format!("define it under receivers:, or use one of: {}", known.join(", "));
            let what = format!("undefined receiver {:?} used in route", name.value);
            self.problems.push(error(name, what, remedy));
        }
        name.value.clone()
    }

    fn group_by(&mut self, raw: &RouteConfig) -> Option<GroupBy> {
        let names = raw.group_by.as_ref()?;
        let all = names.iter().find(|name| name.value == "...");
        if let (Some(all), true) = (all, names.len() > 1) {
            let what = "group_by has '...' beside other labels";
            self.problems.push(error(all, what, "use '...' alone, or name the labels"));
        }
        if all.is_some() {
            return Some(GroupBy::All);
        }
        let mut sorted = BTreeSet::new();
        for name in names {
            if !is_classic_label_name(&name.value) {
                let what = format!("invalid label name {:?} in group_by", name.value);
                self.problems.push(error(name, what, "label names are letters, digits and _"));
            }
            if !sorted.insert(name.value.clone()) {
                let what = format!("duplicated label {:?} in group_by", name.value);
                self.problems.push(error(name, what, "name it once"));
            }
        }
        Some(GroupBy::Labels(sorted.into_iter().collect()))
    }

    fn wait(
        &mut self,
        raw: &Option<Spanned<String>>,
        inherited: Duration,
        not_zero: Option<&str>,
    ) -> Duration {
        let Some(text) = raw else { return inherited };
        match parse_duration(&text.value) {
            Ok(Duration::ZERO) if not_zero.is_some() => {
                let what = format!("{} cannot be zero", not_zero.unwrap_or_default());
                self.problems.push(error(text, what, "write a duration such as 5m"));
                inherited
            }
            Ok(duration) => duration,
            Err(why) => {
                self.problems.push(error(
                    text,
                    format!("{:?} is not a duration: {}", why.text, why.why),
                    DURATION,
                ));
                inherited
            }
        }
    }

    fn interval_names(&mut self, raw: &Option<Vec<Spanned<String>>>) -> Vec<String> {
        let names = raw.iter().flatten();
        names
            .map(|name| {
                if !self.intervals.contains_key(&name.value) {
                    let known: Vec<&str> = self.intervals.keys().map(String::as_str).collect();
                    let remedy = if known.is_empty() {
                        "define it under time_intervals:".to_owned()
                    } else {
                        format!("define it under time_intervals:, or use one of: {}", known.join(", "))
                    };
                    let what = format!("undefined time interval {:?} used in route", name.value);
                    self.problems.push(error(name, what, remedy));
                }
                name.value.clone()
            })
            .collect()
    }

    fn labels(&mut self, raw: &RouteConfig, parent: &RouteNode) -> BTreeMap<String, String> {
        let mut labels = parent.labels.clone();
        for (name, value) in raw.labels.iter().flatten() {
            if !is_classic_label_name(name) {
                let (line, column) = first_place(raw);
                let what = format!("invalid label name {name:?} in a route's labels");
                self.problems.push(Problem::error(
                    line,
                    column,
                    what,
                    "label names are letters, digits and _",
                ));
            }
            labels.insert(name.clone(), value.clone());
        }
        labels
    }
}

const DURATION: &str = "write a whole number with a unit, such as 30s, 5m or 1h30m";

fn route_matchers(raw: &RouteConfig, problems: &mut Vec<Problem>) -> Vec<Matcher> {
    matchers(&raw.matchers, &raw.match_equal, &raw.match_re, problems)
}

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

/// `{a="b",c=~"d"}`, as Alertmanager writes the parts of its keys.
fn matchers_text(matchers: &[Matcher]) -> String {
    let texts: Vec<String> = matchers.iter().map(Matcher::to_string).collect();
    format!("{{{}}}", texts.join(","))
}

/// A place near the top of a route, for problems of what is missing.
fn first_place(raw: &RouteConfig) -> (u32, u32) {
    let lists = [&raw.matchers, &raw.group_by, &raw.mute_time_intervals, &raw.active_time_intervals];
    let texts = [&raw.receiver, &raw.group_wait, &raw.group_interval, &raw.repeat_interval];
    let lists = lists.into_iter().flatten().flatten();
    lists
        .chain(texts.into_iter().flatten())
        .map(place)
        .chain(raw.continues.as_ref().map(place))
        .min()
        .unwrap_or((0, 0))
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

//! From a written tree of routes to checked nodes, each with everything it inherits filled in.

use super::{
    AlertsConfig, DURATION, GROUP_INTERVAL, GROUP_WAIT, Pairs, REPEAT_INTERVAL, RouteConfig, error, matchers,
    place,
};
use crate::escalate::Policies;
use crate::interval::Intervals;
use crate::route::{GroupBy, Resolve, Route, RouteNode};
use model::{Matcher, Problem, is_classic_label_name, parse_duration};
use serde_saphyr::Spanned;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Deeper trees are refused: matching recurses.
const DEPTH_MAX: usize = 64;

/// The nodes found so far, and what was wrong with them.
pub(super) struct Tree<'a> {
    receivers: BTreeSet<&'a str>,
    intervals: &'a Intervals,
    policies: &'a Policies,
    defaults: &'a AlertsConfig,
    pub(super) nodes: Vec<RouteNode>,
    pub(super) problems: Vec<Problem>,
}

impl<'a> Tree<'a> {
    pub(super) fn new(
        receivers: BTreeSet<&'a str>,
        intervals: &'a Intervals,
        policies: &'a Policies,
        defaults: &'a AlertsConfig,
    ) -> Tree<'a> {
        Tree { receivers, intervals, policies, defaults, nodes: Vec::new(), problems: Vec::new() }
    }

    /// Adds the whole tree.
    pub(super) fn root(&mut self, raw: &RouteConfig) {
        let top = Route::to("", GROUP_WAIT, GROUP_INTERVAL, REPEAT_INTERVAL).nodes.remove(0);
        let resolve = resolve(&self.defaults.resolve, Resolve::AtOnce, &mut self.problems);
        let top = RouteNode { group_by: GroupBy::Labels(Vec::new()), resolve, ..top };
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
        let group_interval = self.wait(&raw.group_interval, parent.group_interval, Some("group_interval"));
        let node = RouteNode {
            receiver: self.receiver(raw, parent),
            group_by: self.group_by(raw).unwrap_or_else(|| parent.group_by.clone()),
            matchers: route_matchers(raw, &mut self.problems),
            continues: raw.continues.as_ref().is_some_and(|c| c.value),
            group_wait: self.wait(&raw.group_wait, parent.group_wait, None),
            group_interval,
            repeat_interval: self.wait(&raw.repeat_interval, parent.repeat_interval, Some("repeat_interval")),
            mute: self.interval_names(&raw.mute_time_intervals),
            active: self.interval_names(&raw.active_time_intervals),
            damping: self.damping(raw, parent, depth, group_interval),
            resolve: resolve(&raw.resolve, parent.resolve, &mut self.problems),
            escalation: self.escalation(raw, parent),
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
        wait(raw, inherited, not_zero, &mut self.problems)
    }

    /// What a route says, else what its nearest ancestor says, else what `alerts:` says, else the group interval.
    fn damping(
        &mut self,
        raw: &RouteConfig,
        parent: &RouteNode,
        depth: usize,
        group_interval: Duration,
    ) -> Duration {
        let default = self.defaults.damping.as_ref();
        let inherited = match (depth, default) {
            (0, Some(_)) => self.wait(&self.defaults.damping, group_interval, None),
            (0, None) => group_interval,
            // An ancestor that says nothing has its own group interval for it.
            (_, None) if parent.damping == parent.group_interval => group_interval,
            _ => parent.damping,
        };
        self.wait(&raw.damping, inherited, None)
    }

    fn escalation(&mut self, raw: &RouteConfig, parent: &RouteNode) -> Option<String> {
        let Some(name) = &raw.escalation else { return parent.escalation.clone() };
        // A name that no policy has: not that of a pack either.
        if name.value != "none" && !self.policies.contains_key(&name.value) {
            let known: Vec<&str> = self.policies.keys().map(String::as_str).collect();
            let what = format!("undefined escalation {:?} used in route", name.value);
            let remedy = format!("define it under escalations:, or use one of: none, {}", known.join(", "));
            self.problems.push(error(name, what, remedy));
        }
        Some(name.value.clone())
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

fn route_matchers(raw: &RouteConfig, problems: &mut Vec<Problem>) -> Vec<Matcher> {
    matchers(&raw.matchers, &raw.match_equal, &raw.match_re, problems)
}

/// `{a="b",c=~"d"}`, as Alertmanager writes the parts of its keys.
fn matchers_text(matchers: &[Matcher]) -> String {
    let texts: Vec<String> = matchers.iter().map(Matcher::to_string).collect();
    format!("{{{}}}", texts.join(","))
}

fn wait(
    raw: &Option<Spanned<String>>,
    inherited: Duration,
    not_zero: Option<&str>,
    problems: &mut Vec<Problem>,
) -> Duration {
    let Some(text) = raw else { return inherited };
    match parse_duration(&text.value) {
        Ok(Duration::ZERO) if not_zero.is_some() => {
            let what = format!("{} cannot be zero", not_zero.unwrap_or_default());
            problems.push(error(text, what, "write a duration such as 5m"));
            inherited
        }
        Ok(duration) => duration,
        Err(why) => {
            problems.push(error(text, format!("{:?} is not a duration: {}", why.text, why.why), DURATION));
            inherited
        }
    }
}

fn resolve(raw: &Option<Spanned<String>>, inherited: Resolve, problems: &mut Vec<Problem>) -> Resolve {
    let Some(text) = raw else { return inherited };
    match text.value.as_str() {
        "at_once" => Resolve::AtOnce,
        "group_interval" => Resolve::GroupInterval,
        other => {
            let what = format!("unknown value {other:?} for resolve");
            problems.push(error(text, what, "write at_once or group_interval"));
            inherited
        }
    }
}

/// Lays what holds for routes that say nothing over routes that could not say anything.
pub(super) fn defaults(alerts: &AlertsConfig, nodes: &mut [RouteNode], problems: &mut Vec<Problem>) {
    let resolve = resolve(&alerts.resolve, Resolve::AtOnce, problems);
    let damping = alerts.damping.as_ref().map(|_| wait(&alerts.damping, Duration::ZERO, None, problems));
    for node in nodes {
        node.resolve = resolve;
        node.damping = damping.unwrap_or(node.damping);
    }
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

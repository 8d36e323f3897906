//! From one set of groups to another, losing no alert and no phase that both have.

use super::{Decided, Group, GroupId, Rule, RuleId, Rules, Settings, alerting};
use crate::row::ActiveRow;
use crate::spec::GroupSpec;
use crate::view::Health;
use crate::wake::Wake;
use model::{Labels, Timestamp};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

impl Rules {
    /// The groups, with the alerts of an earlier life. What is decided at once concerns restored alerts whose
    /// rule is gone: they end.
    pub fn new(
        groups: Vec<GroupSpec>,
        settings: Settings,
        restored: Vec<ActiveRow>,
        now: Timestamp,
    ) -> (Rules, Decided) {
        let mut rules = Rules {
            settings,
            groups: Vec::new(),
            wake: Wake::default(),
            next_group: 0,
            evaluations: 0,
            failures: 0,
        };
        let mut old = Old::default();
        for row in restored {
            old.active.entry(row.rule.clone()).or_default().push(row);
        }
        let decided = rules.replace(groups, old, now);
        (rules, decided)
    }

    /// Replaces the groups and the settings. A group of the same file, name and interval keeps its phase, a rule
    /// of the same name its alerts and its recorded series. Alerts of rules that are gone end at once, and their
    /// series are marked stale.
    pub fn reload(&mut self, groups: Vec<GroupSpec>, settings: Settings, now: Timestamp) -> Decided {
        self.settings = settings;
        let mut old = Old::default();
        for group in std::mem::take(&mut self.groups) {
            let rules = group.rules.iter().map(|rule| (rule.key.clone(), rule.query.clone())).collect();
            old.groups.insert(
                group.key,
                OldGroup {
                    id: group.id,
                    rules,
                    interval: group.interval,
                    next: group.next,
                    last: group.last,
                    missed: group.missed,
                },
            );
            for rule in group.rules {
                old.rules.insert(rule.key.clone(), rule);
            }
        }
        self.replace(groups, old, now)
    }

    fn replace(&mut self, specs: Vec<GroupSpec>, mut old: Old, now: Timestamp) -> Decided {
        self.wake = Wake::default();
        for spec in specs {
            let group = self.build(spec, &mut old, now);
            self.groups.push(group);
        }
        for group in &self.groups {
            let arrival = self.settings.on_arrival
                && group.query_offset.unwrap_or(self.settings.default_query_offset).is_zero();
            for (at, rule) in
                group.rules.iter().enumerate().filter(|(_, rule)| arrival && rule.spec.is_alerting())
            {
                let id = RuleId { group: group.id, at: at as u32 };
                for selector in rule.spec.expr.selectors() {
                    self.wake.watch(id, &selector.matchers);
                }
            }
        }
        old.end(&self.settings, now)
    }

    fn build(&mut self, spec: GroupSpec, old: &mut Old, now: Timestamp) -> Group {
        let (key, rule_keys) = (spec.key(), spec.rule_keys());
        let interval = spec.interval.unwrap_or(self.settings.default_interval).max(Duration::from_millis(1));
        let rules: Vec<Rule> = spec
            .rules
            .into_iter()
            .zip(rule_keys)
            .map(|(rule, key)| {
                let query = rule.expr.to_string();
                let before = old.rules.remove(&key);
                let restored = old.active.remove(&key).unwrap_or_default();
                // Long enough for every target to be scraped once more.
                let settled_at = if restored.is_empty() { now } else { now.plus(interval * 2) };
                let fresh = Rule {
                    key,
                    query,
                    active: restored.into_iter().map(|row| (row.labels.clone(), row)).collect(),
                    recorded: BTreeSet::new(),
                    settled_at,
                    health: Health::Unknown,
                    last_error: String::new(),
                    took: Duration::ZERO,
                    last: None,
                    spec: rule,
                };
                match before {
                    Some(before) => Rule { key: fresh.key, query: fresh.query, spec: fresh.spec, ..before },
                    None => fresh,
                }
            })
            .collect();
        let before = old.groups.remove(&key);
        let same_rules = |before: &OldGroup| {
            before
                .rules
                .iter()
                .map(|(key, query)| (key, query))
                .eq(rules.iter().map(|rule| (&rule.key, &rule.query)))
        };
        let id = match before.as_ref().filter(|before| same_rules(before)) {
            Some(before) => before.id,
            None => {
                self.next_group += 1;
                GroupId(self.next_group)
            }
        };
        let in_phase = before.as_ref().filter(|before| before.interval == interval);
        Group {
            id,
            next: in_phase
                .map_or_else(|| first_tick(&spec.file, &spec.name, interval, now), |before| before.next),
            last: before.as_ref().and_then(|before| before.last),
            missed: before.as_ref().map_or(0, |before| before.missed),
            key,
            file: spec.file,
            name: spec.name,
            query_offset: spec.query_offset,
            interval,
            limit: spec.limit,
            rules,
        }
    }
}

/// What there was before.
#[derive(Default)]
struct Old {
    groups: HashMap<String, OldGroup>,
    rules: BTreeMap<String, Rule>,
    /// Restored alerts, by rule.
    active: BTreeMap<String, Vec<ActiveRow>>,
}

struct OldGroup {
    id: GroupId,
    rules: Vec<(String, String)>,
    interval: Duration,
    next: Timestamp,
    last: Option<Timestamp>,
    missed: u64,
}

impl Old {
    /// Ends what no new rule took over.
    fn end(self, settings: &Settings, now: Timestamp) -> Decided {
        let mut decided = Decided::default();
        let call = alerting::Call { settings, at: now, now, trigger: super::Trigger::Tick, limit: 0 };
        for row in self.active.values().flatten() {
            alerting::end(row, "", &call, &mut decided);
        }
        for rule in self.rules.into_values() {
            for row in rule.active.values() {
                alerting::end(row, &rule.query, &call, &mut decided);
            }
            decided.samples.extend(super::stale(&rule.recorded, &BTreeSet::new()));
        }
        decided
    }
}

/// The first tick after `now` of a group: every group of an interval has its own place in it, the same after
/// each start, so that groups spread over the interval.
fn first_tick(file: &str, name: &str, interval: Duration, now: Timestamp) -> Timestamp {
    let interval = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX);
    let hash = Labels::from_pairs([("file", file), ("name", name)]).fingerprint();
    let offset = i64::try_from(hash % interval.unsigned_abs()).unwrap_or(0);
    let last = now
        .as_millis()
        .saturating_sub(offset)
        .div_euclid(interval)
        .saturating_mul(interval)
        .saturating_add(offset);
    Timestamp::from_millis(last.saturating_add(interval))
}

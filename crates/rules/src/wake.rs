//! Which alerting rules read which series: filled when a series is born, asked when samples arrive.
//!
//! Not a cache of results: a rule that is missing here is merely evaluated at its next tick. That is also what
//! happens at the bound, [`ENTRIES_MAX`].

use crate::rules::RuleId;
use model::{Labels, METRIC_NAME, MatchOp, Matcher, SeriesId, Timestamp};
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

/// A rule is woken by arrivals at most this often.
pub(crate) const SPACING: Duration = Duration::from_millis(50);

/// Series beyond this many wake no rule.
const ENTRIES_MAX: usize = 2_000_000;

#[derive(Default)]
pub(crate) struct Wake {
    /// Selectors whose metric name is fixed, by that name.
    by_name: HashMap<String, Vec<(RuleId, Vec<Matcher>)>>,
    /// All others.
    rest: Vec<(RuleId, Vec<Matcher>)>,
    readers: HashMap<SeriesId, Vec<RuleId>>,
    /// When each rule was last woken.
    last: HashMap<RuleId, Timestamp>,
    /// Woken too soon after the last time: their turn comes from `due`.
    deferred: BTreeSet<(Timestamp, RuleId)>,
}

impl Wake {
    /// Adds one selector of a rule.
    pub(crate) fn watch(&mut self, rule: RuleId, matchers: &[Matcher]) {
        let entry = (rule, matchers.to_vec());
        let fixed = |m: &&Matcher| m.name() == METRIC_NAME && m.op() == MatchOp::Equal;
        match matchers.iter().find(fixed) {
            Some(name) => self.by_name.entry(name.value().to_owned()).or_default().push(entry),
            None => self.rest.push(entry),
        }
    }

    /// Notes a new series.
    pub(crate) fn born(&mut self, id: SeriesId, labels: &Labels) {
        let named = self.by_name.get(labels.name()).map_or(&[][..], Vec::as_slice);
        let mut readers: Vec<RuleId> = named
            .iter()
            .chain(&self.rest)
            .filter(|(_, matchers)| matchers.iter().all(|matcher| matcher.matches_labels(labels)))
            .map(|(rule, _)| *rule)
            .collect();
        readers.sort_unstable();
        readers.dedup();
        if !readers.is_empty() && self.readers.len() < ENTRIES_MAX {
            self.readers.insert(id, readers);
        }
    }

    /// Forgets series that the store dropped.
    pub(crate) fn forget(&mut self, gone: &[SeriesId]) {
        for id in gone {
            self.readers.remove(id);
        }
    }

    /// The rules to evaluate now; those woken less than [`SPACING`] ago are deferred.
    pub(crate) fn woken(&mut self, touched: &[SeriesId], now: Timestamp) -> Vec<RuleId> {
        let mut rules: BTreeSet<RuleId> = BTreeSet::new();
        for id in touched {
            rules.extend(self.readers.get(id).into_iter().flatten());
        }
        rules.into_iter().filter(|rule| self.take_turn(*rule, now)).collect()
    }

    fn take_turn(&mut self, rule: RuleId, now: Timestamp) -> bool {
        let next = self.last.get(&rule).map_or(now, |last| last.plus(SPACING));
        if next > now {
            self.deferred.insert((next, rule));
            return false;
        }
        self.last.insert(rule, now);
        true
    }

    /// Deferred rules whose turn has come.
    pub(crate) fn due(&mut self, now: Timestamp) -> Vec<RuleId> {
        let mut rules = Vec::new();
        while let Some((at, rule)) = self.deferred.first().copied()
            && at <= now
        {
            self.deferred.pop_first();
            self.last.insert(rule, now);
            rules.push(rule);
        }
        rules
    }

    /// When the next deferred rule is due.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.deferred.first().map(|(at, _)| *at)
    }
}

//! Inhibition: a firing source keeps quiet about targets that share its `equal` labels.
//!
//! Invariants: an alert that is both source and target of a rule is never inhibited by another such alert (so
//! none inhibits itself); a label that is absent equals one that is empty.

use crate::lookup::Lookup;
use hashbrown::HashMap;
use model::{Labels, Matcher};
use std::collections::BTreeSet;

/// One checked rule.
#[derive(Debug, Clone, PartialEq)]
pub struct InhibitRule {
    /// Its name, empty if it has none.
    pub name: String,
    /// What a source must match.
    pub source: Vec<Matcher>,
    /// What a target must match.
    pub target: Vec<Matcher>,
    /// The labels both must share.
    pub equal: Vec<String>,
}

impl InhibitRule {
    fn is_source(&self, labels: &Labels) -> bool {
        self.source.iter().all(|m| m.matches_labels(labels))
    }

    fn is_target(&self, labels: &Labels) -> bool {
        self.target.iter().all(|m| m.matches_labels(labels))
    }

    fn key(&self, labels: &Labels) -> Vec<String> {
        self.equal.iter().map(|name| labels.get(name).unwrap_or("").to_owned()).collect()
    }
}

/// The alerts that are sources of some rule, by what a target must share.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    rules: Vec<InhibitRule>,
    /// Places of rules, by what a source must match.
    sources: Lookup<usize>,
    /// The same by what a target must match.
    targets: Lookup<usize>,
    /// For each rule, in their order.
    known: Vec<HashMap<Vec<String>, BTreeSet<Labels>>>,
}

impl Sources {
    pub(crate) fn new(rules: Vec<InhibitRule>) -> Sources {
        let known = rules.iter().map(|_| HashMap::new()).collect();
        let (mut sources, mut targets) = (Lookup::default(), Lookup::default());
        for (place, rule) in rules.iter().enumerate() {
            sources.insert(place, &rule.source);
            targets.insert(place, &rule.target);
        }
        Sources { rules, sources, targets, known }
    }

    pub(crate) fn add(&mut self, labels: &Labels) {
        for place in self.sources.candidates(labels) {
            let rule = &self.rules[*place];
            if rule.is_source(labels) {
                self.known[*place].entry(rule.key(labels)).or_default().insert(labels.clone());
            }
        }
    }

    pub(crate) fn remove(&mut self, labels: &Labels) {
        for place in self.sources.candidates(labels) {
            let (known, key) = (&mut self.known[*place], self.rules[*place].key(labels));
            let Some(set) = known.get_mut(&key) else { continue };
            if set.remove(labels) && set.is_empty() {
                known.remove(&key);
            }
        }
    }

    /// One inhibitor per rule that applies: the first that `firing` accepts.
    pub(crate) fn inhibitors(&self, target: &Labels, firing: impl Fn(&Labels) -> bool) -> Vec<Labels> {
        let mut places: Vec<usize> = self.targets.candidates(target).copied().collect();
        places.sort_unstable();
        let mut found: Vec<Labels> = Vec::new();
        for (rule, known) in places.into_iter().map(|place| (&self.rules[place], &self.known[place])) {
            if known.is_empty() || !rule.is_target(target) {
                continue;
            }
            let two_sided = rule.is_source(target);
            let Some(sources) = known.get(&rule.key(target)) else { continue };
            let source = sources.iter().find(|s| firing(s) && !(two_sided && rule.is_target(s)));
            if let Some(source) = source.filter(|source| !found.contains(source)) {
                found.push(source.clone());
            }
        }
        found
    }
}

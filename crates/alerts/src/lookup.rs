//! Finds among many lists of matchers those that may accept a set of labels, without trying them all.
//!
//! A list with a matcher `name="value"` accepts only labels that have this pair, so it is filed under the pair; what
//! is left (regular expressions, negations, `name=""`) is tried for everybody. Invariant: whatever accepts the labels
//! is among [`Lookup::candidates`].

use hashbrown::HashMap;
use model::{Labels, MatchOp, Matcher};

/// By a text, as bytes.
type ByText<V> = HashMap<Box<[u8]>, V>;

/// Keys of lists of matchers.
#[derive(Debug, Clone)]
pub(crate) struct Lookup<K> {
    /// By name and value of one pair that is needed.
    by_pair: ByText<ByText<Vec<K>>>,
    rest: Vec<K>,
}

impl<K> Default for Lookup<K> {
    fn default() -> Lookup<K> {
        Lookup { by_pair: HashMap::new(), rest: Vec::new() }
    }
}

impl<K: Clone + PartialEq> Lookup<K> {
    /// Files `key` under `matchers`; at most once for each.
    pub(crate) fn insert(&mut self, key: K, matchers: &[Matcher]) {
        match needed_pair(matchers) {
            Some((name, value)) => {
                let values = self.by_pair.entry(name.as_bytes().into()).or_default();
                values.entry(value.as_bytes().into()).or_default().push(key);
            }
            None => self.rest.push(key),
        }
    }

    /// Takes back what was filed with the same arguments.
    pub(crate) fn remove(&mut self, key: &K, matchers: &[Matcher]) {
        let Some((name, value)) = needed_pair(matchers) else {
            return self.rest.retain(|one| one != key);
        };
        let Some(values) = self.by_pair.get_mut(name.as_bytes()) else { return };
        if let Some(keys) = values.get_mut(value.as_bytes()) {
            keys.retain(|one| one != key);
            if keys.is_empty() {
                values.remove(value.as_bytes());
            }
        }
        if values.is_empty() {
            self.by_pair.remove(name.as_bytes());
        }
    }

    /// The keys of all lists that may accept `labels`, in no order, none twice.
    pub(crate) fn candidates<'a>(&'a self, labels: &'a Labels) -> impl Iterator<Item = &'a K> {
        let found = |(name, value): (&[u8], &[u8])| self.by_pair.get(name)?.get(value);
        labels.raw().filter_map(found).flatten().chain(&self.rest)
    }
}

/// The rarest pair cannot be known; the last one is as good as any, and people write the name of the alert first, which
/// many lists share.
fn needed_pair(matchers: &[Matcher]) -> Option<(&str, &str)> {
    let needed = |matcher: &&Matcher| matcher.op() == MatchOp::Equal && !matcher.value().is_empty();
    matchers.iter().rev().find(needed).map(|matcher| (matcher.name(), matcher.value()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matcher(op: MatchOp, name: &str, value: &str) -> Matcher {
        Matcher::single_line(op, name, value).unwrap()
    }

    #[test]
    fn whoever_accepts_is_a_candidate() {
        let ops = [MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex];
        let texts = ["", "a", "b"];
        let mut lists = Vec::new();
        for first in ops.iter().flat_map(|op| texts.map(|text| matcher(*op, "x", text))) {
            for second in ops.iter().flat_map(|op| texts.map(|text| matcher(*op, "y", text))) {
                lists.push(vec![first.clone(), second]);
            }
        }
        let mut lookup = Lookup::default();
        for (nth, list) in lists.iter().enumerate() {
            lookup.insert(nth, list);
        }
        for (x, y) in texts.iter().flat_map(|x| texts.map(|y| (*x, y))) {
            let labels = Labels::from_pairs([("x", x), ("y", y), ("z", "c")]);
            let found: Vec<usize> = lookup.candidates(&labels).copied().collect();
            for (nth, list) in lists.iter().enumerate() {
                let accepts = list.iter().all(|matcher| matcher.matches_labels(&labels));
                let times = found.iter().filter(|one| **one == nth).count();
                assert!(times <= 1 && (times == 1 || !accepts), "{list:?} and {labels}: found {times} times");
            }
        }
    }

    #[test]
    fn what_is_taken_back_is_gone() {
        let (plain, other) = ([matcher(MatchOp::Equal, "x", "a")], [matcher(MatchOp::Regex, "x", "a.*")]);
        let mut lookup = Lookup::default();
        for (key, list) in [(1, &plain), (2, &plain), (3, &other)] {
            lookup.insert(key, list);
        }
        lookup.remove(&1, &plain);
        lookup.remove(&3, &other);
        let labels = Labels::from_pairs([("x", "a")]);
        assert_eq!(lookup.candidates(&labels).copied().collect::<Vec<_>>(), [2]);
        lookup.remove(&2, &plain);
        assert!(lookup.by_pair.is_empty() && lookup.rest.is_empty());
    }
}

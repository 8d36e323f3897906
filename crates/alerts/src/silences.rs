//! The silences that are kept, and which of them an alert may fall under.

use crate::lookup::Lookup;
use crate::silence::Silence;
use model::{Labels, Timestamp};
use std::collections::BTreeMap;

/// All silences, by id.
#[derive(Debug, Default)]
pub(crate) struct Silences {
    by_id: BTreeMap<String, Silence>,
    lookup: Lookup<String>,
}

impl Silences {
    /// Keeps a silence, in place of the one with its id.
    pub(crate) fn put(&mut self, silence: Silence) {
        self.forget(&silence.id);
        self.lookup.insert(silence.id.clone(), &silence.matchers);
        self.by_id.insert(silence.id.clone(), silence);
    }

    pub(crate) fn forget(&mut self, id: &str) {
        if let Some(silence) = self.by_id.remove(id) {
            self.lookup.remove(&silence.id, &silence.matchers);
        }
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Silence> {
        self.by_id.get(id)
    }

    /// To change anything of it but what it matches.
    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Silence> {
        self.by_id.get_mut(id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Silence> {
        self.by_id.values()
    }

    /// As [`Silences::get_mut`], each.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Silence> {
        self.by_id.values_mut()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Those that act at `now` on alerts with `labels`, by id.
    pub(crate) fn acting_on(&self, labels: &Labels, now: Timestamp) -> Vec<&Silence> {
        let found = self.lookup.candidates(labels).filter_map(|id| self.by_id.get(id));
        let mut found: Vec<&Silence> =
            found.filter(|silence| silence.acts(now) && silence.matches(labels)).collect();
        found.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        found
    }
}

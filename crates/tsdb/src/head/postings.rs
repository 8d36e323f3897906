//! The head's index: which series carry a label pair.

use crate::error::Error;
use crate::stats::{Census, Largest};
use crate::terms::Terms;
use hashbrown::HashMap;
use model::{Labels, METRIC_NAME};
use roaring::RoaringBitmap;

/// Above this many series a list becomes a bitmap.
const FEW_MAX: usize = 32;

/// (name, value) to series, for the series of the head.
#[derive(Default)]
pub(crate) struct Postings {
    names: HashMap<Box<str>, HashMap<Box<str>, List>>,
    all: RoaringBitmap,
}

/// Most pairs have few series and some have all of them.
enum List {
    /// Sorted.
    Few(Vec<u32>),
    Many(RoaringBitmap),
}

impl Postings {
    pub(crate) fn add(&mut self, slot: u32, labels: &Labels) {
        self.all.insert(slot);
        for (name, value) in labels.iter() {
            let values = match self.names.get_mut(name) {
                Some(values) => values,
                None => self.names.entry(name.into()).or_default(),
            };
            match values.get_mut(value) {
                Some(list) => list.insert(slot),
                None => {
                    values.insert(value.into(), List::Few(vec![slot]));
                }
            }
        }
    }

    pub(crate) fn remove(&mut self, slot: u32, labels: &Labels) {
        self.all.remove(slot);
        for (name, value) in labels.iter() {
            let Some(values) = self.names.get_mut(name) else { continue };
            if values.get_mut(value).is_some_and(|list| list.remove(slot)) {
                values.remove(value);
            }
            if values.is_empty() {
                self.names.remove(name);
            }
        }
    }

    /// All label names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(|name| &**name)
    }

    /// The largest entries of each list, at most `most`.
    pub(crate) fn census(&self, most: usize) -> Census {
        let (mut metrics, mut labels) = (Largest::new(most), Largest::new(most));
        let (mut bytes, mut pairs) = (Largest::new(most), Largest::new(most));
        for (name, values) in &self.names {
            labels.add(values.len() as u64, name);
            bytes.add(values.keys().map(|value| value.len() as u64).sum(), name);
            for (value, list) in values {
                pairs.add(list.len(), (name, value));
                if &**name == METRIC_NAME {
                    metrics.add(list.len(), value);
                }
            }
        }
        Census {
            pairs: self.names.values().map(|values| values.len() as u64).sum(),
            series_by_metric: metrics.list(|name| name.to_string()),
            values_by_label: labels.list(|name| name.to_string()),
            bytes_by_label: bytes.list(|name| name.to_string()),
            series_by_pair: pairs.list(|(name, value)| format!("{name}={value}")),
        }
    }

    /// All values of a label.
    pub(crate) fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.names.get(name).into_iter().flat_map(|values| values.keys().map(|value| &**value))
    }
}

impl Terms for Postings {
    fn all(&self) -> RoaringBitmap {
        self.all.clone()
    }

    fn equal(&self, name: &str, value: &str, into: &mut RoaringBitmap) -> Result<(), Error> {
        if let Some(list) = self.names.get(name).and_then(|values| values.get(value)) {
            list.add_to(into);
        }
        Ok(())
    }

    fn union(&self, name: &str, want: &dyn Fn(&str) -> bool, into: &mut RoaringBitmap) -> Result<(), Error> {
        for (_, list) in self.names.get(name).into_iter().flatten().filter(|(value, _)| want(value)) {
            list.add_to(into);
        }
        Ok(())
    }
}

impl List {
    fn insert(&mut self, slot: u32) {
        match self {
            List::Few(slots) => {
                if let Err(at) = slots.binary_search(&slot) {
                    slots.insert(at, slot);
                }
                if slots.len() > FEW_MAX {
                    *self = List::Many(slots.iter().copied().collect());
                }
            }
            List::Many(slots) => {
                slots.insert(slot);
            }
        }
    }

    /// Removes the slot; whether that was the last.
    fn remove(&mut self, slot: u32) -> bool {
        match self {
            List::Few(slots) => {
                slots.retain(|s| *s != slot);
                slots.is_empty()
            }
            List::Many(slots) => {
                slots.remove(slot);
                slots.is_empty()
            }
        }
    }

    fn len(&self) -> u64 {
        match self {
            List::Few(slots) => slots.len() as u64,
            List::Many(slots) => slots.len(),
        }
    }

    fn add_to(&self, into: &mut RoaringBitmap) {
        match self {
            List::Few(slots) => into.extend(slots.iter().copied()),
            List::Many(slots) => *into |= slots,
        }
    }
}

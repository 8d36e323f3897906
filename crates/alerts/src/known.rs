//! The alerts that are known, each kept once: found by its labels, and at once by its slot, which is all that groups keep of
//! it.
//!
//! Not a map by labels, which would read those of every alert again each time it grows, all over memory.

mod shelves;

use hashbrown::{DefaultHashBuilder, HashTable};
use model::{Alert, Labels};
use shelves::Shelves;
use std::hash::BuildHasher;
use std::sync::Arc;

/// Where a known alert is kept. Free for another once it is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Slot(u32);

/// A known alert.
#[derive(Debug, Clone)]
pub(crate) struct Tracked {
    /// Its number among all: the higher the later it came.
    pub(crate) id: u64,
    pub(crate) alert: Alert,
    /// Where it falls under the route tree; empty until it is filed.
    pub(crate) places: Places,
    /// Groups whose route went with a reload and who owe somebody its end.
    pub(crate) left: Option<Arc<Vec<Arc<str>>>>,
}

/// Nodes of the route tree, each with the key of a group.
pub(crate) type Places = Arc<[(usize, Arc<str>)]>;

/// The alerts that are known.
#[derive(Debug, Default)]
pub(crate) struct Known {
    slots: Shelves,
    /// Half the hash of each one's labels, with its slot.
    by_labels: HashTable<(u32, Slot)>,
    hasher: DefaultHashBuilder,
}

impl Tracked {
    /// One that is not filed yet.
    pub(crate) fn new(id: u64, alert: Alert) -> Tracked {
        Tracked { id, alert, places: Arc::default(), left: None }
    }

    /// Every group it is in.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &Arc<str>> {
        self.places.iter().map(|(_, key)| key).chain(self.left.iter().flat_map(|left| left.iter()))
    }
}

impl Slot {
    /// Places of alerts, of which there are far fewer than 4 billion, are numbered from zero.
    fn of(place: usize) -> Slot {
        Slot(u32::try_from(place).expect("alerts are bounded far below 2^32"))
    }

    fn place(self) -> usize {
        self.0 as usize
    }
}

impl Known {
    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Where the alert of these labels is.
    pub(crate) fn slot_of(&self, labels: &Labels) -> Option<Slot> {
        let half = self.half_hash(labels);
        let same = |(of, slot): &(u32, Slot)| {
            *of == half && self.slots.get(slot.place()).is_some_and(|known| known.alert.labels == *labels)
        };
        self.by_labels.find(whole_hash(half), same).map(|(_, slot)| *slot)
    }

    /// The alert of these labels.
    pub(crate) fn get(&self, labels: &Labels) -> Option<&Tracked> {
        self.at(self.slot_of(labels)?)
    }

    /// The alert of these labels, and where it is.
    pub(crate) fn find_mut(&mut self, labels: &Labels) -> Option<(Slot, &mut Tracked)> {
        let slot = self.slot_of(labels)?;
        self.at_mut(slot).map(|tracked| (slot, tracked))
    }

    /// The alert in a slot.
    pub(crate) fn at(&self, slot: Slot) -> Option<&Tracked> {
        self.slots.get(slot.place())
    }

    /// The alert in a slot.
    pub(crate) fn at_mut(&mut self, slot: Slot) -> Option<&mut Tracked> {
        self.slots.get_mut(slot.place())
    }

    /// Keeps an alert; one of the same labels goes.
    pub(crate) fn put(&mut self, tracked: Tracked) -> Slot {
        match self.slot_of(&tracked.alert.labels) {
            Some(slot) => {
                if let Some(known) = self.at_mut(slot) {
                    *known = tracked;
                }
                slot
            }
            None => self.add(tracked),
        }
    }

    /// Keeps an alert whose labels no other has.
    pub(crate) fn add(&mut self, tracked: Tracked) -> Slot {
        let half = self.half_hash(&tracked.alert.labels);
        let slot = Slot::of(self.slots.insert(tracked));
        self.by_labels.insert_unique(whole_hash(half), (half, slot), |(half, _)| whole_hash(*half));
        slot
    }

    /// Lets an alert go.
    pub(crate) fn remove(&mut self, slot: Slot) -> Option<Tracked> {
        let gone = self.slots.remove(slot.place())?;
        let hash = whole_hash(self.half_hash(&gone.alert.labels));
        if let Ok(entry) = self.by_labels.find_entry(hash, |(_, of)| *of == slot) {
            entry.remove();
        }
        Some(gone)
    }

    /// Every slot that is taken.
    pub(crate) fn slots(&self) -> Vec<Slot> {
        self.slots.iter().map(|(place, _)| Slot::of(place)).collect()
    }

    /// Every alert.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Tracked> {
        self.slots.iter().map(|(_, tracked)| tracked)
    }

    /// Every alert.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut Tracked> {
        self.slots.iter_mut()
    }

    fn half_hash(&self, labels: &Labels) -> u32 {
        self.hasher.hash_one(labels) as u32
    }
}

/// What a table finds its place by: it looks at the lowest bits and at the highest.
fn whole_hash(half: u32) -> u64 {
    u64::from(half) << 32 | u64::from(half)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Timestamp;

    fn alert(n: usize) -> Alert {
        Alert {
            labels: Labels::from_pairs([("n", n.to_string())]),
            annotations: Labels::empty(),
            starts_at: Timestamp::from_millis(0),
            ends_at: None,
            generator_url: "".into(),
            updated_at: Timestamp::from_millis(0),
        }
    }

    #[test]
    fn found_by_labels_and_by_slot_until_it_goes() {
        const MANY: usize = 5_000;
        let mut known = Known::default();
        let slots: Vec<Slot> = (0..MANY).map(|n| known.add(Tracked::new(n as u64, alert(n)))).collect();
        for n in (0..MANY).step_by(2) {
            assert_eq!(known.remove(slots[n]).map(|gone| gone.id), Some(n as u64));
            assert!(known.remove(slots[n]).is_none() && known.at(slots[n]).is_none());
        }
        for (n, slot) in slots.iter().enumerate() {
            let found = known.slot_of(&alert(n).labels);
            assert_eq!(found, (n % 2 == 1).then_some(*slot), "{n}");
        }
        assert_eq!(known.slots(), slots.iter().skip(1).step_by(2).copied().collect::<Vec<_>>());
        // A place that is free again is another's.
        let again = known.add(Tracked::new(7, alert(0)));
        assert_eq!(known.get(&alert(0).labels).map(|known| known.id), Some(7));
        assert_eq!((known.slot_of(&alert(0).labels), known.len()), (Some(again), MANY / 2 + 1));
        assert_eq!(known.put(Tracked::new(8, alert(0))), again);
        assert_eq!(
            (known.get(&alert(0).labels).map(|known| known.id), known.values().count()),
            (Some(8), known.len())
        );
    }
}

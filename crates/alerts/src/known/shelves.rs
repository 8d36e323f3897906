//! Places for alerts that are numbered and never move. They come a shelf at a time, so that growing copies nothing, and a
//! shelf that has become empty is given back.

use super::Tracked;
use slab::Slab;
use std::collections::BTreeSet;

/// Places of a shelf.
const SHELF: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Shelves {
    shelves: Vec<Slab<Tracked>>,
    /// Those with room, by number; the first is filled first, so that the last become empty.
    roomy: BTreeSet<usize>,
    len: usize,
}

impl Shelves {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get(&self, place: usize) -> Option<&Tracked> {
        self.shelves.get(place / SHELF)?.get(place % SHELF)
    }

    pub(super) fn get_mut(&mut self, place: usize) -> Option<&mut Tracked> {
        self.shelves.get_mut(place / SHELF)?.get_mut(place % SHELF)
    }

    pub(super) fn insert(&mut self, tracked: Tracked) -> usize {
        let number = self.roomy.first().copied().unwrap_or(self.shelves.len());
        if number == self.shelves.len() {
            self.shelves.push(Slab::new());
            self.roomy.insert(number);
        }
        let shelf = &mut self.shelves[number];
        if shelf.capacity() == 0 {
            shelf.reserve_exact(SHELF);
        }
        let place = shelf.insert(tracked);
        if shelf.len() == SHELF {
            self.roomy.remove(&number);
        }
        self.len += 1;
        number * SHELF + place
    }

    pub(super) fn remove(&mut self, place: usize) -> Option<Tracked> {
        let number = place / SHELF;
        let shelf = self.shelves.get_mut(number)?;
        let gone = shelf.try_remove(place % SHELF)?;
        if shelf.is_empty() && number > 0 {
            *shelf = Slab::new();
        }
        self.roomy.insert(number);
        self.len -= 1;
        Some(gone)
    }

    /// Every place that is taken, with what is there.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &Tracked)> {
        let shelves = self.shelves.iter().enumerate();
        shelves.flat_map(|(number, shelf)| shelf.iter().map(move |(at, one)| (number * SHELF + at, one)))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Tracked> {
        self.shelves.iter_mut().flat_map(|shelf| shelf.iter_mut().map(|(_, one)| one))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Alert, Labels, Timestamp};

    fn tracked(id: u64) -> Tracked {
        let at = Timestamp::from_millis(0);
        let [labels, annotations] = [Labels::empty(), Labels::empty()];
        let alert = Alert {
            labels,
            annotations,
            starts_at: at,
            ends_at: None,
            generator_url: "".into(),
            updated_at: at,
        };
        Tracked::new(id, alert)
    }

    #[test]
    fn an_empty_shelf_is_given_back_and_the_first_are_filled_first() {
        let mut shelves = Shelves::default();
        let places: Vec<usize> = (0..3 * SHELF as u64).map(|id| shelves.insert(tracked(id))).collect();
        assert_eq!(places, (0..3 * SHELF).collect::<Vec<_>>());
        for place in SHELF..2 * SHELF {
            assert_eq!(shelves.remove(place).map(|gone| gone.id), Some(place as u64));
        }
        assert!(shelves.remove(SHELF).is_none() && shelves.get(SHELF).is_none());
        assert_eq!((shelves.shelves[1].capacity(), shelves.len()), (0, 2 * SHELF));
        shelves.remove(7);
        let again = [shelves.insert(tracked(1)), shelves.insert(tracked(2))];
        assert_eq!(again, [7, SHELF]);
        assert_eq!(shelves.iter().map(|(place, _)| place).filter(|place| *place >= SHELF).min(), Some(SHELF));
        assert_eq!((shelves.iter().count(), shelves.iter_mut().count()), (shelves.len(), shelves.len()));
    }
}

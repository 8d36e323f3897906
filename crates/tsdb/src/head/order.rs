//! The order of series by their labels, kept so that large results need no comparison of labels.

use model::Labels;
use std::cmp::Ordering;

/// As [`Labels`] compare, on the bytes of [`Labels::as_bytes`]: the order of UTF-8 texts is that of their bytes.
pub(crate) fn compare(a: &Labels, b: &Labels) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        let (Some((text_a, rest_a)), Some((text_b, rest_b))) = (split(a), split(b)) else {
            return a.len().cmp(&b.len());
        };
        match text_a.cmp(text_b) {
            Ordering::Equal => (a, b) = (rest_a, rest_b),
            different => return different,
        }
    }
}

fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_le_bytes(*len) as usize)
}

/// The ranks of the head's series, brought up to date when asked for.
#[derive(Default)]
pub(crate) struct Order {
    sorted: Vec<u32>,
    rank: Vec<u32>,
    added: Vec<u32>,
    removed: bool,
}

impl Order {
    pub(crate) fn add(&mut self, slot: u32) {
        self.added.push(slot);
    }

    pub(crate) fn remove(&mut self) {
        self.removed = true;
    }

    /// Each slot's rank; `labels` tells a slot's labels, `None` if it is free.
    pub(crate) fn ranks<'a>(&mut self, labels: impl Fn(u32) -> Option<&'a Labels>) -> &[u32] {
        if self.added.is_empty() && !self.removed {
            return &self.rank;
        }
        if self.removed {
            // A freed slot may be in use again: it is among the added ones then.
            let added: hashbrown::HashSet<u32> = self.added.iter().copied().collect();
            self.sorted.retain(|slot| labels(*slot).is_some() && !added.contains(slot));
            self.added = added.into_iter().filter(|slot| labels(*slot).is_some()).collect();
        }
        self.sorted.append(&mut self.added);
        self.removed = false;
        // Stable sort: it finds the long sorted run and merges the few new ones into it.
        self.sorted.sort_by(|a, b| match (labels(*a), labels(*b)) {
            (Some(a), Some(b)) => compare(a, b),
            (a, b) => a.is_some().cmp(&b.is_some()),
        });
        self.rank.clear();
        self.rank.resize(self.sorted.iter().max().map_or(0, |max| *max as usize + 1), u32::MAX);
        for (rank, slot) in (0u32..).zip(&self.sorted) {
            self.rank[*slot as usize] = rank;
        }
        &self.rank
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_compare_as_labels_do() {
        let sets: Vec<Labels> = [
            &[][..],
            &[("a", "1")],
            &[("a", "1"), ("b", "2")],
            &[("a", "10")],
            &[("a", "2")],
            &[("ab", "1")],
            &[("é", "1"), ("é2", "")],
            &[("b", "zz")],
        ]
        .iter()
        .map(|pairs| Labels::from_pairs(pairs.iter().copied()))
        .collect();
        for a in &sets {
            for b in &sets {
                assert_eq!(compare(a, b), a.cmp(b), "{a} {b}");
            }
        }
    }

    #[test]
    fn ranks_follow_births_and_deaths() {
        let name = |text: &str| Some(Labels::from_pairs([("n", text)]));
        let mut series = [name("c"), name("a"), name("b")];
        let mut order = Order::default();
        (0..3).for_each(|slot| order.add(slot));
        assert_eq!(order.ranks(|s| series[s as usize].as_ref()), [2, 0, 1]);
        series[1] = name("z");
        order.remove();
        order.add(1);
        assert_eq!(order.ranks(|s| series[s as usize].as_ref()), [1, 2, 0]);
        series[0] = None;
        order.remove();
        assert_eq!(order.ranks(|s| series[s as usize].as_ref()), [u32::MAX, 1, 0]);
    }
}

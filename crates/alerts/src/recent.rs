//! The latest decisions. In a storm most differ from the one before in the alert alone: those are kept together.

use model::{Decision, Labels};
use std::collections::VecDeque;

/// Decisions kept in memory; older ones are in the journal only.
const DECISIONS_MAX: usize = 10_000;

/// Decisions, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    kept: VecDeque<Alike>,
    count: usize,
}

/// Decisions of one instant that differ in the alert and, by one each, in their place.
#[derive(Debug)]
pub(crate) struct Alike {
    first: Decision,
    others: Vec<Labels>,
}

impl Alike {
    /// That of the first, with the same of others.
    pub(crate) fn new(first: Decision, others: Vec<Labels>) -> Alike {
        Alike { first, others }
    }

    fn len(&self) -> usize {
        self.others.len() + 1
    }

    fn alert(&self, place: usize) -> &Labels {
        place.checked_sub(1).map_or(&self.first.alert, |other| &self.others[other])
    }

    fn decision(&self, place: usize) -> Decision {
        Decision { alert: self.alert(place).clone(), nth: self.nth(place), ..self.first.clone() }
    }

    fn nth(&self, place: usize) -> u32 {
        self.first.nth.saturating_add(u32::try_from(place).unwrap_or(u32::MAX))
    }
}

impl From<Decision> for Alike {
    fn from(first: Decision) -> Alike {
        Alike { first, others: Vec::new() }
    }
}

impl Recent {
    /// From those of before, in any order. There may be too many until the next one comes.
    pub(crate) fn restored(mut decisions: Vec<Decision>) -> Recent {
        decisions.sort_by_key(|decision| (decision.at, decision.nth));
        Recent { count: decisions.len(), kept: decisions.into_iter().map(Alike::from).collect() }
    }

    /// Adds what was decided last; lets go of the oldest there are too many of.
    pub(crate) fn push(&mut self, alike: Alike) {
        let max = DECISIONS_MAX.max(alike.len());
        self.count += alike.len();
        self.kept.push_back(alike);
        while self.count > max
            && let Some(oldest) = self.kept.pop_front()
        {
            self.count -= oldest.len();
        }
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = Decision> {
        self.kept.iter().flat_map(|alike| (0..alike.len()).map(|place| alike.decision(place)))
    }

    /// Those about an alert.
    pub(crate) fn about(&self, labels: &Labels) -> impl DoubleEndedIterator<Item = Decision> {
        let all = self.kept.iter().flat_map(|alike| (0..alike.len()).map(move |place| (alike, place)));
        let about = all.filter(move |(alike, place)| alike.alert(*place) == labels);
        about.map(|(alike, place)| alike.decision(place))
    }

    /// The last one's instant and place in it.
    pub(crate) fn last(&self) -> Option<(model::Timestamp, u32)> {
        self.kept.back().map(|alike| (alike.first.at, alike.nth(alike.others.len())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Hold, Timestamp, Verdict};

    fn decision(at: i64, nth: u32, alert: &str) -> Decision {
        Decision {
            at: Timestamp::from_millis(at),
            alert: labels(alert),
            verdict: Verdict::Hold(Hold::Grouped),
            receiver: "r".into(),
            group_key: "g".into(),
            by: Vec::new(),
            page_key: None,
            over: false,
            next_send: None,
            nth,
        }
    }

    fn labels(alert: &str) -> Labels {
        Labels::from_pairs([("alertname", alert)])
    }

    #[test]
    fn those_alike_are_as_many_in_their_order() {
        let mut recent = Recent::restored(vec![decision(1, 1, "b"), decision(1, 0, "b")]);
        recent.push(Alike::new(decision(2, 0, "a"), vec![labels("b"), labels("c")]));
        recent.push(decision(2, 3, "a").into());
        let all: Vec<Decision> = recent.iter().collect();
        let wanted = [(1, 0, "b"), (1, 1, "b"), (2, 0, "a"), (2, 1, "b"), (2, 2, "c"), (2, 3, "a")]
            .map(|(at, nth, of)| decision(at, nth, of));
        assert_eq!(all, wanted);
        assert_eq!(
            recent.about(&labels("b")).collect::<Vec<_>>(),
            [0, 1, 3].map(|place| wanted[place].clone())
        );
        assert_eq!(recent.last(), Some((Timestamp::from_millis(2), 3)));
    }

    #[test]
    fn of_too_many_the_oldest_go() {
        let mut recent = Recent::default();
        recent.push(decision(0, 0, "first").into());
        for at in 1..=3 {
            recent.push(Alike::new(decision(at, 0, "a"), vec![labels("b"); DECISIONS_MAX / 2 - 1]));
        }
        assert_eq!(recent.iter().count(), DECISIONS_MAX);
        assert_eq!(recent.iter().next(), Some(decision(2, 0, "a")));
        recent.push(Alike::new(decision(9, 0, "a"), vec![labels("b"); 2 * DECISIONS_MAX]));
        assert_eq!(recent.iter().next(), Some(decision(9, 0, "a")), "what was decided last stays");
    }
}

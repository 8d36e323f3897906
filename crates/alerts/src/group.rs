//! One group of one route: its members, when it speaks next, and what each integration was told.
//!
//! ```text
//!            first member                  next_flush                    next_flush, empty
//!   (none) ---------------> waiting -------------------> speaking ------------------------> (gone)
//!                                                        |     ^
//!                                                        +-----+ every group_interval, and at once when
//!                                                                all members of a told group have ended
//! ```
//!
//! Invariants: an integration has at most one page under way; what it was told is [`Ledger::told`]; a group is
//! durable from its first page on, so that a restart never pages twice.

use model::{Alert, Labels, PageReason, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::{cmp::Ordering, sync::Arc, time::Duration};

/// A page whose outcome nobody reported for so long counts as delivered: the durable queue has it.
pub(crate) const UNDER_WAY_MAX: Duration = Duration::from_secs(60 * 60);

/// What a page said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Its key.
    pub key: String,
    /// When it was decided.
    pub at: Timestamp,
    /// Fingerprints of the alerts it called firing.
    pub firing: BTreeSet<u64>,
    /// Fingerprints of all alerts whose end this integration is still owed: those of this page, and those of
    /// earlier ones that fire on unseen.
    pub owed: BTreeSet<u64>,
}

/// What one integration was told of one group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Messages so far.
    pub revision: u32,
    /// The page under way; a report of its delivery moves it to `delivered` or drops it.
    pub under_way: Option<Sent>,
    /// The last page that arrived.
    pub delivered: Option<Sent>,
}

/// Why a flush does or does not page an integration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    Page(PageReason),
    /// Nothing new, and too early to repeat.
    Repeat,
    /// Nothing to speak of.
    Nothing,
    /// A page is under way; look again when it has ended.
    Later,
}

impl Ledger {
    /// What the integration knows, as far as we do.
    pub fn told(&self) -> Option<&Sent> {
        self.under_way.as_ref().or(self.delivered.as_ref())
    }

    /// Whether it was told of a problem and not yet of its end.
    pub fn owes_an_end(&self) -> bool {
        self.told().is_some_and(|sent| !sent.owed.is_empty())
    }

    /// Whether a member that has ended must stay, because its end may still have to be told.
    pub(crate) fn holds(&self, fingerprint: u64) -> bool {
        [&self.under_way, &self.delivered].into_iter().flatten().any(|sent| sent.owed.contains(&fingerprint))
    }

    pub(crate) fn need(&self, now: Now<'_>) -> Need {
        let Some(told) = self.told() else {
            return if now.firing.is_empty() { Need::Nothing } else { Need::Page(PageReason::First) };
        };
        let news = !now.firing.is_subset(&told.firing);
        let end = now.send_resolved && !now.ended.is_disjoint(&told.owed);
        let repeat = !now.firing.is_empty() && told.at.plus(now.repeat_interval) <= now.at;
        let reason = match (news, end) {
            (true, _) => PageReason::Added,
            (false, true) if now.firing.is_empty() => PageReason::AllEnded,
            (false, true) => PageReason::SomeEnded,
            (false, false) => PageReason::Repeat,
        };
        match (news || end || repeat, self.under_way.is_some()) {
            (true, false) => Need::Page(reason),
            (true, true) => Need::Later,
            (false, _) if now.firing.is_empty() => Need::Nothing,
            (false, _) => Need::Repeat,
        }
    }

    /// Forgets alerts that ended without a message, because the receiver wants none: should they return, that
    /// is news.
    pub(crate) fn forget(&mut self, ended: &BTreeSet<u64>) {
        for sent in [&mut self.under_way, &mut self.delivered].into_iter().flatten() {
            sent.firing.retain(|fingerprint| !ended.contains(fingerprint));
            sent.owed.retain(|fingerprint| !ended.contains(fingerprint));
        }
    }

    /// Takes note of a page that is about to leave.
    pub(crate) fn send(&mut self, key: String, now: Now<'_>) {
        let before = self.told().map(|sent| &sent.owed - now.ended).unwrap_or_default();
        let sent = Sent { key, at: now.at, firing: now.firing.clone(), owed: &before | now.firing };
        self.under_way = Some(sent);
        self.revision += 1;
    }
}

/// What a flush sees for one integration.
#[derive(Clone, Copy)]
pub(crate) struct Now<'a> {
    pub(crate) at: Timestamp,
    /// Fingerprints of the firing members that nothing holds.
    pub(crate) firing: &'a BTreeSet<u64>,
    /// Fingerprints of the members that have ended.
    pub(crate) ended: &'a BTreeSet<u64>,
    pub(crate) send_resolved: bool,
    pub(crate) repeat_interval: Duration,
}

/// The durable part of a group.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupRow {
    /// Alertmanager's group key: the route's key and the group's labels.
    pub key: String,
    /// The route's key.
    pub route: String,
    /// The labels it was made by.
    pub labels: Labels,
    /// When it came to be; a group of the same key that comes later is another one.
    pub born: Timestamp,
    /// When it speaks next.
    pub next_flush: Timestamp,
    /// Whether it spoke at all.
    pub flushed: bool,
    /// What each integration, `RECEIVER/webhook[0]`, was told.
    pub ledgers: BTreeMap<String, Ledger>,
}

/// A group with its members.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) row: GroupRow,
    /// The same text as the row's key, shared with the queue of wakes.
    pub(crate) key: Arc<str>,
    /// The route's place in the tree.
    pub(crate) route: usize,
    pub(crate) members: BTreeMap<Labels, Member>,
    /// When it is in the queue of wakes.
    pub(crate) wake: Timestamp,
    /// A flush was held back by a page under way; the report of its outcome wakes the group.
    pub(crate) again: bool,
    /// The end of all members was spoken of; not again at once, only at the next flush.
    pub(crate) end_told: bool,
    /// Whether the row is in the journal.
    pub(crate) stored: bool,
}

/// What a group keeps about one of its alerts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Member {
    /// The last verdict that was recorded, so that the same one is not recorded at every flush.
    pub(crate) recorded: Option<model::Verdict>,
}

impl Group {
    /// When it wants to be looked at, given its members' alerts.
    pub(crate) fn wanted(&self, alert: impl Fn(&Labels) -> Option<Timestamp>) -> Timestamp {
        let owes = !self.end_told && self.row.ledgers.values().any(Ledger::owes_an_end);
        if !owes || self.again {
            return self.row.next_flush;
        }
        let mut last_end = Timestamp::MIN;
        for labels in self.members.keys() {
            match alert(labels) {
                Some(end) => last_end = last_end.max(end),
                None => return self.row.next_flush,
            }
        }
        if last_end == Timestamp::MIN { self.row.next_flush } else { last_end.min(self.row.next_flush) }
    }

    /// A name for one life of the group.
    pub(crate) fn incident(&self) -> String {
        format!("{:016x}{:x}", fnv(&[&self.row.key]), self.row.born.as_millis())
    }

    /// The key of an integration's page: the same again if the process dies before the commit.
    pub(crate) fn page_key(&self, integration: &str, revision: u32) -> String {
        format!("{:016x}{:x}-{revision}", fnv(&[&self.row.key, integration]), self.row.born.as_millis())
    }
}

/// FNV-1a, 64 bit, over texts that each end in 0xff, which no UTF-8 text holds.
pub(crate) fn fnv(texts: &[&str]) -> u64 {
    let bytes = texts.iter().flat_map(|text| text.bytes().chain([0xff]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The alerts of a page in Alertmanager's order, which people's payload templates and `max_alerts` know: by job,
/// instance, number of labels, labels. Those that lack a job or an instance come after those that have one.
pub(crate) fn page_order(mut alerts: Vec<Alert>) -> Vec<Alert> {
    fn by_name<'a>(alert: &'a Alert, name: &str) -> (bool, Option<&'a str>) {
        let value = alert.labels.get(name);
        (value.is_none(), value)
    }
    alerts.sort_by(|a, b| {
        let first = by_name(a, "job").cmp(&by_name(b, "job"));
        let second = first.then_with(|| by_name(a, "instance").cmp(&by_name(b, "instance")));
        let third = second.then_with(|| a.labels.iter().count().cmp(&b.labels.iter().count()));
        third.then_with(|| by_first_difference(&a.labels, &b.labels))
    });
    alerts
}

/// By the first label in which they differ: by its value, and whoever lacks it comes first.
fn by_first_difference(a: &Labels, b: &Labels) -> Ordering {
    let pairs = a.iter().zip(b.iter());
    let mut orders = pairs.map(|((name, value), (other, against))| other.cmp(name).then(value.cmp(against)));
    orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_lie_on_a_page_as_alertmanager_sorts_them() {
        let alert = |pairs: &[(&str, &str)]| Alert {
            labels: Labels::from_pairs(pairs.iter().copied()),
            annotations: Labels::empty(),
            starts_at: Timestamp::default(),
            ends_at: None,
            generator_url: String::new(),
            updated_at: Timestamp::default(),
        };
        let sorted = [
            alert(&[("alertname", "B"), ("job", "a"), ("instance", "1")]),
            alert(&[("alertname", "A"), ("job", "a"), ("instance", "2")]),
            alert(&[("alertname", "A"), ("job", "a")]),
            alert(&[("alertname", "Z"), ("job", "b"), ("instance", "1")]),
            alert(&[("alertname", "A"), ("job", "b"), ("instance", "1"), ("x", "1")]),
            alert(&[("alertname", "A"), ("instance", "0")]),
            alert(&[("alertname", "Q")]),
            alert(&[("alertname", "A"), ("b", "1")]),
            alert(&[("alertname", "A"), ("a", "1")]),
            alert(&[("alertname", "A"), ("a", "2")]),
        ];
        let mut mixed = sorted.to_vec();
        mixed.reverse();
        mixed.swap(2, 7);
        assert_eq!(page_order(mixed), sorted);
    }
}

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

use crate::incident::Incident;
use crate::known::Slot;
use crate::route::Resolve;
use hashbrown::HashMap;
use model::{Alert, Hold, Json, Labels, News, PageReason, Timestamp, Verdict};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::{cmp::Ordering, sync::Arc, time::Duration};

/// A page whose outcome nobody reported for so long counts as delivered: the durable queue has it.
const UNDER_WAY_MAX: Duration = Duration::from_secs(60 * 60);

/// Superseded pages of one integration that are remembered; of more the oldest is forgotten.
const SUPERSEDED_MAX: usize = 16;

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
    /// Fingerprints of the alerts whose end it told.
    pub ended: BTreeSet<u64>,
}

impl Sent {
    /// Whether so much time has passed that nothing more is heard of it.
    pub(crate) fn is_old(&self, now: Timestamp) -> bool {
        self.at.plus(UNDER_WAY_MAX) <= now
    }
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
    /// Pages whose place that under way has taken, oldest first, while a try of one may still get through; the next
    /// report of a try empties it. Not kept over a restart: their run says the later one by then.
    pub superseded: VecDeque<Sent>,
    /// Whether it was said that the last page arrived, rather than assumed. Not kept over a restart.
    pub reported: bool,
    /// Since when the page under way does not arrive.
    pub failing: Option<Timestamp>,
    /// What the last page that arrived left for the next one: the receiver's business.
    pub kept: Option<Json>,
}

/// Why a flush does or does not page an integration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    Page(PageReason),
    /// Instead of the page that does not arrive.
    Instead(PageReason),
    /// The page that does not arrive has nothing left to say.
    Withdraw,
    /// The page that does not arrive says how things are.
    Stuck,
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

    /// Whether it may have to be told of an end: one that is owed, or is on its way and may not arrive.
    pub(crate) fn is_bound(&self) -> bool {
        self.under_way.is_some() || self.owes_an_end()
    }

    /// It is told no more. What it is told should it come back has keys of its own.
    pub(crate) fn leave(&mut self) {
        *self = Ledger { revision: self.revision, ..Ledger::default() };
    }

    /// Whether the page under way was tried, or could not be, and did not arrive.
    pub fn is_stuck(&self) -> bool {
        self.under_way.is_some() && self.failing.is_some()
    }

    /// A page of which nothing was heard for too long has arrived; its key.
    pub(crate) fn settle_late(&mut self, now: Timestamp) -> Option<String> {
        if self.failing.is_some() {
            return None;
        }
        let sent = self.under_way.take_if(|sent| sent.is_old(now))?;
        let key = sent.key.clone();
        (self.delivered, self.reported) = (Some(sent), false);
        Some(key)
    }

    /// Whether a page that is about to leave for this reason calls somebody, rather than say that some have ended.
    pub(crate) fn calls(&self, reason: PageReason, firing: &BTreeSet<u64>) -> bool {
        let is_stuck = self.under_way.as_ref().filter(|_| self.failing.is_some());
        match is_stuck {
            Some(stuck) => !firing.is_subset(&stuck.firing),
            None => !firing.is_empty() && reason != PageReason::SomeEnded,
        }
    }

    /// Another page has taken this one's place. Returns one that is forgotten for it.
    pub(crate) fn supersede(&mut self, sent: Sent) -> Option<Sent> {
        self.superseded.push_back(sent);
        if self.superseded.len() > SUPERSEDED_MAX { self.superseded.pop_front() } else { None }
    }

    /// Whether a member that has ended must stay, because its end may still have to be told.
    pub(crate) fn holds(&self, fingerprint: u64) -> bool {
        let owes = |sent: &Sent| sent.owed.contains(&fingerprint);
        self.under_way.as_ref().is_some_and(|sent| owes(sent) || sent.ended.contains(&fingerprint))
            || self.delivered.as_ref().is_some_and(owes)
    }

    /// Whether a message says, or said last, that an alert has ended.
    pub(crate) fn tells_end_of(&self, fingerprint: u64) -> bool {
        let mut sent = self.under_way.iter().chain(&self.delivered);
        sent.any(|sent| sent.ended.contains(&fingerprint))
    }

    /// Fingerprints of the alerts that it [holds](Ledger::holds); one may come twice.
    pub(crate) fn held(&self) -> impl Iterator<Item = u64> {
        let under_way = self.under_way.iter().flat_map(|sent| sent.owed.iter().chain(&sent.ended));
        under_way.chain(self.delivered.iter().flat_map(|sent| &sent.owed)).copied()
    }

    pub(crate) fn need(&self, now: Now<'_>) -> Need {
        self.need_while(now, self.under_way.is_some())
    }

    /// As it will be if the page under way arrives at its first try.
    pub(crate) fn need_once_settled(&self, now: Now<'_>) -> Need {
        self.need_while(now, false)
    }

    fn need_while(&self, now: Now<'_>, is_under_way: bool) -> Need {
        if let Some(stuck) = self.under_way.as_ref().filter(|_| self.failing.is_some()) {
            return self.instead_of(stuck, now);
        }
        let Some(told) = self.told() else {
            return if now.firing.is_empty() { Need::Nothing } else { Need::Page(PageReason::First) };
        };
        let news = !now.firing.is_subset(&told.firing);
        let end = now.send_resolved && !now.ended.is_disjoint(&told.owed);
        let repeat = !now.firing.is_empty() && told.at.plus(now.repeat_interval) <= now.at;
        let forced = now.forced && !now.firing.is_empty();
        let reason = match (news, end) {
            (true, _) => PageReason::Added,
            (false, true) if now.firing.is_empty() => PageReason::AllEnded,
            (false, true) => PageReason::SomeEnded,
            (false, false) if forced => PageReason::Escalated,
            (false, false) => PageReason::Repeat,
        };
        match (news || end || repeat, is_under_way) {
            (true, true) => Need::Later,
            (true, false) => Need::Page(reason),
            // What is being told this moment needs no reminder.
            (false, false) if forced => Need::Page(reason),
            (false, _) if now.firing.is_empty() => Need::Nothing,
            (false, _) => Need::Repeat,
        }
    }

    /// A page does not arrive: whether another should leave in its place. What fired and ended meanwhile is told
    /// together, once the receiver is back.
    fn instead_of(&self, stuck: &Sent, now: Now<'_>) -> Need {
        let news = !now.firing.is_subset(&stuck.firing);
        let ends = match now.send_resolved {
            true => !self.untold(now).is_subset(&stuck.ended),
            false => !now.ended.is_disjoint(&stuck.firing),
        };
        let quiet = !now.quiet.is_disjoint(&stuck.firing);
        let reason = match (news, now.firing.is_empty(), &self.delivered) {
            (_, true, _) => PageReason::AllEnded,
            (_, false, None) => PageReason::First,
            (true, false, _) => PageReason::Added,
            (false, false, _) => PageReason::SomeEnded,
        };
        match (news || ends, now.firing.is_empty(), now.send_resolved) {
            (false, ..) => Need::Stuck,
            (true, true, false) if quiet => Need::Stuck,
            (true, true, false) => Need::Withdraw,
            (true, _, _) => Need::Instead(reason),
        }
    }

    /// The ends of which it has not been told for certain: of what it was told, and of what was to be told it by pages that
    /// did not arrive.
    fn untold(&self, now: Now<'_>) -> BTreeSet<u64> {
        let stuck = self.under_way.as_ref().filter(|_| self.failing.is_some());
        let owed = self.delivered.iter().chain(stuck).flat_map(|sent| &sent.owed);
        let owed = owed.chain(stuck.iter().flat_map(|sent| &sent.ended));
        owed.filter(|alert| now.send_resolved && now.ended.contains(alert)).copied().collect()
    }

    /// Forgets alerts that ended without a message, because the receiver wants none: should they return, that
    /// is news. A page under way speaks of them until it is known what became of it.
    pub(crate) fn forget(&mut self, ended: &BTreeSet<u64>) {
        for sent in self.delivered.iter_mut().chain(&mut self.superseded) {
            sent.firing.retain(|fingerprint| !ended.contains(fingerprint));
            sent.owed.retain(|fingerprint| !ended.contains(fingerprint));
        }
    }

    /// Takes note of a page that is about to leave; what is new in it.
    pub(crate) fn send(&mut self, key: String, now: Now<'_>) -> News {
        let ended = self.untold(now);
        let known = self.delivered.as_ref();
        let fired = known.map_or_else(|| now.firing.clone(), |told| now.firing - &told.firing);
        let news = News { fired: fired.into_iter().collect(), ended: ended.iter().copied().collect() };
        let owed = [&self.delivered, &self.under_way].into_iter().flatten().flat_map(|sent| &sent.owed);
        let before: BTreeSet<u64> = owed.filter(|owed| !now.ended.contains(owed)).copied().collect();
        let sent = Sent { key, at: now.at, firing: now.firing.clone(), owed: &before | now.firing, ended };
        self.under_way = Some(sent);
        self.revision += 1;
        news
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
    /// Fingerprints of the firing members that something holds.
    pub(crate) quiet: &'a BTreeSet<u64>,
    pub(crate) send_resolved: bool,
    pub(crate) repeat_interval: Duration,
    /// Said again though nothing is new.
    pub(crate) forced: bool,
}

/// The durable part of a group.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupRow {
    /// Its number among all: the higher the later it came to be.
    pub id: u64,
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
    /// It is empty, and stays only because what comes back soon is the same incident; the next alert begins it anew.
    pub dormant: bool,
    /// Who is told instead of the route's receiver.
    pub instead: Option<String>,
    /// Receivers that an escalation brought in.
    pub also: BTreeSet<String>,
    /// What each integration, `RECEIVER/webhook[0]`, was told.
    pub ledgers: BTreeMap<String, Ledger>,
}

/// A group with its members.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) row: GroupRow,
    /// The same text as the row's key, shared with the queue of wakes.
    pub(crate) key: Arc<str>,
    /// The id of the incident that it is or would be: a name for one life of the group.
    pub(crate) incident: Arc<str>,
    /// Whom its route tells, or who is told instead.
    pub(crate) receiver: Arc<str>,
    /// Its route went with a reload: it stays until it has told the ends that it owes.
    pub(crate) orphan: bool,
    /// The route's place in the tree.
    pub(crate) route: usize,
    pub(crate) members: HashMap<Slot, Member>,
    /// When it is in the queue of wakes.
    pub(crate) wake: Timestamp,
    /// When it was last looked at.
    pub(crate) looked: Timestamp,
    /// To be looked at, before its time: a page does not arrive and things have changed, or a page has ended.
    pub(crate) nudged: Option<Timestamp>,
    /// A flush was held back by a page under way; the report of its outcome wakes the group.
    pub(crate) again: bool,
    /// The report came: whatever is new may be told.
    pub(crate) catch_up: bool,
    /// A step of the escalation is due, but what fires is held: it is taken at a later flush.
    pub(crate) step_held: bool,
}

/// What a group keeps about one of its alerts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Member {
    /// The last verdict that was recorded and whether the alert had ended by then, so that the same one is not recorded
    /// at every flush.
    pub(crate) recorded: Option<(Verdict, bool)>,
    /// A reload moved it to another group: it is here only until its end was told to those who know of it.
    pub(crate) has_left: bool,
    /// A flush has seen that it has ended: if its end is still to be told, that is not at once, but at the next one.
    pub(crate) end_seen: bool,
}

impl Group {
    /// Where an alert stands of which it speaks, by what was told.
    pub(crate) fn standing_of(&self, fingerprint: u64) -> Verdict {
        let says = |sent: &Option<Sent>| sent.as_ref().is_some_and(|sent| sent.firing.contains(&fingerprint));
        let ledgers = || self.row.ledgers.values();
        let waits = |ledger: &&Ledger| says(&ledger.under_way) && !says(&ledger.delivered);
        match ledgers().find(waits) {
            Some(ledger) if ledger.is_stuck() => Verdict::Hold(Hold::ReceiverDown),
            Some(_) => Verdict::Deliver,
            None if ledgers().any(|ledger| says(&ledger.delivered)) => Verdict::Hold(Hold::Repeat),
            None => Verdict::Hold(Hold::Grouped),
        }
    }

    /// What its incident waits for. A group whose route is gone takes no steps.
    pub(crate) fn timer(&self, incident: Option<&Incident>) -> Option<Timestamp> {
        incident.and_then(|incident| if self.orphan { incident.snoozed_until } else { incident.timer() })
    }

    /// When it wants to be looked at, given its members' ends and what its incident waits for.
    pub(crate) fn wanted(
        &self,
        resolve: Resolve,
        incident: Option<&Incident>,
        end_of: impl Fn(Slot) -> Option<Timestamp>,
    ) -> Timestamp {
        let timer = self.timer(incident).filter(|_| !self.step_held);
        let wake = [timer, self.nudged].into_iter().flatten().fold(self.row.next_flush, Timestamp::min);
        let stuck = self.row.ledgers.values().any(Ledger::is_stuck);
        let live = incident.is_some_and(Incident::is_live);
        let owes = live || self.row.ledgers.values().any(Ledger::owes_an_end);
        let at_once = owes && resolve == Resolve::AtOnce && !self.again;
        if !stuck && !at_once {
            return wake;
        }
        // The last end of those that belong here, the first of those that have left, the next of all.
        let (mut last, mut gone, mut next) = (Timestamp::MIN, Timestamp::MAX, Timestamp::MAX);
        let (mut all, mut unseen) = (true, false);
        for (slot, member) in &self.members {
            let Some(end) = end_of(*slot) else {
                all &= member.has_left;
                continue;
            };
            next = if end > self.looked { next.min(end) } else { next };
            match member.has_left {
                true if member.end_seen => {}
                true => gone = gone.min(end),
                false => (last, unseen) = (last.max(end), unseen | !member.end_seen),
            }
        }
        let over = if unseen { last } else { gone.max(last) };
        let over = if at_once && all { over } else { Timestamp::MAX };
        wake.min(over).min(if stuck { next } else { Timestamp::MAX })
    }
}

/// The key of an integration's page: the same again if the process dies before the commit.
pub(crate) fn page_key(group: &str, born: Timestamp, integration: &str, revision: u32) -> String {
    format!("{:016x}{:x}-{revision}", fnv(&[group, integration]), born.as_millis())
}

/// Whether a page of this key is of an integration, `RECEIVER/webhook[0]`, of the group.
pub(crate) fn is_page_of(key: &str, group: &str, integration: &str) -> bool {
    key.starts_with(&format!("{:016x}", fnv(&[group, integration])))
}

/// What the keys of all pages of one integration in one life of a group have in common.
pub(crate) fn ledger_of(key: &str) -> &str {
    key.rsplit_once('-').map_or(key, |(ledger, _)| ledger)
}

/// The id of the incident that a group of this key, born then, is.
pub(crate) fn incident_id(key: &str, born: Timestamp) -> String {
    format!("{:016x}{:x}", fnv(&[key]), born.as_millis())
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
            generator_url: "".into(),
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

//! The route tree: which receivers an alert goes to, and how each of them groups and waits.
//!
//! Invariants: node 0 is the root and matches everything, so every alert has a route; each node's key is unique
//! in its tree and stays the same while its matchers and its place among equal siblings do, because durable
//! state is kept under it.

use crate::interval::Intervals;
use model::{Labels, Matcher, Timestamp};
use std::{collections::BTreeMap, time::Duration};

/// How far ahead the end of a mute is looked for: most end within days, some with a month.
const AHEAD: [Duration; 2] = [Duration::from_secs(8 * 86_400), Duration::from_secs(62 * 86_400)];

/// What splits a route's alerts into groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupBy {
    /// Every label: each alert alone.
    All,
    /// These labels, sorted.
    Labels(Vec<String>),
}

impl GroupBy {
    /// The labels of the group that `labels` falls into.
    pub fn of(&self, labels: &Labels) -> Labels {
        match self {
            GroupBy::All => labels.clone(),
            GroupBy::Labels(names) => labels.only(names),
        }
    }
}

/// When the end of all alerts of a group is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolve {
    /// As soon as it is known.
    AtOnce,
    /// When the group speaks next, as Alertmanager does.
    GroupInterval,
}

/// One node with everything it inherits filled in.
#[derive(Debug, Clone)]
pub struct RouteNode {
    /// The path of matchers from the root, as Alertmanager writes it; `#2` marks a second equal sibling.
    pub key: String,
    /// Who is told.
    pub receiver: String,
    /// What splits its alerts into groups.
    pub group_by: GroupBy,
    /// All must accept.
    pub matchers: Vec<Matcher>,
    /// Whether later siblings are asked as well.
    pub continues: bool,
    /// How long a new group waits for company.
    pub group_wait: Duration,
    /// How long a group waits before it speaks of changes.
    pub group_interval: Duration,
    /// How long before it repeats itself.
    pub repeat_interval: Duration,
    /// Intervals in which it is muted.
    pub mute: Vec<String>,
    /// Intervals outside of which it is muted; none: always active.
    pub active: Vec<String>,
    /// How long after its end an incident that comes back is the same one.
    pub damping: Duration,
    /// When an end is told.
    pub resolve: Resolve,
    /// The escalation policy, if it names one.
    pub escalation: Option<String>,
    /// Labels for templates, as written.
    pub labels: BTreeMap<String, String>,
    /// Its children, in order, as places in the tree.
    pub children: Vec<usize>,
}

impl RouteNode {
    /// The labels of its group that an alert falls into. Of what says that a receiver fails each is a group alone: it may
    /// be told to others than those it would share one with.
    pub fn group_of(&self, labels: &Labels) -> Labels {
        if crate::router::tells_of_a_receiver(labels) { labels.clone() } else { self.group_by.of(labels) }
    }

    /// What it gives to templates.
    pub fn template_labels(&self) -> Labels {
        Labels::from_pairs(self.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }

    /// The names of the intervals that mute it at `at`: those that it is muted in, else, outside of all that it is active
    /// in, those.
    pub(crate) fn muted_by(&self, intervals: &Intervals, at: Timestamp) -> Vec<String> {
        let inside = |name: &&String| {
            intervals.get(*name).is_some_and(|parts| parts.iter().any(|part| part.contains(at)))
        };
        let by: Vec<String> = self.mute.iter().filter(inside).cloned().collect();
        let is_active = self.active.is_empty() || self.active.iter().any(|name| inside(&name));
        if by.is_empty() && !is_active { self.active.clone() } else { by }
    }

    /// When nothing mutes it any more, from `at` on; `None`: not for two months.
    pub(crate) fn mute_ends(&self, intervals: &Intervals, at: Timestamp) -> Option<Timestamp> {
        if self.muted_by(intervals, at).is_empty() {
            return Some(at);
        }
        AHEAD.into_iter().find_map(|ahead| {
            let names = self.mute.iter().chain(&self.active);
            let mut edges = Vec::new();
            let parts = names.filter_map(|name| intervals.get(name)).flatten();
            parts.for_each(|part| part.edges(at, at.plus(ahead), &mut edges));
            edges.retain(|edge| *edge > at);
            edges.sort_unstable();
            edges.dedup();
            edges.into_iter().find(|edge| self.muted_by(intervals, *edge).is_empty())
        })
    }
}

/// A checked tree.
#[derive(Debug, Clone)]
pub struct Route {
    /// The nodes, parents before children; the root is first.
    pub nodes: Vec<RouteNode>,
}

impl Route {
    /// A tree of one node that sends everything to `receiver`, grouped by alert name.
    pub fn to(receiver: &str, wait: Duration, interval: Duration, repeat: Duration) -> Route {
        Route {
            nodes: vec![RouteNode {
                key: "{}".to_owned(),
                receiver: receiver.to_owned(),
                group_by: GroupBy::Labels(vec![model::ALERTNAME.to_owned()]),
                matchers: Vec::new(),
                continues: false,
                group_wait: wait,
                group_interval: interval,
                repeat_interval: repeat,
                mute: Vec::new(),
                active: Vec::new(),
                damping: interval,
                resolve: Resolve::AtOnce,
                escalation: None,
                labels: BTreeMap::new(),
                children: Vec::new(),
            }],
        }
    }

    /// The nodes that take an alert with `labels`, in order; never none.
    pub fn find(&self, labels: &Labels) -> Vec<usize> {
        let mut found = Vec::new();
        self.collect(0, labels, &mut found);
        found
    }

    fn collect(&self, at: usize, labels: &Labels, found: &mut Vec<usize>) -> bool {
        let node = &self.nodes[at];
        if !node.matchers.iter().all(|m| m.matches_labels(labels)) {
            return false;
        }
        let before = found.len();
        for child in &node.children {
            if self.collect(*child, labels, found) && !self.nodes[*child].continues {
                break;
            }
        }
        if found.len() == before {
            found.push(at);
        }
        true
    }

    /// The keys of the nodes from the root to the one at `place`.
    pub fn path(&self, place: usize) -> Vec<String> {
        let mut path = vec![self.nodes[place].key.clone()];
        let mut below = place;
        // Parents come before their children.
        for (at, node) in self.nodes.iter().enumerate().take(place).rev() {
            if node.children.contains(&below) {
                path.push(node.key.clone());
                below = at;
            }
        }
        path.reverse();
        path
    }

    /// The place of the node with `key`.
    pub fn by_key(&self, key: &str) -> Option<usize> {
        self.nodes.iter().position(|node| node.key == key)
    }
}

//! The record of decisions, and the answers to "why?" that are read from it.

use super::{Alerts, Quiet, group_key, remember};
use crate::change::Change;
use crate::group::Group;
use crate::view::Reason;
use model::{Decision, Hold, Labels, Timestamp, Verdict};
use std::collections::BTreeMap;

impl Alerts {
    /// One decision per member whose verdict is new, and one per page.
    #[allow(clippy::too_many_arguments, reason = "the parts of one flush, used once")]
    pub(super) fn record(
        &mut self,
        group: &mut Group,
        receiver: &str,
        mut quiet: BTreeMap<Labels, Quiet>,
        paged: &[String],
        repeats: bool,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) {
        let group_key = group.row.key.clone();
        let mut decisions = Vec::new();
        for (labels, member) in &mut group.members {
            let decision = |verdict, by, page_key| Decision {
                at: now,
                alert: labels.clone(),
                verdict,
                receiver: receiver.to_owned(),
                group_key: group_key.clone(),
                by,
                page_key,
                over: false,
                next_send: None,
            };
            let held = quiet.remove(labels);
            if held.is_none() && !paged.is_empty() {
                let pages = paged.iter();
                decisions.extend(pages.map(|key| decision(Verdict::Deliver, vec![], Some(key.clone()))));
                member.recorded = Some(Verdict::Deliver);
                continue;
            }
            let (hold, by) = match held {
                Some(quiet) => (quiet.hold, quiet.by),
                None if group.again => (Hold::Grouped, vec![]),
                None if repeats => (Hold::Repeat, vec![]),
                None => continue,
            };
            if member.recorded != Some(Verdict::Hold(hold)) {
                member.recorded = Some(Verdict::Hold(hold));
                decisions.push(decision(Verdict::Hold(hold), by, None));
            }
        }
        for decision in decisions {
            self.decide(decision, out);
        }
    }

    /// Why an alert with `labels` was paged or not, up to `at`: one answer per route it takes.
    pub fn why(&self, labels: &Labels, at: Timestamp) -> Vec<Reason> {
        let alert = self.alerts.get(labels).map(|tracked| tracked.alert.clone());
        let nodes = &self.config.route.nodes;
        let routes = self.config.route.find(labels).into_iter();
        routes
            .map(|route| {
                let key = group_key(&nodes[route].key, &nodes[route].group_by.of(labels));
                let about = |decision: &&Decision| {
                    decision.at <= at && decision.alert == *labels && decision.group_key == key
                };
                let decisions: Vec<Decision> = self.decisions.iter().filter(about).cloned().collect();
                Reason {
                    alert: alert.clone(),
                    route: nodes[route].key.clone(),
                    receiver: nodes[route].receiver.clone(),
                    next_flush: self.groups.get(key.as_str()).map(|group| group.row.next_flush),
                    verdict: decisions.last().map(|decision| decision.verdict),
                    group_key: key,
                    decisions,
                }
            })
            .collect()
    }

    /// The latest decisions, oldest first, as far as they are kept in memory.
    pub fn decisions(&self) -> impl DoubleEndedIterator<Item = &Decision> {
        self.decisions.iter()
    }

    pub(super) fn decide(&mut self, decision: Decision, out: &mut Vec<Change>) {
        self.remember(decision.clone());
        out.push(Change::Decision(decision));
    }

    pub(super) fn remember(&mut self, decision: Decision) {
        remember(&mut self.decisions, decision);
    }
}

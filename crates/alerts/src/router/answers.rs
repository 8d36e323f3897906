//! Answers to "why was I (not) paged?", from the record, and of this moment.

use super::Alerts;
use crate::group::Group;
use crate::why::{self, Beside, Why};
use model::{Decision, Labels, Timestamp, Verdict};
use std::borrow::Borrow;

impl Alerts {
    /// Why an alert was paged or not, at an instant: one answer for each group it falls into, from the decisions that
    /// are kept in memory.
    pub fn why(&self, labels: &Labels, at: Timestamp) -> Vec<Why> {
        self.why_from(labels, at, self.decisions_about(labels))
    }

    /// As [`Alerts::why`], from decisions that the caller has found in the journal.
    pub fn why_from(
        &self,
        labels: &Labels,
        at: Timestamp,
        decisions: impl IntoIterator<Item = impl Borrow<Decision>>,
    ) -> Vec<Why> {
        // Routes of today in which it never was say nothing about then.
        why::on_record(why::explain(labels, at, decisions, &self.beside(labels, false)))
    }

    /// As [`Alerts::why_from`] of this moment: what came to hold an alert since its group's last turn, or holds it no
    /// longer, and is put on record at the next one, counts already, and when it is told next is foretold from how
    /// things stand.
    pub fn why_now(
        &self,
        labels: &Labels,
        now: Timestamp,
        decisions: impl IntoIterator<Item = impl Borrow<Decision>>,
    ) -> Vec<Why> {
        let beside = self.beside(labels, true);
        let mut answers = why::explain(labels, now, decisions, &beside);
        if let Some(tracked) = self.alerts.get(labels).filter(|tracked| !tracked.alert.is_resolved(now)) {
            // In a group where it was once, it is told of no more.
            let is_there = |why: &Why| tracked.places.iter().any(|(_, key)| **key == *why.group_key);
            answers.retain(|why| why.over || is_there(why));
        }
        let mut answers = why::on_record(answers);
        let slot = self.alerts.slot_of(labels).filter(|_| self.fires(labels, now));
        let is_in = |group: &&Group| {
            let member = slot.and_then(|slot| group.members.get(&slot));
            member.is_some_and(|member| !member.has_left)
        };
        for why in &mut answers {
            let group = self.groups.get(why.group_key.as_str()).filter(is_in);
            let is_back = why.is_elsewhere() && group.is_some();
            why.over &= !is_back;
            if why.over {
                continue;
            }
            why.next_send = group.and_then(|group| self.forecast(group, labels, now));
            let has_whom = |group: &&Group| {
                let node = &self.config.route.nodes[group.route];
                !self.targets(group, node).is_empty()
            };
            // What was decided may be on record no more.
            let is_lost = why.verdict.is_none() && group.as_ref().is_some_and(has_whom);
            let is_stale = is_back || is_lost || why.is_kept_quiet();
            let Some(group) = group.filter(|_| is_stale || why.is_to_be_told()) else { continue };
            match self.quiet(labels, &self.muted(group.route, now), now) {
                Some(quiet) => (why.verdict, why.by) = (Some(Verdict::Hold(quiet.hold)), quiet.by),
                None if is_stale => {
                    let verdict = group.standing_of(labels.fingerprint());
                    (why.verdict, why.by) = (Some(verdict), Vec::new());
                    why.on_its_way = verdict == Verdict::Deliver;
                }
                None => {}
            }
        }
        answers
    }

    fn beside(&self, labels: &Labels, is_now: bool) -> Beside<'_> {
        Beside {
            incidents: self.incidents.values().collect(),
            config: &self.config,
            silences: &self.silences,
            alert: self.alerts.get(labels).map(|tracked| &tracked.alert),
            is_now,
        }
    }
}

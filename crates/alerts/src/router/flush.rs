//! A group's turn to speak: what fires, what is held, and which of its receiver's integrations are paged.

use super::{Alerts, SWEEP};
use crate::change::Change;
use crate::config::Integration;
use crate::group::{Group, Need, Now, UNDER_WAY_MAX, page_order};
use crate::silence::KEPT;
use model::{Alert, Labels, Links, News, Page, PageStatus, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::{sync::Arc, time::Duration};

impl Alerts {
    /// When [`Alerts::tick`] next has something to do.
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.wakes.first().map(|(at, _)| *at)
    }

    /// The pages that are due, with every durable change in `out`.
    pub fn tick(&mut self, now: Timestamp, out: &mut Vec<Change>) -> Vec<Page> {
        out.append(&mut self.leftover);
        let due: Vec<Arc<str>> =
            self.wakes.iter().take_while(|(at, _)| *at <= now).map(|(_, key)| key.clone()).collect();
        let mut pages = Vec::new();
        for key in due {
            self.flush(&key, now, out, &mut pages);
        }
        if now.since(self.swept) >= SWEEP {
            self.swept = now;
            let old = self.silences.values().filter(|silence| silence.ends_at.plus(KEPT) <= now);
            for id in old.map(|silence| silence.id.clone()).collect::<Vec<_>>() {
                self.silences.remove(&id);
                out.push(Change::SilenceGone(id));
            }
        }
        pages
    }

    pub(super) fn flush(
        &mut self,
        key: &Arc<str>,
        now: Timestamp,
        out: &mut Vec<Change>,
        pages: &mut Vec<Page>,
    ) {
        let Some(mut group) = self.groups.remove(key) else { return };
        self.wakes.remove(&(group.wake, key.clone()));
        let before = group.row.clone();
        let regular = group.row.next_flush <= now;
        if group.members.is_empty() && regular {
            if group.stored {
                out.push(Change::GroupGone(group.row.key));
            }
            return;
        }
        self.page_integrations(&mut group, now, out, pages);
        if regular {
            let interval = self.config.route.nodes[group.route].group_interval.max(Duration::from_millis(1));
            group.row.next_flush = now.plus(interval);
        }
        group.row.flushed = true;
        let all_ended = group.members.keys().all(|labels| self.ended(labels, now));
        group.end_told = all_ended;
        self.release_ended(&mut group, now, out);
        if group.row != before && (group.stored || !group.row.ledgers.is_empty()) {
            group.stored = true;
            out.push(Change::Group(group.row.clone()));
        }
        self.wakes.insert((group.wake, key.clone()));
        self.groups.insert(key.clone(), group);
        self.rewake(key);
    }

    /// The whole life of one flush: what fires, what is held, and then each integration of the receiver.
    pub(super) fn page_integrations(
        &mut self,
        group: &mut Group,
        now: Timestamp,
        out: &mut Vec<Change>,
        pages: &mut Vec<Page>,
    ) {
        let node = self.config.route.nodes[group.route].clone();
        let muted = self.muted(group.route, now);
        let (mut firing, mut ended, mut quiet) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
        for labels in group.members.keys() {
            let fingerprint = labels.fingerprint();
            if self.ended(labels, now) {
                ended.insert(fingerprint);
            } else if let Some(held) = self.quiet(labels, &muted, now) {
                quiet.insert(labels.clone(), held);
            } else {
                firing.insert(fingerprint);
            }
        }
        let integrations: Vec<Integration> =
            self.config.receiver(&node.receiver).map(|r| r.integrations.clone()).unwrap_or_default();
        let name = |integration: &Integration| format!("{}/{}", node.receiver, integration.name);
        let wanted: BTreeSet<String> = integrations.iter().map(name).collect();
        group.row.ledgers.retain(|name, _| wanted.contains(name));
        group.again = false;
        let (mut paged, mut repeats) = (Vec::new(), false);
        for integration in &integrations {
            let full_name = name(integration);
            let ledger = group.row.ledgers.entry(full_name.clone()).or_default();
            if let Some(sent) = ledger.under_way.take_if(|sent| sent.at.plus(UNDER_WAY_MAX) <= now) {
                self.under_way.remove(&sent.key);
                ledger.delivered = Some(sent);
            }
            let seen = Now {
                at: now,
                firing: &firing,
                ended: &ended,
                send_resolved: integration.send_resolved,
                repeat_interval: node.repeat_interval,
            };
            let need = ledger.need(seen);
            match need {
                Need::Page(reason) => {
                    let told_of: BTreeSet<u64> = match ledger.told() {
                        Some(told) if integration.send_resolved => &told.owed & &ended,
                        _ => BTreeSet::new(),
                    };
                    let revision = ledger.revision + 1;
                    let page_key = group.page_key(&full_name, revision);
                    let ledger = group.row.ledgers.entry(full_name.clone()).or_default();
                    ledger.send(page_key.clone(), seen);
                    self.under_way.insert(page_key.clone(), (group.key.clone(), full_name));
                    let page = Page {
                        key: page_key,
                        revision,
                        status: if firing.is_empty() { PageStatus::Resolved } else { PageStatus::Firing },
                        reason,
                        receiver: node.receiver.clone(),
                        integration: integration.name.clone(),
                        group_key: group.row.key.clone(),
                        group_labels: group.row.labels.clone(),
                        route_labels: node.template_labels(),
                        alerts: self.alerts_of(group, |fp| firing.contains(&fp) || told_of.contains(&fp)),
                        news: News::default(),
                        at: now,
                        external_url: self.config.external_url.clone(),
                        incident_id: group.incident(),
                        cause: String::new(),
                        diagnosis: Vec::new(),
                        remedy: Vec::new(),
                        links: Links::default(),
                    };
                    paged.push(page.key.clone());
                    pages.push(page);
                }
                Need::Later => group.again = true,
                Need::Repeat => repeats = true,
                Need::Nothing => {}
            }
            if !integration.send_resolved
                && let Some(ledger) = group.row.ledgers.get_mut(&name(integration))
            {
                ledger.forget(&ended);
            }
        }
        group.row.ledgers.retain(|_, ledger| ledger.revision > 0);
        self.record(group, &node.receiver, quiet, &paged, repeats, now, out);
    }

    pub(super) fn alerts_of(&self, group: &Group, wanted: impl Fn(u64) -> bool) -> Vec<Alert> {
        let members = group.members.keys().filter(|labels| wanted(labels.fingerprint()));
        let alerts =
            members.filter_map(|labels| self.alerts.get(labels)).map(|tracked| tracked.alert.clone());
        page_order(alerts.collect())
    }

    /// Lets members go that have ended and whose end nobody waits for.
    pub(super) fn release_ended(&mut self, group: &mut Group, now: Timestamp, out: &mut Vec<Change>) {
        let ended: Vec<Labels> = group
            .members
            .keys()
            .filter(|labels| self.ended(labels, now))
            .filter(|labels| !group.row.ledgers.values().any(|ledger| ledger.holds(labels.fingerprint())))
            .cloned()
            .collect();
        for labels in ended {
            group.members.remove(&labels);
            let Some(tracked) = self.alerts.get(&labels) else { continue };
            let elsewhere = tracked.places.iter().filter(|(_, key)| *key != group.key);
            let held = elsewhere
                .filter_map(|(_, key)| self.groups.get(key))
                .any(|group| group.members.contains_key(&labels));
            if !held {
                self.alerts.remove(&labels);
                self.sources.remove(&labels);
                out.push(Change::AlertGone(labels));
            }
        }
    }
}

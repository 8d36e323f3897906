//! A start and a reload: every alert is filed under the present tree, and groups that are still there keep what they
//! told and when they speak next.

use super::{Alerts, new_group};
use crate::change::Change;
use crate::config::Config;
use crate::group::{Group, GroupRow};
use crate::inhibit::Sources;
use model::{Labels, Timestamp};
use std::collections::HashMap;
use std::sync::Arc;

impl Alerts {
    /// Takes a new configuration. Groups whose route and labels are still there keep what they told and when
    /// they speak next.
    pub fn reload(&mut self, config: Config, now: Timestamp, out: &mut Vec<Change>) {
        self.sources = Sources::new(config.inhibit.clone());
        self.config = config;
        let groups = std::mem::take(&mut self.groups).into_values();
        let rows = groups.map(|group| (group.row.key.clone(), (group.row, group.stored))).collect();
        for tracked in self.alerts.values_mut() {
            tracked.places.clear();
        }
        self.regroup(rows, now, out);
    }

    /// Files every alert under the present tree, using `rows` (each with whether it is in the journal) for
    /// groups that are already known.
    pub(super) fn regroup(
        &mut self,
        rows: HashMap<String, (GroupRow, bool)>,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) {
        self.wakes.clear();
        self.under_way.clear();
        for (key, (row, stored)) in rows {
            let Some(route) = self.config.route.by_key(&row.route) else {
                if stored {
                    out.push(Change::GroupGone(key));
                }
                continue;
            };
            for (integration, ledger) in &row.ledgers {
                if let Some(sent) = &ledger.under_way {
                    self.under_way.insert(sent.key.clone(), (key.as_str().into(), integration.clone()));
                }
            }
            let key: Arc<str> = key.into();
            let wake = row.next_flush;
            let group = Group { stored, ..new_group(row, key.clone(), route, wake) };
            self.wakes.insert((group.wake, key.clone()));
            self.groups.insert(key, group);
        }
        let all: Vec<Labels> = self.alerts.keys().cloned().collect();
        for labels in all {
            self.sources.add(&labels);
            self.file(&labels, now);
        }
        let keys: Vec<Arc<str>> = self.groups.keys().cloned().collect();
        for key in keys {
            self.rewake(&key);
        }
    }
}

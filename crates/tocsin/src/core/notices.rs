//! What the router noticed beside pages, told to those who listen: incidents, maintenance, pages that are out of date.

use super::{Core, batch::Batch, pages::page_spec};
use alerts::{Notice, What};
use model::{TaskSpec, Timestamp};
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;
use tasks::events::New;

/// Integrations that can say who has taken alerts on; to others it would be one more message.
const SHOW_ACKNOWLEDGED: [&str; 4] = ["pagerduty", "opsgenie", "victorops", "slack"];

impl Core {
    /// Tells of what the router noticed. Returns the pages that take the place of others: the key of each, and of the
    /// one that it replaces.
    pub(super) fn heed_notices(&mut self, batch: &mut Batch, now: Timestamp) -> HashMap<String, String> {
        let mut replaced = HashMap::new();
        for notice in self.alerts.take_notices() {
            match notice {
                Notice::Replaced { old, new } => drop(replaced.insert(new, old)),
                Notice::Withdrawn { key } => self.withdraw_page(&key, batch, now),
                Notice::Incident { id, what, by } => self.tell_incident(&id, what, &by, batch, now),
                Notice::Maintenance { silence, began } => self.tell_maintenance(&silence, began, batch, now),
            }
        }
        replaced
    }

    fn tell_incident(&mut self, id: &str, what: What, by: &str, batch: &mut Batch, now: Timestamp) {
        let Some(incident) = self.alerts.incident(id) else { return };
        let (word, severity) = (what.as_str(), incident.severity.as_str());
        let payload = json!({
            "incident_id": id,
            "state": incident.state.as_str(),
            "severity": severity,
            "by": by,
            "group_key": incident.group_key,
            "receiver": incident.receiver,
            "labels": incident.labels.iter().collect::<BTreeMap<_, _>>(),
            "acknowledged_by": incident.acknowledged_by,
            "assigned_to": incident.assigned_to,
        });
        tracing::info!(
            event = format!("incident_{word}"),
            incident_id = id,
            severity,
            by,
            "Incident {id} ({severity}): {word}"
        );
        self.tell(New::told(&format!("incident.{word}"), payload), batch, now);
        if what == What::Acknowledged {
            self.show_acknowledged(id, by, batch, now);
        }
    }

    /// Tells those who show it that somebody has taken an incident on.
    fn show_acknowledged(&mut self, id: &str, by: &str, batch: &mut Batch, now: Timestamp) {
        for page in self.alerts.told_pages(id, now) {
            let kind = page.integration.split('[').next().unwrap_or_default();
            if !SHOW_ACKNOWLEDGED.contains(&kind) {
                continue;
            }
            let mut args = self.args(&page).value();
            args[notify::ACKNOWLEDGED_BY] = by.into();
            let spec = TaskSpec { args: args.into(), ..page_spec(&page) };
            self.queue.submit_page(spec, Vec::new(), Duration::ZERO, now, &mut batch.changes.tasks);
        }
    }

    fn tell_maintenance(&mut self, id: &str, began: bool, batch: &mut Batch, now: Timestamp) {
        let Some(silence) = self.alerts.silences().find(|silence| silence.id == id) else { return };
        let matchers: Vec<String> = silence.matchers.iter().map(ToString::to_string).collect();
        let payload = json!({
            "silence_id": id,
            "owner": silence.created_by,
            "comment": silence.comment,
            "matchers": matchers,
            "ends_at": silence.ends_at.rfc3339(),
        });
        let type_ = if began { "maintenance.started" } else { "maintenance.ended" };
        self.tell(New::told(type_, payload), batch, now);
    }
}

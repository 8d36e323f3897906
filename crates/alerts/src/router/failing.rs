//! A receiver that does not get its pages is itself something to be told of, through another receiver.

use super::Alerts;
use crate::change::Change;
use model::{ALERTNAME, Alert, Labels, Timestamp};
use std::time::Duration;

/// The alert's name.
const NAME: &str = "NotificationFailed";
/// Without a further failure it ends by itself.
const TERM: Duration = Duration::from_secs(4 * 60 * 60);

impl Alerts {
    /// Pages do not reach an integration, `RECEIVER/webhook[0]`.
    pub(super) fn receiver_failed(
        &mut self,
        integration: &str,
        error: &str,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) {
        let Some(labels) = labels_of(integration) else { return };
        let fresh = |known: &Alert| known.ends_at.is_some_and(|end| end > now.plus(TERM / 2));
        if self.alerts.get(&labels).is_some_and(|tracked| fresh(&tracked.alert)) {
            return;
        }
        let summary = format!("pages to {integration} do not arrive");
        let annotations = [("summary", summary.as_str()), ("description", error)];
        let alert = Alert {
            annotations: Labels::from_pairs(annotations.into_iter().filter(|(_, text)| !text.is_empty())),
            labels,
            starts_at: now,
            ends_at: Some(now.plus(TERM)),
            generator_url: "".into(),
            updated_at: now,
        };
        self.receive(vec![alert], now, out);
    }

    /// A page reached an integration.
    pub(super) fn receiver_well(&mut self, integration: &str, now: Timestamp, out: &mut Vec<Change>) {
        let Some(labels) = labels_of(integration) else { return };
        let Some(tracked) = self.alerts.get(&labels).filter(|known| !known.alert.is_resolved(now)) else {
            return;
        };
        let alert = Alert { ends_at: Some(now), updated_at: now, ..tracked.alert.clone() };
        self.receive(vec![alert], now, out);
    }

    /// Who is told of an alert instead of its route's receiver: what says that a receiver fails does not go through
    /// it. Nobody, if there is no other.
    pub(super) fn instead(&self, labels: &Labels) -> Option<String> {
        let failing = labels.get("receiver").filter(|_| tells_of_a_receiver(labels))?;
        self.config.receiver(failing)?;
        let nodes = &self.config.route.nodes;
        let routed = self.config.route.find(labels).into_iter().map(|at| &nodes[at].receiver);
        let all = self.config.receivers.iter();
        let all = all.filter(|receiver| !receiver.integrations.is_empty()).map(|receiver| &receiver.name);
        let well = |name: &&String| *name != failing && !self.fails(name);
        let mut others = routed.chain(all.clone()).filter(|name| *name != failing);
        let found = others.clone().find(well).or_else(|| others.next());
        Some(found.cloned().unwrap_or_default())
    }

    fn fails(&self, receiver: &str) -> bool {
        let integrations = self.config.receiver(receiver).into_iter().flat_map(|known| &known.integrations);
        let mut alerts =
            integrations.filter_map(|integration| labels_of(&format!("{receiver}/{}", integration.name)));
        alerts.any(|labels| self.alerts.slot_of(&labels).is_some())
    }
}

/// Whether an alert says that a receiver fails.
pub(crate) fn tells_of_a_receiver(labels: &Labels) -> bool {
    labels.get(ALERTNAME) == Some(NAME)
        && labels.get("receiver").is_some()
        && labels.get("integration").is_some()
}

fn labels_of(integration: &str) -> Option<Labels> {
    let (receiver, integration) = integration.rsplit_once('/')?;
    Some(Labels::from_pairs([
        (ALERTNAME, NAME),
        ("integration", integration),
        ("receiver", receiver),
        ("severity", "error"),
    ]))
}

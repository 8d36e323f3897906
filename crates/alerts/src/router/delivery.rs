//! What became of pages: delivered, or given up.

use super::{Alerts, remember};
use crate::change::Change;
use model::{Decision, Hold, Timestamp, Verdict};

impl Alerts {
    /// Takes the outcome of a page: it arrived, or nobody will try again.
    pub fn delivered(
        &mut self,
        page_key: &str,
        result: Result<(), String>,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) {
        let Some((key, integration)) = self.under_way.remove(page_key) else { return };
        let Some(mut group) = self.groups.remove(&key) else { return };
        let sent = group.row.ledgers.get_mut(&integration).and_then(|ledger| ledger.under_way.take());
        if let (Some(sent), Some(ledger)) = (sent, group.row.ledgers.get_mut(&integration)) {
            match result {
                Ok(()) => ledger.delivered = Some(sent),
                Err(error) => {
                    let receiver = self.config.route.nodes[group.route].receiver.clone();
                    let verdict = Verdict::Hold(Hold::ReceiverDown);
                    for (labels, member) in &mut group.members {
                        if !sent.firing.contains(&labels.fingerprint()) {
                            continue;
                        }
                        member.recorded = Some(verdict);
                        let decision = Decision {
                            at: now,
                            alert: labels.clone(),
                            verdict,
                            receiver: receiver.clone(),
                            group_key: group.row.key.clone(),
                            by: vec![error.clone()],
                            page_key: Some(sent.key.clone()),
                            over: false,
                            next_send: None,
                        };
                        remember(&mut self.decisions, decision.clone());
                        out.push(Change::Decision(decision));
                    }
                }
            }
        }
        self.release_ended(&mut group, now, out);
        out.push(Change::Group(group.row.clone()));
        let again = std::mem::take(&mut group.again);
        let wake = group.wake;
        self.groups.insert(key.clone(), group);
        self.rewake(&key);
        if again && let Some(group) = self.groups.get_mut(&key) {
            self.wakes.remove(&(group.wake.min(wake), key.clone()));
            self.wakes.remove(&(group.wake, key.clone()));
            group.wake = now.min(group.wake);
            self.wakes.insert((group.wake, key));
        }
    }

    /// Keys of the pages whose outcome has not been reported.
    pub fn under_way(&self) -> impl Iterator<Item = &str> {
        self.under_way.keys().map(String::as_str)
    }
}

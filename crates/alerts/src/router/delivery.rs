//! What became of pages: delivered, tried in vain, or given up.

use super::Alerts;
use crate::change::Change;
use crate::group::{Group, Sent};
use crate::incident::What;
use crate::route::Resolve;
use model::{Alert, Decision, Hold, Json, Timestamp, Verdict};
use std::{collections::VecDeque, sync::Arc, time::Duration};

/// A page that has not arrived after so long is told of through another receiver, as one that was given up is.
const FAILING_MAX: Duration = Duration::from_secs(10 * 60);

/// What came of one try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tried<'a> {
    /// `ok`, a status such as `503`, or the kind of error.
    pub code: &'a str,
    /// What went wrong; nothing if it arrived.
    pub error: &'a str,
    /// What it left for the next page to the same integration.
    pub kept: Option<&'a Json>,
}

impl Alerts {
    /// Takes the outcome of a page: it arrived, or nobody will try again.
    pub fn delivered(
        &mut self,
        page_key: &str,
        result: Result<(), String>,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) {
        let tried = match &result {
            Ok(()) => Tried { code: "ok", error: "", kept: None },
            Err(error) => Tried { code: "error", error, kept: None },
        };
        self.outcome(page_key, tried, result.is_ok(), now, out);
    }

    /// As [`Alerts::delivered`], with what the last try came to.
    pub fn outcome(
        &mut self,
        page_key: &str,
        tried: Tried<'_>,
        arrived: bool,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) {
        let Some((key, integration)) = self.under_way.remove(page_key) else { return };
        let Some(mut group) = self.groups.remove(&key) else { return };
        let late =
            self.forget_superseded(&mut group, &integration).into_iter().find(|sent| sent.key == page_key);
        if let Some(late) = late {
            self.superseded_outcome(&mut group, late, &integration, tried, arrived, now, out);
            self.groups.insert(key, group);
            if arrived {
                self.receiver_well(&integration, now, out);
            }
            return;
        }
        self.note_try(&group, (page_key, &integration), tried, arrived, now, out);
        let (mut was_failing, mut lost) = (false, None);
        if let Some(ledger) = group.row.ledgers.get_mut(&integration) {
            was_failing = ledger.failing.take().is_some();
            match ledger.under_way.take() {
                sent @ Some(_) if arrived => {
                    (ledger.delivered, ledger.reported) = (sent, true);
                    ledger.kept = tried.kept.cloned().or(ledger.kept.take());
                }
                sent => lost = sent,
            }
        }
        self.forget_ended(&mut group, &integration, now);
        if let Some(lost) = lost {
            self.hold_back(&mut group, &integration, &lost, tried.error, now, out);
        }
        self.release_ended(&mut group, now, out);
        if group.members.is_empty() && self.config.route.nodes[group.route].resolve == Resolve::GroupInterval
        {
            // It spoke of the end at its turn: its next alert is a new group's first.
            group.row.next_flush = now;
        }
        out.push(Change::Group(group.row.clone()));
        if std::mem::take(&mut group.again) || was_failing {
            (group.catch_up, group.nudged) = (true, Some(now));
        }
        self.groups.insert(key.clone(), group);
        self.rewake(&key);
        if arrived {
            self.receiver_well(&integration, now, out);
        } else {
            self.receiver_failed(&integration, tried.error, now, out);
        }
    }

    /// A page got through, or not, though another had taken its place: that one follows it.
    #[allow(clippy::too_many_arguments, reason = "the parts of one step, used once")]
    fn superseded_outcome(
        &mut self,
        group: &mut Group,
        late: Sent,
        integration: &str,
        tried: Tried<'_>,
        arrived: bool,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) {
        if !arrived {
            return;
        }
        self.note_try(group, (&late.key, integration), tried, arrived, now, out);
        if let Some(ledger) = group.row.ledgers.get_mut(integration) {
            (ledger.delivered, ledger.reported) = (Some(late), true);
            ledger.failing = None;
            ledger.kept = tried.kept.cloned().or(ledger.kept.take());
        }
        self.forget_ended(group, integration, now);
        out.push(Change::Group(group.row.clone()));
    }

    /// An integration that wants no ends was told of alerts that have ended meanwhile: should they return, that is news.
    fn forget_ended(&self, group: &mut Group, integration: &str, now: Timestamp) {
        if self.wants_ends(integration) {
            return;
        }
        let ended = self.members(group).filter(|alert| alert.is_resolved(now));
        let ended = ended.map(|alert| alert.labels.fingerprint()).collect();
        if let Some(ledger) = group.row.ledgers.get_mut(integration) {
            ledger.forget(&ended);
        }
    }

    fn wants_ends(&self, integration: &str) -> bool {
        let found = integration.rsplit_once('/').and_then(|(receiver, name)| {
            let mut integrations = self.config.receiver(receiver)?.integrations.iter();
            integrations.find(|integration| integration.name == name)
        });
        found.is_none_or(|integration| integration.send_resolved)
    }

    /// No try is under way of a page whose place another has taken: it cannot get through any more.
    pub fn idle(&mut self, page_key: &str) {
        let Some((key, integration)) = self.under_way.remove(page_key) else { return };
        let ledger = self.groups.get_mut(&key).and_then(|group| group.row.ledgers.get_mut(&integration));
        if let Some(ledger) = ledger {
            ledger.superseded.retain(|sent| sent.key != page_key);
        }
    }

    /// A try was reported: none of another page goes on.
    fn forget_superseded(&mut self, group: &mut Group, integration: &str) -> VecDeque<Sent> {
        let ledger = group.row.ledgers.get_mut(integration);
        let superseded = ledger.map(|ledger| std::mem::take(&mut ledger.superseded)).unwrap_or_default();
        superseded.iter().for_each(|sent| drop(self.under_way.remove(&sent.key)));
        superseded
    }

    /// A try to deliver a page failed, and there will be another. From now on what changes in its group goes out in
    /// its place.
    pub fn attempted(&mut self, page_key: &str, tried: Tried<'_>, now: Timestamp, out: &mut Vec<Change>) {
        let Some((key, integration)) = self.under_way.get(page_key).cloned() else { return };
        let Some(mut group) = self.groups.remove(&key) else { return };
        self.note_try(&group, (page_key, &integration), tried, false, now, out);
        let since = self.stays_away(&mut group, &integration, tried.error, now, out);
        self.groups.insert(key.clone(), group);
        self.rewake(&key);
        if since.is_some_and(|since| since.plus(FAILING_MAX) <= now) {
            self.receiver_failed(&integration, tried.error, now, out);
        }
    }

    /// A page was not even tried, because its receiver fails for others. As after a try that failed, what changes goes out
    /// in its place.
    pub fn put_off(&mut self, page_key: &str, now: Timestamp, out: &mut Vec<Change>) {
        let Some((key, integration)) = self.under_way.get(page_key).cloned() else { return };
        let Some(mut group) = self.groups.remove(&key) else { return };
        self.stays_away(&mut group, &integration, "", now, out);
        self.groups.insert(key.clone(), group);
        self.rewake(&key);
    }

    /// The page under way to an integration has not arrived; since when that is so.
    fn stays_away(
        &mut self,
        group: &mut Group,
        integration: &str,
        error: &str,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) -> Option<Timestamp> {
        self.forget_superseded(group, integration);
        let ledger = group.row.ledgers.get_mut(integration)?;
        let stuck = ledger.under_way.clone()?;
        if let Some(since) = ledger.failing {
            return Some(since);
        }
        ledger.failing = Some(now);
        self.hold_back(group, integration, &stuck, error, now, out);
        out.push(Change::Group(group.row.clone()));
        // What came while it was under way waits no longer.
        group.nudged = Some(now);
        Some(now)
    }

    /// What the last page of a group to an integration, `RECEIVER/webhook[0]`, left for the next one.
    pub fn kept(&self, group_key: &str, integration: &str) -> Option<&Json> {
        self.groups.get(group_key)?.row.ledgers.get(integration)?.kept.as_ref()
    }

    /// Keys of the pages whose outcome has not been reported.
    pub fn under_way(&self) -> impl Iterator<Item = &str> {
        self.under_way.keys().map(String::as_str)
    }

    /// Puts on record that the alerts of a page have not reached its receiver.
    fn hold_back(
        &mut self,
        group: &mut Group,
        integration: &str,
        sent: &Sent,
        error: &str,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) {
        let next_send = Some(group.row.next_flush);
        let verdict = Verdict::Hold(Hold::ReceiverDown);
        let mut decisions = Vec::new();
        for (slot, member) in &mut group.members {
            let Some(Alert { labels, ends_at, .. }) = self.alerts.at(*slot).map(|tracked| &tracked.alert)
            else {
                continue;
            };
            let (fingerprint, over) = (labels.fingerprint(), ends_at.is_some_and(|end| end <= now));
            // Of an end that was tried the try says enough.
            let is_held = match over {
                true => sent.ended.contains(&fingerprint) && error.is_empty(),
                false => sent.firing.contains(&fingerprint) && !member.has_left,
            };
            if !is_held {
                continue;
            }
            if !over {
                member.recorded = Some((verdict, false));
            }
            decisions.push(Decision {
                at: now,
                alert: labels.clone(),
                verdict,
                receiver: integration.rsplit_once('/').map_or(integration, |(name, _)| name).into(),
                group_key: group.key.clone(),
                by: Some(error.to_owned()).filter(|error| !error.is_empty()).into_iter().collect(),
                page_key: Some(sent.key.clone()),
                over,
                next_send: next_send.filter(|_| !over),
                nth: 0,
            });
        }
        for decision in decisions {
            self.decide(decision, out);
        }
    }

    /// Puts a try on the incident's timeline.
    fn note_try(
        &mut self,
        group: &Group,
        (page_key, integration): (&str, &str),
        tried: Tried<'_>,
        arrived: bool,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) {
        let id: &Arc<str> = &group.incident;
        let Some(incident) = self.incidents.get_mut(&**id) else { return };
        let what = if arrived { What::Delivered } else { What::Failed };
        let lines = incident.timeline.len();
        incident.add_message((now, what), integration, page_key, Some(tried.code), tried.error);
        out.push(Change::line_of(incident, lines));
    }
}

//! What people do to incidents and to who is on call, and what they read of incidents.

use super::Alerts;
use super::read::Told;
use crate::change::Change;
use crate::group::{Ledger, page_order};
use crate::incident::{Act, ActError, Incident, IncidentState, What};
use crate::on_call::{StandIn, StandInError};
use crate::view::{AlertView, IncidentView};
use model::{Labels, Links, News, Page, PageReason, PageStatus, Timestamp};
use std::sync::Arc;

/// Characters of a name.
const NAME_MAX: usize = 200;
/// Characters of a note.
const NOTE_MAX: usize = 4_000;

impl Alerts {
    /// Does something to an incident, for `by`. What does not apply changes nothing.
    pub fn act(
        &mut self,
        id: &str,
        act: Act,
        by: &str,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) -> Result<(), ActError> {
        let incident = self.incidents.get(id).ok_or_else(|| ActError::NotFound(id.to_owned()))?;
        check(incident, &act, now)?;
        if let Act::Merge { into } = &act {
            let other = self.incidents.get_mut(into).ok_or_else(|| ActError::NotFound(into.clone()))?;
            if !other.is_live() || other.merged_into.is_some() {
                let why = match other.is_live() {
                    true => "it is part of another one itself",
                    false => "nothing can become part of what is over",
                };
                let (id, state) = (other.id.clone(), other.state.as_str());
                return Err(ActError::NotApplicable { id, state, why });
            }
            other.add(now, What::Merged, by, format!("took in incident {id}"));
            out.push(Change::Incident(Box::new(other.clone())));
        }
        let Some(mut incident) = self.incidents.remove(id) else { return Ok(()) };
        let what = apply(&mut incident, act, by, now);
        self.tell(&incident, what, by);
        if !matches!(what, What::Assigned | What::Note) {
            self.record_act(&incident, now, out);
            // A step that waited does so no longer; the end of a snooze is another matter.
            if let Some(group) = self.groups.get_mut(incident.group_key.as_str()) {
                group.step_held = false;
            }
        }
        out.push(Change::Incident(Box::new(incident.clone())));
        let key = incident.group_key.clone();
        self.incidents.insert(incident.id.clone(), incident);
        self.rewake(key.as_str());
        Ok(())
    }

    /// Writes down what was found or done about an incident, if it is known.
    pub fn note(
        &mut self,
        id: &str,
        (what, who): (What, &str),
        detail: &str,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) {
        if let Some(incident) = self.incidents.get_mut(id) {
            let lines = incident.timeline.len();
            incident.add(now, what, who, detail);
            out.push(Change::line_of(incident, lines));
        }
    }

    /// What stands at those who were told of an incident that goes on: a message for each, as it would be said now, for
    /// receivers that can show who has taken it on.
    pub fn told_pages(&self, id: &str, now: Timestamp) -> Vec<Page> {
        let group = self.incidents.get(id).and_then(|incident| self.groups.get(incident.group_key.as_str()));
        let Some(group) = group.filter(|group| *group.incident == *id) else { return Vec::new() };
        let node = &self.config.route.nodes[group.route];
        let page = |(name, ledger): (&String, &Ledger)| {
            let told = ledger.delivered.as_ref().filter(|told| !told.owed.is_empty())?;
            let (receiver, integration) = name.rsplit_once('/')?;
            let present = self.present(group).map(|tracked| &tracked.alert);
            let known = present.filter(|alert| told.firing.contains(&alert.labels.fingerprint()));
            let alerts = page_order(known.cloned().collect());
            (!alerts.is_empty()).then(|| Page {
                key: format!("{}-acknowledged-{}", told.key, now.as_millis()),
                revision: ledger.revision,
                status: PageStatus::Firing,
                reason: PageReason::Repeat,
                receiver: receiver.to_owned(),
                integration: integration.to_owned(),
                group_key: group.row.key.clone(),
                group_labels: group.row.labels.clone(),
                route_labels: node.template_labels(),
                alerts,
                news: News::default(),
                at: now,
                external_url: self.config.external_url.clone(),
                incident_id: id.to_owned(),
                cause: String::new(),
                diagnosis: Vec::new(),
                remedy: Vec::new(),
                reopened: None,
                links: Links::default(),
            })
        };
        group.row.ledgers.iter().filter_map(page).collect()
    }

    /// An incident by its id.
    pub fn incident(&self, id: &str) -> Option<&Incident> {
        self.incidents.get(id)
    }

    /// Incidents in a state, or all: those that are not over first, then the latest first.
    pub fn incidents(&self, state: Option<IncidentState>) -> Vec<&Incident> {
        let wanted = |incident: &&Incident| state.is_none_or(|state| incident.state == state);
        let mut found: Vec<&Incident> = self.incidents.values().filter(wanted).collect();
        found.sort_by(|a, b| {
            let order = |incident: &Incident| (!incident.is_live(), std::cmp::Reverse(incident.opened_at));
            order(a).cmp(&order(b)).then_with(|| a.id.cmp(&b.id))
        });
        found
    }

    /// An incident with its alerts, those that ended and whose end is still to be told among them.
    pub fn incident_view(&self, id: &str, now: Timestamp) -> Option<IncidentView> {
        let incident = self.incidents.get(id)?.clone();
        let group = self.groups.get(incident.group_key.as_str()).filter(|group| *group.incident == *id);
        let mut told = Told::default();
        let mut alerts: Vec<AlertView> = Vec::new();
        if let Some(group) = group {
            let muted = self.muted(group.route, now);
            // What a reload moved, and fires on, is part of another incident.
            let members = group.members.iter().filter_map(|(slot, member)| {
                let tracked = self.alerts.at(*slot)?;
                (!member.has_left || tracked.alert.is_resolved(now)).then_some(tracked)
            });
            alerts.extend(members.map(|tracked| self.view(tracked, muted.clone(), &mut told, now)));
        }
        alerts.sort_by(|a, b| a.alert.labels.cmp(&b.alert.labels));
        let next_send = group.map(|group| group.row.next_flush);
        Some(IncidentView { incident, alerts, next_send })
    }

    /// Somebody stands in on a schedule: what is kept of it, and the ids of those that are kept no longer.
    pub fn stand_in(&mut self, new: StandIn, now: Timestamp) -> Result<(StandIn, Vec<String>), StandInError> {
        self.config.check_stand_in(&new.schedule, &new.over, now)?;
        let kept = &mut Arc::make_mut(&mut self.config).stand_ins;
        let gone = kept.forget(now);
        Ok((kept.add(new)?, gone))
    }

    /// They do not stand in after all.
    pub fn stand_back(&mut self, schedule: &str, id: &str) -> Option<StandIn> {
        Arc::make_mut(&mut self.config).stand_ins.remove(schedule, id)
    }

    /// The ids of the incidents that an alert is part of, in the order of the route tree; none for one of which nobody
    /// was told.
    pub fn incidents_of(&self, labels: &Labels) -> Vec<String> {
        let Some(slot) = self.alerts.slot_of(labels) else { return Vec::new() };
        let places = self.alerts.at(slot).into_iter().flat_map(|tracked| tracked.groups());
        let groups = places.filter_map(|key| self.groups.get(key));
        let groups = groups.filter(|group| group.members.get(&slot).is_none_or(|member| !member.has_left));
        let known = groups.filter_map(|group| self.incidents.get(&*group.incident));
        known.map(|incident| incident.id.clone()).collect()
    }
}

/// Whether an act applies.
fn check(incident: &Incident, act: &Act, now: Timestamp) -> Result<(), ActError> {
    let refuse = |why| {
        let (id, state) = (incident.id.clone(), incident.state.as_str());
        Err(ActError::NotApplicable { id, state, why })
    };
    let invalid = |field, what| Err(ActError::Invalid { field, what });
    let live = incident.is_live();
    match act {
        Act::Note { text } if text.trim().is_empty() => invalid("text", "must not be empty"),
        Act::Note { text } if text.chars().count() > NOTE_MAX => {
            invalid("text", "is longer than 4000 characters")
        }
        Act::Note { .. } => Ok(()),
        _ if !live => refuse("it is over"),
        Act::Acknowledge if incident.snoozed_until.is_some() => Ok(()),
        Act::Acknowledge if incident.state == IncidentState::Acknowledged => {
            refuse("somebody has it already")
        }
        Act::Snooze { until } if *until <= now => invalid("until", "must be in the future"),
        Act::Assign { to } if to.trim().is_empty() => invalid("to", "must not be empty"),
        Act::Assign { to } if to.chars().count() > NAME_MAX => invalid("to", "is longer than 200 characters"),
        Act::Merge { into } if *into == incident.id => invalid("into", "is the incident itself"),
        Act::Merge { .. } if incident.merged_into.is_some() => refuse("it is part of another one already"),
        Act::Acknowledge | Act::Snooze { .. } | Act::Assign { .. } | Act::Merge { .. } | Act::Resolve => {
            Ok(())
        }
    }
}

fn apply(incident: &mut Incident, act: Act, by: &str, now: Timestamp) -> What {
    let (what, detail) = match act {
        Act::Acknowledge => {
            incident.rest(IncidentState::Acknowledged, now);
            incident.acknowledged_by = Some(by.to_owned());
            (What::Acknowledged, String::new())
        }
        Act::Snooze { until } => {
            incident.rest(IncidentState::Acknowledged, now);
            incident.acknowledged_by = Some(by.to_owned());
            incident.snoozed_until = Some(until);
            (What::Snoozed, format!("until {}", until.rfc3339()))
        }
        Act::Assign { to } => {
            incident.assigned_to = Some(to.clone());
            (What::Assigned, to)
        }
        Act::Note { text } => (What::Note, text),
        Act::Merge { into } => {
            incident.rest(IncidentState::Acknowledged, now);
            incident.acknowledged_by.get_or_insert_with(|| by.to_owned());
            incident.merged_into = Some(into.clone());
            (What::Merged, format!("is part of incident {into}"))
        }
        Act::Resolve => {
            incident.rest(IncidentState::Resolved, now);
            incident.closed_by = Some(by.to_owned());
            incident.resolved_at = Some(now);
            (What::Resolved, "by hand".to_owned())
        }
    };
    incident.add(now, what, by, detail);
    what
}

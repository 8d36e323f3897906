//! Incidents, why somebody was told or not, who is on call, how far a silence reaches: the router's answers.

mod on_call;
mod why;

use super::{Series, desk::uuid, monitoring, once::once};
use crate::core::{Core, Handle};
use alerts::{Act, ActError};
use futures_util::future::BoxFuture;
use model::{Decision, Labels, Matcher, Timestamp};
use server::{
    Asked, By, Failure,
    views::{
        EntryView, EscalationView, IncidentAct, IncidentFilter, IncidentState, IncidentView, Kept,
        NewOverride, OnCallView, OverrideView, PageOf, ReachView, WhyView,
    },
};
use std::{sync::Arc, time::Duration};
use why::{MEANT_MAX, alerts_of, explain, meant, whole};

/// Decisions about one alert that are looked through.
const DECISIONS_MAX: usize = 1000;
/// How much of the past and of the future a calendar shows.
const CALENDAR_BACK: Duration = Duration::from_secs(7 * 86_400);
const CALENDAR_AHEAD: Duration = Duration::from_secs(183 * 86_400);
/// After every decision: no key of a row has a later one.
const FAR: Timestamp = Timestamp::from_millis(9_999_999_999_998);

/// The core and the journal, as those see them who deal with incidents.
pub struct Incidents {
    /// Who decides.
    pub core: Handle,
    /// What was decided.
    pub reader: Arc<store::Reader>,
    /// What rules looked at.
    pub series: Arc<Series>,
}

type Answer<'a, T> = BoxFuture<'a, Result<T, Failure>>;

impl server::Incidents for Incidents {
    fn list(&self, filter: IncidentFilter) -> Answer<'_, PageOf<IncidentView>> {
        Box::pin(async move {
            let page = self.core.call(move |core, _, now| {
                let found = core.alerts.incidents(filter.state.map(state_of));
                let total = found.len() as u64;
                let skip = usize::try_from(filter.offset).unwrap_or(usize::MAX);
                let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX);
                let ids: Vec<String> =
                    found.into_iter().skip(skip).take(limit).map(|incident| incident.id.clone()).collect();
                let items = ids.iter().filter_map(|id| view(core, id, now)).collect();
                PageOf { items, total }
            });
            Ok(page.await?)
        })
    }

    fn one(&self, id: String) -> Answer<'_, Option<IncidentView>> {
        Box::pin(async move { Ok(self.core.call(move |core, _, now| view(core, &id, now)).await?) })
    }

    fn of(&self, alerts: Vec<Labels>) -> Answer<'_, Vec<Vec<String>>> {
        Box::pin(async move {
            let ids = self.core.call(move |core, _, _| {
                alerts.iter().map(|labels| core.alerts.incidents_of(labels)).collect::<Vec<_>>()
            });
            Ok(ids.await?)
        })
    }

    fn act(&self, id: String, act: IncidentAct, by: By, asked: Asked<IncidentView>) -> Answer<'_, Kept> {
        Box::pin(once(&self.core, asked, move |core, batch, now| {
            let known = core.alerts.incident(&id).map(|incident| incident.reopened);
            if let (Some(seen), Some(now)) = (by.reopened, known)
                && seen != now
            {
                let why = format!("incident {id} has come back since; look at it anew");
                return Err(Failure::Conflict(why));
            }
            core.alerts.act(&id, act_of(act), &by.name, now, &mut batch.changes.alerts).map_err(refusal)?;
            view(core, &id, now).ok_or_else(|| Failure::NotFound(format!("there is no incident {id}")))
        }))
    }

    fn why(&self, matchers: Vec<Matcher>, at: Option<Timestamp>) -> Answer<'_, Vec<WhyView>> {
        Box::pin(async move {
            let wanted = matchers.clone();
            let meant =
                self.core.call(move |core, _, now| meant(core, &wanted, at.unwrap_or(now), now)).await?;
            let meant = if meant.is_empty() { whole(&matchers).into_iter().collect() } else { meant };
            self.explain(meant, None, at).await
        })
    }

    fn why_of(&self, id: String, at: Option<Timestamp>) -> Answer<'_, Vec<WhyView>> {
        Box::pin(async move {
            let about = id.clone();
            let meant = self.core.call(move |core, _, now| alerts_of(core, &about, now)).await?;
            self.explain(meant, Some(id), at).await
        })
    }

    fn on_call(&self, from: Timestamp, until: Timestamp) -> Answer<'_, Vec<OnCallView>> {
        Box::pin(async move {
            let schedules = self.core.call(|core, _, _| on_call::all(core)).await?;
            Ok(schedules.into_iter().map(|one| one.view(from, until)).collect())
        })
    }

    fn calendar(&self, name: String) -> Answer<'_, Option<String>> {
        Box::pin(async move {
            let found =
                self.core.call(move |core, _, now| Some((core.alerts.config().schedule(&name)?, now)));
            let Some((schedule, now)) = found.await? else { return Ok(None) };
            let (from, until) = (now.minus(CALENDAR_BACK), now.plus(CALENDAR_AHEAD));
            Ok(Some(alerts::on_call::ical(&schedule, from, until, now)))
        })
    }

    fn put_override(&self, new: NewOverride, by: String, asked: Asked<OverrideView>) -> Answer<'_, Kept> {
        let id = uuid();
        Box::pin(once(&self.core, asked, move |core, batch, now| {
            on_call::stand_in(core, new, (id, by), now, &mut batch.changes.tasks)
        }))
    }

    fn delete_override(&self, schedule: String, id: String, by: String) -> Answer<'_, ()> {
        Box::pin(async move {
            let done = self.core.call(move |core, batch, now| {
                on_call::stand_back(core, &schedule, &id, by, now, &mut batch.changes.tasks)
            });
            done.await?
        })
    }

    fn reach(&self, matchers: Vec<Matcher>) -> Answer<'_, ReachView> {
        Box::pin(async move {
            let reach = self.core.call(move |core, _, now| core.alerts.reach(&matchers, now)).await?;
            Ok(ReachView { alerts: reach.alerts, firing: reach.firing, broad: reach.broad })
        })
    }
}

impl Incidents {
    /// The answers for each of these alerts: the delivered ones first.
    async fn explain(
        &self,
        meant: Vec<Labels>,
        incident: Option<String>,
        at: Option<Timestamp>,
    ) -> Result<Vec<WhyView>, Failure> {
        let mut answers = Vec::new();
        for labels in meant.into_iter().take(MEANT_MAX) {
            let journal = self.journal(&labels, at).await?;
            let about = labels.clone();
            let told = self.core.call(move |core, _, now| explain(core, &about, journal, at, now)).await?;
            answers.extend(self.with_values(labels, told, at).await?);
        }
        if let Some(id) = incident {
            let mine = |why: &WhyView| why.incident_id.as_deref() == Some(&id);
            if answers.iter().any(mine) {
                answers.retain(mine);
            }
        }
        answers.sort_by_key(|why| (why.verdict != "deliver", why.over));
        Ok(answers)
    }

    /// What the journal has about an alert, up to `at`.
    async fn journal(&self, labels: &Labels, at: Option<Timestamp>) -> Result<Vec<Decision>, Failure> {
        let (labels, until) = (labels.clone(), at.unwrap_or(FAR).min(FAR));
        super::tasks::ask(&self.reader, move |reader| reader.decisions_about(&labels, until, DECISIONS_MAX))
            .await
    }

    /// An instant in the past: the number that the rule looked at then.
    async fn with_values(
        &self,
        labels: Labels,
        mut answers: Vec<WhyView>,
        at: Option<Timestamp>,
    ) -> Result<Vec<WhyView>, Failure> {
        let unknown = |why: &WhyView| why.rule.as_ref().is_some_and(|rule| rule.value.is_none());
        let Some(at) = at.filter(|_| answers.iter().any(unknown)) else { return Ok(answers) };
        let series = self.series.clone();
        let value = tokio::task::spawn_blocking(move || series.value(&labels, at)).await;
        let value = value.map_err(|why| Failure::Internal(why.to_string()))?;
        for rule in answers.iter_mut().filter_map(|why| why.rule.as_mut()) {
            rule.value = rule.value.or(value);
        }
        Ok(answers)
    }
}

fn view(core: &Core, id: &str, now: Timestamp) -> Option<IncidentView> {
    let alerts::IncidentView { incident, alerts, .. } = core.alerts.incident_view(id, now)?;
    Some(IncidentView {
        state: match incident.state {
            alerts::IncidentState::Open => IncidentState::Open,
            alerts::IncidentState::Acknowledged => IncidentState::Acknowledged,
            alerts::IncidentState::Resolved => IncidentState::Resolved,
        },
        severity: incident.severity.as_str(),
        sev: incident.severity.sev(),
        alerts: alerts.into_iter().map(|alert| monitoring::told(core, alert)).collect(),
        timeline: incident.timeline.into_iter().map(entry).collect(),
        escalation: incident.escalation.map(|escalating| EscalationView {
            step: escalating.step + 1,
            policy: escalating.policy,
            round: escalating.round,
            due: escalating.due,
        }),
        id: incident.id,
        group_key: incident.group_key,
        receiver: incident.receiver,
        labels: incident.labels,
        opened_at: incident.opened_at,
        resolved_at: incident.resolved_at,
        closed_by: incident.closed_by,
        acknowledged_by: incident.acknowledged_by,
        snoozed_until: incident.snoozed_until,
        assigned_to: incident.assigned_to,
        merged_into: incident.merged_into,
        reopened: incident.reopened,
    })
}

fn entry(entry: alerts::Entry) -> EntryView {
    EntryView {
        at: entry.at,
        what: entry.what.as_str(),
        who: entry.who,
        detail: entry.detail,
        key: entry.key,
        code: entry.code,
        tries: entry.tries,
    }
}

fn state_of(state: IncidentState) -> alerts::IncidentState {
    match state {
        IncidentState::Open => alerts::IncidentState::Open,
        IncidentState::Acknowledged => alerts::IncidentState::Acknowledged,
        IncidentState::Resolved => alerts::IncidentState::Resolved,
    }
}

fn act_of(act: IncidentAct) -> Act {
    match act {
        IncidentAct::Acknowledge => Act::Acknowledge,
        IncidentAct::Snooze { until } => Act::Snooze { until },
        IncidentAct::Assign { to } => Act::Assign { to },
        IncidentAct::Note { text } => Act::Note { text },
        IncidentAct::Merge { into } => Act::Merge { into },
        IncidentAct::Resolve => Act::Resolve,
    }
}

fn refusal(why: ActError) -> Failure {
    match why {
        ActError::NotFound(_) => Failure::NotFound(why.to_string()),
        ActError::NotApplicable { .. } => Failure::Conflict(why.to_string()),
        ActError::Invalid { field, what } => {
            Failure::Value { field: field.to_owned(), what: what.to_owned() }
        }
    }
}

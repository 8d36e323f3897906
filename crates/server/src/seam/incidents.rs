//! Incidents, why somebody was told or not, who is on call, and how far a silence would reach.

use super::{Asked, Failure};
use crate::views::{
    IncidentAct, IncidentFilter, IncidentView, Kept, NewOverride, OnCallView, OverrideView, PageOf,
    ReachView, WhyView,
};
use futures_util::future::BoxFuture;
use model::{Labels, Matcher, Timestamp};

/// Who does something to an incident, and what they saw of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By {
    /// Their name, as it is written down.
    pub name: String,
    /// How often it had come back when they were told of it; it is refused if it has again. `None`: they saw it now.
    pub reopened: Option<u32>,
}

/// Incidents. What changes answers only after its commit; what does not apply is a [`Failure::Conflict`].
pub trait Incidents: Send + Sync {
    /// Those that are not over first, then the latest first.
    fn list(&self, filter: IncidentFilter) -> BoxFuture<'_, Result<PageOf<IncidentView>, Failure>>;
    /// One of them.
    fn one(&self, id: String) -> BoxFuture<'_, Result<Option<IncidentView>, Failure>>;
    /// For each of these alerts, in their order, the ids of the incidents that it is part of.
    fn of(&self, alerts: Vec<Labels>) -> BoxFuture<'_, Result<Vec<Vec<String>>, Failure>>;
    /// Does something to one.
    fn act(
        &self,
        id: String,
        act: IncidentAct,
        by: By,
        asked: Asked<IncidentView>,
    ) -> BoxFuture<'_, Result<Kept, Failure>>;
    /// Why the alerts whose labels all of `matchers` accept were paged or not at `at` (now, if it is not said): an
    /// answer for each group of each, those that were delivered first; bounded. None if no alert is known and the
    /// matchers do not name one whole.
    fn why(
        &self,
        matchers: Vec<Matcher>,
        at: Option<Timestamp>,
    ) -> BoxFuture<'_, Result<Vec<WhyView>, Failure>>;
    /// The same for the alerts of an incident, or those it was opened for.
    fn why_of(&self, id: String, at: Option<Timestamp>) -> BoxFuture<'_, Result<Vec<WhyView>, Failure>>;
    /// The schedules by name, each with its shifts from `from` to `until`.
    fn on_call(&self, from: Timestamp, until: Timestamp) -> BoxFuture<'_, Result<Vec<OnCallView>, Failure>>;
    /// A schedule as an iCalendar text, from a week ago to half a year from now.
    fn calendar(&self, name: String) -> BoxFuture<'_, Result<Option<String>, Failure>>;
    /// Has somebody stand in on a schedule, however often the configuration is read again.
    fn put_override(
        &self,
        new: NewOverride,
        by: String,
        asked: Asked<OverrideView>,
    ) -> BoxFuture<'_, Result<Kept, Failure>>;
    /// Takes such an override back; one of the file is not known here.
    fn delete_override(&self, schedule: String, id: String, by: String)
    -> BoxFuture<'_, Result<(), Failure>>;
    /// What matchers would silence now.
    fn reach(&self, matchers: Vec<Matcher>) -> BoxFuture<'_, Result<ReachView, Failure>>;
}

//! When a scheduled task fires: its expression, calendar and jitter as one answer, and what is done about fires
//! that were missed.

use super::Queue;
use crate::schedule::{
    Anchor, Calendar, Firing, Language, Misfire, Overlap, Recurrence, ScheduleError, zone,
};
use crate::task::{Schedule, ScheduleKind};
use crate::template::check_condition;
use crate::{Refusal, TaskId};
use model::Timestamp;
use std::{sync::Arc, time::Duration};

/// A `once` that lies back no further than this still fires, at once: clocks differ.
const LATE_MAX: Duration = Duration::from_secs(60);
/// How late a fire may be under `misfire: skip` without a window.
const GRACE: Duration = Duration::from_secs(30);
/// How late it may be under `misfire: all` without one.
const WINDOW: Duration = Duration::from_secs(3600);
/// The most missed fires that are counted one by one.
const MISSED_MAX: u64 = 20_000;

/// When a task fires.
#[derive(Debug)]
pub(super) enum Plan {
    /// At times of its own.
    Times(Box<Times>),
    /// When it is told of an event or of a condition.
    Told,
}

/// The times of one task.
#[derive(Debug)]
pub(super) struct Times {
    recurrence: Recurrence,
    calendar: Option<Arc<Calendar>>,
    /// It fires so much later than its expression says: its own part of the jitter.
    splay: Duration,
}

/// The fires that are due.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Due {
    /// The last of them.
    pub(super) last: Timestamp,
    /// How many more there are.
    pub(super) others: u64,
    /// The one after.
    pub(super) next: Option<Timestamp>,
}

impl Plan {
    /// The first fire of a task that is accepted now; `None` if it is told when to.
    pub(super) fn first(&self, now: Timestamp) -> Result<Option<Timestamp>, Refusal> {
        let Plan::Times(times) = self else { return Ok(None) };
        let refuse = |what: String| Refusal::invalid("schedule_expr", what);
        match &times.recurrence {
            Recurrence::Once(at, _) if at.plus(LATE_MAX) < now => {
                return Err(refuse(format!("{} lies in the past", at.rfc3339())));
            }
            Recurrence::Once(at, _) => return Ok(Some(at.plus(times.splay))),
            Recurrence::Rrule(rules) => drop(rules.first(now).map_err(|why| refuse(why.to_string()))?),
            Recurrence::Cron(_) => {}
        }
        // Only a time that is still to come counts, however late the task's own part of the jitter makes it.
        let first = times.recurrence.next_workday(now, times.calendar.as_ref());
        let first = first.map_err(|why| refuse(why.to_string()))?.map(|at| at.plus(times.splay));
        first.map(Some).ok_or_else(|| refuse("never fires".to_owned()))
    }

    /// The fire after `after`.
    pub(super) fn next(&self, after: Timestamp) -> Option<Timestamp> {
        match self {
            Plan::Times(times) => times.next(after),
            Plan::Told => None,
        }
    }

    /// The next fire of a task that was held while `at` went by: only that of a task which fires once is made up
    /// for.
    pub(super) fn after_pause(&self, at: Timestamp, now: Timestamp) -> Option<Timestamp> {
        if self.is_once() { Some(at) } else { self.next(now) }
    }

    /// Whether it fires once.
    pub(super) fn is_once(&self) -> bool {
        !self.recurs() && !self.is_told()
    }

    /// Whether it fires again and again.
    pub(super) fn recurs(&self) -> bool {
        matches!(self, Plan::Times(times) if !matches!(times.recurrence, Recurrence::Once(..)))
    }

    /// Whether it fires when it is told to.
    pub(super) fn is_told(&self) -> bool {
        matches!(self, Plan::Told)
    }

    /// What is due of a task whose fire `at` is there.
    pub(super) fn due(&self, at: Timestamp, now: Timestamp) -> Due {
        let mut due = Due { last: at, others: 0, next: self.next(at) };
        while let Some(next) = due.next.filter(|next| *next <= now) {
            if due.others == MISSED_MAX {
                // Away for very long: the last one, without counting those between.
                let mean = now.since(at) / u32::try_from(MISSED_MAX).unwrap_or(u32::MAX);
                let near = now.minus(mean * 4).max(next);
                due.last = self.next(near).filter(|found| *found <= now).unwrap_or(next);
                due.next = self.next(now);
                break;
            }
            due = Due { last: next, others: due.others + 1, next: self.next(next) };
        }
        due
    }
}

impl Times {
    fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let next = self.recurrence.next_workday(after.minus(self.splay), self.calendar.as_ref());
        next.ok().flatten().map(|at| at.plus(self.splay))
    }
}

/// What becomes of fires that were missed.
pub(super) fn misfire(firing: Option<&Firing>) -> Misfire {
    firing.and_then(|firing| firing.misfire).unwrap_or(Misfire::Last)
}

/// How late a fire may be; `None`: as late as it is. `usual` is for tasks that say nothing.
pub(super) fn window(firing: Option<&Firing>, usual: Option<Duration>) -> Option<Duration> {
    let given = firing.and_then(|firing| firing.misfire_window);
    match misfire(firing) {
        Misfire::Skip => given.or(usual).or(Some(GRACE)),
        Misfire::Last => given.or(usual),
        Misfire::All => given.or(Some(WINDOW)),
    }
}

/// What becomes of a fire while a run still goes.
pub(super) fn overlap(firing: Option<&Firing>, kind: ScheduleKind) -> Overlap {
    let given = firing.and_then(|firing| firing.overlap);
    given.unwrap_or(match (kind, misfire(firing)) {
        (ScheduleKind::Event, _) | (_, Misfire::All) => Overlap::Allow,
        _ => Overlap::Skip,
    })
}

/// Under `overlap: queue` the runs of a task follow each other by a concurrency key of its own.
pub(super) fn serial_key(firing: Option<&Firing>, id: TaskId) -> Option<Arc<str>> {
    let queues = firing.is_some_and(|firing| firing.overlap == Some(Overlap::Queue));
    queues.then(|| Arc::from(format!("schedule:{id}")))
}

impl Queue {
    /// Reads a schedule. Rules without DTSTART begin at `made`.
    pub(super) fn plan(
        &self,
        schedule: &Schedule,
        firing: Option<&Firing>,
        id: TaskId,
        made: Timestamp,
    ) -> Result<Plan, Refusal> {
        let default = Firing::default();
        let firing = firing.unwrap_or(&default);
        check_fit(schedule.kind, firing)?;
        if let Some(filter) = &firing.filter {
            check_condition(filter).map_err(|why| Refusal::invalid("filter", why.to_string()))?;
        }
        let refuse = |why: ScheduleError| {
            let field = if matches!(why, ScheduleError::Zone(_)) { "timezone" } else { "schedule_expr" };
            Refusal::invalid(field, why.to_string())
        };
        let (expr, zone_name) = (&schedule.expr, &schedule.timezone);
        let recurrence = match schedule.kind {
            ScheduleKind::Once => Recurrence::once(expr, zone_name),
            ScheduleKind::Cron => Recurrence::cron(expr, zone_name, firing),
            ScheduleKind::Rrule => Recurrence::rrule(expr, zone_name, firing, Anchor(made)),
            ScheduleKind::Event | ScheduleKind::Condition => {
                zone(zone_name).map_err(refuse)?;
                check_told(schedule, firing)?;
                return Ok(Plan::Told);
            }
        };
        let splay = firing.jitter.map(|jitter| part_of(jitter, id)).unwrap_or_default();
        let calendar = firing.calendar.as_deref().map(|name| self.calendar_named(name)).transpose()?;
        Ok(Plan::Times(Box::new(Times { recurrence: recurrence.map_err(refuse)?, calendar, splay })))
    }

    fn calendar_named(&self, name: &str) -> Result<Arc<Calendar>, Refusal> {
        self.calendars.get(name).cloned().ok_or_else(|| {
            let known = self.calendars.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            let known = if known.is_empty() { "none yet; PUT /calendars/{name} makes one" } else { &known };
            Refusal::invalid("calendar", format!("{name:?} is not known; known: {known}"))
        })
    }
}

/// A part of `jitter` that is the task's own and stays so: its fires keep their distance, and none is lost.
fn part_of(jitter: Duration, id: TaskId) -> Duration {
    let hash = id.text().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let millis = u64::try_from(jitter.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
    Duration::from_millis((hash ^ hash >> 32) % millis)
}

/// The wishes that mean nothing for a kind.
pub(super) fn unfit(kind: ScheduleKind, firing: &Firing) -> impl Iterator<Item = &'static str> {
    let is = |kinds: &[ScheduleKind]| kinds.contains(&kind);
    use ScheduleKind::{Condition, Cron, Event, Once, Rrule};
    let fits = [
        ("dialect", firing.dialect.is_some(), is(&[Cron])),
        ("dialect", firing.language.is_some(), is(&[Condition])),
        ("gap", firing.gap.is_some(), is(&[Cron, Rrule])),
        ("fold", firing.fold.is_some(), is(&[Cron, Rrule])),
        ("misfire", firing.misfire.is_some(), is(&[Once, Cron, Rrule])),
        ("misfire_window_seconds", firing.misfire_window.is_some(), is(&[Once, Cron, Rrule])),
        ("jitter_seconds", firing.jitter.is_some(), is(&[Once, Cron, Rrule])),
        ("calendar", firing.calendar.is_some(), is(&[Cron, Rrule])),
        ("filter", firing.filter.is_some(), is(&[Event])),
        ("check_seconds", firing.check_every.is_some(), is(&[Condition])),
    ];
    fits.into_iter().filter(|(_, given, fits)| *given && !fits).map(|(field, ..)| field)
}

fn check_fit(kind: ScheduleKind, firing: &Firing) -> Result<(), Refusal> {
    match unfit(kind, firing).next() {
        Some(field) => {
            Err(Refusal::invalid(field, format!("means nothing for schedule_kind {}", kind.as_str())))
        }
        None => Ok(()),
    }
}

fn check_told(schedule: &Schedule, firing: &Firing) -> Result<(), Refusal> {
    let refuse = |what: String| Refusal::invalid("schedule_expr", what);
    match (schedule.kind, firing.language) {
        (ScheduleKind::Event, _) => super::listen::check_topic(&schedule.expr).map_err(refuse),
        (_, Some(Language::PromQl)) => Ok(()),
        _ => check_condition(&schedule.expr).map_err(|why| refuse(why.to_string())),
    }
}

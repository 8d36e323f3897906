//! Schedules as they are shown, and who stands in: each override is a record of the journal, with a line of audit.

use crate::core::Core;
use alerts::on_call::{Override, Schedule, Shift, StandIn, StandInError};
use model::Timestamp;
use serde_json::json;
use server::{
    Failure,
    views::{NewOverride, OnCallView, OverrideView, ShiftView},
};
use tasks::{Audit, Change, RecordKind, TaskId, agents::SYSTEM_ID};

/// A schedule with everybody who stands in, and what is known of those.
pub(super) struct Shown {
    schedule: Schedule,
    overrides: Vec<OverrideView>,
}

/// Every schedule, by name.
pub(super) fn all(core: &Core) -> Vec<Shown> {
    let config = core.alerts.config();
    let schedules = config.schedules.values();
    let shown = schedules.filter_map(|of_file| {
        let written = of_file.overrides.iter().map(|over| OverrideView {
            id: None,
            shift: shift(over.clone().into()),
            created_by: None,
        });
        let asked = config.stand_ins.of(&of_file.name).map(view);
        Some(Shown { overrides: written.chain(asked).collect(), schedule: config.schedule(&of_file.name)? })
    });
    shown.collect()
}

impl Shown {
    /// With its shifts from `from` to `until`.
    pub(super) fn view(self, from: Timestamp, until: Timestamp) -> OnCallView {
        OnCallView {
            zone: self.schedule.zone.iana_name().unwrap_or("UTC").to_owned(),
            shifts: self.schedule.shifts(from, until).into_iter().map(shift).collect(),
            name: self.schedule.name,
            overrides: self.overrides,
        }
    }
}

/// Has somebody stand in.
pub(super) fn stand_in(
    core: &mut Core,
    new: NewOverride,
    (id, by): (String, String),
    now: Timestamp,
    out: &mut Vec<Change>,
) -> Result<OverrideView, Failure> {
    let ShiftView { who, from, until } = new.shift;
    let over = Override { who, from, until };
    let new = StandIn { id, schedule: new.schedule, over, by, at: now };
    let (kept, gone) = core.alerts.stand_in(new, now).map_err(refusal)?;
    out.extend(gone.into_iter().map(|id| record(id, None)));
    out.push(record(kept.id.clone(), Some(kept.to_json())));
    out.extend(on_record("on_call.override_added", &kept, kept.by.clone(), now));
    Ok(view(&kept))
}

/// Takes it back.
pub(super) fn stand_back(
    core: &mut Core,
    schedule: &str,
    id: &str,
    by: String,
    now: Timestamp,
    out: &mut Vec<Change>,
) -> Result<(), Failure> {
    let unknown = || Failure::NotFound(format!("no override {id} of schedule {schedule:?} was asked for"));
    let gone = core.alerts.stand_back(schedule, id).ok_or_else(unknown)?;
    out.push(record(gone.id.clone(), None));
    out.extend(on_record("on_call.override_removed", &gone, by, now));
    Ok(())
}

fn record(key: String, row: Option<serde_json::Value>) -> Change {
    Change::Record { kind: RecordKind::StandIn, key, row }
}

/// It is about no task: about the system.
fn on_record(action: &'static str, one: &StandIn, actor: String, at: Timestamp) -> Option<Change> {
    let details = json!({
        "id": one.id,
        "schedule": one.schedule,
        "who": one.over.who,
        "from": one.over.from.rfc3339(),
        "until": one.over.until.rfc3339(),
    });
    Some(Change::Audit(Audit { at, actor, action, subject: TaskId::parse(SYSTEM_ID)?, details }))
}

fn view(one: &StandIn) -> OverrideView {
    OverrideView {
        id: Some(one.id.clone()),
        shift: shift(one.over.clone().into()),
        created_by: Some(one.by.clone()),
    }
}

fn shift(shift: Shift) -> ShiftView {
    ShiftView { who: shift.who, from: shift.from, until: shift.until }
}

fn refusal(why: StandInError) -> Failure {
    match why {
        StandInError::NoSchedule(_) => Failure::NotFound(why.to_string()),
        StandInError::Full => Failure::Full(why.to_string()),
        StandInError::Invalid { field, what } => Failure::Value { field: field.to_owned(), what },
    }
}

//! Fires: of times, in their order, and of events, each once.

use super::Checker;
use crate::guard;
use model::Timestamp;
use tasks::schedule::Overlap;
use tasks::{Change, Event, Form, ScheduleKind, Status, TaskId};

impl Checker {
    /// A fire happens once, in its order, and makes one run or says why not.
    pub(super) fn fired(
        &mut self,
        id: TaskId,
        from: Timestamp,
        to: Option<Timestamp>,
        now: Timestamp,
        events: &[Event],
        changes: &[Change],
    ) {
        let task = &self.tables.tasks[&id];
        must!(task.next_fire == Some(from), "{id} fires at {from:?}, next was {:?}", task.next_fire);
        must!(from <= now, "{id} fires at {now:?}, before its time {from:?}");
        must!(task.status == Status::Active, "{id} fires though it is {:?}", task.status);
        must!(to == guard::next_fire(task, now), "{id} fires next at {to:?}, at {now:?}");
        must!(self.fired.insert((id, from)), "{id} fires twice for {from:?}");
        let made = |change: &&Change| matches!(change, Change::RunPut(run) if run.task_id == id);
        let made = changes.iter().filter(made).count();
        let live = self.tables.runs.values().any(|run| run.task_id == id && !run.at.state.is_final());
        let told = events.iter().find_map(|event| match event {
            Event::ScheduleFired { task_id, at, run_id, skipped, .. } if (*task_id, *at) == (id, from) => {
                Some((run_id.is_some(), skipped.is_some()))
            }
            _ => None,
        });
        let wanted = (made, told) == (usize::from(!live), Some((!live, live)));
        must!(wanted, "{id} fires for {from:?}: {made} runs, told {told:?}, one still goes: {live}");
        self.seen.fires += 1;
        self.seen.skips += u64::from(live);
    }

    /// An event fires each task that waits for it once, or it is on record why that made no run; nobody else.
    pub(super) fn published(
        &mut self,
        now: Timestamp,
        (topic, n): (&str, i64),
        triggered: &[TaskId],
        events: &[Event],
        changes: &[Change],
    ) {
        let mut all = 0;
        for task in self.tables.tasks.values() {
            let Form::Scheduled(schedule) = &task.form else { continue };
            let of_event = schedule.kind == ScheduleKind::Event && schedule.expr == topic;
            let waits = of_event && task.status == Status::Active && guard::passes(task, n);
            let live =
                self.tables.runs.values().filter(|run| run.task_id == task.id && !run.at.state.is_final());
            let room = match task.firing().and_then(|firing| firing.overlap) {
                None | Some(Overlap::Allow) => usize::MAX,
                Some(Overlap::Queue) => 2,
                Some(Overlap::Skip) => 1,
            };
            let (fires, skips) = (waits && live.clone().count() < room, waits && live.count() >= room);
            let made: Vec<_> = changes
                .iter()
                .filter_map(|change| match change {
                    Change::RunPut(run) if run.task_id == task.id => Some(run.args.as_ref()?.value()),
                    _ => None,
                })
                .collect();
            let told = events.iter().filter_map(|event| match event {
                Event::ScheduleFired { task_id, run_id, skipped, .. } if *task_id == task.id => {
                    Some((run_id.is_some(), skipped.is_some()))
                }
                _ => None,
            });
            let lines = changes.iter().filter(
                |change| matches!(change, Change::Audit(line) if line.action == "schedule.skipped" && line.subject == task.id),
            );
            let (told, lines) = (told.collect::<Vec<_>>(), lines.count());
            let wanted = if waits { vec![(fires, skips)] } else { Vec::new() };
            let right = told == wanted && made.len() == usize::from(fires) && lines == usize::from(skips);
            let id = task.id;
            must!(
                right,
                "{id} waits for {topic}: {waits}, room {room}; {told:?}, runs of {made:?}, {lines} lines"
            );
            must!(
                triggered.contains(&id) == fires,
                "{topic} is said to have set off {triggered:?}, {id}: {fires}"
            );
            let has_it = made.iter().all(|args| args["$event"]["payload"]["n"] == n);
            must!(has_it, "{id} has a run that knows nothing of {topic} with {n}: {made:?}");
            all += made.len();
            self.seen.events += u64::from(fires);
            self.seen.skips += u64::from(skips);
        }
        let runs = changes.iter().filter(|change| matches!(change, Change::RunPut(_))).count();
        must!(
            runs == all && triggered.len() == all,
            "{topic} made {runs} runs, of {all} tasks, {triggered:?}"
        );
        self.changes(now, changes, |_, _, _| false);
    }
}

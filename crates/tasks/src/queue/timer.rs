//! What time alone brings about.

use super::Queue;
use crate::{Change, Event, RunEvent, RunState};
use model::Timestamp;
use std::time::Duration;

/// Silent workers are looked for this often.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

impl Queue {
    /// Does everything that is due by `now`: fires schedules, makes waiting runs available, ends attempts
    /// that take too long, takes runs from silent workers, lets pages go whose deadline is there, frees dedupe keys.
    pub fn tick(&mut self, now: Timestamp, out: &mut Vec<Change>) -> Vec<Event> {
        let mut events = Vec::new();
        self.gates.at(now);
        self.fire_due(now, out, &mut events);
        self.expire_approvals(now, out, &mut events);
        #[cfg(feature = "broken-lease")]
        self.ignore_leases(now, out, &mut events);
        while let Some((at, id)) = self.index.due(now) {
            let live = self.runs.get(&id);
            match live.map(|live| live.run.at.state) {
                Some(RunState::Running)
                    if live.is_some_and(|live| live.is_out_of_time() && self.hears(live, now)) =>
                {
                    self.time_out(id, now, out, &mut events);
                }
                Some(RunState::Running) => self.rescue(id, now, out, &mut events),
                Some(_) if self.release(id, now, out, &mut events) => {}
                Some(_) => self.shift(id, RunEvent::Due, out, |_| {}),
                None => {
                    unreachable!("timer of {id} at {at:?}: a run leaves the index before it leaves memory")
                }
            }
        }
        self.meet_deadlines(now, out, &mut events);
        self.open_rates(now);
        self.release_ready(now, out, &mut events);
        self.end_keys(now, out);
        self.once.expire(now, out);
        if now.since(self.swept) >= SWEEP_EVERY {
            self.swept = now;
            self.forget_workers(now, out);
            self.gates.sweep(now, out);
            // As long it must be known which dead ones were done again.
            let kept = self.settings.runs_kept.max(self.settings.singles_kept);
            self.dead.sweep(kept, now, out);
        }
        self.announce(&mut events);
        events
    }
}

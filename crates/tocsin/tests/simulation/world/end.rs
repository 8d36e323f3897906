//! The end of a world: all is mended, what would go on for ever is ended by an operator, and then it is over.

use super::{Event, World};
use crate::guard;
use crate::network::{Act, Ask, Asker, Request};
use crate::weather::Weather;
use model::Timestamp;
use std::time::Duration;
use tasks::approval::{Rank, Say, Voter};
use tasks::{RecordKind, RunState, Status};

/// How long everything may take to end once all is mended.
const MENDED_MAX: Duration = Duration::from_secs(12 * 3600);

impl World {
    /// From here on nothing goes wrong.
    pub(super) fn mend(&mut self) {
        tell!(self, "everything is mended");
        self.mended_at = Some(self.now);
        self.weather = Weather { clock: self.weather.clock, ..Weather::calm() };
        for nth in 1..self.puppets.len() {
            self.puppets[nth].stands_until = self.now;
            self.revive(nth);
        }
        self.clients.iter_mut().for_each(|client| client.todo = 0);
        self.after(Duration::ZERO, Event::Sweep);
    }

    /// What would go on for ever is ended by an operator: schedules, and tasks that somebody blocked.
    pub(super) fn sweep(&mut self) {
        let mut asks: Vec<Ask> = Vec::new();
        let tables = &self.checker.tables;
        let by = || "operator".to_owned();
        for task in tables.tasks.values() {
            if task.next_fire.is_some() || guard::listens(task) {
                asks.push(Ask::Act { task: task.id, act: Act::Cancel, by: by() });
            } else if task.status == Status::Paused {
                asks.push(Ask::Act { task: task.id, act: Act::Resume, by: by() });
            }
        }
        for run in tables.runs.values().filter(|run| !run.at.state.is_final()) {
            let held = run.at.run_at == Timestamp::MAX;
            let by_hand = run.at.state == RunState::Running && run.at.token.is_none();
            if held || by_hand {
                asks.push(Ask::Act { task: run.task_id, act: Act::Patch("pending"), by: by() });
            }
        }
        if self.checker.tables.records.keys().any(|(kind, _)| *kind == RecordKind::Queue) {
            asks.push(Ask::Line { paused: false, max: 3, by: by() });
        }
        for approval in self.pending() {
            let voter = Voter { name: by(), rank: Rank::Operator, link: None };
            asks.push(Ask::Vote { approval, yes: false, voter, say: Say::default() });
        }
        for ask in asks {
            self.count += 1;
            let request = Request { no: self.count, from: Asker::Itself, body: ask };
            self.after(Duration::ZERO, Event::Arrive(Box::new(request)));
        }
        self.after(Duration::from_secs(30), Event::Sweep);
    }

    pub(super) fn is_over(&self) -> bool {
        let Some(mended_at) = self.mended_at else { return false };
        let fires = || {
            self.checker.tables.tasks.values().any(|task| task.next_fire.is_some() || guard::listens(task))
        };
        let settled =
            self.server.as_ref().is_some_and(|server| server.is_settled() && !server.has_arrivals());
        self.now.since(mended_at) > MENDED_MAX || settled && self.checker.live_runs == 0 && !fires()
    }
}

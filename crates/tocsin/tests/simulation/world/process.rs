//! The process: it starts, takes turns, commits, dies; and a second one that should not be there.

use super::{Event, World};
use crate::checker::{Decision, RESCUES_MAX, What};
use crate::disk::Fate;
use crate::network::{Answer, Asker, Request, Told, travel};
use crate::server::Server;
use model::Timestamp;
use std::time::Duration;
use store::{Changes, Journal};
use tasks::{Change, Queue, Settings};

impl World {
    pub(super) fn start(&mut self) {
        if self.server.is_some() {
            return;
        }
        let swing = 2_000 * self.weather.clock;
        self.clock = self.dice.below(swing + 1) as i64 - swing as i64 / 2;
        let now = self.clock();
        let found = self.disk.reopen();
        self.checker.restarted(found, now);
        let loaded = self.disk.load().expect("the disk is there").tasks;
        let settings = self.settings();
        self.server = Some(Server::start(settings, loaded, now, self.outbox.clone()));
        let life = self.checker.life;
        tell!(self, "the process starts, life {life}, its clock {} ms off", self.clock);
        self.puppets[0].reborn(u64::from(life));
        self.worker_at(0, self.now);
        self.turn_at(self.now);
    }

    fn settings(&mut self) -> Settings {
        Settings {
            lease: self.lease,
            seed: self.dice.bytes(),
            rescues_max: RESCUES_MAX,
            awake_bytes_max: self.awake_bytes_max,
            worker_silence: Duration::from_secs(120),
            ..Settings::default()
        }
    }

    pub(super) fn arrive(&mut self, request: Request) {
        let Some(server) = &mut self.server else {
            return self.refuse(request);
        };
        let idle = !server.has_arrivals();
        server.arrive(request);
        if idle {
            let wait = self.dice.ms(0, 2);
            self.turn_at(self.now.plus(wait));
        }
    }

    /// Nobody listens.
    fn refuse(&mut self, request: Request) {
        let wait = self.dice.ms(0, 5);
        self.after(
            wait,
            Event::Hear(Box::new(Answer { no: request.no, to: request.from, body: Told::Broken })),
        );
    }

    pub(super) fn turn(&mut self) {
        self.turn_at = None;
        let now = self.clock();
        if self.dice.often(self.weather.intruder) {
            self.intrude(now);
        }
        let Some(server) = &mut self.server else { return };
        let most = 1 + self.dice.below(6) as usize;
        let begins = server.turn(most, &self.checker.tables, now);
        let (more, wake) = (server.has_arrivals(), server.next_wake());
        if begins {
            self.commit_begins();
        }
        if more {
            self.turn_at(self.now);
        } else if let Some(wake) = wake {
            self.turn_at(self.now.plus(wake.since(now).max(Duration::from_millis(1))));
        }
    }

    fn commit_begins(&mut self) {
        let wait = match self.dice.often(self.weather.stall_commit) {
            true => self.dice.ms(100, 400),
            false => self.dice.ms(0, 4),
        };
        self.after(wait, Event::Settle(self.checker.life));
    }

    /// The commit is through, or the process dies in it.
    pub(super) fn settle(&mut self) {
        let Some(turn) = self.server.as_mut().and_then(|server| server.writing.take()) else { return };
        if !turn.batch.changes.is_empty() {
            self.disk.fate = self.fate();
        }
        let (changes, releases) = (turn.batch.changes, turn.batch.releases);
        let done = store::commit_then(&mut self.disk, &changes, || {
            releases.into_iter().for_each(|let_out| let_out())
        });
        if let Err(why) = &done {
            tell!(self, "write {}: {why:?}", self.disk.writes);
        }
        if done.is_ok() || self.disk.kept {
            self.durable(turn.decisions, &changes);
        }
        self.deliver();
        if done.is_err() {
            return self.crash();
        }
        let server = self.server.as_mut().expect("it has just committed");
        if server.write_next() {
            return self.commit_begins();
        }
        if server.is_settled() && !server.has_arrivals() {
            self.checker.nobody_waits_in_vain(server.waiting_for_work());
        }
    }

    fn fate(&mut self) -> Fate {
        if let Some((at, fate)) = self.plan.crash_at {
            return if self.disk.writes + 1 == at { fate } else { Fate::Durable };
        }
        match self.dice.often(self.weather.crash_in_commit) {
            true => self.dice.pick(&[Fate::Torn, Fate::Unheard]),
            false => Fate::Durable,
        }
    }

    fn durable(&mut self, decisions: Vec<Decision>, changes: &Changes) {
        if self.plan.tell {
            for decision in &decisions {
                self.tell_decision(decision, changes);
            }
        }
        self.checker.durable(decisions, &changes.tasks);
    }

    /// What the writer let out goes its way.
    fn deliver(&mut self) {
        let answers = std::mem::take(&mut *self.outbox.lock().expect("no holder panics"));
        for answer in answers {
            match answer.to {
                Asker::Worker(0, _) => self.after(Duration::ZERO, Event::Hear(Box::new(answer))),
                _ => {
                    for delay in travel(&mut self.dice, &self.weather) {
                        self.after(delay, Event::Hear(Box::new(answer.clone())));
                    }
                }
            }
        }
    }

    pub(super) fn killed(&mut self) {
        if self.mended_at.is_some() {
            return;
        }
        if let Some(server) = &mut self.server {
            // What was being written may have made it.
            if let Some(turn) = server.writing.take()
                && !turn.batch.changes.is_empty()
            {
                self.disk.fate = self.dice.pick(&[Fate::Torn, Fate::Unheard]);
                let _ = self.disk.commit(&turn.batch.changes);
                if self.disk.kept {
                    self.durable(turn.decisions, &turn.batch.changes);
                }
            }
            self.crash();
        }
        if let Some(every) = self.weather.kill_every {
            let next = self.dice.ms(0, every.as_millis() as u64 * 2);
            self.after(next, Event::Kill);
        }
    }

    /// Everything in memory is gone; whoever was connected may notice.
    fn crash(&mut self) {
        tell!(self, "the process dies");
        (self.server, self.turn_at) = (None, None);
        self.checker.life += 1;
        for nth in 1..self.puppets.len() {
            for no in self.puppets[nth].open() {
                let to = Asker::Worker(nth, self.puppets[nth].life);
                self.cut(no, to);
            }
        }
        for nth in 0..self.clients.len() {
            if let Some((no, _, _)) = self.clients[nth].asking {
                self.cut(no, Asker::Client(nth));
            }
        }
        let down = self.dice.ms(5, 3_000);
        self.after(down, Event::Start);
    }

    fn cut(&mut self, no: u64, to: Asker) {
        if !self.dice.often(self.weather.half_open) {
            let wait = self.dice.ms(0, 20);
            self.after(wait, Event::Hear(Box::new(Answer { no, to, body: Told::Broken })));
        }
    }

    /// A second process that should not be there opens the same store and fires what is due: it wins, and the
    /// first one's commit must be refused as a whole.
    fn intrude(&mut self, now: Timestamp) {
        let settled = self.server.as_ref().is_some_and(Server::is_settled);
        let due = |task: &std::sync::Arc<tasks::Task>| task.next_fire.is_some_and(|at| at <= now);
        if !settled || !self.checker.tables.tasks.values().any(due) {
            return;
        }
        let mut changes = Changes::default();
        let mut queue = Queue::new(self.settings(), self.checker.tables.loaded(false), now);
        let events = queue.tick(now, &mut changes.tasks);
        // Without a fire nothing would tell the first process: that is what the lock of the data directory is for.
        if !changes.tasks.iter().any(|change| matches!(change, Change::Fired { .. })) {
            return;
        }
        tell!(self, "an intruder fires what is due");
        self.disk.commit(&changes).expect("nobody else has fired yet");
        let decision = Decision { now, what: What::Tick(events), changes: 0..changes.tasks.len() };
        self.durable(vec![decision], &changes);
    }
}

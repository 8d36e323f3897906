//! Those who ask the process: workers, clients, and how each hears or does not.

use super::{Event, World, is_empty};
use crate::network::{Act, Answer, Ask, Asker, Request, Told, travel};
use std::time::Duration;
use tasks::{Directive, RecordKind};

/// How long askers wait for an answer.
const PATIENCE: Duration = Duration::from_secs(40);

impl World {
    fn send(&mut self, no: u64, from: Asker, body: Ask) {
        if !matches!(&body, Ask::Work(request) if is_empty(request)) {
            tell!(self, "{from:?} asks #{no}: {body:?}");
        }
        let request = Request { no, from, body };
        if matches!(from, Asker::Worker(0, _)) {
            return self.after(Duration::ZERO, Event::Arrive(Box::new(request)));
        }
        for delay in travel(&mut self.dice, &self.weather) {
            self.after(delay, Event::Arrive(Box::new(request.clone())));
        }
        self.after(PATIENCE, Event::Patience(no, from));
    }

    pub(super) fn worker(&mut self, nth: usize, life: u32) {
        let puppet = &mut self.puppets[nth];
        if puppet.life != life || puppet.dead || nth == 0 && self.server.is_none() {
            return;
        }
        if puppet.stands_until > self.now {
            let until = puppet.stands_until;
            return self.worker_at(nth, until);
        }
        if nth > 0 && self.dice.often(self.weather.die) {
            return self.worker_dies(nth);
        }
        if nth > 0 && self.dice.often(self.weather.stall) {
            let until = self.now.plus(self.dice.ms(0, self.lease.as_millis() as u64 * 3));
            tell!(self, "{} stands still until {until:?}", self.puppets[nth].card.id);
            self.puppets[nth].stands_until = until;
            return self.worker_at(nth, until);
        }
        self.count += 1;
        let no = self.count;
        let said = self.puppets[nth].speak(no, self.now, &mut self.dice, &self.weather);
        if let Some(request) = said {
            self.send(no, Asker::Worker(nth, life), Ask::Work(request));
        }
        let next = self.puppets[nth].next_turn(self.now, &mut self.dice);
        self.worker_at(nth, next);
    }

    fn worker_dies(&mut self, nth: usize) {
        tell!(self, "{} dies", self.puppets[nth].card.id);
        let puppet = &mut self.puppets[nth];
        puppet.dead = true;
        for no in puppet.open() {
            if !self.dice.often(self.weather.half_open) {
                self.after(Duration::from_millis(5), Event::HangUp(no));
            }
        }
        let away = self.dice.ms(100, 90_000);
        self.after(away, Event::Revive(nth));
    }

    pub(super) fn revive(&mut self, nth: usize) {
        if self.puppets[nth].dead {
            let nonce = self.dice.bits();
            self.puppets[nth].reborn(nonce);
            tell!(self, "{} starts anew as {nonce}", self.puppets[nth].card.id);
            self.worker_at(nth, self.now);
        }
    }

    pub(super) fn client(&mut self, nth: usize) {
        if self.clients[nth].asking.is_some() || self.clients[nth].todo == 0 {
            return;
        }
        let now = self.clock();
        let pending = self.pending();
        let ask = self.clients[nth].next(&self.known, &pending, now, &mut self.dice);
        let again = self.dice.below(4) as u32;
        self.ask(nth, ask, again);
    }

    /// Approvals on which somebody must decide, as a screen would show them.
    pub(super) fn pending(&self) -> Vec<String> {
        let records = self.checker.tables.records.iter();
        let open = |row: &serde_json::Value| {
            tasks::approval::from_json(row).is_some_and(|approval| !approval.is_decided())
        };
        let open = records.filter(|((kind, _), row)| *kind == RecordKind::Approval && open(row));
        open.map(|((_, id), _)| id.clone()).collect()
    }

    fn ask(&mut self, nth: usize, ask: Ask, again: u32) {
        self.count += 1;
        let no = self.count;
        let from = match ask {
            Ask::Page { .. } => Asker::Itself,
            _ => Asker::Client(nth),
        };
        if from != Asker::Itself {
            self.clients[nth].asking = Some((no, ask.clone(), again));
        } else {
            self.next_question(nth);
        }
        self.send(no, from, ask);
    }

    fn next_question(&mut self, nth: usize) {
        let wait = self.dice.ms(0, 20_000);
        self.after(wait, Event::Client(nth));
    }

    pub(super) fn hear(&mut self, answer: Answer) {
        let Answer { no, to, body } = answer;
        match (to, body) {
            (_, Told::Broken) => self.unheard(no, to, false),
            (Asker::Worker(nth, life), Told::Work(reply)) => {
                let puppet = &mut self.puppets[nth];
                if puppet.life != life || puppet.dead {
                    return;
                }
                if puppet.stands_until > self.now {
                    // It reads its answer when it moves again.
                    let until = puppet.stands_until;
                    return self.at(until, Event::Hear(Box::new(Answer { no, to, body: Told::Work(reply) })));
                }
                let Some(said) = puppet.said(no) else { return };
                self.checker.reply_heard(&said, &reply);
                puppet.hear(said, &reply, self.now, &mut self.dice);
                if !reply.runs.is_empty() || !reply.results.is_empty() {
                    tell!(self, "{} hears #{no}", self.puppets[nth].card.id);
                }
                if reply.directive == Directive::Terminate {
                    // A start before it was heard of after it, and passes for the living one.
                    return self.worker_dies(nth);
                }
                let next = self.puppets[nth].next_turn(self.now, &mut self.dice);
                self.worker_at(nth, next);
            }
            (Asker::Client(nth), body) => {
                if self.clients[nth].asking.as_ref().is_none_or(|(asked, _, _)| *asked != no) {
                    return;
                }
                self.clients[nth].asking = None;
                tell!(self, "client{nth} hears #{no}: {body:?}");
                match body {
                    Told::Submitted(result) => {
                        if let Ok(taken) = *result {
                            self.checker.acknowledged(&taken);
                            self.known.push(taken.task_id);
                        }
                    }
                    Told::Acted(task, Act::Cancel, Ok(())) => self.checker.cancel_heard(task),
                    _ => {}
                }
                self.next_question(nth);
            }
            _ => {}
        }
    }

    /// An asker gives up on an answer, or its connection broke.
    pub(super) fn unheard(&mut self, no: u64, from: Asker, hangs_up: bool) {
        let waits = match from {
            Asker::Worker(nth, _) => self.puppets[nth].open().contains(&no),
            Asker::Client(nth) => self.clients[nth].asking.as_ref().is_some_and(|(asked, _, _)| *asked == no),
            Asker::Itself => false,
        };
        if !waits {
            return;
        }
        if hangs_up && !self.dice.often(self.weather.half_open) {
            self.after(Duration::from_millis(1), Event::HangUp(no));
        }
        match from {
            Asker::Worker(nth, life) => {
                let puppet = &mut self.puppets[nth];
                if puppet.life == life
                    && !puppet.dead
                    && let Some(said) = puppet.said(no)
                {
                    puppet.unheard(said);
                    let wait = self.dice.ms(1, 1_000);
                    self.worker_at(nth, self.now.plus(wait));
                }
            }
            Asker::Client(nth) => {
                let Some((_, ask, again)) = self.clients[nth].asking.take_if(|(asked, _, _)| *asked == no)
                else {
                    return;
                };
                match again.checked_sub(1) {
                    Some(again) => self.ask(nth, ask, again),
                    None => self.next_question(nth),
                }
            }
            Asker::Itself => {}
        }
    }
}

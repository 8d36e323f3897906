//! One world: a process, its disk, workers and clients, and what goes wrong between them, all from one seed. Time
//! jumps from event to event. First a stretch of bad weather, then everything is mended and must come to its end.

use crate::checker::{Checker, Decision, RESCUES_MAX, Seen, What};
use crate::clients::Client;
use crate::dice::Dice;
use crate::disk::{Disk, Fate};
use crate::network::{Act, Answer, Ask, Asker, Request, Told, travel};
use crate::puppets::Puppet;
use crate::server::{Outbox, Server};
use crate::weather::Weather;
use model::Timestamp;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::Duration;
use store::{Changes, Journal};
use tasks::approval::{Rank, Say, Voter};
use tasks::{Change, Directive, Queue, RecordKind, RunState, Settings, Status, TaskId, WorkRequest};

/// How long askers wait for an answer.
const PATIENCE: Duration = Duration::from_secs(40);
/// How long everything may take to end once all is mended.
const MENDED_MAX: Duration = Duration::from_secs(12 * 3600);
/// Lines of history that are kept.
const HISTORY_MAX: usize = 20_000;

/// What a run of a world should be.
#[derive(Debug, Clone, Copy, Default)]
pub struct Plan {
    /// Keep the history.
    pub tell: bool,
    /// Beside the virtual disk, a real store.
    pub twin: bool,
    /// No kills by chance, but a crash at the write of that number.
    pub crash_at: Option<(u64, Fate)>,
    /// No crashes at all: to count the writes.
    pub whole: bool,
}

enum Event {
    Arrive(Box<Request>),
    Hear(Box<Answer>),
    HangUp(u64),
    Patience(u64, Asker),
    /// The core's turn, if it was not put earlier meanwhile.
    Turn(u32, Timestamp),
    Settle(u32),
    Start,
    Kill,
    /// A worker's turn, if it was not put earlier meanwhile.
    Worker(usize, u32, Timestamp),
    Revive(usize),
    Client(usize),
    Mend,
    Sweep,
}

/// The world.
pub struct World {
    plan: Plan,
    dice: Dice,
    weather: Weather,
    now: Timestamp,
    /// What the process's clock says beyond the time.
    clock: i64,
    events: BinaryHeap<Reverse<(Timestamp, u64)>>,
    due: HashMap<u64, Event>,
    count: u64,
    lease: Duration,
    /// How much the process keeps in memory of runs that wait.
    awake_bytes_max: usize,
    disk: Disk,
    server: Option<Server>,
    /// When the core has its next turn.
    turn_at: Option<Timestamp>,
    outbox: Outbox,
    puppets: Vec<Puppet>,
    clients: Vec<Client>,
    known: Vec<TaskId>,
    mended_at: Option<Timestamp>,
    checker: Checker,
}

thread_local! {
    /// The history of the world that this thread runs: it outlives a panic.
    static HISTORY: std::cell::RefCell<Vec<String>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// Takes the history of the last world of this thread.
pub fn take_history() -> Vec<String> {
    HISTORY.take()
}

macro_rules! tell {
    ($world:expr, $($what:tt)+) => {
        if $world.plan.tell {
            let line = format!($($what)+);
            $world.told(line);
        }
    };
}

impl World {
    /// Runs the world of a seed from its start to its end; panics with what is wrong.
    pub fn run(seed: u64, plan: Plan) -> (Seen, u64) {
        let mut world = World::new(seed, plan);
        while let Some(Reverse((at, key))) = world.events.pop() {
            let event = world.due.remove(&key).expect("every key has its event");
            world.now = at;
            world.happen(event);
            if world.is_over() {
                break;
            }
        }
        world.checker.ended();
        (world.checker.seen, world.disk.writes)
    }

    fn new(seed: u64, plan: Plan) -> World {
        let mut dice = Dice::new(seed);
        let mut weather = Weather::of(&mut dice);
        if plan.crash_at.is_some() || plan.whole {
            (weather.kill_every, weather.crash_in_commit, weather.intruder) = (None, 0, 0);
        }
        let lease = dice.pick(&[2, 10, 30].map(Duration::from_secs));
        let mut disk = Disk::default();
        disk.twin = plan.twin.then(crate::twin::Twin::new);
        disk.asleep = dice.below(2) == 0;
        let awake_bytes_max = dice.pick(&[0, 3_000, 16 << 20]);
        let mut world = World {
            plan,
            weather,
            now: Timestamp::from_millis(1_800_000_000_000 + dice.below(600_000) as i64),
            clock: 0,
            events: BinaryHeap::new(),
            due: HashMap::new(),
            count: 0,
            lease,
            awake_bytes_max,
            disk,
            server: None,
            turn_at: None,
            outbox: Outbox::default(),
            puppets: Vec::new(),
            clients: Vec::new(),
            known: Vec::new(),
            mended_at: None,
            checker: Checker::new(lease),
            dice,
        };
        world.people();
        world.after(Duration::ZERO, Event::Start);
        let bad = world.dice.ms(20_000, 400_000);
        world.after(bad, Event::Mend);
        if let Some(every) = world.weather.kill_every {
            let first = world.dice.ms(0, every.as_millis() as u64 * 2);
            world.after(first, Event::Kill);
        }
        tell!(world, "lease {lease:?}, bad weather for {bad:?}: {:?}", world.weather);
        world
    }

    /// The built-in worker is the first; two do typed tasks.
    fn people(&mut self) {
        let others = 1 + self.dice.below(3) as usize;
        let agents = [Some("dev_agent"), Some("ops_agent"), None, None];
        self.puppets.push(Puppet::new(tasks::BUILTIN_WORKER, None, 8, 0));
        for (nth, agent) in agents.into_iter().take(1 + others).enumerate() {
            let slots = 1 + self.dice.below(6) as u32;
            self.puppets.push(Puppet::new(&format!("w{}", nth + 1), agent, slots, 0));
        }
        for nth in 1..self.puppets.len() {
            let at = self.dice.ms(0, 5_000);
            self.worker_at(nth, self.now.plus(at));
        }
        for nth in 0..1 + self.dice.below(3) as usize {
            let todo = 2 + self.dice.below(15) as u32;
            self.clients.push(Client::new(nth, todo));
            let at = self.dice.ms(0, 3_000);
            self.after(at, Event::Client(nth));
        }
    }

    fn after(&mut self, wait: Duration, event: Event) {
        self.at(self.now.plus(wait), event);
    }

    fn at(&mut self, at: Timestamp, event: Event) {
        self.count += 1;
        self.events.push(Reverse((at.max(self.now), self.count)));
        self.due.insert(self.count, event);
    }

    /// The core takes a turn then, or earlier if it would have in any case.
    fn turn_at(&mut self, at: Timestamp) {
        if self.turn_at.is_none_or(|planned| at < planned) {
            self.turn_at = Some(at);
            self.at(at, Event::Turn(self.checker.life, at));
        }
    }

    /// The same for a worker.
    fn worker_at(&mut self, nth: usize, at: Timestamp) {
        let puppet = &mut self.puppets[nth];
        if puppet.turn_at.is_none_or(|planned| at < planned) {
            puppet.turn_at = Some(at);
            let life = puppet.life;
            self.at(at, Event::Worker(nth, life, at));
        }
    }

    fn told(&mut self, line: String) {
        let at = self.now.as_millis() - 1_800_000_000_000;
        let line = format!("{:>9.3} {line}", at as f64 / 1000.0);
        HISTORY.with_borrow_mut(|history| {
            if history.len() == HISTORY_MAX {
                history.drain(..HISTORY_MAX / 2);
            }
            history.push(line);
        });
    }

    /// What the process takes for the time.
    fn clock(&self) -> Timestamp {
        Timestamp::from_millis(self.now.as_millis() + self.clock)
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Start => self.start(),
            Event::Kill => self.killed(),
            Event::Arrive(request) => self.arrive(*request),
            Event::HangUp(no) => self.server.iter_mut().for_each(|server| server.hang_up(no)),
            Event::Turn(life, at) if (life, Some(at)) == (self.checker.life, self.turn_at) => self.turn(),
            Event::Settle(life) if life == self.checker.life => self.settle(),
            Event::Turn(..) | Event::Settle(_) => {}
            Event::Hear(answer) => self.hear(*answer),
            Event::Patience(no, from) => self.unheard(no, from, true),
            Event::Worker(nth, life, at) => {
                if (self.puppets[nth].life, self.puppets[nth].turn_at) == (life, Some(at)) {
                    self.puppets[nth].turn_at = None;
                    self.worker(nth, life);
                }
            }
            Event::Revive(nth) => self.revive(nth),
            Event::Client(nth) => self.client(nth),
            Event::Mend => self.mend(),
            Event::Sweep => self.sweep(),
        }
    }

    // The process.

    fn start(&mut self) {
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

    fn arrive(&mut self, request: Request) {
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

    fn turn(&mut self) {
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
    fn settle(&mut self) {
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

    fn tell_decision(&mut self, decision: &Decision, changes: &Changes) {
        match &decision.what {
            What::Tick(_) if decision.changes.is_empty() => return,
            What::Work { request, reply, .. } if is_empty(request) && reply.runs.is_empty() => {}
            What::Tick(_) => tell!(self, "  durable: a tick at {:?}", decision.now),
            What::Work { request, reply, .. } => {
                let said: Vec<_> = request.complete.iter().map(|one| (one.token, &one.outcome)).collect();
                let given: Vec<_> = reply.runs.iter().map(|one| (&one.run_id, one.token)).collect();
                let beats = request.extend.len();
                let (id, nonce) = (&request.worker.id, &request.worker.boot_nonce);
                let results = &reply.results;
                tell!(
                    self,
                    "  durable: {id}/{nonce} said {said:?} beat {beats}, heard {results:?}, got {given:?}"
                );
            }
            What::Submit { new, result, .. } => tell!(self, "  durable: {new:?} -> {result:?}"),
            what => tell!(self, "  durable: {what:?}"),
        }
        for change in &changes.tasks[decision.changes.clone()] {
            tell!(self, "    {change:?}");
        }
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

    fn killed(&mut self) {
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

    // Askers.

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

    fn worker(&mut self, nth: usize, life: u32) {
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

    fn revive(&mut self, nth: usize) {
        if self.puppets[nth].dead {
            let nonce = self.dice.bits();
            self.puppets[nth].reborn(nonce);
            tell!(self, "{} starts anew as {nonce}", self.puppets[nth].card.id);
            self.worker_at(nth, self.now);
        }
    }

    fn client(&mut self, nth: usize) {
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
    fn pending(&self) -> Vec<String> {
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

    fn hear(&mut self, answer: Answer) {
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
    fn unheard(&mut self, no: u64, from: Asker, hangs_up: bool) {
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

    // The end.

    /// From here on nothing goes wrong.
    fn mend(&mut self) {
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
    fn sweep(&mut self) {
        let mut asks: Vec<Ask> = Vec::new();
        let tables = &self.checker.tables;
        let by = || "operator".to_owned();
        for task in tables.tasks.values() {
            if task.next_fire.is_some() {
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

    fn is_over(&self) -> bool {
        let Some(mended_at) = self.mended_at else { return false };
        let fires = || self.checker.tables.tasks.values().any(|task| task.next_fire.is_some());
        let settled =
            self.server.as_ref().is_some_and(|server| server.is_settled() && !server.has_arrivals());
        self.now.since(mended_at) > MENDED_MAX || settled && self.checker.live_runs == 0 && !fires()
    }
}

/// Whether a worker only asks for work.
fn is_empty(request: &WorkRequest) -> bool {
    request.complete.is_empty() && request.extend.is_empty()
}

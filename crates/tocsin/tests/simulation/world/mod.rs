//! One world: a process, its disk, workers and clients, and what goes wrong between them, all from one seed. Time
//! jumps from event to event. First a stretch of bad weather, then everything is mended and must come to its end.

/// Adds a line to the history, if somebody wants it. Stands before the modules that use it.
macro_rules! tell {
    ($world:expr, $($what:tt)+) => {
        if $world.plan.tell {
            let line = format!($($what)+);
            $world.told(line);
        }
    };
}

mod askers;
mod end;
mod history;
mod process;

pub use history::take_history;

use crate::checker::{Checker, Seen};
use crate::clients::Client;
use crate::dice::Dice;
use crate::disk::{Disk, Fate};
use crate::network::{Answer, Asker, Request};
use crate::puppets::Puppet;
use crate::server::{Outbox, Server};
use crate::weather::Weather;
use model::Timestamp;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::Duration;
use tasks::{TaskId, WorkRequest};

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
}

/// Whether a worker only asks for work.
fn is_empty(request: &WorkRequest) -> bool {
    request.complete.is_empty() && request.extend.is_empty()
}

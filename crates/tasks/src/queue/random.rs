//! The queue under random workers, deaths and crashes: whatever was acknowledged is there and ends exactly
//! once, and nobody but the holder of a live attempt changes anything. Prints its seed; `TOCSIN_SEED` repeats one.

use super::*;
use crate::{
    Claim, Completion, Extension, NewTask, Options, Outcome, Record, RecordKind, RunError, RunState,
    TokenResult, WorkReply, WorkRequest, WorkerCard,
};
use model::{Backoff, Class, TaskSpec};
use rand::Rng;
use serde_json::json;
use std::collections::BTreeMap;

/// What a store would hold: changes applied the plainest way.
#[derive(Default, Clone)]
pub(super) struct Disk {
    pub(super) tasks: BTreeMap<TaskId, Arc<Task>>,
    pub(super) runs: BTreeMap<RunId, Run>,
    dedupe: BTreeMap<(String, String), Dedupe>,
    workers: BTreeMap<Arc<str>, crate::WorkerRow>,
    totals: Totals,
    pub(super) records: BTreeMap<(RecordKind, String), serde_json::Value>,
    /// How often each run became completed.
    completions: BTreeMap<RunId, u32>,
}

impl Disk {
    pub(super) fn commit(&mut self, changes: Vec<Change>) {
        for change in changes {
            match change {
                Change::TaskPut(task) | Change::TaskReplaced(task) => drop(self.tasks.insert(task.id, task)),
                Change::TaskGone(id) => {
                    self.tasks.remove(&id);
                    self.runs.retain(|_, run| run.task_id != id);
                }
                Change::Fired { task_id, from, to } => {
                    let task = self.tasks.get_mut(&task_id).expect("a schedule that is known");
                    assert_eq!(task.next_fire, Some(from), "fired twice");
                    Arc::make_mut(task).next_fire = to;
                }
                Change::RunPut(run) => drop(self.runs.insert(run.id, *run)),
                Change::RunMoved(id, at) => {
                    let run = self.runs.get_mut(&id).expect("a run that is known");
                    assert!(!run.at.state.is_final(), "{id} moved after its end");
                    if at.state == RunState::Completed {
                        *self.completions.entry(id).or_default() += 1;
                    }
                    run.at = *at;
                }
                Change::RunArgs(id, args) => {
                    self.runs.get_mut(&id).expect("a run that is known").args = Some(args);
                }
                Change::StepDone(id, step) => {
                    self.runs.get_mut(&id).expect("a run that is known").steps.push(step);
                }
                Change::DedupePut(held) => {
                    drop(self.dedupe.insert((held.key.clone(), held.by.clone()), held));
                }
                Change::DedupeGone { key, by } => drop(self.dedupe.remove(&(key, by))),
                Change::WorkerSeen(row) => drop(self.workers.insert(row.id.clone(), row)),
                Change::WorkerGone(id) => drop(self.workers.remove(&id)),
                Change::Totals(totals) => self.totals = totals,
                Change::Record { kind, key, row: Some(row) } => drop(self.records.insert((kind, key), row)),
                Change::Record { kind, key, row: None } => drop(self.records.remove(&(kind, key))),
                Change::Audit(_) => {}
            }
        }
    }

    pub(super) fn loaded(&self) -> Loaded {
        let live = |run: &&Run| {
            let parent = run.parent.as_ref().and_then(|parent| self.runs.get(&parent.run_id));
            !run.at.state.is_final() || parent.is_some_and(|parent| !parent.at.state.is_final())
        };
        let light = |run: &Run| {
            let task = &self.tasks[&run.task_id];
            run.at.is_untouched() && run.may_sleep(task) && run.at.run_at != Timestamp::MAX
        };
        let (light, runs): (Vec<Run>, Vec<Run>) =
            self.runs.values().filter(live).cloned().partition(|run| light(run));
        let sleeping = light.iter().map(|run| crate::Sleeping {
            kind: self.tasks[&run.task_id].kind.clone(),
            agent: None,
            scheduled: run.at.state == RunState::Scheduled,
            places: vec![(self.tasks[&run.task_id].priority, run.at.run_at, run.id)],
        });
        let ended = self.runs.values().filter(|run| run.at.state.is_final());
        Loaded {
            tasks: self.tasks.values().cloned().collect(),
            ended: ended.filter_map(|run| Some((run.at.token?, run.at.outcome))).collect(),
            runs,
            sleeping: sleeping.collect(),
            newest: None,
            dedupe: self.dedupe.values().cloned().collect(),
            workers: self.workers.values().cloned().collect(),
            totals: self.totals,
            records: self
                .records
                .iter()
                .map(|((kind, key), row)| Record { kind: *kind, key: key.clone(), row: row.clone() })
                .collect(),
        }
    }
}

/// A worker with what it believes to hold.
struct Puppet {
    card: WorkerCard,
    held: Vec<Claim>,
    /// Sent and not yet answered, or answered as accepted: sent again at times.
    sent: Vec<Completion>,
}

struct World {
    rng: StdRng,
    seed: u64,
    now: Timestamp,
    queue: Queue,
    disk: Disk,
    puppets: Vec<Puppet>,
    accepted: Vec<TaskId>,
    done: BTreeMap<String, u32>,
    births: u64,
    /// Starts of workers; each has another nonce.
    nonces: u64,
    /// When runs of a rate key began.
    began: BTreeMap<String, Vec<Timestamp>>,
}

/// Runs at once of the queue that is bounded.
const NARROW: u32 = 3;
/// Runs of a rate key in a minute.
const RATE: u32 = 5;
const RESCUES_MAX: u32 = 1_000;

impl World {
    fn new(seed: u64) -> World {
        let now = Timestamp::from_millis(1_800_000_000_000);
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let mut world = World {
            rng: StdRng::from_seed(bytes),
            seed,
            now,
            queue: Queue::new(World::settings(0), Loaded::default(), now),
            disk: Disk::default(),
            puppets: Vec::new(),
            accepted: Vec::new(),
            done: BTreeMap::new(),
            births: 0,
            nonces: 0,
            began: BTreeMap::new(),
        };
        for nth in 0..4 {
            let id = if nth == 0 { "builtin".to_owned() } else { format!("w{nth}") };
            let gpu = (nth == 1).then(|| ("gpu".to_owned(), "yes".to_owned()));
            world.puppets.push(Puppet {
                card: WorkerCard {
                    id,
                    boot_nonce: "0".to_owned(),
                    labels: gpu.into_iter().collect(),
                    kinds: vec!["*".to_owned()],
                    slots_free: 20,
                    draining: false,
                },
                held: Vec::new(),
                sent: Vec::new(),
            });
        }
        world
    }

    fn settings(life: u8) -> Settings {
        // Room for two or three runs: the others sleep.
        let awake_bytes_max = 3_000;
        Settings { seed: [life; 32], rescues_max: RESCUES_MAX, awake_bytes_max, ..Settings::default() }
    }

    fn below(&mut self, n: u64) -> u64 {
        self.rng.next_u64() % n
    }

    fn act(&mut self) {
        match self.below(100) {
            0..25 => self.submit(),
            25..80 => self.worker_turn(),
            80..84 => self.kill_worker(),
            84..86 => self.crash(),
            86..89 => self.forge(),
            89..91 => self.meddle(),
            91..93 => self.haunt(),
            _ => {
                let ms = 1 + self.below(20_000);
                self.now = self.now.plus(Duration::from_millis(ms));
                self.tick();
            }
        }
    }

    fn tick(&mut self) {
        let mut out = Vec::new();
        loop {
            let due = self.queue.due_asleep(self.now, 7);
            if due.is_empty() {
                break;
            }
            self.wake(due);
        }
        self.queue.tick(self.now, &mut out);
        self.commit(out);
    }

    /// What is committed need not stay in memory.
    fn commit(&mut self, out: Vec<Change>) {
        self.disk.commit(out);
        let mark = self.queue.mark();
        self.queue.stored(mark);
    }

    fn wake(&mut self, ids: Vec<RunId>) {
        let rows = ids.into_iter().map(|id| {
            let run = self.disk.runs[&id].clone();
            ((*self.disk.tasks[&run.task_id]).clone(), run)
        });
        self.queue.wake(rows.collect());
    }

    fn wake_for(&mut self, request: &WorkRequest) {
        let wanted = self.queue.wanted(&request.worker, request.want);
        self.wake(wanted);
    }

    fn submit(&mut self) {
        let mut out = Vec::new();
        let mut spec = TaskSpec::new("noop", json!({"n": self.accepted.len()}));
        spec.priority = 1 + self.below(9) as u8;
        spec.backoff = [Backoff::Fixed, Backoff::Linear, Backoff::ExponentialJitter][self.below(3) as usize];
        spec.max_retries = self.below(5) as u32;
        if self.below(4) == 0 {
            spec.concurrency_key = Some(format!("key{}", self.below(3)));
        }
        if self.below(4) == 0 {
            spec.run_at = Some(self.now.plus(Duration::from_millis(self.below(30_000))));
        }
        if self.below(5) == 0 {
            spec.class = Class::Runbook;
        }
        if self.below(6) == 0 {
            let steps = vec![
                ("a".to_owned(), TaskSpec { max_retries: 0, ..TaskSpec::new("noop", json!({})) }),
                ("b".to_owned(), TaskSpec { max_retries: 0, ..TaskSpec::new("noop", json!({})) }),
            ];
            let page = TaskSpec { max_retries: 1_000, ..TaskSpec::new("page", json!({})) };
            let id = self.queue.submit_page(page, steps, Duration::from_secs(5), self.now, &mut out);
            let task_id = self.queue.runs[&id].run.task_id;
            self.acknowledge(task_id, out);
            return;
        }
        // Only users have wishes.
        let options = if spec.class == Class::User { self.options() } else { Options::default() };
        let new = NewTask::Plain(spec, Duration::ZERO);
        let taken = self.queue.submit_with(new, options, "t", self.now, &mut out);
        self.acknowledge(taken.expect("room in the queue").task_id, out);
    }

    /// Rarer wishes, now and then.
    fn options(&mut self) -> Options {
        let mut options = Options::default();
        if self.below(8) == 0 {
            options.queue = Some(Arc::from("narrow"));
        }
        if self.below(10) == 0 {
            let key = self.below(2);
            options.rate_key = Some(Arc::from(format!("rate{key}")));
            options.rate_per_minute = Some(RATE);
        }
        if self.below(10) == 0 {
            options.labels = BTreeMap::from([("gpu".to_owned(), "yes".to_owned())]);
        }
        if self.below(12) == 0 {
            options.queued_timeout = Some(Duration::from_millis(1 + self.below(120_000)));
        }
        if self.below(12) == 0 {
            options.total_timeout = Some(Duration::from_millis(1 + self.below(300_000)));
        }
        if self.below(12) == 0 {
            options.sla_deadline = Some(self.now.plus(Duration::from_millis(1 + self.below(300_000))));
        }
        options
    }

    /// People pause a queue, bound it, hold tasks and let them go on.
    fn meddle(&mut self) {
        let (mut out, now) = (Vec::new(), self.now);
        let set = match self.below(3) {
            0 => Line {
                paused: Some(("ann".to_owned(), now)),
                running_max: Some(NARROW),
                rate_per_minute: None,
            },
            _ => Line { running_max: Some(NARROW), ..Line::default() },
        };
        self.queue.set_line("narrow", |line| *line = set, "ann", now, &mut out).expect("room for a queue");
        let paused = self.below(2) == 0;
        let known = self.accepted.len() as u64;
        for _ in 0..3 {
            let nth = self.below(known.max(1)) as usize;
            let Some(id) = self.accepted.get(nth).copied() else { break };
            // One that has ended is refused, and nothing changes.
            self.rouse(id);
            let _ = match paused {
                true => self.queue.pause(id, "ann", now, &mut out).map(drop),
                false => self.queue.resume(id, "ann", now, &mut out).map(drop),
            };
        }
        self.commit(out);
    }

    /// Who does something to a task by its name wakes it first.
    fn rouse(&mut self, id: TaskId) {
        if !self.queue.is_awake(id) {
            let run = self.disk.runs[&RunId::of_single(id)].clone();
            self.queue.rouse((*self.disk.tasks[&id]).clone(), run);
        }
    }

    /// A run began: not more of its rate key in a minute than may, nor on a worker that lacks a label.
    fn begun(&mut self, who: usize, claim: &Claim) {
        let Some(id) = TaskId::parse(&claim.task_id) else { return };
        let Some(options) = self.disk.tasks.get(&id).and_then(|task| task.options.clone()) else { return };
        let seed = self.seed;
        assert!(
            options.labels.is_empty() || who == 1,
            "seed {seed}: {id} went to a worker without its labels"
        );
        if let Some(key) = &options.rate_key {
            let began = self.began.entry(key.to_string()).or_default();
            began.push(self.now);
            let lately = began.iter().filter(|at| self.now.since(**at) < Duration::from_secs(60)).count();
            assert!(lately <= RATE as usize, "seed {seed}: {lately} of {key} began in a minute");
        }
    }

    /// A crash before the commit loses the request: then nothing was acknowledged.
    fn acknowledge(&mut self, id: TaskId, out: Vec<Change>) {
        if self.below(50) == 0 {
            return self.restart();
        }
        self.commit(out);
        self.accepted.push(id);
    }

    fn crash(&mut self) {
        self.restart();
    }

    /// The process dies and starts from disk.
    fn restart(&mut self) {
        self.births += 1;
        let life = self.births as u8;
        let settings =
            Settings { seed: [life.wrapping_mul(31).wrapping_add(7); 32], ..World::settings(life) };
        self.queue = Queue::new(settings, self.disk.loaded(), self.now);
        // Its own worker dies with it.
        self.reborn(0);
        self.check();
    }

    fn kill_worker(&mut self) {
        let who = self.below(4) as usize;
        self.reborn(who);
    }

    fn reborn(&mut self, who: usize) {
        self.nonces += 1;
        let puppet = &mut self.puppets[who];
        puppet.card.boot_nonce = self.nonces.to_string();
        puppet.held.clear();
        puppet.sent.clear();
    }

    fn worker_turn(&mut self) {
        let who = self.below(4) as usize;
        let (held, resend) = (self.puppets[who].held.len(), self.below(8) == 0);
        let mut complete = Vec::new();
        for _ in 0..self.below(held as u64 + 1) {
            let at = self.below(self.puppets[who].held.len() as u64) as usize;
            let claim = self.puppets[who].held.swap_remove(at);
            let outcome = self.outcome(&claim);
            complete.push(Completion { token: claim.token, outcome });
        }
        if resend {
            complete.extend(self.puppets[who].sent.iter().cloned());
        }
        let extend: Vec<Extension> = self.puppets[who]
            .held
            .iter()
            .map(|claim| Extension { token: claim.token, progress: Some(0.5), checkpoint: None })
            .collect();
        let (want, card) = (self.below(6) as u32, self.puppets[who].card.clone());
        let request = WorkRequest { worker: card, complete, extend, want, wait: Duration::ZERO };
        let mut out = Vec::new();
        self.wake_for(&request);
        let (reply, _) = self.queue.work(&request, self.now, &mut out);
        if self.below(60) == 0 {
            // The process dies before the commit: the worker never hears, and sends the same again.
            self.puppets[who].sent = request.complete;
            return self.restart();
        }
        self.commit(out);
        if self.below(30) == 0 {
            // The reply is lost: what was claimed is held by nobody and must be rescued.
            self.puppets[who].sent = request.complete;
            return;
        }
        self.hear(who, request, reply);
    }

    fn hear(&mut self, who: usize, request: WorkRequest, reply: WorkReply) {
        for (completion, (token, result)) in request.complete.into_iter().zip(&reply.results) {
            assert_eq!(completion.token, *token);
            if *result == TokenResult::Accepted && self.puppets[who].sent.len() < 20 {
                self.puppets[who].sent.push(completion);
            }
        }
        let lost: Vec<_> = reply
            .results
            .iter()
            .filter(|(_, result)| *result != TokenResult::Accepted)
            .map(|(t, _)| *t)
            .collect();
        self.puppets[who].held.retain(|claim| !lost.contains(&claim.token));
        for claim in reply.runs {
            assert!(claim.kind == "noop" || who == 0, "seed {}: a page went to {who}", self.seed);
            *self.done.entry(claim.run_id.clone()).or_default() += 1;
            self.begun(who, &claim);
            self.puppets[who].held.push(claim);
        }
    }

    fn outcome(&mut self, claim: &Claim) -> Outcome {
        let error = || RunError { kind: "bad".to_owned(), message: "no luck".to_owned() };
        match self.below(12) {
            0 => Outcome::Retry { error: error(), after: None },
            1 => Outcome::Snooze(Duration::from_secs(3)),
            2 if claim.kind != "page" => Outcome::Failed(error()),
            _ => Outcome::Done(json!({"by": claim.attempt})),
        }
    }

    /// A token that nobody was given, and one of somebody else, change nothing.
    fn forge(&mut self) {
        let token = AttemptToken::new(&mut self.rng);
        let theirs = self.puppets[1].held.first().map(|claim| claim.token);
        let complete = [Some(token), theirs].into_iter().flatten();
        let complete = complete.map(|token| Completion { token, outcome: Outcome::Done(json!("forged")) });
        let card = self.puppets[2].card.clone();
        let request = WorkRequest {
            worker: card,
            complete: complete.collect(),
            extend: vec![],
            want: 0,
            wait: Duration::ZERO,
        };
        // The worker may not have been heard of before: let it be, so that only the forgery counts below.
        self.hello(2);
        let mut out = Vec::new();
        let (reply, _) = self.queue.work(&request, self.now, &mut out);
        assert!(out.is_empty(), "seed {}: a forged token changed {out:?}", self.seed);
        assert!(reply.results.iter().all(|(_, result)| *result != TokenResult::Accepted));
    }

    /// A worker is heard of.
    fn hello(&mut self, who: usize) {
        let worker = self.puppets[who].card.clone();
        let (complete, extend) = (vec![], vec![]);
        let request = WorkRequest { worker, complete, extend, want: 0, wait: Duration::ZERO };
        let mut out = Vec::new();
        self.queue.work(&request, self.now, &mut out);
        self.disk.commit(out);
    }

    /// What a dead incarnation said comes after its successor was heard of: it changes nothing.
    fn haunt(&mut self) {
        let who = self.below(4) as usize;
        self.hello(who);
        let (worker, held) = (self.puppets[who].card.clone(), self.puppets[who].held.clone());
        self.reborn(who);
        self.hello(who);
        let late = |claim: Claim| Completion { token: claim.token, outcome: Outcome::Done(json!("late")) };
        let complete = held.into_iter().map(late).collect();
        let request = WorkRequest { worker, complete, extend: vec![], want: 5, wait: Duration::ZERO };
        let mut out = Vec::new();
        let (reply, events) = self.queue.work(&request, self.now, &mut out);
        let seed = self.seed;
        assert!(out.is_empty() && events.is_empty(), "seed {seed}: a dead incarnation changed {out:?}");
        assert!(reply.runs.is_empty() && reply.directive == crate::Directive::Terminate, "seed {seed}");
        assert!(reply.results.iter().all(|(_, result)| *result != TokenResult::Accepted), "seed {seed}");
    }

    fn check(&self) {
        let seed = self.seed;
        let narrow = |live: &&Live| {
            let queue = live.task.options.as_ref().and_then(|options| options.queue.as_deref());
            live.run.at.state == RunState::Running && queue == Some("narrow")
        };
        let running = self.queue.runs.values().filter(narrow).count();
        assert!(running <= NARROW as usize, "seed {seed}: {running} runs of a queue of {NARROW}");
        let (mut tokens, mut keys, mut sleeping) = (BTreeSet::new(), BTreeSet::new(), 0);
        for live in self.queue.runs.values().filter(|live| live.run.at.state == RunState::Running) {
            let token = live.run.at.token.expect("a running attempt has a token").to_bytes();
            assert!(tokens.insert(token), "seed {seed}: two live leases share a token");
            if let Some(key) = &live.task.concurrency_key {
                assert!(keys.insert(key.clone()), "seed {seed}: two runs of key {key}");
            }
        }
        for id in &self.accepted {
            let run = self.disk.runs.get(&RunId::of_single(*id));
            let run = run.unwrap_or_else(|| panic!("seed {seed}: acknowledged task {id} is absent"));
            let live = self.queue.runs.get(&run.id).map(|live| live.run.at.state);
            let asleep = live.is_none() && run.at.is_untouched() && run.may_sleep(&self.disk.tasks[id]);
            sleeping += usize::from(asleep);
            let known = if run.at.state.is_final() || asleep { None } else { Some(run.at.state) };
            assert_eq!(live, known, "seed {seed}: memory and disk differ about {id}");
            let task = &self.disk.tasks[id];
            assert!(run.at.failures <= task.max_retries + 1, "seed {seed}: {id} tried too often");
            assert!(run.at.rescues <= RESCUES_MAX + 1, "seed {seed}: {id} rescued too often");
            assert!(
                self.disk.completions.get(&run.id).copied().unwrap_or(0) <= 1,
                "seed {seed}: {id} ended twice"
            );
        }
        let said: usize = self.queue.asleep().iter().map(|(_, all)| all).sum();
        assert_eq!(said, sleeping, "seed {seed}: who sleeps is in line");
    }

    /// Time goes on, workers behave: everything must end.
    fn settle(&mut self) {
        let mut out = Vec::new();
        let open = |line: &mut Line| line.paused = None;
        self.queue.set_line("narrow", open, "ann", self.now, &mut out).expect("room for a queue");
        for id in self.accepted.clone() {
            self.rouse(id);
            let _ = self.queue.resume(id, "ann", self.now, &mut out);
        }
        self.commit(out);
        for _ in 0..6_000 {
            if self.queue.runs.is_empty()
                && self.queue.asleep() == [(0, 0); 2]
                && self.queue.deadlines.is_empty()
                && self.queue.gates.is_idle()
            {
                break;
            }
            self.now = self.now.plus(Duration::from_secs(1));
            self.tick();
            for who in 0..4 {
                let puppet = &mut self.puppets[who];
                let complete = puppet
                    .held
                    .drain(..)
                    .map(|claim| Completion { token: claim.token, outcome: Outcome::Done(json!("settled")) });
                let complete = complete.collect();
                let card = puppet.card.clone();
                let request =
                    WorkRequest { worker: card, complete, extend: vec![], want: 10, wait: Duration::ZERO };
                let mut out = Vec::new();
                self.wake_for(&request);
                let (reply, _) = self.queue.work(&request, self.now, &mut out);
                self.commit(out);
                self.hear(who, request, reply);
            }
        }
        let left: Vec<_> = self.queue.runs.values().map(|live| (live.run.id, live.run.at.state)).collect();
        assert!(left.is_empty(), "seed {}: never ended: {left:?}", self.seed);
        assert_eq!(self.queue.next_wake(), None, "seed {}: something is left to wake for", self.seed);
        assert!(self.queue.pages.is_empty() && self.queue.dedupe.is_empty(), "seed {}", self.seed);
        self.check();
        assert!(
            self.disk.records.keys().all(|(kind, _)| *kind != RecordKind::Sla),
            "seed {}: told for ever",
            self.seed
        );
        let counts = self.queue.counts(self.now);
        assert_eq!((counts.pending, counts.processing), (0, 0), "seed {}", self.seed);
        let disk = self.disk.runs.values().filter(|run| run.class == Class::User);
        let ended = counts.totals.completed + counts.totals.dead + counts.totals.cancelled;
        assert_eq!(disk.count() as u64, ended, "seed {}: the counters are off", self.seed);
    }
}

#[test]
fn nothing_is_lost_and_nothing_ends_twice() {
    let given = std::env::var("TOCSIN_SEED").ok().and_then(|seed| seed.parse().ok());
    let first = given.unwrap_or_else(|| rand::rng().next_u64());
    let rounds = if given.is_some() { 1 } else { 12 };
    println!("seed {first}, {rounds} rounds; TOCSIN_SEED={first} repeats the first");
    for round in 0..rounds {
        let seed = first.wrapping_add(round);
        let mut world = World::new(seed);
        for step in 0..1_500 {
            world.act();
            if step % 25 == 0 {
                world.check();
            }
        }
        world.settle();
        let (tasks, totals) = (world.accepted.len(), world.queue.totals);
        println!("round {round}: {tasks} tasks, {} restarts, {totals:?}", world.births);
        assert!(
            totals.rescued > 0 && totals.completed > 0 && totals.dead > 0,
            "seed {seed}: nothing happened"
        );
    }
}

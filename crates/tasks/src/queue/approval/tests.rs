//! Gated runs under random persons, workers, clocks and crashes: no run is handed out before its quorum is on
//! disk, what runs is what was approved, every decision has one line of audit, and everything ends.
//! `TOCSIN_SEED` repeats one.

use super::super::random::Disk;
use super::super::*;
use crate::approval::{ApprovalStatus, Say, Voter, from_json};
use crate::{
    Approval, Completion, NewScheduled, NewTask, NewTyped, Options, Outcome, RecordKind, RunState, Urgency,
    WorkRequest, WorkerCard,
};
use model::{ApprovalWish, OnExpiry, TaskSpec};
use rand::Rng;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const PERSONS: [&str; 5] = ["ann", "bob", "cem", "dan", "eve"];

struct World {
    rng: StdRng,
    seed: u64,
    lives: u8,
    now: Timestamp,
    queue: Queue,
    disk: Disk,
    /// Committed lines of audit by approval and action.
    audit: BTreeMap<(String, &'static str), u32>,
    claimed: u32,
    held: Vec<crate::Claim>,
    /// Nothing crashes any more.
    calm: bool,
}

impl World {
    fn new(seed: u64) -> World {
        let now = Timestamp::from_millis(1_800_000_000_000);
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        World {
            rng: StdRng::from_seed(bytes),
            seed,
            lives: 0,
            now,
            queue: Queue::new(Settings::default(), Loaded::default(), now),
            disk: Disk::default(),
            audit: BTreeMap::new(),
            claimed: 0,
            held: Vec::new(),
            calm: false,
        }
    }

    fn below(&mut self, n: u64) -> u64 {
        self.rng.next_u64() % n
    }

    fn commit(&mut self, out: Vec<Change>) {
        for change in &out {
            if let Change::Audit(line) = change
                && let Some(id) = line.details["approval_id"].as_str()
            {
                *self.audit.entry((id.to_owned(), line.action)).or_default() += 1;
            }
        }
        self.disk.commit(out);
    }

    /// Written, or lost with the process.
    fn commit_or_crash(&mut self, out: Vec<Change>) -> bool {
        if !self.calm && self.below(12) == 0 {
            self.restart();
            return false;
        }
        self.commit(out);
        true
    }

    fn restart(&mut self) {
        self.lives = self.lives.wrapping_add(1);
        let settings = Settings { seed: [self.lives; 32], rescues_max: 1_000, ..Settings::default() };
        self.queue = Queue::new(settings, self.disk.loaded(), self.now);
        self.check();
    }

    fn act(&mut self) {
        match self.below(20) {
            0..4 => self.submit(),
            4..9 => self.say(),
            9..15 => self.work(),
            15 => self.cancel(),
            16 => self.restart(),
            _ => {
                let ms = 1 + self.below(60_000);
                self.now = self.now.plus(Duration::from_millis(ms));
                self.tick();
            }
        }
    }

    fn tick(&mut self) {
        let mut out = Vec::new();
        self.queue.tick(self.now, &mut out);
        self.commit(out);
    }

    fn wish(&mut self) -> ApprovalWish {
        let named = self.below(2) == 0;
        let approvers =
            if named { vec!["bob".to_owned(), "cem".to_owned(), "dan".to_owned()] } else { Vec::new() };
        let expire = [OnExpiry::Approve, OnExpiry::Reject][self.below(2) as usize];
        ApprovalWish {
            approvers,
            quorum: Some(1 + self.below(3) as u32),
            expires: Some(Duration::from_secs(30 + self.below(300))),
            on_expiry: Some(expire),
            reason: None,
        }
    }

    fn submit(&mut self) {
        let by = PERSONS[self.below(2) as usize];
        let n = self.below(1_000);
        let wish = self.wish();
        let (new, wish) = match self.below(3) {
            0 => {
                let typed = NewTyped {
                    type_: "deploy".to_owned(),
                    payload: json!({"n": n}).into(),
                    urgency: [Urgency::P0, Urgency::P1, Urgency::P2][self.below(3) as usize],
                    source: "user".to_owned(),
                    sla: None,
                    metadata: json!({}),
                };
                let wish = (self.below(2) == 0).then_some(wish);
                (NewTask::Typed(typed), wish)
            }
            1 => {
                let mut spec = TaskSpec::new("noop", json!({"n": n}));
                if self.below(3) == 0 {
                    spec.run_at = Some(self.now.plus(Duration::from_secs(self.below(100))));
                }
                (NewTask::Plain(spec, Duration::ZERO), Some(wish))
            }
            _ => {
                let mut step = json!({"id": "ship", "uses": "noop", "with": {"n": "${params.n}"},
                    "approval": crate::approval::wish_to_json(&wish)});
                if self.below(3) == 0 {
                    step["foreach"] = json!("[`1`, `2`]");
                    step["with"] = json!({"n": "${item}"});
                }
                let whole = self.wish();
                let whole = (self.below(2) == 0).then_some(whole);
                let new = NewScheduled {
                    title: "t".to_owned(),
                    description: "d".to_owned(),
                    schedule_kind: "once".to_owned(),
                    schedule_expr: Some(self.now.plus(Duration::from_secs(1)).rfc3339()),
                    payload: json!({"params": {"n": n}, "pipeline": [{"id": "a", "uses": "noop"}, step]}),
                    ..NewScheduled::default()
                };
                (NewTask::Scheduled(new), whole)
            }
        };
        let options = Options { approval: wish, ..Options::default() };
        let mut out = Vec::new();
        self.queue.submit_with(new, options, by, self.now, &mut out).expect("room in the queue");
        self.commit_or_crash(out);
    }

    fn say(&mut self) {
        let pending = self.queue.approvals_pending(1_000).0;
        if pending.is_empty() {
            return;
        }
        let one = &pending[self.below(pending.len() as u64) as usize];
        let id = one.asked.id.clone();
        let rank = [crate::approval::Rank::Agent, crate::approval::Rank::Operator][self.below(2) as usize];
        let voter = Voter { name: PERSONS[self.below(5) as usize].to_owned(), rank, link: None };
        let mut out = Vec::new();
        let done = match self.below(10) {
            0 => self.queue.reject(&id, &voter, Say::default(), self.now, &mut out).map(|_| ()),
            1 => {
                let until = self.now.plus(Duration::from_secs(60));
                let to = PERSONS[self.below(5) as usize];
                self.queue.delegate_approval(&id, &voter, to, until, self.now, &mut out).map(|_| ())
            }
            2 => {
                let say = Say { payload: Some(json!({"n": self.below(3)})), ..Say::default() };
                self.queue.approve(&id, &voter, say, self.now, &mut out).map(|_| ())
            }
            _ => self.queue.approve(&id, &voter, Say::default(), self.now, &mut out).map(|_| ()),
        };
        if done.is_err() {
            let decided = |change: &Change| match change {
                Change::Audit(line) => line.action != "approval.timeout",
                _ => false,
            };
            assert!(!out.iter().any(decided), "seed {}: refused and yet on record", self.seed);
        }
        self.commit_or_crash(out);
    }

    fn cancel(&mut self) {
        let ids: Vec<TaskId> = self.queue.runs.values().map(|live| live.run.task_id).collect();
        if ids.is_empty() {
            return;
        }
        let id = *ids.iter().max().expect("not empty");
        let mut out = Vec::new();
        self.queue.cancel(id, "olga", self.now, &mut out).expect("it is live");
        self.commit_or_crash(out);
    }

    fn work(&mut self) {
        let labels = BTreeMap::from([("agent".to_owned(), "ops_agent".to_owned())]);
        let complete = self
            .held
            .drain(..)
            .map(|claim| Completion { token: claim.token, outcome: Outcome::Done(json!({})) });
        let request = WorkRequest {
            worker: WorkerCard {
                id: "w".to_owned(),
                boot_nonce: "1".to_owned(),
                labels,
                kinds: vec!["*".to_owned()],
                slots_free: 10,
                draining: false,
            },
            complete: complete.collect(),
            extend: Vec::new(),
            want: 5,
            wait: Duration::ZERO,
        };
        let mut out = Vec::new();
        let (reply, _) = self.queue.work(&request, self.now, &mut out);
        if !self.commit_or_crash(out) {
            return;
        }
        for claim in &reply.runs {
            self.claimed += 1;
            self.check_claim(claim);
        }
        self.held = reply.runs;
    }

    fn approvals(&self) -> impl Iterator<Item = Approval> + '_ {
        let rows = self.disk.records.iter().filter(|((kind, _), _)| *kind == RecordKind::Approval);
        rows.map(|(_, row)| from_json(row).expect("a row that was written"))
    }

    /// Every approval that a run needed at the step it is at is on disk, and was given as it had to be.
    fn check_claim(&self, claim: &crate::Claim) {
        let seed = self.seed;
        let run = &self.disk.runs[&RunId::parse(&claim.run_id).expect("an id")];
        let task = &self.disk.tasks[&run.task_id];
        let of = |at: Option<(u32, Option<u32>)>| {
            let mut all = self.approvals();
            let place = |one: &Approval| one.asked.step.as_ref().map(|step| (step.index, step.item));
            all.find(|one| one.asked.run_id == run.id && place(one) == at)
        };
        if Queue::is_gated(task) {
            let whole =
                of(None).unwrap_or_else(|| panic!("seed {seed}: {} ran and nobody was asked", run.id));
            self.check_given(&whole);
            if task.pipeline.is_none() {
                assert_eq!(claim.args, *whole.asked.payload, "seed {seed}: it runs what was approved");
            }
        }
        let gated =
            task.pipeline.as_ref().is_some_and(|steps| steps[run.at.step as usize].approval.is_some());
        if gated {
            let step = &task.pipeline.as_ref().expect("it has steps")[run.at.step as usize];
            let ended = run.steps.iter().filter(|one| one.id == step.id && one.item.is_some()).count();
            let item = step.foreach.as_ref().map(|_| ended as u32);
            let step =
                of(Some((run.at.step, item))).unwrap_or_else(|| panic!("seed {seed}: a step ran unasked"));
            self.check_given(&step);
            assert_eq!(claim.args, *step.asked.payload, "seed {seed}: the step runs what was approved");
        }
    }

    fn check_given(&self, one: &Approval) {
        let (seed, asked) = (self.seed, &one.asked);
        if one.status() == ApprovalStatus::Timeout {
            assert!(
                asked.on_expiry == OnExpiry::Approve && one.decided_at() >= Some(asked.expires_at),
                "seed {seed}"
            );
            return;
        }
        assert_eq!(one.status(), ApprovalStatus::Approved, "seed {seed}: {}", asked.id);
        let counted: Vec<_> = one.votes.iter().filter(|vote| vote.hash == asked.hash).collect();
        let persons: BTreeSet<_> = counted.iter().map(|vote| &vote.by).collect();
        let seats: BTreeSet<_> = counted.iter().map(|vote| &vote.seat).collect();
        assert!(
            persons.len() >= asked.quorum as usize && seats.len() == persons.len(),
            "seed {seed}: {one:?}"
        );
        assert!(counted.iter().all(|vote| vote.at < asked.expires_at), "seed {seed}: a vote too late");
        assert!(!asked.critical || !persons.contains(&asked.requested_by), "seed {seed}: their own");
        let named = |vote: &&crate::approval::Vote| {
            asked.approvers.is_empty() || asked.approvers.contains(&vote.seat)
        };
        assert!(counted.iter().all(named), "seed {seed}: not an approver");
    }

    /// Memory and disk agree: a run waits exactly if its approval does.
    fn check(&self) {
        let seed = self.seed;
        let waits: BTreeSet<RunId> = self
            .disk
            .runs
            .values()
            .filter(|run| run.at.state == RunState::AwaitingApproval)
            .map(|run| run.id)
            .collect();
        let pending: BTreeSet<RunId> =
            self.approvals().filter(|one| !one.is_decided()).map(|one| one.asked.run_id).collect();
        assert_eq!(waits, pending, "seed {seed}: who waits and what is pending differ");
        let known = self.queue.approvals_pending(usize::MAX);
        assert_eq!((known.0.len(), known.1), (pending.len(), pending.len()), "seed {seed}");
        for one in self.approvals().filter(Approval::is_decided) {
            let lines = |action| self.audit.get(&(one.asked.id.clone(), action)).copied().unwrap_or(0);
            let decisions = ["approval.approved", "approval.rejected", "approval.timeout"].map(lines);
            let wanted = u32::from(!one.is_withdrawn());
            assert_eq!(decisions.iter().sum::<u32>(), wanted, "seed {seed}: {} {decisions:?}", one.asked.id);
        }
    }

    /// Time goes on, nobody decides: everything ends by itself.
    fn settle(&mut self) {
        self.calm = true;
        self.now = self.now.plus(Duration::from_secs(90_000));
        for _ in 0..400 {
            self.now = self.now.plus(Duration::from_secs(20));
            self.tick();
            self.work();
        }
        self.restart();
        let left: Vec<_> = self.queue.runs.values().map(|live| (live.run.id, live.run.at.state)).collect();
        assert!(left.is_empty(), "seed {}: never ended: {left:?}", self.seed);
        assert_eq!(self.queue.approvals_pending(1).1, 0);
    }
}

#[test]
fn no_gated_run_is_handed_out_before_its_quorum_is_on_disk() {
    let given = std::env::var("TOCSIN_SEED").ok().and_then(|seed| seed.parse().ok());
    let first = given.unwrap_or_else(|| rand::rng().next_u64());
    let rounds = if given.is_some() { 1 } else { 12 };
    println!("seed {first}, {rounds} rounds; TOCSIN_SEED={first} repeats the first");
    let mut claimed = 0;
    let mut ended: BTreeMap<&str, u32> = BTreeMap::new();
    for round in 0..rounds {
        let mut world = World::new(first.wrapping_add(round));
        for _ in 0..400 {
            world.act();
        }
        world.check();
        world.settle();
        claimed += world.claimed;
        world.approvals().for_each(|one| *ended.entry(one.status().as_str()).or_default() += 1);
    }
    println!("{claimed} claims, {ended:?}");
    for status in ["approved", "rejected", "timeout"] {
        assert!(given.is_some() || ended.contains_key(status), "nothing was {status}: nothing was tested");
    }
}

#[test]
fn history_is_bounded_in_number_and_time() {
    let mut world = World::new(7);
    let settings = |history_max| crate::ApprovalSettings {
        history_max,
        history_ttl: Duration::from_secs(3600),
        ..crate::ApprovalSettings::default()
    };
    world.queue.set_approvals(settings(3));
    let voter = Voter { name: "bob".to_owned(), rank: crate::approval::Rank::Operator, link: None };
    for n in 0..5 {
        let mut out = Vec::new();
        let wish = ApprovalWish::default();
        let options = Options { approval: Some(wish), ..Options::default() };
        let new = NewTask::Plain(TaskSpec::new("noop", json!({"n": n})), Duration::ZERO);
        let id = world.queue.submit_with(new, options, "ann", world.now, &mut out).expect("room").task_id;
        let (id, say) = (format!("approval_{id}"), Say { reason: Some("no".to_owned()), ..Say::default() });
        world.now = world.now.plus(Duration::from_secs(1));
        world.queue.reject(&id, &voter, say, world.now, &mut out).expect("it is open");
        world.commit(out);
    }
    let shown: Vec<Value> =
        world.queue.approvals_history(10).iter().map(|one| one.asked.payload["n"].clone()).collect();
    assert_eq!(shown, [json!(4), json!(3), json!(2)]);
    assert_eq!(world.approvals().count(), 3, "the store forgets them too");
    world.restart();
    world.queue.set_approvals(settings(3));
    assert_eq!(world.queue.approvals_history(10).len(), 3);
    world.now = world.now.plus(Duration::from_secs(3600));
    world.tick();
    assert_eq!((world.queue.approvals_history(10).len(), world.approvals().count()), (0, 0));
}

#[test]
fn a_status_set_by_hand_goes_round_no_approval() {
    let mut world = World::new(1);
    let typed = NewTyped {
        type_: "bugfix".to_owned(),
        payload: json!({}).into(),
        urgency: Urgency::P0,
        source: "user".to_owned(),
        sla: None,
        metadata: json!({}),
    };
    let mut out = Vec::new();
    let id = world.queue.submit(NewTask::Typed(typed), "ann", world.now, &mut out).expect("room").task_id;
    for status in ["in_progress", "completed", "failed", "blocked", "assigned"] {
        let refused = world.queue.patch_status(id, status, None, "bob", world.now, &mut out);
        assert!(matches!(refused, Err(crate::Refusal::NotApplicable(_))), "{status}: {refused:?}");
    }
    world.queue.patch_status(id, "cancelled", None, "bob", world.now, &mut out).expect("it can be stopped");
    let approval = world.queue.approval(&format!("approval_{id}")).expect("it is kept");
    assert!(approval.is_withdrawn() && approval.status() == ApprovalStatus::Rejected);
}

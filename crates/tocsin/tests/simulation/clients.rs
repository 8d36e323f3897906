//! Those who ask for tasks and those who operate: each asks one thing at a time and asks again if no answer comes.

use crate::dice::Dice;
use crate::guard;
use crate::network::{Act, Ask};
use model::{ApprovalWish, Backoff, OnExpiry, TaskSpec, Timestamp};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tasks::approval::{Rank, Say, Voter};
use tasks::schedule::{Firing, Overlap};
use tasks::{NewScheduled, NewTask, NewTyped, Options, TaskId, Urgency};

/// What events are about.
const TOPICS: [&str; 2] = ["stock.low", "mail.received"];

/// One of them.
pub struct Client {
    name: String,
    /// What it still wants to ask.
    pub todo: u32,
    /// What it asks now, under which number, and how often it may ask again.
    pub asking: Option<(u64, Ask, u32)>,
}

impl Client {
    pub fn new(nth: usize, todo: u32) -> Client {
        Client { name: format!("client{nth}"), todo, asking: None }
    }

    /// What it asks next; `known` are the tasks that somebody was told of, `pending` the approvals that are open.
    pub fn next(&mut self, known: &[TaskId], pending: &[String], now: Timestamp, dice: &mut Dice) -> Ask {
        self.todo -= 1;
        let by = self.name.clone();
        if !pending.is_empty() && dice.below(3) == 0 {
            return vote(pending[dice.below(pending.len() as u64) as usize].clone(), by, dice);
        }
        if !known.is_empty() && dice.below(6) == 0 {
            return Ask::Act { task: dice.pick(known), act: act(dice), by };
        }
        if dice.below(16) == 0 {
            return Ask::Line { paused: dice.below(2) == 0, max: 1 + dice.below(3) as u32, by };
        }
        if dice.below(6) == 0 {
            let each = (0..1 + dice.below(4)).map(|_| dice.below(6) as i64).collect();
            return Ask::Publish { topic: dice.pick(&TOPICS), each };
        }
        let new = match dice.below(10) {
            0 | 1 => scheduled(now, dice),
            2 => typed(dice),
            3 => return Ask::Page { steps: dice.below(3) as usize },
            _ => plain(now, dice),
        };
        let mut options = Options { firing: firing(&new, dice), ..Options::default() };
        if dice.below(8) == 0 {
            let on_expiry = dice.pick(&[OnExpiry::Approve, OnExpiry::Reject]);
            options.approval = Some(ApprovalWish {
                quorum: Some(1 + dice.below(2) as u32),
                expires: Some(dice.ms(1_000, 200_000)),
                on_expiry: Some(on_expiry),
                ..ApprovalWish::default()
            });
        }
        if dice.below(8) == 0 {
            options.rate_key = Some(Arc::from("rate"));
            options.rate_per_minute = Some(guard::RATE);
        }
        if dice.below(6) == 0 {
            options.queue = Some(Arc::from(guard::NARROW));
        }
        Ask::Submit { new: Box::new(new), options, by }
    }
}

/// A yes or a no to an approval, at times with an edit.
fn vote(approval: String, name: String, dice: &mut Dice) -> Ask {
    let yes = dice.below(4) > 0;
    let payload = (yes && dice.below(5) == 0).then(|| params(true, dice));
    let voter = Voter { name, rank: Rank::Operator, link: None };
    Ask::Vote { approval, yes, voter, say: Say { payload, ..Say::default() } }
}

fn act(dice: &mut Dice) -> Act {
    let words = ["pending", "assigned", "in_progress", "completed", "failed", "cancelled", "blocked"];
    match dice.below(9) {
        0 | 1 => Act::Cancel,
        2..5 => Act::Patch(dice.pick(&words)),
        5 => Act::Pause,
        6 => Act::Resume,
        7 => Act::RunNow,
        _ => Act::Snooze(dice.ms(0, 30_000)),
    }
}

fn plain(now: Timestamp, dice: &mut Dice) -> NewTask {
    let mut spec = TaskSpec::new("noop", json!({"n": dice.below(100)}));
    spec.priority = 1 + dice.below(9) as u8;
    spec.backoff = dice.pick(&[Backoff::Fixed, Backoff::Linear, Backoff::ExponentialJitter]);
    spec.max_retries = dice.below(5) as u32;
    spec.timeout = dice.ms(1_000, 120_000);
    if dice.below(3) == 0 {
        spec.concurrency_key = Some(format!("key{}", dice.below(2)));
    }
    if dice.below(4) == 0 {
        spec.run_at = Some(now.plus(dice.ms(0, 60_000)));
    }
    if dice.below(4) == 0 {
        spec.dedupe_key = Some(format!("once{}", dice.below(3)));
    }
    let window = Duration::from_secs(dice.below(2) * dice.below(60));
    NewTask::Plain(spec, window)
}

fn typed(dice: &mut Dice) -> NewTask {
    NewTask::Typed(NewTyped {
        type_: dice.pick(&["bugfix", "deploy"]).to_owned(),
        payload: json!({"n": dice.below(100)}).into(),
        urgency: dice.pick(&[Urgency::P0, Urgency::P1, Urgency::P2, Urgency::P3]),
        source: "user".to_owned(),
        sla: None,
        metadata: json!({}),
    })
}

fn scheduled(now: Timestamp, dice: &mut Dice) -> NewTask {
    let kind = dice.pick(&["cron", "cron", "once", "event", "event"]);
    let expr = match kind {
        "cron" => format!("*/{} * * * *", dice.pick(&[1, 2, 5])),
        "once" => now.plus(dice.ms(0, 90_000)).rfc3339(),
        _ => dice.pick(&TOPICS).to_owned(),
    };
    let pipelines = guard::pipelines();
    let pipeline = pipelines[dice.below(pipelines.len() as u64) as usize].clone();
    let go = dice.below(2) == 0;
    NewTask::Scheduled(NewScheduled {
        title: "simulated".to_owned(),
        description: "by the simulator".to_owned(),
        schedule_kind: kind.to_owned(),
        schedule_expr: Some(expr),
        timezone: Some("UTC".to_owned()),
        payload: json!({"params": params(go, dice), "pipeline": pipeline}),
        max_retries: Some(dice.below(4) as u32),
        concurrency_key: (dice.below(3) == 0).then(|| "key0".to_owned()),
        dedupe_key: (dice.below(3) == 0).then(|| "once0".to_owned()),
        ..NewScheduled::default()
    })
}

/// The parameters of a pipeline.
fn params(go: bool, dice: &mut Dice) -> Value {
    let list: Vec<u64> = (0..dice.below(4)).map(|_| dice.below(6)).collect();
    json!({"go": go, "n": dice.below(6), "list": list})
}

/// What a task that waits for events says of those that it is not for, and of runs that overlap.
fn firing(new: &NewTask, dice: &mut Dice) -> Option<Box<Firing>> {
    let NewTask::Scheduled(new) = new else { return None };
    let overlap = dice.pick(&[None, Some(Overlap::Skip), Some(Overlap::Queue), Some(Overlap::Allow)]);
    let filter = (dice.below(2) == 0).then(|| Arc::from(guard::FILTER));
    (new.schedule_kind == "event").then(|| Box::new(Firing { overlap, filter, ..Firing::default() }))
}

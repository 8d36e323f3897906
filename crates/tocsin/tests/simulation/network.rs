//! Messages between askers and the process: late, lost, twice, out of order.

use crate::{dice::Dice, weather::Weather};
use std::time::Duration;
use tasks::approval::{Say, Voter};
use tasks::{NewTask, Options, Refusal, Submitted, TaskId, WorkReply, WorkRequest};

/// Who asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// A worker, in its life of that number.
    Worker(usize, u32),
    /// A client.
    Client(usize),
    /// The process itself, which waits for no answer.
    Itself,
}

/// A request under way. The same one may arrive twice.
#[derive(Debug, Clone)]
pub struct Request {
    pub no: u64,
    pub from: Asker,
    pub body: Ask,
}

/// What is asked.
#[derive(Debug, Clone)]
pub enum Ask {
    Work(WorkRequest),
    Submit {
        new: Box<NewTask>,
        options: Options,
        by: String,
    },
    Act {
        task: TaskId,
        act: Act,
        by: String,
    },
    Vote {
        approval: String,
        yes: bool,
        voter: Voter,
        say: Say,
    },
    /// Pauses a queue or lets it go on, and bounds its runs at once.
    Line {
        paused: bool,
        max: u32,
        by: String,
    },
    Page {
        steps: usize,
    },
    /// Tells some events of a topic, one after the other.
    Publish {
        topic: &'static str,
        each: Vec<i64>,
    },
}

/// What an operator does to a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Cancel,
    Patch(&'static str),
    Pause,
    Resume,
    RunNow,
    Snooze(Duration),
}

/// An answer under way.
#[derive(Debug, Clone)]
pub struct Answer {
    pub no: u64,
    pub to: Asker,
    pub body: Told,
}

/// What is answered.
#[derive(Debug, Clone)]
pub enum Told {
    Work(Box<WorkReply>),
    Submitted(Box<Result<Submitted, Refusal>>),
    Acted(TaskId, Act, Result<(), Refusal>),
    Voted,
    LineSet,
    Published,
    /// The connection broke: whatever was asked may have happened or not.
    Broken,
}

/// When the copies of one message arrive; none if it is lost.
pub fn travel(dice: &mut Dice, weather: &Weather) -> Vec<Duration> {
    let mut copies = Vec::with_capacity(1);
    if !dice.often(weather.lose) {
        copies.push(delay(dice, weather));
    }
    if dice.often(weather.twice) {
        copies.push(delay(dice, weather));
    }
    copies
}

fn delay(dice: &mut Dice, weather: &Weather) -> Duration {
    if dice.often(weather.slow) { dice.ms(500, 40_000) } else { dice.ms(0, 20) }
}

//! What goes wrong in one world, and how often: each seed has its own mix, and some seeds have none of a kind, so
//! that rare coincidences come about in some of them.

use crate::dice::Dice;
use std::time::Duration;

/// How often each fault happens; `often` values are of a thousand.
#[derive(Debug, Clone)]
pub struct Weather {
    /// A message is lost.
    pub lose: u64,
    /// A message arrives twice.
    pub twice: u64,
    /// A message takes seconds instead of milliseconds.
    pub slow: u64,
    /// A connection that breaks is not noticed at its other end.
    pub half_open: u64,
    /// The process dies in a commit: before it is durable or right after.
    pub crash_in_commit: u64,
    /// The process is killed about this often; `None`: never.
    pub kill_every: Option<Duration>,
    /// A commit takes a third of a second.
    pub stall_commit: u64,
    /// A worker dies at its turn, and comes back anew.
    pub die: u64,
    /// A worker stands still at its turn, for up to three leases.
    pub stall: u64,
    /// A worker forgets to send heartbeats for a run.
    pub no_heartbeat: u64,
    /// A worker says again what it said long ago, word for word.
    pub repeat: u64,
    /// The same with another outcome.
    pub contradict: u64,
    /// A worker uses a token that it was never given.
    pub forge: u64,
    /// The clock is set back or forward by up to this many seconds.
    pub clock: u64,
    /// Somebody opens the store beside the process and fires what is due.
    pub intruder: u64,
}

impl Weather {
    /// A seed's own mix.
    pub fn of(dice: &mut Dice) -> Weather {
        let mut some = |max: u64| if dice.below(3) == 0 { 0 } else { dice.below(max + 1) };
        Weather {
            lose: some(80),
            twice: some(80),
            slow: some(60),
            half_open: some(500),
            crash_in_commit: some(25),
            stall_commit: some(60),
            die: some(25),
            stall: some(25),
            no_heartbeat: some(300),
            repeat: some(60),
            contradict: some(60),
            forge: some(40),
            clock: some(5),
            intruder: some(30),
            kill_every: [None, Some(20), Some(60), Some(200)][some(3) as usize].map(Duration::from_secs),
        }
    }

    /// Everything works.
    pub fn calm() -> Weather {
        Weather {
            lose: 0,
            twice: 0,
            slow: 0,
            half_open: 0,
            crash_in_commit: 0,
            kill_every: None,
            stall_commit: 0,
            die: 0,
            stall: 0,
            no_heartbeat: 0,
            repeat: 0,
            contradict: 0,
            forge: 0,
            clock: 0,
            intruder: 0,
        }
    }
}

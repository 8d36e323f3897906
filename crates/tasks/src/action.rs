//! One kind of work. `worker` and `notify` bring the actions; the queue only knows their names.

use crate::{AttemptToken, Outcome};
use model::Json;
use serde_json::Value;
use std::{future::Future, pin::Pin, time::Duration};

/// A future that an action returns.
pub type Running<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// What one attempt is given.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// The run.
    pub run_id: String,
    /// The attempt; doubles as the idempotency key towards the outside where nothing better is at hand.
    pub token: AttemptToken,
    /// The number of this try, from 1.
    pub number: u32,
    /// The arguments.
    pub args: Json,
    /// The longest it may take. The worker drops the future after that: an action must bear being dropped.
    pub deadline: Duration,
    /// What the attempt before left.
    pub checkpoint: Option<Value>,
}

/// One kind of work. Must bear being run twice: a worker can die between acting and saying so.
pub trait Action: Send + Sync {
    /// The name by which tasks ask for it.
    fn kind(&self) -> &str;

    /// Does it. Expected trouble is an [`Outcome`]; nothing that comes from outside may panic.
    fn run(&self, attempt: Attempt) -> Running<'_>;
}

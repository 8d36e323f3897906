//! What people do to tasks and queues, and what they ask about them.

use super::Failure;
use crate::views::{
    DeadAct, DeadLetter, Kept, NewTask, Once, PageOf, QueueAct, QueueDetail, QueueView, RunStats, TaskAct,
    TaskUpdate, Why,
};
use futures_util::future::BoxFuture;
use std::time::Duration;

/// Acts on tasks and queues, and answers about them. What changes answers only after its commit; an act with an
/// idempotency key commits its answer with what it does.
pub trait Queues: Send + Sync {
    /// As [`crate::Desk::submit`], once for all requests with the same key.
    fn submit_once(&self, task: NewTask, once: Once) -> BoxFuture<'_, Result<Kept, Failure>>;
    /// Does something to a task.
    fn act(
        &self,
        task: String,
        act: TaskAct,
        by: String,
        once: Option<Once>,
    ) -> BoxFuture<'_, Result<Kept, Failure>>;
    /// Changes fields of a scheduled task.
    fn update(&self, task: String, update: TaskUpdate, by: String) -> BoxFuture<'_, Result<(), Failure>>;
    /// Waits until the task has nothing under way any more, at most `wait`.
    fn ended(&self, task: String, wait: Duration) -> BoxFuture<'_, ()>;
    /// Why a task does not run; `None`: there is no such task.
    fn why(&self, task: String) -> BoxFuture<'_, Result<Option<Why>, Failure>>;
    /// The queues that hold something, or are not as they were at the start, by name.
    fn queues(&self) -> BoxFuture<'_, Result<Vec<QueueView>, Failure>>;
    /// Does something to a queue, whether or not it holds anything.
    fn set_queue(&self, name: String, act: QueueAct, by: String)
    -> BoxFuture<'_, Result<QueueView, Failure>>;
    /// Users' runs that were given up, newest first; without those that were done again, unless `all`.
    fn dead_letters(
        &self,
        all: bool,
        limit: u64,
        offset: u64,
    ) -> BoxFuture<'_, Result<PageOf<DeadLetter>, Failure>>;
    /// One of them, whatever became of it.
    fn dead_letter(&self, run: String) -> BoxFuture<'_, Result<Option<DeadLetter>, Failure>>;
    /// Does something to a run that was given up.
    fn dead_act(
        &self,
        run: String,
        act: DeadAct,
        by: String,
        once: Option<Once>,
    ) -> BoxFuture<'_, Result<Kept, Failure>>;
    /// The queue in figures, the last `hours` hours one by one.
    fn detail(&self, hours: u32) -> BoxFuture<'_, QueueDetail>;
    /// How the runs of the last `days` days went, of one task or of all; `None`: there is no such task.
    fn run_stats(&self, task: Option<String>, days: u32) -> BoxFuture<'_, Result<Option<RunStats>, Failure>>;
}

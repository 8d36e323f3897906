//! What people do to tasks and queues, through the core; and what they ask about them.

mod acts;
mod dead;
mod figures;

use crate::core::Handle;
use futures_util::future::BoxFuture;
use model::Clock;
use server::{
    Failure,
    views::{
        DeadAct, DeadLetter, Kept, NewTask, Once, PageOf, QueueAct, QueueDetail, QueueView, RunStats,
        TaskAct, TaskUpdate, Why,
    },
};
use std::{sync::Arc, time::Duration};
use store::Reader;

/// The queue as people act on it.
pub struct Queues {
    /// Who decides.
    pub core: Handle,
    /// Everything committed.
    pub reader: Arc<Reader>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

impl server::Queues for Queues {
    fn submit_once(&self, task: NewTask, once: Once) -> BoxFuture<'_, Result<Kept, Failure>> {
        Box::pin(self.submit_once(task, once))
    }

    fn act(
        &self,
        task: String,
        act: TaskAct,
        by: String,
        once: Option<Once>,
    ) -> BoxFuture<'_, Result<Kept, Failure>> {
        Box::pin(self.act(task, act, by, once))
    }

    fn update(&self, task: String, update: TaskUpdate, by: String) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(self.update(task, update, by))
    }

    fn ended(&self, task: String, wait: Duration) -> BoxFuture<'_, ()> {
        Box::pin(self.ended(task, wait))
    }

    fn why(&self, task: String) -> BoxFuture<'_, Result<Option<Why>, Failure>> {
        Box::pin(self.why(task))
    }

    fn queues(&self) -> BoxFuture<'_, Result<Vec<QueueView>, Failure>> {
        Box::pin(self.queues())
    }

    fn set_queue(
        &self,
        name: String,
        act: QueueAct,
        by: String,
    ) -> BoxFuture<'_, Result<QueueView, Failure>> {
        Box::pin(self.set_queue(name, act, by))
    }

    fn dead_letters(
        &self,
        all: bool,
        limit: u64,
        offset: u64,
    ) -> BoxFuture<'_, Result<PageOf<DeadLetter>, Failure>> {
        Box::pin(self.dead_letters(all, limit, offset))
    }

    fn dead_letter(&self, run: String) -> BoxFuture<'_, Result<Option<DeadLetter>, Failure>> {
        Box::pin(self.dead_letter(run))
    }

    fn dead_act(
        &self,
        run: String,
        act: DeadAct,
        by: String,
        once: Option<Once>,
    ) -> BoxFuture<'_, Result<Kept, Failure>> {
        Box::pin(self.dead_act(run, act, by, once))
    }

    fn detail(&self, hours: u32) -> BoxFuture<'_, QueueDetail> {
        Box::pin(self.detail(hours))
    }

    fn run_stats(&self, task: Option<String>, days: u32) -> BoxFuture<'_, Result<Option<RunStats>, Failure>> {
        Box::pin(self.run_stats(task, days))
    }
}

/// An answer that nobody gave before.
fn fresh((status, body): (u16, String)) -> Kept {
    Kept { status, body, replayed: false }
}

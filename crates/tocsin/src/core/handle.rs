//! How the rest of the process talks to the core: events in, answers after the commit that covers them.

use super::{Core, arrivals::Arrivals, batch::Batch, revision::Revision};
use model::Timestamp;
use std::sync::Arc;
use tasks::{WorkReply, WorkRequest};
use tokio::sync::{mpsc, oneshot};

/// Events that may wait for the core; senders wait when there are as many.
pub const QUEUE_MAX: usize = 4096;

/// Something to do on the core's thread.
pub type Act = Box<dyn FnOnce(&mut Core, &mut Batch, Timestamp) + Send>;

/// What the core is told.
pub enum Event {
    /// Samples arrived: look at [`Arrivals`].
    Arrived,
    /// A worker's round trip.
    Work(WorkRequest, oneshot::Sender<WorkReply>),
    /// Anything else.
    Act(Act),
    /// End after what is queued before this.
    Stop,
}

/// The core is gone: the process is stopping, or its journal failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("stopping: no more work is taken")]
pub struct Stopped;

/// A way to the core; clones lead to the same.
#[derive(Clone)]
pub struct Handle {
    events: mpsc::Sender<Event>,
    arrivals: Arc<Arrivals>,
    revision: Arc<Revision>,
}

impl Handle {
    /// A way to whoever receives `events`, takes from `arrivals` and counts `revision`.
    pub fn new(events: mpsc::Sender<Event>, arrivals: Arc<Arrivals>, revision: Arc<Revision>) -> Handle {
        Handle { events, arrivals, revision }
    }

    /// While it is the same, nothing was decided.
    pub fn revision(&self) -> u64 {
        self.revision.get()
    }

    /// Runs `act` on the core's thread; its answer comes after the commit of whatever it changed.
    pub async fn call<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Core, &mut Batch, Timestamp) -> T + Send + 'static,
    ) -> Result<T, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.events.send(Event::Act(after_commit(act, reply))).await.map_err(|_| Stopped)?;
        answer.await.map_err(|_| Stopped)
    }

    /// As [`Handle::call`] without waiting for the commit, for threads of the engine whose next step stays inside.
    pub fn decide<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Core, &mut Batch, Timestamp) -> T + Send + 'static,
    ) -> Result<T, Stopped> {
        let (reply, answer) = oneshot::channel();
        let act: Act = Box::new(move |core, batch, now| {
            let _ = reply.send(act(core, batch, now));
        });
        self.events.blocking_send(Event::Act(act)).map_err(|_| Stopped)?;
        answer.blocking_recv().map_err(|_| Stopped)
    }

    /// One round trip of a worker.
    pub async fn work(&self, request: WorkRequest) -> Result<WorkReply, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.events.send(Event::Work(request, reply)).await.map_err(|_| Stopped)?;
        answer.await.map_err(|_| Stopped)
    }

    /// Tells of a batch of samples. Never waits: a core that is behind looks at its next turn in any case.
    pub fn samples(&self, committed: model::Committed) {
        self.arrivals.add(committed);
        let _ = self.events.try_send(Event::Arrived);
    }

    /// Asks it to end after what is queued.
    pub async fn stop(&self) {
        let _ = self.events.send(Event::Stop).await;
    }
}

fn after_commit<T: Send + 'static>(
    act: impl FnOnce(&mut Core, &mut Batch, Timestamp) -> T + Send + 'static,
    reply: oneshot::Sender<T>,
) -> Act {
    Box::new(move |core, batch, now| {
        let answer = act(core, batch, now);
        batch.after(move || {
            let _ = reply.send(answer);
        });
    })
}

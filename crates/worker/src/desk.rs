//! Where work comes from: the core of this process, or a server far away.

use std::{future::Future, pin::Pin};
use tasks::{WorkReply, WorkRequest};

/// A future that owns what it needs.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The other side of the worker protocol.
///
/// The worker has several calls under way at once: parked ones that wait for work, and one that reports. A reply
/// must come only after the commit that covers it. A call that failed may have been carried out: its completions
/// are sent again, which the protocol bears.
pub trait Desk: Send + Sync {
    /// One round trip.
    fn work(&self, request: WorkRequest) -> BoxFuture<Result<WorkReply, DeskError>>;
}

/// The round trip failed: the server is not there, or stopping.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot reach the queue: {0}")]
pub struct DeskError(pub String);

//! What waits for persons, and what they say to it.

use super::Failure;
use futures_util::future::BoxFuture;
use model::Timestamp;
use std::sync::Arc;
use tasks::Approval;
use tasks::approval::{Say, Voter};

/// Approvals that wait, and how many there are in all.
pub type Waiting = (Vec<Arc<Approval>>, usize);

/// Approvals. What changes answers only after its commit. Deciding twice is a [`Failure::Conflict`].
pub trait Approvals: Send + Sync {
    /// Those that wait, the one that runs out first before the others, at most `limit`; and how many wait.
    fn pending(&self, limit: usize) -> BoxFuture<'_, Result<Waiting, Failure>>;
    /// Decided ones, newest first.
    fn history(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Arc<Approval>>, Failure>>;
    /// One of them.
    fn one(&self, id: String) -> BoxFuture<'_, Result<Option<Arc<Approval>>, Failure>>;
    /// A yes; with another payload an edit first.
    fn approve(&self, id: String, voter: Voter, say: Say) -> BoxFuture<'_, Result<Arc<Approval>, Failure>>;
    /// A no.
    fn reject(&self, id: String, voter: Voter, say: Say) -> BoxFuture<'_, Result<Arc<Approval>, Failure>>;
    /// Lets another vote in the voter's place.
    fn delegate(
        &self,
        id: String,
        voter: Voter,
        to: String,
        until: Timestamp,
    ) -> BoxFuture<'_, Result<Arc<Approval>, Failure>>;
    /// Whether a link for `recipient` may be made; on record if so.
    fn mint(
        &self,
        id: String,
        voter: Voter,
        recipient: String,
    ) -> BoxFuture<'_, Result<Arc<Approval>, Failure>>;
}

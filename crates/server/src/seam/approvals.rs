//! What waits for persons, and what they say to it.

use super::{Asked, Failure};
use crate::views::Kept;
use futures_util::future::BoxFuture;
use model::Timestamp;
use std::sync::Arc;
use tasks::Approval;
use tasks::approval::{Say, Voter};

/// Approvals that wait, and how many there are in all.
pub type Waiting = (Vec<Arc<Approval>>, usize);

/// What somebody does about an approval.
#[derive(Debug, Clone, PartialEq)]
pub enum ApprovalAct {
    /// A yes; with another payload an edit first.
    Approve(Say),
    /// A no.
    Reject(Say),
    /// Another may vote in the voter's place.
    Delegate {
        /// Who.
        to: String,
        /// Before when.
        until: Timestamp,
    },
}

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
    /// One of these, by who shows a credential.
    fn act(
        &self,
        id: String,
        voter: Voter,
        act: ApprovalAct,
        asked: Asked<Arc<Approval>>,
    ) -> BoxFuture<'_, Result<Kept, Failure>>;
    /// Whether a link for `recipient` may be made; on record if so.
    fn mint(
        &self,
        id: String,
        voter: Voter,
        recipient: String,
    ) -> BoxFuture<'_, Result<Arc<Approval>, Failure>>;
}

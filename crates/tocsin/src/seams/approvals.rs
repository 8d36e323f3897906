//! Approvals: everything is asked of the core, which alone decides.

use super::desk::refusal;
use super::once::once;
use crate::core::{Batch, Core, Handle};
use futures_util::future::BoxFuture;
use model::Timestamp;
use server::{ApprovalAct, Asked, Failure, views::Kept};
use std::sync::Arc;
use tasks::approval::{Approval, Say, Voter};
use tasks::{Event, Refusal};

/// The core, as those see it who decide.
pub struct Approvals {
    /// Who decides.
    pub core: Handle,
}

type Answer<'a, T> = BoxFuture<'a, Result<T, Failure>>;

impl server::Approvals for Approvals {
    fn pending(&self, limit: usize) -> Answer<'_, (Vec<Arc<Approval>>, usize)> {
        Box::pin(
            async move { Ok(self.core.call(move |core, _, _| core.queue.approvals_pending(limit)).await?) },
        )
    }

    fn history(&self, limit: usize) -> Answer<'_, Vec<Arc<Approval>>> {
        Box::pin(
            async move { Ok(self.core.call(move |core, _, _| core.queue.approvals_history(limit)).await?) },
        )
    }

    fn one(&self, id: String) -> Answer<'_, Option<Arc<Approval>>> {
        Box::pin(async move { Ok(self.core.call(move |core, _, _| core.queue.approval(&id)).await?) })
    }

    fn approve(&self, id: String, voter: Voter, say: Say) -> Answer<'_, Arc<Approval>> {
        Box::pin(async move {
            self.core.call(move |core, batch, now| approve(core, &id, &voter, say, batch, now)).await?
        })
    }

    fn reject(&self, id: String, voter: Voter, say: Say) -> Answer<'_, Arc<Approval>> {
        Box::pin(async move {
            self.core.call(move |core, batch, now| reject(core, &id, &voter, say, batch, now)).await?
        })
    }

    fn act(
        &self,
        id: String,
        voter: Voter,
        act: ApprovalAct,
        asked: Asked<Arc<Approval>>,
    ) -> Answer<'_, Kept> {
        Box::pin(once(&self.core, asked, move |core, batch, now| match act {
            ApprovalAct::Approve(say) => approve(core, &id, &voter, say, batch, now),
            ApprovalAct::Reject(say) => reject(core, &id, &voter, say, batch, now),
            ApprovalAct::Delegate { to, until } => {
                let out = &mut batch.changes.tasks;
                core.queue.delegate_approval(&id, &voter, &to, until, now, out).map_err(refusal)
            }
        }))
    }

    fn mint(&self, id: String, voter: Voter, recipient: String) -> Answer<'_, Arc<Approval>> {
        Box::pin(async move {
            let done = self.core.call(move |core, batch, now| {
                core.queue.mint_link(&id, &voter, &recipient, now, &mut batch.changes.tasks).map_err(refusal)
            });
            done.await?
        })
    }
}

fn approve(
    core: &mut Core,
    id: &str,
    voter: &Voter,
    say: Say,
    batch: &mut Batch,
    now: Timestamp,
) -> Result<Arc<Approval>, Failure> {
    let done = core.queue.approve(id, voter, say, now, &mut batch.changes.tasks);
    tell(core, done, batch, now)
}

fn reject(
    core: &mut Core,
    id: &str,
    voter: &Voter,
    say: Say,
    batch: &mut Batch,
    now: Timestamp,
) -> Result<Arc<Approval>, Failure> {
    let done = core.queue.reject(id, voter, say, now, &mut batch.changes.tasks);
    tell(core, done, batch, now)
}

/// What a decision brought about goes on in the commit that holds it.
fn tell(
    core: &mut Core,
    done: Result<(Arc<Approval>, Vec<Event>), Refusal>,
    batch: &mut Batch,
    now: Timestamp,
) -> Result<Arc<Approval>, Failure> {
    let (approval, events) = done.map_err(refusal)?;
    core.happened(events, batch, now);
    Ok(approval)
}

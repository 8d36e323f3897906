//! Approvals: everything is asked of the core, which alone decides.

use super::desk::refusal;
use crate::core::Handle;
use futures_util::future::BoxFuture;
use model::Timestamp;
use server::Failure;
use std::sync::Arc;
use tasks::approval::{Approval, Say, Voter};

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
            let done = self.core.call(move |core, batch, now| {
                let (approval, events) =
                    core.queue.approve(&id, &voter, say, now, &mut batch.changes.tasks).map_err(refusal)?;
                core.happened(events, batch, now);
                Ok(approval)
            });
            done.await?
        })
    }

    fn reject(&self, id: String, voter: Voter, say: Say) -> Answer<'_, Arc<Approval>> {
        Box::pin(async move {
            let done = self.core.call(move |core, batch, now| {
                let (approval, events) =
                    core.queue.reject(&id, &voter, say, now, &mut batch.changes.tasks).map_err(refusal)?;
                core.happened(events, batch, now);
                Ok(approval)
            });
            done.await?
        })
    }

    fn delegate(&self, id: String, voter: Voter, to: String, until: Timestamp) -> Answer<'_, Arc<Approval>> {
        Box::pin(async move {
            let done = self.core.call(move |core, batch, now| {
                let out = &mut batch.changes.tasks;
                core.queue.delegate_approval(&id, &voter, &to, until, now, out).map_err(refusal)
            });
            done.await?
        })
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

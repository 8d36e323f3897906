//! Requests that are done once, however often they are sent: their answer is kept in the transaction of what it
//! answers.

use crate::core::{Batch, Core, Handle};
use model::Timestamp;
use server::{
    Asked, Failure,
    views::{Kept, Once},
};
use tasks::{Answer, Change, Recall};

/// Does what is asked and answers it; or gives again the answer to the same request. What is refused is not kept: it
/// may be asked again.
pub(super) async fn once<T: Send + 'static>(
    core: &Handle,
    asked: Asked<T>,
    act: impl FnOnce(&mut Core, &mut Batch, Timestamp) -> Result<T, Failure> + Send + 'static,
) -> Result<Kept, Failure> {
    let done = core.call(move |core, batch, now| {
        if let Some(kept) = recall(core, asked.once.as_ref(), now)? {
            return Ok(kept);
        }
        let kept = asked.tell(&act(core, batch, now)?);
        keep(core, asked.once, &kept, now, &mut batch.changes.tasks);
        Ok(kept)
    });
    done.await?
}

/// What is known of a request's key; an answer that was given is given again.
pub(super) fn recall(core: &Core, once: Option<&Once>, now: Timestamp) -> Result<Option<Kept>, Failure> {
    let Some(once) = once else { return Ok(None) };
    match core.queue.recall(&once.by, &once.key, &once.digest, now) {
        Recall::Fresh => Ok(None),
        Recall::Same(Answer { status, body, .. }) => Ok(Some(Kept { status, body, replayed: true })),
        Recall::Other => Err(Failure::Shape {
            field: "Idempotency-Key".to_owned(),
            what: "it was used for another request; a new request needs a new key".to_owned(),
        }),
    }
}

/// Keeps an answer with what it answers.
pub(super) fn keep(core: &mut Core, once: Option<Once>, kept: &Kept, now: Timestamp, out: &mut Vec<Change>) {
    if let Some(once) = once {
        let answer = Answer { digest: once.digest, status: kept.status, body: kept.body.clone() };
        core.queue.keep_answer(&once.by, &once.key, answer, now, out);
    }
}

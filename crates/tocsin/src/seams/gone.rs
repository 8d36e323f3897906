//! Dedupe keys that are held by tasks which the store does not have any more.

use super::tasks::ask;
use server::Failure;
use std::{collections::BTreeSet, sync::Arc};
use tasks::TaskId;

/// The tasks that hold keys which were asked for, and that the store does not have: history was pruned by another rule
/// than when they ended. The answers were heard, so what they tell of is committed.
pub(super) async fn gone_holders<'a>(
    reader: &Arc<store::Reader>,
    answers: impl IntoIterator<Item = &'a tasks::Submitted>,
) -> Result<Vec<TaskId>, Failure> {
    let ended = answers.into_iter().filter(|one| one.duplicate && one.task.is_none());
    let ids: BTreeSet<TaskId> = ended.map(|one| one.task_id).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let question = move |reader: &store::Reader| {
        let mut gone = Vec::new();
        for id in ids {
            if reader.task(id)?.is_none() {
                gone.push(id);
            }
        }
        Ok(gone)
    };
    ask(reader, question).await
}

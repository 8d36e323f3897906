//! Runs that were given up.

use super::{Queues, fresh};
use crate::seams::desk::refusal;
use crate::seams::once::{keep, recall};
use crate::seams::tasks::ask;
use serde_json::{Map, json};
use server::{
    Failure,
    views::{Acted, DeadAct, DeadLetter, Kept, Once, PageOf},
};
use store::DeadRun;
use tasks::RunId;

impl Queues {
    pub(super) async fn dead_letters(
        &self,
        all: bool,
        limit: u64,
        offset: u64,
    ) -> Result<PageOf<DeadLetter>, Failure> {
        let page = ask(&self.reader, move |reader| reader.dead_runs(all, limit, offset)).await?;
        Ok(PageOf { items: page.items.into_iter().map(view).collect(), total: page.total })
    }

    pub(super) async fn dead_letter(&self, run: String) -> Result<Option<DeadLetter>, Failure> {
        Ok(self.find(&run).await?.map(view))
    }

    async fn find(&self, run: &str) -> Result<Option<DeadRun>, Failure> {
        let Some(id) = RunId::parse(run) else { return Ok(None) };
        ask(&self.reader, move |reader| reader.dead_run(id)).await
    }

    pub(super) async fn dead_act(
        &self,
        run: String,
        act: DeadAct,
        by: String,
        once: Option<Once>,
    ) -> Result<Kept, Failure> {
        let seen = once.clone();
        if let Some(kept) = self.core.call(move |core, _, now| recall(core, seen.as_ref(), now)).await?? {
            return Ok(kept);
        }
        let found = self.find(&run).await?;
        let found = found.ok_or_else(|| Failure::NotFound(format!("Dead letter {run} not found")))?;
        if found.discarded {
            return Err(Failure::Conflict(format!("Dead letter {run} was put away")));
        }
        if let (Some(task), DeadAct::Replay | DeadAct::Edit(_)) = (&found.replayed_as, &act) {
            return Err(Failure::Conflict(format!(
                "Dead letter {run} was done again already, as task {task}"
            )));
        }
        let (id, task_id) = (found.row.run.id, found.row.run.task_id);
        let task = ask(&self.reader, move |reader| reader.task(task_id)).await?;
        let task = task.ok_or_else(|| Failure::NotFound(format!("Task {task_id} not found")))?.task;
        let done = self.core.call(move |core, batch, now| {
            // Another request with this key, or another replay, may have been faster.
            if let Some(kept) = recall(core, once.as_ref(), now)? {
                return Ok(kept);
            }
            let out = &mut batch.changes.tasks;
            let (message, details) = match act {
                DeadAct::Edit(args) => {
                    core.queue.edit_dead(id, task_id, args, &by, now, out).map_err(refusal)?;
                    (format!("Dead letter {id} changed"), Map::new())
                }
                DeadAct::Discard => {
                    core.queue.discard(id, task_id, &by, now, out).map_err(refusal)?;
                    (format!("Dead letter {id} put away"), Map::new())
                }
                DeadAct::Replay => {
                    let args = found.row.run.args.clone();
                    let (new, events) = core.queue.replay(id, task, args, &by, now, out).map_err(refusal)?;
                    core.happened(events, batch, now);
                    let details = Map::from_iter([("replayed_as".to_owned(), json!(new.to_string()))]);
                    (format!("Dead letter {id} done again as task {new}"), details)
                }
            };
            let mut acted = Acted { task_id: task_id.to_string(), message, details };
            acted.details.insert("run_id".to_owned(), json!(id.to_string()));
            let kept = fresh(server::answer_acted(&acted));
            keep(core, once, &kept, now, &mut batch.changes.tasks);
            Ok::<_, Failure>(kept)
        });
        done.await?
    }
}

fn view(dead: DeadRun) -> DeadLetter {
    let run = dead.row.run;
    let (error_type, error) = run.at.error.map(|error| (error.kind, error.message)).unwrap_or_default();
    DeadLetter {
        run_id: run.id.to_string(),
        task_id: run.task_id.to_string(),
        kind: if dead.row.kind.is_empty() { dead.row.title } else { dead.row.kind },
        args: dead.args,
        attempt: run.at.attempt,
        error_type,
        error,
        at: run.at.finished_at,
        replayed_as: dead.replayed_as,
    }
}

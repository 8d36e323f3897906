//! Tools that ask for scopes. Who names one must be allowed to use it: whoever submits a task, changes its steps,
//! runs it again or mends what it was given. Built-in actions and kinds that are no tool ask for nothing.
//!
//! Says only what a credential that is narrowed to scopes may name; roles are the guard's.

use crate::api::Refused;
use crate::auth::Principal;
use crate::seam::Failure;
use crate::state::State;
use crate::views::{DeadLetter, NewTask, TaskForm};
use serde_json::Value;

/// The tools that a principal may not use, each with the scopes it lacks; none for one that is not narrowed, who
/// pays nothing for the question.
pub(in crate::api) struct Closed(Vec<(String, String)>);

impl Closed {
    /// To `principal`, of the tools there are now.
    pub(in crate::api) fn to(principal: &Principal, state: &State) -> Closed {
        if principal.scopes.is_none() {
            return Closed(Vec::new());
        }
        let tools = state.reads.workers.tools().into_iter();
        let closed = tools.filter(|tool| !principal.may_use(&tool.scopes)).map(|tool| {
            let lacks = tool.scopes.iter().filter(|scope| !principal.may_use(std::slice::from_ref(scope)));
            let lacks: Vec<&str> = lacks.map(String::as_str).collect();
            (tool.address, lacks.join(", "))
        });
        Closed(closed.collect())
    }

    /// Refuses a task that names one of them.
    pub(in crate::api) fn task(&self, task: &NewTask) -> Result<(), Refused> {
        match task {
            NewTask::Plain(task) => self.tool("kind", &task.kind),
            NewTask::Typed(task) => self.tool("type", &task.type_),
            NewTask::Scheduled(task) => self.payload(&task.payload),
        }
    }

    /// Refuses a pipeline with a step that names one of them.
    pub(in crate::api) fn payload(&self, payload: &Value) -> Result<(), Refused> {
        if self.0.is_empty() {
            return Ok(());
        }
        let steps = payload["pipeline"].as_array().map_or(&[][..], Vec::as_slice);
        for (i, step) in steps.iter().enumerate() {
            if let Some(uses) = step["uses"].as_str() {
                self.tool(&format!("payload.pipeline[{i}].uses"), uses)?;
            }
        }
        Ok(())
    }

    /// Refuses a task that is there and names one of them; one that is not there is for others to miss.
    pub(in crate::api) async fn known(&self, state: &State, id: &str) -> Result<(), Refused> {
        if self.0.is_empty() {
            return Ok(());
        }
        match state.reads.tasks.task(id.to_owned()).await?.map(|task| task.form) {
            Some(TaskForm::Plain(task)) => self.tool("kind", &task.kind),
            Some(TaskForm::Typed { task, .. }) => self.tool("type", &task.type_),
            Some(TaskForm::Scheduled { task, .. }) => self.payload(&task.payload),
            None => Ok(()),
        }
    }

    /// Refuses a run that was given up and would use one of them again.
    pub(in crate::api) async fn dead(&self, state: &State, run: &str) -> Result<(), Refused> {
        if self.0.is_empty() {
            return Ok(());
        }
        match state.reads.queues.dead_letter(run.to_owned()).await? {
            Some(DeadLetter { task_id, .. }) => self.known(state, &task_id).await,
            None => Ok(()),
        }
    }

    fn tool(&self, place: &str, address: &str) -> Result<(), Refused> {
        match self.0.iter().find(|(closed, _)| closed == address) {
            None => Ok(()),
            Some((_, lacks)) => Err(Refused::Failure(Failure::Forbidden(format!(
                "{place}: tool {address} asks for the scope {lacks}, which this credential does not have; use one \
                 that has it, or ask for a token with it"
            )))),
        }
    }
}

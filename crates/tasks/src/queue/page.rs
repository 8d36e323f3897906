//! Pages that wait for their diagnosis. A page becomes available when all its steps have ended or its deadline
//! is there, whichever comes first: it is never late.

use super::{Live, Queue};
use crate::task::{Form, Status};
use crate::{Change, Child, Event, Parent, Progress, Run, RunEvent, RunId, RunState, Task};
use model::{Class, Json, TaskSpec, Timestamp};
use std::{sync::Arc, time::Duration};

/// A page's diagnose steps.
#[derive(Debug)]
pub(super) struct Waiting {
    children: Vec<Child>,
    released: bool,
}

impl Waiting {
    pub(super) fn new(released: bool) -> Waiting {
        Waiting { children: Vec::new(), released }
    }

    pub(super) fn add(&mut self, step: String, run: &Run) {
        self.children.push(child(step, run, run.at.finished_at.unwrap_or(run.created_at)));
    }

    /// Whether it has nothing to wait for any more and was not let go yet.
    pub(super) fn is_ready(&self) -> bool {
        !self.released && self.is_done()
    }

    fn is_done(&self) -> bool {
        self.children.iter().all(|child| child.state.is_final())
    }
}

fn child(step: String, run: &Run, until: Timestamp) -> Child {
    let from = run.at.started_at.unwrap_or(run.created_at);
    Child {
        step,
        run_id: run.id,
        state: run.at.state,
        output: run.at.output.clone(),
        error: run.at.error.clone(),
        took_ms: u64::try_from(until.since(from).as_millis()).unwrap_or(u64::MAX),
    }
}

impl Queue {
    /// Takes a page and its diagnose steps. Never refused: what surely must happen has no bound but memory, and
    /// the router bounds how many pages it makes. With steps, the page waits for them until `deadline` and
    /// [`Event::PageReady`] tells what they found; without, it is available at once.
    pub fn submit_page(
        &mut self,
        page: TaskSpec,
        diagnose: Vec<(String, TaskSpec)>,
        deadline: Duration,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) -> RunId {
        let (state, run_at) = match diagnose.is_empty() {
            true => (RunState::Available, now),
            false => (RunState::Scheduled, now.plus(deadline)),
        };
        let page_run =
            self.put_internal(TaskSpec { class: Class::Page, ..page }, None, state, run_at, now, out);
        if !diagnose.is_empty() {
            let mut waiting = Waiting::new(false);
            for (step, spec) in diagnose {
                let spec = TaskSpec { class: Class::Runbook, ..spec };
                let parent = Parent { run_id: page_run, step: step.clone() };
                let id = self.put_internal(spec, Some(parent), RunState::Available, now, now, out);
                waiting.add(step, &self.runs[&id].run);
            }
            self.pages.insert(page_run, waiting);
        }
        page_run
    }

    /// Gives a page's run other arguments. False if it has ended, or a worker has it: then only a further try
    /// would see them.
    pub fn amend_args(&mut self, id: RunId, args: impl Into<Json>, out: &mut Vec<Change>) -> bool {
        let args = args.into();
        let Some(live) = self.runs.get_mut(&id) else { return false };
        live.run.args = Some(args.clone());
        out.push(Change::RunArgs(id, args));
        live.run.at.state != RunState::Running
    }

    /// What a page or a step of ours needs to be a task.
    pub(super) fn put_internal(
        &mut self,
        spec: TaskSpec,
        parent: Option<Parent>,
        state: RunState,
        run_at: Timestamp,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) -> RunId {
        let task = Arc::new(Task {
            id: self.ids.task(now, &mut self.rng),
            form: Form::Plain,
            kind: Arc::from(spec.kind),
            title: String::new(),
            description: String::new(),
            args: spec.args,
            pipeline: None,
            class: spec.class,
            priority: spec.priority.clamp(1, 9),
            dedupe_key: None,
            dedupe_window: Duration::ZERO,
            concurrency_key: spec.concurrency_key.map(Arc::from),
            max_retries: spec.max_retries,
            backoff: spec.backoff,
            timeout: spec.timeout,
            agent: None,
            options: None,
            status: Status::Active,
            next_fire: None,
            created_by: spec.created_by,
            created_at: now,
        });
        let run = Run {
            id: RunId::of_single(task.id),
            task_id: task.id,
            class: task.class,
            parent,
            args: None,
            created_at: now,
            at: Progress::new(state, run_at),
            steps: Vec::new(),
        };
        let id = run.id;
        out.push(Change::TaskPut(task.clone()));
        out.push(Change::RunPut(Box::new(run.clone())));
        self.insert_live(Live::new(run, task));
        id
    }

    /// A child's run ended: its page may be ready, or it is too late for it.
    pub(super) fn child_ended(
        &mut self,
        run: &Run,
        parent: &Parent,
        now: Timestamp,
        events: &mut Vec<Event>,
    ) {
        let Some(waiting) = self.pages.get_mut(&parent.run_id) else { return };
        let ended = child(parent.step.clone(), run, now);
        if let Some(child) = waiting.children.iter_mut().find(|child| child.run_id == run.id) {
            *child = ended.clone();
        }
        if waiting.is_ready() {
            self.pages_ready.push(parent.run_id);
        } else if waiting.released {
            events.push(Event::ChildLate { page: parent.run_id, child: ended });
            self.forget_page(parent.run_id);
        }
    }

    /// A page that has ended, however, waits for nothing.
    pub(super) fn page_ended(&mut self, page: RunId) {
        if let Some(waiting) = self.pages.get_mut(&page) {
            waiting.released = true;
            self.forget_page(page);
        }
    }

    /// A page that has been let go, whose steps have all ended or that has ended itself, needs no memory.
    pub(super) fn forget_page(&mut self, page: RunId) {
        if self.pages.get(&page).is_some_and(|waiting| waiting.released && waiting.is_done()) {
            self.pages.remove(&page);
        }
    }

    /// Lets the pages go whose steps have ended.
    pub(super) fn release_ready(&mut self, now: Timestamp, out: &mut Vec<Change>, events: &mut Vec<Event>) {
        for id in std::mem::take(&mut self.pages_ready) {
            self.release(id, now, out, events);
        }
    }

    /// Lets a page go with what its steps have found by now. False if `id` is no page that waits.
    pub(super) fn release(
        &mut self,
        id: RunId,
        now: Timestamp,
        out: &mut Vec<Change>,
        events: &mut Vec<Event>,
    ) -> bool {
        let Some(waiting) = self.pages.get_mut(&id).filter(|waiting| !waiting.released) else { return false };
        waiting.released = true;
        let mut children = std::mem::take(&mut waiting.children);
        for child in children.iter_mut().filter(|child| !child.state.is_final()) {
            if let Some(live) = self.runs.get(&child.run_id) {
                *child = self::child(std::mem::take(&mut child.step), &live.run, now);
            }
        }
        if let Some(waiting) = self.pages.get_mut(&id) {
            waiting.children = children.clone();
        }
        self.shift(id, RunEvent::Due, out, |at| at.run_at = now);
        events.push(Event::PageReady { run_id: id, children });
        self.forget_page(id);
        true
    }
}

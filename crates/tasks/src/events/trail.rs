//! What users' tasks go through, noted where it happens: a few copied pointers, no text, no allocation but for a
//! typed task's trace id and an error's words.

use crate::{Form, RunEvent, RunId, Task, TaskId, run::Run};
use model::{Class, Timestamp};
use std::sync::Arc;

/// The most moments that wait to be taken; further ones are lost, and counted.
const MOMENTS_MAX: usize = 262_144;
/// The most characters of an error's message that an event tells; the run has all of it.
const ERROR_MAX: usize = 300;

/// What a task went through, as the last part of the event's type says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Word {
    /// It was accepted.
    Created,
    /// It is clear whose it is: its type says which agent does it.
    Assigned,
    /// Its time came.
    Due,
    /// A worker took it.
    Started,
    /// Somebody said that it is being worked on.
    InProgress,
    /// A step of its pipeline ended.
    StepCompleted,
    /// It failed and will be tried again.
    Retrying,
    /// It was put off.
    Snoozed,
    /// It was put off until somebody says otherwise.
    Blocked,
    /// Somebody put it back.
    Pending,
    /// It is done.
    Completed,
    /// It was given up.
    Failed,
    /// Somebody stopped it.
    Cancelled,
}

impl Word {
    /// The event's type: `task.completed`.
    pub fn type_(self) -> &'static str {
        match self {
            Word::Created => "task.created",
            Word::Assigned => "task.assigned",
            Word::Due => "task.due",
            Word::Started => "task.started",
            Word::InProgress => "task.in_progress",
            Word::StepCompleted => "task.step_completed",
            Word::Retrying => "task.retrying",
            Word::Snoozed => "task.snoozed",
            Word::Blocked => "task.blocked",
            Word::Pending => "task.pending",
            Word::Completed => "task.completed",
            Word::Failed => "task.failed",
            Word::Cancelled => "task.cancelled",
        }
    }

    /// What setting a task's status by hand tells: exactly that status.
    fn of_status(status: &str) -> Option<Word> {
        Some(match status {
            "pending" => Word::Pending,
            "assigned" => Word::Assigned,
            "in_progress" => Word::InProgress,
            "completed" => Word::Completed,
            "failed" => Word::Failed,
            "cancelled" => Word::Cancelled,
            "blocked" => Word::Blocked,
            _ => return None,
        })
    }

    fn of(event: RunEvent, run: &Run) -> Option<Word> {
        Some(match event {
            RunEvent::Due => Word::Due,
            RunEvent::Claimed if run.at.token.is_none() => Word::InProgress,
            RunEvent::Claimed => Word::Started,
            RunEvent::Done => Word::Completed,
            RunEvent::StepDone => Word::StepCompleted,
            RunEvent::Retry => Word::Retrying,
            RunEvent::Hold if run.at.run_at == Timestamp::MAX => Word::Blocked,
            RunEvent::Hold | RunEvent::Snooze => Word::Snoozed,
            RunEvent::GiveUp | RunEvent::Expire => Word::Failed,
            RunEvent::Cancel => Word::Cancelled,
            // The approval tells of itself.
            _ => return None,
        })
    }
}

/// One thing that a task went through.
#[derive(Debug, Clone, PartialEq)]
pub struct Moment {
    /// Which.
    pub word: Word,
    /// 1 (first) to 9 (last).
    pub priority: u8,
    /// Claims of the present step so far.
    pub attempt: u32,
    /// Whose.
    pub task_id: TaskId,
    /// Which run of it; `None`: the task as a whole.
    pub run_id: Option<RunId>,
    /// The kind of work; of a pipeline, that of its present step.
    pub kind: Arc<str>,
    /// The agent it is for.
    pub agent: Option<Arc<str>>,
    /// Who has it, or had it last.
    pub worker: Option<Arc<str>>,
    /// What few moments have.
    pub extra: Option<Box<Extra>>,
}

/// What few moments have.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Extra {
    /// A typed task's.
    pub trace_id: Option<String>,
    /// What went wrong.
    pub error: Option<String>,
}

impl Extra {
    pub(super) fn bytes(&self) -> usize {
        size_of::<Extra>()
            + self.trace_id.as_ref().map_or(0, String::len)
            + self.error.as_ref().map_or(0, String::len)
    }
}

/// What happened since somebody last took it.
#[derive(Debug, Default)]
pub struct Trail {
    moments: Vec<Moment>,
    lost: u64,
}

impl Trail {
    /// A task was accepted.
    pub(crate) fn accepted(&mut self, task: &Task) {
        if task.class != Class::User {
            return;
        }
        let run = !matches!(task.form, Form::Scheduled(_));
        let moment = Moment {
            word: Word::Created,
            priority: task.priority,
            attempt: 0,
            task_id: task.id,
            run_id: run.then(|| RunId::of_single(task.id)),
            kind: task.kind.clone(),
            agent: task.agent.clone(),
            worker: None,
            extra: extra(task, None),
        };
        if let Form::Typed(_) = task.form {
            self.push(moment.clone());
            self.push(Moment { word: Word::Assigned, ..moment });
        } else {
            self.push(moment);
        }
    }

    /// A run moved by `event` and is now as it is.
    pub(crate) fn moved(&mut self, event: RunEvent, run: &Run, task: &Task, kind: &Arc<str>) {
        if run.class == Class::User
            && let Some(word) = Word::of(event, run)
        {
            self.push(moment(word, run, task, kind));
        }
    }

    /// How much there is, for [`Trail::patched`].
    pub(crate) fn mark(&self) -> usize {
        self.moments.len()
    }

    /// Somebody set a status by hand: whatever that took since `mark` is told as one event, of that status.
    pub(crate) fn patched(&mut self, mark: usize, status: &str) {
        if let (Some(word), true) = (Word::of_status(status), self.moments.len() > mark) {
            self.moments.drain(mark..self.moments.len() - 1);
            self.moments[mark].word = word;
        }
    }

    /// Everything since the last time, and how much more there was.
    pub fn take(&mut self) -> (Vec<Moment>, u64) {
        let room = self.moments.len().min(1024);
        (std::mem::replace(&mut self.moments, Vec::with_capacity(room)), std::mem::take(&mut self.lost))
    }

    /// Whether there is nothing to take.
    pub fn is_empty(&self) -> bool {
        self.moments.is_empty() && self.lost == 0
    }

    fn push(&mut self, moment: Moment) {
        if self.moments.len() < MOMENTS_MAX {
            self.moments.push(moment);
        } else {
            self.lost += 1;
        }
    }
}

fn moment(word: Word, run: &Run, task: &Task, kind: &Arc<str>) -> Moment {
    let failed = matches!(word, Word::Failed | Word::Retrying | Word::Cancelled);
    Moment {
        word,
        priority: task.priority,
        attempt: run.at.attempt,
        task_id: run.task_id,
        run_id: Some(run.id),
        kind: kind.clone(),
        agent: task.agent.clone(),
        worker: run.at.worker_id.clone(),
        extra: extra(task, run.at.error.as_ref().filter(|_| failed).map(|error| error.message.as_str())),
    }
}

fn extra(task: &Task, error: Option<&str>) -> Option<Box<Extra>> {
    let trace_id = match &task.form {
        Form::Typed(typed) => Some(typed.trace_id.clone()),
        _ => None,
    };
    let error = error.map(|message| message.chars().take(ERROR_MAX).collect());
    (trace_id.is_some() || error.is_some()).then(|| Box::new(Extra { trace_id, error }))
}

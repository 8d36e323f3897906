//! Taking a task: check everything, then put it and its first run.

use super::{BUILTIN_WORKER, Live, Queue};
use crate::size::json_size;
use crate::task::{Form, Schedule, ScheduleKind, Status, Task, Typed, parse_backoff};
use crate::{
    Audit, Change, Misfit, NewScheduled, NewTask, NewTyped, Options, Progress, Refusal, Run, RunId, RunState,
    Submitted, TaskId, pipeline, template, typed,
};
use model::{Backoff, Class, Json, Step, TaskSpec, Timestamp};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

/// The most bytes of keys, kinds and names.
const NAME_BYTES_MAX: usize = 100;
/// The most tries after the first that a user may ask for.
const RETRIES_MAX: u32 = 10;
/// The longest an attempt may take.
const TIMEOUT_MAX: Duration = Duration::from_secs(86_400);
/// The most different queues, labels and kinds that wait at once: each is looked at for each claim.
const LANES_MAX: usize = 10_000;
/// The longest a dedupe window may be.
const WINDOW_MAX: Duration = Duration::from_secs(366 * 86_400);

impl Queue {
    /// Takes a task, or says why not. `by` is who asks. A task whose dedupe key is taken is not an error: the
    /// reply names the one that holds it.
    pub fn submit(
        &mut self,
        new: NewTask,
        by: &str,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) -> Result<Submitted, Refusal> {
        self.submit_with(new, Options::default(), by, now, out)
    }

    /// As [`Queue::submit`], with rarer wishes.
    pub fn submit_with(
        &mut self,
        new: NewTask,
        options: Options,
        by: &str,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) -> Result<Submitted, Refusal> {
        self.submit_for(new, options, by, by, now, out)
    }

    /// As [`Queue::submit_with`]; a scheduled task is `owner`'s, and on record as asked for by `by`.
    pub fn submit_for(
        &mut self,
        new: NewTask,
        options: Options,
        owner: &str,
        by: &str,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) -> Result<Submitted, Refusal> {
        if self.users_live >= self.settings.queue_max {
            return Err(Refusal::Full { max: self.settings.queue_max });
        }
        self.check_lanes(&options)?;
        let options = (options != Options::default()).then(|| Box::new(options));
        match new {
            NewTask::Plain(spec, window) => self.submit_plain(spec, window, options, by, now, out),
            NewTask::Typed(new) => self.submit_typed(new, options, by, now, out),
            NewTask::Scheduled(new) => self.submit_scheduled(new, options, owner, by, now, out),
        }
    }

    /// Whether there is room for runs with another queue or other labels.
    pub(super) fn check_lanes(&self, options: &Options) -> Result<(), Refusal> {
        if (options.queue.is_some() || !options.labels.is_empty()) && self.index.lanes() >= LANES_MAX {
            let what = format!("runs with {LANES_MAX} different queues, labels and kinds wait already");
            return Err(Refusal::invalid("queue", what));
        }
        Ok(())
    }

    fn submit_plain(
        &mut self,
        spec: TaskSpec,
        window: Duration,
        options: Option<Box<Options>>,
        by: &str,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) -> Result<Submitted, Refusal> {
        if spec.class == Class::User {
            self.check_open("kind", &spec.kind)?;
        }
        self.check_size("args", spec.args.size())?;
        self.check_fits("args", &spec.kind, || spec.args.value())?;
        check_name("dedupe_key", spec.dedupe_key.as_deref())?;
        check_name("concurrency_key", spec.concurrency_key.as_deref())?;
        check_numbers(spec.priority, spec.max_retries, spec.timeout, window)?;
        if let Some(held) = self.holder(spec.dedupe_key.as_deref(), by) {
            return Ok(held);
        }
        let run_at = spec.run_at.unwrap_or(now);
        let task = Task {
            id: self.ids.task(now, &mut self.rng),
            form: Form::Plain,
            kind: Arc::from(spec.kind),
            title: String::new(),
            description: String::new(),
            args: spec.args,
            pipeline: None,
            class: spec.class,
            priority: spec.priority,
            dedupe_key: spec.dedupe_key,
            dedupe_window: window,
            concurrency_key: spec.concurrency_key.map(Arc::from),
            max_retries: spec.max_retries,
            backoff: spec.backoff,
            timeout: spec.timeout,
            agent: spec.agent.map(Arc::from),
            options,
            status: Status::Active,
            next_fire: None,
            created_by: by.to_owned(),
            created_at: now,
        };
        Ok(self.put_single(task, run_at, now, out))
    }

    fn submit_typed(
        &mut self,
        new: NewTyped,
        options: Option<Box<Options>>,
        by: &str,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) -> Result<Submitted, Refusal> {
        let Some((canonical, agent)) = self.routing.route(&new.type_) else {
            let known = self.routing.types().join(", ");
            let what = format!("{:?} is not a task type; known: {known}", new.type_);
            return Err(Refusal::invalid("type", what));
        };
        if !typed::is_source(&new.source) {
            let what = format!("{:?} is not a source; known: {}", new.source, typed::sources());
            return Err(Refusal::invalid("source", what));
        }
        let options = match self.settings.task_ttl {
            Some(ttl) => {
                let mut options = options.unwrap_or_default();
                options.queued_timeout.get_or_insert(ttl);
                Some(options)
            }
            None => options,
        };
        let payload = new.payload;
        self.check_size("payload", payload.size())?;
        self.check_fits("payload", &canonical, || payload.value())?;
        self.check_args("metadata", &new.metadata)?;
        let id = self.ids.task(now, &mut self.rng);
        let task = Task {
            id,
            kind: canonical,
            title: String::new(),
            description: String::new(),
            args: payload,
            pipeline: None,
            class: Class::User,
            priority: new.urgency.priority(),
            dedupe_key: None,
            dedupe_window: Duration::ZERO,
            concurrency_key: None,
            max_retries: 3,
            backoff: Backoff::ExponentialJitter,
            timeout: self.settings.attempt_timeout,
            agent: Some(agent),
            options,
            status: Status::Active,
            next_fire: None,
            created_by: by.to_owned(),
            created_at: now,
            form: Form::Typed(Box::new(Typed {
                type_: new.type_,
                source: new.source,
                urgency: new.urgency,
                trace_id: self.ids.run(now, &mut self.rng).to_string(),
                sla: new.sla,
                metadata: new.metadata,
            })),
        };
        Ok(self.put_single(task, now, now, out))
    }

    fn submit_scheduled(
        &mut self,
        new: NewScheduled,
        options: Option<Box<Options>>,
        owner: &str,
        by: &str,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) -> Result<Submitted, Refusal> {
        check_text("title", &new.title, 200)?;
        check_text("description", &new.description, 2_000)?;
        check_name("dedupe_key", new.dedupe_key.as_deref())?;
        check_name("concurrency_key", new.concurrency_key.as_deref())?;
        self.check_args("payload", &new.payload)?;
        let (priority, max_retries) = (new.priority.unwrap_or(5), new.max_retries.unwrap_or(3));
        let (timeout, window) = (Duration::from_secs(30), new.dedupe_window.unwrap_or_default());
        check_numbers(priority, max_retries, timeout, window)?;
        let backoff = match new.backoff_strategy.as_deref() {
            None => Backoff::ExponentialJitter,
            Some(word) => parse_backoff(word).ok_or_else(|| {
                let what = format!("{word:?} is unknown; known: exponential_jitter, linear, fixed");
                Refusal::invalid("backoff_strategy", what)
            })?,
        };
        let schedule = self.read_schedule(&new)?;
        let (id, firing) =
            (self.ids.task(now, &mut self.rng), options.as_ref().and_then(|o| o.firing.as_deref()));
        let plan = self.plan(&schedule, firing, id, now)?;
        let (next_fire, serial) = (plan.first(now)?, super::plan::serial_key(firing, id));
        let (params, steps) = pipeline::parse(&new.payload, max_retries, timeout)?;
        self.check_steps(&steps)?;
        if let Some(held) = self.holder(new.dedupe_key.as_deref(), owner) {
            return Ok(held);
        }
        let task = Arc::new(Task {
            id,
            kind: Arc::from(""),
            title: new.title,
            description: new.description,
            args: Json::from(params),
            pipeline: Some(Arc::from(steps)),
            class: Class::User,
            priority,
            dedupe_key: new.dedupe_key,
            dedupe_window: window,
            concurrency_key: new.concurrency_key.map(Arc::from).or(serial),
            max_retries,
            backoff,
            timeout,
            agent: None,
            options,
            status: Status::Active,
            next_fire,
            created_by: owner.to_owned(),
            created_at: now,
            form: Form::Scheduled(Box::new(schedule)),
        });
        self.put_task(&task, now, out);
        out.push(Change::Audit(Audit {
            at: now,
            actor: by.to_owned(),
            action: "task.created",
            subject: task.id,
            details: json!({
                "title": task.title,
                "created_by": task.created_by,
                "next_fire": next_fire.map(Timestamp::rfc3339),
            }),
        }));
        self.add_schedule(task.clone(), plan, now);
        Ok(Submitted { task_id: task.id, task: Some(task), duplicate: false, available: false })
    }

    pub(super) fn read_schedule(&self, new: &NewScheduled) -> Result<Schedule, Refusal> {
        let Some(kind) = ScheduleKind::parse(&new.schedule_kind) else {
            let known = ScheduleKind::ALL.map(ScheduleKind::as_str).join(", ");
            let what = format!("{:?} is not taken; known: {known}", new.schedule_kind);
            return Err(Refusal::invalid("schedule_kind", what));
        };
        let expr = new.schedule_expr.clone().unwrap_or_default();
        if expr.trim().is_empty() {
            return Err(Refusal::invalid(
                "schedule_expr",
                format!("is missing; {} needs one", kind.as_str()),
            ));
        }
        let timezone = new.timezone.clone().unwrap_or_else(|| self.settings.timezone.clone());
        Ok(Schedule { kind, expr, timezone })
    }

    pub(super) fn check_steps(&self, steps: &[Step]) -> Result<(), Refusal> {
        steps.iter().enumerate().try_for_each(|(i, step)| {
            self.check_known(&format!("payload.pipeline[{i}].uses"), &step.uses)?;
            match template::is_literal(&step.with) {
                true => {
                    self.check_fits(&format!("payload.pipeline[{i}].with"), &step.uses, || step.with.clone())
                }
                // What it will be is known only when it is filled in.
                false => Ok(()),
            }
        })
    }

    /// Whether arguments are what is declared of their kind; `args` is asked only if something is.
    pub(super) fn check_fits(
        &self,
        field: &str,
        kind: &str,
        args: impl FnOnce() -> Value,
    ) -> Result<(), Refusal> {
        let Some(fits) = self.fits.as_ref().filter(|fits| fits.has_schema(kind)) else { return Ok(()) };
        fits.check(kind, &args())
            .map_err(|Misfit { path, what }| Refusal::Misfit { field: format!("{field}{path}"), what })
    }

    pub(super) fn misfit(&self, kind: &str, args: &Value) -> Option<Misfit> {
        self.fits.as_ref().filter(|fits| fits.has_schema(kind))?.check(kind, args).err()
    }

    /// Any kind is taken that is not kept for the operator: who does it may start later, the queue waits for it.
    fn check_open(&self, field: &str, kind: &str) -> Result<(), Refusal> {
        if kind.is_empty() || kind.len() > NAME_BYTES_MAX {
            return Err(Refusal::invalid(field, format!("must have 1 to {NAME_BYTES_MAX} bytes")));
        }
        if self.settings.closed_kinds.contains(kind) {
            let what = "is not taken over the API; an operator's file may declare a tool that does it";
            return Err(Refusal::invalid(field, format!("{kind:?} {what}")));
        }
        Ok(())
    }

    /// A step is written once and runs often, so its kind must be one that somebody does, did lately, or is declared
    /// to do.
    fn check_known(&self, field: &str, kind: &str) -> Result<(), Refusal> {
        self.check_open(field, kind)?;
        let Some(known) = &self.settings.kinds else { return Ok(()) };
        if known.contains(kind) || self.some_worker_does(kind) {
            return Ok(());
        }
        let known = known.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        Err(Refusal::UnknownKind { field: field.to_owned(), kind: kind.to_owned(), known })
    }

    fn some_worker_does(&self, kind: &str) -> bool {
        let elsewhere = self.workers.values().filter(|worker| !worker.row.id.starts_with(BUILTIN_WORKER));
        elsewhere.flat_map(|worker| &worker.row.kinds).any(|one| one == kind || one == "*")
    }

    pub(super) fn check_args(&self, field: &str, args: &Value) -> Result<(), Refusal> {
        let max = self.settings.args_bytes_max;
        match json_size(args) {
            bytes if bytes > max => Err(Refusal::TooLarge { field: field.to_owned(), bytes, max }),
            _ => Ok(()),
        }
    }

    /// As [`Queue::check_args`], of what was weighed already.
    fn check_size(&self, field: &str, bytes: usize) -> Result<(), Refusal> {
        let max = self.settings.args_bytes_max;
        if bytes > max {
            return Err(Refusal::TooLarge { field: field.to_owned(), bytes, max });
        }
        Ok(())
    }

    /// Puts a task that runs once, and its run.
    pub(super) fn put_single(
        &mut self,
        task: Task,
        run_at: Timestamp,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) -> Submitted {
        let task = Arc::new(task);
        let gate = Queue::gate(&task);
        let state = match gate {
            Some(_) => RunState::AwaitingApproval,
            None if run_at > now => RunState::Scheduled,
            None => RunState::Available,
        };
        let run = Run {
            id: RunId::of_single(task.id),
            task_id: task.id,
            class: task.class,
            parent: None,
            args: None,
            created_at: now,
            at: Progress::new(state, run_at),
            steps: Vec::new(),
        };
        self.put_task(&task, now, out);
        out.push(Change::RunPut(Box::new(run.clone())));
        let run_id = run.id;
        self.insert_live(Live::new(run, task.clone()));
        if let Some(gate) = gate {
            self.ask_approval(run_id, None, gate, Arc::new(task.args.value()), now, out);
        }
        let available = state == RunState::Available;
        Submitted { task_id: task.id, task: Some(task), duplicate: false, available }
    }

    pub(super) fn put_task(&mut self, task: &Arc<Task>, now: Timestamp, out: &mut Vec<Change>) {
        self.trail.accepted(task);
        self.totals.accepted += u64::from(task.class == Class::User);
        out.push(Change::TaskPut(task.clone()));
        out.push(Change::Totals(self.totals));
        self.take_key(task, now, out);
    }

    /// Whether a task waits, runs or will fire.
    pub(super) fn is_live(&self, id: TaskId) -> bool {
        self.runs.contains_key(&RunId::of_single(id)) || self.schedules.contains_key(&id)
    }
}

fn check_name(field: &str, name: Option<&str>) -> Result<(), Refusal> {
    match name {
        Some(name) if name.is_empty() || name.len() > NAME_BYTES_MAX => {
            Err(Refusal::invalid(field, format!("must have 1 to {NAME_BYTES_MAX} bytes")))
        }
        _ => Ok(()),
    }
}

fn check_text(field: &str, text: &str, max: usize) -> Result<(), Refusal> {
    match text.chars().count() {
        n if n == 0 || n > max => Err(Refusal::invalid(field, format!("must have 1 to {max} characters"))),
        _ => Ok(()),
    }
}

fn check_numbers(priority: u8, retries: u32, timeout: Duration, window: Duration) -> Result<(), Refusal> {
    if !(1..=9).contains(&priority) {
        return Err(Refusal::invalid("priority", "must be from 1 (first) to 9 (last)"));
    }
    if retries > RETRIES_MAX {
        return Err(Refusal::invalid("max_retries", format!("must be from 0 to {RETRIES_MAX}")));
    }
    if timeout.is_zero() || timeout > TIMEOUT_MAX {
        return Err(Refusal::invalid("timeout_seconds", "must be above 0 and at most 86400"));
    }
    if window > WINDOW_MAX {
        return Err(Refusal::invalid("dedupe_window_seconds", "must be at most a year"));
    }
    Ok(())
}

//! Runs as rows of `job`: the hot path of a commit. A run that moves several times within one commit is written
//! once, as it is at the end; statements are looked up once a commit.

use crate::rows::{self, BIG_OVER, backoff_number, class_number, part, state_number};
use model::{Class, Json, Timestamp};
use rusqlite::{CachedStatement, Transaction, params};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use tasks::{Change, Form, Progress, Run, RunId, RunState, Task};

/// What the changes of one commit come to, by run.
#[derive(Default)]
pub(super) struct Plan<'c> {
    /// The last move of each run, by its place among the changes.
    moves: ById<(usize, &'c Progress)>,
    /// Tasks that run once and are new, or changed.
    tasks: ById<&'c Task>,
    /// Runs that are new.
    puts: ById<()>,
}

type ById<T> = HashMap<u128, T, BuildHasherDefault<IdHasher>>;

/// Ids are random enough for one multiplication.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn write_u128(&mut self, bits: u128) {
        self.0 = (bits as u64 ^ (bits >> 64) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl<'c> Plan<'c> {
    pub(super) fn of(changes: &'c [Change]) -> Plan<'c> {
        let mut plan = Plan::default();
        for (place, change) in changes.iter().enumerate() {
            match change {
                Change::RunMoved(id, at) => drop(plan.moves.insert(id.bits(), (place, at))),
                Change::RunPut(run) => drop(plan.puts.insert(run.id.bits(), ())),
                Change::TaskPut(task) if !matches!(task.form, Form::Scheduled(_)) => {
                    plan.tasks.insert(task.id.bits(), task);
                }
                _ => {}
            }
        }
        plan
    }
}

/// The statements of the hot path, each looked up when it is first needed.
pub(super) struct Jobs<'t, 'c> {
    transaction: &'t Transaction<'t>,
    plan: Plan<'c>,
    put: Option<CachedStatement<'t>>,
    claim: Option<CachedStatement<'t>>,
    done: Option<CachedStatement<'t>>,
}

/// A task that nobody has touched; all else is null.
const PUT: &str = "INSERT OR REPLACE INTO job (key, tail, live, state, class, form, priority, attempt, run_at, \
     created_at, kind, agent, created_by, max_retries, backoff, timeout_ms, payload) \
     VALUES (?1, ?2, ?3, ?4, 2, 0, ?5, 0, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";

const PUT_WHOLE: &str = "INSERT OR REPLACE INTO job (key, tail, live, state, class, form, priority, attempt, run_at, \
     created_at, kind, agent, created_by, max_retries, backoff, timeout_ms, owner, owner_tail, owner_step, token, \
     worker, claimed_at, started_at, finished_at, leased_until, outcome, failures, rescues, step, progress, \
     error_kind, error, status, title, description, dedupe_key, dedupe_window_seconds, concurrency_key, typed, \
     options, big, checkpoint, args, output, payload) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, \
     ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33, ?34, ?35, ?36, ?37, ?38, ?39, ?40, ?41, ?42, ?43, ?44, \
     ?45)";

/// The first claim of a run, or of a step or an element of it, that nothing has gone wrong with. No index is touched.
/// What the step before left in the row goes: its end and this claim may be in one transaction.
const CLAIM: &str = "UPDATE job SET state = 3, attempt = 1, run_at = ?2, token = ?3, worker = ?4, \
     leased_until = ?5, claimed_at = ?6, started_at = ?7, failures = NULL, rescues = NULL, step = NULL, \
     progress = NULL, outcome = NULL, checkpoint = NULL, error_kind = NULL, error = NULL, \
     big = nullif(big & ~4, 0) WHERE key = ?1";

/// The end of a first attempt that went well.
const DONE: &str = "UPDATE job SET state = 5, live = NULL, attempt = 1, run_at = ?2, token = ?3, worker = ?4, \
     leased_until = NULL, claimed_at = ?5, started_at = ?6, finished_at = ?7, outcome = ?8, failures = NULL, \
     rescues = NULL, step = NULL, progress = NULL, checkpoint = NULL, error_kind = NULL, error = NULL, \
     big = nullif(big & ~4, 0), output = ?9 WHERE key = ?1";

/// Any other move. `live` is left alone, so that no index is touched.
const MOVE: &str = "UPDATE job SET state = ?2, attempt = ?3, failures = ?4, rescues = ?5, token = ?6, worker = ?7, \
     leased_until = ?8, claimed_at = ?9, run_at = ?10, step = ?11, progress = ?12, outcome = ?13, error_kind = ?14, \
     error = ?15, started_at = ?16, checkpoint = ?17 WHERE key = ?1";

/// What any other end adds.
const END: &str = "UPDATE job SET live = NULL, finished_at = ?2, output = ?3 WHERE key = ?1";

fn lookup<'a, 't>(
    place: &'a mut Option<CachedStatement<'t>>,
    transaction: &'t Transaction<'t>,
    sql: &str,
) -> rusqlite::Result<&'a mut CachedStatement<'t>> {
    match place {
        Some(statement) => Ok(statement),
        None => Ok(place.insert(transaction.prepare_cached(sql)?)),
    }
}

fn ms(at: Option<Timestamp>) -> Option<i64> {
    at.map(Timestamp::as_millis)
}

fn some(count: u32) -> Option<u32> {
    (count > 0).then_some(count)
}

fn is_big(text: Option<&str>) -> bool {
    text.is_some_and(|text| text.len() > BIG_OVER)
}

/// What a page says lies beside its row however small it is: the row moves three times and says it once.
fn is_said_by_page(class: Class, part: i64) -> bool {
    class == Class::Page && (part == part::PAYLOAD || part == part::ARGS)
}

/// A run that may be read again when it is wanted is marked so: a start leaves it on disk.
fn live(task: Option<&Task>, run: &Run, at: &Progress) -> Option<i64> {
    let light = task.is_some_and(|task| run.may_sleep(task)) && at.is_untouched();
    (!at.state.is_final()).then_some(if light { 2 } else { 1 })
}

impl<'t, 'c> Jobs<'t, 'c> {
    pub(super) fn new(transaction: &'t Transaction<'t>, plan: Plan<'c>) -> Jobs<'t, 'c> {
        Jobs { transaction, plan, put: None, claim: None, done: None }
    }

    /// A task that runs once: written with its run if that is new, too.
    pub(super) fn put_task(&mut self, task: &Task) -> rusqlite::Result<()> {
        if self.plan.puts.contains_key(&task.id.bits()) {
            return Ok(());
        }
        let Some((key, _)) = rows::key(task.id.bits()) else { return Ok(()) };
        let sql = "UPDATE job SET status = ?2, priority = ?3, options = ?4 WHERE key = ?1";
        let params = params![key, status(task), task.priority, options(task)];
        self.transaction.prepare_cached(sql)?.execute(params).map(drop)
    }

    pub(super) fn put(&mut self, run: &Run) -> rusqlite::Result<()> {
        let bits = run.id.bits();
        let Some((key, tail)) = rows::key(bits) else { return Ok(()) };
        let at = self.plan.moves.remove(&bits).map_or(&run.at, |(_, at)| at);
        let task = self.plan.tasks.get(&bits).copied();
        if let Some(task) = task
            && is_plain(task, run, at)
        {
            let statement = lookup(&mut self.put, self.transaction, PUT)?;
            statement.execute(params![
                key,
                tail,
                live(Some(task), run, at),
                state_number(at.state),
                task.priority,
                at.run_at.as_millis(),
                run.created_at.as_millis(),
                &*task.kind,
                task.agent.as_deref(),
                task.created_by,
                task.max_retries,
                backoff_number(task.backoff),
                i64::try_from(task.timeout.as_millis()).unwrap_or(i64::MAX),
                task.args.as_str(),
            ])?;
            return Ok(());
        }
        self.put_whole((key, tail), task, run, at)?;
        run.steps.iter().try_for_each(|step| super::write::put_step(self.transaction, run.id, step))
    }

    fn put_whole(
        &mut self,
        (key, tail): (i64, i64),
        task: Option<&Task>,
        run: &Run,
        at: &Progress,
    ) -> rusqlite::Result<()> {
        let (form, typed) = match task.map(|task| &task.form) {
            Some(Form::Typed(typed)) => (1, Some(rows::typed_json(typed))),
            Some(_) => (0, None),
            None => (2, None),
        };
        let owner = match (form, &run.parent) {
            (2, _) => rows::key(run.task_id.bits()),
            (_, Some(parent)) => rows::key(parent.run_id.bits()),
            _ => None,
        };
        // Pages have an owner that does not exist, by which the latest of them are found.
        let page = (run.class == Class::Page).then_some(0);
        let texts = [
            (part::PAYLOAD, task.map(|task| task.args.as_str())),
            (part::ARGS, run.args.as_ref().map(Json::as_str)),
            (part::CHECKPOINT, at.checkpoint.as_ref().map(Json::as_str)),
            (part::OUTPUT, at.output.as_ref().map(Json::as_str)),
        ];
        let lies_beside = |(part, text): &(i64, Option<&str>)| {
            is_big(*text) || text.is_some() && is_said_by_page(run.class, *part)
        };
        let big: i64 = texts.iter().filter(|text| lies_beside(text)).map(|(part, _)| part).sum();
        let [payload, args, checkpoint, output] = texts.map(|text| text.1.filter(|_| !lies_beside(&text)));
        self.transaction.prepare_cached(PUT_WHOLE)?.execute(params![
            key,
            tail,
            live(task, run, at),
            state_number(at.state),
            class_number(run.class),
            form,
            task.map_or(5, |task| task.priority),
            at.attempt,
            at.run_at.as_millis(),
            run.created_at.as_millis(),
            task.map_or("", |task| &*task.kind),
            task.and_then(|task| task.agent.as_deref()),
            task.map_or("", |task| task.created_by.as_str()),
            task.map_or(0, |task| task.max_retries),
            task.map_or(0, |task| backoff_number(task.backoff)),
            task.map_or(0, |task| i64::try_from(task.timeout.as_millis()).unwrap_or(i64::MAX)),
            owner.map(|owner| owner.0).or(page),
            owner.map(|owner| owner.1),
            run.parent.as_ref().map(|parent| parent.step.as_str()),
            at.token.map(|token| token.to_bytes()),
            at.worker_id.as_deref(),
            ms(at.claimed_at),
            ms(at.started_at),
            ms(at.finished_at),
            ms(at.lease_until),
            at.outcome.map(|bits| bits as i64),
            some(at.failures),
            some(at.rescues),
            some(at.step),
            at.progress,
            at.error.as_ref().map(|error| error.kind.as_str()),
            at.error.as_ref().map(|error| error.message.as_str()),
            task.and_then(status),
            task.map(|task| task.title.as_str()).filter(|text| !text.is_empty()),
            task.map(|task| task.description.as_str()).filter(|text| !text.is_empty()),
            task.and_then(|task| task.dedupe_key.as_deref()),
            task.map(|task| i64::try_from(task.dedupe_window.as_secs()).unwrap_or(i64::MAX))
                .filter(|n| *n > 0),
            task.and_then(|task| task.concurrency_key.as_deref()),
            typed,
            task.and_then(options),
            Some(big).filter(|big| *big > 0),
            checkpoint,
            args,
            output,
            payload,
        ])?;
        texts.into_iter().filter(lies_beside).try_for_each(|(part, text)| self.put_beside(key, part, text))
    }

    /// The move at `place` among the changes, if it is the run's last.
    pub(super) fn moved(&mut self, id: RunId, place: usize) -> rusqlite::Result<()> {
        let Some((_, at)) = self.plan.moves.get(&id.bits()).filter(|(last, _)| *last == place) else {
            return Ok(());
        };
        let Some((key, _)) = rows::key(id.bits()) else { return Ok(()) };
        match (at.state, is_first(at), at.output.as_ref().map(Json::as_str)) {
            (RunState::Running, true, None) if at.outcome.is_none() => {
                let statement = lookup(&mut self.claim, self.transaction, CLAIM)?;
                statement.execute(params![
                    key,
                    at.run_at.as_millis(),
                    at.token.map(|token| token.to_bytes()),
                    at.worker_id.as_deref(),
                    ms(at.lease_until),
                    ms(at.claimed_at),
                    ms(at.started_at),
                ])?;
            }
            (RunState::Completed, true, output) if !is_big(output) => {
                let statement = lookup(&mut self.done, self.transaction, DONE)?;
                statement.execute(params![
                    key,
                    at.run_at.as_millis(),
                    at.token.map(|token| token.to_bytes()),
                    at.worker_id.as_deref(),
                    ms(at.claimed_at),
                    ms(at.started_at),
                    ms(at.finished_at),
                    at.outcome.map(|bits| bits as i64),
                    output,
                ])?;
            }
            _ => {
                let at = *at;
                self.move_whole(key, at)?;
            }
        }
        Ok(())
    }

    fn move_whole(&self, key: i64, at: &Progress) -> rusqlite::Result<()> {
        let (checkpoint, output) =
            (at.checkpoint.as_ref().map(Json::as_str), at.output.as_ref().map(Json::as_str));
        self.transaction.prepare_cached(MOVE)?.execute(params![
            key,
            state_number(at.state),
            at.attempt,
            some(at.failures),
            some(at.rescues),
            at.token.map(|token| token.to_bytes()),
            at.worker_id.as_deref(),
            ms(at.lease_until),
            ms(at.claimed_at),
            at.run_at.as_millis(),
            some(at.step),
            at.progress,
            at.outcome.map(|bits| bits as i64),
            at.error.as_ref().map(|error| error.kind.as_str()),
            at.error.as_ref().map(|error| error.message.as_str()),
            ms(at.started_at),
            checkpoint.filter(|text| text.len() <= BIG_OVER),
        ])?;
        self.set_big(key, part::CHECKPOINT, checkpoint)?;
        if at.state.is_final() {
            let output_here = output.filter(|text| text.len() <= BIG_OVER);
            self.transaction.prepare_cached(END)?.execute(params![key, ms(at.finished_at), output_here])?;
            self.set_big(key, part::OUTPUT, output)?;
        }
        Ok(())
    }

    /// A run's own arguments are others.
    pub(super) fn set_args(&self, id: RunId, args: &Json) -> rusqlite::Result<()> {
        let Some((key, _)) = rows::key(id.bits()) else { return Ok(()) };
        let here = Some(args.as_str()).filter(|text| text.len() <= BIG_OVER);
        // What has arguments of its own is not as its task says, and so is kept in memory.
        let sql =
            "UPDATE job SET args = ?2, live = CASE WHEN live IS NULL THEN NULL ELSE 1 END WHERE key = ?1";
        self.transaction.prepare_cached(sql)?.execute(params![key, here])?;
        self.set_big(key, part::ARGS, Some(args.as_str()))
    }

    fn put_beside(&self, key: i64, part: i64, text: Option<&str>) -> rusqlite::Result<()> {
        let sql = "INSERT OR REPLACE INTO big (key, part, text) VALUES (?1, ?2, ?3)";
        self.transaction.prepare_cached(sql)?.execute(params![key, part, text]).map(drop)
    }

    /// Puts a large text beside its row, or takes away the one that was there before.
    fn set_big(&self, key: i64, part: i64, text: Option<&str>) -> rusqlite::Result<()> {
        if is_big(text) {
            self.put_beside(key, part, text)?;
            let sql = "UPDATE job SET big = coalesce(big, 0) | ?2 WHERE key = ?1";
            return self.transaction.prepare_cached(sql)?.execute(params![key, part]).map(drop);
        }
        let sql = "UPDATE job SET big = nullif(big & ~?2, 0) WHERE key = ?1 AND big & ?2";
        if self.transaction.prepare_cached(sql)?.execute(params![key, part])? > 0 {
            let sql = "DELETE FROM big WHERE key = ?1 AND part = ?2";
            self.transaction.prepare_cached(sql)?.execute(params![key, part])?;
        }
        Ok(())
    }
}

fn status(task: &Task) -> Option<&'static str> {
    (task.status != tasks::Status::Active).then(|| task.status.as_str())
}

fn options(task: &Task) -> Option<String> {
    task.options.as_ref().and_then(|options| options.to_json()).map(|row| row.to_string())
}

/// Whether [`PUT`] says everything.
fn is_plain(task: &Task, run: &Run, at: &Progress) -> bool {
    matches!(task.form, Form::Plain)
        && run.may_sleep(task)
        && at.is_untouched()
        && task.title.is_empty()
        && task.description.is_empty()
        && task.dedupe_window.is_zero()
        && task.args.size() <= BIG_OVER
}

/// Whether an attempt is the first, and nothing went wrong or on before.
fn is_first(at: &Progress) -> bool {
    at.attempt == 1
        && at.failures == 0
        && at.rescues == 0
        && at.step == 0
        && at.progress.is_none()
        && at.checkpoint.is_none()
        && at.error.is_none()
}

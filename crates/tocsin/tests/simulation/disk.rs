//! The virtual disk: a journal as `store::Journal` promises it, kept as a log of records over a checkpoint.
//!
//! A record is there whole or not at all: one whose writing was cut off leaves a torn tail, which the next start
//! drops. What a power cut would leave is at every moment the checkpoint and the whole records after it.

use crate::guard;
use model::Timestamp;
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};
use store::{Changes, Error, Journal, Receipt};
use tasks::{
    Change, Dedupe, Loaded, Record, RecordKind, Run, RunId, RunState, Sleeping, Task, TaskId, Totals,
    WorkerRow,
};

/// What a store holds: changes applied in the plainest way.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Tables {
    pub tasks: BTreeMap<TaskId, Arc<Task>>,
    pub runs: BTreeMap<RunId, Run>,
    pub dedupe: BTreeMap<(String, String), Dedupe>,
    pub workers: BTreeMap<Arc<str>, WorkerRow>,
    pub records: BTreeMap<(RecordKind, String), serde_json::Value>,
    pub totals: Totals,
    pub audits: usize,
}

impl Tables {
    /// Applies one change; twice leaves what once leaves, but for audit lines.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::TaskPut(task) | Change::TaskReplaced(task) => {
                drop(self.tasks.insert(task.id, task.clone()));
            }
            Change::TaskGone(id) => {
                self.tasks.remove(id);
                self.runs.retain(|_, run| run.task_id != *id);
            }
            Change::Fired { task_id, to, .. } => {
                if let Some(task) = self.tasks.get_mut(task_id) {
                    Arc::make_mut(task).next_fire = *to;
                }
            }
            Change::RunPut(run) => drop(self.runs.insert(run.id, (**run).clone())),
            Change::RunMoved(id, at) => {
                if let Some(run) = self.runs.get_mut(id) {
                    run.at = (**at).clone();
                }
            }
            Change::RunArgs(id, args) => {
                if let Some(run) = self.runs.get_mut(id) {
                    run.args = Some(args.clone());
                }
            }
            Change::StepDone(id, step) => {
                if let Some(run) = self.runs.get_mut(id) {
                    run.steps.retain(|known| known.index != step.index);
                    run.steps.push(step.clone());
                }
            }
            Change::DedupePut(held) => {
                drop(self.dedupe.insert((held.key.clone(), held.by.clone()), held.clone()));
            }
            Change::DedupeGone { key, by } => drop(self.dedupe.remove(&(key.clone(), by.clone()))),
            Change::WorkerSeen(row) => drop(self.workers.insert(row.id.clone(), row.clone())),
            Change::WorkerGone(id) => drop(self.workers.remove(id)),
            Change::Totals(totals) => self.totals = *totals,
            Change::Record { kind, key, row: Some(row) } => {
                drop(self.records.insert((*kind, key.clone()), row.clone()));
            }
            Change::Record { kind, key, row: None } => drop(self.records.remove(&(*kind, key.clone()))),
            Change::Audit(_) => self.audits += 1,
            #[allow(unreachable_patterns, reason = "a change that is new here must be told what it does")]
            other => panic!("the virtual disk does not know {other:?}: tell Tables::apply"),
        }
    }

    /// What a start reads; with `asleep`, runs that nobody has touched are left on disk where that may be.
    pub fn loaded(&self, asleep: bool) -> Loaded {
        let mut loaded = self.awake();
        loaded.newest = self.runs.keys().next_back().copied();
        if !asleep {
            return loaded;
        }
        let sleeps = |run: &Run| {
            let task = &self.tasks[&run.task_id];
            run.at.is_untouched() && run.may_sleep(task) && run.at.run_at != Timestamp::MAX
        };
        let sleepers: Vec<Run> = loaded.runs.extract_if(.., |run| sleeps(run)).collect();
        for run in sleepers {
            loaded.tasks.retain(|task| task.id != run.task_id);
            let task = &self.tasks[&run.task_id];
            loaded.sleeping.push(Sleeping {
                kind: task.kind.clone(),
                agent: task.agent.clone(),
                scheduled: run.at.state == RunState::Scheduled,
                places: vec![(task.priority, run.at.run_at, run.id)],
            });
        }
        loaded
    }

    /// The row of a run and that of its task, for one that wakes.
    pub fn rows(&self, id: RunId) -> (Task, Run) {
        let run = self.runs.get(&id).unwrap_or_else(|| panic!("{id} sleeps and is not on disk"));
        ((*self.tasks[&run.task_id]).clone(), run.clone())
    }

    /// All of it, nobody asleep.
    fn awake(&self) -> Loaded {
        let parent_lives = |run: &Run| {
            let parent = run.parent.as_ref().and_then(|parent| self.runs.get(&parent.run_id));
            parent.is_some_and(|parent| !parent.at.state.is_final())
        };
        let wanted = |run: &&Run| !run.at.state.is_final() || parent_lives(run);
        let mut runs: Vec<Run> = self.runs.values().filter(wanted).cloned().collect();
        runs.iter_mut().filter(|run| run.at.state.is_final()).for_each(|run| run.steps.clear());
        let of_runs: HashMap<TaskId, ()> = runs.iter().map(|run| (run.task_id, ())).collect();
        let tasks = self.tasks.values();
        let ended = self.runs.values().filter(|run| run.at.state.is_final());
        Loaded {
            sleeping: Vec::new(),
            newest: None,
            tasks: tasks
                .filter(|task| {
                    task.next_fire.is_some() || guard::listens(task) || of_runs.contains_key(&task.id)
                })
                .cloned()
                .collect(),
            ended: ended.filter_map(|run| Some((run.at.token?, run.at.outcome))).collect(),
            runs,
            dedupe: self.dedupe.values().cloned().collect(),
            workers: self.workers.values().cloned().collect(),
            totals: self.totals,
            records: self
                .records
                .iter()
                .map(|((kind, key), row)| Record { kind: *kind, key: key.clone(), row: row.clone() })
                .collect(),
        }
    }
}

/// What becomes of the next write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fate {
    /// It is durable and says so.
    #[default]
    Durable,
    /// The process dies while it is written: a torn tail.
    Torn,
    /// The process dies when it is durable, before anybody hears.
    Unheard,
}

/// The disk.
#[derive(Default)]
pub struct Disk {
    checkpoint: Tables,
    log: Vec<Entry>,
    refusing: bool,
    /// Writes so far, torn ones too.
    pub writes: u64,
    /// Whether the last write is there, heard of or not.
    pub kept: bool,
    /// For the next write; back to durable after it.
    pub fate: Fate,
    /// Whether a start leaves waiting runs where they are.
    pub asleep: bool,
    /// A real store beside it, on some seeds.
    pub twin: Option<crate::twin::Twin>,
}

struct Entry {
    changes: Vec<Change>,
    whole: bool,
}

impl Disk {
    /// The next fire of a task as the log has it.
    fn next_fire(&self, task: TaskId) -> Option<Option<Timestamp>> {
        let log = self.log.iter().rev().filter(|entry| entry.whole).flat_map(|one| one.changes.iter().rev());
        for change in log {
            match change {
                Change::Fired { task_id, to, .. } if *task_id == task => return Some(*to),
                Change::TaskPut(put) if put.id == task => return Some(put.next_fire),
                _ => {}
            }
        }
        self.checkpoint.tasks.get(&task).map(|task| task.next_fire)
    }

    fn fired_elsewhere(&self, changes: &[Change]) -> Option<TaskId> {
        let mut known: HashMap<TaskId, Option<Timestamp>> = HashMap::new();
        for change in changes {
            match change {
                Change::TaskPut(task) => drop(known.insert(task.id, task.next_fire)),
                Change::Fired { task_id, from, to } => {
                    let next = known.get(task_id).copied().or_else(|| self.next_fire(*task_id));
                    if next != Some(Some(*from)) {
                        return Some(*task_id);
                    }
                    known.insert(*task_id, *to);
                }
                _ => {}
            }
        }
        None
    }

    /// Starts over from what is durable: the torn tail goes, and so does the refusal.
    pub fn reopen(&mut self) -> &Tables {
        while self.log.last().is_some_and(|entry| !entry.whole) {
            self.log.pop();
        }
        assert!(self.log.iter().all(|entry| entry.whole), "something was written after a torn record");
        for entry in std::mem::take(&mut self.log) {
            entry.changes.iter().for_each(|change| self.checkpoint.apply(change));
        }
        self.refusing = false;
        self.fate = Fate::Durable;
        if let Some(twin) = &mut self.twin {
            twin.reopen(&self.checkpoint);
        }
        &self.checkpoint
    }
}

impl Journal for Disk {
    fn commit(&mut self, changes: &Changes) -> Result<Receipt, Error> {
        if self.refusing {
            return Err(Error::Refusing);
        }
        (self.refusing, self.kept) = (true, false);
        self.writes += 1;
        if let Some(task) = self.fired_elsewhere(&changes.tasks) {
            return Err(Error::FiredElsewhere { task: task.to_string() });
        }
        let fate = std::mem::take(&mut self.fate);
        self.kept = fate != Fate::Torn;
        self.log.push(Entry { changes: changes.tasks.clone(), whole: self.kept });
        if let (Some(twin), true) = (&mut self.twin, fate != Fate::Torn) {
            twin.commit(changes);
        }
        if fate != Fate::Durable {
            return Err(Error::Refusing);
        }
        self.refusing = false;
        Ok(Receipt { number: self.writes, changes: changes.len() })
    }

    fn load(&mut self) -> Result<store::Loaded, Error> {
        let asleep = self.asleep;
        let tasks = self.reopen().loaded(asleep);
        Ok(store::Loaded { tasks, ..store::Loaded::default() })
    }

    fn prune(&mut self, _: &store::CutOffs, _: usize) -> Result<usize, Error> {
        Ok(0)
    }
}

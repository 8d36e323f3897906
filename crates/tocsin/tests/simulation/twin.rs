//! A real SQLite store that is told the same as the virtual disk: at each start it must give back the same.

use crate::disk::Tables;
use model::Timestamp;
use std::path::PathBuf;
use store::{Changes, Journal, Sqlite};
use tasks::{Loaded, RunId};
use tempfile::TempDir;

/// The store and its directory.
pub struct Twin {
    store: Option<Sqlite>,
    dir: TempDir,
}

impl Twin {
    /// In memory where there is such a place: a thousand real syncs would take minutes.
    pub fn new() -> Twin {
        let memory = PathBuf::from("/dev/shm");
        let dir = match memory.is_dir() {
            true => tempfile::tempdir_in(memory),
            false => tempfile::tempdir(),
        };
        Twin { store: None, dir: dir.expect("a directory") }
    }

    pub fn commit(&mut self, changes: &Changes) {
        let store = self.store.as_mut().expect("a start comes before a commit");
        store.commit(changes).expect("the real store takes what the virtual disk took");
    }

    /// As a process does that starts where another one died.
    pub fn reopen(&mut self, tables: &Tables) {
        self.store = None;
        let mut store = Sqlite::open(&self.dir.path().join("tocsin.db")).expect("the store opens");
        let found = sorted(store.load().expect("the store loads").tasks);
        let wanted = sorted(tables.loaded(true));
        assert_eq!(places(&found), places(&wanted), "the real store has others asleep");
        assert_eq!(found.tasks, wanted.tasks, "the real store has other tasks");
        assert_eq!(found.runs, wanted.runs, "the real store has other runs");
        assert_eq!(found.ended, wanted.ended, "the real store has other ended attempts");
        assert_eq!(found.dedupe, wanted.dedupe, "the real store has other dedupe keys");
        assert_eq!(found.workers, wanted.workers, "the real store has other workers");
        assert_eq!(found.totals, wanted.totals, "the real store counts otherwise");
        assert_eq!(found.records, wanted.records, "the real store has other records");
        self.store = Some(store);
    }
}

/// Who sleeps, where in which line.
fn places(loaded: &Loaded) -> Vec<(RunId, u8, Timestamp, bool, String, Option<String>)> {
    let mut all = Vec::new();
    for line in &loaded.sleeping {
        let (kind, agent) = (line.kind.to_string(), line.agent.as_deref().map(str::to_owned));
        let of = |(priority, at, id): &(u8, Timestamp, RunId)| {
            (*id, *priority, *at, line.scheduled, kind.clone(), agent.clone())
        };
        all.extend(line.places.iter().map(of));
    }
    all.sort();
    all
}

/// The order of rows is no part of the contract.
fn sorted(mut loaded: Loaded) -> Loaded {
    loaded.tasks.sort_by_key(|task| task.id);
    loaded.runs.sort_by_key(|run| run.id);
    loaded.ended.sort_by_key(|(token, _)| token.to_bytes());
    loaded.dedupe.sort_by(|a, b| (&a.key, &a.by).cmp(&(&b.key, &b.by)));
    loaded.workers.sort_by(|a, b| a.id.cmp(&b.id));
    loaded.records.sort_by(|a, b| (a.kind, &a.key).cmp(&(b.kind, &b.key)));
    loaded
}

//! What is to be done when a connection closes: workers that asked for it are taken for gone then.
//!
//! A worker may move on to another connection; only the one that carried its last round trip counts.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Done once, after the connection's last request.
type OnClose = Box<dyn FnOnce() + Send>;

/// One connection; among the extensions of each of its requests.
#[derive(Clone)]
pub(crate) struct Connection(Arc<Inner>);

struct Inner {
    id: u64,
    /// By worker.
    acts: Mutex<HashMap<String, OnClose>>,
}

/// Which connection carried a worker's last round trip, for workers that asked to be watched.
#[derive(Default)]
pub(crate) struct Holders(Mutex<HashMap<String, u64>>);

/// Workers of one connection that are watched; further ones lose their runs by their leases.
const WATCHED_MAX: usize = 1_000;

impl Connection {
    pub(crate) fn new() -> Connection {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Connection(Arc::new(Inner { id, acts: Mutex::default() }))
    }

    /// It has closed.
    pub(crate) fn closed(&self) {
        let acts = std::mem::take(&mut *lock(&self.0.acts));
        acts.into_values().for_each(|act| act());
    }
}

impl Holders {
    /// `worker` was here last. When this connection closes and it was nowhere else since, `act` is done.
    pub(crate) fn watch(
        self: &Arc<Holders>,
        connection: &Connection,
        worker: &str,
        act: impl FnOnce() + Send + 'static,
    ) {
        let id = connection.0.id;
        let mut acts = lock(&connection.0.acts);
        if acts.len() >= WATCHED_MAX && !acts.contains_key(worker) {
            return;
        }
        lock(&self.0).insert(worker.to_owned(), id);
        let (holders, name) = (Arc::clone(self), worker.to_owned());
        let act = move || {
            let mut last = lock(&holders.0);
            if last.get(&name) == Some(&id) {
                last.remove(&name);
                drop(last);
                act();
            }
        };
        acts.insert(worker.to_owned(), Box::new(act));
    }

    /// `worker` no longer wants to be watched.
    pub(crate) fn leave(&self, worker: &str) {
        lock(&self.0).remove(worker);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn only_the_last_connection_counts() {
        let (holders, gone) = (Arc::new(Holders::default()), Arc::new(AtomicUsize::new(0)));
        let watch = |connection: &Connection, worker: &str| {
            let gone = Arc::clone(&gone);
            holders.watch(connection, worker, move || {
                gone.fetch_add(1, Ordering::SeqCst);
            });
        };
        let (first, second) = (Connection::new(), Connection::new());
        watch(&first, "w");
        watch(&first, "w");
        watch(&first, "left");
        holders.leave("left");
        watch(&first, "moved");
        watch(&second, "moved");
        first.closed();
        assert_eq!(gone.load(Ordering::SeqCst), 1, "w alone: once, however often it asked");
        first.closed();
        second.closed();
        assert_eq!(gone.load(Ordering::SeqCst), 2, "and the one that had moved");
    }
}

//! Faults that a test throws to show that the simulator would see them. Each is a cargo feature which only the tests
//! of `tocsin` ask for: no program that ships has them. A switch holds for the thread that throws it.

#[cfg(feature = "broken-lease")]
pub use lease::leases;
#[cfg(feature = "broken-token")]
pub use token::tokens;
#[cfg(feature = "broken-token")]
pub(super) use token::{handed_out, run_of};

#[cfg(feature = "broken-lease")]
mod lease {
    use crate::queue::Queue;
    use crate::{Change, Event, RunId, RunState};
    use model::Timestamp;
    use std::cell::Cell;

    thread_local! {
        static BROKEN: Cell<bool> = const { Cell::new(false) };
    }

    /// Nobody asks whether a lease is over: each look at the clock takes every run from its worker.
    pub fn leases(broken: bool) {
        BROKEN.set(broken);
    }

    impl Queue {
        /// Takes every run from its worker, if leases are broken.
        pub(in crate::queue) fn ignore_leases(
            &mut self,
            now: Timestamp,
            out: &mut Vec<Change>,
            events: &mut Vec<Event>,
        ) {
            if !BROKEN.get() {
                return;
            }
            let running = self.runs.values().filter(|live| live.run.at.state == RunState::Running);
            let mut running: Vec<RunId> = running.map(|live| live.run.id).collect();
            running.sort();
            for id in running {
                self.rescue(id, now, out, events);
            }
        }
    }
}

#[cfg(feature = "broken-token")]
mod token {
    use crate::{AttemptToken, RunId};
    use std::cell::{Cell, RefCell};
    use std::collections::HashMap;

    thread_local! {
        static BROKEN: Cell<bool> = const { Cell::new(false) };
        /// Which run each token was once for.
        static RUNS: RefCell<HashMap<AttemptToken, RunId>> = RefCell::default();
    }

    /// Nobody asks whether a token is that of the live attempt: any token of a run ends whatever the run does now.
    pub fn tokens(broken: bool) {
        BROKEN.set(broken);
        RUNS.take();
    }

    /// Notes a token that is handed out.
    pub(in crate::queue) fn handed_out(token: AttemptToken, run: RunId) {
        if BROKEN.get() {
            RUNS.with_borrow_mut(|runs| runs.insert(token, run));
        }
    }

    /// The run that a token was once for, if nobody asks for more.
    pub(in crate::queue) fn run_of(token: &AttemptToken) -> Option<RunId> {
        BROKEN.get().then(|| RUNS.with_borrow(|runs| runs.get(token).copied())).flatten()
    }
}

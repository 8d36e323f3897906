//! The one order in which something is let out: first the commit, then the rest.

use crate::{Changes, Error, Journal};

/// Writes `changes`, if there are any, and only then runs `release`. After a failed commit nothing is let out. Says
/// whether something was written.
pub fn commit_then(
    journal: &mut dyn Journal,
    changes: &Changes,
    release: impl FnOnce(),
) -> Result<bool, Error> {
    #[cfg(feature = "broken-commit")]
    if broken::is_reordered() {
        release();
        return write(journal, changes);
    }
    let written = write(journal, changes)?;
    release();
    Ok(written)
}

fn write(journal: &mut dyn Journal, changes: &Changes) -> Result<bool, Error> {
    if changes.is_empty() {
        return Ok(false);
    }
    journal.commit(changes).map(|_| true)
}

/// A fault that a test throws to show that the simulator would see it; a cargo feature which only the tests of `tocsin`
/// ask for. The switch holds for the thread that throws it.
#[cfg(feature = "broken-commit")]
pub mod broken {
    use std::cell::Cell;

    thread_local! {
        static REORDERED: Cell<bool> = const { Cell::new(false) };
    }

    /// Everything is let out before it is written.
    pub fn commits(broken: bool) {
        REORDERED.set(broken);
    }

    pub(super) fn is_reordered() -> bool {
        REORDERED.get()
    }
}

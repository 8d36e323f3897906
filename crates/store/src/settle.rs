//! The one order in which something is let out: first the commit, then the rest.

use crate::{Changes, Error, Journal};

/// Writes `changes`, if there are any, and only then runs `release`. After a failed commit nothing is let out. Says
/// whether something was written.
pub fn commit_then(
    journal: &mut dyn Journal,
    changes: &Changes,
    release: impl FnOnce(),
) -> Result<bool, Error> {
    let written = !changes.is_empty();
    if written {
        journal.commit(changes)?;
    }
    release();
    Ok(written)
}

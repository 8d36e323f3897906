//! How often the core has changed something: what was derived from its state stays true while the count does.

use std::sync::atomic::{AtomicU64, Ordering};

/// The count; the core adds, everybody may look.
#[derive(Debug, Default)]
pub struct Revision(AtomicU64);

impl Revision {
    /// Something changed; to be said before anybody can hear of the change.
    pub fn rise(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    /// The count.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

//! What one turn of the core leaves: changes for the journal, and what may be let out once they are durable.

/// Something that must wait for the commit: a reply, a poke.
pub type Release = Box<dyn FnOnce() + Send>;

/// One turn's work.
#[derive(Default)]
pub struct Batch {
    /// Written in one transaction.
    pub changes: store::Changes,
    /// Let out after it, in order.
    pub releases: Vec<Release>,
    /// Afterwards, remove history from before these.
    pub prune: Option<store::CutOffs>,
}

impl Batch {
    /// Lets `release` out after the commit.
    pub fn after(&mut self, release: impl FnOnce() + Send + 'static) {
        self.releases.push(Box::new(release));
    }

    /// Whether there is nothing to write and nothing to let out.
    pub fn is_empty(&self) -> bool {
        self.releases.is_empty() && self.changes.is_empty() && self.prune.is_none()
    }

    /// Adds a later batch: one transaction for both.
    pub fn join(&mut self, mut later: Batch) {
        self.changes.append(&mut later.changes);
        self.releases.append(&mut later.releases);
        self.prune = later.prune.or(self.prune);
    }
}

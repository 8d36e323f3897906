//! What goes into one transaction, and what comes back at a start.

/// What the deciders changed; one transaction. Order within each list is kept.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Changes {
    /// Of the queue.
    pub tasks: Vec<tasks::Change>,
    /// Of the router.
    pub alerts: Vec<alerts::Change>,
    /// Of the rules.
    pub rules: Vec<rules::Change>,
}

impl Changes {
    /// How many.
    pub fn len(&self) -> usize {
        self.tasks.len() + self.alerts.len() + self.rules.len()
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds what came later.
    pub fn append(&mut self, later: &mut Changes) {
        self.tasks.append(&mut later.tasks);
        self.alerts.append(&mut later.alerts);
        self.rules.append(&mut later.rules);
    }
}

/// What a commit did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// The number of this commit since the store was opened, from 1.
    pub number: u64,
    /// Changes written.
    pub changes: usize,
}

/// What deciders start from.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The queue.
    pub tasks: tasks::Loaded,
    /// The router: its alerts, groups and silences, and its latest decisions.
    pub alerts: Vec<alerts::Change>,
    /// The rules' alerts.
    pub rules: Vec<rules::ActiveRow>,
}

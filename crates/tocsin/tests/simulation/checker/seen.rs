//! What came about in a world, to see that it is worth its time.

/// What came about in a world.
#[derive(Debug, Default, Clone, Copy)]
pub struct Seen {
    pub claims: u64,
    pub rescues: u64,
    pub stale: u64,
    pub late_starts: u64,
    pub repeated: u64,
    pub fires: u64,
    pub skips: u64,
    pub cancels: u64,
    pub votes: u64,
    pub steps: u64,
    pub elements: u64,
    pub helps: u64,
    pub steps_agreed: u64,
    pub events: u64,
    pub restarts: u64,
}

impl Seen {
    pub fn add(&mut self, other: Seen) {
        self.claims += other.claims;
        self.rescues += other.rescues;
        self.stale += other.stale;
        self.late_starts += other.late_starts;
        self.repeated += other.repeated;
        self.fires += other.fires;
        self.skips += other.skips;
        self.cancels += other.cancels;
        self.votes += other.votes;
        self.steps += other.steps;
        self.elements += other.elements;
        self.helps += other.helps;
        self.steps_agreed += other.steps_agreed;
        self.events += other.events;
        self.restarts += other.restarts;
    }
}

//! Samples that arrived since the core last looked. Collectors add without waiting; the core takes all at once.
//!
//! Bounded: new series are as many as the store may have; of touched ones only so many are kept, and what is
//! beyond wakes nobody, which the next tick makes good.

use model::{Committed, Labels, SeriesId};
use std::sync::{Mutex, PoisonError};

/// Touched series kept at most.
const TOUCHED_MAX: usize = 2_000_000;

/// What arrived.
#[derive(Debug, Default)]
pub struct Arrived {
    /// Series that got a sample; one may stand here several times.
    pub touched: Vec<SeriesId>,
    /// Series that are new.
    pub created: Vec<(SeriesId, Labels)>,
}

/// Where arrivals wait.
#[derive(Debug, Default)]
pub struct Arrivals {
    /// Protects the two lists for one addition.
    arrived: Mutex<Arrived>,
}

impl Arrivals {
    /// Adds a committed batch.
    pub fn add(&self, committed: Committed) {
        let mut arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        arrived.created.extend(committed.created);
        if arrived.touched.len() + committed.touched.len() <= TOUCHED_MAX {
            arrived.touched.extend(committed.touched);
        }
    }

    /// Takes everything.
    pub fn take(&self) -> Arrived {
        std::mem::take(&mut *self.arrived.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

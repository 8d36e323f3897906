//! Keys that rise with time: when something was decided, and its place among what was decided in that instant.

use model::Timestamp;

/// So many decisions of one instant are told apart.
const NTH_BITS: u32 = 20;
const NTH_MAX: i64 = (1 << NTH_BITS) - 1;

/// An instant in milliseconds and a place in it, as one number. A range of keys is a range of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstantKey(pub i64);

impl InstantKey {
    /// The key of the `nth` decision of an instant.
    pub fn new(at: Timestamp, nth: u32) -> InstantKey {
        InstantKey(InstantKey::first(at).0 + (i64::from(nth) & NTH_MAX))
    }

    /// The lowest key of an instant; of those beyond the year 2248 that of the last one before.
    pub fn first(at: Timestamp) -> InstantKey {
        InstantKey(at.as_millis().clamp(0, i64::MAX >> NTH_BITS) << NTH_BITS)
    }

    /// The instant.
    pub fn at(self) -> Timestamp {
        Timestamp::from_millis(self.0 >> NTH_BITS)
    }

    /// The place in it.
    pub fn nth(self) -> u32 {
        u32::try_from(self.0 & NTH_MAX).unwrap_or(0)
    }
}

impl std::fmt::Display for InstantKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

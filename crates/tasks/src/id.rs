//! Ids of tasks and runs: UUIDs that sort by the time of their making, so that a store appends them.
//!
//! An id is a name, not a secret; what lets a worker change a run is its [`crate::AttemptToken`].

use model::Timestamp;
use rand::Rng;
use std::fmt;

macro_rules! id {
    ($name:ident, $what:literal) => {
        #[doc = $what]
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// From its text: 32 hexadecimal digits, with or without the four dashes of a UUID.
            pub fn parse(text: &str) -> Option<$name> {
                parse(text).map($name)
            }

            /// Its bits, for a store.
            pub fn bits(self) -> u128 {
                self.0
            }

            /// From [`Self::bits`].
            pub fn from_bits(bits: u128) -> $name {
                $name(bits)
            }

            /// The text into a buffer on the stack: no allocation.
            pub fn text(self) -> IdText {
                IdText::of(self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.text())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.text())
            }
        }
    };
}

id!(TaskId, "A task's id.");
id!(RunId, "A run's id. The first run of a task that has only one carries its task's bits.");
id!(EventId, "An event's id: rises from event to event, over restarts too.");

impl TaskId {
    /// Names no task: what was done was done to something else.
    pub(crate) const NONE: TaskId = TaskId(0);
}

impl RunId {
    /// Sorts before all others; nobody has it.
    pub(crate) const MIN: RunId = RunId(0);
    /// Sorts after all others; nobody has it.
    pub(crate) const MAX: RunId = RunId(u128::MAX);

    /// W3C trace context of an attempt: the run is the trace, its last half and the attempt the span.
    pub(crate) fn traceparent(self, attempt: u32) -> String {
        format!("00-{:032x}-{:016x}-01", self.0, (self.0 as u64).wrapping_add(u64::from(attempt)))
    }

    /// The id of the one run of a task that runs once: the same bits, so that neither needs a search.
    pub(crate) fn of_single(task: TaskId) -> RunId {
        RunId(task.0)
    }
}

impl EventId {
    /// Sorts before all others; nobody has it.
    pub const MIN: EventId = EventId(0);
    /// Sorts after all others; nobody has it.
    pub const MAX: EventId = EventId(u128::MAX);

    /// When it was made.
    pub fn at(self) -> Timestamp {
        Timestamp::from_millis((self.0 >> 80) as i64)
    }

    /// The first id that could be made at `at`.
    pub fn first_at(at: Timestamp) -> EventId {
        EventId((at.as_millis().max(0) as u128 & 0xffff_ffff_ffff) << 80)
    }

    /// As a stream names its entries: milliseconds, a dash, a number within the millisecond.
    pub fn stream(self) -> String {
        format!("{}-{}", self.0 >> 80, (self.0 >> 64) & 0xfff)
    }
}

/// An id's 36 characters.
#[derive(Clone, Copy)]
pub struct IdText([u8; 36]);

impl IdText {
    fn of(bits: u128) -> IdText {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b'-'; 36];
        let mut at = 0;
        for (i, byte) in bits.to_be_bytes().into_iter().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                at += 1;
            }
            text[at] = HEX[usize::from(byte >> 4)];
            text[at + 1] = HEX[usize::from(byte & 15)];
            at += 2;
        }
        IdText(text)
    }
}

impl std::ops::Deref for IdText {
    type Target = str;

    fn deref(&self) -> &str {
        std::str::from_utf8(&self.0).expect("hexadecimal digits and dashes are ASCII")
    }
}

fn parse(text: &str) -> Option<u128> {
    let (mut bits, mut digits) = (0u128, 0);
    for c in text.chars() {
        match (c, c.to_digit(16)) {
            (_, Some(digit)) if digits < 32 => (bits, digits) = (bits << 4 | u128::from(digit), digits + 1),
            ('-', None) if matches!(digits, 8 | 12 | 16 | 20) => {}
            _ => return None,
        }
    }
    (digits == 32).then_some(bits)
}

/// Makes ids (UUID version 7) in rising order, whatever the clock does.
#[derive(Debug)]
pub(crate) struct IdMaker {
    last: u64,
}

impl IdMaker {
    pub(crate) fn new() -> IdMaker {
        IdMaker { last: 0 }
    }

    /// A maker whose ids come after `last`, whatever the clock says meanwhile.
    pub(crate) fn after(last: EventId) -> IdMaker {
        IdMaker { last: ((last.0 >> 80) << 12 | (last.0 >> 64) & 0xfff) as u64 }
    }

    pub(crate) fn event(&mut self, now: Timestamp, rng: &mut impl Rng) -> EventId {
        EventId(self.next(now, rng))
    }

    pub(crate) fn task(&mut self, now: Timestamp, rng: &mut impl Rng) -> TaskId {
        TaskId(self.next(now, rng))
    }

    pub(crate) fn run(&mut self, now: Timestamp, rng: &mut impl Rng) -> RunId {
        RunId(self.next(now, rng))
    }

    /// 48 bits of time and 12 that count within the millisecond, then 62 random ones.
    fn next(&mut self, now: Timestamp, rng: &mut impl Rng) -> u128 {
        let ms = u64::try_from(now.as_millis()).unwrap_or(0) & 0xffff_ffff_ffff;
        self.last = (ms << 12).max(self.last + 1);
        let (time, count) = (u128::from(self.last >> 12), u128::from(self.last & 0xfff));
        let random = u128::from(rng.next_u64() >> 2);
        (time << 80) | (7 << 76) | (count << 64) | (2 << 62) | random
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng, rngs::StdRng};

    #[test]
    fn ids_rise_and_read_back() {
        let (mut maker, mut rng) = (IdMaker::new(), StdRng::from_seed([7; 32]));
        let mut last = maker.task(Timestamp::from_millis(1000), &mut rng);
        for ms in [1000, 1000, 900, 1001, 5, 2000] {
            let next = maker.task(Timestamp::from_millis(ms), &mut rng);
            assert!(next > last && next.to_string() > last.to_string(), "{next} after {last}");
            assert_eq!(TaskId::parse(&next.to_string()), Some(next));
            assert_eq!(next.to_string().as_bytes()[14], b'7');
            last = next;
        }
        let event = IdMaker::new().event(Timestamp::from_millis(9000), &mut rng);
        let later = IdMaker::after(event).event(Timestamp::from_millis(5), &mut rng);
        assert!(later > event && later.at() == event.at(), "the clock went back over a restart");
        assert!(EventId::first_at(event.at()) <= event && event.stream() == "9000-0");
        for bad in ["", "x", "0000000000000000000000000000000", "00000000-00000000-0000-0000-000000000000"] {
            assert_eq!(TaskId::parse(bad), None, "{bad}");
        }
    }
}

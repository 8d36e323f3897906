//! The requests of one client within the last while.
//!
//! Small limits are counted to the millisecond, large ones in steps of a 120th of the span, so that a window is at
//! most [`EXACT_MAX`] entries whatever its limit. Refused requests are not counted: a client that keeps asking is let
//! in again as soon as one that waits.

use std::collections::VecDeque;

/// Up to this limit each request has an entry of its own.
const EXACT_MAX: u32 = 128;

/// So many requests in so many milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub limit: u32,
    pub ms: u64,
}

/// The log: when, and how many then. The oldest is first.
#[derive(Debug, Default)]
pub(super) struct Window {
    log: VecDeque<(u64, u32)>,
    total: u32,
    /// When the newest entry stops to count.
    over_at_ms: u64,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken {
    pub allowed: bool,
    pub remaining: u32,
    /// Until the oldest request that counts leaves the window.
    pub left_ms: u64,
}

impl Window {
    /// Counts a request at `now_ms` if there is room for it.
    pub(super) fn take(&mut self, span: Span, now_ms: u64) -> Taken {
        while let Some((at, count)) = self.log.front().copied()
            && at.saturating_add(span.ms) <= now_ms
        {
            self.total -= count;
            self.log.pop_front();
        }
        let allowed = self.total < span.limit;
        if allowed {
            self.add(span, now_ms);
        }
        let oldest = self.log.front().map_or(now_ms, |(at, _)| *at);
        Taken {
            allowed,
            remaining: span.limit.saturating_sub(self.total),
            left_ms: oldest.saturating_add(span.ms).saturating_sub(now_ms),
        }
    }

    /// Whether nothing in it counts any more.
    pub(super) fn is_over(&self, now_ms: u64) -> bool {
        self.over_at_ms <= now_ms
    }

    fn add(&mut self, span: Span, now_ms: u64) {
        let step = if span.limit <= EXACT_MAX { 1 } else { span.ms / 120 };
        match self.log.back_mut() {
            Some((at, count)) if now_ms < *at + step => *count += 1,
            _ => self.log.push_back((now_ms, 1)),
        }
        self.total += 1;
        self.over_at_ms = now_ms.saturating_add(span.ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_more_than_the_limit_in_any_minute() {
        let span = Span { limit: 7, ms: 60_000 };
        let (mut window, mut let_in) = (Window::default(), Vec::new());
        // A walk through five minutes in uneven steps.
        let mut now = 0;
        for n in 0..2000u64 {
            now += 1 + n * 7919 % 300;
            if window.take(span, now).allowed {
                let_in.push(now);
            }
        }
        assert!(let_in.windows(8).all(|eight| eight[7] - eight[0] >= 60_000), "{let_in:?}");
        assert!(let_in.len() as u64 >= 7 * (now / 60_000), "and as many as the limit allows");
    }

    #[test]
    fn who_waits_as_long_as_told_is_let_in() {
        for limit in [1, 128, 129, 100_000] {
            let span = Span { limit, ms: 60_000 };
            let mut window = Window::default();
            let mut now = 0;
            for _ in 0..limit {
                now += u64::from(limit < 200);
                assert!(window.take(span, now).allowed);
            }
            let over = window.take(span, now);
            assert!(!over.allowed && over.left_ms <= 60_000, "{limit}: {over:?}");
            assert!(!window.take(span, now + over.left_ms - 1).allowed);
            assert!(window.take(span, now + over.left_ms).allowed);
        }
    }

    #[test]
    fn a_large_limit_costs_no_more_memory() {
        let mut window = Window::default();
        for now in 0..100_000 {
            window.take(Span { limit: 100_000, ms: 60_000 }, now);
        }
        assert!(window.log.len() <= EXACT_MAX as usize, "{}", window.log.len());
        assert!(!window.is_over(100_000) && window.is_over(160_000));
    }
}

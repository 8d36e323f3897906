//! A circuit breaker: after so many failures in a row nobody is asked any more for a while; then exactly one
//! probe goes out and decides.
//!
//! ```text
//!            failures in a row >= threshold             recovery time is over
//!   closed ───────────────────────────────▶ open ───────────────────────────────▶ half-open
//!     ▲ a success sets the count to 0         ▲                                       │ one probe
//!     │                                       └───────────── it fails ────────────────┤
//!     └────────────────────────────────────── it succeeds ────────────────────────────┘
//! ```
//!
//! A call that began before the last change of state says nothing about the present one: its end is ignored.

use std::time::Duration;
use tokio::time::Instant;

/// When it opens and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Failures in a row that open it.
    pub failure_threshold: u32,
    /// How long it stays open.
    pub recovery_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { failure_threshold: 10, recovery_timeout: Duration::from_secs(90) }
    }
}

/// Where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Calls go through.
    Closed,
    /// One probe is out, or may go.
    HalfOpen,
    /// No call goes through.
    Open,
}

impl State {
    /// `closed`, `half_open` or `open`.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Closed => "closed",
            State::HalfOpen => "half_open",
            State::Open => "open",
        }
    }

    /// As the metric says it: 0, 1, 2.
    pub fn as_number(self) -> f64 {
        match self {
            State::Closed => 0.0,
            State::HalfOpen => 1.0,
            State::Open => 2.0,
        }
    }
}

/// One for each tool.
#[derive(Debug)]
pub struct Breaker {
    limits: Limits,
    inner: Inner,
    /// Grows with each change of state.
    era: u64,
    opened: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inner {
    Closed { failures: u32 },
    Open { until: Instant },
    HalfOpen { probing: bool },
}

/// Leave to make one call; must be given back as [`Breaker::ended`].
#[derive(Debug, PartialEq, Eq)]
pub struct Pass(u64);

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The other side did its part.
    Well,
    /// It did not.
    Badly,
    /// Nobody can say: the call was given up.
    Unknown,
}

/// What others wait while a probe is out.
const WHILE_PROBING: Duration = Duration::from_secs(1);

impl Breaker {
    /// A closed one.
    pub fn new(limits: Limits) -> Breaker {
        Breaker { limits, inner: Inner::Closed { failures: 0 }, era: 0, opened: 0 }
    }

    /// Other limits; what was counted stays.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Where it is.
    pub fn state(&self, now: Instant) -> State {
        match self.inner {
            Inner::Closed { .. } => State::Closed,
            Inner::Open { until } if now < until => State::Open,
            Inner::Open { .. } | Inner::HalfOpen { .. } => State::HalfOpen,
        }
    }

    /// How often it has opened.
    pub fn opened(&self) -> u64 {
        self.opened
    }

    /// Whether a call may be made now; else how long to wait before asking again.
    pub fn ask(&mut self, now: Instant) -> Result<Pass, Duration> {
        match self.inner {
            Inner::Closed { .. } => Ok(Pass(self.era)),
            Inner::Open { until } if now < until => Err(until - now),
            Inner::HalfOpen { probing: true } => Err(WHILE_PROBING),
            Inner::Open { .. } | Inner::HalfOpen { probing: false } => {
                self.turn(Inner::HalfOpen { probing: true });
                Ok(Pass(self.era))
            }
        }
    }

    /// A call that was let through has ended.
    pub fn ended(&mut self, pass: Pass, how: Ended, now: Instant) {
        if pass.0 != self.era {
            return;
        }
        match (self.inner, how) {
            (Inner::Closed { .. }, Ended::Well) => self.inner = Inner::Closed { failures: 0 },
            (Inner::Closed { failures }, Ended::Badly) if failures + 1 < self.limits.failure_threshold => {
                self.inner = Inner::Closed { failures: failures + 1 };
            }
            (Inner::Closed { .. } | Inner::HalfOpen { .. }, Ended::Badly) => {
                self.opened += 1;
                self.turn(Inner::Open { until: now + self.limits.recovery_timeout });
            }
            (Inner::HalfOpen { .. }, Ended::Well) => self.turn(Inner::Closed { failures: 0 }),
            (Inner::HalfOpen { .. }, Ended::Unknown) => self.turn(Inner::HalfOpen { probing: false }),
            (Inner::Closed { .. }, Ended::Unknown) | (Inner::Open { .. }, _) => {}
        }
    }

    fn turn(&mut self, inner: Inner) {
        self.inner = inner;
        self.era += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `+` a call that succeeds, `-` one that fails, `?` one that is given up, `x` one that is refused, a digit:
    /// so many tens of seconds pass. What comes after the slash is the state then.
    fn check(story: &str) {
        let limits = Limits { failure_threshold: 3, recovery_timeout: Duration::from_secs(90) };
        let (mut breaker, mut now) = (Breaker::new(limits), Instant::now());
        for chapter in story.split_whitespace() {
            let (acts, wanted) = chapter.split_once('/').unwrap();
            for act in acts.chars() {
                let how = match act {
                    '+' => Ended::Well,
                    '-' => Ended::Badly,
                    '?' => Ended::Unknown,
                    'x' => {
                        assert!(breaker.ask(now).is_err(), "{story}: at {chapter}");
                        continue;
                    }
                    digit => {
                        now += Duration::from_secs(10 * u64::from(digit.to_digit(10).unwrap()));
                        continue;
                    }
                };
                let pass = breaker.ask(now).unwrap_or_else(|_| panic!("{story}: refused at {chapter}"));
                breaker.ended(pass, how, now);
            }
            assert_eq!(breaker.state(now).as_str(), wanted, "{story}: after {chapter}");
        }
    }

    #[test]
    fn stories() {
        check("++--+--/closed -/open");
        check("---/open x/open 8x/open 1/half_open +/closed --/closed");
        check("---9/half_open -/open 8x/open 1+/closed");
        check("--??-/open");
        check("---9?/half_open ?/half_open -/open");
    }

    #[test]
    fn successes_in_closed_set_the_count_back() {
        check("--+--+--+--+--/closed");
    }

    #[test]
    fn exactly_one_probe_however_many_ask() {
        let limits = Limits { failure_threshold: 1, recovery_timeout: Duration::from_secs(90) };
        let (mut breaker, start) = (Breaker::new(limits), Instant::now());
        let early = breaker.ask(start).unwrap();
        let slow = breaker.ask(start).unwrap();
        breaker.ended(early, Ended::Badly, start);
        assert_eq!(breaker.ask(start).unwrap_err(), Duration::from_secs(90));
        let later = start + Duration::from_secs(90);
        let passes: Vec<Pass> = (0..100).filter_map(|_| breaker.ask(later).ok()).collect();
        assert_eq!(passes.len(), 1);
        // A call of before the opening neither closes it nor lets a second probe out.
        breaker.ended(slow, Ended::Well, later);
        assert_eq!(breaker.state(later), State::HalfOpen);
        assert!(breaker.ask(later).is_err());
        for pass in passes {
            breaker.ended(pass, Ended::Well, later);
        }
        assert_eq!((breaker.state(later), breaker.opened()), (State::Closed, 1));
    }
}

//! How long to wait before the next try.

use crate::{Options, RunError};
use model::Backoff;
use rand::Rng;
use std::time::Duration;

/// Between which bounds waits are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waits {
    /// The first wait.
    pub base: Duration,
    /// The longest one.
    pub cap: Duration,
}

impl Default for Waits {
    fn default() -> Waits {
        Waits { base: Duration::from_secs(1), cap: Duration::from_secs(60) }
    }
}

/// The longest a worker may ask for.
const ASKED_MAX: Duration = Duration::from_secs(7 * 86_400);

/// The wait after the `failures`-th failed try (from 1), not shorter than the worker asked for.
pub(crate) fn wait(
    waits: Waits,
    backoff: Backoff,
    failures: u32,
    asked: Option<Duration>,
    rng: &mut impl Rng,
) -> Duration {
    let Waits { base, cap } = waits;
    let nth = failures.max(1);
    let own = match backoff {
        Backoff::ExponentialJitter => {
            let full = base.saturating_mul(1 << (nth - 1).min(16)).min(cap);
            full.mul_f64(0.5 + 0.5 * fraction(rng))
        }
        Backoff::Linear => base.saturating_mul(nth).min(cap),
        Backoff::Fixed => base.min(cap),
    };
    own.max(asked.unwrap_or_default().min(ASKED_MAX))
}

/// Words in an error's text that say another try would end the same way.
const FINAL_WORDS: [&str; 6] =
    ["schema", "validation", "configuration", "permission", "authentication", "authorization"];

/// Whether another try would fail as well: by the words of the error, or because the task says so of its kind.
pub(crate) fn is_final(error: &RunError, options: Option<&Options>) -> bool {
    let named = |options: &Options| options.non_retryable.contains(&error.kind);
    let text = error.message.to_lowercase();
    options.is_some_and(named) || FINAL_WORDS.iter().any(|word| text.contains(word))
}

/// Uniform in [0, 1).
fn fraction(rng: &mut impl Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng, rngs::StdRng};

    #[test]
    fn some_errors_are_final() {
        let own = Options { non_retryable: vec!["quota".to_owned()], ..Options::default() };
        for (kind, message, options, want) in [
            ("error", "Schema mismatch in a", None, true),
            ("error", "AUTHENTICATION needed", None, true),
            ("timeout", "connection reset", None, false),
            ("quota", "connection reset", Some(&own), true),
            ("timeout", "quota", Some(&own), false),
        ] {
            let error = RunError { kind: kind.to_owned(), message: message.to_owned() };
            assert_eq!(is_final(&error, options), want, "{kind}: {message}");
        }
    }

    #[test]
    fn waits_grow_and_stay_in_bounds() {
        let usual = Waits::default();
        let mut rng = StdRng::from_seed([1; 32]);
        for (failures, low, high) in
            [(1, 500, 1_000), (2, 1_000, 2_000), (7, 30_000, 60_000), (99, 30_000, 60_000)]
        {
            for _ in 0..100 {
                let ms = wait(usual, Backoff::ExponentialJitter, failures, None, &mut rng).as_millis();
                assert!((low..=high).contains(&ms), "{failures}: {ms}");
            }
        }
        assert_eq!(wait(usual, Backoff::Linear, 3, None, &mut rng), Duration::from_secs(3));
        assert_eq!(wait(usual, Backoff::Linear, 300, None, &mut rng), usual.cap);
        assert_eq!(wait(usual, Backoff::Fixed, 3, None, &mut rng), usual.base);
        assert_eq!(
            wait(usual, Backoff::Fixed, 3, Some(Duration::from_secs(90)), &mut rng),
            Duration::from_secs(90)
        );
        assert_eq!(wait(usual, Backoff::Fixed, 3, Some(Duration::MAX), &mut rng), ASKED_MAX);
    }
}

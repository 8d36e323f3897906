//! How long to wait before the next try.

use model::Backoff;
use rand::Rng;
use std::time::Duration;

/// The first wait.
const BASE: Duration = Duration::from_secs(1);
/// The longest one.
const CAP: Duration = Duration::from_secs(60);
/// The longest a worker may ask for.
const ASKED_MAX: Duration = Duration::from_secs(7 * 86_400);

/// The wait after the `failures`-th failed try (from 1), not shorter than the worker asked for.
pub(crate) fn wait(backoff: Backoff, failures: u32, asked: Option<Duration>, rng: &mut impl Rng) -> Duration {
    let nth = failures.max(1);
    let own = match backoff {
        Backoff::ExponentialJitter => {
            let full = BASE.saturating_mul(1 << (nth - 1).min(16)).min(CAP);
            full.mul_f64(0.5 + 0.5 * fraction(rng))
        }
        Backoff::Linear => BASE.saturating_mul(nth).min(CAP),
        Backoff::Fixed => BASE,
    };
    own.max(asked.unwrap_or_default().min(ASKED_MAX))
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
    fn waits_grow_and_stay_in_bounds() {
        let mut rng = StdRng::from_seed([1; 32]);
        for (failures, low, high) in
            [(1, 500, 1_000), (2, 1_000, 2_000), (7, 30_000, 60_000), (99, 30_000, 60_000)]
        {
            for _ in 0..100 {
                let ms = wait(Backoff::ExponentialJitter, failures, None, &mut rng).as_millis();
                assert!((low..=high).contains(&ms), "{failures}: {ms}");
            }
        }
        assert_eq!(wait(Backoff::Linear, 3, None, &mut rng), Duration::from_secs(3));
        assert_eq!(wait(Backoff::Linear, 300, None, &mut rng), CAP);
        assert_eq!(wait(Backoff::Fixed, 3, None, &mut rng), BASE);
        assert_eq!(wait(Backoff::Fixed, 3, Some(Duration::from_secs(90)), &mut rng), Duration::from_secs(90));
        assert_eq!(wait(Backoff::Fixed, 3, Some(Duration::MAX), &mut rng), ASKED_MAX);
    }
}

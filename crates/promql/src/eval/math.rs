//! Sums, means, spreads and quantiles that keep their digits.

/// A sum with Kahan's and Neumaier's compensation.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sum {
    sum: f64,
    lost: f64,
}

impl Sum {
    pub(super) fn add(&mut self, v: f64) {
        let next = self.sum + v;
        self.lost = if next.is_infinite() {
            0.0
        } else if self.sum.abs() >= v.abs() {
            self.lost + ((self.sum - next) + v)
        } else {
            self.lost + ((v - next) + self.sum)
        };
        self.sum = next;
    }

    pub(super) fn total(self) -> f64 {
        if self.sum.is_infinite() { self.sum } else { self.sum + self.lost }
    }

    fn scaled(self, by: f64) -> Sum {
        Sum { sum: self.sum * by, lost: self.lost * by }
    }
}

/// A mean: a sum until it would overflow, then a running mean.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mean {
    /// The sum, or the mean once `running`.
    sum: Sum,
    count: f64,
    running: bool,
}

impl Mean {
    pub(super) fn add(&mut self, v: f64) {
        self.count += 1.0;
        if !self.running {
            let mut next = self.sum;
            next.add(v);
            if self.count == 1.0 || !next.sum.is_infinite() {
                self.sum = next;
                return;
            }
            self.running = true;
            self.sum = self.sum.scaled(1.0 / (self.count - 1.0));
        }
        self.sum = self.sum.scaled((self.count - 1.0) / self.count);
        self.sum.add(v / self.count);
    }

    /// `None` of nothing.
    pub(super) fn value(self) -> Option<f64> {
        if self.count == 0.0 {
            return None;
        }
        let Sum { sum, lost } = self.sum;
        Some(match self.running {
            true => sum + lost,
            // One division, so that equal values give exactly themselves.
            false if sum.is_infinite() => sum,
            false => sum / self.count + lost / self.count,
        })
    }
}

/// Welford's variance.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Variance {
    count: f64,
    mean: Sum,
    squares: Sum,
}

impl Variance {
    pub(super) fn add(&mut self, v: f64) {
        self.count += 1.0;
        let delta = v - self.mean.total();
        self.mean.add(delta / self.count);
        self.squares.add(delta * (v - self.mean.total()));
        if !v.is_finite() {
            self.squares.sum = f64::NAN;
        }
    }

    /// `None` of nothing.
    pub(super) fn value(self) -> Option<f64> {
        (self.count > 0.0).then(|| (self.squares.sum + self.squares.lost) / self.count)
    }
}

/// The `q`-quantile of values in any order; NaNs count as the smallest.
pub(super) fn quantile(q: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    values.sort_unstable_by(nan_first);
    let rank = q * (values.len() - 1) as f64;
    let lower = (rank.floor() as usize).min(values.len() - 1);
    let upper = (lower + 1).min(values.len() - 1);
    let weight = rank - rank.floor();
    values[lower] * (1.0 - weight) + values[upper] * weight
}

/// Ascending, NaNs first.
pub(super) fn nan_first(a: &f64, b: &f64) -> std::cmp::Ordering {
    match (a.is_nan(), b.is_nan()) {
        (false, false) => a.total_cmp(b),
        (a_nan, b_nan) => b_nan.cmp(&a_nan),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(values: &[f64]) -> f64 {
        let mut mean = Mean::default();
        values.iter().for_each(|v| mean.add(*v));
        mean.value().unwrap()
    }

    #[test]
    fn means_survive_overflow_and_infinities() {
        let inf = f64::INFINITY;
        let big = 9.98e307;
        for (values, want) in [
            (&[52.0; 13][..], 52.0),
            (&[inf, 0.0, inf], inf),
            (&[1.0, 2.0, -inf], -inf),
            (&[big, big, big, big], big),
            (&[-big, -big, big, big], 0.0),
        ] {
            let got = mean(values);
            assert!(got == want || ((got - want) / want).abs() < 1e-12, "{values:?}: {got}");
        }
        assert!(mean(&[inf, inf, -inf]).is_nan());
        assert!(mean(&[1.0, f64::NAN]).is_nan());
    }

    #[test]
    fn quantiles() {
        assert_eq!(quantile(0.5, &mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(quantile(0.25, &mut [0.0, 1.0]), 0.25);
        assert_eq!(quantile(2.0, &mut [0.0]), f64::INFINITY);
        assert_eq!(quantile(1.0, &mut [f64::NAN, 1.0]), 1.0);
    }
}

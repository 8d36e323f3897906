//! From the samples of a window to one number.

use super::Statistic;
use model::Sample;
use std::time::Duration;

impl Statistic {
    /// The number; `None` where the samples say nothing. Staleness markers must have been left out.
    pub fn of(self, samples: &[Sample], window: Duration) -> Option<f64> {
        let values = || samples.iter().map(|sample| sample.v);
        let last = samples.last()?.v;
        Some(match self {
            Statistic::Average => values().sum::<f64>() / samples.len() as f64,
            Statistic::Minimum => values().fold(f64::INFINITY, f64::min),
            Statistic::Maximum => values().fold(f64::NEG_INFINITY, f64::max),
            Statistic::Sum => values().sum(),
            Statistic::Last => last,
            Statistic::Increase => increase(samples),
            Statistic::Rate => increase(samples) / window.as_secs_f64(),
            Statistic::Quantile(q) => quantile(q, &mut values().collect::<Vec<_>>())?,
        })
    }
}

/// By how much a counter rose. One that fell began anew; nothing is guessed for the edges of the window.
pub fn increase(samples: &[Sample]) -> f64 {
    let rise = |pair: &[Sample]| if pair[1].v < pair[0].v { pair[1].v } else { pair[1].v - pair[0].v };
    samples.windows(2).map(rise).sum()
}

/// Below which the part `q` of the values lies, between neighbours by their distance; `None` of nothing.
pub fn quantile(q: f64, values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let rank = q * (values.len().checked_sub(1)?) as f64;
    let (below, above) = (rank.floor(), rank.ceil());
    let (low, high) = (values[below as usize], values[above as usize]);
    // Equal neighbours may be infinite.
    Some(if low == high { low } else { low + (high - low) * (rank - below) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Timestamp;

    fn samples(values: &[f64]) -> Vec<Sample> {
        values
            .iter()
            .enumerate()
            .map(|(i, v)| Sample { t: Timestamp::from_millis(i as i64), v: *v })
            .collect()
    }

    #[test]
    fn each_statistic() {
        let window = Duration::from_secs(2);
        for (word, want) in [
            ("avg", 4.0),
            ("min", 1.0),
            ("max", 7.0),
            ("sum", 12.0),
            ("last", 4.0),
            ("increase", 10.0),
            ("rate", 5.0),
            ("p50", 4.0),
            ("p90", 6.4),
        ] {
            let got = Statistic::parse(word).unwrap().of(&samples(&[1.0, 7.0, 4.0]), window);
            assert!((got.unwrap() - want).abs() < 1e-9, "{word}: {got:?}");
        }
        assert!(Statistic::WORDS.iter().all(|word| Statistic::parse(word).is_some()));
        assert_eq!(Statistic::Average.of(&[], window), None);
        assert_eq!(Statistic::Increase.of(&samples(&[3.0]), window), Some(0.0));
    }

    #[test]
    fn quantiles_are_those_of_the_values() {
        let mut hundred: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert!((quantile(0.95, &mut hundred).unwrap() - 95.05).abs() < 1e-9);
        assert_eq!(quantile(0.5, &mut [7.0]), Some(7.0));
        assert_eq!(quantile(1.0, &mut [f64::INFINITY, 1.0]), Some(f64::INFINITY));
        assert_eq!(quantile(0.5, &mut []), None);
    }
}

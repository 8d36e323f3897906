//! A small chart beside an alert: the number's course, the rule's threshold as a dashed line.

use super::words::{age, short};
use crate::views::Trend;
use maud::{Markup, html};
use model::{Sample, Timestamp};

const WIDTH: f64 = 138.0;
const HEIGHT: f64 = 36.0;
/// Samples further apart than this many times the usual distance leave a gap.
const GAP: f64 = 2.5;

pub(super) fn spark(trend: &Trend, from: Timestamp, to: Timestamp) -> Markup {
    let finite: Vec<Sample> = trend.samples.iter().copied().filter(|sample| sample.v.is_finite()).collect();
    let Some(last) = finite.last() else { return html! {} };
    let scale = Scale::of(&finite, trend.threshold, from, to);
    let says = match trend.threshold {
        Some(threshold) => format!("now {}, fires at {}", short(last.v), short(threshold)),
        None => format!("now {}", short(last.v)),
    };
    html! {
        figure.spark {
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" role="img" aria-label=(says) {
                @if let Some(threshold) = trend.threshold {
                    line x1="0" x2=(WIDTH) y1=(scale.y(threshold)) y2=(scale.y(threshold)) stroke="var(--faint)"
                        stroke-dasharray="3 3" stroke-width="1" vector-effect="non-scaling-stroke" {}
                }
                path d=(path(&finite, &scale)) fill="none" stroke="var(--tone, var(--plot))" stroke-width="1.6"
                    stroke-linejoin="round" stroke-linecap="round" vector-effect="non-scaling-stroke" {}
            }
            figcaption { (says) span.faint { "last " (age(to.since(from))) } }
        }
    }
}

/// From instants and values to the drawing.
struct Scale {
    from: f64,
    span: f64,
    low: f64,
    high: f64,
}

impl Scale {
    fn of(samples: &[Sample], threshold: Option<f64>, from: Timestamp, to: Timestamp) -> Scale {
        let values = || samples.iter().map(|sample| sample.v).chain(threshold.filter(|t| t.is_finite()));
        let low = values().fold(f64::INFINITY, f64::min);
        let high = values().fold(f64::NEG_INFINITY, f64::max);
        // A flat line runs through the middle.
        let flat = high - low <= f64::EPSILON * high.abs().max(1.0);
        let (low, high) = if flat { (low - 1.0, high + 1.0) } else { (low, high) };
        let span = (to.as_millis().saturating_sub(from.as_millis()) as f64).max(1.0);
        Scale { from: from.as_millis() as f64, span, low, high }
    }

    fn x(&self, at: Timestamp) -> f64 {
        rounded((at.as_millis() as f64 - self.from) / self.span * WIDTH)
    }

    fn y(&self, v: f64) -> f64 {
        rounded(2.0 + (1.0 - (v - self.low) / (self.high - self.low)) * (HEIGHT - 4.0))
    }
}

fn rounded(n: f64) -> f64 {
    (n * 10.0).round() / 10.0
}

/// An SVG path; a missing stretch is a new start, a lone sample a short dash.
fn path(samples: &[Sample], scale: &Scale) -> String {
    let mut steps: Vec<i64> = samples.windows(2).map(|w| w[1].t.as_millis() - w[0].t.as_millis()).collect();
    steps.sort_unstable();
    let usual = steps.get(steps.len() / 2).copied().unwrap_or(0) as f64;
    let (mut text, mut last) = (String::new(), None);
    for sample in samples {
        let (x, y) = (scale.x(sample.t), scale.y(sample.v));
        let joined =
            last.is_some_and(|t: Timestamp| (sample.t.as_millis() - t.as_millis()) as f64 <= usual * GAP);
        let piece = if joined { format!("L{x} {y}") } else { format!("M{x} {y}h.1") };
        text.push_str(&piece);
        last = Some(sample.t);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_and_flat_lines() {
        let at = |secs: i64, v| Sample { t: Timestamp::from_millis(secs * 1000), v };
        let samples = [at(0, 1.0), at(10, 1.0), at(20, 1.0), at(60, 1.0), at(70, 1.0)];
        let (from, to) = (Timestamp::from_millis(0), Timestamp::from_millis(100_000));
        let scale = Scale::of(&samples, None, from, to);
        assert_eq!(path(&samples, &scale), "M0 18h.1L13.8 18L27.6 18M82.8 18h.1L96.6 18");
        let nothing = Trend { samples: vec![at(0, f64::NAN)], threshold: Some(1.0) };
        assert_eq!(spark(&nothing, from, to).into_string(), "");
    }
}

//! A chart of several series as one SVG, and the table beneath that names them.

use super::words::short;
use crate::views::RangeSeries;
use maud::{Markup, html};
use model::{Sample, Timestamp};
use std::fmt::Write;
use std::time::Duration;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 320.0;
/// Room for the numbers on the left and the instants below.
const LEFT: f64 = 74.0;
const BELOW: f64 = 30.0;
const AROUND: f64 = 14.0;
/// Series that are drawn and named; further ones are only counted.
const SERIES_MAX: usize = 24;
const COLOURS: [&str; 8] =
    ["#4a83b8", "#c1902f", "#5b9a6b", "#c0605a", "#8a73b5", "#4f9e9e", "#b0739a", "#8d8a4a"];

pub(super) fn chart(series: &[RangeSeries], from: Timestamp, to: Timestamp, step: Duration) -> Markup {
    let drawn = &series[..series.len().min(SERIES_MAX)];
    let (low, high) = bounds(drawn);
    let ticks = ticks(low, high);
    let (low, high) =
        (ticks.first().copied().unwrap_or(low).min(low), ticks.last().copied().unwrap_or(high).max(high));
    let span = (to.as_millis() - from.as_millis()).max(1) as f64;
    let x =
        |at: Timestamp| LEFT + (at.as_millis() - from.as_millis()) as f64 / span * (WIDTH - LEFT - AROUND);
    let y = |v: f64| AROUND + (1.0 - (v - low) / (high - low)) * (HEIGHT - BELOW - AROUND);
    html! {
        svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label={ (series.len()) " series" } {
            @for tick in &ticks {
                line x1=(LEFT) x2=(WIDTH - AROUND) y1=(y(*tick)) y2=(y(*tick)) stroke="var(--line)" {}
                text x=(LEFT - 8.0) y=(y(*tick) + 4.0) text-anchor="end" { (short(*tick)) }
            }
            @for i in 0..=4u32 {
                @let at = from.plus(to.since(from) / 4 * i);
                text x=(x(at)) y=(HEIGHT - 6.0) text-anchor=(if i == 0 { "start" } else if i == 4 { "end" } else { "middle" }) {
                    (instant(at, to.since(from)))
                }
            }
            @for (i, one) in drawn.iter().enumerate() {
                path d=(path(&one.samples, step, &x, &y)) fill="none" stroke=(COLOURS[i % COLOURS.len()])
                    stroke-width="1.6" stroke-linejoin="round" stroke-linecap="round" {}
            }
        }
    }
}

pub(super) fn legend(series: &[RangeSeries]) -> Markup {
    html! {
        table.legend {
            @for (i, one) in series.iter().take(SERIES_MAX).enumerate() {
                tr {
                    td { span.swatch style={ "background:" (COLOURS[i % COLOURS.len()]) } {} }
                    td.mono { (one.labels) }
                    td.v { (one.samples.last().map_or_else(String::new, |sample| short(sample.v))) }
                }
            }
        }
        @if series.len() > SERIES_MAX { p.soft { "and " (series.len() - SERIES_MAX) " more series" } }
    }
}

fn bounds(series: &[RangeSeries]) -> (f64, f64) {
    let values =
        || series.iter().flat_map(|one| &one.samples).map(|sample| sample.v).filter(|v| v.is_finite());
    let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    match low.is_finite() {
        false => (0.0, 1.0),
        true if high - low <= f64::EPSILON * high.abs().max(1.0) => (low - 1.0, high + 1.0),
        true => (low, high),
    }
}

/// About five round numbers that cover the bounds.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let rough = (high - low) / 4.0;
    let power = 10f64.powf(rough.log10().floor());
    let step =
        [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|m| m * power).find(|s| *s >= rough).unwrap_or(rough);
    let first = (low / step).floor();
    let count = ((high / step).ceil() - first).clamp(1.0, 10.0) as u32;
    (0..=count).map(|i| (first + f64::from(i)) * step).collect()
}

/// Neighbours further apart than a step and a half leave a gap.
fn path(samples: &[Sample], step: Duration, x: &dyn Fn(Timestamp) -> f64, y: &dyn Fn(f64) -> f64) -> String {
    let (mut text, mut last): (String, Option<Timestamp>) = (String::new(), None);
    for sample in samples.iter().filter(|sample| sample.v.is_finite()) {
        let joined = last.is_some_and(|last| sample.t.since(last) <= step * 3 / 2);
        let (x, y) = (x(sample.t), y(sample.v));
        let piece = if joined { write!(text, "L{x:.1} {y:.1}") } else { write!(text, "M{x:.1} {y:.1}h.1") };
        piece.expect("writing to memory cannot fail");
        last = Some(sample.t);
    }
    text
}

/// The hour; over more than a day the date too.
fn instant(at: Timestamp, span: Duration) -> String {
    let text = at.rfc3339();
    let (date, hour) = (text.get(5..10).unwrap_or(""), text.get(11..16).unwrap_or(""));
    if span > Duration::from_secs(86_400) { format!("{date} {hour}") } else { hour.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_ticks_cover_the_bounds() {
        for (low, high, want) in [
            (0.0, 1.0, vec![0.0, 0.25, 0.5, 0.75, 1.0]),
            (3.0, 97.0, vec![0.0, 25.0, 50.0, 75.0, 100.0]),
            (-1.0, 1.0, vec![-1.0, -0.5, 0.0, 0.5, 1.0]),
        ] {
            assert_eq!(ticks(low, high), want);
        }
    }
}

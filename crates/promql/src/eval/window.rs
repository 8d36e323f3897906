//! Functions of range vectors: each sees one series' samples in one window after the other.
//!
//! Windows are open on the left and closed on the right. They move forward, so both their edges are found by
//! one walk; what can be carried from window to window (resets, changes) is summed up once per series.

use super::{Grid, column::ABSENT, math};
use crate::ast::Widen;
use model::{Labels, Sample};
use std::collections::VecDeque;

/// One series of a range vector: all samples that any window needs.
pub(super) struct Ranged {
    pub(super) labels: Labels,
    pub(super) unnamed: bool,
    pub(super) samples: Vec<Sample>,
}

/// Where windows lie.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    /// Where each ends.
    pub(super) ends: Grid,
    /// How long each is.
    pub(super) span: i64,
    pub(super) widen: Widen,
    pub(super) lookback: i64,
}

/// One window with the samples in it.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    /// The step's number.
    pub(super) step: usize,
    /// Exclusive, in milliseconds.
    pub(super) start: i64,
    /// Inclusive.
    pub(super) end: i64,
    /// Never empty.
    pub(super) samples: &'a [Sample],
    /// Where `samples` begins in the series.
    pub(super) first: usize,
}

impl View<'_> {
    pub(super) fn values(&self) -> impl Iterator<Item = f64> + Clone {
        self.samples.iter().map(|sample| sample.v)
    }

    fn seconds(&self) -> f64 {
        (self.end - self.start) as f64 / 1000.0
    }
}

impl Window {
    pub(super) fn end(&self, i: usize) -> i64 {
        self.ends.at(i)
    }

    pub(super) fn start(&self, i: usize) -> i64 {
        self.end(i).saturating_sub(self.span)
    }

    /// The first and last instant of which samples are needed.
    pub(super) fn reach(&self) -> (i64, i64) {
        let before = if self.widen == Widen::No { 0 } else { self.lookback };
        let after = if self.widen == Widen::Smoothed { self.lookback } else { 0 };
        let from = self.start(0).saturating_sub(before).saturating_add(1);
        (from, self.ends.end().saturating_add(after))
    }

    /// `f` of each window that has samples.
    pub(super) fn apply(&self, samples: &[Sample], mut f: impl FnMut(View<'_>) -> Option<f64>) -> Vec<f64> {
        let (mut lo, mut hi) = (0, 0);
        let mut values = Vec::with_capacity(self.ends.count);
        for step in 0..self.ends.count {
            let (start, end) = (self.start(step), self.end(step));
            while samples.get(lo).is_some_and(|sample| sample.t.as_millis() <= start) {
                lo += 1;
            }
            while samples.get(hi).is_some_and(|sample| sample.t.as_millis() <= end) {
                hi += 1;
            }
            let value = self.widened(samples, lo, hi, start, end).and_then(|(first, last)| {
                f(View { step, start, end, samples: &samples[first..last], first })
            });
            values.push(value.unwrap_or(ABSENT));
        }
        values
    }

    /// The samples of the window at `lo..hi`, with the neighbours that `anchored` and `smoothed` want.
    fn widened(
        &self,
        samples: &[Sample],
        lo: usize,
        hi: usize,
        start: i64,
        end: i64,
    ) -> Option<(usize, usize)> {
        let before =
            lo.checked_sub(1).filter(|i| samples[*i].t.as_millis() > start.saturating_sub(self.lookback));
        let after =
            samples.get(hi).filter(|sample| sample.t.as_millis() <= end.saturating_add(self.lookback));
        match self.widen {
            _ if self.widen != Widen::Smoothed && lo >= hi => None,
            Widen::No => Some((lo, hi)),
            Widen::Anchored => Some((before.unwrap_or(lo), hi)),
            Widen::Smoothed => {
                let (first, last) = (before.unwrap_or(lo), hi + usize::from(after.is_some()));
                // One neighbour alone says nothing about the window.
                (lo < hi || (before.is_some() && after.is_some())).then_some((first, last))
            }
        }
    }
}

/// What falls in value are resets: `resets[i]` is the sum of values that were lost before sample `i`.
/// `None` if a sum would not be finite; then windows are walked one by one.
pub(super) fn lost_to_resets(samples: &[Sample]) -> Option<Vec<f64>> {
    let mut sum = 0.0;
    let mut lost = Vec::with_capacity(samples.len());
    for (i, sample) in samples.iter().enumerate() {
        if i > 0 && sample.v < samples[i - 1].v {
            sum += samples[i - 1].v;
        }
        lost.push(sum);
    }
    sum.is_finite().then_some(lost)
}

/// How an increase over a window is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slope {
    /// Falls are resets, and the value cannot have been below zero.
    pub(super) counter: bool,
    /// By second.
    pub(super) rate: bool,
}

/// `rate`, `increase`, `delta`: the change between first and last sample, extrapolated to the window's edges.
pub(super) fn extrapolated(view: View<'_>, slope: Slope, lost: Option<&[f64]>) -> Option<f64> {
    let (first, last) = (view.samples.first()?, view.samples.last()?);
    if view.samples.len() < 2 {
        return None;
    }
    let mut change = last.v - first.v;
    if slope.counter {
        change += match lost {
            Some(lost) => lost[view.first + view.samples.len() - 1] - lost[view.first],
            None => resets_between(view.samples),
        };
    }
    let sampled = (last.t.as_millis() - first.t.as_millis()) as f64 / 1000.0;
    let average = sampled / (view.samples.len() - 1) as f64;
    let mut to_start = (first.t.as_millis() - view.start) as f64 / 1000.0;
    let mut to_end = (view.end - last.t.as_millis()) as f64 / 1000.0;
    // A gap wider than this is no missing sample: the series began or ended there.
    let threshold = average * 1.1;
    if to_start >= threshold {
        to_start = average / 2.0;
    }
    if slope.counter && change > 0.0 && first.v >= 0.0 {
        to_start = to_start.min(sampled * (first.v / change));
    }
    if to_end >= threshold {
        to_end = average / 2.0;
    }
    let mut factor = (sampled + to_start + to_end) / sampled;
    if slope.rate {
        factor /= view.seconds();
    }
    Some(change * factor)
}

fn resets_between(samples: &[Sample]) -> f64 {
    samples.windows(2).filter(|pair| pair[1].v < pair[0].v).map(|pair| pair[0].v).sum()
}

/// `rate` and its kin over `anchored` and `smoothed` selectors: the change between the window's very edges.
pub(super) fn between_edges(view: View<'_>, slope: Slope, widen: Widen) -> Option<f64> {
    let samples = view.samples;
    let (first, last) = (samples.first()?, samples.last()?);
    let mut left = first.v;
    let mut right = last.v;
    if widen == Widen::Smoothed && samples.len() > 1 {
        if first.t.as_millis() < view.start {
            left = at_edge(*first, samples[1], view.start, slope);
        }
        if last.t.as_millis() > view.end {
            right = at_edge(samples[samples.len() - 2], *last, view.end, slope);
        }
    }
    let mut change = right - left;
    if slope.counter {
        let mut previous = left;
        let inner = samples.get(1..samples.len() - 1).unwrap_or(&[]).iter().map(|sample| sample.v);
        for v in inner.chain([right]) {
            if v < previous {
                change += previous;
            }
            previous = v;
        }
    }
    Some(if slope.rate { change / view.seconds() } else { change })
}

fn at_edge(mut before: Sample, after: Sample, at: i64, slope: Slope) -> f64 {
    if slope.counter && after.v < before.v {
        before.v = 0.0;
    }
    between(before, after, at)
}

/// On the line between two samples.
pub(super) fn between(before: Sample, after: Sample, at: i64) -> f64 {
    let span = (after.t.as_millis() - before.t.as_millis()) as f64;
    before.v + (after.v - before.v) * ((at - before.t.as_millis()) as f64 / span)
}

/// `irate` and `idelta`: the last two samples.
pub(super) fn last_two(view: View<'_>, slope: Slope) -> Option<f64> {
    let [.., before, last] = view.samples else { return None };
    let change = if slope.counter && last.v < before.v { last.v } else { last.v - before.v };
    let ms = last.t.as_millis() - before.t.as_millis();
    if ms == 0 {
        return None;
    }
    Some(if slope.rate { change / (ms as f64 / 1000.0) } else { change })
}

pub(super) fn changes(view: View<'_>) -> f64 {
    let changed = |pair: &&[Sample]| pair[1].v != pair[0].v && !(pair[1].v.is_nan() && pair[0].v.is_nan());
    view.samples.windows(2).filter(changed).count() as f64
}

pub(super) fn resets(view: View<'_>) -> f64 {
    view.samples.windows(2).filter(|pair| pair[1].v < pair[0].v).count() as f64
}

/// The extreme sample; NaN only if there is nothing else. The first of equals, or the last one.
pub(super) fn extreme(view: View<'_>, better: impl Fn(f64, f64) -> bool) -> Option<Sample> {
    let (first, rest) = view.samples.split_first()?;
    Some(rest.iter().fold(
        *first,
        |best, sample| {
            if best.v.is_nan() || better(sample.v, best.v) { *sample } else { best }
        },
    ))
}

/// The extreme value of each window, NaN only if there is nothing else. Candidates wait in a line, the best in
/// front: each sample enters and leaves it once, so long windows cost no more than short ones.
pub(super) fn sliding_extreme(
    window: &Window,
    samples: &[Sample],
    better: impl Fn(f64, f64) -> bool,
) -> Vec<f64> {
    let (mut line, mut next) = (VecDeque::new(), 0);
    window.apply(samples, |view| {
        let end = view.first + view.samples.len();
        for (i, sample) in samples.iter().enumerate().take(end).skip(next) {
            if sample.v.is_nan() {
                continue;
            }
            while line.back().is_some_and(|last: &usize| !better(samples[*last].v, sample.v)) {
                line.pop_back();
            }
            line.push_back(i);
        }
        next = end;
        while line.front().is_some_and(|first| *first < view.first) {
            line.pop_front();
        }
        Some(line.front().map_or(f64::NAN, |first| samples[*first].v))
    })
}

/// Slope and intercept of the least-squares line, `None` if there are fewer than two samples.
pub(super) fn line(view: View<'_>, intercept_at: i64) -> Option<(f64, f64)> {
    let (first, rest) = view.samples.split_first()?;
    if rest.is_empty() {
        return None;
    }
    if rest.iter().all(|sample| sample.v == first.v) {
        return Some(if first.v.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, first.v) });
    }
    let mut sums = [math::Sum::default(); 4];
    for sample in view.samples {
        let x = (sample.t.as_millis() - intercept_at) as f64 / 1000.0;
        for (sum, term) in sums.iter_mut().zip([x, sample.v, x * sample.v, x * x]) {
            sum.add(term);
        }
    }
    let n = view.samples.len() as f64;
    let [x, y, xy, xx] = sums.map(|sum| sum.total());
    let slope = (xy - x * y / n) / (xx - x * x / n);
    Some((slope, y / n - slope * x / n))
}

/// Holt's double exponential smoothing.
pub(super) fn smoothed(view: View<'_>, smoothing: f64, trend: f64) -> Option<f64> {
    let mut values = view.values();
    let (first, second) = (values.next()?, values.next()?);
    let (mut before, mut level, mut slope) = (0.0, first, second - first);
    for (i, v) in view.values().enumerate().skip(1) {
        if i > 1 {
            slope = trend * (level - before) + (1.0 - trend) * slope;
        }
        before = level;
        level = smoothing * v + (1.0 - smoothing) * (level + slope);
    }
    Some(level)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Timestamp;

    proptest::proptest! {
        #[test]
        fn sliding_is_what_each_window_says(
            values in proptest::collection::vec(-4i8..4, 0..40),
            gaps in proptest::collection::vec(1i64..4, 40),
            span in 1i64..12,
            step in 1i64..6,
        ) {
            let mut t = 0;
            let samples: Vec<Sample> = values
                .iter()
                .zip(gaps)
                .map(|(v, gap)| {
                    t += gap;
                    let v = if *v == -4 { f64::NAN } else { f64::from(*v) };
                    Sample { t: Timestamp::from_millis(t), v }
                })
                .collect();
            let ends = Grid { start: 0, step, count: 30 };
            let window = Window { ends, span, widen: Widen::No, lookback: 5 };
            let better = |v: f64, best: f64| v > best;
            let slow = window.apply(&samples, |view| extreme(view, better).map(|sample| sample.v));
            let fast = sliding_extreme(&window, &samples, better);
            proptest::prop_assert_eq!(format!("{slow:?}"), format!("{fast:?}"));
        }
    }
}

//! Selectors and subqueries to columns and windows.

use super::{
    Engine, Grid,
    column::{ABSENT, Column},
    window::{Ranged, Window},
};
use crate::{
    ast::{Anchor, At, Expr, ExprKind, Subquery, VectorSelector, Widen},
    error::EvalError,
};
use model::{Matcher, Sample, Select, Series, Timestamp, is_stale};

/// What a step takes of the sample it finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Take {
    /// Its value.
    Value,
    /// Its time, in seconds.
    Time,
}

impl Engine<'_> {
    /// The grid on which something with this anchor looks at the store: pinned ones have step 0.
    pub(super) fn anchored(&self, anchor: &Anchor, grid: Grid) -> Result<Grid, EvalError> {
        let offset = match &anchor.offset {
            Some(offset) => offset.ms(self.frame)?,
            None => 0,
        };
        let pinned = match anchor.at {
            None => None,
            Some(At::Start) => Some(self.query_start),
            Some(At::End) => Some(self.query_end),
            Some(At::Time(at)) => Some(at.as_millis()),
        };
        Ok(match pinned {
            Some(at) => Grid { start: at.saturating_sub(offset), step: 0, count: grid.count },
            None => Grid { start: grid.start.saturating_sub(offset), ..grid },
        })
    }

    pub(super) fn lookback(&self) -> i64 {
        i64::try_from(self.o.lookback.as_millis()).unwrap_or(i64::MAX)
    }

    pub(super) fn instant_vector(
        &mut self,
        selector: &VectorSelector,
        grid: Grid,
    ) -> Result<Vec<Column>, EvalError> {
        if selector.widen == Widen::Smoothed {
            return self.smoothed_vector(selector, grid);
        }
        let looks = self.anchored(&selector.anchor, grid)?;
        self.latest(&selector.matchers, looks, Take::Value)
    }

    /// For each series its last sample before each instant of `looks`, not older than the lookback.
    pub(super) fn latest(
        &mut self,
        matchers: &[Matcher],
        looks: Grid,
        take: Take,
    ) -> Result<Vec<Column>, EvalError> {
        let lookback = self.lookback();
        let series =
            self.load(matchers, looks.start.saturating_sub(lookback).saturating_add(1), looks.end())?;
        let loaded: usize = series.iter().map(|series| series.samples.len()).sum();
        self.hold(series.len().saturating_mul(looks.count))?;
        let mut columns = Vec::with_capacity(series.len());
        for (i, Series { labels, samples }) in series.into_iter().enumerate() {
            if i % 64 == 63 {
                self.check_deadline()?;
            }
            let column =
                Column { labels, unnamed: false, values: latest_of(&samples, looks, lookback, take) };
            if !column.is_empty() {
                columns.push(column);
            }
        }
        self.release(loaded);
        Ok(columns)
    }

    /// Values between samples lie on the line between them; after the last one it stands.
    fn smoothed_vector(&mut self, selector: &VectorSelector, grid: Grid) -> Result<Vec<Column>, EvalError> {
        let looks = self.anchored(&selector.anchor, grid)?;
        let lookback = self.lookback();
        let from = looks.start.saturating_sub(lookback).saturating_add(1);
        let series = self.load(&selector.matchers, from, looks.end().saturating_add(lookback))?;
        self.hold(series.len().saturating_mul(looks.count))?;
        let mut columns = Vec::new();
        for Series { labels, mut samples } in series {
            samples.retain(|sample| !is_stale(sample.v));
            let smooth = |at: i64| {
                let after = samples.partition_point(|sample| sample.t.as_millis() <= at);
                let before = after.checked_sub(1).map(|i| samples[i]);
                let before = before.filter(|sample| sample.t.as_millis() > at.saturating_sub(lookback));
                match (before, samples.get(after)) {
                    (None, _) => ABSENT,
                    (Some(before), Some(after)) if before.t.as_millis() != at => {
                        super::window::between(before, *after, at)
                    }
                    (Some(before), _) => before.v,
                }
            };
            let column = Column { labels, unnamed: false, values: looks.times().map(smooth).collect() };
            if !column.is_empty() {
                columns.push(column);
            }
        }
        Ok(columns)
    }

    /// The samples behind a range vector, and how windows move over them.
    pub(super) fn ranged(&mut self, expr: &Expr, grid: Grid) -> Result<(Vec<Ranged>, Window), EvalError> {
        match &expr.unwrapped().kind {
            ExprKind::Vector(selector) if let Some(span) = &selector.window => {
                let span = span.positive_ms(self.frame)?;
                let ends = self.anchored(&selector.anchor, grid)?;
                let window = Window { ends, span, widen: selector.widen, lookback: self.lookback() };
                let (from, to) = window.reach();
                let series = self.load(&selector.matchers, from, to)?;
                let ranged = series.into_iter().map(|Series { labels, mut samples }| {
                    samples.retain(|sample| !is_stale(sample.v));
                    Ranged { labels, unnamed: false, samples }
                });
                Ok((ranged.collect(), window))
            }
            ExprKind::Subquery(subquery) => self.subquery(subquery, grid),
            _ => Err(EvalError::at(expr.place, "expected a range vector")),
        }
    }

    /// The inner expression on the multiples of its step that fall into any window.
    fn subquery(&mut self, subquery: &Subquery, grid: Grid) -> Result<(Vec<Ranged>, Window), EvalError> {
        let span = subquery.window.positive_ms(self.frame)?;
        let step = match &subquery.step {
            Some(step) => step.positive_ms(self.frame)?,
            None => i64::try_from(self.o.subquery_step.as_millis()).unwrap_or(i64::MAX).max(1),
        };
        let ends = self.anchored(&subquery.anchor, grid)?;
        let window = Window { ends, span, widen: Widen::No, lookback: self.lookback() };
        let before = ends.start.saturating_sub(span);
        let start = before.div_euclid(step).saturating_add(1).saturating_mul(step);
        if ends.end() < start {
            return Ok((Vec::new(), window));
        }
        let count =
            usize::try_from(ends.end().saturating_sub(start) / step).unwrap_or(usize::MAX).saturating_add(1);
        // The steps themselves cost even where there are no series.
        self.hold(count)?;
        let inner = Grid { start, step, count };
        let columns = self.vector(&subquery.inner, inner)?;
        self.release(count);
        let mut ranged = Vec::with_capacity(columns.len());
        for column in columns {
            let unnamed = column.unnamed;
            let Series { labels, samples } = column.into_series(inner);
            self.hold(samples.len())?;
            ranged.push(Ranged { labels, unnamed, samples });
        }
        Ok((ranged, window))
    }

    fn load(&mut self, matchers: &[Matcher], from: i64, to: i64) -> Result<Vec<Series>, EvalError> {
        let max = self.o.samples_max;
        let what = Select {
            matchers,
            from: Timestamp::from_millis(from),
            to: Timestamp::from_millis(to),
            samples_max: max.saturating_sub(self.held),
        };
        let series = self.q.select(&what).map_err(|error| match EvalError::from(error) {
            EvalError::TooManySamples { .. } => EvalError::TooManySamples { max },
            other => other,
        })?;
        self.hold(series.iter().map(|series| series.samples.len()).sum())?;
        Ok(series)
    }
}

/// One walk over samples and instants together.
fn latest_of(samples: &[Sample], looks: Grid, lookback: i64, take: Take) -> Vec<f64> {
    let (mut next, mut values) = (0, Vec::with_capacity(looks.count));
    for at in looks.times() {
        while samples.get(next).is_some_and(|sample| sample.t.as_millis() <= at) {
            next += 1;
        }
        let last = next.checked_sub(1).map(|i| samples[i]);
        let fresh =
            |sample: &Sample| sample.t.as_millis() > at.saturating_sub(lookback) && !is_stale(sample.v);
        values.push(match (last.filter(fresh), take) {
            (None, _) => ABSENT,
            (Some(sample), Take::Value) => sample.v,
            (Some(sample), Take::Time) => sample.t.as_secs_f64(),
        });
    }
    values
}

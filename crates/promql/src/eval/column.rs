//! Columns: one series' values at all steps.

use super::Grid;
use crate::error::EvalError;
use model::{Labels, METRIC_NAME, STALE_NAN, Sample, Series, Timestamp};
use std::collections::{HashMap, hash_map::Entry};

/// No sample at this step. Selectors drop staleness markers, and arithmetic cannot make one: it quiets NaNs.
pub(super) const ABSENT: f64 = STALE_NAN;

pub(super) fn is_absent(v: f64) -> bool {
    v.to_bits() == ABSENT.to_bits()
}

/// One series on the grid.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) labels: Labels,
    /// Its name (and type and unit) are dropped when the answer is made.
    pub(super) unnamed: bool,
    pub(super) values: Vec<f64>,
}

impl Column {
    pub(super) fn is_empty(&self) -> bool {
        self.values.iter().all(|v| is_absent(*v))
    }

    pub(super) fn into_series(self, grid: Grid) -> Series {
        let present = self.values.iter().enumerate().filter(|(_, v)| !is_absent(**v));
        let samples = present.map(|(i, v)| Sample { t: Timestamp::from_millis(grid.at(i)), v: *v }).collect();
        Series { labels: self.labels, samples }
    }
}

/// Applies `f(step, value)` wherever there is a value; the names go.
pub(super) fn map(mut columns: Vec<Column>, f: impl Fn(usize, f64) -> f64) -> Vec<Column> {
    for column in &mut columns {
        column.unnamed = true;
        for (i, v) in column.values.iter_mut().enumerate() {
            if !is_absent(*v) {
                *v = f(i, *v);
            }
        }
    }
    columns
}

/// Numbers label sets by the labels that count, from 0 on, without building the sets.
#[derive(Default)]
pub(super) struct Keys {
    places: HashMap<Vec<u8>, usize>,
    key: Vec<u8>,
}

impl Keys {
    /// The number of `labels`; the next free one if its like has not been seen.
    pub(super) fn place(&mut self, labels: &Labels, keeps: impl Fn(&str) -> bool) -> usize {
        self.key.clear();
        for text in labels.iter().filter(|(name, _)| keeps(name)).flat_map(|(name, value)| [name, value]) {
            self.key.extend_from_slice(&text.len().to_le_bytes());
            self.key.extend_from_slice(text.as_bytes());
        }
        if let Some(place) = self.places.get(&self.key) {
            return *place;
        }
        self.places.insert(self.key.clone(), self.places.len());
        self.places.len() - 1
    }
}

/// Whether any column has a value, by step.
pub(super) fn presence<'a>(columns: impl IntoIterator<Item = &'a Column>, count: usize) -> Vec<bool> {
    let mut present = vec![false; count];
    for column in columns {
        for (present, v) in present.iter_mut().zip(&column.values) {
            *present |= !is_absent(*v);
        }
    }
    present
}

/// One column for each label set: columns that share one and never a step become one.
pub(super) fn merge(columns: Vec<Column>) -> Result<Vec<Column>, EvalError> {
    let mut places: HashMap<(Labels, bool), usize> = HashMap::with_capacity(columns.len());
    let mut merged: Vec<Column> = Vec::with_capacity(columns.len());
    for column in columns {
        match places.entry((column.labels.clone(), column.unnamed)) {
            Entry::Vacant(entry) => {
                entry.insert(merged.len());
                merged.push(column);
            }
            Entry::Occupied(entry) => {
                for (into, v) in merged[*entry.get()].values.iter_mut().zip(column.values) {
                    if is_absent(v) {
                        continue;
                    }
                    if !is_absent(*into) {
                        return Err(EvalError::query("vector cannot contain metrics with the same labelset"));
                    }
                    *into = v;
                }
            }
        }
    }
    Ok(merged)
}

/// The columns with their marked names really gone.
pub(super) fn without_dropped_names(mut columns: Vec<Column>) -> Vec<Column> {
    for column in columns.iter_mut().filter(|column| column.unnamed) {
        column.labels = column.labels.filtered(|name| !is_metadata(name));
        column.unnamed = false;
    }
    columns
}

/// Labels that say what a series is rather than whose: they go where the name goes.
fn is_metadata(name: &str) -> bool {
    matches!(name, METRIC_NAME | "__type__" | "__unit__")
}

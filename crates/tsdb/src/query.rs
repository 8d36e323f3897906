//! Reading: head and segments as one.
//!
//! What the head has is taken under its lock together with the list of segments, so both belong to the same
//! moment; the segments, which never change, are read after the lock is released.

use crate::db::{Db, Inner};
use crate::error::Error;
use crate::head::order::compare;
use crate::segment::Segment;
use model::{Labels, Matcher, Querier, QueryError, Select, Series, Timestamp};
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

impl Querier for Db {
    fn select(&self, what: &Select<'_>) -> Result<Vec<Series>, QueryError> {
        let (from, to) = (what.from.as_millis(), what.to.as_millis());
        let too_many = || QueryError::TooManySamples { max: what.samples_max };
        let mut budget = what.samples_max;
        let (hot, segments) = {
            let head = self.0.head();
            let hot = head.select(what.matchers, from, to, &mut budget).ok_or_else(too_many)?;
            (hot, overlapping(&head.segments, from, to))
        };
        let mut found = Vec::new();
        for segment in segments {
            let cold = segment.select(what.matchers, from, to, &mut budget)?.ok_or_else(too_many)?;
            found = join(found, cold);
        }
        Ok(join(found, hot))
    }

    fn series(
        &self,
        matchers: &[Matcher],
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Labels>, QueryError> {
        Ok(self.0.series(matchers, from.as_millis(), to.as_millis())?)
    }
}

impl Db {
    /// Names of the labels of series that pass all of `matchers` (all series if empty) and may have a sample in
    /// the range, sorted.
    pub fn label_names(
        &self,
        matchers: &[Matcher],
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<String>, QueryError> {
        let (from, to) = (from.as_millis(), to.as_millis());
        let mut names = BTreeSet::new();
        if matchers.is_empty() {
            let segments = {
                let head = self.0.head();
                if head.overlaps(from, to) {
                    names.extend(head.postings.names().map(str::to_owned));
                }
                overlapping(&head.segments, from, to)
            };
            for segment in segments {
                names.extend(segment.names()?.into_iter().map(str::to_owned));
            }
        } else {
            for labels in self.0.series(matchers, from, to)? {
                insert_new(&mut names, labels.iter().map(|(name, _)| name));
            }
        }
        Ok(names.into_iter().collect())
    }

    /// Values of the label `name` of series that pass all of `matchers` (all series if empty) and may have a
    /// sample in the range, sorted.
    pub fn label_values(
        &self,
        name: &str,
        matchers: &[Matcher],
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<String>, QueryError> {
        let (from, to) = (from.as_millis(), to.as_millis());
        let mut values = BTreeSet::new();
        if matchers.is_empty() {
            let segments = {
                let head = self.0.head();
                if head.overlaps(from, to) {
                    values.extend(head.postings.values(name).map(str::to_owned));
                }
                overlapping(&head.segments, from, to)
            };
            for segment in segments {
                values.extend(segment.values(name)?.into_iter().map(str::to_owned));
            }
        } else {
            for labels in self.0.series(matchers, from, to)? {
                insert_new(&mut values, labels.get(name).into_iter());
            }
        }
        Ok(values.into_iter().collect())
    }
}

impl Inner {
    fn series(&self, matchers: &[Matcher], from: i64, to: i64) -> Result<Vec<Labels>, Error> {
        let (mut found, segments) = {
            let head = self.head();
            (head.series(matchers, from, to), overlapping(&head.segments, from, to))
        };
        if segments.is_empty() {
            return Ok(found);
        }
        for segment in segments {
            for series in segment.matching(matchers)? {
                found.push(segment.labels(series)?);
            }
        }
        found.sort_by(compare);
        found.dedup();
        Ok(found)
    }
}

fn overlapping(segments: &[Arc<Segment>], from: i64, to: i64) -> Vec<Arc<Segment>> {
    segments.iter().filter(|segment| segment.overlaps(from, to)).cloned().collect()
}

fn insert_new<'a>(set: &mut BTreeSet<String>, texts: impl Iterator<Item = &'a str>) {
    for text in texts {
        if !set.contains(text) {
            set.insert(text.to_owned());
        }
    }
}

/// Joins two results sorted by labels; the samples of `later` come after those of `earlier`.
fn join(earlier: Vec<Series>, later: Vec<Series>) -> Vec<Series> {
    if earlier.is_empty() || later.is_empty() {
        return if earlier.is_empty() { later } else { earlier };
    }
    let mut joined = Vec::with_capacity(earlier.len().max(later.len()));
    let (mut earlier, mut later) = (earlier.into_iter().peekable(), later.into_iter().peekable());
    loop {
        let order = match (earlier.peek(), later.peek()) {
            (Some(a), Some(b)) => compare(&a.labels, &b.labels),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return joined,
        };
        match order {
            Ordering::Less => joined.extend(earlier.next()),
            Ordering::Greater => joined.extend(later.next()),
            Ordering::Equal => {
                if let (Some(mut series), Some(more)) = (earlier.next(), later.next()) {
                    series.samples.extend(more.samples);
                    joined.push(series);
                }
            }
        }
    }
}

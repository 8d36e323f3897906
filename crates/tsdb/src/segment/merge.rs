//! Merging neighbours: which segments become one, and how. Choosing is apart from doing.

use super::Segment;
use super::read::Reader;
use super::write::Writer;
use crate::error::Error;
use crate::head::order::compare;
use model::Labels;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// So many neighbours of one level make one of the next.
const FAN: usize = 5;

/// What [`choose`] looks at, of each segment in order of time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) level: u32,
    pub(crate) from: i64,
    pub(crate) to: i64,
}

/// The oldest run of neighbours to merge, if any: of one level, together no longer than `span_max` ms. Higher
/// levels first between them means nothing: each call merges one run, the owner calls again.
pub(crate) fn choose(segments: &[Shape], span_max: i64) -> Option<Range<usize>> {
    (0..(segments.len() + 1).saturating_sub(FAN)).map(|start| start..start + FAN).find(|run| {
        let run = &segments[run.clone()];
        run.iter().all(|segment| segment.level == run[0].level)
            && run[FAN - 1].to.saturating_sub(run[0].from) <= span_max
    })
}

/// Writes all samples of `segments`, which are neighbours in order of time, into one at `path`.
pub(crate) fn merge(segments: &[&Segment], path: &Path) -> Result<PathBuf, Error> {
    let mut sources = segments.iter().map(|segment| Source::open(segment)).collect::<Result<Vec<_>, _>>()?;
    let mut writer = Writer::create(path)?;
    let (mut times, mut values) = (Vec::new(), Vec::new());
    while let Some(least) = sources.iter().filter_map(|s| s.labels.as_ref()).min_by(|a, b| compare(a, b)) {
        let labels = least.clone();
        times.clear();
        values.clear();
        for source in sources.iter_mut().filter(|source| source.labels.as_ref() == Some(&labels)) {
            for sample in source.reader.samples(source.next, i64::MIN, i64::MAX)? {
                times.push(sample.t.as_millis());
                values.push(sample.v);
            }
            source.advance()?;
        }
        writer.add(&labels, &times, &values)?;
    }
    let to = segments.iter().map(|segment| segment.to()).max().unwrap_or(i64::MIN);
    let level = segments.iter().map(|segment| segment.level()).max().unwrap_or(0) + 1;
    writer.finish(to, level)
}

/// One segment, read in the order of its labels.
struct Source<'a> {
    segment: &'a Segment,
    reader: Reader<'a>,
    next: u32,
    /// The labels of series number `next`; `None` after the last.
    labels: Option<Labels>,
}

impl<'a> Source<'a> {
    fn open(segment: &'a Segment) -> Result<Source<'a>, Error> {
        let mut source = Source { segment, reader: Reader::new(segment), next: 0, labels: None };
        source.read_labels()?;
        Ok(source)
    }

    fn advance(&mut self) -> Result<(), Error> {
        self.next += 1;
        self.read_labels()
    }

    fn read_labels(&mut self) -> Result<(), Error> {
        let more = self.next < self.segment.len();
        self.labels = more.then(|| self.segment.labels(self.next)).transpose()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Segments as their levels in order of time, each 10 ms long.
    fn check(levels: &[u32], span_max: i64, want: Option<Range<usize>>) {
        let shapes: Vec<Shape> = (0i64..)
            .zip(levels)
            .map(|(i, level)| Shape { level: *level, from: i * 10, to: i * 10 + 10 })
            .collect();
        assert_eq!(choose(&shapes, span_max), want, "{levels:?}");
    }

    #[test]
    fn five_neighbours_of_a_level_merge() {
        check(&[], 100, None);
        check(&[0; 4], 100, None);
        check(&[0; 5], 100, Some(0..5));
        check(&[0; 5], 49, None);
        check(&[1, 1, 0, 0, 0, 0], 100, None);
        check(&[1, 1, 0, 0, 0, 0, 0], 100, Some(2..7));
        check(&[2, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0], 100, Some(1..6));
    }
}

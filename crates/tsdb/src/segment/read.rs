//! Reads the samples of a segment's series, keeping open what the next series probably needs too.

use super::Segment;
use super::column::Block;
use super::footer::{Part, u32_at, u64_at};
use crate::error::Error;
use hashbrown::HashMap;
use model::{Sample, Timestamp};
use pco::data_types::Number;
use std::rc::Rc;

/// So many time columns are kept; series without a shared one would fill memory.
const COLUMNS_MAX: usize = 1024;

/// One pass over a segment; cheapest when series are asked for in ascending order.
pub(crate) struct Reader<'a> {
    segment: &'a Segment,
    values: Option<Opened<'a, f64>>,
    times: Option<Opened<'a, i64>>,
    columns: HashMap<u32, Rc<Vec<i64>>>,
}

struct Opened<'a, T: Number> {
    number: usize,
    block: Block<'a, T>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(segment: &'a Segment) -> Reader<'a> {
        Reader { segment, values: None, times: None, columns: HashMap::new() }
    }

    /// The series' samples in `from..=to`.
    pub(crate) fn samples(&mut self, series: u32, from: i64, to: i64) -> Result<Vec<Sample>, Error> {
        let row = self.segment.row(Part::Series, series, 3)?;
        let times = self.column(row[1])?;
        let (a, b) = (times.partition_point(|t| *t < from), times.partition_point(|t| *t <= to));
        if a >= b {
            return Ok(Vec::new());
        }
        let block = open(self.segment, Part::ValueBlocks, &mut self.values, series)?;
        let values = block.read(row[2], times.len(), b).map_err(|what| self.segment.damaged(what))?;
        let sample = |(t, v): (&i64, &f64)| Sample { t: Timestamp::from_millis(*t), v: *v };
        Ok(times[a..b].iter().zip(&values[a..b]).map(sample).collect())
    }

    fn column(&mut self, column: u32) -> Result<Rc<Vec<i64>>, Error> {
        if let Some(times) = self.columns.get(&column) {
            return Ok(times.clone());
        }
        let row = self.segment.row(Part::Columns, column, 2)?;
        let n = row[0] as usize;
        let block = open(self.segment, Part::TimeBlocks, &mut self.times, column)?;
        let times = block.read(row[1], n, n).map_err(|what| self.segment.damaged(what))?;
        if self.columns.len() >= COLUMNS_MAX {
            self.columns.clear();
        }
        let times = Rc::new(times);
        self.columns.insert(column, times.clone());
        Ok(times)
    }
}

/// The block that holds page number `page`, opened unless it is the one opened last.
fn open<'a, 'b, T: Number + Default>(
    segment: &'a Segment,
    part: Part,
    opened: &'b mut Option<Opened<'a, T>>,
    page: u32,
) -> Result<&'b mut Block<'a, T>, Error> {
    let table = segment.part(part);
    let first = |i: usize| u32_at(table, 16 * i + 12);
    let (mut low, mut high) = (0, table.len() / 16);
    while low < high {
        let middle = low + (high - low) / 2;
        if first(middle) <= page {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    let number = low.checked_sub(1).ok_or_else(|| segment.damaged("a page lies in no block"))?;
    if opened.as_ref().is_none_or(|opened| opened.number != number) {
        let start = usize::try_from(u64_at(table, 16 * number)).unwrap_or(usize::MAX);
        let len = u32_at(table, 16 * number + 8) as usize;
        let bytes = start.checked_add(len).and_then(|end| segment.map.get(start..end));
        let bytes = bytes.ok_or_else(|| segment.damaged("a block lies outside"))?;
        let block = Block::open(bytes).map_err(|what| segment.damaged(what))?;
        *opened = Some(Opened { number, block });
    }
    Ok(&mut opened.as_mut().expect("it was opened above if it was not").block)
}

impl Segment {
    /// The `width` numbers of row `i` of a table; the rest of the three are zero.
    fn row(&self, part: Part, i: u32, width: usize) -> Result<[u32; 3], Error> {
        let row = self.part(part).chunks_exact(4 * width).nth(i as usize);
        let row = row.ok_or_else(|| self.damaged("a row of the index is missing"))?;
        Ok(std::array::from_fn(|k| if k < width { u32_at(row, 4 * k) } else { 0 }))
    }
}

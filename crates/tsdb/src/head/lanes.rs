//! Times shared by series that are sampled together, such as those of one scrape: each instant is kept once.
//!
//! A series' values are a plain column whose k-th entry belongs to the k-th time of its lane from `first` on;
//! where the series has no sample at a time of its lane, the entry is [`HOLE`]. A series that leaves too many
//! holes gets a lane of its own. Places in a lane are counted from its birth, so they stay true when old times
//! are dropped from its front.

/// Marks the absence of a sample: a NaN that no appended value has (appends turn it into the plain NaN).
pub(crate) const HOLE: u64 = 0x7ff4_746f_6373_696e;

/// An index of no lane.
pub(crate) const NO_LANE: u32 = u32::MAX;

/// Times in ascending order.
#[derive(Default)]
pub(crate) struct Lane {
    /// Place of the first time still kept.
    base: u64,
    times: Vec<i64>,
    /// How many series use it; at zero it is free.
    pub(crate) members: u32,
}

impl Lane {
    /// The place after the last time.
    pub(crate) fn end(&self) -> u64 {
        self.base + self.times.len() as u64
    }

    pub(crate) fn last(&self) -> Option<i64> {
        self.times.last().copied()
    }

    pub(crate) fn oldest(&self) -> Option<i64> {
        self.times.first().copied()
    }

    /// The times from place `from` to before place `to`; both within what is kept.
    pub(crate) fn times(&self, from: u64, to: u64) -> &[i64] {
        &self.times[(from - self.base) as usize..(to - self.base) as usize]
    }

    /// Adds a time later than all.
    pub(crate) fn push(&mut self, t: i64) {
        debug_assert!(self.last().is_none_or(|last| last < t), "a lane's times ascend");
        grow(&mut self.times);
        self.times.push(t);
    }

    /// Drops the times before place `to`.
    pub(crate) fn trim(&mut self, to: u64) {
        let to = to.clamp(self.base, self.end());
        self.times.drain(..(to - self.base) as usize);
        self.base = to;
    }
}

/// Makes room by a quarter when a column is full: doubling would leave half of all memory empty.
pub(crate) fn grow<T>(column: &mut Vec<T>) {
    if column.len() == column.capacity() {
        column.reserve_exact((column.len() / 4).max(4));
    }
}

/// A series' column: its values and where they lie in their lane.
pub(crate) struct Column {
    pub(crate) values: Vec<f64>,
    /// Place in the lane of the first value.
    pub(crate) first: u64,
    pub(crate) lane: u32,
    holes: u32,
}

impl Column {
    pub(crate) fn empty() -> Column {
        Column { values: Vec::new(), first: 0, lane: NO_LANE, holes: 0 }
    }

    fn end(&self) -> u64 {
        self.first + self.values.len() as u64
    }
}

/// All lanes of a head.
#[derive(Default)]
pub(crate) struct Lanes {
    lanes: Vec<Lane>,
    free: Vec<u32>,
}

impl Lanes {
    pub(crate) fn get(&self, lane: u32) -> &Lane {
        &self.lanes[lane as usize]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Lane> {
        self.lanes.iter().filter(|lane| lane.members > 0)
    }

    /// Adds a sample later than all of the column's. `hint` is the lane of the sample before it in its batch
    /// and becomes this one's.
    pub(crate) fn push(&mut self, column: &mut Column, t: i64, value: f64, hint: &mut u32) {
        if column.values.is_empty() {
            self.join(column, t, *hint);
        } else {
            self.align(column, t);
        }
        grow(&mut column.values);
        column.values.push(value);
        *hint = column.lane;
    }

    /// The column's times and values before `to` and from `from` on, holes included.
    pub(crate) fn range<'a>(&'a self, column: &'a Column, from: i64, to: i64) -> (&'a [i64], &'a [f64]) {
        if column.values.is_empty() {
            return (&[], &[]);
        }
        let times = self.get(column.lane).times(column.first, column.end());
        let (a, b) = (times.partition_point(|t| *t < from), times.partition_point(|t| *t <= to));
        if a >= b {
            return (&[], &[]);
        }
        (&times[a..b], &column.values[a..b])
    }

    /// Drops the column's samples before `cutoff`; returns how many there were.
    pub(crate) fn drain(&mut self, column: &mut Column, cutoff: i64) -> usize {
        if column.values.is_empty() {
            return 0;
        }
        let times = self.get(column.lane).times(column.first, column.end());
        let gone = times.partition_point(|t| *t < cutoff);
        let holes = count_holes(&column.values[..gone]);
        column.values.drain(..gone);
        column.first += gone as u64;
        column.holes -= holes;
        if column.values.len() < column.capacity_worth_keeping() {
            column.values.shrink_to(column.values.len() * 2);
        }
        if column.values.is_empty() {
            self.leave(column);
        }
        gone - holes as usize
    }

    /// Ends the column's use of its lane; its values must be gone or about to be.
    pub(crate) fn leave(&mut self, column: &mut Column) {
        let lane = std::mem::replace(&mut column.lane, NO_LANE);
        if lane == NO_LANE {
            return;
        }
        let left = &mut self.lanes[lane as usize];
        left.members -= 1;
        if left.members == 0 {
            left.times = Vec::new();
            left.base = 0;
            self.free.push(lane);
        }
    }

    /// Drops times that no column needs: `needed` yields each column's lane and first place.
    pub(crate) fn trim(&mut self, needed: impl Iterator<Item = (u32, u64)>) {
        let mut first = vec![u64::MAX; self.lanes.len()];
        for (lane, place) in needed.filter(|(lane, _)| *lane != NO_LANE) {
            first[lane as usize] = first[lane as usize].min(place);
        }
        for (lane, first) in self.lanes.iter_mut().zip(first) {
            lane.trim(first);
        }
    }

    /// Puts a column without values on the hinted lane if that ends at `t`, else on a new one.
    fn join(&mut self, column: &mut Column, t: i64, hint: u32) {
        self.leave(column);
        let hinted = self.lanes.get(hint as usize).filter(|lane| lane.members > 0);
        if hinted.and_then(Lane::last) == Some(t) {
            column.lane = hint;
        } else {
            column.lane = self.open();
            self.lanes[column.lane as usize].push(t);
        }
        let lane = &mut self.lanes[column.lane as usize];
        lane.members += 1;
        column.first = lane.end() - 1;
        column.holes = 0;
    }

    /// Makes `t` the time at the column's end, by whatever the lane allows.
    fn align(&mut self, column: &mut Column, t: i64) {
        let lane = &mut self.lanes[column.lane as usize];
        let (next, end) = (column.end(), lane.end());
        let later = lane.last().expect("a lane in use has times") < t;
        let skipped = if later {
            end - next
        } else {
            match lane.times(next, end).binary_search(&t) {
                Ok(skipped) => skipped as u64,
                Err(_) => return self.part(column, t),
            }
        };
        if skipped > 0 && u64::from(column.holes) + skipped > 8 + column.values.len() as u64 / 2 {
            return self.part(column, t);
        }
        if later {
            lane.push(t);
        }
        column.holes += skipped as u32;
        column.values.extend(std::iter::repeat_n(f64::from_bits(HOLE), skipped as usize));
    }

    /// Moves the column to a lane of its own that ends at `t`.
    fn part(&mut self, column: &mut Column, t: i64) {
        let shared = self.get(column.lane).times(column.first, column.end());
        let (times, values): (Vec<i64>, Vec<f64>) =
            shared.iter().zip(&column.values).filter(|(_, v)| v.to_bits() != HOLE).unzip();
        self.leave(column);
        column.lane = self.open();
        let own = &mut self.lanes[column.lane as usize];
        own.times = times;
        own.push(t);
        own.members = 1;
        (column.values, column.first, column.holes) = (values, 0, 0);
    }

    fn open(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.lanes.push(Lane::default());
            u32::try_from(self.lanes.len() - 1).expect("there are no more lanes than series")
        })
    }
}

impl Column {
    /// Below this many values most of the buffer is empty: an interval became longer, or the series ended.
    fn capacity_worth_keeping(&self) -> usize {
        self.values.capacity() / 4
    }
}

fn count_holes(values: &[f64]) -> u32 {
    values.iter().filter(|v| v.to_bits() == HOLE).count() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Appends `(column, time)` events to columns 0 and up, the value being the time; returns what each holds.
    fn check(events: &[(usize, i64)], lanes_used: usize) {
        let (mut lanes, mut hint) = (Lanes::default(), NO_LANE);
        let mut columns: Vec<Column> = (0..4).map(|_| Column::empty()).collect();
        for (column, t) in events {
            lanes.push(&mut columns[*column], *t, *t as f64, &mut hint);
        }
        for (i, column) in columns.iter().enumerate() {
            let want: Vec<i64> = events.iter().filter(|(c, _)| *c == i).map(|(_, t)| *t).collect();
            let (times, values) = lanes.range(column, i64::MIN, i64::MAX);
            let got: Vec<(i64, f64)> = times
                .iter()
                .zip(values)
                .filter(|(_, v)| v.to_bits() != HOLE)
                .map(|(t, v)| (*t, *v))
                .collect();
            assert_eq!(got, want.iter().map(|t| (*t, *t as f64)).collect::<Vec<_>>(), "column {i}");
        }
        assert_eq!(lanes.iter().count(), lanes_used, "{events:?}");
    }

    #[test]
    fn columns_share_times_while_they_keep_step() {
        check(&[(0, 1), (1, 1), (2, 1), (0, 2), (1, 2), (2, 2)], 1);
        check(&[(0, 1), (1, 1), (0, 2), (0, 3), (1, 3)], 1); // a hole
        check(&[(0, 1), (1, 1), (1, 2), (0, 2)], 1); // another order
        check(&[(0, 1), (1, 1), (0, 5), (1, 4)], 2); // between: a lane of its own
        check(&[(0, 1), (1, 2)], 2);
        let many: Vec<_> =
            [(0, 0), (1, 0)].into_iter().chain((1..20).map(|t| (0, t))).chain([(1, 20)]).collect();
        check(&many, 2); // too many holes
    }

    #[test]
    fn draining_frees_times_and_lanes() {
        let (mut lanes, mut hint) = (Lanes::default(), NO_LANE);
        let mut columns = [Column::empty(), Column::empty()];
        for t in 0..10 {
            for column in &mut columns[..if t < 5 { 2 } else { 1 }] {
                lanes.push(column, t, 0.0, &mut hint);
            }
        }
        assert_eq!(columns.each_mut().map(|c| lanes.drain(c, 7)), [7, 5]);
        lanes.trim(columns.iter().map(|c| (c.lane, c.first)));
        assert_eq!((lanes.get(columns[0].lane).oldest(), columns[1].lane), (Some(7), NO_LANE));
        assert_eq!(lanes.drain(&mut columns[0], 100), 3);
        assert_eq!(lanes.iter().count(), 0);
    }
}

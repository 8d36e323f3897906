//! An immutable segment: the samples of a span of time, compressed by column, with their own index, memory-mapped.
//!
//! The file is drawn in `docs/formats/segment.md`. Its footer and index are checked when it is opened, each
//! block when it is read. Nothing in it refers to the head or to another segment.

pub(crate) mod column;
pub(crate) mod footer;
pub(crate) mod map;
pub(crate) mod merge;
pub(crate) mod read;
pub(crate) mod write;

use crate::error::{Error, On};
use crate::log::varint;
use crate::terms::{self, Terms};
use footer::{Footer, Part, u32_at};
use map::Map;
use model::{Labels, Matcher, Series};
use roaring::RoaringBitmap;
use std::path::{Path, PathBuf};

/// An open segment.
pub(crate) struct Segment {
    map: Map,
    footer: Footer,
    path: PathBuf,
}

impl Segment {
    /// Opens and checks the segment's footer and index.
    pub(crate) fn open(path: &Path) -> Result<Segment, Error> {
        let map = Map::open(path).on("open", path)?;
        let footer = Footer::read(&map).map_err(|what| Error::damaged(path, what))?;
        Ok(Segment { map, footer, path: path.to_owned() })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Time of its oldest sample.
    pub(crate) fn from(&self) -> i64 {
        self.footer.from
    }

    /// All its samples are before this.
    pub(crate) fn to(&self) -> i64 {
        self.footer.to
    }

    pub(crate) fn level(&self) -> u32 {
        self.footer.level
    }

    pub(crate) fn samples(&self) -> u64 {
        self.footer.samples
    }

    /// Its size on disk.
    pub(crate) fn bytes(&self) -> u64 {
        self.map.len() as u64
    }

    /// How many series.
    pub(crate) fn len(&self) -> u32 {
        (self.part(Part::Series).len() / 12) as u32
    }

    /// Whether it may have samples in `from..=to`.
    pub(crate) fn overlaps(&self, from: i64, to: i64) -> bool {
        self.from() <= to && from < self.to()
    }

    /// Whether `other` has all that this one has: it was merged from it, or is its second, longer edition.
    /// Segments that are both of use are disjoint.
    pub(crate) fn is_within(&self, other: &Segment) -> bool {
        let weight = |s: &Segment| (s.level(), s.to(), s.path.clone());
        other.from() <= self.from() && self.to() <= other.to() && weight(self) < weight(other)
    }

    /// Numbers of the series that pass all matchers; numbers ascend with the labels.
    pub(crate) fn matching(&self, matchers: &[Matcher]) -> Result<RoaringBitmap, Error> {
        terms::matching(self, matchers)
    }

    /// The labels of series number `series`.
    pub(crate) fn labels(&self, series: u32) -> Result<Labels, Error> {
        let ends = self.part(Part::Series);
        let end_of = |series: u32| u32_at(ends, 12 * series as usize) as usize;
        let start = if series == 0 { 0 } else { end_of(series - 1) };
        let mut pairs = self
            .part(Part::Pairs)
            .get(start..end_of(series))
            .ok_or_else(|| self.damaged("the pairs of a series lie outside"))?;
        let mut bytes = Vec::with_capacity(256);
        while !pairs.is_empty() {
            let text = self.symbol(self.take_symbol(&mut pairs)?)?;
            bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        Labels::from_bytes(&bytes).ok_or_else(|| self.damaged("the pairs of a series are not a label set"))
    }

    /// Matching series with their samples in `from..=to`, by labels. `budget` goes down by the samples found;
    /// `None` if it does not suffice.
    pub(crate) fn select(
        &self,
        matchers: &[Matcher],
        from: i64,
        to: i64,
        budget: &mut usize,
    ) -> Result<Option<Vec<Series>>, Error> {
        let mut reader = read::Reader::new(self);
        let mut found = Vec::new();
        for series in self.matching(matchers)? {
            let samples = reader.samples(series, from, to)?;
            let Some(left) = budget.checked_sub(samples.len()) else { return Ok(None) };
            *budget = left;
            if !samples.is_empty() {
                found.push(Series { labels: self.labels(series)?, samples });
            }
        }
        Ok(Some(found))
    }

    /// All label names.
    pub(crate) fn names(&self) -> Result<Vec<&str>, Error> {
        let mut names: Vec<u32> = self.terms().map(|(name, ..)| name).collect();
        names.dedup();
        names.into_iter().map(|name| self.symbol(name)).collect()
    }

    /// All values of a label.
    pub(crate) fn values(&self, name: &str) -> Result<Vec<&str>, Error> {
        let mut values = Vec::new();
        for (_, value, _) in self.terms_of(name)? {
            values.push(self.symbol(value)?);
        }
        Ok(values)
    }

    fn part(&self, part: Part) -> &[u8] {
        &self.map[self.footer.range(part)]
    }

    fn damaged(&self, what: impl Into<String>) -> Error {
        Error::damaged(&self.path, what)
    }

    fn take_symbol(&self, pairs: &mut &[u8]) -> Result<u32, Error> {
        let symbol = varint::take(pairs).and_then(|n| u32::try_from(n).ok());
        symbol.ok_or_else(|| self.damaged("a pair of a series is cut short"))
    }

    fn symbol(&self, symbol: u32) -> Result<&str, Error> {
        let (ends, symbol) = (self.part(Part::SymbolEnds), symbol as usize);
        let text = (symbol < ends.len() / 4).then(|| {
            let start = if symbol == 0 { 0 } else { u32_at(ends, 4 * (symbol - 1)) };
            self.part(Part::SymbolTexts).get(start as usize..u32_at(ends, 4 * symbol) as usize)
        });
        text.flatten()
            .and_then(|text| std::str::from_utf8(text).ok())
            .ok_or_else(|| self.damaged("a symbol lies outside"))
    }

    /// The number of a symbol's text.
    fn find_symbol(&self, text: &str) -> Result<Option<u32>, Error> {
        let (mut low, mut high) = (0, (self.part(Part::SymbolEnds).len() / 4) as u32);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.symbol(middle)?.cmp(text) {
                std::cmp::Ordering::Equal => return Ok(Some(middle)),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Ok(None)
    }

    fn term(&self, i: usize) -> (u32, u32) {
        let terms = self.part(Part::Terms);
        (u32_at(terms, 12 * i), u32_at(terms, 12 * i + 4))
    }

    /// Name, value and place of each term.
    fn terms(&self) -> impl Iterator<Item = (u32, u32, usize)> {
        (0..self.part(Part::Terms).len() / 12).map(|i| {
            let (name, value) = self.term(i);
            (name, value, i)
        })
    }

    /// The terms of one name.
    fn terms_of(&self, name: &str) -> Result<impl Iterator<Item = (u32, u32, usize)>, Error> {
        let name = self.find_symbol(name)?;
        let from = name.map_or(0, |name| self.first_term((name, 0)));
        let to = name.map_or(0, |name| self.first_term((name + 1, 0)));
        Ok((from..to).map(|i| {
            let (name, value) = self.term(i);
            (name, value, i)
        }))
    }

    /// The place of the first term that is not less.
    fn first_term(&self, term: (u32, u32)) -> usize {
        let (mut low, mut high) = (0, self.part(Part::Terms).len() / 12);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.term(middle) < term {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The series of the term at a place.
    fn list(&self, i: usize) -> Result<RoaringBitmap, Error> {
        let terms = self.part(Part::Terms);
        let end_of = |i: usize| u32_at(terms, 12 * i + 8) as usize;
        let start = if i == 0 { 0 } else { end_of(i - 1) };
        self.part(Part::Lists)
            .get(start..end_of(i))
            .and_then(|bytes| RoaringBitmap::deserialize_from(bytes).ok())
            .filter(|list| list.max().is_none_or(|max| max < self.len()))
            .ok_or_else(|| self.damaged("a list of series makes no sense"))
    }
}

impl Terms for Segment {
    fn all(&self) -> RoaringBitmap {
        let mut all = RoaringBitmap::new();
        all.insert_range(0..self.len());
        all
    }

    fn equal(&self, name: &str, value: &str, into: &mut RoaringBitmap) -> Result<(), Error> {
        let (Some(name), Some(value)) = (self.find_symbol(name)?, self.find_symbol(value)?) else {
            return Ok(());
        };
        let place = self.first_term((name, value));
        if place < self.part(Part::Terms).len() / 12 && self.term(place) == (name, value) {
            *into |= self.list(place)?;
        }
        Ok(())
    }

    fn union(&self, name: &str, want: &dyn Fn(&str) -> bool, into: &mut RoaringBitmap) -> Result<(), Error> {
        for (_, value, place) in self.terms_of(name)? {
            if want(self.symbol(value)?) {
                *into |= self.list(place)?;
            }
        }
        Ok(())
    }
}

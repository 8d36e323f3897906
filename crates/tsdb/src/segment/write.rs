//! Writes a segment: blocks as they fill, the index at the end, and only then its real name.

use super::column;
use super::footer::{Footer, MAGIC, PARTS};
use crate::error::{Error, On};
use crate::log::{create_file, sync_dir, varint};
use hashbrown::{DefaultHashBuilder, HashMap};
use model::Labels;
use pco::data_types::Number;
use roaring::RoaringBitmap;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::hash::BuildHasher;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// A block is closed at so many pages or numbers, whichever comes first.
const PAGES_MAX: usize = 128;
const NUMBERS_MAX: usize = 1 << 16;

/// A segment in the making.
pub(crate) struct Writer {
    /// The name it gets when it is complete.
    path: PathBuf,
    temporary: PathBuf,
    out: Out,
    values: Blocks<f64>,
    times: Blocks<i64>,
    /// Time columns already written, by a 128-bit hash of their times.
    known: HashMap<u128, u32>,
    hashers: [DefaultHashBuilder; 2],
    symbols: HashMap<Box<str>, u32>,
    /// Per series: its pairs as symbols in order of their first use, and its time column.
    series: Vec<(Box<[u32]>, u32)>,
    samples: u64,
    oldest: i64,
}

struct Out {
    file: BufWriter<File>,
    at: u64,
}

/// A block in the making, and where the ones before it are.
struct Blocks<T> {
    numbers: Vec<T>,
    pages: Vec<usize>,
    /// Count of numbers and start of each page of all blocks.
    written: Vec<(u32, u32)>,
    /// Offset, length and first page of each block.
    blocks: Vec<(u64, u32, u32)>,
}

impl Writer {
    pub(crate) fn create(path: &Path) -> Result<Writer, Error> {
        let temporary = path.with_extension("tmp");
        let file = create_file(&temporary)?;
        let mut out = Out { file: BufWriter::with_capacity(1 << 18, file), at: 0 };
        out.write(MAGIC).on("write to", &temporary)?;
        Ok(Writer {
            path: path.to_owned(),
            temporary,
            out,
            values: Blocks::new(),
            times: Blocks::new(),
            known: HashMap::new(),
            hashers: Default::default(),
            symbols: HashMap::new(),
            series: Vec::new(),
            samples: 0,
            oldest: i64::MAX,
        })
    }

    /// Adds a series; its labels are greater than those of the series before, it has samples, and as many times
    /// as values.
    pub(crate) fn add(&mut self, labels: &Labels, times: &[i64], values: &[f64]) -> Result<(), Error> {
        debug_assert!(!times.is_empty() && times.len() == values.len());
        let column = self.column(times)?;
        self.values.page(values);
        let full = self.values.close_if_full(&mut self.out);
        self.sorted_out(full)?;
        let pairs = labels.iter().flat_map(|(name, value)| [name, value]).map(|text| {
            let next = self.symbols.len() as u32;
            match self.symbols.get(text) {
                Some(symbol) => *symbol,
                None => *self.symbols.entry(text.into()).or_insert(next),
            }
        });
        self.series.push((pairs.collect(), column));
        self.samples += values.len() as u64;
        self.oldest = self.oldest.min(times[0]);
        Ok(())
    }

    /// Whether nothing was added.
    pub(crate) fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// Completes the file, makes it durable and gives it its name. `to` and `level` are the footer's.
    pub(crate) fn finish(mut self, to: i64, level: u32) -> Result<PathBuf, Error> {
        let closed = self.values.close(&mut self.out).and_then(|()| self.times.close(&mut self.out));
        self.sorted_out(closed)?;
        let parts = self.index();
        let mut ends = [0; PARTS];
        let (mut end, mut crc) = (0, crc32fast::Hasher::new());
        let index_at = self.out.at;
        for (part, ends) in parts.iter().zip(&mut ends) {
            end += part.len() as u64;
            *ends = end;
            crc.update(part);
            self.out.write(part).on("write to", &self.temporary)?;
        }
        let footer = Footer {
            index_at,
            ends,
            index_crc: crc.finalize(),
            level,
            from: self.oldest,
            to,
            samples: self.samples,
        };
        self.out.write(&footer.encode()).on("write to", &self.temporary)?;
        self.out.file.flush().on("write to", &self.temporary)?;
        self.out.file.get_ref().sync_all().on("sync", &self.temporary)?;
        fs::rename(&self.temporary, &self.path).on("rename to", &self.path)?;
        sync_dir(self.path.parent().expect("a segment lies in the directory of segments"))?;
        Ok(self.path.clone())
    }

    /// The number of the column of these very times, written now if it is new.
    fn column(&mut self, times: &[i64]) -> Result<u32, Error> {
        let [a, b] = self.hashers.each_ref().map(|hasher| u128::from(hasher.hash_one(times)));
        let next = self.times.pages_len();
        let column = *self.known.entry(a << 64 | b).or_insert(next);
        if column == next {
            self.times.page(times);
            let full = self.times.close_if_full(&mut self.out);
            self.sorted_out(full)?;
        }
        Ok(column)
    }

    fn sorted_out<T>(&self, result: Result<T, WriteError>) -> Result<T, Error> {
        result.map_err(|error| match error {
            WriteError::Io(source) => Error::Io { doing: "write to", path: self.temporary.clone(), source },
            WriteError::Compress(why) => Error::Compress { path: self.temporary.clone(), why },
        })
    }

    /// The parts of the index, in the order of [`super::footer::Part`].
    fn index(&self) -> [Vec<u8>; PARTS] {
        let mut sorted: Vec<(&str, u32)> = self.symbols.iter().map(|(text, n)| (&**text, *n)).collect();
        sorted.sort_unstable();
        let mut place = vec![0u32; sorted.len()];
        let (mut symbol_ends, mut symbol_texts) = (Vec::new(), Vec::new());
        for (i, (text, n)) in (0u32..).zip(&sorted) {
            place[*n as usize] = i;
            symbol_texts.extend_from_slice(text.as_bytes());
            put(&mut symbol_ends, [symbol_texts.len() as u32]);
        }
        let (mut series, mut pairs) = (Vec::new(), Vec::new());
        let mut lists: BTreeMap<(u32, u32), RoaringBitmap> = BTreeMap::new();
        for (i, ((symbols, column), (_, page))) in (0u32..).zip(self.series.iter().zip(&self.values.written))
        {
            for pair in symbols.chunks_exact(2) {
                let pair = (place[pair[0] as usize], place[pair[1] as usize]);
                varint::put(&mut pairs, u64::from(pair.0));
                varint::put(&mut pairs, u64::from(pair.1));
                lists.entry(pair).or_default().insert(i);
            }
            put(&mut series, [pairs.len() as u32, *column, *page]);
        }
        let (mut terms, mut list_bytes) = (Vec::new(), Vec::new());
        for ((name, value), mut list) in lists {
            list.optimize();
            list.serialize_into(&mut list_bytes).expect("a write to memory cannot fail");
            put(&mut terms, [name, value, list_bytes.len() as u32]);
        }
        let mut columns = Vec::new();
        for (n, page) in &self.times.written {
            put(&mut columns, [*n, *page]);
        }
        [
            symbol_ends,
            symbol_texts,
            series,
            pairs,
            self.values.table(),
            columns,
            self.times.table(),
            terms,
            list_bytes,
        ]
    }
}

impl Drop for Writer {
    /// An unfinished file is of no use; after `finish` there is none of that name.
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.temporary);
    }
}

enum WriteError {
    Io(std::io::Error),
    Compress(String),
}

impl<T: Number> Blocks<T> {
    fn new() -> Blocks<T> {
        Blocks { numbers: Vec::new(), pages: Vec::new(), written: Vec::new(), blocks: Vec::new() }
    }

    fn pages_len(&self) -> u32 {
        (self.written.len() + self.pages.len()) as u32
    }

    fn page(&mut self, numbers: &[T]) {
        self.numbers.extend_from_slice(numbers);
        self.pages.push(numbers.len());
    }

    fn close_if_full(&mut self, out: &mut Out) -> Result<(), WriteError> {
        if self.pages.len() >= PAGES_MAX || self.numbers.len() >= NUMBERS_MAX {
            return self.close(out);
        }
        Ok(())
    }

    fn close(&mut self, out: &mut Out) -> Result<(), WriteError> {
        if self.pages.is_empty() {
            return Ok(());
        }
        let (bytes, starts) = column::encode(&self.numbers, &self.pages)
            .map_err(|error| WriteError::Compress(error.to_string()))?;
        self.blocks.push((out.at, bytes.len() as u32, self.written.len() as u32));
        self.written.extend(self.pages.drain(..).map(|n| n as u32).zip(starts));
        self.numbers.clear();
        out.write(&bytes).map_err(WriteError::Io)
    }

    fn table(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (at, len, first) in &self.blocks {
            bytes.extend_from_slice(&at.to_le_bytes());
            put(&mut bytes, [*len, *first]);
        }
        bytes
    }
}

impl Out {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.file.write_all(bytes)?;
        self.at += bytes.len() as u64;
        Ok(())
    }
}

fn put<const N: usize>(out: &mut Vec<u8>, numbers: [u32; N]) {
    for number in numbers {
        out.extend_from_slice(&number.to_le_bytes());
    }
}

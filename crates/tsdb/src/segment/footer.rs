//! The fixed end of a segment: where the parts of its index lie, and what it covers.

/// How a segment file begins and ends.
pub(crate) const MAGIC: &[u8; 8] = b"TOCSSEG1";

/// The parts of the index, in file order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// End of each symbol's text (u32).
    SymbolEnds,
    /// Symbols' texts, sorted.
    SymbolTexts,
    /// Per series, by labels: end of its pairs, time column, start of its page (u32 each).
    Series,
    /// Pairs of symbol numbers (varints).
    Pairs,
    /// Blocks of values: offset (u64), length, first series (u32).
    ValueBlocks,
    /// Per time column: count of times, start of its page (u32 each).
    Columns,
    /// Blocks of times: offset (u64), length, first column (u32).
    TimeBlocks,
    /// Sorted: symbol of the name, symbol of the value, end of the list of series (u32 each).
    Terms,
    /// Lists of series, as portable roaring bitmaps.
    Lists,
}

/// How many parts there are.
pub(crate) const PARTS: usize = 9;

/// Length of the footer.
pub(crate) const BYTES: usize = 8 * PARTS + 8 * 4 + 4 * 3 + MAGIC.len();

/// The footer's facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Footer {
    /// Where the index starts in the file; its parts follow each other.
    pub(crate) index_at: u64,
    /// End of each part, from the start of the index.
    pub(crate) ends: [u64; PARTS],
    /// CRC-32 of the index.
    pub(crate) index_crc: u32,
    /// How many merges made it: 0 for a flush.
    pub(crate) level: u32,
    /// Time of its oldest sample.
    pub(crate) from: i64,
    /// The store had, up to before this time, no sample that is neither here nor in an older segment.
    pub(crate) to: i64,
    pub(crate) samples: u64,
}

impl Footer {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(BYTES);
        for end in self.ends {
            bytes.extend_from_slice(&end.to_le_bytes());
        }
        bytes.extend_from_slice(&self.index_at.to_le_bytes());
        bytes.extend_from_slice(&self.from.to_le_bytes());
        bytes.extend_from_slice(&self.to.to_le_bytes());
        bytes.extend_from_slice(&self.samples.to_le_bytes());
        bytes.extend_from_slice(&self.level.to_le_bytes());
        bytes.extend_from_slice(&self.index_crc.to_le_bytes());
        let crc = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes.extend_from_slice(MAGIC);
        bytes
    }

    /// From the whole file; the error says what does not hold.
    pub(crate) fn read(file: &[u8]) -> Result<Footer, &'static str> {
        if file.len() < MAGIC.len() + BYTES || !file.starts_with(MAGIC) || !file.ends_with(MAGIC) {
            return Err("it does not begin and end as a segment does");
        }
        let start = file.len() - BYTES;
        let bytes = &file[start..];
        let crc_at = BYTES - MAGIC.len() - 4;
        if crc32fast::hash(&bytes[..crc_at]) != u32_at(bytes, crc_at) {
            return Err("the checksum of its footer does not hold");
        }
        let number = |i: usize| u64_at(bytes, 8 * i);
        let footer = Footer {
            ends: std::array::from_fn(number),
            index_at: number(PARTS),
            from: number(PARTS + 1) as i64,
            to: number(PARTS + 2) as i64,
            samples: number(PARTS + 3),
            level: u32_at(bytes, 8 * (PARTS + 4)),
            index_crc: u32_at(bytes, 8 * (PARTS + 4) + 4),
        };
        let index_end = footer.index_at.checked_add(footer.ends[PARTS - 1]);
        if index_end != Some(start as u64) || !footer.ends.is_sorted() || footer.from >= footer.to {
            return Err("its footer contradicts itself");
        }
        if crc32fast::hash(&file[footer.index_at as usize..start]) != footer.index_crc {
            return Err("the checksum of its index does not hold");
        }
        Ok(footer)
    }

    /// Where a part lies in the file.
    pub(crate) fn range(&self, part: Part) -> std::ops::Range<usize> {
        let i = part as usize;
        let start = if i == 0 { 0 } else { self.ends[i - 1] };
        (self.index_at + start) as usize..(self.index_at + self.ends[i]) as usize
    }
}

/// The little-endian number at byte `at`, which is within.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes were taken"))
}

/// The little-endian number at byte `at`, which is within.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes were taken"))
}

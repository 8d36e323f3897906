//! A block of columns: pages of numbers compressed with one shared model, each page readable alone.
//!
//! Series that lie together look alike (they are sorted by labels), so the model, which costs more than a short
//! page, is paid once a block. A block begins with the CRC-32 of the rest.

use pco::ChunkConfig;
use pco::FULL_BATCH_N;
use pco::PagingSpec;
use pco::data_types::Number;
use pco::errors::PcoError;
use pco::wrapped::{ChunkDecompressor, FileCompressor, FileDecompressor};

/// The bytes of a block, and where each page starts in them.
pub(crate) type Encoded = (Vec<u8>, Vec<u32>);

/// Compresses `numbers`, which are the pages one after another, each of a length in `pages` above zero.
pub(crate) fn encode<T: Number>(numbers: &[T], pages: &[usize]) -> Result<Encoded, PcoError> {
    let config = ChunkConfig::default().with_paging_spec(PagingSpec::Exact(pages.to_vec()));
    let compressor = FileCompressor::default();
    let mut chunk = compressor.chunk_compressor(numbers, &config)?;
    let mut bytes = compressor.write_header(vec![0; 4])?;
    bytes = chunk.write_meta(bytes)?;
    let mut starts = Vec::with_capacity(pages.len());
    for page in 0..pages.len() {
        starts.push(bytes.len() as u32);
        bytes = chunk.write_page(page, bytes)?;
    }
    let crc = crc32fast::hash(&bytes[4..]);
    bytes[..4].copy_from_slice(&crc.to_le_bytes());
    Ok((bytes, starts))
}

/// An opened block.
pub(crate) struct Block<'a, T: Number> {
    bytes: &'a [u8],
    chunk: ChunkDecompressor<T>,
}

impl<'a, T: Number + Default> Block<'a, T> {
    /// Checks the whole block; the error says what does not hold.
    pub(crate) fn open(bytes: &'a [u8]) -> Result<Block<'a, T>, String> {
        let (crc, body) = bytes.split_first_chunk::<4>().ok_or("a block is cut short")?;
        if crc32fast::hash(body) != u32::from_le_bytes(*crc) {
            return Err("the checksum of a block does not hold".to_owned());
        }
        let (file, rest) = FileDecompressor::new(body).map_err(|e| e.to_string())?;
        let (chunk, _) = file.chunk_decompressor(rest).map_err(|e| e.to_string())?;
        Ok(Block { bytes, chunk })
    }

    /// The first `want` (at least) of the `n` numbers of the page that starts at `start`.
    pub(crate) fn read(&mut self, start: u32, n: usize, want: usize) -> Result<Vec<T>, String> {
        let page = self.bytes.get(start as usize..).ok_or("a page lies outside its block")?;
        let mut page = self.chunk.page_decompressor(page, n).map_err(|e| e.to_string())?;
        let mut numbers = vec![T::default(); want.next_multiple_of(FULL_BATCH_N).min(n)];
        let progress = page.read(&mut numbers).map_err(|e| e.to_string())?;
        if progress.n_processed != numbers.len() {
            return Err("a page is cut short".to_owned());
        }
        Ok(numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_returns_page_by_page() {
        let odd = [
            0.0,
            -0.0,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::MIN_POSITIVE / 2.0,
            1e300,
            -1.5,
            f64::from_bits(0xfff8_0000_0000_1234),
            model::STALE_NAN,
        ];
        let counter: Vec<f64> = (0..1000).map(|i| f64::from(i * 3)).collect();
        let tenths: Vec<f64> = (0..700).map(|i| f64::from(i * 7 % 113) / 10.0).collect();
        let pages: Vec<Vec<f64>> = vec![
            odd.to_vec(),
            counter.clone(),
            vec![5.0],
            [counter, vec![model::STALE_NAN], tenths].concat(),
            vec![f64::NAN; 300],
        ];
        let lens: Vec<usize> = pages.iter().map(Vec::len).collect();
        let (bytes, starts) = encode(&pages.concat(), &lens).unwrap();
        let mut block = Block::<f64>::open(&bytes).unwrap();
        for (page, start) in pages.iter().zip(starts).rev() {
            let bits = |numbers: &[f64]| numbers.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&block.read(start, page.len(), page.len()).unwrap()), bits(page));
            let part = block.read(start, page.len(), 1).unwrap();
            assert_eq!(bits(&part), bits(&page[..part.len()]));
        }
    }

    #[test]
    fn damage_is_an_error() {
        let (bytes, _) = encode(&[1i64, 2, 3], &[2, 1]).unwrap();
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 0x40;
            assert!(Block::<i64>::open(&bad).is_err(), "byte {at}");
            assert!(Block::<i64>::open(&bytes[..at]).is_err(), "cut to {at}");
        }
    }
}

//! Records in a file: length (u32), CRC-32 of the payload (u32), payload; little endian. A record is whole or it
//! is not there.

use crate::error::Error;

const HEAD: usize = 8;
/// A record's payload is no longer than this; a greater length on disk is damage.
const PAYLOAD_MAX: usize = 256 << 20;

/// Appends a record whose payload `write` produces.
pub(crate) fn put(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Error> {
    let start = out.len();
    out.extend_from_slice(&[0; HEAD]);
    write(out);
    let bytes = out.len() - start - HEAD;
    if bytes > PAYLOAD_MAX {
        out.truncate(start);
        return Err(Error::BatchTooLarge { bytes });
    }
    let crc = crc32fast::hash(&out[start + HEAD..]);
    out[start..start + 4].copy_from_slice(&(bytes as u32).to_le_bytes());
    out[start + 4..start + HEAD].copy_from_slice(&crc.to_le_bytes());
    Ok(())
}

/// The whole records at the front of `bytes`; [`Frames::read`] tells afterwards how far they reach.
pub(crate) struct Frames<'a> {
    bytes: &'a [u8],
    read: usize,
}

impl<'a> Frames<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Frames<'a> {
        Frames { bytes, read: 0 }
    }

    /// Where the last whole record ended.
    pub(crate) fn read(&self) -> usize {
        self.read
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (len, rest) = self.bytes[self.read..].split_first_chunk::<4>()?;
        let (crc, rest) = rest.split_first_chunk::<4>()?;
        let len = u32::from_le_bytes(*len) as usize;
        // An empty payload is never written; a file's hole of zeros would look like many of them.
        if len == 0 || len > PAYLOAD_MAX {
            return None;
        }
        let payload = rest.get(..len)?;
        if crc32fast::hash(payload) != u32::from_le_bytes(*crc) {
            return None;
        }
        self.read += HEAD + len;
        Some(payload)
    }
}

//! Reads the sample files back at open: every whole record, in order; a torn end is cut off and counted.

use super::{MAGIC, Span, file_path, frame::Frames, record, record::Item};
use crate::error::{Error, On};
use std::fs::{self, File};
use std::path::Path;

/// The files found, with what could not be read.
#[derive(Debug, Default)]
pub(crate) struct Replayed {
    pub(crate) files: Vec<Span>,
    /// Bytes after the last whole record of their file, cut off.
    pub(crate) cut: u64,
}

/// Hands every batch to `apply`. Reading the same files again gives the same batches.
pub(crate) fn replay(dir: &Path, mut apply: impl FnMut(&[Item])) -> Result<Replayed, Error> {
    let mut replayed = Replayed::default();
    let mut items = Vec::new();
    for number in numbers(dir)? {
        let path = file_path(dir, number);
        let bytes = fs::read(&path).on("read", &path)?;
        let body = bytes.strip_prefix(MAGIC);
        let mut frames = Frames::new(body.unwrap_or_default());
        let mut span = Span { number, bytes: 0, newest: i64::MIN };
        for payload in &mut frames {
            record::decode(payload, &mut items)
                .ok_or_else(|| Error::damaged(&path, "a record makes no sense though its checksum holds"))?;
            span.newest = items.iter().map(|item| item.t).fold(span.newest, i64::max);
            apply(&items);
        }
        // Without its first eight bytes a file was torn at birth: nothing of it had been acknowledged.
        span.bytes = body.map_or(0, |_| MAGIC.len() + frames.read()) as u64;
        let torn = bytes.len() as u64 - span.bytes;
        if torn > 0 {
            replayed.cut += torn;
            let file = File::options().write(true).open(&path).on("open", &path)?;
            file.set_len(span.bytes).on("cut the torn end of", &path)?;
        }
        replayed.files.push(span);
    }
    Ok(replayed)
}

fn numbers(dir: &Path) -> Result<Vec<u64>, Error> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(dir).on("list", dir)? {
        let name = entry.on("list", dir)?.file_name();
        let stem = name.to_str().and_then(|name| name.strip_suffix(".wal"));
        numbers.extend(stem.and_then(|stem| stem.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

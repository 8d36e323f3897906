//! A whole file as bytes, mapped into memory. The one place of this crate that needs `unsafe`.
#![allow(unsafe_code, reason = "a memory map is a promise about the file that the compiler cannot check")]

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::path::Path;

/// A read-only map of a segment.
pub(crate) struct Map(memmap2::Mmap);

impl Map {
    /// Maps `path`, which must be a finished segment.
    pub(crate) fn open(path: &Path) -> io::Result<Map> {
        let file = File::open(path)?;
        // SAFETY: the bytes must not change while they are borrowed. Segments are written under another name,
        // renamed when complete and synced, and never written or truncated afterwards; deleting one leaves its
        // map intact. The store's directory belongs to this process alone (it holds the lock file), so only an
        // operator who overwrites a segment in place could break this.
        let map = unsafe { memmap2::Mmap::map(&file)? };
        Ok(Map(map))
    }
}

impl Deref for Map {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

//! The log in front of the head: what a commit writes before anything of it is visible.
//!
//! Two kinds of file, drawn in `docs/formats/wal.md`: `series.log` defines which labels an id stands for,
//! `wal/NNNNNNNN.wal` hold the samples, a batch a record. A commit writes the definitions first, so a sample on
//! disk always has its series. Sample files are deleted when a segment holds all they have; `series.log` is
//! rewritten when most of it is dead.
//!
//! A write or sync that fails is final: the log takes nothing more.

pub(crate) mod definitions;
pub(crate) mod frame;
pub(crate) mod record;
pub(crate) mod replay;
pub(crate) mod varint;

use crate::error::{Error, On};
use definitions::Definitions;
use model::{Labels, SeriesId};
use record::Item;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MAGIC: &[u8; 8] = b"TOCSWAL1";
/// A file this large is followed by a new one, so that old samples can go.
const FILE_BYTES_MAX: u64 = 128 << 20;

/// The open log. One writer: its owner keeps it in a mutex.
pub(crate) struct Log {
    dir: PathBuf,
    /// The file being written; shared with whoever syncs it without holding the log's lock.
    file: Arc<File>,
    /// Files left behind since the last sync.
    unsynced: Vec<Arc<File>>,
    current: Span,
    /// Files that are whole and take nothing more, oldest first.
    sealed: Vec<Span>,
    pub(crate) definitions: Definitions,
    buffer: Vec<u8>,
    failed: Option<String>,
}

/// One file of samples.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) number: u64,
    pub(crate) bytes: u64,
    /// `i64::MIN` if there are none.
    pub(crate) newest: i64,
}

impl Log {
    /// Starts a new file after `sealed`.
    pub(crate) fn start(dir: &Path, sealed: Vec<Span>, definitions: Definitions) -> Result<Log, Error> {
        let number = sealed.last().map_or(0, |span| span.number) + 1;
        let (file, current) = create(dir, number)?;
        Ok(Log {
            dir: dir.to_owned(),
            file: Arc::new(file),
            unsynced: Vec::new(),
            current,
            sealed,
            definitions,
            buffer: Vec::new(),
            failed: None,
        })
    }

    /// Writes a batch: the series that no record defines yet, then the samples. After `Ok` the operating
    /// system has all of it.
    pub(crate) fn write(&mut self, new: &[(SeriesId, Labels)], items: &[Item]) -> Result<(), Error> {
        self.check()?;
        self.buffer.clear();
        frame::put(&mut self.buffer, |out| record::encode(items, out))?;
        let written = self.definitions.write(new).and_then(|()| {
            (&*self.file).write_all(&self.buffer).on("write to", &file_path(&self.dir, self.current.number))
        });
        self.final_if_failed(written)?;
        self.current.bytes += self.buffer.len() as u64;
        self.current.newest = items.iter().map(|item| item.t).fold(self.current.newest, i64::max);
        if self.buffer.capacity() > 1 << 20 {
            self.buffer = Vec::new();
        }
        if self.current.bytes >= FILE_BYTES_MAX {
            // The batch is written. A failure here is kept, and refuses the next one.
            let _ = self.rotate();
        }
        Ok(())
    }

    /// Goes on in a new file.
    pub(crate) fn rotate(&mut self) -> Result<(), Error> {
        self.check()?;
        let created = create(&self.dir, self.current.number + 1);
        let (file, current) = self.final_if_failed(created)?;
        self.sealed.push(std::mem::replace(&mut self.current, current));
        self.unsynced.push(std::mem::replace(&mut self.file, Arc::new(file)));
        Ok(())
    }

    /// The files whose sync makes all so far written safe from the death of the machine. Whoever takes them
    /// syncs them all, or lets the log fail.
    pub(crate) fn take_unsynced(&mut self) -> Result<Vec<Arc<File>>, Error> {
        self.check()?;
        let mut files = vec![self.definitions.file()];
        files.append(&mut self.unsynced);
        files.push(self.file.clone());
        Ok(files)
    }

    /// Deletes files whose samples are all before `cutoff`; segments hold them.
    pub(crate) fn drop_before(&mut self, cutoff: i64) -> Result<(), Error> {
        while let Some(span) = self.sealed.first().filter(|span| span.newest < cutoff) {
            let path = file_path(&self.dir, span.number);
            fs::remove_file(&path).on("remove", &path)?;
            self.sealed.remove(0);
        }
        Ok(())
    }

    /// Bytes on disk, definitions included.
    pub(crate) fn bytes(&self) -> u64 {
        self.sealed.iter().map(|span| span.bytes).sum::<u64>() + self.current.bytes + self.definitions.bytes()
    }

    /// Takes nothing more from now on if `result` is an error.
    pub(crate) fn final_if_failed<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        if let Err(error) = &result {
            self.failed.get_or_insert_with(|| error.chain());
        }
        result
    }

    fn check(&self) -> Result<(), Error> {
        match &self.failed {
            Some(why) => Err(Error::Failed { why: why.clone() }),
            None => Ok(()),
        }
    }
}

fn create(dir: &Path, number: u64) -> Result<(File, Span), Error> {
    let path = file_path(dir, number);
    let mut file = create_file(&path)?;
    file.write_all(MAGIC).on("write to", &path)?;
    sync_dir(dir)?;
    Ok((file, Span { number, bytes: MAGIC.len() as u64, newest: i64::MIN }))
}

/// A new, empty file that only its owner may read.
pub(crate) fn create_file(path: &Path) -> Result<File, Error> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path).on("create", path)
}

pub(crate) fn file_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:08}.wal"))
}

/// Makes creations, renames and removals in `dir` survive the death of the machine.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), Error> {
    File::open(dir).and_then(|dir| dir.sync_all()).on("sync", dir)
}

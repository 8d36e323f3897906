//! `series.log`: which labels an id stands for. Appended to when a series' first sample is committed; rewritten
//! without the dead when these are the greater part.

use super::{create_file, frame, sync_dir};
use crate::error::{Error, On};
use model::{Labels, SeriesId};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MAGIC: &[u8; 8] = b"TOCSSER1";
const SERIES: u8 = 1;
const GENERATION: u8 = 2;
/// The file is not rewritten for fewer dead definitions than this.
const DEAD_MIN: usize = 10_000;

/// The open file.
pub(crate) struct Definitions {
    path: PathBuf,
    file: Arc<File>,
    bytes: u64,
    /// Definitions in the file, dead ones included.
    count: usize,
    buffer: Vec<u8>,
}

/// What the file held.
pub(crate) struct Loaded {
    /// In the order in which they were defined; later ones replace earlier ones of the same slot or labels.
    pub(crate) series: Vec<(SeriesId, Labels)>,
    /// No earlier id is of a later generation.
    pub(crate) generation: u32,
    /// Bytes after the last whole record, cut off.
    pub(crate) cut: u64,
}

impl Definitions {
    /// Opens the file, creating it if missing, and cuts off a torn end.
    pub(crate) fn open(path: &Path) -> Result<(Definitions, Loaded), Error> {
        if !path.exists() {
            replace(path, 0, &[])?;
        }
        let bytes = fs::read(path).on("read", path)?;
        let body = bytes
            .strip_prefix(MAGIC)
            .ok_or_else(|| Error::damaged(path, "it does not begin as a series log does"))?;
        let mut loaded = Loaded { series: Vec::new(), generation: 0, cut: 0 };
        let mut frames = frame::Frames::new(body);
        for payload in &mut frames {
            read(payload, &mut loaded).ok_or_else(|| Error::damaged(path, "a record makes no sense"))?;
        }
        let whole = (MAGIC.len() + frames.read()) as u64;
        loaded.cut = bytes.len() as u64 - whole;
        let file = File::options().append(true).open(path).on("open", path)?;
        if loaded.cut > 0 {
            file.set_len(whole).on("cut the torn end of", path)?;
        }
        let count = loaded.series.len();
        let definitions = Definitions {
            path: path.to_owned(),
            file: Arc::new(file),
            bytes: whole,
            count,
            buffer: Vec::new(),
        };
        Ok((definitions, loaded))
    }

    pub(crate) fn write(&mut self, new: &[(SeriesId, Labels)]) -> Result<(), Error> {
        if new.is_empty() {
            return Ok(());
        }
        self.buffer.clear();
        encode(&mut self.buffer, new)?;
        (&*self.file).write_all(&self.buffer).on("write to", &self.path)?;
        self.bytes += self.buffer.len() as u64;
        self.count += new.len();
        self.buffer = Vec::new();
        Ok(())
    }

    /// Whether a rewrite with `live` definitions pays.
    pub(crate) fn mostly_dead(&self, live: usize) -> bool {
        self.count > 2 * live + DEAD_MIN
    }

    /// Replaces the file by one with `series` only; ids given out later are of a later generation.
    pub(crate) fn rewrite(&mut self, generation: u32, series: &[(SeriesId, Labels)]) -> Result<(), Error> {
        replace(&self.path, generation, series)?;
        self.file = Arc::new(File::options().append(true).open(&self.path).on("open", &self.path)?);
        self.bytes = fs::metadata(&self.path).on("read", &self.path)?.len();
        self.count = series.len();
        Ok(())
    }

    pub(crate) fn file(&self) -> Arc<File> {
        self.file.clone()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

fn replace(path: &Path, generation: u32, series: &[(SeriesId, Labels)]) -> Result<(), Error> {
    let mut bytes = MAGIC.to_vec();
    frame::put(&mut bytes, |out| {
        out.push(GENERATION);
        out.extend_from_slice(&generation.to_le_bytes());
    })?;
    encode(&mut bytes, series)?;
    let new = path.with_extension("log.tmp");
    let mut file = create_file(&new)?;
    file.write_all(&bytes).and_then(|()| file.sync_all()).on("write to", &new)?;
    fs::rename(&new, path).on("replace", path)?;
    sync_dir(path.parent().expect("the series log lies in the store's directory"))
}

fn encode(out: &mut Vec<u8>, series: &[(SeriesId, Labels)]) -> Result<(), Error> {
    for (id, labels) in series {
        frame::put(out, |out| {
            out.push(SERIES);
            out.extend_from_slice(&id.0.to_le_bytes());
            out.extend_from_slice(labels.as_bytes());
        })?;
    }
    Ok(())
}

fn read(payload: &[u8], loaded: &mut Loaded) -> Option<()> {
    let (kind, rest) = payload.split_first()?;
    match *kind {
        SERIES => {
            let (id, labels) = rest.split_first_chunk::<8>()?;
            loaded.series.push((SeriesId(u64::from_le_bytes(*id)), Labels::from_bytes(labels)?));
        }
        GENERATION => loaded.generation = loaded.generation.max(u32::from_le_bytes(rest.try_into().ok()?)),
        _ => return None,
    }
    Some(())
}

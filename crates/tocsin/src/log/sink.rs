//! Where lines go: stderr, or a file that is opened again once it was renamed away.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::PathBuf,
};

/// Takes whole lines.
pub enum Sink {
    /// The process's own stderr.
    Stderr,
    /// A file.
    File {
        /// Where it should be.
        path: PathBuf,
        /// The one that is open.
        file: File,
    },
}

impl Sink {
    /// The file, made if there is none and readable by its owner alone; stderr without one.
    pub fn open(path: Option<PathBuf>) -> io::Result<Sink> {
        Ok(match path {
            None => Sink::Stderr,
            Some(path) => Sink::File { file: open(&path)?, path },
        })
    }

    /// Writes one or more lines at once.
    pub fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Sink::Stderr => io::stderr().write_all(lines),
            Sink::File { path, file } => {
                let moved = std::fs::metadata(&*path).map(|meta| meta.ino()).ok()
                    != file.metadata().map(|meta| meta.ino()).ok();
                if moved {
                    *file = open(path)?;
                }
                file.write_all(lines)
            }
        }
    }
}

fn open(path: &PathBuf) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

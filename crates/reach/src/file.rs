//! The last lines of a file. Regular files only: a pipe could hang.

use crate::Error;
use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// The end of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// The last lines, oldest first; what is no UTF-8 in them is replaced.
    pub lines: Vec<String>,
    /// Whether the first of them lost its beginning to the limit.
    pub cut: bool,
    /// The file's size.
    pub size: u64,
    /// When it last changed, in seconds since the epoch.
    pub modified_secs: Option<u64>,
}

/// The last `lines` lines of `path`, at most the last `bytes_max` bytes.
pub async fn tail(path: &Path, lines: usize, bytes_max: usize) -> Result<Tail, Error> {
    let path = path.to_owned();
    let shown = path.clone();
    let read = tokio::task::spawn_blocking(move || read(&path, lines, bytes_max));
    read.await.unwrap_or_else(|_| Err(fail(&shown, "reading was stopped")))
}

fn read(path: &Path, lines: usize, bytes_max: usize) -> Result<Tail, Error> {
    let io = |e: std::io::Error| fail(path, &crate::guard::plain(&e));
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).expect("a flag is a small number");
    let mut file = File::options().read(true).custom_flags(nonblocking).open(path).map_err(io)?;
    let about = file.metadata().map_err(io)?;
    if !about.is_file() {
        return Err(fail(path, "it is no regular file"));
    }
    let size = about.len();
    // One byte more, to see whether a line begins exactly at the limit.
    let window = (bytes_max as u64 + 1).min(size);
    file.seek(SeekFrom::Start(size - window)).map_err(io)?;
    let mut bytes = Vec::new();
    file.take(window).read_to_end(&mut bytes).map_err(io)?;
    let mut cut = false;
    if window < size || bytes.len() > bytes_max {
        cut = bytes.first() != Some(&b'\n');
        bytes.remove(0);
    }
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.trim_end_matches('\n').split('\n').collect();
    let all = if text.is_empty() { Vec::new() } else { all };
    let kept = &all[all.len().saturating_sub(lines)..];
    let modified = about.modified().ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    Ok(Tail {
        cut: cut && kept.len() == all.len(),
        lines: kept.iter().map(|line| line.trim_end_matches('\r').to_owned()).collect(),
        size,
        modified_secs: modified.map(|since| since.as_secs()),
    })
}

fn fail(path: &Path, why: &str) -> Error {
    Error::File { path: PathBuf::from(path), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(text: &str, lines: usize, bytes_max: usize, expected: &[&str], cut: bool) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let tail = tail(file.path(), lines, bytes_max).await.unwrap();
        assert_eq!(tail.lines, expected, "{lines} lines, {bytes_max} bytes of {text:?}");
        assert_eq!(
            (tail.cut, tail.size),
            (cut, text.len() as u64),
            "{lines} lines, {bytes_max} bytes of {text:?}"
        );
    }

    #[tokio::test]
    async fn tails() {
        check("", 3, 100, &[], false).await;
        check("a\nb\nc\n", 2, 100, &["b", "c"], false).await;
        check("a\nb\nc", 2, 100, &["b", "c"], false).await;
        check("a\r\nb\r\n", 9, 100, &["a", "b"], false).await;
        check("one\ntwo\nthree\n", 9, 8, &["o", "three"], true).await;
        check("one\ntwo\nthree\n", 9, 10, &["two", "three"], false).await;
        check("one\ntwo\nthree\n", 1, 8, &["three"], false).await;
        check("one long line", 5, 4, &["line"], true).await;
        check("äöü", 5, 3, &["\u{fffd}ü"], true).await;
    }

    #[tokio::test]
    async fn what_is_no_file() {
        let error = tail(Path::new("/nowhere/x.log"), 1, 10).await.unwrap_err();
        assert_eq!(error.to_string(), "cannot read /nowhere/x.log: no such file or directory");
        let error = tail(Path::new("/"), 1, 10).await.unwrap_err();
        assert_eq!(error.to_string(), "cannot read /: it is no regular file");
    }
}

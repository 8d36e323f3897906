//! The data directory: private, used by one process at a time, holding the credentials of this installation.

use anyhow::{Context, Result, bail};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{Read, Seek, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// An open data directory; its lock is held until this is dropped or the process ends, however it ends.
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Opens `path`, creating it with mode 0700. Fails if another process has it, naming that process.
    pub fn open(path: &Path) -> Result<DataDir> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .with_context(|| format!("cannot create the data directory {}", path.display()))?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))
            .with_context(|| format!("cannot make {} private (mode 0700)", path.display()))?;
        let mut lock = private(OpenOptions::new().read(true).write(true).create(true), &path.join("lock"))?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            let mut pid = String::new();
            let _ = lock.read_to_string(&mut pid);
            bail!(
                "the data directory {} is in use by process {}; stop it or give --data-dir another one",
                path.display(),
                pid.trim()
            );
        }
        lock.set_len(0)?;
        lock.rewind()?;
        writeln!(lock, "{}", std::process::id())?;
        Ok(DataDir { path: path.to_path_buf(), _lock: lock })
    }

    /// A path inside it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The credentials of this installation, made at the first call and never changed after.
    pub fn credentials(&self) -> Result<Credentials> {
        let path = self.join("credentials.json");
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .with_context(|| format!("{} is damaged; restore it or delete it to get new keys", path.display())),
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => {
                let fresh = Credentials::fresh();
                let mut text = serde_json::to_string_pretty(&fresh)?;
                text.push('\n');
                let half = self.join("credentials.json.new");
                let mut file = private(OpenOptions::new().write(true).create(true).truncate(true), &half)?;
                file.write_all(text.as_bytes())?;
                file.sync_all()?;
                fs::rename(&half, &path).with_context(|| format!("cannot write {}", path.display()))?;
                Ok(fresh)
            }
            Err(why) => Err(why).with_context(|| format!("cannot read {}", path.display())),
        }
    }
}

fn private(options: &mut OpenOptions, path: &Path) -> Result<File> {
    options.mode(0o600).open(path).with_context(|| format!("cannot open {}", path.display()))
}

/// One key per role and the secret that signs tokens: 256 random bits each, in URL-safe characters.
#[derive(Clone, Serialize, Deserialize)]
pub struct Credentials {
    /// May do everything.
    pub admin: String,
    /// May decide and operate.
    pub operator: String,
    /// May create and do work.
    pub agent: String,
    /// May read.
    pub user: String,
    /// Signs tokens.
    pub jwt_secret: String,
}

impl Credentials {
    fn fresh() -> Credentials {
        Credentials { admin: key(), operator: key(), agent: key(), user: key(), jwt_secret: key() }
    }
}

/// 256 random bits as 43 characters of URL-safe base 64.
fn key() -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bytes: [u8; 32] = rand::random();
    let digit = |bit: usize| {
        let byte = |i: usize| u16::from(bytes.get(i).copied().unwrap_or(0));
        let pair = byte(bit / 8) << 8 | byte(bit / 8 + 1);
        DIGITS[usize::from(pair >> (10 - bit % 8) & 63)] as char
    };
    (0..43).map(|i| digit(i * 6)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_stay_the_same_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(&dir.path().join("data")).unwrap();
        let first = data.credentials().unwrap();
        assert_eq!(first.admin, data.credentials().unwrap().admin);
        assert_eq!(first.admin.len(), 43);
        assert_ne!(first.admin, first.user);
        for (name, mode) in [("", 0o700), ("credentials.json", 0o600), ("lock", 0o600)] {
            let found = fs::metadata(data.join(name)).unwrap().permissions().mode() & 0o777;
            assert_eq!(found, mode, "{name}");
        }
    }

    #[test]
    fn a_second_process_is_told_who_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let _first = DataDir::open(dir.path()).unwrap();
        let refused = DataDir::open(dir.path()).err().unwrap().to_string();
        assert!(refused.contains(&std::process::id().to_string()), "{refused}");
    }
}

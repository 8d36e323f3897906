//! The journal in one SQLite file: WAL, a sync with every commit, one writer.
//!
//! An acknowledged commit survives a power cut as far as the disk keeps what it says it has synced. Readers
//! ([`crate::Reader`]) have connections of their own and never wait for the writer.

mod alert;
mod job;
mod load;
mod migrate;
mod pack;
mod prune;
mod router;
mod schema;
mod write;

pub(crate) use load::load_totals;

use crate::{Cause, Changes, CutOffs, Error, Journal, Loaded, Receipt};
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};

/// How long somebody else's lock on the file (a backup, an open `sqlite3`) is waited for before a commit fails.
const BUSY_LIMIT: std::time::Duration = std::time::Duration::from_secs(60);

/// The writer.
#[derive(Debug)]
pub struct Sqlite {
    connection: Connection,
    path: PathBuf,
    commits: u64,
    refusing: bool,
    packs: alert::Packs,
    /// The run at which the next look for old ones begins.
    prune_from: i64,
}

impl Sqlite {
    /// Opens the file, makes it if there is none (readable by its owner alone), and brings its layout up to
    /// date.
    pub fn open(path: &Path) -> Result<Sqlite, Error> {
        let fail = |source: Cause| Error::Open { path: path.to_owned(), source };
        make_private(path).map_err(|why| fail(why.into()))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags).map_err(|why| fail(why.into()))?;
        configure(&connection).map_err(|why| fail(why.into()))?;
        schema::migrate(&mut connection, path)?;
        let packs =
            alert::Packs::open(&mut connection).map_err(|bad| bad.reading("or unpack packs of alerts"))?;
        Ok(Sqlite { connection, path: path.to_owned(), commits: 0, refusing: false, packs, prune_from: 0 })
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// SQLite gives the files beside the main one the main one's mode.
fn make_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path).map(drop)
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_LIMIT)?;
    connection.set_prepared_statement_cache_capacity(64);
    // The first two lines decide for the file (the size of its pages when it is made), the others for this connection. A
    // checkpoint every 24 MB rather than 4 halves the writes under load; the log is cut back to 64 MB after a burst.
    connection.execute_batch(
        "PRAGMA page_size = 8192;
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA wal_autocheckpoint = 3000;
         PRAGMA journal_size_limit = 67108864;
         PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -4096;",
    )
}

impl Journal for Sqlite {
    fn commit(&mut self, changes: &Changes) -> Result<Receipt, Error> {
        if self.refusing {
            return Err(Error::Refusing);
        }
        if !changes.is_empty() {
            self.refusing = true;
            write::commit(&mut self.connection, changes, &mut self.packs)?;
            self.refusing = false;
        }
        self.commits += 1;
        Ok(Receipt { number: self.commits, changes: changes.len() })
    }

    fn load(&mut self) -> Result<Loaded, Error> {
        load::load(&self.connection)
    }

    fn prune(&mut self, cuts: &CutOffs, limit: usize) -> Result<usize, Error> {
        if self.refusing {
            return Err(Error::Refusing);
        }
        let pruned = prune::prune(&mut self.connection, cuts, self.prune_from, limit)?;
        self.prune_from = pruned.next;
        Ok(pruned.runs)
    }
}

#[cfg(test)]
mod tests;

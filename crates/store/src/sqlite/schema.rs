//! The layout, by versions. A version, once released, never changes; the next one is added to the list.
//! Drawn in `docs/formats/store.md`.

use crate::Error;
use rusqlite::Connection;
use std::path::Path;

/// What brings a file from the version before to this one.
const VERSIONS: [&str; 3] = [VERSION_1, VERSION_2, VERSION_3];

/// Instants are milliseconds since 1970, spans are in the unit their name says, JSON is text. Ids rise with
/// time, so that rows are appended; a table without a row id is one tree instead of two.
const VERSION_1: &str = "
CREATE TABLE task (
    id TEXT PRIMARY KEY,
    form TEXT NOT NULL CHECK (form IN ('plain', 'typed', 'scheduled')),
    kind TEXT NOT NULL,
    title TEXT NOT NULL,
    description TEXT NOT NULL,
    created_by TEXT NOT NULL,
    schedule_kind TEXT,
    schedule_expr TEXT,
    timezone TEXT,
    payload TEXT NOT NULL,
    status TEXT NOT NULL,
    class TEXT NOT NULL,
    priority INTEGER NOT NULL CHECK (priority BETWEEN 1 AND 9),
    dedupe_key TEXT,
    dedupe_window_seconds INTEGER NOT NULL DEFAULT 0,
    max_retries INTEGER NOT NULL,
    backoff_strategy TEXT NOT NULL,
    concurrency_key TEXT,
    timeout_ms INTEGER NOT NULL,
    agent TEXT,
    typed TEXT,
    next_fire INTEGER,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX task_fires ON task (next_fire) WHERE next_fire IS NOT NULL;
CREATE INDEX task_scheduled ON task (created_at) WHERE form = 'scheduled';

CREATE TABLE task_run (
    id TEXT PRIMARY KEY,
    task_id TEXT NOT NULL,
    state TEXT NOT NULL,
    class TEXT NOT NULL,
    parent_id TEXT,
    parent_step TEXT,
    args TEXT,
    attempt INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    rescues INTEGER NOT NULL,
    token BLOB,
    lease_owner TEXT,
    leased_until INTEGER,
    claimed_at INTEGER,
    run_at INTEGER NOT NULL,
    step INTEGER NOT NULL,
    progress REAL,
    checkpoint TEXT,
    outcome INTEGER,
    success INTEGER,
    output TEXT,
    error_kind TEXT,
    error TEXT,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER
) STRICT, WITHOUT ROWID;
-- The one run of a task that runs once has its task's id: no index needed to find it.
CREATE INDEX task_run_task ON task_run (task_id) WHERE task_id <> id;
CREATE INDEX task_run_live ON task_run (finished_at) WHERE finished_at IS NULL;
CREATE INDEX task_run_parent ON task_run (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX task_run_page ON task_run (created_at) WHERE class = 'page';

CREATE TABLE task_step (
    run_id TEXT NOT NULL,
    step INTEGER NOT NULL,
    id TEXT NOT NULL,
    result TEXT,
    at INTEGER NOT NULL,
    PRIMARY KEY (run_id, step)
) STRICT, WITHOUT ROWID;

-- For readers who know this name: what waits, runs or ran.
CREATE VIEW due_work AS
    SELECT id, task_id, run_at, leased_until AS locked_until, lease_owner AS locked_by, created_at FROM task_run;

CREATE TABLE dedupe (
    key TEXT NOT NULL,
    by TEXT NOT NULL,
    task_id TEXT NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (key, by)
) STRICT, WITHOUT ROWID;

CREATE TABLE worker_heartbeat (
    worker_id TEXT PRIMARY KEY,
    boot_nonce TEXT NOT NULL,
    labels TEXT NOT NULL,
    kinds TEXT NOT NULL,
    last_seen INTEGER NOT NULL,
    processed_count INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE audit_log (
    id INTEGER PRIMARY KEY,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject_id TEXT NOT NULL,
    details TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX audit_log_at ON audit_log (at);

CREATE TABLE total (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE alert_state (key TEXT PRIMARY KEY, row TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE alert_group (key TEXT PRIMARY KEY, row TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE silence (key TEXT PRIMARY KEY, row TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE decision (key TEXT PRIMARY KEY, row TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE rule_state (key TEXT PRIMARY KEY, row TEXT NOT NULL) STRICT, WITHOUT ROWID;
";

/// Rarer wishes of a task, and small records of every other kind.
const VERSION_2: &str = "
ALTER TABLE task ADD COLUMN options TEXT;

CREATE TABLE record (
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    row TEXT NOT NULL,
    PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;

-- For readers who know this name.
CREATE VIEW agent AS
    SELECT key AS id, row ->> 'name' AS name, row ->> 'scopes' AS scopes, row ->> 'webhook_url' AS webhook_url,
        row ->> 'created_at' AS created_at FROM record WHERE kind = 'agent';
";

/// Steps that are done for each item of a list, and steps that failed without ending their run.
const VERSION_3: &str = "
ALTER TABLE task_step ADD COLUMN item INTEGER;
ALTER TABLE task_step ADD COLUMN error_type TEXT;
ALTER TABLE task_step ADD COLUMN error TEXT;
";

/// Brings the file up to date; each version is one transaction.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), Error> {
    let known = VERSIONS.len() as i64;
    let found: i64 = connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(|source| Error::Read { what: "the layout's version", source })?;
    if found > known {
        return Err(Error::Newer { path: path.to_owned(), found, known });
    }
    for to in found + 1..=known {
        let sql = VERSIONS[(to - 1) as usize];
        step(connection, sql, to).map_err(|source| Error::Migrate { to, source })?;
    }
    Ok(())
}

fn step(connection: &mut Connection, sql: &str, to: i64) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(sql)?;
    transaction.pragma_update(None, "user_version", to)?;
    transaction.commit()
}

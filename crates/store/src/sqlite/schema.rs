//! The layout, by versions. A version, once released, never changes; the next one is added to the list.
//! Drawn in `docs/formats/store.md`.

use super::migrate;
use crate::Error;
use crate::rows::{BACKOFFS, CLASSES, ID, STATES};
use rusqlite::Connection;
use std::path::Path;
use tasks::{RunState, backoff_str, class_str};

/// What brings a file from the version before to this one.
pub(super) const VERSIONS: [&str; 9] =
    [VERSION_1, VERSION_2, VERSION_3, VERSION_4, VERSION_5, VERSION_6, VERSION_7, VERSION_8, VERSION_9];

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

/// Lean tables for what moves fast. `task` and `task_run` become views of `plan` and `job`; what they held is
/// moved by `migrate::to_4`.
const VERSION_4: &str = "
DROP VIEW due_work;
ALTER TABLE task RENAME TO old_task;
ALTER TABLE task_run RENAME TO old_run;
ALTER TABLE task_step RENAME TO old_step;

-- A task that fires.
CREATE TABLE plan (
    key INTEGER PRIMARY KEY,
    tail INTEGER NOT NULL,
    kind TEXT NOT NULL,
    title TEXT NOT NULL,
    description TEXT NOT NULL,
    created_by TEXT NOT NULL,
    schedule_kind TEXT NOT NULL,
    schedule_expr TEXT NOT NULL,
    timezone TEXT NOT NULL,
    payload TEXT NOT NULL,
    status TEXT NOT NULL,
    class INTEGER NOT NULL,
    priority INTEGER NOT NULL CHECK (priority BETWEEN 1 AND 9),
    dedupe_key TEXT,
    dedupe_window_seconds INTEGER NOT NULL,
    max_retries INTEGER NOT NULL,
    backoff INTEGER NOT NULL,
    concurrency_key TEXT,
    timeout_ms INTEGER NOT NULL,
    agent TEXT,
    options TEXT,
    next_fire INTEGER,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX plan_fires ON plan (next_fire) WHERE next_fire IS NOT NULL;

-- A run, and the task it is of if that runs once. Large texts are last, so that what moves is read without them.
CREATE TABLE job (
    key INTEGER PRIMARY KEY,
    tail INTEGER NOT NULL,
    live INTEGER,
    state INTEGER NOT NULL,
    class INTEGER NOT NULL,
    form INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    run_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    agent TEXT,
    created_by TEXT NOT NULL,
    max_retries INTEGER NOT NULL,
    backoff INTEGER NOT NULL,
    timeout_ms INTEGER NOT NULL,
    owner INTEGER,
    owner_tail INTEGER,
    owner_step TEXT,
    token BLOB,
    worker TEXT,
    claimed_at INTEGER,
    started_at INTEGER,
    finished_at INTEGER,
    leased_until INTEGER,
    outcome INTEGER,
    failures INTEGER,
    rescues INTEGER,
    step INTEGER,
    progress REAL,
    error_kind TEXT,
    error TEXT,
    status TEXT,
    title TEXT,
    description TEXT,
    dedupe_key TEXT,
    dedupe_window_seconds INTEGER,
    concurrency_key TEXT,
    typed TEXT,
    options TEXT,
    big INTEGER,
    checkpoint TEXT,
    args TEXT,
    output TEXT,
    payload TEXT
) STRICT;
CREATE INDEX job_live ON job (live) WHERE live IS NOT NULL;
CREATE INDEX job_owner ON job (owner) WHERE owner IS NOT NULL;

-- Texts over 32 KiB, so that a row that moves does not carry them along.
CREATE TABLE big (
    key INTEGER NOT NULL,
    part INTEGER NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (key, part)
) STRICT;

CREATE TABLE step (
    run INTEGER NOT NULL,
    step INTEGER NOT NULL,
    id TEXT NOT NULL,
    result TEXT,
    at INTEGER NOT NULL,
    item INTEGER,
    error_type TEXT,
    error TEXT,
    PRIMARY KEY (run, step)
) STRICT, WITHOUT ROWID;
";

/// The starts of a worker before its last one, as a list.
const VERSION_5: &str = "
ALTER TABLE worker_heartbeat ADD COLUMN former_nonces TEXT NOT NULL DEFAULT '[]';
";

/// Incidents; and decisions by alert: the part of a decision's key after its time.
const VERSION_6: &str = "
CREATE TABLE incident (key TEXT PRIMARY KEY, row TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX decision_alert ON decision (substr(key, 15, 16), key);
";

/// Alerts by number, in the order in which they came: what comes together is written together. When an alert was
/// repeated is a short row of its own. `migrate::to_7` brings them here. Decisions that differ in the alert alone share a row.
const VERSION_7: &str = "
CREATE TABLE alert (
    id INTEGER PRIMARY KEY,
    labels BLOB NOT NULL,
    annotations BLOB NOT NULL,
    starts_at INTEGER NOT NULL,
    ends_at INTEGER,
    generator_url TEXT NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE TABLE alert_seen (id INTEGER PRIMARY KEY, ends_at INTEGER, updated_at INTEGER NOT NULL) STRICT;
CREATE TABLE wait (key INTEGER PRIMARY KEY, row TEXT NOT NULL) STRICT;
";

/// Groups and incidents by number, too, so that those of one storm lie together; a line that is all that is new of an
/// incident is a row of its own; a decision's key is a number that rises with time. `migrate::to_8` brings them here.
const VERSION_8: &str = "
ALTER TABLE alert_group RENAME TO old_group;
ALTER TABLE incident RENAME TO old_incident;
ALTER TABLE decision RENAME TO old_decision;
DROP INDEX decision_alert;

CREATE TABLE alert_group (id INTEGER PRIMARY KEY, row TEXT NOT NULL) STRICT;
CREATE TABLE incident (id INTEGER PRIMARY KEY, row TEXT NOT NULL) STRICT;
CREATE TABLE incident_line (
    incident INTEGER NOT NULL,
    nth INTEGER NOT NULL,
    row TEXT NOT NULL,
    PRIMARY KEY (incident, nth)
) STRICT, WITHOUT ROWID;
CREATE TABLE decision (key INTEGER PRIMARY KEY, alert INTEGER NOT NULL, row TEXT NOT NULL) STRICT;
CREATE INDEX decision_alert ON decision (alert);
";

/// New alerts that came together, many to a row.
const VERSION_9: &str = "
CREATE TABLE alert_pack (first INTEGER PRIMARY KEY, count INTEGER NOT NULL, alerts BLOB NOT NULL) STRICT;
CREATE TABLE alert_gone (id INTEGER PRIMARY KEY) STRICT;
";

/// The names and columns that people query.
const VIEWS: &str = "
DROP TABLE old_step;
DROP TABLE old_run;
DROP TABLE old_task;

CREATE VIEW task AS
    SELECT ID(plan) AS id, 'scheduled' AS form, kind, title, description, created_by, schedule_kind, schedule_expr,
        timezone, payload, status, CLASS AS class, priority, dedupe_key, dedupe_window_seconds, max_retries,
        BACKOFF AS backoff_strategy, concurrency_key, timeout_ms, agent, NULL AS typed, next_fire, created_at, options
    FROM plan
    UNION ALL
    SELECT ID(job), CASE form WHEN 0 THEN 'plain' ELSE 'typed' END, kind, coalesce(title, ''),
        coalesce(description, ''), created_by, NULL, NULL, NULL, BIG(payload, 1), coalesce(status, 'active'),
        CLASS, priority, dedupe_key, coalesce(dedupe_window_seconds, 0), max_retries, BACKOFF, concurrency_key,
        timeout_ms, agent, typed, NULL, created_at, options
    FROM job WHERE form < 2;

CREATE VIEW task_run AS
    SELECT ID(job) AS id, CASE form WHEN 2 THEN ID(owner) ELSE ID(job) END AS task_id, STATE AS state, CLASS AS class,
        CASE WHEN owner_step IS NOT NULL THEN ID(owner) END AS parent_id, owner_step AS parent_step,
        BIG(args, 2) AS args, attempt, coalesce(failures, 0) AS failures, coalesce(rescues, 0) AS rescues, token,
        worker AS lease_owner, leased_until, claimed_at, run_at, coalesce(step, 0) AS step, progress,
        BIG(checkpoint, 4) AS checkpoint, outcome, CASE WHEN live IS NULL THEN state = 5 END AS success,
        BIG(output, 8) AS output, error_kind, error, created_at, started_at, finished_at
    FROM job;

CREATE VIEW task_step AS
    SELECT ID(job) AS run_id, step.step, step.id, step.result, step.at, step.item, step.error_type,
        step.error FROM step JOIN job ON job.key = step.run;

-- What waits, runs or ran.
CREATE VIEW due_work AS
    SELECT ID(job) AS id, CASE form WHEN 2 THEN ID(owner) ELSE ID(job) END AS task_id, run_at,
        leased_until AS locked_until, worker AS locked_by, created_at
    FROM job;
";

/// The views with their short forms written out: an id's text, numbers as words, a text or where it was put.
fn views() -> String {
    let id = |key: &str, tail: &str| ID.replace("job.key", key).replace("job.tail", tail);
    let big = |column: &str, part: u8| {
        format!(
            "CASE WHEN big & {part} THEN (SELECT text FROM big WHERE big.key = job.key AND part = {part}) \
             ELSE {column} END"
        )
    };
    let words = |column: &str, words: &[&str]| {
        let cases: String =
            words.iter().enumerate().map(|(n, word)| format!(" WHEN {n} THEN '{word}'")).collect();
        format!("CASE {column}{cases} END")
    };
    let mut sql = VIEWS
        .replace("ID(plan)", &id("plan.key", "plan.tail"))
        .replace("ID(job)", &id("job.key", "job.tail"));
    sql = sql.replace("ID(owner)", &id("owner", "owner_tail"));
    for (column, part) in [("payload", 1), ("args", 2), ("checkpoint", 4), ("output", 8)] {
        sql = sql.replace(&format!("BIG({column}, {part})"), &big(column, part));
    }
    sql.replace("CLASS", &words("class", &CLASSES.map(class_str)))
        .replace("BACKOFF", &words("backoff", &BACKOFFS.map(backoff_str)))
        .replace("STATE", &words("state", &STATES.map(RunState::as_str)))
}

/// Brings the file up to date; each version is one transaction.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), Error> {
    migrate_to(connection, path, VERSIONS.len() as i64)
}

/// Brings the file to version `known`.
pub(super) fn migrate_to(connection: &mut Connection, path: &Path, known: i64) -> Result<(), Error> {
    let found: i64 = connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(|source| Error::Read { what: "the layout's version", source })?;
    if found > known {
        return Err(Error::Newer { path: path.to_owned(), found, known });
    }
    for to in found + 1..=known {
        step(connection, to).map_err(|source| Error::Migrate { to, source })?;
    }
    Ok(())
}

fn step(connection: &mut Connection, to: i64) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(VERSIONS[(to - 1) as usize])?;
    if to == 4 {
        migrate::to_4(&transaction)?;
        transaction.execute_batch(&views())?;
    }
    match to {
        7 => migrate::to_7(&transaction)?,
        8 => migrate::to_8(&transaction)?,
        _ => {}
    }
    transaction.pragma_update(None, "user_version", to)?;
    transaction.commit()
}

//! What takes more than SQL. From layout 3 to layout 4: every task and run into its lean table, one to one. From layout 6 to
//! layout 7: alerts get numbers; from 7 to 8: groups, incidents and decisions do.

use super::alert::put_old;
use super::router::put_decision;
use crate::rows::{self, BIG_OVER};
use alerts::InstantKey;
use model::Timestamp;
use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, Transaction};

/// Numbers of words and halves of ids are computed in SQL, so that a large file streams through.
pub(super) fn to_4(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    add_functions(transaction)?;
    transaction.execute_batch(&format!(
        "{PLANS}; {}; {LEFT_OVER}; {STEPS}; {BIGS}",
        JOBS.replace("LIMIT", &BIG_OVER.to_string())
    ))?;
    remove_functions(transaction)
}

/// Alerts of JSON into columns. One that cannot be read stops the start with its labels named, as it would have before.
pub(super) fn to_7(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let mut old = transaction.prepare("SELECT key, row FROM alert_state ORDER BY key")?;
    let mut rows = old.query([])?;
    let mut id = 0;
    while let Some(row) = rows.next()? {
        let (key, text): (String, String) = (row.get(0)?, row.get(1)?);
        id += 1;
        let bad =
            |what: String| rusqlite::Error::ToSqlConversionFailure(format!("alert {key}: {what}").into());
        let value = serde_json::from_str(&text).map_err(|why| bad(why.to_string()))?;
        match alerts::Change::from_json(alerts::Table::Alert, &id.to_string(), &value) {
            Ok(alerts::Change::Alert(id, alert)) => put_old(transaction, id, &alert)?,
            Ok(_) => {}
            Err(why) => return Err(bad(why.to_string())),
        }
    }
    transaction.execute_batch("DROP TABLE alert_state")
}

/// What was known by a text gets a number, in the order in which it came; the text goes into the row.
pub(super) fn to_8(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch(
        "INSERT INTO alert_group SELECT row_number() OVER (ORDER BY row ->> 'born', key), json_set(row, '$.key', key)
             FROM old_group;
         INSERT INTO incident SELECT row_number() OVER (ORDER BY row ->> 'opened_at', key), json_set(row, '$.id', key)
             FROM old_incident;",
    )?;
    // A key was the time in 13 digits, a dash, the alert's fingerprint in 16, and more.
    let mut old =
        transaction.prepare("SELECT key, row, coalesce(row ->> 'nth', 0) FROM old_decision ORDER BY key")?;
    let mut rows = old.query([])?;
    while let Some(row) = rows.next()? {
        let key: String = row.get(0)?;
        let at = key.get(..13).and_then(|at| at.parse().ok());
        let alert = key.get(14..30).and_then(|alert| u64::from_str_radix(alert, 16).ok());
        let (Some(at), Some(alert)) = (at, alert) else {
            return Err(rusqlite::Error::ToSqlConversionFailure(
                format!("decision {key}: its key cannot be read").into(),
            ));
        };
        let key = InstantKey::new(Timestamp::from_millis(at), row.get(2)?);
        put_decision(transaction, key, alert, row.get_ref(1)?.as_str()?)?;
    }
    transaction.execute_batch("DROP TABLE old_group; DROP TABLE old_incident; DROP TABLE old_decision")
}

const PLANS: &str = "INSERT INTO plan SELECT id_key(id), id_tail(id), kind, title, description, created_by, \
     schedule_kind, schedule_expr, timezone, payload, status, class_number(class), priority, dedupe_key, \
     dedupe_window_seconds, max_retries, backoff_number(backoff_strategy), concurrency_key, timeout_ms, agent, \
     options, next_fire, created_at FROM old_task WHERE form = 'scheduled'";

/// A run with its task, if that runs once. A run is of a plan if its id is not its task's.
const JOBS: &str = "
CREATE TEMP VIEW moved AS SELECT r.id AS old_id, id_key(r.id) AS key, id_tail(r.id) AS tail,
    CASE WHEN r.finished_at IS NOT NULL THEN NULL
         WHEN r.class = 'user' AND t.form IN ('plain', 'typed') AND t.dedupe_key IS NULL AND t.concurrency_key IS NULL
              AND t.options IS NULL AND coalesce(t.typed ->> 'sla', '') = '' AND r.task_id = r.id AND r.args IS NULL
         THEN 2 ELSE 1 END AS live,
    state_number(r.state) AS state, class_number(r.class) AS class,
    CASE WHEN r.task_id <> r.id THEN 2 WHEN t.form = 'typed' THEN 1 ELSE 0 END AS form,
    coalesce(t.priority, 5) AS priority, r.attempt, r.run_at, r.created_at,
    CASE WHEN r.task_id <> r.id THEN '' ELSE coalesce(t.kind, '') END AS kind, t.agent,
    coalesce(t.created_by, '') AS created_by, coalesce(t.max_retries, 0) AS max_retries,
    coalesce(backoff_number(t.backoff_strategy), 0) AS backoff, coalesce(t.timeout_ms, 30000) AS timeout_ms,
    CASE WHEN r.task_id <> r.id THEN id_key(r.task_id) WHEN r.parent_id IS NOT NULL THEN id_key(r.parent_id)
         WHEN r.class = 'page' THEN 0 END AS owner,
    CASE WHEN r.task_id <> r.id THEN id_tail(r.task_id) ELSE id_tail(r.parent_id) END AS owner_tail, r.parent_step,
    r.token, r.lease_owner, r.claimed_at, r.started_at, r.finished_at, r.leased_until, r.outcome,
    nullif(r.failures, 0) AS failures, nullif(r.rescues, 0) AS rescues, nullif(r.step, 0) AS step, r.progress,
    r.error_kind, r.error, nullif(t.status, 'active') AS status,
    nullif(t.title, '') AS title, nullif(t.description, '') AS description, t.dedupe_key,
    nullif(t.dedupe_window_seconds, 0) AS dedupe_window_seconds, t.concurrency_key, t.typed, t.options,
    (length(t.payload) > LIMIT) + 2 * (coalesce(length(r.args), 0) > LIMIT)
      + 4 * (coalesce(length(r.checkpoint), 0) > LIMIT) + 8 * (coalesce(length(r.output), 0) > LIMIT) AS big,
    r.checkpoint, r.args, r.output, t.payload
    FROM old_run AS r LEFT JOIN old_task AS t ON t.id = r.id;
INSERT OR IGNORE INTO job SELECT key, tail, live, state, class, form, priority, attempt, run_at, created_at, kind,
    agent, created_by, max_retries, backoff, timeout_ms, owner, owner_tail, parent_step, token, lease_owner, claimed_at,
    started_at, finished_at, leased_until, outcome, failures, rescues, step, progress, error_kind, error, status, title,
    description, dedupe_key, dedupe_window_seconds, concurrency_key, typed, options, nullif(big, 0), checkpoint, args,
    output, payload FROM moved ORDER BY key";

/// Two ids with the same first half, from a clock that was set back: the later one gets a new id.
const LEFT_OVER: &str = "
INSERT INTO job SELECT NULL, tail, live, state, class, form, priority, attempt, run_at, created_at, kind,
    agent, created_by, max_retries, backoff, timeout_ms, owner, owner_tail, parent_step, token, lease_owner, claimed_at,
    started_at, finished_at, leased_until, outcome, failures, rescues, step, progress, error_kind, error, status, title,
    description, dedupe_key, dedupe_window_seconds, concurrency_key, typed, options, nullif(big, 0), checkpoint, args,
    output, payload FROM moved
    WHERE NOT EXISTS (SELECT 1 FROM job WHERE job.key = moved.key AND job.tail = moved.tail)";

const STEPS: &str = "INSERT OR IGNORE INTO step SELECT id_key(run_id), step, id, result, at, item, error_type, error FROM old_step";

const BIGS: &str = "
INSERT INTO big SELECT key, 1, payload FROM job WHERE big & 1;
INSERT INTO big SELECT key, 2, args FROM job WHERE big & 2;
INSERT INTO big SELECT key, 4, checkpoint FROM job WHERE big & 4;
INSERT INTO big SELECT key, 8, output FROM job WHERE big & 8;
UPDATE job SET payload = CASE WHEN big & 1 THEN NULL ELSE payload END, args = CASE WHEN big & 2 THEN NULL ELSE args END,
    checkpoint = CASE WHEN big & 4 THEN NULL ELSE checkpoint END,
    output = CASE WHEN big & 8 THEN NULL ELSE output END WHERE big IS NOT NULL;
DROP VIEW moved";

/// A word of the form before as a number of this one.
type Translate = fn(&str) -> Option<i64>;

const FUNCTIONS: [(&str, Translate); 5] = [
    ("id_key", |text| rows::key_of_text(text).map(|key| key.0)),
    ("id_tail", |text| rows::key_of_text(text).map(|key| key.1)),
    ("class_number", |text| tasks::parse_class(text).map(rows::class_number)),
    ("backoff_number", |text| tasks::parse_backoff(text).map(rows::backoff_number)),
    ("state_number", |text| tasks::RunState::parse(text).map(rows::state_number)),
];

fn add_functions(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_UTF8;
    FUNCTIONS.into_iter().try_for_each(|(name, function)| {
        connection.create_scalar_function(name, 1, flags, move |context| {
            Ok(context.get::<Option<String>>(0)?.as_deref().and_then(function))
        })
    })
}

fn remove_functions(connection: &Connection) -> rusqlite::Result<()> {
    FUNCTIONS.into_iter().try_for_each(|(name, _)| connection.remove_function(name, 1))
}

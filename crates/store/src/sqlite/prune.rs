//! History that is older than its class is kept, removed. Each call is one short transaction: at most so many rows go, and
//! not many more are looked at.

use super::load::LISTENS;
use crate::{CutOffs, Error, rows};
use model::{Class, Timestamp};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

/// How many runs are looked at for each that may go: those that are kept longer than others stand between them.
const LOOKS: usize = 10;

/// The form of a run of a task that fires.
const OF_PLAN: i64 = 2;

/// What one call did.
pub(super) struct Pruned {
    /// How many runs went.
    pub(super) runs: usize,
    /// The run at which to go on.
    pub(super) next: i64,
}

pub(super) fn prune(
    connection: &mut Connection,
    cuts: &CutOffs,
    from: i64,
    limit: usize,
) -> Result<Pruned, Error> {
    let fail = |source| Error::Commit { rows: 0, source };
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
    let pruned = remove_old(&transaction, cuts, from, limit).map_err(fail)?;
    transaction.commit().map_err(fail)?;
    Ok(pruned)
}

fn remove_old(
    transaction: &Transaction<'_>,
    cuts: &CutOffs,
    from: i64,
    limit: usize,
) -> rusqlite::Result<Pruned> {
    let (keys, next) = old_runs(transaction, cuts, from, limit)?;
    for sql in [
        "DELETE FROM step WHERE run = ?1",
        "DELETE FROM big WHERE key = ?1",
        "DELETE FROM job WHERE key = ?1",
    ] {
        let mut statement = transaction.prepare_cached(sql)?;
        keys.iter().try_for_each(|key| statement.execute([key]).map(drop))?;
    }
    let limit = limit as i64;
    let done = format!(
        "DELETE FROM plan WHERE key IN (SELECT key FROM plan WHERE created_at < ?1 AND next_fire IS NULL \
         AND NOT {LISTENS} \
         AND NOT EXISTS (SELECT 1 FROM job WHERE job.owner = plan.key AND job.form = 2) LIMIT ?2)"
    );
    transaction.prepare_cached(&done)?.execute([cuts.runs.as_millis(), limit])?;
    // Keys of decisions rise with time.
    let before = alerts::InstantKey::first(cuts.alerts).0;
    for sql in [
        "DELETE FROM decision WHERE key IN (SELECT key FROM decision WHERE key < ?1 LIMIT ?2)",
        "DELETE FROM wait WHERE key IN (SELECT key FROM wait WHERE key < ?1 LIMIT ?2)",
    ] {
        transaction.prepare_cached(sql)?.execute([before, limit])?;
    }
    let audit = "DELETE FROM audit_log WHERE id IN (SELECT id FROM audit_log WHERE at < ?1 LIMIT ?2)";
    transaction.prepare_cached(audit)?.execute([cuts.audit.as_millis(), limit])?;
    Ok(Pruned { runs: keys.len(), next })
}

/// Runs that are old enough, and where the next look begins: after them, or at the first run once all were looked at.
/// Keys rise with time, so the search looks at nothing younger than the cut-offs.
fn old_runs(
    transaction: &Transaction<'_>,
    cuts: &CutOffs,
    from: i64,
    limit: usize,
) -> rusqlite::Result<(Vec<i64>, i64)> {
    let (until, looks) = (rows::key_at(cuts.runs.max(cuts.tasks)), limit.saturating_mul(LOOKS));
    let mut statement = transaction.prepare_cached(
        "SELECT key, CASE WHEN live IS NULL THEN finished_at END, form, class FROM job \
         WHERE key >= ?1 AND key < ?2 ORDER BY key LIMIT ?3",
    )?;
    let mut found = statement.query(params![from, until, looks as i64])?;
    let (mut keys, mut looked, mut next) = (Vec::new(), 0, from);
    while let Some(row) = found.next()? {
        let (key, form, class): (i64, i64, i64) = (row.get(0)?, row.get(2)?, row.get(3)?);
        let ended = row.get::<_, Option<i64>>(1)?.map(Timestamp::from_millis);
        let single = form != OF_PLAN && class == rows::class_number(Class::User);
        if ended.is_some_and(|at| at < if single { cuts.tasks } else { cuts.runs }) {
            keys.push(key);
        }
        (looked, next) = (looked + 1, key + 1);
        if keys.len() == limit {
            return Ok((keys, next));
        }
    }
    Ok((keys, if looked < looks { 0 } else { next }))
}

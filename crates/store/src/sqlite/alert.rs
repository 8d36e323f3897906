//! Alerts. Those that come together are one row, a pack, which costs a fraction of a row each; it is never changed. What becomes of
//! one of them lies beside it: how it is now is a row of `alert`, that it is gone one of `alert_gone`. Once few of a pack are
//! left they become rows of their own. At a start packs with gaps do so too: numbers that the router gives again are then in
//! none.

use super::pack::{pack, unpack};
use super::write::ms;
use crate::rows::Bad;
use model::{Alert, Labels, Timestamp};
use rusqlite::{CachedStatement, Connection, Transaction, TransactionBehavior, params};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Fewer that come together are rows of their own.
const PACK_MIN: usize = 8;
/// More are several packs.
const PACK_MAX: usize = 256;
/// A pack takes no further alert once its texts have so many bytes.
const PACK_BYTES_MAX: usize = 1 << 20;
/// A pack is unpacked when no more than one in so many is left.
const UNPACKED_AT_ONE_IN: i64 = 4;

const PUT: &str = "INSERT OR REPLACE INTO alert (id, labels, annotations, starts_at, ends_at, generator_url, updated_at) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
/// What is newer stays.
const KEEP: &str = "INSERT OR IGNORE INTO alert (id, labels, annotations, starts_at, ends_at, generator_url, updated_at) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const SEEN: &str = "INSERT OR REPLACE INTO alert_seen (id, ends_at, updated_at) VALUES (?1, ?2, ?3)";
const GONE: [&str; 2] = ["DELETE FROM alert WHERE id = ?1", "DELETE FROM alert_seen WHERE id = ?1"];
const PACK: &str = "INSERT INTO alert_pack (first, count, alerts) VALUES (?1, ?2, ?3)";
const PACKED: &str = "SELECT alerts FROM alert_pack WHERE first = ?1";
const PACK_GONE: [&str; 2] = [
    "DELETE FROM alert_gone WHERE id >= ?1 AND id < ?1 + ?2",
    "DELETE FROM alert_pack WHERE first = ?1 AND count = ?2",
];

/// The packs there are.
#[derive(Debug, Default)]
pub(super) struct Packs {
    /// By the number of their first alert.
    known: BTreeMap<i64, Pack>,
    /// A number from here on is that of a new alert.
    next: i64,
}

/// Numbers that follow each other.
#[derive(Debug, Clone, Copy)]
struct Pack {
    count: i64,
    left: i64,
}

impl Packs {
    /// Those of a file; the ones with gaps are unpacked.
    pub(super) fn open(connection: &mut Connection) -> Result<Packs, Bad> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let gaps = "SELECT first, count FROM alert_pack WHERE EXISTS \
             (SELECT 1 FROM alert_gone WHERE id >= first AND id < first + count)";
        for (first, count) in pairs(&transaction, gaps)? {
            unpack_rest(&transaction, first, count)?;
        }
        let all = pairs(&transaction, "SELECT first, count FROM alert_pack")?.into_iter();
        let known: BTreeMap<i64, Pack> =
            all.map(|(first, count)| (first, Pack { count, left: count })).collect();
        let last: Option<i64> = transaction.query_row("SELECT max(id) FROM alert", [], |row| row.get(0))?;
        let after_packs = known.last_key_value().map_or(0, |(first, pack)| first + pack.count);
        let next = after_packs.max(last.unwrap_or(0) + 1);
        transaction.commit()?;
        Ok(Packs { known, next })
    }

    /// The pack that an alert was put into: the number of its first.
    fn of(&mut self, id: i64) -> Option<(i64, &mut Pack)> {
        let (first, pack) = self.known.range_mut(..=id).next_back()?;
        (id < first + pack.count).then_some((*first, pack))
    }
}

fn pairs(transaction: &Transaction<'_>, sql: &str) -> rusqlite::Result<Vec<(i64, i64)>> {
    let mut statement = transaction.prepare(sql)?;
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// What a commit does to alerts.
pub(super) struct Alerts<'t, 'c> {
    transaction: &'t Transaction<'c>,
    packs: &'t mut Packs,
    put: Option<CachedStatement<'t>>,
    seen: Option<CachedStatement<'t>>,
    /// New ones, whose numbers follow the first, and how long their texts are.
    new: Vec<&'t Alert>,
    first: i64,
    bytes: usize,
    /// Packs of which some are gone.
    thinned: BTreeSet<i64>,
}

impl<'t, 'c> Alerts<'t, 'c> {
    pub(super) fn new(transaction: &'t Transaction<'c>, packs: &'t mut Packs) -> Alerts<'t, 'c> {
        Alerts {
            transaction,
            packs,
            put: None,
            seen: None,
            new: Vec::new(),
            first: 0,
            bytes: 0,
            thinned: BTreeSet::new(),
        }
    }

    pub(super) fn put(&mut self, id: u64, alert: &'t Alert) -> rusqlite::Result<()> {
        let id = id.cast_signed();
        let place = usize::try_from(id - self.first).unwrap_or(usize::MAX);
        if let Some(known) = self.new.get_mut(place) {
            *known = alert;
            return Ok(());
        }
        if id < self.packs.next {
            return put(self.transaction, &mut self.put, id, alert);
        }
        if place != self.new.len() || self.new.is_empty() || self.bytes > PACK_BYTES_MAX {
            self.put_new()?;
            (self.first, self.bytes) = (id, 0);
        }
        self.bytes +=
            alert.labels.as_bytes().len() + alert.annotations.as_bytes().len() + alert.generator_url.len();
        self.new.push(alert);
        self.packs.next = id + 1;
        Ok(())
    }

    pub(super) fn seen(
        &mut self,
        id: u64,
        ends_at: Option<Timestamp>,
        updated_at: Timestamp,
    ) -> rusqlite::Result<()> {
        let values = params![id.cast_signed(), ms(ends_at), updated_at.as_millis()];
        ready(self.transaction, &mut self.seen, SEEN)?.execute(values).map(drop)
    }

    pub(super) fn gone(&mut self, id: u64) -> rusqlite::Result<()> {
        let id = id.cast_signed();
        if id >= self.first {
            self.put_new()?;
        }
        for sql in GONE {
            self.transaction.prepare_cached(sql)?.execute([id])?;
        }
        if let Some((first, pack)) = self.packs.of(id) {
            let sql = "INSERT OR IGNORE INTO alert_gone (id) VALUES (?1)";
            let is_new = self.transaction.prepare_cached(sql)?.execute([id])?;
            pack.left -= i64::from(is_new > 0);
            self.thinned.insert(first);
        }
        Ok(())
    }

    /// Writes what is left to write.
    pub(super) fn finish(mut self) -> rusqlite::Result<()> {
        self.put_new()?;
        for first in std::mem::take(&mut self.thinned) {
            let Some(Pack { count, left }) = self.packs.known.get(&first).copied() else { continue };
            if left * UNPACKED_AT_ONE_IN > count {
                continue;
            }
            unpack_rest(self.transaction, first, count).map_err(Bad::into_sqlite)?;
            self.packs.known.remove(&first);
        }
        Ok(())
    }

    fn put_new(&mut self) -> rusqlite::Result<()> {
        let mut first = self.first;
        for alerts in std::mem::take(&mut self.new).chunks(PACK_MAX) {
            let count = alerts.len() as i64;
            if alerts.len() < PACK_MIN {
                for (id, alert) in (first..).zip(alerts) {
                    put(self.transaction, &mut self.put, id, alert)?;
                }
            } else {
                self.transaction.prepare_cached(PACK)?.execute(params![first, count, pack(alerts)])?;
                self.packs.known.insert(first, Pack { count, left: count });
            }
            first += count;
        }
        Ok(())
    }
}

/// Gives those of a pack that are not gone rows of their own, in its place.
fn unpack_rest(transaction: &Transaction<'_>, first: i64, count: i64) -> Result<(), Bad> {
    let gone: BTreeSet<i64> = transaction
        .prepare_cached("SELECT id FROM alert_gone WHERE id >= ?1 AND id < ?1 + ?2")?
        .query_map([first, count], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    if (gone.len() as i64) < count {
        let blob: Vec<u8> = transaction.prepare_cached(PACKED)?.query_row([first], |row| row.get(0))?;
        let alerts = unpack(&blob).ok_or_else(|| unreadable(first))?;
        let mut statement = transaction.prepare_cached(KEEP)?;
        for (id, alert) in (first..).zip(&alerts).filter(|(id, _)| !gone.contains(id)) {
            insert(&mut statement, id, alert)?;
        }
    }
    for sql in PACK_GONE {
        transaction.prepare_cached(sql)?.execute([first, count])?;
    }
    Ok(())
}

fn unreadable(first: i64) -> Bad {
    Bad::row("alert_pack", &first.to_string(), "its alerts are not as a release writes them")
}

/// An alert of an older layout.
pub(super) fn put_old(transaction: &Transaction<'_>, id: u64, alert: &Alert) -> rusqlite::Result<()> {
    insert(&mut transaction.prepare_cached(PUT)?, id.cast_signed(), alert)
}

fn put<'t>(
    transaction: &'t Transaction<'_>,
    known: &mut Option<CachedStatement<'t>>,
    id: i64,
    alert: &Alert,
) -> rusqlite::Result<()> {
    insert(ready(transaction, known, PUT)?, id, alert)
}

fn insert(statement: &mut CachedStatement<'_>, id: i64, alert: &Alert) -> rusqlite::Result<()> {
    let values = params![
        id,
        alert.labels.as_bytes(),
        alert.annotations.as_bytes(),
        alert.starts_at.as_millis(),
        ms(alert.ends_at),
        &*alert.generator_url,
        alert.updated_at.as_millis(),
    ];
    statement.execute(values).map(drop)
}

/// The statement, prepared when it is first needed.
pub(super) fn ready<'a, 'c>(
    transaction: &'c Transaction<'_>,
    known: &'a mut Option<CachedStatement<'c>>,
    sql: &str,
) -> rusqlite::Result<&'a mut CachedStatement<'c>> {
    if known.is_none() {
        *known = Some(transaction.prepare_cached(sql)?);
    }
    known.as_mut().ok_or(rusqlite::Error::InvalidQuery)
}

/// The alerts, by number.
pub(super) fn load(connection: &Connection) -> Result<BTreeMap<u64, Alert>, Bad> {
    let mut alerts = load_rows(connection)?;
    let gone: BTreeSet<i64> = connection
        .prepare("SELECT id FROM alert_gone")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut statement = connection.prepare("SELECT first, alerts FROM alert_pack")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let first: i64 = row.get(0)?;
        let packed = row.get_ref(1)?.as_blob().ok().and_then(unpack);
        let packed = packed.ok_or_else(|| unreadable(first))?;
        for (id, alert) in (first..).zip(packed).filter(|(id, _)| !gone.contains(id)) {
            // A row of its own is how it is now.
            alerts.entry(id.cast_unsigned()).or_insert(alert);
        }
    }
    Ok(alerts)
}

fn load_rows(connection: &Connection) -> Result<BTreeMap<u64, Alert>, Bad> {
    let mut last_url: Arc<str> = "".into();
    let mut statement = connection.prepare(
        "SELECT id, labels, annotations, starts_at, ends_at, generator_url, updated_at FROM alert ORDER BY id",
    )?;
    let (mut rows, mut alerts) = (statement.query([])?, BTreeMap::new());
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        let labels = |column: usize| {
            let read = row.get_ref(column)?.as_blob().ok().and_then(Labels::from_bytes);
            read.ok_or_else(|| Bad::row("alert", &id.to_string(), "its labels or annotations cannot be read"))
        };
        let url = row.get_ref(5)?.as_str().unwrap_or_default();
        if *url != *last_url {
            last_url = url.into();
        }
        let alert = Alert {
            labels: labels(1)?,
            annotations: labels(2)?,
            starts_at: Timestamp::from_millis(row.get(3)?),
            ends_at: row.get::<_, Option<i64>>(4)?.map(Timestamp::from_millis),
            generator_url: last_url.clone(),
            updated_at: Timestamp::from_millis(row.get(6)?),
        };
        alerts.insert(id.cast_unsigned(), alert);
    }
    Ok(alerts)
}

//! Which credentials are no longer taken, though their signature is good and their time is not over.
//!
//! A revocation is kept until what it revokes would have ended of itself. It counts from the moment it is decided,
//! and is acknowledged only once its rows are durable. Of a line of refresh tokens the number of the newest is kept:
//! an older one that shows up was stolen, or its thief has used it, and the whole session ends.

use model::Timestamp;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

/// Entries at once. Sessions stop to be refreshed at nine tenths of it, so that revoking still goes.
const ENTRIES_MAX: usize = 100_000;
/// How long the revocation of all that somebody has is kept; longer than any token we issue is good.
const SUBJECT_KEPT: Duration = Duration::from_secs(400 * 86_400);

/// Rows to be written: key, and the row or that it is gone.
pub(crate) type Rows = Vec<(String, Option<Value>)>;

/// What can be revoked of a token.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    pub token: &'a str,
    pub session: Option<&'a str>,
    pub name: &'a str,
    pub issued: Timestamp,
}

/// All revocations, in memory.
#[derive(Debug, Default)]
pub(super) struct Revoked {
    /// Protects all of it; held for one look or one change.
    inner: RwLock<HashMap<Key, Entry>>,
}

/// What an entry is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Token(String),
    Session(String),
    Name(String),
    Line(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    /// It may be forgotten then.
    until: Timestamp,
    /// Of a name: what was issued up to then is revoked. Of a line: which turn is the newest.
    value: i64,
}

/// Why a refresh token gets no new pair.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum NotTurned {
    /// It was used before: the session is revoked by these rows.
    Reused(Rows),
    /// There are too many sessions.
    Full,
}

/// There is no room for another revocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

impl Key {
    fn text(&self) -> String {
        match self {
            Key::Token(id) => format!("token:{id}"),
            Key::Session(id) => format!("session:{id}"),
            Key::Name(name) => format!("name:{name}"),
            Key::Line(id) => format!("line:{id}"),
        }
    }

    fn parse(text: &str) -> Option<Key> {
        let (kind, rest) = text.split_once(':')?;
        let rest = rest.to_owned();
        match kind {
            "token" => Some(Key::Token(rest)),
            "session" => Some(Key::Session(rest)),
            "name" => Some(Key::Name(rest)),
            "line" => Some(Key::Line(rest)),
            _ => None,
        }
    }
}

impl Revoked {
    /// From the rows that were kept.
    pub(super) fn restore(&self, rows: impl IntoIterator<Item = (String, Value)>) {
        let mut inner = self.write();
        for (key, row) in rows {
            if let (Some(key), Some(until)) = (Key::parse(&key), row["until"].as_i64()) {
                let value = row["value"].as_i64().unwrap_or_default();
                inner.insert(key, Entry { until: Timestamp::from_millis(until), value });
            }
        }
    }

    pub(super) fn holds(&self, subject: Subject<'_>) -> bool {
        let inner = self.read();
        if inner.is_empty() {
            return false;
        }
        let before = inner.get(&Key::Name(subject.name.to_owned())).map(|entry| entry.value);
        before.is_some_and(|before| subject.issued.as_millis() <= before)
            || inner.contains_key(&Key::Token(subject.token.to_owned()))
            // Of a token without a session, what was issued with it has its id for one.
            || subject.session.is_some_and(|id| {
                inner.contains_key(&Key::Session(id.to_owned())) || inner.contains_key(&Key::Token(id.to_owned()))
            })
    }

    /// Revokes one token.
    pub(super) fn token(&self, id: &str, until: Timestamp, now: Timestamp) -> Result<Rows, Full> {
        self.add(Key::Token(id.to_owned()), Entry { until, value: 0 }, now)
    }

    /// Revokes every token of a session.
    pub(super) fn session(&self, id: &str, until: Timestamp, now: Timestamp) -> Result<Rows, Full> {
        self.add(Key::Session(id.to_owned()), Entry { until, value: 0 }, now)
    }

    /// Revokes every token of somebody that was issued up to now.
    pub(super) fn name(&self, name: &str, now: Timestamp) -> Result<Rows, Full> {
        let entry = Entry { until: now.plus(SUBJECT_KEPT), value: now.as_millis() };
        self.add(Key::Name(name.to_owned()), entry, now)
    }

    /// Uses up turn `turn` of a line, which is good until `until`; the next is the newest then.
    pub(super) fn turn(
        &self,
        line: &str,
        turn: u64,
        session: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Rows, NotTurned> {
        let mut inner = self.write();
        let key = Key::Line(line.to_owned());
        let turn = i64::try_from(turn).unwrap_or(i64::MAX);
        let known = inner.get(&key).copied();
        if known.is_some_and(|newest| turn < newest.value) {
            let entry = Entry { until, value: 0 };
            return Err(NotTurned::Reused(put(&mut inner, Key::Session(session.to_owned()), entry)));
        }
        let mut rows = sweep_if_full(&mut inner, now);
        if known.is_none() && inner.len() >= ENTRIES_MAX / 10 * 9 {
            return Err(NotTurned::Full);
        }
        rows.extend(put(&mut inner, key, Entry { until, value: turn.saturating_add(1) }));
        Ok(rows)
    }

    /// Forgets what has ended of itself.
    pub(super) fn sweep(&self, now: Timestamp) -> Rows {
        sweep(&mut self.write(), now)
    }

    fn add(&self, key: Key, entry: Entry, now: Timestamp) -> Result<Rows, Full> {
        let mut inner = self.write();
        let mut rows = sweep_if_full(&mut inner, now);
        if inner.len() >= ENTRIES_MAX && !inner.contains_key(&key) {
            return Err(Full);
        }
        rows.extend(put(&mut inner, key, entry));
        Ok(rows)
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<Key, Entry>> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<Key, Entry>> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn put(inner: &mut HashMap<Key, Entry>, key: Key, entry: Entry) -> Rows {
    let row = json!({"until": entry.until.as_millis(), "value": entry.value});
    let text = key.text();
    inner.insert(key, entry);
    vec![(text, Some(row))]
}

fn sweep_if_full(inner: &mut HashMap<Key, Entry>, now: Timestamp) -> Rows {
    if inner.len() < ENTRIES_MAX / 10 * 9 { Rows::new() } else { sweep(inner, now) }
}

fn sweep(inner: &mut HashMap<Key, Entry>, now: Timestamp) -> Rows {
    let over: Vec<Key> =
        inner.iter().filter(|(_, entry)| entry.until <= now).map(|(key, _)| key.clone()).collect();
    let gone = |key: Key| {
        inner.remove(&key);
        (key.text(), None)
    };
    over.into_iter().map(gone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn subject<'a>(token: &'a str, session: &'a str, issued: i64) -> Subject<'a> {
        Subject { token, session: Some(session), name: "ann", issued: at(issued) }
    }

    #[test]
    fn what_each_revocation_covers() {
        let revoked = Revoked::default();
        assert!(!revoked.holds(subject("t1", "s1", 5)));
        revoked.token("t1", at(100), at(10)).unwrap();
        assert!(revoked.holds(subject("t1", "s1", 5)) && !revoked.holds(subject("t2", "s1", 5)));
        revoked.session("s1", at(100), at(10)).unwrap();
        assert!(revoked.holds(subject("t2", "s1", 5)) && !revoked.holds(subject("t3", "s2", 5)));
        revoked.name("ann", at(10)).unwrap();
        assert!(revoked.holds(subject("t3", "s2", 10)) && !revoked.holds(subject("t4", "s3", 11)));
    }

    #[test]
    fn a_refresh_token_is_used_once() {
        let revoked = Revoked::default();
        let turn = |turn| revoked.turn("l", turn, "s", at(100), at(10));
        assert!(turn(0).is_ok() && turn(1).is_ok());
        let Err(NotTurned::Reused(rows)) = turn(1) else { panic!("the second use must be seen") };
        assert_eq!(rows[0].0, "session:s");
        assert!(revoked.holds(subject("t", "s", 5)), "the whole session ends");
    }

    #[test]
    fn a_restart_changes_nothing_and_a_sweep_forgets_what_is_over() {
        let revoked = Revoked::default();
        let mut rows = revoked.token("t1", at(100), at(10)).unwrap();
        rows.extend(revoked.turn("l", 4, "s", at(200), at(10)).unwrap());
        rows.extend(revoked.name("ann:b", at(10)).unwrap());
        let again = Revoked::default();
        again.restore(rows.into_iter().map(|(key, row)| (key, row.unwrap())));
        assert_eq!(*again.read(), *revoked.read());
        assert!(matches!(again.turn("l", 4, "s", at(200), at(10)), Err(NotTurned::Reused(_))));
        assert_eq!(again.sweep(at(150)), [("token:t1".to_owned(), None)]);
        assert_eq!(again.sweep(at(150)), []);
        again.restore([("token:x".to_owned(), json!({})), ("garbage".to_owned(), json!({"until": 1}))]);
        assert_eq!(again.read().len(), 3);
    }

    #[test]
    fn bounded_and_revoking_goes_on_when_refreshing_does_not() {
        let revoked = Revoked::default();
        for n in 0..ENTRIES_MAX / 10 * 9 {
            revoked.turn(&n.to_string(), 0, "s", at(100), at(10)).unwrap();
        }
        assert_eq!(revoked.turn("new", 0, "s", at(100), at(10)), Err(NotTurned::Full));
        assert!(revoked.turn("7", 1, "s", at(100), at(10)).is_ok(), "a known line goes on");
        assert!(revoked.token("t", at(100), at(10)).is_ok());
        assert!(revoked.turn("new", 0, "s", at(300), at(101)).is_ok(), "what is over makes room");
        assert!(revoked.read().len() < 10);
    }
}

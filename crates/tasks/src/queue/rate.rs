//! How many runs of one rate key may begin in a minute.
//!
//! Never more than the limit in any 60 seconds, however they are placed: what began is counted by the second it
//! began in, and counts until that whole second is a minute old. So a key costs at most 61 numbers, and the
//! limit may only be met a second late, never exceeded. What began is written down, so that a restart does not
//! forget it.

use crate::{Change, Record, RecordKind};
use model::Timestamp;
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// The span a limit is for, in seconds.
const SPAN: i64 = 60;

/// What began lately, by rate key.
#[derive(Debug, Default)]
pub(super) struct Rates {
    keys: HashMap<Arc<str>, Began>,
    /// Of the keys under which the store keeps them.
    prefix: &'static str,
}

/// How many runs began in which second, oldest first.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Began(VecDeque<(i64, u32)>);

impl Began {
    fn forget(&mut self, now: Timestamp) {
        let second = second(now);
        while self.0.front().is_some_and(|(at, _)| at + SPAN < second) {
            self.0.pop_front();
        }
    }

    fn count(&self) -> u32 {
        self.0.iter().map(|(_, runs)| *runs).sum()
    }

    /// When fewer than `limit` will count, if nothing more begins.
    fn free_at(&self, limit: u32) -> Option<i64> {
        let mut left = self.count();
        for (at, runs) in &self.0 {
            if left < limit {
                return None;
            }
            left -= runs;
            if left < limit {
                return Some(at + SPAN + 1);
            }
        }
        None
    }
}

impl Rates {
    /// From what the store kept under [`RecordKind::Queue`]; takes only its own.
    pub(super) fn restored(records: &[Record], prefix: &'static str) -> Rates {
        let mut rates = Rates { prefix, ..Rates::default() };
        for record in records {
            if let Some(key) = record.key.strip_prefix(prefix) {
                let began = record
                    .row
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(|pair| Some((pair[0].as_i64()?, u32::try_from(pair[1].as_u64()?).ok()?)));
                rates.keys.insert(Arc::from(key), Began(began.collect()));
            }
        }
        rates
    }

    /// Until when a run of `key` has to wait; `None`: it may begin now.
    pub(super) fn wait(&self, key: &str, limit: u32, now: Timestamp) -> Option<Timestamp> {
        let mut began = self.keys.get(key)?.clone();
        began.forget(now);
        began.free_at(limit.max(1)).map(|at| Timestamp::from_millis(at * 1000))
    }

    /// How many runs of `key` may begin now.
    pub(super) fn free(&self, key: &str, limit: u32, now: Timestamp) -> u32 {
        let Some(began) = self.keys.get(key) else { return limit };
        let mut began = began.clone();
        began.forget(now);
        limit.saturating_sub(began.count())
    }

    /// Notes that a run of `key` begins.
    pub(super) fn begin(&mut self, key: &Arc<str>, now: Timestamp, out: &mut Vec<Change>) {
        let began = self.keys.entry(key.clone()).or_default();
        began.forget(now);
        match began.0.back_mut() {
            // A clock that goes back adds to the latest second: too long is safe, too short is not.
            Some((at, runs)) if *at >= second(now) => *runs += 1,
            _ => began.0.push_back((second(now), 1)),
        }
        let row: Vec<Value> = began.0.iter().map(|(at, runs)| json!([at, runs])).collect();
        out.push(record(self.prefix, key, Some(Value::Array(row))));
    }

    /// Forgets keys of which nothing counts any more.
    pub(super) fn sweep(&mut self, now: Timestamp, out: &mut Vec<Change>) {
        let prefix = self.prefix;
        self.keys.retain(|key, began| {
            began.forget(now);
            if began.0.is_empty() {
                out.push(record(prefix, key, None));
            }
            !began.0.is_empty()
        });
    }

    /// How many keys are held.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }
}

fn record(prefix: &str, key: &str, row: Option<Value>) -> Change {
    Change::Record { kind: RecordKind::Queue, key: format!("{prefix}{key}"), row }
}

fn second(at: Timestamp) -> i64 {
    at.as_millis().div_euclid(1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng, rngs::StdRng};
    use std::time::Duration;

    #[test]
    fn no_sixty_seconds_hold_more_than_the_limit() {
        for seed in 0..50 {
            let (mut rates, mut out, mut rng) =
                (Rates::restored(&[], "rate/"), Vec::new(), StdRng::seed_from_u64(seed));
            let (key, limit): (Arc<str>, u32) = (Arc::from("k"), 1 + rng.next_u32() % 20);
            let (mut now, mut begun) = (Timestamp::from_millis(1_700_000_000_123), Vec::new());
            for _ in 0..2_000 {
                now = now.plus(Duration::from_millis(u64::from(rng.next_u32() % 2_000)));
                match rates.wait(&key, limit, now) {
                    None => {
                        rates.begin(&key, now, &mut out);
                        begun.push(now);
                    }
                    Some(until) => {
                        assert!(until > now && until <= now.plus(Duration::from_secs(61)), "seed {seed}");
                        assert_eq!(rates.wait(&key, limit, until), None, "seed {seed}: it says until when");
                    }
                }
                if rng.next_u32() % 50 == 0 {
                    rates = Rates::restored(&last(&out), "rate/");
                }
            }
            for (i, first) in begun.iter().enumerate() {
                let within = begun[i..].iter().take_while(|at| at.since(*first) < Duration::from_secs(60));
                assert!(within.count() <= limit as usize, "seed {seed}: more than {limit} in a minute");
            }
            assert!(begun.len() > limit as usize, "seed {seed}: it goes on");
            assert!(rates.keys[&key].0.len() <= 62, "seed {seed}");
            rates.sweep(now.plus(Duration::from_secs(62)), &mut out);
            assert_eq!((rates.len(), last(&out)), (0, Vec::new()));
        }
    }

    /// The last row of each key.
    fn last(out: &[Change]) -> Vec<Record> {
        let mut kept: Vec<Record> = Vec::new();
        for change in out {
            if let Change::Record { kind, key, row } = change {
                kept.retain(|record| record.key != *key);
                kept.extend(row.clone().map(|row| Record { kind: *kind, key: key.clone(), row }));
            }
        }
        kept
    }
}

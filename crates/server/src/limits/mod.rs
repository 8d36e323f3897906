//! How often a client may ask: a sliding minute for each principal at each address and group of routes.
//!
//! A client that is over its limit is refused with 429 and told in how many seconds there is room again. Where a
//! group has no limit set, the defaults hold on listeners that other machines reach; on loopback, where a team's own
//! programs ask, a far higher one. It says nothing about who may do what, and it never looks at a credential:
//! `auth` has done so. Bounded: a client is a few hundred bytes, and at [`CLIENTS_MAX`] of them the one that has been
//! silent for longest is forgotten and counted.

mod address;
mod group;
#[cfg(test)]
mod tests;
mod window;

pub use address::{Network, Networks};
pub use group::Group;
pub(crate) use group::Limited;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use model::Timestamp;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use window::{Span, Window};

/// Clients times groups that are remembered at once.
pub const CLIENTS_MAX: usize = SHARDS * SHARD_MAX;
const SHARDS: usize = 16;
const SHARD_MAX: usize = 1024;

/// What a group without a limit of its own gets on a loopback listener.
pub const ON_LOOPBACK: u32 = 100_000;

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// How often clients may ask; what is `None` has its default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rates {
    /// Whether anything is limited at all.
    pub enabled: bool,
    /// Requests a minute by group, where the operator says so; these hold on every listener.
    pub per_minute: [Option<u32>; Group::ALL.len()],
    /// Requests an hour over all groups; `None`: not limited.
    pub per_hour: Option<u32>,
}

impl Rates {
    /// Nothing is limited.
    pub const OFF: Rates = Rates { enabled: false, per_minute: [None; Group::ALL.len()], per_hour: None };
    /// The defaults.
    pub const ON: Rates = Rates { enabled: true, ..Rates::OFF };

    fn minute(&self, group: Group, on_loopback: bool) -> u32 {
        let usual = if on_loopback { ON_LOOPBACK } else { group.usual() };
        self.per_minute[group.index()].unwrap_or(usual)
    }
}

/// Counts requests and says who is over the limit.
pub(crate) struct Limiter {
    rates: Rates,
    born: Instant,
    hashing: RandomState,
    /// Each protects its share of the clients, for the few lines of one request.
    shards: [Mutex<Shard>; SHARDS],
}

type Shard = HashMap<u64, Client>;

/// One client of one group.
struct Client {
    window: Window,
    /// Since the limiter began.
    last_ms: u64,
}

/// Who asks, as far as limits go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asking<'a> {
    /// The principal's name; empty for nobody.
    pub principal: &'a str,
    pub address: IpAddr,
    /// Whether the listener is one that only this machine reaches.
    pub on_loopback: bool,
}

/// What is left to a client, for the headers of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quota {
    pub limit: u32,
    pub remaining: u32,
    /// Until there is room for one more than now.
    pub left: Duration,
    /// Whether this request is within the limit.
    pub allowed: bool,
    /// Whether another client had to be forgotten for this one.
    pub forgot: bool,
}

impl Quota {
    /// Whole seconds until there is room.
    pub(crate) fn left_secs(&self) -> u64 {
        u64::try_from(self.left.as_millis().div_ceil(1000)).unwrap_or(u64::MAX).max(1)
    }

    /// Says it in the answer.
    pub(crate) fn tell(&self, headers: &mut HeaderMap, now: Timestamp) {
        let reset = u64::try_from(now.plus(self.left).as_millis()).unwrap_or(0).div_ceil(1000);
        headers.insert(LIMIT, HeaderValue::from(self.limit));
        headers.insert(REMAINING, HeaderValue::from(self.remaining));
        headers.insert(RESET, HeaderValue::from(reset));
    }
}

impl Limiter {
    pub(crate) fn new(rates: Rates) -> Limiter {
        Limiter {
            rates,
            born: Instant::now(),
            hashing: RandomState::new(),
            shards: std::array::from_fn(|_| Mutex::default()),
        }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.rates.enabled
    }

    /// Counts one request of `group`. `None`: nothing is limited.
    pub(crate) fn count(&self, group: Group, asking: Asking<'_>) -> Option<Quota> {
        let now_ms = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.count_at(group, asking, now_ms)
    }

    fn count_at(&self, group: Group, asking: Asking<'_>, now_ms: u64) -> Option<Quota> {
        if !self.rates.enabled {
            return None;
        }
        let minute = Span { limit: self.rates.minute(group, asking.on_loopback), ms: 60_000 };
        let mut quota = self.take(Some(group), asking, minute, now_ms);
        if let (Some(limit), true) = (self.rates.per_hour, quota.allowed) {
            let hour = self.take(None, asking, Span { limit, ms: 3_600_000 }, now_ms);
            if hour.remaining < quota.remaining || !hour.allowed {
                quota = Quota { forgot: hour.forgot || quota.forgot, ..hour };
            }
        }
        Some(quota)
    }

    fn take(&self, group: Option<Group>, asking: Asking<'_>, span: Span, now_ms: u64) -> Quota {
        let address = address::of_client(asking.address);
        let key = self.hashing.hash_one((asking.principal, address, group.map(Group::index)));
        let mut shard = self.shard(key);
        let forgot = !shard.contains_key(&key) && make_room(&mut shard, now_ms);
        let client =
            shard.entry(key).or_insert_with(|| Client { window: Window::default(), last_ms: now_ms });
        client.last_ms = now_ms;
        let taken = client.window.take(span, now_ms);
        Quota {
            limit: span.limit,
            remaining: taken.remaining,
            left: Duration::from_millis(taken.left_ms),
            allowed: taken.allowed,
            forgot,
        }
    }

    fn shard(&self, key: u64) -> MutexGuard<'_, Shard> {
        // The map hashes the key again, so its upper bits are free for this.
        let at = (key >> 60) as usize % SHARDS;
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes room for one more client; true if one that still counts had to go.
fn make_room(shard: &mut Shard, now_ms: u64) -> bool {
    if shard.len() < SHARD_MAX {
        return false;
    }
    shard.retain(|_, client| !client.window.is_over(now_ms));
    if shard.len() < SHARD_MAX {
        return false;
    }
    let silent = shard.iter().min_by_key(|(_, client)| client.last_ms).map(|(key, _)| *key);
    silent.is_some_and(|key| shard.remove(&key).is_some())
}

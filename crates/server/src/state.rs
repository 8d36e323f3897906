//! What every request is handled with.

use crate::api::Told;
use crate::auth::Auth;
use crate::cors::Cors;
use crate::limits::{Limiter, Networks, Rates};
use crate::links::Links;
use crate::views::Build;
use crate::{Desk, HttpMetrics, Reads};
use model::Clock;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Semaphore;

/// The bounds of what a client can make us do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The largest body of a request, in bytes; beyond it 413.
    pub body_max: usize,
    /// The largest body of `POST /tasks/bulk`.
    pub bulk_body_max: usize,
    /// How long a body may take to arrive; beyond it 408.
    pub body_timeout: Duration,
    /// Expressions evaluated at once; further ones wait.
    pub queries_max: usize,
    /// How long an expression may wait and be evaluated; clients may ask for less.
    pub query_timeout: Duration,
    /// Steps of a range query.
    pub steps_max: u64,
    /// Connections at once; further ones wait in the listener's backlog.
    pub connections_max: usize,
    /// How long a connection may be silent before and between requests.
    pub idle_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            body_max: 10 << 20,
            bulk_body_max: 64 << 20,
            body_timeout: Duration::from_secs(30),
            queries_max: 20,
            query_timeout: Duration::from_secs(120),
            steps_max: 11_000,
            connections_max: 4096,
            idle_timeout: Duration::from_secs(75),
        }
    }
}

/// What stands between a request and its route, beside its credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// How often a client may ask.
    pub rates: Rates,
    /// Which pages of other origins may read.
    pub cors: Cors,
    /// Proxies that may say whom they speak for.
    pub trusted_proxies: Networks,
}

impl Default for Gate {
    /// Nothing is limited, no other origin may read, no proxy is trusted.
    fn default() -> Gate {
        Gate { rates: Rates::OFF, cors: Cors::default(), trusted_proxies: Networks::default() }
    }
}

/// What every request is handled with.
pub struct State {
    pub(crate) reads: Reads,
    pub(crate) desk: Arc<dyn Desk>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) auth: Auth,
    pub(crate) limits: Limits,
    pub(crate) gate: Gate,
    pub(crate) limiter: Limiter,
    /// Workers that are taken for gone when their connection closes.
    pub(crate) holders: Arc<crate::closing::Holders>,
    /// Makes and checks signed links; `None`: there are none.
    pub(crate) links: Option<Links>,
    pub(crate) build: Build,
    pub(crate) metrics: Arc<HttpMetrics>,
    /// One permit for each expression being evaluated.
    pub(crate) queries: Arc<Semaphore>,
    /// The last answer of `/health`.
    pub(crate) told: Mutex<Option<Told>>,
}

impl State {
    /// Everything together.
    pub fn new(
        reads: Reads,
        desk: Arc<dyn Desk>,
        clock: Arc<dyn Clock>,
        auth: Auth,
        limits: Limits,
        build: Build,
        metrics: Arc<HttpMetrics>,
    ) -> State {
        let queries = Arc::new(Semaphore::new(limits.queries_max));
        let gate = Gate::default();
        let limiter = Limiter::new(gate.rates.clone());
        let holders = Arc::default();
        State {
            reads,
            desk,
            clock,
            auth,
            limits,
            gate,
            limiter,
            holders,
            links: None,
            build,
            metrics,
            queries,
            told: Mutex::default(),
        }
    }

    /// The same with signed links.
    pub fn with_links(self, links: Links) -> State {
        State { links: Some(links), ..self }
    }

    /// The same behind a gate.
    pub fn behind(self, gate: Gate) -> State {
        State { limiter: Limiter::new(gate.rates.clone()), gate, ..self }
    }
}

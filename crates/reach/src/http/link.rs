//! One HTTP/1.1 connection and the shelf of idle ones.
//!
//! A connection has no task of its own: whoever uses it polls it, and an idle one is polled once before it is
//! used again, which is enough to see that the other side has closed it. Nothing is spawned, dropping a request
//! closes its connection.

use super::Proxy;
use crate::{Error, Guard, Target, tls};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use std::{
    collections::HashMap,
    future::{Future, poll_fn},
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{Arc, Mutex},
    task::Poll,
    time::{Duration, Instant},
};
use tokio::io::{AsyncRead, AsyncWrite};

/// What a connection can be kept for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    pub https: bool,
    pub target: Target,
}

type Driver = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

/// An open connection.
pub(super) struct Link {
    pub peer: SocketAddr,
    /// Whether it has carried a request before.
    pub used: bool,
    sender: http1::SendRequest<Full<Bytes>>,
    /// Moves the bytes; `None` once the connection has ended.
    driver: Option<Driver>,
}

/// How long opening took.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Opening {
    pub resolve: Duration,
    pub connect: Duration,
    pub tls: Duration,
}

impl Link {
    /// Connects, by a proxy if one is for it, and makes the connection private if `tls` is given.
    pub async fn open(
        guard: &Guard,
        origin: &Origin,
        proxy: &Proxy,
        tls: Option<(Arc<ClientConfig>, Option<&str>)>,
        limit: Duration,
    ) -> Result<(Link, Opening), Error> {
        let via = proxy.to(origin);
        let mut dialed = guard.dial(via.map_or(&origin.target, |via| &via.target), limit).await?;
        if let (Some(via), true) = (via, origin.https) {
            proxy.tunnel(&mut dialed.stream, via, &origin.target).await?;
        }
        let mut opening = Opening { resolve: dialed.resolve, connect: dialed.connect, tls: Duration::ZERO };
        let link = match tls {
            None => Link::over(dialed.stream, dialed.peer).await?,
            Some((config, server_name)) => {
                let begun = Instant::now();
                let host = &origin.target.host;
                let stream = tls::handshake(dialed.stream, host, config, server_name).await?;
                opening.tls = begun.elapsed();
                Link::over(stream, dialed.peer).await?
            }
        };
        Ok((link, opening))
    }

    async fn over<S>(stream: S, peer: SocketAddr) -> Result<Link, Error>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, driver) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|e| broken(&peer.to_string(), "opening it", &e))?;
        Ok(Link { peer, used: false, sender, driver: Some(Box::pin(driver)) })
    }

    /// Sends `request`. On failure hands it back if not a byte of it left.
    pub async fn send(
        &mut self,
        request: hyper::Request<Full<Bytes>>,
    ) -> Result<hyper::Response<Incoming>, (hyper::Error, Option<hyper::Request<Full<Bytes>>>)> {
        let Link { sender, driver, .. } = self;
        let exchange = async {
            if let Err(error) = sender.ready().await {
                return Err((error, Some(request)));
            }
            sender.try_send_request(request).await.map_err(|mut failed| {
                let unsent = failed.take_message();
                (failed.into_error(), unsent)
            })
        };
        drive(driver, exchange).await
    }

    /// Does `work`, which waits for this connection, while moving its bytes.
    pub async fn drive<F: Future>(&mut self, work: F) -> F::Output {
        drive(&mut self.driver, work).await
    }

    /// Whether the other side has not closed it yet.
    async fn is_open(&mut self) -> bool {
        if let Some(driver) = &mut self.driver {
            let ended = poll_fn(|cx| Poll::Ready(driver.as_mut().poll(cx).is_ready())).await;
            if ended {
                self.driver = None;
            }
        }
        self.driver.is_some() && !self.sender.is_closed()
    }
}

async fn drive<F: Future>(driver: &mut Option<Driver>, work: F) -> F::Output {
    let mut work = pin!(work);
    poll_fn(|cx| {
        if let Poll::Ready(output) = work.as_mut().poll(cx) {
            return Poll::Ready(output);
        }
        if let Some(moving) = driver {
            // Why it ended reaches `work` through the channel between the two.
            if moving.as_mut().poll(cx).is_ready() {
                *driver = None;
            }
            return work.as_mut().poll(cx);
        }
        Poll::Pending
    })
    .await
}

/// Idle connections, some for each origin.
#[derive(Default)]
pub(super) struct Shelf {
    /// Never held across an await.
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    links: HashMap<Origin, Vec<(Instant, Link)>>,
    /// How many in all.
    count: usize,
}

/// Kept for each origin, as many as a webhook is sent pages at once; of more the oldest is closed.
const IDLE_PER_ORIGIN: usize = 64;
/// Kept in all; at the bound old ones are closed, then the new one.
const IDLE_MAX: usize = 4096;
/// Longer idle ones are closed.
const IDLE_FOR: Duration = Duration::from_secs(75);

impl Shelf {
    /// An open connection to `origin`, if one is idle.
    pub async fn take(&self, origin: &Origin) -> Option<Link> {
        loop {
            let (since, mut link) = self.lock().pop(origin)?;
            if since.elapsed() < IDLE_FOR && link.is_open().await {
                link.used = true;
                return Some(link);
            }
        }
    }

    /// Keeps `link` for later.
    pub fn put(&self, origin: Origin, link: Link) {
        if link.driver.is_some() && !link.sender.is_closed() {
            self.lock().push(origin, link);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Idle {
    fn pop(&mut self, origin: &Origin) -> Option<(Instant, Link)> {
        let links = self.links.get_mut(origin)?;
        let newest = links.pop();
        if links.is_empty() {
            self.links.remove(origin);
        }
        self.count -= usize::from(newest.is_some());
        newest
    }

    fn push(&mut self, origin: Origin, link: Link) {
        if self.count >= IDLE_MAX {
            self.close_old();
        }
        if self.count >= IDLE_MAX {
            return;
        }
        let links = self.links.entry(origin).or_default();
        if links.len() >= IDLE_PER_ORIGIN {
            links.remove(0);
            self.count -= 1;
        }
        links.push((Instant::now(), link));
        self.count += 1;
    }

    fn close_old(&mut self) {
        self.links.retain(|_, links| {
            links.retain(|(since, _)| since.elapsed() < IDLE_FOR);
            !links.is_empty()
        });
        self.count = self.links.values().map(Vec::len).sum();
    }
}

/// Our error for one of hyper's.
pub(super) fn broken(peer: &str, doing: &'static str, error: &hyper::Error) -> Error {
    use std::error::Error as _;
    if error.is_parse() || error.is_parse_status() || error.is_parse_too_large() {
        let why = error.to_string();
        return Error::Protocol { peer: peer.to_owned(), protocol: "HTTP", why };
    }
    let why = match error.source().and_then(|source| source.downcast_ref::<std::io::Error>()) {
        Some(io) => crate::guard::plain(io),
        None if error.is_incomplete_message() => "it was closed before the message was complete".to_owned(),
        None => error.to_string(),
    };
    Error::Broken { peer: peer.to_owned(), doing, why }
}

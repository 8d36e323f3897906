//! Sends a request: connection, exchange, redirects, one time limit over everything.

use super::link::{Link, Origin, Shelf, broken};
use super::{Connection, Proxy, Request, Response, Timings, Url, body, header, without_secrets};
use crate::{Error, Guard, OwnListeners, Policy, Target, tls};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Uri};
use http_body_util::Full;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};
use url::Position;

/// An HTTP client. Clones share its connections.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    guard: Guard,
    tls: tls::Lazy,
    proxy: Proxy,
    shelf: Shelf,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("guard", &self.0.guard).field("tls", self.0.tls.options()).finish()
    }
}

/// What a request is at, for the message of a timeout.
#[derive(Default)]
struct Phase(AtomicU8);

const CONNECTING: u8 = 0;
const WAITING: u8 = 1;
const READING: u8 = 2;

impl Phase {
    fn set(&self, phase: u8) {
        self.0.store(phase, Ordering::Relaxed);
    }

    fn doing(&self) -> &'static str {
        match self.0.load(Ordering::Relaxed) {
            CONNECTING => "connecting to",
            WAITING => "waiting for the answer of",
            _ => "reading the answer of",
        }
    }
}

impl Client {
    /// A client under `policy` that knows our own listeners.
    pub fn new(policy: Policy, own: Arc<OwnListeners>) -> Client {
        Client::with(Guard::new(policy, own), tls::Options::default())
    }

    /// A client of its own connections under `guard`, with these settings of TLS.
    pub fn with(guard: Guard, tls: tls::Options) -> Client {
        Client::made(guard, tls::Lazy::new(tls), Proxy::default())
    }

    fn made(guard: Guard, tls: tls::Lazy, proxy: Proxy) -> Client {
        Client(Arc::new(Inner { guard, tls, proxy, shelf: Shelf::default() }))
    }

    /// A client of its own connections with other settings of TLS; the same one if they do not differ.
    pub fn with_tls(&self, tls: tls::Options) -> Client {
        if tls == *self.0.tls.options() {
            return self.clone();
        }
        Client::made(self.0.guard.clone(), tls::Lazy::new(tls), self.0.proxy.clone())
    }

    /// A client of its own connections by another proxy; the same one if they do not differ.
    pub fn with_proxy(&self, proxy: Proxy) -> Client {
        if proxy == self.0.proxy {
            return self.clone();
        }
        Client::made(self.0.guard.clone(), self.0.tls.clone(), proxy)
    }

    /// A client of its own connections under another policy.
    pub fn with_policy(&self, policy: Policy) -> Client {
        Client::made(self.0.guard.with_policy(policy), self.0.tls.clone(), self.0.proxy.clone())
    }

    /// What makes its connections.
    pub fn guard(&self) -> &Guard {
        &self.0.guard
    }

    /// Sends `request` and reads the response. Any status is a response; only trouble is an error.
    pub async fn send(&self, request: Request) -> Result<Response, Error> {
        let (limit, phase) = (request.timeout, Phase::default());
        let peer = origin_of(&request.url)?.target.to_string();
        match tokio::time::timeout(limit, self.follow(request, &phase)).await {
            Ok(result) => result,
            Err(_) => Err(Error::Timeout { peer, doing: phase.doing(), after: limit }),
        }
    }

    async fn follow(&self, mut request: Request, phase: &Phase) -> Result<Response, Error> {
        let mut before = Timings::default();
        for hop in 0.. {
            let mut response = self.exchange(&request, phase).await?;
            response.timings = sum(before, response.timings);
            let location = match (response.status, response.header("location")) {
                (301 | 302 | 303 | 307 | 308, Some(location)) if request.redirects_max > 0 => location,
                _ => return Ok(response),
            };
            if hop >= request.redirects_max {
                return Err(redirect(&request.url, location, "there were too many before it"));
            }
            before = response.timings;
            request = redirected(&request, response.status, location)?;
        }
        unreachable!("the loop ends by returning: a u32 of redirects is refused before it runs out")
    }

    /// One request, one response. A kept connection that turns out to be dead is replaced once.
    async fn exchange(&self, request: &Request, phase: &Phase) -> Result<Response, Error> {
        let origin = origin_of(&request.url)?;
        let fresh = request.connection == Connection::Fresh;
        let kept = if fresh { None } else { self.0.shelf.take(&origin).await };
        let (mut link, mut timings) = match kept {
            Some(link) => (link, Timings::default()),
            None => self.open(&origin, request, phase).await?,
        };
        phase.set(WAITING);
        let message = self.message(request, &origin)?;
        let mut begun = Instant::now();
        let sent = match link.send(message.clone()).await {
            Err((_, unsent)) if link.used && (unsent.is_some() || request.method.is_safe()) => {
                (link, timings) = self.open(&origin, request, phase).await?;
                phase.set(WAITING);
                begun = Instant::now();
                link.send(message).await
            }
            sent => sent,
        };
        let peer = link.peer.to_string();
        let response = sent.map_err(|(e, _)| broken(&peer, "waiting for the response", &e))?;
        timings.processing = begun.elapsed();
        phase.set(READING);
        let begun = Instant::now();
        let (head, incoming) = response.into_parts();
        let gzipped =
            head.headers.get(header::CONTENT_ENCODING).is_some_and(|v| v == "gzip" || v == "x-gzip");
        let body = link.drive(body::read(incoming, gzipped, request.body_max, &peer)).await?;
        timings.transfer = begun.elapsed();
        let remote_addr = link.peer;
        if !fresh {
            self.0.shelf.put(origin, link);
        }
        Ok(Response {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
            remote_addr,
            url: request.url.clone(),
            timings,
        })
    }

    async fn open(
        &self,
        origin: &Origin,
        request: &Request,
        phase: &Phase,
    ) -> Result<(Link, Timings), Error> {
        phase.set(CONNECTING);
        let tls = match origin.https {
            true => Some((self.0.tls.get().await?, self.0.tls.options().server_name.as_deref())),
            false => None,
        };
        let (link, opening) = Link::open(&self.0.guard, origin, &self.0.proxy, tls, request.timeout).await?;
        let timings = Timings {
            resolve: opening.resolve,
            connect: opening.connect,
            tls: opening.tls,
            processing: Duration::ZERO,
            transfer: Duration::ZERO,
        };
        Ok((link, timings))
    }

    fn message(&self, request: &Request, origin: &Origin) -> Result<http::Request<Full<Bytes>>, Error> {
        let fail = |why: &str| Error::Target {
            text: without_secrets(request.url.as_str()),
            form: "URL",
            why: why.to_owned(),
        };
        // A proxy that passes a request on must be told where to.
        let via = self.0.proxy.to(origin).filter(|_| !origin.https);
        let from = if via.is_some() { Position::BeforeScheme } else { Position::BeforePath };
        let path = &request.url[from..Position::AfterQuery];
        let uri: Uri = path.parse().map_err(|_| fail("its path cannot be sent"))?;
        let host = HeaderValue::try_from(&request.url[Position::BeforeHost..Position::AfterPort])
            .map_err(|_| fail("its host cannot be sent"))?;
        let mut message = http::Request::new(Full::new(request.body.clone()));
        *message.method_mut() = request.method.clone();
        *message.uri_mut() = uri;
        let headers = message.headers_mut();
        *headers = request.headers.clone();
        headers.insert(header::HOST, host);
        if let Some(authorization) = via.and_then(|via| via.authorization.clone()) {
            headers.insert(header::PROXY_AUTHORIZATION, authorization);
        }
        if !headers.contains_key(header::USER_AGENT) {
            headers.insert(header::USER_AGENT, USER_AGENT);
        }
        if self.0.guard.is_stranger_to(origin.target.port) {
            headers.insert(header::FORWARDED, HeaderValue::from_static("for=_tocsin"));
        }
        if request.connection == Connection::Fresh {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(message)
    }
}

const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("Tocsin/", env!("CARGO_PKG_VERSION")));

fn origin_of(url: &Url) -> Result<Origin, Error> {
    let fail =
        |why: &str| Error::Target { text: without_secrets(url.as_str()), form: "URL", why: why.to_owned() };
    let host = url.host_str().ok_or_else(|| fail("the host is missing"))?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = url.port_or_known_default().ok_or_else(|| fail("the port is missing"))?;
    Ok(Origin { https: url.scheme() == "https", target: Target { host, port } })
}

/// The request that a redirect asks for.
fn redirected(request: &Request, status: u16, location: &str) -> Result<Request, Error> {
    let from = &request.url;
    let url = from.join(location).map_err(|_| redirect(from, location, "it is no URL"))?;
    let mut next = Request { headers: HeaderMap::new(), body: Bytes::new(), ..request.clone() };
    next.url = super::parse_url(url.as_str(), &mut HeaderMap::new())?;
    if from.scheme() == "https" && next.url.scheme() == "http" {
        return Err(redirect(from, location, "it leads from https to http"));
    }
    let becomes_get = status == 303 && request.method != Method::HEAD
        || matches!(status, 301 | 302) && request.method == Method::POST;
    if becomes_get {
        next.method = Method::GET;
    } else {
        next.body = request.body.clone();
    }
    if is_same_place(from, &next.url) {
        next.headers = request.headers.clone();
    } else if !next.body.is_empty() {
        return Err(redirect(from, location, "it would carry the request's body to another host"));
    } else {
        for name in HARMLESS {
            if let Some(value) = request.headers.get(&name) {
                next.headers.insert(name, value.clone());
            }
        }
    }
    if becomes_get {
        next.headers.remove(header::CONTENT_TYPE);
    }
    Ok(next)
}

/// The headers that another host may see; every other one could hold a credential.
const HARMLESS: [header::HeaderName; 4] =
    [header::ACCEPT, header::ACCEPT_ENCODING, header::ACCEPT_LANGUAGE, header::USER_AGENT];

/// The same scheme, host and port, or the same host's step from http to https.
fn is_same_place(from: &Url, to: &Url) -> bool {
    let upgrade =
        from.scheme() == "http" && to.scheme() == "https" && from.port().is_none() && to.port().is_none();
    from.host_str() == to.host_str()
        && (upgrade
            || from.scheme() == to.scheme() && from.port_or_known_default() == to.port_or_known_default())
}

fn redirect(from: &Url, to: &str, why: &'static str) -> Error {
    Error::Redirect { from: without_secrets(from.as_str()), to: without_secrets(to), why }
}

fn sum(a: Timings, b: Timings) -> Timings {
    Timings {
        resolve: a.resolve + b.resolve,
        connect: a.connect + b.connect,
        tls: a.tls + b.tls,
        processing: a.processing + b.processing,
        transfer: a.transfer + b.transfer,
    }
}

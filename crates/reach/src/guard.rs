//! Where connections may go. A name is resolved once, each address is checked, and the checked address is the
//! one connected to, so that a name that changes between check and use gains nothing.
//!
//! Never allowed, whatever the policy: unspecified, link-local, multicast, reserved and cloud metadata
//! addresses, in their plain IPv6-mapped, IPv4-compatible, NAT64 and 6to4 forms too.

use crate::Error;
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, RwLock},
    time::{Duration, Instant},
};
use tokio::net::TcpStream;

/// What to do when a connection would reach one of our own listeners.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Own {
    /// Refuse: from loopback we would count as the local operator.
    Refuse,
    /// Go on, but as a stranger: HTTP requests carry a `Forwarded` header, which ends the local rule.
    AsStranger,
}

/// Which addresses may be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Policy {
    /// 127.0.0.0/8 and ::1.
    pub loopback: bool,
    /// Private networks: RFC 1918, carrier-grade NAT, unique local IPv6.
    pub private: bool,
    /// Our own listeners.
    pub own: Own,
}

impl Policy {
    /// For targets that an operator's file names: loopback and private networks are the normal case.
    pub const OPERATOR: Policy = Policy { loopback: true, private: true, own: Own::Refuse };
    /// For what is read, not acted on: scrapes and probes may look at ourselves.
    pub const COLLECT: Policy = Policy { loopback: true, private: true, own: Own::AsStranger };
    /// For targets that come over the API: the open internet only.
    pub const PUBLIC: Policy = Policy { loopback: false, private: false, own: Own::Refuse };

    /// Why `ip` may not be reached; `None` if it may.
    pub fn objection(self, ip: IpAddr) -> Option<&'static str> {
        let v4 = match ip {
            IpAddr::V4(v4) => v4,
            IpAddr::V6(v6) => match embedded(v6) {
                Some(v4) => v4,
                None => return self.objection_v6(v6),
            },
        };
        self.objection_v4(v4)
    }

    fn objection_v4(self, ip: Ipv4Addr) -> Option<&'static str> {
        let [a, b, c, _] = ip.octets();
        match (a, b, c) {
            (127, ..) => (!self.loopback).then_some("a loopback address"),
            (0, ..) => Some("an unspecified address"),
            (169, 254, _) => Some("a link-local address"),
            _ if METADATA_V4.contains(&ip) => Some("a cloud metadata address"),
            (224..=239, ..) => Some("a multicast address"),
            (240..=255, ..) | (192, 0, 0) => Some("a reserved address"),
            (10, ..) | (172, 16..=31, _) | (192, 168, _) | (100, 64..=127, _) | (198, 18..=19, _) => {
                (!self.private).then_some("a private address")
            }
            _ => None,
        }
    }

    fn objection_v6(self, ip: Ipv6Addr) -> Option<&'static str> {
        let first = ip.segments()[0];
        if ip.is_loopback() {
            (!self.loopback).then_some("a loopback address")
        } else if ip.is_unspecified() {
            Some("an unspecified address")
        } else if first & 0xffc0 == 0xfe80 || first & 0xffc0 == 0xfec0 {
            Some("a link-local address")
        } else if METADATA_V6.contains(&ip) {
            Some("a cloud metadata address")
        } else if first & 0xff00 == 0xff00 {
            Some("a multicast address")
        } else if first & 0xfe00 == 0xfc00 {
            (!self.private).then_some("a private address")
        } else if first == 0x2001 && ip.segments()[1] == 0 {
            Some("a Teredo address")
        } else {
            None
        }
    }
}

/// Metadata services outside the link-local range: Alibaba, Azure's host.
const METADATA_V4: [Ipv4Addr; 2] = [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16)];
/// AWS, Google.
const METADATA_V6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)];

/// The IPv4 address that an IPv6 one stands for, if it does.
fn embedded(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let s = ip.segments();
    let low = |hi: u16, lo: u16| Ipv4Addr::from((u32::from(hi) << 16) | u32::from(lo));
    match s {
        [0, 0, 0, 0, 0, 0xffff, hi, lo] => Some(low(hi, lo)),
        [0, 0, 0, 0, 0xffff, 0, hi, lo] => Some(low(hi, lo)),
        [0x64, 0xff9b, 0, 0, 0, 0, hi, lo] => Some(low(hi, lo)),
        [0x64, 0xff9b, 1, _, _, _, hi, lo] => Some(low(hi, lo)),
        [0x2002, hi, lo, ..] => Some(low(hi, lo)),
        [0, 0, 0, 0, 0, 0, hi, lo] if hi != 0 || lo > 1 => Some(low(hi, lo)),
        _ => None,
    }
}

/// The addresses we listen on ourselves. Shared by all guards; filled once the listeners are bound.
#[derive(Debug, Default)]
pub struct OwnListeners(RwLock<Vec<SocketAddr>>);

impl OwnListeners {
    /// Says which they are.
    pub fn set(&self, addresses: Vec<SocketAddr>) {
        *self.0.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = addresses;
    }

    /// Whether we listen on `port` somewhere.
    pub fn has_port(&self, port: u16) -> bool {
        self.read(|own| own.iter().any(|a| a.port() == port))
    }

    /// Whether a connection to `peer` that left from `local` ends at ourselves. For a listener on all
    /// addresses every address of this machine counts; the system connects those to themselves.
    fn covers(&self, peer: SocketAddr, local: Option<SocketAddr>) -> bool {
        let here = peer.ip().to_canonical().is_loopback() || local.is_some_and(|l| l.ip() == peer.ip());
        self.read(|own| {
            own.iter()
                .any(|a| a.port() == peer.port() && (a.ip() == peer.ip() || a.ip().is_unspecified() && here))
        })
    }

    fn read<T>(&self, look: impl FnOnce(&[SocketAddr]) -> T) -> T {
        look(&self.0.read().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// A name or an address, IPv6 without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Target {
    /// From `host:port`, `[v6]:port`, or `host` alone if there is a default port.
    pub fn parse(text: &str, default_port: Option<u16>) -> Result<Target, Error> {
        let fail = |why: &str| Error::Target { text: text.to_owned(), form: "address", why: why.to_owned() };
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, after) = rest.split_once(']').ok_or_else(|| fail("a ] is missing"))?;
                (host, after.strip_prefix(':').or((!after.is_empty()).then_some("x")))
            }
            None if text.matches(':').count() > 1 => (text, None),
            None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
        };
        let bad = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | '@' | '?' | '#' | '\\');
        if host.is_empty() || host.contains(bad) {
            return Err(fail("the host is missing or has a character that no host has"));
        }
        let port = match port {
            Some(port) => port.parse().ok().filter(|p| *p != 0),
            None => default_port,
        };
        let port = port.ok_or_else(|| fail("the port must be a number from 1 to 65535"))?;
        Ok(Target { host: host.to_owned(), port })
    }
}

/// `host:port`, IPv6 in brackets.
impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Target { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// A new connection and how long it took.
#[derive(Debug)]
pub struct Dialed {
    /// The connection.
    pub stream: TcpStream,
    /// Whom it reached.
    pub peer: SocketAddr,
    /// How long the name took.
    pub resolve: Duration,
    /// How long the connection took.
    pub connect: Duration,
}

/// A policy together with the knowledge of our own listeners: makes connections.
#[derive(Debug, Clone)]
pub struct Guard {
    policy: Policy,
    own: Arc<OwnListeners>,
}

impl Guard {
    /// A guard of `policy`.
    pub fn new(policy: Policy, own: Arc<OwnListeners>) -> Guard {
        Guard { policy, own }
    }

    /// The same with another policy.
    pub fn with_policy(&self, policy: Policy) -> Guard {
        Guard { policy, own: self.own.clone() }
    }

    /// The policy.
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// What speaks against calling an address, as far as that is known before a connection.
    pub fn objection(&self, peer: SocketAddr) -> Option<&'static str> {
        let own = self.policy.own == Own::Refuse && self.own.covers(peer, None);
        self.policy.objection(peer.ip()).or(own.then_some("one of our own listeners"))
    }

    /// Whether an HTTP request to `port` must say that it comes from a stranger.
    pub(crate) fn is_stranger_to(&self, port: u16) -> bool {
        self.policy.own == Own::AsStranger && self.own.has_port(port)
    }

    /// Connects to `target`, within `limit`. Its addresses are tried in the resolver's order, IPv4 as good as
    /// IPv6, each with an equal share of the time left; the error is the last one's.
    pub async fn dial(&self, target: &Target, limit: Duration) -> Result<Dialed, Error> {
        let begun = Instant::now();
        let timed_out = |doing| Error::Timeout { peer: target.to_string(), doing, after: limit };
        let addresses = tokio::time::timeout(limit, resolve(target))
            .await
            .map_err(|_| timed_out("resolving the name of"))??;
        let resolve = begun.elapsed();
        self.check(target, &addresses)?;

        let mut last = Error::Resolve { host: target.host.clone(), why: "it has no address".to_owned() };
        for (i, address) in addresses.iter().enumerate() {
            let left = limit.saturating_sub(begun.elapsed());
            let share = left / u32::try_from(addresses.len() - i).unwrap_or(1).max(1);
            let started = Instant::now();
            match tokio::time::timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    self.check_own(target, *address, stream.local_addr().ok())?;
                    let _ = stream.set_nodelay(true); // slower without, not wrong
                    return Ok(Dialed { stream, peer: *address, resolve, connect: started.elapsed() });
                }
                Ok(Err(why)) => last = connect_error(*address, &why),
                Err(_) => {
                    last = Error::Timeout {
                        peer: address.to_string(),
                        doing: "connecting to",
                        after: share.max(Duration::from_millis(1)),
                    }
                }
            }
        }
        Err(last)
    }

    /// Every address must be allowed: a name with one good and one forbidden address is not trusted.
    fn check(&self, target: &Target, addresses: &[SocketAddr]) -> Result<(), Error> {
        for address in addresses {
            if let Some(why) = self.policy.objection(address.ip()) {
                return Err(Error::Denied { host: target.to_string(), address: *address, why });
            }
            self.check_own(target, *address, None)?;
        }
        Ok(())
    }

    fn check_own(&self, target: &Target, peer: SocketAddr, local: Option<SocketAddr>) -> Result<(), Error> {
        if self.policy.own == Own::Refuse && self.own.covers(peer, local) {
            return Err(Error::Denied {
                host: target.to_string(),
                address: peer,
                why: "one of our own listeners",
            });
        }
        Ok(())
    }
}

async fn resolve(target: &Target) -> Result<Vec<SocketAddr>, Error> {
    if let Ok(ip) = target.host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, target.port)]);
    }
    let fail = |why: String| Error::Resolve { host: target.host.clone(), why };
    let found =
        tokio::net::lookup_host((target.host.as_str(), target.port)).await.map_err(|e| fail(plain(&e)))?;
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in found.take(ADDRESSES_MAX) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() { Err(fail("it has no address".to_owned())) } else { Ok(addresses) }
}

/// More addresses of one name than this are not looked at.
const ADDRESSES_MAX: usize = 16;

fn connect_error(address: SocketAddr, why: &io::Error) -> Error {
    match why.kind() {
        io::ErrorKind::ConnectionRefused => Error::Refused { address },
        _ => Error::Connect { address: address.to_string(), why: plain(why) },
    }
}

/// A system's message as ours are written: lower case, without the number.
pub(crate) fn plain(why: &io::Error) -> String {
    let text = why.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let text = text.strip_prefix("failed to lookup address information: ").unwrap_or(text);
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => "unknown reason".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(policy: Policy, ip: &str, expected: Option<&str>) {
        assert_eq!(policy.objection(ip.parse().unwrap()), expected, "{ip} under {policy:?}");
    }

    #[test]
    fn what_the_public_policy_allows() {
        for (ip, expected) in [
            ("93.184.216.34", None),
            ("2606:2800:220:1::1", None),
            ("127.0.0.1", Some("a loopback address")),
            ("127.9.9.9", Some("a loopback address")),
            ("::1", Some("a loopback address")),
            ("::ffff:127.0.0.1", Some("a loopback address")),
            ("::127.0.0.1", Some("a loopback address")),
            ("64:ff9b::7f00:1", Some("a loopback address")),
            ("2002:7f00:1::", Some("a loopback address")),
            ("10.1.2.3", Some("a private address")),
            ("172.31.0.1", Some("a private address")),
            ("172.32.0.1", None),
            ("192.168.1.1", Some("a private address")),
            ("100.64.0.1", Some("a private address")),
            ("fd12::1", Some("a private address")),
            ("64:ff9b::a00:1", Some("a private address")),
            ("64:ff9b:1::c0a8:101", Some("a private address")),
        ] {
            check(Policy::PUBLIC, ip, expected);
        }
    }

    #[test]
    fn what_no_policy_allows() {
        for (ip, why) in [
            ("0.0.0.0", "an unspecified address"),
            ("::", "an unspecified address"),
            ("169.254.169.254", "a link-local address"),
            ("::ffff:169.254.169.254", "a link-local address"),
            ("64:ff9b::a9fe:a9fe", "a link-local address"),
            ("fe80::1", "a link-local address"),
            ("fd00:ec2::254", "a cloud metadata address"),
            ("100.100.100.200", "a cloud metadata address"),
            ("224.0.0.1", "a multicast address"),
            ("ff02::1", "a multicast address"),
            ("255.255.255.255", "a reserved address"),
            ("2001::1", "a Teredo address"),
        ] {
            check(Policy::OPERATOR, ip, Some(why));
            check(Policy::COLLECT, ip, Some(why));
        }
        check(Policy::OPERATOR, "127.0.0.1", None);
        check(Policy::OPERATOR, "10.0.0.1", None);
    }

    #[test]
    fn targets() {
        let ok = |text, default, shown: &str| {
            assert_eq!(Target::parse(text, default).unwrap().to_string(), shown);
        };
        ok("db:5432", None, "db:5432");
        ok("db", Some(5432), "db:5432");
        ok("[::1]:6379", None, "[::1]:6379");
        ok("::1", Some(6379), "[::1]:6379");
        ok("[::1]", Some(6379), "[::1]:6379");
        for bad in
            ["", "db", ":1", "db:", "db:0", "db:70000", "db:x", "a/b:1", "u@h:1", "[::1", "[::1]x", "a b:1"]
        {
            assert!(Target::parse(bad, None).is_err(), "{bad:?} was taken");
        }
    }

    #[tokio::test]
    async fn our_own_listeners_are_refused_and_a_closed_port_says_so() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let own = Arc::new(OwnListeners::default());
        let guard = Guard::new(Policy::OPERATOR, own.clone());
        let target = Target { host: "127.0.0.1".to_owned(), port };
        let limit = Duration::from_secs(5);
        assert_eq!(guard.dial(&target, limit).await.unwrap().peer.port(), port);

        for address in [format!("127.0.0.1:{port}"), format!("0.0.0.0:{port}")] {
            own.set(vec![address.parse().unwrap()]);
            let error = guard.dial(&target, limit).await.unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("refused to connect to {target}: 127.0.0.1:{port} is one of our own listeners")
            );
            let stranger = guard.with_policy(Policy::COLLECT);
            assert!(stranger.dial(&target, limit).await.is_ok() && stranger.is_stranger_to(port));
        }

        own.set(Vec::new());
        drop(listener);
        let error = guard.dial(&target, limit).await.unwrap_err();
        assert_eq!(error.to_string(), format!("connection refused by 127.0.0.1:{port}"));
        assert_eq!(error.code(), "connection_refused");
    }
}

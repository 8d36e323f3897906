//! Proxies: by which one a request goes, if by any. Plain HTTP proxies only: to an `https` address they open a tunnel
//! (CONNECT), to an `http` one they pass the request on.
//!
//! The proxy's own address passes the guard; what lies behind it is the proxy's to resolve and to refuse.

use super::link::Origin;
use super::{HeaderName, HeaderValue, parse_url};
use crate::{Error, Target};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use std::net::IpAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Which requests go by which proxy. The default: none.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Proxy {
    http: Option<Via>,
    https: Option<Via>,
    except: Vec<Except>,
    /// What is sent with CONNECT besides.
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// A proxy.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Via {
    pub target: Target,
    pub authorization: Option<HeaderValue>,
}

/// What is reached directly.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Except {
    /// Everything.
    All,
    /// This machine.
    Local,
    /// Addresses that share their first bits with this one.
    Net(IpAddr, u8, Option<u16>),
    /// A name and, unless it begins with a dot, itself; and all below it.
    Name(String, Option<u16>),
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown =
            |via: &Option<Via>| via.as_ref().map_or("direct".to_owned(), |via| via.target.to_string());
        write!(f, "Proxy(http {}, https {}, except {:?})", shown(&self.http), shown(&self.https), self.except)
    }
}

impl Proxy {
    /// Everything by the proxy at `url`.
    pub fn by(url: &str) -> Result<Proxy, Error> {
        let via = Via::parse(url)?;
        Ok(Proxy { http: Some(via.clone()), https: Some(via), ..Proxy::default() })
    }

    /// As `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` say, in capitals or not.
    pub fn of_environment(read: &dyn Fn(&str) -> Option<String>) -> Result<Proxy, Error> {
        let variable = |name: &str| {
            let text = read(name).filter(|text| !text.is_empty());
            text.or_else(|| read(&name.to_ascii_lowercase()).filter(|text| !text.is_empty()))
        };
        let via = |name: &str| variable(name).map(|url| Via::parse(&url)).transpose();
        let proxy = Proxy { http: via("HTTP_PROXY")?, https: via("HTTPS_PROXY")?, ..Proxy::default() };
        Ok(proxy.except(&variable("NO_PROXY").unwrap_or_default()))
    }

    /// The same, but what `list` names is reached directly, and so is this machine: names, addresses, CIDR blocks and
    /// `*`, with or without a port, separated by commas.
    pub fn except(mut self, list: &str) -> Proxy {
        self.except.push(Except::Local);
        self.except
            .extend(list.split(',').map(str::trim).filter(|part| !part.is_empty()).filter_map(Except::parse));
        self
    }

    /// The same, with more headers for CONNECT.
    pub fn with_headers(mut self, headers: Vec<(HeaderName, HeaderValue)>) -> Proxy {
        self.headers = headers;
        self
    }

    /// By which proxy `origin` is reached.
    pub(super) fn to(&self, origin: &Origin) -> Option<&Via> {
        let via = if origin.https { self.https.as_ref() } else { self.http.as_ref() };
        via.filter(|_| !self.except.iter().any(|except| except.covers(&origin.target)))
    }

    /// Asks the proxy for a way to `target`.
    pub(super) async fn tunnel(
        &self,
        stream: &mut TcpStream,
        via: &Via,
        target: &Target,
    ) -> Result<(), Error> {
        let mut head = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n").into_bytes();
        let authorization = via.authorization.as_ref().map(|value| ("proxy-authorization", value));
        let headers = self.headers.iter().map(|(name, value)| (name.as_str(), value));
        for (name, value) in authorization.into_iter().chain(headers) {
            head.extend_from_slice(name.as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        let fail = |why: String| Error::Connect { address: target.to_string(), why };
        let io = |e: std::io::Error| fail(format!("the proxy {}: {}", via.target, crate::guard::plain(&e)));
        stream.write_all(&head).await.map_err(io)?;
        // Byte by byte: what comes behind the head belongs to the tunnel.
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            if answer.len() >= HEAD_MAX {
                return Err(fail(format!("the proxy {} sent too long a head", via.target)));
            }
            answer.push(stream.read_u8().await.map_err(io)?);
        }
        let line = String::from_utf8_lossy(&answer);
        let line: String =
            line.lines().next().unwrap_or("").chars().filter(|c| !c.is_control()).take(100).collect();
        match line.split(' ').nth(1).and_then(|status| status.parse().ok()) {
            Some(200..=299) => Ok(()),
            _ => Err(fail(format!("the proxy {} answered {line:?}", via.target))),
        }
    }
}

const HEAD_MAX: usize = 8 << 10;

impl Via {
    fn parse(url: &str) -> Result<Via, Error> {
        let mut headers = HeaderMap::new();
        let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let url = parse_url(&url, &mut headers)?;
        if url.scheme() != "http" {
            let (text, why) =
                (super::without_secrets(url.as_str()), "only http:// proxies are known".to_owned());
            return Err(Error::Target { text, form: "proxy", why });
        }
        let host = url.host_str().unwrap_or("").trim_start_matches('[').trim_end_matches(']').to_owned();
        let target = Target { host, port: url.port_or_known_default().unwrap_or(80) };
        Ok(Via { target, authorization: headers.remove(AUTHORIZATION) })
    }
}

impl Except {
    fn parse(text: &str) -> Option<Except> {
        if text == "*" {
            return Some(Except::All);
        }
        if let Some((net, bits)) = text.split_once('/') {
            return Some(Except::Net(net.parse().ok()?, bits.parse().ok()?, None));
        }
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Some(Except::Net(ip, 128, None));
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok()?)),
            None => (text, None),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        match host.parse::<IpAddr>() {
            Ok(ip) => Some(Except::Net(ip, 128, port)),
            Err(_) => Some(Except::Name(host.trim_start_matches('*').to_ascii_lowercase(), port)),
        }
    }

    fn covers(&self, target: &Target) -> bool {
        let fits = |port: &Option<u16>| port.is_none_or(|port| port == target.port);
        let ip = target.host.parse::<IpAddr>().ok();
        match self {
            Except::All => true,
            Except::Local => target.host == "localhost" || ip.is_some_and(|ip| ip.is_loopback()),
            Except::Net(net, bits, port) => fits(port) && ip.is_some_and(|ip| shares(ip, *net, *bits)),
            Except::Name(name, port) => {
                let host = target.host.to_ascii_lowercase();
                let below = host.strip_suffix(name.trim_start_matches('.'));
                fits(port)
                    && below
                        .is_some_and(|rest| rest.ends_with('.') || rest.is_empty() && !name.starts_with('.'))
            }
        }
    }
}

fn shares(a: IpAddr, b: IpAddr, bits: u8) -> bool {
    let same = |a: u128, b: u128, width: u32| {
        let bits = u32::from(bits).min(width);
        bits == 0 || (a ^ b) >> (width - bits) == 0
    };
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => same(u32::from(a).into(), u32::from(b).into(), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => same(a.into(), b.into(), 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(url: &str) -> Origin {
        let url = url::Url::parse(url).unwrap();
        let host = url.host_str().unwrap().trim_start_matches('[').trim_end_matches(']').to_owned();
        Origin {
            https: url.scheme() == "https",
            target: Target { host, port: url.port_or_known_default().unwrap() },
        }
    }

    #[test]
    fn who_goes_by_it() {
        let proxy = Proxy::by("http://u:p@proxy:3128").unwrap();
        assert_eq!(proxy.to(&origin("http://localhost/")).unwrap().target.to_string(), "proxy:3128");
        assert!(!format!("{proxy:?}").contains('p') || !format!("{proxy:?}").contains("u:p"));
        let proxy = proxy.except("example.org, .lan,10.0.0.0/8, 192.0.2.7:8080,*.corp, [fd00::1]:443,x:99");
        for (url, direct) in [
            ("http://localhost:9/", true),
            ("http://127.0.0.9/", true),
            ("http://example.org/", true),
            ("https://a.example.org/", true),
            ("http://badexample.org/", false),
            ("http://lan/", false),
            ("http://a.LAN/", true),
            ("http://10.9.9.9/", true),
            ("http://11.0.0.1/", false),
            ("http://192.0.2.7:8080/", true),
            ("http://192.0.2.7/", false),
            ("http://a.corp/", true),
            ("https://[fd00::1]/", true),
            ("http://x/", false),
        ] {
            assert_eq!(proxy.to(&origin(url)).is_none(), direct, "{url}");
        }
        assert!(proxy.except("*").to(&origin("http://x/")).is_none());
        assert!(Proxy::by("socks5://p:1").is_err() && Proxy::by("https://p:1").is_err());
    }

    #[test]
    fn of_the_environment() {
        let read = |name: &str| match name {
            "https_proxy" => Some("p:8080".to_owned()),
            "NO_PROXY" => Some("here".to_owned()),
            _ => None,
        };
        let proxy = Proxy::of_environment(&read).unwrap();
        assert!(proxy.to(&origin("http://there/")).is_none());
        assert_eq!(proxy.to(&origin("https://there/")).unwrap().target.to_string(), "p:8080");
        assert!(proxy.to(&origin("https://here/")).is_none());
    }
}

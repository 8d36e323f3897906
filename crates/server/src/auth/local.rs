//! Whether a request was made on this machine, by a person or a program rather than by a web page.
//!
//! All must hold: the listener and the peer are loopback; `Host` is `localhost` or a loopback literal with our port (a page that
//! rebinds its name to 127.0.0.1 sends its own name); no header of a proxy; `Origin`, if any, is the host; and
//! a body has a content type that no plain form can send.

use axum::http::{HeaderMap, header};
use std::net::{IpAddr, SocketAddr};

/// The two ends of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// The other end.
    pub remote: SocketAddr,
    /// The address the listener is bound to. Behind one that is not loopback nobody is local.
    pub listener: SocketAddr,
}

impl Peer {
    /// Whether only this machine reaches the listener.
    pub fn listens_on_loopback(&self) -> bool {
        self.listener.ip().to_canonical().is_loopback()
    }
}

/// Content types that a page can send anywhere without asking.
const FORM_TYPES: [&str; 3] = ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"];

/// Headers by which a proxy says that it stands between.
const PROXY_HEADERS: [&str; 2] = ["forwarded", "x-real-ip"];

/// Whether a form's content type is taken from a local request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Forms {
    /// The route changes something.
    Refused,
    /// The route only reads; its body holds the parameters of a query.
    Taken,
}

pub(super) fn is_local(headers: &HeaderMap, peer: Peer, forms: Forms) -> bool {
    let loopback = |end: SocketAddr| end.ip().to_canonical().is_loopback();
    let from_here = loopback(peer.remote) && loopback(peer.listener);
    from_here
        && !headers
            .keys()
            .any(|name| PROXY_HEADERS.contains(&name.as_str()) || name.as_str().starts_with("x-forwarded-"))
        && host(headers).is_some_and(|host| host_is_ours(host, peer.listener.port()))
        && origin_is_host(headers)
        && (forms == Forms::Taken || !has_form_body(headers))
}

fn host(headers: &HeaderMap) -> Option<&str> {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok(),
        _ => None,
    }
}

fn host_is_ours(host: &str, port: u16) -> bool {
    let (name, given) = match host.rsplit_once(':') {
        Some((name, digits)) if !digits.contains(']') => match digits.parse::<u16>() {
            Ok(given) => (name, given),
            Err(_) => return false,
        },
        _ => (host, 80),
    };
    let literal = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    let loopback = literal.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback());
    given == port && (name.eq_ignore_ascii_case("localhost") || loopback)
}

fn origin_is_host(headers: &HeaderMap) -> bool {
    headers.get_all(header::ORIGIN).iter().all(|origin| {
        let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
        origin.is_some_and(|(_, origin)| host(headers).is_some_and(|host| host.eq_ignore_ascii_case(origin)))
    })
}

fn has_form_body(headers: &HeaderMap) -> bool {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let has_body =
        headers.contains_key(header::TRANSFER_ENCODING) || length.is_some_and(|length| length != "0");
    if !has_body {
        return false;
    }
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let kind = kind.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    kind.is_empty() || FORM_TYPES.contains(&kind.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    fn check(remote: &str, headers: &[(&str, &str)], want: bool) {
        let map: HeaderMap = headers
            .iter()
            .map(|(n, v)| (n.parse::<HeaderName>().unwrap(), HeaderValue::from_str(v).unwrap()))
            .collect();
        let peer = Peer { remote: remote.parse().unwrap(), listener: "127.0.0.1:8080".parse().unwrap() };
        assert_eq!(is_local(&map, peer, Forms::Refused), want, "{remote} {headers:?}");
    }

    #[test]
    fn only_this_machine_by_its_own_name() {
        let us = ("host", "localhost:8080");
        check("127.0.0.1:4000", &[us], true);
        check("[::1]:4000", &[("host", "[::1]:8080")], true);
        check("[::ffff:127.0.0.1]:4000", &[("host", "127.0.0.2:8080")], true);
        check("10.0.0.1:4000", &[us], false);
        check("127.0.0.1:4000", &[], false);
        for host in [
            "localhost",
            "localhost:9090",
            "evil.example:8080",
            "localhost.evil.example:8080",
            "10.0.0.1:8080",
            "[::1",
            "localhost:x",
        ] {
            check("127.0.0.1:4000", &[("host", host)], false);
        }
        check("127.0.0.1:4000", &[us, us], false);
    }

    #[test]
    fn no_proxy_no_foreign_page_no_form() {
        let us = ("host", "localhost:8080");
        for header in [
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-proto", "https"),
            ("forwarded", "for=1.2.3.4"),
            ("x-real-ip", "1.2.3.4"),
        ] {
            check("127.0.0.1:4000", &[us, header], false);
        }
        check("127.0.0.1:4000", &[us, ("origin", "http://localhost:8080")], true);
        check("127.0.0.1:4000", &[us, ("origin", "http://evil.example")], false);
        check("127.0.0.1:4000", &[us, ("origin", "null")], false);
        let body = ("content-length", "5");
        check("127.0.0.1:4000", &[us, body, ("content-type", "application/json")], true);
        check("127.0.0.1:4000", &[us, ("content-length", "0")], true);
        check("127.0.0.1:4000", &[us, body], false);
        for kind in [
            "text/plain",
            "application/x-www-form-urlencoded; charset=utf-8",
            "Multipart/Form-Data; boundary=x",
        ] {
            check("127.0.0.1:4000", &[us, body, ("content-type", kind)], false);
        }
    }
}

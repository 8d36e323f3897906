//! Where a request comes from. Headers of proxies count only from networks that the operator trusts; without any,
//! the client is who is at the other end of the connection, whatever it writes into its headers.

use axum::http::HeaderMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A network: an address and how many of its first bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    bits: u8,
}

impl Network {
    /// From `10.0.0.0/8`, `fd00::/8` or a single address.
    pub fn parse(text: &str) -> Option<Network> {
        let (address, bits) = match text.trim().split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().ok()?)),
            None => (text.trim(), None),
        };
        let first: IpAddr = address.parse().ok()?;
        let max = if first.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(max);
        (bits <= max).then_some(Network { first, bits })
    }

    fn holds(&self, address: IpAddr) -> bool {
        let same = |a: u128, b: u128, width: u32| {
            let rest = width - u32::from(self.bits).min(width);
            rest >= 128 || a >> rest == b >> rest
        };
        match (self.first, address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => same(a.to_bits().into(), b.to_bits().into(), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), 128),
            _ => false,
        }
    }
}

/// Networks of proxies that may say whom they speak for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(Vec<Network>);

impl Networks {
    /// These and no others.
    pub fn new(networks: Vec<Network>) -> Networks {
        Networks(networks)
    }

    fn hold(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.holds(address))
    }

    /// The client's address: going back from `peer`, the first one that is not of a trusted proxy. An entry that is
    /// no address ends the way back: nothing before it can be believed.
    pub(crate) fn client(&self, peer: SocketAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.ip().to_canonical();
        if !self.hold(client) {
            return client;
        }
        for said in self.said(headers) {
            let Some(address) = said else { break };
            client = address;
            if !self.hold(client) {
                break;
            }
        }
        client
    }

    /// What the headers say, nearest first. One kind of header only: a proxy that writes one passes others on as
    /// the client wrote them.
    fn said(&self, headers: &HeaderMap) -> Vec<Option<IpAddr>> {
        let values = |name: &str| -> Vec<String> {
            let values = headers.get_all(name).iter();
            let text = values.map(|value| value.to_str().unwrap_or("?").to_owned()).collect::<Vec<_>>();
            text.iter().flat_map(|value| value.split(',')).map(|part| part.trim().to_owned()).rev().collect()
        };
        let of = |name: &str, read: fn(&str) -> Option<IpAddr>| -> Vec<Option<IpAddr>> {
            values(name).iter().map(|part| read(part)).collect()
        };
        let mut said = of("x-forwarded-for", host);
        if said.is_empty() {
            said = of("forwarded", forwarded);
        }
        if said.is_empty() {
            said = of("x-real-ip", host);
        }
        said
    }
}

/// An address, perhaps with a port or in brackets.
fn host(text: &str) -> Option<IpAddr> {
    let text = text.trim_matches('"');
    let plain = text.parse::<IpAddr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    plain.or_else(with_port).or_else(bracketed).map(|ip| ip.to_canonical())
}

/// The `for=` of one element of `Forwarded`.
fn forwarded(element: &str) -> Option<IpAddr> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        name.eq_ignore_ascii_case("for").then(|| host(value.trim()))?
    })
}

/// What counts as one client: an address, and in IPv6 the network that one customer has.
pub(super) fn of_client(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(address) => Ipv4Addr::to_ipv6_mapped(&address).to_bits(),
        IpAddr::V6(address) => address.to_bits() >> 64 << 64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderName;

    const XFF: &str = "x-forwarded-for";

    /// The peer, the headers, the client.
    type Case = (&'static str, &'static [(&'static str, &'static str)], &'static str);

    #[test]
    fn the_right_most_address_that_is_not_trusted() {
        let trusted = ["10.0.0.0/8", "fd00::/8", "127.0.0.1"].map(|text| Network::parse(text).unwrap());
        let trusted = Networks::new(trusted.into());
        let cases: &[Case] = &[
            // Who is not trusted may write what it likes.
            ("192.0.2.9:1", &[(XFF, "198.51.100.1")], "192.0.2.9"),
            ("10.1.1.1:1", &[(XFF, "198.51.100.1")], "198.51.100.1"),
            ("10.1.1.1:1", &[(XFF, "6.6.6.6, 198.51.100.1, 10.2.2.2")], "198.51.100.1"),
            ("10.1.1.1:1", &[(XFF, "6.6.6.6"), (XFF, "198.51.100.1")], "198.51.100.1"),
            ("[::ffff:10.1.1.1]:1", &[(XFF, "2001:db8::7")], "2001:db8::7"),
            ("10.1.1.1:1", &[(XFF, "198.51.100.1:4711")], "198.51.100.1"),
            ("10.1.1.1:1", &[(XFF, "198.51.100.1, garbage, 10.2.2.2")], "10.2.2.2"),
            ("10.1.1.1:1", &[(XFF, "10.3.3.3")], "10.3.3.3"),
            (
                "10.1.1.1:1",
                &[("forwarded", "for=6.6.6.6, For=\"[2001:db8::1]:80\";proto=https")],
                "2001:db8::1",
            ),
            ("10.1.1.1:1", &[("x-real-ip", "198.51.100.1")], "198.51.100.1"),
            ("10.1.1.1:1", &[("x-real-ip", "6.6.6.6"), (XFF, "198.51.100.1")], "198.51.100.1"),
            ("10.1.1.1:1", &[], "10.1.1.1"),
        ];
        for (peer, headers, want) in cases {
            let mut map = HeaderMap::new();
            for (name, value) in *headers {
                map.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
            }
            let got = trusted.client(peer.parse().unwrap(), &map);
            assert_eq!(got, want.parse::<IpAddr>().unwrap(), "{peer} {headers:?}");
        }
    }

    #[test]
    fn networks_as_they_are_written() {
        for bad in ["", "10.0.0.0/33", "::/129", "ten", "10.0.0.0/x", "10.0.0.0/"] {
            assert_eq!(Network::parse(bad), None, "{bad}");
        }
        let holds =
            |network: &str, address: &str| Network::parse(network).unwrap().holds(address.parse().unwrap());
        assert!(holds("0.0.0.0/0", "9.9.9.9") && holds("::/0", "2001:db8::1") && !holds("::/0", "9.9.9.9"));
        assert!(holds("192.168.0.0/16", "192.168.9.9") && !holds("192.168.0.0/16", "192.169.0.0"));
    }
}

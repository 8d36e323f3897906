//! URLs that others give us to call.

use reach::http::{Client, Request, header};
use server::Failure;
use std::net::{IpAddr, SocketAddr};

/// Refuses at once what every call would be refused for. A name may lead elsewhere by then, so each call is checked
/// again.
pub(super) fn check(url: &str, client: &Client) -> Result<(), Failure> {
    let refused = |what: String| Failure::Value { field: "url".to_owned(), what };
    let request = Request::get(url).map_err(|why| refused(why.to_string()))?;
    if request.headers.contains_key(header::AUTHORIZATION) {
        return Err(refused("it must hold no credentials; give a secret that signs instead".to_owned()));
    }
    let host = request.url.host_str().unwrap_or("").trim_matches(['[', ']']);
    let ip = match host {
        "localhost" => Some(IpAddr::from([127, 0, 0, 1])),
        _ => host.parse::<IpAddr>().ok(),
    };
    let port = request.url.port_or_known_default().unwrap_or(0);
    let objection = ip.and_then(|ip| client.guard().objection(SocketAddr::new(ip, port)));
    objection.map_or(Ok(()), |why| Err(refused(format!("{host} is {why}; such are never called"))))
}

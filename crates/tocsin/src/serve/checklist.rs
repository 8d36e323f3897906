//! What a security review asks, answered in the log at each start: one line for each point that is not as it should
//! be. In an `ENVIRONMENT` other than production they are remarks, not warnings. Nothing here stops a start.

use crate::{config::Loaded, variables::Variables};
use server::{Cors, limits::Rates};
use std::net::SocketAddr;

/// A secret shorter than this can be guessed.
const SECRET_LEN_MIN: usize = 32;

/// One point: the log's `event`, and what is not right.
type Point = (&'static str, String);

/// Says what is not right.
pub fn review(
    variables: &Variables,
    loaded: &Loaded,
    addresses: &[SocketAddr],
    rates: &Rates,
    cors: &(Cors, Vec<String>),
) {
    let production = variables.text("ENVIRONMENT").is_none_or(|name| name.eq_ignore_ascii_case("production"));
    let points = points(variables, loaded, addresses, rates, cors);
    for (event, what) in &points {
        if production {
            tracing::warn!(event, check = "security", "{what}");
        } else {
            tracing::info!(event, check = "security", "{what}");
        }
    }
    for (name, why) in variables.idle() {
        tracing::info!(event = "variable_without_effect", variable = name, "{name} has no effect: {why}");
    }
    if rates.enabled {
        tracing::info!(event = "rate_limiting_enabled", "Rate limiting enabled");
    }
    if variables.text("SENTRY_DSN").is_none() {
        tracing::debug!(event = "sentry_not_configured", "Sentry is not configured");
    }
}

fn points(
    variables: &Variables,
    loaded: &Loaded,
    addresses: &[SocketAddr],
    rates: &Rates,
    (cors, skipped): &(Cors, Vec<String>),
) -> Vec<Point> {
    let outside = addresses.iter().any(|address| !address.ip().is_loopback());
    let mut points: Vec<Point> = Vec::new();
    if let Some((name, secret)) = variables.jwt_secret() {
        if secret.len() < SECRET_LEN_MIN {
            let what = format!("{name} is shorter than {SECRET_LEN_MIN} characters; make it longer");
            points.push(("weak_secret", what));
        }
        let repeats = variables.all().any(|(other, value)| {
            other != name && other.starts_with("ORCHESTRATOR_API_KEY") && value.contains(secret)
        });
        if repeats {
            points.push(("secret_used_twice", format!("{name} is also an API key; give each its own")));
        }
    }
    let keys = variables.all().any(|(name, _)| name.starts_with("ORCHESTRATOR_API_KEY"));
    if outside && !keys {
        let what = "no API key is set; those in credentials.json count. `tocsin secrets generate` makes some";
        points.push(("api_keys_not_set", what.to_owned()));
    }
    if variables.text("REDIS_URL").is_some_and(|url| url.starts_with("redis://") && !is_near(url)) {
        points.push(("redis_without_tls", "REDIS_URL is not rediss://: what is sent can be read".to_owned()));
    }
    if cors.allows_any() {
        let what = "CORS allows every origin (*); list the origins of your pages";
        points.push(("cors_wildcard", what.to_owned()));
    }
    points.extend(skipped.iter().map(|why| ("cors_origin_skipped", format!("CORS origin left out: {why}"))));
    if !rates.enabled {
        points
            .push(("rate_limiting_disabled", "RATE_LIMIT_ENABLED=false: clients are not limited".to_owned()));
    }
    let https = loaded.external_url.as_ref().is_some_and(|url| url.starts_with("https://"));
    if outside && !https {
        let what = "listening without TLS: put a proxy that has it in front, and set external_url to https";
        points.push(("plain_http", what.to_owned()));
    }
    if outside && loaded.receivers.shapes().iter().all(|shape| shape.name == "console") {
        points.push(("alerts_not_configured", "no receiver is set: pages go to the console only".to_owned()));
    }
    points
}

/// Whether a URL's host is this machine.
fn is_near(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    ["localhost", "127.", "[::1]"].iter().any(|near| host.starts_with(near))
}

//! Where to listen, and who may ask there.

use crate::{cli, config::Loaded, variables::Variables};
use anyhow::{Context, Result, anyhow, bail};
use server::{
    Cors, Gate,
    auth::{Auth, Credentials, LocalRule, Reading, keys_from_variables},
    limits::Rates,
};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Without flag, variable or file.
const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
/// Signs tokens; required off loopback.
const SECRET: &str = "ORCHESTRATOR_JWT_SECRET";
/// Secrets that stand in documents people copy from.
const PUBLISHED: [&str; 3] =
    ["dev-secret-key-change-in-production", "your-secret-key-here", "your-jwt-secret-here"];

/// Flag, then `PORT` or `ORCHESTRATOR_PORT` (on every address), then the file, then 127.0.0.1:8080.
pub fn addresses(args: &cli::Serve, loaded: &Loaded) -> Result<Vec<SocketAddr>> {
    if !args.listen.is_empty() {
        let parse = |text: &String| {
            crate::config::listen_address(text)
                .map_err(|why| anyhow!("--listen {text}: {why}; write IP:PORT, such as 127.0.0.1:8080"))
        };
        return args.listen.iter().map(parse).collect();
    }
    for name in ["PORT", "ORCHESTRATOR_PORT"] {
        if let Ok(text) = std::env::var(name) {
            let port = text.trim().parse().with_context(|| format!("{name}={text} is not a port"))?;
            return Ok(vec![SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))]);
        }
    }
    Ok(if loaded.listen.is_empty() { vec![DEFAULT] } else { loaded.listen.clone() })
}

/// What signs tokens, and what the key of signed links is made from.
pub fn secret<'a>(variables: &'a Variables, credentials: &'a Credentials) -> &'a str {
    variables.jwt_secret().map_or(credentials.jwt_secret.as_str(), |(_, secret)| secret)
}

/// Who may ask. Off loopback no secret is made up: the variable must be set.
pub fn auth(
    args: &cli::Serve,
    loaded: &Loaded,
    variables: &Variables,
    credentials: &Credentials,
    addresses: &[SocketAddr],
) -> Result<Auth> {
    let secret = variables.jwt_secret();
    let outside = addresses.iter().find(|address| !address.ip().is_loopback());
    if let (Some(address), None) = (outside, secret) {
        bail!(
            "{address} can be reached from other machines and {SECRET} is not set; \
             set it to at least 32 random characters (`tocsin secrets generate`), or listen on 127.0.0.1"
        );
    }
    if let Some((name, secret)) = secret
        && PUBLISHED.contains(&secret)
    {
        bail!(
            "{name} is a secret that everybody can read in a manual; `tocsin secrets generate` makes another"
        );
    }
    let found = keys_from_variables(variables.all());
    for why in found.skipped {
        tracing::warn!(event = "api_key_skipped", "{why}");
    }
    for why in found.weak {
        tracing::warn!(event = "api_key_weak", "{why}; `tocsin secrets generate` makes another");
    }
    let mut keys = credentials.keys();
    keys.extend(found.keys);
    let required = match args.auth {
        Some(auth) => auth == cli::Auth::Required,
        None => loaded.auth.required.unwrap_or(false),
    };
    let local = if required { LocalRule::Nobody } else { LocalRule::Operator };
    let reading = if loaded.auth.open_reads { Reading::Open } else { Reading::Credential };
    let secret = self::secret(variables, credentials);
    Ok(Auth::new(keys, Some(secret), local, reading).with_lives(variables.lives()))
}

/// What stands between requests and routes.
pub fn gate(loaded: &Loaded, rates: Rates, cors: Cors) -> Gate {
    Gate { rates, cors, trusted_proxies: loaded.auth.trusted_proxies.clone() }
}

//! The gate before every route: credentials first, then how often, then the role that the route needs.

use super::local::{Forms, Peer, is_local};
use super::{Bad, LocalRule, Principal, Reading, Role, Shown};
use crate::api::Refused;
use crate::limits::{Asking, Limited, Quota};
use crate::state::State;
use axum::extract::{MatchedPath, Request, State as Given};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// What a route needs of who is asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing.
    Nothing,
    /// At least this role. `User` is what reads need, and only they.
    Role(Role),
    /// To be somebody, whatever the role, for more than to read.
    Somebody,
    /// A credential in the body, which the route itself checks: without one it answers 401.
    InBody,
}

impl Need {
    /// Whether a form of a web page may carry the request, and whether reads that are open to all include it.
    fn reads(self) -> bool {
        matches!(self, Need::Role(Role::User))
    }
}

/// One route as the gate sees it.
#[derive(Clone)]
pub(crate) struct Way {
    pub state: Arc<State>,
    pub need: Need,
    /// `None`: it is never limited.
    pub limited: Option<Limited>,
}

/// Lets a request through with its [`Principal`] beside it, or answers 401, 429 or 403.
pub(crate) async fn guard(Given(way): Given<Way>, mut request: Request, next: Next) -> Response {
    let known = identify(&way, &request);
    let quota = count(&way, &request, known.as_ref().ok().and_then(Option::as_ref));
    let admitted = known.and_then(|principal| {
        within_limit(&way, &request, quota)?;
        enough(way.need, principal)
    });
    let mut response = match admitted {
        Ok(principal) => {
            if let Some(principal) = principal {
                request.extensions_mut().insert(principal);
            }
            next.run(request).await
        }
        Err(refused) => refused.into_response(),
    };
    if let Some(quota) = quota {
        quota.tell(response.headers_mut(), way.state.clock.now());
    }
    response
}

/// Who is asking; an error if the credential is bad, or if there is none where the route needs one.
fn identify(way: &Way, request: &Request) -> Result<Option<Principal>, Refused> {
    let state = &way.state;
    let claimed = state.auth.claimed(request.headers(), state.clock.now());
    let by = match claimed.shown {
        Shown::Token => "jwt",
        Shown::Key => "api_key",
        Shown::Nothing => "none",
    };
    match claimed.who {
        Ok(Some(principal)) => {
            state.metrics.authenticated(by, &principal.name, claimed.shown == Shown::Key);
            return Ok(Some(principal));
        }
        Ok(None) => {}
        Err(bad) => {
            state.metrics.rejected(by, bad.reason());
            tracing::warn!(event = "authentication_failed", method = by, "{}", wording(claimed.shown, bad));
            return Err(Refused::Unauthorized("the credential is not valid"));
        }
    }
    if matches!(way.need, Need::Nothing | Need::InBody) {
        return Ok(None);
    }
    match without_credential(state, way.need, request) {
        Some(principal) => Ok(Some(principal)),
        None => {
            state.metrics.rejected("none", "missing");
            Err(Refused::Unauthorized(match is_operator_here(state, request, Forms::Taken) {
                // All that is in the way is how the body came: `curl -d` sends a form.
                true => {
                    "a form is taken only with a credential; send the body with Content-Type: application/json"
                }
                false => "a credential is needed: X-API-Key or Authorization: Bearer",
            }))
        }
    }
}

fn without_credential(state: &State, need: Need, request: &Request) -> Option<Principal> {
    let forms = if need.reads() { Forms::Taken } else { Forms::Refused };
    if is_operator_here(state, request, forms) {
        return Some(Principal::new("local", Role::Operator));
    }
    let open = need.reads() && state.auth.reading == Reading::Open;
    open.then(|| Principal::new("anonymous", Role::User))
}

/// Whether requests from this machine need no credential, and this is one.
fn is_operator_here(state: &State, request: &Request, forms: Forms) -> bool {
    let peer = request.extensions().get::<Peer>();
    state.auth.local == LocalRule::Operator
        && peer.is_some_and(|peer| is_local(request.headers(), *peer, forms))
}

/// Counts the request for its client. `None`: it is not limited.
fn count(way: &Way, request: &Request, principal: Option<&Principal>) -> Option<Quota> {
    let limited = way.limited.filter(|_| way.state.limiter.is_on())?;
    if limited.free_to_people && principal.is_some_and(|principal| principal.role >= Role::Operator) {
        return None;
    }
    let asking = Asking {
        principal: principal.map_or("", |principal| &principal.name),
        address: address(&way.state, request),
        on_loopback: request.extensions().get::<Peer>().is_some_and(Peer::listens_on_loopback),
    };
    let quota = way.state.limiter.count(limited.group, asking)?;
    if quota.forgot {
        way.state.metrics.security("rate_limit_client_forgotten", "low");
    }
    Some(quota)
}

fn within_limit(way: &Way, request: &Request, quota: Option<Quota>) -> Result<(), Refused> {
    let Some(quota) = quota.filter(|quota| !quota.allowed) else { return Ok(()) };
    let endpoint = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str);
    way.state.metrics.rate_violation(endpoint);
    let ip = address(&way.state, request);
    tracing::warn!(event = "rate_limit_exceeded", endpoint, "Rate limit exceeded for IP {ip}");
    Err(Refused::TooOften { left_secs: quota.left_secs() })
}

/// The client's address, by what trusted proxies say.
fn address(state: &State, request: &Request) -> IpAddr {
    let peer = request.extensions().get::<Peer>();
    peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| {
        state.gate.trusted_proxies.client(peer.remote, request.headers())
    })
}

fn enough(need: Need, principal: Option<Principal>) -> Result<Option<Principal>, Refused> {
    match (need, &principal) {
        (Need::Role(needs), Some(Principal { role, .. })) if *role < needs => {
            Err(Refused::RoleTooLow { has: *role, needs })
        }
        _ => Ok(principal),
    }
}

/// The texts that people search their logs for.
fn wording(shown: Shown, bad: Bad) -> &'static str {
    match (shown, bad) {
        (Shown::Key, _) => "Invalid API key",
        (_, bad) => bad.wording(),
    }
}

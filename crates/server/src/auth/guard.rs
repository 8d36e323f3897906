//! The gate before every route: credentials first, then the role that the route needs.

use super::local::{Forms, Peer, is_local};
use super::{Bad, LocalRule, Principal, Reading, Role, Shown};
use crate::api::Refused;
use crate::state::State;
use axum::extract::{Request, State as Given};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// What a route needs of who is asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing.
    Nothing,
    /// At least this role. `User` is what reads need, and only they.
    Role(Role),
}

/// Lets a request through with its [`Principal`] beside it, or answers 401 or 403.
pub(crate) async fn guard(
    Given((state, need)): Given<(Arc<State>, Need)>,
    mut request: Request,
    next: Next,
) -> Response {
    match admit(&state, need, &request) {
        Ok(principal) => {
            if let Some(principal) = principal {
                request.extensions_mut().insert(principal);
            }
            next.run(request).await
        }
        Err(refused) => refused.into_response(),
    }
}

fn admit(state: &State, need: Need, request: &Request) -> Result<Option<Principal>, Refused> {
    let claimed = state.auth.claimed(request.headers(), state.clock.now());
    let by = match claimed.shown {
        Shown::Token => "jwt",
        Shown::Key => "api_key",
        Shown::Nothing => "none",
    };
    let known = match claimed.who {
        Ok(None) => None,
        Ok(Some(principal)) => {
            state.metrics.authenticated(by, &principal.name, claimed.shown == Shown::Key);
            Some(principal)
        }
        Err(bad) => {
            state.metrics.rejected(by, reason(bad));
            tracing::warn!(event = "authentication_failed", method = by, "{}", wording(claimed.shown, bad));
            return Err(Refused::Unauthorized("the credential is not valid"));
        }
    };
    let Need::Role(role) = need else { return Ok(known) };
    let principal = match known.or_else(|| without_credential(state, role, request)) {
        Some(principal) => principal,
        None => {
            state.metrics.rejected("none", "missing");
            return Err(Refused::Unauthorized("a credential is needed: X-API-Key or Authorization: Bearer"));
        }
    };
    if principal.role < role {
        return Err(Refused::RoleTooLow { has: principal.role, needs: role });
    }
    Ok(Some(principal))
}

fn without_credential(state: &State, role: Role, request: &Request) -> Option<Principal> {
    let reads = role == Role::User;
    let forms = if reads { Forms::Taken } else { Forms::Refused };
    let peer = request.extensions().get::<Peer>();
    let local = peer.is_some_and(|peer| is_local(request.headers(), *peer, forms));
    if local && state.auth.local == LocalRule::Operator {
        return Some(Principal { name: "local".to_owned(), role: Role::Operator });
    }
    let open = reads && state.auth.reading == Reading::Open;
    open.then(|| Principal { name: "anonymous".to_owned(), role: Role::User })
}

fn reason(bad: Bad) -> &'static str {
    match bad {
        Bad::Expired => "expired",
        Bad::Invalid => "invalid",
        Bad::Role => "role",
    }
}

/// The texts that people search their logs for.
fn wording(shown: Shown, bad: Bad) -> &'static str {
    match (shown, bad) {
        (Shown::Key, _) => "Invalid API key",
        (_, Bad::Expired) => "Invalid JWT token: Signature has expired",
        (_, Bad::Invalid) => "Invalid JWT token: Signature verification failed",
        (_, Bad::Role) => "Invalid JWT token: unknown role",
    }
}

//! Tokens: issued to who has a credential of at least the role, to agents for their secret, refreshed, revoked.

use super::Refused;
use super::body::Raw;
use crate::auth::{Grant, LIFE_MAX, NoToken, Pair, Principal, Role, Rows};
use crate::seam::{Failure, KnownAgent, TokenAct};
use crate::state::State;
use axum::Extension;
use axum::extract::State as Given;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// Characters of a name.
const NAME_MAX: usize = 200;
/// Scopes of a token, and characters of one.
const SCOPES_MAX: usize = 64;
const SCOPE_MAX: usize = 100;
/// Names of principals that nobody holds a token of.
const RESERVED: [&str; 2] = ["local", "anonymous"];

#[derive(Deserialize)]
struct Ask {
    user_id: String,
    #[serde(default = "role_of_users")]
    role: String,
    ttl: Option<u64>,
    name: Option<String>,
    scopes: Option<Vec<String>>,
}

fn role_of_users() -> String {
    Role::User.as_str().to_owned()
}

/// `POST /auth/token`
pub(crate) async fn issue(
    Given(state): Given<Arc<State>>,
    Extension(by): Extension<Principal>,
    Raw(body): Raw,
) -> Result<Response, Refused> {
    let ask: Ask = object(&body)?;
    let role = Role::parse(&ask.role).ok_or_else(|| {
        Refused::value("role", format!("{:?} is not one of user, agent, operator, admin", ask.role))
    })?;
    name_is_fit("user_id", &ask.user_id)?;
    if let Some(name) = &ask.name {
        name_is_fit("name", name)?;
    }
    if RESERVED.contains(&ask.user_id.as_str()) {
        return Err(Refused::value(
            "user_id",
            format!("{:?} is a name of ours; choose another", ask.user_id),
        ));
    }
    let lives = 1..=LIFE_MAX.as_secs();
    if ask.ttl.is_some_and(|ttl| !lives.contains(&ttl)) {
        let what = format!("it must be a number of seconds from 1 to {}", lives.end());
        return Err(Refused::Shape(vec![("ttl".to_owned(), what)]));
    }
    if by.role < role {
        return Err(Refused::RoleTooLow { has: by.role, needs: role });
    }
    let scopes = scopes_of(&by, ask.scopes)?;
    let subject = ask.user_id;
    let grant = Grant {
        name: ask.name,
        role,
        scopes,
        session: by.session.clone(),
        issuer: behind(&by, &subject),
        subject,
        life: Some(ask.ttl.map_or(state.auth.lives().issued, Duration::from_secs)),
    };
    tracing::info!(
        event = "token_issued",
        by = by.name,
        subject = grant.subject,
        role = role.as_str(),
        "Issued a token for {} with role {}",
        grant.subject,
        role.as_str()
    );
    issued(&state, by.name, grant).await
}

/// Who counts as the one behind a token in this name. An admin vouches that another has it.
fn behind(by: &Principal, subject: &str) -> Option<String> {
    let vouches = by.role == Role::Admin && by.issuer.is_none();
    (!vouches && by.person() != subject).then(|| by.person().to_owned())
}

/// Signs a pair, and gives it out when that is on record.
async fn issued(state: &State, by: String, grant: Grant) -> Result<Response, Refused> {
    let mut details = json!({"role": grant.role.as_str(), "scopes": grant.scopes});
    if let Some(issuer) = &grant.issuer {
        details["counts_as"] = issuer.as_str().into();
    }
    let pair = state.auth.issue(grant, state.clock.now()).map_err(refused)?;
    details["expires_in"] = pair.expires_in.into();
    let act = TokenAct { by, action: "token.issued", subject: pair.subject.clone(), details };
    keep(state, Rows::new(), vec![act]).await?;
    Ok(given(state, pair))
}

#[derive(Deserialize)]
struct AgentAsk {
    agent_id: String,
    agent_secret: Option<String>,
}

/// `POST /agents/auth/token`
pub(crate) async fn agent_token(
    Given(state): Given<Arc<State>>,
    by: Option<Extension<Principal>>,
    Raw(body): Raw,
) -> Result<Response, Refused> {
    let ask: AgentAsk = in_body(&state, by.is_some(), &body)?;
    let no = || {
        state.metrics.rejected("agent_secret", "invalid");
        tracing::warn!(event = "authentication_failed", method = "agent_secret", "Invalid agent secret");
        Refused::Unauthorized("the agent or its secret is not valid")
    };
    let secret = ask.agent_secret.filter(|secret| !secret.is_empty()).ok_or_else(no)?;
    let agent = state.reads.keep.agent(ask.agent_id, secret).await?;
    let KnownAgent { id, name, role, scopes } = agent.ok_or_else(no)?;
    state.metrics.authenticated("agent_secret", &name, false);
    let by = id.clone();
    let grant =
        Grant { subject: id, name: Some(name), role, scopes, session: None, issuer: None, life: None };
    issued(&state, by, grant).await
}

#[derive(Deserialize)]
struct RefreshAsk {
    refresh_token: String,
}

/// `POST /auth/refresh`
pub(crate) async fn refresh(
    Given(state): Given<Arc<State>>,
    by: Option<Extension<Principal>>,
    Raw(body): Raw,
) -> Result<Response, Refused> {
    let ask: RefreshAsk = in_body(&state, by.is_some(), &body)?;
    let (pair, rows) = match state.auth.refresh(&ask.refresh_token, state.clock.now()) {
        Ok(turned) => turned,
        Err(why) => return Err(bad_token(&state, why).await),
    };
    let subject = pair.subject.clone();
    let details = json!({"role": pair.role.as_str(), "expires_in": pair.expires_in});
    let act = TokenAct { by: subject.clone(), action: "token.refreshed", subject, details };
    // What was used up is used up before its successor is known to anybody.
    keep(&state, rows, vec![act]).await?;
    Ok(given(&state, pair))
}

/// `POST /agents/auth/refresh`: as [`refresh`], for an agent that is still there.
pub(crate) async fn agent_refresh(
    Given(state): Given<Arc<State>>,
    by: Option<Extension<Principal>>,
    Raw(body): Raw,
) -> Result<Response, Refused> {
    let ask: RefreshAsk = in_body(&state, by.is_some(), &body)?;
    let owner = match state.auth.owner(&ask.refresh_token, state.clock.now()) {
        Ok(owner) => owner,
        Err(why) => return Err(bad_token(&state, why).await),
    };
    if state.reads.keep.agent_now(owner).await?.is_none() {
        return Err(Refused::Unauthorized("there is no such agent any more"));
    }
    refresh(Given(state), by, Raw(body)).await
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RevokeAsk {
    token: Option<String>,
    refresh_token: Option<String>,
    access_token: Option<String>,
    user_id: Option<String>,
}

/// `POST /auth/revoke`
pub(crate) async fn revoke(
    Given(state): Given<Arc<State>>,
    by: Option<Extension<Principal>>,
    Raw(body): Raw,
) -> Result<Response, Refused> {
    let ask: RevokeAsk = in_body(&state, by.is_some(), &body)?;
    let now = state.clock.now();
    let tokens: Vec<String> =
        [ask.token, ask.refresh_token, ask.access_token].into_iter().flatten().collect();
    if tokens.is_empty() && ask.user_id.is_none() {
        return Err(needs_credential(
            by.is_some(),
            "token",
            "it is missing: token, refresh_token or user_id",
        ));
    }
    let (mut rows, mut acts) = (Rows::new(), Vec::new());
    for token in tokens {
        match state.auth.revoke(&token, now) {
            Ok((owner, more)) => {
                tracing::info!(event = "token_revoked", subject = owner, "Revoked a token of {owner}");
                // Who shows a token and nothing else is its owner, for all that is known.
                let name = by.as_ref().map_or(&owner, |by| &by.name);
                acts.extend(revocation(name, &owner, &more, "manual"));
                rows.extend(more);
            }
            Err(why) => return Err(bad_token(&state, why).await),
        }
    }
    if let Some(name) = ask.user_id {
        let Some(Extension(by)) = by else {
            return Err(Refused::Unauthorized("a credential is needed to revoke another's tokens"));
        };
        if by.name != name && by.role < Role::Admin {
            return Err(Refused::RoleTooLow { has: by.role, needs: Role::Admin });
        }
        let more = state.auth.revoke_all(&name, now).map_err(refused)?;
        acts.extend(revocation(&by.name, &name, &more, "manual"));
        rows.extend(more);
        tracing::info!(
            event = "tokens_revoked",
            by = by.name,
            subject = name,
            "Revoked all tokens of {name}"
        );
    }
    let revoked = rows.len();
    keep(&state, rows, acts).await?;
    if revoked > 0 {
        state.metrics.revoked("manual");
    }
    let body = json!({"success": true, "revoked": true, "message": "Token revoked"});
    Ok(axum::Json(body).into_response())
}

/// Revokes whatever tokens `name` has: its secret is another, or it is gone.
pub(crate) async fn revoke_all_of(
    state: &State,
    name: &str,
    by: &str,
    reason: &'static str,
) -> Result<(), Refused> {
    let rows = state.auth.revoke_all(name, state.clock.now()).map_err(refused)?;
    state.metrics.revoked(reason);
    let act = revocation(by, name, &rows, reason);
    keep(state, rows, Vec::from_iter(act)).await
}

/// What is on record of rows that revoke something; nothing of what was revoked already.
fn revocation(by: &str, subject: &str, rows: &Rows, reason: &str) -> Option<TokenAct> {
    let (what, _) = rows.first()?.0.split_once(':')?;
    let what = if what == "name" { "all" } else { what };
    let details = json!({"what": what, "reason": reason});
    Some(TokenAct { by: by.to_owned(), action: "token.revoked", subject: subject.to_owned(), details })
}

/// Keeps rows and what was done, and forgets now and then what is over.
async fn keep(state: &State, mut rows: Rows, acts: Vec<TokenAct>) -> Result<(), Refused> {
    if rows.is_empty() && acts.is_empty() {
        return Ok(());
    }
    rows.extend(state.auth.sweep_revoked_at_times(state.clock.now()));
    Ok(state.reads.keep.tokens(rows, acts).await?)
}

/// A token in a body that is not good for what was asked: 401, and a stolen one ends its session.
async fn bad_token(state: &State, why: NoToken) -> Refused {
    match why {
        NoToken::Reused(subject, rows) => {
            state.metrics.security("refresh_token_reused", "high");
            state.metrics.revoked("reused");
            tracing::warn!(
                event = "refresh_token_reused",
                "A refresh token was used a second time: its session is revoked"
            );
            let (by, details) = (subject.clone(), json!({"what": "session"}));
            let act = TokenAct { by, action: "token.reused", subject, details };
            match keep(state, rows, vec![act]).await {
                Ok(()) => Refused::Unauthorized("the token is not valid"),
                Err(why) => why,
            }
        }
        NoToken::Bad(bad) => {
            state.metrics.rejected("jwt", bad.reason());
            tracing::warn!(event = "authentication_failed", method = "jwt", "{}", bad.wording());
            Refused::Unauthorized("the token is not valid")
        }
        other => refused(other),
    }
}

fn refused(why: NoToken) -> Refused {
    match why {
        NoToken::Off => {
            Refused::Failure(Failure::Unavailable("tokens are off: there is no secret".to_owned()))
        }
        NoToken::Full => Refused::Failure(Failure::Full(
            "too many sessions and revocations are kept; wait until some have ended".to_owned(),
        )),
        NoToken::Bad(_) | NoToken::Reused(..) => Refused::Unauthorized("the token is not valid"),
    }
}

fn given(state: &State, pair: Pair) -> Response {
    state.metrics.issued("access");
    state.metrics.issued("refresh");
    let body = json!({
        "access_token": pair.access,
        "refresh_token": pair.refresh,
        "token_type": "bearer",
        "expires_in": pair.expires_in,
        "scope": pair.scope,
        "role": pair.role.as_str(),
    });
    axum::Json(body).into_response()
}

/// What is asked for, or what the one who issues has; never more than that.
fn scopes_of(by: &Principal, asked: Option<Vec<String>>) -> Result<Option<Vec<String>>, Refused> {
    let Some(asked) = asked else { return Ok(by.scopes.as_ref().map(|own| own.to_vec())) };
    let fit = |scope: &String| {
        (1..=SCOPE_MAX).contains(&scope.len())
            && !scope.contains(|c: char| c.is_whitespace() || c.is_control())
    };
    if asked.len() > SCOPES_MAX || !asked.iter().all(fit) {
        let what = format!("at most {SCOPES_MAX} words of 1 to {SCOPE_MAX} characters");
        return Err(Refused::Shape(vec![("scopes".to_owned(), what)]));
    }
    if !by.may_use(&asked) {
        let what = "this credential does not have all of these scopes".to_owned();
        return Err(Refused::Failure(Failure::Forbidden(what)));
    }
    Ok(Some(asked))
}

fn name_is_fit(field: &str, name: &str) -> Result<(), Refused> {
    let fit = (1..=NAME_MAX).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    if fit {
        return Ok(());
    }
    let what = format!("it must be a text of 1 to {NAME_MAX} characters");
    Err(Refused::Shape(vec![(field.to_owned(), what)]))
}

fn object<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    serde_json::from_slice(body).map_err(|why| Refused::Shape(vec![(String::new(), why.to_string())]))
}

/// As [`object`], where the body is the credential: from nobody, one that cannot be read is no credential.
fn in_body<T: DeserializeOwned>(state: &State, is_somebody: bool, body: &[u8]) -> Result<T, Refused> {
    object(body).map_err(|why| {
        if is_somebody {
            return why;
        }
        state.metrics.rejected("none", "missing");
        needs_credential(is_somebody, "", "")
    })
}

fn needs_credential(is_somebody: bool, field: &str, what: &str) -> Refused {
    if is_somebody {
        Refused::Shape(vec![(field.to_owned(), what.to_owned())])
    } else {
        Refused::Unauthorized("a credential is needed, in the body or beside it")
    }
}

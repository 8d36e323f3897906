//! Who is asking, and may they. Credentials are checked here and nowhere else.
//!
//! A credential that is present and bad is refused on every route, open ones too. Keys are kept hashed and
//! compared in constant time; tokens are HS256 and nothing else; without a credential only a local request
//! (see `local`) is somebody.

mod credentials;
mod guard;
mod jwt;
mod local;
mod revoked;
mod tokens;

pub use credentials::{ApiKey, Credentials, FoundKeys, keys_from_variables};
pub use guard::Need;
pub(crate) use guard::{Way, guard};
pub use local::Peer;
pub(crate) use revoked::Rows;
pub(crate) use tokens::{Grant, NoToken, Pair};
pub use tokens::{LIFE_MAX, Lives};

use axum::http::{HeaderMap, header};
use model::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use subtle::ConstantTimeEq;

/// What a principal may do; each role may do what the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Reads.
    User,
    /// Works: submits tasks, claims runs, posts alerts.
    Agent,
    /// Decides: silences, approves, reloads.
    Operator,
    /// Manages agents and keys.
    Admin,
}

impl Role {
    /// `user`, `agent`, `operator` or `admin`.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::User => "user",
            Role::Agent => "agent",
            Role::Operator => "operator",
            Role::Admin => "admin",
        }
    }

    /// From [`Role::as_str`].
    pub fn parse(text: &str) -> Option<Role> {
        [Role::User, Role::Agent, Role::Operator, Role::Admin].into_iter().find(|role| role.as_str() == text)
    }
}

/// Who is asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The token's `sub`, the key's name, `local` or `anonymous`.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The tools' scopes that its credential is narrowed to; `None`: it is not.
    pub scopes: Option<Arc<[String]>>,
    /// The session of its token: what is issued with it is revoked with it.
    pub session: Option<Arc<str>>,
    /// Who issued its token, if that is another and no admin.
    pub issuer: Option<Arc<str>>,
}

impl Principal {
    /// One that is not narrowed and has no token.
    pub fn new(name: impl Into<String>, role: Role) -> Principal {
        Principal { name: name.into(), role, scopes: None, session: None, issuer: None }
    }

    /// Whose word counts where persons are told apart: approvals. A name that somebody else gave out makes nobody a
    /// second person; only an admin vouches for one (`docs/decisions/0009-who-issues-a-token.md`).
    pub fn person(&self) -> &str {
        self.issuer.as_deref().unwrap_or(&self.name)
    }

    /// Whether it may use what asks for all these scopes.
    pub fn may_use(&self, scopes: &[String]) -> bool {
        self.scopes.as_ref().is_none_or(|own| scopes.iter().all(|scope| own.contains(scope)))
    }
}

/// Whether a local request without a credential is somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalRule {
    /// It is the principal `local`, an operator.
    Operator,
    /// It is nobody (`--auth required`, or a listener off loopback).
    Nobody,
}

/// Whether reading needs a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Yes.
    Credential,
    /// No (`auth.open_reads: true`).
    Open,
}

/// All that decides who is asking.
#[derive(Debug)]
pub struct Auth {
    keys: Vec<ApiKey>,
    tokens: Option<jwt::Secret>,
    lives: Lives,
    revoked: revoked::Revoked,
    /// When what was over was last forgotten, in milliseconds.
    swept_ms: AtomicI64,
    local: LocalRule,
    reading: Reading,
}

/// Why a credential was refused. The client is told no more than that it is bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Bad {
    /// Its time is over.
    Expired,
    /// Forged, garbled, of another algorithm, or a key we do not know.
    Invalid,
    /// Well signed, with a role we do not know.
    Role,
    /// It was good and somebody said that it is no longer.
    Revoked,
}

impl Bad {
    /// As figures name it.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Bad::Expired => "expired",
            Bad::Invalid => "invalid",
            Bad::Role => "role",
            Bad::Revoked => "revoked",
        }
    }

    /// The texts that people search their logs for.
    pub(crate) fn wording(self) -> &'static str {
        match self {
            Bad::Expired => "Invalid JWT token: Signature has expired",
            Bad::Invalid => "Invalid JWT token: Signature verification failed",
            Bad::Role => "Invalid JWT token: unknown role",
            Bad::Revoked => "Invalid JWT token: Token has been revoked",
        }
    }
}

/// What kind of credential was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Shown {
    Token,
    Key,
    Nothing,
}

/// What the credentials of a request say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claimed {
    pub shown: Shown,
    pub who: Result<Option<Principal>, Bad>,
}

impl Auth {
    /// From keys and, if tokens are taken, the secret that signs them.
    pub fn new(keys: Vec<ApiKey>, jwt_secret: Option<&str>, local: LocalRule, reading: Reading) -> Auth {
        let tokens = jwt_secret.map(jwt::Secret::new);
        Auth {
            keys,
            tokens,
            lives: Lives::default(),
            revoked: revoked::Revoked::default(),
            swept_ms: AtomicI64::new(0),
            local,
            reading,
        }
    }

    /// The same with tokens that are good for this long.
    pub fn with_lives(self, lives: Lives) -> Auth {
        Auth { lives, ..self }
    }

    /// Takes what was revoked before, as [`crate::Keep::revoked`] was given it.
    pub fn restore(&self, revoked: impl IntoIterator<Item = (String, Value)>) {
        self.revoked.restore(revoked);
    }

    /// Reads `Authorization: Bearer` and `X-API-Key`. Both may be given; each must be good.
    pub(crate) fn claimed(&self, headers: &HeaderMap, now: Timestamp) -> Claimed {
        let bearer = match single(headers, header::AUTHORIZATION.as_str()) {
            Ok(None) => None,
            Ok(Some(text)) => Some(self.bearer(text, now)),
            Err(bad) => Some((Shown::Token, Err(bad))),
        };
        let key = match single(headers, "x-api-key") {
            Ok(None) => None,
            Ok(Some(text)) => Some((Shown::Key, self.key(text).ok_or(Bad::Invalid))),
            Err(bad) => Some((Shown::Key, Err(bad))),
        };
        let (shown, who) = match (bearer, key) {
            (None, None) => return Claimed { shown: Shown::Nothing, who: Ok(None) },
            (Some(one), None) | (None, Some(one)) => one,
            (Some((_, Ok(_))), Some(bad @ (_, Err(_)))) => bad,
            (Some(first), Some(_)) => first,
        };
        Claimed { shown, who: who.map(Some) }
    }

    fn bearer(&self, text: &str, now: Timestamp) -> (Shown, Result<Principal, Bad>) {
        let Some((scheme, value)) = text.split_once(' ') else { return (Shown::Token, Err(Bad::Invalid)) };
        if !scheme.eq_ignore_ascii_case("bearer") {
            return (Shown::Token, Err(Bad::Invalid));
        }
        let value = value.trim();
        match (self.key(value), &self.tokens) {
            (Some(principal), _) => (Shown::Key, Ok(principal)),
            (None, Some(_)) => (Shown::Token, self.access(value, now)),
            (None, None) => (Shown::Token, Err(Bad::Invalid)),
        }
    }

    fn access(&self, token: &str, now: Timestamp) -> Result<Principal, Bad> {
        let read = self.good(token, jwt::Use::Access, now).map_err(|why| match why {
            NoToken::Bad(bad) => bad,
            _ => Bad::Invalid,
        })?;
        let session = read.claims.sid.as_deref().unwrap_or(&read.id).into();
        let scopes = read.claims.scopes.map(Arc::from);
        let issuer = read.claims.act.map(|by| by.sub.into());
        Ok(Principal { name: read.claims.sub, role: read.role, scopes, session: Some(session), issuer })
    }

    /// Compares with every key, so that the time taken tells nothing about which one was nearly right.
    fn key(&self, text: &str) -> Option<Principal> {
        let hash: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        let mut found = None;
        for key in &self.keys {
            if bool::from(key.hash.ct_eq(&hash)) {
                found = Some(key);
            }
        }
        found
            .map(|key| Principal { scopes: key.scopes.clone(), ..Principal::new(key.name.clone(), key.role) })
    }
}

/// The one value of a header; two of them are one too many for a credential.
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Bad> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| Bad::Invalid),
        (Some(_), Some(_)) => Err(Bad::Invalid),
    }
}

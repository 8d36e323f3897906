//! Tokens as they come and go: issued in pairs, refreshed once each, revoked for good.
//!
//! All tokens that grow out of one credential that is no token (a key, the local principal, an agent's secret) are
//! one session: whatever is issued or refreshed with one of them is revoked with it.

use super::jwt::{Actor, Claims, Read, Use};
use super::revoked::{NotTurned, Rows};
use super::{Auth, Bad, Role};
use data_encoding::HEXLOWER;
use model::Timestamp;
use rand::Rng;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The longest that anything issued may be good.
pub const LIFE_MAX: Duration = Duration::from_secs(30 * 86_400);

/// How often revocations that are over are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(600);

/// How long tokens are good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lives {
    /// What an agent gets for its secret.
    pub access: Duration,
    /// What gets the next pair.
    pub refresh: Duration,
    /// What a person issues, unless it says so.
    pub issued: Duration,
}

impl Default for Lives {
    fn default() -> Lives {
        Lives {
            access: Duration::from_secs(60 * 60),
            refresh: LIFE_MAX,
            issued: Duration::from_secs(24 * 60 * 60),
        }
    }
}

/// Who gets a pair, and what it is good for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Grant {
    /// The principal's name: `sub`.
    pub subject: String,
    /// What people call it, if that is another name.
    pub name: Option<String>,
    pub role: Role,
    pub scopes: Option<Vec<String>>,
    /// The session of the token that asks, if it is one.
    pub session: Option<Arc<str>>,
    /// Who counts as the one behind it: [`super::Principal::issuer`].
    pub issuer: Option<String>,
    /// How long the access token is good; `None`: as an agent's.
    pub life: Option<Duration>,
}

/// What is given out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pair {
    /// Whose it is.
    pub subject: String,
    pub access: String,
    pub refresh: String,
    pub expires_in: u64,
    pub role: Role,
    /// The scopes, or the role where it is not narrowed.
    pub scope: String,
}

/// Why there is no pair, or no revocation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum NoToken {
    /// There is no secret to sign with.
    Off,
    /// The token is bad, or not of the kind that is wanted.
    Bad(Bad),
    /// A refresh token of this name was used twice: these rows revoke its session.
    Reused(String, Rows),
    /// There is no room for more sessions or revocations.
    Full,
}

impl Auth {
    /// A new pair.
    pub(crate) fn issue(&self, grant: Grant, now: Timestamp) -> Result<Pair, NoToken> {
        let life = grant.life.unwrap_or(self.lives.access).min(LIFE_MAX);
        let session = grant.session.as_deref().map_or_else(random_id, str::to_owned);
        let claims = Claims {
            sub: grant.subject,
            role: grant.role.as_str().to_owned(),
            exp: 0.0,
            iat: 0.0,
            nbf: None,
            usage: None,
            scopes: grant.scopes,
            name: grant.name,
            jti: None,
            sid: Some(session),
            line: Some(random_id()),
            turn: Some(0),
            ttl: Some(life.as_secs()),
            act: grant.issuer.map(|sub| Actor { sub }),
            iat_ms: None,
        };
        self.pair(claims, grant.role, now)
    }

    /// The next pair for a refresh token, which is used up by it; and the rows that say so.
    pub(crate) fn refresh(&self, token: &str, now: Timestamp) -> Result<(Pair, Rows), NoToken> {
        let Read { mut claims, role, .. } = self.good(token, Use::Refresh, now)?;
        let (Some(line), Some(turn), Some(session)) = (&claims.line, claims.turn, &claims.sid) else {
            return Err(NoToken::Bad(Bad::Invalid));
        };
        let until = now.plus(LIFE_MAX);
        let rows = self.revoked.turn(line, turn, session, until, now).map_err(|why| match why {
            NotTurned::Reused(rows) => NoToken::Reused(claims.sub.clone(), rows),
            NotTurned::Full => NoToken::Full,
        })?;
        claims.turn = Some(turn.saturating_add(1));
        Ok((self.pair(claims, role, now)?, rows))
    }

    /// The rows that revoke a token: an access token alone, with a refresh token its session. None if its time is
    /// over or it is revoked already. Whose it was comes with them.
    pub(crate) fn revoke(&self, token: &str, now: Timestamp) -> Result<(String, Rows), NoToken> {
        let read = match self.read(token, now) {
            Ok(read) => read,
            Err(NoToken::Bad(Bad::Expired)) => return Ok((String::new(), Rows::new())),
            Err(why) => return Err(why),
        };
        if self.revoked.holds(read.subject()) {
            return Ok((read.claims.sub, Rows::new()));
        }
        let rows = match (read.claims.usage, &read.claims.sid) {
            (Some(Use::Refresh), Some(session)) => self.revoked.session(session, now.plus(LIFE_MAX), now),
            _ => self.revoked.token(&read.id, read.until(), now),
        };
        Ok((read.claims.sub, rows.map_err(|_| NoToken::Full)?))
    }

    /// The rows that revoke whatever `name` was issued up to now.
    pub(crate) fn revoke_all(&self, name: &str, now: Timestamp) -> Result<Rows, NoToken> {
        self.revoked.name(name, now).map_err(|_| NoToken::Full)
    }

    /// How long tokens are good.
    pub(crate) fn lives(&self) -> Lives {
        self.lives
    }

    /// Whose refresh token it is, if it is good.
    pub(crate) fn owner(&self, token: &str, now: Timestamp) -> Result<String, NoToken> {
        Ok(self.good(token, Use::Refresh, now)?.claims.sub)
    }

    /// The rows of revocations that are no longer needed, looked for every [`SWEEP_EVERY`].
    pub(crate) fn sweep_revoked_at_times(&self, now: Timestamp) -> Rows {
        let last = Timestamp::from_millis(self.swept_ms.load(Ordering::Relaxed));
        if now.since(last) < SWEEP_EVERY {
            return Rows::new();
        }
        self.swept_ms.store(now.as_millis(), Ordering::Relaxed);
        self.revoked.sweep(now)
    }

    /// A token of one kind that is good for everything a credential must be.
    pub(super) fn good(&self, token: &str, usage: Use, now: Timestamp) -> Result<Read, NoToken> {
        let read = self.read(token, now)?;
        match read.claims.usage.unwrap_or(Use::Access) == usage {
            false => Err(NoToken::Bad(Bad::Invalid)),
            true if self.revoked.holds(read.subject()) => Err(NoToken::Bad(Bad::Revoked)),
            true => Ok(read),
        }
    }

    fn read(&self, token: &str, now: Timestamp) -> Result<Read, NoToken> {
        self.tokens.as_ref().ok_or(NoToken::Off)?.read(token, now).map_err(NoToken::Bad)
    }

    fn pair(&self, claims: Claims, role: Role, now: Timestamp) -> Result<Pair, NoToken> {
        let secret = self.tokens.as_ref().ok_or(NoToken::Off)?;
        let life = claims.ttl.unwrap_or_default().clamp(1, LIFE_MAX.as_secs());
        let made = |usage: Use, life: u64| Claims {
            exp: now.as_secs_f64().floor() + life as f64,
            iat: now.as_secs_f64().floor(),
            usage: Some(usage),
            jti: Some(random_id()),
            iat_ms: Some(now.as_millis()),
            ..claims.clone()
        };
        let access = Claims { line: None, turn: None, ttl: None, ..made(Use::Access, life) };
        let refresh = made(Use::Refresh, self.lives.refresh.min(LIFE_MAX).as_secs().max(life));
        let sign = |claims| secret.sign(claims).map_err(|_| NoToken::Off);
        Ok(Pair {
            subject: claims.sub.clone(),
            access: sign(&access)?,
            refresh: sign(&refresh)?,
            expires_in: life,
            role,
            scope: claims.scopes.as_ref().map_or_else(|| role.as_str().to_owned(), |scopes| scopes.join(" ")),
        })
    }
}

/// 128 random bits.
fn random_id() -> String {
    let mut bytes = [0u8; 16];
    rand::rng().fill_bytes(&mut bytes);
    HEXLOWER.encode(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{LocalRule, Principal, Reading};
    use axum::http::HeaderMap;

    const SECRET: &str = "a secret of more than thirty-two characters";

    fn auth() -> Auth {
        Auth::new(Vec::new(), Some(SECRET), LocalRule::Nobody, Reading::Credential)
    }

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_millis(secs * 1000)
    }

    fn grant(name: &str) -> Grant {
        Grant {
            subject: name.to_owned(),
            name: None,
            role: Role::Agent,
            scopes: Some(vec!["mail".to_owned(), "notify".to_owned()]),
            session: None,
            issuer: None,
            life: None,
        }
    }

    fn shown(auth: &Auth, token: &str, now: Timestamp) -> Result<Principal, Bad> {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
        auth.claimed(&headers, now).who.map(|who| who.expect("a token was shown"))
    }

    #[test]
    fn a_pair_and_what_each_half_is_good_for() {
        let auth = auth();
        let pair = auth.issue(grant("ann"), at(100)).unwrap();
        assert_eq!((pair.expires_in, pair.scope.as_str()), (3600, "mail notify"));
        let ann = shown(&auth, &pair.access, at(100)).unwrap();
        assert_eq!((ann.name.as_str(), ann.role), ("ann", Role::Agent));
        assert!(ann.may_use(&["mail".to_owned()]) && !ann.may_use(&["calendar".to_owned()]));
        assert_eq!(shown(&auth, &pair.access, at(3699)).map(|_| ()), Ok(()));
        assert_eq!(shown(&auth, &pair.access, at(3700)), Err(Bad::Expired));
        assert_eq!(shown(&auth, &pair.refresh, at(100)), Err(Bad::Invalid), "it opens no other door");
        assert_eq!(auth.refresh(&pair.access, at(100)), Err(NoToken::Bad(Bad::Invalid)));
    }

    #[test]
    fn refreshed_once_and_a_second_use_ends_the_session() {
        let auth = auth();
        let first = auth.issue(grant("ann"), at(100)).unwrap();
        let (second, rows) = auth.refresh(&first.refresh, at(200)).unwrap();
        assert_eq!(rows.len(), 1);
        assert!(shown(&auth, &second.access, at(3700)).is_ok());
        let (third, _) = auth.refresh(&second.refresh, at(300)).unwrap();
        assert!(matches!(auth.refresh(&first.refresh, at(300)), Err(NoToken::Reused(..))));
        for token in [&first.access, &second.access, &third.access] {
            assert_eq!(shown(&auth, token, at(300)), Err(Bad::Revoked));
        }
        assert_eq!(auth.refresh(&third.refresh, at(300)).map(|_| ()), Err(NoToken::Bad(Bad::Revoked)));
    }

    #[test]
    fn what_is_issued_with_a_token_ends_with_its_session() {
        let auth = auth();
        let parent = auth.issue(grant("ann"), at(100)).unwrap();
        let session = shown(&auth, &parent.access, at(100)).unwrap().session;
        let child = auth.issue(Grant { session, ..grant("bob") }, at(110)).unwrap();
        let (_, rows) = auth.revoke(&parent.refresh, at(120)).unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!(shown(&auth, &child.access, at(120)), Err(Bad::Revoked));
        assert_eq!(auth.revoke(&parent.refresh, at(120)).unwrap().1, [], "once is enough");
    }

    #[test]
    fn who_is_behind_a_name_stays_so_when_it_is_refreshed() {
        let auth = auth();
        let pair = auth.issue(Grant { issuer: Some("bob".to_owned()), ..grant("ann") }, at(100)).unwrap();
        let (next, _) = auth.refresh(&pair.refresh, at(110)).unwrap();
        for token in [&pair.access, &next.access] {
            let ann = shown(&auth, token, at(110)).unwrap();
            assert_eq!((ann.name.as_str(), ann.person()), ("ann", "bob"));
        }
        let own = auth.issue(grant("ann"), at(100)).unwrap();
        assert_eq!(shown(&auth, &own.access, at(100)).unwrap().person(), "ann");
    }

    #[test]
    fn one_token_or_all_of_somebody() {
        let auth = auth();
        let (a, b) = (auth.issue(grant("ann"), at(100)).unwrap(), auth.issue(grant("ann"), at(100)).unwrap());
        assert_eq!(auth.revoke(&a.access, at(101)).unwrap().0, "ann");
        assert_eq!(shown(&auth, &a.access, at(101)), Err(Bad::Revoked));
        assert!(shown(&auth, &b.access, at(101)).is_ok());
        auth.revoke_all("ann", at(102)).unwrap();
        assert_eq!(shown(&auth, &b.access, at(102)), Err(Bad::Revoked));
        let later = auth.issue(grant("ann"), Timestamp::from_millis(102_001)).unwrap();
        assert!(shown(&auth, &later.access, at(103)).is_ok());
        assert_eq!(auth.revoke("forged.to.ken", at(100)), Err(NoToken::Bad(Bad::Invalid)));
        assert_eq!(auth.revoke(&a.access, at(9999)).unwrap().1, []);
    }

    #[test]
    fn a_token_made_elsewhere_can_be_revoked_too() {
        let auth = auth();
        let claims = serde_json::json!({"sub": "ann", "role": "agent", "exp": 1000, "iat": 100});
        let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
        let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap();
        let ann = shown(&auth, &token, at(100)).unwrap();
        let child = auth.issue(Grant { session: ann.session, ..grant("bob") }, at(100)).unwrap();
        auth.revoke(&token, at(100)).unwrap();
        assert_eq!(shown(&auth, &token, at(100)), Err(Bad::Revoked));
        assert_eq!(shown(&auth, &child.access, at(100)), Err(Bad::Revoked));
    }
}

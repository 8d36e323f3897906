//! Bearer tokens: HS256 with `sub`, `role`, `exp`, `iat`, and in ours a little more; the algorithm is pinned, the
//! clock is ours.

use super::revoked::Subject;
use super::{Bad, Role};
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use model::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Signs and checks tokens with one secret.
pub(super) struct Secret {
    decoding: DecodingKey,
    encoding: EncodingKey,
    rules: Validation,
}

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Use {
    /// To be shown with requests.
    Access,
    /// To get another pair of tokens, once.
    Refresh,
}

/// What a token says. Tokens made elsewhere with our secret have the first four only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Claims {
    pub sub: String,
    pub role: String,
    /// Seconds since the epoch, as are `iat` and `nbf`.
    pub exp: f64,
    #[serde(default)]
    pub iat: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<f64>,
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub usage: Option<Use>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    /// What is revoked together: all tokens that came, by refreshing or issuing, from one credential that is no
    /// token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// The line of refresh tokens of which only the newest is good, and which one this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<u64>,
    /// Of a refresh token: for how many seconds the access tokens it gets are good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u64>,
    /// Who issued it in another's name and is no admin (RFC 8693).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Actor>,
    /// `iat` to the millisecond, so that a revocation and a new token within one second can be told apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iat_ms: Option<i64>,
}

/// Who acts behind a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Actor {
    pub sub: String,
}

/// A token that is well signed and whose time is not over.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Read {
    pub(super) claims: Claims,
    pub(super) role: Role,
    /// The token's own id; of one without, what its text hashes to.
    pub(super) id: String,
}

impl Read {
    /// What can be revoked of it.
    pub(super) fn subject(&self) -> Subject<'_> {
        let issued_ms = self.claims.iat_ms.unwrap_or((self.claims.iat * 1000.0) as i64);
        Subject {
            token: &self.id,
            session: self.claims.sid.as_deref(),
            name: &self.claims.sub,
            issued: Timestamp::from_millis(issued_ms),
        }
    }

    /// When it ends of itself.
    pub(super) fn until(&self) -> Timestamp {
        Timestamp::from_secs_f64(self.claims.exp)
    }
}

impl Secret {
    pub(super) fn new(secret: &str) -> Secret {
        // Only the first call has an effect, and every call brings the same functions.
        let _ = HS256_ONLY.install_default();
        let mut rules = Validation::new(Algorithm::HS256);
        rules.required_spec_claims.clear();
        // Checked in `read`, by the clock we are handed.
        rules.validate_exp = false;
        rules.validate_aud = false;
        Secret {
            decoding: DecodingKey::from_secret(secret.as_bytes()),
            encoding: EncodingKey::from_secret(secret.as_bytes()),
            rules,
        }
    }

    pub(super) fn read(&self, token: &str, now: Timestamp) -> Result<Read, Bad> {
        let claims: Claims =
            jsonwebtoken::decode(token, &self.decoding, &self.rules).map_err(|_| Bad::Invalid)?.claims;
        if claims.exp.is_nan() || claims.exp <= now.as_secs_f64() {
            return Err(Bad::Expired);
        }
        if claims.sub.is_empty() || claims.nbf.is_some_and(|from| from > now.as_secs_f64()) {
            return Err(Bad::Invalid);
        }
        let role = Role::parse(&claims.role).ok_or(Bad::Role)?;
        let id = claims.jti.clone().unwrap_or_else(|| fingerprint(token));
        Ok(Read { claims, role, id })
    }

    pub(super) fn sign(&self, claims: &Claims) -> Result<String, Error> {
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &self.encoding)
    }
}

/// An id for a token that has none: of its header and claims, which its signature covers.
fn fingerprint(token: &str) -> String {
    let signed = token.rsplit_once('.').map_or(token, |(signed, _)| signed);
    let hash = Sha256::digest(signed.as_bytes());
    HEXLOWER.encode(&hash[..16])
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(HS256)")
    }
}

/// The whole cryptography that tokens get: HMAC with SHA-256. Any other algorithm is an error.
static HS256_ONLY: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| Ok(Box::new(Hs256::new(algorithm, key.as_bytes())?)),
    verifier_factory: |algorithm, key| Ok(Box::new(Hs256::new(algorithm, key.try_get_as_bytes()?)?)),
    key_utils: KeyUtils::new_unimplemented(),
};

struct Hs256(Hmac<Sha256>);

impl Hs256 {
    fn new(algorithm: &Algorithm, secret: &[u8]) -> Result<Hs256, Error> {
        if *algorithm != Algorithm::HS256 {
            return Err(ErrorKind::InvalidAlgorithm.into());
        }
        Hmac::new_from_slice(secret).map(Hs256).map_err(|_| ErrorKind::InvalidKeyFormat.into())
    }
}

impl signature::Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(self.0.clone().chain_update(message).finalize().into_bytes().to_vec())
    }
}

impl signature::Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        self.0.clone().chain_update(message).verify_slice(signature).map_err(|_| signature::Error::new())
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SECRET: &str = "a secret of more than thirty-two characters";

    fn token(algorithm: Algorithm, claims: &serde_json::Value, secret: &str) -> String {
        let _ = Secret::new(SECRET);
        jsonwebtoken::encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret.as_bytes()))
            .unwrap()
    }

    #[test]
    fn good_and_bad_tokens() {
        let now = Timestamp::from_millis(1_000_000);
        let claims = |role: &str, exp: f64| json!({"sub": "ann", "role": role, "exp": exp, "iat": 900});
        let hs256 = |claims, secret| token(Algorithm::HS256, &claims, secret);
        let good = hs256(claims("agent", 1001.0), SECRET);
        let body = good.split('.').nth(1).unwrap();
        let not_before = |at: f64| json!({"sub": "ann", "role": "agent", "exp": 1001, "iat": 900, "nbf": at});
        let cases = [
            (good.clone(), Ok(Role::Agent)),
            (hs256(claims("agent", 1000.0), SECRET), Err(Bad::Expired)),
            (hs256(claims("king", 1001.0), SECRET), Err(Bad::Role)),
            (hs256(claims("agent", 1001.0), "another secret"), Err(Bad::Invalid)),
            (hs256(json!({"sub": "ann", "role": "agent"}), SECRET), Err(Bad::Invalid)),
            (hs256(json!({"sub": "", "role": "agent", "exp": 1001}), SECRET), Err(Bad::Invalid)),
            (hs256(not_before(1000.0), SECRET), Ok(Role::Agent)),
            (hs256(not_before(1000.5), SECRET), Err(Bad::Invalid)),
            // {"alg":"none","typ":"JWT"}
            (format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{body}."), Err(Bad::Invalid)),
            // {"alg":"HS512","typ":"JWT"} with an HS256 signature
            (
                good.replacen(good.split('.').next().unwrap(), "eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9", 1),
                Err(Bad::Invalid),
            ),
            (format!("{good}x"), Err(Bad::Invalid)),
            (String::new(), Err(Bad::Invalid)),
            ("a.b.c".to_owned(), Err(Bad::Invalid)),
        ];
        for (token, want) in cases {
            let got = Secret::new(SECRET).read(&token, now).map(|read| read.role);
            assert_eq!(got, want, "{token}");
        }
    }
}

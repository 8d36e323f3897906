//! Bearer tokens: HS256 with `sub`, `role`, `exp`, `iat`; the algorithm is pinned, the clock is ours.

use super::{Bad, Principal, Role};
use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use model::Timestamp;
use serde::Deserialize;
use sha2::Sha256;

/// Checks tokens against one secret.
pub(super) struct Verifier {
    key: DecodingKey,
    rules: Validation,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    role: String,
    /// Seconds since the epoch.
    exp: f64,
}

impl Verifier {
    pub(super) fn new(secret: &str) -> Verifier {
        // Only the first call has an effect, and every call brings the same functions.
        let _ = HS256_ONLY.install_default();
        let mut rules = Validation::new(Algorithm::HS256);
        rules.required_spec_claims.clear();
        // Checked in `verify`, by the clock we are handed.
        rules.validate_exp = false;
        rules.validate_aud = false;
        Verifier { key: DecodingKey::from_secret(secret.as_bytes()), rules }
    }

    pub(super) fn verify(&self, token: &str, now: Timestamp) -> Result<Principal, Bad> {
        let claims =
            jsonwebtoken::decode::<Claims>(token, &self.key, &self.rules).map_err(|_| Bad::Invalid)?.claims;
        if claims.exp.is_nan() || claims.exp <= now.as_secs_f64() {
            return Err(Bad::Expired);
        }
        let role = Role::parse(&claims.role).ok_or(Bad::Role)?;
        Ok(Principal { name: claims.sub, role })
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Verifier(HS256)")
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
    use jsonwebtoken::EncodingKey;
    use serde_json::json;

    const SECRET: &str = "a secret of more than thirty-two characters";

    fn token(algorithm: Algorithm, claims: &serde_json::Value, secret: &str) -> String {
        let _ = Verifier::new(SECRET);
        let header = jsonwebtoken::Header::new(algorithm);
        jsonwebtoken::encode(&header, claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
    }

    #[test]
    fn good_and_bad_tokens() {
        let now = Timestamp::from_millis(1_000_000);
        let claims = |role: &str, exp: f64| json!({"sub": "ann", "role": role, "exp": exp, "iat": 900});
        let hs256 = |claims, secret| token(Algorithm::HS256, &claims, secret);
        let good = hs256(claims("agent", 1001.0), SECRET);
        let body = good.split('.').nth(1).unwrap();
        let cases = [
            (good.clone(), Ok(Principal { name: "ann".to_owned(), role: Role::Agent })),
            (hs256(claims("agent", 1000.0), SECRET), Err(Bad::Expired)),
            (hs256(claims("king", 1001.0), SECRET), Err(Bad::Role)),
            (hs256(claims("agent", 1001.0), "another secret"), Err(Bad::Invalid)),
            (hs256(json!({"sub": "ann", "role": "agent"}), SECRET), Err(Bad::Invalid)),
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
            assert_eq!(Verifier::new(SECRET).verify(&token, now), want, "{token}");
        }
    }
}

//! The signature of what we send to others: `t=SECONDS,v1=HEX`, an HMAC-SHA256 over the seconds, a dot and the
//! body. Pages, events and pushed runs are all signed here, so that one check serves their receivers.

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use model::Timestamp;
use sha2::Sha256;

/// The header that carries it.
pub const HEADER: &str = "X-Tocsin-Signature";

/// The value of [`HEADER`] for `body`. The instant is part of what is signed, so that an old message cannot be sent
/// again as a new one.
pub fn sign(secret: &[u8], at: Timestamp, body: &[u8]) -> String {
    let seconds = at.as_millis().div_euclid(1000);
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes a key of any length");
    mac.update(seconds.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    format!("t={seconds},v1={}", HEXLOWER.encode(&mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_value() {
        // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac topsecret
        assert_eq!(
            sign(b"topsecret", Timestamp::from_millis(1_700_000_000_999), br#"{"a":1}"#),
            "t=1700000000,v1=6a939b0c71853d606167625a15168ee9188c6a511c773ef4f42d307f3849e50f"
        );
    }
}

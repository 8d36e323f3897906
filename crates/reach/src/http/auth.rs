//! The two forms of the `Authorization` header.

use crate::base64::base64;
use http::HeaderValue;

/// `Basic`, with the name and the password in base64.
pub fn basic(user: &str, password: &str) -> HeaderValue {
    let text = format!("Basic {}", base64(format!("{user}:{password}").as_bytes()));
    let mut value = HeaderValue::try_from(text).expect("base64 is plain ASCII");
    value.set_sensitive(true);
    value
}

/// `Bearer` or another scheme with its credentials; `None` if a header cannot hold them.
pub fn bearer(scheme: &str, credentials: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(format!("{scheme} {credentials}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

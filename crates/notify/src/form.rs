//! A form's body, for the two services that take no JSON.

/// `name=value&...`, with everything escaped but letters, digits and `-._~`: the form that AWS signs too.
pub(crate) fn encoded<N: AsRef<str>>(pairs: &[(N, String)]) -> String {
    let pairs = pairs.iter().map(|(name, value)| format!("{}={}", escaped(name.as_ref()), escaped(value)));
    pairs.collect::<Vec<_>>().join("&")
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn escapes() {
        let pairs = [("a", "b c&d=é".to_owned()), ("e.f", "~-_".to_owned())];
        assert_eq!(super::encoded(&pairs), "a=b%20c%26d%3D%C3%A9&e.f=~-_");
    }
}

//! `tocsin secrets generate`: fresh secrets as variables, for an `.env` file. Nothing is kept or set.

use rand::Rng;
use serde_json::{Map, Value};
use std::process::ExitCode;

/// The digits of base64 that URLs and file names take.
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Prints a secret for tokens and a key for each role.
pub fn generate(json: bool) -> ExitCode {
    let block = block();
    if json {
        let object: Map<String, Value> =
            block.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        println!("{:#}", Value::Object(object));
    } else {
        for (name, value) in block {
            println!("{name}={value}");
        }
    }
    ExitCode::SUCCESS
}

fn block() -> Vec<(&'static str, String)> {
    vec![
        ("ORCHESTRATOR_JWT_SECRET", secret()),
        ("ORCHESTRATOR_API_KEY_ADMIN", secret() + ":admin"),
        ("ORCHESTRATOR_API_KEY_OPERATOR", secret() + ":operator"),
        ("ORCHESTRATOR_API_KEY_AGENT", secret() + ":agent"),
        ("ORCHESTRATOR_API_KEY_USER", secret() + ":user"),
    ]
}

/// 32 random bytes.
fn secret() -> String {
    let mut bytes = [0u8; 32];
    rand::rng().fill_bytes(&mut bytes);
    encode(&bytes)
}

/// URL-safe base64 without padding.
fn encode(bytes: &[u8]) -> String {
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits =
            three.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        let digit = |n: usize| DIGITS[(bits >> (18 - 6 * n) & 63) as usize] as char;
        text.extend((0..=three.len()).map(digit));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_others_encode_it() {
        for (bytes, want) in
            [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"), ("fooba", "Zm9vYmE")]
        {
            assert_eq!(encode(bytes.as_bytes()), want);
        }
        assert_eq!(encode(&[0xff, 0xef, 0xbe]), "_---".replacen("---", "--", 1) + "-");
    }

    #[test]
    fn fresh_long_and_readable_as_keys() {
        let (first, second) = (block(), block());
        assert!(first.iter().zip(&second).all(|(a, b)| a.0 == b.0 && a.1 != b.1));
        assert_eq!(first[0].1.len(), 43);
        let variables = first.into_iter().map(|(name, value)| (name.to_owned(), value));
        let found = server::auth::keys_from_variables(variables);
        assert_eq!((found.keys.len(), found.skipped.len(), found.weak.len()), (4, 0, 0));
    }
}

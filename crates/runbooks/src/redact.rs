//! Takes secrets out of text that leaves the house.
//!
//! Works on shapes, so it errs on the side of removing; a secret of no known shape passes. Nothing replaces
//! keeping secrets out of what steps print.

use regex::{Captures, Regex};
use std::sync::OnceLock;

const REDACTED: &str = "[redacted]";

/// The text with everything that looks like a secret replaced by `[redacted]`.
pub fn redact(text: &str) -> String {
    let mut out = text.to_owned();
    for shape in shapes() {
        out = shape
            .replace_all(&out, |found: &Captures<'_>| {
                let part = |name| found.name(name).map_or("", |part| part.as_str());
                format!("{}{REDACTED}{}", part("keep"), part("end"))
            })
            .into_owned();
    }
    out
}

fn shapes() -> &'static [Regex] {
    static SHAPES: OnceLock<Vec<Regex>> = OnceLock::new();
    SHAPES.get_or_init(|| {
        [
            // A key block, or what a cut left of one.
            r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\z)",
            // user:password@host in an address.
            r"(?P<keep>[a-zA-Z][a-zA-Z0-9+.-]*://[^\s:/@]*:)[^\s@/]+(?P<end>@)",
            // Authorization headers.
            r"(?i)(?P<keep>\b(?:authorization|proxy-authorization)\b\W{1,4}(?:basic|bearer|token|apikey)?\s*)[^\s,;'\x22]+",
            r"(?i)(?P<keep>\bbearer\s+)[a-z0-9._~+/=-]{8,}",
            // name=value, name: value, "name": "value"; also requirepass VALUE as in a redis.conf.
            r#"(?i)(?P<keep>\b[a-z0-9_.-]*(?:password|passwd|passphrase|secret|api[_-]?key|access[_-]?key|private[_-]?key|token|credential)s?['"]?\s*[=:]\s*")[^"\n]+"#,
            r"(?i)(?P<keep>\b[a-z0-9_.-]*(?:password|passwd|passphrase|secret|api[_-]?key|access[_-]?key|private[_-]?key|token|credential)s?['\x22]?\s*[=:]\s*')[^'\n]+",
            r"(?i)(?P<keep>\b[a-z0-9_.-]*(?:password|passwd|passphrase|secret|api[_-]?key|access[_-]?key|private[_-]?key|token|credential)s?['\x22]?\s*(?:=|:)\s*['\x22]?)[^\s,;'\x22&]+",
            r"(?i)(?P<keep>\b(?:requirepass|masterauth|pgpassword|redis_password)\b[=\s]+)\S+",
            r"(?i)(?P<keep>\b(?:pwd|auth_token|x-api-key|cookie|set-cookie)\s*[=:]\s*)[^\s,;]+",
            // Well-known token forms.
            r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",
            r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
            r"\b(?:ghp|gho|ghs|ghu|github_pat|glpat|xox[abprs]|sk|rk)[_-][A-Za-z0-9_-]{16,}",
            r"(?P<keep>hooks\.slack\.com/services/)[A-Za-z0-9/]+",
        ]
        .into_iter()
        .map(|shape| Regex::new(shape).expect("the shapes are constants that compile, as the tests show"))
        .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_and_the_rest_stays() {
        for (text, wanted) in [
            ("connection refused by 127.0.0.1:6379", "connection refused by 127.0.0.1:6379"),
            ("postgres://app:hunter2@db:5432/x", "postgres://app:[redacted]@db:5432/x"),
            ("redis://:pa55@h:6379", "redis://:[redacted]@h:6379"),
            ("see http://e.org:8080/path", "see http://e.org:8080/path"),
            ("PASSWORD=abc next=1", "PASSWORD=[redacted] next=1"),
            ("{\"api_key\": \"k-123\", \"a\": 1}", "{\"api_key\": \"[redacted]\", \"a\": 1}"),
            ("db_password: 'x y'", "db_password: '[redacted]'"),
            ("Authorization: Bearer abcdef123456", "Authorization: Bearer [redacted]"),
            ("requirepass foobared", "requirepass [redacted]"),
            ("key AKIAABCDEFGHIJKLMNOP.", "key [redacted]."),
            ("jwt eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.sig", "jwt [redacted]"),
            (
                "password authentication failed for user \"app\"",
                "password authentication failed for user \"app\"",
            ),
            ("tokens used: 5", "tokens used: 5"),
            ("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----\nx", "[redacted]\nx"),
        ] {
            assert_eq!(redact(text), wanted);
        }
    }
}

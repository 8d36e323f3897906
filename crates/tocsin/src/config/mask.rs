//! A configuration's text for people to read: comments gone, every value that may be a secret replaced.
//!
//! Masks too much rather than too little: it looks at keys and at credentials in URLs, and works on the text as
//! written, before variables and secret files are filled in.

const MASK: &str = "<secret>";
/// In a URL, which must stay one: tools read the text back.
const USER: &str = "xxxxx";

/// Parts of key names whose values are never shown.
const SECRET: [&str; 13] = [
    "password",
    "secret",
    "token",
    "credential",
    "api_key",
    "apikey",
    "service_key",
    "routing_key",
    "user_key",
    "private_key",
    "webhook_url",
    "api_url",
    "dsn",
];

/// The text with secrets replaced.
pub fn masked(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    // The indentation of a secret key whose value goes on in the lines below.
    let mut hidden: Option<usize> = None;
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        if line.trim_start().starts_with('#') {
            continue;
        }
        if hidden.is_some_and(|under| indent > under || line.trim().is_empty()) {
            continue;
        }
        hidden = None;
        let (line, open) = mask_line(line);
        if open {
            hidden = Some(indent);
        }
        shown.push_str(&line);
        shown.push('\n');
    }
    shown
}

/// Those sections of a text that begin with one of these keys, as Alertmanager's tools read routing back. An anchor that
/// stands in another section is missing then, and of a file that is one flow mapping nothing is found.
pub fn sections(text: &str, keys: &[&str]) -> String {
    let mut wanted = false;
    let mut found = String::with_capacity(text.len());
    for line in text.lines() {
        if line.starts_with(|first: char| !matches!(first, ' ' | '-' | '#' | ']' | '}')) {
            wanted = line
                .split_once(':')
                .is_some_and(|(key, _)| keys.contains(&key.trim_end().trim_matches(['"', '\''])));
        }
        if wanted {
            found.push_str(line);
            found.push('\n');
        }
    }
    found
}

/// A line with its secrets replaced, and whether the value goes on below.
fn mask_line(line: &str) -> (String, bool) {
    let mut shown = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(colon) = rest.find(':') {
        let (before, after) = (&rest[..colon], &rest[colon + 1..]);
        let start = before.rfind([' ', '{', ',', '[', '-']).map_or(0, |at| at + 1);
        let key = before[start..].trim_matches(['"', '\'']);
        shown.push_str(before);
        shown.push(':');
        rest = after;
        if !(after.is_empty() || after.starts_with(' ')) || !is_secret(key) {
            continue;
        }
        let value = after.trim();
        if value.is_empty() || value.starts_with(['|', '>', '{', '&']) {
            shown.push(' ');
            shown.push_str(MASK);
            return (shown, true);
        }
        let flow = before.contains(['{', '[']);
        let len = match value.chars().next() {
            Some(mark @ ('"' | '\'')) => value[1..].find(mark).map_or(value.len(), |at| at + 2),
            _ if flow => value.find([',', '}', ']']).unwrap_or(value.len()),
            _ => value.len(),
        };
        shown.push(' ');
        shown.push_str(MASK);
        let skipped = after.len() - after.trim_start().len() + len;
        rest = &after[skipped.min(after.len())..];
    }
    shown.push_str(rest);
    (without_credentials(&shown), false)
}

fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    !key.ends_with("_file") && !key.ends_with("_url_file") && SECRET.iter().any(|part| key.contains(part))
}

/// `scheme://user:password@host` without what stands before the `@`.
fn without_credentials(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        shown.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || "/\"'?#,".contains(c)).unwrap_or(after.len());
        rest = match after[..end].rfind('@') {
            Some(sign) => {
                shown.push_str(USER);
                &after[sign..]
            }
            None => after,
        };
    }
    shown + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        for (text, shown) in [
            ("a: 1 # x\n# password: y", "a: 1 # x\n"),
            ("  password: hunter2", "  password: <secret>\n"),
            ("- {api_url: 'https://x/y', channel: a}", "- {api_url: <secret>, channel: a}\n"),
            ("bearer_token: |\n  abc\n  def\nb: 2", "bearer_token: <secret>\nb: 2\n"),
            ("password_file: /run/x", "password_file: /run/x\n"),
            ("- dsn: https://k@h/1", "- dsn: <secret>\n"),
            ("url: http://u:p@h:1/x?a=b@c", "url: http://xxxxx@h:1/x?a=b@c\n"),
            ("target: \"redis://:pw@h:6379\"", "target: \"redis://xxxxx@h:6379\"\n"),
        ] {
            assert_eq!(masked(text), shown, "{text}");
        }
    }

    #[test]
    fn sections_are_taken_whole() {
        let text = "a: 1\nroute:\n  receiver: x\nreceivers:\n- name: x\n\nb:\n- c\n\"route\": {\n}\n";
        let found = sections(text, &["route", "receivers"]);
        assert_eq!(found, "route:\n  receiver: x\nreceivers:\n- name: x\n\n\"route\": {\n}\n");
    }
}

//! Lists of mail addresses: `a@b, "Last, First" <c@d>`.
//!
//! Stricter than RFC 5322 where that allows what nobody writes: no comments, no groups, no quoted mailboxes. What is
//! taken cannot hold a line end, so that no address can become a header or a command.

use super::mime;

/// One address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// The words before it; may be empty.
    pub name: String,
    /// `local@domain`.
    pub mailbox: String,
}

impl Address {
    /// As a header holds it.
    pub fn header(&self) -> String {
        match self.name.as_str() {
            "" => self.mailbox.clone(),
            name if name.is_ascii() => {
                format!("\"{}\" <{}>", name.replace('\\', "\\\\").replace('"', "\\\""), self.mailbox)
            }
            name => format!("{} <{}>", mime::encoded(name), self.mailbox),
        }
    }
}

/// The addresses of a list; why not, if one is none.
pub(super) fn list(text: &str) -> Result<Vec<Address>, String> {
    let parts = split(text);
    let addresses: Result<Vec<Address>, String> =
        parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty()).map(one).collect();
    let addresses = addresses?;
    if addresses.is_empty() { Err("there is no mail address".to_owned()) } else { Ok(addresses) }
}

/// At commas outside of quotes and angle brackets.
fn split(text: &str) -> Vec<String> {
    let (mut parts, mut quoted, mut angle, mut escaped) = (vec![String::new()], false, false, false);
    for c in text.chars() {
        match c {
            ',' if !quoted && !angle => {
                parts.push(String::new());
                continue;
            }
            '"' if !escaped => quoted = !quoted,
            '<' if !quoted => angle = true,
            '>' if !quoted => angle = false,
            _ => {}
        }
        escaped = c == '\\' && !escaped;
        parts.last_mut().expect("there is always one").push(c);
    }
    parts
}

fn one(part: &str) -> Result<Address, String> {
    let fail = || {
        let shown: String = part.chars().filter(|c| !c.is_control()).take(100).collect();
        format!("{shown:?} is no mail address")
    };
    let (name, mailbox) = match part.strip_suffix('>') {
        Some(part) => part.rsplit_once('<').ok_or_else(fail)?,
        None => ("", part),
    };
    let (local, domain) = mailbox.rsplit_once('@').ok_or_else(fail)?;
    let bad = |c: char| {
        c.is_control()
            || c.is_whitespace()
            || !c.is_ascii()
            || matches!(c, '<' | '>' | '(' | ')' | ',' | ';' | '"' | '\\' | '@')
    };
    let is_literal = domain.starts_with('[') && domain.ends_with(']');
    let domain_ok = is_literal || !domain.contains([':', '[', ']']);
    if local.is_empty() || domain.is_empty() || local.contains(bad) || domain.contains(bad) || !domain_ok {
        return Err(fail());
    }
    let name = name.trim();
    let name = match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
        Some(quoted) => unescape(quoted),
        None => name.to_owned(),
    };
    if name.contains(|c: char| c.is_control()) {
        return Err(fail());
    }
    Ok(Address { name, mailbox: mailbox.to_owned() })
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        plain.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        for (text, expected) in [
            ("a@b.c", "a@b.c"),
            ("a@b, c@d ,", "a@b, c@d"),
            ("Team <a@b>", "\"Team\" <a@b>"),
            (r#""Last, \"F\"" <a@b>, <c@[10.0.0.1]>"#, r#""Last, \"F\"" <a@b>, c@[10.0.0.1]"#),
            ("Équipe <a+x@b>", "=?utf-8?q?=C3=89quipe?= <a+x@b>"),
        ] {
            let headers: Vec<String> = list(text).unwrap().iter().map(Address::header).collect();
            assert_eq!(headers.join(", "), expected, "{text}");
        }
        for bad in [
            "",
            " , ",
            "a",
            "a@",
            "@b",
            "a b@c",
            "a@b\r\nBcc: x@y",
            "a@b> RCPT TO:<x@y",
            "x\r\nBcc: y <a@b>",
            "<a@b",
            "a@b(c)",
            "é@b",
        ] {
            assert!(list(bad).is_err(), "{bad:?} was taken");
        }
    }
}

//! A mail message as bytes: headers that stay on their lines, and two parts that say the same (RFC 5322, 2045, 2047).

use data_encoding::HEXLOWER;
use model::Timestamp;
use sha2::{Digest, Sha256};
use std::fmt::{self, Display};

/// Headers that say how the message is made.
pub(super) const RESERVED: [&str; 3] = ["Content-Type", "Content-Transfer-Encoding", "Mime-Version"];

/// The longest line of a quoted-printable part, and of an encoded word with its frame.
const LINE_MAX: usize = 76;
const WORD_MAX: usize = 75;

/// A message. Its text is never empty; its HTML may be.
pub(super) struct Mail {
    headers: Vec<(String, String)>,
    pub text: String,
    pub html: String,
}

impl Mail {
    pub fn new(headers: Vec<(String, String)>) -> Mail {
        Mail { headers, text: String::new(), html: String::new() }
    }

    /// Between the parts; no part holds it, because it is made from them.
    fn boundary(&self) -> String {
        let digest = Sha256::new().chain_update(&self.text).chain_update(&self.html).finalize();
        format!("tocsin-{}", HEXLOWER.encode(&digest[..12]))
    }
}

/// The whole message, CR LF at each line's end.
impl Display for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.headers {
            f.write_str(&folded(name, value))?;
        }
        f.write_str("MIME-Version: 1.0\r\n")?;
        if self.html.is_empty() {
            return part(f, "text/plain", &self.text);
        }
        let boundary = self.boundary();
        write!(f, "Content-Type: multipart/alternative;\r\n boundary=\"{boundary}\"\r\n\r\n")?;
        for (kind, text) in [("text/plain", &self.text), ("text/html", &self.html)] {
            write!(f, "--{boundary}\r\n")?;
            part(f, kind, text)?;
            f.write_str("\r\n")?;
        }
        write!(f, "--{boundary}--\r\n")
    }
}

fn part(f: &mut fmt::Formatter<'_>, kind: &str, text: &str) -> fmt::Result {
    write!(f, "Content-Type: {kind}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n")?;
    f.write_str(&quoted_printable(text))
}

/// A header on as many lines as it needs. Line ends in the value were taken out before; should one be left, it is
/// taken out here.
fn folded(name: &str, value: &str) -> String {
    let mut line = format!("{name}:");
    let mut length = line.len();
    for word in value.split(|c: char| c == ' ' || c.is_control()).filter(|word| !word.is_empty()) {
        if length + 1 + word.len() > LINE_MAX && length > name.len() + 1 {
            line.push_str("\r\n");
            length = 0;
        }
        line.push(' ');
        line.push_str(word);
        length += 1 + word.len();
    }
    line.push_str("\r\n");
    line
}

/// A header's text: as it is if it is plain, else as encoded words.
pub(super) fn encoded(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let longest = text.split(' ').map(str::len).max().unwrap_or(0);
    if text.is_ascii() && !text.contains("=?") && longest < LINE_MAX {
        return text;
    }
    let (start, end) = ("=?utf-8?q?", "?=");
    let mut words = vec![start.to_owned()];
    for c in text.chars() {
        let mut bytes = [0; 4];
        let coded: String = match c {
            ' ' => "_".to_owned(),
            c if c.is_ascii_alphanumeric() || "!*+-/".contains(c) => c.to_string(),
            c => c.encode_utf8(&mut bytes).bytes().map(|byte| format!("={byte:02X}")).collect(),
        };
        let word = words.last_mut().expect("there is always one");
        if word.len() + coded.len() + end.len() > WORD_MAX {
            word.push_str(end);
            words.push(start.to_owned());
        }
        words.last_mut().expect("there is always one").push_str(&coded);
    }
    words.last_mut().expect("there is always one").push_str(end);
    words.join(" ")
}

fn quoted_printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for line in text.replace("\r\n", "\n").replace('\r', "\n").split('\n') {
        let mut length = 0;
        let mut bytes = line.bytes().peekable();
        while let Some(byte) = bytes.next() {
            let last = bytes.peek().is_none();
            let plain = matches!(byte, b'!'..=b'<' | b'>'..=b'~') || matches!(byte, b' ' | b'\t') && !last;
            let width = if plain { 1 } else { 3 };
            if length + width > LINE_MAX - 1 {
                out.push_str("=\r\n");
                length = 0;
            }
            if plain {
                out.push(char::from(byte));
            } else {
                out.push_str(&format!("={byte:02X}"));
            }
            length += width;
        }
        out.push_str("\r\n");
    }
    out
}

/// An instant as mail writes it: `Sun, 22 Nov 2026 00:48:17 +0000`.
pub(super) fn date(at: Timestamp) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let text = at.rfc3339();
    let number =
        |from: usize, to: usize| text.get(from..to).and_then(|part| part.parse::<usize>().ok()).unwrap_or(1);
    let days = at.as_millis().div_euclid(86_400_000).rem_euclid(7);
    let day = DAYS[usize::try_from(days).unwrap_or(0)];
    let month = MONTHS[(number(5, 7) - 1).min(11)];
    format!(
        "{day}, {:02} {month} {} {} +0000",
        number(8, 10),
        text.get(..4).unwrap_or("1970"),
        text.get(11..19).unwrap_or("00:00:00")
    )
}

/// A page's key as a part of a Message-ID, which holds fewer characters.
pub(super) fn id(key: &str) -> String {
    match key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_')) && !key.is_empty() {
        true => key.to_owned(),
        false => HEXLOWER.encode(&Sha256::digest(key.as_bytes())[..16]),
    }
}

/// `reply-to` as `Reply-To`.
pub(super) fn usual_name(name: &str) -> String {
    let mut start = true;
    let usual = name.chars().map(|c| {
        let c = if start { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
        start = c == '-';
        c
    });
    usual.collect()
}

/// Whether a header can be called so.
pub(super) fn is_header_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_graphic() && c != ':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        assert_eq!(encoded("plain [FIRING:1]"), "plain [FIRING:1]");
        assert_eq!(encoded("=?utf-8?q?x?="), "=?utf-8?q?=3D=3Futf-8=3Fq=3Fx=3F=3D?=");
        let long = encoded(&"ä".repeat(40));
        assert!(long.split(' ').count() > 1 && long.split(' ').all(|word| word.len() <= 75), "{long}");
        assert_eq!(folded("Subject", "a\r\nBcc: x@y"), "Subject: a Bcc: x@y\r\n");
        let line = folded("Subject", &"word ".repeat(40));
        assert!(
            line.lines().all(|line| line.len() <= 78) && line.lines().skip(1).all(|l| l.starts_with(' ')),
            "{line}"
        );
        assert_eq!(usual_name("reply-TO"), "Reply-To");
        assert!(is_header_name("X-Team") && !is_header_name("X: y") && !is_header_name("X y"));
    }

    #[test]
    fn parts() {
        assert_eq!(quoted_printable("a=b ä\nend "), "a=3Db =C3=A4\r\nend=20\r\n");
        let long = quoted_printable(&"x".repeat(200));
        assert!(long.lines().all(|line| line.len() <= 76), "{long}");
        assert_eq!(long.replace("=\r\n", "").trim_end().len(), 200);
    }

    #[test]
    fn dates_and_ids() {
        let at = Timestamp::parse_rfc3339("2026-11-22T00:48:17.250Z").unwrap();
        assert_eq!(date(at), "Sun, 22 Nov 2026 00:48:17 +0000");
        assert_eq!(date(Timestamp::from_millis(0)), "Thu, 01 Jan 1970 00:00:00 +0000");
        assert_eq!(id("0a1b-2"), "0a1b-2");
        assert_eq!(id("run/webhook[0]").len(), 32);
    }
}

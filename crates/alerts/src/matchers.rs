//! The texts in which people write matchers, as Alertmanager reads them: the UTF-8 form, the classic form
//! (before 0.27), and both together, where a text that the classic form accepts means what it always meant.
//!
//! Not here: matching itself, which is [`model::Matcher`]'s.

use model::{MatchOp, Matcher};

/// A text that is no list of matchers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("bad matcher {text:?}: {what}")]
pub struct SyntaxError {
    /// The text.
    pub text: String,
    /// The character, counted from 1, at which it goes wrong; 0 means "as a whole".
    pub column: u32,
    /// What is wrong.
    pub what: String,
}

/// What a text means.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// The matchers, in the order of the text.
    pub matchers: Vec<Matcher>,
    /// Only the classic form accepts the text, or the two forms disagree: somebody should add quotes.
    pub classic_only: bool,
}

/// Reads matchers in either form. Where both accept a text but disagree, the classic meaning stands.
pub fn parse_matchers(text: &str) -> Result<Parsed, SyntaxError> {
    match (parse_utf8(text), parse_classic(text)) {
        (Ok(new), Ok(old)) => Ok(Parsed { classic_only: new != old, matchers: old }),
        (Ok(new), Err(_)) => Ok(Parsed { matchers: new, classic_only: false }),
        (Err(_), Ok(old)) => Ok(Parsed { matchers: old, classic_only: true }),
        (Err(error), Err(_)) => Err(error),
    }
}

/// Reads exactly one matcher in either form.
pub fn parse_one(text: &str) -> Result<Matcher, SyntaxError> {
    let mut matchers = parse_matchers(text)?.matchers;
    match matchers.len() {
        1 => Ok(matchers.remove(0)),
        0 => Err(whole(text, "no matcher; write one such as severity=\"critical\"")),
        n => Err(whole(text, format!("one matcher is expected here, not {n}"))),
    }
}

fn whole(text: &str, what: impl Into<String>) -> SyntaxError {
    SyntaxError { text: text.to_owned(), column: 0, what: what.into() }
}

fn build(text: &str, column: u32, op: MatchOp, name: String, value: String) -> Result<Matcher, SyntaxError> {
    Matcher::single_line(op, name, value).map_err(|why| SyntaxError {
        text: text.to_owned(),
        column,
        what: why.to_string(),
    })
}

/// Reads the UTF-8 form: names and values either bare words or quoted with Go's escapes.
pub fn parse_utf8(text: &str) -> Result<Vec<Matcher>, SyntaxError> {
    let mut words = Words { text, at: 0 };
    let braced = words.take('{');
    let mut matchers = Vec::new();
    loop {
        words.skip_space();
        if words.rest().is_empty() || words.rest().starts_with('}') {
            break;
        }
        let start = words.at;
        let name = words.word("a label name")?;
        if name.is_empty() {
            return Err(words.error(start, "a label name is empty"));
        }
        let op = words.operator()?;
        let value = words.word("a value")?;
        matchers.push(build(text, words.column(start), op, name, value)?);
        words.skip_space();
        if !words.take(',') && !words.rest().is_empty() && !words.rest().starts_with('}') {
            return Err(words.error(words.at, "a comma or the end is expected here"));
        }
    }
    match (braced, words.take('}')) {
        (true, false) => return Err(words.error(words.at, "the closing brace is missing")),
        (false, true) => return Err(words.error(words.at - 1, "a closing brace without an opening one")),
        _ => {}
    }
    words.skip_space();
    if words.rest().is_empty() {
        Ok(matchers)
    } else {
        Err(words.error(words.at, "nothing may follow the closing brace"))
    }
}

struct Words<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Words<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn column(&self, at: usize) -> u32 {
        u32::try_from(self.text[..at].chars().count() + 1).unwrap_or(u32::MAX)
    }

    fn error(&self, at: usize, what: impl Into<String>) -> SyntaxError {
        SyntaxError { text: self.text.to_owned(), column: self.column(at), what: what.into() }
    }

    fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn take(&mut self, c: char) -> bool {
        self.skip_space();
        let found = self.rest().starts_with(c);
        self.at += if found { c.len_utf8() } else { 0 };
        found
    }

    fn operator(&mut self) -> Result<MatchOp, SyntaxError> {
        self.skip_space();
        let Some((op, len)) = operator_at(self.rest()) else {
            return Err(self.error(self.at, "an operator is expected here: = != =~ !~"));
        };
        self.at += len;
        Ok(op)
    }

    fn word(&mut self, wanted: &str) -> Result<String, SyntaxError> {
        self.skip_space();
        let start = self.at;
        if self.rest().starts_with('"') {
            let len = quoted_len(self.rest()).ok_or_else(|| self.error(start, "a quote is not closed"))?;
            self.at += len;
            return unquote(&self.text[start + 1..self.at - 1]).map_err(|what| self.error(start, what));
        }
        let len = self.rest().find(|c: char| c.is_whitespace() || "{}!=~,\\\"'`".contains(c));
        let len = len.unwrap_or(self.rest().len());
        if len == 0 {
            return Err(self.error(
                start,
                format!("{wanted} is expected here; quote it if it has {{}}!=~,\\\"'` or spaces"),
            ));
        }
        self.at += len;
        Ok(self.text[start..self.at].to_owned())
    }
}

fn operator_at(text: &str) -> Option<(MatchOp, usize)> {
    [("=~", MatchOp::Regex), ("!~", MatchOp::NotRegex), ("!=", MatchOp::NotEqual), ("=", MatchOp::Equal)]
        .into_iter()
        .find(|(sign, _)| text.starts_with(sign))
        .map(|(sign, op)| (op, sign.len()))
}

/// The length of the quoted text at the start, quotes included.
fn quoted_len(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (i, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return Some(i + 1),
            '\n' => return None,
            _ => escaped = c == '\\' && !escaped,
        }
    }
    None
}

/// What stands between double quotes, by Go's rules.
fn unquote(inner: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at + 1..];
        let kind = rest.chars().next().ok_or("a backslash at the end")?;
        let simple = match kind {
            'a' => Some(7),
            'b' => Some(8),
            'f' => Some(12),
            'n' => Some(b'\n'),
            'r' => Some(b'\r'),
            't' => Some(b'\t'),
            'v' => Some(11),
            '\\' | '"' => Some(kind as u8),
            _ => None,
        };
        if let Some(byte) = simple {
            bytes.push(byte);
            rest = &rest[1..];
            continue;
        }
        let (skip, digits, radix) = match kind {
            'x' => (1, 2, 16),
            'u' => (1, 4, 16),
            'U' => (1, 8, 16),
            '0'..='7' => (0, 3, 8),
            _ => return Err(format!("\\{kind} is no escape; write \\\\{kind} for a backslash")),
        };
        let code = rest.get(skip..skip + digits).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        let code = code.and_then(|d| u32::from_str_radix(d, radix).ok());
        let code = code.ok_or_else(|| format!("\\{kind} needs {digits} digits"))?;
        match kind {
            'u' | 'U' => {
                let c = char::from_u32(code).ok_or_else(|| format!("{code:#x} is no character"))?;
                bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
            _ => bytes.push(u8::try_from(code).map_err(|_| "an octal escape is over \\377")?),
        }
        rest = &rest[skip + digits..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).map_err(|_| "the escapes do not make valid UTF-8".to_owned())
}

/// Reads the classic form: names `[a-zA-Z_:][a-zA-Z0-9_:]*`, values up to the next comma outside quotes.
pub fn parse_classic(text: &str) -> Result<Vec<Matcher>, SyntaxError> {
    let inner = text.strip_prefix('{').unwrap_or(text);
    let inner = inner.strip_suffix('}').unwrap_or(inner);
    split_classic(inner).into_iter().map(|part| one_classic(text, part)).collect()
}

/// The parts between commas outside quotes; only the last one is left out if it is blank.
fn split_classic(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (i, c) in text.char_indices() {
        match c {
            ',' if !quoted => {
                parts.push(&text[start..i]);
                start = i + 1;
            }
            '"' if !escaped => quoted = !quoted,
            _ => {}
        }
        // A comma inside quotes leaves a pending escape as it is, as upstream does.
        if c != ',' {
            escaped = c == '\\' && !escaped;
        }
    }
    let last = &text[start..];
    if !last.trim().is_empty() {
        parts.push(last);
    }
    parts
}

fn one_classic(text: &str, part: &str) -> Result<Matcher, SyntaxError> {
    let column = u32::try_from(part.as_ptr() as usize - text.as_ptr() as usize).map_or(0, |n| n + 1);
    let fail = |what: String| SyntaxError { text: text.to_owned(), column, what };
    let body = part.trim();
    let name_len = body.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'));
    let name = &body[..name_len.unwrap_or(body.len())];
    let after = body[name.len()..].trim_start();
    let named = !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit());
    let Some((op, len)) = operator_at(after).filter(|_| named) else {
        return Err(fail(format!("{body:?} is not of the form name=\"value\"")));
    };
    let raw = after[len..].trim_start();
    let value = unquote_classic(raw).map_err(|what| fail(format!("{what}: {raw}")))?;
    build(text, column, op, name.to_owned(), value)
}

fn unquote_classic(raw: &str) -> Result<String, &'static str> {
    let (body, mut open) = match raw.strip_prefix('"') {
        Some(body) => (body, true),
        None => (raw, false),
    };
    let (mut value, mut chars) = (String::with_capacity(body.len()), body.chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => value.push('\n'),
                Some(quoted @ ('"' | '\\')) => value.push(quoted),
                Some(other) => value.extend(['\\', other]),
                None => value.push('\\'),
            },
            '"' if open && chars.peek().is_none() => open = false,
            '"' => return Err("the value holds a double quote that is not escaped"),
            _ => value.push(c),
        }
    }
    if open { Err("the value's quote is not closed") } else { Ok(value) }
}

//! From template text to literal text and actions, and from an action to tokens.
//!
//! Follows Go's rules: `{{-` and `-}}` trim the text beside them, comments vanish, an action may span lines.

use crate::Error;

/// A piece of a template.
#[derive(Debug, PartialEq)]
pub(crate) enum Piece {
    Text(String),
    Action { tokens: Vec<Token>, line: u32 },
}

/// A token of an action. Space is kept only as [`Token::spaced`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token {
    pub kind: Kind,
    /// Whether white space, an opening bracket or the action's start is before it.
    pub spaced: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    /// A function's name or a key word.
    Word(String),
    /// `.name`
    Field(String),
    /// `$name`, the name without its dollar sign.
    Variable(String),
    Dot,
    Int(i64),
    Uint(u64),
    Float(f64),
    Text(String),
    Pipe,
    Comma,
    Open,
    Close,
    Declare,
    Assign,
}

pub(crate) fn pieces(name: &str, text: &str) -> Result<Vec<Piece>, Error> {
    let mut pieces = Vec::new();
    let (mut rest, mut line, mut trim_next) = (text, 1, false);
    loop {
        let (before, after) = match rest.split_once("{{") {
            Some((before, after)) => (before, Some(after)),
            None => (rest, None),
        };
        let trim_left = after.is_some_and(starts_trimming);
        let mut shown = before;
        if trim_next {
            shown = shown.trim_start_matches(SPACE);
        }
        if trim_left {
            shown = shown.trim_end_matches(SPACE);
        }
        if !shown.is_empty() {
            pieces.push(Piece::Text(shown.to_owned()));
        }
        line += newlines(before);
        let Some(mut after) = after else { return Ok(pieces) };
        if trim_left {
            after = &after[1..];
        }
        let body = after.trim_start_matches(SPACE);
        let (end, tokens) = if body.starts_with("/*") {
            let close = body.find("*/").ok_or_else(|| Error::parse(name, line, "unclosed comment"))?;
            let tail = &body[close + 2..];
            let tail = if tail.starts_with(SPACE) && tail.trim_start_matches(SPACE).starts_with("-}}") {
                tail.trim_start_matches(SPACE)
            } else {
                tail
            };
            if !tail.starts_with("}}") && !tail.starts_with("-}}") {
                return Err(Error::parse(name, line, "comment ends before closing delimiter"));
            }
            (after.len() - tail.len(), None)
        } else {
            let mut scan = Scan { text: after, at: 0, tokens: Vec::new() };
            scan.run().map_err(|what| Error::parse(name, line, what))?;
            (scan.at, Some(scan.tokens))
        };
        let tail = &after[end..];
        trim_next = tail.starts_with('-');
        let started = line;
        line += newlines(&after[..end]);
        rest = &tail[if trim_next { 3 } else { 2 }..];
        if let Some(tokens) = tokens {
            pieces.push(Piece::Action { tokens, line: started });
        }
    }
}

const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

fn starts_trimming(after: &str) -> bool {
    let mut chars = after.chars();
    chars.next() == Some('-') && chars.next().is_some_and(|c| SPACE.contains(&c))
}

fn newlines(text: &str) -> u32 {
    text.bytes().filter(|b| *b == b'\n').count() as u32
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
    tokens: Vec<Token>,
}

impl Scan<'_> {
    /// Reads tokens up to the closing delimiter (with its trim mark) and stops before it.
    fn run(&mut self) -> Result<(), String> {
        let mut spaced = true;
        let mut depth = 0i32;
        loop {
            let rest = &self.text[self.at..];
            let Some(first) = rest.chars().next() else { return Err("unclosed action".to_owned()) };
            if SPACE.contains(&first) {
                let after = rest.trim_start_matches(SPACE);
                self.at += rest.len() - after.len();
                spaced = true;
                if after.starts_with("-}}") {
                    break;
                }
                continue;
            }
            if rest.starts_with("}}") {
                break;
            }
            let kind = self.token(first, rest)?;
            match kind {
                Kind::Open => depth += 1,
                Kind::Close => depth -= 1,
                _ => {}
            }
            if depth < 0 {
                return Err("unexpected right paren".to_owned());
            }
            let opens = kind == Kind::Open;
            self.tokens.push(Token { kind, spaced });
            spaced = opens;
        }
        if depth > 0 { Err("unclosed left paren".to_owned()) } else { Ok(()) }
    }

    fn token(&mut self, first: char, rest: &str) -> Result<Kind, String> {
        let simple = [
            (":=", Kind::Declare),
            ("=", Kind::Assign),
            ("|", Kind::Pipe),
            (",", Kind::Comma),
            ("(", Kind::Open),
            (")", Kind::Close),
        ];
        for (text, kind) in simple {
            if rest.starts_with(text) {
                self.at += text.len();
                return Ok(kind);
            }
        }
        let second = rest[first.len_utf8()..].chars().next().unwrap_or(' ');
        match first {
            '"' => self.quoted(rest),
            '`' => {
                let end = rest[1..].find('`').ok_or("unterminated raw quoted string")?;
                self.at += end + 2;
                Ok(Kind::Text(rest[1..=end].to_owned()))
            }
            '\'' => self.character(rest),
            '$' => {
                let name = word(&rest[1..]);
                self.at += 1 + name.len();
                Ok(Kind::Variable(name.to_owned()))
            }
            '.' if second.is_ascii_digit() => self.number(rest),
            '.' => {
                let name = word(&rest[1..]);
                self.at += 1 + name.len();
                Ok(if name.is_empty() { Kind::Dot } else { Kind::Field(name.to_owned()) })
            }
            '+' | '-' | '0'..='9' => self.number(rest),
            c if c.is_alphabetic() || c == '_' => {
                let name = word(rest);
                self.at += name.len();
                Ok(Kind::Word(name.to_owned()))
            }
            c => Err(format!("unrecognized character in action: U+{:04X}", u32::from(c))),
        }
    }

    fn quoted(&mut self, rest: &str) -> Result<Kind, String> {
        let mut escaped = false;
        for (at, c) in rest.char_indices().skip(1) {
            match c {
                '\n' => break,
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => {
                    self.at += at + 1;
                    return unescape(&rest[1..at])
                        .map(Kind::Text)
                        .ok_or_else(|| "invalid syntax in string".into());
                }
                _ => {}
            }
        }
        Err("unterminated quoted string".to_owned())
    }

    fn character(&mut self, rest: &str) -> Result<Kind, String> {
        let bad = || "malformed character constant".to_owned();
        let from = if rest[1..].starts_with('\\') { 3 } else { 1 };
        let end = rest.get(from..).and_then(|tail| tail.find('\'')).ok_or_else(bad)? + from;
        let text = unescape(&rest[1..end]).ok_or_else(bad)?;
        let mut chars = text.chars();
        let (Some(c), None) = (chars.next(), chars.next()) else { return Err(bad()) };
        self.at += end + 1;
        Ok(Kind::Int(i64::from(u32::from(c))))
    }

    fn number(&mut self, rest: &str) -> Result<Kind, String> {
        let sign = usize::from(rest.starts_with(['+', '-']));
        let hex = rest[sign..].starts_with("0x") || rest[sign..].starts_with("0X");
        let mut end = sign;
        let bytes = rest.as_bytes();
        while end < bytes.len() {
            let after_exponent = !hex && end > 0 && matches!(bytes[end - 1], b'e' | b'E');
            match bytes[end] {
                b'+' | b'-' if after_exponent => end += 1,
                b'.' | b'_' => end += 1,
                b if b.is_ascii_alphanumeric() => end += 1,
                _ => break,
            }
        }
        let text = &rest[..end];
        self.at += end;
        number(text).ok_or_else(|| format!("bad number syntax: {text:?}"))
    }
}

fn word(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    &text[..end]
}

fn number(text: &str) -> Option<Kind> {
    let plain = text.replace('_', "");
    let (sign, digits) = match plain.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", plain.strip_prefix('+').unwrap_or(&plain)),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = match lower.get(..2) {
        Some("0x") => (16, &lower[2..]),
        Some("0b") => (2, &lower[2..]),
        Some("0o") => (8, &lower[2..]),
        _ if lower.len() > 1 && lower.starts_with('0') && lower.bytes().all(|b| b.is_ascii_digit()) => {
            (8, &lower[1..])
        }
        _ => (10, &lower[..]),
    };
    if let Ok(n) = i64::from_str_radix(&format!("{sign}{digits}"), radix) {
        return Some(Kind::Int(n));
    }
    if sign.is_empty()
        && let Ok(n) = u64::from_str_radix(digits, radix)
    {
        return Some(Kind::Uint(n));
    }
    let starts_well = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    if radix != 10 || !starts_well {
        return None;
    }
    format!("{sign}{digits}").parse().ok().map(Kind::Float)
}

/// Go's escapes of an interpreted string.
fn unescape(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        let simple = match chars.next()? {
            'a' => 7,
            'b' => 8,
            'f' => 12,
            'n' => b'\n',
            'r' => b'\r',
            't' => b'\t',
            'v' => 11,
            '\\' => b'\\',
            '\'' => b'\'',
            '"' => b'"',
            'x' => u8::try_from(digits(&mut chars, 2, 16)?).ok()?,
            wide @ ('u' | 'U') => {
                let c = char::from_u32(digits(&mut chars, if wide == 'u' { 4 } else { 8 }, 16)?)?;
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            c @ '0'..='7' => {
                let low = digits(&mut chars, 2, 8)?;
                u8::try_from((u32::from(c) - u32::from('0')) * 64 + low).ok()?
            }
            _ => return None,
        };
        out.push(simple);
    }
    String::from_utf8(out).ok()
}

fn digits(chars: &mut std::str::Chars<'_>, count: u32, radix: u32) -> Option<u32> {
    (0..count).try_fold(0u32, |n, _| n.checked_mul(radix)?.checked_add(chars.next()?.to_digit(radix)?))
}

/// As an error message names it.
impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Kind::Word(word) => f.write_str(word),
            Kind::Field(name) => write!(f, ".{name}"),
            Kind::Variable(name) => write!(f, "${name}"),
            Kind::Dot => f.write_str("."),
            Kind::Int(n) => write!(f, "{n}"),
            Kind::Uint(n) => write!(f, "{n}"),
            Kind::Float(n) => write!(f, "{n}"),
            Kind::Text(text) => write!(f, "{text:?}"),
            Kind::Pipe => f.write_str("|"),
            Kind::Comma => f.write_str(","),
            Kind::Open => f.write_str("("),
            Kind::Close => f.write_str(")"),
            Kind::Declare => f.write_str(":="),
            Kind::Assign => f.write_str("="),
        }
    }
}

//! Text to tokens. Inside braces and brackets other rules hold: a colon in brackets separates, and in braces
//! keywords and numbers are no more than names.

use std::ops::Range;

/// What a token is; its text is the source's bytes at its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A name: metric, label, function or keyword.
    Word,
    /// A number or duration.
    Number,
    /// A quoted text, quotes included.
    Text,
    /// An operator or a bracket.
    Sign(&'static str),
    /// After the last token.
    End,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) range: Range<usize>,
}

/// A text that has no tokens at this place.
#[derive(Debug)]
pub(crate) struct LexError {
    pub(crate) range: Range<usize>,
    pub(crate) what: String,
}

#[derive(PartialEq, Clone, Copy)]
enum Inside {
    Nothing,
    Braces,
    Brackets,
}

const SIGNS: [&str; 26] = [
    "==", "!=", "=~", "!~", "<=", ">=", "</", ">/", "=", "<", ">", "+", "-", "*", "/", "%", "^", "(", ")",
    "{", "}", "[", "]", ",", ":", "@",
];

/// All tokens, the last one [`Kind::End`].
pub(crate) fn tokens(text: &str) -> Result<Vec<Token>, LexError> {
    let (mut tokens, mut at, mut inside) = (Vec::new(), 0, Inside::Nothing);
    loop {
        at = skip_blank(text, at);
        let rest = &text[at..];
        let Some(c) = rest.chars().next() else {
            if inside != Inside::Nothing {
                let place = if inside == Inside::Braces { "braces" } else { "brackets" };
                return Err(fail(at..at, format!("unexpected end of input inside {place}")));
            }
            tokens.push(Token { kind: Kind::End, range: at..at });
            return Ok(tokens);
        };
        let (kind, length) = match c {
            '"' | '\'' | '`' => (Kind::Text, text_length(rest, c, at)?),
            c if c.is_ascii_digit() || (c == '.' && rest[1..].starts_with(|d: char| d.is_ascii_digit())) => {
                (Kind::Number, number_length(rest, at)?)
            }
            c if c.is_ascii_alphabetic() || c == '_' || (c == ':' && starts_name(rest, inside)) => {
                (Kind::Word, word_length(rest, inside))
            }
            _ => sign(rest, at)?,
        };
        inside = next_inside(inside, kind, at..at + length)?;
        tokens.push(Token { kind, range: at..at + length });
        at += length;
    }
}

fn fail(range: Range<usize>, what: impl Into<String>) -> LexError {
    LexError { range, what: what.into() }
}

/// After blanks and comments.
fn skip_blank(text: &str, mut at: usize) -> usize {
    loop {
        let rest = &text[at..];
        at += rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
        if !text[at..].starts_with('#') {
            return at;
        }
        at += text[at..].find(['\n', '\r']).unwrap_or(text.len() - at);
    }
}

fn starts_name(rest: &str, inside: Inside) -> bool {
    inside == Inside::Nothing
        && rest[1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == ':')
}

fn word_length(rest: &str, inside: Inside) -> usize {
    let colons = inside == Inside::Nothing;
    rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || (c == ':' && colons)))
        .unwrap_or(rest.len())
}

fn text_length(rest: &str, quote: char, at: usize) -> Result<usize, LexError> {
    let mut chars = rest.char_indices().skip(1);
    while let Some((i, c)) = chars.next() {
        match c {
            c if c == quote => return Ok(i + 1),
            '\\' if quote != '`' && chars.next().is_none() => {
                return Err(fail(at..at + rest.len(), "escape sequence not terminated"));
            }
            '\n' if quote != '`' => break,
            '\u{fffd}' => return Err(fail(at + i..at + i + 3, "invalid UTF-8 rune")),
            _ => {}
        }
    }
    Err(fail(at..at + rest.len(), "unterminated quoted string"))
}

/// A number may run into a unit (`5m`, `1h30m`); whatever else touches it makes it bad.
fn number_length(rest: &str, at: usize) -> Result<usize, LexError> {
    let bytes = rest.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        let exponent =
            matches!(bytes[i], b'e' | b'E') && !rest[..i].starts_with("0x") && !rest[..i].starts_with("0X");
        let sign = exponent
            && matches!(bytes.get(i + 1), Some(b'+' | b'-'))
            && bytes.get(i + 2).is_some_and(u8::is_ascii_digit);
        match bytes[i] {
            _ if sign => i += 2,
            b'.' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => i += 1,
            _ => break,
        }
    }
    let text = &rest[..i];
    if crate::number::parse_number(text).is_none() && !looks_like_duration(text) {
        return Err(fail(at..at + i, format!("bad number or duration syntax: {text:?}")));
    }
    Ok(i)
}

/// Digits and unit letters by turns, letters last.
fn looks_like_duration(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b's' | b'm' | b'h' | b'd' | b'w' | b'y'))
        && text.ends_with(|c: char| c.is_ascii_alphabetic())
}

fn sign(rest: &str, at: usize) -> Result<(Kind, usize), LexError> {
    if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
        return Ok((Kind::Sign(sign), sign.len()));
    }
    let c = rest.chars().next().unwrap_or(' ');
    Err(fail(at..at + c.len_utf8(), format!("unexpected character: {c:?}")))
}

fn next_inside(inside: Inside, kind: Kind, range: Range<usize>) -> Result<Inside, LexError> {
    match (inside, kind) {
        (Inside::Nothing, Kind::Sign("{")) => Ok(Inside::Braces),
        (Inside::Nothing, Kind::Sign("[")) => Ok(Inside::Brackets),
        (Inside::Braces, Kind::Sign("}")) | (Inside::Brackets, Kind::Sign("]")) => Ok(Inside::Nothing),
        (Inside::Braces, Kind::Sign(sign)) if !matches!(sign, "=" | "!=" | "=~" | "!~" | ",") => {
            Err(fail(range, format!("unexpected character inside braces: '{sign}'")))
        }
        (Inside::Braces, Kind::Number) => Err(fail(range, "unexpected number inside braces")),
        (Inside::Brackets, Kind::Text) => Err(fail(range, "unexpected string in duration expression")),
        (Inside::Brackets, Kind::Sign("[" | "{" | "}")) => {
            Err(fail(range, "unexpected bracket in duration expression"))
        }
        (Inside::Nothing, Kind::Sign("}")) => Err(fail(range, "unexpected right brace '}'")),
        (Inside::Nothing, Kind::Sign("]")) => Err(fail(range, "unexpected right bracket ']'")),
        (inside, _) => Ok(inside),
    }
}

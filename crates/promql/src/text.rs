//! String literals: Go's escapes in, Go's quoting out. A literal may hold bytes that are no UTF-8 (`"\xff"`).

use std::fmt::Write;

/// What is wrong with a quoted text, and at which byte of it.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) at: usize,
    pub(crate) what: &'static str,
}

/// The bytes that a quoted text (quotes included) stands for.
pub(crate) fn unquote(quoted: &str) -> Result<Vec<u8>, Broken> {
    let quote = quoted.chars().next().unwrap_or('"');
    let inner = &quoted[1..quoted.len() - 1];
    if quote == '`' {
        return Ok(inner.as_bytes().to_vec());
    }
    let mut out = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(c) = rest.chars().next() {
        if c != '\\' {
            let mut utf8 = [0; 4];
            out.extend_from_slice(c.encode_utf8(&mut utf8).as_bytes());
            rest = &rest[c.len_utf8()..];
            continue;
        }
        let at = 1 + inner.len() - rest.len();
        rest = unescape(&rest[1..], quote, &mut out).map_err(|what| Broken { at, what })?;
    }
    Ok(out)
}

/// Takes one escape sequence (after its backslash) off `rest`.
fn unescape<'a>(rest: &'a str, quote: char, out: &mut Vec<u8>) -> Result<&'a str, &'static str> {
    let mut chars = rest.chars();
    let c = chars.next().ok_or("escape sequence not terminated")?;
    let plain = match c {
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 11,
        '\\' => b'\\',
        '"' | '\'' if c == quote => c as u8,
        '0'..='7' => {
            let code = digits(rest, 3, 8)?;
            out.push(u8::try_from(code).map_err(|_| "octal escape is above \\377")?);
            return Ok(&rest[3..]);
        }
        'x' => {
            out.push(u8::try_from(digits(chars.as_str(), 2, 16)?).map_err(|_| "bad escape")?);
            return Ok(&rest[3..]);
        }
        'u' | 'U' => {
            let length = if c == 'u' { 4 } else { 8 };
            let code = digits(chars.as_str(), length, 16)?;
            let c = char::from_u32(code).ok_or("escape sequence is no Unicode code point")?;
            let mut utf8 = [0; 4];
            out.extend_from_slice(c.encode_utf8(&mut utf8).as_bytes());
            return Ok(&rest[1 + length..]);
        }
        _ => return Err("unknown escape sequence"),
    };
    out.push(plain);
    Ok(chars.as_str())
}

fn digits(text: &str, count: usize, radix: u32) -> Result<u32, &'static str> {
    let digits = text.get(..count).ok_or("escape sequence not terminated")?;
    if !digits.chars().all(|c| c.is_digit(radix)) {
        return Err("illegal character in escape sequence");
    }
    u32::from_str_radix(digits, radix).map_err(|_| "escape sequence is no Unicode code point")
}

/// Bytes as a double-quoted literal, as Go's `%q` writes them.
pub(crate) fn quote(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 2);
    out.push('"');
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            quote_char(c, &mut out);
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out.push('"');
    out
}

fn quote_char(c: char, out: &mut String) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\x07' => out.push_str("\\a"),
        '\x08' => out.push_str("\\b"),
        '\x0c' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\x0b' => out.push_str("\\v"),
        c if (c as u32) < 0x20 || c as u32 == 0x7f => {
            let _ = write!(out, "\\x{:02x}", c as u32);
        }
        c if !is_printable(c) => {
            let code = c as u32;
            let _ = if code > 0xffff { write!(out, "\\U{code:08x}") } else { write!(out, "\\u{code:04x}") };
        }
        c => out.push(c),
    }
}

/// Near enough to Go's `IsPrint`: `char::escape_debug` escapes what does not print.
fn is_printable(c: char) -> bool {
    c == '\'' || (!(c.is_whitespace() && c != ' ') && c.escape_debug().next() != Some('\\'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways() {
        for (quoted, bytes, again) in [
            (r#""a\n\"b\x41\101\u00e9""#, "a\n\"bAA\u{e9}".as_bytes(), "\"a\\n\\\"bAA\u{e9}\""),
            (r"'it\'s'", b"it's".as_slice(), "\"it's\""),
            (r"`raw\n`", br"raw\n".as_slice(), r#""raw\\n""#),
            (r#""\xff""#, b"\xff".as_slice(), r#""\xff""#),
        ] {
            let got = unquote(quoted).unwrap_or_else(|broken| panic!("{quoted}: {}", broken.what));
            assert_eq!(got, bytes, "{quoted}");
            assert_eq!(quote(&got), again, "{quoted}");
        }
        for bad in [r#""\q""#, r#""\'""#, r#""\x4""#, r#""\xé""#, r#""\400""#, r#""\ud800""#, r#""\08""#] {
            assert!(unquote(bad).is_err(), "{bad}");
        }
    }
}

//! What follows a series on its line: value, timestamp, exemplar.
//!
//! Floats are read as Go's `strconv.ParseFloat` reads them, less hexadecimal and underscores: `Inf`, `infinity`
//! and `NaN` in any case, and a number too large for a float is refused rather than made infinite.

use super::{Format, Trouble, series};

/// The end of a sample's line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Tail {
    /// The value.
    pub(crate) value: f64,
    /// The timestamp in milliseconds, if the line has one.
    pub(crate) at_ms: Option<i64>,
    /// Where the next line begins.
    pub(crate) next: usize,
}

/// Reads the common form only, ` 123.4\n` right after the series; `None` says "read it the thorough way".
#[inline]
pub(crate) fn tail_fast(body: &[u8], at: usize) -> Option<Tail> {
    let number = body.get(at..)?.strip_prefix(b" ")?;
    // Integers of up to 15 digits are exact and most of what targets send.
    let (mut whole, mut digits) = (0u64, 0);
    while let Some(byte) = number.get(digits)
        && byte.is_ascii_digit()
        && digits < 16
    {
        whole = whole * 10 + u64::from(byte - b'0');
        digits += 1;
    }
    if digits > 0 && digits < 16 && number.get(digits) == Some(&b'\n') {
        return Some(Tail { value: whole as f64, at_ms: None, next: at + digits + 2 });
    }
    if !matches!(number.first(), Some(b'0'..=b'9' | b'-')) {
        return None;
    }
    let (value, len) = fast_float2::parse_partial::<f64, _>(number).ok()?;
    let plain = number.get(len) == Some(&b'\n') && value.is_finite();
    plain.then_some(Tail { value, at_ms: None, next: at + 1 + len + 1 })
}

/// Reads the end of a sample's line, whatever its form.
pub(crate) fn tail(body: &[u8], at: usize, format: Format) -> Result<Tail, Trouble> {
    match format {
        Format::Text => text_tail(body, at),
        Format::OpenMetrics => openmetrics_tail(body, at),
    }
}

fn text_tail(body: &[u8], at: usize) -> Result<Tail, Trouble> {
    let start = skip_blanks(body, at);
    let end = token_end(body, start, |b| matches!(b, b' ' | b'\t' | b'\n' | b'{'));
    if start == end {
        return Err(Trouble::expected(body, start, "value after metric"));
    }
    let value = float(&body[start..end]).map_err(|what| Trouble::new(start, what))?;
    let mut at = skip_blanks(body, end);
    let mut at_ms = None;
    if !at_line_end(body, at) {
        let end = token_end(body, at, |b| !(b.is_ascii_digit() || b == b'-'));
        let text = std::str::from_utf8(&body[at..end]).unwrap_or("");
        at_ms = Some(text.parse().map_err(|_| Trouble::expected(body, at, "timestamp in milliseconds"))?);
        at = skip_blanks(body, end);
        if !at_line_end(body, at) {
            return Err(Trouble::expected(body, at, "next entry after timestamp"));
        }
    }
    Ok(Tail { value, at_ms, next: (at + 1).min(body.len()) })
}

fn openmetrics_tail(body: &[u8], at: usize) -> Result<Tail, Trouble> {
    let (value, mut at) = spaced_float(body, at, "value after metric")?;
    let mut at_ms = None;
    if body.get(at) == Some(&b' ') && body.get(at + 1) != Some(&b'#') {
        let (seconds, end) = spaced_float(body, at, "timestamp")?;
        at_ms = Some(milliseconds(seconds).ok_or_else(|| Trouble::new(at, "invalid timestamp"))?);
        at = end;
    }
    if body.get(at) == Some(&b' ') {
        at = exemplar(body, at)?;
    }
    if !at_line_end(body, at) {
        return Err(Trouble::expected(body, at, "the end of the line"));
    }
    Ok(Tail { value, at_ms, next: (at + 1).min(body.len()) })
}

/// ` # {a="b"} 1 123.4`: read, checked, not kept.
fn exemplar(body: &[u8], at: usize) -> Result<usize, Trouble> {
    if !body[at..].starts_with(b" # {") {
        return Err(Trouble::expected(body, at, "the end of the line, a timestamp or an exemplar"));
    }
    let at = series::braces(body, at + 3, Format::OpenMetrics, series::Names::LabelsOnly, &mut |_, _| {})?;
    let (_, at) = spaced_float(body, at, "value after exemplar labels")?;
    if body.get(at) != Some(&b' ') {
        return Ok(at);
    }
    let (seconds, end) = spaced_float(body, at, "exemplar timestamp")?;
    milliseconds(seconds).ok_or_else(|| Trouble::new(at, "invalid exemplar timestamp"))?;
    Ok(end)
}

/// One blank and a float, as OpenMetrics separates its fields.
fn spaced_float(body: &[u8], at: usize, what: &str) -> Result<(f64, usize), Trouble> {
    let start = at + 1;
    let end = token_end(body, start, |b| matches!(b, b' ' | b'\n'));
    if body.get(at) != Some(&b' ') || start == end {
        return Err(Trouble::expected(body, at, what));
    }
    Ok((float(&body[start..end]).map_err(|what| Trouble::new(start, what))?, end))
}

fn milliseconds(seconds: f64) -> Option<i64> {
    let ms = seconds * 1000.0;
    // i64::MAX as f64 rounds up to 2^63, which is itself out of range.
    (ms.is_finite() && ms.abs() < i64::MAX as f64).then_some(ms as i64)
}

fn float(text: &[u8]) -> Result<f64, String> {
    let unsigned = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
    if unsigned.eq_ignore_ascii_case(b"inf") || unsigned.eq_ignore_ascii_case(b"infinity") {
        return Ok(if text[0] == b'-' { f64::NEG_INFINITY } else { f64::INFINITY });
    }
    if text.eq_ignore_ascii_case(b"nan") {
        return Ok(f64::NAN);
    }
    let bad = || format!("{} is not a number", super::excerpt(text, 0));
    if !unsigned.iter().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')) {
        return Err(bad());
    }
    if unsigned.first().is_some_and(|b| matches!(b, b'+' | b'-')) {
        return Err(bad());
    }
    let value: f64 = fast_float2::parse(unsigned).map_err(|_| bad())?;
    if value.is_infinite() {
        return Err(format!("{} is too large for a float", super::excerpt(text, 0)));
    }
    Ok(if text[0] == b'-' { -value } else { value })
}

fn token_end(body: &[u8], start: usize, ends: impl Fn(u8) -> bool) -> usize {
    body[start.min(body.len())..].iter().position(|b| ends(*b)).map_or(body.len(), |n| start + n)
}

pub(super) fn skip_blanks(body: &[u8], at: usize) -> usize {
    token_end(body, at, |b| b != b' ' && b != b'\t')
}

pub(super) fn at_line_end(body: &[u8], at: usize) -> bool {
    body.get(at).is_none_or(|b| *b == b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fast_way_agrees_with_the_thorough_way() {
        for text in [
            " 0\n",
            " 1\n",
            " -1\n",
            " 123456789012345\n",
            " 1234567890123456789\n",
            " 1.5e-300\n",
            " 0.1\n",
            " 1e9\n",
            " 1e999\n",
            " 5.\n",
            " .5\n",
            " NaN\n",
            " +1\n",
            " 1 2\n",
            "1\n",
            " 1",
            " 0x10\n",
            " 1_0\n",
            " --1\n",
        ] {
            let thorough = tail(text.as_bytes(), 0, Format::OpenMetrics).ok();
            if let Some(fast) = tail_fast(text.as_bytes(), 0) {
                assert_eq!(Some(fast), thorough, "{text:?}");
            }
        }
        assert!(tail_fast(b" 17\n", 0).is_some() && tail_fast(b" 1.25\n", 0).is_some());
    }

    #[test]
    fn floats_as_go_reads_them() {
        for (text, want) in
            [("1e3", 1000.0), ("+Inf", f64::INFINITY), ("-iNF", f64::NEG_INFINITY), ("+5", 5.0), ("5.", 5.0)]
        {
            assert_eq!(float(text.as_bytes()), Ok(want), "{text}");
        }
        for text in ["0x1p-3", "1_000", "1e999", "e", ".", "--1", "+-1", "-nan", "1e", "abc", "1f"] {
            assert!(float(text.as_bytes()).is_err(), "{text}");
        }
    }
}

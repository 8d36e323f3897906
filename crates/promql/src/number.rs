//! Numbers as Go and Prometheus read and write them.

/// A float as `%v` prints it in Go: the shortest digits, an exponent below 1e-4 and from `1e+06` on, `+Inf`,
/// `-Inf`, `NaN`. Number literals and rule templates print so.
pub fn format_value(v: f64) -> String {
    if let Some(word) = word(v) {
        return word.to_owned();
    }
    let (digits, exponent) = split_exponent(v);
    if (-4..6).contains(&exponent) { format!("{v}") } else { go_exponent(&digits, exponent) }
}

/// A float without any exponent (`1000000`), as `count_values` labels it.
pub fn format_plain(v: f64) -> String {
    word(v).map_or_else(|| format!("{v}"), str::to_owned)
}

/// A float as the HTTP API sends it in a sample: plain, but with an exponent below 1e-6 and from 1e21 on.
pub fn format_sample(v: f64) -> String {
    let size = v.abs();
    if size != 0.0 && size.is_finite() && !(1e-6..1e21).contains(&size) {
        let (digits, exponent) = split_exponent(v);
        return if exponent < 0 { format!("{digits}e{exponent}") } else { format!("{digits}e+{exponent}") };
    }
    format_plain(v)
}

/// A float as OpenMetrics labels hold it: whole numbers carry `.0`.
pub(crate) fn format_open_metrics(v: f64) -> String {
    let mut text = format_value(v);
    if v.is_finite() && !text.contains(['.', 'e']) {
        text.push_str(".0");
    }
    text
}

fn word(v: f64) -> Option<&'static str> {
    match v {
        v if v.is_nan() => Some("NaN"),
        f64::INFINITY => Some("+Inf"),
        f64::NEG_INFINITY => Some("-Inf"),
        _ => None,
    }
}

fn split_exponent(v: f64) -> (String, i32) {
    let text = format!("{v:e}");
    let (digits, exponent) = text.split_once('e').expect("`{:e}` always writes an exponent");
    (digits.to_owned(), exponent.parse().expect("the exponent of a double is a small integer"))
}

fn go_exponent(digits: &str, exponent: i32) -> String {
    format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

/// A number as PromQL writes it: decimal, hexadecimal, octal (`0755`), binary, underscores between digits,
/// `Inf` and `NaN` in any case. No sign.
pub(crate) fn parse_number(text: &str) -> Option<f64> {
    match text.to_ascii_lowercase().as_str() {
        "inf" => return Some(f64::INFINITY),
        "nan" => return Some(f64::NAN),
        _ => {}
    }
    let plain: String = text.chars().filter(|c| *c != '_').collect();
    let lower = plain.to_ascii_lowercase();
    if let Some(hex) = lower.strip_prefix("0x") {
        return u64::from_str_radix(hex, 16).ok().map(|n| n as f64);
    }
    if let Some(binary) = lower.strip_prefix("0b") {
        return u64::from_str_radix(binary, 2).ok().map(|n| n as f64);
    }
    let octal = lower.strip_prefix("0o").or_else(|| lower.strip_prefix('0'));
    if let Some(octal) = octal.filter(|o| !o.is_empty() && o.bytes().all(|b| (b'0'..=b'7').contains(&b))) {
        return u64::from_str_radix(octal, 8).ok().map(|n| n as f64);
    }
    if !plain.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    plain.parse().ok()
}

/// A float as it stands in a label such as `le`: any sign, any case of `Inf` and `NaN`.
pub(crate) fn parse_float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let v = match unsigned.to_ascii_lowercase().as_str() {
        "inf" | "infinity" => f64::INFINITY,
        "nan" => f64::NAN,
        _ if unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') => unsigned.parse().ok()?,
        _ => return None,
    };
    Some(if text.starts_with('-') { -v } else { v })
}

/// Go's `math.Max`: NaN wins.
pub(crate) fn go_max(a: f64, b: f64) -> f64 {
    if a == f64::INFINITY || b == f64::INFINITY {
        f64::INFINITY
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else {
        a.max(b)
    }
}

/// Go's `math.Min`: NaN wins.
pub(crate) fn go_min(a: f64, b: f64) -> f64 {
    if a == f64::NEG_INFINITY || b == f64::NEG_INFINITY {
        f64::NEG_INFINITY
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else {
        a.min(b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_as_go_does() {
        for (v, value, plain, sample) in [
            (0.0, "0", "0", "0"),
            (-0.0, "-0", "-0", "-0"),
            (1e6, "1e+06", "1000000", "1000000"),
            (123_456.0, "123456", "123456", "123456"),
            (1_234_567.0, "1.234567e+06", "1234567", "1234567"),
            (0.1, "0.1", "0.1", "0.1"),
            (0.00001, "1e-05", "0.00001", "0.00001"),
            (1e-7, "1e-07", "0.0000001", "1e-7"),
            (1e21, "1e+21", "1000000000000000000000", "1e+21"),
            (f64::INFINITY, "+Inf", "+Inf", "+Inf"),
            (f64::NEG_INFINITY, "-Inf", "-Inf", "-Inf"),
            (f64::NAN, "NaN", "NaN", "NaN"),
        ] {
            assert_eq!(format_value(v), value);
            assert_eq!(format_plain(v), plain);
            assert_eq!(format_sample(v), sample);
        }
        assert_eq!(format_open_metrics(1.0), "1.0");
        assert_eq!(format_open_metrics(0.25), "0.25");
    }

    #[test]
    fn read_as_go_does() {
        for (text, v) in [
            ("1", Some(1.0)),
            ("5.", Some(5.0)),
            (".5", Some(0.5)),
            ("0x1F", Some(31.0)),
            ("0755", Some(493.0)),
            ("08", Some(8.0)),
            ("1_000", Some(1000.0)),
            ("1e3", Some(1000.0)),
            ("inF", Some(f64::INFINITY)),
            ("2.5.", None),
            ("abc", None),
            ("", None),
        ] {
            assert_eq!(parse_number(text), v, "{text}");
        }
        assert_eq!(parse_float("-Inf"), Some(f64::NEG_INFINITY));
        assert_eq!(parse_float("+1e0"), Some(1.0));
        assert_eq!(parse_float("x"), None);
    }
}

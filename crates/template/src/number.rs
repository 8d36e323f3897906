//! Numbers as Go writes them: `%v`, `%g` with a precision, durations, and Prometheus's human forms.

/// A float as `%v` and as `%g` without a precision: the shortest text that reads back, with an exponent below
/// 1e-4 and from 1e6.
pub(crate) fn format_v(n: f64) -> String {
    if let Some(text) = special(n) {
        return text.to_owned();
    }
    if n == 0.0 {
        return if n.is_sign_negative() { "-0" } else { "0" }.to_owned();
    }
    let scientific = format!("{n:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-4..6).contains(&exponent) {
        return format!("{mantissa}e{}", exponent_text(exponent));
    }
    format!("{n}")
}

/// A float as `%.{digits}g`, without zeros at the end.
pub(crate) fn format_g(n: f64, digits: usize) -> String {
    if let Some(text) = special(n) {
        return text.to_owned();
    }
    let digits = digits.max(1);
    let scientific = format!("{n:.*e}", digits - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if exponent < -4 || exponent >= digits as i32 {
        return format!("{}e{}", trim_zeros(mantissa), exponent_text(exponent));
    }
    let decimals = (digits as i32 - 1 - exponent).max(0) as usize;
    trim_zeros(&format!("{n:.decimals$}")).to_owned()
}

/// A float as `%.{digits}e`.
pub(crate) fn format_e(n: f64, digits: usize) -> String {
    if let Some(text) = special(n) {
        return text.to_owned();
    }
    let scientific = format!("{n:.digits$e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    format!("{mantissa}e{}", exponent_text(exponent.parse().unwrap_or(0)))
}

pub(crate) fn special(n: f64) -> Option<&'static str> {
    match n {
        _ if n.is_nan() => Some("NaN"),
        f64::INFINITY => Some("+Inf"),
        f64::NEG_INFINITY => Some("-Inf"),
        _ => None,
    }
}

fn exponent_text(exponent: i32) -> String {
    format!("{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

fn trim_zeros(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

/// Go's `Duration.String`: `1h15m30.918s`.
pub(crate) fn format_duration(nanos: i64) -> String {
    if nanos == 0 {
        return "0s".to_owned();
    }
    let sign = if nanos < 0 { "-" } else { "" };
    let n = nanos.unsigned_abs();
    let part = |n: u64, unit: u64| {
        let decimals = unit.ilog10() as usize;
        let text = format!("{}.{:0decimals$}", n / unit, n % unit);
        trim_zeros(&text).to_owned()
    };
    if n < 1_000 {
        return format!("{sign}{n}ns");
    }
    if n < 1_000_000 {
        return format!("{sign}{}µs", part(n, 1_000));
    }
    if n < 1_000_000_000 {
        return format!("{sign}{}ms", part(n, 1_000_000));
    }
    let seconds = n / 1_000_000_000;
    let tail = part(n % 60_000_000_000, 1_000_000_000);
    match (seconds / 3600, seconds / 60 % 60) {
        (0, 0) => format!("{sign}{tail}s"),
        (0, minutes) => format!("{sign}{minutes}m{tail}s"),
        (hours, minutes) => format!("{sign}{hours}h{minutes}m{tail}s"),
    }
}

/// 1234567 → 1.235M.
pub(crate) fn humanize(n: f64) -> String {
    if n == 0.0 || !n.is_finite() {
        return format_g(n, 4);
    }
    let (mut n, mut prefix) = (n, "");
    let (step, prefixes): (f64, &[&str]) = if n.abs() >= 1.0 {
        (1e-3, &["k", "M", "G", "T", "P", "E", "Z", "Y"])
    } else {
        (1e3, &["m", "u", "n", "p", "f", "a", "z", "y"])
    };
    for next in prefixes {
        let done = if step < 1.0 { n.abs() < 1000.0 } else { n.abs() >= 1.0 };
        if done {
            break;
        }
        prefix = next;
        n = if step < 1.0 { n / 1000.0 } else { n * 1000.0 };
    }
    format!("{}{prefix}", format_g(n, 4))
}

/// 1234567 → 1.177Mi.
pub(crate) fn humanize_1024(n: f64) -> String {
    let (mut n, mut prefix) = (n, "");
    if n.abs() > 1.0 && n.is_finite() {
        for next in ["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"] {
            if n.abs() < 1024.0 {
                break;
            }
            prefix = next;
            n /= 1024.0;
        }
    }
    format!("{}{prefix}", format_g(n, 4))
}

/// 3661 → 1h 1m 1s; below a second with a prefix.
pub(crate) fn humanize_duration(seconds: f64) -> String {
    if !seconds.is_finite() {
        return format_g(seconds, 4);
    }
    if seconds == 0.0 {
        return "0s".to_owned();
    }
    if seconds.abs() >= 1.0 {
        let sign = if seconds < 0.0 { "-" } else { "" };
        let v = seconds.abs();
        let whole = v as i64;
        let (s, m, h, d) = (whole % 60, whole / 60 % 60, whole / 3600 % 24, whole / 86_400);
        return match (d, h, m) {
            (0, 0, 0) => format!("{sign}{}s", format_g(v, 4)),
            (0, 0, _) => format!("{sign}{m}m {s}s"),
            (0, ..) => format!("{sign}{h}h {m}m {s}s"),
            _ => format!("{sign}{d}d {h}h {m}m {s}s"),
        };
    }
    let (mut n, mut prefix) = (seconds, "");
    for next in ["m", "u", "n", "p", "f", "a", "z", "y"] {
        if n.abs() >= 1.0 {
            break;
        }
        prefix = next;
        n *= 1000.0;
    }
    format!("{}{prefix}s", format_g(n, 4))
}

/// 0.1234 → 12.34%.
pub(crate) fn humanize_percentage(n: f64) -> String {
    format!("{}%", format_g(n * 100.0, 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_as_go_writes_them() {
        for (n, v, g4) in [
            (1.0, "1", "1"),
            (0.1, "0.1", "0.1"),
            (999999.5, "999999.5", "1e+06"),
            (1e6, "1e+06", "1e+06"),
            (123456789.0, "1.23456789e+08", "1.235e+08"),
            (0.00001, "1e-05", "1e-05"),
            (-2.5, "-2.5", "-2.5"),
            (f64::INFINITY, "+Inf", "+Inf"),
            (12345.0, "12345", "1.234e+04"),
            (-0.0, "-0", "-0"),
        ] {
            assert_eq!(format_v(n), v, "{n}");
            assert_eq!(format_g(n, 4), g4, "{n}");
        }
    }

    #[test]
    fn durations() {
        for (nanos, text) in [
            (0, "0s"),
            (1, "1ns"),
            (1_500, "1.5µs"),
            (2_000_000, "2ms"),
            (1_800_000_000_000, "30m0s"),
            (-3_725_500_000_000, "-1h2m5.5s"),
        ] {
            assert_eq!(format_duration(nanos), text);
        }
    }
}

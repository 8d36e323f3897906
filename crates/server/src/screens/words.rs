//! Ages, durations and numbers as a person reads them at three in the morning.

use maud::{Markup, html};
use model::Timestamp;
use std::time::Duration;

/// `12 s`, `4 min`, `2 h 5 min`, `3 d 4 h`.
pub(super) fn age(age: Duration) -> String {
    let secs = age.as_secs();
    let (large, small) = match secs {
        0..60 => return format!("{secs} s"),
        60..3600 => return format!("{} min", secs / 60),
        3600..86_400 => ((secs / 3600, "h"), (secs % 3600 / 60, "min")),
        _ => ((secs / 86_400, "d"), (secs % 86_400 / 3600, "h")),
    };
    match small {
        (0, _) => format!("{} {}", large.0, large.1),
        (n, unit) => format!("{} {} {n} {unit}", large.0, large.1),
    }
}

/// How long ago, the exact instant on touch.
pub(super) fn ago(at: Timestamp, now: Timestamp) -> Markup {
    let exact = at.rfc3339();
    html! { time datetime=(exact) title=(exact) { (age(now.since(at))) " ago" } }
}

/// How long since, the exact instant on touch.
pub(super) fn for_(at: Timestamp, now: Timestamp) -> Markup {
    let exact = at.rfc3339();
    html! { time datetime=(exact) title=(exact) { "for " (age(now.since(at))) } }
}

/// `0.4 ms`, `12 ms`, `1.25 s`.
pub(super) fn latency(took: Duration) -> String {
    let ms = took.as_secs_f64() * 1000.0;
    match ms {
        ..10.0 => format!("{ms:.1} ms"),
        ..1000.0 => format!("{ms:.0} ms"),
        _ => format!("{:.2} s", ms / 1000.0),
    }
}

/// A value in few characters: `0`, `0.25`, `1.5k`, `3.2G`.
pub(super) fn short(v: f64) -> String {
    if !v.is_finite() {
        return if v.is_nan() {
            "NaN".to_owned()
        } else if v > 0.0 {
            "+Inf".to_owned()
        } else {
            "-Inf".to_owned()
        };
    }
    let size = v.abs();
    let (scaled, unit) = match size {
        ..1e4 => (v, ""),
        ..1e6 => (v / 1e3, "k"),
        ..1e9 => (v / 1e6, "M"),
        ..1e12 => (v / 1e9, "G"),
        ..1e15 => (v / 1e12, "T"),
        _ => return format!("{v:.2e}"),
    };
    if size != 0.0 && size < 1e-3 {
        return format!("{v:.2e}");
    }
    let text = format!("{scaled:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{}{unit}", if text == "-0" { "0" } else { text })
}

/// A whole number with thin spaces between thousands.
pub(super) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push('\u{2009}');
        }
        text.push(digit);
    }
    text
}

/// An address that may become a link: http, https, or a path of ours.
pub(super) fn link(url: &str) -> Option<&str> {
    let ours = url.starts_with('/') && !url.starts_with("//") && !url.contains('\\');
    (ours || url.starts_with("https://") || url.starts_with("http://")).then_some(url)
}

/// `1 target`, `2 targets`.
pub(super) fn plural(n: usize, word: &str) -> String {
    if n == 1 { format!("{n} {word}") } else { format!("{n} {word}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        for (secs, want) in
            [(0, "0 s"), (59, "59 s"), (61, "1 min"), (3600, "1 h"), (7500, "2 h 5 min"), (90_000, "1 d 1 h")]
        {
            assert_eq!(age(Duration::from_secs(secs)), want);
        }
        for (v, want) in [
            (0.0, "0"),
            (-0.0, "0"),
            (0.25, "0.25"),
            (1234.5, "1234.5"),
            (15_000.0, "15k"),
            (3.2e9, "3.2G"),
            (1e-5, "1.00e-5"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(short(v), want);
        }
        assert_eq!(count(1_234_567), "1\u{2009}234\u{2009}567");
        assert_eq!(latency(Duration::from_micros(1234)), "1.2 ms");
    }

    #[test]
    fn only_harmless_links() {
        for (url, taken) in [
            ("https://a.example/x", true),
            ("/ui/graph?q=1", true),
            ("//evil.example", false),
            ("/\\evil.example", false),
            ("javascript:alert(1)", false),
            ("", false),
        ] {
            assert_eq!(link(url).is_some(), taken, "{url}");
        }
    }
}

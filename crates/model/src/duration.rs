//! Durations as Prometheus writes them: `1h30m`, units `y w d h m s ms`, largest first, each at most once.

use std::time::Duration;

/// A text that is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a duration: {why}; try a whole number with a unit, such as 30s, 5m or 1h30m")]
pub struct DurationError {
    /// What was given.
    pub text: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// Units with their length in milliseconds, in the order in which they may appear.
const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Reads a duration; `0` alone needs no unit.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let fail = |why| DurationError { text: text.to_owned(), why };
    match text {
        "" => return Err(fail("it is empty")),
        "0" => return Ok(Duration::ZERO),
        _ => {}
    }
    let (mut rest, mut total_ms, mut units) = (text, 0u64, &UNITS[..]);
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if digits == 0 {
            return Err(fail("a number is missing before a unit"));
        }
        let n: u64 = rest[..digits].parse().map_err(|_| fail("a number is too large"))?;
        rest = &rest[digits..];
        let letters = rest.len() - rest.trim_start_matches(|c: char| !c.is_ascii_digit()).len();
        if letters == 0 {
            return Err(fail("a unit is missing"));
        }
        let unit = &rest[..letters];
        rest = &rest[letters..];
        let Some(place) = units.iter().position(|(name, _)| *name == unit) else {
            let known = UNITS.iter().any(|(name, _)| *name == unit);
            return Err(fail(if known {
                "units must go from large to small, each once"
            } else {
                "the unit is unknown (known: y w d h m s ms)"
            }));
        };
        total_ms = n
            .checked_mul(units[place].1)
            .and_then(|ms| total_ms.checked_add(ms))
            .filter(|ms| *ms <= i64::MAX as u64 / 1_000_000)
            .ok_or_else(|| fail("it is longer than 292 years"))?;
        units = &units[place + 1..];
    }
    Ok(Duration::from_millis(total_ms))
}

/// Writes a duration as Prometheus does: years, weeks and days only where they divide it whole.
pub fn format_duration(duration: Duration) -> String {
    let mut ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if ms == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, length) in UNITS {
        let exact_only = matches!(unit, "y" | "w" | "d");
        if exact_only && ms % length != 0 {
            continue;
        }
        if ms / length > 0 {
            text += &format!("{}{unit}", ms / length);
            ms %= length;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        for (text, ms) in
            [("0", 0), ("1ms", 1), ("1h30m", 5_400_000), ("2w", 1_209_600_000), ("36h", 129_600_000)]
        {
            assert_eq!(parse_duration(text).unwrap(), Duration::from_millis(ms), "{text}");
        }
        assert_eq!(format_duration(Duration::from_secs(5400)), "1h30m");
        assert_eq!(format_duration(Duration::from_secs(86_400)), "1d");
        assert_eq!(format_duration(Duration::from_millis(90_061_001)), "25h1m1s1ms");
        assert_eq!(format_duration(Duration::ZERO), "0s");
    }

    #[test]
    fn refuses_with_the_reason() {
        for text in ["", "5", "m", "1x", "1s1m", "1m1m", "1.5h", "-1s", "99999999999999999999s", "300y"] {
            let err = parse_duration(text).unwrap_err().to_string();
            assert!(err.contains("such as 30s"), "{text}: {err}");
        }
    }
}

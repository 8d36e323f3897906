//! Instants as Go's `time` package writes and reads them: by example, `2006-01-02 15:04:05`.

use jiff::Zoned;
use jiff::civil;
use jiff::tz::{Offset, TimeZone};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// What Go calls the zero time: the first of January of the year 1.
pub(crate) fn zero() -> Zoned {
    civil::date(1, 1, 1)
        .to_zoned(TimeZone::UTC)
        .expect("the first day of year 1 is within jiff's range in UTC")
}

/// An instant in UTC; beyond the years ±9999 the nearest within.
pub(crate) fn utc(nanos: i128) -> Zoned {
    let (first, last) = (jiff::Timestamp::MIN.as_nanosecond(), jiff::Timestamp::MAX.as_nanosecond());
    let instant = jiff::Timestamp::from_nanosecond(nanos.clamp(first, last))
        .expect("a clamped nanosecond is within jiff's range");
    instant.to_zoned(TimeZone::UTC)
}

/// `Time.String`: `2006-01-02 15:04:05.999999999 -0700 MST`.
pub(crate) fn go_string(time: &Zoned) -> String {
    format(time, "2006-01-02 15:04:05.999999999 -0700 MST")
}

/// RFC 3339 with as many decimals as needed: Go's JSON form.
pub(crate) fn rfc3339(time: &Zoned) -> String {
    format(time, "2006-01-02T15:04:05.999999999Z07:00")
}

/// One element of a layout, longest first among those that begin alike.
const ELEMENTS: [&str; 33] = [
    "January",
    "Jan",
    "Monday",
    "Mon",
    "MST",
    "2006",
    "-07:00:00",
    "-07:00",
    "-070000",
    "-0700",
    "-07",
    "Z07:00:00",
    "Z07:00",
    "Z070000",
    "Z0700",
    "Z07",
    "002",
    "01",
    "02",
    "03",
    "04",
    "05",
    "06",
    "15",
    "PM",
    "pm",
    "__2",
    "_2",
    "1",
    "2",
    "3",
    "4",
    "5",
];

/// Splits a layout into its next literal and element; fractions (`.000`, `,999`) are elements.
fn next_element(layout: &str) -> (&str, Option<&str>, &str) {
    for (at, _) in layout.char_indices() {
        let rest = &layout[at..];
        if let Some(len) = fraction_len(rest) {
            return (&layout[..at], Some(&rest[..len]), &rest[len..]);
        }
        let fits = |element: &&&str| {
            rest.starts_with(**element)
                && !(**element == "Jan" && rest[3..].starts_with(|c: char| c.is_ascii_lowercase()))
                && !(**element == "Mon" && rest[3..].starts_with(|c: char| c.is_ascii_lowercase()))
        };
        if let Some(element) = ELEMENTS.iter().find(fits) {
            return (&layout[..at], Some(element), &rest[element.len()..]);
        }
    }
    (layout, None, "")
}

fn fraction_len(rest: &str) -> Option<usize> {
    let tail = rest.strip_prefix(['.', ','])?;
    let digit = tail.chars().next().filter(|c| matches!(c, '0' | '9'))?;
    let end = tail.find(|c| c != digit).unwrap_or(tail.len());
    (!tail[end..].starts_with(|c: char| c.is_ascii_digit())).then_some(end + 1)
}

pub(crate) fn format(time: &Zoned, layout: &str) -> String {
    let mut out = String::new();
    let mut rest = layout;
    loop {
        let (literal, element, after) = next_element(rest);
        out.push_str(literal);
        let Some(element) = element else { return out };
        rest = after;
        put(time, element, &mut out);
    }
}

fn put(time: &Zoned, element: &str, out: &mut String) {
    let hour = time.hour();
    let hour12 = if hour % 12 == 0 { 12 } else { hour % 12 };
    let month = MONTHS[usize::from(time.month().unsigned_abs().clamp(1, 12)) - 1];
    let day = DAYS[usize::from(time.weekday().to_sunday_zero_offset().unsigned_abs().min(6))];
    let text = match element {
        "January" => month.to_owned(),
        "Jan" => month[..3].to_owned(),
        "Monday" => day.to_owned(),
        "Mon" => day[..3].to_owned(),
        "MST" => zone_name(time),
        "2006" => format!("{:04}", time.year()),
        "06" => format!("{:02}", time.year().rem_euclid(100)),
        "01" => format!("{:02}", time.month()),
        "1" => time.month().to_string(),
        "02" => format!("{:02}", time.day()),
        "_2" => format!("{:>2}", time.day()),
        "2" => time.day().to_string(),
        "002" => format!("{:03}", time.day_of_year()),
        "__2" => format!("{:>3}", time.day_of_year()),
        "15" => format!("{hour:02}"),
        "03" => format!("{hour12:02}"),
        "3" => hour12.to_string(),
        "04" => format!("{:02}", time.minute()),
        "4" => time.minute().to_string(),
        "05" => format!("{:02}", time.second()),
        "5" => time.second().to_string(),
        "PM" => if hour < 12 { "AM" } else { "PM" }.to_owned(),
        "pm" => if hour < 12 { "am" } else { "pm" }.to_owned(),
        _ if element.starts_with(['.', ',']) => fraction(time, element),
        _ => offset(time, element),
    };
    out.push_str(&text);
}

fn fraction(time: &Zoned, element: &str) -> String {
    let digits = format!("{:09}", time.subsec_nanosecond());
    let kept = &digits[..(element.len() - 1).min(9)];
    let kept = if element.ends_with('9') { kept.trim_end_matches('0') } else { kept };
    if kept.is_empty() { String::new() } else { format!("{}{kept}", &element[..1]) }
}

fn offset(time: &Zoned, element: &str) -> String {
    let seconds = time.offset().seconds();
    if element.starts_with('Z') && seconds == 0 {
        return "Z".to_owned();
    }
    let sign = if seconds < 0 { '-' } else { '+' };
    let (h, m, s) = (seconds.abs() / 3600, seconds.abs() / 60 % 60, seconds.abs() % 60);
    match &element[1..] {
        "07:00:00" => format!("{sign}{h:02}:{m:02}:{s:02}"),
        "07:00" => format!("{sign}{h:02}:{m:02}"),
        "070000" => format!("{sign}{h:02}{m:02}{s:02}"),
        "0700" => format!("{sign}{h:02}{m:02}"),
        _ => format!("{sign}{h:02}"),
    }
}

fn zone_name(time: &Zoned) -> String {
    let zone = time.time_zone();
    if *zone == TimeZone::UTC {
        return "UTC".to_owned();
    }
    let abbreviation = zone.to_offset_info(time.timestamp()).abbreviation().to_owned();
    if abbreviation.starts_with(|c: char| c.is_ascii_alphabetic()) {
        abbreviation
    } else {
        offset(time, "-0700")
    }
}

/// Reads `text` by `layout`; what the layout does not mention is that of 0000-01-01 00:00 UTC.
pub(crate) fn parse(layout: &str, text: &str) -> Result<Zoned, String> {
    let mut read = Read::default();
    let (mut layout_rest, mut text_rest) = (layout, text);
    loop {
        let (literal, element, after) = next_element(layout_rest);
        let wanted = if element.is_some() { element.unwrap_or_default() } else { literal };
        let fail =
            |rest: &str| format!("parsing time {text:?} as {layout:?}: cannot parse {rest:?} as {wanted:?}");
        text_rest = text_rest.strip_prefix(literal).ok_or_else(|| fail(text_rest))?;
        let Some(element) = element else {
            let extra = format!("parsing time {text:?}: extra text: {text_rest:?}");
            return if text_rest.is_empty() { read.finish(text) } else { Err(extra) };
        };
        text_rest = read.element(element, text_rest).ok_or_else(|| fail(text_rest))?;
        // Go reads a fraction after the seconds even where the layout names none.
        if matches!(element, "05" | "5") && fraction_len(after).is_none() && text_rest.starts_with('.') {
            text_rest = read.element(".9", text_rest).ok_or_else(|| fail(text_rest))?;
        }
        layout_rest = after;
    }
}

#[derive(Default)]
struct Read {
    year: Option<i16>,
    month: Option<i8>,
    day: Option<i8>,
    hour: i8,
    afternoon: Option<bool>,
    minute: i8,
    second: i8,
    nanos: i32,
    offset: i32,
}

impl Read {
    fn element<'t>(&mut self, element: &str, text: &'t str) -> Option<&'t str> {
        let (n, rest);
        match element {
            "January" | "Jan" => {
                let short = element.len() == 3;
                let name = |at: usize| if short { &MONTHS[at][..3] } else { MONTHS[at] };
                let at = (0..12).find(|at| starts_with_fold(text, name(*at)))?;
                self.month = i8::try_from(at + 1).ok();
                return text.get(name(at).len()..);
            }
            "Monday" | "Mon" => {
                let short = element.len() == 3;
                let name = |at: usize| if short { &DAYS[at][..3] } else { DAYS[at] };
                let at = (0..7).find(|at| starts_with_fold(text, name(*at)))?;
                return text.get(name(at).len()..);
            }
            "2006" => {
                (n, rest) = number(text, 4, 4)?;
                self.year = i16::try_from(n).ok();
            }
            "06" => {
                (n, rest) = number(text, 2, 2)?;
                self.year = i16::try_from(if n >= 69 { 1900 + n } else { 2000 + n }).ok();
            }
            "01" | "1" => {
                (n, rest) = number(text, element.len(), 2)?;
                self.month = i8::try_from(n).ok();
            }
            "02" | "2" | "_2" => {
                let text = if element == "_2" { text.strip_prefix(' ').unwrap_or(text) } else { text };
                (n, rest) = number(text, if element == "02" { 2 } else { 1 }, 2)?;
                self.day = i8::try_from(n).ok();
            }
            "15" | "03" | "3" => {
                (n, rest) = number(text, if element == "03" { 2 } else { 1 }, 2)?;
                self.hour = i8::try_from(n).ok()?;
            }
            "04" | "4" => {
                (n, rest) = number(text, element.len(), 2)?;
                self.minute = i8::try_from(n).ok()?;
            }
            "05" | "5" => {
                (n, rest) = number(text, element.len(), 2)?;
                self.second = i8::try_from(n).ok()?;
            }
            "PM" | "pm" => {
                let half = text.get(..2)?;
                self.afternoon = Some(half.eq_ignore_ascii_case("pm"));
                return (half.eq_ignore_ascii_case("am") || self.afternoon == Some(true)).then(|| &text[2..]);
            }
            "MST" => {
                let end = text.find(|c: char| !c.is_ascii_uppercase()).unwrap_or(text.len());
                return (3..=5).contains(&end).then(|| &text[end..]);
            }
            _ if element.starts_with(['.', ',']) => {
                let Some(digits) = text.strip_prefix(['.', ',']) else { return Some(text) };
                let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
                let kept = &digits[..end.min(9)];
                self.nanos = format!("{kept:0<9}").parse().ok()?;
                return Some(&digits[end..]);
            }
            _ => return self.zone(element, text),
        }
        Some(rest)
    }

    fn zone<'t>(&mut self, element: &str, text: &'t str) -> Option<&'t str> {
        if element.starts_with('Z')
            && let Some(rest) = text.strip_prefix('Z')
        {
            return Some(rest);
        }
        let sign = match text.chars().next()? {
            '+' => 1,
            '-' => -1,
            _ => return None,
        };
        let (hours, mut rest) = number(&text[1..], 2, 2)?;
        let mut seconds = hours * 3600;
        for unit in [60, 1].into_iter().take((element.len() - 2) / 2) {
            rest = if element.contains(':') { rest.strip_prefix(':')? } else { rest };
            let (n, after) = number(rest, 2, 2)?;
            (seconds, rest) = (seconds + n * unit, after);
        }
        self.offset = sign * seconds;
        Some(rest)
    }

    fn finish(self, text: &str) -> Result<Zoned, String> {
        let bad = |what: String| format!("parsing time {text:?}: {what}");
        let hour = match self.afternoon {
            Some(true) if self.hour < 12 => self.hour + 12,
            Some(false) if self.hour == 12 => 0,
            _ => self.hour,
        };
        let date = civil::Date::new(self.year.unwrap_or(0), self.month.unwrap_or(1), self.day.unwrap_or(1));
        let clock = civil::Time::new(hour, self.minute, self.second, self.nanos);
        let moment =
            date.map_err(|err| bad(err.to_string()))?.to_datetime(clock.map_err(|err| bad(err.to_string()))?);
        let zone = match self.offset {
            0 => TimeZone::UTC,
            seconds => TimeZone::fixed(Offset::from_seconds(seconds).map_err(|err| bad(err.to_string()))?),
        };
        moment.to_zoned(zone).map_err(|err| bad(err.to_string()))
    }
}

fn number(text: &str, digits_min: usize, digits_max: usize) -> Option<(i32, &str)> {
    let end = text.bytes().take(digits_max).take_while(u8::is_ascii_digit).count();
    (end >= digits_min).then(|| text[..end].parse().ok().map(|n| (n, &text[end..])))?
}

fn starts_with_fold(text: &str, name: &str) -> bool {
    text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_example_both_ways() {
        let time = utc(1_353_755_652_128_000_000);
        for (layout, text) in [
            ("2006", "2012"),
            ("Mon Jan 2 15:04:05 2006", "Sat Nov 24 11:14:12 2012"),
            ("02 January 06 03:04PM", "24 November 12 11:14AM"),
            ("2006-01-02T15:04:05.000Z07:00", "2012-11-24T11:14:12.128Z"),
            ("15:04:05.99 -0700 MST", "11:14:12.12 +0000 UTC"),
            ("Month 1 day 002", "Month 11 day 329"),
        ] {
            assert_eq!(format(&time, layout), text, "{layout}");
        }
        let read = parse("2006-01-02 15:04:05 -0700", "2012-11-24 13:14:12.128 +0200").unwrap();
        assert_eq!(read.timestamp(), time.timestamp());
        for (layout, text) in
            [("2006-01-02", "not-a-date"), ("2006", "2012x"), ("15:04", "25:00"), ("Jan", "Foo")]
        {
            assert!(parse(layout, text).is_err(), "{layout} {text}");
        }
        assert_eq!(go_string(&zero()), "0001-01-01 00:00:00 +0000 UTC");
    }
}

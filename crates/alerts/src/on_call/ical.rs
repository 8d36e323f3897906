//! A schedule as an iCalendar text (RFC 5545), for the calendars that people look at.

use super::Schedule;
use model::Timestamp;
use std::time::Duration;

/// Bytes of a line before it is folded.
const LINE_MAX: usize = 75;

/// Shifts that began so long before are told by their true beginning: a calendar knows an event again by it.
const LOOK_BACK: Duration = Duration::from_secs(62 * 24 * 60 * 60);

/// The shifts from `from` to `until` as events of a calendar.
pub fn ical(schedule: &Schedule, from: Timestamp, until: Timestamp, now: Timestamp) -> String {
    let name = text(&schedule.name);
    let mut calendar = String::new();
    let mut line = |text: &str| fold(text, &mut calendar);
    line("BEGIN:VCALENDAR");
    line("VERSION:2.0");
    line("PRODID:-//Tocsin//on-call//EN");
    line("CALSCALE:GREGORIAN");
    line(&format!("X-WR-CALNAME:On call: {name}"));
    for shift in schedule.shifts(from.minus(LOOK_BACK), until).into_iter().filter(|shift| shift.until > from)
    {
        let hash = crate::group::fnv(&[&schedule.name, &shift.who]);
        line("BEGIN:VEVENT");
        line(&format!("UID:{hash:016x}-{}@tocsin", shift.from.as_millis()));
        line(&format!("DTSTAMP:{}", instant(now)));
        line(&format!("DTSTART:{}", instant(shift.from)));
        line(&format!("DTEND:{}", instant(shift.until)));
        line(&format!("SUMMARY:{} is on call ({name})", text(&shift.who)));
        line("END:VEVENT");
    }
    line("END:VCALENDAR");
    calendar
}

/// `20261122T004817Z`.
fn instant(at: Timestamp) -> String {
    let text = at.rfc3339();
    let seconds = text.split('.').next().unwrap_or_default();
    let digits: String = seconds.chars().filter(|c| !matches!(c, '-' | ':')).collect();
    format!("{digits}Z")
}

/// A text value: what has a meaning of its own is escaped, control characters go.
fn text(raw: &str) -> String {
    let mut escaped = String::new();
    for c in raw.chars() {
        match c {
            '\\' | ';' | ',' => escaped.extend(['\\', c]),
            '\n' => escaped.push_str("\\n"),
            c if c.is_control() => {}
            c => escaped.push(c),
        }
    }
    escaped
}

/// A line and its end; a long one goes on in the next, which begins with a space.
fn fold(line: &str, calendar: &mut String) {
    let mut bytes = 0;
    for c in line.chars() {
        if bytes + c.len_utf8() > LINE_MAX {
            calendar.push_str("\r\n ");
            bytes = 1;
        }
        calendar.push(c);
        bytes += c.len_utf8();
    }
    calendar.push_str("\r\n");
}

//! Go's `Sprintf` for the values of a template. What does not fit a verb is shown as Go shows it: `%!d(string=x)`.

use crate::exec::OUTPUT_MAX;
use crate::number::{format_e, format_g, format_v, special};
use crate::value::Value;

/// Widths and precisions are at most this.
const WIDTH_MAX: usize = 4096;

#[derive(Default)]
struct Flags {
    minus: bool,
    plus: bool,
    space: bool,
    zero: bool,
    sharp: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

pub(crate) fn sprintf(format: &str, args: &[Value]) -> String {
    let mut out = String::new();
    let mut chars = format.chars().peekable();
    let (mut next, mut reordered) = (0usize, false);
    while let Some(c) = chars.next() {
        if out.len() > OUTPUT_MAX {
            break;
        }
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut flags = Flags::default();
        while let Some(flag) = chars.peek() {
            match flag {
                '-' => flags.minus = true,
                '+' => flags.plus = true,
                ' ' => flags.space = true,
                '0' => flags.zero = true,
                '#' => flags.sharp = true,
                _ => break,
            }
            chars.next();
        }
        argument_index(&mut chars, &mut next, &mut reordered);
        flags.width = size(&mut chars, args, &mut next, &mut flags.minus);
        if chars.peek() == Some(&'.') {
            chars.next();
            argument_index(&mut chars, &mut next, &mut reordered);
            flags.precision = Some(size(&mut chars, args, &mut next, &mut false).unwrap_or(0));
        }
        argument_index(&mut chars, &mut next, &mut reordered);
        let Some(verb) = chars.next() else {
            out.push_str("%!(NOVERB)");
            break;
        };
        if verb == '%' {
            out.push('%');
            continue;
        }
        match args.get(next) {
            None => out.push_str(&format!("%!{verb}(MISSING)")),
            Some(value) => {
                let text = one(verb, value, &flags).unwrap_or_else(|| bad(verb, value));
                out.push_str(&pad(text, &flags, value, verb));
            }
        }
        next += 1;
    }
    if !reordered && next < args.len() {
        let extra: Vec<String> =
            args[next..].iter().map(|value| format!("{}={}", value.kind(), plain(value))).collect();
        out.push_str(&format!("%!(EXTRA {})", extra.join(", ")));
    }
    out
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// `[2]`: which argument comes next.
fn argument_index(chars: &mut Chars<'_>, next: &mut usize, reordered: &mut bool) {
    if chars.peek() != Some(&'[') {
        return;
    }
    chars.next();
    let digits: String = chars.by_ref().take_while(|c| *c != ']').collect();
    *reordered = true;
    *next = digits.parse::<usize>().ok().and_then(|n| n.checked_sub(1)).unwrap_or(usize::MAX - 1);
}

fn size(chars: &mut Chars<'_>, args: &[Value], next: &mut usize, minus: &mut bool) -> Option<usize> {
    if chars.peek() == Some(&'*') {
        chars.next();
        let given = args.get(*next);
        *next += 1;
        let Some(Value::Int(n)) = given else { return None };
        *minus |= *n < 0;
        return Some((n.unsigned_abs() as usize).min(WIDTH_MAX));
    }
    let mut n = None;
    while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
        chars.next();
        n = Some((n.unwrap_or(0) * 10 + digit as usize).min(WIDTH_MAX));
    }
    n
}

fn plain(value: &Value) -> String {
    let mut out = String::new();
    value.print(&mut out, OUTPUT_MAX);
    out
}

fn bad(verb: char, value: &Value) -> String {
    match value {
        Value::Nil => format!("%!{verb}(<nil>)"),
        value => format!("%!{verb}({}={})", value.kind(), plain(value)),
    }
}

fn one(verb: char, value: &Value, flags: &Flags) -> Option<String> {
    if verb == 'T' {
        return Some(value.kind().to_owned());
    }
    match value {
        Value::Bool(b) => matches!(verb, 't' | 'v').then(|| b.to_string()),
        Value::Int(n) => whole(verb, i128::from(*n), flags),
        Value::Uint(n) => whole(verb, i128::from(*n), flags),
        Value::Duration(n) if verb == 'd' => whole(verb, i128::from(*n), flags),
        Value::Float(n) => float(verb, *n, flags),
        Value::List(kind, items) if !matches!(verb, 'v' | 's') => {
            let _ = kind;
            let parts: Vec<String> =
                items.iter().map(|item| one(verb, item, flags).unwrap_or_else(|| bad(verb, item))).collect();
            Some(format!("[{}]", parts.join(" ")))
        }
        Value::Nil => (verb == 'v').then(|| "<nil>".to_owned()),
        _ => text(verb, &plain(value), flags),
    }
}

fn text(verb: char, text: &str, flags: &Flags) -> Option<String> {
    let cut: String = match flags.precision {
        Some(max) => text.chars().take(max).collect(),
        None => text.to_owned(),
    };
    Some(match verb {
        's' | 'v' => cut,
        'q' => format!("{cut:?}"),
        'x' => cut.bytes().map(|b| format!("{b:02x}")).collect(),
        'X' => cut.bytes().map(|b| format!("{b:02X}")).collect(),
        _ => return None,
    })
}

fn whole(verb: char, n: i128, flags: &Flags) -> Option<String> {
    let magnitude = n.unsigned_abs();
    let digits = match verb {
        'd' | 'v' => magnitude.to_string(),
        'b' => format!("{magnitude:b}"),
        'o' | 'O' => format!("{magnitude:o}"),
        'x' => format!("{magnitude:x}"),
        'X' => format!("{magnitude:X}"),
        'c' | 'q' | 'U' => {
            let c = u32::try_from(n).ok().and_then(char::from_u32).unwrap_or('\u{fffd}');
            return Some(match verb {
                'c' => c.to_string(),
                'q' => format!("{c:?}"),
                _ => format!("U+{n:04X}"),
            });
        }
        _ => return None,
    };
    let digits = match flags.precision {
        Some(min) => format!("{digits:0>min$}"),
        None => digits,
    };
    let prefix = match verb {
        'x' if flags.sharp => "0x",
        'X' if flags.sharp => "0X",
        'o' if flags.sharp => "0",
        'b' if flags.sharp => "0b",
        'O' => "0o",
        _ => "",
    };
    Some(format!("{}{prefix}{digits}", sign(n < 0, flags)))
}

fn sign(negative: bool, flags: &Flags) -> &'static str {
    match (negative, flags.plus, flags.space) {
        (true, ..) => "-",
        (_, true, _) => "+",
        (_, _, true) => " ",
        _ => "",
    }
}

fn float(verb: char, n: f64, flags: &Flags) -> Option<String> {
    let magnitude = n.abs();
    let digits = match (special(magnitude), verb) {
        (Some(_), 'f' | 'F' | 'e' | 'E' | 'g' | 'G' | 'v') if n.is_nan() => {
            return Some(if flags.plus { "+NaN" } else { "NaN" }.to_owned());
        }
        (Some(_), 'f' | 'F' | 'e' | 'E' | 'g' | 'G' | 'v') => {
            return Some(if n < 0.0 { "-Inf" } else { "+Inf" }.to_owned());
        }
        (_, 'f' | 'F') => format!("{magnitude:.*}", flags.precision.unwrap_or(6)),
        (_, 'e') => format_e(magnitude, flags.precision.unwrap_or(6)),
        (_, 'E') => format_e(magnitude, flags.precision.unwrap_or(6)).to_uppercase(),
        (_, 'g' | 'v') => flags.precision.map_or_else(|| format_v(magnitude), |p| format_g(magnitude, p)),
        (_, 'G') => {
            flags.precision.map_or_else(|| format_v(magnitude), |p| format_g(magnitude, p)).to_uppercase()
        }
        _ => return None,
    };
    Some(format!("{}{digits}", sign(n.is_sign_negative(), flags)))
}

fn pad(text: String, flags: &Flags, value: &Value, verb: char) -> String {
    let (len, Some(width)) = (text.chars().count(), flags.width) else { return text };
    if len >= width {
        return text;
    }
    let missing = width - len;
    if flags.minus {
        return text + &" ".repeat(missing);
    }
    let number =
        matches!(value, Value::Int(_) | Value::Uint(_) | Value::Float(_)) && verb != 'c' && verb != 'q';
    let finite =
        text.bytes().any(|b| b.is_ascii_hexdigit()) && !text.ends_with("Inf") && !text.ends_with("NaN");
    if flags.zero && (!number || finite) {
        let signed = number && text.starts_with(['+', '-', ' ']);
        let (sign, digits) = text.split_at(usize::from(signed));
        return format!("{sign}{}{digits}", "0".repeat(missing));
    }
    " ".repeat(missing) + &text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_go_prints() {
        let cases: [(&str, &[Value], &str); 16] = [
            ("%0.2f", &[Value::Float(-3720.01)], "-3720.01"),
            ("%.3g|%g", &[Value::Float(1234.5), Value::Float(1e7)], "1.23e+03|1e+07"),
            ("%5d|%-5d|%05d", &[Value::Int(42), Value::Int(42), Value::Int(-42)], "   42|42   |-0042"),
            (
                "%x %X %#x %o %b",
                &[Value::Int(255), Value::Int(255), Value::Int(255), Value::Int(8), Value::Int(5)],
                "ff FF 0xff 10 101",
            ),
            ("%q", &[Value::text("a\"b")], "\"a\\\"b\""),
            ("%s and %v", &[Value::text("a"), Value::Bool(true)], "a and true"),
            ("%d", &[Value::text("x")], "%!d(string=x)"),
            ("%d", &[], "%!d(MISSING)"),
            ("a", &[Value::Int(1)], "a%!(EXTRA int=1)"),
            ("%", &[], "%!(NOVERB)"),
            ("100%%", &[], "100%"),
            ("%[2]s %[1]s", &[Value::text("a"), Value::text("b")], "b a"),
            ("%*d", &[Value::Int(4), Value::Int(7)], "   7"),
            ("%.2s|%6.1f", &[Value::text("éèa"), Value::Float(2.25)], "éè|   2.2"),
            ("%+d % d", &[Value::Int(1), Value::Int(1)], "+1  1"),
            ("%t %T", &[Value::Bool(false), Value::Float(1.0)], "false float64"),
        ];
        for (format, args, wanted) in cases {
            assert_eq!(sprintf(format, args), wanted, "{format}");
        }
    }

    #[test]
    fn a_huge_width_is_bounded() {
        assert!(sprintf("%999999999d", &[Value::Int(1)]).len() <= WIDTH_MAX);
    }
}

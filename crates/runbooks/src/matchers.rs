//! The matchers of `match`: `alertname="RedisDown", job=~"cache.*"`.

use model::{MatchOp, Matcher};

/// Reads one or more matchers, separated by commas, braces around them allowed.
pub(crate) fn parse(text: &str) -> Result<Vec<Matcher>, String> {
    let trimmed = text.trim();
    let inner = trimmed.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(trimmed);
    let (mut rest, mut matchers) = (inner.trim(), Vec::new());
    while !rest.is_empty() {
        let (matcher, after) = one(rest)?;
        matchers.push(matcher);
        rest = match after.trim_start().strip_prefix(',') {
            Some(tail) => tail.trim_start(),
            None if after.trim().is_empty() => "",
            None => return Err(format!("expected a comma before {:?}", after.trim_start())),
        };
    }
    if matchers.is_empty() { Err("there is no matcher in it".to_owned()) } else { Ok(matchers) }
}

fn one(text: &str) -> Result<(Matcher, &str), String> {
    let (name, rest) = if text.starts_with('"') {
        quoted(text)?
    } else {
        let end = text.find(['=', '!', '~', ',']).unwrap_or(text.len());
        (text[..end].trim().to_owned(), &text[end..])
    };
    if name.is_empty() {
        return Err(format!("a label's name is missing before {rest:?}"));
    }
    let rest = rest.trim_start();
    let ops =
        [("=~", MatchOp::Regex), ("!~", MatchOp::NotRegex), ("!=", MatchOp::NotEqual), ("=", MatchOp::Equal)];
    let (op, rest) = ops
        .into_iter()
        .find_map(|(sign, op)| rest.strip_prefix(sign).map(|rest| (op, rest.trim_start())))
        .ok_or_else(|| format!("expected =, !=, =~ or !~ after {name:?}"))?;
    let (value, rest) = if rest.starts_with('"') {
        quoted(rest)?
    } else {
        let end = rest.find(',').unwrap_or(rest.len());
        (rest[..end].trim().to_owned(), &rest[end..])
    };
    Ok((Matcher::new(op, name, value).map_err(|err| err.to_string())?, rest))
}

/// A quoted text with `\"`, `\\` and `\n`, and what follows it.
pub(crate) fn quoted(text: &str) -> Result<(String, &str), String> {
    let (mut out, mut chars) = (String::new(), text.char_indices().skip(1));
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((out, &text[at + 1..])),
            '\\' => match chars.next() {
                Some((_, 'n')) => out.push('\n'),
                Some((_, c @ ('"' | '\\'))) => out.push(c),
                // Anything else belongs to a regular expression: \d stays \d.
                Some((_, c)) => out.extend(['\\', c]),
                None => break,
            },
            c => out.push(c),
        }
    }
    Err(format!("the quote of {text:?} is not closed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        for (text, wanted) in [
            ("alertname=\"RedisDown\"", "[alertname=\"RedisDown\"]"),
            ("{ a=b, c=~\"d,e\" , \"f g\"!~h }", "[a=\"b\", c=~\"d,e\", \"f g\"!~\"h\"]"),
            ("a != \"x\\\"y\"", "[a!=\"x\\\"y\"]"),
        ] {
            assert_eq!(format!("{:?}", parse(text).unwrap()), wanted);
        }
        for text in ["", "{}", "a", "=b", "a=\"b", "a=~\"(\"", "a=\"b\" c=\"d\""] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}

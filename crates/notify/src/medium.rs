//! Text from outside, made harmless for the medium that will show it, before any template sees it.
//!
//! Not a full escape: templates compare label values, and people write links into annotations. What is taken away
//! is what calls people, what poses as something else, and what steers a terminal. HTML is escaped where it is
//! filled in, by the template engine.
//!
//! Invariant: every label, annotation and address on a page passes here on its way into a message.

use model::Page;
use serde_json::{Map, Value};

/// Who will read the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Medium {
    /// Shown as it is, or as HTML.
    Plain,
    /// Slack's markup.
    Slack,
    /// Markdown of any kind.
    Markdown,
}

/// Where a text was written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    /// By whatever is watched.
    Outside,
    /// In a rule, mostly: it may hold links.
    Rule,
}

/// The page as templates see it, harmless for `medium`.
pub(crate) fn page_data(page: &Page, medium: Medium) -> Value {
    let mut data = template::page_data(page);
    if let Some(fields) = data.as_object_mut() {
        for (name, value) in fields.iter_mut() {
            field(name, value, medium);
        }
    }
    data
}

fn field(name: &str, value: &mut Value, medium: Medium) {
    match name {
        "Labels" | "GroupLabels" | "CommonLabels" | "RouteLabels" => pairs(value, medium, From::Outside),
        "Annotations" | "CommonAnnotations" => pairs(value, medium, From::Rule),
        "GeneratorURL" => *value = Value::from(link(value.as_str().unwrap_or(""))),
        "Alerts" => {
            for alert in value.as_array_mut().into_iter().flatten() {
                for (name, value) in alert.as_object_mut().into_iter().flatten() {
                    field(name, value, medium);
                }
            }
        }
        _ => {}
    }
}

fn pairs(value: &mut Value, medium: Medium, from: From) {
    let Some(fields) = value.as_object_mut() else { return };
    let harmless = std::mem::take(fields).into_iter().map(|(name, value)| {
        let value = match value {
            Value::String(text) => Value::String(calm(&text, medium, from)),
            other => other,
        };
        (calm(&name, medium, From::Outside), value)
    });
    *fields = harmless.collect::<Map<_, _>>();
}

impl Medium {
    /// Words that are not from the page but may quote it, such as a template's error.
    pub(crate) fn words(self, text: &str) -> String {
        calm(text, self, From::Outside)
    }
}

fn calm(text: &str, medium: Medium, from: From) -> String {
    let text: String = text.chars().filter(|c| !steers(*c)).collect();
    match medium {
        Medium::Plain => text,
        Medium::Slack => calm_slack(&text, from),
        Medium::Markdown => calm_markdown(&text),
    }
}

/// What steers a terminal or turns the direction of writing.
pub(crate) fn steers(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\t'))
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Splits a word without being seen.
const GAP: char = '\u{200b}';
/// Words that call everybody behind an `@`.
const EVERYBODY: [&str; 4] = ["channel", "here", "everyone", "all"];

/// Takes the forms in angle brackets that call people or lead to a program of theirs, and links whose words are
/// another address. Plain links to web pages, which annotations may hold, stay.
fn calm_slack(text: &str, from: From) -> String {
    let text = without_calls(text);
    let mut parts = text.split('<');
    let mut calmed = parts.next().unwrap_or("").to_owned();
    for part in parts {
        calmed.push_str(if from == From::Rule && is_honest_link(part) { "<" } else { "&lt;" });
        calmed.push_str(part);
    }
    calmed
}

/// What stands behind a `<`: an address of the web, whose words, if it has some, are no address.
fn is_honest_link(part: &str) -> bool {
    let Some((inside, _)) = part.split_once('>') else { return false };
    let (address, words) = inside.split_once('|').unwrap_or((inside, ""));
    !link(address).is_empty() && !words.contains("://") && !words.to_ascii_lowercase().contains("www.")
}

fn calm_markdown(text: &str) -> String {
    let text = without_calls(text);
    let mut calmed = String::with_capacity(text.len());
    let mut before = ' ';
    for c in text.chars() {
        let opens = match before {
            ']' => matches!(c, '(' | ':' | '['),
            '<' => c.is_ascii_alphabetic() || matches!(c, '@' | '!' | '#' | '/' | ':'),
            _ => false,
        };
        if opens {
            calmed.push(GAP);
        }
        calmed.push(c);
        before = c;
    }
    calmed
}

fn without_calls(text: &str) -> String {
    let mut calmed = String::with_capacity(text.len());
    let mut parts = text.split('@');
    calmed.push_str(parts.next().unwrap_or(""));
    for part in parts {
        calmed.push('@');
        let word: String = part.chars().take_while(|c| c.is_alphanumeric()).collect();
        if EVERYBODY.contains(&word.to_ascii_lowercase().as_str()) {
            calmed.push(GAP);
        }
        calmed.push_str(part);
    }
    calmed
}

/// The address if it is one of the web, else nothing: no `javascript:`, no `data:`.
pub(crate) fn link(text: &str) -> &str {
    let text = text.trim();
    let is_web = ["http://", "https://"].iter().any(|scheme| {
        text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
            && text.len() > scheme.len()
    });
    let is_clean =
        !text.contains(|c: char| c.is_control() || c.is_whitespace() || matches!(c, '<' | '>' | '"'));
    if is_web && is_clean { text } else { "" }
}

/// At most `max` characters; what was cut ends in `…`.
pub(crate) fn cut(text: &str, max: usize) -> String {
    let mut chars = text.char_indices();
    match chars.nth(max) {
        None => text.to_owned(),
        Some(_) => text.chars().take(max.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// At most `max` bytes; what was cut ends in `…`.
pub(crate) fn cut_bytes(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let mut end = max.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}

/// On one line, of at most `max` characters.
pub(crate) fn one_line(text: &str, max: usize) -> String {
    let words: Vec<&str> = text.split(|c: char| c.is_control() || c.is_whitespace()).collect();
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    cut(&words.join(" "), max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_away() {
        for (medium, from, text, harmless) in [
            (Medium::Plain, From::Outside, "a\u{1b}[31mb\u{202e}c\td\ne", "a[31mbc\td\ne"),
            (Medium::Slack, From::Rule, "<!channel> <@U1> a < b", "&lt;!channel> &lt;@U1> a &lt; b"),
            (
                Medium::Slack,
                From::Rule,
                "<https://x/y|runbook> <http://z>",
                "<https://x/y|runbook> <http://z>",
            ),
            (Medium::Slack, From::Rule, "<https://evil|https://bank>", "&lt;https://evil|https://bank>"),
            (
                Medium::Slack,
                From::Rule,
                "<javascript:x|y> <mailto:a|b>",
                "&lt;javascript:x|y> &lt;mailto:a|b>",
            ),
            (Medium::Slack, From::Outside, "<https://x|link>", "&lt;https://x|link>"),
            (Medium::Slack, From::Outside, "@here a@b.c", "@\u{200b}here a@b.c"),
            (
                Medium::Markdown,
                From::Rule,
                "[a](http://x) [b]: http://y",
                "[a]\u{200b}(http://x) [b]\u{200b}: http://y",
            ),
            (
                Medium::Markdown,
                From::Rule,
                "@everyone @All <@1> 1 < 2",
                "@\u{200b}everyone @\u{200b}All <\u{200b}@1> 1 < 2",
            ),
            (Medium::Markdown, From::Rule, "<http://x>", "<\u{200b}http://x>"),
        ] {
            assert_eq!(calm(text, medium, from), harmless, "{medium:?} {text:?}");
        }
    }

    #[test]
    fn links_and_lengths() {
        for (text, expected) in [
            ("https://h/p?q=1#f", "https://h/p?q=1#f"),
            (" HTTP://h ", "HTTP://h"),
            ("javascript:alert(1)", ""),
            ("data:text/html,x", ""),
            ("https://h/\"onclick", ""),
            ("https://", ""),
            ("//h/p", ""),
        ] {
            assert_eq!(link(text), expected, "{text:?}");
        }
        assert_eq!(cut("añb", 3), "añb");
        assert_eq!(cut("añbc", 3), "añ…");
        assert_eq!(cut_bytes("añbcde", 6), "añ…");
        assert_eq!(one_line("a\r\nBcc: b\t c", 9), "a Bcc: b…");
    }
}

//! Escapes values for where they stand in a HTML document.
//!
//! Follows the literal text as it is written and knows so whether a value lands in text, in an attribute, an
//! address, a script or a style. Stricter than Go's `html/template` where that decides by more context: into
//! scripts go JSON texts and numbers only, into styles and names plain words only.
//!
//! Invariant: only literal text moves the state; a value never does.

use crate::builtins::query_escape;
use crate::exec::OUTPUT_MAX;
use crate::value::{Safe, Value};

/// What a value that is not safe where it stands is replaced with.
const REFUSED: &str = "ZgotmplZ";

#[derive(Debug, Clone, Default, PartialEq)]
enum State {
    #[default]
    Text,
    /// After `<`, inside a tag's name.
    Name,
    /// Inside a tag, between attributes.
    Tag,
    Attribute,
    /// After an attribute's name or its `=`.
    BeforeValue,
    /// In a value, until the quote; `None`: until white space.
    Value(Option<char>),
    Comment,
    /// Inside an element whose content is no markup: until its end tag.
    Raw(String),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Holds {
    Plain,
    Address,
    Script,
    Style,
}

/// Follows one document.
#[derive(Debug, Clone, Default)]
pub(crate) struct Escaper {
    state: State,
    /// The tag's name; a `/` first for an end tag.
    tag: String,
    attribute: String,
    /// The literal part of the present attribute value.
    written: String,
    /// The last few literal characters, to find `-->` and `</script`.
    tail: String,
    /// Whether a value was written into the present attribute value.
    filled: bool,
}

impl Escaper {
    /// Takes note of literal text.
    pub(crate) fn literal(&mut self, text: &str) {
        for c in text.chars() {
            self.step(c);
        }
    }

    fn step(&mut self, c: char) {
        match &self.state {
            State::Text => {
                if c == '<' {
                    self.tag.clear();
                    self.state = State::Name;
                }
            }
            State::Name => self.name(c),
            State::Tag => match c {
                '>' => self.close_tag(),
                '/' => {}
                c if c.is_whitespace() => {}
                c => {
                    self.attribute.clear();
                    self.attribute.push(c.to_ascii_lowercase());
                    self.state = State::Attribute;
                }
            },
            State::Attribute => match c {
                '>' => self.close_tag(),
                '=' => self.state = State::BeforeValue,
                c if c.is_whitespace() => self.state = State::Tag,
                c => self.attribute.push(c.to_ascii_lowercase()),
            },
            State::BeforeValue => match c {
                '>' => self.close_tag(),
                '"' | '\'' => self.open_value(Some(c)),
                c if c.is_whitespace() => {}
                c => {
                    self.open_value(None);
                    self.written.push(c);
                }
            },
            State::Value(quote) => match (quote, c) {
                (Some(quote), c) if c == *quote => self.state = State::Tag,
                (None, '>') => self.close_tag(),
                (None, c) if c.is_whitespace() => self.state = State::Tag,
                _ => self.written.push(c),
            },
            State::Comment => {
                self.remember(c, 3);
                if self.tail == "-->" {
                    self.state = State::Text;
                }
            }
            State::Raw(element) => {
                let end = format!("</{element}");
                self.remember(c.to_ascii_lowercase(), end.len());
                if self.tail == end {
                    self.tag = end[1..].to_owned();
                    self.state = State::Tag;
                }
            }
        }
    }

    fn name(&mut self, c: char) {
        match c {
            '>' => self.close_tag(),
            c if c.is_whitespace() => self.state = if self.tag.is_empty() { State::Text } else { State::Tag },
            '/' if !self.tag.is_empty() => self.state = State::Tag,
            c => {
                self.tag.push(c.to_ascii_lowercase());
                if self.tag == "!--" {
                    self.tail.clear();
                    self.state = State::Comment;
                }
            }
        }
    }

    fn close_tag(&mut self) {
        let raw = matches!(self.tag.as_str(), "script" | "style" | "textarea" | "title");
        self.tail.clear();
        self.state = if raw { State::Raw(self.tag.clone()) } else { State::Text };
    }

    fn open_value(&mut self, quote: Option<char>) {
        self.written.clear();
        self.filled = false;
        self.state = State::Value(quote);
    }

    fn remember(&mut self, c: char, len: usize) {
        self.tail.push(c);
        while self.tail.len() > len {
            self.tail.remove(0);
        }
    }

    fn holds(&self) -> Holds {
        match self.attribute.as_str() {
            "href" | "src" | "action" | "formaction" | "cite" | "poster" | "data" | "background"
            | "longdesc" | "srcset" | "manifest" | "codebase" | "usemap" | "xlink:href" => Holds::Address,
            "style" => Holds::Style,
            name if name.starts_with("on") => Holds::Script,
            _ => Holds::Plain,
        }
    }

    /// The value as it may stand here.
    pub(crate) fn value(&mut self, value: &Value) -> String {
        let mut text = String::new();
        if !matches!(value, Value::Nil) {
            value.print(&mut text, OUTPUT_MAX);
        }
        match &self.state {
            State::Text => match value {
                Value::Safe(Safe::Html, _) => text,
                _ => escape(&text),
            },
            State::Raw(element) => match element.as_str() {
                "script" => json(value, &text),
                "style" => plain_word(&text),
                _ => escape(&text),
            },
            State::Comment => String::new(),
            State::Name | State::Tag | State::Attribute => plain_word(&text),
            State::BeforeValue => {
                self.open_value(None);
                self.attribute_value(value, &text, None)
            }
            State::Value(quote) => {
                let quote = *quote;
                self.attribute_value(value, &text, quote)
            }
        }
    }

    fn attribute_value(&mut self, value: &Value, text: &str, quote: Option<char>) -> String {
        let shown = match self.holds() {
            Holds::Plain => text.to_owned(),
            Holds::Script => json(value, text),
            Holds::Style => plain_word(text),
            Holds::Address => {
                let safe = matches!(value, Value::Safe(Safe::Url, _));
                let first = self.written.is_empty() && !self.filled;
                let in_query = self.written.contains(['?', '#']);
                match (safe, first, in_query) {
                    (true, ..) => normalise(text),
                    (_, true, _) if !has_known_scheme(text) => format!("#{REFUSED}"),
                    (_, _, true) => query_escape(text).replace('+', "%20"),
                    _ => normalise(text),
                }
            }
        };
        self.filled = true;
        match quote {
            Some(_) => escape(&shown),
            None => escape_unquoted(&shown),
        }
    }
}

fn escape(text: &str) -> String {
    crate::builtins::html_escape(text).replace('+', "&#43;")
}

fn escape_unquoted(text: &str) -> String {
    let mut out = String::new();
    for c in escape(text).chars() {
        match c {
            ' ' | '\t' | '\n' | '\r' | '=' | '`' => out.push_str(&format!("&#{};", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

fn plain_word(text: &str) -> String {
    let plain = !text.is_empty()
        && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '%' | ' '));
    if plain { text.to_owned() } else { REFUSED.to_owned() }
}

fn json(value: &Value, text: &str) -> String {
    match value {
        Value::Bool(_) | Value::Int(_) | Value::Uint(_) => text.to_owned(),
        Value::Float(n) if n.is_finite() => text.to_owned(),
        Value::Nil => "null".to_owned(),
        _ => {
            let quoted = serde_json::Value::from(text).to_string();
            quoted
                .replace('<', "\\u003c")
                .replace('>', "\\u003e")
                .replace('&', "\\u0026")
                .replace('\'', "\\u0027")
                .replace('\u{2028}', "\\u2028")
                .replace('\u{2029}', "\\u2029")
        }
    }
}

/// Relative addresses, http, https and mailto.
fn has_known_scheme(text: &str) -> bool {
    match text.split_once(':') {
        Some((scheme, _)) if !scheme.contains('/') => {
            ["http", "https", "mailto"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
        }
        _ => true,
    }
}

/// Percent-encodes what an address cannot hold and leaves what is encoded already.
fn normalise(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        let encoded = || bytes.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit));
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => out.push(char::from(*byte)),
            b'%' if encoded() => out.push('%'),
            b if b"-._~!#$&*+,/:;=?@[]".contains(b) => out.push(char::from(*byte)),
            byte => out.push_str(&format!("%{byte:02x}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_escaped_for_its_place() {
        let nasty = Value::text("<b> \"x\" 'y' &+javascript:alert(1)");
        for (literal, value, wanted) in [
            ("<p>", Value::text("<b>&'"), "&lt;b&gt;&amp;&#39;"),
            ("<p>", Value::Safe(Safe::Html, "<b>".into()), "<b>"),
            ("<p title=\"", Value::text("a\"b"), "a&#34;b"),
            ("<p title=", Value::text("a b=c"), "a&#32;b&#61;c"),
            ("<a href=\"", Value::text("javascript:alert(1)"), "#ZgotmplZ"),
            ("<a href=\"", Value::text("https://e.org/a b?c=d"), "https://e.org/a%20b?c=d"),
            ("<a href=\"/s?q=", Value::text("a&b c"), "a%26b%20c"),
            ("<a href=\"/s?", Value::Safe(Safe::Url, "q=a%20b".into()), "q=a%20b"),
            ("<script>var x = ", Value::text("</script>'"), "\"\\u003c/script\\u003e\\u0027\""),
            ("<script>var x = ", Value::Int(7), "7"),
            ("<a onclick='f(", Value::text("x"), "&#34;x&#34;"),
            ("<p style=\"color:", Value::text("expression(1)"), "ZgotmplZ"),
            ("<p style=\"color:", Value::text("red"), "red"),
            ("<", nasty.clone(), "ZgotmplZ"),
            ("<!-- ", nasty, ""),
            ("<script>a</script><p>", Value::text("<"), "&lt;"),
            ("<title>", Value::text("</title>"), "&lt;/title&gt;"),
            ("1 < 2 ", Value::text("<"), "&lt;"),
        ] {
            let mut escaper = Escaper::default();
            escaper.literal(literal);
            assert_eq!(escaper.value(&value), wanted, "after {literal}");
        }
    }
}

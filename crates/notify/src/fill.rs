//! Fills in the templates of one page for one integration.
//!
//! A template of the operator's that fails does not keep the page: the built-in one stands in, or, if that one was
//! replaced by a failing one, the plain form; and the page says what is wrong.

use crate::medium::{Medium, link, one_line, page_data};
use crate::sending::Sending;
use crate::{Error, plain};
use model::Page;
use serde_json::{Map, Value};
use std::cell::{OnceCell, RefCell};

/// One page on its way into one integration's form.
pub(crate) struct Fill<'a> {
    sending: &'a Sending<'a>,
    page: &'a Page,
    medium: Medium,
    /// Whether templates see the page's texts as they are, not made harmless for the medium.
    raw: bool,
    data: OnceCell<Value>,
    /// What failed and was stood in for.
    wrong: RefCell<Vec<String>>,
}

impl<'a> Fill<'a> {
    pub fn new(page: &'a Page, medium: Medium, sending: &'a Sending<'a>) -> Fill<'a> {
        Fill { sending, page, medium, raw: false, data: OnceCell::new(), wrong: RefCell::default() }
    }

    /// For a program: nothing is taken from the page's texts.
    pub fn raw(page: &'a Page, sending: &'a Sending<'a>) -> Fill<'a> {
        Fill { raw: true, ..Fill::new(page, Medium::Plain, sending) }
    }

    /// The data that templates see.
    pub fn data(&self) -> &Value {
        self.data.get_or_init(|| match self.raw {
            true => template::page_data(self.page),
            false => page_data(self.page, self.medium),
        })
    }

    /// A text that people read: the operator's own, else the built-in one. Where there is no built-in one, the
    /// error itself stands in its place.
    pub fn text(&self, field: &'static str, own: Option<&str>, built_in: &str) -> String {
        let Some(own) = own else { return self.built_in(field, built_in) };
        match self.try_text(field, own) {
            Ok(text) => text,
            Err(error) if built_in.is_empty() => self.medium.words(&error.to_string()),
            Err(error) => {
                self.note(&error);
                self.built_in(field, built_in)
            }
        }
    }

    /// A text on one line, of at most `max` characters.
    pub fn line(&self, field: &'static str, own: Option<&str>, built_in: &str, max: usize) -> String {
        one_line(&self.text(field, own, built_in), max)
    }

    /// A setting that people do not read, such as a colour or a channel. One that fails is left out.
    pub fn setting(&self, field: &'static str, own: Option<&str>, built_in: &str) -> String {
        let tried = own.map(|own| self.try_text(field, own));
        let text = match tried {
            Some(Ok(text)) => text,
            Some(Err(error)) => {
                self.note(&error);
                self.try_text(field, built_in).unwrap_or_default()
            }
            None => self.try_text(field, built_in).unwrap_or_else(|error| {
                self.note(&error);
                String::new()
            }),
        };
        text.trim().to_owned()
    }

    /// An address of the web; any other is left out.
    pub fn link(&self, field: &'static str, own: Option<&str>, built_in: &str) -> String {
        link(&self.setting(field, own, built_in)).to_owned()
    }

    /// A setting without which nothing can be sent.
    pub fn must(&self, field: &'static str, own: &str) -> Result<String, Error> {
        self.try_text(field, own).map(|text| text.trim().to_owned())
    }

    /// A document or a piece of one, values escaped for where they stand.
    pub fn html(&self, field: &'static str, own: Option<&str>, built_in: &str) -> String {
        let filled = |template: &str| {
            let html = self.sending.templates.html(template, self.data(), self.sending.now);
            html.map_err(|why| Error::Template { field, why: why.to_string() })
        };
        own.map_or_else(|| filled(built_in), &filled)
            .or_else(|error| {
                self.note(&error);
                if own.is_some() { filled(built_in) } else { Err(error) }
            })
            .unwrap_or_else(|_| format!("<pre>{}</pre>", escape_html(&plain::text(self.page))))
    }

    /// Every text in a value of the operator's own.
    pub fn deep(&self, field: &'static str, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(field, Some(text), "")),
            Value::Array(items) => items.iter().map(|item| self.deep(field, item)).collect(),
            Value::Object(fields) => {
                let fields = fields.iter().map(|(name, value)| (name.clone(), self.deep(field, value)));
                Value::Object(fields.collect::<Map<_, _>>())
            }
            other => other.clone(),
        }
    }

    /// What failed so far, a line each; goes into the message.
    pub fn wrong(&self) -> String {
        self.wrong.borrow().join("\n")
    }

    /// `text`, and below it what failed.
    pub fn with_wrong(&self, text: String) -> String {
        let wrong = self.wrong();
        match (wrong.is_empty(), text.is_empty()) {
            (true, _) => text,
            (false, true) => wrong,
            (false, false) => format!("{}\n\n{wrong}", text.trim_end()),
        }
    }

    fn built_in(&self, field: &'static str, built_in: &str) -> String {
        self.try_text(field, built_in).unwrap_or_else(|error| {
            self.note(&error);
            let plain = if is_title(field) { plain::title(self.page) } else { plain::text(self.page) };
            self.medium.words(&plain)
        })
    }

    fn try_text(&self, field: &'static str, template: &str) -> Result<String, Error> {
        if !template.contains("{{") {
            return Ok(template.to_owned());
        }
        let text = self.sending.templates.text(template, self.data(), self.sending.now);
        text.map_err(|why| Error::Template { field, why: why.to_string() })
    }

    fn note(&self, error: &Error) {
        let words = self.medium.words(&error.to_string());
        let mut wrong = self.wrong.borrow_mut();
        if !wrong.contains(&words) {
            wrong.push(words);
        }
    }
}

/// Whether a field is a heading rather than a body.
fn is_title(field: &str) -> bool {
    !matches!(field, "text" | "message" | "description" | "state_message" | "html" | "payload")
}

/// Text as it may stand in HTML.
pub(crate) fn escape_html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The fields of an object that hold something.
pub(crate) fn drop_empty(value: &mut Value) {
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    };
    if let Some(fields) = value.as_object_mut() {
        let kept: Map<String, Value> =
            std::mem::take(fields).into_iter().filter(|(_, value)| !is_empty(value)).collect();
        *fields = kept;
    }
}

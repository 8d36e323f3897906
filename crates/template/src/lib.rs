//! Go text/template as Prometheus and Alertmanager use it: rule labels and annotations, notification texts.
//!
//! An engine of our own: these templates look at Go's types (a label map answers `""` for a missing label, a
//! list of alerts has `.Firing`, a time has `.Format`), and functions borrow a query that lives for one call.
//! Not here: what an alert is, how a page is sent, any I/O. Every expansion is bounded in steps, output and
//! depth; nothing in a template can panic or run on.

mod builtins;
mod data;
mod exec;
mod html;
mod lex;
mod methods;
mod number;
mod page_functions;
mod parse;
mod printf;
mod rule_functions;
mod shared;
mod time;
mod value;

pub use data::page_data;

use exec::{Dialect, Env, Exec};
use html::Escaper;
use model::{Labels, Timestamp};
use parse::List;
use std::collections::BTreeMap;
use value::{MapKind, Value};

/// Why a template was refused or could not be expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is no template.
    #[error("cannot parse template {name:?}: line {line}: {what}")]
    Parse {
        /// The template's name; empty for a text given directly.
        name: String,
        /// The line, from 1.
        line: u32,
        /// What is wrong.
        what: String,
    },
    /// It failed while it ran.
    #[error("cannot execute template: line {line}: {what}")]
    Execute {
        /// The line, from 1; 0 if unknown.
        line: u32,
        /// What went wrong.
        what: String,
    },
}

impl Error {
    pub(crate) fn parse(name: &str, line: u32, what: impl Into<String>) -> Error {
        Error::Parse { name: name.to_owned(), line, what: what.into() }
    }

    pub(crate) fn exec(line: u32, what: impl Into<String>) -> Error {
        Error::Execute { line, what: what.into() }
    }

    /// The same with its line, unless it has one.
    pub(crate) fn at(self, line: u32) -> Error {
        match self {
            Error::Execute { line: 0, what } => Error::Execute { line, what },
            other => other,
        }
    }

    pub(crate) fn within(self, doing: &str) -> Error {
        match self {
            Error::Execute { line, what } if !what.starts_with("error calling") => {
                Error::Execute { line, what: format!("{doing}: {what}") }
            }
            other => other,
        }
    }
}

/// What a rule's template may look at.
#[derive(Debug, Clone, Copy)]
pub struct RuleData<'a> {
    /// The labels of the element of the result: `$labels`.
    pub labels: &'a Labels,
    /// Its value: `$value`.
    pub value: f64,
    /// `$externalLabels`.
    pub external_labels: &'a Labels,
    /// `$externalURL`.
    pub external_url: &'a str,
}

/// Evaluates an expression for the function `query`.
pub type QueryFn<'a> = dyn FnMut(&str) -> Result<Vec<(Labels, f64)>, String> + 'a;

/// The variables of a rule's template, and the fields they stand for.
const RULE_VARIABLES: [(&str, &str); 4] = [
    ("labels", "Labels"),
    ("externalLabels", "ExternalLabels"),
    ("externalURL", "ExternalURL"),
    ("value", "Value"),
];

/// Whether `text` is a template that a rule can use: it parses, and its functions and variables exist.
pub fn check_rule(text: &str) -> Result<(), Error> {
    parse_rule(text, &mut BTreeMap::new()).map(|_| ())
}

fn parse_rule(text: &str, defined: &mut BTreeMap<String, List>) -> Result<List, Error> {
    let knows = |function: &str| Dialect::Rule.knows(function);
    parse::parse("", text, &RULE_VARIABLES.map(|(name, _)| name), &knows, defined)
}

/// Expands a label or annotation of a rule.
pub fn expand_rule(
    text: &str,
    data: &RuleData<'_>,
    now: Timestamp,
    query: &mut QueryFn<'_>,
) -> Result<String, Error> {
    if !text.contains("{{") {
        return Ok(text.to_owned());
    }
    let mut defined = BTreeMap::new();
    let list = parse_rule(text, &mut defined)?;
    let fields = [
        ("Labels", Value::labels(MapKind::Strings, data.labels.iter())),
        ("ExternalLabels", Value::labels(MapKind::Strings, data.external_labels.iter())),
        ("ExternalURL", Value::text(data.external_url)),
        ("Value", Value::Float(data.value)),
    ];
    let variable = |(name, field): (&str, &str)| {
        let (_, value) = fields.iter().find(|(known, _)| *known == field)?;
        Some((name.to_owned(), value.clone()))
    };
    let variables = RULE_VARIABLES.into_iter().filter_map(variable).collect();
    let dot = Value::map(MapKind::Struct("template data"), fields.clone());
    let url = data.external_url;
    let mut env = Env { dialect: Dialect::Rule, now, external_url: url, query: Some(query), strict: false };
    let mut exec = Exec::new(&defined, &mut env, dot.clone(), None);
    exec.run(&list, &dot, variables)?;
    Ok(exec.out)
}

/// Our own default notification templates, under upstream's names.
const DEFAULT: &str = include_str!("default.tmpl");

/// The notification templates: the built-in ones and the operator's.
pub struct Set {
    templates: BTreeMap<String, List>,
}

impl Set {
    /// The built-in templates, and after them `files` of (name, text), which may replace them by name.
    pub fn new(files: &[(String, String)]) -> Result<Set, Error> {
        let mut templates = BTreeMap::new();
        let built_in = ("default.tmpl".to_owned(), DEFAULT.to_owned());
        for (name, text) in std::iter::once(&built_in).chain(files) {
            let list = parse_page(name, text, &mut templates)?;
            templates.insert(name.clone(), list);
        }
        Ok(Set { templates })
    }

    /// Expands `template` as plain text over data as [`page_data`] makes it.
    pub fn text(&self, template: &str, data: &serde_json::Value, now: Timestamp) -> Result<String, Error> {
        self.expand(template, data, now, None)
    }

    /// Expands `template` as HTML: values are escaped for where they stand.
    pub fn html(&self, template: &str, data: &serde_json::Value, now: Timestamp) -> Result<String, Error> {
        self.expand(template, data, now, Some(Escaper::default()))
    }

    /// Whether `template` parses with these templates beside it.
    pub fn check(&self, template: &str) -> Result<(), Error> {
        parse_page("", template, &mut BTreeMap::new()).map(|_| ())
    }

    fn expand(
        &self,
        template: &str,
        data: &serde_json::Value,
        now: Timestamp,
        html: Option<Escaper>,
    ) -> Result<String, Error> {
        if !template.contains("{{") {
            return Ok(template.to_owned());
        }
        let mut templates = self.templates.clone();
        let list = parse_page("", template, &mut templates)?;
        let root = data::from_page_json(data);
        let mut env = Env { dialect: Dialect::Page, now, external_url: "", query: None, strict: false };
        let mut exec = Exec::new(&templates, &mut env, root.clone(), html);
        exec.run(&list, &root, Vec::new())?;
        Ok(exec.out)
    }
}

fn parse_page(name: &str, text: &str, defined: &mut BTreeMap<String, List>) -> Result<List, Error> {
    let knows = |function: &str| Dialect::Page.knows(function);
    parse::parse(name, text, &[], &knows, defined)
}

/// The address of an expression's graph under our external address.
pub fn graph_link(external_url: &str, expr: &str) -> String {
    format!("{external_url}/graph?g0.expr={}&g0.tab=0", builtins::query_escape(expr))
}

/// The address of an expression's table: an alert's generator URL.
pub fn table_link(external_url: &str, expr: &str) -> String {
    format!("{external_url}/graph?g0.expr={}&g0.tab=1", builtins::query_escape(expr))
}

#[cfg(test)]
mod tests;

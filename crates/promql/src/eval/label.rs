//! Functions that change labels or sort by them.

use super::{
    Engine, Grid,
    column::{Column, merge},
};
use crate::{ast::Expr, error::EvalError, text::quote};
use model::METRIC_NAME;
use std::cmp::Ordering;

/// A pattern of `label_replace` may take this much memory.
const REGEX_SIZE_MAX: usize = 1 << 20;

impl Engine<'_> {
    pub(super) fn label_replace(&mut self, args: &[Expr], grid: Grid) -> Result<Vec<Column>, EvalError> {
        let target = self.label_name(&args[1], grid, "destination label name in label_replace")?;
        let template = lossy(self.text(&args[2], grid)?);
        let source = lossy(self.text(&args[3], grid)?);
        let pattern = lossy(self.text(&args[4], grid)?);
        let regex = regex::RegexBuilder::new(&format!("^(?s:{pattern})$"))
            .size_limit(REGEX_SIZE_MAX)
            .build()
            .map_err(|_| {
                EvalError::at(
                    args[4].place,
                    format!("invalid regular expression in label_replace(): {pattern}"),
                )
            })?;
        let mut columns = self.vector(&args[0], grid)?;
        for column in &mut columns {
            let value = column.labels.get(&source).unwrap_or("");
            if let Some(captures) = regex.captures(value) {
                let replaced = expand(&template, &captures);
                relabel(column, &target, &replaced);
            }
        }
        merge(columns)
    }

    pub(super) fn label_join(&mut self, args: &[Expr], grid: Grid) -> Result<Vec<Column>, EvalError> {
        let target = self.label_name(&args[1], grid, "destination label name in label_join")?;
        let separator = lossy(self.text(&args[2], grid)?);
        let mut sources = Vec::new();
        for arg in &args[3..] {
            sources.push(self.label_name(arg, grid, "source label name in label_join")?);
        }
        let mut columns = self.vector(&args[0], grid)?;
        for column in &mut columns {
            let values: Vec<&str> =
                sources.iter().map(|source| column.labels.get(source).unwrap_or("")).collect();
            let joined = values.join(&separator);
            relabel(column, &target, &joined);
        }
        merge(columns)
    }

    /// `sort_by_label`: in the order of the named labels' values, then of all labels.
    pub(super) fn sort_by_label(
        &mut self,
        args: &[Expr],
        grid: Grid,
        direction: fn(Ordering) -> Ordering,
    ) -> Result<Vec<Column>, EvalError> {
        let mut names = Vec::new();
        for arg in &args[1..] {
            names.push(self.label_name(arg, grid, "label name in sort_by_label")?);
        }
        let mut columns = self.vector(&args[0], grid)?;
        columns.sort_by(|a, b| {
            let by_name =
                |name: &String| natural(a.labels.get(name).unwrap_or(""), b.labels.get(name).unwrap_or(""));
            let order = names.iter().map(by_name).find(|order| order.is_ne());
            direction(order.unwrap_or_else(|| a.labels.cmp(&b.labels)))
        });
        Ok(columns)
    }

    pub(super) fn label_name(&mut self, arg: &Expr, grid: Grid, what: &str) -> Result<String, EvalError> {
        match String::from_utf8(self.text(arg, grid)?) {
            Ok(name) if !name.is_empty() => Ok(name),
            Ok(_) => Err(EvalError::at(arg.place, format!("invalid {what}(): "))),
            Err(error) => {
                Err(EvalError::at(arg.place, format!("invalid {what}(): {}", quote(error.as_bytes()))))
            }
        }
    }
}

fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A name that is set anew is meant to stay.
fn relabel(column: &mut Column, target: &str, value: &str) {
    column.labels = column.labels.with(target, value);
    if target == METRIC_NAME {
        column.unnamed = false;
    }
}

/// Go's template rules: `$1`, `$name` (the longest word), `${name}`, `$$`; an unknown name is empty, a lone
/// `$` stands for itself.
fn expand(template: &str, captures: &regex::Captures<'_>) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let braced = rest.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let (name, after) = braced.unwrap_or_else(|| {
            let word = |c: char| c.is_alphanumeric() || c == '_';
            rest.split_at(rest.find(|c| !word(c)).unwrap_or(rest.len()))
        });
        if name.is_empty() {
            out.push('$');
            continue;
        }
        let group = match name.parse::<usize>() {
            Ok(number) => captures.get(number),
            Err(_) => captures.name(name),
        };
        out.push_str(group.map_or("", |group| group.as_str()));
        rest = after;
    }
    out + rest
}

/// As people count: runs of digits compare as numbers.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let (x, a_rest) = chunk(a);
        let (y, b_rest) = chunk(b);
        let order = match (x, y) {
            ("", _) | (_, "") => return x.cmp(y),
            _ if is_number(x) && is_number(y) => {
                let (p, q) = (x.trim_start_matches('0'), y.trim_start_matches('0'));
                p.len().cmp(&q.len()).then(p.cmp(q)).then(x.len().cmp(&y.len()))
            }
            _ => x.cmp(y),
        };
        if order.is_ne() {
            return order;
        }
        (a, b) = (a_rest, b_rest);
    }
}

fn is_number(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

/// The leading run of digits, or of anything else.
fn chunk(text: &str) -> (&str, &str) {
    let digits = is_number(text);
    text.split_at(text.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates() {
        let regex = regex::Regex::new("^(?P<first>a+)-(b+)$").unwrap();
        let captures = regex.captures("aa-b").unwrap();
        for (template, want) in [
            ("$1-$2", "aa-b"),
            ("${first}x", "aax"),
            ("$1x", ""),
            ("$$1", "$1"),
            ("$3", ""),
            ("a$", "a$"),
            ("$-", "$-"),
        ] {
            assert_eq!(expand(template, &captures), want, "{template}");
        }
    }

    #[test]
    fn natural_order() {
        let mut names = ["a10", "a9", "b", "a", "a010", "10", "9"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["9", "10", "a", "a9", "a10", "a010", "b"]);
    }
}

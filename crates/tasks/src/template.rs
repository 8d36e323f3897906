//! `${JMESPath}` in a pipeline's arguments and conditions.
//!
//! A placeholder that is the whole text keeps its value's type; inside a longer text a string stands as it is
//! and anything else as JSON. Beyond plain JMESPath: bare numbers (and `true`, `false`, `null` after a
//! comparison) need no back-quotes, and `now+24h`, `now-15m` do what they say. What a template can make is
//! bounded by the caller's `bytes_max`, and what it may cost by [`weigh`].

mod weigh;

use crate::size::json_size;
use jmespath::{Rcvar, Variable};
use model::{Timestamp, parse_duration};
use serde_json::{Map, Value};
use std::sync::Arc;

/// A template that is wrong, or that cannot be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A `${` without its `}`.
    #[error("\"${{\" is not closed in {0:?}")]
    Open(String),
    /// `${}`.
    #[error("an empty \"${{}}\" names nothing")]
    Empty,
    /// Not JMESPath.
    #[error("{expr:?} is not JMESPath: {why}")]
    Syntax {
        /// The expression.
        expr: String,
        /// The parser's words.
        why: String,
    },
    /// It does not apply to the data.
    #[error("cannot evaluate {expr:?}: {why}")]
    Evaluate {
        /// The expression.
        expr: String,
        /// The evaluator's words.
        why: String,
    },
    /// It makes too much.
    #[error("the filled-in arguments are larger than {0} bytes")]
    TooLarge(usize),
    /// It makes something nested beyond what is kept.
    #[error("the filled-in arguments have more than {0} levels")]
    TooDeep(usize),
    /// Its text could make far more than it is worth.
    #[error("{expr:?} is more than is evaluated: {why}")]
    TooComplex {
        /// How it begins.
        expr: String,
        /// The bound it breaks.
        why: String,
    },
    /// There are too many of them.
    #[error("there are more than {0} placeholders")]
    TooMany(usize),
    /// All of them together would take too long.
    #[error("the placeholders together are more than is evaluated; use fewer or smaller results")]
    TooLong,
    /// Not a list, or a longer one than is taken.
    #[error("{expr:?} must give a list of at most {max} items, and gives {got}")]
    NoList {
        /// The expression.
        expr: String,
        /// The bound.
        max: usize,
        /// What it gives.
        got: String,
    },
}

/// The most placeholders filled in at once.
const PLACEHOLDERS_MAX: usize = 1_000;
/// What all expressions evaluated at once may cost, in bytes of data looked at.
const FUEL: u64 = 16 << 20;

/// What is left while a template is filled in.
struct Budget {
    bytes: usize,
    placeholders: usize,
    fuel: u64,
}

impl Budget {
    fn new(bytes: usize) -> Budget {
        Budget { bytes, placeholders: PLACEHOLDERS_MAX, fuel: FUEL }
    }
}

/// What expressions are evaluated over.
#[derive(Debug, Clone)]
pub struct Context {
    data: Rcvar,
    size: u64,
    now: Timestamp,
}

impl Context {
    /// Over `data`; `now` is what `now+24h` counts from.
    pub fn new(data: &Value, now: Timestamp) -> Context {
        let size = json_size(data) as u64;
        let data = Variable::from_serializable(data).unwrap_or(Variable::Null);
        Context { data: Arc::new(data), size, now }
    }

    /// Fills in every text of `value`.
    pub fn render(&self, value: &Value, bytes_max: usize) -> Result<Value, TemplateError> {
        let mut budget = Budget::new(bytes_max);
        self.fill(value, &mut budget, weigh::DEPTH_MAX).map_err(|why| match why {
            TemplateError::TooLarge(_) => TemplateError::TooLarge(bytes_max),
            other => other,
        })
    }

    /// Whether a condition holds: JMESPath's own idea of truth, so null, false and anything empty are not.
    pub fn holds(&self, condition: &str) -> Result<bool, TemplateError> {
        Ok(match self.evaluate(bare(condition), &mut Budget::new(usize::MAX))? {
            Value::Null | Value::Bool(false) => false,
            Value::String(text) => !text.is_empty(),
            Value::Array(items) => !items.is_empty(),
            Value::Object(map) => !map.is_empty(),
            Value::Bool(true) | Value::Number(_) => true,
        })
    }

    /// The list that `expr` gives, of at most so many items and bytes.
    pub fn list(&self, expr: &str, items_max: usize, bytes_max: usize) -> Result<Vec<Value>, TemplateError> {
        let expr = bare(expr);
        let fail = |got: String| TemplateError::NoList { expr: expr.to_owned(), max: items_max, got };
        match self.evaluate(expr, &mut Budget::new(bytes_max))? {
            Value::Array(items) if items.len() <= items_max => Ok(items),
            Value::Array(items) => Err(fail(format!("{} of them", items.len()))),
            Value::Null => Err(fail("null".to_owned())),
            Value::Object(_) => Err(fail("an object".to_owned())),
            other => Err(fail(other.to_string().chars().take(100).collect())),
        }
    }

    fn fill(&self, value: &Value, budget: &mut Budget, levels: usize) -> Result<Value, TemplateError> {
        let below = || levels.checked_sub(1).ok_or(TemplateError::TooDeep(weigh::DEPTH_MAX));
        Ok(match value {
            Value::String(text) => {
                let filled = self.fill_text(text, budget)?;
                budget.bytes =
                    budget.bytes.checked_sub(json_size(&filled)).ok_or(TemplateError::TooLarge(0))?;
                filled
            }
            Value::Array(items) => {
                let levels = below()?;
                Value::Array(
                    items.iter().map(|item| self.fill(item, budget, levels)).collect::<Result<_, _>>()?,
                )
            }
            Value::Object(map) => {
                let levels = below()?;
                Value::Object(
                    map.iter()
                        .map(|(key, item)| Ok((key.clone(), self.fill(item, budget, levels)?)))
                        .collect::<Result<Map<_, _>, TemplateError>>()?,
                )
            }
            other => other.clone(),
        })
    }

    fn fill_text(&self, text: &str, budget: &mut Budget) -> Result<Value, TemplateError> {
        let parts = split(text)?;
        match parts.as_slice() {
            [Part::Expr(expr)] => return self.evaluate(expr, budget),
            [] | [Part::Text(_)] => return Ok(Value::String(text.to_owned())),
            _ => {}
        }
        let mut filled = String::with_capacity(text.len());
        for part in parts {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Expr(expr) => match self.evaluate(expr, budget)? {
                    Value::String(text) => filled.push_str(&text),
                    other => filled.push_str(&other.to_string()),
                },
            }
            if filled.len() > budget.bytes {
                return Err(TemplateError::TooLarge(0));
            }
        }
        Ok(Value::String(filled))
    }

    fn evaluate(&self, expr: &str, budget: &mut Budget) -> Result<Value, TemplateError> {
        budget.placeholders =
            budget.placeholders.checked_sub(1).ok_or(TemplateError::TooMany(PLACEHOLDERS_MAX))?;
        if let Some(at) = shifted_now(expr, self.now) {
            return Ok(Value::String(at.rfc3339()));
        }
        let fail = |why: String| TemplateError::Evaluate { expr: expr.to_owned(), why };
        let compiled = compile(expr)?;
        let ast = compiled.as_ast();
        if !weigh::is_plain(ast) {
            let cost = self.size.saturating_mul(weigh::growth(expr, ast)?);
            budget.fuel = budget.fuel.checked_sub(cost).ok_or(TemplateError::TooLong)?;
        }
        let found = compiled.search(self.data.clone()).map_err(|why| fail(one_line(&why.to_string())))?;
        weigh::size_within(&found, budget.bytes)?;
        let found = serde_json::to_value(&*found).map_err(|why| fail(why.to_string()))?;
        Ok(if weigh::is_plain(ast) { found } else { whole(found) })
    }
}

/// JMESPath's functions count in fractions; what they make of whole numbers is whole again where it is.
fn whole(value: Value) -> Value {
    /// Every whole number up to here is a fraction, too, and no other number is the same one.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Number(number) if number.is_f64() => match number.as_f64() {
            Some(n) if n.fract() == 0.0 && n.abs() <= EXACT => Value::from(n as i64),
            _ => Value::Number(number),
        },
        Value::Array(items) => Value::Array(items.into_iter().map(whole).collect()),
        Value::Object(map) => Value::Object(map.into_iter().map(|(key, item)| (key, whole(item))).collect()),
        other => other,
    }
}

/// Whether all templates in `value` could be filled in, as far as that can be said without data.
pub fn check(value: &Value) -> Result<(), TemplateError> {
    match count(value, weigh::DEPTH_MAX)? {
        n if n > PLACEHOLDERS_MAX => Err(TemplateError::TooMany(PLACEHOLDERS_MAX)),
        _ => Ok(()),
    }
}

/// How many placeholders there are, each of them sound.
fn count(value: &Value, levels: usize) -> Result<usize, TemplateError> {
    let below = || levels.checked_sub(1).ok_or(TemplateError::TooDeep(weigh::DEPTH_MAX));
    match value {
        Value::String(text) => split(text)?.into_iter().try_fold(0, |n, part| match part {
            Part::Text(_) => Ok(n),
            Part::Expr(expr) => check_expr(expr).map(|()| n + 1),
        }),
        Value::Array(items) => {
            let levels = below()?;
            items.iter().try_fold(0, |n, item| Ok(n + count(item, levels)?))
        }
        Value::Object(map) => {
            let levels = below()?;
            map.values().try_fold(0, |n, item| Ok(n + count(item, levels)?))
        }
        _ => Ok(0),
    }
}

/// Whether the value holds no placeholder, so that it is already what the action will be given.
pub(crate) fn is_literal(value: &Value) -> bool {
    match value {
        Value::String(text) => !text.contains("${"),
        Value::Array(items) => items.iter().all(is_literal),
        Value::Object(map) => map.values().all(is_literal),
        _ => true,
    }
}

/// Whether `condition` could be evaluated.
pub fn check_condition(condition: &str) -> Result<(), TemplateError> {
    match bare(condition) {
        "" => Err(TemplateError::Empty),
        expr => check_expr(expr),
    }
}

fn check_expr(expr: &str) -> Result<(), TemplateError> {
    if shifted_now(expr, Timestamp::default()).is_some() {
        return Ok(());
    }
    weigh::growth(expr, compile(expr)?.as_ast()).map(drop)
}

/// A condition may be written as `${...}` or without.
fn bare(condition: &str) -> &str {
    let text = condition.trim();
    text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')).map_or(text, str::trim)
}

fn compile(expr: &str) -> Result<jmespath::Expression<'static>, TemplateError> {
    weigh::check_text(expr)?;
    weigh::RUNTIME
        .compile(&quote_literals(expr))
        .map_err(|why| TemplateError::Syntax { expr: expr.to_owned(), why: one_line(&why.to_string()) })
}

/// The first line of the parser's message: the others draw the place with spaces.
fn one_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// `now+24h` and `now - 15m`.
fn shifted_now(expr: &str, now: Timestamp) -> Option<Timestamp> {
    let rest = expr.trim().strip_prefix("now")?.trim_start();
    if let Some(by) = rest.strip_prefix('+') {
        return Some(now.plus(parse_duration(by.trim()).ok()?));
    }
    Some(now.minus(parse_duration(rest.strip_prefix('-')?.trim()).ok()?))
}

enum Part<'a> {
    Text(&'a str),
    Expr(&'a str),
}

/// Splits a text at its placeholders. Quotes and braces inside an expression do not end it.
fn split(text: &str) -> Result<Vec<Part<'_>>, TemplateError> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while let Some(start) = rest.find("${") {
        if start > 0 {
            parts.push(Part::Text(&rest[..start]));
        }
        let inner = &rest[start + 2..];
        let end = closing(inner).ok_or_else(|| TemplateError::Open(text.to_owned()))?;
        match inner[..end].trim() {
            "" => return Err(TemplateError::Empty),
            expr => parts.push(Part::Expr(expr)),
        }
        rest = &inner[end + 1..];
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    Ok(parts)
}

fn closing(inner: &str) -> Option<usize> {
    let (mut depth, mut quote, mut escaped) = (0u32, None, false);
    for (i, c) in inner.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None => match c {
                '\'' | '"' | '`' => quote = Some(c),
                '{' => depth += 1,
                '}' if depth == 0 => return Some(i),
                '}' => depth -= 1,
                _ => {}
            },
        }
    }
    None
}

/// Puts back-quotes around bare numbers, and around `true`, `false` and `null` right after a comparison, where
/// JMESPath would see a syntax error or a field name. Numbers in square brackets are indexes and stay.
fn quote_literals(expr: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(expr.len() + 8), expr);
    let mut before = None;
    while let Some(c) = rest.chars().next() {
        let opens = matches!(before, None | Some('=' | '<' | '>' | '(' | ',' | '&' | '|' | '!'));
        let compares = matches!(before, Some('=' | '<' | '>'));
        let taken = match c {
            '\'' | '"' | '`' => quoted_len(rest, c),
            '0'..='9' | '-' if opens => number_len(rest),
            _ if c.is_alphanumeric() || c == '_' => word_len(rest),
            _ => c.len_utf8(),
        };
        let token = &rest[..taken];
        let number = opens && token.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit());
        if number || (compares && matches!(token, "true" | "false" | "null")) {
            out.push('`');
            out.push_str(token);
            out.push('`');
        } else {
            out.push_str(token);
        }
        if !c.is_whitespace() {
            before = token.chars().next_back();
        }
        rest = &rest[taken..];
    }
    out
}

fn quoted_len(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (i, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return i + 1,
            _ => {}
        }
    }
    text.len()
}

fn number_len(text: &str) -> usize {
    let sign = usize::from(text.starts_with('-'));
    let digits = text[sign..].find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len() - sign);
    (sign + digits).max(1)
}

fn word_len(text: &str) -> usize {
    text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn context() -> Context {
        let data = json!({
            "now": "2026-11-22T00:00:00.000Z",
            "params": {"n": 7, "name": "x", "on": true, "list": [1, 2], "none": null},
            "steps": {"weather": {"temperature": 26.5, "sky": "a}b"}},
        });
        Context::new(&data, Timestamp::parse_rfc3339("2026-11-22T00:00:00Z").unwrap())
    }

    #[track_caller]
    fn check_render(template: Value, wanted: Value) {
        assert_eq!(context().render(&template, 1 << 20), Ok(wanted), "{template}");
        assert_eq!(check(&template), Ok(()), "{template}");
    }

    #[test]
    fn fills_in() {
        check_render(json!("${params.n}"), json!(7));
        check_render(json!("${ params.list }"), json!([1, 2]));
        check_render(json!("n=${params.n} on=${params.on} ${params.none}"), json!("n=7 on=true null"));
        check_render(json!("${params.missing}"), json!(null));
        check_render(
            json!({"a": ["${params.name}", 3, "plain $ {x}"]}),
            json!({"a": ["x", 3, "plain $ {x}"]}),
        );
        check_render(json!("${params.{a: n, b: name}}!"), json!("{\"a\":7,\"b\":\"x\"}!"));
        check_render(json!("${steps.weather.sky == 'a}b'}"), json!(true));
        check_render(json!("${now+24h}"), json!("2026-11-23T00:00:00.000Z"));
        check_render(json!("${now - 15m}"), json!("2026-11-21T23:45:00.000Z"));
        check_render(json!("${params.list[0]}"), json!(1));
        check_render(json!("${params.list[-1]}"), json!(2));
        check_render(json!("${now}"), json!("2026-11-22T00:00:00.000Z"));
    }

    #[test]
    fn functions_keep_whole_numbers_whole() {
        check_render(json!("${sum([params.n, params.n])}"), json!(14));
        check_render(json!("${sum(params.list)} of ${length(params.list)}"), json!("3 of 2"));
        check_render(json!("${{a: [abs(params.n)], b: avg(params.list)}}"), json!({"a": [7], "b": 1.5}));
        check_render(json!("${steps.weather.temperature}"), json!(26.5));
    }

    #[test]
    fn conditions() {
        for (condition, wanted) in [
            ("steps.weather.temperature > 25", true),
            ("steps.weather.temperature > `25`", true),
            ("steps.weather.temperature > 26.6", false),
            ("${params.n == 7}", true),
            ("params.on == true && params.n != -7", true),
            ("params.none", false),
            ("params.none == null", true),
            ("params.missing", false),
            ("length(params.list) == 2", true),
            ("params.list[?@ > 1]", true),
            ("params.list[?@ > 2]", false),
            ("0 < params.n", true),
        ] {
            assert_eq!(context().holds(condition), Ok(wanted), "{condition}");
            assert_eq!(check_condition(condition), Ok(()), "{condition}");
        }
    }

    #[test]
    fn refuses() {
        for bad in ["${", "x ${a", "${}", "${a b}", "${ }", "${a..b}", "${'x}"] {
            assert!(check(&json!(bad)).is_err(), "{bad}");
        }
        assert!(context().render(&json!("${nosuch(a)}"), 99).is_err());
        let long = json!(["${steps}", "${steps}"]);
        assert_eq!(context().render(&long, 50), Err(TemplateError::TooLarge(50)));
    }
}

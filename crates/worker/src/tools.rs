//! Tools: actions that an operator's file declares under a name, so that the API may ask for them.
//!
//! ```yaml
//! tools:
//!   - name: queue_length
//!     uses: redis
//!     with: { target: "127.0.0.1:6379", args: [LLEN, "${args.queue}"] }
//!     args: { queue: { type: string, enum: [mail, images] } }
//! ```
//!
//! The file fixes the target; a caller gives arguments, each declared and checked. An argument becomes a whole
//! element of a command or a bind parameter, never a part of a program's name, of SQL, or of a path that leads
//! elsewhere; one that starts with `-` is refused unless it is declared so.

use crate::args::{Trouble, outcome, plain};
use crate::{API_KINDS, Actions, operator_kind};
use model::Problem;
use serde::Deserialize;
use serde_json::{Map, Value};
use serde_saphyr::{Location, Spanned};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tasks::{Action, Attempt, Running};

/// A raw entry of `tools:`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolConfig {
    /// What a task's `kind` says.
    pub name: Spanned<String>,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// The action behind it.
    pub uses: Spanned<String>,
    /// The action's arguments; `${args.NAME}` stands for what the caller gives.
    pub with: Spanned<Value>,
    /// What the caller may give.
    #[serde(default)]
    pub args: BTreeMap<String, Spanned<ArgConfig>>,
    /// The longest it may take, if less than the task's.
    pub timeout: Option<Spanned<String>>,
}

/// A raw declared argument.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ArgConfig {
    /// What it is.
    #[serde(rename = "type")]
    pub kind: ArgKind,
    /// What it is for.
    pub description: String,
    /// Taken if the caller gives none; without it the argument must be given.
    pub default: Option<Value>,
    /// The only values it may have.
    #[serde(rename = "enum")]
    pub one_of: Vec<Value>,
    /// The least number.
    pub min: Option<f64>,
    /// The greatest number.
    pub max: Option<f64>,
    /// The longest text in bytes; 1,000 if it is not said.
    pub max_length: Option<usize>,
    /// Whether a text may start with `-`.
    pub allow_dash: bool,
}

/// What an argument is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "each is the JSON type of the same name")]
pub enum ArgKind {
    #[default]
    String,
    Integer,
    Number,
    Boolean,
}

/// Checked tools.
#[derive(Debug, Clone, Default)]
pub struct Tools(Vec<Arc<Tool>>);

#[derive(Debug)]
struct Tool {
    name: String,
    uses: String,
    with: Value,
    args: BTreeMap<String, ArgConfig>,
    timeout: Option<Duration>,
}

/// Actions that a tool may stand for.
const USES: [&str; 9] = ["command", "file", "http", "noop", "process", "promql", "redis", "sql", "wait"];
const TEXT_MAX: usize = 1000;

impl Tools {
    /// The checked form; what is wrong is added to `problems`.
    pub fn resolve(raw: &[ToolConfig], problems: &mut Vec<Problem>) -> Tools {
        let mut tools: Vec<Arc<Tool>> = Vec::new();
        for tool in raw {
            let name = tool.name.value.as_str();
            let mut fail = |at: Location, what: String, remedy: &str| {
                let (line, column) = reach::config::place(at);
                problems.push(Problem::error(line, column, what, remedy));
            };
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
            if name.is_empty()
                || !name.chars().all(plain)
                || !name.starts_with(|c: char| c.is_ascii_lowercase())
            {
                let what = format!("{name:?} cannot be a tool's name");
                fail(tool.name.referenced, what, "use small letters, digits, _ and -, a letter first");
            }
            if API_KINDS.contains(&name) || USES.contains(&name) || name == "page" || name == "notify" {
                fail(tool.name.referenced, format!("{name:?} is a built-in action"), "use another name");
            }
            if tools.iter().any(|t| t.name == name) {
                fail(tool.name.referenced, format!("two tools are called {name:?}"), "rename one of them");
            }
            if !USES.contains(&tool.uses.value.as_str()) {
                let what = format!("there is no action {:?}", tool.uses.value);
                fail(tool.uses.referenced, what, &format!("known: {}", USES.join(", ")));
            }
            let timeout = tool.timeout.as_ref().and_then(|text| match model::parse_duration(&text.value) {
                Ok(duration) => Some(duration),
                Err(why) => {
                    fail(text.referenced, why.to_string(), "");
                    None
                }
            });
            let checked = Tool {
                name: name.to_owned(),
                uses: tool.uses.value.clone(),
                with: tool.with.value.clone(),
                args: tool.args.iter().map(|(name, arg)| (name.clone(), arg.value.clone())).collect(),
                timeout,
            };
            for (name, arg) in &tool.args {
                if let Some(default) = &arg.value.default
                    && let Err(why) = arg.value.check(default)
                {
                    fail(arg.referenced, format!("the default of {name} {why}"), "");
                }
            }
            for what in checked.places() {
                fail(tool.with.referenced, what, "");
            }
            tools.push(Arc::new(checked));
        }
        Tools(tools)
    }

    /// Their actions, over those of `actions`.
    pub(crate) fn actions(&self, actions: &Actions) -> Vec<Arc<dyn Action>> {
        let made = self.0.iter().filter_map(|tool| {
            let behind = actions.get(&operator_kind(&tool.uses))?;
            Some(Arc::new(ToolAction { tool: tool.clone(), behind }) as Arc<dyn Action>)
        });
        made.collect()
    }
}

struct ToolAction {
    tool: Arc<Tool>,
    behind: Arc<dyn Action>,
}

impl Action for ToolAction {
    fn kind(&self) -> &str {
        &self.tool.name
    }

    fn run(&self, mut attempt: Attempt) -> Running<'_> {
        Box::pin(async move {
            match self.tool.arguments(&attempt.args) {
                Err(trouble) => outcome(Err(trouble)),
                Ok(args) => {
                    attempt.args = args;
                    attempt.deadline =
                        self.tool.timeout.map_or(attempt.deadline, |t| t.min(attempt.deadline));
                    self.behind.run(attempt).await
                }
            }
        })
    }
}

impl ArgConfig {
    fn check(&self, value: &Value) -> Result<(), String> {
        let fits = match self.kind {
            ArgKind::String => value.is_string(),
            ArgKind::Integer => value.is_i64() || value.is_u64(),
            ArgKind::Number => value.is_number(),
            ArgKind::Boolean => value.is_boolean(),
        };
        if !fits {
            return Err(format!("must be a {}", format!("{:?}", self.kind).to_lowercase()));
        }
        if !self.one_of.is_empty() && !self.one_of.contains(value) {
            let known: Vec<String> = self.one_of.iter().map(Value::to_string).collect();
            return Err(format!("must be one of {}", known.join(", ")));
        }
        if let Some(number) = value.as_f64()
            && (self.min.is_some_and(|min| number < min) || self.max.is_some_and(|max| number > max))
        {
            return Err("is out of its range".to_owned());
        }
        if let Some(text) = value.as_str() {
            let max = self.max_length.unwrap_or(TEXT_MAX);
            if text.len() > max {
                return Err(format!("is longer than {max} bytes"));
            }
            if text.starts_with('-') && !self.allow_dash {
                return Err("may not start with -".to_owned());
            }
            if text.contains('\0') {
                return Err("may not hold a zero byte".to_owned());
            }
        }
        Ok(())
    }
}

impl Tool {
    /// Checks what the caller gave and fills it in.
    fn arguments(&self, given: &Value) -> Result<Value, Trouble> {
        let none = Map::new();
        let given = match given {
            Value::Object(fields) => fields,
            Value::Null => &none,
            _ => return Err(Trouble::args("the arguments must be an object")),
        };
        if let Some(unknown) = given.keys().find(|name| !self.args.contains_key(*name)) {
            return Err(Trouble::args(format!("{} takes no argument {unknown:?}", self.name)));
        }
        let mut values = BTreeMap::new();
        for (name, arg) in &self.args {
            let value = given.get(name).or(arg.default.as_ref());
            let value = value.ok_or_else(|| Trouble::args(format!("{name} is missing")))?;
            arg.check(value).map_err(|why| Trouble::args(format!("{name} {why}")))?;
            values.insert(name.as_str(), value);
        }
        self.fill(&self.with, &[], &values)
    }

    fn fill(&self, value: &Value, path: &[&str], values: &BTreeMap<&str, &Value>) -> Result<Value, Trouble> {
        Ok(match value {
            Value::String(text) => match whole(text) {
                Some(name) => values.get(name).map_or(Value::Null, |v| (*v).clone()),
                None => Value::String(self.fill_text(text, path, values)?),
            },
            Value::Array(items) => {
                items.iter().map(|item| self.fill(item, path, values)).collect::<Result<_, _>>()?
            }
            Value::Object(fields) => {
                let mut filled = Map::new();
                for (name, value) in fields {
                    filled.insert(name.clone(), self.fill(value, &[path, &[name]].concat(), values)?);
                }
                Value::Object(filled)
            }
            other => other.clone(),
        })
    }

    /// A text with placeholders inside: in an address each value is escaped, in a path it may lead nowhere else.
    fn fill_text(
        &self,
        text: &str,
        path: &[&str],
        values: &BTreeMap<&str, &Value>,
    ) -> Result<String, Trouble> {
        let (mut filled, mut rest) = (String::new(), text);
        while let Some((before, name, after)) = split(rest) {
            filled.push_str(before);
            let value = values.get(name).and_then(|v| plain(v)).unwrap_or_default();
            match (self.uses.as_str(), path) {
                ("http", ["url"]) => value.bytes().for_each(|b| match b {
                    b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'_' | b'~' => {
                        filled.push(char::from(b))
                    }
                    _ => filled.push_str(&format!("%{b:02X}")),
                }),
                ("file", ["path"]) if value.contains('/') || value == ".." || value == "." => {
                    return Err(Trouble::args(format!("{name} may not lead to another directory")));
                }
                _ => filled.push_str(&value),
            }
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    /// What is wrong with where the placeholders stand.
    fn places(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        self.walk(&self.with, &mut Vec::new(), &mut wrong);
        wrong
    }

    fn walk(&self, value: &Value, path: &mut Vec<String>, wrong: &mut Vec<String>) {
        match value {
            Value::String(text) => self.check_text(text, path, wrong),
            Value::Array(items) => {
                for (i, item) in items.iter().enumerate() {
                    path.push(i.to_string());
                    self.walk(item, path, wrong);
                    path.pop();
                }
            }
            Value::Object(fields) => {
                for (name, item) in fields {
                    path.push(name.clone());
                    self.walk(item, path, wrong);
                    path.pop();
                }
            }
            _ => {}
        }
    }

    fn check_text(&self, text: &str, path: &[String], wrong: &mut Vec<String>) {
        let mut rest = text;
        while let Some((before, name, after)) = split(rest) {
            let place: Vec<&str> = path.iter().map(String::as_str).collect();
            if !self.args.contains_key(name) {
                wrong.push(format!("${{args.{name}}} is not declared under args"));
            }
            let forbidden = match (self.uses.as_str(), place.as_slice()) {
                ("command", ["argv", "0"]) => Some("a caller may not choose the program"),
                ("command", ["argv", _]) if whole(text).is_none() => {
                    Some("an argument must be a whole element of argv")
                }
                ("command", ["dir" | "env", ..]) => {
                    Some("a caller may not choose the directory or variables")
                }
                ("sql", ["query"]) => Some("a caller may not write SQL: use params"),
                ("sql", ["dsn"]) | ("redis", ["target"]) => Some("a caller may not choose the target"),
                ("redis", ["args", "0"]) => Some("a caller may not choose the command"),
                ("redis", ["args"]) => Some("args must be a list, so that an argument stays one"),
                ("http", ["url"]) if !has_host(&text[..text.len() - rest.len() + before.len()]) => {
                    Some("a caller may not choose the host")
                }
                ("file", ["path"]) if whole(text).is_some() => Some("a caller may not choose the directory"),
                ("promql", ["query"]) => Some("a caller may not write the expression"),
                _ => None,
            };
            wrong.extend(
                forbidden.map(|why| format!("${{args.{name}}} cannot stand in {}: {why}", place.join("."))),
            );
            rest = after;
        }
    }
}

/// Whether the address so far holds its whole host: a placeholder after it can only change path and query.
fn has_host(before: &str) -> bool {
    before.split_once("://").is_some_and(|(_, rest)| rest.contains('/'))
}

/// The name, if the text is one placeholder and nothing else.
fn whole(text: &str) -> Option<&str> {
    match split(text) {
        Some(("", name, "")) => Some(name),
        _ => None,
    }
}

/// What stands before the first placeholder, its name, and what follows.
fn split(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once("${args.")?;
    let (name, after) = rest.split_once('}')?;
    Some((before, name, after))
}

#[cfg(test)]
mod tests;

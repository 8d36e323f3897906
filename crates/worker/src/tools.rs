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
//! or lie elsewhere, behind HTTP or in a program of their own:
//!
//! ```yaml
//! tools:
//!   - address: weather-mcp.forecast
//!     transport: http
//!     endpoint: http://weather-service:8088/
//!     input_schema: { type: object, required: [city], properties: { city: { type: string } } }
//!     timeout_seconds: 10
//! ```
//!
//! The file fixes the target; a caller gives arguments, each declared and checked. An argument becomes a whole
//! element of a command or a bind parameter, never a part of a program's name, of SQL, or of a path that leads
//! elsewhere; one that starts with `-` is refused unless it is declared so.

mod answer;
mod remote;

use crate::args::{Trouble, plain};
use crate::breaker::Limits;
use crate::circuit::Circuit;
use crate::schema::Schema;
use crate::{API_KINDS, Actions, operator_kind};
use answer::Answer;
use model::Problem;
use remote::Remote;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use serde_saphyr::{Location, Spanned};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};
use tasks::{Action, Attempt, Outcome, Running};

/// A raw entry of `tools:`: either `uses` an action of ours, or lies elsewhere behind a `transport`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolConfig {
    /// What a task's `kind` and a step's `uses` say.
    #[serde(alias = "address")]
    pub name: Spanned<String>,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// The action behind it.
    pub uses: Option<Spanned<String>>,
    /// The action's arguments; `${args.NAME}` stands for what the caller gives.
    pub with: Option<Spanned<Value>>,
    /// What the caller may give.
    #[serde(default)]
    pub args: BTreeMap<String, Spanned<ArgConfig>>,
    /// `http` or `stdio`, for a tool elsewhere.
    pub transport: Option<Spanned<String>>,
    /// Where a tool over http takes its POST.
    pub endpoint: Option<Spanned<String>>,
    /// Headers it wants.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The program and arguments of a tool over stdio.
    #[serde(default)]
    pub argv: Vec<String>,
    /// Its variables.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// The directory it is run in.
    pub dir: Option<PathBuf>,
    /// What the arguments must be.
    pub input_schema: Option<Spanned<Value>>,
    /// What the result must be.
    pub output_schema: Option<Spanned<Value>>,
    /// The longest it may take, if less than the task's.
    pub timeout: Option<Spanned<String>>,
    /// The same, as a number.
    pub timeout_seconds: Option<Spanned<f64>>,
    /// What a caller must be allowed to do.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// How dear it is, in the operator's words.
    pub cost_tier: Option<String>,
    /// Arguments to learn from.
    #[serde(default)]
    pub examples: Vec<Value>,
    /// When it is left alone for a while.
    pub breaker: Option<Spanned<BreakerConfig>>,
}

/// A raw `breaker:`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BreakerConfig {
    /// Failures in a row that open it.
    pub failure_threshold: Option<u32>,
    /// How long it stays open.
    pub recovery_timeout: Option<String>,
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
    description: String,
    way: Way,
    input: Option<Schema>,
    output: Option<Schema>,
    timeout: Option<Duration>,
    scopes: Vec<String>,
    cost_tier: String,
    examples: Vec<Value>,
    failure_threshold: Option<u32>,
    recovery_timeout: Option<Duration>,
}

/// How a tool is done.
#[derive(Debug)]
enum Way {
    /// By an action of ours, with the caller's arguments in the operator's.
    Uses(Uses),
    /// By another program.
    Remote(Remote),
}

#[derive(Debug)]
struct Uses {
    tool: String,
    uses: String,
    with: Value,
    args: BTreeMap<String, ArgConfig>,
}

/// A tool as a client sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolInfo {
    /// What a step's `uses` says.
    pub address: String,
    /// `builtin`, `http` or `stdio`.
    pub transport: &'static str,
    /// Where it is, without credentials; of a tool of ours, the action behind it.
    pub endpoint: String,
    /// What the arguments must be.
    pub input_schema: Value,
    /// What the result will be, if it is declared.
    pub output_schema: Option<Value>,
    /// The longest it may take, if it is declared.
    pub timeout: Option<Duration>,
    /// What a caller must be allowed to do.
    pub scopes: Vec<String>,
    /// How dear it is.
    pub cost_tier: String,
    /// What it is for.
    pub description: String,
    /// Arguments to learn from.
    pub examples: Vec<Value>,
    /// Where its breaker is: `closed`, `half_open`, `open`.
    pub circuit: &'static str,
}

/// Actions that a tool may stand for.
pub(crate) const USES: [&str; 9] =
    ["command", "file", "http", "noop", "process", "promql", "redis", "sql", "wait"];
const TEXT_MAX: usize = 1000;
/// The longest name of a tool.
const NAME_BYTES_MAX: usize = 100;
/// The longest a tool may be given.
const TIMEOUT_MAX_SECS: f64 = 86_400.0;

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
            if !is_name(name) {
                let what = format!("{name:?} cannot be a tool's name");
                fail(tool.name.referenced, what, "use small letters, digits, _, - and dots, a letter first");
            }
            if API_KINDS.contains(&name) || USES.contains(&name) || name == "page" || name == "container" {
                fail(tool.name.referenced, format!("{name:?} is a built-in action"), "use another name");
            }
            if tools.iter().any(|t| t.name == name) {
                fail(tool.name.referenced, format!("two tools are called {name:?}"), "rename one of them");
            }
            let mut schema = |schema: &Option<Spanned<Value>>| {
                let schema = schema.as_ref()?;
                Schema::compile(&schema.value)
                    .map_err(|why| fail(schema.referenced, format!("no JSON Schema: {why}"), ""))
                    .ok()
            };
            let (input, output) = (schema(&tool.input_schema), schema(&tool.output_schema));
            let way = match (&tool.uses, &tool.transport) {
                (Some(uses), None) => resolve_uses(tool, uses, &mut fail).map(Way::Uses),
                (None, Some(transport)) => Remote::resolve(tool, transport, &mut fail).map(Way::Remote),
                _ => {
                    let what = format!("the tool {name:?} must have one of uses and transport");
                    fail(tool.name.referenced, what, "uses: an action of ours; transport: http or stdio");
                    None
                }
            };
            let timeout = timeout(tool, &mut fail);
            let breaker = tool.breaker.as_ref();
            let recovery = breaker.and_then(|breaker| {
                let text = breaker.value.recovery_timeout.as_deref()?;
                let parsed = model::parse_duration(text);
                parsed.map_err(|why| fail(breaker.referenced, why.to_string(), "write one such as 90s")).ok()
            });
            let threshold = breaker.and_then(|breaker| breaker.value.failure_threshold);
            if let (Some(breaker), Some(0)) = (breaker, threshold) {
                fail(breaker.referenced, "failure_threshold is 0".to_owned(), "write at least 1");
            }
            let Some(way) = way else { continue };
            let input = input.or_else(|| way.input());
            tools.push(Arc::new(Tool {
                name: name.to_owned(),
                description: tool.description.clone(),
                way,
                input,
                output,
                timeout,
                scopes: tool.scopes.clone(),
                cost_tier: tool.cost_tier.clone().unwrap_or_else(|| "free".to_owned()),
                examples: tool.examples.clone(),
                failure_threshold: threshold,
                recovery_timeout: recovery,
            }));
        }
        Tools(tools)
    }

    /// Their actions, over those of `actions`.
    pub(crate) fn actions(&self, actions: &Actions) -> Vec<ToolAction> {
        let made = self.0.iter().filter_map(|tool| {
            let behind = match &tool.way {
                Way::Uses(uses) => Some(actions.get(&operator_kind(&uses.uses))?),
                Way::Remote(_) => None,
            };
            let defaults = actions.breaker_limits();
            let limits = Limits {
                failure_threshold: tool.failure_threshold.unwrap_or(defaults.failure_threshold),
                recovery_timeout: tool.recovery_timeout.unwrap_or(defaults.recovery_timeout),
            };
            let circuit = actions.circuits().of(&tool.name, limits, tool.way.word());
            Some(ToolAction { tool: tool.clone(), behind, circuit, client: actions.client() })
        });
        made.collect()
    }
}

fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-' | '.');
    (1..=NAME_BYTES_MAX).contains(&name.len())
        && name.chars().all(plain)
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && !["operator.", "event."].iter().any(|ours| name.starts_with(ours))
}

fn timeout(tool: &ToolConfig, fail: &mut dyn FnMut(Location, String, &str)) -> Option<Duration> {
    if let Some(text) = &tool.timeout {
        return model::parse_duration(&text.value)
            .map_err(|why| fail(text.referenced, why.to_string(), ""))
            .ok();
    }
    let secs = tool.timeout_seconds.as_ref()?;
    if !(secs.value > 0.0 && secs.value <= TIMEOUT_MAX_SECS) {
        let what = format!("timeout_seconds is {}", secs.value);
        fail(secs.referenced, what, "write a number above 0, at most 86400");
        return None;
    }
    Some(Duration::from_secs_f64(secs.value))
}

fn resolve_uses(
    tool: &ToolConfig,
    uses: &Spanned<String>,
    fail: &mut dyn FnMut(Location, String, &str),
) -> Option<Uses> {
    if !USES.contains(&uses.value.as_str()) {
        let what = format!("there is no action {:?}", uses.value);
        fail(uses.referenced, what, &format!("known: {}", USES.join(", ")));
    }
    let with = tool.with.as_ref();
    let checked = Uses {
        tool: tool.name.value.clone(),
        uses: uses.value.clone(),
        with: with.map_or_else(|| json!({}), |with| with.value.clone()),
        args: tool.args.iter().map(|(name, arg)| (name.clone(), arg.value.clone())).collect(),
    };
    for (name, arg) in &tool.args {
        if let Some(default) = &arg.value.default
            && let Err(why) = arg.value.check(default)
        {
            fail(arg.referenced, format!("the default of {name} {why}"), "");
        }
    }
    for what in checked.places() {
        fail(with.map_or(uses.referenced, |with| with.referenced), what, "");
    }
    Some(checked)
}

impl Way {
    fn word(&self) -> &'static str {
        match self {
            Way::Uses(_) => "builtin",
            Way::Remote(remote) => remote.transport(),
        }
    }

    /// What a caller may give, if that follows from how it is done.
    fn input(&self) -> Option<Schema> {
        match self {
            Way::Uses(uses) => Schema::compile(&uses.schema()).ok(),
            Way::Remote(_) => None,
        }
    }
}

/// A tool with what it works with.
pub(crate) struct ToolAction {
    tool: Arc<Tool>,
    behind: Option<Arc<dyn Action>>,
    circuit: Arc<Circuit>,
    client: Option<reach::http::Client>,
}

impl Action for ToolAction {
    fn kind(&self) -> &str {
        &self.tool.name
    }

    fn run(&self, attempt: Attempt) -> Running<'_> {
        Box::pin(self.call(attempt))
    }
}

impl ToolAction {
    /// What the arguments must be, where it is declared as a schema.
    pub(crate) fn input(&self) -> Option<&Schema> {
        self.tool.input.as_ref()
    }

    /// The tool for those who look for one.
    pub(crate) fn info(&self) -> ToolInfo {
        let tool = &self.tool;
        let anything = || json!({"type": "object"});
        ToolInfo {
            address: tool.name.clone(),
            transport: tool.way.word(),
            endpoint: match &tool.way {
                Way::Uses(uses) => uses.uses.clone(),
                Way::Remote(remote) => remote.shown(),
            },
            input_schema: tool.input.as_ref().map_or_else(anything, |schema| schema.written().clone()),
            output_schema: tool.output.as_ref().map(|schema| schema.written().clone()),
            timeout: tool.timeout,
            scopes: tool.scopes.clone(),
            cost_tier: tool.cost_tier.clone(),
            description: tool.description.clone(),
            examples: tool.examples.clone(),
            circuit: self.circuit.state().as_str(),
        }
    }

    /// One call: arguments checked, the breaker asked, the result checked.
    async fn call(&self, mut attempt: Attempt) -> Outcome {
        let given = attempt.args.value();
        if let Some(misfit) = self.input().and_then(|schema| schema.check(&given).err()) {
            return Answer::misfit("bad_args", "args", &misfit).outcome;
        }
        if let Way::Uses(uses) = &self.tool.way {
            match uses.arguments(&given) {
                Ok(args) => attempt.args = args.into(),
                Err(trouble) => return Answer::from(trouble).outcome,
            }
        }
        let limit = self.tool.timeout.map_or(attempt.deadline, |limit| limit.min(attempt.deadline));
        attempt.deadline = limit;
        let call = match self.circuit.enter(limit) {
            Ok(call) => call,
            // Another time: what others broke must not use this run's tries up.
            Err(wait) => return Outcome::Snooze(wait),
        };
        let answer = tokio::time::timeout(limit, self.ask(attempt)).await;
        let answer = answer.unwrap_or_else(|_| Answer::timeout(&self.tool.name, limit));
        let answer = answer.checked(self.tool.output.as_ref());
        call.ended(answer.ended, &answer.code);
        answer.outcome
    }

    async fn ask(&self, attempt: Attempt) -> Answer {
        match (&self.tool.way, &self.behind, &self.client) {
            (Way::Uses(_), Some(behind), _) => Answer::of_action(behind.run(attempt).await),
            (Way::Remote(remote), _, Some(client)) => remote.ask(&self.tool.name, client, &attempt).await,
            _ => Answer::from(Trouble::last("unknown_kind", "this worker has no way to that tool")),
        }
    }
}

impl ArgConfig {
    fn schema(&self) -> Value {
        let mut schema = Map::new();
        schema.insert("type".to_owned(), format!("{:?}", self.kind).to_lowercase().into());
        let mut add =
            |key: &str, value: Option<Value>| value.map(|value| schema.insert(key.to_owned(), value));
        add("description", (!self.description.is_empty()).then(|| self.description.clone().into()));
        add("default", self.default.clone());
        add("enum", (!self.one_of.is_empty()).then(|| self.one_of.clone().into()));
        add("minimum", self.min.map(Value::from));
        add("maximum", self.max.map(Value::from));
        let text = self.kind == ArgKind::String;
        add("maxLength", text.then(|| self.max_length.unwrap_or(TEXT_MAX).into()));
        Value::Object(schema)
    }

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

impl Uses {
    /// Checks what the caller gave and fills it in.
    fn arguments(&self, given: &Value) -> Result<Value, Trouble> {
        let none = Map::new();
        let given = match given {
            Value::Object(fields) => fields,
            Value::Null => &none,
            _ => return Err(Trouble::args("the arguments must be an object")),
        };
        if let Some(unknown) = given.keys().find(|name| !self.args.contains_key(*name)) {
            return Err(Trouble::args(format!("{} takes no argument {unknown:?}", self.tool)));
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

    /// What the caller may give, as JSON Schema.
    fn schema(&self) -> Value {
        let properties: Map<String, Value> =
            self.args.iter().map(|(name, arg)| (name.clone(), arg.schema())).collect();
        let needed: Vec<&String> =
            self.args.iter().filter(|(_, arg)| arg.default.is_none()).map(|(name, _)| name).collect();
        json!({"type": "object", "properties": properties, "required": needed, "additionalProperties": false})
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

//! Runs a parsed template.
//!
//! Bounded: [`FUEL`] steps, [`OUTPUT_MAX`] bytes, [`DEPTH_MAX`] nested templates; at a bound the expansion
//! fails. Functions with an outside (a query, the time) reach it through [`Env`] only.

use crate::html::Escaper;
use crate::parse::{List, Node, Operand, Pipe};
use crate::value::{ListKind, MapKind, Value};
use crate::{Error, QueryFn, builtins, methods, page_functions, rule_functions};
use model::Timestamp;
use std::collections::BTreeMap;

/// Steps (nodes and range rounds) one expansion may take.
const FUEL: u32 = 200_000;
/// Bytes one expansion may write.
pub(crate) const OUTPUT_MAX: usize = 1 << 20;
/// Templates may call templates this deep.
const DEPTH_MAX: u32 = 50;

/// Whose functions a template has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Prometheus: labels and annotations of rules.
    Rule,
    /// Alertmanager: notifications.
    Page,
}

impl Dialect {
    pub(crate) fn knows(self, function: &str) -> bool {
        let own: &[&str] = match self {
            Dialect::Rule => &rule_functions::NAMES,
            Dialect::Page => &page_functions::NAMES,
        };
        own.contains(&function) || builtins::NAMES.contains(&function)
    }
}

/// What a template can reach beyond its data.
pub(crate) struct Env<'e, 'q> {
    pub dialect: Dialect,
    pub now: Timestamp,
    pub external_url: &'e str,
    pub query: Option<&'e mut QueryFn<'q>>,
    /// A missing key of a map is an error.
    pub strict: bool,
}

pub(crate) struct Exec<'a, 'e, 'q> {
    pub templates: &'a BTreeMap<String, List>,
    pub env: &'a mut Env<'e, 'q>,
    /// The data the whole template was given.
    pub root: Value,
    pub out: String,
    pub html: Option<Escaper>,
    /// In scope; the empty name is `$`.
    variables: Vec<(String, Value)>,
    fuel: u32,
    depth: u32,
    /// Route labels being expanded, to find circles.
    pub labels_open: Vec<String>,
}

/// What stops a list of nodes early.
enum Stop {
    Break,
    Continue,
    Error(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Stop {
        Stop::Error(error)
    }
}

impl<'a, 'e, 'q> Exec<'a, 'e, 'q> {
    pub(crate) fn new(
        templates: &'a BTreeMap<String, List>,
        env: &'a mut Env<'e, 'q>,
        root: Value,
        html: Option<Escaper>,
    ) -> Exec<'a, 'e, 'q> {
        Exec {
            templates,
            env,
            root,
            out: String::new(),
            html,
            variables: Vec::new(),
            fuel: FUEL,
            depth: 0,
            labels_open: Vec::new(),
        }
    }

    /// Runs a whole template with variables besides `$`.
    pub(crate) fn run(
        &mut self,
        list: &List,
        dot: &Value,
        variables: Vec<(String, Value)>,
    ) -> Result<(), Error> {
        if self.depth >= DEPTH_MAX {
            return Err(Error::exec(0, format!("exceeded maximum template depth ({DEPTH_MAX})")));
        }
        self.depth += 1;
        let outer = std::mem::replace(&mut self.variables, variables);
        self.variables.push((String::new(), dot.clone()));
        let done = self.list(list, dot);
        self.variables = outer;
        self.depth -= 1;
        match done {
            Err(Stop::Error(error)) => Err(error),
            // The parser lets `break` and `continue` stand in ranges only, which catch them.
            Ok(()) | Err(Stop::Break | Stop::Continue) => Ok(()),
        }
    }

    /// What a named template writes, apart from the output.
    pub(crate) fn captured(&mut self, name: &str, dot: &Value) -> Result<String, Error> {
        let list = self.templates.get(name).cloned();
        let list = list.ok_or_else(|| Error::exec(0, format!("template {name:?} not defined")))?;
        self.capture(&list, dot)
    }

    pub(crate) fn capture(&mut self, list: &List, dot: &Value) -> Result<String, Error> {
        let out = std::mem::take(&mut self.out);
        let html = self.html.as_ref().map(|_| Escaper::default());
        let html = std::mem::replace(&mut self.html, html);
        let done = self.run(list, dot, Vec::new());
        self.html = html;
        let written = std::mem::replace(&mut self.out, out);
        done.map(|()| written)
    }

    fn burn(&mut self) -> Result<(), Error> {
        self.fuel = self
            .fuel
            .checked_sub(1)
            .ok_or_else(|| Error::exec(0, format!("template takes more than {FUEL} steps")))?;
        if self.out.len() > OUTPUT_MAX {
            return Err(Error::exec(0, format!("template writes more than {OUTPUT_MAX} bytes")));
        }
        Ok(())
    }

    fn list(&mut self, list: &List, dot: &Value) -> Result<(), Stop> {
        for node in list.iter() {
            self.burn()?;
            match node {
                Node::Text(text) => {
                    if let Some(html) = &mut self.html {
                        html.literal(text);
                    }
                    self.out.push_str(text);
                }
                Node::Action(pipe) => {
                    let value = self.pipe(pipe, dot)?;
                    if pipe.names.is_empty() {
                        self.write(&value);
                    }
                }
                Node::If { pipe, then, or } => self.branch(pipe, then, or, dot, None)?,
                Node::With { pipe, then, or } => self.branch(pipe, then, or, dot, Some(()))?,
                Node::Range { pipe, body, or } => self.range(pipe, body, or, dot)?,
                Node::Template { name, pipe, line } => {
                    let data = pipe.as_ref().map_or(Ok(Value::Nil), |pipe| self.pipe(pipe, dot))?;
                    let list = self.templates.get(name).cloned();
                    let list =
                        list.ok_or_else(|| Error::exec(*line, format!("template {name:?} not defined")))?;
                    self.run(&list, &data, Vec::new())?;
                }
                Node::Break => return Err(Stop::Break),
                Node::Continue => return Err(Stop::Continue),
            }
        }
        Ok(())
    }

    fn write(&mut self, value: &Value) {
        if let Some(html) = &mut self.html {
            self.out.push_str(&html.value(value));
        } else if matches!(value, Value::Nil) {
            self.out.push_str("<no value>");
        } else {
            value.print(&mut self.out, OUTPUT_MAX);
        }
    }

    /// `if`, and with `rebinds` `with`.
    fn branch(
        &mut self,
        pipe: &Pipe,
        then: &List,
        or: &List,
        dot: &Value,
        rebinds: Option<()>,
    ) -> Result<(), Stop> {
        let scope = self.variables.len();
        let value = self.pipe(pipe, dot)?;
        let done = if !value.is_true() {
            self.list(or, dot)
        } else {
            self.list(then, if rebinds.is_some() { &value } else { dot })
        };
        self.variables.truncate(scope);
        done
    }

    fn range(&mut self, pipe: &Pipe, body: &List, or: &List, dot: &Value) -> Result<(), Stop> {
        let scope = self.variables.len();
        let value = self.pipe_value(pipe, dot)?;
        let count = |n: u64| u64::min(n, u64::from(FUEL) + 1);
        let items: Box<dyn Iterator<Item = (Value, Value)>> = match &value {
            Value::List(_, items) => {
                Box::new(items.iter().enumerate().map(|(at, item)| (Value::Int(at as i64), item.clone())))
            }
            Value::Map(MapKind::Struct(_), _) => {
                return Err(
                    Error::exec(pipe.line, format!("range can't iterate over {}", value.kind())).into()
                );
            }
            Value::Map(_, pairs) => {
                Box::new(pairs.iter().map(|(name, item)| (Value::text(name), item.clone())))
            }
            Value::Int(n) => Box::new((0..count(u64::try_from(*n).unwrap_or(0))).map(counted)),
            Value::Uint(n) => Box::new((0..count(*n)).map(counted)),
            Value::Nil => Box::new(std::iter::empty()),
            other => {
                return Err(
                    Error::exec(pipe.line, format!("range can't iterate over {}", other.kind())).into()
                );
            }
        };
        let mut any = false;
        for (key, item) in items {
            any = true;
            self.burn()?;
            let inner = self.variables.len();
            match pipe.names.as_slice() {
                [name] => self.set(name, item.clone(), pipe.assigns),
                [first, second] => {
                    self.set(first, key, pipe.assigns);
                    self.set(second, item.clone(), pipe.assigns);
                }
                _ => {}
            }
            let done = self.list(body, &item);
            self.variables.truncate(inner);
            match done {
                Ok(()) | Err(Stop::Continue) => {}
                Err(Stop::Break) => break,
                Err(error) => return Err(error),
            }
        }
        let done = if any { Ok(()) } else { self.list(or, dot) };
        self.variables.truncate(scope);
        done
    }

    fn set(&mut self, name: &str, value: Value, assigns: bool) {
        let slot = self.variables.iter_mut().rev().find(|(known, _)| known == name);
        match slot {
            Some(slot) if assigns => slot.1 = value,
            _ => self.variables.push((name.to_owned(), value)),
        }
    }

    /// The pipe's value, with its variable set.
    fn pipe(&mut self, pipe: &Pipe, dot: &Value) -> Result<Value, Error> {
        let value = self.pipe_value(pipe, dot)?;
        for name in &pipe.names {
            self.set(name, value.clone(), pipe.assigns);
        }
        Ok(value)
    }

    fn pipe_value(&mut self, pipe: &Pipe, dot: &Value) -> Result<Value, Error> {
        let mut last = None;
        for command in &pipe.commands {
            self.burn()?;
            last = Some(self.command(command, last, dot).map_err(|error| error.at(pipe.line))?);
        }
        Ok(last.unwrap_or(Value::Nil))
    }

    fn command(&mut self, command: &[Operand], last: Option<Value>, dot: &Value) -> Result<Value, Error> {
        let Some((first, rest)) = command.split_first() else { return Ok(Value::Nil) };
        match first {
            Operand::Function(name) if name == "and" || name == "or" => self.logic(name, rest, last, dot),
            Operand::Function(name) => {
                let args = self.args(rest, last, dot)?;
                self.call(name, args)
            }
            Operand::Field(names) => {
                let args = self.args(rest, last, dot)?;
                self.fields(dot.clone(), names, args)
            }
            Operand::Variable(name, names) => {
                let args = self.args(rest, last, dot)?;
                self.fields(self.variable(name), names, args)
            }
            Operand::Group(pipe, names) => {
                let args = self.args(rest, last, dot)?;
                let scope = self.variables.len();
                let value = self.pipe(pipe, dot)?;
                self.variables.truncate(scope);
                self.fields(value, names, args)
            }
            literal => self.operand(literal, dot),
        }
    }

    fn args(&mut self, operands: &[Operand], last: Option<Value>, dot: &Value) -> Result<Vec<Value>, Error> {
        let mut args = Vec::with_capacity(operands.len() + 1);
        for operand in operands {
            args.push(self.operand(operand, dot)?);
        }
        args.extend(last);
        Ok(args)
    }

    fn operand(&mut self, operand: &Operand, dot: &Value) -> Result<Value, Error> {
        Ok(match operand {
            Operand::Dot => dot.clone(),
            Operand::Nil => Value::Nil,
            Operand::Bool(b) => Value::Bool(*b),
            Operand::Int(n) => Value::Int(*n),
            Operand::Uint(n) => Value::Uint(*n),
            Operand::Float(n) => Value::Float(*n),
            Operand::Text(text) => Value::text(text),
            Operand::Field(_) | Operand::Variable(..) | Operand::Group(..) | Operand::Function(_) => {
                return self.command(std::slice::from_ref(operand), None, dot);
            }
        })
    }

    fn variable(&self, name: &str) -> Value {
        let found = self.variables.iter().rev().find(|(known, _)| known == name);
        found.map_or(Value::Nil, |(_, value)| value.clone())
    }

    /// `and`, `or`: arguments after the deciding one are not evaluated.
    fn logic(
        &mut self,
        name: &str,
        rest: &[Operand],
        last: Option<Value>,
        dot: &Value,
    ) -> Result<Value, Error> {
        let mut value = None;
        for operand in rest {
            let next = self.operand(operand, dot)?;
            if next.is_true() == (name == "or") {
                return Ok(next);
            }
            value = Some(next);
        }
        last.or(value)
            .ok_or_else(|| Error::exec(0, format!("wrong number of args for {name}: want at least 1 got 0")))
    }

    fn call(&mut self, name: &str, args: Vec<Value>) -> Result<Value, Error> {
        let called = match self.env.dialect {
            Dialect::Rule if rule_functions::NAMES.contains(&name) => rule_functions::call(self, name, args),
            Dialect::Page if page_functions::NAMES.contains(&name) => page_functions::call(self, name, args),
            _ => builtins::call(name, &args).map_err(|what| Error::exec(0, what)),
        };
        called.map_err(|error| error.within(&format!("error calling {name}")))
    }

    /// Follows fields and methods; only the last may take arguments.
    fn fields(&mut self, mut value: Value, names: &[String], args: Vec<Value>) -> Result<Value, Error> {
        let mut args = Some(args);
        for (at, name) in names.iter().enumerate() {
            let given = if at + 1 == names.len() { args.take().unwrap_or_default() } else { Vec::new() };
            value = self.field(&value, name, &given).map_err(|what| Error::exec(0, what))?;
        }
        match args {
            Some(args) if !args.is_empty() => Err(Error::exec(0, "can't give argument to non-function")),
            _ => Ok(value),
        }
    }

    fn field(&self, value: &Value, name: &str, args: &[Value]) -> Result<Value, String> {
        if let Some(result) = methods::call(value, name, args) {
            return result.map_err(|what| format!("error calling {name}: {what}"));
        }
        let found = match value {
            Value::Nil if self.env.strict => Err(format!("nil data; no entry for key {name:?}")),
            Value::Nil => Ok(Value::Nil),
            Value::Map(MapKind::Struct(kind), fields) => {
                fields.get(name).cloned().ok_or_else(|| format!("can't evaluate field {name} in type {kind}"))
            }
            Value::Map(kind, pairs) => match pairs.get(name) {
                Some(found) => Ok(found.clone()),
                None if self.env.strict => Err(format!("map has no entry for key {name:?}")),
                None => Ok(zero_of(*kind)),
            },
            other => Err(format!("can't evaluate field {name} in type {}", other.kind())),
        };
        let is_method_call = !args.is_empty();
        if is_method_call && found.is_ok() {
            return Err(format!("{name} is not a method but has arguments"));
        }
        found
    }
}

/// What a map of this kind answers for a key that it lacks.
pub(crate) fn zero_of(kind: MapKind) -> Value {
    match kind {
        MapKind::Strings | MapKind::Kv | MapKind::NilKv => Value::text(""),
        MapKind::Any | MapKind::Struct(_) => Value::Nil,
    }
}

fn counted(n: u64) -> (Value, Value) {
    let n = i64::try_from(n).unwrap_or(i64::MAX);
    (Value::Int(n), Value::Int(n))
}

/// Whether a list's elements are all text.
pub(crate) fn texts(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::List(ListKind::Strings, items) => items.iter().map(Value::as_text).collect(),
        _ => None,
    }
}

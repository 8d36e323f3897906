//! The actions, each in its file, and the list of those that a worker can do.

mod catalogue;
mod command;
mod file;
mod http;
mod noop;
mod process;
mod promql;
mod redis;
mod sql;
mod wait;

use crate::breaker::Limits;
use crate::circuit::Circuits;
use crate::schema::Schema;
use crate::tools::{ToolAction, ToolInfo, USES};
use crate::{BoxFuture, Tools};
use reach::http::Client;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, RwLock},
};
use tasks::{Action, Misfit};

/// The kinds that may come over the API as they are; the names of tools come besides.
pub const API_KINDS: [&str; 5] = ["noop", "wait", "http", "promql", "notify"];

/// The kind of an action in the hands of an operator's file: what a runbook's `uses: redis` is queued as. It
/// holds a dot, which neither a tool's name nor an API's kind may.
pub fn operator_kind(uses: &str) -> String {
    format!("operator.{uses}")
}

/// Evaluates an expression now; the JSON is what an instant query answers as `data`.
pub type Evaluate = Arc<dyn Fn(String) -> BoxFuture<Result<Value, String>> + Send + Sync>;

/// What the actions work with.
pub struct Parts {
    /// Connects to where an operator's file says.
    pub operator: Client,
    /// Connects to where the API says.
    pub public: Client,
    /// Evaluates expressions; without it there is no `promql`.
    pub evaluate: Option<Evaluate>,
}

/// What a worker can do, by kind, and what is declared of kinds that others do.
#[derive(Default)]
pub struct Actions {
    /// Read for each attempt, written on reload.
    by_kind: RwLock<BTreeMap<String, Entry>>,
    /// What a caller may give to a kind of work that has no tool.
    schemas: RwLock<BTreeMap<String, Schema>>,
    circuits: Arc<Circuits>,
    breaker: Limits,
    client: Option<Client>,
}

#[derive(Clone)]
enum Entry {
    BuiltIn(Arc<dyn Action>),
    Tool(Arc<ToolAction>),
}

impl Entry {
    fn action(&self) -> Arc<dyn Action> {
        match self {
            Entry::BuiltIn(action) => action.clone(),
            Entry::Tool(tool) => tool.clone(),
        }
    }
}

impl Actions {
    /// Nothing.
    pub fn none() -> Actions {
        Actions::default()
    }

    /// Every action of this crate, each under the kinds it may have.
    pub fn built_in(parts: &Parts) -> Actions {
        Actions::with_breaker(parts, Limits::default())
    }

    /// The same; where a tool does not say, its breaker has these limits.
    pub fn with_breaker(parts: &Parts, breaker: Limits) -> Actions {
        let actions = Actions { breaker, client: Some(parts.operator.clone()), ..Actions::none() };
        let add = |action: Arc<dyn Action>| actions.add(action);
        for kind in ["noop".to_owned(), operator_kind("noop")] {
            add(Arc::new(noop::Noop(kind)));
        }
        for kind in ["wait".to_owned(), operator_kind("wait")] {
            add(Arc::new(wait::Wait(kind)));
        }
        add(Arc::new(http::Http::new("http".to_owned(), parts.public.clone())));
        add(Arc::new(http::Http::new(operator_kind("http"), parts.operator.clone())));
        if let Some(evaluate) = &parts.evaluate {
            for kind in ["promql".to_owned(), operator_kind("promql")] {
                add(Arc::new(promql::Promql::new(kind, evaluate.clone())));
            }
        }
        let guard = parts.operator.guard();
        add(Arc::new(command::Command(operator_kind("command"))));
        add(Arc::new(redis::Redis::new(operator_kind("redis"), guard.clone())));
        add(Arc::new(sql::Sql::new(operator_kind("sql"), guard.clone())));
        add(Arc::new(file::File(operator_kind("file"))));
        add(Arc::new(process::Process(operator_kind("process"))));
        actions
    }

    /// What a worker elsewhere can do: what may come over the API, and the tools of its own file. Everything
    /// else it can do only behind the name of a tool.
    pub fn elsewhere(parts: &Parts, tools: &Tools) -> Actions {
        let all = Actions::built_in(parts);
        all.set_tools(tools);
        let open = all.api_kinds();
        all.write(|map| map.retain(|kind, _| open.contains(kind)));
        all
    }

    /// Adds an action under its kind; another of that kind is replaced.
    pub fn add(&self, action: Arc<dyn Action>) {
        self.write(|map| map.insert(action.kind().to_owned(), Entry::BuiltIn(action)));
    }

    /// Puts `tools` in the place of those before.
    pub fn set_tools(&self, tools: &Tools) {
        let made = tools.actions(self);
        self.write(|map| {
            map.retain(|_, entry| matches!(entry, Entry::BuiltIn(_)));
            for action in made {
                map.insert(action.kind().to_owned(), Entry::Tool(Arc::new(action)));
            }
        });
    }

    /// Puts the schemas of kinds that have no tool in the place of those before.
    pub fn set_schemas(&self, schemas: BTreeMap<String, Schema>) {
        *self.schemas.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = schemas;
    }

    /// The action of a kind.
    pub fn get(&self, kind: &str) -> Option<Arc<dyn Action>> {
        self.read(|map| map.get(kind).map(Entry::action))
    }

    /// Every kind there is.
    pub fn kinds(&self) -> Vec<String> {
        self.read(|map| map.keys().cloned().collect())
    }

    /// The kinds that may come over the API: [`API_KINDS`] as far as they are there, and tools.
    pub fn api_kinds(&self) -> Vec<String> {
        let open = |(kind, entry): &(&String, &Entry)| {
            matches!(entry, Entry::Tool(_)) || API_KINDS.contains(&kind.as_str())
        };
        self.read(|map| map.iter().filter(open).map(|(kind, _)| kind.clone()).collect())
    }

    /// The kinds that may not: what they do is for an operator's files alone.
    pub fn closed_kinds(&self) -> BTreeSet<String> {
        let open = self.api_kinds();
        let ours = self.kinds().into_iter().chain(
            USES.iter()
                .map(|uses| (*uses).to_owned())
                .chain(["container", "page", "pipeline"].map(str::to_owned)),
        );
        ours.filter(|kind| !open.contains(kind)).collect()
    }

    /// Everything a step may use, for those who look for it.
    pub fn catalogue(&self) -> Vec<ToolInfo> {
        self.read(|map| {
            let info = |(kind, entry): (&String, &Entry)| match entry {
                Entry::Tool(tool) => Some(tool.info()),
                Entry::BuiltIn(_) => catalogue::built_in(kind),
            };
            map.iter().filter_map(info).collect()
        })
    }

    /// Breakers and figures of the tools.
    pub fn circuits(&self) -> &Arc<Circuits> {
        &self.circuits
    }

    pub(crate) fn breaker_limits(&self) -> Limits {
        self.breaker
    }

    pub(crate) fn client(&self) -> Option<Client> {
        self.client.clone()
    }

    fn read<T>(&self, look: impl FnOnce(&BTreeMap<String, Entry>) -> T) -> T {
        look(&self.by_kind.read().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }

    fn write<T>(&self, change: impl FnOnce(&mut BTreeMap<String, Entry>) -> T) -> T {
        change(&mut self.by_kind.write().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }
}

impl tasks::Fits for Actions {
    fn has_schema(&self, kind: &str) -> bool {
        let ours = self.read(|map| match map.get(kind) {
            Some(Entry::Tool(tool)) => tool.input().is_some(),
            Some(Entry::BuiltIn(_)) => catalogue::schema(kind).is_some(),
            None => false,
        });
        ours || self.schemas.read().unwrap_or_else(|poisoned| poisoned.into_inner()).contains_key(kind)
    }

    fn check(&self, kind: &str, args: &Value) -> Result<(), Misfit> {
        let entry = self.read(|map| map.get(kind).cloned());
        let schema = match &entry {
            Some(Entry::Tool(tool)) => tool.input(),
            Some(Entry::BuiltIn(_)) => catalogue::schema(kind),
            None => None,
        };
        if let Some(schema) = schema {
            return schema.check(args);
        }
        let schemas = self.schemas.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        schemas.get(kind).map_or(Ok(()), |schema| schema.check(args))
    }
}

impl std::fmt::Debug for Actions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Actions").field(&self.kinds()).finish()
    }
}

/// A duration as whole milliseconds.
fn millis(took: std::time::Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;

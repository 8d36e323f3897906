//! The actions, each in its file, and the list of those that a worker can do.

mod command;
mod file;
mod http;
mod noop;
mod process;
mod promql;
mod redis;
mod sql;
mod wait;

use crate::{BoxFuture, Tools};
use reach::http::Client;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    sync::{Arc, RwLock},
};
use tasks::Action;

/// The kinds that may come over the API as they are; the names of tools come besides.
pub const API_KINDS: [&str; 4] = ["noop", "wait", "http", "promql"];

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

/// What a worker can do, by kind.
#[derive(Default)]
pub struct Actions {
    /// Read for each attempt, written on reload.
    by_kind: RwLock<BTreeMap<String, Entry>>,
}

#[derive(Clone)]
struct Entry {
    action: Arc<dyn Action>,
    origin: Origin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    BuiltIn,
    Tool,
}

impl Actions {
    /// Nothing.
    pub fn none() -> Actions {
        Actions::default()
    }

    /// Every action of this crate, each under the kinds it may have.
    pub fn built_in(parts: &Parts) -> Actions {
        let actions = Actions::none();
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

    /// Adds an action under its kind; another of that kind is replaced.
    pub fn add(&self, action: Arc<dyn Action>) {
        let entry = Entry { origin: Origin::BuiltIn, action };
        self.write(|map| map.insert(entry.action.kind().to_owned(), entry));
    }

    /// Puts `tools` in the place of those before.
    pub fn set_tools(&self, tools: &Tools) {
        let made: Vec<Arc<dyn Action>> = tools.actions(self);
        self.write(|map| {
            map.retain(|_, entry| entry.origin != Origin::Tool);
            for action in made {
                map.insert(action.kind().to_owned(), Entry { origin: Origin::Tool, action });
            }
        });
    }

    /// The action of a kind.
    pub fn get(&self, kind: &str) -> Option<Arc<dyn Action>> {
        self.read(|map| map.get(kind).map(|entry| entry.action.clone()))
    }

    /// Every kind there is.
    pub fn kinds(&self) -> Vec<String> {
        self.read(|map| map.keys().cloned().collect())
    }

    /// The kinds that may come over the API: [`API_KINDS`] as far as they are there, and tools.
    pub fn api_kinds(&self) -> Vec<String> {
        let open = |(kind, entry): &(&String, &Entry)| {
            entry.origin == Origin::Tool || API_KINDS.contains(&kind.as_str())
        };
        self.read(|map| map.iter().filter(open).map(|(kind, _)| kind.clone()).collect())
    }

    fn read<T>(&self, look: impl FnOnce(&BTreeMap<String, Entry>) -> T) -> T {
        look(&self.by_kind.read().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }

    fn write<T>(&self, change: impl FnOnce(&mut BTreeMap<String, Entry>) -> T) -> T {
        change(&mut self.by_kind.write().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }
}

/// A duration as whole milliseconds.
fn millis(took: std::time::Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;

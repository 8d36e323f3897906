//! Evaluates an expression now.

use crate::Evaluate;
use crate::args::{Args, Trouble, outcome};
use serde_json::Value;
use tasks::{Action, Attempt, Running};

pub(super) struct Promql {
    kind: String,
    evaluate: Evaluate,
}

impl Promql {
    pub fn new(kind: String, evaluate: Evaluate) -> Promql {
        Promql { kind, evaluate }
    }

    async fn ask(&self, args: &Value) -> Result<Value, Trouble> {
        let query = Args(args).only(&["query"])?.need("query")?;
        (self.evaluate)(query).await.map_err(|why| Trouble::last("promql", why))
    }
}

impl Action for Promql {
    fn kind(&self) -> &str {
        &self.kind
    }

    fn run(&self, attempt: Attempt) -> Running<'_> {
        Box::pin(async move { outcome(self.ask(&attempt.args.value()).await) })
    }
}

//! One SQL statement, with bind parameters, on a database that an operator's file names: PostgreSQL, or a SQLite
//! file as `sqlite:PATH`. Read-only unless `mode: write` is said.

use super::millis;
use crate::args::{Args, Trouble, outcome};
use reach::{
    Guard,
    postgres::{self, Mode},
};
use rusqlite::{Connection, OpenFlags, types::ValueRef};
use serde_json::{Map, Value, json};
use std::time::{Duration, Instant};
use tasks::{Action, Attempt, Running};

pub(super) struct Sql {
    kind: String,
    guard: Guard,
}

/// Unless `rows_max` is said.
const ROWS: u64 = 100;
const ROWS_MAX: u64 = 10_000;

impl Sql {
    pub fn new(kind: String, guard: Guard) -> Sql {
        Sql { kind, guard }
    }

    async fn ask(&self, attempt: &Attempt) -> Result<Value, Trouble> {
        let given = attempt.args.value();
        let args = Args(&given).only(&["dsn", "query", "params", "mode", "rows_max"])?;
        let (dsn, query) = (args.need("dsn")?, args.need("query")?);
        let params = match args.get("params") {
            None => Vec::new(),
            Some(Value::Array(params)) => params.clone(),
            Some(_) => return Err(Trouble::args("params must be a list")),
        };
        let mode = match args.text("mode")?.as_deref() {
            None | Some("read") => Mode::ReadOnly,
            Some("write") => Mode::ReadWrite,
            Some(_) => return Err(Trouble::args("mode must be read or write")),
        };
        let rows_max = args.number("rows_max", ROWS, ROWS_MAX)? as usize;
        let begun = Instant::now();
        let answer = match dsn.strip_prefix("sqlite:") {
            Some(path) => {
                let statement = Statement { path: path.to_owned(), query, params, mode, rows_max };
                let deadline = attempt.deadline;
                let work = tokio::task::spawn_blocking(move || statement.run(deadline));
                work.await.map_err(|_| Trouble::again("sqlite", "the statement was stopped"))??
            }
            None => {
                let dsn = postgres::Dsn::parse(&dsn)?;
                let limit = attempt.deadline;
                postgres::query(&self.guard, &dsn, &query, &params, mode, rows_max, limit).await?.0
            }
        };
        Ok(json!({
            "text": text(&answer),
            "rows": answer.rows,
            "cut": answer.cut,
            "affected": answer.affected,
            "took_ms": millis(begun.elapsed()),
        }))
    }
}

impl Action for Sql {
    fn kind(&self) -> &str {
        &self.kind
    }

    fn run(&self, attempt: Attempt) -> Running<'_> {
        Box::pin(async move { outcome(self.ask(&attempt).await) })
    }
}

/// A row a line, `name=value` each.
fn text(answer: &postgres::Answer) -> String {
    let cell = |(name, value): (&String, &Value)| match value {
        Value::String(text) => format!("{name}={text}"),
        other => format!("{name}={other}"),
    };
    let line = |row: &Map<String, Value>| row.iter().map(cell).collect::<Vec<_>>().join(" ");
    let mut lines: Vec<String> = answer.rows.iter().map(line).collect();
    match (lines.is_empty(), answer.cut) {
        (true, _) => lines.push(format!("no rows, {} affected", answer.affected)),
        (_, true) => lines.push("and more".to_owned()),
        _ => {}
    }
    lines.join("\n")
}

struct Statement {
    path: String,
    query: String,
    params: Vec<Value>,
    mode: Mode,
    rows_max: usize,
}

impl Statement {
    fn run(self, deadline: Duration) -> Result<postgres::Answer, Trouble> {
        let fail = |e: rusqlite::Error| Trouble::last("sqlite", format!("{}: {e}", self.path));
        let flags = match self.mode {
            Mode::ReadOnly => OpenFlags::SQLITE_OPEN_READ_ONLY,
            Mode::ReadWrite => OpenFlags::SQLITE_OPEN_READ_WRITE,
        };
        let mut connection = Connection::open_with_flags(&self.path, flags).map_err(fail)?;
        connection.busy_timeout(deadline / 2).map_err(fail)?;
        let until = Instant::now() + deadline;
        connection.progress_handler(1000, Some(move || Instant::now() >= until)).map_err(fail)?;
        let mut statement = connection.prepare(&self.query).map_err(fail)?;
        let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let params = rusqlite::params_from_iter(self.params.iter().map(bind));
        let mut answer = postgres::Answer { rows: Vec::new(), cut: false, affected: 0 };
        if names.is_empty() {
            answer.affected = statement.execute(params).map_err(fail)? as u64;
            return Ok(answer);
        }
        let mut rows = statement.query(params).map_err(fail)?;
        while let Some(row) = rows.next().map_err(fail)? {
            if answer.rows.len() == self.rows_max {
                answer.cut = true;
                break;
            }
            let mut cells = Map::new();
            for (i, name) in names.iter().enumerate() {
                cells.insert(name.clone(), cell(row.get_ref(i).map_err(fail)?));
            }
            answer.rows.push(cells);
        }
        Ok(answer)
    }
}

fn bind(value: &Value) -> rusqlite::types::Value {
    use rusqlite::types::Value as Bound;
    match value {
        Value::Null => Bound::Null,
        Value::Bool(truth) => Bound::Integer(i64::from(*truth)),
        Value::Number(n) => {
            n.as_i64().map_or_else(|| Bound::Real(n.as_f64().unwrap_or(f64::NAN)), Bound::Integer)
        }
        Value::String(text) => Bound::Text(text.clone()),
        other => Bound::Text(other.to_string()),
    }
}

fn cell(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(n) => json!(n),
        ValueRef::Real(n) => json!(n),
        ValueRef::Text(text) => json!(String::from_utf8_lossy(text)),
        ValueRef::Blob(bytes) => json!(format!("<{} bytes>", bytes.len())),
    }
}

//! `tocsin tasks`: tasks, queues and runs that were given up, from a terminal.

use crate::{
    cli::{self, TasksVerb},
    client::{Client, LocalKey, block_on},
    terminal::{escape, text},
};
use anyhow::Result;
use reach::http::Method;
use serde_json::{Value, json};
use std::process::ExitCode;

/// Does one of them, and prints what the server says.
pub fn run(args: &cli::Tasks) -> Result<ExitCode> {
    let verb = args.verb.clone().unwrap_or(TasksVerb::List { status: None, limit: 20 });
    let local = if reads(&verb) { LocalKey::User } else { LocalKey::Operator };
    block_on(async {
        let client = Client::new(&args.remote, local);
        let (method, path, body) = request(&verb);
        let said = client.ask(method, &path, body.as_ref()).await?.done()?;
        match args.remote.json {
            true => println!("{said}"),
            false => show(&verb, &said).iter().for_each(|line| println!("{line}")),
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn reads(verb: &TasksVerb) -> bool {
    use TasksVerb::*;
    matches!(verb, List { .. } | Show { .. } | Why { .. } | Queues | Dead { .. })
}

/// What is asked of the server.
fn request(verb: &TasksVerb) -> (Method, String, Option<Value>) {
    use TasksVerb::*;
    // A body, if only an empty one: without one a request from this machine is not told from a form's.
    let post = |path: String| (Method::POST, path, Some(json!({})));
    match verb {
        List { status: Some(status), limit } => {
            (Method::GET, format!("/tasks?limit={limit}&status={}", escape(status)), None)
        }
        List { status: None, limit } => (Method::GET, format!("/tasks?limit={limit}"), None),
        Show { id } => (Method::GET, format!("/tasks/{}", escape(id)), None),
        Why { id } => (Method::GET, format!("/tasks/{}/why", escape(id)), None),
        Run { id } => post(format!("/tasks/{}/run_now", escape(id))),
        Cancel { id } => post(format!("/tasks/{}/cancel", escape(id))),
        Pause { id } => post(format!("/tasks/{}/pause", escape(id))),
        Resume { id } => post(format!("/tasks/{}/resume", escape(id))),
        Snooze { id, seconds, reason } => {
            let body = json!({"delay_seconds": seconds, "reason": reason});
            (Method::POST, format!("/tasks/{}/snooze", escape(id)), Some(body))
        }
        Queues => (Method::GET, "/queues".to_owned(), None),
        PauseQueue { name } => post(format!("/queues/{}/pause", escape(name))),
        ResumeQueue { name } => post(format!("/queues/{}/resume", escape(name))),
        Dead { limit } => (Method::GET, format!("/dead-letters?limit={limit}"), None),
        Replay { run } => post(format!("/dead-letters/{}/replay", escape(run))),
    }
}

/// What came back, line by line.
fn show(verb: &TasksVerb, said: &Value) -> Vec<String> {
    use TasksVerb::*;
    let items = said["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    let lines: Vec<String> = match verb {
        List { .. } => items.iter().map(task).collect(),
        Show { .. } => {
            let task = if said["task"].is_object() { &said["task"] } else { said };
            serde_json::to_string_pretty(task).unwrap_or_default().lines().map(str::to_owned).collect()
        }
        Why { .. } => {
            let causes = said["causes"].as_array().map(Vec::as_slice).unwrap_or_default();
            causes
                .iter()
                .map(|cause| format!("{}: {}", text(&cause["cause"]), text(&cause["text"])))
                .collect()
        }
        Queues | PauseQueue { .. } | ResumeQueue { .. } => {
            let one = std::slice::from_ref(said);
            let queues = if said["name"].is_string() { one } else { items };
            queues.iter().map(queue).collect()
        }
        Dead { .. } => items.iter().map(dead).collect(),
        _ => vec![text(&said["message"])],
    };
    match (lines.is_empty(), verb) {
        (true, Why { .. }) => vec!["nothing keeps it: a worker that asks now may take it".to_owned()],
        (true, _) => vec!["nothing".to_owned()],
        (false, _) => lines,
    }
}

fn task(task: &Value) -> String {
    let what = ["kind", "type", "title"].iter().map(|name| &task[*name]).find(|name| name.is_string());
    let error = if task["error"].is_string() { format!("  {}", text(&task["error"])) } else { String::new() };
    let what = what.map(text).unwrap_or_default();
    format!(
        "{}  {:<12}{}  {}{error}",
        text(&task["id"]),
        text(&task["status"]),
        text(&task["created_at"]),
        what
    )
}

fn queue(queue: &Value) -> String {
    let paused = match queue["paused"] == true {
        true => format!("  paused by {}", text(&queue["paused_by"])),
        false => String::new(),
    };
    let name = text(&queue["name"]);
    format!(
        "{name:<20}{} waiting, {} ready, {} running{paused}",
        queue["waiting"], queue["ready"], queue["running"]
    )
}

fn dead(dead: &Value) -> String {
    let [run, at, kind] = ["run_id", "dead_at", "kind"].map(|name| text(&dead[name]));
    format!("{run}  {at}  {kind}  {} tries  {}", dead["attempt"], text(&dead["error"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_lines() {
        let id = || "a/b".to_owned();
        for (verb, path, said, lines) in [
            (
                TasksVerb::List { status: Some("in progress".to_owned()), limit: 3 },
                "/tasks?limit=3&status=in%20progress",
                json!({"items": [{"id": "1", "status": "pending", "created_at": "T", "kind": "noop"}]}),
                vec!["1  pending     T  noop"],
            ),
            (
                TasksVerb::Why { id: id() },
                "/tasks/a%2Fb/why",
                json!({"causes": []}),
                vec!["nothing keeps it: a worker that asks now may take it"],
            ),
            (
                TasksVerb::Why { id: id() },
                "/tasks/a%2Fb/why",
                json!({"causes": [{"cause": "queue_paused", "text": "by ann\u{1b}[2J"}]}),
                vec!["queue_paused: by ann [2J"],
            ),
            (TasksVerb::Cancel { id: id() }, "/tasks/a%2Fb/cancel", json!({"message": "done"}), vec!["done"]),
            (
                TasksVerb::Queues,
                "/queues",
                json!({"items": [{"name": "mail", "paused": true, "paused_by": "ann", "waiting": 2, "ready": 1, "running": 0}]}),
                vec!["mail                2 waiting, 1 ready, 0 running  paused by ann"],
            ),
        ] {
            assert_eq!(request(&verb).1, path);
            assert_eq!(show(&verb, &said), lines, "{verb:?}");
        }
    }
}

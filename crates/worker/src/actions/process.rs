//! Is a process of this name, or on this port, alive? Its absence is a finding, not a failure.

use crate::args::{Args, Trouble, outcome};
use reach::process::{Found, Process as Seen, Wanted, find};
use serde_json::{Value, json};
use tasks::{Action, Attempt, Running};

pub(super) struct Process(pub String);

impl Action for Process {
    fn kind(&self) -> &str {
        &self.0
    }

    fn run(&self, attempt: Attempt) -> Running<'_> {
        Box::pin(async move { outcome(look(&attempt.args.value()).await) })
    }
}

async fn look(args: &Value) -> Result<Value, Trouble> {
    let args = Args(args).only(&["name", "port"])?;
    let port = match args.number("port", 0, u64::from(u16::MAX))? {
        0 => None,
        port => u16::try_from(port).ok(),
    };
    let wanted = Wanted { name: args.text("name")?, port };
    if wanted == Wanted::default() {
        return Err(Trouble::args("give a name, a port, or both"));
    }
    Ok(report(&wanted, find(wanted.clone()).await?))
}

/// What there is to say. With a name and a port, a process of that name that listens elsewhere is another
/// instance and does not count; one that listens nowhere does: it may be starting, or hang.
fn report(wanted: &Wanted, found: Found) -> Value {
    let Found { processes, total, port_open } = found;
    let mut mine: Vec<&Seen> = processes.iter().collect();
    let mut others = 0;
    if let (Some(name), Some(port)) = (&wanted.name, wanted.port) {
        let elsewhere = |p: &Seen| {
            !p.in_our_network || p.listens.as_ref().is_some_and(|l| !l.is_empty() && !l.contains(&port))
        };
        let others_pids: Vec<i32> = processes.iter().filter(|p| elsewhere(p)).map(|p| p.pid).collect();
        // Children of another instance are its own.
        mine.retain(|p| !elsewhere(p) && !others_pids.contains(&p.parent));
        others = total - mine.len();
        let holders = mine.iter().filter(|p| p.listens.as_ref().is_some_and(|l| l.contains(&port))).count();
        let text = if holders > 0 {
            format!("{name} runs ({}) and listens on port {port}", pids(&mine))
        } else if port_open == Some(true) && mine.is_empty() {
            format!("no process named {name}, but something listens on port {port}")
        } else if port_open == Some(true) {
            format!("{name} runs ({}); who listens on port {port} is not ours to see", pids(&mine))
        } else if mine.is_empty() {
            format!("no process named {name} for port {port}; nothing listens there")
        } else if mine.iter().all(|p| p.listens.is_none()) {
            let who = pids(&mine);
            format!(
                "no process listens on port {port}; {name} runs ({who}), for which ports is not ours to see"
            )
        } else {
            format!("{name} runs ({}), but nothing listens on port {port}", pids(&mine))
        };
        return json(&mine, mine.len(), others, port_open, text);
    }
    let who = match (&wanted.name, wanted.port) {
        (Some(name), _) => format!("named {name}"),
        (None, port) => format!("on port {}", port.unwrap_or_default()),
    };
    let text = match (total, port_open) {
        (0, Some(true)) => format!("something listens, but the process {who} is not ours to see"),
        (0, _) => format!("no process {who}"),
        (1, _) => format!("one process {who} ({})", pids(&mine)),
        (n, _) => format!("{n} processes {who} ({})", pids(&mine)),
    };
    json(&mine, total, others, port_open, text)
}

fn pids(processes: &[&Seen]) -> String {
    let shown: Vec<String> = processes.iter().take(5).map(|p| p.pid.to_string()).collect();
    let more = if processes.len() > 5 { ", ..." } else { "" };
    format!("pid {}{more}", shown.join(", "))
}

fn json(processes: &[&Seen], total: usize, others: usize, port_open: Option<bool>, text: String) -> Value {
    let list: Vec<Value> = processes
        .iter()
        .map(|p| {
            json!({
                "pid": p.pid,
                "name": p.name,
                "command": p.command,
                "state": p.state.to_string(),
                "rss_bytes": p.rss_bytes,
                "started_at": i64::try_from(p.started_secs)
                    .map(|secs| model::Timestamp::from_millis(secs.saturating_mul(1000)).rfc3339())
                    .unwrap_or_default(),
            })
        })
        .collect();
    json!({
        "running": total > 0,
        "total": total,
        "other_instances": others,
        "port_open": port_open,
        "processes": list,
        "text": text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(pid: i32, parent: i32, listens: Option<&[u16]>) -> Seen {
        Seen {
            pid,
            parent,
            name: "redis-server".to_owned(),
            command: "redis-server *:6379".to_owned(),
            state: 'S',
            rss_bytes: 1,
            started_secs: 1,
            listens: listens.map(<[u16]>::to_vec),
            in_our_network: true,
        }
    }

    fn check(processes: Vec<Seen>, port_open: bool, running: bool, text: &str) {
        let wanted = Wanted { name: Some("redis-server".to_owned()), port: Some(6379) };
        let found = Found { total: processes.len(), processes, port_open: Some(port_open) };
        let report = report(&wanted, found);
        assert_eq!((report["text"].as_str().unwrap(), report["running"].as_bool().unwrap()), (text, running));
    }

    #[test]
    fn name_and_port() {
        check(vec![], false, false, "no process named redis-server for port 6379; nothing listens there");
        check(
            vec![seen(5, 1, Some(&[6379]))],
            true,
            true,
            "redis-server runs (pid 5) and listens on port 6379",
        );
        let other = || vec![seen(5, 1, Some(&[6380])), seen(6, 5, Some(&[]))];
        check(other(), false, false, "no process named redis-server for port 6379; nothing listens there");
        check(other(), true, false, "no process named redis-server, but something listens on port 6379");
        let mut contained = seen(5, 1, Some(&[]));
        contained.in_our_network = false;
        let gone = "no process named redis-server for port 6379; nothing listens there";
        check(vec![contained, seen(6, 5, Some(&[]))], false, false, gone);
        let hung = vec![seen(5, 1, Some(&[]))];
        check(hung, false, true, "redis-server runs (pid 5), but nothing listens on port 6379");
        let strangers = || vec![seen(5, 1, None)];
        let unseen =
            "no process listens on port 6379; redis-server runs (pid 5), for which ports is not ours to see";
        check(strangers(), false, true, unseen);
        check(
            strangers(),
            true,
            true,
            "redis-server runs (pid 5); who listens on port 6379 is not ours to see",
        );
    }
}

//! Which processes run: by name, or by the port they listen on. Reads `/proc`; processes of other users show
//! their name, but not always which sockets are theirs.

use crate::Error;
use procfs::process::{FDTarget, Process as Proc};
use std::{collections::HashMap, path::PathBuf};

/// A running process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// Its parent's number.
    pub parent: i32,
    /// Its short name.
    pub name: String,
    /// Its command line, at most [`COMMAND_MAX`] bytes.
    pub command: String,
    /// `R`, `S`, `D`, `Z`, ...
    pub state: char,
    /// Memory in use.
    pub rss_bytes: u64,
    /// When it started, in seconds since the epoch.
    pub started_secs: u64,
    /// The TCP ports it listens on; `None` where its sockets are not ours to see.
    pub listens: Option<Vec<u16>>,
    /// Whether it is in our network; a container's processes mostly are not, and their ports are not ours.
    pub in_our_network: bool,
}

/// The longest command line shown.
pub const COMMAND_MAX: usize = 400;
/// The most processes reported; more are counted, not listed.
pub const FOUND_MAX: usize = 50;

/// Whom to look for: by name if there is one, else by port. A port is looked at in either case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The short name, the program's file name, or the first word of the command line.
    pub name: Option<String>,
    /// A TCP port that is listened on.
    pub port: Option<u16>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The processes, oldest first; zombies are not counted as running and left out.
    pub processes: Vec<Process>,
    /// How many there are in all.
    pub total: usize,
    /// Whether somebody listens on the port, if one was asked for; known even where the owner is not.
    pub port_open: Option<bool>,
}

/// Looks for `wanted`.
pub async fn find(wanted: Wanted) -> Result<Found, Error> {
    let search = tokio::task::spawn_blocking(move || search(&wanted));
    search.await.unwrap_or_else(|_| Err(fail("the search was stopped")))
}

fn search(wanted: &Wanted) -> Result<Found, Error> {
    let sockets = listening()?;
    let boot = procfs::boot_time_secs().map_err(|e| fail(&e.to_string()))?;
    let mut processes = Vec::new();
    for process in procfs::process::all_processes().map_err(|e| fail(&e.to_string()))?.flatten() {
        // A process may end while it is looked at: then it is not running, which is the answer.
        if let Some(seen) = look(&process, wanted, &sockets, boot) {
            processes.push(seen);
        }
    }
    processes.sort_by_key(|p| (p.started_secs, p.pid));
    let total = processes.len();
    processes.truncate(FOUND_MAX);
    let port_open = wanted.port.map(|port| sockets.values().any(|p| *p == port));
    Ok(Found { processes, total, port_open })
}

fn look(process: &Proc, wanted: &Wanted, sockets: &HashMap<u64, u16>, boot: u64) -> Option<Process> {
    let stat = process.stat().ok()?;
    if matches!(stat.state, 'Z' | 'X' | 'x') {
        return None;
    }
    let words = process.cmdline().unwrap_or_default();
    let listens = match &wanted.name {
        Some(name) if has_name(process, &stat.comm, &words, name) => listens(process, sockets),
        Some(_) => return None,
        None => {
            let listens = listens(process, sockets)?;
            wanted.port.is_some_and(|port| listens.contains(&port)).then_some(Some(listens))?
        }
    };
    let mut command = words.join(" ");
    let end = command.floor_char_boundary(COMMAND_MAX);
    command.truncate(end);
    Some(Process {
        pid: stat.pid,
        parent: stat.ppid,
        name: stat.comm,
        command,
        state: stat.state,
        rss_bytes: stat.rss.saturating_mul(procfs::page_size()),
        started_secs: boot + stat.starttime / procfs::ticks_per_second(),
        listens,
        in_our_network: network(process.pid).is_none_or(|theirs| Some(theirs) == network(own_pid())),
    })
}

/// The network that a process is in, as the kernel names it; `None` where that is not ours to see.
fn network(pid: i32) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/ns/net")).ok()
}

fn own_pid() -> i32 {
    i32::try_from(std::process::id()).unwrap_or_default()
}

fn has_name(process: &Proc, comm: &str, words: &[String], name: &str) -> bool {
    // A process can rewrite its command line (`redis-server *:6379`, `postgres: checkpointer`): its first word
    // counts, with and without the colon.
    let first = words.first().map_or("", String::as_str);
    let first = first.split(' ').next().unwrap_or("").trim_end_matches(':');
    let file = |path: &str| path.rsplit('/').next() == Some(name);
    // The kernel keeps only 15 bytes of a short name.
    comm == name || comm.len() == 15 && name.starts_with(comm) && file(first) || file(first) || {
        process.exe().is_ok_and(|exe| exe.file_name().is_some_and(|f| f == name))
    }
}

fn listens(process: &Proc, sockets: &HashMap<u64, u16>) -> Option<Vec<u16>> {
    let files = process.fd().ok()?;
    let mut ports: Vec<u16> = files
        .flatten()
        .filter_map(|fd| match fd.target {
            FDTarget::Socket(inode) => sockets.get(&inode).copied(),
            _ => None,
        })
        .collect();
    ports.sort_unstable();
    ports.dedup();
    Some(ports)
}

/// The listening sockets and their ports.
fn listening() -> Result<HashMap<u64, u16>, Error> {
    let four = procfs::net::tcp().map_err(|e| fail(&e.to_string()))?;
    let six = procfs::net::tcp6().unwrap_or_default(); // a kernel may have none
    let all = four.into_iter().chain(six).filter(|e| e.state == procfs::net::TcpState::Listen);
    Ok(all.map(|e| (e.inode, e.local_address.port())).collect())
}

fn fail(why: &str) -> Error {
    Error::File { path: "/proc".into(), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn finds_itself_by_port_and_by_name() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let own = i32::try_from(std::process::id()).unwrap();

        let found = find(Wanted { name: None, port: Some(port) }).await.unwrap();
        assert_eq!(found.port_open, Some(true));
        assert!(found.processes.iter().any(|p| p.pid == own), "{found:?}");

        let exe = std::env::current_exe().unwrap();
        let name = exe.file_name().unwrap().to_str().unwrap().to_owned();
        let found = find(Wanted { name: Some(name), port: Some(port) }).await.unwrap();
        let listens = |p: &Process| p.listens.as_ref().is_some_and(|ports| ports.contains(&port));
        assert!(found.processes.iter().any(|p| p.pid == own && p.rss_bytes > 0 && listens(p)), "{found:?}");

        drop(listener);
        let found = find(Wanted { name: None, port: Some(port) }).await.unwrap();
        assert_eq!((found.port_open, found.total), (Some(false), 0));
        let nobody = Wanted { name: Some("no-such-program-anywhere".to_owned()), port: None };
        assert_eq!(find(nobody).await.unwrap(), Found { processes: vec![], total: 0, port_open: None });
    }
}

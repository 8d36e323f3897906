//! The floor: the same protocol with no product behind it. A thread a connection, one queue in memory, one SQLite
//! writer that commits whatever is queued (WAL, synchronous FULL) before anything is let out.

use rusqlite::{Connection, params};
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A change to be durable; the reply goes out after its commit.
enum Change {
    Put(u64, String),
    Claim(u64),
    Done(u64),
}

type Job = (Vec<Change>, Sender<()>);

#[derive(Default)]
struct Queue {
    next: u64,
    ready: VecDeque<(u64, String)>,
}

struct Floor {
    queue: Mutex<Queue>,
    came: Condvar,
    writer: Sender<Job>,
}

pub fn serve(address: &str, file: &Path) -> Result<(), String> {
    let (sender, receiver) = channel();
    let connection = Connection::open(file).map_err(|why| why.to_string())?;
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000;
             CREATE TABLE IF NOT EXISTS live (id INTEGER PRIMARY KEY, args TEXT NOT NULL, claimed INTEGER NOT NULL);
             CREATE TABLE IF NOT EXISTS history (id INTEGER PRIMARY KEY, result TEXT NOT NULL);",
        )
        .map_err(|why| why.to_string())?;
    std::thread::spawn(move || write(connection, &receiver));
    let floor = Arc::new(Floor { queue: Mutex::default(), came: Condvar::new(), writer: sender });
    let listener = TcpListener::bind(address).map_err(|why| format!("cannot listen on {address}: {why}"))?;
    for stream in listener.incoming().flatten() {
        let floor = Arc::clone(&floor);
        std::thread::spawn(move || floor.talk(stream));
    }
    Ok(())
}

/// Commits what is queued, again and again.
fn write(mut connection: Connection, jobs: &Receiver<Job>) -> rusqlite::Result<()> {
    while let Ok(first) = jobs.recv() {
        let batch: Vec<Job> = std::iter::once(first).chain(jobs.try_iter()).collect();
        let transaction = connection.transaction()?;
        for change in batch.iter().flat_map(|(changes, _)| changes) {
            match change {
                Change::Put(id, args) => transaction
                    .prepare_cached("INSERT INTO live VALUES (?1, ?2, 0)")?
                    .execute(params![*id as i64, args])?,
                Change::Claim(id) => transaction
                    .prepare_cached("UPDATE live SET claimed = 1 WHERE id = ?1")?
                    .execute([*id as i64])?,
                Change::Done(id) => {
                    transaction.prepare_cached("DELETE FROM live WHERE id = ?1")?.execute([*id as i64])?;
                    transaction
                        .prepare_cached("INSERT INTO history VALUES (?1, ?2)")?
                        .execute(params![*id as i64, "{\"ok\":true}"])?
                }
            };
        }
        transaction.commit()?;
        for (_, reply) in batch {
            let _ = reply.send(());
        }
    }
    Ok(())
}

impl Floor {
    fn talk(&self, stream: TcpStream) -> Option<()> {
        stream.set_nodelay(true).ok()?;
        let mut out = stream.try_clone().ok()?;
        let mut input = BufReader::with_capacity(256 << 10, stream);
        let (mut line, mut body) = (String::new(), Vec::new());
        loop {
            line.clear();
            if input.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let path = line.split(' ').nth(1)?.to_owned();
            let mut length = 0;
            loop {
                line.clear();
                input.read_line(&mut line).ok()?;
                let Some((key, value)) = line.trim_end().split_once(':') else { break };
                if key.eq_ignore_ascii_case("content-length") {
                    length = value.trim().parse().ok()?;
                }
            }
            body.resize(length, 0);
            input.read_exact(&mut body).ok()?;
            let text = std::str::from_utf8(&body).ok()?;
            let (status, answer) = match path.as_str() {
                "/tasks" => (201, self.put(text)),
                "/tasks/bulk" => (200, self.put(text)),
                "/v1/work" => (200, self.work(text)),
                _ => (200, "{\"status\": \"healthy\"}".to_owned()),
            };
            let head = format!("HTTP/1.1 {status} OK\r\ncontent-length: {}\r\n\r\n", answer.len());
            out.write_all(&[head.as_bytes(), answer.as_bytes()].concat()).ok()?;
        }
    }

    fn commit(&self, changes: Vec<Change>) {
        let (reply, done) = channel();
        let _ = self.writer.send((changes, reply));
        let _ = done.recv();
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, body: &str) -> String {
        let lines: Vec<&str> = body.lines().filter(|line| !line.is_empty()).collect();
        let first = {
            let mut queue = self.queue();
            queue.next += lines.len() as u64;
            queue.next - lines.len() as u64
        };
        let rows = || lines.iter().zip(first..).map(|(line, id)| (id, (*line).to_owned()));
        self.commit(rows().map(|(id, line)| Change::Put(id, line)).collect());
        self.queue().ready.extend(rows());
        self.came.notify_one();
        rows().fold(String::new(), |mut answer, (id, _)| {
            let _ = writeln!(answer, "{{\"status\":201,\"id\":\"{id}\"}}");
            answer
        })
    }

    fn work(&self, body: &str) -> String {
        let number = |key: &str| {
            let at = body.find(key).map(|at| &body[at + key.len()..]).unwrap_or_default();
            let end = at.find(|c: char| !c.is_ascii_digit()).unwrap_or(at.len());
            at[..end].parse::<usize>().unwrap_or_default()
        };
        let (want, wait) = (number("\"want\":"), Duration::from_millis(number("\"wait_ms\":") as u64));
        let tokens = body.split("\"attempt_token\":\"").skip(1);
        let done: Vec<u64> = tokens.filter_map(|text| text.split('"').next()?.parse().ok()).collect();
        let mut changes: Vec<Change> = done.iter().map(|id| Change::Done(*id)).collect();
        let given = self.claim(want, if done.is_empty() { wait } else { Duration::ZERO });
        changes.extend(given.iter().map(|(id, _)| Change::Claim(*id)));
        if !changes.is_empty() {
            self.commit(changes);
        }
        let mut answer = "{\"results\":{".to_owned();
        for (nth, id) in done.iter().enumerate() {
            let _ = write!(answer, "{}\"{id}\":\"accepted\"", if nth == 0 { "" } else { "," });
        }
        answer.push_str("},\"runs\":[");
        for (nth, (id, args)) in given.iter().enumerate() {
            let comma = if nth == 0 { "" } else { "," };
            let _ = write!(answer, "{comma}{{\"attempt_token\":\"{id}\",\"args\":{args}}}");
        }
        answer.push_str("]}");
        answer
    }

    fn claim(&self, want: usize, wait: Duration) -> Vec<(u64, String)> {
        let until = Instant::now() + wait;
        let mut queue = self.queue();
        loop {
            let ready = queue.ready.len().min(want);
            if ready > 0 || want == 0 {
                return queue.ready.drain(..ready).collect();
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Vec::new();
            }
            queue = self.came.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

//! A worker's side of the protocol, and the producer's: bodies written by hand, replies searched for what counts.

use crate::http::Link;
use std::fmt::Write;

/// The kind of work of every task here.
pub const KIND: &str = "bench";

/// A task of about 200 bytes of arguments that knows its number.
pub fn task(n: u32, into: &mut String) {
    let _ = write!(
        into,
        "{{\"kind\":\"{KIND}\",\"args\":{{\"n\":{n},\"to\":\"someone@example.org\",\"subject\":\"your invoice is ready\",\"body\":\"{:0>100}\"}}}}",
        n % 997
    );
}

/// What a worker holds.
#[derive(Default)]
pub struct Held {
    /// Tokens of the runs it was given.
    pub tokens: Vec<String>,
    /// Their numbers.
    pub numbers: Vec<u32>,
}

/// A worker with its connection.
pub struct Worker {
    link: Link,
    id: String,
    nonce: String,
    body: String,
}

impl Worker {
    pub fn new(link: Link, nth: u32) -> Worker {
        let nonce = format!("{}-{nth}", std::process::id());
        Worker { link, id: format!("load-{nth}"), nonce, body: String::new() }
    }

    /// One round trip: completes what is held, asks for `want` more, waits at most `wait_ms`. Leaves in `held`
    /// what was given; answers how many completions were accepted.
    pub fn turn(&mut self, held: &mut Held, want: u32, wait_ms: u32) -> Result<u32, String> {
        self.body.clear();
        let _ = write!(
            self.body,
            "{{\"worker\":{{\"id\":\"{}\",\"boot_nonce\":\"{}\",\"labels\":{{}},\"kinds\":[\"{KIND}\"],\"slots_free\":{want}}},\"want\":{want},\"wait_ms\":{wait_ms},\"complete\":[",
            self.id, self.nonce
        );
        for (nth, token) in held.tokens.iter().enumerate() {
            let comma = if nth == 0 { "" } else { "," };
            let _ = write!(
                self.body,
                "{comma}{{\"attempt_token\":\"{token}\",\"outcome\":\"done\",\"result\":{{\"ok\":true}}}}"
            );
        }
        self.body.push_str("]}");
        let reply = self.link.post("/v1/work", "application/json", self.body.as_bytes())?;
        if reply.status != 200 {
            return Err(format!("/v1/work: {} {}", reply.status, String::from_utf8_lossy(reply.body)));
        }
        let accepted = memchr::memmem::find_iter(reply.body, b"\"accepted\"").count() as u32;
        held.tokens.clear();
        held.numbers.clear();
        let text = std::str::from_utf8(reply.body).map_err(|_| "a reply that is no text")?;
        held.tokens.extend(values(text, "\"attempt_token\":\"").map(|value| until(value, '"').to_owned()));
        held.numbers.extend(values(text, "\"n\":").filter_map(|value| {
            let end = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
            value[..end].parse::<u32>().ok()
        }));
        Ok(accepted)
    }
}

/// What follows each `key`; spaces after it are left out.
fn values<'a>(text: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    memchr::memmem::find_iter(text.as_bytes(), key.as_bytes())
        .collect::<Vec<_>>()
        .into_iter()
        .map(move |at| text[at + key.len()..].trim_start())
}

fn until(text: &str, end: char) -> &str {
    text.split(end).next().unwrap_or_default()
}

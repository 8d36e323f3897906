//! Redis: one connection, one command. Speaks RESP2, which every server since 1.2 speaks; no pipelining, no
//! subscriptions.
//!
//! A reply is bounded in bytes, elements and depth.

use crate::{Error, Guard, Target, tls};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

/// Which server, which database, as whom.
#[derive(Clone)]
pub struct Dsn {
    /// Where.
    pub target: Target,
    /// The database's number.
    pub db: u32,
    /// For ACL users.
    pub user: Option<String>,
    /// The password.
    pub password: Option<String>,
    /// Whether the connection is private.
    pub transport: Transport,
    tls: tls::Lazy,
}

/// How the bytes travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// As they are.
    Plain,
    /// By TLS.
    Tls,
}

impl std::fmt::Debug for Dsn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "redis://{}/{}", self.target, self.db)
    }
}

impl Dsn {
    /// Database 0 of the server at `target`, without a password.
    pub fn new(target: Target) -> Dsn {
        let tls = tls::Lazy::default();
        Dsn { target, db: 0, user: None, password: None, transport: Transport::Plain, tls }
    }

    /// From `redis://[[user]:password@]host[:port][/db]`, `rediss://...`, or `host[:port]`.
    pub fn parse(text: &str) -> Result<Dsn, Error> {
        if !text.contains("://") {
            let target = Target::parse(text, Some(6379))?;
            return Ok(Dsn::new(target));
        }
        let shown = text.rsplit('@').next().unwrap_or(text);
        let fail =
            |why: &str| Error::Target { text: shown.to_owned(), form: "redis URL", why: why.to_owned() };
        let url = url::Url::parse(text).map_err(|e| fail(&e.to_string()))?;
        let transport = match url.scheme() {
            "redis" | "valkey" => Transport::Plain,
            "rediss" | "valkeys" => Transport::Tls,
            _ => return Err(fail("it must start with redis:// or rediss://")),
        };
        let host = url.host_str().filter(|h| !h.is_empty()).ok_or_else(|| fail("the host is missing"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let db = match url.path().trim_matches('/') {
            "" => 0,
            path => path.parse().map_err(|_| fail("the database must be a number"))?,
        };
        let plain = |text: &str| Some(crate::http::decoded(text)).filter(|t| !t.is_empty());
        Ok(Dsn {
            target: Target { host, port: url.port().unwrap_or(6379) },
            db,
            user: plain(url.username()),
            password: url.password().and_then(plain),
            transport,
            tls: tls::Lazy::default(),
        })
    }
}

/// What a server replies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Nothing.
    Nil,
    /// `+OK`.
    Status(String),
    /// A number.
    Int(i64),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Several.
    Array(Vec<Reply>),
    /// `-ERR ...`, inside an array; at the top it is an [`Error::Answer`].
    Error(String),
}

impl Reply {
    /// As JSON: bytes become text, what is no UTF-8 in it is replaced.
    pub fn to_json(&self) -> Value {
        match self {
            Reply::Nil => Value::Null,
            Reply::Status(text) => json!(text),
            Reply::Int(n) => json!(n),
            Reply::Bytes(bytes) => json!(String::from_utf8_lossy(bytes)),
            Reply::Array(items) => items.iter().map(Reply::to_json).collect(),
            Reply::Error(text) => json!({ "error": text }),
        }
    }
}

/// How long each part took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timings {
    /// Resolving the name.
    pub resolve: Duration,
    /// Connecting, TLS included.
    pub connect: Duration,
    /// From the first command, log-in included, to the last reply.
    pub command: Duration,
}

/// Asks `PING`; anything but `PONG` is an error.
pub async fn ping(guard: &Guard, dsn: &Dsn, limit: Duration) -> Result<Timings, Error> {
    let (reply, timings) = command(guard, dsn, &["PING"], limit).await?;
    match reply {
        Reply::Status(pong) if pong == "PONG" => Ok(timings),
        Reply::Bytes(pong) if pong == b"PONG" => Ok(timings),
        other => {
            let why = format!("it answered PING with {}", other.to_json());
            Err(Error::Protocol { peer: dsn.target.to_string(), protocol: PROTOCOL, why })
        }
    }
}

/// Logs in, selects the database, sends one command and reads its reply, all within `limit`.
pub async fn command<A: AsRef<[u8]>>(
    guard: &Guard,
    dsn: &Dsn,
    args: &[A],
    limit: Duration,
) -> Result<(Reply, Timings), Error> {
    let peer = dsn.target.to_string();
    let late = || Error::Timeout { peer: peer.clone(), doing: "waiting for the answer of", after: limit };
    let begun = Instant::now();
    let dialed = guard.dial(&dsn.target, limit).await?;
    let mut timings = Timings { resolve: dialed.resolve, connect: dialed.connect, ..Timings::default() };
    let left = limit.saturating_sub(begun.elapsed());
    let talk = async {
        match dsn.transport {
            Transport::Plain => {
                let started = Instant::now();
                Ok((talk(dialed.stream, dsn, args, &peer).await?, started.elapsed()))
            }
            Transport::Tls => {
                let config = dsn.tls.get().await?;
                let stream = tls::handshake(dialed.stream, &dsn.target.host, config, None).await?;
                let started = Instant::now();
                Ok((talk(stream, dsn, args, &peer).await?, started.elapsed()))
            }
        }
    };
    let (reply, took) = tokio::time::timeout(left, talk).await.map_err(|_| late())??;
    timings.command = took;
    match reply {
        Reply::Error(text) => Err(refusal(&peer, &text)),
        reply => Ok((reply, timings)),
    }
}

const PROTOCOL: &str = "the redis protocol";
/// The longest reply.
const REPLY_MAX: u64 = 4 << 20;
/// The most elements of one reply, over all depths.
const ELEMENTS_MAX: usize = 100_000;
const DEPTH_MAX: usize = 8;

async fn talk<S, A>(stream: S, dsn: &Dsn, args: &[A], peer: &str) -> Result<Reply, Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    A: AsRef<[u8]>,
{
    let (reading, mut writing) = tokio::io::split(stream);
    let mut reader = Reader { input: BufReader::new(reading.take(REPLY_MAX)), peer, elements: 0 };
    let mut before = Vec::new();
    let db = dsn.db.to_string();
    match (&dsn.user, &dsn.password) {
        (Some(user), Some(password)) => before.push(vec!["AUTH", user, password]),
        (_, Some(password)) => before.push(vec!["AUTH", password]),
        _ => {}
    }
    if dsn.db != 0 {
        before.push(vec!["SELECT", &db]);
    }
    let mut bytes = Vec::new();
    for args in &before {
        encode(args, &mut bytes);
    }
    encode(args, &mut bytes);
    let io = |e: std::io::Error| broken(peer, &e);
    writing.write_all(&bytes).await.map_err(io)?;
    writing.flush().await.map_err(io)?;
    for _ in &before {
        if let Reply::Error(text) = reader.reply(0).await? {
            return Err(refusal(peer, &text));
        }
    }
    reader.reply(0).await
}

fn encode<A: AsRef<[u8]>>(args: &[A], bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(format!("*{}\r\n", args.len()).as_bytes());
    for arg in args {
        bytes.extend_from_slice(format!("${}\r\n", arg.as_ref().len()).as_bytes());
        bytes.extend_from_slice(arg.as_ref());
        bytes.extend_from_slice(b"\r\n");
    }
}

fn refusal(peer: &str, text: &str) -> Error {
    let code = text.split(' ').next().unwrap_or("").to_owned();
    Error::Answer { peer: peer.to_owned(), code, message: text.to_owned() }
}

fn broken(peer: &str, error: &std::io::Error) -> Error {
    let why = match error.kind() {
        std::io::ErrorKind::UnexpectedEof => "it was closed before the reply was complete".to_owned(),
        _ => crate::guard::plain(error),
    };
    Error::Broken { peer: peer.to_owned(), doing: "reading the reply", why }
}

struct Reader<'a, R> {
    input: BufReader<tokio::io::Take<R>>,
    peer: &'a str,
    elements: usize,
}

impl<R: AsyncRead + Unpin + Send> Reader<'_, R> {
    async fn reply(&mut self, depth: usize) -> Result<Reply, Error> {
        self.elements += 1;
        if depth > DEPTH_MAX || self.elements > ELEMENTS_MAX {
            return Err(self.too_large());
        }
        let line = self.line().await?;
        let (kind, rest) = line.split_at_checked(1).unwrap_or(("", ""));
        match kind {
            "+" => Ok(Reply::Status(rest.to_owned())),
            "-" => Ok(Reply::Error(rest.to_owned())),
            ":" => Ok(Reply::Int(self.number(rest)?)),
            "$" => self.bytes(rest).await,
            "*" => {
                let Ok(count) = usize::try_from(self.number(rest)?) else { return Ok(Reply::Nil) };
                let mut items = Vec::with_capacity(count.min(1024));
                for _ in 0..count {
                    items.push(Box::pin(self.reply(depth + 1)).await?);
                }
                Ok(Reply::Array(items))
            }
            _ => {
                Err(self
                    .foreign(&format!("a reply starts with {:?}", line.chars().take(20).collect::<String>())))
            }
        }
    }

    async fn bytes(&mut self, length: &str) -> Result<Reply, Error> {
        let Ok(length) = u64::try_from(self.number(length)?) else { return Ok(Reply::Nil) };
        if length > REPLY_MAX {
            return Err(self.too_large());
        }
        let mut bytes = vec![0; length as usize + 2];
        match self.input.read_exact(&mut bytes).await {
            Ok(_) => bytes.truncate(length as usize),
            Err(_) if self.input.get_ref().limit() == 0 => return Err(self.too_large()),
            Err(e) => return Err(broken(self.peer, &e)),
        }
        Ok(Reply::Bytes(bytes))
    }

    async fn line(&mut self) -> Result<String, Error> {
        let mut line = Vec::new();
        self.input.read_until(b'\n', &mut line).await.map_err(|e| broken(self.peer, &e))?;
        if line.last() != Some(&b'\n') {
            if self.input.get_ref().limit() == 0 {
                return Err(self.too_large());
            }
            if line.is_empty() {
                return Err(broken(self.peer, &std::io::ErrorKind::UnexpectedEof.into()));
            }
            return Err(self.foreign("the last line has no end"));
        }
        Ok(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned())
    }

    fn number(&self, text: &str) -> Result<i64, Error> {
        text.parse().map_err(|_| self.foreign("a number is expected"))
    }

    fn foreign(&self, why: &str) -> Error {
        Error::Protocol { peer: self.peer.to_owned(), protocol: PROTOCOL, why: why.to_owned() }
    }

    fn too_large(&self) -> Error {
        Error::TooLarge { peer: self.peer.to_owned(), limit: REPLY_MAX as usize }
    }
}

#[cfg(test)]
mod tests;

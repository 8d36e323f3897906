//! PostgreSQL: one connection, one statement. The password never reaches an error's text.
//!
//! `sslmode` means what it means to libpq: `prefer` and `require` encrypt without asking who is there,
//! `verify-full` (and `verify-ca`, which we hold to the same) asks.

use crate::{Error, Guard, Target, tls};
use serde_json::{Map, Value, json};
use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::UnixStream,
};
use tokio_postgres::{
    Client, Config, NoTls, Row, SimpleQueryMessage,
    config::{Host, SslMode},
    tls::MakeTlsConnect,
    types::{ToSql, Type},
};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Which server, which database, as whom.
#[derive(Clone)]
pub struct Dsn {
    config: Config,
    tls: tls::Lazy,
    place: Place,
}

#[derive(Clone)]
enum Place {
    Net(Target),
    Socket(String),
}

impl std::fmt::Debug for Dsn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "postgres://{}/{}", self.peer(), self.config.get_dbname().unwrap_or(""))
    }
}

impl Dsn {
    /// From `postgres://user:password@host:port/db?sslmode=...`, from `host=... port=...`, or from `host:port`
    /// (user and database `postgres`). Of several hosts only the first is used.
    pub fn parse(text: &str) -> Result<Dsn, Error> {
        let fail = |why: String| Error::Target { text: shown(text), form: "PostgreSQL address", why };
        let mut config = match text.contains("://") || text.contains('=') {
            true => text
                .replace("sslmode=verify-full", "sslmode=require")
                .replace("sslmode=verify-ca", "sslmode=require")
                .parse::<Config>()
                .map_err(|e| fail(words(&e)))?,
            false => {
                let target = Target::parse(text, Some(5432))?;
                let mut config = Config::new();
                config.host(&target.host).port(target.port);
                config
            }
        };
        if config.get_user().is_none() {
            config.user("postgres");
        }
        if config.get_dbname().is_none() {
            let user = config.get_user().unwrap_or("postgres").to_owned();
            config.dbname(user);
        }
        if config.get_application_name().is_none() {
            config.application_name("tocsin");
        }
        let port = config.get_ports().first().copied().unwrap_or(5432);
        let place = match config.get_hosts().first() {
            Some(Host::Tcp(host)) => {
                let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
                Place::Net(Target { host, port })
            }
            Some(Host::Unix(dir)) => Place::Socket(format!("{}/.s.PGSQL.{port}", dir.display())),
            None => return Err(fail("the host is missing".to_owned())),
        };
        let verify = match text.contains("sslmode=verify-") {
            true => tls::Verify::Full,
            false => tls::Verify::None,
        };
        let tls = tls::Lazy::new(tls::Options { verify, ..tls::Options::default() });
        Ok(Dsn { config, tls, place })
    }

    /// The address, without user and password: `127.0.0.1:5432`.
    pub fn peer(&self) -> String {
        match &self.place {
            Place::Net(target) => target.to_string(),
            Place::Socket(path) => path.clone(),
        }
    }
}

/// How long each part took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timings {
    /// Resolving the name.
    pub resolve: Duration,
    /// Connecting.
    pub connect: Duration,
    /// TLS and log-in.
    pub login: Duration,
    /// The statement.
    pub query: Duration,
}

/// What a statement gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// One object for each row, in the order of its columns.
    pub rows: Vec<Map<String, Value>>,
    /// Whether there were more rows than were read.
    pub cut: bool,
    /// How many rows the statement changed, where it changes rows.
    pub affected: u64,
}

/// Whether a statement may change anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// It runs in a read-only transaction.
    ReadOnly,
    /// It may.
    ReadWrite,
}

/// Logs in and asks `SELECT 1`, all within `limit`.
pub async fn select_one(guard: &Guard, dsn: &Dsn, limit: Duration) -> Result<Timings, Error> {
    let work = async |client: &Client| {
        let messages = client.simple_query("SELECT 1").await?;
        let one =
            messages.iter().any(|m| matches!(m, SimpleQueryMessage::Row(row) if row.get(0) == Some("1")));
        Ok(one)
    };
    let (one, timings) = session(guard, dsn, limit, work).await?;
    match one {
        true => Ok(timings),
        false => Err(Error::Protocol {
            peer: dsn.peer(),
            protocol: "SQL",
            why: "it answered SELECT 1 without a 1".to_owned(),
        }),
    }
}

/// Runs `sql` with `params` as bind parameters and reads at most `rows_max` rows, all within `limit`; the server
/// is told the same limit, so that it stops too.
pub async fn query(
    guard: &Guard,
    dsn: &Dsn,
    sql: &str,
    params: &[Value],
    mode: Mode,
    rows_max: usize,
    limit: Duration,
) -> Result<(Answer, Timings), Error> {
    let work = async |client: &Client| {
        let access = match mode {
            Mode::ReadOnly => "READ ONLY",
            Mode::ReadWrite => "READ WRITE",
        };
        let limit_ms = limit.as_millis().clamp(1, i32::MAX as u128);
        client.batch_execute(&format!("BEGIN {access}; SET LOCAL statement_timeout = {limit_ms}")).await?;
        let statement = client.prepare(sql).await?;
        let bound: Vec<Param> = params.iter().map(Param).collect();
        let bound = bound.iter().map(|p| p as &(dyn ToSql + Sync));
        let mut answer = Answer { rows: Vec::new(), cut: false, affected: 0 };
        let mut rows = pin!(client.query_raw(&statement, bound).await?);
        loop {
            match next(rows.as_mut()).await {
                None => break,
                Some(_) if answer.rows.len() == rows_max => {
                    answer.cut = true;
                    break;
                }
                Some(row) => answer.rows.push(to_json(&row?)),
            }
        }
        if !answer.cut {
            answer.affected = rows.rows_affected().unwrap_or(0);
            client.batch_execute("COMMIT").await?;
        } else if mode == Mode::ReadWrite {
            // The rest must be read before the server can be told to commit.
            while let Some(row) = next(rows.as_mut()).await {
                row?;
            }
            client.batch_execute("COMMIT").await?;
        }
        Ok(answer)
    };
    session(guard, dsn, limit, work).await
}

async fn next(
    mut rows: std::pin::Pin<&mut tokio_postgres::RowStream>,
) -> Option<Result<Row, tokio_postgres::Error>> {
    use futures_util::Stream;
    poll_fn(|cx| rows.as_mut().poll_next(cx)).await
}

/// Connects, does `work`, and closes; the error names the address, not the credentials.
async fn session<T>(
    guard: &Guard,
    dsn: &Dsn,
    limit: Duration,
    work: impl AsyncFnOnce(&Client) -> Result<T, tokio_postgres::Error>,
) -> Result<(T, Timings), Error> {
    let peer = dsn.peer();
    let begun = Instant::now();
    let mut timings = Timings::default();
    let late = || Error::Timeout { peer: peer.clone(), doing: "waiting for the answer of", after: limit };
    match &dsn.place {
        Place::Net(target) => {
            let dialed = guard.dial(target, limit).await?;
            (timings.resolve, timings.connect) = (dialed.resolve, dialed.connect);
            let left = limit.saturating_sub(begun.elapsed());
            let talk = async {
                if dsn.config.get_ssl_mode() == SslMode::Disable {
                    return talk(dialed.stream, NoTls, dsn, &mut timings, work).await;
                }
                let config = dsn.tls.get().await?;
                let mut maker = MakeRustlsConnect::new((*config).clone());
                let tls = <MakeRustlsConnect as MakeTlsConnect<tokio::net::TcpStream>>::make_tls_connect(
                    &mut maker,
                    &target.host,
                )
                .map_err(|e| Error::Tls { peer: peer.clone(), why: e.to_string() })?;
                talk(dialed.stream, tls, dsn, &mut timings, work).await
            };
            let done = tokio::time::timeout(left, talk).await.map_err(|_| late())??;
            Ok((done, timings))
        }
        Place::Socket(path) => {
            let talk = async {
                let stream = UnixStream::connect(path)
                    .await
                    .map_err(|e| Error::Connect { address: path.clone(), why: crate::guard::plain(&e) })?;
                talk(stream, NoTls, dsn, &mut timings, work).await
            };
            let done = tokio::time::timeout(limit, talk).await.map_err(|_| late())??;
            Ok((done, timings))
        }
    }
}

async fn talk<S, T, R>(
    stream: S,
    tls: T,
    dsn: &Dsn,
    timings: &mut Timings,
    work: impl AsyncFnOnce(&Client) -> Result<R, tokio_postgres::Error>,
) -> Result<R, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: tokio_postgres::tls::TlsConnect<S>,
{
    let peer = dsn.peer();
    let started = Instant::now();
    let (client, connection) = dsn.config.connect_raw(stream, tls).await.map_err(|e| translate(&peer, &e))?;
    timings.login = started.elapsed();
    let started = Instant::now();
    let result = {
        let mut connection = pin!(connection);
        let mut work = pin!(work(&client));
        let mut open = true;
        poll_fn(|cx| {
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(done);
            }
            // Why the connection ended reaches the work as its own error.
            if open && connection.as_mut().poll(cx).is_ready() {
                open = false;
            }
            work.as_mut().poll(cx)
        })
        .await
    };
    timings.query = started.elapsed();
    result.map_err(|e| translate(&peer, &e))
}

fn translate(peer: &str, error: &tokio_postgres::Error) -> Error {
    if let Some(refusal) = error.as_db_error() {
        return Error::Answer {
            peer: peer.to_owned(),
            code: refusal.code().code().to_owned(),
            message: format!("{}: {}", refusal.severity(), refusal.message()),
        };
    }
    Error::Broken { peer: peer.to_owned(), doing: "talking to it", why: words(error) }
}

/// An error with its causes, in one line.
fn words(error: &tokio_postgres::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// An address without what may be a password.
fn shown(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((_, rest)) => rest.to_owned(),
        None if text.contains("password") => "the given text".to_owned(),
        None => text.to_owned(),
    }
}

/// A JSON value as a bind parameter: what the server says the parameter is decides how it is sent.
#[derive(Debug)]
struct Param<'a>(&'a Value);

impl ToSql for Param<'_> {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut tokio_postgres::types::private::BytesMut,
    ) -> Result<tokio_postgres::types::IsNull, Box<dyn std::error::Error + Sync + Send>> {
        use tokio_postgres::types::IsNull;
        let unfit = || format!("{} cannot be a {}", self.0, ty.name());
        if self.0.is_null() {
            return Ok(IsNull::Yes);
        }
        let text = || match self.0 {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let int = || self.0.as_i64().or_else(|| text().parse().ok()).ok_or_else(unfit);
        let float = || self.0.as_f64().or_else(|| text().parse().ok()).ok_or_else(unfit);
        match *ty {
            Type::BOOL => self.0.as_bool().ok_or_else(unfit)?.to_sql(ty, out),
            Type::INT2 => i16::try_from(int()?)?.to_sql(ty, out),
            Type::INT4 => i32::try_from(int()?)?.to_sql(ty, out),
            Type::INT8 => int()?.to_sql(ty, out),
            Type::OID => u32::try_from(int()?)?.to_sql(ty, out),
            Type::FLOAT4 => (float()? as f32).to_sql(ty, out),
            Type::FLOAT8 => float()?.to_sql(ty, out),
            Type::JSON => self.0.to_string().to_sql(&Type::TEXT, out),
            Type::JSONB => {
                out.extend_from_slice(&[1]); // the version of the binary form
                self.0.to_string().to_sql(&Type::TEXT, out)
            }
            _ => text().to_sql(&Type::TEXT, out),
        }
    }

    fn accepts(ty: &Type) -> bool {
        matches!(
            *ty,
            Type::BOOL
                | Type::INT2
                | Type::INT4
                | Type::INT8
                | Type::OID
                | Type::FLOAT4
                | Type::FLOAT8
                | Type::JSON
                | Type::JSONB
                | Type::TEXT
                | Type::VARCHAR
                | Type::BPCHAR
                | Type::NAME
                | Type::UNKNOWN
        )
    }

    tokio_postgres::types::to_sql_checked!();
}

fn to_json(row: &Row) -> Map<String, Value> {
    row.columns()
        .iter()
        .enumerate()
        .map(|(i, column)| (column.name().to_owned(), cell(row, i, column.type_())))
        .collect()
}

/// The common types as JSON's own; every other as the text of its type, so that nobody takes it for a value.
fn cell(row: &Row, i: usize, ty: &Type) -> Value {
    fn get<'a, T: tokio_postgres::types::FromSql<'a>>(row: &'a Row, i: usize) -> Option<T> {
        row.try_get::<_, Option<T>>(i).ok().flatten()
    }
    match *ty {
        Type::BOOL => json!(get::<bool>(row, i)),
        Type::INT2 => json!(get::<i16>(row, i)),
        Type::INT4 => json!(get::<i32>(row, i)),
        Type::INT8 => json!(get::<i64>(row, i)),
        Type::OID => json!(get::<u32>(row, i)),
        Type::FLOAT4 => json!(get::<f32>(row, i)),
        Type::FLOAT8 => json!(get::<f64>(row, i)),
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN => json!(get::<&str>(row, i)),
        Type::CHAR => json!(get::<i8>(row, i).map(|c| char::from(c as u8).to_string())),
        _ => match get::<Raw>(row, i) {
            Some(Raw(bytes)) => raw_cell(ty, bytes),
            None => Value::Null,
        },
    }
}

struct Raw<'a>(&'a [u8]);

impl<'a> tokio_postgres::types::FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Raw<'a>, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Raw(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

fn raw_cell(ty: &Type, bytes: &[u8]) -> Value {
    let json_of = |bytes: &[u8]| serde_json::from_slice(bytes).unwrap_or(Value::Null);
    match *ty {
        Type::JSON => json_of(bytes),
        Type::JSONB => json_of(bytes.get(1..).unwrap_or_default()),
        Type::TIMESTAMPTZ | Type::TIMESTAMP => match bytes.try_into().map(i64::from_be_bytes) {
            Ok(micros) => {
                json!(model::Timestamp::from_millis(EPOCH_2000_MS.saturating_add(micros / 1000)).rfc3339())
            }
            Err(_) => Value::Null,
        },
        Type::INET => inet(bytes).map_or(Value::Null, |ip| json!(ip.to_string())),
        _ => match std::str::from_utf8(bytes) {
            Ok(text) if ty.kind() != &tokio_postgres::types::Kind::Simple => json!(text),
            _ => json!(format!("<{}>", ty.name())),
        },
    }
}

/// PostgreSQL counts microseconds from 2000-01-01.
const EPOCH_2000_MS: i64 = 946_684_800_000;

fn inet(bytes: &[u8]) -> Option<std::net::IpAddr> {
    match bytes {
        [_, _, _, 4, address @ ..] => <[u8; 4]>::try_from(address).ok().map(Into::into),
        [_, _, _, 16, address @ ..] => <[u8; 16]>::try_from(address).ok().map(Into::into),
        _ => None,
    }
}

#[cfg(test)]
mod tests;

//! Which well-known services answer on this machine's loopback: a PING, an SSLRequest or a GET /metrics, never a
//! credential. `tocsin init` writes them down, `tocsin serve` offers them; nothing is enabled by itself.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

/// A service that answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// What it speaks.
    pub service: Service,
    /// Where, on 127.0.0.1.
    pub port: u16,
}

/// What a service speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Answers PING.
    Redis,
    /// Answers an SSLRequest.
    Postgres,
    /// Serves /metrics, under this job name.
    Exporter(&'static str),
}

/// Where the well-known services are.
const PLACES: [(u16, Service); 6] = [
    (6379, Service::Redis),
    (5432, Service::Postgres),
    (9100, Service::Exporter("node")),
    (9121, Service::Exporter("redis_exporter")),
    (9187, Service::Exporter("postgres_exporter")),
    (9090, Service::Exporter("prometheus")),
];

/// The longest one service may take to answer; loopback answers in less than a millisecond.
const PATIENCE: Duration = Duration::from_millis(200);

/// Whoever answers now; nobody if `TOCSIN_DISCOVER=off`.
pub fn services() -> Vec<Found> {
    if std::env::var("TOCSIN_DISCOVER").is_ok_and(|value| value.eq_ignore_ascii_case("off")) {
        return Vec::new();
    }
    let answers = |(port, service): &(u16, Service)| match service {
        Service::Redis => begins(*port, b"PING\r\n", &[b"+PONG", b"-NOAUTH", b"-DENIED"]),
        Service::Postgres => begins(*port, &[0, 0, 0, 8, 4, 210, 22, 47], &[b"N", b"S"]),
        Service::Exporter(_) => begins(
            *port,
            b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n",
            &[b"HTTP/1.0 200", b"HTTP/1.1 200"],
        ),
    };
    PLACES
        .iter()
        .filter(|place| answers(place))
        .map(|(port, service)| Found { service: *service, port: *port })
        .collect()
}

fn begins(port: u16, ask: &[u8], answers: &[&[u8]]) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let ask = || -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(ask)?;
        let mut answer = vec![0; 16];
        let length = stream.read(&mut answer)?;
        answer.truncate(length);
        Ok(answer)
    };
    ask().is_ok_and(|answer| answers.iter().any(|wanted| answer.starts_with(wanted)))
}

impl Found {
    /// In a few words, for people.
    pub fn words(&self) -> String {
        match self.service {
            Service::Redis => format!("Redis on port {}", self.port),
            Service::Postgres => format!("PostgreSQL on port {}", self.port),
            Service::Exporter(job) => format!("{job} metrics on port {}", self.port),
        }
    }
}

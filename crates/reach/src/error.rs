//! What can go wrong on the way out, in words a person paged at night can use.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// Trouble with a connection, a file, a process or a command. Holds no credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// What was asked for cannot be an address.
    #[error("{text:?} is no {form}: {why}")]
    Target {
        /// What was given, without credentials.
        text: String,
        /// What it should have been: `address`, `URL`.
        form: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The name has no address.
    #[error("cannot resolve {host}: {why}")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver says.
        why: String,
    },
    /// The address policy forbids it.
    #[error("refused to connect to {host}: {address} is {why}")]
    Denied {
        /// What was asked for.
        host: String,
        /// What it resolved to.
        address: SocketAddr,
        /// Why it is forbidden.
        why: &'static str,
    },
    /// Nobody listens there.
    #[error("connection refused by {address}")]
    Refused {
        /// Where.
        address: SocketAddr,
    },
    /// The connection could not be made for another reason.
    #[error("cannot connect to {address}: {why}")]
    Connect {
        /// Where: an address or the path of a socket.
        address: String,
        /// What the system says.
        why: String,
    },
    /// It took too long.
    #[error("timed out after {after:?} while {doing} {peer}")]
    Timeout {
        /// With whom.
        peer: String,
        /// What was going on: `connecting to`, `waiting for`.
        doing: &'static str,
        /// The limit.
        after: Duration,
    },
    /// The TLS handshake failed.
    #[error("TLS with {peer} failed: {why}")]
    Tls {
        /// With whom.
        peer: String,
        /// What the handshake objected to.
        why: String,
    },
    /// The connection ended too early.
    #[error("the connection to {peer} broke while {doing}: {why}")]
    Broken {
        /// With whom.
        peer: String,
        /// What was going on.
        doing: &'static str,
        /// What the system says.
        why: String,
    },
    /// More came than was allowed.
    #[error("{peer} sent more than {limit} bytes")]
    TooLarge {
        /// Who.
        peer: String,
        /// The limit.
        limit: usize,
    },
    /// What came does not follow the protocol.
    #[error("{peer} does not speak {protocol}: {why}")]
    Protocol {
        /// Who.
        peer: String,
        /// What was expected: `HTTP`, `the redis protocol`.
        protocol: &'static str,
        /// What came instead.
        why: String,
    },
    /// A redirect that must not be followed.
    #[error("did not follow the redirect of {from} to {to}: {why}")]
    Redirect {
        /// Who sent it.
        from: String,
        /// Where to.
        to: String,
        /// Why not.
        why: &'static str,
    },
    /// The other side understood and said no.
    #[error("{peer} answered: {message}")]
    Answer {
        /// Who.
        peer: String,
        /// Its code, if the protocol has one: `NOAUTH`, `28P01`.
        code: String,
        /// Its words.
        message: String,
    },
    /// A file cannot be used.
    #[error("cannot read {}: {why}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// A program cannot be started or watched.
    #[error("cannot run {program}: {why}")]
    Run {
        /// Which.
        program: String,
        /// What the system says.
        why: String,
    },
}

/// What a caller can do about an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request is wrong: another try would fail too.
    Caller,
    /// The other side is unwell: try again.
    Again,
}

impl Error {
    /// What can be done about it.
    pub fn kind(&self) -> Kind {
        match self {
            Error::Target { .. } | Error::Denied { .. } | Error::Redirect { .. } | Error::Answer { .. } => {
                Kind::Caller
            }
            Error::File { .. } | Error::Run { .. } | Error::TooLarge { .. } => Kind::Caller,
            Error::Resolve { .. } | Error::Refused { .. } | Error::Connect { .. } | Error::Timeout { .. } => {
                Kind::Again
            }
            Error::Tls { .. } | Error::Broken { .. } | Error::Protocol { .. } => Kind::Again,
        }
    }

    /// A short name that does not change: `connection_refused`, `timeout`.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Target { .. } => "bad_target",
            Error::Resolve { .. } => "not_resolved",
            Error::Denied { .. } => "address_denied",
            Error::Refused { .. } => "connection_refused",
            Error::Connect { .. } => "not_connected",
            Error::Timeout { .. } => "timeout",
            Error::Tls { .. } => "tls",
            Error::Broken { .. } => "connection_broken",
            Error::TooLarge { .. } => "too_large",
            Error::Protocol { .. } => "protocol",
            Error::Redirect { .. } => "redirect",
            Error::Answer { .. } => "refused_by_peer",
            Error::File { .. } => "file",
            Error::Run { .. } => "run",
        }
    }
}

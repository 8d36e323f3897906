//! SMTP (RFC 5321): hands messages to a mail server over a connection that is kept for the next ones.
//!
//! Does not make messages: what is sent is given as bytes, with CR LF at line ends. A connection is private before
//! a password crosses it, unless it ends on this machine. A message is never sent twice by itself: a kept
//! connection is tried out before it is used, and what breaks later is an error.

mod talk;
#[cfg(test)]
mod tests;

use crate::{Error, Guard, Target, tls};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use talk::{Talk, Wire};

/// Which server, how privately, as whom.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Server {
    /// Where.
    pub target: Target,
    /// The name we greet with.
    pub hello: String,
    /// How the connection becomes private.
    pub privacy: Privacy,
    /// Whom to trust.
    pub tls: tls::Options,
    /// Who we are; `None`: nobody.
    pub login: Option<Login>,
}

/// How a connection becomes private.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Privacy {
    /// By TLS from the first byte.
    Implicit,
    /// By STARTTLS, which the server must offer.
    StartTls,
    /// Not at all.
    None,
}

/// Credentials. The server's own list of mechanisms decides which of them is used.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Login {
    /// The user.
    pub user: String,
    /// For PLAIN and LOGIN.
    pub password: Option<String>,
    /// For CRAM-MD5.
    pub secret: Option<String>,
    /// On whose behalf, for PLAIN; mostly empty.
    pub identity: String,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "smtp://{}", self.target)
    }
}

/// A message and whom it goes to.
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'a> {
    /// Who is told when it cannot be delivered.
    pub from: &'a str,
    /// The recipients.
    pub to: &'a [String],
    /// The message.
    pub message: &'a [u8],
}

/// What the server made of a message that it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Its last words.
    pub answer: String,
    /// For whom it took it.
    pub to: Vec<String>,
    /// For whom it did not.
    pub refused: Vec<(String, Error)>,
}

/// A client. Clones share its connections.
#[derive(Debug, Clone)]
pub struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    guard: Guard,
    /// Connections that wait for the next message, and the TLS of each kind. Held for a few lines, never while talking.
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    links: HashMap<Server, Vec<(Talk<Wire>, Instant)>>,
    tls: HashMap<tls::Options, tls::Lazy>,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} servers", self.links.len())
    }
}

/// A connection that nobody used for so long is closed rather than tried out.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// Connections kept for one server.
const LINKS_MAX: usize = 4;
/// Servers with kept connections; beyond it nothing is kept.
const SERVERS_MAX: usize = 64;

impl Client {
    /// A client under `guard`.
    pub fn new(guard: Guard) -> Client {
        Client(Arc::new(Inner { guard, kept: Mutex::default() }))
    }

    /// Hands over a message, within `limit`. It is taken if it was taken for at least one recipient.
    pub async fn send(
        &self,
        server: &Server,
        envelope: Envelope<'_>,
        limit: Duration,
    ) -> Result<Taken, Error> {
        check(server, &envelope)?;
        let talk = async {
            let mut link = match self.take(server).await {
                Some(link) => link,
                None => self.open(server, limit).await?,
            };
            let taken = link.deliver(&envelope).await?;
            self.put(server, link);
            Ok(taken)
        };
        tokio::time::timeout(limit, talk).await.map_err(|_| Error::Timeout {
            peer: server.target.to_string(),
            doing: "handing a message to",
            after: limit,
        })?
    }

    /// A kept connection that still answers.
    async fn take(&self, server: &Server) -> Option<Talk<Wire>> {
        loop {
            let (mut link, since) = self.kept(|kept| kept.links.get_mut(server)?.pop())?;
            if since.elapsed() < IDLE_MAX && link.command("NOOP", &[250]).await.is_ok() {
                return Some(link);
            }
        }
    }

    fn put(&self, server: &Server, link: Talk<Wire>) {
        self.kept(|kept| {
            if kept.links.len() >= SERVERS_MAX {
                kept.links.retain(|_, links| {
                    links.retain(|(_, since)| since.elapsed() < IDLE_MAX);
                    !links.is_empty()
                });
            }
            let room = kept.links.len() < SERVERS_MAX || kept.links.contains_key(server);
            if room {
                let links = kept.links.entry(server.clone()).or_default();
                if links.len() < LINKS_MAX {
                    links.push((link, Instant::now()));
                }
            }
        });
    }

    fn kept<T>(&self, look: impl FnOnce(&mut Kept) -> T) -> T {
        look(&mut self.0.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn open(&self, server: &Server, limit: Duration) -> Result<Talk<Wire>, Error> {
        let peer = server.target.to_string();
        let dialed = self.0.guard.dial(&server.target, limit).await?;
        let here = dialed.peer.ip().to_canonical().is_loopback();
        let mut link = match server.privacy {
            Privacy::Implicit => {
                let stream = self.private(dialed.stream, server).await?;
                let mut link = Talk::new(Box::new(stream) as Wire, &peer);
                link.greeting().await?;
                link
            }
            Privacy::None => {
                let mut link = Talk::new(Box::new(dialed.stream) as Wire, &peer);
                link.greeting().await?;
                link
            }
            Privacy::StartTls => {
                let mut plain = Talk::new(dialed.stream, &peer);
                plain.greeting().await?;
                plain.hello(&server.hello).await?;
                let stream = plain.start_tls().await?;
                let stream = self.private(stream, server).await?;
                Talk::new(Box::new(stream) as Wire, &peer)
            }
        };
        link.hello(&server.hello).await?;
        if let Some(login) = &server.login {
            let private = server.privacy != Privacy::None || here;
            link.log_in(login, private).await?;
        }
        Ok(link)
    }

    async fn private(
        &self,
        stream: tokio::net::TcpStream,
        server: &Server,
    ) -> Result<tokio_rustls::client::TlsStream<tokio::net::TcpStream>, Error> {
        let lazy = self.kept(|kept| {
            let fresh = || tls::Lazy::new(server.tls.clone());
            if kept.tls.len() >= SERVERS_MAX {
                return kept.tls.get(&server.tls).cloned().unwrap_or_else(fresh);
            }
            kept.tls.entry(server.tls.clone()).or_insert_with(fresh).clone()
        });
        let config = lazy.get().await?;
        tls::handshake(stream, &server.target.host, config, server.tls.server_name.as_deref()).await
    }
}

/// Nothing that goes into a command may end it.
fn check(server: &Server, envelope: &Envelope<'_>) -> Result<(), Error> {
    let bad = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '<' | '>') || !c.is_ascii();
    let fail = |text: &str, form: &'static str| Error::Target {
        text: text.chars().filter(|c| !c.is_control()).take(100).collect(),
        form,
        why: "it has a character that SMTP cannot carry".to_owned(),
    };
    if server.hello.is_empty() || server.hello.contains(bad) {
        return Err(fail(&server.hello, "host name"));
    }
    for address in envelope.to.iter().map(String::as_str).chain([envelope.from]) {
        if !address.contains('@') || address.contains(bad) {
            return Err(fail(address, "mail address"));
        }
    }
    if envelope.to.is_empty() {
        return Err(Error::Target {
            text: String::new(),
            form: "list of recipients",
            why: "it is empty".to_owned(),
        });
    }
    Ok(())
}

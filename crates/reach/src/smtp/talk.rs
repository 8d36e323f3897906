//! One conversation with a mail server: commands and their replies, in order.

use super::{Envelope, Login, Taken};
use crate::{
    Error,
    base64::{base64, from_base64},
};
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

/// A stream of either kind.
pub(super) type Wire = Box<dyn Duplex>;

pub(super) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Duplex for S {}

/// The longest line and the most lines of one reply.
const LINE_MAX: u64 = 4096;
const LINES_MAX: usize = 100;
const PROTOCOL: &str = "SMTP";

pub(super) struct Talk<S> {
    stream: BufReader<S>,
    peer: String,
    /// What the server said it can do, a line each, in capitals.
    offers: Vec<String>,
}

/// What the server said.
struct Reply {
    code: u16,
    lines: Vec<String>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Talk<S> {
    pub(super) fn new(stream: S, peer: &str) -> Talk<S> {
        Talk { stream: BufReader::new(stream), peer: peer.to_owned(), offers: Vec::new() }
    }

    pub(super) async fn greeting(&mut self) -> Result<(), Error> {
        self.expect(&[220]).await.map(|_| ())
    }

    /// Says who we are and remembers what the server offers; an old one offers nothing.
    pub(super) async fn hello(&mut self, name: &str) -> Result<(), Error> {
        self.say(&format!("EHLO {name}")).await?;
        let reply = self.reply().await?;
        match reply.code {
            250 => {
                self.offers = reply.lines.iter().skip(1).map(|line| line.to_ascii_uppercase()).collect();
                Ok(())
            }
            500..=504 => {
                self.offers.clear();
                self.command(&format!("HELO {name}"), &[250]).await
            }
            _ => Err(self.refusal(reply)),
        }
    }

    /// Hands over the message to all recipients that the server takes.
    pub(super) async fn deliver(&mut self, envelope: &Envelope<'_>) -> Result<Taken, Error> {
        self.command(&format!("MAIL FROM:<{}>", envelope.from), &[250]).await?;
        let (mut to, mut refused) = (Vec::new(), Vec::new());
        for recipient in envelope.to {
            match self.command(&format!("RCPT TO:<{recipient}>"), &[250, 251]).await {
                Ok(()) => to.push(recipient.clone()),
                Err(error @ Error::Answer { .. }) => refused.push((recipient.clone(), error)),
                Err(error) => return Err(error),
            }
        }
        if to.is_empty() {
            let worst = refused.into_iter().map(|(_, error)| error).next();
            return Err(worst.unwrap_or_else(|| self.foreign("nobody was asked about")));
        }
        self.command("DATA", &[354]).await?;
        let io = |e: std::io::Error| broken(&self.peer, &e);
        self.stream.write_all(&dotted(envelope.message)).await.map_err(io)?;
        self.stream.flush().await.map_err(io)?;
        let reply = self.expect(&[250]).await?;
        Ok(Taken { answer: reply.text(), to, refused })
    }

    pub(super) async fn log_in(&mut self, login: &Login, private: bool) -> Result<(), Error> {
        let offered: Vec<String> = self
            .offers
            .iter()
            .filter_map(|line| line.strip_prefix("AUTH ").or_else(|| line.strip_prefix("AUTH=")))
            .flat_map(str::split_whitespace)
            .map(str::to_owned)
            .collect();
        let offers = |name: &str| offered.iter().any(|offer| offer == name);
        if let (Some(secret), true) = (&login.secret, offers("CRAM-MD5")) {
            return self.cram_md5(&login.user, secret).await;
        }
        let Some(password) = &login.password else {
            return Err(self.no_way_in(&offered));
        };
        if !private {
            return Err(self.foreign("the password would cross the network as it is: use TLS"));
        }
        if offers("PLAIN") {
            let all = format!("{}\0{}\0{password}", login.identity, login.user);
            return self.command(&format!("AUTH PLAIN {}", base64(all.as_bytes())), &[235]).await;
        }
        if offers("LOGIN") {
            self.command("AUTH LOGIN", &[334]).await?;
            self.command(&base64(login.user.as_bytes()), &[334]).await?;
            return self.command(&base64(password.as_bytes()), &[235]).await;
        }
        Err(self.no_way_in(&offered))
    }

    /// RFC 2195: the secret itself does not travel.
    async fn cram_md5(&mut self, user: &str, secret: &str) -> Result<(), Error> {
        self.say("AUTH CRAM-MD5").await?;
        let challenge = self.expect(&[334]).await?.text();
        let Some(challenge) = from_base64(challenge.trim()) else {
            return Err(self.foreign("its challenge is no base64"));
        };
        let mut mac = Hmac::<Md5>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
        mac.update(&challenge);
        let answer = format!("{user} {}", HEXLOWER.encode(&mac.finalize().into_bytes()));
        self.command(&base64(answer.as_bytes()), &[235]).await
    }

    fn no_way_in(&self, offered: &[String]) -> Error {
        let what = if offered.is_empty() { "nothing".to_owned() } else { offered.join(", ") };
        self.foreign(&format!("it offers {what} to log in by, which the credentials given are not for"))
    }

    pub(super) async fn command(&mut self, line: &str, wanted: &[u16]) -> Result<(), Error> {
        self.say(line).await?;
        self.expect(wanted).await.map(|_| ())
    }

    async fn say(&mut self, line: &str) -> Result<(), Error> {
        let io = |e: std::io::Error| broken(&self.peer, &e);
        self.stream.write_all(format!("{line}\r\n").as_bytes()).await.map_err(io)?;
        self.stream.flush().await.map_err(io)
    }

    async fn expect(&mut self, wanted: &[u16]) -> Result<Reply, Error> {
        let reply = self.reply().await?;
        if wanted.contains(&reply.code) { Ok(reply) } else { Err(self.refusal(reply)) }
    }

    async fn reply(&mut self) -> Result<Reply, Error> {
        let mut lines = Vec::new();
        loop {
            let mut line = Vec::new();
            let mut bounded = (&mut self.stream).take(LINE_MAX);
            bounded.read_until(b'\n', &mut line).await.map_err(|e| broken(&self.peer, &e))?;
            if line.last() != Some(&b'\n') {
                return Err(match line.len() as u64 {
                    LINE_MAX => self.foreign("a line is too long"),
                    _ => broken(&self.peer, &std::io::ErrorKind::UnexpectedEof.into()),
                });
            }
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            let code = line.get(..3).and_then(|code| code.parse().ok()).filter(|c| (200..600).contains(c));
            let Some(code) = code else { return Err(self.foreign("a reply starts with no code")) };
            let more = line.as_bytes().get(3) == Some(&b'-');
            lines.push(line.get(4..).unwrap_or("").to_owned());
            if !more {
                return Ok(Reply { code, lines });
            }
            if lines.len() >= LINES_MAX {
                return Err(self.foreign("a reply has too many lines"));
            }
        }
    }

    fn refusal(&self, reply: Reply) -> Error {
        let (code, text) = (reply.code.to_string(), reply.text());
        Error::Answer { peer: self.peer.clone(), message: format!("{code} {text}"), code }
    }

    fn foreign(&self, why: &str) -> Error {
        Error::Protocol { peer: self.peer.clone(), protocol: PROTOCOL, why: why.to_owned() }
    }
}

impl Talk<tokio::net::TcpStream> {
    /// Asks for TLS and gives back the bare stream. Whatever was said before it is forgotten.
    pub(super) async fn start_tls(mut self) -> Result<tokio::net::TcpStream, Error> {
        if !self.offers.iter().any(|offer| offer == "STARTTLS") {
            return Err(self.foreign("it offers no STARTTLS, which is required"));
        }
        self.command("STARTTLS", &[220]).await?;
        // What somebody slipped in behind the reply must not be read as if it had come privately.
        if !self.stream.buffer().is_empty() {
            return Err(self.foreign("it went on talking after STARTTLS"));
        }
        Ok(self.stream.into_inner())
    }
}

impl Reply {
    fn text(&self) -> String {
        let text = self.lines.join(" ");
        text.chars().filter(|c| !c.is_control()).take(200).collect()
    }
}

/// The message with a dot doubled where it starts a line, and its end mark.
fn dotted(message: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(message.len() + 16);
    let mut fresh = true;
    for byte in message {
        if fresh && *byte == b'.' {
            bytes.push(b'.');
        }
        bytes.push(*byte);
        fresh = *byte == b'\n';
    }
    if !bytes.ends_with(b"\r\n") {
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b".\r\n");
    bytes
}

fn broken(peer: &str, error: &std::io::Error) -> Error {
    let why = match error.kind() {
        std::io::ErrorKind::UnexpectedEof => "it was closed before the reply was complete".to_owned(),
        _ => crate::guard::plain(error),
    };
    Error::Broken { peer: peer.to_owned(), doing: "talking to the mail server", why }
}

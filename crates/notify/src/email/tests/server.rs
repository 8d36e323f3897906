//! A mail server for tests: EHLO, STARTTLS, AUTH (PLAIN, LOGIN, CRAM-MD5), MAIL, RCPT, DATA, NOOP, QUIT.

use crate::testing::acceptor;
use hmac::{Hmac, KeyInit, Mac};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};

/// How it behaves.
#[derive(Clone, Default)]
pub(super) struct Manners {
    /// TLS from the first byte.
    pub implicit: bool,
    pub start_tls: bool,
    /// Mechanisms, offered once the connection is private or if it never will be.
    pub auth: &'static str,
    /// What RCPT is answered with, by address; once each.
    pub refuse: BTreeMap<&'static str, &'static str>,
    /// Closes each connection after its first message.
    pub hangs_up: bool,
    /// What DATA is answered with, instead of taking the message.
    pub data: Option<&'static str>,
}

/// What it heard.
#[derive(Debug, Clone, Default)]
pub(super) struct Heard {
    /// Commands, each with the number of its connection and a `*` where it was private.
    pub commands: Vec<String>,
    pub messages: Vec<String>,
}

pub(super) struct Server {
    pub port: u16,
    heard: Arc<Mutex<Heard>>,
    task: tokio::task::JoinHandle<()>,
}

const CHALLENGE: &str = "<1.2@test>";
const USER: &str = "me";
const PASSWORD: &str = "pass";

impl Server {
    pub async fn start(manners: Manners) -> Server {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard: Arc<Mutex<Heard>> = Arc::default();
        let shared = heard.clone();
        let task = tokio::spawn(async move {
            let refuse = Arc::new(Mutex::new(manners.refuse.clone()));
            for number in 1.. {
                let (stream, _) = listener.accept().await.unwrap();
                let session = Session {
                    number,
                    manners: manners.clone(),
                    refuse: refuse.clone(),
                    heard: shared.clone(),
                };
                tokio::spawn(session.run(stream));
            }
        });
        Server { port, heard, task }
    }

    pub fn heard(&self) -> Heard {
        self.heard.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Session {
    number: u32,
    manners: Manners,
    refuse: Arc<Mutex<BTreeMap<&'static str, &'static str>>>,
    heard: Arc<Mutex<Heard>>,
}

impl Session {
    async fn run(self, stream: tokio::net::TcpStream) {
        if self.manners.implicit {
            if let Ok(stream) = acceptor().accept(stream).await {
                self.talk(stream, true, true).await;
            }
            return;
        }
        if let Some(stream) = self.talk(stream, false, true).await
            && let Ok(stream) = acceptor().accept(stream).await
        {
            self.talk(stream, true, false).await;
        }
    }

    /// Gives the stream back when TLS is asked for.
    async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        private: bool,
        greet: bool,
    ) -> Option<S> {
        let mut stream = BufReader::new(stream);
        if greet {
            say(&mut stream, "220 test ESMTP").await;
        }
        loop {
            let line = hear(&mut stream).await?;
            let mark = if private { "*" } else { "" };
            self.heard.lock().unwrap().commands.push(format!("{}{mark} {line}", self.number));
            let word = line.split([' ', ':']).next().unwrap_or("").to_ascii_uppercase();
            match word.as_str() {
                "EHLO" => {
                    let mut offers = vec!["250-test".to_owned(), "250-8BITMIME".to_owned()];
                    if self.manners.start_tls && !private {
                        offers.push("250-STARTTLS".to_owned());
                    }
                    if !self.manners.auth.is_empty() && (private || !self.manners.start_tls) {
                        offers.push(format!("250-AUTH {}", self.manners.auth));
                    }
                    offers.push("250 SIZE 1000000".to_owned());
                    say(&mut stream, &offers.join("\r\n")).await;
                }
                "STARTTLS" => {
                    say(&mut stream, "220 go on").await;
                    return Some(stream.into_inner());
                }
                "AUTH" => {
                    let good = self.auth(&mut stream, &line).await?;
                    say(&mut stream, if good { "235 welcome" } else { "535 5.7.8 who are you" }).await;
                }
                "RCPT" => {
                    let address = line.split(['<', '>']).nth(1).unwrap_or("").to_owned();
                    let refusal = self.refuse.lock().unwrap().remove(address.as_str());
                    say(&mut stream, refusal.unwrap_or("250 yes")).await;
                }
                "DATA" => {
                    say(&mut stream, "354 go on").await;
                    let mut message = String::new();
                    loop {
                        let line = hear(&mut stream).await?;
                        if line == "." {
                            break;
                        }
                        message.push_str(line.strip_prefix('.').unwrap_or(&line));
                        message.push('\n');
                    }
                    match self.manners.data {
                        Some(refusal) => say(&mut stream, refusal).await,
                        None => {
                            self.heard.lock().unwrap().messages.push(message);
                            say(&mut stream, "250 2.0.0 queued as 1").await;
                        }
                    }
                    if self.manners.hangs_up {
                        return None;
                    }
                }
                "MAIL" | "NOOP" => say(&mut stream, "250 ok").await,
                "QUIT" => return None,
                _ => say(&mut stream, "502 what").await,
            }
        }
    }

    async fn auth<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut BufReader<S>,
        line: &str,
    ) -> Option<bool> {
        let mut words = line.split(' ').skip(1);
        let mechanism = words.next().unwrap_or("");
        Some(match mechanism {
            "PLAIN" => decode(words.next().unwrap_or("")) == format!("\0{USER}\0{PASSWORD}"),
            "LOGIN" => {
                say(stream, "334 VXNlcm5hbWU6").await;
                let user = decode(&hear(stream).await?);
                say(stream, "334 UGFzc3dvcmQ6").await;
                user == USER && decode(&hear(stream).await?) == PASSWORD
            }
            "CRAM-MD5" => {
                say(stream, "334 PDEuMkB0ZXN0Pg==").await;
                let mut mac = Hmac::<md5::Md5>::new_from_slice(PASSWORD.as_bytes()).unwrap();
                mac.update(CHALLENGE.as_bytes());
                let digest: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
                decode(&hear(stream).await?) == format!("{USER} {digest}")
            }
            _ => false,
        })
    }
}

fn decode(text: &str) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0u32, 0);
    for digit in text.trim_end_matches('=').bytes() {
        bits = bits << 6 | DIGITS.iter().position(|d| *d == digit).unwrap() as u32;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    String::from_utf8(bytes).unwrap()
}

async fn say<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufReader<S>, text: &str) {
    let _ = stream.write_all(format!("{text}\r\n").as_bytes()).await;
    let _ = stream.flush().await;
}

async fn hear<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufReader<S>) -> Option<String> {
    let mut line = String::new();
    match stream.read_line(&mut line).await {
        Ok(n) if n > 0 => {
            assert!(line.ends_with("\r\n"), "a line without its end: {line:?}");
            Some(line.trim_end_matches("\r\n").to_owned())
        }
        _ => None,
    }
}

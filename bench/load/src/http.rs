//! One keep-alive connection, requests written whole, replies read by their length. Knows what this benchmark
//! needs and no more: no redirects, no compression.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Where to connect.
#[derive(Clone)]
pub struct Server {
    pub address: String,
}

/// A connection with its buffers.
pub struct Link {
    stream: TcpStream,
    host: String,
    out: Vec<u8>,
    read: Vec<u8>,
    filled: usize,
    plain: Vec<u8>,
}

/// What came back.
pub struct Reply<'a> {
    pub status: u16,
    pub body: &'a [u8],
}

impl Server {
    pub fn connect(&self) -> Result<Link, String> {
        let stream = TcpStream::connect(&self.address)
            .map_err(|why| format!("cannot connect to {}: {why}", self.address))?;
        stream.set_nodelay(true).map_err(|why| why.to_string())?;
        stream.set_read_timeout(Some(Duration::from_secs(120))).map_err(|why| why.to_string())?;
        Ok(Link {
            stream,
            host: self.address.clone(),
            out: Vec::new(),
            read: vec![0; 64 << 10],
            filled: 0,
            plain: Vec::new(),
        })
    }
}

impl Link {
    pub fn get(&mut self, path: &str) -> Result<Reply<'_>, String> {
        self.out.clear();
        write!(self.out, "GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.host)
            .map_err(|why| why.to_string())?;
        self.exchange()
    }

    pub fn post(&mut self, path: &str, kind: &str, body: &[u8]) -> Result<Reply<'_>, String> {
        self.out.clear();
        write!(
            self.out,
            "POST {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
            self.host,
            body.len()
        )
        .map_err(|why| why.to_string())?;
        self.out.extend_from_slice(body);
        self.exchange()
    }

    fn exchange(&mut self) -> Result<Reply<'_>, String> {
        self.stream.write_all(&self.out).map_err(|why| format!("cannot send: {why}"))?;
        self.filled = 0;
        let head = loop {
            if let Some(end) = memchr::memmem::find(&self.read[..self.filled], b"\r\n\r\n") {
                break end + 4;
            }
            self.fill()?;
        };
        let text = std::str::from_utf8(&self.read[..head]).map_err(|_| "a head that is no text")?;
        let status = text.get(9..12).and_then(|code| code.parse().ok()).ok_or("no status line")?;
        let header = |name: &str| {
            text.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            })
        };
        if let Some(length) = header("content-length") {
            let length: usize = length.parse().map_err(|_| "a length that is no number")?;
            while self.filled < head + length {
                self.fill()?;
            }
            return Ok(Reply { status, body: &self.read[head..head + length] });
        }
        self.chunks(head)?;
        Ok(Reply { status, body: &self.plain })
    }

    fn chunks(&mut self, mut at: usize) -> Result<(), String> {
        self.plain.clear();
        loop {
            let line = loop {
                match memchr::memmem::find(&self.read[at..self.filled], b"\r\n") {
                    Some(end) => break at + end,
                    None => self.fill()?,
                }
            };
            let size = std::str::from_utf8(&self.read[at..line]).ok();
            let size =
                size.and_then(|size| usize::from_str_radix(size.trim(), 16).ok()).ok_or("a bad chunk")?;
            while self.filled < line + 4 + size {
                self.fill()?;
            }
            self.plain.extend_from_slice(&self.read[line + 2..line + 2 + size]);
            at = line + 4 + size;
            if size == 0 {
                return Ok(());
            }
        }
    }

    fn fill(&mut self) -> Result<(), String> {
        if self.filled == self.read.len() {
            self.read.resize(self.read.len() * 2, 0);
        }
        match self.stream.read(&mut self.read[self.filled..]) {
            Ok(0) => Err("the server closed the connection".to_owned()),
            Ok(n) => {
                self.filled += n;
                Ok(())
            }
            Err(why) => Err(format!("cannot read: {why}")),
        }
    }
}

//! The receiving end of a webhook: answers 200 and says when each request had been read.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// Listens as long as it lives.
pub struct Hook {
    read: Receiver<Instant>,
}

impl Hook {
    pub fn listen(address: &str) -> Result<Hook, String> {
        let listener =
            TcpListener::bind(address).map_err(|why| format!("cannot listen on {address}: {why}"))?;
        let (tell, read) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let tell = tell.clone();
                std::thread::spawn(move || serve(stream, &tell));
            }
        });
        Ok(Hook { read })
    }

    /// When the next request had been read; `None` if none comes within `patience`.
    pub fn next(&self, patience: Duration) -> Option<Instant> {
        self.read.recv_timeout(patience).ok()
    }
}

fn serve(mut stream: TcpStream, tell: &Sender<Instant>) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let (mut buffer, mut filled) = (vec![0; 64 << 10], 0);
    loop {
        let end = loop {
            let head = memchr::memmem::find(&buffer[..filled], b"\r\n\r\n");
            if let Some(end) = head.and_then(|head| Some(head + 4 + length(&buffer[..head])?))
                && end <= filled
            {
                break end;
            }
            if filled == buffer.len() {
                buffer.resize(filled * 2, 0);
            }
            filled += Some(stream.read(&mut buffer[filled..]).ok()?).filter(|n| *n > 0)?;
        };
        tell.send(Instant::now()).ok()?;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").ok()?;
        buffer.copy_within(end..filled, 0);
        filled -= end;
    }
}

fn length(head: &[u8]) -> Option<usize> {
    let head = std::str::from_utf8(head).ok()?;
    let lengths = head.lines().filter_map(|line| line.split_once(':'));
    lengths
        .filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .find_map(|(_, value)| value.trim().parse().ok())
}

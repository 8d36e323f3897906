//! URLs as people type them: `query=up{job="api"}>0`, quotes and signs not escaped. The parser of requests refuses them
//! before anybody could say why, where other servers of this API take them.
//!
//! Only the first line of a connection is looked at: whoever types a URL asks once, and programs escape.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// No first line is longer.
const LINE_MAX: usize = 64 << 10;

/// A connection whose first line has what a URL cannot hold escaped.
#[derive(Debug)]
pub(crate) struct Lenient<S> {
    inner: S,
    /// How much of the first line was seen; `None`: it is over.
    seen: Option<usize>,
    /// What did not fit where the reader wanted it.
    rest: Vec<u8>,
}

impl<S> Lenient<S> {
    pub(crate) fn new(inner: S) -> Lenient<S> {
        Lenient { inner, seen: Some(0), rest: Vec::new() }
    }

    /// What a reader gets of `fresh`, where that is something else.
    fn escaped(&mut self, fresh: &[u8]) -> Option<Vec<u8>> {
        let seen = self.seen?;
        let end = fresh.iter().position(|b| *b == b'\n');
        let line = &fresh[..end.unwrap_or(fresh.len())];
        self.seen =
            Some(seen + line.len()).filter(|seen| end.is_none() && *seen < LINE_MAX && !fresh.is_empty());
        if !line.iter().any(|b| code(*b).is_some()) {
            return None;
        }
        let mut told = Vec::with_capacity(fresh.len() + 32);
        for b in line {
            match code(*b) {
                Some(code) => told.extend_from_slice(code),
                None => told.push(*b),
            }
        }
        told.extend_from_slice(&fresh[line.len()..]);
        Some(told)
    }
}

fn code(byte: u8) -> Option<&'static [u8]> {
    match byte {
        b'"' => Some(b"%22"),
        b'<' => Some(b"%3C"),
        b'>' => Some(b"%3E"),
        _ => None,
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lenient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.rest.is_empty() {
            let before = buf.filled().len();
            ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
            if this.seen.is_none() {
                return Poll::Ready(Ok(()));
            }
            let Some(told) = this.escaped(&buf.filled()[before..]) else { return Poll::Ready(Ok(())) };
            buf.set_filled(before);
            this.rest = told;
        }
        let fits = this.rest.len().min(buf.remaining());
        buf.put_slice(&this.rest[..fits]);
        this.rest.drain(..fits);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Lenient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    /// What is read of `sent` when it comes in pieces of this size and is asked for in pieces of that.
    async fn read(sent: &str, pieces: usize, asked: usize) -> String {
        let cut = sent.as_bytes().chunks(pieces).map(<[u8]>::to_vec).rev();
        let mut reader = Lenient::new(Pieces(cut.collect()));
        let mut all = Vec::new();
        let mut piece = vec![0; asked];
        loop {
            match reader.read(&mut piece).await.unwrap() {
                0 => return String::from_utf8(all).unwrap(),
                n => all.extend_from_slice(&piece[..n]),
            }
        }
    }

    struct Pieces(Vec<Vec<u8>>);

    impl AsyncRead for Pieces {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            if let Some(mut piece) = self.0.pop() {
                let rest = piece.split_off(piece.len().min(buf.remaining()));
                buf.put_slice(&piece);
                if !rest.is_empty() {
                    self.0.push(rest);
                }
            }
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn the_first_line_alone_however_it_is_cut() {
        let sent = "GET /q?query=up{a=\"b\"}>0 HTTP/1.1\r\nhost: \"x\"\r\n\r\n{\"a\": 1}";
        let want = "GET /q?query=up{a=%22b%22}%3E0 HTTP/1.1\r\nhost: \"x\"\r\n\r\n{\"a\": 1}";
        for (pieces, asked) in [(1, 1), (1, 100), (7, 3), (100, 1), (100, 5), (100, 100)] {
            assert_eq!(read(sent, pieces, asked).await, want, "{pieces} {asked}");
        }
        let plain = "GET / HTTP/1.1\r\n\r\n";
        assert_eq!(read(plain, 5, 4).await, plain);
    }
}

//! Reads a body whole, within a limit that holds for its packed and its unpacked form.

use crate::Error;
use bytes::{Bytes, BytesMut};
use flate2::write::MultiGzDecoder;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use std::io::{self, Write};

/// Reads `body`; `gzipped` says whether it must be unpacked.
pub(super) async fn read(body: Incoming, gzipped: bool, limit: usize, peer: &str) -> Result<Bytes, Error> {
    let expected = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if expected > limit {
        return Err(Error::TooLarge { peer: peer.to_owned(), limit });
    }
    if gzipped { unpack(body, limit, peer).await } else { plain(body, expected, limit, peer).await }
}

async fn plain(mut body: Incoming, expected: usize, limit: usize, peer: &str) -> Result<Bytes, Error> {
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(chunk) = next(&mut body, peer).await? {
        if first.len() + all.len() + chunk.len() > limit {
            return Err(Error::TooLarge { peer: peer.to_owned(), limit });
        }
        // A body in one piece, the usual case for a small one, is handed on as it is.
        if first.is_empty() && all.is_empty() {
            first = chunk;
            continue;
        }
        if all.is_empty() {
            all.reserve(expected.max(first.len() + chunk.len()));
            all.extend_from_slice(&std::mem::take(&mut first));
        }
        all.extend_from_slice(&chunk);
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

async fn unpack(mut body: Incoming, limit: usize, peer: &str) -> Result<Bytes, Error> {
    let mut decoder = MultiGzDecoder::new(Bounded { bytes: Vec::new(), limit });
    let mut packed = 0usize;
    let fail = |e: io::Error| match e.kind() {
        io::ErrorKind::FileTooLarge => Error::TooLarge { peer: peer.to_owned(), limit },
        _ => Error::Protocol { peer: peer.to_owned(), protocol: "gzip", why: crate::guard::plain(&e) },
    };
    while let Some(chunk) = next(&mut body, peer).await? {
        packed += chunk.len();
        if packed > limit {
            return Err(Error::TooLarge { peer: peer.to_owned(), limit });
        }
        decoder.write_all(&chunk).map_err(fail)?;
    }
    if packed == 0 {
        return Ok(Bytes::new());
    }
    Ok(Bytes::from(decoder.finish().map_err(fail)?.bytes))
}

async fn next(body: &mut Incoming, peer: &str) -> Result<Option<Bytes>, Error> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| super::link::broken(peer, "reading the response", &e))?;
        if let Ok(chunk) = frame.into_data()
            && !chunk.is_empty()
        {
            return Ok(Some(chunk));
        }
    }
    Ok(None)
}

struct Bounded {
    bytes: Vec<u8>,
    limit: usize,
}

impl Write for Bounded {
    fn write(&mut self, chunk: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + chunk.len() > self.limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(chunk);
        Ok(chunk.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

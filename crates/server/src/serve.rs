//! The accept loop of one listener: bounded connections, bounded silence, an end that lets answers finish.

use crate::auth::Peer;
use crate::closing::Connection;
use crate::lenient::Lenient;
use crate::state::Limits;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tower::ServiceExt;

/// After a failed accept (out of file handles, mostly) the loop waits this long before it tries again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `app` on `listener` until `shutdown` ends; then takes no new connection, lets open requests finish
/// for at most `grace`, and returns. Every connection's task ends before this does.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    limits: Limits,
    shutdown: impl Future<Output = ()> + Send,
    grace: Duration,
) -> io::Result<()> {
    let bound = listener.local_addr()?;
    let places = Arc::new(Semaphore::new(limits.connections_max));
    let (stop, stopped) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener, &places) => accepted,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, place)) => {
                let stopped = stopped.clone();
                connections.spawn(connection(
                    stream,
                    place,
                    bound,
                    app.clone(),
                    limits.idle_timeout,
                    stopped,
                ));
            }
            Err(err) => {
                tracing::warn!(event = "accept_failed", "Cannot accept a connection on {bound}: {err}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    drop(stop);
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(grace, all_ended).await.is_err() {
        connections.shutdown().await;
    }
    Ok(())
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}

/// One connection until it ends, is silent for too long, or `stopped` and its last answer is out.
async fn connection(
    stream: TcpStream,
    _place: OwnedSemaphorePermit,
    listener: std::net::SocketAddr,
    app: Router,
    idle: Duration,
    mut stopped: watch::Receiver<()>,
) {
    let Ok(remote) = stream.peer_addr() else { return };
    let peer = Peer { remote, listener };
    let known = Connection::new();
    let on_close = known.clone();
    // Small answers leave at once; failing to say so costs only time.
    let _ = stream.set_nodelay(true);
    let service = app.map_request(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(known.clone());
        request
    });
    let mut served = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(idle)
            .serve_connection(TokioIo::new(Lenient::new(stream)), TowerToHyperService::new(service))
    );
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        _ = stopped.changed() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    on_close.closed();
    if let Err(err) = ended {
        tracing::debug!(event = "connection_ended", "Connection of {remote} ended: {err}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::World;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::oneshot;

    /// Writes `request` on a new connection and reads until the other end closes it.
    async fn talk(to: std::net::SocketAddr, request: String) -> String {
        let mut stream = TcpStream::connect(to).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    }

    #[tokio::test]
    async fn a_local_client_is_known_by_its_connection() {
        let (_, state) = World::calm().state();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let limits = Limits { idle_timeout: Duration::from_millis(50), ..Limits::default() };
        let ended = async { drop(stopped.await) };
        let served = tokio::spawn(serve(listener, crate::app(state), limits, ended, Duration::from_secs(5)));

        let body = r#"{"kind": "noop"}"#;
        let post = |host: &str| {
            let length = body.len();
            format!(
                "POST /tasks HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            )
        };
        assert!(talk(at, post(&at.to_string())).await.starts_with("HTTP/1.1 201 Created"));
        assert!(talk(at, post("evil.example")).await.starts_with("HTTP/1.1 401 Unauthorized"));
        let half = talk(at, "GET / HTTP/1.1\r\nhost:".to_owned()).await;
        assert!(half.is_empty() || half.starts_with("HTTP/1.1 408"), "a silent client is let go: {half}");

        let open = TcpStream::connect(at).await.unwrap();
        stop.send(()).unwrap();
        served.await.unwrap().unwrap();
        drop(open);
        assert!(TcpStream::connect(at).await.is_err(), "the listener is closed");
    }
}

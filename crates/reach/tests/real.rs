//! Against real servers: redis-server and PostgreSQL on free loopback ports, and a TLS server of our own.

#![allow(clippy::unwrap_used, reason = "here a failed unwrap is a failed test")]

mod support;

use reach::{Guard, OwnListeners, Policy, http, postgres, redis, tls};
use serde_json::{Value, json};
use std::{path::Path, sync::Arc, time::Duration};
use support::{Postgres, Redis};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const LIMIT: Duration = Duration::from_secs(10);

fn guard() -> Guard {
    Guard::new(Policy::OPERATOR, Arc::new(OwnListeners::default()))
}

fn data(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

#[tokio::test]
async fn redis_alive_with_a_password_and_dead() {
    let mut server = Redis::start(&["--requirepass", "hunter2"]);
    let address = format!("127.0.0.1:{}", server.port);
    let dsn = |text: String| redis::Dsn::parse(&text).unwrap();
    let open = dsn(format!("redis://:hunter2@{address}/3"));

    redis::ping(&guard(), &open, LIMIT).await.unwrap();
    let set = ["SET", "k", "a \r\n b"];
    assert_eq!(redis::command(&guard(), &open, &set, LIMIT).await.unwrap().0.to_json(), json!("OK"));
    let keys = redis::command(&guard(), &open, &["KEYS", "*"], LIMIT).await.unwrap().0;
    assert_eq!(keys.to_json(), json!(["k"]));
    let value = redis::command(&guard(), &open, &["GET", "k"], LIMIT).await.unwrap().0;
    assert_eq!(value.to_json(), json!("a \r\n b"));

    for (dsn, code) in
        [(dsn(address.clone()), "NOAUTH"), (dsn(format!("redis://:no@{address}")), "WRONGPASS")]
    {
        let error = redis::ping(&guard(), &dsn, LIMIT).await.unwrap_err();
        let reach::Error::Answer { code: got, .. } = &error else { panic!("{error:?}") };
        assert_eq!(got, code);
    }
    let error = redis::command(&guard(), &open, &["NO-SUCH"], LIMIT).await.unwrap_err();
    assert!(error.to_string().contains("ERR unknown command"), "{error}");

    server.kill();
    let error = redis::ping(&guard(), &open, LIMIT).await.unwrap_err();
    assert_eq!(error.to_string(), format!("connection refused by {address}"));
}

#[tokio::test]
async fn postgres_alive_and_dead() {
    let server = Postgres::start(Some((&data("localhost.crt"), &data("localhost.key"))));
    let dsn = |text: String| postgres::Dsn::parse(&text).unwrap();
    let plain = dsn(format!("{}?sslmode=disable", server.dsn()));
    let private = dsn(server.dsn());
    for dsn in [&plain, &private] {
        postgres::select_one(&guard(), dsn, LIMIT).await.unwrap();
    }
    let ssl = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    assert_eq!(rows(&plain, ssl, &[]).await, json!([{ "ssl": false }]));
    assert_eq!(rows(&private, ssl, &[]).await, json!([{ "ssl": true }]));
    let strict = dsn(format!("{}?sslmode=verify-full", server.dsn()));
    let error = postgres::select_one(&guard(), &strict, LIMIT).await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");

    let sql = "SELECT $1::int4 AS a, $2::text AS b, $3::float8 AS c, $4::bool AS d, NULL::text AS e, \
               $5::jsonb AS f, to_timestamp(1.5) AS g, 'x'::bytea AS h, '::1'::inet AS i, true::text AS j";
    let params = [json!(7), json!("it's"), json!(1.5), json!(true), json!({ "k": [1, null] })];
    assert_eq!(
        rows(&private, sql, &params).await,
        json!([{
            "a": 7, "b": "it's", "c": 1.5, "d": true, "e": null, "f": { "k": [1, null] },
            "g": "1970-01-01T00:00:01.500Z", "h": "<bytea>", "i": "::1", "j": "true"
        }])
    );

    let open = guard();
    let many = postgres::query(
        &open,
        &private,
        "SELECT n FROM generate_series(1, 100000) AS n",
        &[],
        postgres::Mode::ReadOnly,
        3,
        LIMIT,
    );
    let (many, _) = many.await.unwrap();
    assert!(many.cut && many.rows.len() == 3, "{many:?}");

    let refused = failing(&private, "CREATE TABLE t (n int)", postgres::Mode::ReadOnly, LIMIT).await;
    assert!(refused.to_string().contains("read-only transaction"), "{refused}");
    let nonsense = failing(&private, "SELEKT", postgres::Mode::ReadOnly, LIMIT).await;
    let reach::Error::Answer { code, .. } = &nonsense else { panic!("{nonsense:?}") };
    assert_eq!(code, "42601");
    let slow =
        failing(&private, "SELECT pg_sleep(60)", postgres::Mode::ReadOnly, Duration::from_millis(300)).await;
    assert!(matches!(slow, reach::Error::Timeout { .. } | reach::Error::Answer { .. }), "{slow}");

    let wrong = dsn(server.dsn().replace("hunter2", "hunter3"));
    let error = postgres::select_one(&guard(), &wrong, LIMIT).await.unwrap_err().to_string();
    assert!(error.contains("password authentication failed") && !error.contains("hunter"), "{error}");

    server.stop();
    let error = postgres::select_one(&guard(), &private, LIMIT).await.unwrap_err();
    assert_eq!(error.to_string(), format!("connection refused by 127.0.0.1:{}", server.port));
}

async fn rows(dsn: &postgres::Dsn, sql: &str, params: &[Value]) -> Value {
    let guard = guard();
    let asked = postgres::query(&guard, dsn, sql, params, postgres::Mode::ReadOnly, 10, LIMIT);
    asked.await.unwrap().0.rows.into_iter().map(Value::Object).collect()
}

async fn failing(dsn: &postgres::Dsn, sql: &str, mode: postgres::Mode, limit: Duration) -> reach::Error {
    postgres::query(&guard(), dsn, sql, &[], mode, 10, limit).await.unwrap_err()
}

/// An HTTPS server that answers one request on each of `connections`.
async fn https_server(connections: usize) -> u16 {
    use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
    let chain = vec![CertificateDer::from_pem_file(data("localhost.crt")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(data("localhost.key")).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = tokio_rustls::rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        for _ in 0..connections {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nsafe").await;
            let _ = stream.shutdown().await;
        }
    });
    port
}

#[tokio::test]
async fn https_asks_who_is_there() {
    let port = https_server(3).await;
    let base = http::Client::new(Policy::OPERATOR, Arc::new(OwnListeners::default()));
    let ask = async |options: tls::Options| {
        let request = http::Request::get(&format!("https://localhost:{port}/")).unwrap();
        base.with_tls(options).send(request).await
    };
    let error = ask(tls::Options::default()).await.unwrap_err();
    assert!(error.code() == "tls" && error.to_string().contains("localhost"), "{error}");

    let own = tls::Options { ca: Some(tls::Pem::File(data("localhost.crt"))), ..tls::Options::default() };
    let response = ask(own).await.unwrap();
    assert_eq!(&response.body[..], b"safe");
    assert!(!response.timings.tls.is_zero());

    let anybody = tls::Options { verify: tls::Verify::None, ..tls::Options::default() };
    assert_eq!(&ask(anybody).await.unwrap().body[..], b"safe");

    let missing =
        tls::Options { ca: Some(tls::Pem::File("/nowhere/ca.pem".into())), ..tls::Options::default() };
    let error = ask(missing).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot read /nowhere/ca.pem: no such file or directory");
}

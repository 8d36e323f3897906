//! The shapes are those of RFC 6749, 4.4 and 2.3.1.

use super::*;
use crate::{OwnListeners, Policy};
use std::io::{BufRead, BufReader, Read, Write};

/// A server that gives these answers, one to a connection, and tells what it was asked.
fn server(answers: Vec<(u16, &'static str)>) -> (u16, std::thread::JoinHandle<Vec<String>>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        let answer = |(status, body): (u16, &str)| {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut head, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if let Some(n) = line.strip_prefix("content-length: ") {
                    length = n.trim().parse().unwrap();
                }
                if line.trim().is_empty() {
                    break;
                }
                head.push_str(&line.replace('\r', ""));
            }
            let mut bytes = vec![0; length];
            reader.read_exact(&mut bytes).unwrap();
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
            )
            .unwrap();
            format!("{head}\n{}", String::from_utf8(bytes).unwrap())
        };
        answers.into_iter().map(answer).collect()
    });
    (port, thread)
}

fn oauth2(port: u16, more: &str) -> OAuth2 {
    let yaml = format!(
        "{{client_id: me, client_secret: 's+1', token_url: 'http://127.0.0.1:{port}/token', {more}}}"
    );
    let raw: Spanned<OAuth2Config> = serde_saphyr::from_str(&yaml).unwrap();
    let mut problems = Vec::new();
    let resolved =
        OAuth2::resolve(&raw.value, raw.referenced, Proxy::default(), Path::new("/"), &mut problems);
    assert_eq!(problems, []);
    resolved
}

use serde_saphyr::Spanned;

fn client() -> Client {
    Client::new(Policy::OPERATOR, Arc::new(OwnListeners::default()))
}

#[tokio::test]
async fn a_token_is_fetched_once() {
    let (port, thread) =
        server(vec![(200, r#"{"access_token":"t1","token_type":"bearer","expires_in":3600}"#)]);
    let oauth2 = oauth2(port, "scopes: [a, b], endpoint_params: {audience: 'x y'}");
    for _ in 0..2 {
        assert_eq!(oauth2.header(&client()).await.unwrap(), "Bearer t1");
        assert_eq!(oauth2.clone().header(&client()).await.unwrap(), "Bearer t1");
    }
    let asked = thread.join().unwrap().remove(0);
    assert!(asked.starts_with("POST /token HTTP/1.1\n"), "{asked}");
    assert!(asked.contains("authorization: Basic bWU6cyUyQjE=\n"), "{asked}");
    assert!(asked.ends_with("\ngrant_type=client_credentials&scope=a+b&audience=x+y"), "{asked}");
    assert!(!format!("{oauth2:?}").contains("s+1"));
}

#[tokio::test]
async fn some_want_the_secret_in_the_form_and_some_refuse() {
    let good = r#"{"access_token":"t2","expires_in":"5"}"#;
    let (port, thread) =
        server(vec![(401, "{}"), (200, good), (401, "{}"), (400, r#"{"error":"invalid_client"}"#)]);
    let oauth2 = oauth2(port, "");
    assert_eq!(oauth2.header(&client()).await.unwrap(), "Bearer t2");
    // It lives shorter than it may be held, so the next one is asked for.
    let error = oauth2.header(&client()).await.unwrap_err();
    assert!(error.to_string().contains("no token: 400 {\"error\":\"invalid_client\"}"), "{error}");
    let asked = thread.join().unwrap();
    assert!(
        asked[1].ends_with("client_id=me&client_secret=s%2B1") && !asked[1].contains("authorization"),
        "{asked:?}"
    );
    let (port, _thread) = server(vec![(503, "busy")]);
    let error = self::oauth2(port, "").header(&client()).await.unwrap_err();
    assert_eq!(error.kind(), crate::Kind::Again, "{error}");
    let (port, _thread) = server(vec![(200, "<html>")]);
    let error = self::oauth2(port, "").header(&client()).await.unwrap_err();
    assert!(error.to_string().contains("holds no access_token"), "{error}");
}

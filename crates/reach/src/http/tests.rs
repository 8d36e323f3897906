//! The client against a small scripted server: each connection answers its requests from a list.

use super::*;
use crate::{OwnListeners, Policy};
use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    sync::{Arc, Mutex},
};

/// What one connection does, request by request; it is closed after the last answer.
type Script = Vec<Vec<u8>>;

struct Server {
    port: u16,
    /// Everything that was asked, in order: the head's lines in one text, then the body.
    asked: Arc<Mutex<Vec<String>>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    /// A server whose first connection follows the first script, and so on; then it stops listening.
    fn start(scripts: Vec<Script>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = asked.clone();
        let thread = std::thread::spawn(move || {
            for script in scripts {
                let Ok((mut stream, _)) = listener.accept() else { return };
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                for answer in script {
                    let Some(request) = read_request(&mut reader) else { break };
                    log.lock().unwrap().push(request);
                    let _ = stream.write_all(&answer);
                }
            }
        });
        Server { port, asked, thread: Some(thread) }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn asked(mut self) -> Vec<String> {
        self.thread.take().unwrap().join().unwrap();
        self.asked.lock().unwrap().clone()
    }
}

fn read_request(reader: &mut impl BufRead) -> Option<String> {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(n) = line.to_lowercase().strip_prefix("content-length:") {
            length = n.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
        head.push_str(&line.replace('\r', ""));
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(head + "\n" + &String::from_utf8(body).unwrap())
}

fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes =
        format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn ok(body: &str) -> Vec<u8> {
    answer("200 OK", "", body.as_bytes())
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn client(policy: Policy) -> Client {
    Client::new(policy, Arc::new(OwnListeners::default()))
}

async fn get(client: &Client, url: &str) -> Result<Response, Error> {
    client.send(Request::get(url).unwrap()).await
}

#[tokio::test]
async fn a_connection_is_kept_and_a_dead_one_replaced() {
    let server = Server::start(vec![vec![ok("one"), ok("two")], vec![ok("three")]]);
    let client = client(Policy::OPERATOR);
    for (expected, kept) in [("one", false), ("two", true), ("three", false)] {
        let response = get(&client, &server.url("/a?b=c#d")).await.unwrap();
        assert_eq!((response.status, &response.body[..]), (200, expected.as_bytes()));
        assert_eq!(response.remote_addr.port(), server.port);
        assert_eq!(response.timings.connect.is_zero(), kept, "{expected}: {:?}", response.timings);
    }
    let port = server.port;
    let asked = server.asked();
    assert!(asked[0].starts_with("GET /a?b=c HTTP/1.1\n"), "{}", asked[0]);
    assert!(asked[0].contains(&format!("host: 127.0.0.1:{port}\n")), "{}", asked[0]);
}

#[tokio::test]
async fn a_fresh_connection_is_not_kept() {
    let server = Server::start(vec![vec![ok("one"), ok("x")], vec![ok("two"), ok("x")]]);
    let client = client(Policy::OPERATOR);
    for expected in ["one", "two"] {
        let mut request = Request::get(&server.url("/")).unwrap();
        request.connection = Connection::Fresh;
        let response = client.send(request).await.unwrap();
        assert_eq!(&response.body[..], expected.as_bytes());
        assert!(!response.timings.connect.is_zero());
    }
    assert!(server.asked()[0].contains("connection: close"));
}

#[tokio::test]
async fn bodies_are_unpacked_and_bounded() {
    let big = vec![b'x'; 5000];
    let chunked =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n".to_vec();
    let endless = [&b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"[..], b"1000\r\n", &big].concat();
    let packed = |plain: &[u8]| answer("200 OK", "Content-Encoding: gzip\r\n", &gzip(plain));
    let until_close = b"HTTP/1.0 200 OK\r\n\r\nold".to_vec();
    for (bytes, expected) in [
        (chunked, Ok("abcde")),
        (packed(b"hello"), Ok("hello")),
        (packed(b""), Ok("")),
        (until_close, Ok("old")),
        (answer("200 OK", "", &big), Err("sent more than 1000 bytes")),
        (endless, Err("sent more than 1000 bytes")),
        (packed(&big), Err("sent more than 1000 bytes")),
        (answer("200 OK", "Content-Encoding: gzip\r\n", b"not gzip at all"), Err("does not speak gzip")),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort".to_vec(),
            Err("broke while reading the response"),
        ),
        (b"220 mail.example ESMTP\r\n".to_vec(), Err("does not speak HTTP")),
        (b"".to_vec(), Err("broke while waiting for the response")),
    ] {
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        let server = Server::start(vec![vec![bytes]]);
        let mut request = Request::get(&server.url("/")).unwrap();
        request.body_max = 1000;
        let got = client(Policy::OPERATOR).send(request).await;
        match (got, expected) {
            (Ok(response), Ok(body)) => assert_eq!(&response.body[..], body.as_bytes(), "{shown}"),
            (Err(error), Err(text)) => assert!(error.to_string().contains(text), "{error} for {shown}"),
            (got, expected) => panic!("got {got:?}, wanted {expected:?} for {shown}"),
        }
    }
}

#[tokio::test]
async fn redirects_keep_credentials_at_home() {
    let stranger = Server::start(vec![vec![ok("there")]]);
    let away = format!("Location: http://localhost:{}/in?x=1\r\n", stranger.port);
    let server = Server::start(vec![vec![
        answer("302 Found", "Location: /next\r\n", b"go"),
        answer("301 Moved", &away, b""),
    ]]);
    let mut request = Request::get(&server.url("/").replace("//", "//me:pw@")).unwrap();
    request.set_header("X-Api-Key", "k").unwrap();
    request.set_header("Accept", "text/plain").unwrap();
    let response = client(Policy::OPERATOR).send(request).await.unwrap();
    assert_eq!(&response.body[..], b"there");
    assert_eq!(response.url.path(), "/in");
    let home = server.asked();
    assert!(
        home.iter()
            .all(|head| head.contains("authorization: Basic bWU6cHc=") && head.contains("x-api-key: k"))
    );
    let abroad = stranger.asked();
    assert!(abroad[0].starts_with("GET /in?x=1 "), "{abroad:?}");
    assert!(abroad[0].contains("accept: text/plain"), "{abroad:?}");
    assert!(!abroad[0].contains("authorization") && !abroad[0].contains("x-api-key"), "{abroad:?}");
}

#[tokio::test]
async fn what_redirects_do_to_a_post() {
    let again = |status: &str, to: &str| answer(status, &format!("Location: {to}\r\n"), b"");
    let server = Server::start(vec![vec![
        again("307 Temporary Redirect", "/second"),
        again("303 See Other", "/third"),
        again("308 Permanent Redirect", "ftp://example/"),
    ]]);
    let request = Request::post_json(&server.url("/first"), "{}").unwrap();
    let error = client(Policy::OPERATOR).send(request).await.unwrap_err();
    assert!(error.to_string().contains("must start with http"), "{error}");
    let asked = server.asked();
    assert!(asked[1].starts_with("POST /second ") && asked[1].ends_with("\n{}"), "{asked:?}");
    assert!(asked[2].starts_with("GET /third ") && asked[2].ends_with("\n\n"), "{asked:?}");

    let server = Server::start(vec![vec![again("307 Temporary Redirect", "http://localhost:1/")]]);
    let request = Request::post_json(&server.url("/secret-path"), "{}").unwrap();
    let error = client(Policy::OPERATOR).send(request).await.unwrap_err().to_string();
    assert!(
        error.contains("carry the request's body to another host") && !error.contains("secret"),
        "{error}"
    );

    let server =
        Server::start(vec![vec![again("302 Found", "/"), again("302 Found", "/"), again("302 Found", "/")]]);
    let mut request = Request::get(&server.url("/")).unwrap();
    request.redirects_max = 2;
    let error = client(Policy::OPERATOR).send(request.clone()).await.unwrap_err();
    assert!(error.to_string().contains("too many"), "{error}");
    assert_eq!(server.asked().len(), 3);

    let server = Server::start(vec![vec![again("302 Found", "/x")]]);
    let mut request = Request::get(&server.url("/")).unwrap();
    request.redirects_max = 0;
    assert_eq!(client(Policy::OPERATOR).send(request).await.unwrap().status, 302);
}

#[tokio::test]
async fn time_runs_out_with_the_phase_named() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/token", server.local_addr().unwrap());
    let mut request = Request::get(&url).unwrap();
    request.timeout = Duration::from_millis(50);
    let error = client(Policy::OPERATOR).send(request).await.unwrap_err();
    let peer = server.local_addr().unwrap();
    assert_eq!(error.to_string(), format!("timed out after 50ms while waiting for the answer of {peer}"));
}

#[tokio::test]
async fn the_policy_holds_for_names_literals_and_redirects() {
    let public = client(Policy::PUBLIC);
    for url in [
        "http://127.0.0.1:9/",
        "http://[::1]:9/",
        "http://localhost:9/",
        "http://0x7f.1:9/",
        "http://2130706433:9/",
    ] {
        let error = get(&public, url).await.unwrap_err();
        assert_eq!(error.code(), "address_denied", "{url}: {error}");
    }
    let server =
        Server::start(vec![vec![answer("302 Found", "Location: http://169.254.169.254/latest\r\n", b"")]]);
    let error = get(&client(Policy::OPERATOR), &server.url("/")).await.unwrap_err();
    assert!(error.to_string().ends_with("169.254.169.254:80 is a link-local address"), "{error}");
}

#[tokio::test]
async fn our_own_listeners_see_a_stranger() {
    let server = Server::start(vec![vec![ok("")]]);
    let own = Arc::new(OwnListeners::default());
    own.set(vec![format!("0.0.0.0:{}", server.port).parse().unwrap()]);
    let refusing = Client::new(Policy::OPERATOR, own.clone());
    assert_eq!(get(&refusing, "http://127.0.0.1:1/").await.unwrap_err().code(), "connection_refused");
    // The refused connection is accepted by the system and seen as closed by the script.
    let error = get(&refusing, &server.url("/")).await.unwrap_err();
    assert_eq!(error.code(), "address_denied", "{error}");
    get(&refusing.with_policy(Policy::COLLECT), &server.url("/")).await.unwrap();
    assert!(server.asked()[0].contains("forwarded: for=_tocsin"));
}

#[test]
fn urls_that_are_refused_keep_their_secrets() {
    for (url, shown) in [
        ("ftp://u:hunter2@h/p", "\"ftp://h\" is no URL: it must start with http:// or https://"),
        ("hooks.example/services/T0/hunter2", "\"hooks.example\" is no URL: relative URL without a base"),
        ("http://", "\"http://\" is no URL: empty host"),
        ("http://u:hunter2@h:99999/", "\"http://h:99999\" is no URL: invalid port number"),
    ] {
        assert_eq!(Request::get(url).unwrap_err().to_string(), shown);
    }
    let request = Request::get("https://u:p%40%2B+w@h/").unwrap();
    assert_eq!(request.url.as_str(), "https://h/");
    assert_eq!(request.headers["authorization"], basic("u", "p@++w"));
    assert!(!format!("{request:?}").contains("Basic"), "{request:?}");
}

#[test]
fn retry_after_in_seconds_or_as_a_date() {
    let response = |value: &'static str| Response {
        status: 429,
        headers: HeaderMap::from_iter([
            (header::RETRY_AFTER, HeaderValue::from_static(value)),
            (header::DATE, HeaderValue::from_static("Fri, 31 Dec 1999 23:59:29 GMT")),
        ]),
        body: Bytes::new(),
        remote_addr: "127.0.0.1:1".parse().unwrap(),
        url: Url::parse("http://h/").unwrap(),
        timings: Timings::default(),
    };
    assert_eq!(response(" 12").retry_after(), Some(Duration::from_secs(12)));
    assert_eq!(response("Fri, 31 Dec 1999 23:59:59 GMT").retry_after(), Some(Duration::from_secs(30)));
    assert_eq!(response("Fri, 31 Dec 1999 23:00:00 GMT").retry_after(), Some(Duration::ZERO));
    assert_eq!(response("soon").retry_after(), None);
}

#[tokio::test]
async fn by_a_proxy() {
    let proxy = Server::start(vec![vec![ok("passed on")]]);
    let client = client(Policy::OPERATOR);
    let by = |port: u16| client.with_proxy(Proxy::by(&format!("http://me:pw@127.0.0.1:{port}")).unwrap());
    let response = get(&by(proxy.port), "http://elsewhere.example:8080/a?b=c").await.unwrap();
    assert_eq!(&response.body[..], b"passed on");
    let asked = proxy.asked();
    assert!(asked[0].starts_with("GET http://elsewhere.example:8080/a?b=c HTTP/1.1\n"), "{}", asked[0]);
    assert!(asked[0].contains("host: elsewhere.example:8080\n"), "{}", asked[0]);
    assert!(asked[0].contains("proxy-authorization: Basic bWU6cHc=\n"), "{}", asked[0]);

    // To an https address it opens a tunnel; what answers in it here speaks no TLS.
    let proxy =
        Server::start(vec![vec![b"HTTP/1.1 200 Connection established\r\n\r\nno TLS at all".to_vec()]]);
    let error = get(&by(proxy.port), "https://elsewhere.example/").await.unwrap_err();
    assert_eq!(error.code(), "tls", "{error}");
    let asked = proxy.asked();
    assert!(
        asked[0].starts_with("CONNECT elsewhere.example:443 HTTP/1.1\nHost: elsewhere.example:443\n"),
        "{}",
        asked[0]
    );
    assert!(asked[0].contains("proxy-authorization: Basic bWU6cHc=\n"), "{}", asked[0]);

    let proxy = Server::start(vec![vec![answer("407 Who are you", "", b"")]]);
    let error = get(&by(proxy.port), "https://elsewhere.example/").await.unwrap_err();
    assert!(error.to_string().contains("answered \"HTTP/1.1 407 Who are you\""), "{error}");
}

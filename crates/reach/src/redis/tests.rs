//! The reader of replies against bytes, and addresses against their parts. Real servers: `tests/real.rs`.

use super::*;

async fn check(bytes: &[u8], expected: Result<Value, &str>) {
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
    let mut reader = Reader { input: BufReader::new(bytes.take(REPLY_MAX)), peer: "r:1", elements: 0 };
    match (reader.reply(0).await, expected) {
        (Ok(reply), Ok(json)) => assert_eq!(reply.to_json(), json, "{shown}"),
        (Err(error), Err(text)) => assert!(error.to_string().contains(text), "{error} for {shown}"),
        (got, expected) => panic!("got {got:?}, wanted {expected:?} for {shown}"),
    }
}

#[tokio::test]
async fn replies() {
    check(b"+PONG\r\n", Ok(json!("PONG"))).await;
    check(b":-7\r\n", Ok(json!(-7))).await;
    check(b"$5\r\nhe\r\no\r\n", Ok(json!("he\r\no"))).await;
    check(b"$0\r\n\r\n", Ok(json!(""))).await;
    check(b"$-1\r\n", Ok(Value::Null)).await;
    check(b"*-1\r\n", Ok(Value::Null)).await;
    check(b"*3\r\n:1\r\n*1\r\n$1\r\na\r\n-ERR no\r\n", Ok(json!([1, ["a"], { "error": "ERR no" }]))).await;

    check(b"", Err("closed before the reply was complete")).await;
    check(b"$5\r\nhel", Err("closed before the reply was complete")).await;
    check(b"+PO", Err("the last line has no end")).await;
    check(b"HTTP/1.1 400 Bad Request\r\n", Err("does not speak the redis protocol")).await;
    check(b":one\r\n", Err("a number is expected")).await;
    check(b"$99999999999\r\n", Err("sent more than")).await;
    check(&b"*1\r\n".repeat(20), Err("sent more than")).await;
    check(&[&b"*999999\r\n"[..], &b":1\r\n".repeat(ELEMENTS_MAX)].concat(), Err("sent more than")).await;
    check(&vec![b'+'; REPLY_MAX as usize + 1], Err("sent more than")).await;
}

#[test]
fn addresses() {
    let dsn = Dsn::parse("redis://me:p%40ss@cache:6380/2").unwrap();
    assert_eq!((dsn.target.to_string().as_str(), dsn.db), ("cache:6380", 2));
    assert_eq!((dsn.user.as_deref(), dsn.password.as_deref()), (Some("me"), Some("p@ss")));
    assert_eq!(format!("{dsn:?}"), "redis://cache:6380/2");
    assert_eq!(Dsn::parse("rediss://:x@[::1]").unwrap().transport, Transport::Tls);
    assert_eq!(Dsn::parse("cache").unwrap().target.port, 6379);
    for (bad, why) in [
        ("http://h", "\"http://h\" is no redis URL: it must start with redis:// or rediss://"),
        ("redis://u:hunter2@h/x", "\"h/x\" is no redis URL: the database must be a number"),
    ] {
        assert_eq!(Dsn::parse(bad).unwrap_err().to_string(), why);
    }
}

#[test]
fn commands_are_encoded_as_arrays() {
    let mut bytes = Vec::new();
    encode(&["SET", "k", ""], &mut bytes);
    assert_eq!(bytes, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n");
}

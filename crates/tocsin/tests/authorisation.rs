//! Who may what, on a real server: every route of the table by every credential, and every way in which a request
//! from this machine is not a local one. A new route is covered as soon as it is in the table.

mod support;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use server::auth::{Need, Role};
use sha2::Sha256;
use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    time::Duration,
};
use support::Tocsin;

const SECRET: &str = "a secret of this test, longer than thirty-two characters";
const ROLES: [Role; 4] = [Role::User, Role::Agent, Role::Operator, Role::Admin];

/// The status of an answer. Reads no further: a stream of events has no end.
fn status(tocsin: &Tocsin, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> u16 {
    let address = tocsin.url.strip_prefix("http://").expect("a plain URL");
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a socket");
    let mut request = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
    if !headers.iter().any(|(name, _)| *name == "host") {
        request += &format!("host: {address}\r\n");
    }
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() {
        request += &format!("content-length: {}\r\n", body.len());
    }
    stream.write_all(format!("{request}\r\n{body}").as_bytes()).expect("it is sent");
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).expect("an answer");
    let code = line.split(' ').nth(1).and_then(|code| code.parse().ok());
    code.unwrap_or_else(|| panic!("{method} {path} {headers:?}: {line:?}\n{}", tocsin.log()))
}

fn base64(bytes: &[u8]) -> String {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0u32, |bits, b| bits << 8 | u32::from(*b)) << (8 * (3 - three.len()));
        text.extend((0..=three.len()).map(|n| digits[(bits >> (18 - 6 * n) & 63) as usize] as char));
    }
    text
}

fn token(algorithm: &str, claims: &Value, secret: &str) -> String {
    let header = json!({"alg": algorithm, "typ": "JWT"});
    let signed =
        format!("{}.{}", base64(header.to_string().as_bytes()), base64(claims.to_string().as_bytes()));
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length will do");
    let signature = mac.chain_update(signed.as_bytes()).finalize().into_bytes();
    let signature = if algorithm == "none" { String::new() } else { base64(&signature) };
    format!("Bearer {signed}.{signature}")
}

fn claims(role: &str, exp: u64) -> Value {
    json!({"sub": "ann", "role": role, "exp": exp, "iat": 1})
}

const FAR: u64 = 9_999_999_999;

/// Its name, its headers, and what it is worth.
type Credential = (String, Vec<(&'static str, String)>, Option<Role>);

/// Every credential with the role it is worth; `None`: a 401 wherever it is shown.
fn credentials(tocsin: &Tocsin) -> Vec<Credential> {
    let good = claims("admin", FAR);
    let mut all = Vec::new();
    for role in ROLES {
        let (name, key) = (role.as_str(), tocsin.key(role.as_str()));
        all.push((format!("key of {name}"), vec![("x-api-key", key.clone())], Some(role)));
        all.push((
            format!("{name}'s key as bearer"),
            vec![("authorization", format!("Bearer {key}"))],
            Some(role),
        ));
        let jwt = token("HS256", &claims(name, FAR), SECRET);
        all.push((format!("token of {name}"), vec![("authorization", jwt)], Some(role)));
    }
    let admin = tocsin.key("admin");
    let mut refresh = good.clone();
    refresh["type"] = json!("refresh");
    let mut without_end = good.clone();
    without_end.as_object_mut().expect("claims").remove("exp");
    for (name, headers) in [
        ("expired token", vec![("authorization", token("HS256", &claims("admin", 2), SECRET))]),
        ("forged token", vec![("authorization", token("HS256", &good, "another secret"))]),
        ("token without algorithm", vec![("authorization", token("none", &good, SECRET))]),
        ("token of another algorithm", vec![("authorization", token("HS512", &good, SECRET))]),
        ("token of an unknown role", vec![("authorization", token("HS256", &claims("king", FAR), SECRET))]),
        ("refresh token", vec![("authorization", token("HS256", &refresh, SECRET))]),
        ("token without end", vec![("authorization", token("HS256", &without_end, SECRET))]),
        ("unknown key", vec![("x-api-key", "0123456789abcdef0123456789abcdef".to_owned())]),
        ("basic scheme", vec![("authorization", "Basic YWRtaW46YWRtaW4=".to_owned())]),
        ("empty bearer", vec![("authorization", "Bearer ".to_owned())]),
        (
            "good key beside a forged token",
            vec![("x-api-key", admin.clone()), ("authorization", token("HS256", &good, "x"))],
        ),
        ("two keys", vec![("x-api-key", admin.clone()), ("x-api-key", admin)]),
    ] {
        all.push((name.to_owned(), headers, None));
    }
    all
}

/// A path with something in each of its places.
fn filled(path: &str) -> String {
    let part = |part: &str| if part.starts_with('{') { "x".to_owned() } else { part.to_owned() };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

fn borrowed<'a>(headers: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    headers.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

#[test]
fn every_route_by_every_credential() {
    let secret = ("ORCHESTRATOR_JWT_SECRET", SECRET.to_owned());
    let tocsin = Tocsin::start(&["--auth", "required"], &[secret]);
    let credentials = credentials(&tocsin);
    let routes = server::table();
    let mut tried = 0;
    for (method, path, need) in &routes {
        let uri = filled(path);
        let code = status(&tocsin, method.as_str(), &uri, &[], "");
        let open = *need == Need::Nothing;
        assert_eq!(code == 401, !open, "{method} {path} without a credential: {code}");
        for (name, headers, worth) in &credentials {
            let code = status(&tocsin, method.as_str(), &uri, &borrowed(headers), "");
            let want = match (worth, need) {
                (None, _) => Some(401),
                (Some(has), Need::Role(needs)) if has < needs => Some(403),
                _ => None,
            };
            match want {
                Some(want) => assert_eq!(code, want, "{method} {path} by {name}"),
                None => assert!(
                    ![401, 403, 429].contains(&code) && code < 500,
                    "{method} {path} by {name}: {code}"
                ),
            }
            tried += 1;
        }
    }
    for path in ["/nowhere", "/tasks/a/b/c/d"] {
        let (_, headers, _) = credentials.iter().find(|(name, ..)| name == "forged token").expect("one");
        assert_eq!(status(&tocsin, "GET", path, &borrowed(headers), ""), 401);
    }
    println!("{} routes, {tried} requests with a credential", routes.len());
    let log = tocsin.log();
    assert!(log.contains("Invalid JWT token: Signature has expired"));
    assert!(!log.contains(&tocsin.key("admin")) && !log.contains(SECRET), "a log holds no secret");
}

#[test]
fn the_table_is_what_is_described() {
    let tocsin = Tocsin::start(&[], &[]);
    let document = tocsin.get("/openapi.json").json();
    for (method, path, need) in server::table() {
        let operation = &document["paths"][path][method.as_str().to_lowercase()];
        assert!(operation.is_object(), "{method} {path} is not described");
        if let Need::Role(role) = need {
            assert_eq!(operation["x-role"], role.as_str(), "{method} {path}");
        }
    }
}

/// Each of these makes a request from this machine one that is not local.
const NOT_LOCAL: [(&str, &str); 11] = [
    ("x-forwarded-for", "127.0.0.1"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "localhost"),
    ("x-real-ip", "127.0.0.1"),
    ("forwarded", "for=127.0.0.1"),
    ("host", "tocsin.example"),
    ("host", "127.0.0.1.evil.example"),
    ("host", "localhost:1"),
    ("origin", "http://evil.example"),
    ("origin", "null"),
    ("origin", "http://localhost:3000"),
];

#[test]
fn what_is_local_and_what_only_looks_like_it() {
    let tocsin = Tocsin::start(&[], &[]);
    let own = format!("http://{}", tocsin.url.trim_start_matches("http://"));
    let task = r#"{"kind": "noop"}"#;
    let json = ("content-type", "application/json");
    assert_eq!(status(&tocsin, "POST", "/tasks", &[json], task), 201);
    assert_eq!(status(&tocsin, "POST", "/tasks", &[json, ("origin", &own)], task), 201);
    for (method, path, need) in server::table() {
        let uri = filled(path);
        let acts = match need {
            Need::Nothing | Need::InBody => continue,
            Need::Role(Role::User) => false,
            Need::Role(_) | Need::Somebody => true,
        };
        for header in &NOT_LOCAL {
            let code = status(&tocsin, method.as_str(), &uri, &[*header], "");
            assert_eq!(code, 401, "{method} {path} with {header:?}");
        }
        let forms =
            ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", ""];
        for form in forms.iter().filter(|_| acts) {
            let headers = [("content-type", *form)];
            let headers = if form.is_empty() { &headers[..0] } else { &headers[..] };
            let code = status(&tocsin, method.as_str(), &uri, headers, "a=b");
            assert_eq!(code, 401, "{method} {path} with a body of type {form:?}");
        }
    }
    let key = tocsin.key("agent");
    let headers = [json, ("x-forwarded-for", "127.0.0.1"), ("x-api-key", key.as_str())];
    assert_eq!(
        status(&tocsin, "POST", "/tasks", &headers, task),
        201,
        "with a credential it may come from anywhere"
    );
}

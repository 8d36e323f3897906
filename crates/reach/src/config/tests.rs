//! What is taken and what is refused, with its place, and what a request carries.

use super::*;

fn check(yaml: &str, expected: &[&str]) -> Access {
    let raw: HttpConfig = serde_saphyr::from_str(yaml).unwrap();
    let mut problems = Vec::new();
    let access = raw.resolve(Path::new("/etc/x"), &mut problems);
    let got: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(got, expected, "problems of {yaml}");
    access
}

#[test]
fn credentials() {
    let access = check("basic_auth: {username: u, password_file: secrets/p}", &[]);
    let user = Source::Text(Secret("u".to_owned()));
    assert_eq!(access.auth, Auth::Basic(user, Source::File("/etc/x/secrets/p".into())));
    assert_eq!(access.files(), [Path::new("/etc/x/secrets/p")]);
    assert!(!format!("{access:?}").contains("\"u\""), "a secret is shown: {access:?}");

    check(
        "bearer_token: abc\nauthorization:\n  credentials: x\n",
        &[
            "1:15: error: more than one kind of credentials; keep one of basic_auth, authorization, oauth2, bearer_token, bearer_token_file",
        ],
    );
    check(
        "authorization: {type: Basic, credentials: x}",
        &["1:16: error: authorization cannot be of type basic; use basic_auth"],
    );
}

#[test]
fn tls_and_headers() {
    let access = check("tls_config: {ca_file: ca.pem, insecure_skip_verify: true, server_name: a}", &[]);
    assert_eq!(access.tls.ca, Some(Pem::File("/etc/x/ca.pem".into())));
    assert_eq!(access.tls.verify, Verify::None);
    check(
        "tls_config: {cert_file: c.pem}",
        &["1:13: error: a certificate and its key belong together; set both cert and key, or neither"],
    );
    let access = check(
        "http_headers:\n  X-Scope-OrgID: {values: [a]}\n  Host: {values: [b]}",
        &["3:9: error: the header host cannot be set here; use the key made for it"],
    );
    assert_eq!(access.headers.len(), 1);
    assert!(serde_saphyr::from_str::<HttpConfig>("basic_auht: {}").is_err());
}

#[test]
fn proxies() {
    let access = check("proxy_url: http://p:3128", &[]);
    assert_eq!(access.proxy, Proxy::by("p:3128").unwrap());
    let access = check("proxy_url: http://p:3128\nno_proxy: a", &[]);
    assert_eq!(access.proxy, Proxy::by("p:3128").unwrap().except("a"));
    check(
        "proxy_url: socks5://p:1080",
        &[
            "1:12: finding: \"socks5://p:1080\" is no URL: it must start with http:// or https://: connections are direct",
        ],
    );
    check("no_proxy: a", &["1:11: error: no_proxy without proxy_url; add proxy_url or remove it"]);
    check(
        "proxy_connect_header: {a: [b]}",
        &["1:23: error: proxy_connect_header without proxy_url; add proxy_url or remove it"],
    );
    check(
        "proxy_url: http://p\nproxy_from_environment: true",
        &["2:25: error: proxy_url and proxy_from_environment cannot both be set; keep one of them"],
    );
}

/// Verdicts of Prometheus's own loader over fragments of `http_config` and `tls_config`.
#[test]
fn conformance() {
    let Some(root) = std::env::var_os("TOCSIN_CONFORMANCE") else {
        println!("skipped: no data");
        return;
    };
    let dir = Path::new(&root).join("config");
    let index = std::fs::read_to_string(dir.join("http_client/index.json")).unwrap();
    let index: serde_json::Value = serde_json::from_str(&index).unwrap();
    let mut wrong = Vec::new();
    for case in index["files"].as_array().unwrap() {
        let file = case["file"].as_str().unwrap();
        let text = std::fs::read_to_string(dir.join(file)).unwrap();
        let mut problems = Vec::new();
        let read = if file.contains("tls_config") {
            serde_saphyr::from_str::<Spanned<TlsConfig>>(&text)
                .map(|raw| drop(raw.value.resolve(&dir, raw.referenced, &mut problems)))
        } else {
            serde_saphyr::from_str::<HttpConfig>(&text).map(|raw| drop(raw.resolve(&dir, &mut problems)))
        };
        let errors = problems.iter().any(|p| p.level == model::Level::Error);
        if (read.is_ok() && !errors) != case["valid"].as_bool().unwrap() {
            wrong.push(format!("{file}: {:?} {problems:?}", read.err()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn prepare_reads_the_file_each_time() {
    let dir = tempfile::tempdir().unwrap();
    let raw: HttpConfig = serde_saphyr::from_str("bearer_token_file: token").unwrap();
    let access = raw.resolve(dir.path(), &mut Vec::new());
    for token in ["one", "two"] {
        std::fs::write(dir.path().join("token"), format!("{token}\n")).unwrap();
        let mut request = Request::get("http://localhost/").unwrap();
        let client = Client::new(crate::Policy::OPERATOR, Default::default());
        access.prepare(&client, &mut request).await.unwrap();
        assert_eq!(request.headers["authorization"], format!("Bearer {token}"));
    }
}

#[test]
fn tokens() {
    let access = check(
        "oauth2: {client_id: me, client_secret_file: s, token_url: 'http://t/', proxy_url: 'http://p:1'}",
        &[],
    );
    assert!(matches!(&access.auth, Auth::OAuth2(_)), "{access:?}");
    assert_eq!(access.files(), [Path::new("/etc/x/s")]);
    check("oauth2: {client_id: me}", &["1:9: error: oauth2 needs client_id and token_url; add them"]);
    check(
        "oauth2: {client_id: me, token_url: 'http://t/', grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer'}",
        &[
            "1:9: finding: the grant \"urn:ietf:params:oauth:grant-type:jwt-bearer\" is not known: requests go without credentials",
        ],
    );
}

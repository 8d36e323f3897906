//! The `http_config` block that Prometheus and Alertmanager share: credentials, TLS, headers.
//!
//! Credentials stand in the file or in a file beside it; the latter is read anew for each request, so that a
//! rotated password needs no reload.

use crate::{
    Error,
    http::{Client, Request, basic, bearer},
    tls::{Options, Pem, Verify},
};
use http::{HeaderName, HeaderValue, header};
use model::Problem;
use serde::Deserialize;
use serde_saphyr::{Location, Spanned};
use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

/// A text that must not be shown: its debug form hides it.
#[derive(Clone, PartialEq, Eq, Hash, Deserialize, Default)]
#[serde(transparent)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

/// The raw block.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each field is the key of the same name in Prometheus's manual")]
pub struct HttpConfig {
    pub basic_auth: Option<Spanned<BasicAuth>>,
    pub authorization: Option<Spanned<Authorization>>,
    pub bearer_token: Option<Spanned<Secret>>,
    pub bearer_token_file: Option<Spanned<PathBuf>>,
    pub oauth2: Option<Spanned<serde_json::Value>>,
    pub tls_config: Option<Spanned<TlsConfig>>,
    pub follow_redirects: Option<bool>,
    pub enable_http2: Option<bool>,
    pub proxy_url: Option<Spanned<String>>,
    pub no_proxy: Option<Spanned<String>>,
    pub proxy_from_environment: Option<Spanned<bool>>,
    pub proxy_connect_header: Option<Spanned<serde_json::Value>>,
    pub http_headers: Option<BTreeMap<String, Spanned<HeaderConfig>>>,
}

/// The raw `basic_auth` block.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each field is the key of the same name in Prometheus's manual")]
pub struct BasicAuth {
    pub username: Option<String>,
    pub username_file: Option<PathBuf>,
    pub username_ref: Option<String>,
    pub password: Option<Secret>,
    pub password_file: Option<PathBuf>,
    pub password_ref: Option<String>,
}

/// The raw `authorization` block.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each field is the key of the same name in Prometheus's manual")]
pub struct Authorization {
    #[serde(rename = "type")]
    pub scheme: Option<String>,
    pub credentials: Option<Secret>,
    pub credentials_file: Option<PathBuf>,
    pub credentials_ref: Option<String>,
}

/// The raw `tls_config` block.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each field is the key of the same name in Prometheus's manual")]
pub struct TlsConfig {
    pub ca: Option<String>,
    pub ca_file: Option<PathBuf>,
    pub ca_ref: Option<String>,
    pub cert: Option<String>,
    pub cert_file: Option<PathBuf>,
    pub cert_ref: Option<String>,
    pub key: Option<Secret>,
    pub key_file: Option<PathBuf>,
    pub key_ref: Option<String>,
    pub server_name: Option<String>,
    #[serde(default)]
    pub insecure_skip_verify: bool,
    pub min_version: Option<String>,
    pub max_version: Option<String>,
}

/// One raw entry of `http_headers`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "each field is the key of the same name in Prometheus's manual")]
pub struct HeaderConfig {
    pub values: Vec<String>,
    pub secrets: Vec<Secret>,
    pub files: Vec<PathBuf>,
}

/// The checked form: what a request needs to be let in.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Access {
    /// For the connection.
    pub tls: Options,
    /// For the `Authorization` header.
    pub auth: Auth,
    /// More headers.
    pub headers: Vec<(HeaderName, Source)>,
    /// Whether redirects are followed.
    pub redirects: Redirects,
}

/// Whether redirects are followed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Redirects {
    /// They are.
    #[default]
    Follow,
    /// They are the answer.
    Stop,
}

/// What goes into the `Authorization` header.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Auth {
    /// Nothing.
    #[default]
    None,
    /// A name and a password.
    Basic(Source, Source),
    /// A scheme and its credentials.
    Token(String, Source),
}

/// Where a text comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// The configuration.
    Text(Secret),
    /// A file, read for each request, without white space at its ends.
    File(PathBuf),
}

impl Source {
    /// The text, without white space at its ends if it comes from a file.
    pub async fn read(&self) -> Result<String, Error> {
        match self {
            Source::Text(Secret(text)) => Ok(text.clone()),
            Source::File(path) => match tokio::fs::read_to_string(path).await {
                Ok(text) => Ok(text.trim().to_owned()),
                Err(e) => Err(Error::File { path: path.clone(), why: crate::guard::plain(&e) }),
            },
        }
    }
}

impl Access {
    /// A client like `base` for connections of this kind.
    pub fn client(&self, base: &Client) -> Client {
        base.with_tls(self.tls.clone())
    }

    /// Adds credentials and headers to `request`. What the request already has wins over `http_headers`,
    /// credentials in its URL win over those here.
    pub async fn prepare(&self, request: &mut Request) -> Result<(), Error> {
        if self.redirects == Redirects::Stop {
            request.redirects_max = 0;
        }
        for (name, source) in &self.headers {
            let mut value = HeaderValue::try_from(source.read().await?).map_err(|_| unsendable(name))?;
            value.set_sensitive(true);
            request.headers.entry(name).or_insert(value);
        }
        let value = match &self.auth {
            Auth::None => return Ok(()),
            Auth::Basic(user, password) => basic(&user.read().await?, &password.read().await?),
            Auth::Token(scheme, credentials) => bearer(scheme, &credentials.read().await?)
                .ok_or_else(|| unsendable(&header::AUTHORIZATION))?,
        };
        request.headers.entry(header::AUTHORIZATION).or_insert(value);
        Ok(())
    }

    /// The files that must exist for this to work.
    pub fn files(&self) -> Vec<&Path> {
        let pems = [&self.tls.ca, &self.tls.cert, &self.tls.key].into_iter().flatten();
        let pems = pems.filter_map(|pem| match pem {
            Pem::File(path) => Some(path.as_path()),
            Pem::Text(_) => None,
        });
        let sources = match &self.auth {
            Auth::None => vec![],
            Auth::Basic(user, password) => vec![user, password],
            Auth::Token(_, credentials) => vec![credentials],
        };
        let sources = sources.into_iter().chain(self.headers.iter().map(|(_, source)| source));
        let sources = sources.filter_map(|source| match source {
            Source::File(path) => Some(path.as_path()),
            Source::Text(_) => None,
        });
        pems.chain(sources).collect()
    }
}

fn unsendable(name: &HeaderName) -> Error {
    Error::Target {
        text: name.to_string(),
        form: "header",
        why: "its value has a character no header can hold".to_owned(),
    }
}

impl HttpConfig {
    /// The checked form; relative paths are relative to `base`. What is wrong is added to `problems`.
    pub fn resolve(&self, base: &Path, problems: &mut Vec<Problem>) -> Access {
        self.check_unsupported(problems);
        Access {
            tls: self
                .tls_config
                .as_ref()
                .map(|tls| tls.value.resolve(base, tls.referenced, problems))
                .unwrap_or_default(),
            auth: self.auth(base, problems),
            headers: self.headers(base, problems),
            redirects: match self.follow_redirects {
                Some(false) => Redirects::Stop,
                _ => Redirects::Follow,
            },
        }
    }

    fn check_unsupported(&self, problems: &mut Vec<Problem>) {
        if let Some(oauth2) = &self.oauth2 {
            let has = |key: &str| oauth2.value.get(key).is_some_and(|v| v.as_str() != Some(""));
            if !has("client_id") || !has("token_url") {
                problems.push(error(oauth2.referenced, "oauth2 needs client_id and token_url", "add them"));
            }
            problems
                .push(finding(oauth2.referenced, "oauth2 is not used yet: requests go without credentials"));
        }
        let url = self.proxy_url.as_ref().filter(|u| !u.value.is_empty());
        let environment = self.proxy_from_environment.as_ref().filter(|e| e.value);
        let none = self.no_proxy.as_ref().filter(|n| !n.value.is_empty());
        if let Some(at) = url.map(|u| u.referenced).or(environment.map(|e| e.referenced)) {
            problems.push(finding(at, "proxies are not used yet: connections are direct"));
        }
        if let (Some(_), Some(environment)) = (url, environment) {
            let what = "proxy_url and proxy_from_environment cannot both be set";
            problems.push(error(environment.referenced, what, "keep one of them"));
        }
        if let (Some(_), Some(none)) = (environment, none) {
            let what = "no_proxy and proxy_from_environment cannot both be set";
            problems.push(error(none.referenced, what, "keep one of them"));
        }
        if let (None, None, Some(none)) = (url, environment, none) {
            problems.push(error(none.referenced, "no_proxy without proxy_url", "add proxy_url or remove it"));
        }
        if let (None, None, Some(headers)) = (url, environment, &self.proxy_connect_header) {
            let what = "proxy_connect_header without proxy_url";
            problems.push(error(headers.referenced, what, "add proxy_url or remove it"));
        }
    }

    fn auth(&self, base: &Path, problems: &mut Vec<Problem>) -> Auth {
        let mut found: Vec<(Location, Auth)> = Vec::new();
        if let Some(block) = &self.basic_auth {
            found.push((block.referenced, block.value.resolve(base, block.referenced, problems)));
        }
        if let Some(block) = &self.authorization {
            found.push((block.referenced, block.value.resolve(base, block.referenced, problems)));
        }
        if let Some(token) = &self.bearer_token {
            let source = Source::Text(token.value.clone());
            found.push((token.referenced, Auth::Token("Bearer".to_owned(), source)));
        }
        if let Some(file) = &self.bearer_token_file {
            let source = Source::File(base.join(&file.value));
            found.push((file.referenced, Auth::Token("Bearer".to_owned(), source)));
        }
        if let Some(oauth2) = &self.oauth2 {
            found.push((oauth2.referenced, Auth::None));
        }
        if let Some((at, _)) = found.get(1) {
            let what = "more than one kind of credentials";
            let remedy = "keep one of basic_auth, authorization, oauth2, bearer_token, bearer_token_file";
            problems.push(error(*at, what, remedy));
        }
        found.into_iter().next().map(|(_, auth)| auth).unwrap_or_default()
    }

    fn headers(&self, base: &Path, problems: &mut Vec<Problem>) -> Vec<(HeaderName, Source)> {
        let mut headers = Vec::new();
        for (name, entry) in self.http_headers.iter().flatten() {
            let at = entry.referenced;
            let Ok(name) = HeaderName::try_from(name.as_str()) else {
                problems.push(error(at, &format!("{name:?} cannot be a header's name"), ""));
                continue;
            };
            if RESERVED.contains(&name) {
                let what = format!("the header {name} cannot be set here");
                problems.push(error(at, &what, "use the key made for it"));
                continue;
            }
            let HeaderConfig { values, secrets, files } = &entry.value;
            let values = values.iter().map(|v| Source::Text(Secret(v.clone())));
            let secrets = secrets.iter().map(|s| Source::Text(s.clone()));
            let files = files.iter().map(|f| Source::File(base.join(f)));
            headers.extend(values.chain(secrets).chain(files).map(|source| (name.clone(), source)));
        }
        headers
    }
}

/// Headers that have their own key or belong to the connection.
const RESERVED: [HeaderName; 13] = [
    header::AUTHORIZATION,
    header::HOST,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::USER_AGENT,
    header::CONNECTION,
    header::FORWARDED,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::TE,
    header::TRAILER,
    header::ACCEPT_ENCODING,
];

impl BasicAuth {
    fn resolve(&self, base: &Path, at: Location, problems: &mut Vec<Problem>) -> Auth {
        if self.username_ref.is_some() || self.password_ref.is_some() {
            problems
                .push(finding(at, "secret references are not known: use username_file and password_file"));
        }
        let user = self.username.clone().map(Secret);
        let user = one_source(user, self.username_file.as_deref(), base, at, "username", problems);
        let password = self.password.clone();
        let password = one_source(password, self.password_file.as_deref(), base, at, "password", problems);
        Auth::Basic(user, password)
    }
}

impl Authorization {
    fn resolve(&self, base: &Path, at: Location, problems: &mut Vec<Problem>) -> Auth {
        if self.credentials_ref.is_some() {
            problems.push(finding(at, "secret references are not known: use credentials_file"));
        }
        let scheme = self.scheme.as_deref().map(str::trim).filter(|s| !s.is_empty()).unwrap_or("Bearer");
        if scheme.eq_ignore_ascii_case("basic") {
            problems.push(error(at, "authorization cannot be of type basic", "use basic_auth"));
        }
        let credentials = self.credentials.clone();
        let file = self.credentials_file.as_deref();
        Auth::Token(scheme.to_owned(), one_source(credentials, file, base, at, "credentials", problems))
    }
}

fn one_source(
    text: Option<Secret>,
    file: Option<&Path>,
    base: &Path,
    at: Location,
    name: &str,
    problems: &mut Vec<Problem>,
) -> Source {
    match (text.filter(|t| !t.0.is_empty()), file) {
        // Upstream lets a doubled name pass and refuses a doubled secret.
        (Some(text), Some(_)) if name == "username" => {
            problems.push(finding(at, "username is used, username_file is not"));
            Source::Text(text)
        }
        (Some(_), Some(_)) => {
            problems.push(error(
                at,
                &format!("{name} and {name}_file cannot both be set"),
                "keep one of them",
            ));
            Source::Text(Secret::default())
        }
        (None, Some(file)) => Source::File(base.join(file)),
        (text, None) => Source::Text(text.unwrap_or_default()),
    }
}

impl TlsConfig {
    /// The checked form; relative paths are relative to `base`. What is wrong is added to `problems`.
    pub fn resolve(&self, base: &Path, at: Location, problems: &mut Vec<Problem>) -> Options {
        if self.ca_ref.is_some() || self.cert_ref.is_some() || self.key_ref.is_some() {
            problems
                .push(finding(at, "secret references are not known: use ca_file, cert_file and key_file"));
        }
        let mut pem = |text: Option<String>, file: &Option<PathBuf>, name: &str| {
            let text = text.filter(|t| !t.is_empty());
            if text.is_some() && file.is_some() {
                let what = format!("{name} and {name}_file cannot both be set");
                problems.push(error(at, &what, "keep one of them"));
            }
            let file = file.as_ref().filter(|f| !f.as_os_str().is_empty());
            text.map(Pem::Text).or_else(|| file.map(|f| Pem::File(base.join(f))))
        };
        let ca = pem(self.ca.clone(), &self.ca_file, "ca");
        let cert = pem(self.cert.clone(), &self.cert_file, "cert");
        let key = pem(self.key.as_ref().map(|k| k.0.clone()), &self.key_file, "key");
        if cert.is_some() != key.is_some() {
            problems.push(error(
                at,
                "a certificate and its key belong together",
                "set both cert and key, or neither",
            ));
        }
        for version in [&self.min_version, &self.max_version].into_iter().flatten() {
            match version.as_str() {
                "TLS12" | "TLS13" => {}
                "TLS10" | "TLS11" => {
                    problems.push(finding(at, "TLS 1.0 and 1.1 are not spoken: 1.2 is the least"))
                }
                _ => problems.push(error(
                    at,
                    &format!("{version:?} is no version of TLS"),
                    "known: TLS10, TLS11, TLS12, TLS13",
                )),
            }
        }
        if let (Some(min), Some(max)) = (&self.min_version, &self.max_version)
            && min > max
        {
            problems.push(error(at, "min_version is above max_version", "swap them"));
        }
        Options {
            ca,
            cert,
            key,
            server_name: self.server_name.clone().filter(|name| !name.is_empty()),
            verify: if self.insecure_skip_verify { Verify::None } else { Verify::Full },
        }
    }
}

fn error(at: Location, what: &str, remedy: &str) -> Problem {
    let (line, column) = place(at);
    Problem::error(line, column, what, remedy)
}

fn finding(at: Location, what: &str) -> Problem {
    let (line, column) = place(at);
    Problem::finding(line, column, what, "")
}

/// A place of the YAML reader as a [`Problem`] counts it.
pub fn place(at: Location) -> (u32, u32) {
    (u32::try_from(at.line()).unwrap_or(0), u32::try_from(at.column()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
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
        let direct = "finding: proxies are not used yet: connections are direct";
        check("proxy_url: http://p:3128", &[&format!("1:12: {direct}")]);
        check("no_proxy: a", &["1:11: error: no_proxy without proxy_url; add proxy_url or remove it"]);
        check(
            "proxy_connect_header: {a: [b]}",
            &["1:23: error: proxy_connect_header without proxy_url; add proxy_url or remove it"],
        );
        check(
            "proxy_url: http://p\nproxy_from_environment: true",
            &[
                &format!("1:12: {direct}"),
                "2:25: error: proxy_url and proxy_from_environment cannot both be set; keep one of them",
            ],
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
            access.prepare(&mut request).await.unwrap();
            assert_eq!(request.headers["authorization"], format!("Bearer {token}"));
        }
    }
}

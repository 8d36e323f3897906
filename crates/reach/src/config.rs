//! The `http_config` block that Prometheus and Alertmanager share: credentials, TLS, headers.
//!
//! Credentials stand in the file or in a file beside it; the latter is read anew for each request, so that a
//! rotated password needs no reload.

use crate::{
    Error,
    http::{Client, Proxy, Request, basic, bearer},
    oauth2::{OAuth2, OAuth2Config},
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
    /// By which proxy.
    pub proxy: Proxy,
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
    /// A token that is fetched.
    OAuth2(Box<OAuth2>),
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
        base.with_tls(self.tls.clone()).with_proxy(self.proxy.clone())
    }

    /// Adds credentials and headers to `request`. What the request already has wins over `http_headers`,
    /// credentials in its URL win over those here. A token is fetched by a client like `base`.
    pub async fn prepare(&self, base: &Client, request: &mut Request) -> Result<(), Error> {
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
            Auth::OAuth2(_) if request.headers.contains_key(header::AUTHORIZATION) => return Ok(()),
            Auth::OAuth2(oauth2) => oauth2.header(base).await?,
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
            Auth::OAuth2(_) => vec![],
        };
        let fetched = match &self.auth {
            Auth::OAuth2(oauth2) => oauth2.file(),
            _ => None,
        };
        let sources = sources.into_iter().chain(self.headers.iter().map(|(_, source)| source));
        let sources = sources.filter_map(|source| match source {
            Source::File(path) => Some(path.as_path()),
            Source::Text(_) => None,
        });
        pems.chain(sources).chain(fetched).collect()
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
        self.check_proxy(problems);
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
            proxy: self.proxy(problems),
        }
    }

    fn check_proxy(&self, problems: &mut Vec<Problem>) {
        let url = self.proxy_url.as_ref().filter(|u| !u.value.is_empty());
        let environment = self.proxy_from_environment.as_ref().filter(|e| e.value);
        let none = self.no_proxy.as_ref().filter(|n| !n.value.is_empty());
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

    fn proxy(&self, problems: &mut Vec<Problem>) -> Proxy {
        let url = self.proxy_url.as_ref().filter(|url| !url.value.is_empty());
        let environment = self.proxy_from_environment.as_ref().filter(|environment| environment.value);
        let (at, made) = match (url, environment) {
            (Some(url), _) => {
                let except = |proxy: Proxy| match self.no_proxy.as_ref().filter(|list| !list.value.is_empty())
                {
                    Some(list) => proxy.except(&list.value),
                    None => proxy,
                };
                (url.referenced, Proxy::by(&url.value).map(except))
            }
            (None, Some(environment)) => {
                (environment.referenced, Proxy::of_environment(&|name| std::env::var(name).ok()))
            }
            (None, None) => return Proxy::default(),
        };
        let headers = self.proxy_connect_header.as_ref().map(|headers| connect_headers(&headers.value));
        match made {
            Ok(proxy) => proxy.with_headers(headers.unwrap_or_default()),
            // Upstream takes what it cannot use, and fails when it would.
            Err(why) => {
                problems.push(finding(at, &format!("{why}: connections are direct")));
                Proxy::default()
            }
        }
    }

    fn oauth2(&self, raw: &Spanned<serde_json::Value>, base: &Path, problems: &mut Vec<Problem>) -> Auth {
        let at = raw.referenced;
        let read: OAuth2Config = match serde_json::from_value(raw.value.clone()) {
            Ok(read) => read,
            Err(why) => {
                problems.push(error(at, &format!("oauth2 cannot be read: {why}"), ""));
                return Auth::None;
            }
        };
        if read.client_id.is_empty() || read.token_url.is_empty() {
            problems.push(error(at, "oauth2 needs client_id and token_url", "add them"));
            return Auth::None;
        }
        if !matches!(read.grant_type.as_str(), "" | "client_credentials") {
            let what =
                format!("the grant {:?} is not known: requests go without credentials", read.grant_type);
            problems.push(finding(at, &what));
            return Auth::None;
        }
        let own = HttpConfig {
            proxy_url: read.proxy_url.clone().map(|url| Spanned::new(url, at, at)),
            no_proxy: read.no_proxy.clone().map(|list| Spanned::new(list, at, at)),
            proxy_from_environment: Some(Spanned::new(read.proxy_from_environment, at, at)),
            ..HttpConfig::default()
        };
        let proxy = own.proxy(problems);
        Auth::OAuth2(Box::new(OAuth2::resolve(&read, at, proxy, base, problems)))
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
            found.push((oauth2.referenced, self.oauth2(oauth2, base, problems)));
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

/// `{name: [value, ...]}`; what cannot be a header is left out.
fn connect_headers(raw: &serde_json::Value) -> Vec<(HeaderName, HeaderValue)> {
    let pairs = raw.as_object().into_iter().flatten();
    let pairs = pairs.flat_map(|(name, values)| {
        let values = values.as_array().into_iter().flatten().filter_map(serde_json::Value::as_str);
        values.map(move |value| (name, value))
    });
    pairs.filter_map(|(name, value)| Some((name.parse().ok()?, HeaderValue::try_from(value).ok()?))).collect()
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
mod tests;

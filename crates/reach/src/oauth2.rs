//! Tokens by the client credentials grant of OAuth 2.0 (RFC 6749, 4.4): fetched when first needed, held until shortly
//! before they end.

use crate::Error;
use crate::config::{Secret, Source, TlsConfig};
use crate::http::{Client, HeaderValue, Method, Proxy, Request, Response, basic, bearer, header};
use crate::tls;
use model::Problem;
use serde::Deserialize;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The raw `oauth2` block.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "each field is the key of the same name in Prometheus's manual")]
pub struct OAuth2Config {
    pub client_id: String,
    pub client_secret: Option<Secret>,
    pub client_secret_file: Option<PathBuf>,
    pub token_url: String,
    pub scopes: Vec<String>,
    pub endpoint_params: BTreeMap<String, String>,
    pub tls_config: Option<TlsConfig>,
    pub proxy_url: Option<String>,
    pub no_proxy: Option<String>,
    pub proxy_from_environment: bool,
    /// Of a newer way in, by a signed claim, which is not known here.
    pub grant_type: String,
}

/// Where tokens come from.
#[derive(Clone)]
pub struct OAuth2 {
    client_id: String,
    secret: Option<Source>,
    token_url: String,
    form: Vec<(String, String)>,
    tls: tls::Options,
    proxy: Proxy,
    /// Held for a look only; clones share it.
    held: Arc<Mutex<Option<Held>>>,
}

/// A token, as a header has it.
#[derive(Clone)]
struct Held {
    value: HeaderValue,
    until: Instant,
}

/// Two are the same if they ask the same for the same; what they hold does not matter.
impl PartialEq for OAuth2 {
    fn eq(&self, other: &OAuth2) -> bool {
        (&self.client_id, &self.secret, &self.token_url, &self.form, &self.tls, &self.proxy)
            == (&other.client_id, &other.secret, &other.token_url, &other.form, &other.tls, &other.proxy)
    }
}

impl std::fmt::Debug for OAuth2 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OAuth2({})", self.client_id)
    }
}

/// How long before its end a token is not used any more, and how long one is held that names no end.
const EARLY: Duration = Duration::from_secs(10);
const UNNAMED: Duration = Duration::from_secs(300);
const ANSWER_MAX: usize = 64 << 10;

impl OAuth2 {
    /// The checked form; relative paths are relative to `base`. What is wrong is added to `problems`, at `at`.
    pub fn resolve(
        raw: &OAuth2Config,
        at: serde_saphyr::Location,
        proxy: Proxy,
        base: &Path,
        problems: &mut Vec<Problem>,
    ) -> OAuth2 {
        let secret = raw.client_secret.clone().filter(|secret| !secret.0.is_empty()).map(Source::Text);
        let secret = secret.or_else(|| Some(Source::File(base.join(raw.client_secret_file.as_ref()?))));
        let mut form = vec![("grant_type".to_owned(), "client_credentials".to_owned())];
        if !raw.scopes.is_empty() {
            form.push(("scope".to_owned(), raw.scopes.join(" ")));
        }
        form.extend(raw.endpoint_params.iter().map(|(name, value)| (name.clone(), value.clone())));
        OAuth2 {
            client_id: raw.client_id.clone(),
            secret,
            token_url: raw.token_url.clone(),
            form,
            tls: raw.tls_config.as_ref().map(|tls| tls.resolve(base, at, problems)).unwrap_or_default(),
            proxy,
            held: Arc::default(),
        }
    }

    /// The file that must exist.
    pub fn file(&self) -> Option<&Path> {
        match &self.secret {
            Some(Source::File(path)) => Some(path),
            _ => None,
        }
    }

    /// A token's header: the one that is held, or a fresh one, by a client like `base`.
    pub async fn header(&self, base: &Client) -> Result<HeaderValue, Error> {
        let held = self.held().clone().filter(|held| Instant::now() < held.until);
        if let Some(held) = held {
            return Ok(held.value);
        }
        let client = base.with_tls(self.tls.clone()).with_proxy(self.proxy.clone());
        let secret = match &self.secret {
            Some(source) => source.read().await?,
            None => String::new(),
        };
        // Most want the client's name and secret as a header, some only in the form.
        let mut response = client.send(self.request(Some(&secret), &self.form)?).await?;
        if matches!(response.status, 400 | 401) {
            let mut form = self.form.clone();
            form.push(("client_id".to_owned(), self.client_id.clone()));
            form.push(("client_secret".to_owned(), secret));
            response = client.send(self.request(None, &form)?).await?;
        }
        let held = self.read(&response)?;
        *self.held() = Some(held.clone());
        Ok(held.value)
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Option<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn request(&self, secret: Option<&str>, form: &[(String, String)]) -> Result<Request, Error> {
        let mut request = Request::new(Method::POST, &self.token_url)?;
        (request.body_max, request.redirects_max) = (ANSWER_MAX, 0);
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers.insert(header::CONTENT_TYPE, kind);
        if let Some(secret) = secret {
            let escape =
                |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            request.headers.insert(header::AUTHORIZATION, basic(&escape(&self.client_id), &escape(secret)));
        }
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(form);
        request.body = body.finish().into();
        Ok(request)
    }

    fn read(&self, response: &Response) -> Result<Held, Error> {
        let peer = response.url.host_str().unwrap_or("").to_owned();
        if !response.is_success() {
            let words = String::from_utf8_lossy(&response.body);
            let words: String = words.chars().filter(|c| !c.is_control()).take(200).collect();
            let message = format!("no token: {} {words}", response.status);
            return match response.status {
                429 | 500.. => Err(Error::Connect { address: peer, why: message }),
                status => Err(Error::Answer { peer, code: status.to_string(), message }),
            };
        }
        let answer: Value = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
        let foreign = || Error::Protocol {
            peer: peer.clone(),
            protocol: "OAuth 2.0",
            why: "its answer holds no access_token".to_owned(),
        };
        let token = answer["access_token"].as_str().filter(|token| !token.is_empty()).ok_or_else(foreign)?;
        let value = bearer("Bearer", token).ok_or_else(foreign)?;
        let seconds = answer["expires_in"].as_u64().or_else(|| answer["expires_in"].as_str()?.parse().ok());
        let lives =
            seconds.map_or(UNNAMED, |seconds| Duration::from_secs(seconds.min(86_400)).saturating_sub(EARLY));
        Ok(Held { value, until: Instant::now() + lives })
    }
}

#[cfg(test)]
mod tests;

//! Signature Version 4 of AWS, and where its keys come from: the file, the environment, or a profile.

use super::Sigv4Config;
use crate::sending::Sending;
use crate::{Error, form};
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use model::Timestamp;
use reach::config::{Secret, Source};
use reach::http::{HeaderValue, Method, Request, header};
use sha2::{Digest, Sha256};
use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// Where keys come from.
#[derive(Debug, Clone)]
pub(super) enum Credentials {
    /// The configuration.
    Given(String, Source),
    /// `AWS_ACCESS_KEY_ID` and its kin, else a profile of the file that AWS's own tools read; with a name: just that.
    Elsewhere(Option<String>),
}

/// What signs.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Keys {
    pub id: String,
    pub secret: String,
    pub session: Option<String>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keys({})", self.id)
    }
}

impl Credentials {
    pub fn new(raw: &Sigv4Config) -> Credentials {
        match (&raw.access_key, &raw.secret_key) {
            (Some(id), Some(key)) if !id.is_empty() => {
                Credentials::Given(id.clone(), Source::Text(Secret(key.value.0.clone())))
            }
            _ => Credentials::Elsewhere(raw.profile.clone().filter(|profile| !profile.is_empty())),
        }
    }

    pub fn secret(&self) -> Option<&Source> {
        match self {
            Credentials::Given(_, source) => Some(source),
            Credentials::Elsewhere(_) => None,
        }
    }

    pub async fn read(&self, sending: &Sending<'_>) -> Result<Keys, Error> {
        let profile = match self {
            Credentials::Given(id, source) => {
                return Ok(Keys { id: id.clone(), secret: sending.secret(source).await?, session: None });
            }
            Credentials::Elsewhere(profile) => profile,
        };
        let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        if let (None, Some(id), Some(secret)) =
            (profile, variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"))
        {
            return Ok(Keys { id, secret, session: variable("AWS_SESSION_TOKEN") });
        }
        let file = variable("AWS_SHARED_CREDENTIALS_FILE").map(PathBuf::from).or_else(|| {
            let home = variable("HOME")?;
            Some(PathBuf::from(home).join(".aws/credentials"))
        });
        let name =
            profile.clone().or_else(|| variable("AWS_PROFILE")).unwrap_or_else(|| "default".to_owned());
        let found = match file {
            Some(file) => match Source::File(file).read().await {
                Ok(text) => of_profile(&text, &name),
                Err(_) => None,
            },
            None => None,
        };
        match found {
            None if sending.preview.is_some() => {
                Ok(Keys { id: String::new(), secret: String::new(), session: None })
            }
            None => Err(Error::Setting {
                field: "sigv4",
                why: format!("no keys are given, in the environment, or in the profile {name:?}"),
            }),
            Some(keys) => Ok(keys),
        }
    }
}

/// The keys of `[name]`.
fn of_profile(text: &str, name: &str) -> Option<Keys> {
    let mut inside = false;
    let (mut id, mut secret, mut session) = (None, None, None);
    for line in text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            inside = section.trim() == name;
        } else if let (true, Some((key, value))) = (inside, line.split_once('=')) {
            let value = value.trim().to_owned();
            match key.trim() {
                "aws_access_key_id" => id = Some(value),
                "aws_secret_access_key" => secret = Some(value),
                "aws_session_token" => session = Some(value),
                _ => {}
            }
        }
    }
    Some(Keys { id: id?, secret: secret?, session })
}

/// A role that is taken on before anything is signed, and the keys that it gave.
#[derive(Debug, Clone)]
pub(super) struct Role {
    arn: String,
    external_id: String,
    fips: bool,
    /// Held for a look only.
    held: Arc<Mutex<Option<(Keys, Timestamp)>>>,
}

/// Keys are not used in the last minutes of their life.
const EARLY: Duration = Duration::from_secs(300);

impl Role {
    pub fn new(raw: &Sigv4Config) -> Option<Role> {
        let arn = raw.role_arn.clone().filter(|arn| !arn.is_empty())?;
        let external_id = raw.external_id.clone().unwrap_or_default();
        Some(Role { arn, external_id, fips: raw.use_fips_sts_endpoint == Some(true), held: Arc::default() })
    }

    /// The keys that it gave, if they still live.
    pub fn held(&self, now: Timestamp) -> Option<Keys> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().filter(|(_, until)| now.plus(EARLY) < *until).map(|(keys, _)| keys.clone())
    }

    /// What asks for fresh ones, signed by those that may take it on.
    pub fn request(&self, region: &str, keys: &Keys, now: Timestamp) -> Result<Request, Error> {
        let host = if self.fips { "sts-fips" } else { "sts" };
        let mut pairs = vec![
            ("Action", "AssumeRole".to_owned()),
            ("Version", "2011-06-15".to_owned()),
            ("RoleArn", self.arn.clone()),
            ("RoleSessionName", "tocsin".to_owned()),
            ("ExternalId", self.external_id.clone()),
        ];
        pairs.retain(|(_, value)| !value.is_empty());
        let url = format!("https://{host}.{region}.amazonaws.com/");
        signed(&url, region, "sts", form::encoded(&pairs), keys, now)
    }

    /// Keeps what the answer holds, and gives its keys.
    pub fn keep(&self, answer: &str, now: Timestamp) -> Result<Keys, Error> {
        let part = |name: &str| {
            let (_, rest) = answer.split_once(&format!("<{name}>"))?;
            rest.split_once(&format!("</{name}>")).map(|(text, _)| text.trim().to_owned())
        };
        let keys = || {
            Some(Keys {
                id: part("AccessKeyId")?,
                secret: part("SecretAccessKey")?,
                session: part("SessionToken"),
            })
        };
        let why = || "the answer to AssumeRole holds no keys".to_owned();
        let keys = keys().ok_or_else(|| Error::Setting { field: "sigv4.role_arn", why: why() })?;
        let until = part("Expiration").and_then(|text| Timestamp::parse_rfc3339(&text).ok());
        let until = until.unwrap_or_else(|| now.plus(EARLY));
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some((keys.clone(), until));
        Ok(keys)
    }
}

/// A form to `url`, signed.
pub(super) fn signed(
    url: &str,
    region: &str,
    service: &str,
    body: String,
    keys: &Keys,
    now: Timestamp,
) -> Result<Request, Error> {
    const KIND: &str = "application/x-www-form-urlencoded; charset=utf-8";
    let mut request = Request::new(Method::POST, url)?;
    request.body = body.into();
    request.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(KIND));
    // What is signed must arrive there and nowhere else.
    request.redirects_max = 0;
    sign(&mut request, region, service, keys, now)?;
    Ok(request)
}

/// The region that the environment names; empty if it names none.
pub(super) fn region_of_environment() -> String {
    let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION")).unwrap_or_default()
}

/// Adds date and signature. Signs the host, the date, the kind of the body if it has one, and the session.
pub(super) fn sign(
    request: &mut Request,
    region: &str,
    service: &str,
    keys: &Keys,
    now: Timestamp,
) -> Result<(), Error> {
    let stamp: String = now.rfc3339().chars().filter(|c| !matches!(c, '-' | ':')).collect();
    let stamp = format!("{}Z", stamp.get(..15).unwrap_or(""));
    let day = stamp.get(..8).unwrap_or("").to_owned();
    request.set_header("x-amz-date", &stamp)?;
    if let Some(session) = &keys.session {
        request.set_header("x-amz-security-token", session)?;
    }
    let host = match (request.url.host_str().unwrap_or(""), request.url.port()) {
        (host, Some(port)) => format!("{host}:{port}"),
        (host, None) => host.to_owned(),
    };
    let kind = request.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
    let signed: Vec<(&str, &str)> = [
        ("content-type", kind),
        ("host", &host),
        ("x-amz-date", &stamp),
        ("x-amz-security-token", keys.session.as_deref().unwrap_or("")),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .collect();
    let names: Vec<&str> = signed.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let lines: String = signed.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
    let mut query: Vec<&str> =
        request.url.query().unwrap_or("").split('&').filter(|p| !p.is_empty()).collect();
    query.sort_unstable();
    let canonical = format!(
        "{}\n{}\n{}\n{lines}\n{names}\n{}",
        request.method,
        request.url.path(),
        query.join("&"),
        HEXLOWER.encode(&Sha256::digest(&request.body))
    );
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{}",
        HEXLOWER.encode(&Sha256::digest(canonical.as_bytes()))
    );
    let mut key = mac(format!("AWS4{}", keys.secret).as_bytes(), &day);
    for part in [region, service, "aws4_request"] {
        key = mac(&key, part);
    }
    let signature = HEXLOWER.encode(&mac(&key, &to_sign));
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
        keys.id
    );
    request.set_header("authorization", &authorization)?;
    Ok(())
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of AWS's documentation ("Signature Version 4 test suite": get-vanilla and
    /// post-x-www-form-urlencoded), computed again by hand.
    #[test]
    fn known_signatures() {
        let keys = Keys {
            id: "AKIDEXAMPLE".to_owned(),
            secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
            session: None,
        };
        let now = Timestamp::parse_rfc3339("2015-08-30T12:36:00Z").unwrap();
        let signature = |request: &mut Request| {
            sign(request, "us-east-1", "service", &keys, now).unwrap();
            request.headers["authorization"].to_str().unwrap().to_owned()
        };
        let mut get = Request::get("https://example.amazonaws.com/").unwrap();
        assert_eq!(
            signature(&mut get),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        );
        let mut post = Request::new(Method::POST, "https://example.amazonaws.com/").unwrap();
        post.headers
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        post.body = "Param1=value1".into();
        assert_eq!(
            signature(&mut post),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date, Signature=ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"
        );
    }

    #[test]
    fn profiles() {
        let text = "[default]\naws_access_key_id = a\naws_secret_access_key=b\n[ops]\naws_access_key_id=c\n\
                    aws_secret_access_key = d\naws_session_token = e\n";
        let keys = of_profile(text, "ops").unwrap();
        assert_eq!((keys.id.as_str(), keys.secret.as_str(), keys.session.as_deref()), ("c", "d", Some("e")));
        assert_eq!(of_profile(text, "default").unwrap().session, None);
        assert!(of_profile(text, "nobody").is_none());
    }

    /// The shape of "AssumeRole" in the "AWS Security Token Service API Reference" (docs.aws.amazon.com).
    #[test]
    fn roles() {
        let raw = Sigv4Config {
            role_arn: Some("arn:aws:iam::1:role/r".to_owned()),
            external_id: Some("x".to_owned()),
            ..Sigv4Config::default()
        };
        let role = Role::new(&raw).unwrap();
        let now = Timestamp::parse_rfc3339("2026-11-22T00:00:00Z").unwrap();
        let keys = Keys { id: "a".to_owned(), secret: "b".to_owned(), session: None };
        let request = role.request("eu-west-1", &keys, now).unwrap();
        assert_eq!(request.url.as_str(), "https://sts.eu-west-1.amazonaws.com/");
        let body = "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&RoleSessionName=tocsin&ExternalId=x";
        assert_eq!(&request.body[..], body.as_bytes());
        assert!(request.headers["authorization"].to_str().unwrap().contains("/eu-west-1/sts/aws4_request"));
        assert!(role.held(now).is_none() && role.keep("<x/>", now).is_err());
        let answer = "<Credentials><AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>c</SecretAccessKey>\
                      <SessionToken>d</SessionToken><Expiration>2026-11-22T01:00:00Z</Expiration></Credentials>";
        let got = role.keep(answer, now).unwrap();
        assert_eq!((got.id.as_str(), got.session.as_deref()), ("ASIA", Some("d")));
        assert_eq!(role.held(now), Some(got));
        assert_eq!(role.held(now.plus(Duration::from_secs(56 * 60))), None, "they end soon");
    }
}

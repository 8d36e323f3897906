//! Email: one message to all recipients, plain text beside HTML, over a connection that serves the next page too.
//!
//! A page tried again carries the same Message-ID and goes only to those who did not get it, as long as this process
//! remembers. One recipient who is refused for good does not keep the page from the others.

mod address;
mod mime;

use crate::fill::Fill;
use crate::medium::{Medium, one_line};
use crate::scope::{Scope, file_of};
use crate::sending::Sending;
use crate::{Error, Sent, group};
use address::Address;
use mime::Mail;
use model::{Page, Timestamp};
use reach::config::{Secret, Source, TlsConfig};
use reach::smtp::{Envelope, Login, Privacy, Server, Taken};
use reach::{Target, tls};
use serde::Deserialize;
use serde_saphyr::{Location, Spanned};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// A raw entry of `email_configs:`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each field is the key of the same name in Alertmanager's manual")]
pub struct EmailConfig {
    pub send_resolved: Option<bool>,
    pub to: Option<String>,
    pub from: Option<String>,
    pub hello: Option<String>,
    pub smarthost: Option<Spanned<String>>,
    pub auth_username: Option<String>,
    pub auth_password: Option<Spanned<Secret>>,
    pub auth_password_file: Option<Spanned<PathBuf>>,
    pub auth_secret: Option<Spanned<Secret>>,
    pub auth_secret_file: Option<Spanned<PathBuf>>,
    pub auth_identity: Option<String>,
    pub headers: Option<BTreeMap<String, String>>,
    pub html: Option<String>,
    pub text: Option<String>,
    pub require_tls: Option<bool>,
    pub force_implicit_tls: Option<bool>,
    pub tls_config: Option<TlsConfig>,
    pub threading: Option<Threading>,
}

/// The raw `threading:` block.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "each field is the key of the same name in Alertmanager's manual")]
pub struct Threading {
    pub enabled: bool,
    pub thread_by_date: String,
}

/// The checked settings.
#[derive(Debug, Clone)]
pub(crate) struct Email {
    target: Target,
    hello: String,
    privacy: Privacy,
    tls: tls::Options,
    user: String,
    password: Option<Source>,
    secret: Option<Source>,
    identity: String,
    to: String,
    from: String,
    /// Of the operator's own, by their names as written.
    headers: Vec<(String, String)>,
    thread: Option<Thread>,
    html: Option<String>,
    text: Option<String>,
    /// Who took a page that others have still to take. Held for a look only.
    taken: Arc<Mutex<VecDeque<HalfTaken>>>,
}

/// A page's key, and the recipients who have it.
type HalfTaken = (String, BTreeSet<String>);

/// How mails of a group are held together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Thread {
    Always,
    Daily,
}

const TIMEOUT: Duration = Duration::from_secs(20);
/// Pages that only some recipients have; the oldest is forgotten.
const TAKEN_MAX: usize = 256;
const SUBJECT_MAX: usize = 400;
const PORT: u16 = 25;
const IMPLICIT_PORT: u16 = 465;

const SUBJECT: &str = r#"{{ template "email.default.subject" . }}"#;
const HTML: &str = r#"{{ template "email.default.html" . }}"#;
const TEXT: &str = r#"{{ template "__subject" . }}
{{ template "__summary_loose" . }}"#;

impl Email {
    pub fn resolve(raw: &EmailConfig, at: Location, scope: &mut Scope<'_>) -> Email {
        let global = scope.global;
        let set = |own: &Option<String>, global: &Option<String>| {
            own.clone().filter(|t| !t.is_empty()).or_else(|| global.clone()).filter(|t| !t.is_empty())
        };
        let to = raw.to.clone().unwrap_or_default();
        if to.is_empty() {
            scope.missing(at, "email", "to");
        } else if !to.contains("{{")
            && let Err(why) = address::list(&to)
        {
            scope.error(at, &why, "write addresses, separated by commas");
        }
        let from = set(&raw.from, &global.smtp_from).unwrap_or_default();
        if from.is_empty() {
            scope.missing(at, "email", "from, or smtp_from under global");
        }
        let smarthost = raw.smarthost.as_ref().or(global.smtp_smarthost.as_ref());
        let target = match smarthost.filter(|host| !host.value.is_empty()) {
            None => {
                scope.missing(at, "email", "smarthost, or smtp_smarthost under global");
                nowhere()
            }
            Some(host) => Target::parse(&host.value, None).unwrap_or_else(|why| {
                scope.error(host.referenced, &why.to_string(), "write HOST:PORT");
                nowhere()
            }),
        };
        let implicit = raw.force_implicit_tls.or(global.smtp_force_implicit_tls);
        let required = raw.require_tls.or(global.smtp_require_tls).unwrap_or(true);
        let privacy = match (implicit, required) {
            (Some(true), _) => Privacy::Implicit,
            (None, _) if target.port == IMPLICIT_PORT => Privacy::Implicit,
            (_, true) => Privacy::StartTls,
            (_, false) => Privacy::None,
        };
        let password = (global.smtp_auth_password.as_ref(), global.smtp_auth_password_file.as_ref());
        let secret = (global.smtp_auth_secret.as_ref(), global.smtp_auth_secret_file.as_ref());
        let own_password =
            scope.secret(raw.auth_password.as_ref(), raw.auth_password_file.as_ref(), "auth_password");
        let own_secret = scope.secret(raw.auth_secret.as_ref(), raw.auth_secret_file.as_ref(), "auth_secret");
        Email {
            target,
            hello: set(&raw.hello, &global.smtp_hello).unwrap_or_else(|| "localhost".to_owned()),
            privacy,
            tls: scope.tls(raw.tls_config.as_ref().or(global.smtp_tls_config.as_ref()), at),
            user: set(&raw.auth_username, &global.smtp_auth_username).unwrap_or_default(),
            password: own_password.or_else(|| scope.global_secret(password)),
            secret: own_secret.or_else(|| scope.global_secret(secret)),
            identity: set(&raw.auth_identity, &global.smtp_auth_identity).unwrap_or_default(),
            to,
            from,
            headers: headers(raw, at, scope),
            thread: thread(raw, at, scope),
            html: raw.html.clone(),
            text: raw.text.clone().filter(|text| !text.is_empty()),
            taken: Arc::default(),
        }
    }

    pub fn files(&self) -> Vec<&Path> {
        let secrets = [&self.password, &self.secret].into_iter().flatten().filter_map(file_of);
        let pems = [&self.tls.ca, &self.tls.cert, &self.tls.key].into_iter().flatten();
        let pems = pems.filter_map(|pem| match pem {
            tls::Pem::File(path) => Some(path.as_path()),
            tls::Pem::Text(_) => None,
        });
        secrets.chain(pems).collect()
    }

    pub async fn send(&self, page: &Page, sending: &Sending<'_>) -> Result<Sent, Error> {
        let server = self.server(sending).await?;
        let (from, to, message) = self.mail(page, sending)?;
        if sending.show(&format!("smtp://{} {}", self.target, to.join(", ")), &message) {
            return Ok(Sent::default());
        }
        let done = self.took(&page.key);
        let left: Vec<String> = to.into_iter().filter(|to| !done.contains(to)).collect();
        let envelope = Envelope { from: &from, to: &left, message: message.as_bytes() };
        let taken = sending.mail.send(&server, envelope, TIMEOUT).await?;
        self.settle(&page.key, &taken)?;
        let refused: Vec<String> = taken.refused.iter().map(|(_, error)| error.to_string()).collect();
        let refused = if refused.is_empty() { String::new() } else { format!("; {}", refused.join("; ")) };
        Ok(Sent::told(format!("{} for {}{refused}", taken.answer, taken.to.join(", "))))
    }

    async fn server(&self, sending: &Sending<'_>) -> Result<Server, Error> {
        let read = async |source: &Option<Source>| match source {
            Some(source) => sending.secret(source).await.map(Some),
            None => Ok(None),
        };
        // Without a user nobody logs in, whatever else is set: upstream's rule.
        let login = match self.user.is_empty() {
            true => None,
            false => Some(Login {
                user: self.user.clone(),
                password: read(&self.password).await?,
                secret: read(&self.secret).await?,
                identity: self.identity.clone(),
            }),
        };
        Ok(Server {
            target: self.target.clone(),
            hello: self.hello.clone(),
            privacy: self.privacy,
            tls: self.tls.clone(),
            login,
        })
    }

    /// The sender's and the recipients' addresses, and the message.
    fn mail(&self, page: &Page, sending: &Sending<'_>) -> Result<(String, Vec<String>, String), Error> {
        let fill = Fill::new(page, Medium::Plain, sending);
        let read = |field: &'static str, own: &str| -> Result<Vec<Address>, Error> {
            let text = fill.must(field, own)?;
            address::list(&text).map_err(|why| Error::Setting { field, why })
        };
        let from = read("from", &self.from)?;
        let [from] = from.as_slice() else {
            let why = "there must be one sender".to_owned();
            return Err(Error::Setting { field: "from", why });
        };
        let to = read("to", &self.to)?;
        let mut mail = Mail::new(self.headers(page, &fill, from, &to, sending.now));
        let html = match self.html.as_deref() {
            Some("") => String::new(),
            own => fill.html("html", own, HTML),
        };
        let text = fill.text("text", self.text.as_deref(), TEXT);
        mail.text = fill.with_wrong(text);
        mail.html = with_wrong_html(html, &fill.wrong());
        Ok((from.mailbox.clone(), to.into_iter().map(|to| to.mailbox).collect(), mail.to_string()))
    }

    fn headers(
        &self,
        page: &Page,
        fill: &Fill<'_>,
        from: &Address,
        to: &[Address],
        now: Timestamp,
    ) -> Vec<(String, String)> {
        let domain = from.mailbox.rsplit('@').next().unwrap_or("localhost");
        let to: Vec<String> = to.iter().map(Address::header).collect();
        let mut all = vec![
            ("From".to_owned(), from.header()),
            ("To".to_owned(), to.join(", ")),
            ("Subject".to_owned(), mime::encoded(&fill.line("subject", None, SUBJECT, SUBJECT_MAX))),
            ("Date".to_owned(), mime::date(now)),
            ("Message-ID".to_owned(), format!("<{}.{}@{domain}>", mime::id(&page.key), page.revision)),
            ("Auto-Submitted".to_owned(), "auto-generated".to_owned()),
        ];
        if let Some(thread) = self.thread {
            let day = now.rfc3339();
            let day = if thread == Thread::Daily { day.get(..10).unwrap_or("") } else { "" };
            let root = format!("<alert-{}-{day}@{domain}>", &group::hash(page)[..16]);
            all.push(("References".to_owned(), root.clone()));
            all.push(("In-Reply-To".to_owned(), root));
        }
        for (name, template) in &self.headers {
            let text = match name.as_str() {
                "Subject" => fill.line("subject", Some(template), SUBJECT, SUBJECT_MAX),
                _ => one_line(&fill.setting("headers", Some(template), ""), SUBJECT_MAX * 2),
            };
            let value = match (name.as_str(), address::list(&text)) {
                // Addresses are not words: each name in them is encoded by itself.
                ("From" | "To" | "Cc" | "Reply-To" | "Sender", Ok(addresses)) => {
                    addresses.iter().map(Address::header).collect::<Vec<_>>().join(", ")
                }
                _ => mime::encoded(&text),
            };
            match all.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
                Some(known) => known.1 = value,
                None => all.push((name.clone(), value)),
            }
        }
        all.retain(|(_, value)| !value.is_empty());
        all
    }

    fn took(&self, key: &str) -> BTreeSet<String> {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.iter().find(|(known, _)| known == key).map(|(_, to)| to.clone()).unwrap_or_default()
    }

    /// A recipient who may be taken later is worth another try, for whom nobody else gets the page twice.
    fn settle(&self, key: &str, taken: &Taken) -> Result<(), Error> {
        let mut all = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let at = all.iter().position(|(known, _)| known == key);
        let mut done = at.and_then(|at| all.remove(at)).map(|(_, to)| to).unwrap_or_default();
        let later = taken.refused.iter().map(|(_, error)| Error::Reach(error.clone()));
        let Some(later) = later.into_iter().find(Error::is_temporary) else { return Ok(()) };
        done.extend(taken.to.iter().cloned());
        if all.len() >= TAKEN_MAX {
            all.pop_front();
        }
        all.push_back((key.to_owned(), done));
        Err(later)
    }
}

fn nowhere() -> Target {
    Target { host: "localhost".to_owned(), port: PORT }
}

/// The operator's headers under their usual names. What makes the message what it is cannot be set.
fn headers(raw: &EmailConfig, at: Location, scope: &mut Scope<'_>) -> Vec<(String, String)> {
    let mut headers: Vec<(String, String)> = Vec::new();
    for (name, value) in raw.headers.iter().flatten() {
        let usual = mime::usual_name(name);
        if !mime::is_header_name(name) {
            scope.error(at, &format!("{name:?} cannot be a header's name"), "");
        } else if headers.iter().any(|(known, _)| *known == usual) {
            scope.error(at, &format!("the header {usual} is set twice"), "keep one of them");
        } else if mime::RESERVED.contains(&usual.as_str()) {
            scope.finding(at, &format!("the header {usual} is set by the message itself"), "leave it out");
        } else {
            headers.push((usual, value.clone()));
        }
    }
    headers
}

fn thread(raw: &EmailConfig, at: Location, scope: &mut Scope<'_>) -> Option<Thread> {
    let threading = raw.threading.as_ref().filter(|threading| threading.enabled)?;
    let sets = |header: &str| raw.headers.iter().flatten().any(|(name, _)| name.eq_ignore_ascii_case(header));
    if sets("References") || sets("In-Reply-To") {
        let what = "threading sets References and In-Reply-To itself";
        scope.error(at, what, "leave those headers out, or threading");
    }
    match threading.thread_by_date.as_str() {
        "none" => Some(Thread::Always),
        "daily" => Some(Thread::Daily),
        _ => {
            scope.error(at, "thread_by_date must be none or daily", "write one of them");
            None
        }
    }
}

/// What failed goes to the end of the document.
fn with_wrong_html(html: String, wrong: &str) -> String {
    if html.is_empty() || wrong.is_empty() {
        return html;
    }
    let note = format!("<p>{}</p>", crate::fill::escape_html(wrong));
    match html.rfind("</body>") {
        Some(at) => format!("{}{note}{}", &html[..at], &html[at..]),
        None => html + &note,
    }
}

#[cfg(test)]
mod tests;

//! For the tests of this crate: a service on loopback that answers what it is told to and remembers what it was asked.

use crate::config::{GlobalConfig, ReceiverConfig};
use crate::page_json::example;
use crate::{Error, Receivers, Registry, Sent, Shown, Told};
use model::{Alert, Page, PageReason, PageStatus};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// `POST /path`.
    pub line: String,
    /// `name: value`, a line each.
    pub head: String,
    pub body: String,
}

impl Asked {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|why| panic!("{why}: {}", self.body))
    }

    pub fn header(&self, name: &str) -> &str {
        let start = format!("{name}: ");
        self.head.lines().find_map(|line| line.strip_prefix(&start)).unwrap_or("")
    }
}

/// What a service says: status with its words, more header lines, body.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}")
}

pub(crate) fn ok(body: &str) -> String {
    answer("200 OK", "", body)
}

/// A service that gives these answers, one to a request.
pub(crate) struct Service {
    pub port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Service {
    pub async fn start(answers: Vec<String>) -> Service {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let heard = asked.clone();
        let task = tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let request = read(&mut stream).await;
                heard.lock().unwrap().push(request);
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            // Whoever comes now hears nothing: a service that hangs.
            let mut open = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                open.push(stream);
            }
        });
        Service { port, asked, task }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn read(stream: &mut tokio::net::TcpStream) -> Asked {
    let mut reader = BufReader::new(stream);
    let (mut line, mut head, mut length) = (String::new(), String::new(), 0);
    reader.read_line(&mut line).await.unwrap();
    loop {
        let mut next = String::new();
        reader.read_line(&mut next).await.unwrap();
        if next.trim().is_empty() {
            break;
        }
        if let Some(n) = next.strip_prefix("content-length: ") {
            length = n.trim().parse().unwrap();
        }
        head.push_str(&next.replace('\r', ""));
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).await.unwrap();
    let line = line.trim().trim_end_matches(" HTTP/1.1").to_owned();
    Asked { line, head, body: String::from_utf8(body).unwrap() }
}

/// A registry with one receiver `oncall`, whose integrations these lines of YAML are.
pub(crate) fn registry(integrations: &str, templates: &[(String, String)]) -> Registry {
    let yaml = format!("- name: oncall\n  {}", integrations.replace('\n', "\n  "));
    let raw: Vec<ReceiverConfig> = serde_saphyr::from_str(&yaml).unwrap_or_else(|e| panic!("{e}: {yaml}"));
    let mut problems = Vec::new();
    let receivers = Receivers::resolve(&GlobalConfig::default(), &raw, Path::new("/"), &mut problems);
    assert!(problems.is_empty(), "{problems:?}: {yaml}");
    let client = reach::http::Client::new(reach::Policy::OPERATOR, Arc::default());
    Registry::new(client, receivers, template::Set::new(templates).unwrap())
}

/// Sends a page to a service that gives these answers. In the settings, `PORT` stands for where it is.
pub(crate) async fn told(
    integrations: &str,
    page: &Page,
    told: Told<'_>,
    answers: Vec<String>,
) -> (Result<Sent, Error>, Vec<Asked>) {
    let service = Service::start(answers).await;
    let registry = registry(&integrations.replace("PORT", &service.port.to_string()), &[]);
    let sent = registry.send(page, told, page.at).await;
    (sent, service.asked())
}

/// Sends the first page of a group, which the service takes with `answer`, and gives what it was asked.
pub(crate) async fn sent(integrations: &str, page: &Page, answer: String) -> Asked {
    let (sent, asked) = told(integrations, page, Told::FIRST, vec![answer]).await;
    sent.unwrap_or_else(|why| panic!("{why}: {asked:?}"));
    asked.into_iter().next().expect("it was asked")
}

/// What would be sent, message by message.
pub(crate) async fn shown(integrations: &str, page: &Page) -> Vec<Shown> {
    registry(integrations, &[]).preview(page, page.at).await.unwrap()
}

/// A page of `integration` with something in every field: one alert fires, one has ended.
pub(crate) fn page(integration: &str) -> Page {
    Page { integration: format!("{integration}[0]"), ..example() }
}

/// The end of it.
pub(crate) fn resolved(integration: &str) -> Page {
    let mut page = page(integration);
    (page.status, page.reason) = (PageStatus::Resolved, PageReason::AllEnded);
    page.alerts.remove(0);
    (page.key, page.revision) = ("k2".to_owned(), 3);
    page
}

/// A page whose labels and annotations hold what attackers write.
pub(crate) fn hostile(integration: &str) -> Page {
    let mut page = page(integration);
    for alert in &mut page.alerts {
        alert.labels = alert.labels.with("instance", HOSTILE).with("severity", "critical");
        alert.annotations = alert.annotations.with("summary", HOSTILE);
        alert.generator_url = "javascript:alert(1)".into();
    }
    page.group_labels = page.group_labels.with("instance", HOSTILE);
    page.cause = HOSTILE.to_owned();
    page.links.incident = "javascript:alert(2)".to_owned();
    page
}

const HOSTILE: &str = "<!channel> @everyone [bank](https://evil.example/) <https://evil.example|https://bank.example> \
                       <script>x</script> \u{1b}[31mred\r\nBcc: all@evil.example\r\n\u{202e}javascript:alert(3)";

/// What no message may hold, however it is quoted.
pub(crate) fn assert_harmless(text: &str) {
    for bad in
        ["<!channel", "\u{1b}", "\\u001b", "\u{202e}", "](https://evil", "alert(1)", "alert(2)", "\r\nBcc:"]
    {
        assert!(!text.contains(bad), "{bad:?} got through: {text}");
    }
}

/// Many alerts with much text.
pub(crate) fn huge(integration: &str) -> Page {
    let mut page = page(integration);
    let one: Alert = page.alerts[0].clone();
    page.alerts = (0..200)
        .map(|n| Alert {
            labels: one.labels.with("n", &n.to_string()),
            annotations: one.annotations.with("summary", &format!("<b>é {} {n}", "text ".repeat(400))),
            ..one.clone()
        })
        .collect();
    page.group_labels = page.group_labels.with("long", &"ü".repeat(3000));
    page
}

/// A certificate for localhost that nobody vouches for but itself.
pub(crate) fn certificate() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../reach/tests/data/localhost.crt")
}

/// Makes connections private by it.
pub(crate) fn acceptor() -> TlsAcceptor {
    let data = certificate();
    let chain = CertificateDer::pem_file_iter(&data).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(data.with_extension("key")).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

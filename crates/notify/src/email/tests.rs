//! Against a mail server that speaks SMTP (RFC 5321), STARTTLS (RFC 3207) and AUTH (RFC 4954, 4616, 2195); messages as
//! RFC 5322, 2045 and 2047 have them.

mod server;

use crate::testing::*;
use crate::{Error, Registry, Sent, Told};
use model::Page;
use server::{Heard, Manners, Server};
use std::collections::BTreeMap;

fn settings(port: u16, more: &str) -> String {
    format!(
        "email_configs: [{{smarthost: 'localhost:{port}', from: 'Tocsin <alerts@example.org>', to: 'a@example.org', \
         hello: host.example.org, {more}}}]"
    )
}

fn trusting() -> String {
    format!("tls_config: {{ca_file: '{}'}}", certificate().display())
}

async fn mail(registry: &Registry, page: &Page) -> Result<Sent, Error> {
    registry.send(page, Told::FIRST, page.at).await
}

async fn one(manners: Manners, more: &str, page: &Page) -> (Result<Sent, Error>, Heard) {
    let server = Server::start(manners).await;
    let sent = mail(&registry(&settings(server.port, more), &[]), page).await;
    (sent, server.heard())
}

fn header<'a>(message: &'a str, name: &str) -> &'a str {
    let start = format!("{name}: ");
    message.lines().find_map(|line| line.strip_prefix(&start)).unwrap_or("")
}

/// Quoted-printable undone.
fn plain(message: &str) -> String {
    let joined = message.replace("=\n", "");
    let (mut bytes, mut rest) = (Vec::new(), joined.as_bytes());
    while let Some((byte, after)) = rest.split_first() {
        let coded = (*byte == b'=').then(|| after.get(..2)).flatten();
        let value = coded.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(value.unwrap_or(*byte));
        rest = if value.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn a_message_of_two_parts() {
    let manners = Manners::default();
    let (sent, heard) = one(
        manners,
        "require_tls: false, headers: {reply-to: 'Ops <ops@example.org>', X-Team: 'é {{ .Status }}'}",
        &page("email"),
    )
    .await;
    assert_eq!(sent.unwrap().answer, "2.0.0 queued as 1 for a@example.org");
    assert_eq!(
        heard.commands,
        [
            "1 EHLO host.example.org",
            "1 MAIL FROM:<alerts@example.org>",
            "1 RCPT TO:<a@example.org>",
            "1 DATA"
        ]
    );
    let message = &heard.messages[0];
    for (name, value) in [
        ("From", "\"Tocsin\" <alerts@example.org>"),
        ("To", "a@example.org"),
        ("Date", "Sun, 22 Nov 2026 00:48:17 +0000"),
        ("Message-ID", "<k1.2@example.org>"),
        ("Auto-Submitted", "auto-generated"),
        ("Reply-To", "\"Ops\" <ops@example.org>"),
        ("X-Team", "=?utf-8?q?=C3=A9_firing?="),
        ("MIME-Version", "1.0"),
    ] {
        assert_eq!(header(message, name), value, "{message}");
    }
    assert!(header(message, "Subject").starts_with("[FIRING:1] RedisDown"), "{message}");
    assert!(message.contains("Content-Type: multipart/alternative;\n boundary=\"tocsin-"), "{message}");
    let parts: Vec<&str> = message.split("Content-Type: ").skip(2).collect();
    assert!(
        parts[0].starts_with("text/plain; charset=utf-8") && parts[1].starts_with("text/html; charset=utf-8")
    );
    assert!(plain(parts[0]).contains("Alerts Firing:") && plain(parts[0]).contains("instance = cache:6379"));
    assert!(
        plain(parts[1]).contains("<h2 style=\"font-size: 1em\">FIRING RedisDown</h2>"),
        "{}",
        plain(parts[1])
    );
    assert!(message.lines().all(|line| line.len() <= 78 && line.is_ascii()), "{message}");
}

#[tokio::test]
async fn private_and_known() {
    let start_tls = Manners { start_tls: true, auth: "PLAIN LOGIN", ..Manners::default() };
    let login = format!("auth_username: me, auth_password: pass, {}", trusting());
    let (sent, heard) = one(start_tls.clone(), &login, &page("email")).await;
    sent.unwrap();
    let words: Vec<&str> =
        heard.commands.iter().map(|c| c.rsplit_once("1").map_or("", |_| c.as_str())).collect();
    assert_eq!(words[..2], ["1 EHLO host.example.org", "1 STARTTLS"]);
    assert!(heard.commands[2..].iter().all(|command| command.starts_with("1* ")), "{heard:?}");
    assert_eq!(heard.commands[3], "1* AUTH PLAIN AG1lAHBhc3M=");

    for (auth, more) in [
        ("LOGIN", "auth_username: me, auth_password: pass"),
        ("CRAM-MD5 PLAIN", "auth_username: me, auth_secret: pass"),
        ("CRAM-MD5 PLAIN", "auth_username: me, auth_secret: wrong, auth_password: pass"),
    ] {
        let manners = Manners { implicit: true, auth, ..Manners::default() };
        let (sent, heard) =
            one(manners, &format!("force_implicit_tls: true, {more}, {}", trusting()), &page("email")).await;
        match more.contains("wrong") {
            false => drop(sent.unwrap()),
            true => {
                let error = sent.unwrap_err();
                assert!(
                    error.to_string().ends_with("535 5.7.8 who are you") && !error.is_temporary(),
                    "{error}"
                );
            }
        }
        assert!(!format!("{:?}", heard.commands).contains("pass"));
    }
}

#[tokio::test]
async fn what_is_not_private_is_not_said() {
    // It offers no STARTTLS, which is required unless told otherwise.
    let (sent, heard) = one(Manners { auth: "PLAIN", ..Manners::default() }, "", &page("email")).await;
    let error = sent.unwrap_err();
    assert!(error.to_string().contains("offers no STARTTLS") && heard.messages.is_empty(), "{error}");
    // Nobody vouches for its certificate.
    let manners = Manners { start_tls: true, ..Manners::default() };
    let (sent, heard) = one(manners.clone(), "", &page("email")).await;
    let error = sent.unwrap_err();
    assert!(error.code() == "tls" && error.is_temporary() && heard.messages.is_empty(), "{error}");
    let (sent, _) = one(manners, "tls_config: {insecure_skip_verify: true}", &page("email")).await;
    sent.unwrap();
    // No way in by what we have.
    let manners = Manners { start_tls: true, auth: "XOAUTH2", ..Manners::default() };
    let (sent, _) =
        one(manners, &format!("auth_username: me, auth_password: pass, {}", trusting()), &page("email"))
            .await;
    assert!(sent.unwrap_err().to_string().contains("it offers XOAUTH2 to log in by"));
}

#[tokio::test]
async fn many_recipients_by_one_connection() {
    let server = Server::start(Manners::default()).await;
    let more = "require_tls: false";
    let list = settings(server.port, more)
        .replace("to: 'a@example.org'", "to: 'a@example.org, \"B, C\" <b@example.org>'");
    let registry = registry(&list, &[]);
    for _ in 0..3 {
        mail(&registry, &page("email")).await.unwrap();
    }
    let heard = server.heard();
    assert_eq!(heard.messages.len(), 3);
    assert!(heard.commands.iter().all(|command| command.starts_with("1 ")), "one connection: {heard:?}");
    assert_eq!(heard.commands.iter().filter(|c| c.contains("EHLO")).count(), 1);
    assert_eq!(heard.commands.iter().filter(|c| c.contains("RCPT TO:<b@example.org>")).count(), 3);
    assert_eq!(header(&heard.messages[0], "To"), "a@example.org, \"B, C\" <b@example.org>");
    // A connection that was closed meanwhile is made anew, and nothing is lost or said twice.
    let server = Server::start(Manners { hangs_up: true, ..Manners::default() }).await;
    let registry = crate::testing::registry(&settings(server.port, more), &[]);
    for _ in 0..2 {
        mail(&registry, &page("email")).await.unwrap();
    }
    let heard = server.heard();
    assert_eq!(heard.messages.len(), 2);
    assert!(heard.commands.iter().any(|command| command.starts_with("2 DATA")), "{heard:?}");
}

#[tokio::test]
async fn a_recipient_who_is_refused_keeps_it_from_nobody_else() {
    let refuse =
        BTreeMap::from([("b@example.org", "550 5.1.1 nobody"), ("c@example.org", "451 4.7.1 later")]);
    let server = Server::start(Manners { refuse, ..Manners::default() }).await;
    let list = settings(server.port, "require_tls: false")
        .replace("to: 'a@example.org'", "to: 'a@example.org, b@example.org, c@example.org'");
    let registry = registry(&list, &[]);
    let error = mail(&registry, &page("email")).await.unwrap_err();
    assert!(error.is_temporary() && error.to_string().contains("451 4.7.1 later"), "{error}");
    assert_eq!(server.heard().messages.len(), 1, "those who were taken have it");
    let sent = mail(&registry, &page("email")).await.unwrap();
    assert!(sent.answer.contains("for b@example.org, c@example.org"), "{sent:?}");
    let again: Vec<String> =
        server.heard().commands.iter().skip_while(|c| !c.contains("NOOP")).cloned().collect();
    assert!(!again.iter().any(|c| c.contains("a@example.org>")), "nobody gets it twice: {again:?}");
    assert_eq!(
        header(&server.heard().messages[0], "Message-ID"),
        header(&server.heard().messages[1], "Message-ID")
    );
}

#[tokio::test]
async fn what_answers_mean() {
    for (refuse, data, temporary) in [
        (BTreeMap::from([("a@example.org", "550 nobody")]), None, false),
        (BTreeMap::from([("a@example.org", "450 busy")]), None, true),
        (BTreeMap::new(), Some("554 spam"), false),
        (BTreeMap::new(), Some("452 full"), true),
    ] {
        let manners = Manners { refuse, data, ..Manners::default() };
        let error = one(manners, "require_tls: false", &page("email")).await.0.unwrap_err();
        assert_eq!((error.is_temporary(), error.code()), (temporary, "refused_by_peer"), "{error}");
    }
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = mail(&registry(&settings(closed, ""), &[]), &page("email")).await.unwrap_err();
    assert!(error.is_temporary() && error.code() == "connection_refused", "{error}");
}

#[tokio::test]
async fn labels_cannot_become_headers_or_commands() {
    let more = "require_tls: false, headers: {Subject: '{{ .CommonLabels.instance }}', X-A: '{{ .CommonLabels.instance }}'}, \
                text: '{{ .CommonAnnotations.summary }}', html: '<a href=\"{{ (index .Alerts 0).GeneratorURL }}\">{{ .CommonAnnotations.summary }}</a>'";
    let (sent, heard) = one(Manners::default(), more, &hostile("email")).await;
    sent.unwrap();
    let message = &heard.messages[0];
    let (head, body) = message.split_once("\n\n").unwrap();
    assert!(head.lines().all(|line| !line.starts_with("Bcc")), "{head}");
    let names = [
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "Auto-Submitted",
        "X-A",
        "MIME-Version",
        "Content-Type",
    ];
    for line in head.lines().filter(|line| !line.starts_with(' ')) {
        assert!(names.iter().any(|name| line.starts_with(&format!("{name}: "))), "{line}");
    }
    let html = plain(body.rsplit_once("text/html").unwrap().1);
    assert!(html.contains("<a href=\"\">&lt;!channel&gt;") && !html.contains("<script"), "{html}");
    // Plain text has neither links nor calls.
    assert_harmless(&plain(body).replace("](https://evil", "").replace("<!channel", ""));

    let to = |to: &str| format!("email_configs: [{{smarthost: 'localhost:1', from: 'a@b', to: '{to}'}}]");
    let error =
        mail(&registry(&to("{{ .CommonLabels.instance }}"), &[]), &hostile("email")).await.unwrap_err();
    assert!(matches!(error, Error::Setting { field: "to", .. }), "{error}");
}

#[tokio::test]
async fn threads_and_templates_that_fail() {
    let more = "require_tls: false, threading: {enabled: true, thread_by_date: daily}, html: '{{ template \"nowhere\" . }}'";
    let (sent, heard) = one(Manners::default(), more, &page("email")).await;
    sent.unwrap();
    let message = &heard.messages[0];
    let root = header(message, "References");
    assert!(root.starts_with("<alert-") && root.ends_with("-2026-11-22@example.org>"), "{message}");
    assert_eq!(header(message, "In-Reply-To"), root);
    let text = plain(message);
    assert_eq!(text.matches("the template of html failed: ").count(), 2, "in both parts: {text}");
    assert!(text.contains("FIRING RedisDown</h2>"), "the built-in form stands in: {text}");
    // Without HTML there is one part.
    let (_, heard) =
        one(Manners::default(), "require_tls: false, html: '', text: 'é {{ .Status }}'", &page("email"))
            .await;
    assert!(heard.messages[0].contains("Content-Type: text/plain; charset=utf-8"), "{:?}", heard.messages);
    assert!(heard.messages[0].ends_with("\n\n=C3=A9 firing\n"), "{:?}", heard.messages);
}

//! What a mail server may say, scripted line by line; whole conversations with TLS and credentials are tested where mails
//! are made.

use super::*;
use crate::{OwnListeners, Policy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A server that says these pieces, one at the start and one after each thing it hears.
async fn server(says: Vec<String>) -> (u16, tokio::task::JoinHandle<String>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut heard = String::new();
        for piece in says {
            stream.write_all(piece.as_bytes()).await.unwrap();
            let mut buffer = [0; 4096];
            match stream.read(&mut buffer).await {
                Ok(n) if n > 0 => heard.push_str(std::str::from_utf8(&buffer[..n]).unwrap()),
                _ => break,
            }
        }
        heard
    });
    (port, task)
}

fn to(port: u16, privacy: Privacy) -> Server {
    Server {
        target: Target { host: "127.0.0.1".to_owned(), port },
        hello: "me".to_owned(),
        privacy,
        tls: tls::Options::default(),
        login: None,
    }
}

async fn send(server: &Server, to: &[&str], message: &[u8]) -> Result<Taken, Error> {
    let client = Client::new(Guard::new(Policy::OPERATOR, Arc::new(OwnListeners::default())));
    let to: Vec<String> = to.iter().map(|to| (*to).to_owned()).collect();
    let envelope = Envelope { from: "a@h", to: &to, message };
    client.send(server, envelope, Duration::from_secs(5)).await
}

fn lines(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| format!("{line}\r\n")).collect()
}

#[tokio::test]
async fn dots_are_doubled_and_an_old_server_is_greeted_in_its_way() {
    let says = lines(&["220 old", "500 what", "250 ok", "250 ok", "250 ok", "354 go", "250 taken"]);
    let (port, task) = server(says).await;
    let taken = send(&to(port, Privacy::None), &["b@h"], b"one\r\n.two\r\n..\r\nend").await.unwrap();
    assert_eq!((taken.answer.as_str(), taken.to.len()), ("taken", 1));
    let heard = tokio::time::timeout(Duration::from_secs(5), task).await.unwrap().unwrap();
    assert_eq!(
        heard,
        "EHLO me\r\nHELO me\r\nMAIL FROM:<a@h>\r\nRCPT TO:<b@h>\r\nDATA\r\none\r\n..two\r\n...\r\nend\r\n.\r\n"
    );
}

#[tokio::test]
async fn what_is_no_smtp_is_said_to_be_none() {
    let endless: String = (0..200).map(|_| "250-more\r\n").collect();
    for (says, wanted) in [
        (lines(&["HTTP/1.1 400 Bad Request"]), "does not speak SMTP: a reply starts with no code"),
        (lines(&["999 what"]), "does not speak SMTP: a reply starts with no code"),
        (vec![format!("220 {}", "x".repeat(5000))], "does not speak SMTP: a line is too long"),
        (vec!["220 hello\r\n".to_owned(), endless], "does not speak SMTP: a reply has too many lines"),
        (lines(&["554 go away"]), "answered: 554 go away"),
        (lines(&["220 hello"]), "broke while talking to the mail server"),
    ] {
        let (port, task) = server(says).await;
        let error = send(&to(port, Privacy::None), &["b@h"], b"x").await.unwrap_err().to_string();
        assert!(error.contains(wanted), "got {error:?}, wanted {wanted:?}");
        task.abort();
    }
}

#[tokio::test]
async fn what_is_slipped_in_behind_starttls_is_not_read() {
    let says = vec![
        "220 hello\r\n".to_owned(),
        "250-me\r\n250 STARTTLS\r\n".to_owned(),
        "220 go\r\n250 AUTH PLAIN\r\n".to_owned(),
    ];
    let (port, task) = server(says).await;
    let error = send(&to(port, Privacy::StartTls), &["b@h"], b"x").await.unwrap_err().to_string();
    assert!(error.contains("it went on talking after STARTTLS"), "{error}");
    task.abort();
}

#[tokio::test]
async fn nothing_ends_a_command() {
    for (from_hello, recipient) in
        [("me", "b@h> BODY"), ("me", "b@h\r\nDATA"), ("me", "nobody"), ("me\r\nQUIT", "b@h"), ("me", "é@h")]
    {
        let server = Server { hello: from_hello.to_owned(), ..to(1, Privacy::None) };
        let error = send(&server, &[recipient], b"x").await.unwrap_err();
        assert_eq!(error.code(), "bad_target", "{recipient:?}: {error}");
    }
    assert!(
        send(&to(1, Privacy::None), &[], b"x").await.unwrap_err().to_string().contains("list of recipients")
    );
}

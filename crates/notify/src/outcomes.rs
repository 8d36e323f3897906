//! What answers mean, the same for every integration that goes by HTTP: a rate limit, trouble over there, a refusal,
//! silence, a certificate nobody vouches for, a redirect.

use crate::testing::*;
use crate::{Error, Told};
use std::time::Duration;

/// Each with settings and an answer that it takes. `URL` stands for the service.
const KINDS: [(&str, &str, &str); 19] = [
    ("discord", "webhook_url: 'URL/api/webhooks/1/secret'", ""),
    ("incidentio", "url: 'URL/v2/alert_events/alertmanager/1', alert_source_token: secret", "{}"),
    ("jira", "api_url: 'URL/rest/api/2', project: P, issue_type: Bug", r#"{"issues":[],"key":"P-1"}"#),
    ("mattermost", "webhook_url: 'URL/hooks/secret'", "ok"),
    ("msteams", "webhook_url: 'URL/webhookb2/secret'", "1"),
    ("msteamsv2", "webhook_url: 'URL/workflows/secret'", ""),
    ("opsgenie", "api_url: 'URL/', api_key: secret", r#"{"result":"Request will be processed"}"#),
    ("pagerduty", "url: 'URL/v2/enqueue', routing_key: secret", r#"{"status":"success"}"#),
    ("pushover", "api_url: 'URL/1/messages.json', user_key: u, token: secret", r#"{"status":1}"#),
    ("rocketchat", "api_url: 'URL/', token: secret, token_id: i", r#"{"success":true}"#),
    ("sentry", "dsn: 'SCHEME://secret@HOST/7'", r#"{"id":"x"}"#),
    ("slack", "api_url: 'URL/services/secret'", "ok"),
    (
        "slack",
        "app_token: secret, app_url: 'URL/api/chat.postMessage'",
        r#"{"ok":true,"ts":"1","channel":"C"}"#,
    ),
    (
        "sns",
        "api_url: 'URL/', topic_arn: 'arn:aws:sns:eu-west-1:1:t', sigv4: {access_key: a, secret_key: secret}",
        "<PublishResponse/>",
    ),
    ("telegram", "api_url: 'URL', bot_token: secret, chat_id: 1", r#"{"ok":true,"result":{"message_id":5}}"#),
    ("victorops", "api_url: 'URL/alert/', api_key: secret, routing_key: team", r#"{"result":"success"}"#),
    (
        "webex",
        "api_url: 'URL/v1/messages', room_id: r, http_config: {authorization: {credentials: secret}}",
        "{}",
    ),
    (
        "wechat",
        "api_url: 'URL/cgi-bin', api_secret: secret, corp_id: c, to_user: u",
        r#"{"errcode":0,"access_token":"secret"}"#,
    ),
    ("webhook", "url: 'URL/hook', http_config: {basic_auth: {username: u, password: secret}}", ""),
];

fn settings(kind: &str, settings: &str, url: &str) -> String {
    let (scheme, host) = url.split_once("://").unwrap();
    let settings = settings.replace("URL", url).replace("SCHEME", scheme).replace("HOST", host);
    format!("{kind}_configs: [{{{settings}}}]")
}

const LOCAL: &str = "http://127.0.0.1:PORT";

#[tokio::test]
async fn taken_slowed_down_unwell_refused() {
    for (kind, own, good) in KINDS {
        let settings = settings(kind, own, LOCAL);
        let after =
            |answers: Vec<String>| async { told(&settings, &page(kind), Told::FIRST, answers).await.0 };
        // Jira and WeChat ask twice, and SNS is answered in XML; each takes what is good in its words.
        let sent = after(vec![ok(good), ok(good)]).await;
        assert!(sent.is_ok(), "{kind}: {sent:?}");

        let slow =
            after(vec![answer("429 Too Many Requests", "Retry-After: 7\r\n", "{}")]).await.unwrap_err();
        let Error::Refused { status: 429, after: Some(wait), .. } = &slow else { panic!("{kind}: {slow:?}") };
        assert_eq!((*wait, slow.is_temporary()), (Duration::from_secs(7), true), "{kind}");

        for status in ["500 Oops", "503 Unavailable"] {
            let unwell = after(vec![answer(status, "", "oops")]).await.unwrap_err();
            assert!(unwell.is_temporary(), "{kind}: {unwell}");
        }
        for status in ["400 Bad Request", "401 Unauthorized", "404 Not Found"] {
            let refused = after(vec![answer(status, "", "{\"message\":\"no\"}")]).await.unwrap_err();
            assert!(!refused.is_temporary() && refused.code() == "refused", "{kind} {status}: {refused}");
            assert!(!refused.to_string().contains("secret"), "{kind}: {refused}");
        }
        let broken = after(vec![String::new()]).await.unwrap_err();
        assert!(broken.is_temporary(), "{kind}: {broken}");
    }
}

/// Neither the page nor a credential goes to another host, and the page does not count as delivered.
#[tokio::test]
async fn redirects_to_others_deliver_nothing() {
    for (kind, own, good) in KINDS {
        for status in ["302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
            let stranger = Service::start(vec![ok(good)]).await;
            let elsewhere = format!("Location: http://localhost:{}/\r\n", stranger.port);
            let settings = settings(kind, own, LOCAL);
            let (sent, _) =
                told(&settings, &page(kind), Told::FIRST, vec![answer(status, &elsewhere, "")]).await;
            let error = sent.expect_err(kind);
            assert!(!error.is_temporary(), "{kind} {status}: {error}");
            for asked in stranger.asked() {
                assert!(
                    !format!("{asked:?}").contains("secret") && asked.body.is_empty(),
                    "{kind}: {asked:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn who_is_not_vouched_for_gets_nothing() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let acceptor = acceptor();
        while let Ok((stream, _)) = listener.accept().await {
            assert!(acceptor.accept(stream).await.is_err(), "somebody went on");
        }
    });
    for (kind, own, _) in KINDS {
        let registry = registry(&settings(kind, own, &format!("https://localhost:{port}")), &[]);
        let page = page(kind);
        let error = registry.send(&page, Told::FIRST, page.at).await.expect_err(kind);
        assert!(error.is_temporary() && error.code() == "tls", "{kind}: {error}");
        assert!(!error.to_string().contains("secret"), "{kind}: {error}");
    }
    assert!(!server.is_finished());
    server.abort();
}

/// Those that know a `timeout` of their own wait no longer than it says.
#[tokio::test]
async fn silence_ends_at_the_timeout() {
    for (kind, own, _) in KINDS {
        if !matches!(kind, "webhook" | "slack" | "pagerduty" | "telegram" | "incidentio" | "sentry") {
            continue;
        }
        let settings = settings(kind, &format!("{own}, timeout: 50ms"), LOCAL);
        let (sent, _) = told(&settings, &page(kind), Told::FIRST, vec![]).await;
        let error = sent.expect_err(kind);
        assert!(error.is_temporary() && error.code() == "timeout", "{kind}: {error}");
        assert!(!error.to_string().contains("secret"), "{kind}: {error}");
    }
}
